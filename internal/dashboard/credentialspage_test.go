package dashboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// newer is a login whose tokens are another n-th one's.
func newer(n int) authtest.Options {
	at := time.Date(2026, 1, 5+n, 10, 0, 0, 0, time.UTC)
	return authtest.Options{LastRefresh: at, ExpiresAt: time.Now().Add(10 * 24 * time.Hour).Truncate(time.Second)}
}

// secrets are what must not be seen of a login.
func secrets(t *testing.T, file []byte) []string {
	t.Helper()
	var auth struct {
		Tokens map[string]string `json:"tokens"`
	}
	if err := json.Unmarshal(file, &auth); err != nil {
		t.Fatal(err)
	}
	return []string{auth.Tokens["access_token"], auth.Tokens["refresh_token"], auth.Tokens["id_token"]}
}

// upload posts the form of a page as a browser does: a file, or a text.
func (b *browser) upload(t *testing.T, in http.Header, path, file, text string) *gatewaytest.Answer {
	t.Helper()
	var body bytes.Buffer
	writer := multipart.NewWriter(&body)
	part, err := writer.CreateFormFile("file", "auth.json")
	if err == nil {
		_, err = part.Write([]byte(file))
	}
	if err == nil {
		err = writer.WriteField("auth", text)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.site.Do(t, b.client, gatewaytest.Request{
		Method: http.MethodPost, Path: path, Body: body.Bytes(), Header: with(in, "Content-Type", writer.FormDataContentType(), "Sec-Fetch-Site", "same-origin"),
	})
}

// toast is what the page after an act says.
func (b *browser) toast(t *testing.T, in http.Header, a *gatewaytest.Answer) string {
	t.Helper()
	if a.Status != http.StatusSeeOther {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	cookies := in.Get("Cookie")
	for _, line := range a.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		cookies += "; " + cookie.Name + "=" + cookie.Value
	}
	page := string(b.visit(t, with(in, "Cookie", cookies), a.Header.Get("Location")).Body)
	_, page, _ = strings.Cut(page, `id="toasts"`)
	page, _, _ = strings.Cut(page, "<dialog")
	return pagetest.Text(t, []byte("<div "+page))
}

// A login is uploaded as a file or as a text, on either page. What was given is nowhere to be seen again.
func TestUploadALogin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	first, second := authtest.New(newer(0)), authtest.New(newer(1))
	said := b.toast(t, in, b.upload(t, in, "/dashboard/start", string(first), ""))
	if !strings.Contains(said, "Generation 1 is the fleet's login") || !strings.Contains(said, "Hosts get it at their next call.") {
		t.Errorf("a file: got %q", said)
	}
	if said = b.toast(t, in, b.upload(t, in, "/dashboard/credentials", "", string(second))); !strings.Contains(said, "Generation 2 is the fleet's login") {
		t.Errorf("a text: got %q", said)
	}
	if said = b.toast(t, in, b.upload(t, in, "/dashboard/credentials", string(second), " \r\n")); !strings.Contains(said, "This is the fleet's login already") || !strings.Contains(said, "Nothing was changed.") {
		t.Errorf("the same once more: got %q", said)
	}
	if said = b.toast(t, in, b.post(t, in, "/dashboard/credentials", "auth", string(first))); !strings.Contains(said, "Generation 3 is the fleet's login") {
		t.Errorf("the plain way: got %q", said)
	}
	bad := strings.Replace(string(authtest.New(newer(2))), `"last_refresh"`, `"at"`, 1)
	placeholder := authtest.New(authtest.Options{RefreshToken: "cdxp_" + strings.Repeat("x", 43)})
	for name, c := range map[string]struct{ file, text, want string }{
		"what is no JSON":    {`{"tokens": SECRET`, "", "This is not JSON."},
		"what is no login":   {`{"SECRET": 1}`, "", "Last_refresh"},
		"a login cut in two": {bad[:200], "", "This is not JSON."},
		"no last_refresh":    {bad, "", "Last_refresh"},
		"a placeholder":      {string(placeholder), "", "placeholder"},
		"nothing":            {"", "", "Choose an auth.json, or paste what is in it."},
		"both":               {string(first), string(second), "Give a file or a text, not both"},
		"a list":             {`["SECRET"]`, "", "Auth payload is required."},
	} {
		for _, path := range []string{"/dashboard/credentials", "/dashboard/start"} {
			if path == "/dashboard/start" && name != "nothing" {
				continue // the same function
			}
			a := b.upload(t, in, path, c.file, c.text)
			shown := pagetest.Text(t, a.Body)
			if a.Status != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(shown), strings.ToLower(c.want)) && path != "/dashboard/start" {
				t.Errorf("%s: got %d %s, want %q", name, a.Status, shown, c.want)
			}
			pagetest.Check(t, name, a.Body)
			for _, secret := range append(secrets(t, first), "SECRET", `"tokens": SECRET`) {
				if strings.Contains(string(a.Body), secret) {
					t.Errorf("%s: the answer shows what was uploaded", name)
				}
			}
		}
	}
	if n := b.Int(t, "SELECT max(number) FROM generation"); n != 3 {
		t.Errorf("got generation %d, want 3: what was no good changed something", n)
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor_kind = 'admin'", audit.ActionStore); n != 4 {
		t.Errorf("got %d entries of the audit trail, want 4", n)
	}
	page := string(b.visit(t, in, "/dashboard/credentials").Body)
	for _, secret := range append(append(secrets(t, first), secrets(t, second)...), "SECRET") {
		if strings.Contains(b.Logs.String(), secret) {
			t.Error("the log shows what was uploaded")
		}
		if strings.Contains(page, secret) {
			t.Error("the page shows what was uploaded")
		}
	}
}

