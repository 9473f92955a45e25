package screen

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Window is one limit of the account.
type Window struct {
	LimitSeconds int64     // how long it runs
	UsedPercent  float64   // NaN if nobody knows
	ResetsAt     time.Time // zero if nobody knows
}

// Label names the window by its length: "5 hours", "week", "3 days".
func (w Window) Label() string {
	const hour, days, week = 3600, 86400, 604800
	n := w.LimitSeconds
	switch {
	case n <= 0:
		return "quota"
	case n == week:
		return "week"
	case n == days:
		return "day"
	case n%days == 0:
		return fmt.Sprintf("%d days", n/days)
	case n == hour:
		return "hour"
	case n%hour == 0 && n < 10*hour:
		return fmt.Sprintf("%d hours", n/hour)
	case n%hour == 0:
		return fmt.Sprintf("%d h", n/hour)
	default:
		return fmt.Sprintf("%d min", (n+59)/60)
	}
}

// known reports whether the window says something about now.
func (w Window) known(now time.Time) bool {
	return !math.IsNaN(w.UsedPercent) && (w.ResetsAt.IsZero() || w.ResetsAt.After(now))
}

// pace is the percentage used up per hour, averaged since the window began, and false while that says nothing:
// in the first 5 minutes, below 1 %, or with impossible numbers.
func (w Window) pace(now time.Time) (float64, bool) {
	const longest = 10 * 366 * day
	length := time.Duration(min(max(w.LimitSeconds, 0), int64(longest/time.Second))) * time.Second
	elapsed := length - w.ResetsAt.Sub(now)
	if w.ResetsAt.IsZero() || !w.known(now) || elapsed < 5*time.Minute || elapsed > length ||
		w.UsedPercent < 1 || math.IsInf(w.UsedPercent, 0) {
		return 0, false
	}
	return w.UsedPercent / elapsed.Hours(), true
}

// Projection is the percentage that will be used when the window resets, if it goes on as until now.
func (w Window) Projection(now time.Time) (percent float64, ok bool) {
	pace, ok := w.pace(now)
	return w.UsedPercent + pace*w.ResetsAt.Sub(now).Hours(), ok
}

// reaches is when that much will be used, if it goes on as until now and the window does not reset before.
func (w Window) reaches(percent float64, now time.Time) (time.Time, bool) {
	pace, ok := w.pace(now)
	if projection, _ := w.Projection(now); !ok || w.UsedPercent >= percent || projection <= percent {
		return time.Time{}, false
	}
	moment := now.Add(time.Duration((percent - w.UsedPercent) / pace * float64(time.Hour)))
	// Percentages are whole numbers: more precise than this it is not.
	const precision = 15 * time.Minute
	if early := moment.Truncate(precision); early.Sub(now) > precision {
		return early, true
	}
	return moment, true
}

// limit is the percentage at which the fleet acts.
func (p *Policy) limit() float64 {
	if p == nil || !(p.LimitPercent >= 50 && p.LimitPercent <= 100) {
		return 100
	}
	return p.LimitPercent
}

// refuses reports whether the fleet refuses launches at its limit.
func (p *Policy) refuses() bool { return p != nil && p.Refuses }

// state is how a window stands that is known.
func (w Window) state(p *Policy, now time.Time) State {
	const warning = 10 // as many points below the limit it needs attention
	projection, projected := w.Projection(now)
	switch {
	case w.UsedPercent >= p.limit() && p.refuses():
		return Refused
	case w.UsedPercent >= p.limit()-warning, projected && projection >= 100:
		return Attention
	}
	return Good
}

// lines are the quota in the card: a bar for each window, or that it is unknown.
func (q *Quota) lines(p *Policy, now time.Time) []line {
	if q == nil {
		return nil
	}
	if q.Stale || len(q.Windows) == 0 {
		return []line{q.unknown(now)}
	}
	lines := make([]line, 0, len(q.Windows))
	for _, w := range q.Windows {
		lines = append(lines, w.line(p, now))
	}
	return lines
}

// unknown is the line for a quota that is too old to go by.
func (q *Quota) unknown(now time.Time) line {
	l := line{state: Unknown, label: "quota", long: text("unknown")}
	if q.SeenAt.IsZero() {
		return l
	}
	l.short = text("unknown since " + shortSeen(q.SeenAt, now))
	var last []string
	for _, w := range q.Windows {
		if !math.IsNaN(w.UsedPercent) {
			last = append(last, w.Label()+" "+percent(w.UsedPercent))
		}
	}
	if len(last) == 0 {
		l.long = text("unknown since " + seen(q.SeenAt, now))
		return l
	}
	l.long = text("unknown, last seen " + seen(q.SeenAt, now) + ": " + strings.Join(last, ", "))
	return l
}

