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

// timeLayout is as exact as the database is.
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

// link appends an entry to its chain. It holds the chain's head until the transaction ends, so that any number of
// processes make one chain.
func link(ctx context.Context, q *db.Queries, entry db.AuditEntryAppendParams) error {
	head, err := q.AuditChainLock(ctx, db.AuditChainLockParams{Name: entry.Chain, Details: entry.Details})
	if db.IsNoRows(err) {
		return fmt.Errorf("recording %s: the database has no audit chain %s", entry.Action, entry.Chain)
	}
	if err != nil {
		return fmt.Errorf("recording %s: %w", entry.Action, err)
	}
	entry.ID, entry.Seq, entry.Prev = head.ID, head.Seq+1, head.Hash
	l := Link{
		Action: entry.Action, Actor: entry.Actor, ActorKind: entry.ActorKind, At: entry.At.Format(timeLayout), Chain: entry.Chain,
		Details: json.RawMessage(head.Details), HostID: entry.HostID, ID: entry.ID,
		Prev: hex.EncodeToString(entry.Prev), RequestID: entry.RequestID, Seq: entry.Seq,
	}
	if entry.IP != nil {
		l.IP = textOrNil(entry.IP.String())
	}
	if entry.Hash, err = l.hash(); err != nil {
		return fmt.Errorf("recording %s: %w", entry.Action, err)
	}
	if err := q.AuditEntryAppend(ctx, entry); err != nil {
		return fmt.Errorf("recording %s: %w", entry.Action, err)
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
