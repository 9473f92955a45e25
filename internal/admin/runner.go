package admin

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrNoRunner is a verification that there is nobody to make. It takes an operator to change that.
var ErrNoRunner = errs.New(errs.Unavailable, "runner_not_configured", "This installation has no runner").Later(time.Hour)

// runner serves GET /admin/runner: what was verified, and what there is to verify. This installation has no runner.
func (s *Surface) runner(r *call.Request, _ audit.Actor) (any, error) {
	if q := readQuery(r); q.err != nil {
		return nil, q.err
	}
	counts, err := s.cfg.Store.VerificationCount(r.Context(), s.cfg.Now().Add(-24*time.Hour))
	if err != nil {
		return nil, fmt.Errorf("counting verifications: %w", err)
	}
	latest, err := s.cfg.Store.VerificationLatest(r.Context())
	if err != nil {
		return nil, fmt.Errorf("looking up the latest verifications: %w", err)
	}
	answer := api.AdminRunner{Counts: api.AdminRunnerCounts{Validations24h: counts.Validations, RunnerStore24h: counts.Stores}}
	for i := range latest {
		entry := wireVerification(&latest[i])
		if latest[i].Action == "auth.validate" {
			answer.LatestValidation = entry
		} else {
			answer.LatestRunnerStore = entry
		}
	}
	subject, err := s.cfg.Store.VerificationSubject(r.Context(), credential.DefaultAccount)
	switch {
	case db.IsNoRows(err):
	case err != nil:
		return nil, fmt.Errorf("looking up the login: %w", err)
	default:
		answer.CanonicalAuth = &api.AdminCanonicalAuth{
			PayloadID: subject.Number, CreatedAt: api.Time{Time: subject.CreatedAt}, LastRefresh: subject.LastRefresh,
			Digest: hex.EncodeToString(subject.Digest), SourceHostID: subject.HostID, SourceHost: hostRef(subject.HostID, subject.FQDN, subject.IP),
		}
	}
	return answer, nil
}

// runRunner serves POST /admin/runner/run. Whether there is a login is not looked at: without a runner that makes no difference.
//
// Errors: ErrNoRunner.
func (s *Surface) runRunner(*call.Request, audit.Actor) (any, error) { return nil, ErrNoRunner }

func wireVerification(row *db.VerificationLatestRow) *api.AdminRunnerEntry {
	var said map[string]json.RawMessage
	_ = json.Unmarshal([]byte(row.Details), &said) // what is no object says nothing
	text := func(name string) *string {
		var value *string
		if json.Unmarshal(said[name], &value) != nil {
			return nil
		}
		return value
	}
	entry := &api.AdminRunnerEntry{
		ID: row.ID, CreatedAt: api.Time{Time: row.At}, Details: json.RawMessage("{}"), Status: text("status"), Reason: text("reason"),
		Digest: text("digest"), LastRefresh: text("last_refresh"), Host: hostRef(row.HostID, row.FQDN, row.IP),
	}
	if said != nil {
		entry.Details = json.RawMessage(row.Details)
	}
	return entry
}

func hostRef(id *int64, fqdn, ip string) *api.AdminHostRef {
	if id == nil {
		return nil
	}
	return &api.AdminHostRef{ID: *id, FQDN: fqdn, IP: textOrNull(ip)}
}
