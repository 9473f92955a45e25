package admin_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
)

// counter notes the names of the queries that go through it.
type counter struct {
	db.DBTX
	mu    sync.Mutex
	names []string
}

func (c *counter) note(sql string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, name)
}

func (c *counter) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c.note(sql)
	return c.DBTX.Exec(ctx, sql, args...)
}

func (c *counter) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.note(sql)
	return c.DBTX.Query(ctx, sql, args...)
}

func (c *counter) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.note(sql)
	return c.DBTX.QueryRow(ctx, sql, args...)
}

// during are the names of the queries that a call makes, without those that find out who calls.
func (c *counter) during(call func()) []string {
	c.mu.Lock()
	c.names = nil
	c.mu.Unlock()
	call()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(c.names, func(name string) bool {
		return strings.HasPrefix(name, "Admin") || strings.HasPrefix(name, "RateLimit")
	})
}

// counted has the office's queries noted. It must come before any call.
func (o *office) counted() *counter {
	c := &counter{DBTX: o.Core.DB.Pool()}
	o.Core.DB.Queries = db.New(c)
	return c
}

// populate makes a fleet of n hosts, each with a login, usage, a user and an entry of the audit trail.
func (o *office) populate(t *testing.T, n int) {
	t.Helper()
	loosen(t, o.Gateway)
	for _, statement := range []string{
		`INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
			SELECT gen_random_uuid(), a.id, i, gen_random_uuid(), sha256(i::text::bytea), '', '2026-01-0' || i || 'T00:00:00Z', '2026-01-01 00:00Z'::timestamptz + i * interval '1 day', 'operator', now()
			FROM account a, generate_series(1, 5) i`,
		`UPDATE account SET generation = 5`,
		`INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, secure, insecure_until, auth_digest, client_version, created_at, updated_at)
			SELECT a.id, 'host-' || i || '.example', sha256(i::text::bytea), '00000000', i % 10 > 0, CASE WHEN i % 20 = 0 THEN now() + interval '1 hour' END,
				sha256((i % 5 + 1)::text::bytea), '0.' || i % 100 || '.0', now(), now()
			FROM account a, generate_series(1, $1::int) i`,
		`INSERT INTO delivery (host_id, generation_id, mode, delivered_at)
			SELECT h.id, g.id, 'full', now() + g.number * interval '1 second' FROM host h, generation g WHERE $1::int > 0`,
		`INSERT INTO host_user (host_id, username, first_seen_at, last_seen_at) SELECT id, 'deploy', now(), now() FROM host WHERE $1::int > 0`,
		`INSERT INTO usage_ingest (host_id, at, entries, total, input, output, cached, body_sha256)
			SELECT id, now() - id % 30 * interval '1 day', 1, id, id, 0, 0, sha256('x') FROM host WHERE $1::int > 0`,
		`INSERT INTO usage_entry (ingest_id, host_id, at, line, total) SELECT id, host_id, at, 'line ' || id, total FROM usage_ingest WHERE $1::int > 0`,
		`INSERT INTO audit_entry (at, actor_kind, actor, action, host_id, details) SELECT now(), 'host', fqdn, 'auth.retrieve', id, '{}' FROM host WHERE $1::int > 0`,
	} {
		args := []any{n}
		if !strings.Contains(statement, "$1") {
			args = nil
		}
		o.Exec(t, statement, args...)
	}
	o.Exec(t, "ANALYZE")
}

