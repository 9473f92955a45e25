package dashboard

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/templates"
)

// pathQuotaRefresh is what the button posts to that has ChatGPT asked now.
const pathQuotaRefresh = "/dashboard/quota/refresh"

// errNotAsked is a question that may not be asked yet.
var errNotAsked = errs.New(errs.Conflict, "quota_not_asked", "ChatGPT was asked within the last minute, is being asked, or said to wait")

// refreshQuota has ChatGPT asked. What it has against that is said, and stands on the card from then on.
func (s *Surface) refreshQuota(v *visit) (outcome, error) {
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return nil, err
	}
	known, asked, err := s.cfg.Quota.Refresh(v.Context(), account, v.Actor)
	if err != nil {
		return nil, err
	}
	switch failure := known.Failure; {
	case !asked && failure != nil && failure.Code == quota.CodeNoLogin:
		return nil, credential.ErrNone
	case !asked:
		return nil, errNotAsked
	case failure != nil:
		return done{To: home, Tone: templates.Bad, Say: "ChatGPT said nothing new about the quota", More: sentence(failure.Text)}, nil
	}
	return done{To: home, Say: "ChatGPT was asked about the quota"}, nil
}

// quotaCard is the card of what is left.
func (f *overviewFacts) quotaCard() templates.QuotaCard {
	k := f.quota
	if k == nil {
		return templates.QuotaCard{}
	}
	card := templates.QuotaCard{
		Limit: f.policy.QuotaLimitPercent, Next: templates.Moment{At: k.NextEligibleAt, Now: f.now},
		Refresh: templates.Action{Label: "Refresh", Icon: "refresh", Post: pathQuotaRefresh, Kind: templates.Small, Why: f.whyNotAsk()},
	}
	if failure := k.Failure; failure != nil && failure.Code != quota.CodeNoLogin && failure.Code != quota.CodeNoTokens {
		card.Failure, card.FailedAt = "The last question failed: "+failure.Text+".", templates.Moment{At: failure.At, Now: f.now}
	}
	s := k.Snapshot
	if s == nil {
		card.Empty = f.noQuota()
		return card
	}
	if !k.On {
		card.Notes = append(card.Notes, templates.QuotaNote{Tone: templates.Info, Text: "The option chatgpt_url is off: the gateway asks nobody, and knows what hosts report."})
	}
	card.Said, card.By = templates.Moment{At: s.FetchedAt, Now: f.now}, saidBy(s)
	card.Plan = s.Plan
	if strings.Contains(strings.ToLower(s.Plan), "pro") {
		card.PlanTone = templates.OK
	}
	rules := quota.Rules{HardFail: f.policy.QuotaHardFail, LimitPercent: f.policy.QuotaLimitPercent, WeekPartition: f.policy.QuotaWeekPartition}
	verdict := quota.Judge(s, k.Baseline, rules, f.now)
	card.Reached = verdict.Reason != "" || s.LimitReached(f.now)
	switch {
	case verdict.Refused:
		card.Notes = append(card.Notes, templates.QuotaNote{Tone: templates.Bad, Text: "Launches are refused, but on VIP hosts: " + verdict.Reason + "."})
	case verdict.Reason != "":
		card.Notes = append(card.Notes, templates.QuotaNote{Tone: templates.Warn, Text: "Hosts are warned, and launch: " + verdict.Reason + "."})
	}
	if s.Short == (quota.Window{}) && s.Long == (quota.Window{}) {
		card.Empty = &templates.Empty{Title: "No windows", Text: "ChatGPT names no limits of this plan in hours or days."}
		return card
	}
	card.Windows = []templates.QuotaWindow{f.quotaWindow(s.Short, s, "Hours"), f.quotaWindow(s.Long, s, "Days")}
	return card
}

// whyNotAsk says why ChatGPT cannot be asked now; "": it can, unless somebody has just done it.
func (f *overviewFacts) whyNotAsk() string {
	switch {
	case !f.quota.On:
		return "The option chatgpt_url is off: nobody is asked."
	case f.current.Number == 0:
		return "There is no login to ask with."
	}
	return f.why(access.QuotaRefresh)
}

