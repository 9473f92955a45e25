package cdx

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// quotaFresh is how long what ChatGPT said about the account is good for a decision.
const quotaFresh = 30 * time.Minute

// quota is what ChatGPT said about the account's limits, as the gateway tells it. Nothing in it is certain to be there.
type quota struct {
	reached   bool // ChatGPT itself says that the limit is reached
	fetchedAt time.Time
	windows   []screen.Window
	weekToday float64 // percent of the week's quota that were used today; NaN: not known
}

// quotaNow is the quota of the last answer; nil when the gateway does not know it or does not ask for it.
//
// It is read member by member: a number that comes as text is a number, and what is null or of another type is not
// known, which is never the same as 0.
func (b blocks) quotaNow() *quota {
	var said struct {
		Status    any        `json:"status"`
		Fetched   any        `json:"fetched_at"`
		Primary   windowSaid `json:"primary_window"`
		Secondary windowSaid `json:"secondary_window"`
		Today     any        `json:"daily_used_percent"`
	}
	if !b.read(api.BlockQuota, &said) {
		return nil
	}
	status, _ := said.Status.(string)
	if status == "" || status == "disabled" {
		return nil
	}
	q := &quota{reached: status == "limit_reached", weekToday: number(said.Today)}
	if text, ok := said.Fetched.(string); ok {
		q.fetchedAt, _ = time.Parse(time.RFC3339, text)
	}
	for _, w := range []windowSaid{said.Primary, said.Secondary} {
		if window, ok := w.window(q.fetchedAt); ok {
			q.windows = append(q.windows, window)
		}
	}
	return q
}

// windowSaid is a window as it came. One that is no object at all is the zero value.
type windowSaid struct {
	Used       any `json:"used_percent"`
	Limit      any `json:"limit_seconds"`
	ResetAfter any `json:"reset_after_seconds"` // since the quota was fetched
	ResetAt    any `json:"reset_at"`            // Unix seconds
}

// UnmarshalJSON implements json.Unmarshaler; it has no errors.
func (w *windowSaid) UnmarshalJSON(text []byte) error {
	type plain windowSaid // without this method
	var said plain
	if json.Unmarshal(text, &said) == nil {
		*w = windowSaid(said)
	}
	return nil
}

func (w windowSaid) window(fetchedAt time.Time) (screen.Window, bool) {
	used, limit := number(w.Used), number(w.Limit)
	if math.IsNaN(used) && !(limit > 0) {
		return screen.Window{}, false
	}
	window := screen.Window{UsedPercent: used}
	if limit > 0 && limit < math.MaxInt32 {
		window.LimitSeconds = int64(limit)
	}
	const lastYear = 253402300800 // 10000-01-01: later is no time that anybody can read
	if at := number(w.ResetAt); at > 0 && at < lastYear {
		window.ResetsAt = time.Unix(int64(at), 0)
	} else if after := number(w.ResetAfter); after >= 0 && after < math.MaxInt32 && !fetchedAt.IsZero() {
		window.ResetsAt = fetchedAt.Add(time.Duration(after) * time.Second)
	}
	return window, true
}

// number is a JSON number, or one in a string; NaN: neither.
func number(value any) float64 {
	switch value := value.(type) {
	case float64:
		return value
	case string:
		if n, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && !math.IsInf(n, 0) {
			return n
		}
	}
	return math.NaN()
}

// fresh reports whether q is young enough to go by. What was said in the future was not true.
func (q *quota) fresh(now time.Time) bool {
	age := now.Sub(q.fetchedAt)
	return !q.fetchedAt.IsZero() && age >= -maxAhead && age <= quotaFresh
}

// quotaWarning is how many points below the limit a user is warned.
const quotaWarning = 10

// limitOf is the percentage at which the fleet acts: 50 to 100, 100 if nobody says.
func limitOf(policy *api.SyncPolicy) float64 {
	if policy == nil || policy.QuotaLimitPercent == 0 {
		return 100
	}
	return float64(min(max(policy.QuotaLimitPercent, 50), 100))
}

