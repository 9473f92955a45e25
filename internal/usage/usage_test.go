package usage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/seal"
	"github.com/cdxgate/cdxgate/internal/usage"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var operator = audit.Actor{Kind: audit.KindOperator, Name: "root"}

// clock is a time that moves only when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// rig is usage over a database of its own, and the fleet that reports it.
type rig struct {
	*usage.Service
	fleet *fleet.Service
	store *db.Store
	clock *clock
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{store: dbtest.New(t), clock: &clock{at: time.Date(2026, 1, 5, 10, 0, 0, 123456789, time.UTC)}}
	r.Service = usage.New(r.store, r.clock.now)
	r.fleet = fleet.New(r.store, ring, fleet.Config{PublicURL: "https://codex.example"})
	return r
}

func (r *rig) host(t *testing.T, fqdn string) *db.Host {
	t.Helper()
	e, err := r.fleet.Register(t.Context(), fleet.Registration{FQDN: fqdn, Rekey: true}, operator)
	if err != nil {
		t.Fatal(err)
	}
	return &e.Host
}

// report sends a report in the wire's form. It may be used from any goroutine.
func (r *rig) report(t *testing.T, host *db.Host, key, body string) (*api.UsageResponse, error) {
	t.Helper()
	entries, err := usage.Read([]byte(body))
	if err != nil {
		t.Errorf("reading %s: %v", body, err)
	}
	return r.Record(t.Context(), host, usage.Report{Entries: entries, Key: key, From: netip.MustParseAddr("::ffff:203.0.113.9")})
}

func (r *rig) must(t *testing.T, host *db.Host, key, body string) *api.UsageResponse {
	t.Helper()
	answer, err := r.report(t, host, key, body)
	if err != nil {
		t.Fatalf("reporting %s: %v", body, err)
	}
	return answer
}

// counts fails the test unless there are so many reports, entries and audit entries.
func (r *rig) counts(t *testing.T, what string, ingests, entries, audits int64) {
	t.Helper()
	want := fmt.Sprint(ingests, entries, audits)
	got := fmt.Sprint(value[int64](t, r, "SELECT count(*) FROM usage_ingest"), value[int64](t, r, "SELECT count(*) FROM usage_entry"),
		value[int64](t, r, "SELECT count(*) FROM audit_entry WHERE action = 'token.usage'"))
	if got != want {
		t.Errorf("%s: got %s reports, entries and audit entries; want %s", what, got, want)
	}
}

