package admin_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/openapi"
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
		return strings.HasPrefix(name, "AdminCertBy") || name == "AdminCAGet" || strings.HasPrefix(name, "RateLimit")
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
	o.walk(t, hosts)
	o.crowded(t)
	for _, path := range []string{
		"/admin/hosts", "/admin/hosts?limit=50", "/admin/hosts/insecure", "/admin/logs", "/admin/logs?q=host-77", "/admin/logs?action=auth&limit=500", "/admin/usage",
		"/admin/usage/ingests", "/admin/usage/ingests?sort=host&direction=asc&q=host-7&per_page=200", "/admin/usage/cost-history?days=180",
		"/admin/usage?sort=total", "/admin/usage?sort=host&q=line+7", "/admin/usage?sort=cost&direction=asc&limit=500",
		"/admin/usage/ingests?sort=total&per_page=200", "/admin/tokens?limit=200", "/admin/tokens?limit=200&sort=events&q=7", "/admin/slash-commands", "/admin/slash-commands?state=all&sort=updated_at",
		"/admin/slash-commands/c1.md/versions", "/admin/slash-command-proposals", "/admin/slash-command-proposals?state=all&q=host-7&limit=500",
		"/admin/auth/generations", "/admin/auth/generations?q=host&limit=500", "/admin/auth/generations/5", "/admin/auth/proposals", "/admin/auth/proposals?q=host-7&limit=500",
		"/admin/certificates", "/admin/api-tokens?sort=last_used_at", "/admin/sessions",
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
	if len(asked) > 6 {
		t.Errorf("overview: got queries %q", asked)
	}
	t.Logf("overview: %d ms %q", took.Milliseconds(), asked)
}

