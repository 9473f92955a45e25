package screen

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestWindowLabels(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int64]string{
		18000: "5 hours", 604800: "week", 86400: "day", 2592000: "30 days", 3600: "hour", 43200: "12 h", 5400: "90 min",
		0: "quota", -1: "quota", 1: "1 min",
	} {
		if got := (Window{LimitSeconds: seconds}).Label(); got != want {
			t.Errorf("%d s: %q, want %q", seconds, got, want)
		}
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		used float64
		left time.Duration
		want float64 // 0: none
	}{
		{"half way", 30, 150 * time.Minute, 60},
		{"5 minutes in", 1, 295 * time.Minute, 60},
		{"a second too early", 1, 295*time.Minute + time.Second, 0},
		{"too little used", 0.9, 150 * time.Minute, 0},
		{"more left than it is long", 30, 301 * time.Minute, 0},
		{"at its reset", 30, 0, 0},
		{"unknown", math.NaN(), 150 * time.Minute, 0},
		{"endless", math.Inf(1), 150 * time.Minute, 0},
		{"negative", -5, 150 * time.Minute, 0},
	} {
		w := Window{LimitSeconds: 18000, UsedPercent: c.used, ResetsAt: now.Add(c.left)}
		got, ok := w.Projection(now)
		if ok != (c.want != 0) || ok && math.Abs(got-c.want) > 0.01 {
			t.Errorf("%s: %.2f %v, want %.2f", c.name, got, ok, c.want)
		}
	}
	if _, ok := (Window{LimitSeconds: 18000, UsedPercent: 30}).Projection(now); ok {
		t.Error("a window without a reset has a projection")
	}
}

// quotaCard is the card of one window alone.
func quotaCard(w Window, p *Policy) string {
	return Card(Facts{Quota: &Quota{Windows: []Window{w}}, Policy: p}, screenOf(80), now)
}

func TestQuotaStates(t *testing.T) {
	t.Parallel()
	refuses, warns := &Policy{LimitPercent: 95, Refuses: true}, &Policy{LimitPercent: 95}
	late := func(used float64) Window { // so late that no projection matters
		return Window{LimitSeconds: 18000, UsedPercent: used, ResetsAt: now.Add(time.Minute)}
	}
	middle := func(used float64) Window {
		return Window{LimitSeconds: 18000, UsedPercent: used, ResetsAt: now.Add(150 * time.Minute)}
	}
	for _, c := range []struct {
		name   string
		window Window
		policy *Policy
		bar    string // how the line of the window begins
		second string // the line of the policy
	}{
		{"below the warning", late(84.9), refuses, "✓", ""},
		{"at the warning", late(85), refuses, "!", ""},
		{"at the limit", late(95), refuses, "✗", "✗ policy  launches are refused until Mon 23 Nov 14:33 (limit 95%)"},
		{"at the limit, warned", late(95), warns, "!", "! policy  the limit of 95% is passed; this machine may go on"},
		{"no policy known", late(95), nil, "!", ""},
		{"nobody's limit", late(89), &Policy{LimitPercent: math.NaN(), Refuses: true}, "✓", ""},
		{"will reach it", middle(49), refuses, "✓", "! policy  at this pace launches are refused from today 16:45 (limit 95%)"},
		{"will run out", middle(50), warns, "!", "! policy  at this pace the limit of 95% is passed today 16:45"},
		{"will not", middle(47), refuses, "✓", ""},
		{"in a moment", Window{LimitSeconds: 18000, UsedPercent: 94, ResetsAt: now.Add(150 * time.Minute)}, refuses,
			"!", "! policy  at this pace launches are refused from today 14:33 (limit 95%)"},
	} {
		lines := strings.Split(strings.TrimSuffix(quotaCard(c.window, c.policy), "\n"), "\n")
		second := strings.Join(lines[1:], "\n")
		if !strings.HasPrefix(lines[0], c.bar+" 5 hours") || second != c.second {
			t.Errorf("%s: got %q, want %s and %q", c.name, lines, c.bar, c.second)
		}
	}
}

func TestQuotaThatIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		quota Quota
		want  string
	}{
		{Quota{}, "○ quota   unknown\n"},
		{Quota{SeenAt: now.Add(-day)}, "○ quota   unknown since Sun 22 Nov 14:32\n"},
		{Quota{Windows: []Window{{LimitSeconds: 18000, UsedPercent: 38, ResetsAt: now}}},
			"○ 5 hours unknown since the reset at 14:32\n"},
		{Quota{Windows: []Window{{LimitSeconds: 18000, UsedPercent: math.NaN()}}}, "○ 5 hours unknown\n"},
		{Quota{Windows: []Window{{LimitSeconds: 18000, UsedPercent: 38}}}, "✓ 5 hours █████████░░░░░░░░░░░░░░░  38%\n"},
		{Quota{Windows: []Window{{LimitSeconds: 18000, UsedPercent: 3800}}}, "! 5 hours ████████████████████████ 999%\n"},
	} {
		if got := Card(Facts{Quota: &c.quota}, screenOf(80), now); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