// line is the line of one window: bar, used, projection, reset.
func (w Window) line(p *Policy, now time.Time) line {
	l := line{label: Cut(w.Label(), labelWidth-3)}
	if !w.known(now) {
		l.state, l.long = Unknown, text("unknown")
		if !w.ResetsAt.IsZero() && !w.ResetsAt.After(now) {
			l.long = text("unknown since the reset at " + seen(w.ResetsAt, now))
			l.short = text("unknown since " + shortSeen(w.ResetsAt, now))
		}
		return l
	}
	l.state = w.state(p, now)
	projection, projected := w.Projection(now)
	long, short := percent(w.UsedPercent), percent(w.UsedPercent)
	l.long = append(bar(24, w.UsedPercent, projection), span{plain, fmt.Sprintf(" %4s", long)})
	if projected {
		l.long = append(l.long, span{plain, fmt.Sprintf("  %4s at reset", percent(projection))})
		short = strings.TrimSuffix(short, "%") + "→" + percent(projection)
	}
	l.short = append(bar(10, w.UsedPercent, projection), span{plain, " " + short})
	if !w.ResetsAt.IsZero() {
		remark, brief := w.reset(now)
		l.remark, l.remarkOrCut = remark, true
		l.short = append(l.short, span{plain, " " + brief})
	}
	return l
}

// reset says when a window begins anew: how long until then within a day, at what time otherwise.
func (w Window) reset(now time.Time) (long, short string) {
	if left := w.ResetsAt.Sub(now); left < day {
		return "resets in " + Span(left), shortSpan(left)
	}
	return "resets " + at(w.ResetsAt, now), shortAt(w.ResetsAt, now)
}

// bar draws percentages: used, what the projection adds, free.
func bar(cells int, usedPercent, projection float64) []span {
	upTo := func(percent float64) int { // of what the numbers beside it say
		return int(math.Round(math.Round(min(max(percent, 0), 100)) * float64(cells) / 100))
	}
	full := upTo(usedPercent)
	added := max(upTo(projection)-full, 0)
	return []span{
		{used, strings.Repeat("█", full)},
		{ahead, strings.Repeat("▒", added)},
		{quiet, strings.Repeat("░", cells-full-added)},
	}
}

// percent writes a percentage in at most four cells.
func percent(p float64) string { return fmt.Sprintf("%.0f%%", math.Round(min(max(p, 0), 999))) }

// line is what the fleet will do about the quota; there is none while it will do nothing.
func (p *Policy) line(q *Quota, now time.Time) (line, bool) {
	if p == nil || q == nil || q.Stale {
		return line{}, false
	}
	var passed, first time.Time // the last reset of what is used up; the first moment that something will be
	over := false
	for _, w := range q.Windows {
		if w.known(now) && w.UsedPercent >= p.limit() {
			over = true
			if w.ResetsAt.After(passed) {
				passed = w.ResetsAt
			}
		}
		if moment, ok := w.reaches(p.limit(), now); ok && (first.IsZero() || moment.Before(first)) {
			first = moment
		}
	}
	l := line{state: Attention, label: "policy"}
	limit := percent(p.limit())
	switch {
	case over && p.Refuses:
		l.state = Refused
		l.long, l.short = text("launches are refused (limit "+limit+")"), text("refused, limit "+limit)
		if !passed.IsZero() {
			l.long = text("launches are refused until " + at(passed, now) + " (limit " + limit + ")")
			l.short = text("refused until " + shortAt(passed, now))
		}
	case over:
		l.long = text("the limit of " + limit + " is passed; this machine may go on")
		l.short = text("over " + limit + ", only warned")
	case !first.IsZero() && p.Refuses:
		l.long = text("at this pace launches are refused from " + coming(first, now) + " (limit " + limit + ")")
		l.short = text("refuses at " + limit + ", " + shortAt(first, now))
	case !first.IsZero():
		l.long = text("at this pace the limit of " + limit + " is passed " + coming(first, now))
		l.short = text("over " + limit + " " + shortAt(first, now))
	default:
		return line{}, false
	}
	return l, true
}

// coming writes a moment ahead: today 22:30.
func coming(moment, now time.Time) string {
	if sameDay(moment, now) {
		return "today " + seen(moment, now)
	}
	return at(moment, now)
}
