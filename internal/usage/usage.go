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
	From    netip.Addr // the client's address
}

// Record records a report, all of it or nothing, and never twice: under a key that was used it answers what it answered
// then; without a key, an entry that equals one of an earlier report of the last 30 seconds is that one, sent again.
//
// Errors: Invalid, about the idempotency key; fleet.ErrKeyInvalid when the host or its API key is gone by now.
func (s *Service) Record(ctx context.Context, host *db.Host, r Report) (*api.UsageResponse, error) {
	if len(r.Key) > maxKeyBytes || strings.ContainsFunc(r.Key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, Invalid{"idempotency_key": {"Idempotency-Key must be 1 to 128 printable ASCII characters without blanks"}}
	}
	var answer *api.UsageResponse
	err := s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		held, err := q.UsageLock(ctx, db.UsageLockParams{HostID: host.ID, KeySHA256: host.KeySHA256})
		switch {
		case err != nil:
			return fmt.Errorf("locking the usage of %s: %w", host.FQDN, err)
		case held == 0:
			return fleet.ErrKeyInvalid
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
	var earlier []db.UsageEntry
	if r.Key == "" {
		var err error
		earlier, err = q.UsageEntriesSince(ctx, db.UsageEntriesSinceParams{HostID: host.ID, Since: now.Add(-retryWindow)})
		if err != nil {
			return nil, fmt.Errorf("reading what %s has reported: %w", host.FQDN, err)
		}
	}
	answer := &api.UsageResponse{HostID: host.ID, Recorded: len(r.Entries)}
	var fresh []Entry
	for _, entry := range r.Entries {
		if twin := takeTwin(&earlier, &entry); twin != nil {
			answer.Duplicates++
			answer.Usages = append(answer.Usages, wireRow(twin))
			continue
		}
		fresh = append(fresh, entry)
		answer.Usages = append(answer.Usages, wire(&entry, now))
	}
	if len(fresh) == 0 {
		return answer, nil
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
			Cached: e.Cached, Reasoning: e.Reasoning, Model: e.Model,
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

// takeTwin takes the entry that e is a retry of out of what was recorded earlier; nil when there is none. Each recorded
// entry is the twin of one entry of a report, so two sessions that were reported together stay two. The line does not
// count, because old clients leave it out when they try again, unless it is all there is.
func takeTwin(earlier *[]db.UsageEntry, e *Entry) *db.UsageEntry {
	for i := range *earlier {
		row := (*earlier)[i]
		same := equal(row.Total, e.Total) && equal(row.Input, e.Input) && equal(row.Output, e.Output) &&
			equal(row.Cached, e.Cached) && equal(row.Reasoning, e.Reasoning) && equal(row.Model, e.Model)
		if same && (e.hasNumber() || equal(row.Line, e.Line)) {
			*earlier = append((*earlier)[:i:i], (*earlier)[i+1:]...)
			return &row
		}
	}
	return nil
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
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
