package templates

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Numbers, times and lengths as people read them. A number that is not known is a dash, never zero.

// Unknown stands for what is not known.
const Unknown = "–"

// Grouped is a number with its thousands apart: 18,204,113.
func Grouped(n int64) string {
	digits, sign := strconv.FormatUint(magnitude(n), 10), ""
	if n < 0 {
		sign = "-"
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-(n + 1)) + 1 //nolint:gosec // not negative
	}
	return uint64(n)
}

// thin is the narrow no-break space between a number and its unit.
const thin = "\u202f"

// Short is a number for a figure, three digits long: 950, 10.9 M. Put the exact one into a title beside it.
func Short(n int64) string {
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T", "P"} {
		if math.Abs(f) < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	switch {
	case unit == "":
		return strconv.FormatInt(n, 10)
	case math.Abs(f) < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64) + thin + unit
	case math.Abs(f) < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64) + thin + unit
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + thin + unit
}

// Money is a cost in dollars; nil: unknown.
func Money(cost *float64) string {
	if cost == nil {
		return Unknown
	}
	cents := int64(math.Round(*cost * 100))
	return fmt.Sprintf("$%s.%02d", Grouped(cents/100), magnitude(cents)%100)
}

// Count is a number and what it counts: 1 host, 2 hosts.
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1" + "\u00a0" + one
	}
	return Grouped(n) + "\u00a0" + many
}

// Exact is a moment in full: Mon 23 Nov 2026, 14:32 UTC.
func Exact(at time.Time) string { return at.UTC().Format("Mon 2 Jan 2006, 15:04 UTC") }

// Day is a date: Mon 23 Nov.
func Day(at time.Time) string { return at.UTC().Format("Mon 2 Jan") }

// Date is a day in full: Mon 23 Nov 2026.
func Date(at time.Time) string { return at.UTC().Format("Mon 2 Jan 2006") }

// Machine is a moment as programs read it.
func Machine(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Relative says how far from now a moment is: just now, 18 min ago, in 3 d. From two weeks on it is a date. app.js says it
// in the same words as time goes by.
func Relative(at, now time.Time) string {
	d := now.Sub(at)
	past := d >= 0
	d = d.Abs()
	if d < 45*time.Second {
		if past {
			return "just now"
		}
		return "in a moment"
	}
	if d >= 14*24*time.Hour {
		return at.UTC().Format("2 Jan 2006")
	}
	text := Length(d)
	if past {
		return text + " ago"
	}
	return "in " + text
}

// Length is how long something lasts, in its biggest unit: 18 min, 3 h, 2 d.
func Length(d time.Duration) string {
	switch d = d.Abs(); {
	case d < 45*time.Second:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 45*time.Minute:
		return strconv.Itoa(max(1, int(math.Round(d.Minutes())))) + " min"
	case d < 36*time.Hour:
		return strconv.Itoa(max(1, int(math.Round(d.Hours())))) + " h"
	}
	return strconv.Itoa(int(math.Round(d.Hours()/24))) + " d"
}

// Span is Length in its two biggest units, for a figure: 7 d 17 h.
func Span(d time.Duration) []Amount {
	d = d.Abs()
	minutes, hours := int(d.Minutes()), int(d.Hours())
	switch {
	case minutes == 0:
		return Amounts(strconv.Itoa(int(d.Seconds())), "s")
	case hours == 0:
		return Amounts(strconv.Itoa(minutes), "min")
	case hours < 24:
		return units(hours, "h", minutes%60, "min")
	}
	return units(hours/24, "d", hours%24, "h")
}

// units leaves a rest of nothing out.
func units(n int, unit string, rest int, restUnit string) []Amount {
	all := Amounts(Grouped(int64(n)), unit)
	if rest > 0 {
		all = append(all, Amount{strconv.Itoa(rest), restUnit})
	}
	return all
}

// Percent is a share in SVG's words: 33.333%.
func Percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}
