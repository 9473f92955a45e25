package dashboard_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// tick posts the form of chosen hosts as the page does.
func (b *browser) tick(t *testing.T, in http.Header, ids []int64, fields ...string) *gatewaytest.Answer {
	t.Helper()
	form := url.Values{}
	for _, id := range ids {
		form.Add("id", strconv.FormatInt(id, 10))
	}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.site.Do(t, b.client, gatewaytest.Request{
		Method: http.MethodPost, Path: "/dashboard/hosts/batch", Body: form.Encode(),
		Header: with(in, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Referer", b.site.URL+"/dashboard/hosts?q=x&vip=yes"),
	})
}

// enrol registers hosts and returns their ids.
func (b *browser) enrol(t *testing.T, names ...string) (ids []int64) {
	t.Helper()
	for _, name := range names {
		ids = append(ids, b.Register(t, name).Host.ID)
	}
	return ids
}

func TestHostsPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, login())
	b.enrol(t, "atlas.example", "bastion.example", "old.example")
	b.Exec(t, "UPDATE host SET secure = false, insecure_until = now() + interval '8 minutes' WHERE fqdn = 'bastion.example'")
	b.Exec(t, `UPDATE host SET status = 'disabled', auth_digest = sha256('old'), labels = '{"team":"x"}' WHERE fqdn = 'old.example'`)
	viewer, operator := b.session(t, access.Viewer), b.session(t, access.Operator)
	for path, want := range map[string]string{
		"":                      "atlas bastion old",
		"?desc=yes":             "old bastion atlas",
		"?q=BAS":                "bastion",
		"?secure=no":            "bastion",
		"?window_open=yes":      "bastion",
		"?behind=yes":           "old",
		"?state=disabled&q=old": "old",
		"?label=team%3Dx":       "old",
		"?vip=yes":              "",
		"?sort=window":          "bastion atlas old",
	} {
		page := string(b.visit(t, viewer, "/dashboard/hosts"+path).Body)
		var got []string
		for _, part := range strings.Split(page, `aria-label="Choose `)[1:] {
			if name, _, found := strings.Cut(part, `.example"`); found {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	for _, query := range []string{"sort=fqdn", "desc=1", "cursor=x", "limit=51", "state=odd", "cols=x", "label=K", "q=" + strings.Repeat("x", 257), "q=%00"} {
		if a := b.visit(t, viewer, "/dashboard/hosts?"+query); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d", query, a.Status)
		}
	}
	const why = "Your role is viewer; this takes an operator."
	if page := string(b.visit(t, viewer, "/dashboard/hosts").Body); strings.Count(page, why) < 10 || strings.Contains(page, `name="action"`) || strings.Contains(page, `name="close"`) {
		t.Errorf("a viewer can act, or is not told why not: %s", page)
	}
	if page := string(b.visit(t, operator, "/dashboard/hosts").Body); strings.Contains(page, why) || !strings.Contains(page, `name="action" value="suspend"`) || !strings.Contains(page, `name="close"`) {
		t.Errorf("an operator cannot act: %s", page)
	}
	// A part alone, for a search that is typed and for what has changed.
	part := string(b.visit(t, with(viewer, "HX-Request", "true", "HX-Target", "hosts"), "/dashboard/hosts?q=old").Body)
	if !strings.HasPrefix(part, `<div id="hosts" `) || strings.Contains(part, "<main") || strings.Contains(part, "atlas") || !strings.Contains(part, `hx-get="/dashboard/hosts?q=old"`) {
		t.Errorf("got %s", part)
	}
}

// A page back leads to where one was.
func TestHostsPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
		SELECT 1, 'h' || lpad(n::text, 3, '0') || '.example', sha256(n::text::bytea), 'abababab', now(), now() FROM generate_series(1, 60) n`)
	in := b.session(t, access.Viewer)
	link := func(page []byte, rel string) string {
		_, rest, found := strings.Cut(string(page), ` rel="`+rel+`"`)
		if !found {
			return ""
		}
		before := strings.TrimSuffix(string(page), rest)
		href := before[strings.LastIndex(before, `href="`)+len(`href="`):]
		address, _, _ := strings.Cut(href, `"`)
		return "/dashboard/hosts" + strings.ReplaceAll(address, "&amp;", "&")
	}
	var seen []string
	path := "/dashboard/hosts?limit=25"
	for path != "" {
		page := b.visit(t, in, path).Body
		seen = append(seen, firstHost(page))
		if len(seen) > 5 {
			break
		}
		if next := link(page, "next"); next != "" {
			path = next
			continue
		}
		for back := link(page, "prev"); back != ""; back = link(page, "prev") {
			page = b.visit(t, in, back).Body
			seen = append(seen, firstHost(page))
		}
		break
	}
	if want := []string{"h001.example", "h026.example", "h051.example", "h026.example", "h001.example"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func firstHost(page []byte) string {
	_, rest, _ := strings.Cut(string(page), `aria-label="Choose h`)
	name, _, _ := strings.Cut(rest, `"`)
	return "h" + name
}

// Each act of the bar, with its question where it has one, and who may.
func TestBatchHosts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	ids := b.enrol(t, "a.example", "b.example", "c.example")
	viewer, operator, owner := b.session(t, access.Viewer), b.session(t, access.Operator), b.session(t, access.Owner)
	two := ids[:2]
	for _, c := range []struct {
		action   string
		question string
		where    string // what two hosts are afterwards
	}{
		{"suspend", "Suspend 2 hosts?", "status = 'disabled'"},
		{"resume", "", "status = 'active'"},
		{"roaming", "", "roaming"},
		{"bound", "", "NOT roaming"},
		{"vip", "", "vip"},
		{"plain", "", "NOT vip"},
		{"insecure", "Make insecure 2 hosts?", "NOT secure"},
		{"close", "", "insecure_until IS NULL"},
		{"secure", "Make secure 2 hosts?", "secure"},
		{"unbind", "End the binding of 2 hosts?", "bound_ip IS NULL"},
	} {
		b.Exec(t, "UPDATE host SET bound_ip = '203.0.113.7', insecure_until = CASE WHEN NOT secure THEN now() + interval '1 h' END")
		so := func() int64 { return b.Int(t, "SELECT count(*) FROM host WHERE id = ANY($1) AND "+c.where, two) }
		before := so()
		if a := b.tick(t, viewer, two, "action", c.action, "sure", "yes"); a.Status != 403 || so() != before {
			t.Errorf("%s by a viewer: got %d, %d hosts", c.action, a.Status, so())
		}
		in := operator
		if c.action == "vip" {
			in = owner
		}
		a := b.tick(t, in, two, "action", c.action)
		if c.question != "" {
			if shown := pagetest.Text(t, a.Body); a.Status != 200 || !strings.Contains(shown, c.question) || !strings.Contains(shown, "a.example, b.example.") || so() != before {
				t.Errorf("%s: got %d %s, %d hosts", c.action, a.Status, shown, so())
			}
			pagetest.Check(t, c.action, a.Body)
			a = b.tick(t, in, two, "action", c.action, "sure", "yes", "back", "q=x")
			if to := a.Header.Get("Location"); to != "/dashboard/hosts?q=x" {
				t.Errorf("%s: went to %q", c.action, to)
			}
		} else if to := a.Header.Get("Location"); to != "/dashboard/hosts?q=x&vip=yes" {
			t.Errorf("%s: went to %q", c.action, to)
		}
		if a.Status != http.StatusSeeOther || so() != 2 {
			t.Errorf("%s: got %d %s, %d hosts", c.action, a.Status, a.Body, so())
		}
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE host_id = $1 AND actor LIKE 'session %'", ids[2]); n != 0 {
		t.Errorf("got %d entries about a host that nobody chose", n)
	}
	for name, c := range map[string]struct {
		ids    []int64
		fields []string
		status int
	}{
		"no host":           {nil, []string{"action", "resume"}, 422},
		"no action":         {two, nil, 422},
		"another action":    {two, []string{"action", "drop"}, 422},
		"a strange id":      {two, []string{"action", "resume", "id", "x"}, 422},
		"a negative id":     {two, []string{"action", "resume", "id", "-1"}, 422},
		"hosts that went":   {[]int64{9999}, []string{"action", "suspend"}, 404},
		"too many":          {many(501), []string{"action", "resume"}, 422},
		"the same one more": {append(slices.Clone(two), two...), []string{"action", "resume"}, 303},
	} {
		if a := b.tick(t, operator, c.ids, c.fields...); a.Status != c.status {
			t.Errorf("%s: got %d %s, want %d", name, a.Status, a.Body, c.status)
		}
	}
}

