package screen

import (
	"strings"
	"time"
)

// Names from outside are cut to these many cells, so that one long name does not push the rest off the line.
const (
	versionCells = 24
	hostCells    = 48
	nameCells    = 32
	reasonCells  = 160
)

// maxLines is how long a card may be.
const maxLines = 8

// Card is the boot card, or the refusal that takes its place: at most 8 lines, each ended. Times are in the zone of now.
func Card(f Facts, t Terminal, now time.Time) string {
	if f.Refusal != nil {
		return t.write(f.Refusal.folded(t))
	}
	return t.write(fewest(f.lines(now), maxLines))
}

// Notice is something that a user has to read, in as many lines as it needs.
func Notice(label, words string, t Terminal) string {
	l := line{state: Attention, label: Cut(Clean(label), labelWidth-3), long: text(words)}
	return t.write(l.folded(t))
}

// folded are the lines of a refusal for a terminal.
func (r *Refusal) folded(t Terminal) []line {
	var lines []line
	for _, l := range r.lines() {
		lines = append(lines, l.folded(t)...)
	}
	return fewest(lines, maxLines)
}

// folded lets a line that is too long, and has no short form that fits, go on in the next instead of being cut: who is
// refused or warned has to read all of it.
func (l line) folded(t Terminal) []line {
	room := t.limit(min(t.columns(), layoutWidth)) - labelWidth
	spans := l.long
	if len(l.short) > 0 {
		spans = l.short
	}
	if width(t.ready(l.long)) <= room || width(t.ready(spans)) <= room || len(spans) > 1 || t.columns() < shortWidth {
		return []line{l}
	}
	var lines []line
	for i, part := range (row{}).fold(t, []string{field(spans[0].text, reasonCells)}, room) {
		next := line{state: l.state, label: l.label, long: []span{{spans[0].look, part}}, more: l.more || i > 0}
		if i > 0 {
			next.label = ""
		}
		lines = append(lines, next)
	}
	return lines
}

// lines are the facts in their fixed order.
func (f Facts) lines(now time.Time) []line {
	lines := make([]line, 0, maxLines+2)
	for _, l := range []line{f.Versions.line(f.Gateway), f.Gateway.line(f.Versions), f.Window.line(now), f.Login.line(now)} {
		if l.label != "" {
			lines = append(lines, l)
		}
	}
	lines = append(lines, f.Quota.lines(f.Policy, now)...)
	if f.Month != nil {
		lines = append(lines, f.Month.line())
	}
	if l, ok := f.Policy.line(f.Quota, now); ok {
		lines = append(lines, l)
	}
	if f.Waiting != (Waiting{}) {
		lines = append(lines, f.Waiting.line())
	}
	return lines
}

// fewest drops lines until so many are left: the best state first, in it what is spare, then from the end.
func fewest(lines []line, most int) []line {
	for len(lines) > most {
		drop := 0
		for i, l := range lines {
			worst := lines[drop]
			if l.state < worst.state || l.state == worst.state && (l.spare || !worst.spare) {
				drop = i
			}
		}
		lines = append(lines[:drop:drop], lines[drop+1:]...)
	}
	return lines
}

// write draws lines. A very narrow terminal gets only those that are not in order.
func (t Terminal) write(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		if t.Interactive && t.columns() < shortWidth && l.state == Good {
			continue
		}
		b.WriteString(l.draw(t))
		b.WriteByte('\n')
	}
	return b.String()
}

// line is what runs here; the remark says who answered, when the gateway has no line of its own.
func (v Versions) line(g Gateway) line {
	codex := ""
	if v.Codex != "" {
		codex = "Codex " + field(v.Codex, versionCells)
	}
	versions := list(", ", field(v.Cdx, versionCells), codex)
	if versions == "" {
		return line{}
	}
	l := line{label: "cdx", long: text(versions), remark: g.remark(), spare: true}
	offer := field(v.Offer, nameCells)
	switch {
	case v.Offer != "" && v.Type != "":
		l.state = Attention
		l.long = []span{{plain, versions + "; " + offer + " is out. Now: "}, {typed, v.Type}}
		l.short = []span{{plain, offer + ": "}, {typed, v.Type}}
	case v.Offer != "":
		l.long, l.short = text(versions+"; "+offer+" with the next run"), text(versions)
	}
	return l
}

// remark is who answered and how fast.
func (g Gateway) remark() string {
	if g.Unreachable != "" || g.Host == "" {
		return ""
	}
	took := ""
	if g.RoundTrip > 0 {
		took = roundTrip(g.RoundTrip)
	}
	return list(", ", field(g.Host, hostCells), took)
}

