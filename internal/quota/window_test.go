package quota_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/quota"
)

const day = 24 * time.Hour

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestLabel(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{
		0: "unknown", -time.Hour: "unknown", 5 * time.Hour: "5 h", 7 * day: "7 d", day: "1 d", 36 * time.Hour: "36 h", 90 * time.Minute: "90 min", 61 * time.Second: "61 s",
	} {
		if got := (quota.Window{Length: length}).Label(); got != want {
			t.Errorf("%s: got %q, want %q", length, got, want)
		}
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	unknown := math.NaN()
	for name, c := range map[string]struct {
		w                      quota.Window
		elapsed, pace, project float64
	}{
		"half way, as much":     {week(50, noon.Add(84*time.Hour)), 0.5, 1, 100},
		"half way, twice":       {week(100, noon.Add(84*time.Hour)), 0.5, 2, 200},
		"nothing used":          {week(0, noon.Add(84*time.Hour)), 0.5, 0, 0},
		"just begun":            {week(1, noon.Add(7*day)), 0, unknown, unknown},
		"a minute ago":          {week(1, noon.Add(7*day-time.Minute)), 1.0 / 10080, unknown, unknown},
		"begins later than now": {week(1, noon.Add(8*day)), 0, unknown, unknown},
		"the last second":       {week(100, noon.Add(time.Second)), 1 - 1.0/604800, 604800.0 / 604799, 100 * 604800.0 / 604799},
		"at its reset":          {week(50, noon), unknown, unknown, unknown},
		"over":                  {week(50, noon.Add(-day)), unknown, unknown, unknown},
		"no reset":              {week(50, time.Time{}), unknown, unknown, unknown},
		"no length":             {quota.Window{UsedPercent: new(50), ResetsAt: noon.Add(day)}, unknown, unknown, unknown},
		"no use":                {quota.Window{Length: 7 * day, ResetsAt: noon.Add(84 * time.Hour)}, 0.5, unknown, unknown},
		"nothing":               {quota.Window{}, unknown, unknown, unknown},
	} {
		for what, pair := range map[string][2]float64{"elapsed": {c.w.Elapsed(noon), c.elapsed}, "pace": {c.w.Pace(noon), c.pace}, "projection": {c.w.Projection(noon), c.project}} {
			if got, want := pair[0], pair[1]; math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: got %s %g, want %g", name, what, got, want)
			}
		}
	}
}

func week(used int, resetsAt time.Time) quota.Window {
	return quota.Window{UsedPercent: &used, Length: 7 * day, ResetsAt: resetsAt}
}

func TestDailyAllowance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, days, want int }{
		{100, 7, 14}, {95, 5, 19}, {100, 5, 20}, {50, 7, 7}, {50, 5, 10}, {95, 7, 14}, {99, 7, 14}, {1, 7, 1}, {0, 5, 1}, {100, 0, 0}, {100, -1, 0},
	} {
		if got := quota.DailyAllowance(c.limit, c.days); got != c.want {
			t.Errorf("%d over %d: got %d, want %d", c.limit, c.days, got, c.want)
		}
	}
}

