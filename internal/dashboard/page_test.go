package dashboard_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

func login() []byte { return authtest.New(authtest.Options{}) }

// session logs a browser in and returns what it shows from then on.
func (b *browser) session(t *testing.T, role access.Role) http.Header {
	t.Helper()
	link, err := b.Access.NewLink(t.Context(), role, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, err := b.Access.UseLink(t.Context(), link.Secret.Reveal(), gatewaytest.Operator.IP)
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Cookie": {door.CookieName + "=" + cookie.Reveal()}}
}

func (b *browser) token(t *testing.T) string {
	t.Helper()
	made, err := b.Access.AddToken(t.Context(), access.NewToken{Name: "script", Role: access.Owner}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	return made.Secret.Reveal()
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func with(header http.Header, more ...string) http.Header {
	header = header.Clone()
	for i := 0; i < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return header
}

// visit asks for a page as somebody.
func (b *browser) visit(t *testing.T, in http.Header, path string) *gatewaytest.Answer {
	t.Helper()
	return b.site.Do(t, b.client, gatewaytest.Request{Path: path, Header: in})
}

// post sends a form as somebody's browser does from a page of ours; fields are names and values in turn.
func (b *browser) post(t *testing.T, in http.Header, path string, fields ...string) *gatewaytest.Answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.site.Do(t, b.client, gatewaytest.Request{
		Method: http.MethodPost, Path: path, Body: form.Encode(),
		Header: with(in, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"),
	})
}

// evil is what hosts and admins may choose: it must come out as it went in.
const evil = `<script>alert('1')</script>"><img src=x onerror=alert(2)>`

// fill gives a gateway one of everything, named by somebody who means harm.
func (b *browser) fill(t *testing.T) {
	t.Helper()
	b.Upload(t, login())
	host := b.Register(t, "atlas.example")
	b.Do(t, gatewaytest.Request{Path: "/usage", Key: host.Key.Reveal(), Body: `{"total":10,"input":4,"output":2,"cached":4,"model":"gpt-5-codex"}`})
	b.fillLibrary(t, &host.Host)
	b.Exec(t, "UPDATE host SET client_version = $1, wrapper_version = $1, last_seen_at = now()", evil)
	b.mallory(t)
}

// mallory does something, so that it stands in the audit trail.
func (b *browser) mallory(t *testing.T) {
	t.Helper()
	if _, err := b.Access.NewLink(t.Context(), access.Viewer, audit.Actor{Kind: audit.KindOperator, Name: evil}); err != nil {
		t.Fatal(err)
	}
}

// examples are addresses of the pages whose path has a part to be filled in. Pages of a login link are in TestLogin, those of single
// generations and proposals in TestHostileCredentials, questions about what has to be named in TestRevoking.
var examples = map[string]string{
	"/dashboard/{}":                         "",
	"/dashboard/login/{}":                   "",
	"/dashboard/credentials/{}":             "",
	"/dashboard/credentials/{}/rollback":    "",
	"/dashboard/credentials/proposals/{}":   "",
	"/dashboard/usage/ingests/{}":           "/dashboard/usage/ingests/1",
	"/dashboard/codex/{}":                   "/dashboard/codex/0.63.0",
	"/dashboard/audit.jsonl":                "",
	"/dashboard/library/command/{}":         "/dashboard/library/command/evil.md",
	"/dashboard/library/retire/{}":          "/dashboard/library/retire/evil.md",
	"/dashboard/library/proposal/{}":        "/dashboard/library/proposal/1",
	"/dashboard/access/certificates/revoke": "",
	"/dashboard/access/tokens/revoke":       "",
}

// pagesOf are the addresses of all pages, with what each needs. What is no page is left out: files, the stream, redirects.
func pagesOf(t *testing.T, b *browser) map[string]access.Capability {
	t.Helper()
	all := map[string]access.Capability{}
	for route, needs := range b.Dashboard.Capabilities() {
		path, get := strings.CutPrefix(route, "GET ")
		if !get || strings.HasPrefix(path, templates.StaticBase) || strings.HasSuffix(path, ".csv") || slices.Contains([]string{"/", "/admin", "/dashboard/events", "/dashboard/login"}, path) {
			continue
		}
		example, has := examples[path]
		switch {
		case has && example != "":
			all[example] = needs
		case !has && strings.Contains(path, "{}"):
			t.Errorf("%s wants an example in this test", path)
		case !has:
			all[path] = needs
		}
	}
	return all
}

// Every page, as everybody sees it, runs and loads nothing but what is ours, shows what others chose as text, and is refused
// to whom it is not for.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	for _, role := range access.Roles {
		in := b.session(t, role)
		for path, needs := range pagesOf(t, b) {
			for _, path := range []string{path, path + "?q=" + url.QueryEscape(evil), path + "/"} {
				a := b.visit(t, in, path)
				want := 200
				if !role.May(needs) {
					want = 403
				}
				if a.Status != want || a.Header.Get("Content-Type") != "text/html; charset=utf-8" || a.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s of %s: got %d %v", path, role, a.Status, a.Header)
					continue
				}
				checkHeaders(t, path, a.Header)
				pagetest.Check(t, path+" of "+string(role), a.Body)
				if strings.Contains(string(a.Body), "<script>alert") || strings.Contains(string(a.Body), "<img") {
					t.Errorf("%s of %s shows what somebody chose as HTML", path, role)
				}
			}
		}
	}
	in := b.session(t, access.Viewer)
	b.mallory(t)
	shown := pagetest.Text(t, b.visit(t, in, "/dashboard/").Body)
	for _, want := range []string{evil + " on 1", evil + " made a login link for the role viewer", "generation 1", "1 host ", "10 tokens"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the overview does not show %q: %s", want, shown)
		}
	}
}