// walk asks for all hosts of a populated fleet, part by part.
func (o *office) walk(t *testing.T, hosts int) {
	t.Helper()
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

// crowded adds to a fleet what its lists have besides hosts, with ranks that many share and ranks that are not known.
func (o *office) crowded(t *testing.T) {
	t.Helper()
	for _, statement := range []string{
		`UPDATE host SET api_calls = id % 3, last_seen_at = CASE WHEN id % 4 > 0 THEN '2026-01-01 00:00Z'::timestamptz + id % 3 * interval '1 day' END`,
		`UPDATE usage_entry SET total = CASE WHEN id % 4 > 0 THEN id % 3 END, input = id % 2, cost = CASE WHEN id % 5 > 0 THEN id % 3 * 0.000001 END,
			host_id = CASE WHEN id % 6 > 0 THEN host_id END, line = CASE WHEN id % 7 > 0 THEN 'line ' || id % 9 END`,
		`UPDATE usage_ingest SET total = CASE WHEN id % 4 > 0 THEN id % 3 END, entries = id % 2, cost = CASE WHEN id % 5 > 0 THEN id % 3 * 0.000001 END,
			host_id = CASE WHEN id % 6 > 0 THEN host_id END, at = date_trunc('day', at) - id % 3 * interval '1 day',
			ip = CASE id % 4 WHEN 0 THEN '203.0.113.9' WHEN 1 THEN '203.0.113.10' WHEN 2 THEN '2001:db8::1' END::inet`,
		`INSERT INTO library_file (kind, name, version, updated_at, deleted_at)
			SELECT 'command', 'c' || i || '.md', 5, '2026-01-01 00:00Z'::timestamptz + i % 3 * interval '1 day', CASE WHEN i % 4 = 0 THEN now() END FROM generate_series(1, 9) i`,
		`INSERT INTO library_version (file_id, number, sha256, content, author, created_at) SELECT f.id, n, sha256('x'), 'x', 'alice', now() FROM library_file f, generate_series(1, 5) n`,
		`INSERT INTO library_proposal (kind, name, sha256, content, base_version, host_id, created_at) SELECT 'command', 'c1.md', sha256('x'), 'x', 0, id, now() FROM host`,
		`INSERT INTO credential_proposal (id, account_id, host_id, fqdn, digest, body_sealed, last_refresh, base_generation, created_at)
			SELECT gen_random_uuid(), account_id, id, fqdn, sha256(fqdn::bytea), '', '', 5, now() FROM host`,
		`INSERT INTO admin_token (name, token_sha256, token_prefix, role, created_at, created_by, expires_at, last_used_at)
			SELECT 't' || i, sha256(i::text::bytea), 'cdxa_00000000', 'viewer', '2026-01-01 00:00Z'::timestamptz + i % 2 * interval '1 day', 'alice', now() + i % 3 * interval '1 hour',
				CASE WHEN i % 3 > 0 THEN '2026-01-02 00:00Z'::timestamptz + i % 2 * interval '1 day' END FROM generate_series(1, 11) i`,
		`INSERT INTO admin_link (token_sha256, role, created_by, expires_at) SELECT sha256(i::text::bytea), 'viewer', 'alice', now() FROM generate_series(1, 7) i`,
		`INSERT INTO admin_session (link_id, token_sha256, role, expires_at) SELECT id, token_sha256, role, now() FROM admin_link`,
		`INSERT INTO admin_cert (ca_id, name, role, serial, spki_sha256, not_after, created_at)
			SELECT c.id, 'cert' || i % 3, 'viewer', 'x' || i, sha256(i::text::bytea), '2026-01-01 00:00Z'::timestamptz + i % 2 * interval '1 day', now() FROM admin_ca c, generate_series(1, 8) i`,
	} {
		o.Exec(t, statement)
	}
}

// A list that can be asked for in parts, in several orders.
type listing struct {
	path, items, sorts string
	reverse            string // what turns it round; "": nothing
}

var (
	turns = "direction=asc direction=desc"
	lists = []listing{
		{"/admin/hosts", "hosts", "name seen created calls window", "desc=no desc=yes"},
		{"/admin/hosts/insecure", "hosts", "window name seen created calls", "desc=no desc=yes"},
		{"/admin/logs", "logs", "", turns},
		{"/admin/usage", "usages", "created_at total input output cached reasoning cost host", turns},
		{"/admin/usage/ingests", "items", "created_at entries total input output cached reasoning cost host client_ip id", turns},
		{"/admin/tokens", "tokens", "total input output cached reasoning cost events", turns},
		{"/admin/slash-commands", "commands", "filename updated_at", turns},
		{"/admin/slash-commands/{}/versions", "versions", "", turns},
		{"/admin/slash-command-proposals", "proposals", "", turns},
		{"/admin/auth/generations", "generations", "", turns},
		{"/admin/auth/generations/{}", "receivers", "", ""},
		{"/admin/auth/proposals", "proposals", "", turns},
		{"/admin/certificates", "certificates", "name created_at not_after", turns},
		{"/admin/api-tokens", "tokens", "name created_at expires_at last_used_at", turns},
		{"/admin/sessions", "sessions", "", turns},
	}
)

// orders are the queries that ask for a list in each of its orders, up to the number of items.
func (l listing) orders() (all []string) {
	limit := map[bool]string{true: "per_page=", false: "limit="}[l.path == "/admin/usage/ingests"]
	path := strings.NewReplacer("commands/{}", "commands/c1.md", "generations/{}", "generations/5").Replace(l.path)
	for sort := range strings.SplitSeq(l.sorts, " ") {
		for turn := range strings.SplitSeq(l.reverse, " ") {
			query := url.Values{}
			if sort != "" {
				query.Set("sort", sort)
			}
			if name, value, found := strings.Cut(turn, "="); found {
				query.Set(name, value)
			}
			all = append(all, path+"?"+query.Encode()+"&"+limit)
		}
	}
	return all
}

// part asks for a part of a list, and returns its items and the cursor of the part that follows.
func (o *office) part(t *testing.T, l listing, path string) (items []string, next string) {
	t.Helper()
	var answer map[string]json.RawMessage
	var raw []json.RawMessage
	var cursor *string
	if err := json.Unmarshal(o.data(t, o.get(t, path)), &answer); err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(answer[l.items], &raw) != nil || json.Unmarshal(answer["next_cursor"], &cursor) != nil {
		t.Fatalf("%s: got %s and %s", path, answer[l.items], answer["next_cursor"])
	}
	for _, item := range raw {
		items = append(items, string(item))
	}
	if cursor == nil {
		return items, ""
	}
	return items, "&cursor=" + *cursor
}

// The parts of a list are the list, in every order: nothing twice, nothing left out, however many share a rank or have none.
func TestPartsOfLists(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.populate(t, 23)
	o.crowded(t)
	for _, l := range lists {
		var known []string // whatever the order
		for _, order := range l.orders() {
			all, next := o.part(t, l, order+"200")
			if len(all) < 2 || next != "" {
				t.Fatalf("%s: got %d items and %q", order, len(all), next)
			}
			for _, limit := range []int{1, 7, len(all), len(all) - 1} {
				var got []string
				for cursor := ""; len(got) <= len(all); {
					part, next := o.part(t, l, fmt.Sprint(order, limit, cursor))
					if got = append(got, part...); next == "" {
						break
					}
					cursor = next
				}
				if !slices.Equal(got, all) {
					t.Errorf("%s%d: got\n%s\nwant\n%s", order, limit, strings.Join(got, "\n"), strings.Join(all, "\n"))
				}
			}
			slices.Sort(all)
			if known == nil {
				known = all
			}
			if !slices.Equal(all, known) || len(slices.Compact(all)) != len(known) {
				t.Errorf("%s: got\n%s\nwant\n%s", order, strings.Join(all, "\n"), strings.Join(known, "\n"))
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

// Every list is among those that are tried above, and those alone have cursors.
func TestEveryListIsTried(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, l := range lists {
		want = append(want, l.path)
	}
	braces := regexp.MustCompile(`\{\w+\}`)
	for _, group := range admin.New(admin.Config{}).Describe() {
		for _, operation := range group.Operations {
			if slices.ContainsFunc(operation.Query, func(p openapi.Parameter) bool { return p.Name == "cursor" }) {
				got = append(got, braces.ReplaceAllString(operation.Path, "{}"))
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A cursor is good for the list and the order that it was given for, and for nothing else; nor is one that was made up.
func TestCursorsOfAnotherList(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.populate(t, 23)
	o.crowded(t)
	cursors := map[string]string{} // :: how a list is asked for → a cursor of it
	var firsts []string
	orders := map[string][]string{} // :: how a list is asked for → how else it may be
	for _, l := range lists {
		all := l.orders()
		firsts = append(firsts, all[0])
		for _, order := range all {
			_, cursors[order] = o.part(t, l, order+"1")
			orders[order] = all
		}
	}
	for order, others := range orders {
		for _, from := range slices.Concat(others, firsts) {
			cursor := cursors[from]
			// Hosts that are insecure are a part of the hosts, in the same orders.
			same := from == order || strings.Replace(from, "/insecure", "", 1) == strings.Replace(order, "/insecure", "", 1)
			if a := o.get(t, order+"1"+cursor); same != (a.Status == 200) {
				t.Errorf("%s with a cursor of %s: got %d %s", order, from, a.Status, a.Body)
			} else if !same {
				a.Invalid(t, "cursor", "cursor is none of this list")
			}
		}
		if a := o.get(t, order+"1&serch=x"); a.Status != 422 || !strings.Contains(string(a.Body), "there is no parameter") {
			t.Errorf("%s with a parameter that there is not: got %d %s", order, a.Status, a.Body)
		}
		for _, sort := range []string{"id;DROP TABLE host", "(SELECT 1)", "total DESC", "TOTAL", ""} {
			if a := o.get(t, strings.Split(order, "?")[0]+"?sort="+url.QueryEscape(sort)); a.Status != 422 && (sort != "" || a.Status != 200) {
				t.Errorf("%s sorted by %q: got %d %s", order, sort, a.Status, a.Body)
			}
		}
		plain, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(cursors[order], "&cursor="))
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{"-9223372036854775808", "9223372036854775807", "1.5", "99999999999999999999", `"1"`, "null"} {
			made := regexp.MustCompile(`-?\d+([,\]}])`).ReplaceAllString(string(plain), number+"$1")
			a := o.get(t, order+"1&cursor="+base64.RawURLEncoding.EncodeToString([]byte(made)))
			if a.Status != 200 && a.Status != 422 {
				t.Errorf("%s after %s: got %d %s", order, made, a.Status, a.Body)
			}
		}
		for _, text := range []string{`\u0000`, `\ud800`, "%", "\xff", strings.Repeat("x", 3000)} {
			made := regexp.MustCompile(`"(t|f)":"[^"]*"`).ReplaceAllString(string(plain), `"$1":"`+text+`"`)
			if made == string(plain) {
				made = strings.TrimSuffix(made, "}") + `,"t":"` + text + `"}`
			}
			a := o.get(t, order+"1&cursor="+base64.RawURLEncoding.EncodeToString([]byte(made)))
			if a.Status != 200 && a.Status != 422 {
				t.Errorf("%s after %s: got %d %s", order, made, a.Status, a.Body)
			}
		}
	}
}

func sum(text string) [32]byte { return sha256.Sum256([]byte(text)) }