// verdict is what the fleet's policy makes of the quota. The zero value is that there is nothing to say.
type verdict struct {
	refused bool
	text    string // "week is at 96%, the fleet's limit is 95%"; "": nothing is near its limit
	resets  string // ", it resets in 2 d 18 h"; "": not known
	onCard  bool   // the boot card shows it too
}

// quotaVerdict decides whether Codex may start. It is refused only if the policy says so, this machine is not exempt
// (vip), and the numbers are fresh; a window whose reset is past says nothing any more. policy and q may be nil.
func quotaVerdict(policy *api.SyncPolicy, q *quota, vip bool, now time.Time) verdict {
	if q == nil || !q.fresh(now) {
		return verdict{}
	}
	limit := limitOf(policy)
	worst := q.worst(policy, now)
	if q.reached && worst.used < 100 && q.stillReached(now) {
		worst = measure{what: "the account", used: 100, resetsAt: worst.resetsAt}
	}
	if worst.used < limit-quotaWarning {
		return verdict{}
	}
	v := verdict{onCard: worst.onCard, text: fmt.Sprintf("%s is at %.0f%%, the fleet's limit is %.0f%%", worst.what, worst.used, limit)}
	if !worst.resetsAt.IsZero() {
		v.resets = ", it resets in " + screen.Span(worst.resetsAt.Sub(now))
	}
	v.refused = worst.used >= limit && policy != nil && policy.QuotaHardFail && !vip
	return v
}

// measure is one thing that is held against the limit. The zero value's used is 0.
type measure struct {
	what     string // "week", "today's share of the week"
	used     float64
	resetsAt time.Time
	onCard   bool
}

// worst is the measure that is used up most. What is not known is not measured.
func (q *quota) worst(policy *api.SyncPolicy, now time.Time) measure {
	var worst measure
	consider := func(m measure) {
		if m.used > worst.used { // never, for what is not known
			m.used = min(m.used, 999)
			worst = m
		}
	}
	for _, w := range q.windows {
		if w.ResetsAt.IsZero() || w.ResetsAt.After(now) {
			consider(measure{what: w.Label(), used: w.UsedPercent, resetsAt: w.ResetsAt, onCard: true})
		}
	}
	if days := partition(policy); days > 0 {
		share := math.Round(100 / float64(days))
		consider(measure{what: "today's share of the week", used: q.weekToday / share * 100})
	}
	return worst
}

// partition is over how many days the fleet spreads a week's quota; 0: it does not.
func partition(policy *api.SyncPolicy) int {
	if policy != nil && (policy.QuotaWeekPartition == 5 || policy.QuotaWeekPartition == 7) {
		return policy.QuotaWeekPartition
	}
	return 0
}

// stillReached reports whether ChatGPT's word that the limit is reached can still be true: not all windows have
// been reset since.
func (q *quota) stillReached(now time.Time) bool {
	for _, w := range q.windows {
		if w.ResetsAt.IsZero() || w.ResetsAt.After(now) {
			return true
		}
	}
	return len(q.windows) == 0
}

// mayStart holds the quota against the fleet's policy before Codex starts. Who works with a credential of their own
// does not use the fleet's quota.
//
// Errors: *refusal: the limit is reached.
func (s *session) mayStart(args []string) error {
	if command, _ := codexCommand(args); command == "login" || s.usesOwnCredential() {
		return nil
	}
	host := s.blocks.host()
	v := quotaVerdict(s.blocks.policy(), s.blocks.quotaNow(), host != nil && host.VIP, s.app.Now())
	switch {
	case v.refused:
		return &refusal{
			exit: ExitQuota, label: "denied", what: "quota: " + v.text + v.resets, cause: "the fleet's policy refuses launches at its limit",
			next: "ask an admin: cdxgate host set " + s.client.config.FQDN + " --vip\n" + notStarted(ExitQuota),
		}
	case v.text != "":
		s.notices = append(s.notices, notice{label: "quota", text: v.text + v.resets, onCard: v.onCard})
	}
	return nil
}

// usesOwnCredential reports whether Codex will run with something else than the fleet's login.
func (s *session) usesOwnCredential() bool { return hasOwnCredential() || s.login.isOwnAPIKey() }