func checkHeaders(t *testing.T, path string, header http.Header) {
	t.Helper()
	policy := header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'self'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("%s: got policy %q", path, policy)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: got %s %q, want %q", path, name, header.Get(name), want)
		}
	}
}

// An empty gateway has pages, too.
func TestEmptyPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Owner)
	for path := range pagesOf(t, b) {
		if slices.Contains(slices.Collect(maps.Values(examples)), path) {
			continue // a page of something that an empty gateway does not have
		}
		a := b.visit(t, in, path)
		if a.Status != 200 {
			t.Errorf("%s: got %d %s", path, a.Status, a.Body)
		}
		pagetest.Check(t, path, a.Body)
	}
	shown := pagetest.Text(t, b.visit(t, in, "/dashboard/").Body)
	for _, want := range []string{"The fleet has no login yet", "cdxgate auth upload", "No hosts yet", "No usage yet"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the overview of an empty gateway does not show %q", want)
		}
	}
}

// Whoever may not post is told so on a page of his own, and it is recorded.
func TestRoles(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	viewer, operator := b.session(t, access.Viewer), b.session(t, access.Operator)
	const why = "Your role is viewer; this takes an operator."
	if page := string(b.visit(t, viewer, "/dashboard/switch").Body); !strings.Contains(page, why) || !strings.Contains(page, `class="btn btn-dp" disabled`) {
		t.Errorf("a viewer's kill switch: got %s", page)
	}
	if page := string(b.visit(t, operator, "/dashboard/switch").Body); strings.Contains(page, "this takes an operator") || strings.Contains(page, `btn-dp" disabled`) {
		t.Errorf("an operator's kill switch: got %s", page)
	}
	refused := b.post(t, viewer, "/dashboard/switch", "disabled", "true", "confirm", "refuse")
	shown := pagetest.Text(t, refused.Body)
	if refused.Status != 403 || !strings.Contains(shown, "This takes policy.write, which the role viewer does not have.") || !strings.Contains(shown, "session 1 (link 1 by gatewaytest)") {
		t.Errorf("got %d %s", refused.Status, shown)
	}
	pagetest.Check(t, "the refusal", refused.Body)
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND details->>'capability' = 'policy.write'", audit.ActionAdminRefused); n != 1 {
		t.Errorf("got %d entries of the refusal, want 1", n)
	}
	if n := b.Int(t, "SELECT count(*) FROM policy"); n != 0 {
		t.Errorf("got %d policies, want none set", n)
	}
}