func many(n int64) (ids []int64) {
	for id := range n {
		ids = append(ids, id+1)
	}
	return ids
}

// Hosts are removed when how many was typed, and what went meanwhile keeps none of the others.
func TestRemoveHosts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	ids := b.enrol(t, "a.example", "b.example", "c.example", "d.example")
	in := b.session(t, access.Operator)
	left := func() int64 { return b.Int(t, "SELECT count(*) FROM host WHERE deleted_at IS NULL") }
	question := b.tick(t, in, ids[:2], "action", "delete")
	if shown := pagetest.Text(t, question.Body); question.Status != 200 || !strings.Contains(shown, "Type remove 2 to confirm") || !strings.Contains(shown, "The API keys of 2 hosts stop working") {
		t.Errorf("got %d %s", question.Status, shown)
	}
	for _, typed := range []string{"", "remove", "remove 3", "Remove 2", "a.example"} {
		if a := b.tick(t, in, ids[:2], "action", "delete", "sure", "yes", "confirm", typed); a.Status != 422 || left() != 4 {
			t.Fatalf("%q: got %d, %d hosts left", typed, a.Status, left())
		}
	}
	if a := b.tick(t, in, ids[:2], "action", "delete", "confirm", "remove 2"); a.Status != 200 || left() != 4 {
		t.Errorf("an answer to no question: got %d, %d hosts left", a.Status, left())
	}
	if a := b.tick(t, in, ids[:1], "action", "delete", "sure", "yes", "confirm", "a.example"); a.Status != http.StatusSeeOther || left() != 3 {
		t.Errorf("one host by its name: got %d %s, %d hosts left", a.Status, a.Body, left())
	}
	// The first of these two is gone: what is typed is what is there.
	if a := b.tick(t, in, ids[:2], "action", "delete", "sure", "yes", "confirm", "remove 2"); a.Status != 422 || left() != 3 {
		t.Errorf("a question that is out of date: got %d, %d hosts left", a.Status, left())
	}
	a := b.tick(t, in, ids[:2], "action", "delete", "sure", "yes", "confirm", "b.example")
	if a.Status != http.StatusSeeOther || left() != 2 {
		t.Errorf("got %d %s, %d hosts left", a.Status, a.Body, left())
	}
	cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	next := pagetest.Text(t, b.visit(t, with(in, "Cookie", in.Get("Cookie")+"; "+cookie.Name+"="+cookie.Value), "/dashboard/hosts").Body)
	if !strings.Contains(next, "1 host removed 1 host left out, gone by now.") {
		t.Errorf("got %s", next)
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1", audit.ActionAdminHostDelete); n != 2 {
		t.Errorf("got %d entries, want 2", n)
	}
}