func value[T any](t *testing.T, r *rig, query string, args ...any) (v T) {
	t.Helper()
	if err := r.store.Pool().QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func (r *rig) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := r.store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// isRefusal reports whether err says text about field.
func isRefusal(err error, field, text string) bool {
	invalid, ok := errors.AsType[usage.Invalid](err)
	return ok && len(invalid) == 1 && len(invalid[field]) == 1 && invalid[field][0] == text
}

// everybody runs f n times at once.
func everybody(n int, f func(i int)) {
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

const wasUsed = "this Idempotency-Key was used for another report"

func TestReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	const body = `{"usages":[{"line":"Token usage: total=7","total":7,"model":"m"},{"input":0},{"total":7}]}`
	first := r.must(t, host, "k", body)
	for i, entry := range first.Usages {
		if !entry.RecordedAt.Equal(r.clock.now().Truncate(time.Microsecond)) || entry.Cost != nil {
			t.Errorf("entry %d: got %s at cost %v, want the time of the report and no cost", i, entry.RecordedAt, entry.Cost)
		}
	}
	if first.Recorded != 3 || first.Duplicates != 0 || first.IngestID == 0 || first.HostID != host.ID || first.Cost != nil {
		t.Errorf("got %s", text(t, first))
	}
	// The answer stays what it was, for as long as the report is kept.
	r.clock.set(r.clock.now().Add(399 * 24 * time.Hour))
	if again := r.must(t, host, "k", body); text(t, again) != text(t, first) {
		t.Errorf("got %s, want the first answer %s", text(t, again), text(t, first))
	}
	for _, other := range []string{`{"total":7}`, `{"usages":[{"line":"Token usage: total=7","total":7,"model":"m"},{"input":0}]}`,
		`{"usages":[{"input":0},{"line":"Token usage: total=7","total":7,"model":"m"},{"total":7}]}`} {
		if _, err := r.report(t, host, "k", other); !isRefusal(err, "idempotency_key", wasUsed) {
			t.Errorf("%s under a used key: got %v", other, err)
		}
	}
	r.counts(t, "one report", 1, 3, 1)

	// Keys are a host's own, and told apart by every letter.
	r.must(t, r.host(t, "b.example"), "k", `{"total":1}`)
	r.must(t, host, "K", `{"total":1}`)
	r.counts(t, "other keys", 3, 5, 3)
	for _, key := range []string{"with a blank", "tab\t", "\x00", "é", strings.Repeat("k", 129)} {
		if _, err := r.report(t, host, key, `{"total":1}`); !isRefusal(err, "idempotency_key", "Idempotency-Key must be 1 to 128 printable ASCII characters without blanks") {
			t.Errorf("key %q: got %v", key, err)
		}
	}
	r.must(t, host, strings.Repeat("~", 128), `{"total":1}`)
	r.counts(t, "odd keys", 4, 6, 4)
}

func TestRaceUnderOneKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	var mu sync.Mutex
	answers, refused := map[string]int{}, 0
	everybody(50, func(i int) {
		answer, err := r.report(t, host, "race", `{"usages":[{"total":4242},{"total":4242},{"line":"x"}]}`)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		answers[text(t, answer)]++
	})
	if len(answers) != 1 {
		t.Errorf("got %d different answers, want one: %v", len(answers), answers)
	}
	r.counts(t, "50 at once", 1, 3, 1)

	// Of two reports under one key the first counts, and whoever brings the other is told.
	clear(answers)
	everybody(50, func(i int) {
		answer, err := r.report(t, host, "conflict", fmt.Sprintf(`{"total":%d}`, 1+i%2))
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			answers[text(t, answer)]++
		case isRefusal(err, "idempotency_key", wasUsed):
			refused++
		default:
			t.Error(err)
		}
	})
	if len(answers) != 1 || refused != 25 {
		t.Errorf("got %d refused and %v, want 25 and one answer", refused, answers)
	}
	r.counts(t, "50 in conflict", 2, 4, 2)
}

func TestRaceWithoutKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := []*db.Host{r.host(t, "a.example"), r.host(t, "b.example")}
	var mu sync.Mutex
	fresh := 0
	everybody(50, func(i int) {
		answer, err := r.report(t, hosts[i%2], "", fmt.Sprintf(`{"usages":[{"total":7},{"total":7},{"total":%d}]}`, 100+i/2%5))
		if err != nil || answer.Recorded != 3 || len(answer.Usages) != 3 || (answer.IngestID == 0) != (answer.Duplicates == 3) {
			t.Errorf("got %s, %v", text(t, answer), err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		fresh += 3 - answer.Duplicates
	})
	// Of each host: the two that are equal, and five that are not.
	if got := value[int](t, r, "SELECT count(*)::int FROM usage_entry"); got != 14 || fresh != 14 {
		t.Errorf("got %d entries, %d of them said to be fresh; want 14", got, fresh)
	}
	if got := value[int](t, r, "SELECT count(*)::int FROM usage_ingest i WHERE entries <> (SELECT count(*) FROM usage_entry e WHERE e.ingest_id = i.id AND e.host_id = i.host_id)"); got != 0 {
		t.Errorf("got %d reports that count other entries than theirs", got)
	}
}

func TestRetryWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	began := r.clock.now()
	report := func(after time.Duration, key string, want int) {
		t.Helper()
		r.clock.set(began.Add(after))
		if answer := r.must(t, host, key, `{"total":7}`); answer.Duplicates != want {
			t.Errorf("after %s: got %d duplicates, want %d", after, answer.Duplicates, want)
		}
	}
	report(0, "", 0)
	report(30*time.Second, "", 1)
	report(30*time.Second+time.Microsecond, "", 0)
	report(60*time.Second, "", 1)
	// A key says by itself what is a retry; who comes without one may be the retry of a report with one.
	report(60*time.Second, "k", 0)
	report(85*time.Second, "", 1)
	r.counts(t, "three reports", 3, 3, 3)
}

