package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// planned is a query as it went to the database.
type planned struct {
	name, sql string
	args      []any
}

// listener notes the queries that go through it.
type listener struct {
	db.DBTX
	mu  sync.Mutex
	all []planned
}

func (l *listener) note(sql string, args []any) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, planned{name, sql, slices.Clone(args)})
}

func (l *listener) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	l.note(sql, args)
	return l.DBTX.Exec(ctx, sql, args...)
}

func (l *listener) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	l.note(sql, args)
	return l.DBTX.Query(ctx, sql, args...)
}

func (l *listener) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	l.note(sql, args)
	return l.DBTX.QueryRow(ctx, sql, args...)
}

// during are the queries that a call makes.
func (l *listener) during(call func()) []planned {
	l.mu.Lock()
	l.all = nil
	l.mu.Unlock()
	call()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// about are the queries about usage that a call makes.
func (l *listener) about(call func()) (usage []planned) {
	for _, query := range l.during(call) {
		if strings.HasPrefix(query.name, "Usage") {
			usage = append(usage, query)
		}
	}
	return usage
}

// plan is a node of what EXPLAIN says.
type plan struct {
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []plan  `json:"Plans"`
}

func (p plan) add(read map[string]int) {
	if p.Relation != "" {
		read[p.Relation] += int((p.Rows + p.Removed) * p.Loops)
	}
	for _, part := range p.Plans {
		part.add(read)
	}
}

// rowsRead are the rows of each table that queries read, as the database counts them.
func (b *browser) rowsRead(t *testing.T, queries []planned) map[string]int {
	t.Helper()
	read := map[string]int{}
	for _, query := range queries {
		var text string
		if err := b.Core.DB.Pool().QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+query.sql, query.args...).Scan(&text); err != nil {
			t.Fatalf("%s: %v", query.name, err)
		}
		var explained []struct{ Plan plan }
		if err := json.Unmarshal([]byte(text), &explained); err != nil {
			t.Fatal(err)
		}
		explained[0].Plan.add(read)
	}
	return read
}