func TestLabelHosts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	ids := b.enrol(t, "a.example", "b.example")
	in := b.session(t, access.Operator)
	b.Exec(t, `UPDATE host SET labels = '{"old":"1","rack":"7"}' WHERE id = $1`, ids[0])
	if a := b.tick(t, in, ids, "action", "labels"); a.Status != 200 || !strings.Contains(string(a.Body), `<textarea`) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	for text, wrong := range map[string]string{"": "at least one line", "team": "key=value", "team=x\nK=v": "keys of at most", "team=" + strings.Repeat("x", 65): "values of at most", evil: "keys of at most"} {
		a := b.tick(t, in, ids, "action", "labels", "labels", text)
		if shown := pagetest.Text(t, a.Body); a.Status != 422 || !strings.Contains(shown, wrong) {
			t.Errorf("%q: got %d %s", text, a.Status, shown)
		}
		pagetest.Check(t, "labels", a.Body)
	}
	if a := b.tick(t, in, ids, "action", "labels", "labels", "team=x\r\nold=\r\n"); a.Status != http.StatusSeeOther {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if n := b.Int(t, `SELECT count(*) FROM host WHERE labels = '{"rack":"7","team":"x"}' AND id = $1 OR labels = '{"team":"x"}' AND id = $2`, ids[0], ids[1]); n != 2 {
		t.Errorf("got %d hosts with their labels, want 2", n)
	}
}

