package dashboard_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// opened is what a browser's window shows at an address: a redirect, or the page.
func (b *browser) opened(t *testing.T, in http.Header, path string) *gatewaytest.Answer {
	t.Helper()
	return b.visit(t, with(in, "Sec-Fetch-Dest", "document"), path)
}

// From an empty gateway to the first host, as a browser goes: led there, a login, a command, the machine, done.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": "cdx"}})
	in := b.session(t, access.Operator)
	led := func(want bool) {
		t.Helper()
		if a := b.opened(t, in, "/dashboard/"); (a.Status == http.StatusSeeOther && a.Header.Get("Location") == "/dashboard/start") != want {
			t.Errorf("the overview: got %d to %q", a.Status, a.Header.Get("Location"))
		}
	}
	part := func(asked string) string {
		t.Helper()
		return string(b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", "st-wait"), "/dashboard/start?for="+asked).Body)
	}
	text := func() string {
		t.Helper()
		a := b.visit(t, in, "/dashboard/start")
		pagetest.Check(t, "the page", a.Body)
		return pagetest.Text(t, a.Body)
	}
	const moved = `hx-trigger="load" hx-target="#st"`
	led(true)
	if a := b.opened(t, b.session(t, access.Viewer), "/dashboard/"); a.Status != 200 {
		t.Errorf("a viewer: got %d", a.Status)
	}
	if shown := text(); !strings.Contains(shown, "2 Bring the fleet's login") || !strings.Contains(shown, "Waiting for a login.") || strings.Contains(shown, "Name of the machine") {
		t.Errorf("at first: got %s", shown)
	}
	if body := part("login"); strings.Contains(body, moved) || !strings.Contains(body, "Waiting for a login.") {
		t.Errorf("before the login: got %s", body)
	}
	b.Upload(t, authtest.New(newer(0))) // on the console: the page finds out
	if body := part("login"); !strings.Contains(body, moved) {
		t.Errorf("after the login: got %s", body)
	}
	led(true)
	if shown := text(); !strings.Contains(shown, "Done: Bring the fleet's login Generation 1, by an upload on the console") || !strings.Contains(shown, "Done: The login is checked") || !strings.Contains(shown, "Name of the machine") {
		t.Errorf("with a login: got %s", shown)
	}
	for name, want := range map[string]string{"": "fqdn", "bad name": "Fqdn must be a host name", evil: "Fqdn must be a host name"} {
		a := b.post(t, in, "/dashboard/start/host", "fqdn", name)
		pagetest.Check(t, "a wrong name", a.Body)
		if shown := pagetest.Text(t, a.Body); a.Status != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(shown), strings.ToLower(want)) || strings.Contains(string(a.Body), "<script>alert") {
			t.Errorf("%q: got %d %s", name, a.Status, shown)
		}
	}
	command := regexp.MustCompile(`id="st-cmd">curl -fsSL ` + regexp.QuoteMeta(gatewaytest.PublicURL) + `(/install/[0-9a-f-]+) \| sh<`)
	made := b.post(t, with(in, "Hx-Request", "true", "Hx-Target", "st"), "/dashboard/start/host", "fqdn", "Atlas.example")
	first := command.FindStringSubmatch(string(made.Body))
	if made.Status != 200 || first == nil || !strings.HasPrefix(string(made.Body), `<ol class="steps" id="st">`) || !strings.Contains(string(made.Body), "Listening for atlas.example.") {
		t.Fatalf("got %d %s", made.Status, made.Body)
	}
	if shown := text(); strings.Contains(shown, first[1]) || !strings.Contains(shown, "Listening for atlas.example.") || !strings.Contains(shown, "The command was shown once.") || strings.Contains(b.Logs.String(), first[1]) {
		t.Errorf("later: got %s", shown)
	}
	if a := b.post(t, in, "/dashboard/start/host", "fqdn", "atlas.example"); a.Status != http.StatusUnprocessableEntity || !strings.Contains(string(a.Body), "There is a host of this name already.") {
		t.Errorf("the same name: got %d", a.Status)
	}
	host := b.Int(t, "SELECT id FROM host")
	again := b.post(t, in, "/dashboard/start/host", "again", strconv.FormatInt(host, 10))
	second := command.FindStringSubmatch(string(again.Body))
	pagetest.Check(t, "a new command", again.Body)
	if second == nil || second[1] == first[1] {
		t.Fatalf("a new command: got %d %s", again.Status, pagetest.Text(t, again.Body))
	}
	if a := b.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: first[1]}); a.Status != http.StatusGone {
		t.Errorf("the command before: got %d", a.Status)
	}
	claimed := b.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: second[1]})
	var answer struct {
		Key string `json:"api_key"`
	}
	claimed.Decode(t, &answer)
	if shown := pagetest.Text(t, []byte(part("host"))); !strings.Contains(shown, "Installer run, key handed over from "+gatewaytest.DefaultFrom) || !strings.Contains(shown, "First contact next") {
		t.Errorf("after the installer: got %s", shown)
	}
	led(true)
	if a := b.Retrieve(t, answer.Key, strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != 200 {
		t.Fatalf("the first contact: got %d %s", a.Status, a.Body)
	}
	if body := part("host"); !strings.Contains(body, moved) {
		t.Errorf("after the first contact: got %s", body)
	}
	steps := pagetest.Text(t, b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", "st"), "/dashboard/start").Body)
	if !strings.Contains(steps, "Done: Add your first host atlas.example called just now.") || !strings.Contains(steps, "Done: Done The fleet has a login and a host that uses it. Open the overview") {
		t.Errorf("at last: got %s", steps)
	}
	led(false)
	if a := b.post(t, in, "/dashboard/start/host", "again", strconv.FormatInt(host, 10)); a.Status != http.StatusUnprocessableEntity || !strings.Contains(string(a.Body), "This host has made contact") {
		t.Errorf("a new command for a host in use: got %d %s", a.Status, a.Body)
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor = 'session 1 (link 1 by gatewaytest)'", audit.ActionInstallCreate); n != 2 {
		t.Errorf("got %d entries of install commands, want 2", n)
	}
}

// Whoever does not want to be led is not, in this browser; the way back is on the overview.
func TestSkipFirstRun(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Owner)
	a := b.post(t, in, "/dashboard/start/skip")
	cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/" || err != nil || !cookie.Secure || !cookie.HttpOnly || cookie.MaxAge < 100*24*3600 {
		t.Fatalf("got %d %v", a.Status, a.Header)
	}
	skipped := with(in, "Cookie", in.Get("Cookie")+"; "+cookie.Name+"="+cookie.Value)
	overview := b.opened(t, skipped, "/dashboard/")
	if overview.Status != 200 || !strings.Contains(string(overview.Body), `href="/dashboard/start"`) {
		t.Errorf("got %d %s", overview.Status, pagetest.Text(t, overview.Body))
	}
	if a := b.opened(t, in, "/dashboard/"); a.Status != http.StatusSeeOther {
		t.Errorf("another browser: got %d", a.Status)
	}
	if a := b.visit(t, with(in, "Sec-Fetch-Dest", "empty"), "/dashboard/"); a.Status != 200 {
		t.Errorf("a script: got %d", a.Status)
	}
	if shown := pagetest.Text(t, b.visit(t, b.session(t, access.Viewer), "/dashboard/start").Body); !strings.Contains(shown, "Your role is viewer; this takes an operator.") {
		t.Errorf("a viewer: got %s", shown)
	}
	b.Upload(t, authtest.New(newer(0)))
	if shown := string(b.visit(t, b.session(t, access.Viewer), "/dashboard/start").Body); !strings.Contains(shown, `name="fqdn"`) || !strings.Contains(shown, "disabled") {
		t.Errorf("a viewer with a login: got %s", shown)
	}
}