// line is the line of a gateway that could not be reached, or has no remark to be in.
func (g Gateway) line(v Versions) line {
	switch {
	case g.Unreachable != "":
		tries := ""
		if g.Tries > 0 {
			tries = counted(g.Tries, "try", "tries")
		}
		effort := tries
		if tries != "" && g.Elapsed > 0 {
			effort += ", " + Span(g.Elapsed)
		}
		if effort != "" {
			effort = " (" + effort + ")"
		}
		host := field(g.Host, hostCells)
		return line{
			state: Attention, label: "gateway",
			long:  text(list(" ", host, field(g.Unreachable, reasonCells)) + effort + "; nothing is lost"),
			short: text(list(", ", "unreachable", tries)),
		}
	case g.Host != "" && v.line(g).label == "":
		return line{label: "gateway", long: text(g.remark())}
	}
	return line{}
}

func (w *HostWindow) line(now time.Time) line {
	if w == nil || w.Until.IsZero() {
		return line{}
	}
	l := line{state: Attention, label: "window"}
	until, left := inUTC(w.Until, now), w.Until.Sub(now)
	if left <= 0 {
		l.long, l.short = text("closed since "+until+" UTC"), text("closed since "+until)
		return l
	}
	long := "open for " + countdown(left) + " more, until " + until + " UTC"
	if w.OpenedBy != "" {
		long += "; opened by " + field(w.OpenedBy, nameCells)
	}
	short := "open " + countdown(left)
	if left < day {
		short += ", until " + until
	}
	l.long, l.short = text(long), text(short)
	return l
}

func (l *Login) line(now time.Time) line {
	if l == nil {
		return line{}
	}
	out := line{label: "login"}
	long, short := "present", "present"
	if l.Generation > 0 {
		long, short = "generation "+thousands(l.Generation), "gen "+thousands(l.Generation)
	}
	if l.Cached {
		long, short = "cached "+long, "cached "+short
	}
	left := l.ValidUntil.Sub(now)
	switch {
	case !l.ValidUntil.IsZero() && left <= 0:
		out.state = Attention
		long += ", not valid since " + at(l.ValidUntil, now)
		short += ", not valid any more"
	case l.NotKept:
		long += ", removed from this machine when the last session ends"
		short += ", not kept"
	case !l.ValidUntil.IsZero():
		long += ", valid until " + at(l.ValidUntil, now) + " (" + Span(left) + ")"
		short += ", " + Span(left)
		if !l.Cached {
			short += " left"
		}
	}
	if !l.VerifiedAt.IsZero() {
		out.remark = "verified " + Span(now.Sub(l.VerifiedAt)) + " ago"
	}
	out.long, out.short = text(long), text(short)
	return out
}

func (m *Month) line() line {
	cost := dollars(m.Cost)
	return line{
		label: "month", spare: true,
		long:   text(list(", ", rough(m.Tokens, " ")+" tokens", cost) + " on this host"),
		short:  text(list(", ", rough(m.Tokens, "")+" tokens", cost)),
		remark: field(m.Remark, nameCells),
	}
}

func (w Waiting) line() line {
	l := line{state: Unknown, label: "waiting"}
	reports, uploads := "", ""
	if w.Reports > 0 {
		reports = counted(w.Reports, "usage report", "usage reports")
		uploads = counted(w.Reports, "upload", "uploads") + " kept"
	}
	if !w.Login {
		l.long, l.short = text(reports+" kept, sent on the next contact"), text(uploads)
		return l
	}
	l.state = Attention
	if reports != "" {
		reports = " and " + reports
	}
	l.long = text("new login" + reports + " NOT sent yet, kept for the next contact")
	l.short = text(list(", ", "new login NOT sent", uploads))
	return l
}

// lines are a refusal: what, why, what next.
func (r *Refusal) lines() []line {
	name := r.Label
	if name == "" {
		name = "denied"
	}
	first := line{state: Refused, label: Cut(Clean(name), labelWidth-3)}
	first.long, first.short = r.What.spans()
	lines := []line{first}
	if r.Cause != (Words{}) {
		cause := line{state: Unknown, label: "cause"}
		cause.long, cause.short = r.Cause.spans()
		lines = append(lines, cause)
	}
	for i, words := range r.Next {
		next := line{state: Unknown, label: "next", more: i > 0}
		next.long, next.short = words.spans()
		lines = append(lines, next)
	}
	return lines
}

// field is a string from outside, cut to what its place can carry.
func field(text string, cells int) string { return Cut(strings.TrimSpace(Clean(text)), cells) }