// A form counts when the browser says that a page of ours has sent it, whoever the visitor is.
func TestFormsNeedTheSameOrigin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Owner)
	const form, fields = "application/x-www-form-urlencoded", "disabled=true&confirm=refuse&theme=dark"
	for name, c := range map[string]struct {
		header []string
		body   string
		status int
	}{
		"silence":              {[]string{"Content-Type", form}, fields, 403},
		"another site":         {[]string{"Content-Type", form, "Sec-Fetch-Site", "cross-site"}, fields, 403},
		"a neighbour":          {[]string{"Content-Type", form, "Sec-Fetch-Site", "same-site"}, fields, 403},
		"another origin":       {[]string{"Content-Type", form, "Origin", "https://evil.example"}, fields, 403},
		"no origin":            {[]string{"Content-Type", form, "Origin", "null"}, fields, 403},
		"two that disagree":    {[]string{"Content-Type", form, "Sec-Fetch-Site", "cross-site", "Origin", b.site.URL}, fields, 403},
		"JSON":                 {[]string{"Content-Type", "application/json", "Sec-Fetch-Site", "same-origin"}, `{"disabled":"true"}`, 415},
		"text":                 {[]string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, fields, 415},
		"too much":             {[]string{"Content-Type", form, "Sec-Fetch-Site", "same-origin"}, strings.Repeat("x", 300<<10), 413},
		"nothing":              {[]string{"Content-Type", form, "Sec-Fetch-Site", "same-origin"}, "", 422},
		"what is no form":      {[]string{"Content-Type", form, "Sec-Fetch-Site", "same-origin"}, "%zz;=", 422},
		"what is no confirmed": {[]string{"Content-Type", form, "Sec-Fetch-Site", "same-origin"}, "disabled=true&confirm=Refuse", 422},
	} {
		a := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: "/dashboard/switch", Header: with(in, c.header...), Body: c.body})
		if a.Status != c.status || !strings.Contains(string(a.Body), "<h1>") {
			t.Errorf("%s: got %d %s, want a page with %d", name, a.Status, a.Body, c.status)
		}
		if c.status != 403 {
			continue
		}
		for _, path := range []string{"/dashboard/theme", "/dashboard/logout"} {
			if a := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: path, Header: with(in, c.header...), Body: c.body}); a.Status != 403 || a.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s to %s: got %d %v", name, path, a.Status, a.Header)
			}
		}
	}
	if n := b.Int(t, "SELECT count(*) FROM policy") + b.Int(t, "SELECT count(*) FROM admin_session WHERE revoked_at IS NOT NULL"); n != 0 {
		t.Errorf("got %d changes, want none", n)
	}
	// What was not refused for its origin is an act: the origin alone is what was wrong above.
	if a := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: "/dashboard/switch", Header: with(in, "Content-Type", form, "Origin", b.site.URL), Body: fields}); a.Status != http.StatusSeeOther {
		t.Errorf("by its origin alone: got %d %s", a.Status, a.Body)
	}
}

// An API token is for scripts: it opens no page, however good it is.
func TestTokensOpenNoPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := bearer(b.token(t))
	for path := range pagesOf(t, b) {
		if a := b.visit(t, in, path); a.Status != 401 || !strings.Contains(string(a.Body), "cdxgate admin link") {
			t.Errorf("%s: got %d %s", path, a.Status, a.Body)
		}
	}
	if a := b.visit(t, in, "/admin/whoami"); a.Status != 200 {
		t.Errorf("the API: got %d %s", a.Status, a.Body)
	}
}