func TestMonth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	at := func(text string) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for moment, total := range map[string]int{
		"2025-12-31T23:59:59.999999Z": 1, "2026-01-01T00:00:00Z": 10, "2026-01-31T23:59:59.999999Z": 100,
		"2026-02-01T00:00:00Z": 1000, "2026-02-01T00:30:00+02:00": 10000, // which is still January
	} {
		r.clock.set(at(moment))
		r.must(t, host, "", fmt.Sprintf(`{"total":%d,"input":%d,"output":2,"cached":3,"reasoning":4}`, total, 2*total))
		r.must(t, r.host(t, "b.example"), "", `{"total":5}`)
	}
	for moment, want := range map[string]api.TokenUsage{
		"2025-11-30T23:59:59Z":          {},
		"2025-12-31T23:59:59.999999Z":   {Total: 1, Input: 2, Output: 2, Cached: 3, Reasoning: 4, Events: 1},
		"2026-01-01T00:00:00Z":          {Total: 10110, Input: 20220, Output: 6, Cached: 9, Reasoning: 12, Events: 3},
		"2026-02-01T01:59:59.999+02:00": {Total: 10110, Input: 20220, Output: 6, Cached: 9, Reasoning: 12, Events: 3},
		"2026-01-31T19:00:00-05:00":     {Total: 1000, Input: 2000, Output: 2, Cached: 3, Reasoning: 4, Events: 1},
		"2026-03-01T00:00:00Z":          {},
	} {
		r.clock.set(at(moment))
		if got, err := r.Month(t.Context(), host.ID); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", moment, got, err, want)
		}
	}
}

// A host says what it likes. It must not be able to say so much that its own calls fail.
func TestSumsStayNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	const most = `{"total":9223372036854775807,"input":"99999999999999999999","output":1e300,"cached":9223372036854775806,"reasoning":1}`
	for _, key := range []string{"a", "b"} {
		r.must(t, host, key, `{"usages":[`+most+`,{"line":"no numbers"},`+most+`]}`)
	}
	const limit = math.MaxInt64
	want := api.TokenUsage{Total: limit, Input: limit, Output: limit, Cached: limit, Reasoning: 4, Events: 6}
	if got, err := r.Month(t.Context(), host.ID); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got := value[string](t, r, "SELECT DISTINCT concat_ws(' ', total, input, output, cached, reasoning, coalesce(cost::text, 'null')) FROM usage_ingest"); got != fmt.Sprint(limit, limit, limit, limit, " 2 null") {
		t.Errorf("got sums %s", got)
	}
	r.must(t, host, "c", `{"line":"no numbers at all"}`)
	if n := value[int](t, r, "SELECT count(*)::int FROM usage_ingest WHERE num_nonnulls(total, input, output, cached, reasoning) = 0"); n != 1 {
		t.Errorf("got %d reports without a sum, want 1: nothing said is not zero", n)
	}
}

// No price is known: a cost is absent, not zero, except in a sum, which clients add to.
func TestCostIsNull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	if answer := text(t, r.must(t, host, "k", `{"total":1}`)); strings.Count(answer, `"cost":null`) != 2 {
		t.Errorf("got %s, want no cost of the report and none of its entry", answer)
	}
	if n := value[int](t, r, "SELECT (SELECT count(cost) FROM usage_entry)::int + (SELECT count(cost) FROM usage_ingest)::int"); n != 0 {
		t.Errorf("got %d costs, want none", n)
	}
	r.exec(t, "UPDATE usage_entry SET cost = 0.013500")
	r.exec(t, "UPDATE usage_ingest SET cost = 0.013500")
	r.must(t, host, "", `{"total":2}`)
	if got, err := r.Month(t.Context(), host.ID); err != nil || got.Cost != 0.0135 {
		t.Errorf("got %+v, %v; want the cost that is known", got, err)
	}
	if answer := text(t, r.must(t, host, "k", `{"total":1}`)); strings.Count(answer, `"cost":0.0135`) != 2 {
		t.Errorf("got %s, want the costs that are known by now", answer)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	began := r.clock.now().Truncate(time.Microsecond)
	r.must(t, host, "old", `{"usages":[{"total":1},{"total":2}]}`)
	r.clock.set(began.Add(time.Hour))
	r.must(t, host, "new", `{"total":4}`)
	prune := func(at time.Time, want int, left int64) {
		t.Helper()
		r.clock.set(at)
		if n, err := r.Prune(t.Context()); n != want || err != nil {
			t.Errorf("at %s: got %d, %v; want %d pruned", at, n, err, want)
		}
		if got := value[int64](t, r, "SELECT coalesce(sum(total), 0)::bigint FROM usage_entry"); got != left {
			t.Errorf("at %s: got a sum of %d, want %d", at, got, left)
		}
	}
	const keep = 400 * 24 * time.Hour
	prune(began.Add(keep), 0, 7)
	prune(began.Add(keep+time.Microsecond), 1, 4)
	// What is forgotten is no retry any more.
	if answer := r.must(t, host, "old", `{"total":8}`); answer.Duplicates != 0 {
		t.Errorf("got %s, want a new report", text(t, answer))
	}

	// A pass takes what it can without holding everybody up; the next takes the rest. Reports of hosts that are gone, too.
	r.exec(t, "INSERT INTO usage_ingest (host_id, at, entries, body_sha256) SELECT NULL, '2020-01-01', 0, sha256('x') FROM generate_series(1, 1001)")
	now := r.clock.now()
	prune(now, 1000, 12)
	prune(now, 1, 12)
	prune(now, 0, 12)
	if n := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE action = 'token.usage'"); n != 3 {
		t.Errorf("got %d audit entries, want those of all reports", n)
	}
}