// credentialForms are the forms about the login, with what they need to be an act.
func credentialForms(proposal string) map[string][]string {
	return map[string][]string{
		"/dashboard/credentials": {"auth", string(authtest.New(newer(7)))}, "/dashboard/credentials/seed": nil,
		"/dashboard/credentials/1/rollback": {"confirm", "gen 1", "current", "2"}, "/dashboard/credentials/reveal": {"confirm", "reveal"},
		"/dashboard/credentials/proposals/" + proposal + "/adopt": {"confirm", "adopt", "current", "2"}, "/dashboard/credentials/proposals/" + proposal + "/discard": nil,
		"/dashboard/credentials/proposals/" + proposal + "/reopen": nil,
		"/dashboard/start": {"auth", string(authtest.New(newer(8)))}, "/dashboard/start/seed": nil, "/dashboard/start/host": {"fqdn", "b.example"},
	}
}

// proposal has a host bring what it may not make the fleet's login, and returns its id.
func (b *browser) proposal(t *testing.T, fqdn string, file []byte) string {
	t.Helper()
	host := b.Register(t, fqdn)
	b.Exec(t, "UPDATE host SET may_store = false WHERE id = $1", host.Host.ID)
	if a := b.Store(t, host.Key.Reveal(), file, ""); a.Status != 200 {
		t.Fatalf("storing: got %d %s", a.Status, a.Body)
	}
	var id string
	if err := b.Core.DB.Pool().QueryRow(t.Context(), "SELECT id::text FROM credential_proposal WHERE host_id = $1", host.Host.ID).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// A form is an act by whoever may do it and has seen our own page, and by nobody else; what is to be typed is checked here.
func TestCredentialForms(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, authtest.New(newer(0)))
	b.Upload(t, authtest.New(newer(1)))
	id := b.proposal(t, "gallium.example", authtest.New(newer(2)))
	viewer, operator, owner := b.session(t, access.Viewer), b.session(t, access.Operator), b.session(t, access.Owner)
	unchanged := func(who string) {
		t.Helper()
		if n := b.Int(t, `SELECT (SELECT max(number) FROM generation) * 1000 + (SELECT count(*) FROM seed_token) * 100 + (SELECT count(*) FROM host) * 10
			+ (SELECT count(*) FROM credential_proposal WHERE decided_at IS NOT NULL) + (SELECT count(*) FROM audit_entry WHERE action = $1)`, audit.ActionCredentialShow); n != 2010 {
			t.Errorf("%s changed something: got %d", who, n)
		}
	}
	for path, fields := range credentialForms(id) {
		if a := b.post(t, viewer, path, fields...); a.Status != 403 || !strings.Contains(string(a.Body), "which the role viewer does not have") {
			t.Errorf("%s of a viewer: got %d", path, a.Status)
		}
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", ""}} {
			form := strings.NewReplacer(" ", "+").Replace("confirm=gen 1&current=2")
			a := b.site.Do(t, b.client, gatewaytest.Request{
				Method: http.MethodPost, Path: path, Body: form, Header: with(owner, append(header, "Content-Type", "application/x-www-form-urlencoded")...),
			})
			if a.Status != 403 {
				t.Errorf("%s with %v: got %d", path, header, a.Status)
			}
		}
	}
	if a := b.post(t, operator, "/dashboard/credentials/reveal", "confirm", "reveal"); a.Status != 403 {
		t.Errorf("an operator looks at the login: got %d", a.Status)
	}
	for _, c := range []struct {
		path   string
		fields []string
		status int
	}{
		{"/dashboard/credentials/reveal", nil, 422},
		{"/dashboard/credentials/reveal", []string{"confirm", "Reveal"}, 422},
		{"/dashboard/credentials/1/rollback", []string{"current", "2"}, 422},
		{"/dashboard/credentials/1/rollback", []string{"current", "2", "confirm", "gen 2"}, 422},
		{"/dashboard/credentials/1/rollback", []string{"confirm", "gen 1"}, 409},
		{"/dashboard/credentials/1/rollback", []string{"confirm", "gen 1", "current", "1"}, 409},
		{"/dashboard/credentials/2/rollback", []string{"confirm", "gen 2", "current", "2"}, 409},
		{"/dashboard/credentials/9/rollback", []string{"confirm", "gen 9", "current", "2"}, 404},
		{"/dashboard/credentials/01/rollback", []string{"confirm", "gen 1", "current", "2"}, 404},
		{"/dashboard/credentials/proposals/" + id + "/adopt", []string{"confirm", "adopt"}, 409},
		{"/dashboard/credentials/proposals/" + id + "/adopt", []string{"confirm", "adopt", "current", "1"}, 409},
		{"/dashboard/credentials/proposals/" + strings.ToUpper(id) + "/discard", nil, 404},
		{"/dashboard/credentials/proposals/" + id + "/reopen", nil, 409},
	} {
		if a := b.post(t, owner, c.path, c.fields...); a.Status != c.status {
			t.Errorf("%s %v: got %d %s, want %d", c.path, c.fields, a.Status, pagetest.Text(t, a.Body), c.status)
		}
	}
	unchanged("what was refused")
	// What a role may not do it is shown with the reason.
	for path, button := range map[string]string{
		"/dashboard/credentials": "Reveal login…", "/dashboard/credentials/1": "Roll back…", "/dashboard/credentials/1/rollback": "Roll back",
		"/dashboard/credentials/proposals/" + id: "Adopt login",
	} {
		shown := pagetest.Text(t, b.visit(t, viewer, path).Body)
		if !strings.Contains(shown, button) || !strings.Contains(shown, "Your role is viewer; this takes an o") {
			t.Errorf("%s of a viewer: got %s", path, shown)
		}
	}
}

