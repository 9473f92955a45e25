package dashboard_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// hostForms are all that is posted about a host, each as it would be done.
var hostForms = map[string][]string{
	"/dashboard/hosts/new":       {"fqdn", "next.example", "secure", "true"},
	"/dashboard/hosts/1/set":     {"name", "vip", "value", "true"},
	"/dashboard/hosts/1/unbind":  nil,
	"/dashboard/hosts/1/runs":    {"base", "x"},
	"/dashboard/hosts/1/window":  {"act", "open", "minutes", "5"},
	"/dashboard/hosts/1/rotate":  nil,
	"/dashboard/hosts/1/install": {"confirm", "atlas.example"},
	"/dashboard/hosts/1/clear":   {"confirm", "atlas.example"},
	"/dashboard/hosts/1/remove":  {"confirm", "atlas.example"},
	"/dashboard/hosts/1/rename":  {"fqdn", "nova.example"},
	"/dashboard/hosts/1/notes":   {"labels", "a=b"},
}

// A viewer sees everything, each control with the reason why it is not for him, and changes nothing; nor does another site.
func TestHostForms(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Register(t, "atlas.example")
	b.Exec(t, "UPDATE host SET secure = false, bound_ip = '203.0.113.7', last_seen_at = now()")
	viewer, operator, owner := b.session(t, access.Viewer), b.session(t, access.Operator), b.session(t, access.Owner)
	before := b.Int(t, "SELECT sum(hashtext(h::text)) FROM host h")
	for route, needs := range b.Dashboard.Capabilities() {
		path, post := strings.CutPrefix(route, "POST /dashboard/hosts/")
		if !post || !strings.HasPrefix(path, "{}/") && path != "new" {
			continue
		}
		path = "/dashboard/hosts/" + strings.Replace(path, "{}", "1", 1)
		fields, listed := hostForms[path]
		if !listed {
			t.Errorf("%s is not in this test", path)
		}
		if a := b.post(t, viewer, path, fields...); a.Status != 403 || !strings.Contains(string(a.Body), "This takes "+string(needs)) {
			t.Errorf("%s of a viewer: got %d %s", path, a.Status, a.Body)
		}
		form := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		for _, who := range []http.Header{operator, owner} {
			a := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: path, Body: form.Encode(), Header: with(
				who, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site",
			)})
			if a.Status != 403 || !strings.Contains(string(a.Body), "This came from another site") {
				t.Errorf("%s from another site: got %d %s", path, a.Status, a.Body)
			}
		}
	}
	if after := b.Int(t, "SELECT sum(hashtext(h::text)) FROM host h"); after != before || b.Int(t, "SELECT count(*) FROM host") != 1 {
		t.Error("got a change that nobody was allowed")
	}
	const why = "Your role is viewer; this takes an operator."
	page := string(b.visit(t, viewer, "/dashboard/hosts/1").Body)
	if n := strings.Count(page, why); n < 15 || strings.Contains(page, `class="btn btn-p" href`) {
		t.Errorf("got %d reasons on a viewer's page", n)
	}
	for _, path := range []string{"new", "1/install", "1/clear", "1/remove", "1/rename", "1/notes"} {
		if page := string(b.visit(t, viewer, "/dashboard/hosts/"+path).Body); !strings.Contains(page, why) {
			t.Errorf("%s does not tell a viewer why: %s", path, page)
		}
		if page := string(b.visit(t, operator, "/dashboard/hosts/"+path).Body); strings.Contains(page, "this takes an operator") {
			t.Errorf("%s keeps an operator off", path)
		}
	}
	for _, path := range []string{"/dashboard/hosts/x", "/dashboard/hosts/-1", "/dashboard/hosts/99999999999999999999", "/dashboard/hosts/%31/remove", "/dashboard/hosts/7", "/dashboard/hosts/7/notes"} {
		if a := b.visit(t, operator, path); a.Status != 404 {
			t.Errorf("%s: got %d", path, a.Status)
		}
		if a := b.post(t, operator, strings.TrimSuffix(path, "/notes")+"/rotate"); a.Status != 404 {
			t.Errorf("POST %s: got %d", path, a.Status)
		}
	}
}

