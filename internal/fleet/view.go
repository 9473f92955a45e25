package fleet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
)

// ByID returns one host. Errors: ErrHostNotFound.
func (s *Service) ByID(ctx context.Context, id int64) (*db.Host, error) {
	host, err := s.store.HostByID(ctx, id)
	switch {
	case db.IsNoRows(err):
		return nil, ErrHostNotFound
	case err != nil:
		return nil, fmt.Errorf("looking up host %d: %w", id, err)
	}
	return &host, nil
}

// Details are what the database knows about a host beyond its own row.
type Details struct {
	CanonicalDigest string   // of its account's login, hex; "": there is none
	RecentDigests   []string // of the logins that it had last, at most three, the newest first
	LastUsage       *db.UsageEntry
	Users           []api.HostUser // by name: the twenty that were seen last
}

const maxRecentDigests = 3

// MaxDetailUsers is the most users that Details name.
const MaxDetailUsers = 20

// Details returns those of some hosts by their ids, in one query however many there are.
func (s *Service) Details(ctx context.Context, hosts []db.Host) (map[int64]*Details, error) {
	ids := make([]int64, 0, len(hosts))
	own := map[int64][]byte{}
	for i := range hosts {
		ids = append(ids, hosts[i].ID)
		own[hosts[i].ID] = hosts[i].AuthDigest
	}
	rows, err := s.store.HostDetails(ctx, db.HostDetailsParams{Hosts: ids, MaxUsers: MaxDetailUsers})
	if err != nil {
		return nil, fmt.Errorf("reading about %d hosts: %w", len(ids), err)
	}
	all := make(map[int64]*Details, len(rows))
	for i := range rows {
		row := &rows[i]
		details := &Details{CanonicalDigest: hex.EncodeToString(row.CanonicalDigest), RecentDigests: recent(own[row.ID], row.RecentDigests)}
		if details.LastUsage, err = usageEntry(row.LastUsage); err == nil {
			err = json.Unmarshal(row.Users, &details.Users)
		}
		if err != nil {
			return nil, fmt.Errorf("reading about host %d: %w", row.ID, err)
		}
		all[row.ID] = details
	}
	return all, nil
}

// ByIDs returns those of some hosts that are there, by name, in one query.
func (s *Service) ByIDs(ctx context.Context, ids []int64) ([]db.Host, error) {
	hosts, err := s.store.HostsByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("looking up %d hosts: %w", len(ids), err)
	}
	return hosts, nil
}

// Beside is what a list shows of some hosts besides their rows, by their ids, in one query however many there are.
func (s *Service) Beside(ctx context.Context, hosts []db.Host) (map[int64]*db.HostBesideRow, error) {
	ids := make([]int64, 0, len(hosts))
	for i := range hosts {
		ids = append(ids, hosts[i].ID)
	}
	rows, err := s.store.HostBeside(ctx, db.HostBesideParams{Hosts: ids, Now: s.now()})
	if err != nil {
		return nil, fmt.Errorf("reading about %d hosts: %w", len(ids), err)
	}
	all := make(map[int64]*db.HostBesideRow, len(rows))
	for i := range rows {
		all[rows[i].ID] = &rows[i]
	}
	return all, nil
}

// recent puts the digest of what a host has, which it may have brought itself, before those of what it was given.
func recent(own []byte, given [][]byte) []string {
	all := []string{}
	if len(own) > 0 {
		all = append(all, hex.EncodeToString(own))
	}
	for _, digest := range given {
		if text := hex.EncodeToString(digest); len(all) < maxRecentDigests && (len(all) == 0 || text != all[0]) {
			all = append(all, text)
		}
	}
	return all
}

// usageEntry reads an entry as the database writes a row; nil: there is none.
func usageEntry(raw json.RawMessage) (*db.UsageEntry, error) {
	var row *struct {
		IngestID                                int64 `json:"ingest_id"`
		At                                      api.Time
		Line, Model                             *string
		Total, Input, Output, Cached, Reasoning *int64
		Cost                                    *float64
	}
	if err := json.Unmarshal(raw, &row); err != nil || row == nil {
		return nil, err
	}
	return &db.UsageEntry{
		IngestID: row.IngestID, At: row.At.Time, Line: row.Line, Model: row.Model, Total: row.Total, Input: row.Input, Output: row.Output,
		Cached: row.Cached, Reasoning: row.Reasoning, Cost: row.Cost,
	}, nil
}

// Clear forgets which logins a host has: at its next call it is given the current one anew. Its key and its binding stay.
// Errors: ErrHostNotFound.
func (s *Service) Clear(ctx context.Context, id int64, by audit.Actor) (*db.Host, error) {
	details := audit.Details{}
	return s.change(ctx, by, audit.ActionHostClear, details, func(q *db.Queries) (db.Host, error) {
		before, err := q.HostBefore(ctx, id)
		if err != nil {
			return db.Host{}, err
		}
		deliveries, err := q.DeliveryClear(ctx, id)
		if err != nil {
			return db.Host{}, err
		}
		details["before"] = map[string]any{
			"last_refresh": before.LastRefresh, "auth_digest": hex.EncodeToString(before.AuthDigest), "deliveries": deliveries,
		}
		return q.HostClear(ctx, db.HostClearParams{ID: id, Now: s.now()})
	})
}

// recordBefore adds to the details of a change what was there before, under the same names.
func recordBefore(host *db.Host, details audit.Details) {
	was := map[string]any{
		"secure": host.Secure, "vip": host.VIP, "roaming": host.Roaming, "may_store": host.MayStore, "enabled": host.Status == active,
		"force_ipv4": host.ForceIPv4, "allow_from": host.AllowFrom, "insecure_window_minutes": windowOf(host),
		"client_version": textOf(host.ClientVersionPin), "model_override": textOf(host.ModelOverride),
		"reasoning_effort_override": textOf(host.ReasoningEffortOverride),
	}
	before := map[string]any{}
	for name := range details {
		if value, known := was[name]; known {
			before[name] = value
		}
	}
	if host.BoundIP != nil && (details["unbind"] != nil || details["force_ipv4"] != nil) {
		before["ip"] = host.BoundIP.String()
	}
	details["before"] = before
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// Names are the names of hosts by their ids, pruned ones included: what the audit trail has of a host is its id. Of one that is
// gone for good there is none.
func (s *Service) Names(ctx context.Context, ids []int64) (map[int64]string, error) {
	rows, err := s.store.HostNames(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("looking up the names of hosts: %w", err)
	}
	names := make(map[int64]string, len(rows))
	for _, row := range rows {
		names[row.ID] = row.FQDN
	}
	return names, nil
}