// Going back needs what it goes back from, and is what the question says.
func TestRollBack(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, authtest.New(newer(0)))
	b.Upload(t, authtest.New(newer(1)))
	in := b.session(t, access.Operator)
	asked := b.visit(t, in, "/dashboard/credentials/1/rollback")
	shown := pagetest.Text(t, asked.Body)
	for _, want := range []string{"Roll back from 2 to 1", "The login of generation 1 becomes generation 3.", "It belongs to another login.", "Type gen 1 to confirm"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the question does not say %q: %s", want, shown)
		}
	}
	// Somebody is faster: what was seen is not what is.
	b.Upload(t, authtest.New(newer(2)))
	if a := b.post(t, in, "/dashboard/credentials/1/rollback", "confirm", "gen 1", "current", "2"); a.Status != http.StatusConflict {
		t.Errorf("after another upload: got %d", a.Status)
	}
	said := b.toast(t, in, b.post(t, in, "/dashboard/credentials/1/rollback", "confirm", "gen 1", "current", "3"))
	if !strings.Contains(said, "Back to generation 1") || !strings.Contains(said, "As generation 4.") {
		t.Errorf("got %q", said)
	}
	page := pagetest.Text(t, b.visit(t, in, "/dashboard/credentials").Body)
	if !strings.Contains(page, "gen 4 Canonical Back to gen 1") || !strings.Contains(page, "gen 3 new login Upload on the console") {
		t.Errorf("got %s", page)
	}
	if a := b.visit(t, in, "/dashboard/credentials/4/rollback"); a.Status != http.StatusConflict {
		t.Errorf("going back to what is: got %d", a.Status)
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor_kind = 'admin'", audit.ActionCredentialRollback); n != 1 {
		t.Errorf("got %d entries of the audit trail", n)
	}
}

