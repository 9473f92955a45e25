package admin

import (
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/quota"
)

// quota serves GET /admin/chatgpt/usage: what is known. A reading asks nobody.
func (s *Surface) quota(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "force")
	if q.values.Has("force") && q.values.Get("force") != "0" {
		q.fail("force", "force asks nobody here: POST /admin/chatgpt/usage/refresh does")
	}
	if q.err != nil {
		return nil, q.err
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	known, err := s.cfg.Quota.Read(r.Context(), account)
	if err != nil {
		return nil, err
	}
	return s.quotaAnswer(r, known, false)
}

// refreshQuota serves POST /admin/chatgpt/usage/refresh. What ChatGPT has against being asked is part of the answer, not an
// error: the last good one is there as well.
func (s *Surface) refreshQuota(r *call.Request, by audit.Actor) (any, error) {
	if q := readQuery(r); q.err != nil {
		return nil, q.err
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	known, asked, err := s.cfg.Quota.Refresh(r.Context(), account, by)
	if err != nil {
		return nil, err
	}
	return s.quotaAnswer(r, known, asked)
}

func (s *Surface) quotaAnswer(r *call.Request, known *quota.Known, asked bool) (any, error) {
	decided, err := s.cfg.Policy.Load(r.Context())
	if err != nil {
		return nil, err
	}
	return known.Admin(asked, quotaRules(decided), s.cfg.Now()), nil
}

// quotaRules are the policy's about the quota, for hosts that are no VIPs.
func quotaRules(decided *policy.Policy) quota.Rules {
	return quota.Rules{HardFail: decided.QuotaHardFail, LimitPercent: decided.QuotaLimitPercent, WeekPartition: decided.QuotaWeekPartition}
}

// quotaHistory serves GET /admin/chatgpt/usage/history.
func (s *Surface) quotaHistory(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "days")
	days := int(q.number("days", defaultDays, int64(quota.MaxDays)))
	if q.err != nil {
		return nil, q.err
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	points, since, err := s.cfg.Quota.History(r.Context(), account, days)
	if err != nil {
		return nil, err
	}
	return api.QuotaHistory{Days: days, Since: api.Time{Time: since}, Points: quota.WirePoints(points)}, nil
}
