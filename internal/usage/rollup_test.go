package usage_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// astray counts the rows in which the sums by day are not those of the entries.
const astray = `WITH fine AS (
	SELECT (at AT TIME ZONE 'UTC')::date AS day, coalesce(host_id, 0) AS host_id, coalesce(model, '') AS model, coalesce(username, '') AS username, count(*) AS entries,
		count(*) FILTER (WHERE NOT (total IS NULL AND input IS NULL AND output IS NULL AND cached IS NULL AND reasoning IS NULL)) AS counted, count(cost) AS priced,
		coalesce(sum(total), 0) AS total, coalesce(sum(input), 0) AS input, coalesce(sum(output), 0) AS output, coalesce(sum(cached), 0) AS cached,
		coalesce(sum(reasoning), 0) AS reasoning, coalesce(sum(cost), 0) AS cost
	FROM usage_entry GROUP BY 1, 2, 3, 4
), coarse AS (
	SELECT day, model, sum(entries)::bigint AS entries, sum(counted)::bigint AS counted, sum(priced)::bigint AS priced, sum(total) AS total, sum(input) AS input,
		sum(output) AS output, sum(cached) AS cached, sum(reasoning) AS reasoning, sum(cost) AS cost
	FROM fine GROUP BY 1, 2
), wrong AS (
	(TABLE fine EXCEPT TABLE usage_host_day) UNION ALL (TABLE usage_host_day EXCEPT TABLE fine)
), wrong_days AS (
	(TABLE coarse EXCEPT TABLE usage_day) UNION ALL (TABLE usage_day EXCEPT TABLE coarse)
) SELECT (SELECT count(*) FROM wrong) + (SELECT count(*) FROM wrong_days)`

