package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/cdxgate/cdxgate/db"
)

// Newest returns the newest n entries, oldest first, and a reader that goes on behind them.
func (k *Keeper) Newest(ctx context.Context, n int32) ([]Recorded, *Follower, error) {
	follower := &Follower{keeper: k, seen: map[string]int64{}}
	var entries []Recorded
	err := k.store.WithSnapshot(ctx, func(q *db.Queries) error {
		names, err := q.AuditChainNames(ctx)
		if err != nil {
			return fmt.Errorf("listing the audit chains: %w", err)
		}
		for _, name := range names {
			state, err := q.AuditChainState(ctx, name)
			if err != nil {
				return fmt.Errorf("looking at the audit chain %s: %w", name, err)
			}
			follower.seen[name] = state.Seq
			err = eachLinked(ctx, q, name, max(0, state.Seq-int64(n)), func(e *Recorded) error {
				entries = append(entries, *e)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	inTime(entries)
	return entries[max(0, len(entries)-int(n)):], follower, nil
}

// Follower reads what is recorded from now on. It is for one goroutine.
type Follower struct {
	keeper *Keeper
	seen   map[string]int64 // :: chain → number of the newest entry read
}

// Next returns what was recorded since the last call. It is meant to be called again and again.
func (f *Follower) Next(ctx context.Context) ([]Recorded, error) {
	names, err := f.keeper.store.AuditChainNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the audit chains: %w", err)
	}
	var entries []Recorded
	for _, name := range names {
		err := eachLinked(ctx, f.keeper.store.Queries, name, f.seen[name], func(e *Recorded) error {
			entries, f.seen[name] = append(entries, *e), e.Seq
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	inTime(entries)
	return entries, nil
}

// inTime orders entries of several chains.
func inTime(entries []Recorded) {
	slices.SortStableFunc(entries, func(a, b Recorded) int { return strings.Compare(a.At, b.At) })
}

// Format writes an entry as one line, without its end.
type Format func(w io.Writer, e *Recorded) error

// Export writes every entry there is: those from before there were chains first, then chain by chain.
func (k *Keeper) Export(ctx context.Context, w io.Writer, format Format) error {
	line := func(e *Recorded) error {
		if err := format(w, e); err != nil {
			return err
		}
		_, err := io.WriteString(w, "\n")
		return err
	}
	return k.store.WithSnapshot(ctx, func(q *db.Queries) error {
		if err := eachUnchained(ctx, q, line); err != nil {
			return err
		}
		names, err := q.AuditChainNames(ctx)
		if err != nil {
			return fmt.Errorf("listing the audit chains: %w", err)
		}
		for _, name := range names {
			if err := eachLinked(ctx, q, name, 0, line); err != nil {
				return err
			}
		}
		return nil
	})
}

func eachLinked(ctx context.Context, q *db.Queries, chain string, after int64, do func(*Recorded) error) error {
	params := db.AuditEntryListParams{Chain: chain, Seq: after + 1, MaxRows: pageRows}
	for {
		rows, err := q.AuditEntryList(ctx, params)
		if err != nil {
			return fmt.Errorf("reading the audit chain %s: %w", chain, err)
		}
		for i := range rows {
			row := &rows[i]
			if err := do(&Recorded{Link: *linkOf(chain, row), Hash: hex.EncodeToString(row.Hash)}); err != nil {
				return err
			}
			params.Seq, params.ID = row.Seq, row.ID
		}
		if len(rows) < pageRows {
			return nil
		}
	}
}

func eachUnchained(ctx context.Context, q *db.Queries, do func(*Recorded) error) error {
	params := db.AuditEntryListUnchainedParams{MaxRows: pageRows}
	for {
		rows, err := q.AuditEntryListUnchained(ctx, params)
		if err != nil {
			return fmt.Errorf("reading old entries: %w", err)
		}
		for _, row := range rows {
			entry := db.AuditEntryListRow{
				ID: row.ID, At: row.At, ActorKind: row.ActorKind, Actor: row.Actor, Action: row.Action, HostID: row.HostID,
				IP: row.IP, RequestID: row.RequestID, Details: row.Details,
			}
			if err := do(&Recorded{Link: *linkOf("", &entry)}); err != nil {
				return err
			}
			params.After = row.ID
		}
		if len(rows) < pageRows {
			return nil
		}
	}
}

// JSONLine is the canonical JSON of an entry with its hash as one more member, the last: without it, it is what was
// hashed.
func JSONLine(w io.Writer, e *Recorded) error {
	text, err := e.canonical()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `%s,"hash":"%s"}`, bytes.TrimSuffix(text, []byte("}")), e.Hash)
	return err
}

// syslogPriority is facility 13, log audit, and severity 6, informational.
const syslogPriority = 13*8 + 6

// SyslogLine returns the format of RFC 5424, of messages from a host of that name. The details are the message; everything
// else is structured data. The enterprise number is the one that is kept for documents: this project has none of its own.
func SyslogLine(hostname string) Format {
	hostname = token(hostname, 255)
	return func(w io.Writer, e *Recorded) error {
		message, err := canonicalJSON(e.Details)
		if err != nil {
			return err
		}
		var out strings.Builder
		fmt.Fprintf(&out, "<%d>1 %s %s cdxgate - %s [audit@32473", syslogPriority, e.At, hostname, token(e.Action, 32))
		for _, param := range [][2]string{
			{"chain", e.Chain}, {"seq", number(&e.Seq)}, {"prev", e.Prev}, {"hash", e.Hash}, {"action", e.Action},
			{"actorKind", e.ActorKind}, {"actor", e.Actor}, {"host", number(e.HostID)}, {"ip", text(e.IP)}, {"request", text(e.RequestID)},
		} {
			if param[1] != "" {
				fmt.Fprintf(&out, ` %s="%s"`, param[0], paramEscapes.Replace(graphic(param[1])))
			}
		}
		fmt.Fprintf(&out, "] %s", graphic(string(message)))
		_, err = io.WriteString(w, out.String())
		return err
	}
}

// paramEscapes are those of a parameter's value, RFC 5424, 6.3.3.
var paramEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// token makes a text a name of printable ASCII of so many characters at most; "-" stands for none.
func token(text string, length int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, text)
	return cmp.Or(text[:min(len(text), length)], "-")
}

// graphic writes what is not graphic as JSON does, so that a line stays one.
func graphic(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

func number(n *int64) string {
	if n == nil || *n == 0 {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func text(t *string) string {
	if t == nil {
		return ""
	}
	return *t
}
