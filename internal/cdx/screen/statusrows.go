package screen

import (
	"fmt"
	"time"
)

func (h Host) row() row {
	if h.FQDN == "" {
		return row{}
	}
	secure, brokered := "insecure", ""
	if h.Secure {
		secure = "secure"
	}
	if h.Brokered {
		brokered = "brokered"
	}
	return row{label: "host", parts: some(field(h.FQDN, hostCells), secure, brokered)}
}

func (g StatusGateway) row(now time.Time) row {
	const urlCells = 80
	r := row{label: "gateway"}
	url := field(g.URL, urlCells)
	if g.Unreachable != "" {
		r.state, r.parts = Attention, some(list(" ", url, field(g.Unreachable, reasonCells)))
		return r
	}
	took, certificate := "", ""
	if g.RoundTrip > 0 {
		took = roundTrip(g.RoundTrip)
	}
	if !g.CertificateUntil.IsZero() {
		certificate = "certificate until " + g.CertificateUntil.In(now.Location()).Format("2 Jan 2006")
		const soon = 7 * day
		if g.CertificateUntil.Sub(now) < soon {
			r.state = Attention
		}
	}
	r.parts = some(url, took, certificate)
	return r
}

// Words are the gateway's row of the status, and how it stands.
func (g StatusGateway) Words(now time.Time) (words string, state State) {
	r := g.row(now)
	return list(", ", r.parts...), r.state
}

// rows are a refusal in the place of the gateway.
func (r *Refusal) rows() []row {
	rows := make([]row, 0, 2+len(r.Next))
	for _, l := range r.lines() {
		words := ""
		for _, s := range l.long {
			words += s.text
		}
		next := row{state: l.state, label: l.label, parts: some(field(words, reasonCells))}
		if l.more {
			next.label = ""
		}
		rows = append(rows, next)
	}
	return rows
}

func (a Address) row() row {
	if a.IP == "" {
		return row{}
	}
	bound := "not bound"
	if a.Bound {
		bound = "bound"
	}
	return row{label: "address", parts: some(field(a.IP, hostCells), bound)}
}

func (l *StatusLogin) row(now time.Time) row {
	if l == nil {
		return row{}
	}
	r := row{label: "login"}
	generation := "present"
	if l.Generation > 0 {
		generation = "generation " + thousands(l.Generation)
	}
	if l.Cached {
		generation = "cached " + generation
	}
	valid, refresh, kept, digest, verified := "", "", "", "", ""
	switch left := l.ValidUntil.Sub(now); {
	case l.ValidUntil.IsZero():
	case left <= 0:
		r.state = Attention
		valid = "not valid since " + at(l.ValidUntil, now.UTC()) + " UTC"
	default:
		valid = "valid until " + at(l.ValidUntil, now.UTC()) + " UTC (" + Span(left) + ")"
	}
	if !l.NextRefresh.IsZero() {
		refresh = "next refresh " + l.NextRefresh.In(now.Location()).Format("Mon 2 Jan")
	}
	if l.NotKept {
		kept = "not kept on this machine"
	}
	if l.Digest != "" {
		digest = "digest " + shortDigest(l.Digest)
	}
	if !l.VerifiedAt.IsZero() {
		verified = "verified " + Span(now.Sub(l.VerifiedAt)) + " ago"
	}
	r.parts, r.next = some(generation, valid, refresh, kept), some(digest, verified)
	return r
}

// shortDigest is enough of a digest to compare it by eye.
func shortDigest(digest string) string {
	digest = Clean(digest)
	const head, tail = 8, 4
	if runes := []rune(digest); len(runes) > head+tail+1 {
		return string(runes[:head]) + "…" + string(runes[len(runes)-tail:])
	}
	return digest
}

func (s *Sessions) row(now time.Time) row {
	if s == nil {
		return row{}
	}
	if s.Running <= 0 {
		return row{label: "sessions", parts: some("none running")}
	}
	words := thousands(int64(s.Running)) + " running"
	if !s.Since.IsZero() && s.Running > 1 {
		words += ", the oldest"
	}
	if !s.Since.IsZero() {
		words += " since " + seen(s.Since, now)
	}
	if s.PID > 0 {
		words += fmt.Sprintf(" (pid %d)", s.PID)
	}
	return row{label: "sessions", parts: some(words)}
}

func (c CodexVersion) row() row {
	if c.Installed == "" && c.Target == "" {
		return row{}
	}
	r := row{label: "codex"}
	installed, target, by := field(c.Installed, versionCells), "", ""
	if c.Installed == "" {
		installed = "not installed"
	}
	if c.Target != "" {
		target = "target " + field(c.Target, versionCells)
		if c.Target != c.Installed {
			r.state = Attention
		}
	}
	if c.InstalledBy != "" {
		by = "installed by " + field(c.InstalledBy, nameCells)
	}
	r.parts = some(installed, target, by)
	return r
}

func (c CdxVersion) row() row {
	if c.Installed == "" {
		return row{}
	}
	newest := ""
	switch c.Newest {
	case "":
	case c.Installed:
		newest = "newest"
	default:
		newest = "newest is " + field(c.Newest, versionCells)
	}
	r := row{label: "cdx", parts: some(field(c.Installed, versionCells), newest)}
	if c.Newest != "" && c.Newest != c.Installed {
		r.state = Unknown // it comes by itself
	}
	return r
}

func (c *Commands) row() row {
	if c == nil {
		return row{}
	}
	proposals := ""
	if c.Proposals > 0 {
		proposals = counted(c.Proposals, "proposal", "proposals") + " waiting for review"
	}
	return row{label: "commands", parts: some(thousands(int64(c.Current))+" current", proposals)}
}

func (q *Quota) row(p *Policy, now time.Time) row {
	if q == nil {
		return row{}
	}
	r := row{label: "quota", comma: ";"}
	if q.Stale || len(q.Windows) == 0 {
		r.state = Unknown
		for _, s := range q.unknown(now).long {
			r.parts = append(r.parts, s.text)
		}
		return r
	}
	for _, w := range q.Windows {
		if !w.known(now) {
			r.state = max(r.state, Unknown)
			r.parts = append(r.parts, w.Label()+" unknown")
			continue
		}
		r.state = max(r.state, w.state(p, now))
		reset := ""
		if !w.ResetsAt.IsZero() {
			reset, _ = w.reset(now)
		}
		r.parts = append(r.parts, list(", ", w.Label()+" "+percent(w.UsedPercent), reset))
	}
	if !q.SeenAt.IsZero() {
		r.parts = append(r.parts, Span(now.Sub(q.SeenAt))+" old")
	}
	return r
}

func (m *Month) row() row {
	if m == nil {
		return row{}
	}
	return row{label: "month", parts: some(thousands(m.Tokens)+" tokens", dollars(m.Cost))}
}

func (w *Waiting) row() row {
	if w == nil {
		return row{}
	}
	if *w == (Waiting{}) {
		return row{label: "waiting", parts: some("nothing")}
	}
	r := row{label: "waiting", state: Unknown}
	login, reports := "", ""
	if w.Login {
		r.state, login = Attention, "new login NOT sent yet"
	}
	if w.Reports > 0 {
		reports = counted(w.Reports, "usage report", "usage reports") + " kept"
	}
	r.parts = some(login, reports)
	return r
}

// some are the parts that there are.
func some(parts ...string) []string {
	present := parts[:0]
	for _, part := range parts {
		if part != "" {
			present = append(present, part)
		}
	}
	return present
}