func TestWindowFromTheList(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	ids := b.enrol(t, "kiosk.example", "safe.example")
	b.Exec(t, "UPDATE host SET secure = false, insecure_until = NULL WHERE id = $1", ids[0])
	kiosk, safe := strconv.FormatInt(ids[0], 10), strconv.FormatInt(ids[1], 10)
	viewer, in := b.session(t, access.Viewer), b.session(t, access.Operator)
	// left is how many minutes the window is open yet, at the nearest; 0: it is closed.
	left := func() int64 {
		return b.Int(t, "SELECT coalesce(round(extract(epoch FROM insecure_until - now()) / 60), 0)::bigint FROM host WHERE id = $1", ids[0])
	}
	const path = "/dashboard/hosts/window"
	page := b.visit(t, in, path+"?id="+kiosk)
	if shown := pagetest.Text(t, page.Body); page.Status != 200 || !strings.Contains(shown, "Open a window on kiosk.example") || !strings.Contains(string(page.Body), `value="19"`) {
		t.Errorf("got %d %s", page.Status, shown)
	}
	pagetest.Check(t, "the window", page.Body)
	dialog := string(b.visit(t, with(in, "HX-Request", "true", "HX-Target", "window", "Referer", b.site.URL+"/dashboard/hosts?secure=no"), path+"?id="+kiosk).Body)
	if !strings.HasPrefix(dialog, "<dialog ") || !strings.Contains(dialog, `name="back" value="secure=no"`) {
		t.Errorf("got %s", dialog)
	}
	if shown := pagetest.Text(t, b.visit(t, viewer, path+"?id="+kiosk).Body); !strings.Contains(shown, "this takes an operator") || strings.Contains(shown, "Open for") {
		t.Errorf("a viewer: got %s", shown)
	}
	for name, c := range map[string]struct {
		in     http.Header
		fields []string
		status int
	}{
		"a viewer":            {viewer, []string{"id", kiosk, "minutes", "10"}, 403},
		"a viewer who closes": {viewer, []string{"close", kiosk}, 403},
		"no host":             {in, []string{"minutes", "10"}, 422},
		"a host that is not":  {in, []string{"id", "9999", "minutes", "10"}, 404},
		"no length":           {in, []string{"id", kiosk}, 422},
		"too short":           {in, []string{"id", kiosk, "minutes", "0"}, 422},
		"too long":            {in, []string{"id", kiosk, "minutes", "481"}, 422},
		"beyond the slider":   {in, []string{"id", kiosk, "position", "101"}, 422},
		"before the slider":   {in, []string{"id", kiosk, "position", "-1"}, 422},
		"a secure host":       {in, []string{"id", safe, "minutes", "10"}, 409},
	} {
		if a := b.post(t, c.in, path, c.fields...); a.Status != c.status {
			t.Errorf("%s: got %d %s, want %d", name, a.Status, a.Body, c.status)
		}
	}
	if a := b.site.Do(t, b.client, gatewaytest.Request{
		Method: http.MethodPost, Path: path, Body: "minutes=10&id=" + kiosk, Header: with(in, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"),
	}); a.Status != 403 || left() != 0 {
		t.Errorf("another site: got %d, open for %d minutes", a.Status, left())
	}
	if a := b.post(t, in, path, "id", kiosk, "position", "50", "back", "secure=no"); a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/hosts?secure=no" || left() != 57 {
		t.Errorf("half way: got %d %v, open for %d minutes", a.Status, a.Header, left())
	}
	if n := b.Int(t, "SELECT window_minutes FROM host WHERE id = $1", ids[0]); n != 57 {
		t.Errorf("got %d minutes kept, want 57", n)
	}
	if page := b.visit(t, in, "/dashboard/hosts").Body; !strings.Contains(string(page), "data-left") || !strings.Contains(pagetest.Text(t, page), "Window open 1 ") {
		t.Errorf("the list does not show the window: %s", page)
	}
	if a := b.post(t, in, path, "id", kiosk, "minutes", "120", "position", "3"); a.Status != http.StatusSeeOther || left() != 177 {
		t.Errorf("more: got %d, open for %d minutes", a.Status, left())
	}
	if a := b.post(t, in, path, "close", kiosk); a.Status != http.StatusSeeOther || left() != 0 {
		t.Errorf("closing: got %d, open for %d minutes", a.Status, left())
	}
	if page := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts").Body); !strings.Contains(page, "grace 1 h") {
		t.Errorf("the list does not show the grace: %s", page)
	}
	if a := b.post(t, in, path, "close", safe); a.Status != http.StatusSeeOther {
		t.Errorf("closing none: got %d", a.Status)
	}
	if a := b.visit(t, in, path+"?id="+safe); a.Status != 409 {
		t.Errorf("the window of a secure host: got %d", a.Status)
	}
}

