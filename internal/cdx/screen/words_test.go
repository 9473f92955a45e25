package screen

import (
	"math"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d                  time.Duration
		span, short, count string
	}{
		{-time.Hour, "0 s", "0s", "0:00"},
		{40*time.Second + 900*time.Millisecond, "40 s", "40s", "0:40"},
		{7*time.Minute + 42*time.Second, "7 min", "7min", "7:42"},
		{time.Hour, "1 h 0 min", "1h00", "1 h 0 min"},
		{108 * time.Minute, "1 h 48 min", "1h48", "1 h 48 min"},
		{185 * time.Hour, "7 d 17 h", "185h00", "7 d 17 h"},
	} {
		if got := [...]string{Span(c.d), shortSpan(c.d), countdown(c.d)}; got != [...]string{c.span, c.short, c.count} {
			t.Errorf("%v: got %q, want %q %q %q", c.d, got, c.span, c.short, c.count)
		}
	}
	for d, want := range map[time.Duration]string{
		21400 * time.Microsecond: "21 ms", 1240 * time.Millisecond: "1.2 s", -1: "0 ms",
	} {
		if got := roundTrip(d); got != want {
			t.Errorf("roundTrip(%v) is %q, want %q", d, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n           int64
		full, rough string
	}{
		{0, "0", "0"}, {7, "7", "7"}, {999, "999", "1.0 k"}, {1000, "1,000", "1.0 k"}, {155_866, "155,866", "155.9 k"},
		{999_960, "999,960", "1.0 M"}, {10_926_022, "10,926,022", "10.9 M"}, {-1234, "-1,234", "-1234"},
		{math.MinInt64, "-9,223,372,036,854,775,808", "-9223372036854775808"},
		{math.MaxInt64, "9,223,372,036,854,775,807", "9223372036.9 G"},
	} {
		if full, rounded := thousands(c.n), rough(c.n, " "); full != c.full || rounded != c.rough {
			t.Errorf("%d: %q and %q, want %q and %q", c.n, full, rounded, c.full, c.rough)
		}
	}
	for want, amount := range map[string]*float64{
		"": nil, "$0.00": new(0.0), "<$0.01": new(0.001), "$26.68": new(26.684), "$1,234.50": new(1234.5),
	} {
		if got := dollars(amount); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, impossible := range []float64{math.NaN(), math.Inf(1), -1, math.MaxFloat64} {
		if got := dollars(&impossible); got != "" {
			t.Errorf("%v dollars are %q, want nothing", impossible, got)
		}
	}
}

func TestMoments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		moment            time.Time
		at, short, before string
	}{
		{now.Add(-34 * time.Minute), "Mon 23 Nov 13:58", "Mon 13:58", "13:58"},
		{now.Add(-day), "Sun 22 Nov 14:32", "Sun 14:32", "Sun 22 Nov 14:32"},
		{time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), "Thu 26 Nov 09:00", "Thu 09:00", "Thu 26 Nov 09:00"},
		{now.Add(8 * day), "Tue 1 Dec 14:32", "1 Dec", "Tue 1 Dec 14:32"},
		{now.Add(400 * day), "28 Dec 2027", "28 Dec", "28 Dec 2027"},
	} {
		got := [...]string{at(c.moment, now), shortAt(c.moment, now), seen(c.moment, now)}
		if want := [...]string{c.at, c.short, c.before}; got != want {
			t.Errorf("%v: got %q, want %q", c.moment, got, want)
		}
	}
}