// The kill switch works by plain forms: see, type, post, see.
func TestKillSwitch(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in, key := b.session(t, access.Operator), b.Register(t, "atlas.example").Key.Reveal()
	hostGets := func(want int) {
		t.Helper()
		if a := b.Retrieve(t, key, strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != want {
			t.Errorf("a host got %d %s, want %d", a.Status, a.Body, want)
		}
	}
	b.Upload(t, login())
	hostGets(200)
	question := string(b.visit(t, in, "/dashboard/switch").Body)
	for _, want := range []string{`<form class="dlg" method="post" action="/dashboard/switch">`, `name="disabled" value="true"`, `name="confirm"`, "1\u00a0active host get", "Hosts served"} {
		if !strings.Contains(question, want) {
			t.Errorf("the question lacks %q: %s", want, question)
		}
	}
	if a := b.post(t, in, "/dashboard/switch", "disabled", "true", "confirm", "refus"); a.Status != 422 || !strings.Contains(string(a.Body), "what was typed is not what was asked for") {
		t.Errorf("not confirmed: got %d %s", a.Status, a.Body)
	}
	hostGets(200)
	a := b.post(t, in, "/dashboard/switch", "disabled", "true", "confirm", " refuse ")
	if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/" {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	hostGets(503)
	said, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil || !said.Secure || !said.HttpOnly {
		t.Fatalf("got %v, %v", said, err)
	}
	next := b.visit(t, with(in, "Cookie", in.Get("Cookie")+"; "+said.Name+"="+said.Value), "/dashboard/")
	if shown := pagetest.Text(t, next.Body); !strings.Contains(shown, "Host calls are refused Dismiss") && !strings.Contains(shown, "Hosts refused") || !strings.Contains(shown, "Serve hosts…") {
		t.Errorf("after the turn: got %s", shown)
	}
	if !strings.Contains(string(next.Body), `<div class="toast toast-ok">`) || !strings.HasPrefix(next.Header.Get("Set-Cookie"), said.Name+"=;") {
		t.Errorf("the next page says nothing, or will say it again: %v", next.Header)
	}
	if a := b.post(t, in, "/dashboard/switch", "disabled", "false"); a.Status != http.StatusSeeOther {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	hostGets(200)
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor LIKE 'session %'", audit.ActionPolicySet); n != 2 {
		t.Errorf("got %d entries of the audit trail, want 2", n)
	}
}

// htmx gets the part of a page that it asks for, and a refusal as a toast.
func TestParts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	in := b.session(t, access.Viewer)
	for _, part := range []string{"ov-alerts", "ov-login", "ov-fleet", "ov-events", "ov-usage", "ov-versions"} {
		a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", part), "/dashboard/")
		body := strings.TrimSpace(string(a.Body))
		begin, _, _ := strings.Cut(body, ">")
		if a.Status != 200 || !strings.Contains(begin, `id="`+part+`"`) || !strings.Contains(begin, `hx-get="/dashboard/"`) || !strings.Contains(begin, "cdx:") || strings.Contains(body, "<html") {
			t.Errorf("%s: got %d %s", part, a.Status, body)
		}
		if got := a.Header.Get("Vary"); got != "HX-Request, HX-Target" {
			t.Errorf("%s: got Vary %q", part, got)
		}
		if whole := string(b.visit(t, in, "/dashboard/").Body); !strings.Contains(whole, begin+">") {
			t.Errorf("%s: the page has no such part", part)
		}
	}
	for _, c := range []struct{ target, path, begin string }{
		{"switch", "/dashboard/switch", `<span id="switch"`}, {"pal-q-l", "/dashboard/jump?q=", `<a class="pal-i" role="option" id="pal-0"`}, {"main", "/dashboard/jump?q=zz", `<div class="head">`},
	} {
		a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", c.target), c.path)
		if body := strings.TrimSpace(string(a.Body)); a.Status != 200 || !strings.HasPrefix(body, c.begin) {
			t.Errorf("%s: got %d %s", c.path, a.Status, body)
		}
	}
	refused := b.visit(t, http.Header{"Hx-Request": {"true"}}, "/dashboard/")
	if body := string(refused.Body); refused.Status != 401 || !strings.HasPrefix(body, `<div class="toast toast-bad">`) || !strings.Contains(body, refused.Header.Get("X-Request-ID")) {
		t.Errorf("got %d %s", refused.Status, body)
	}
}

func TestTheme(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Viewer)
	for theme, want := range map[string]string{"dark": `<html lang="en" data-theme="dark">`, "light": `<html lang="en" data-theme="light">`, "": `<html lang="en">`, `"><script>`: `<html lang="en">`} {
		a := b.post(t, with(in, "Referer", b.site.URL+"/dashboard/switch?q=1"), "/dashboard/theme", "theme", theme)
		if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/switch?q=1" {
			t.Errorf("%q: got %d to %s", theme, a.Status, a.Header.Get("Location"))
		}
		cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
		if err != nil || !strings.HasPrefix(cookie.Name, "__Host-") || !cookie.Secure {
			t.Fatalf("%q: got %v, %v", theme, cookie, err)
		}
		for _, in := range []http.Header{in, {}} { // also who is not logged in
			page := b.visit(t, with(in, "Cookie", in.Get("Cookie")+"; "+cookie.Name+"="+cookie.Value), "/dashboard/")
			if !strings.Contains(string(page.Body), want) {
				t.Errorf("%q: got %s, want %s", theme, page.Body[:200], want)
			}
		}
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	for _, file := range templates.StaticFiles {
		path := templates.StaticBase + file.Path
		a := b.get(t, path)
		if a.Status != 200 || a.Header.Get("Content-Type") != file.Type || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: got %d %v", path, a.Status, a.Header)
		}
		checkHeaders(t, path, a.Header)
		// Go's client asks for gzip and undoes it, unless it was asked for by hand.
		raw := b.site.Do(t, b.client, gatewaytest.Request{Path: path, Header: http.Header{"Accept-Encoding": {"br, gzip"}}})
		content := raw.Body
		if raw.Header.Get("Content-Encoding") == "gzip" {
			reader, err := gzip.NewReader(bytes.NewReader(raw.Body))
			if err != nil {
				t.Fatal(err)
			}
			if content, err = io.ReadAll(reader); err != nil {
				t.Fatal(err)
			}
		}
		plain := b.site.Do(t, b.client, gatewaytest.Request{Path: path, Header: http.Header{"Accept-Encoding": {"identity"}}})
		if !bytes.Equal(content, file.Content) || !bytes.Equal(plain.Body, file.Content) || plain.Header.Get("Content-Encoding") != "" || !bytes.Equal(a.Body, file.Content) {
			t.Errorf("%s: got something else", path)
		}
		if len(file.Content) > 1000 && len(raw.Body) > len(file.Content)/2 {
			t.Errorf("%s: %d bytes take %d on the way", path, len(file.Content), len(raw.Body))
		}
	}
	for _, path := range []string{templates.StaticBase, templates.StaticBase + "0000000000000000/app.css", templates.Static("app.css") + "/x", templates.StaticBase + "../page.go"} {
		if a := b.get(t, path); a.Status != 404 || strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %d %v", path, a.Status, a.Header)
		}
	}
	if a := b.press(t, templates.Static("app.css")); a.Status != 405 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("POST: got %d %v", a.Status, a.Header)
	}
}