// However many hosts there are, a list is a part of them, in two queries.
func TestListsOfTenThousandHosts(t *testing.T) {
	t.Parallel()
	const hosts = 10_000
	o := newOffice(t)
	queries := o.counted()
	o.populate(t, hosts)
	for _, path := range []string{
		"/admin/hosts", "/admin/hosts?limit=50", "/admin/hosts/insecure", "/admin/logs", "/admin/logs?q=host-77", "/admin/logs?action=auth&limit=500", "/admin/usage",
		"/admin/usage/ingests", "/admin/usage/ingests?sort=host&direction=asc&q=host-7&per_page=200", "/admin/usage/cost-history?days=180",
		"/admin/tokens?limit=200", "/admin/slash-commands",
	} {
		var took time.Duration
		var size int
		asked := queries.during(func() {
			begin := time.Now()
			size = len(o.data(t, o.get(t, path)))
			took = time.Since(begin)
		})
		if len(asked) == 0 || len(asked) > 2 {
			t.Errorf("%s: got queries %q, want one or two", path, asked)
		}
		t.Logf("%-80s %4d ms %8d bytes %q", path, took.Milliseconds(), size, asked)
	}
	var took time.Duration
	asked := queries.during(func() {
		begin := time.Now()
		o.data(t, o.get(t, "/admin/overview"))
		took = time.Since(begin)
	})
	if len(asked) > 5 {
		t.Errorf("overview: got queries %q", asked)
	}
	t.Logf("overview: %d ms %q", took.Milliseconds(), asked)

	seen, cursor := map[int64]bool{}, ""
	var last string
	for parts := 0; ; parts++ {
		var page api.AdminHosts
		o.get(t, "/admin/hosts?limit=499"+cursor).Decode(t, &page)
		for _, h := range page.Hosts {
			if h.FQDN <= last || seen[h.ID] {
				t.Fatalf("got %s after %s", h.FQDN, last)
			}
			last, seen[h.ID] = h.FQDN, true
			if len(h.RecentDigests) != 3 || h.TokenUsage == nil || *h.TokenUsage.Total != h.ID || len(h.Users) != 1 || h.AuthOutdated == (*h.CanonicalDigest == fmt.Sprintf("%x", sum("5"))) {
				t.Fatalf("got %+v", h)
			}
		}
		if page.Total != hosts || len(page.Hosts) > 499 || parts > hosts/499+1 {
			t.Fatalf("got %d of %d in part %d", len(page.Hosts), page.Total, parts)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
	if len(seen) != hosts {
		t.Errorf("got %d hosts, want %d", len(seen), hosts)
	}
}

// The parts of a list are the list: nothing twice, nothing left out, whatever is removed on the way.
func TestPartsOfLists(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.populate(t, 23)
	for i := range 7 {
		o.data(t, o.post(t, "/admin/slash-commands/store", fmt.Sprintf(`{"filename":"c%d.md","prompt":"x"}`, i)))
	}
	for path, list := range map[string]string{
		"/admin/hosts": "hosts", "/admin/hosts/insecure": "hosts", "/admin/logs": "logs", "/admin/usage": "usages", "/admin/slash-commands": "commands",
	} {
		all := ids(t, o.data(t, o.get(t, path+"?limit=500")), list)
		for _, limit := range []int{1, 2, 7, len(all), len(all) + 1} {
			var got []float64
			cursor := ""
			for {
				data := o.data(t, o.get(t, fmt.Sprintf("%s?limit=%d%s", path, limit, cursor)))
				got = append(got, ids(t, data, list)...)
				var page struct {
					NextCursor *string `json:"next_cursor"`
				}
				if err := json.Unmarshal(data, &page); err != nil {
					t.Fatal(err)
				}
				if page.NextCursor == nil || len(got) > len(all) {
					break
				}
				cursor = "&cursor=" + *page.NextCursor
			}
			if len(all) < 2 || !slices.Equal(got, all) {
				t.Errorf("%s by %d: got %v, want %v", path, limit, got, all)
			}
		}
	}
	// The host that a cursor was made from may be gone when the next part is asked for.
	var first, second api.AdminHosts
	o.get(t, "/admin/hosts?limit=5").Decode(t, &first)
	o.Exec(t, "DELETE FROM host WHERE id = $1", first.Hosts[4].ID)
	o.get(t, "/admin/hosts?limit=5&cursor="+*first.NextCursor).Decode(t, &second)
	if len(second.Hosts) != 5 || second.Hosts[0].FQDN <= first.Hosts[4].FQDN {
		t.Errorf("got %v", second.Hosts)
	}
	// Those that may call now come first.
	var insecure api.AdminInsecureHosts
	o.get(t, "/admin/hosts/insecure").Decode(t, &insecure)
	if insecure.Count != 2 || insecure.Active != 1 || insecure.Hosts[0].FQDN != "host-20.example" || insecure.Hosts[1].FQDN != "host-10.example" {
		t.Errorf("got %+v", insecure)
	}
}

func ids(t *testing.T, data json.RawMessage, list string) (all []float64) {
	t.Helper()
	var answer map[string]json.RawMessage
	var items []struct{ ID float64 }
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer[list], &items); err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		all = append(all, item.ID)
	}
	return all
}

func sum(text string) [32]byte { return sha256.Sum256([]byte(text)) }