// Whatever a host can set stands on its page as text.
func TestHostileHost(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Viewer)
	host := b.Register(t, "atlas.example")
	for _, text := range []string{evil, "\u202eevil", "{{7*7}}</title></textarea>", "' onmouseover='alert(1)", strings.Repeat("ä", 30)} {
		b.Exec(t, "UPDATE host SET client_version = $1, wrapper_version = $1, last_refresh = left($1, 30), note = $1, client_version_pin = $1, model_override = $1, labels = jsonb_build_object('x', $1::text)", text)
		b.Exec(t, "INSERT INTO host_user (host_id, username, hostname, first_seen_at, last_seen_at) VALUES ($1, $2, $2, now(), now())", host.Host.ID, text)
		b.Exec(t, `WITH i AS (INSERT INTO usage_ingest (host_id, at, entries, total, body_sha256) VALUES ($1, now(), 1, 10, sha256('x')) RETURNING id)
			INSERT INTO usage_entry (ingest_id, host_id, at, line, model, total) SELECT id, $1, now(), $2, $2, 10 FROM i`, host.Host.ID, text)
		a := b.visit(t, in, "/dashboard/hosts/1")
		pagetest.Check(t, text, a.Body)
		shown := pagetest.Text(t, a.Body)
		for _, want := range []string{"cdx " + text, "x=" + text, "Latest report: " + text} {
			if a.Status != 200 || !strings.Contains(shown, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("the page does not show %q: %d %s", want, a.Status, shown)
			}
		}
		for _, path := range []string{"/notes", "/remove"} {
			pagetest.Check(t, path, b.visit(t, in, "/dashboard/hosts/1"+path).Body)
		}
	}
}

// queryNotes are the names of the queries that go through a connection.
type queryNotes struct {
	db.DBTX
	mu    sync.Mutex
	names []string
}

// noteQueries has those noted that the gateway makes outside transactions. It must come before any call.
func (b *browser) noteQueries() *queryNotes {
	notes := &queryNotes{DBTX: b.Core.DB.Pool()}
	b.Core.DB.Queries = db.New(notes)
	return notes
}

func (n *queryNotes) note(sql string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names = append(n.names, name)
}

func (n *queryNotes) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	n.note(sql)
	return n.DBTX.Query(ctx, sql, args...)
}

func (n *queryNotes) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	n.note(sql)
	return n.DBTX.QueryRow(ctx, sql, args...)
}

func (n *queryNotes) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	n.note(sql)
	return n.DBTX.Exec(ctx, sql, args...)
}

// during are the names of the queries that a call makes, without those that find out who calls.
func (n *queryNotes) during(call func()) []string {
	n.mu.Lock()
	n.names = nil
	n.mu.Unlock()
	call()
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(n.names, func(name string) bool {
		return strings.HasPrefix(name, "Admin") || strings.HasPrefix(name, "RateLimit")
	})
}

// The number of queries does not depend on how much there is, and a part asks for less than the page.
func TestQueriesOfAHost(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	queries := b.noteQueries()
	in := b.session(t, access.Viewer)
	host := b.Register(t, "atlas.example")
	b.Upload(t, login())
	b.Exec(t, `INSERT INTO usage_ingest (host_id, at, entries, total, input, output, cached, reasoning, body_sha256)
		SELECT $1, now() - i * interval '1 minute', 1, 10, 4, 2, 4, 1, sha256('x') FROM generate_series(1, 20000) i`, host.Host.ID)
	b.Exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, client_version, created_at, updated_at)
		SELECT account_id, 'host-' || i || '.example', sha256(i::text::bytea), '00000000', '0.' || i % 50 || '.0', now(), now() FROM host, generate_series(1, 2000) i`)
	for target, most := range map[string]int{"": 12, "ho": 10, "ho-top": 6, "ho-id": 6, "ho-switches": 6, "ho-window": 6, "enrol": 6, "ho-usage": 8, "ho-trail": 7} {
		header := in
		if target != "" {
			header = with(in, "HX-Request", "true", "HX-Target", target)
		}
		names := queries.during(func() {
			if a := b.visit(t, header, "/dashboard/hosts/1?days=90"); a.Status != 200 || target != "" && !strings.Contains(string(a.Body), `id="`+target+`"`) {
				t.Errorf("%q: got %d %s", target, a.Status, a.Body)
			}
		})
		if len(names) == 0 || len(names) > most {
			t.Errorf("%q: got queries %q, want at most %d", target, names, most)
		}
	}
}