// Forms of the list count only from a page of ours.
func TestHostFormsNeedTheSameOrigin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	ids := b.enrol(t, "a.example")
	in := b.session(t, access.Owner)
	body := fmt.Sprintf("action=resume&id=%d", ids[0])
	for site, status := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 303} {
		a := b.site.Do(t, b.client, gatewaytest.Request{
			Method: http.MethodPost, Path: "/dashboard/hosts/batch", Body: body, Header: with(in, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", site),
		})
		if a.Status != status {
			t.Errorf("%s: got %d, want %d", site, a.Status, status)
		}
	}
}

// The file has every host that the page's address finds, in its order, and no formula, however many there are.
func TestHostsCSV(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at, roaming, note, labels, client_version)
		SELECT 1, 'h' || lpad(n::text, 4, '0') || '.example', sha256(n::text::bytea), 'abababab', now(), now(), n % 2 = 0,
			CASE n WHEN 4 THEN '=HYPERLINK("https://evil.example")' WHEN 6 THEN E'a,"b"\nc' ELSE '' END, CASE n WHEN 8 THEN '{"team":"x","rack":"7"}' ELSE '{}' END::jsonb, '-1+1'
		FROM generate_series(1, 1203) n`)
	in := b.session(t, access.Viewer)
	a := b.visit(t, in, "/dashboard/hosts.csv?roaming=yes&desc=yes&limit=25&cols=note")
	if a.Status != 200 || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), `attachment; filename="hosts-2`) || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v", a.Status, a.Header)
	}
	rows, err := csv.NewReader(strings.NewReader(string(a.Body))).ReadAll()
	if err != nil || len(rows) != 602 || rows[0][1] != "fqdn" {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	byName, last := map[string][]string{}, "z"
	for _, row := range rows[1:] {
		byName[row[1]] = row
		if row[1] >= last || len(row) != len(rows[0]) {
			t.Fatalf("got %v after %s", row, last)
		}
		last = row[1]
	}
	note, labels, codex := slices.Index(rows[0], "note"), slices.Index(rows[0], "labels"), slices.Index(rows[0], "client_version")
	if got := byName["h0004.example"][note]; got != `'=HYPERLINK("https://evil.example")` {
		t.Errorf("a formula: got %q", got)
	}
	if got := byName["h0006.example"][note]; got != "a,\"b\"\nc" {
		t.Errorf("a note of two lines: got %q", got)
	}
	if got := byName["h0008.example"]; got[labels] != "rack=7; team=x" || got[codex] != "'-1+1" {
		t.Errorf("got %q, %q", got[labels], got[codex])
	}
	if a := b.visit(t, in, "/dashboard/hosts.csv?sort=x"); a.Status != 422 {
		t.Errorf("an order that there is not: got %d", a.Status)
	}
}

