package screen

import (
	"math"
	"time"
)

// StatusJSON is the document of cdx status -o json. Its keys stay; what is unknown is null. Times are RFC 3339 in UTC.
type StatusJSON struct {
	State    string        `json:"state"` // ok, unknown, attention or denied
	Exit     int           `json:"exit"`
	Host     *hostJSON     `json:"host"`
	Gateway  *gatewayJSON  `json:"gateway"`
	Denied   *deniedJSON   `json:"denied"`
	Address  *addressJSON  `json:"address"`
	Login    *loginJSON    `json:"login"`
	Sessions *sessionsJSON `json:"sessions"`
	Codex    *codexJSON    `json:"codex"`
	Cdx      *cdxJSON      `json:"cdx"`
	Commands *commandsJSON `json:"commands"`
	Quota    *quotaJSON    `json:"quota"`
	Month    *monthJSON    `json:"month"`
	Waiting  *waitingJSON  `json:"waiting"`
}

type hostJSON struct {
	FQDN     string `json:"fqdn"`
	Secure   bool   `json:"secure"`
	Brokered bool   `json:"brokered"`
}

type gatewayJSON struct {
	URL              string     `json:"url"`
	Reachable        bool       `json:"reachable"`
	Reason           *string    `json:"reason"` // why it is not reachable
	RoundTripMS      *float64   `json:"round_trip_ms"`
	CertificateUntil *time.Time `json:"certificate_until"`
}

type deniedJSON struct {
	What  string   `json:"what"`
	Cause *string  `json:"cause"`
	Next  []string `json:"next"`
}

type addressJSON struct {
	IP    string `json:"ip"`
	Bound bool   `json:"bound"`
}

type loginJSON struct {
	Generation  *int64     `json:"generation"`
	ValidUntil  *time.Time `json:"valid_until"`
	NextRefresh *time.Time `json:"next_refresh"`
	Digest      *string    `json:"digest"`
	VerifiedAt  *time.Time `json:"verified_at"`
	Cached      bool       `json:"cached"`
	Kept        bool       `json:"kept"` // on this machine when the last session has ended
}

type sessionsJSON struct {
	Running     int        `json:"running"`
	OldestSince *time.Time `json:"oldest_since"`
	OldestPID   *int       `json:"oldest_pid"`
}

type codexJSON struct {
	Version     *string `json:"version"`
	Target      *string `json:"target"`
	InstalledBy *string `json:"installed_by"`
}

type cdxJSON struct {
	Version string  `json:"version"`
	Newest  *string `json:"newest"`
}

type commandsJSON struct {
	Current   int `json:"current"`
	Proposals int `json:"proposals"`
}

type quotaJSON struct {
	Stale   bool         `json:"stale"`
	SeenAt  *time.Time   `json:"seen_at"`
	Windows []windowJSON `json:"windows"`
}

type windowJSON struct {
	Label            string     `json:"label"`
	LimitSeconds     *int64     `json:"limit_seconds"`
	UsedPercent      *float64   `json:"used_percent"`
	ProjectedPercent *float64   `json:"projected_percent"` // at the reset
	ResetsAt         *time.Time `json:"resets_at"`
}

type monthJSON struct {
	Tokens  int64    `json:"tokens"`
	CostUSD *float64 `json:"cost_usd"`
}

type waitingJSON struct {
	Login        bool `json:"login"`
	UsageReports int  `json:"usage_reports"`
}

// NewStatusJSON is the document for the same facts as [Status]. It can always be encoded.
func NewStatusJSON(f StatusFacts, now time.Time) StatusJSON {
	worst := Good
	for _, r := range f.rows(now) {
		worst = max(worst, min(r.state, Attention))
	}
	out := StatusJSON{Exit: f.exit(now), State: worst.word()}
	if f.Host.FQDN != "" {
		out.Host = &hostJSON{Clean(f.Host.FQDN), f.Host.Secure, f.Host.Brokered}
	}
	if g := f.Gateway; g != (StatusGateway{}) {
		out.Gateway = &gatewayJSON{
			URL: Clean(g.URL), Reachable: g.Unreachable == "", Reason: known(g.Unreachable),
			CertificateUntil: moment(g.CertificateUntil),
		}
		if g.RoundTrip > 0 {
			out.Gateway.RoundTripMS = new(float64(g.RoundTrip) / float64(time.Millisecond))
		}
	}
	if r := f.Refusal; r != nil {
		out.State = "denied"
		out.Denied = &deniedJSON{What: Clean(r.What.sentence()), Cause: known(r.Cause.sentence()), Next: []string{}}
		for _, next := range r.Next {
			out.Denied.Next = append(out.Denied.Next, Clean(next.sentence()))
		}
	}
	if f.Address.IP != "" {
		out.Address = &addressJSON{Clean(f.Address.IP), f.Address.Bound}
	}
	if l := f.Login; l != nil {
		out.Login = &loginJSON{
			Generation: positive(l.Generation), ValidUntil: moment(l.ValidUntil), NextRefresh: moment(l.NextRefresh),
			Digest: known(l.Digest), VerifiedAt: moment(l.VerifiedAt), Cached: l.Cached, Kept: !l.NotKept,
		}
	}
	if s := f.Sessions; s != nil {
		out.Sessions = &sessionsJSON{Running: s.Running, OldestSince: moment(s.Since), OldestPID: positive(s.PID)}
	}
	if c := f.Codex; c != (CodexVersion{}) {
		out.Codex = &codexJSON{known(c.Installed), known(c.Target), known(c.InstalledBy)}
	}
	if f.Cdx.Installed != "" {
		out.Cdx = &cdxJSON{Clean(f.Cdx.Installed), known(f.Cdx.Newest)}
	}
	if f.Commands != nil {
		out.Commands = &commandsJSON{f.Commands.Current, f.Commands.Proposals}
	}
	out.Quota = f.Quota.document(now)
	if f.Month != nil {
		out.Month = &monthJSON{Tokens: f.Month.Tokens}
		if dollars(f.Month.Cost) != "" {
			out.Month.CostUSD = f.Month.Cost
		}
	}
	if f.Waiting != nil {
		out.Waiting = &waitingJSON{f.Waiting.Login, f.Waiting.Reports}
	}
	return out
}

func (q *Quota) document(now time.Time) *quotaJSON {
	if q == nil {
		return nil
	}
	out := &quotaJSON{Stale: q.Stale, SeenAt: moment(q.SeenAt), Windows: make([]windowJSON, 0, len(q.Windows))}
	for _, w := range q.Windows {
		window := windowJSON{
			Label: w.Label(), LimitSeconds: positive(w.LimitSeconds), UsedPercent: finite(w.UsedPercent),
			ResetsAt: moment(w.ResetsAt),
		}
		if projection, ok := w.Projection(now); ok && !q.Stale {
			window.ProjectedPercent = finite(math.Round(projection*10) / 10)
		}
		out.Windows = append(out.Windows, window)
	}
	return out
}

// word is the state in JSON.
func (s State) word() string {
	return [...]string{"ok", "unknown", "attention"}[s]
}

// moment is a time for JSON: null for zero, and for a year that RFC 3339 has no digits for.
func moment(t time.Time) *time.Time {
	if t = t.UTC(); t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return new(t.Truncate(time.Second))
}

// known is a string for JSON, which may end on a terminal: clean, and null if there is none.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return new(Clean(text))
}

func positive[N int | int64](n N) *N {
	if n <= 0 {
		return nil
	}
	return &n
}

// finite is a number that JSON can carry.
func finite(n float64) *float64 {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return &n
}
