package screen

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Span writes a duration as people say it: 7 d 17 h, 5 h 12 min, 12 min, 40 s. A negative one is 0 s.
func Span(d time.Duration) string {
	switch {
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return fmt.Sprintf("%d s", max(0, d/time.Second))
	}
}

// shortSpan writes a duration of less than a day in as few cells as can be: 1h48, 12min, 40s.
func shortSpan(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02d", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dmin", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", max(0, d/time.Second))
	}
}

// countdown writes a duration that is watched as it runs out: 7:42.
func countdown(d time.Duration) string {
	if d >= time.Hour {
		return Span(d)
	}
	d = max(0, d)
	return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
}

// roundTrip writes the duration of an exchange: 21 ms, 1.2 s.
func roundTrip(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", max(0, d/time.Millisecond))
}

// at writes a moment with its day: Tue 1 Dec 08:14. One that is far away gets its year instead of the hour.
func at(moment, now time.Time) string {
	const near = 300 * day
	moment = moment.In(now.Location())
	if away := moment.Sub(now); away > near || away < -near {
		return moment.Format("2 Jan 2006")
	}
	return moment.Format("Mon 2 Jan 15:04")
}

// shortAt is at in few cells: Thu 09:00, and the date alone where the name of a day could mean two.
func shortAt(moment, now time.Time) string {
	moment = moment.In(now.Location())
	if away := moment.Sub(now); away > 6*day || away < -6*day {
		return moment.Format("2 Jan")
	}
	return moment.Format("Mon 15:04")
}

// seen writes a moment that is past: the hour alone if it was today.
func seen(moment, now time.Time) string {
	if sameDay(moment, now) {
		return moment.In(now.Location()).Format("15:04")
	}
	return at(moment, now)
}

func shortSeen(moment, now time.Time) string {
	if sameDay(moment, now) {
		return moment.In(now.Location()).Format("15:04")
	}
	return shortAt(moment, now)
}

func sameDay(a, b time.Time) bool {
	return a.In(b.Location()).Format(time.DateOnly) == b.Format(time.DateOnly)
}

// inUTC writes a moment that people of several zones talk about, without the letters UTC: 14:40.
func inUTC(moment, now time.Time) string { return seen(moment.UTC(), now.UTC()) }

// thousands writes a count with separators: 10,926,022.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// rough writes a count as one says it, gap between number and unit: 155.9k, 10.9 M.
func rough(n int64, gap string) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		// 999,960 is 1.0 M, not 1000.0k.
		if rounded := math.Round(float64(n)/unit.size*10) / 10; rounded >= 1 {
			return strconv.FormatFloat(rounded, 'f', 1, 64) + gap + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// counted is a number with its noun: 1 try, 3 tries.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}

// dollars writes an amount of money, and nothing for what cannot be one.
func dollars(amount *float64) string {
	const most = 1e12
	if amount == nil || !(*amount >= 0 && *amount < most) {
		return ""
	}
	if *amount > 0 && *amount < 0.005 {
		return "<$0.01"
	}
	cents := int64(math.Round(*amount * 100))
	return fmt.Sprintf("$%s.%02d", thousands(cents/100), cents%100)
}

// list joins what is there.
func list(separator string, parts ...string) string {
	present := parts[:0:0]
	for _, part := range parts {
		if part != "" {
			present = append(present, part)
		}
	}
	return strings.Join(present, separator)
}