func TestUsedToday(t *testing.T) {
	t.Parallel()
	midnight := noon.Truncate(day)
	reset := noon.Add(3 * day)
	at := midnight.Add(2 * time.Minute)
	for name, c := range map[string]struct {
		long  quota.Window
		b     quota.Baseline
		want  string
		since time.Time
	}{
		"more than at midnight":     {week(42, reset), quota.Baseline{At: at, UsedPercent: new(38), ResetsAt: reset}, "4", at},
		"as much":                   {week(38, reset), quota.Baseline{At: at, UsedPercent: new(38), ResetsAt: reset}, "0", at},
		"less, in the same window":  {week(30, reset), quota.Baseline{At: at, UsedPercent: new(38), ResetsAt: reset}, "0", at},
		"reset at nine":             {week(7, noon.Add(7*day-3*time.Hour)), quota.Baseline{At: at, UsedPercent: new(90), ResetsAt: noon.Add(-3 * time.Hour)}, "7", noon.Add(-3 * time.Hour)},
		"reset, a little off":       {week(7, noon.Add(7*day-3*time.Hour)), quota.Baseline{At: at, UsedPercent: new(90), ResetsAt: noon.Add(-3*time.Hour + time.Minute)}, "7", noon.Add(-3 * time.Hour)},
		"no reset known":            {week(42, time.Time{}), quota.Baseline{At: at, UsedPercent: new(38), ResetsAt: reset}, "4", at},
		"no baseline":               {week(42, reset), quota.Baseline{}, "unknown", time.Time{}},
		"a baseline without number": {week(42, reset), quota.Baseline{At: at}, "unknown", time.Time{}},
		"no number now":             {quota.Window{Length: 7 * day}, quota.Baseline{At: at, UsedPercent: new(38)}, "unknown", time.Time{}},
	} {
		percent, since := quota.UsedToday(c.long, c.b)
		got := "unknown"
		if percent != nil {
			got = fmt.Sprint(*percent)
		}
		if got != c.want || !since.Equal(c.since) {
			t.Errorf("%s: got %s since %s, want %s since %s", name, got, since, c.want, c.since)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	rules := quota.Rules{HardFail: true, LimitPercent: 95, WeekPartition: 5}
	short := func(used int, resetsAt time.Time) quota.Window {
		return quota.Window{UsedPercent: &used, Length: 5 * time.Hour, ResetsAt: resetsAt}
	}
	later := noon.Add(time.Hour)
	for name, c := range map[string]struct {
		s               *quota.Snapshot
		b               quota.Baseline
		change          func(*quota.Rules)
		reached, refuse bool
	}{
		"nothing known":            {nil, quota.Baseline{}, nil, false, false},
		"below":                    {&quota.Snapshot{FetchedAt: noon, Short: short(94, later), Long: week(94, later)}, quota.Baseline{}, nil, false, false},
		"hours":                    {&quota.Snapshot{FetchedAt: noon, Short: short(95, later)}, quota.Baseline{}, nil, true, true},
		"a week":                   {&quota.Snapshot{FetchedAt: noon, Long: week(100, later)}, quota.Baseline{}, nil, true, true},
		"no hard fail":             {&quota.Snapshot{FetchedAt: noon, Long: week(100, later)}, quota.Baseline{}, func(r *quota.Rules) { r.HardFail = false }, true, false},
		"another limit":            {&quota.Snapshot{FetchedAt: noon, Long: week(96, later)}, quota.Baseline{}, func(r *quota.Rules) { r.LimitPercent = 97 }, false, false},
		"reset since":              {&quota.Snapshot{FetchedAt: noon.Add(-time.Minute), Short: short(100, noon)}, quota.Baseline{}, nil, false, false},
		"old":                      {&quota.Snapshot{FetchedAt: noon.Add(-31 * time.Minute), Long: week(100, later)}, quota.Baseline{}, nil, false, false},
		"half an hour old":         {&quota.Snapshot{FetchedAt: noon.Add(-30 * time.Minute), Long: week(100, later)}, quota.Baseline{}, nil, true, true},
		"unknown numbers":          {&quota.Snapshot{FetchedAt: noon, Long: quota.Window{Length: 7 * day, ResetsAt: later}}, quota.Baseline{}, nil, false, false},
		"ChatGPT says so":          {&quota.Snapshot{FetchedAt: noon, Reached: new(true), Long: week(10, later)}, quota.Baseline{}, nil, true, true},
		"long ago, without any":    {&quota.Snapshot{FetchedAt: noon.Add(-31 * time.Minute), Reached: new(true)}, quota.Baseline{}, nil, false, false},
		"a length, and no reset":   {&quota.Snapshot{FetchedAt: noon.Add(-10 * time.Minute), Short: quota.Window{UsedPercent: new(100), Length: 10 * time.Minute}}, quota.Baseline{}, nil, false, false},
		"another limit of a day":   {&quota.Snapshot{FetchedAt: noon, Long: week(38, later)}, quota.Baseline{At: noon.Truncate(day), UsedPercent: new(20), ResetsAt: later}, func(r *quota.Rules) { r.LimitPercent = 91 }, false, false},
		"as cdx measures it":       {&quota.Snapshot{FetchedAt: noon, Long: week(39, later)}, quota.Baseline{At: noon.Truncate(day), UsedPercent: new(20), ResetsAt: later}, func(r *quota.Rules) { r.LimitPercent = 91 }, true, true},
		"it said so before resets": {&quota.Snapshot{FetchedAt: noon.Add(-time.Minute), Reached: new(true), Short: short(10, noon), Long: week(10, noon)}, quota.Baseline{}, nil, false, false},
		"one of two was reset":     {&quota.Snapshot{FetchedAt: noon.Add(-time.Minute), Reached: new(true), Short: short(10, noon), Long: week(10, later)}, quota.Baseline{}, nil, true, true},
		"without any window":       {&quota.Snapshot{FetchedAt: noon, Reached: new(true)}, quota.Baseline{}, nil, true, true},
		"a day's share":            {&quota.Snapshot{FetchedAt: noon, Long: week(39, later)}, quota.Baseline{At: noon.Truncate(day), UsedPercent: new(20), ResetsAt: later}, nil, true, true},
		"less than that":           {&quota.Snapshot{FetchedAt: noon, Long: week(38, later)}, quota.Baseline{At: noon.Truncate(day), UsedPercent: new(20), ResetsAt: later}, nil, false, false},
		"not spread":               {&quota.Snapshot{FetchedAt: noon, Long: week(60, later)}, quota.Baseline{At: noon.Truncate(day), UsedPercent: new(20), ResetsAt: later}, func(r *quota.Rules) { r.WeekPartition = 0 }, false, false},
		"yesterday's share":        {&quota.Snapshot{FetchedAt: noon, Long: week(60, later)}, quota.Baseline{At: noon.Truncate(day).Add(-time.Second), UsedPercent: new(20), ResetsAt: later}, nil, false, false},
	} {
		r := rules
		if c.change != nil {
			c.change(&r)
		}
		got := quota.Judge(c.s, c.b, r, noon)
		if got.Refused != c.refuse || (got.Reason != "") != c.reached {
			t.Errorf("%s: got %+v, want reached %v, refused %v", name, got, c.reached, c.refuse)
		}
	}
}
