package fleet_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// names are those of a list, all of its parts one after the other.
func (r *rig) names(t *testing.T, query fleet.Query) (names []string) {
	t.Helper()
	for {
		page, err := r.List(t.Context(), query)
		if err != nil {
			t.Fatalf("%+v: %v", query, err)
		}
		for _, host := range page.Hosts {
			names = append(names, strings.TrimSuffix(host.FQDN, ".example"))
		}
		if page.Next == "" {
			return names
		}
		query.Cursor = page.Next
	}
}

// namesBack are those of a list from its last part back to its first.
func (r *rig) namesBack(t *testing.T, query fleet.Query) (names []string) {
	t.Helper()
	page, err := r.List(t.Context(), query)
	for ; err == nil && page.Next != ""; page, err = r.List(t.Context(), query) {
		query.Cursor = page.Next
	}
	for ; err == nil; page, err = r.List(t.Context(), query) {
		part := []string{}
		for _, host := range page.Hosts {
			part = append(part, strings.TrimSuffix(host.FQDN, ".example"))
		}
		names = append(part, names...)
		if page.Prev == "" {
			return names
		}
		query.Cursor = page.Prev
	}
	t.Fatalf("%+v: %v", query, err)
	return nil
}

func TestList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		r.register(t, fleet.Registration{FQDN: name + ".example"})
		r.clock.pass(time.Minute)
	}
	for name, change := range map[string]string{
		"a": "last_seen_at = '2026-01-04', api_calls = 5, note = 'Böse Kiste', client_version = '0.63.0', wrapper_version = '1.0'",
		"b": `roaming = true, last_seen_at = '2026-01-05', labels = '{"team": "x", "rack": "7"}', client_version = '0.62.0', wrapper_version = '1.0'`,
		"c": `vip = true, last_seen_at = '2026-01-05', labels = '{"team": "x"}', client_version = '0.62.0', client_version_pin = '0.62.0', wrapper_version = '0.9'`,
		"d": "secure = false, insecure_until = '2026-01-06', status = 'disabled', bound_ip = '203.0.113.77'",
		"e": "secure = false, insecure_until = '2026-01-04', expires_at = '2026-01-05', status = 'disabled', bound_ip = '2001:db8::1', auth_digest = sha256('x')",
	} {
		r.exec(t, "UPDATE host SET "+change+" WHERE fqdn = $1", name+".example")
	}
	r.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
		SELECT gen_random_uuid(), a.id, 1, gen_random_uuid(), sha256('y'), '', '2026-01-01T00:00:00Z', '2026-01-01', 'operator', '2026-01-01' FROM account a`)
	r.exec(t, "UPDATE account SET generation = 1")
	versions := fleet.Versions{Codex: "0.63.0", Cdx: "v1.0"}
	for want, query := range map[string]fleet.Query{
		"a b c d e":  {},
		"e d c b a":  {Desc: true},
		"d e a b c":  {Sort: fleet.SortSeen},
		"c b a e d":  {Sort: fleet.SortSeen, Desc: true},
		"c a e b d":  {Sort: fleet.SortCreated},
		"a e d c b":  {Sort: fleet.SortCalls, Desc: true},
		"a":          {Search: "böse"},
		"d":          {Search: "113.7"},
		"b":          {Search: "B.EX"},
		"":           {Search: "%"},
		"a b c":      {Filter: fleet.Filter{State: fleet.StateActive}},
		"d ":         {Filter: fleet.Filter{State: fleet.StateDisabled}},
		"e":          {Filter: fleet.Filter{State: fleet.StateExpired}},
		"a b c ":     {Filter: fleet.Filter{Secure: new(true)}},
		"d e":        {Filter: fleet.Filter{Secure: new(false)}},
		"b ":         {Filter: fleet.Filter{Roaming: new(true)}},
		"a c d e":    {Filter: fleet.Filter{Roaming: new(false)}},
		"c":          {Filter: fleet.Filter{VIP: new(true)}},
		"d  ":        {Filter: fleet.Filter{WindowOpen: new(true)}},
		"a b c e":    {Filter: fleet.Filter{WindowOpen: new(false)}},
		"d e ":       {Filter: fleet.Filter{NeverSeen: new(true)}},
		"a b c  ":    {Filter: fleet.Filter{NeverSeen: new(false)}},
		"b c":        {Filter: fleet.Filter{Outdated: new(true)}, Versions: versions},
		"a d e":      {Filter: fleet.Filter{Outdated: new(false)}, Versions: versions},
		" ":          {Filter: fleet.Filter{Outdated: new(true)}},
		"b c ":       {Filter: fleet.Filter{Label: map[string]string{"team": "x"}}},
		"b  ":        {Filter: fleet.Filter{Label: map[string]string{"team": "x", "rack": "7"}}},
		"e ":         {Filter: fleet.Filter{Behind: new(true)}},
		"a b c d":    {Filter: fleet.Filter{Behind: new(false)}},
		"a ":         {Search: "0.63"},
		"d a b c e":  {Sort: fleet.SortWindow},
		"d e b c a":  {Sort: fleet.SortCodex},
		"e d c b a ": {Sort: fleet.SortAddress, Desc: true},
		"  ":         {Filter: fleet.Filter{Label: map[string]string{"team": "y"}}},
	} {
		// However the list is cut, it is the same list.
		for _, limit := range []int{0, 1, 2, 5, fleet.MaxPage} {
			query.Limit = limit
			if got := r.names(t, query); strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("%+v: got %q, want %q", query, got, want)
			}
			if got := r.namesBack(t, query); strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("%+v backwards: got %q, want %q", query, got, want)
			}
		}
	}
	// Without a decision a host may have what is newer than the newest known; a pin and a decision are exact; a text is no version.
	for newest, want := range map[string]string{"0.62.0": "", "0.63.0": "b", "0.62.10": "b", "0.9.99": "", "1.0.0": "a b", "": ""} {
		if got := strings.Join(r.names(t, fleet.Query{Filter: fleet.Filter{Outdated: new(true)}, Versions: fleet.Versions{Newest: newest}}), " "); got != want {
			t.Errorf("newest %q: got %q outdated, want %q", newest, got, want)
		}
	}
	r.exec(t, "UPDATE host SET client_version = 'e2e-test' WHERE fqdn = 'b.example'")
	if got := r.names(t, fleet.Query{Filter: fleet.Filter{Outdated: new(true)}, Versions: fleet.Versions{Newest: "9.0.0"}}); len(got) != 1 || got[0] != "a" {
		t.Errorf("a host that reports no version: got %q outdated", got)
	}
	page, err := r.List(t.Context(), fleet.Query{Limit: 2, Filter: fleet.Filter{Secure: new(true)}})
	if err != nil || page.Total != 3 || len(page.Hosts) != 2 || page.Next == "" {
		t.Errorf("got %+v, %v", page, err)
	}
	// A host that comes or goes between two parts shifts nobody.
	r.exec(t, "DELETE FROM host WHERE fqdn = 'b.example'")
	r.register(t, fleet.Registration{FQDN: "aa.example"})
	page, err = r.List(t.Context(), fleet.Query{Limit: 2, Cursor: page.Next, Filter: fleet.Filter{Secure: new(true)}})
	if err != nil || len(page.Hosts) != 1 || page.Hosts[0].FQDN != "c.example" || page.Next != "" {
		t.Errorf("got %+v, %v", page, err)
	}
}

// Versions are in the order of their numbers, and what is none comes before them.
func TestListByVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, version := range map[string]string{
		"a": "0.100.0-alpha.1", "b": "0.62.10", "c": "own build", "d": "0.62.9", "e": "0.9.0", "f": "1.0.99999999999999999999", "g": "0.62.9", "h": "9999999.0.0",
	} {
		r.register(t, fleet.Registration{FQDN: name + ".example"})
		r.exec(t, "UPDATE host SET client_version = $1, wrapper_version = $1 WHERE fqdn = $2", version, name+".example")
	}
	r.register(t, fleet.Registration{FQDN: "none.example"})
	for _, sort := range []string{fleet.SortCodex, fleet.SortCdx} {
		for _, limit := range []int{1, 3, 50} {
			if got := strings.Join(r.names(t, fleet.Query{Sort: sort, Limit: limit}), " "); got != "c h none e d g b a f" {
				t.Errorf("%s: got %q", sort, got)
			}
			if got := strings.Join(r.namesBack(t, fleet.Query{Sort: sort, Limit: limit, Desc: true}), " "); got != "f a b g d e none h c" {
				t.Errorf("%s backwards: got %q", sort, got)
			}
		}
	}
	if got := r.names(t, fleet.Query{Search: "62.1"}); len(got) != 1 || got[0] != "b" {
		t.Errorf("a part of a version: got %q", got)
	}
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 3 {
		r.register(t, fleet.Registration{FQDN: fmt.Sprintf("h%d.example", i)})
	}
	page, err := r.List(t.Context(), fleet.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	const good = `{"s":"name","d":false,"n":0,"f":"h0.example"}`
	if page.Next != encoded(good) {
		t.Fatalf("got %q", page.Next)
	}
	bad := map[string]fleet.Query{
		"limit -1":         {Limit: -1},
		"limit 501":        {Limit: fleet.MaxPage + 1},
		"sort x":           {Sort: "fqdn; DROP TABLE host"},
		"state x":          {Filter: fleet.Filter{State: "sleepy"}},
		"search long":      {Search: strings.Repeat("s", 257)},
		"search NUL":       {Search: "a\x00"},
		"search no UTF-8":  {Search: "\xff"},
		"labels key":       {Filter: fleet.Filter{Label: map[string]string{"K": "v"}}},
		"labels value":     {Filter: fleet.Filter{Label: map[string]string{"k": "\x00"}}},
		"cursor otherwise": {Cursor: page.Next, Desc: true},
		"cursor elsewhere": {Cursor: page.Next, Sort: fleet.SortSeen},
		"cursor padded":    {Cursor: page.Next + "="},
		"cursor long":      {Cursor: strings.Repeat("A", 601)},
		"cursor broken":    {Cursor: page.Next + "\n"},
	}
	for i, text := range []string{
		"", "null", "[]", `"name"`, good + " ", good + good, strings.Replace(good, ":0", ":0.0", 1), strings.Replace(good, ":0", ":1e0", 1),
		strings.Replace(good, ":0", ":99999999999999999999", 1), strings.Replace(good, `"d":false`, `"d":false,"x":1`, 1),
		strings.Replace(good, `"s"`, `"S"`, 1), strings.Replace(good, "h0.example", "H0.example", 1), strings.Replace(good, "h0.example", "", 1),
		strings.Replace(good, "h0.example", "'; --", 1), strings.Replace(good, "h0.example", `h0\u002eexample`, 1),
	} {
		if text != "" {
			bad[fmt.Sprintf("cursor %d %s", i, text)] = fleet.Query{Cursor: encoded(text)}
		}
	}
	for at := range page.Next { // whatever character is another one: refused, or a place of its own
		tampered := []byte(page.Next)
		tampered[at] ^= 1
		if page, err := r.List(t.Context(), fleet.Query{Cursor: string(tampered)}); err != nil && errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%s: got %+v, %v", tampered, page, err)
		}
	}
	for name, query := range bad {
		_, err := r.List(t.Context(), query)
		field, _, _ := strings.Cut(name, " ")
		if refusal := errs.Of(err); refusal == nil || refusal.Kind != errs.Invalid || refusal.Fields[field] == nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// queryCount counts what is asked of a database, but for what every new connection begins with.
type queryCount struct{ asked atomic.Int64 }

func (c *queryCount) TraceQueryStart(ctx context.Context, _ *pgx.Conn, query pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(query.SQL, "-- name: ") {
		c.asked.Add(1)
	}
	return ctx
}

func (*queryCount) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestTenThousandHostsAreOneQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at, last_seen_at, labels, note, roaming)
		SELECT 1, 'build' || n || '.example', sha256(n::text::bytea), 'abababab', now(), now(), now() - n * interval '1 minute',
			jsonb_build_object('team', 'team' || n % 10), repeat('note ', 10), n % 3 = 0 FROM generate_series(1, 10000) AS n`)
	r.exec(t, "ANALYZE host")
	config := r.store.Pool().Config()
	counted := &queryCount{}
	config.ConnConfig.Tracer = counted
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	list := fleet.New(&db.Store{Queries: db.New(pool)}, nil, fleet.Config{})
	for name, query := range map[string]fleet.Query{
		"by name":  {Limit: fleet.MaxPage},
		"by seen":  {Limit: 50, Sort: fleet.SortSeen, Desc: true},
		"search":   {Limit: 50, Search: "uild99"},
		"filtered": {Limit: 50, Sort: fleet.SortCreated, Filter: fleet.Filter{Roaming: new(true), State: fleet.StateActive, Label: map[string]string{"team": "team3"}}},
	} {
		var page *fleet.Page
		var times []time.Duration
		for range 8 { // beyond the five after which a plan is kept
			counted.asked.Store(0)
			began := time.Now()
			if page, err = list.List(t.Context(), query); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(began))
			if asked := counted.asked.Load(); asked != 1 {
				t.Errorf("%s: got %d queries", name, asked)
			}
			query.Cursor = page.Next
		}
		slices.Sort(times)
		t.Logf("%s: %d of %d hosts in %v", name, len(page.Hosts), page.Total, times[len(times)/2])
		if len(page.Hosts) == 0 {
			t.Errorf("%s: got none", name)
		}
	}
}
