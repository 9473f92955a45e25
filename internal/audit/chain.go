package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Link is an entry as it is hashed and exported: JSON with its members sorted, without white space, and with no more
// characters escaped than must be. The fields stand in the order of their names.
type Link struct {
	Action    string          `json:"action"`
	Actor     string          `json:"actor"`
	ActorKind string          `json:"actor_kind"`
	At        string          `json:"at"`    // timeLayout, UTC
	Chain     string          `json:"chain"` // empty: from before there were chains, as are Seq and Prev
	Details   json.RawMessage `json:"details"`
	HostID    *int64          `json:"host_id"`
	ID        int64           `json:"id"` // of the row
	IP        *string         `json:"ip"`
	Prev      string          `json:"prev"` // hex
	RequestID *string         `json:"request_id"`
	Seq       int64           `json:"seq"`
}

// Recorded is an entry as it is kept.
type Recorded struct {
	Link
	Hash string `json:"hash"` // hex; empty: from before there were chains
}

// timeLayout is as exact as the database is: what is finer is cut off.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// canonical is the text that is hashed.
func (l *Link) canonical() ([]byte, error) {
	normal := *l
	var err error
	if normal.Details, err = canonicalJSON(l.Details); err != nil {
		return nil, fmt.Errorf("reading the details of entry %d of %s: %w", l.Seq, l.Chain, err)
	}
	return plainJSON(normal)
}

// canonicalJSON sorts the members of every object. Numbers stay as they are written.
func canonicalJSON(text json.RawMessage) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return plainJSON(value)
}

func (l *Link) hash() ([]byte, error) {
	text, err := l.canonical()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// plainJSON encodes a value on one line, without HTML's escapes.
func plainJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encoding for the audit trail: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// link makes an entry what becomes a link when its place in a chain is known.
func (e *Entry) link(ctx context.Context) (*Link, error) {
	l := &Link{
		Action: e.Action, Actor: e.Actor.Name, ActorKind: e.Actor.Kind, At: formatTime(e.At), Details: json.RawMessage("{}"),
		RequestID: textOrNil(requestID(ctx)),
	}
	if len(e.Details) > 0 {
		var err error
		if l.Details, err = json.Marshal(e.Details); err != nil {
			return nil, fmt.Errorf("encoding the audit entry %s: %w", e.Action, err)
		}
	}
	if e.HostID != 0 {
		l.HostID = &e.HostID
	}
	if e.Actor.IP.IsValid() {
		l.IP = textOrNil(e.Actor.IP.String())
	}
	return l, nil
}

// appendTo appends entries to a chain. It holds the chain's head until the transaction ends, so that any number of
// processes make one chain.
func appendTo(ctx context.Context, q *db.Queries, chain string, links []*Link) error {
	texts := make([]json.RawMessage, len(links))
	for i, l := range links {
		texts[i] = l.Details
	}
	details, err := plainJSON(texts)
	if err != nil {
		return err
	}
	places, err := q.AuditChainLock(ctx, db.AuditChainLockParams{Name: chain, Details: details})
	if err != nil {
		return fmt.Errorf("recording %s: %w", links[0].Action, err)
	}
	if len(places) != len(links) {
		return fmt.Errorf("recording %s: the database has no audit chain %s", links[0].Action, chain)
	}
	rows, seq, prev := make([]Recorded, len(links)), places[0].Seq, places[0].Hash
	for i, l := range links {
		seq++
		l.Chain, l.Seq, l.ID, l.Prev, l.Details = chain, seq, places[i].ID, hex.EncodeToString(prev), json.RawMessage(places[i].Details)
		if prev, err = l.hash(); err != nil {
			return fmt.Errorf("recording %s: %w", l.Action, err)
		}
		rows[i] = Recorded{Link: *l, Hash: hex.EncodeToString(prev)}
	}
	entries, err := plainJSON(rows)
	if err != nil {
		return err
	}
	if err := q.AuditEntryAppend(ctx, db.AuditEntryAppendParams{Chain: chain, Seq: seq, Hash: prev, Entries: entries}); err != nil {
		return fmt.Errorf("recording %s: %w", links[0].Action, err)
	}
	return nil
}

// linkOf is an entry as the database has it.
func linkOf(chain string, row *db.AuditEntryListRow) *Link {
	return &Link{
		Action: row.Action, Actor: row.Actor, ActorKind: row.ActorKind, At: formatTime(row.At), Chain: chain,
		Details: row.Details, HostID: row.HostID, ID: row.ID, IP: textOrNil(addressText(row.IP)),
		Prev: hex.EncodeToString(row.Prev), RequestID: textOrNil(row.RequestID), Seq: row.Seq,
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// addressText writes an address as Go does. What is no address was never written by us: it stays what it is.
func addressText(text string) string {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.String()
	}
	return text
}
