package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

// Whoever adds a host gets its command once, in the answer to the form: in no address, no cookie, no log, and on no other page.
func TestAddHost(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, login())
	in := b.session(t, access.Operator)
	form := string(b.visit(t, in, "/dashboard/hosts/new").Body)
	if !strings.Contains(form, `name="secure" value="true" checked`) || strings.Count(form, " checked") != 1 {
		t.Errorf("got %s, want a secure host to be proposed and nothing else", form)
	}
	a := b.post(t, in, "/dashboard/hosts/new", "fqdn", " Build-7.Example ", "secure", "true", "vip", "true", "temporary", "true", "force_ipv4", "true")
	pagetest.Check(t, "the command", a.Body)
	found := regexp.MustCompile(`curl -fsSL -4 https://codex\.example/install/([0-9a-f-]{36}) \| sh`).FindSubmatch(a.Body)
	if a.Status != 200 || found == nil || a.Header.Get("Location") != "" || a.Header.Get("Set-Cookie") != "" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	token := string(found[1])
	if n := b.Int(t, "SELECT count(*) FROM host WHERE fqdn = 'build-7.example' AND secure AND vip AND force_ipv4 AND expires_at IS NOT NULL"); n != 1 {
		t.Error("got no host that is as it was asked for")
	}
	shown := pagetest.Text(t, a.Body)
	for _, want := range []string{"Works once and expires in 30 min", "Listening for build-7.example.", "Command made Command used First contact Login taken"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page does not show %q: %s", want, shown)
		}
	}
	for _, path := range []string{"/dashboard/hosts/1", "/dashboard/hosts/new", "/dashboard/"} {
		if page := b.visit(t, in, path); strings.Contains(string(page.Body), token) {
			t.Errorf("%s shows the token again", path)
		}
	}
	if strings.Contains(b.Logs.String(), token) {
		t.Error("the log shows the token")
	}
}

// The page follows the machine: the command is used, the machine calls, it has the login.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := with(b.session(t, access.Operator), "HX-Request", "true", "HX-Target", "enrol")
	host := b.Register(t, "atlas.example")
	path := fmt.Sprintf("/dashboard/hosts/%d", host.Host.ID)
	step := func(waits bool, wants ...string) {
		t.Helper()
		part := b.visit(t, in, path).Body
		shown := pagetest.Text(t, part)
		for _, want := range wants {
			if !strings.Contains(shown, want) {
				t.Errorf("got %q, want %q", shown, want)
			}
		}
		if got := strings.Contains(string(part), `hx-trigger="cdx:hosts from:body, cdx:audit from:body"`); got != waits {
			t.Errorf("got %s, want it to ask again: %v", part, waits)
		}
	}
	step(true, "Listening for atlas.example.")
	key, err := json.Marshal(map[string]string{"platform": "linux-amd64"})
	if err != nil {
		t.Fatal(err)
	}
	if a := b.Do(t, gatewaytest.Request{Path: "/install/" + host.Token.Reveal(), Body: key, From: "203.0.113.9"}); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	step(true, "The command was used.", "Command used from 203.0.113.9")
	retrieve := func() {
		t.Helper()
		b.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	}
	retrieve()
	step(false, "atlas.example has called.", "The fleet has no login yet", "First contact from "+gatewaytest.DefaultFrom)
	b.Upload(t, login())
	step(true, "atlas.example has called.", "The page ticks once more when it has the login.")
	retrieve()
	step(false, "atlas.example is in the fleet.", "Login taken generation 1")
}

// Nothing that was typed is lost over a name that is wrong, and a host that is there keeps its key.
func TestAddHostAgain(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Trust: publictls.Trust{CA: "-----BEGIN CERTIFICATE-----"}})
	in := b.session(t, access.Operator)
	b.Upload(t, login())
	key := b.Register(t, "atlas.example").Key.Reveal()
	for name, c := range map[string]struct{ fqdn, want string }{
		"nothing":         {"", "Is required."},
		"no name":         {`a"b..c`, "Must be a host name: labels of letters, digits and inner hyphens, separated by dots."},
		"a name that is":  {"ATLAS.example", "A host of this name is registered already. Its page makes an install command for it."},
		"a very long one": {strings.Repeat("a", 4096), "Is longer than 253 characters."},
		"hostile":         {evil, "Must be a host name"},
	} {
		a := b.post(t, in, "/dashboard/hosts/new", "fqdn", c.fqdn, "temporary", "true")
		pagetest.Check(t, name, a.Body)
		shown := pagetest.Text(t, a.Body)
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(shown, c.want) || !strings.Contains(string(a.Body), `aria-invalid="true"`) {
			t.Errorf("%s: got %d %s", name, a.Status, shown)
		}
		if !strings.Contains(string(a.Body), `name="temporary" value="true" checked`) || strings.Contains(string(a.Body), `name="secure" value="true" checked`) {
			t.Errorf("%s: what was chosen is lost", name)
		}
		if name == "a name that is" && (!strings.Contains(string(a.Body), `href="/dashboard/hosts/1"`) || !strings.Contains(string(a.Body), `value="ATLAS.example"`)) {
			t.Errorf("%s: got %s, want the way to the host", name, a.Body)
		}
	}
	if n := b.Int(t, "SELECT count(*) FROM host"); n != 1 {
		t.Errorf("got %d hosts, want 1", n)
	}
	if a := b.Retrieve(t, key, strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != 200 {
		t.Errorf("the host that was there got %d", a.Status)
	}
	// A machine that does not know who signed the gateway's certificate gets that with the command.
	a := b.post(t, in, "/dashboard/hosts/new", "fqdn", "next.example", "secure", "true")
	if a.Status != 200 || !strings.Contains(string(a.Body), "First give the machine this authority") || !strings.Contains(string(a.Body), "-----BEGIN CERTIFICATE-----</textarea>") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}