// The login itself is an answer to a form of an owner, is recorded before, and is in no address and no log.
func TestReveal(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	file := authtest.New(newer(0))
	b.Upload(t, file)
	in := b.session(t, access.Owner)
	asked := b.visit(t, in, "/dashboard/credentials/reveal")
	a := b.post(t, in, "/dashboard/credentials/reveal", "confirm", "reveal")
	for _, secret := range secrets(t, file) {
		if strings.Contains(string(asked.Body), secret) {
			t.Error("the question shows the login")
		}
		if a.Status != 200 || !strings.Contains(pagetest.Text(t, a.Body), secret) {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
		if strings.Contains(b.Logs.String(), secret) {
			t.Error("the log shows the login")
		}
	}
	pagetest.Check(t, "the login", a.Body)
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q", got)
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor_kind = 'admin' AND details->>'generation' = '1'", audit.ActionCredentialShow); n != 1 {
		t.Errorf("got %d entries of the audit trail, want 1", n)
	}
}

// What a host may not make the fleet's login is decided here: with what is to be known about it, and a word where there is something.
func TestLoginProposals(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, authtest.New(newer(0)))
	in := b.session(t, access.Operator)
	if page := string(b.visit(t, in, "/dashboard/credentials").Body); strings.Contains(page, "Proposals") {
		t.Error("proposals are shown though there was never one")
	}
	other := newer(2)
	other.ExpiresAt = time.Now().Add(-time.Hour)
	risky, plain := b.proposal(t, "gallium.example", authtest.New(other)), b.proposal(t, "lyra.example", authtest.New(newer(1)))
	address := func(id, act string) string { return "/dashboard/credentials/proposals/" + id + act }
	shown := pagetest.Text(t, b.visit(t, in, "/dashboard/credentials").Body)
	if !strings.Contains(shown, "gallium.example Its access token has expired: Codex works again only where it can be refreshed.") || !strings.Contains(shown, "Waiting") {
		t.Errorf("got %s", shown)
	}
	if said := b.toast(t, in, b.post(t, in, address(risky, "/discard"))); !strings.Contains(said, "Discarded what gallium.example proposed") {
		t.Errorf("got %q", said)
	}
	if shown = pagetest.Text(t, b.visit(t, in, "/dashboard/credentials?proposals=discarded").Body); !strings.Contains(shown, "Discarded by session 1") || !strings.Contains(shown, "Take up again") {
		t.Errorf("got %s", shown)
	}
	if said := b.toast(t, in, b.post(t, in, address(risky, "/reopen"))); !strings.Contains(said, "What gallium.example proposed waits again") {
		t.Errorf("got %q", said)
	}
	if a := b.post(t, in, address(risky, "/adopt"), "current", "1"); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("without the word: got %d", a.Status)
	}
	// What there is nothing to know about needs no word.
	if said := b.toast(t, in, b.post(t, in, address(plain, "/adopt"), "current", "1")); !strings.Contains(said, "Generation 2 is the fleet's login") {
		t.Errorf("got %q", said)
	}
	if shown = pagetest.Text(t, b.visit(t, in, address(risky, "")).Body); !strings.Contains(shown, "When it was brought, generation 1 was the fleet's login.") || !strings.Contains(shown, "Type adopt to confirm") {
		t.Errorf("got %s", shown)
	}
	if said := b.toast(t, in, b.post(t, in, address(risky, "/adopt"), "current", "2", "confirm", "adopt")); !strings.Contains(said, "Generation 3 is the fleet's login") {
		t.Errorf("got %q", said)
	}
	shown = pagetest.Text(t, b.visit(t, in, "/dashboard/credentials?proposals=adopted").Body)
	if strings.Count(shown, "Adopted by session 1") != 2 || !strings.Contains(shown, "Adopted from gallium.example") {
		t.Errorf("got %s", shown)
	}
}