// noQuota says why nothing is known, and the next step.
func (f *overviewFacts) noQuota() *templates.Empty {
	upload := func(e *templates.Empty) *templates.Empty {
		if f.has("/dashboard/credentials") {
			e.Actions = []templates.Action{{Label: "Upload a login", Icon: "upload", Href: "/dashboard/credentials", Why: f.why(access.CredentialWrite)}}
		}
		return e
	}
	switch failure := f.quota.Failure; {
	case !f.quota.On:
		return &templates.Empty{Title: "ChatGPT is not asked", Text: "The gateway's option chatgpt_url is off. What hosts report about the fleet's login appears here."}
	case failure != nil && failure.Code == quota.CodeNoLogin:
		return upload(&templates.Empty{Title: "No quota yet", Text: "It is that of the fleet's login. Bring one, and ChatGPT is asked within a minute."})
	case failure != nil && failure.Code == quota.CodeNoTokens:
		return upload(&templates.Empty{Title: "No quota", Text: "The fleet's login is an API key, which has none at ChatGPT. A login with ChatGPT has one."})
	case failure != nil:
		return &templates.Empty{Title: "Nothing is known", Text: "ChatGPT has not said anything about this login yet. It is asked again by itself; Refresh asks now."}
	}
	return &templates.Empty{Title: "Nothing is known yet", Text: "ChatGPT is asked within a minute; Refresh asks now."}
}

func saidBy(s *quota.Snapshot) string {
	switch {
	case !s.FromHost:
		return "ChatGPT"
	case s.HostFQDN == "":
		return "a host that was removed"
	}
	return s.HostFQDN
}

// quotaWindow is a window as it stands now. Its pace is that of when it was said; other is its name as long as its length is
// unknown.
func (f *overviewFacts) quotaWindow(said quota.Window, s *quota.Snapshot, other string) templates.QuotaWindow {
	w := said.At(s.FetchedAt, f.now)
	shown := templates.QuotaWindow{
		Title: windowTitle(w.Length, other), Used: w.UsedPercent, ResetsAt: w.ResetsAt,
		Elapsed: whole(w.Elapsed(f.now) * 100), Projected: whole(w.Projection(s.FetchedAt)),
	}
	switch {
	case said == (quota.Window{}):
		shown.Note = "Nothing was said about it."
	case said.UsedPercent != nil && w.UsedPercent == nil:
		shown.Note = "It was reset since; what was used since is not known."
	}
	if !w.ResetsAt.IsZero() {
		shown.ResetsIn = untilReset(w.ResetsAt, f.now)
	}
	if pace := w.Pace(s.FetchedAt); !math.IsNaN(pace) {
		shown.Pace = strconv.FormatFloat(pace, 'f', 1, 64) + "×"
		shown.Tone, shown.State = paceTone(float64(*w.UsedPercent), w.Elapsed(s.FetchedAt)*100)
	}
	return shown
}

// whole is a number of per cent; nil: it is unknown.
func whole(percent float64) *int {
	if math.IsNaN(percent) || math.IsInf(percent, 0) {
		return nil
	}
	return new(int(math.Round(percent)))
}

// farAhead is by how many points less must be used than time has passed for a window to be none to look after.
const farAhead = 15

func paceTone(used, elapsed float64) (templates.Tone, string) {
	switch {
	case used > elapsed:
		return templates.Bad, "Over pace"
	case elapsed-used < farAhead:
		return templates.Warn, "Close to pace"
	}
	return templates.OK, "On pace"
}

func windowTitle(length time.Duration, other string) string {
	const day = 24 * time.Hour
	switch {
	case length <= 0:
		return other
	case length%day == 0:
		return templates.Count(int64(length/day), "day", "days")
	case length%time.Hour == 0:
		return templates.Count(int64(length/time.Hour), "hour", "hours")
	}
	return quota.Window{Length: length}.Label()
}

// untilReset is how long it is until a window begins anew. app.js says it in the same words as time goes by.
func untilReset(at, now time.Time) string {
	left := max(0, at.Sub(now))
	if days := int(left / (24 * time.Hour)); days >= 2 {
		return fmt.Sprintf("%d d, %s", days, at.UTC().Weekday())
	}
	var parts []string
	for _, amount := range templates.Span(left) {
		parts = append(parts, amount.Value+" "+amount.Unit)
	}
	return strings.Join(parts, " ")
}
