package templates

import (
	"testing"
	"time"
)

var today = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func bars(days int, parts ...[3]float64) Bars {
	b := Bars{Unit: func(v float64) string { return Short(int64(v)) }}
	for i := range days {
		day := BarDay{Date: today.AddDate(0, 0, i-days+1)}
		if at := i - days + len(parts); at >= 0 {
			day.Known, day.Parts = true, parts[at]
		}
		b.Days = append(b.Days, day)
	}
	return b
}

func TestTopOfTheAxis(t *testing.T) {
	t.Parallel()
	for highest, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 2: 2, 2.4: 2.5, 3: 5, 7: 10, 4_800_000: 5_000_000} {
		if got := bars(3, [3]float64{highest}).Top(); got != want {
			t.Errorf("%v: got %v, want %v", highest, got, want)
		}
	}
}

// A day of which nothing is known has no bar, and is no day without tokens.
func TestColumns(t *testing.T) {
	t.Parallel()
	b := bars(4, [3]float64{}, [3]float64{2, 6, 2})
	if _, _, rects := b.column(0); b.Days[0].Known || len(rects) != 0 {
		t.Errorf("an unknown day: got %v", rects)
	}
	if _, _, rects := b.column(2); !b.Days[2].Known || len(rects) != 0 {
		t.Errorf("a day of nothing: got %v", rects)
	}
	x, width, rects := b.column(3)
	if x != "75%" || width != "25%" || len(rects) != 3 {
		t.Fatalf("got %s %s %v", x, width, rects)
	}
	for i, want := range [][2]string{{"80%", "20%"}, {"20%", "60%"}, {"0%", "20%"}} {
		if rects[i].Y != want[0] || rects[i].Height != want[1] {
			t.Errorf("part %d: got %+v, want at %v", i, rects[i], want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for days, want := range map[int]int{0: 0, 1: 1, 7: 7, 8: 4, 30: 6, 180: 7} {
		ticks := bars(days).dates()
		if len(ticks) != want {
			t.Errorf("%d days: got %v, want %d labels", days, ticks, want)
		}
		if want > 0 && (ticks[want-1].Label != "23 Nov" || ticks[want-1].X != "100%") {
			t.Errorf("%d days: the last label is %v, want today's at the end", days, ticks[want-1])
		}
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()
	r := Relay{From: today.AddDate(0, 0, -5), Now: today, To: today.AddDate(0, 0, 5), Legs: []RelayLeg{
		{Number: 1, Since: today.AddDate(0, 0, -9), Until: today.AddDate(0, 0, -4), ValidUntil: today.AddDate(0, 0, -2)},
		{Number: 2, Since: today.AddDate(0, 0, -4), Until: today.AddDate(0, 0, -1), ValidUntil: today.AddDate(0, 0, -3)},
		{Number: 3, Since: today.AddDate(0, 0, -1), ValidUntil: today.AddDate(0, 0, 4)},
		{Number: 4, Since: today},
	}}
	for i, want := range [][]relayBar{
		{{"r-old", "", "0%", "10%", 4}, {"", "url(#p-tail)", "10%", "20%", 4}}, // it began before the picture, and was good after it was replaced
		{{"r-old", "", "10%", "30%", 32}},                                      // it ended before it was replaced
		{{"r-left", "", "40%", "50%", 60}, {"r-now", "", "40%", "10%", 60}},
		nil, // of this moment, and its end is not known
	} {
		got := r.bars(i)
		if len(got) != len(want) {
			t.Errorf("leg %d: got %v, want %v", i, got, want)
			continue
		}
		for k := range want {
			if got[k] != want[k] {
				t.Errorf("leg %d: got %v, want %v", i, got[k], want[k])
			}
		}
	}
	for i, want := range []string{"", "", "· valid until 27 Nov 00:00", ""} {
		if got := r.untilText(i); got != want {
			t.Errorf("leg %d: got %q, want %q", i, got, want)
		}
	}
	if got := (Relay{}).at(today); got != 0 {
		t.Errorf("without a span: got %v", got)
	}
}