// The first page loads little.
func TestWeight(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	for i := range 60 {
		b.Register(t, "host-"+string(rune('a'+i%26))+string(rune('a'+i/26))+".example")
	}
	page := b.visit(t, b.session(t, access.Viewer), "/dashboard/")
	total := len(page.Body)
	for _, file := range templates.StaticFiles {
		if strings.Contains(string(page.Body), file.Path) {
			total += len(file.Gzipped)
		}
	}
	if total > 150<<10 {
		t.Errorf("the overview takes %d bytes, want 150 KiB at most", total)
	}
}

func TestWaysToTheDashboard(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	if a := b.get(t, "/dashboard/nothing"); a.Status != 404 || !strings.Contains(string(a.Body), "<h1>Not there</h1>") {
		t.Errorf("a page that there is not: got %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/", "/admin", "/admin/"} {
		if a := b.get(t, path); a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/" {
			t.Errorf("%s: got %d to %q", path, a.Status, a.Header.Get("Location"))
		}
	}
	// Everything else below /admin/ is the API's, which speaks JSON, also of what there is not.
	if a := b.visit(t, b.session(t, access.Owner), "/admin/nothing"); a.Status != 404 || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v", a.Status, a.Header)
	}
	if a := b.visit(t, b.session(t, access.Owner), "/dashboard/login"); a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/" {
		t.Errorf("who is logged in already: got %d to %q", a.Status, a.Header.Get("Location"))
	}
}

func TestLogOut(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Live: quick})
	in := b.session(t, access.Viewer)
	s := open(t, b.client, b.site.URL, in, "")
	s.hello()
	a := b.post(t, in, "/dashboard/logout")
	cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/login" || err != nil || cookie.Name != door.CookieName || cookie.MaxAge >= 0 {
		t.Fatalf("got %d %v, %v", a.Status, a.Header, err)
	}
	s.ends()
	if a := b.visit(t, in, "/dashboard/"); a.Status != 401 || !strings.Contains(string(a.Body), "Your session is over") {
		t.Errorf("with the old cookie: got %d %s", a.Status, a.Body)
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1", audit.ActionAdminSessionRevoke); n != 1 {
		t.Errorf("got %d entries of the audit trail, want 1", n)
	}
	if a := b.post(t, in, "/dashboard/logout"); a.Status != 401 {
		t.Errorf("once more: got %d", a.Status)
	}
}

// What takes time to come true is on the page without anybody's doing: a login that has ended.
func TestOverviewFollowsTheClock(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var later atomic.Int64
	b := newBrowser(t, gatewaytest.Options{Now: func() time.Time { return began.Add(time.Duration(later.Load())) }})
	b.Upload(t, authtest.New(authtest.Options{ExpiresAt: began.Add(10 * 24 * time.Hour)}))
	in := b.session(t, access.Viewer)
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "Healthy"}, {9 * 24 * time.Hour, "The fleet's login ends in 24 h."}, {11 * 24 * time.Hour, "The fleet's login has expired."}} {
		later.Store(int64(c.after))
		if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/").Body); !strings.Contains(shown, c.want) {
			t.Errorf("after %s: got %s, want %q", c.after, shown, c.want)
		}
	}
}
