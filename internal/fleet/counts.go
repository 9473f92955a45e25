package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Counts are how many hosts there are, by what matters about them. A host may be counted several times.
type Counts struct {
	Hosts, Active, Disabled int64
	Expired                 int64
	Secure, Roaming, VIP    int64
	NeverSeen               int64
	SeenLately              int64 // in the last 24 hours
	WindowOpen              int64 // insecure hosts that may call now
	Holding                 int64 // known to have a login
	Behind                  int64 // of those: not the one that their account has now
	Outdated                int64 // see [Filter]
}

// Counts counts all hosts, in one query. versions are what they should run.
func (s *Service) Counts(ctx context.Context, versions Versions) (Counts, error) {
	now := s.now()
	row, err := s.store.HostCounts(ctx, db.HostCountsParams{
		Now: now, Since: now.Add(-24 * time.Hour), CodexVersion: reportedAs(versions.Codex), CdxVersion: reportedAs(versions.Cdx),
	})
	if err != nil {
		return Counts{}, fmt.Errorf("counting the hosts: %w", err)
	}
	return Counts{
		Hosts: row.Hosts, Active: row.Active, Disabled: row.Disabled, Expired: row.Expired,
		Secure: row.Secure, Roaming: row.Roaming, VIP: row.VIP, NeverSeen: row.NeverSeen, SeenLately: row.SeenSince,
		WindowOpen: row.WindowOpen, Holding: row.Holding, Behind: row.Behind, Outdated: row.Outdated,
	}, nil
}

// VersionCount is how many hosts last came with a version.
type VersionCount struct {
	Version string
	Hosts   int64
}

// VersionCounts count the hosts by the versions of Codex and of cdx that they last came with; the most common first.
func (s *Service) VersionCounts(ctx context.Context) (codex, cdx []VersionCount, err error) {
	rows, err := s.store.HostVersions(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("counting the versions of hosts: %w", err)
	}
	for _, row := range rows {
		count := VersionCount{row.Version, row.Hosts}
		if row.Program == "cdx" {
			cdx = append(cdx, count)
		} else {
			codex = append(codex, count)
		}
	}
	return codex, cdx, nil
}