// Whatever happens to entries at once, the sums are those of the entries: at the end, and at every moment in between.
func TestSumsByDayAreExact(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := r.clock.now()
	const hosts, rounds = 6, 40
	var fleetHosts []*db.Host
	for i := range hosts {
		fleetHosts = append(fleetHosts, r.host(t, fmt.Sprintf("h%d.example", i)))
	}
	numbers := []*int64{nil, new(int64(0)), new(int64(7)), new(int64(1_000_003)), new(int64(math.MaxInt64))}
	models := []*string{nil, new("gpt-a"), new("gpt-b"), new("gpt-c")}
	half := make(chan struct{}, hosts) // a host has done half of its reports
	var reporters, others sync.WaitGroup
	for i, host := range fleetHosts {
		reporters.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			pick := func() *int64 { return numbers[random.IntN(len(numbers))] }
			for n := range rounds {
				if n == rounds/2 {
					half <- struct{}{}
				}
				r.clock.set(start.Add(time.Duration(random.IntN(6*24)) * time.Hour)) // days of old and new, in no order
				var entries []usage.Entry
				for range 1 + random.IntN(4) {
					entries = append(entries, usage.Entry{
						Line: new("Token usage: x"), Total: pick(), Input: pick(), Output: pick(), Cached: pick(), Reasoning: pick(), Model: models[random.IntN(len(models))],
					})
				}
				_, err := r.Record(t.Context(), host, usage.Report{
					Entries: entries, Key: fmt.Sprintf("%d-%d", i, n), From: netip.MustParseAddr("192.0.2.1"), User: []string{"", "root", "deploy"}[random.IntN(3)],
				})
				if err != nil && !errors.Is(err, fleet.ErrKeyInvalid) { // some are removed meanwhile
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	run := func(f func() error) {
		others.Go(func() {
			for {
				if err := f(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 2 { // gateways that prune at once, with a clock of their own: some of the days go while they are written to
		pruner := usage.New(r.store, func() time.Time { return start.Add(402 * 24 * time.Hour) })
		run(func() error { _, err := pruner.Prune(t.Context()); return err })
	}
	run(func() error { // prices come later
		_, err := r.store.Pool().Exec(t.Context(), "UPDATE usage_entry SET cost = 0.25 WHERE id IN (SELECT id FROM usage_entry WHERE cost IS NULL ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED)")
		return err
	})
	run(func() error {
		var wrong int64
		if err := r.store.Pool().QueryRow(t.Context(), astray).Scan(&wrong); err != nil {
			return err
		}
		if wrong != 0 {
			return fmt.Errorf("%d sums are wrong in between", wrong)
		}
		return nil
	})
	others.Go(func() {
		for range hosts {
			<-half
		}
		for _, host := range fleetHosts[:2] {
			if _, err := r.fleet.Delete(t.Context(), host.ID, operator, audit.ActionAdminHostDelete); err != nil {
				t.Error(err)
			}
		}
	})
	reporters.Wait()
	close(done)
	others.Wait()
	if wrong := value[int64](t, r, astray); wrong != 0 {
		t.Errorf("got %d sums that are not those of the entries", wrong)
	}
	gone, kept := value[int64](t, r, "SELECT count(*) FROM usage_host_day WHERE host_id = 0"), value[int64](t, r, "SELECT count(*) FROM usage_day")
	if n := value[int64](t, r, "SELECT count(*) FROM usage_host_day d WHERE host_id > 0 AND NOT EXISTS (SELECT FROM host h WHERE h.id = d.host_id)"); n != 0 || gone == 0 || kept == 0 {
		t.Errorf("got %d sums of hosts that are gone under their ids, %d under none, %d days; want 0, some, some", n, gone, kept)
	}
	r.clock.set(start.Add(500 * 24 * time.Hour))
	for {
		changed, err := r.Prune(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if changed == 0 {
			break
		}
	}
	if n := value[int64](t, r, "SELECT (SELECT count(*) FROM usage_day) + (SELECT count(*) FROM usage_host_day)"); n != 0 {
		t.Errorf("got %d sums of nothing", n)
	}
}

// What was used is told apart by model, host and user, and compared with the time before.
func TestGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	atlas, nova := r.host(t, "atlas.example"), r.host(t, "nova.example")
	record := func(at time.Time, host *db.Host, user, model string, input int64) {
		t.Helper()
		r.clock.set(at)
		entry := usage.Entry{Total: &input, Input: &input, Model: &model}
		if model == "" {
			entry = usage.Entry{Line: new("Token usage: who knows")}
		}
		if _, err := r.Record(t.Context(), host, usage.Report{Entries: []usage.Entry{entry}, User: user}); err != nil {
			t.Fatal(err)
		}
	}
	record(day(3), atlas, "root", "a", 1)
	record(day(4), atlas, "root", "a", 5)
	record(day(5), atlas, "root", "a", 10)
	record(day(5).Add(24*time.Hour-time.Microsecond), nova, "ann", "b", 20)
	record(day(6), nova, "", "a", 40)
	record(day(6), nova, "ann", "", 0)
	if _, err := r.store.Pool().Exec(t.Context(), "UPDATE usage_entry SET cost = 2.5 WHERE input = 10 OR input = 1"); err != nil {
		t.Fatal(err)
	}
	show := func(groups []usage.Group) (lines []string) {
		for _, g := range groups {
			cost := "-"
			if g.Cost != nil {
				cost = fmt.Sprint(*g.Cost)
			}
			lines = append(lines, fmt.Sprintf("%s %d %d/%d/%d %s, before %d", g.Name, g.Total, g.Events, g.Counted, g.Priced, cost, g.Before.Total))
		}
		return lines
	}
	all := usage.Span{Since: day(5), Until: day(6)}
	for name, c := range map[string]struct {
		query usage.GroupQuery
		want  []string
		total int64
	}{
		"models": {usage.GroupQuery{Span: all, By: usage.ByModel, Before: day(3), Sort: "total", Descending: true},
			[]string{"a 50 2/2/1 2.5, before 6", "b 20 1/1/0 -, before 0", " 0 1/0/0 -, before 0"}, 3},
		"models of a host": {usage.GroupQuery{Span: usage.Span{Since: day(5), Until: day(6), Host: &nova.ID}, By: usage.ByModel, Sort: "name"},
			[]string{" 0 1/0/0 -, before 0", "a 40 1/1/0 -, before 0", "b 20 1/1/0 -, before 0"}, 3},
		"hosts": {usage.GroupQuery{Span: all, By: usage.ByHost, Before: day(4), Sort: "total"},
			[]string{"atlas.example 10 1/1/1 2.5, before 5", "nova.example 60 3/2/0 -, before 0"}, 2},
		"hosts of a model": {usage.GroupQuery{Span: usage.Span{Since: day(5), Until: day(6), Model: new("b")}, By: usage.ByHost, Sort: "total"},
			[]string{"nova.example 20 1/1/0 -, before 0"}, 1},
		"users": {usage.GroupQuery{Span: all, By: usage.ByUser, Sort: "total", Descending: true},
			[]string{" 40 1/1/0 -, before 0", "ann 20 2/1/0 -, before 0", "root 10 1/1/1 2.5, before 0"}, 3},
		"nobody in particular": {usage.GroupQuery{Span: usage.Span{Since: day(5), Until: day(6), User: new("")}, By: usage.ByHost, Sort: "total"},
			[]string{"nova.example 40 1/1/0 -, before 0"}, 1},
		"a price is more than none": {usage.GroupQuery{Span: all, By: usage.ByModel, Sort: "cost", Descending: true, Max: 1},
			[]string{"a 50 2/2/1 2.5, before 0"}, 3},
		"the rest": {usage.GroupQuery{Span: all, By: usage.ByModel, Sort: "total", Descending: true, Skip: 2}, []string{" 0 1/0/0 -, before 0"}, 3},
	} {
		if c.query.Max == 0 {
			c.query.Max = 10
		}
		groups, total, err := r.Groups(t.Context(), c.query)
		if got := show(groups); err != nil || total != c.total || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q of %d, %v; want %q of %d", name, got, total, err, c.want, c.total)
		}
	}
	if _, _, err := r.Groups(t.Context(), usage.GroupQuery{Span: all, By: usage.ByModel, Sort: "secret"}); !hasField(err, "sort") {
		t.Errorf("got %v, want a refusal of the order", err)
	}
	if _, err := r.fleet.Delete(t.Context(), atlas.ID, operator, audit.ActionAdminHostDelete); err != nil {
		t.Fatal(err)
	}
	groups, _, err := r.Groups(t.Context(), usage.GroupQuery{Span: all, By: usage.ByHost, Sort: "total", Max: 10})
	if got := show(groups); err != nil || groups[0].HostID != 0 || !slices.Equal(got, []string{" 10 1/1/1 2.5, before 0", "nova.example 60 3/2/0 -, before 0"}) {
		t.Errorf("when a host is gone: got %q, %v", got, err)
	}
	first, err := r.FirstDay(t.Context())
	days, daysErr := r.Days(t.Context(), usage.Span{Since: day(1), Until: day(5), User: new("root")})
	if err != nil || daysErr != nil || !first.Equal(day(3)) || len(days) != 3 || !days[2].Day.Equal(day(5)) || days[2].Total != 10 || *days[2].Cost != 2.5 || days[1].Cost != nil {
		t.Errorf("got first day %s, days %+v, %v, %v", first, days, err, daysErr)
	}
}

// hasField reports whether an error refuses a field.
func hasField(err error, field string) bool {
	refusal := errs.Of(err)
	return refusal != nil && refusal.Kind == errs.Invalid && refusal.Fields[field] != nil
}

// The reports of a query one after the other are all of them, each once, the newest first.
func TestEachReport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host, other := r.host(t, "atlas.example"), r.host(t, "nova.example")
	const reports = 1203
	if _, err := r.store.Pool().Exec(t.Context(), `INSERT INTO usage_ingest (host_id, at, entries, total, body_sha256)
		SELECT CASE WHEN i % 3 = 0 THEN $1::bigint ELSE $2::bigint END, '2026-01-05'::timestamptz + (i / 100) * interval '1 minute', 1, i, sha256('x') FROM generate_series(1, $3::int) i`,
		host.ID, other.ID, reports); err != nil {
		t.Fatal(err)
	}
	for search, want := range map[string]int{"": reports, "atlas": reports / 3, "nobody": 0} {
		query := usage.ReportQuery{Search: search, Sort: "created_at", Descending: true, Max: 1, Count: 1000}
		seen := map[int64]bool{}
		var last *db.UsageIngestPageRow
		err := r.EachReport(t.Context(), query, func(row *db.UsageIngestPageRow) error {
			if seen[row.ID] || last != nil && (row.At.After(last.At) || row.At.Equal(last.At) && row.ID > last.ID) {
				t.Errorf("got report %d twice or out of order", row.ID)
			}
			seen[row.ID], last = true, row
			return nil
		})
		if err != nil || len(seen) != want {
			t.Errorf("%q: got %d reports, %v; want %d", search, len(seen), err, want)
		}
		if _, total, err := r.Reports(t.Context(), query); err != nil || total != int64(min(want, 1000)) {
			t.Errorf("%q: counted %d, %v; want %d", search, total, err, min(want, 1000))
		}
	}
	stop := errors.New("enough")
	if err := r.EachReport(t.Context(), usage.ReportQuery{}, func(*db.UsageIngestPageRow) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the end that fn asks for", err)
	}
	if _, _, err := r.Report(t.Context(), 1<<40); !errors.Is(err, usage.ErrReportNotFound) {
		t.Errorf("got %v, want ErrReportNotFound", err)
	}
}
