package quota

import (
	"math"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// Sync is the block for cdx; nil: nothing is known. It stays the same until something else is known, so a reset counts from
// the moment of the answer. What is over by now is not told.
func (k *Known) Sync(now time.Time) *api.ChatGPTUsage {
	s := k.Snapshot
	if s == nil {
		return nil
	}
	usage := k.summary(now)
	usage.PrimaryWindow, usage.SecondaryWindow = wireWindow(s.Short.At(s.FetchedAt, now), s.FetchedAt), wireWindow(s.Long.At(s.FetchedAt, now), s.FetchedAt)
	return usage
}

// Auth is the member of an answer to POST /auth, which is never missing and never without numbers: clients in the field end
// with an error where they find none. A window that is unknown, or was reset since, is one of which nothing is used.
func (k *Known) Auth(now time.Time) api.ChatGPTUsage {
	usage, short, long := &api.ChatGPTUsage{Status: api.UsageDisabled}, Window{}, Window{}
	switch s := k.Snapshot; {
	case s != nil:
		usage, short, long = k.summary(now), s.Short.At(s.FetchedAt, now), s.Long.At(s.FetchedAt, now)
	case k.Failure != nil && k.Failure.Code != CodeNoLogin && k.Failure.Code != CodeNoTokens:
		usage.Status, usage.NextEligibleAt = api.UsageError, api.Time{Time: k.NextEligibleAt}
	}
	usage.PrimaryWindow, usage.SecondaryWindow = numbered(wireWindow(short, now), shortSeconds), numbered(wireWindow(long, now), weekSeconds)
	return *usage
}

func numbered(w api.UsageWindow, seconds int) api.UsageWindow {
	if w.UsedPercent == nil {
		w.UsedPercent = new(0)
	}
	if w.LimitSeconds == nil {
		w.LimitSeconds = &seconds
	}
	return w
}

// summary is what both have, without the windows.
func (k *Known) summary(now time.Time) *api.ChatGPTUsage {
	s := k.Snapshot
	usage := &api.ChatGPTUsage{
		Status: api.UsageOK, PlanType: textOrNil(s.Plan), RateAllowed: s.Allowed, RateLimitReached: s.Reached,
		FetchedAt: api.Time{Time: s.FetchedAt}, NextEligibleAt: api.Time{Time: k.NextEligibleAt},
	}
	if s.LimitReached(now) {
		usage.Status = api.UsageLimitReached
	}
	today, since := s.UsedToday(k.Baseline, now)
	usage.DailyUsedPercent, usage.DailyBaselineAt = today, api.Time{Time: since}
	return usage
}

// wireWindow is a window whose reset counts from a moment.
func wireWindow(w Window, from time.Time) api.UsageWindow {
	wire := api.UsageWindow{UsedPercent: w.UsedPercent}
	if w.Length > 0 {
		wire.LimitSeconds = new(int(w.Length / time.Second))
	}
	if !w.ResetsAt.IsZero() {
		wire.ResetAfterSeconds = new(max(0, int(w.ResetsAt.Sub(from)/time.Second)))
		wire.ResetAt = new(strconv.FormatInt(w.ResetsAt.Unix(), 10))
	}
	return wire
}

// Admin is what admins are told. asked reports whether somebody was asked for it.
func (k *Known) Admin(asked bool, rules Rules, now time.Time) *api.AdminQuota {
	answer := &api.AdminQuota{
		Snapshot: k.Wire(), Cached: !asked, NextEligibleAt: api.Time{Time: k.NextEligibleAt}, Enabled: k.On, CheckedAt: api.Time{Time: k.CheckedAt},
		Windows: []api.QuotaWindow{},
	}
	if f := k.Failure; f != nil {
		answer.LastError = &api.QuotaError{Code: f.Code, Message: f.Text, At: api.Time{Time: f.At}}
		if f.Status > 0 {
			answer.LastError.HTTPStatus = &f.Status
		}
	}
	if allowance := DailyAllowance(rules.LimitPercent, rules.WeekPartition); allowance > 0 {
		answer.DailyAllowancePercent = &allowance
	}
	if k.Snapshot == nil {
		return answer
	}
	for _, w := range []Window{k.Snapshot.Short, k.Snapshot.Long} {
		if w != (Window{}) {
			answer.Windows = append(answer.Windows, standing(w, k.Snapshot.FetchedAt, now))
		}
	}
	today, since := k.Snapshot.UsedToday(k.Baseline, now)
	answer.DailyUsedPercent, answer.DailyBaselineAt = today, api.Time{Time: since}
	verdict := Judge(k.Snapshot, k.Baseline, rules, now)
	answer.LaunchesRefused, answer.LimitReason = verdict.Refused, textOrNil(verdict.Reason)
	return answer
}

// standing is a window of an answer as it stands now.
func standing(w Window, fetchedAt, now time.Time) api.QuotaWindow {
	w = w.At(fetchedAt, now)
	wire := wireWindow(w, now)
	return api.QuotaWindow{
		Label: w.Label(), UsedPercent: wire.UsedPercent, LimitSeconds: wire.LimitSeconds, ResetsAt: api.Time{Time: w.ResetsAt},
		ElapsedPercent: rounded(w.Elapsed(now) * 100), Pace: rounded(w.Pace(fetchedAt)), ProjectedPercent: rounded(w.Projection(fetchedAt)),
	}
}

// rounded is a number with two digits behind the point; nil: it is unknown.
func rounded(n float64) *float64 {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return new(math.Round(n*100) / 100)
}

// Wire is the snapshot as admins get it; nil: there is none.
func (k *Known) Wire() *api.QuotaSnapshot {
	s := k.Snapshot
	if s == nil {
		return nil
	}
	short, long := wireWindow(s.Short, s.FetchedAt), wireWindow(s.Long, s.FetchedAt)
	wire := &api.QuotaSnapshot{
		ID: s.ID, Source: s.source(), HostID: s.HostID, FQDN: textOrNil(s.HostFQDN), Status: api.UsageOK, PlanType: textOrNil(s.Plan),
		RateAllowed: s.Allowed, RateLimitReached: s.Reached,
		PrimaryUsedPercent: short.UsedPercent, PrimaryLimitSeconds: short.LimitSeconds, PrimaryResetAfterSeconds: short.ResetAfterSeconds, PrimaryResetAt: short.ResetAt,
		SecondaryUsedPercent: long.UsedPercent, SecondaryLimitSeconds: long.LimitSeconds, SecondaryResetAfterSeconds: long.ResetAfterSeconds, SecondaryResetAt: long.ResetAt,
		HasCredits: s.HasCredits, Unlimited: s.Unlimited, CreditBalance: textOrNil(s.CreditBalance),
		ApproxLocalMessages: spanOrNil(s.LocalMessages), ApproxCloudMessages: spanOrNil(s.CloudMessages),
		FetchedAt: api.Time{Time: s.FetchedAt}, NextEligibleAt: api.Time{Time: k.NextEligibleAt}, CreatedAt: api.Time{Time: s.CreatedAt},
	}
	if k.Failure != nil {
		wire.Status, wire.Error = api.UsageError, &k.Failure.Text
	}
	return wire
}

func spanOrNil(numbers []int32) *[]int32 {
	if numbers == nil {
		return nil
	}
	return &numbers
}

// WirePoints is a history as admins get it.
func WirePoints(points []Point) []api.QuotaPoint {
	wire := make([]api.QuotaPoint, 0, len(points))
	for _, p := range points {
		short, long := wireWindow(p.Short, p.At), wireWindow(p.Long, p.At)
		wire = append(wire, api.QuotaPoint{
			FetchedAt: api.Time{Time: p.At}, Source: p.Source, PrimaryUsedPercent: short.UsedPercent, SecondaryUsedPercent: long.UsedPercent,
			PrimaryLimitSeconds: short.LimitSeconds, SecondaryLimitSeconds: long.LimitSeconds,
		})
	}
	return wire
}