// hostQueries notes the names of queries.
type hostQueries struct {
	db.DBTX
	mu    sync.Mutex
	names []string
}

func (c *hostQueries) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.note(sql)
	return c.DBTX.Query(ctx, sql, args...)
}

func (c *hostQueries) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.note(sql)
	return c.DBTX.QueryRow(ctx, sql, args...)
}

func (c *hostQueries) note(sql string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasPrefix(name, "Host") {
		c.names = append(c.names, name)
	}
}

// addHosts adds so many hosts that have everything which a list shows.
func (b *browser) addHosts(t *testing.T, n int) {
	t.Helper()
	b.Exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at, last_seen_at, labels, note, roaming, secure, insecure_until, bound_ip, auth_digest,
			client_version, wrapper_version, last_refresh)
		SELECT 1, 'build-' || n || '.fra.example.net', sha256(n::text::bytea || 'build'), 'abababab', now() - interval '40 days', now(), now() - n * interval '1 minute',
			'{"team":"7","rack":"1","gpu":"yes","site":"fra"}', repeat('note ', 10), n % 3 = 0, n % 4 <> 0, CASE n % 4 WHEN 0 THEN now() + interval '1 h' END,
			'2001:db8:4000:1234::1c'::inet + n, sha256((n % 2)::text::bytea), '0.168.' || n % 5, '1.4.0', '2026-11-20T08:00:00Z' FROM generate_series(1, $1::int) n`, n)
	b.Exec(t, "ANALYZE host")
}

// With ten thousand hosts the list takes three queries about hosts, and is small: one for its rows, one for what stands beside
// them, one that counts. The log says how long it took.
func TestTenThousandHosts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	counted := &hostQueries{DBTX: b.Core.DB.Pool()}
	b.Core.DB.Queries = db.New(counted)
	b.Upload(t, login())
	b.addHosts(t, 10_000)
	in := b.session(t, access.Operator)
	for _, query := range []string{"", "?sort=seen&desc=yes", "?q=build-99", "?behind=yes&secure=no&sort=codex", "?label=team%3D7&sort=address"} {
		counted.mu.Lock()
		counted.names = nil
		counted.mu.Unlock()
		began := time.Now()
		a := b.visit(t, in, "/dashboard/hosts"+query)
		t.Logf("%q: %d bytes in %v", query, len(a.Body), time.Since(began))
		if a.Status != 200 || len(a.Body) > 150_000 || strings.Count(string(a.Body), `form="hosts-do"`) != 50 {
			t.Errorf("%q: got %d, %d bytes", query, a.Status, len(a.Body))
		}
		if want := []string{"HostPage", "HostCounts", "HostBeside"}; !slices.Equal(counted.names, want) {
			t.Errorf("%q: got queries %q, want %q", query, counted.names, want)
		}
	}
}
