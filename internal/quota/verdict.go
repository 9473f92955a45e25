package quota

import (
	"fmt"
	"time"
)

// Fresh is how long what was said is good for a refusal. cdx goes by the same.
const Fresh = 30 * time.Minute

// Rules are what the fleet's admins have decided about the quota. They do not hold for VIP hosts.
type Rules struct {
	HardFail      bool // a limit that is reached refuses launches
	LimitPercent  int  // reached means so much
	WeekPartition int  // days over which a week's quota is spread: 0 (not), 5, 7
}

// Verdict is what the rules make of what is known. The zero value: nothing speaks against a launch.
type Verdict struct {
	Refused bool   // launches are
	Reason  string // why they are, or would be if a limit refused them: "the 7 d window is at 96%, the limit is 95%"; "": none is reached
}

// Judge says whether launches are refused. What is old, unknown, or of a window that was reset since, refuses nobody.
func Judge(s *Snapshot, b Baseline, rules Rules, now time.Time) Verdict {
	if s == nil || now.Sub(s.FetchedAt) > Fresh {
		return Verdict{}
	}
	reason := ""
	for _, w := range []Window{s.Short.At(s.FetchedAt, now), s.Long.At(s.FetchedAt, now)} {
		if w.UsedPercent != nil && *w.UsedPercent >= rules.LimitPercent {
			reason = fmt.Sprintf("the %s window is at %d%%, the limit is %d%%", w.Label(), *w.UsedPercent, rules.LimitPercent)
		}
	}
	// As cdx measures it: of the share that a day has of the whole week, whatever the limit is.
	share := DailyAllowance(100, rules.WeekPartition)
	if today, _ := s.UsedToday(b, now); reason == "" && share > 0 && today != nil && *today*100 >= rules.LimitPercent*share {
		reason = fmt.Sprintf("today's share of the week is at %d%%, the limit is %d%%", *today*100/share, rules.LimitPercent)
	}
	if reason == "" && s.LimitReached(now) {
		reason = "ChatGPT says that the limit is reached"
	}
	return Verdict{Refused: reason != "" && rules.HardFail, Reason: reason}
}

// LimitReached reports whether ChatGPT said so, and it can still be true: not all windows were reset since, or, if it named
// none, it was said just now.
func (s *Snapshot) LimitReached(now time.Time) bool {
	if s.Reached == nil || !*s.Reached {
		return false
	}
	known, over := 0, 0
	for _, w := range []Window{s.Short, s.Long} {
		if w == (Window{}) {
			continue
		}
		known++
		if w.over(s.FetchedAt, now) {
			over++
		}
	}
	if known == 0 {
		return now.Sub(s.FetchedAt) <= Fresh
	}
	return over < known
}

// UsedToday is [UsedToday] of a snapshot that is still about the day, UTC, and the window that there is now.
func (s *Snapshot) UsedToday(b Baseline, now time.Time) (percent *int, since time.Time) {
	if b.At.Before(now.UTC().Truncate(day)) || s.FetchedAt.Before(b.At) {
		return nil, time.Time{}
	}
	return UsedToday(s.Long.At(s.FetchedAt, now), b)
}