// A seed command is shown once, to whoever made it, and brings a login.
func TestSeedCommandOnThePages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	for n, path := range []string{"/dashboard/start", "/dashboard/credentials"} {
		a := b.post(t, with(in, "Hx-Request", "true", "Hx-Target", "cr-seed"), path+"/seed")
		body := strings.TrimSpace(string(a.Body))
		found := regexp.MustCompile(`curl -fsSL ` + regexp.QuoteMeta(gatewaytest.PublicURL) + `(/seed/auth/[0-9a-f-]{36}) \| sh`).FindStringSubmatch(body)
		if a.Status != 200 || !strings.HasPrefix(body, `<section class="card" id="cr-seed"`) || found == nil || !strings.Contains(body, "Works once.") || !strings.Contains(body, "data-ago") {
			t.Fatalf("%s: got %d %s", path, a.Status, body)
		}
		if again := string(b.visit(t, in, path).Body); strings.Contains(again, found[1]) || strings.Contains(b.Logs.String(), found[1]) {
			t.Errorf("%s: the command is seen again", path)
		}
		whole := b.post(t, in, path+"/seed")
		pagetest.Check(t, path, whole.Body)
		if whole.Status != 200 || !strings.Contains(string(whole.Body), "<html") || !strings.Contains(string(whole.Body), "/seed/auth/") {
			t.Errorf("%s without script: got %d", path, whole.Status)
		}
		if a := b.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: found[1], Body: authtest.New(newer(n))}); a.Status != 200 {
			t.Errorf("%s: the command's upload: got %d %s", path, a.Status, a.Body)
		}
	}
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/credentials").Body); !strings.Contains(shown, "gen 2 Canonical new login Seed command") {
		t.Errorf("got %s", shown)
	}
}

