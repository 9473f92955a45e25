package quota

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Lengths of the windows that ChatGPT is known to have.
const (
	day          = 24 * time.Hour
	week         = 7 * day
	shortSeconds = 5 * 60 * 60
	weekSeconds  = 7 * 24 * 60 * 60
)

// Window is one limit of an account. The zero value is one of which nothing is known.
type Window struct {
	UsedPercent *int          // nil: unknown
	Length      time.Duration // 0: unknown
	ResetsAt    time.Time     // zero: unknown
}

// Label says how long the window is: 5 h, 7 d. It goes by the length alone, since ChatGPT has moved windows about before.
func (w Window) Label() string {
	switch l := w.Length; {
	case l <= 0:
		return "unknown"
	case l%day == 0:
		return fmt.Sprintf("%d d", l/day)
	case l%time.Hour == 0:
		return fmt.Sprintf("%d h", l/time.Hour)
	case l%time.Minute == 0:
		return fmt.Sprintf("%d min", l/time.Minute)
	default:
		return fmt.Sprintf("%d s", l/time.Second)
	}
}

// Week reports whether it is the window of a week, give or take a day.
func (w Window) Week() bool { return w.Length >= 6*day && w.Length <= 8*day }

// At is the window as it is known at a moment after it was said: once it was reset, nobody knows what was used since.
func (w Window) At(said, now time.Time) Window {
	if w.over(said, now) {
		return Window{Length: w.Length}
	}
	return w
}

// over reports whether the window was reset since it was said. One whose reset is unknown was, when its length has passed, a
// week if that is unknown too: what nobody can say any more must not hold back a fleet for ever.
func (w Window) over(said, now time.Time) bool {
	end := w.ResetsAt
	if end.IsZero() {
		end = said.Add(cmp.Or(w.Length, week))
	}
	return !end.After(now)
}

// Begin is when the window began. ok is false when that is unknown, or the window is over.
func (w Window) Begin(now time.Time) (begin time.Time, ok bool) {
	if w.Length <= 0 || w.ResetsAt.IsZero() || !w.ResetsAt.After(now) {
		return time.Time{}, false
	}
	return w.ResetsAt.Add(-w.Length), true
}

// Elapsed is which share of the window has passed, 0 to 1; NaN: unknown.
func (w Window) Elapsed(now time.Time) float64 {
	begin, ok := w.Begin(now)
	if !ok {
		return math.NaN()
	}
	return max(0, now.Sub(begin).Seconds()/w.Length.Seconds()) // a window may begin later than its length says
}

// earlyShare is how much of a window must have passed before its pace says anything.
const earlyShare = 0.01

// Pace is how fast the window is used up: 1 is used up exactly when it is reset, 2 after half of it. NaN: unknown, or too
// early to tell. used was said at the moment at.
func (w Window) Pace(at time.Time) float64 {
	elapsed := w.Elapsed(at)
	if w.UsedPercent == nil || !(elapsed >= earlyShare) {
		return math.NaN()
	}
	return float64(*w.UsedPercent) / 100 / elapsed
}

// Projection is how many percent will have been used at the reset if it goes on like that; NaN: unknown, or too early to tell.
func (w Window) Projection(at time.Time) float64 { return w.Pace(at) * 100 }

// DailyAllowance is how many percent of a week's quota one day may use when limitPercent of it are spread over days: rounded
// to the nearest, a half down to the lower, at least 1. 0: they are not spread.
func DailyAllowance(limitPercent, days int) int {
	if days <= 0 {
		return 0
	}
	return max(1, int(math.Floor((float64(limitPercent)+float64(days)/2)/float64(days))))
}

// Baseline is the first of a day that tells how much of the long window was used. The zero value: nothing does.
type Baseline struct {
	At          time.Time
	UsedPercent *int
	ResetsAt    time.Time
}

// UsedToday is how many percent of the long window were used since the baseline, and since when that is. A window that was
// reset meanwhile began with nothing. nil: unknown.
func UsedToday(long Window, b Baseline) (percent *int, since time.Time) {
	if long.UsedPercent == nil || b.UsedPercent == nil {
		return nil, time.Time{}
	}
	if begin := long.ResetsAt.Add(-long.Length); !b.ResetsAt.IsZero() && !long.ResetsAt.IsZero() && long.Length > 0 &&
		!b.ResetsAt.After(begin.Add(resetSlack)) && begin.After(b.At) {
		return new(*long.UsedPercent), begin
	}
	return new(max(0, *long.UsedPercent-*b.UsedPercent)), b.At
}

// resetSlack is how far apart two answers may name the same reset.
const resetSlack = 10 * time.Minute

// arrange puts the windows where everybody looks for them: that of hours first, that of days second, wherever they came from.
func arrange(first, second Window) (short, long Window) {
	known := func(w Window) bool { return w != Window{} }
	switch {
	case known(first) && known(second):
		if first.Length > second.Length && second.Length > 0 {
			return second, first
		}
	case first.Length > day:
		return second, first
	case second.Length > 0 && second.Length <= day:
		return second, first
	}
	return first, second
}
