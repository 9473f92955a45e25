// Package usage records the tokens that hosts say they used.
package usage

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

const (
	retryWindow = 30 * time.Second // so long an equal report without a key is taken for a retry
	maxKeyBytes = 128
	maxPerHour  = 10_000               // entries of one host: more than machines have sessions, less than fills a disk
	keepFor     = 400 * 24 * time.Hour // a year can be compared with the one before
	pruneBatch  = 1000
)

// Service records the usage of one fleet. It is safe for concurrent use, on any number of gateways.
type Service struct {
	store *db.Store
	clock func() time.Time
}

// New makes a service. clock may be nil: time.Now.
func New(store *db.Store, clock func() time.Time) *Service {
	if clock == nil {
		clock = time.Now
	}
	return &Service{store: store, clock: clock}
}

func (s *Service) now() time.Time { return s.clock().UTC() }

// Report is what a host sends at once.
type Report struct {
	Entries []Entry
	Key     string     // idempotency key; "": none
	User    string     // system user of the host who used it, as fleet.SeeUser has it; "": nobody said
	From    netip.Addr // the client's address
}

// Record records a report, all of it or nothing, and never twice: under a key that was used it answers what it answered
// then; without a key, an entry that equals one of an earlier report of the last 30 seconds is that one, sent again.
//
// Errors: Invalid, about the idempotency key or about too many entries; fleet.ErrKeyInvalid, fleet.ErrHostDisabled when the host is
// not what it was when it was let in.
func (s *Service) Record(ctx context.Context, host *db.Host, r Report) (*api.UsageResponse, error) {
	if len(r.Key) > maxKeyBytes || strings.ContainsFunc(r.Key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, Invalid{"idempotency_key": {"Idempotency-Key must be 1 to 128 printable ASCII characters without blanks"}}
	}
	var answer *api.UsageResponse
	err := s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		// One report of a host at a time, so that a retry finds what it retries.
		if _, err := fleet.Hold(ctx, q, host); err != nil {
			return err
		}
		if r.Key != "" {
			if answer, err = s.replay(ctx, q, host, r); answer != nil || err != nil {
				return err
			}
		}
		answer, err = s.record(ctx, q, host, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// replay answers a report whose key was used before; nil when it was not.
func (s *Service) replay(ctx context.Context, q *db.Queries, host *db.Host, r Report) (*api.UsageResponse, error) {
	ingest, err := q.UsageIngestByKey(ctx, db.UsageIngestByKeyParams{HostID: host.ID, IdempotencyKey: r.Key})
	switch {
	case db.IsNoRows(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking up a report of %s: %w", host.FQDN, err)
	case !bytes.Equal(ingest.BodySHA256, digest(r.Entries)):
		return nil, Invalid{"idempotency_key": {"this Idempotency-Key was used for another report"}}
	}
	rows, err := q.UsageEntriesOf(ctx, ingest.ID)
	if err != nil {
		return nil, fmt.Errorf("reading a report of %s: %w", host.FQDN, err)
	}
	answer := &api.UsageResponse{HostID: host.ID, Recorded: len(rows), IngestID: ingest.ID, Cost: ingest.Cost}
	for i := range rows {
		answer.Usages = append(answer.Usages, wireRow(&rows[i]))
	}
	return answer, nil
}

func (s *Service) record(ctx context.Context, q *db.Queries, host *db.Host, r Report) (*api.UsageResponse, error) {
	now := s.now().Truncate(time.Microsecond)
	earlier := twins{}
	if r.Key == "" {
		rows, err := q.UsageEntriesSince(ctx, db.UsageEntriesSinceParams{HostID: host.ID, Since: now.Add(-retryWindow)})
		if err != nil {
			return nil, fmt.Errorf("reading what %s has reported: %w", host.FQDN, err)
		}
		earlier = findTwins(rows)
	}
	answer := &api.UsageResponse{HostID: host.ID, Recorded: len(r.Entries)}
	var fresh []Entry
	for _, entry := range r.Entries {
		if recorded := earlier.take(entry); recorded != nil {
			answer.Duplicates++
			answer.Usages = append(answer.Usages, wireRow(recorded))
			continue
		}
		fresh = append(fresh, entry)
		answer.Usages = append(answer.Usages, wire(&entry, now))
	}
	if len(fresh) == 0 {
		return answer, nil
	}
	recent, err := q.UsageEntriesCount(ctx, db.UsageEntriesCountParams{HostID: host.ID, Since: now.Add(-time.Hour)})
	switch {
	case err != nil:
		return nil, fmt.Errorf("counting what %s has reported: %w", host.FQDN, err)
	case recent+int64(len(fresh)) > maxPerHour:
		return nil, Invalid{"usages": {fmt.Sprintf("a host may report %d entries an hour", maxPerHour)}}
	}
	id, err := s.insert(ctx, q, host, r, fresh, now)
	if err != nil {
		return nil, err
	}
	answer.IngestID = id
	return answer, nil
}

// insert writes the envelope, the entries and one audit entry.
func (s *Service) insert(ctx context.Context, q *db.Queries, host *db.Host, r Report, fresh []Entry, now time.Time) (int64, error) {
	params := db.UsageIngestInsertParams{
		HostID: host.ID, At: now, Entries: int32(len(fresh)), //nolint:gosec // at most 500
		BodySHA256: digest(r.Entries), IdempotencyKey: textOrNil(r.Key),
	}
	from := r.From.Unmap().WithZone("")
	if from.IsValid() {
		params.IP = &from
	}
	for i := range fresh {
		add(&params.Total, fresh[i].Total)
		add(&params.Input, fresh[i].Input)
		add(&params.Output, fresh[i].Output)
		add(&params.Cached, fresh[i].Cached)
		add(&params.Reasoning, fresh[i].Reasoning)
	}
	id, err := q.UsageIngestInsert(ctx, params)
	if err != nil {
		return 0, fmt.Errorf("recording a report of %s: %w", host.FQDN, err)
	}
	rows := make([]db.UsageEntryInsertParams, 0, len(fresh))
	for _, e := range fresh {
		rows = append(rows, db.UsageEntryInsertParams{
			IngestID: id, HostID: &host.ID, At: now, Line: e.Line, Total: e.Total, Input: e.Input, Output: e.Output,
			Cached: e.Cached, Reasoning: e.Reasoning, Model: e.Model, Username: textOrNil(r.User),
		})
	}
	if _, err := q.UsageEntryInsert(ctx, rows); err != nil {
		return 0, fmt.Errorf("recording the usage of %s: %w", host.FQDN, err)
	}
	// One for the report, whose entries are rows of their own: a host must not be able to flood the audit trail.
	return id, audit.Record(ctx, q, audit.Entry{
		At: now, Action: audit.ActionTokenUsage, HostID: host.ID,
		Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: from},
		Details: audit.Details{
			"ingest_id": id, "entries": len(fresh), "total": params.Total, "input": params.Input, "output": params.Output,
			"cached": params.Cached, "reasoning": params.Reasoning,
		},
	})
}

// Month sums what a host used in the current month, UTC.
func (s *Service) Month(ctx context.Context, hostID int64) (api.TokenUsage, error) {
	now := s.now()
	begin := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	sum, err := s.store.UsageSum(ctx, db.UsageSumParams{HostID: hostID, Since: begin, Until: begin.AddDate(0, 1, 0)})
	if err != nil {
		return api.TokenUsage{}, fmt.Errorf("summing the usage of a month: %w", err)
	}
	return api.TokenUsage{
		Total: sum.Total, Input: sum.Input, Output: sum.Output, Cached: sum.Cached, Reasoning: sum.Reasoning,
		Events: sum.Events, Cost: sum.Cost,
	}, nil
}

// Prune deletes reports that are older than 400 days. One pass.
func (s *Service) Prune(ctx context.Context) (changed int, err error) {
	deleted, err := s.store.UsagePrune(ctx, db.UsagePruneParams{Before: s.now().Add(-keepFor), Max: pruneBatch})
	if err != nil {
		return 0, fmt.Errorf("pruning usage: %w", err)
	}
	return int(deleted), nil
}

// twins are recorded entries by what makes a retry of them. Each is the twin of one entry of a report, so two sessions
// that were reported together stay two.
type twins map[twin][]*db.UsageEntry

// twin is what an entry and its retry have in common. The line does not count, because old clients leave it out when they
// try again, unless it is all there is.
type twin struct{ total, input, output, cached, reasoning, model, line string }

func twinOf(e Entry) twin {
	t := twin{
		said(e.Total), said(e.Input), said(e.Output), said(e.Cached), said(e.Reasoning), said(e.Model), "",
	}
	if !e.hasNumber() {
		t.line = said(e.Line)
	}
	return t
}

// said tells what was not said from everything that may be said.
func said[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint("=", *value)
}

func findTwins(rows []db.UsageEntry) twins {
	all := twins{}
	for i := range rows {
		row := &rows[i]
		t := twinOf(Entry{
			Line: row.Line, Total: row.Total, Input: row.Input, Output: row.Output, Cached: row.Cached, Reasoning: row.Reasoning,
			Model: row.Model,
		})
		all[t] = append(all[t], row)
	}
	return all
}

// take returns the entry that e is a retry of, once; nil when there is none.
func (t twins) take(e Entry) *db.UsageEntry {
	key := twinOf(e)
	rows := t[key]
	if len(rows) == 0 {
		return nil
	}
	t[key] = rows[1:]
	return rows[0]
}

// add sums what may be unknown, and stays at the biggest number there is.
func add(sum **int64, value *int64) {
	switch {
	case value == nil:
	case *sum == nil:
		*sum = new(*value)
	case **sum > maxInt-*value:
		**sum = maxInt
	default:
		**sum += *value
	}
}

const maxInt = 1<<63 - 1

func wire(e *Entry, at time.Time) api.UsageRecord {
	return api.UsageRecord{UsageFacts: api.UsageFacts{
		RecordedAt: api.Time{Time: at}, Line: e.Line, Total: e.Total, Input: e.Input, Output: e.Output, Cached: e.Cached,
		Reasoning: e.Reasoning, Model: e.Model,
	}}
}

func wireRow(row *db.UsageEntry) api.UsageRecord {
	return api.UsageRecord{Cost: row.Cost, UsageFacts: api.UsageFacts{
		RecordedAt: api.Time{Time: row.At}, Line: row.Line, Total: row.Total, Input: row.Input, Output: row.Output,
		Cached: row.Cached, Reasoning: row.Reasoning, Model: row.Model,
	}}
}
