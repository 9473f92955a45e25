package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
)

// ProvisionWithin is how long a host may take to come. One that has not by then, and has no install token left, never will: it
// is pruned.
const ProvisionWithin = 30 * time.Minute

const (
	pruneGrace = 7 * 24 * time.Hour // a pruned host can be restored for so long
	pruneBatch = 500
)

// Prune retires hosts that are due: expired, never seen since their install token died, silent for inactiveAfter (0: silence
// is no reason). Their keys are refused at once; the rows, and what belongs to them, go a week later. One pass.
func (s *Service) Prune(ctx context.Context, inactiveAfter time.Duration) (changed int, err error) {
	now := s.now()
	params := db.HostPruneParams{Now: now, UnprovisionedBefore: now.Add(-ProvisionWithin), Max: pruneBatch}
	if inactiveAfter > 0 {
		params.InactiveBefore = new(now.Add(-inactiveAfter))
	}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		pruned, err := q.HostPrune(ctx, params)
		if err != nil {
			return fmt.Errorf("pruning hosts: %w", err)
		}
		gone, err := q.HostPurge(ctx, db.HostPurgeParams{Before: now.Add(-pruneGrace), Max: pruneBatch})
		if err != nil {
			return fmt.Errorf("removing pruned hosts: %w", err)
		}
		changed = len(pruned) + len(gone)
		for i := range pruned {
			if err := s.recordPruned(ctx, q, &pruned[i]); err != nil {
				return err
			}
		}
		for _, host := range gone {
			err := audit.Record(ctx, q, audit.Entry{
				At: now, Actor: audit.Gateway, Action: audit.ActionHostPurged, HostID: host.ID, Details: audit.Details{"fqdn": host.FQDN},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return changed, err
}

func (s *Service) recordPruned(ctx context.Context, q *db.Queries, host *db.Host) error {
	details := audit.Details{"fqdn": host.FQDN, "reason": *host.DeletedWhy, "created_at": host.CreatedAt.UTC().Format(api.TimeFormat)}
	if host.LastSeenAt != nil {
		details["last_contact"] = host.LastSeenAt.UTC().Format(api.TimeFormat)
	}
	if host.ExpiresAt != nil {
		details["expires_at"] = host.ExpiresAt.UTC().Format(api.TimeFormat)
	}
	return audit.Record(ctx, q, audit.Entry{
		At: s.now(), Actor: audit.Gateway, Action: audit.ActionHostPruned, HostID: host.ID, Details: details,
	})
}
