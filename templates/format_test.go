package templates_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/templates"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64][2]string{
		0: {"0", "0"}, 7: {"7", "7"}, 999: {"999", "999"}, 1000: {"1,000", "1.00 k"}, 9994: {"9,994", "9.99 k"}, 9995: {"9,995", "10.0 k"},
		99949: {"99,949", "99.9 k"}, 99950: {"99,950", "100 k"}, 999499: {"999,499", "999 k"}, 999500: {"999,500", "1.00 M"}, 18204113: {"18,204,113", "18.2 M"},
		-1500: {"-1,500", "-1.50 k"}, math.MaxInt64: {"9,223,372,036,854,775,807", "9223 P"}, math.MinInt64: {"-9,223,372,036,854,775,808", "-9223 P"},
	} {
		short := strings.ReplaceAll(templates.Short(n), "\u202f", " ")
		if got := templates.Grouped(n); got != want[0] || short != want[1] {
			t.Errorf("%d: got %q and %q, want %q", n, got, short, want)
		}
	}
	for n, want := range map[int64]string{0: "0 hosts", 1: "1 host", 2: "2 hosts", 1904: "1,904 hosts"} {
		if got := strings.ReplaceAll(templates.Count(n, "host", "hosts"), "\u00a0", " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A cost that nobody knows is not zero.
func TestMoney(t *testing.T) {
	t.Parallel()
	if got := templates.Money(nil); got != templates.Unknown {
		t.Errorf("got %q", got)
	}
	for cost, want := range map[float64]string{0: "$0.00", .004: "$0.00", 13.187: "$13.19", 1234567.5: "$1,234,567.50"} {
		if got := templates.Money(&cost); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration][2]string{
		0: {"just now", "0 s"}, 44 * time.Second: {"just now", "44 s"}, -44 * time.Second: {"in a moment", "44 s"}, time.Minute: {"1 min ago", "1 min"},
		44*time.Minute + 59*time.Second: {"45 min ago", "44 min"}, 45 * time.Minute: {"1 h ago", "45 min"}, 90 * time.Minute: {"2 h ago", "1 h 30 min"},
		24 * time.Hour: {"24 h ago", "1 d"}, 36 * time.Hour: {"2 d ago", "1 d 12 h"}, -185 * time.Hour: {"in 8 d", "7 d 17 h"},
		14 * 24 * time.Hour: {"9 Nov 2026", "14 d"}, -20 * 24 * time.Hour: {"13 Dec 2026", "20 d"},
	} {
		var span []string
		for _, amount := range templates.Span(d) {
			span = append(span, amount.Value+" "+amount.Unit)
		}
		if got, exact := templates.Relative(now.Add(-d), now), strings.Join(span, " "); got != want[0] || exact != want[1] {
			t.Errorf("%s: got %q and %q, want %q", d, got, exact, want)
		}
	}
	elsewhere := now.In(time.FixedZone("", 3600))
	for got, want := range map[string]string{
		templates.Exact(elsewhere): "Mon 23 Nov 2026, 14:32 UTC", templates.Day(elsewhere): "Mon 23 Nov", templates.Date(elsewhere): "Mon 23 Nov 2026", templates.Machine(elsewhere): "2026-11-23T14:32:00Z",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{0: "0%", 1: "100%", .5: "50%", 1. / 3: "33.333%", .1: "10%"} {
		if got := templates.Percent(share); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
