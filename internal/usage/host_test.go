package usage_test

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// The days of a host are all there are, from the first that it reported on, and are nobody else's.
func TestHostHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mine, other, silent := r.host(t, "a.example"), r.host(t, "b.example"), r.host(t, "c.example")
	today := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		host int64
		at   time.Time
		n    int64
		cost any
	}{
		{mine.ID, today.AddDate(0, 0, -40), 1000, nil}, {mine.ID, today.AddDate(0, 0, -2), 10, nil}, {mine.ID, today.AddDate(0, 0, -2).Add(time.Hour), 20, nil},
		{mine.ID, today.Add(time.Hour), 7, 1.5}, {other.ID, today.AddDate(0, 0, -1), 500, 9}, {other.ID, today, 500, 9},
	} {
		r.exec(t, `INSERT INTO usage_ingest (host_id, at, entries, total, input, output, cached, reasoning, cost, body_sha256)
			VALUES ($1, $2, 2, $3 * 10, $3, $3 * 2, $3 * 7, $3, $4, sha256('x'))`, c.host, c.at, c.n, c.cost)
	}
	for days, want := range map[int]string{
		2:  "2026-01-03 to 2026-01-05, 3 days: 300 0 70, in all 370 tokens (37 input, 74 output, 259 cached, 37 reasoning) in 6 entries for 1.5; ever 10370 in 4",
		0:  "2026-01-05 to 2026-01-05, 1 days: 70, in all 70 tokens (7 input, 14 output, 49 cached, 7 reasoning) in 2 entries for 1.5; ever 10370 in 4",
		90: "2025-11-26 to 2026-01-05, 41 days: 10000 300 70, in all 10370 tokens (1037 input, 2074 output, 7259 cached, 1037 reasoning) in 8 entries for 1.5; ever 10370 in 4",
	} {
		h, err := r.HostHistory(t.Context(), mine.ID, days)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, day := range h.Days {
			if day.Total > 0 || days < 10 {
				text += fmt.Sprintf(" %d", day.Total)
			}
			if (day.Cost == nil) != (day.Total > 0 && !day.Date.Equal(today)) {
				t.Errorf("%s: got cost %v", day.Date, day.Cost)
			}
		}
		s := h.Sum
		got := fmt.Sprintf("%s to %s, %d days:%s, in all %d tokens (%d input, %d output, %d cached, %d reasoning) in %d entries for %g; ever %d in %d",
			h.Since.Format(time.DateOnly), h.Until.Format(time.DateOnly), len(h.Days), text, s.Total, s.Input, s.Output, s.Cached, s.Reasoning, s.Events, *s.Cost, h.Ever, h.Reports)
		if got != want {
			t.Errorf("%d days: got\n%s, want\n%s", days, got, want)
		}
	}
	h, err := r.HostHistory(t.Context(), silent.ID, 30)
	if err != nil || !h.Since.IsZero() || len(h.Days) != 0 || h.Reports != 0 {
		t.Errorf("a host that never reported: got %+v, %v", h, err)
	}
}

// A host may say the greatest number on each of many days.
func TestHostHistoryStaysANumber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	r.exec(t, `INSERT INTO usage_ingest (host_id, at, entries, total, input, body_sha256)
		SELECT $1, '2026-01-05T10:00:00Z'::timestamptz - i * interval '1 day', 1, 9223372036854775807, 9223372036854775807, sha256('x') FROM generate_series(0, 3) i`, host.ID)
	h, err := r.HostHistory(t.Context(), host.ID, 30)
	if err != nil || h.Sum.Total != math.MaxInt64 || h.Sum.Input != math.MaxInt64 || h.Ever != math.MaxInt64 {
		t.Errorf("got %+v, %v", h, err)
	}
}
