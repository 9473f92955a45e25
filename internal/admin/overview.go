package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/quota"
)

// overview serves GET /admin/overview: what the gateway knows. It asks nobody else and changes nothing.
func (s *Surface) overview(r *call.Request, _ audit.Actor) (any, error) {
	if q := readQuery(r); q.err != nil {
		return nil, q.err
	}
	state, err := s.cfg.Policy.Read(r.Context())
	if err != nil {
		return nil, err
	}
	account, err := s.cfg.Store.AccountByName(r.Context(), credential.DefaultAccount)
	if err != nil {
		return nil, fmt.Errorf("looking up the account: %w", err)
	}
	known, err := s.cfg.Store.OverviewGet(r.Context())
	if err != nil {
		return nil, fmt.Errorf("looking over the fleet: %w", err)
	}
	versions, err := s.versions(r.Context(), state)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now().UTC()
	answer := api.AdminOverview{
		MTLS: mtls(r.Request), Totals: api.OverviewTotals{Hosts: known.Hosts}, LatestLogAt: timeKnown(known.LatestEntryAt),
		Versions: versions, HasCanonicalAuth: account.Generation > 0, SeedReasons: []string{},
		QuotaHardFail: state.QuotaHardFail, QuotaLimitPercent: state.QuotaLimitPercent, QuotaWeekPartition: state.QuotaWeekPartition,
		CdxSilent: state.CdxSilent, InactivityWindowDays: state.InactivityWindowDays,
	}
	if !answer.HasCanonicalAuth {
		answer.SeedRequired, answer.SeedReasons = true, []string{"missing_auth"}
	}
	if known.LastRefresh != "" {
		age := max(0, now.Sub(time.UnixMicro(int64(known.MeanRefresh*1e6))).Hours()/24)
		answer.LastRefresh, answer.AvgRefreshAgeDays = &known.LastRefresh, &age
	}
	if known.ClientVersion != "" {
		answer.Versions.ReportedClientVersion = &known.ClientVersion
	}
	if state.ClientVersion != "" {
		answer.ClientVersionLock, answer.ClientVersionLockUpdatedAt = &state.ClientVersion, api.Time{Time: state.DecidedAt["client_version"]}
	}
	limits, err := s.cfg.Quota.Read(r.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	answer.ChatGPTUsage, answer.ChatGPTCached, answer.ChatGPTNextEligibleAt = limits.Wire(), true, api.Time{Time: limits.NextEligibleAt}
	if err := s.addUsage(r, &answer, weekOf(limits, now), now); err != nil {
		return nil, err
	}
	return answer, nil
}

// weekOf is when the week began that ChatGPT counts in, or, if that is unknown, midnight six days ago, UTC.
func weekOf(known *quota.Known, now time.Time) time.Time {
	if s := known.Snapshot; s != nil && s.Long.Week() {
		if begin, ok := s.Long.Begin(now); ok && !begin.After(now) {
			return begin
		}
	}
	return now.Truncate(24*time.Hour).AddDate(0, 0, -6)
}

// addUsage says what was used: ever, today, this week and this month, UTC.
func (s *Surface) addUsage(r *call.Request, answer *api.AdminOverview, week, now time.Time) error {
	day := now.Truncate(24 * time.Hour)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	sums, err := s.cfg.Usage.Totals(r.Context(), time.Unix(0, 0), day, week, month)
	if err != nil {
		return err
	}
	answer.Tokens.Tokens, answer.TokensDay, answer.TokensWeek, answer.TokensMonth = wireSum(sums[0]), wireSum(sums[1]), wireSum(sums[2]), wireSum(sums[3])
	answer.PricingDayCost, answer.PricingWeekCost, answer.PricingMonthCost = answer.TokensDay.Cost, answer.TokensWeek.Cost, answer.TokensMonth.Cost
	top, err := s.cfg.Usage.TopHost(r.Context())
	if err == nil && top != nil {
		answer.Tokens.TopHost = &api.TopHost{HostID: top.ID, FQDN: top.FQDN, Total: top.Total}
	}
	return err
}

// mtls says how the caller's connection was made. Who came in without a certificate shows that none is required here.
func mtls(r *http.Request) api.AdminMTLS {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return api.AdminMTLS{}
	}
	leaf := r.TLS.VerifiedChains[0][0]
	sum := sha256.Sum256(leaf.Raw)
	return api.AdminMTLS{
		Required: true, Present: true, Enforced: true, Fingerprint: new(hex.EncodeToString(sum[:])), Subject: new(leaf.Subject.String()), Issuer: new(leaf.Issuer.String()),
	}
}

// timeKnown is a time; the epoch, and what lies before it, is none.
func timeKnown(at time.Time) api.Time {
	if at.Unix() <= 0 {
		return api.Time{}
	}
	return api.Time{Time: at}
}