// With a million sessions of 499 hosts in 400 days, pages about usage read sums by day and not one session; what the first pages
// read of usage does not depend on how many hosts there are, and there are ten thousand in the end.
func TestUsageOfAMillionSessions(t *testing.T) {
	t.Parallel()
	const sessions, hosts, models, daysKept = 1_000_000, 499, 3, 400
	b := newBrowser(t, gatewaytest.Options{})
	l := &listener{DBTX: b.Core.DB.Pool()}
	b.Core.DB.Queries = db.New(l)
	in := b.session(t, access.Viewer)
	begin := time.Now()
	// What the database would check and sort of each session is not in question here, and takes most of the time.
	b.Exec(t, `ALTER TABLE usage_entry DROP CONSTRAINT usage_entry_ingest_id_fkey, DROP CONSTRAINT usage_entry_host_id_fkey`)
	b.Exec(t, `DROP INDEX usage_entry_host, usage_entry_ingest, usage_entry_at`)
	b.Exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
		SELECT 1, 'host-' || i || '.example', sha256(i::text::bytea), '00000000', now(), now() FROM generate_series(1, $1::int) i`, hosts)
	b.Exec(t, `INSERT INTO usage_ingest (host_id, at, entries, total, input, output, cached, body_sha256)
		SELECT h.id, now() - (i % $2::int) * interval '1 day', 20, 20, 20, 0, 0, sha256('x')
		FROM generate_series(1, $1::int / 20) i JOIN host h ON h.fqdn = 'host-' || 1 + i % $3::int || '.example'`, sessions, daysKept, hosts)
	for part := range 20 { // a statement may not take long
		b.Exec(t, `INSERT INTO usage_entry (ingest_id, host_id, at, total, input, output, cached, model, username)
			SELECT g.id, g.host_id, g.at, 1, 1, 0, 0, 'model-' || g.id % $1::int, 'user-' || g.host_id % 7
			FROM usage_ingest g, generate_series(1, 20) WHERE g.id % 20 = $2::int`, models, part)
	}
	b.Exec(t, "ANALYZE")
	if n := b.Int(t, "SELECT sum(entries) FROM usage_day"); n != sessions {
		t.Fatalf("got %d sessions in the sums, want %d", n, sessions)
	}
	fine := int(b.Int(t, "SELECT count(*) FROM usage_host_day"))
	t.Logf("%d sessions, %d sums by host, made in %s", sessions, fine, time.Since(begin).Round(time.Millisecond))

	for _, c := range []struct {
		path    string
		queries int
		most    map[string]int // rows read of each table, at most
	}{
		{"/dashboard/usage", 4, map[string]int{"usage_day": 6*daysKept*models + 1}},
		{"/dashboard/usage?days=180&table=yes&show=cost", 4, map[string]int{"usage_day": 6*daysKept*models + 1}},
		{"/dashboard/usage?days=1&compare=no", 4, map[string]int{"usage_day": 6*daysKept*models + 1}},
		{"/dashboard/usage?model=model-1", 3, map[string]int{"usage_day": 2*daysKept*models + 1}},
		{"/dashboard/usage?by=host&days=30", 4, map[string]int{"usage_day": 6 * daysKept * models, "usage_host_day": fine / 4, "host": 2 * hosts}},
		{"/dashboard/usage?by=user&days=180&sort=name", 4, map[string]int{"usage_day": 6 * daysKept * models, "usage_host_day": fine, "host": 2 * hosts}},
		{"/dashboard/usage?host=7&days=180", 3, map[string]int{"usage_day": 1, "usage_host_day": 2 * (fine/hosts + 50), "host": hosts}},
		{"/dashboard/usage.csv?by=host", 1, map[string]int{"usage_host_day": fine / 4, "host": 2 * hosts}},
		{"/dashboard/usage/days.csv?days=180", 2, map[string]int{"usage_day": 2 * daysKept * models}},
		{"/dashboard/", 3, map[string]int{"usage_day": 4*daysKept*models + 1}},
		{"/dashboard/usage/ingests", 2, map[string]int{"usage_ingest": 10_000 + 50 + 1, "host": 3 * 10_000}},
	} {
		var took time.Duration
		var size int
		queries := l.about(func() {
			begin := time.Now()
			a := b.visit(t, in, c.path)
			took, size = time.Since(begin), len(a.Body)
			if a.Status != 200 {
				t.Errorf("%s: got %d %s", c.path, a.Status, a.Body)
			}
		})
		read := b.rowsRead(t, queries)
		if len(queries) == 0 || len(queries) > c.queries {
			t.Errorf("%s: got %d queries, want %d at most", c.path, len(queries), c.queries)
		}
		for table, rows := range read {
			if most, may := c.most[table]; rows > 0 && (!may || rows > most) {
				t.Errorf("%s: %d rows of %s were read, want %d at most", c.path, rows, table, most)
			}
		}
		t.Logf("%-48s %5d ms %7d bytes, read %s", c.path, took.Milliseconds(), size, fmt.Sprint(read))
	}
	b.Upload(t, login())
	b.addHosts(t, 10_000-hosts)
	if n := b.Int(t, "SELECT count(*) FROM host"); n != 10_000 {
		t.Fatalf("got %d hosts, want 10,000", n)
	}
	b.firstPagesOfManyHosts(t, l, in, 4*daysKept*models+1)
}

// firstPagesOfManyHosts looks at the pages that are open all day: how many queries they make, of the tables of usage no more than
// days rows of sums, and how much they send. The log says how long they took, the fastest and the slowest of five times.
func (b *browser) firstPagesOfManyHosts(t *testing.T, l *listener, in http.Header, days int) {
	t.Helper()
	for path, queries := range map[string]int{"/dashboard/": 16, "/dashboard/hosts": 8} {
		var took []time.Duration
		var made []planned
		size := 0
		for range 5 {
			made = l.during(func() {
				begin := time.Now()
				a := b.visit(t, in, path)
				took, size = append(took, time.Since(begin)), len(a.Body)
				if a.Status != 200 || !strings.Contains(string(a.Body), "10,000") {
					t.Errorf("%s: got %d %s", path, a.Status, a.Body)
				}
			})
		}
		if size > 150_000 {
			t.Errorf("%s: got %d bytes, want 150,000 at most", path, size)
		}
		if len(made) == 0 || len(made) > queries {
			t.Errorf("%s: got %d queries, want %d at most: %q", path, len(made), queries, names(made))
		}
		read := b.rowsRead(t, made)
		for table, rows := range read {
			if strings.HasPrefix(table, "usage_") && rows > 0 && (table != "usage_day" || rows > days) {
				t.Errorf("%s: %d rows of %s were read", path, rows, table)
			}
		}
		t.Logf("10,000 hosts beside it: %-20s %v to %v, %d bytes, %d queries, read %s", path, slices.Min(took).Round(time.Millisecond), slices.Max(took).Round(time.Millisecond),
			size, len(made), fmt.Sprint(read))
	}
}

func names(queries []planned) (names []string) {
	for _, query := range queries {
		names = append(names, query.name)
	}
	return names
}