// A generation says who got it, by name, part by part.
func TestWhoReceivedAGeneration(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, authtest.New(newer(0)))
	for i := range 53 {
		host := b.Register(t, "host-"+strconv.Itoa(100+i)+".example")
		if i < 52 {
			b.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
		}
	}
	in := b.session(t, access.Viewer)
	page := b.visit(t, in, "/dashboard/credentials/1")
	shown := pagetest.Text(t, page.Body)
	if !strings.Contains(shown, "held by 52 hosts") || strings.Count(shown, " Has it") != 51 || strings.Contains(shown, "host-150") { // one is the column's name
		t.Errorf("got %s", shown)
	}
	next := regexp.MustCompile(`href="(/dashboard/credentials/1\?after=[^"]*)"`).FindStringSubmatch(string(page.Body))
	if next == nil {
		t.Fatal("there is no way to the others")
	}
	rest := pagetest.Text(t, b.visit(t, in, next[1]).Body)
	if !strings.Contains(rest, "host-150.example") || !strings.Contains(rest, "host-151.example") || strings.Contains(rest, "host-149") || strings.Contains(rest, "host-152") {
		t.Errorf("got %s", rest)
	}
	part := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", "ge-hosts"), next[1])
	if body := strings.TrimSpace(string(part.Body)); !strings.HasPrefix(body, `<section class="card" id="ge-hosts"`) || !strings.Contains(body, `hx-get="`+next[1]+`"`) {
		t.Errorf("got %s", body)
	}
	for path, status := range map[string]int{"/dashboard/credentials/2": 404, "/dashboard/credentials/-1": 404, "/dashboard/credentials/x": 404, "/dashboard/credentials/99999999999999999999": 404} {
		if a := b.visit(t, in, path); a.Status != status {
			t.Errorf("%s: got %d", path, a.Status)
		}
	}
}

// What hosts and admins choose about a login is text on every page about it.
func TestHostileCredentials(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, authtest.New(newer(0)))
	b.Upload(t, authtest.New(newer(1)))
	id := b.proposal(t, "gallium.example", authtest.New(newer(2)))
	done := b.proposal(t, "lyra.example", authtest.New(newer(3)))
	long := strings.Repeat("ä", 100) // as long as the tables let anything be
	for _, text := range []string{evil, "\u202eevil\u202c", "\x1b[31mred\x1b[0m", `' onmouseover='alert(1)`, "{{7*7}}", long} {
		b.Exec(t, "UPDATE host SET fqdn = left('h' || id || $1, 100), last_seen_at = NULL", text)
		b.Exec(t, "UPDATE generation SET chatgpt_account = left($1, 256), last_refresh = left($1, 30), source = 'host', source_host_id = (SELECT min(id) FROM host)", text)
		b.Exec(t, "UPDATE credential_proposal SET fqdn = left($1, 100), chatgpt_account = left($1, 256), last_refresh = left($1, 30)", text)
		b.Exec(t, "UPDATE credential_proposal SET decided_at = now(), decision = 'discarded', decided_by = $1 WHERE id = $2::uuid", text, done)
		b.Exec(t, "INSERT INTO delivery (host_id, generation_id, mode, delivered_at) SELECT h.id, g.id, 'full', now() FROM host h, generation g")
		in := b.session(t, access.Owner)
		for _, path := range []string{
			"/dashboard/credentials", "/dashboard/credentials?proposals=all", "/dashboard/credentials/1", "/dashboard/credentials/1/rollback",
			"/dashboard/credentials/proposals/" + id, "/dashboard/credentials/proposals/" + done, "/dashboard/start", "/dashboard/credentials/reveal",
		} {
			a := b.visit(t, in, path)
			pagetest.Check(t, path, a.Body)
			if a.Status != 200 || strings.Contains(string(a.Body), "<script>alert") || strings.Contains(string(a.Body), "<img") {
				t.Errorf("%s: got %d", path, a.Status)
			}
			want := strings.Join(strings.Fields(text), " ")
			if path == "/dashboard/credentials/reveal" {
				continue
			}
			if shown := pagetest.Text(t, a.Body); text != long && !strings.Contains(shown, want[:min(len(want), 25)]) {
				t.Errorf("%s does not show %q as it is", path, text)
			}
		}
	}
}

// asked notes the names of the queries that pages make.
type asked struct {
	db.DBTX
	mu    sync.Mutex
	names []string
}