// A report is recorded whole, with its audit entry, or not at all; then it may come again.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	const body = `{"usages":[{"total":1},{"total":2}]}`
	r.exec(t, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
	for _, table := range []string{"usage_ingest", "usage_entry", "audit_entry"} {
		r.exec(t, "CREATE TRIGGER refuse BEFORE INSERT ON "+table+" FOR EACH ROW EXECUTE FUNCTION refuse()")
		for _, key := range []string{"", "k"} {
			if answer, err := r.report(t, host, key, body); err == nil || answer != nil {
				t.Errorf("with %s broken: got %s, %v; want an error", table, text(t, answer), err)
			}
		}
		r.exec(t, "DROP TRIGGER refuse ON "+table)
		r.counts(t, "with "+table+" broken", 0, 0, 0)
	}
	r.must(t, host, "k", body)
	r.counts(t, "mended", 1, 2, 1)
}

// Whoever was let in and then removed, or given another key, is told that its key is no good; a report that was in time
// stays, without its host.
func TestReportOfAHostThatGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	old := r.host(t, "a.example")
	r.host(t, "a.example") // another key
	if _, err := r.report(t, old, "", `{"total":1}`); !errors.Is(err, fleet.ErrKeyInvalid) {
		t.Errorf("with a key that was replaced: got %v, want %v", err, fleet.ErrKeyInvalid)
	}
	r.counts(t, "with a key that was replaced", 0, 0, 0)

	const hosts = 20
	var mu sync.Mutex
	recorded := int64(0)
	for i := range hosts {
		host := r.host(t, fmt.Sprintf("h%d.example", i))
		everybody(4, func(j int) {
			if j == 3 {
				if _, err := r.fleet.Delete(t.Context(), host.ID, operator, audit.ActionAdminHostDelete); err != nil {
					t.Error(err)
				}
				return
			}
			_, err := r.report(t, host, fmt.Sprint(j), fmt.Sprintf(`{"usages":[{"total":%d},{"total":0}]}`, j))
			if err != nil && !errors.Is(err, fleet.ErrKeyInvalid) {
				t.Errorf("got %v, want %v or none", err, fleet.ErrKeyInvalid)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				recorded++
			}
		})
	}
	r.counts(t, "of hosts that went", recorded, 2*recorded, recorded)
	if n := value[int](t, r, "SELECT count(host_id)::int FROM usage_entry"); n != 0 {
		t.Errorf("got %d entries of hosts that are gone, want 0", n)
	}
}

// One host that reports without end must not fill the disk of all.
func TestTooManyEntries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	report := usage.Report{Entries: make([]usage.Entry, 500)}
	for i := range report.Entries {
		report.Entries[i].Total = new(int64(i))
	}
	for i := range 21 {
		report.Key = fmt.Sprint("report-", i)
		_, err := r.Record(t.Context(), host, report)
		invalid, refused := errors.AsType[usage.Invalid](err)
		if refused != (i == 20) || (refused && invalid["usages"][0] != "a host may report 10000 entries an hour") {
			t.Fatalf("report %d: got %v", i+1, err)
		}
	}
	r.clock.set(r.clock.now().Add(time.Hour + time.Second))
	if _, err := r.Record(t.Context(), host, report); err != nil {
		t.Errorf("an hour later: got %v", err)
	}
}
