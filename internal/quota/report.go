package quota

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// When a host's word counts. It may only be newer than what is known, and by so much: the whole fleet together adds a row
// in so many minutes, and no host replaces what ChatGPT itself says while ChatGPT is being asked in its turn.
const (
	reportGap   = 5 * time.Minute  // after another host's
	upstreamGap = 20 * time.Minute // after ChatGPT's: longer than the longest interval between questions that are answered
	reportAge   = 24 * time.Hour   // older says nothing about now
	reportAhead = time.Minute      // clocks differ; it is taken as of now
)

// Report takes the rate limits that a host says its Codex was told at a moment, RFC 3339; the host must hold the fleet's
// login, or they are another's. They become what is known about its account if they are news. taken reports whether they did.
//
// Errors: kind Invalid on usage.rate_limits or usage.rate_limits_at; fleet.ErrKeyInvalid, fleet.ErrHostDisabled when the host
// is not what it was when it was let in.
func (s *Service) Report(ctx context.Context, host *db.Host, raw json.RawMessage, seenAt string) (taken bool, err error) {
	now := s.cfg.Now().UTC()
	seen, err := time.Parse(time.RFC3339, seenAt)
	switch {
	case err != nil:
		return false, errs.Field(reportField+"_at", "rate_limits_at must be an RFC 3339 time")
	case seen.After(now.Add(reportAhead)):
		return false, errs.Field(reportField+"_at", "rate_limits_at lies in the future")
	case seen.Before(now.Add(-reportAge)):
		return false, nil
	case seen.After(now):
		seen = now
	}
	snapshot, err := ReadReport(raw, seen.UTC().Truncate(time.Microsecond))
	if err != nil {
		return false, err
	}
	snapshot.HostID = &host.ID
	known, err := s.Read(ctx, host.AccountID)
	if err != nil || known.Snapshot != nil && !newsAfter(known.Snapshot.source(), known.Snapshot.FetchedAt, seen) {
		return false, err // most are not, and that costs no lock
	}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		if _, err := fleet.Hold(ctx, q, host); err != nil {
			return err
		}
		if err := q.QuotaStateCreate(ctx, host.AccountID); err != nil {
			return fmt.Errorf("preparing the quota of an account: %w", err)
		}
		if _, err := q.QuotaStateHold(ctx, host.AccountID); err != nil {
			return fmt.Errorf("locking the quota of an account: %w", err)
		}
		before, err := q.QuotaHeld(ctx, host.AccountID)
		if err != nil {
			return fmt.Errorf("reading the quota of an account: %w", err)
		}
		if before.FetchedAt != nil && !newsAfter(*before.Source, *before.FetchedAt, seen) {
			return nil
		}
		if seen.Before(before.LoginSince) {
			return nil // those of the login before, which was another's
		}
		snapshot.chatgptAccount = textOf(before.LoginAccount)
		id, err := q.QuotaSnapshotInsert(ctx, rowOf(host.AccountID, &snapshot))
		if err != nil {
			return fmt.Errorf("recording the quota that %s reports: %w", host.FQDN, err)
		}
		if err := q.QuotaSnapshotAdopt(ctx, db.QuotaSnapshotAdoptParams{AccountID: host.AccountID, SnapshotID: id}); err != nil {
			return fmt.Errorf("taking over the quota that %s reports: %w", host.FQDN, err)
		}
		taken = true
		return nil
	})
	return taken && err == nil, err
}

// newsAfter reports whether what a host saw counts after what is known from a source since a moment.
func newsAfter(source string, known, seen time.Time) bool {
	gap := upstreamGap
	if source == sourceHost {
		gap = reportGap
	}
	return !seen.Before(known.Add(gap))
}