func (a *asked) note(sql string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	if strings.HasPrefix(name, "Admin") || strings.HasPrefix(name, "RateLimit") {
		return // who comes
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, name)
}

// taken are the names since it was called last.
func (a *asked) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := a.names
	a.names = nil
	return names
}

func (a *asked) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	a.note(sql)
	return a.DBTX.Query(ctx, sql, args...)
}

func (a *asked) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	a.note(sql)
	return a.DBTX.QueryRow(ctx, sql, args...)
}

func (a *asked) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	a.note(sql)
	return a.DBTX.Exec(ctx, sql, args...)
}

// However many hosts and generations there are, a page makes a handful of queries, and a part of it fewer.
func TestQueriesOfCredentials(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	queries := &asked{DBTX: b.Core.DB.Pool()}
	b.Core.DB.Queries = db.New(queries)
	in := b.session(t, access.Owner)
	b.Upload(t, authtest.New(newer(0)))
	b.Exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, secure, auth_digest, last_seen_at, created_at, updated_at)
		SELECT g.account_id, 'host-' || i || '.example', sha256(i::text::bytea), '00000000', true, g.digest, now(), now(), now() FROM generation g, generate_series(1, 10000) i`)
	b.Exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
		SELECT gen_random_uuid(), g.account_id, i, g.lineage, sha256(i::text::bytea), '', g.last_refresh, g.last_refresh_at, 'operator', now() FROM generation g, generate_series(2, 400) i`)
	b.Exec(t, "UPDATE account SET generation = 400")
	b.Exec(t, `INSERT INTO delivery (host_id, generation_id, mode, delivered_at) SELECT h.id, g.id, 'full', now() FROM host h, generation g WHERE g.number IN (1, 400)`)
	b.Exec(t, "ANALYZE")
	for _, c := range []struct {
		path, part string
		most       int
	}{
		{"/dashboard/credentials", "", 10}, {"/dashboard/credentials?before=200&source=operator", "", 10}, {"/dashboard/credentials", "cr-gens", 3},
		{"/dashboard/credentials", "cr-login", 4}, {"/dashboard/credentials", "cr-offers", 6}, {"/dashboard/credentials/400", "", 4}, {"/dashboard/credentials/1/rollback", "", 8},
		{"/dashboard/start", "", 7}, {"/dashboard/start", "st-wait", 7},
	} {
		header := in
		if c.part != "" {
			header = with(in, "Hx-Request", "true", "Hx-Target", c.part)
		}
		queries.taken()
		a := b.visit(t, header, c.path)
		if names := queries.taken(); a.Status != 200 || len(names) == 0 || len(names) > c.most {
			t.Errorf("%s %s: got %d, queries %q, want %d at most", c.path, c.part, a.Status, names, c.most)
		}
		if len(a.Body) > 60<<10 {
			t.Errorf("%s %s: got %d bytes", c.path, c.part, len(a.Body))
		}
	}
}

// A part of the page asks for itself in the state that the page is in.
func TestPartsOfCredentials(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	b.proposal(t, "gallium.example", authtest.New(newer(9)))
	in := b.session(t, access.Viewer)
	const path = "/dashboard/credentials?proposals=all&source=operator"
	whole := string(b.visit(t, in, path).Body)
	for _, part := range []string{"cr-login", "cr-offers", "cr-gens"} {
		a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", part), path)
		begin, _, _ := strings.Cut(strings.TrimSpace(string(a.Body)), ">")
		if a.Status != 200 || !strings.Contains(begin, `id="`+part+`"`) || !strings.Contains(begin, `hx-get="/dashboard/credentials?proposals=all&amp;source=operator"`) || !strings.Contains(whole, begin+">") {
			t.Errorf("%s: got %d %s", part, a.Status, begin)
		}
		if strings.Contains(string(a.Body), "<html") {
			t.Errorf("%s: got a whole page", part)
		}
	}
}
