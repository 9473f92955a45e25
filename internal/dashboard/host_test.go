package dashboard_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

func init() {
	for _, action := range []string{"", "/install", "/clear", "/remove", "/rename", "/notes"} {
		examples["/dashboard/hosts/{}"+action] = "/dashboard/hosts/1" + action
	}
}

// last is the newest entry of the audit trail, as "action details".
func (b *browser) last(t *testing.T) (text string) {
	t.Helper()
	const query = "SELECT action || ' ' || details::text FROM audit_entry ORDER BY id DESC LIMIT 1"
	if err := b.Core.DB.Pool().QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// went checks that a form was done, and where it led to.
func went(t *testing.T, a *gatewaytest.Answer, to string) {
	t.Helper()
	if a.Status != http.StatusSeeOther || a.Header.Get("Location") != to {
		t.Errorf("got %d to %q %s, want to be sent to %s", a.Status, a.Header.Get("Location"), a.Body, to)
	}
}

// field is the value of a field of a page, as the browser would send it.
func field(t *testing.T, page []byte, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindSubmatch(page)
	if found == nil {
		t.Fatalf("the page has no field %s: %s", name, page)
	}
	return string(found[1])
}

// Each switch does to the host that the page is of what the API does, by a form without script.
func TestHostSwitches(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	b.Register(t, "atlas.example")
	b.Register(t, "other.example")
	b.Exec(t, "UPDATE host SET bound_ip = '203.0.113.7'")
	untouched := b.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = 2")
	for _, c := range []struct{ name, value, entry, says string }{
		{"roaming", "true", `admin.host.roaming {"fqdn": "atlas.example", "before": {"roaming": false}, "roaming": true}`, "may call from any address"},
		{"roaming", "false", `admin.host.roaming {"fqdn": "atlas.example", "before": {"roaming": true}, "roaming": false}`, "may call from its address only"},
		{"vip", "true", `admin.host.vip {"vip": true, "fqdn": "atlas.example", "before": {"vip": false}}`, "is not held back by quota"},
		{"force_ipv4", "true", `admin.host.force_ipv4 {"fqdn": "atlas.example", "before": {"ip": "203.0.113.7", "force_ipv4": false}, "unbind": true, "force_ipv4": true}`, "uses IPv4 only"},
		{"secure", "false", `admin.host.secure {"fqdn": "atlas.example", "before": {"secure": true}, "secure": false}`, "may call only while a window is open"},
		{"enabled", "false", `admin.host.update {"fqdn": "atlas.example", "before": {"enabled": true}, "enabled": false}`, "is suspended"},
		{"enabled", "true", `admin.host.update {"fqdn": "atlas.example", "before": {"enabled": false}, "enabled": true}`, "is served again"},
	} {
		a := b.post(t, in, "/dashboard/hosts/1/set", "name", c.name, "value", c.value)
		went(t, a, "/dashboard/hosts/1")
		if got := b.last(t); got != c.entry {
			t.Errorf("%s %s: got entry\n%s, want\n%s", c.name, c.value, got, c.entry)
		}
		said, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
		if err != nil {
			t.Fatal(err)
		}
		// To a script it is the same: the page again, with what has become of it.
		htmx := with(in, "Cookie", in.Get("Cookie")+"; "+said.Name+"="+said.Value, "HX-Request", "true", "HX-Target", "ho")
		page := b.visit(t, htmx, "/dashboard/hosts/1").Body
		if !strings.HasPrefix(string(page), `<div id="ho">`) || !strings.Contains(pagetest.Text(t, page), "atlas.example "+c.says) {
			t.Errorf("%s %s: got %s", c.name, c.value, pagetest.Text(t, page))
		}
		if checked := fmt.Sprintf(`id="ho-s-%s" aria-checked="%s"`, c.name, c.value); c.name != "enabled" && !strings.Contains(string(page), checked) {
			t.Errorf("the page has no %s: %s", checked, page)
		}
	}
	if after := b.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = 2"); after != untouched {
		t.Error("got another host changed")
	}
	b.Exec(t, "UPDATE host SET bound_ip = '203.0.113.7'")
	went(t, b.post(t, in, "/dashboard/hosts/1/unbind"), "/dashboard/hosts/1")
	if n := b.Int(t, "SELECT count(*) FROM host WHERE bound_ip IS NULL"); n != 1 {
		t.Errorf("got %d hosts without an address, want 1", n)
	}
	for _, fields := range [][]string{{"name", "status", "value", "true"}, {"name", "vip", "value", "yes"}, {"name", "vip"}, nil} {
		if a := b.post(t, in, "/dashboard/hosts/1/set", fields...); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: got %d", fields, a.Status)
		}
	}
}

// What an admin chooses for Codex is checked, kept when it is wrong, and never overwrites what somebody else chose meanwhile.
func TestHostRuns(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	b.Register(t, "atlas.example")
	const path = "/dashboard/hosts/1/runs"
	base := field(t, b.visit(t, in, "/dashboard/hosts/1").Body, "base")
	post := func(base, version, model, effort string) *gatewaytest.Answer {
		t.Helper()
		return b.post(t, in, path, "base", base, "client_version", version, "model_override", model, "reasoning_effort_override", effort)
	}
	for name, c := range map[string]struct{ version, model, effort, want string }{
		"a word for a version": {"newest!", "gpt-5.2", "high", "Must be a version such as 0.63.0"},
		"a hostile model":      {"0.63.0", evil, "high", "Must be a name of letters, digits"},
		"a hostile effort":     {"0.63.0", "gpt-5.2", "$(id)", "Must be a name of letters, digits"},
	} {
		a := post(base, c.version, c.model, c.effort)
		pagetest.Check(t, name, a.Body)
		shown := pagetest.Text(t, a.Body)
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(shown, c.want) || strings.Contains(shown, "Somebody else") || strings.Count(string(a.Body), "aria-invalid") != 1 {
			t.Errorf("%s: got %d %s", name, a.Status, shown)
		}
	}
	went(t, post(base, "codex-cli 0.63.0", "gpt-5.2", "high"), "/dashboard/hosts/1#ho-runs")
	if n := b.Int(t, "SELECT count(*) FROM host WHERE client_version_pin = '0.63.0' AND model_override = 'gpt-5.2' AND reasoning_effort_override = 'high'"); n != 1 {
		t.Error("got no host that runs what was chosen")
	}
	for _, stale := range []string{base, "", "x"} {
		a := post(stale, "", "gpt-5.1", "low")
		shown := pagetest.Text(t, a.Body)
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(shown, "Somebody else changed this meanwhile. It is now: version 0.63.0, model gpt-5.2, effort high.") {
			t.Errorf("got %d %s", a.Status, shown)
		}
		if !strings.Contains(string(a.Body), `value="gpt-5.1"`) {
			t.Error("what was typed is lost")
		}
		if n := b.Int(t, "SELECT count(*) FROM host WHERE model_override = 'gpt-5.2'"); n != 1 {
			t.Fatal("somebody else's choice is overwritten")
		}
	}
	base = field(t, post(base, "", "", "").Body, "base") // the page that says so has what is true now
	went(t, post(base, "", "", ""), "/dashboard/hosts/1#ho-runs")
	if n := b.Int(t, "SELECT count(*) FROM host WHERE client_version_pin IS NULL AND model_override IS NULL AND reasoning_effort_override IS NULL"); n != 1 {
		t.Error("got a host that still runs what was chosen before")
	}
}

// Labels and note: of many who save at once what they were shown, one wins, and the others are told.
func TestHostNotes(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	b.Register(t, "atlas.example")
	const path = "/dashboard/hosts/1/notes"
	base := field(t, b.visit(t, in, path).Body, "base")
	for labels, want := range map[string]string{
		"role":                              "Wants key=value.",
		"Role=x":                            "Wants keys of at most 32 characters",
		"role=a\r\nrole=b":                  "Has role twice.",
		"role=" + strings.Repeat("ä", 2048): "Wants values of at most 64 bytes",
		"role=\x1b[31m":                     "Wants values of at most 64 bytes that can be printed",
	} {
		a := b.post(t, in, path, "base", base, "labels", labels, "note", "typed")
		shown := pagetest.Text(t, a.Body)
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(shown, want) || !strings.Contains(string(a.Body), ">typed</textarea>") {
			t.Errorf("%.20q: got %d %s", labels, a.Status, shown)
		}
	}
	var all sync.WaitGroup
	statuses := make([]int, 8)
	start := make(chan struct{})
	for i := range statuses {
		all.Go(func() {
			<-start
			statuses[i] = b.post(t, in, path, "base", base, "labels", fmt.Sprintf("by=n%d\r\nsite=fra\r\n", i), "note", fmt.Sprintf("one\r\ntwo %d", i)).Status
		})
	}
	close(start)
	all.Wait()
	won := -1
	for i, status := range statuses {
		switch {
		case status == http.StatusSeeOther && won < 0:
			won = i
		case status != http.StatusUnprocessableEntity:
			t.Errorf("got statuses %v, want one to win", statuses)
		}
	}
	if won < 0 {
		t.Fatalf("got statuses %v", statuses)
	}
	if n := b.Int(t, "SELECT count(*) FROM host WHERE labels = $1 AND note = $2", fmt.Sprintf(`{"by":"n%d","site":"fra"}`, won), fmt.Sprintf("one\ntwo %d", won)); n != 1 {
		t.Error("got something else than what the winner wrote")
	}
	a := b.post(t, in, path, "base", base, "labels", "by=late", "note", "late")
	if shown := pagetest.Text(t, a.Body); !strings.Contains(shown, fmt.Sprintf("Labels now: by=n%d, site=fra. Note now: one two %d.", won, won)) || !strings.Contains(string(a.Body), ">late</textarea>") {
		t.Errorf("got %s", shown)
	}
	// Labels that are left out go.
	went(t, b.post(t, in, path, "base", field(t, a.Body, "base"), "labels", "site=ams", "note", ""), "/dashboard/hosts/1")
	if n := b.Int(t, `SELECT count(*) FROM host WHERE labels = '{"site":"ams"}' AND note = ''`); n != 1 {
		t.Error("got labels or a note that were taken away")
	}
}

func TestHostRename(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	b.Register(t, "atlas.example")
	b.Register(t, "other.example")
	const path = "/dashboard/hosts/1/rename"
	base := field(t, b.visit(t, in, path).Body, "base")
	for fqdn, want := range map[string]string{"": "Is required.", "other.example": "Another host has this name", evil: "Must be a host name"} {
		a := b.post(t, in, path, "base", base, "fqdn", fqdn)
		if shown := pagetest.Text(t, a.Body); a.Status != http.StatusUnprocessableEntity || !strings.Contains(shown, want) {
			t.Errorf("%q: got %d %s", fqdn, a.Status, shown)
		}
	}
	went(t, b.post(t, in, path, "base", base, "fqdn", "Nova.example"), "/dashboard/hosts/1")
	a := b.post(t, in, path, "base", base, "fqdn", "late.example")
	if shown := pagetest.Text(t, a.Body); a.Status != http.StatusUnprocessableEntity || !strings.Contains(shown, "Somebody else gave it this name meanwhile.") || !strings.Contains(string(a.Body), `value="late.example"`) {
		t.Errorf("got %d %s", a.Status, shown)
	}
	if n := b.Int(t, "SELECT count(*) FROM host WHERE fqdn = 'nova.example' AND previous_fqdns = '{atlas.example}'"); n != 1 {
		t.Error("got another name than the first that was given")
	}
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1").Body); !strings.Contains(shown, "Was named atlas.example") {
		t.Errorf("got %s", shown)
	}
}

// A window opens for as long as was typed, which is kept; a wrong length is shown again; a secure host has none.
func TestHostWindow(t *testing.T) {
	t.Parallel()
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	b := newBrowser(t, gatewaytest.Options{Now: func() time.Time { return noon }})
	in := b.session(t, access.Operator)
	b.Register(t, "kiosk.example")
	const path = "/dashboard/hosts/1/window"
	if a := b.post(t, in, path, "act", "open", "minutes", "30"); a.Status != http.StatusConflict || !strings.Contains(string(a.Body), "it needs no window") {
		t.Errorf("a secure host: got %d %s", a.Status, a.Body)
	}
	b.Exec(t, "UPDATE host SET secure = false, last_seen_at = $1", noon)
	if page := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1").Body); !strings.Contains(page, "Window Closed") || !strings.Contains(page, "its calls are refused until a window is open") {
		t.Errorf("got %s", page)
	}
	for _, minutes := range []string{"0", "481", "-1", "1.5", "", "x", evil} {
		a := b.post(t, in, path, "act", "open", "minutes", minutes)
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(pagetest.Text(t, a.Body), "A window is 1 to 480 minutes long.") {
			t.Errorf("%q: got %d", minutes, a.Status)
		}
		pagetest.Check(t, minutes, a.Body)
	}
	went(t, b.post(t, in, path, "act", "open", "minutes", "30"), "/dashboard/hosts/1#ho-window")
	if n := b.Int(t, "SELECT count(*) FROM host WHERE window_minutes = 30 AND insecure_until = $1", noon.Add(30*time.Minute)); n != 1 {
		t.Error("got another window than the one asked for")
	}
	page := b.visit(t, in, "/dashboard/hosts/1").Body
	if shown := pagetest.Text(t, page); !strings.Contains(shown, "Window Open for another 30 min") || !strings.Contains(shown, "Window open Insecure") || !strings.Contains(string(page), `value="30"`) {
		t.Errorf("got %s", shown)
	}
	went(t, b.post(t, in, path, "act", "close"), "/dashboard/hosts/1#ho-window")
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1").Body); !strings.Contains(shown, "Closed may still bring what it has for 1 h") {
		t.Errorf("got %s", shown)
	}
	if a := b.post(t, in, path); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("nothing asked for: got %d", a.Status)
	}
}

// A key is rotated in peace, or replaced by a command: for a machine that has been seen only after its name was typed.
func TestHostKey(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	b.Upload(t, login())
	old := b.Register(t, "atlas.example")
	lives := func(want int) {
		t.Helper()
		if a := b.Retrieve(t, old.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != want {
			t.Errorf("the old key got %d, want %d", a.Status, want)
		}
	}
	first := b.post(t, in, "/dashboard/hosts/1/install") // it never came: nothing is lost
	found := regexp.MustCompile(`/install/[0-9a-f-]{36}`).Find(first.Body)
	if first.Status != 200 || found == nil {
		t.Fatalf("got %d %s", first.Status, first.Body)
	}
	lives(401)
	old = b.Register(t, "atlas.example")
	lives(200)
	went(t, b.post(t, in, "/dashboard/hosts/1/rotate"), "/dashboard/hosts/1")
	lives(200)
	page := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1").Body)
	if !strings.Contains(page, "which it gets with its next synchronisation") || !strings.Contains(page, "Rotate key : It has a new key already") {
		t.Errorf("got %s", page)
	}
	if a := b.post(t, in, "/dashboard/hosts/1/rotate"); a.Status != http.StatusConflict {
		t.Errorf("a second rotation: got %d", a.Status)
	}
	question := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1/install").Body)
	if !strings.Contains(question, "Its API key is dead at once") || !strings.Contains(question, "Type atlas.example to confirm") {
		t.Errorf("got %s", question)
	}
	for _, typed := range []string{"", "atlas", "ATLAS.EXAMPLE"} {
		if a := b.post(t, in, "/dashboard/hosts/1/install", "confirm", typed); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: got %d", typed, a.Status)
		}
	}
	lives(200)
	if a := b.post(t, in, "/dashboard/hosts/1/install", "confirm", "atlas.example"); a.Status != 200 || !strings.Contains(string(a.Body), "https://codex.example/install/") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	lives(401)
	if page := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1").Body); !strings.Contains(page, "An install command waits to be used.") {
		t.Errorf("got %s", page)
	}
}

// A new command leaves a temporary host a temporary one.
func TestTemporaryStays(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	if a := b.post(t, in, "/dashboard/hosts/new", "fqdn", "build.example", "secure", "true", "temporary", "true"); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if a := b.post(t, in, "/dashboard/hosts/1/install"); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if n := b.Int(t, "SELECT count(*) FROM host WHERE expires_at > now() + interval '1 hour' AND secure AND NOT vip"); n != 1 {
		t.Error("got a host that is not as it was registered")
	}
}

// What cannot be undone wants the host's name, letter by letter; then it is done.
func TestHostDanger(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	b.fill(t)
	key := b.Register(t, "atlas.example").Key.Reveal()
	b.Retrieve(t, key, strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	for _, act := range []string{"clear", "remove"} {
		question := b.visit(t, in, "/dashboard/hosts/1/"+act)
		if shown := pagetest.Text(t, question.Body); !strings.Contains(shown, "Type atlas.example to confirm") {
			t.Errorf("%s: got %s", act, shown)
		}
		for _, typed := range []string{"", "atlas", evil} {
			if a := b.post(t, in, "/dashboard/hosts/1/"+act, "confirm", typed); a.Status != http.StatusUnprocessableEntity || !strings.Contains(string(a.Body), "what was typed is not what was asked for") {
				t.Errorf("%s of %q: got %d", act, typed, a.Status)
			}
		}
		if n := b.Int(t, "SELECT count(*) FROM host WHERE auth_digest IS NOT NULL"); n != 1 {
			t.Fatalf("%s: done without its confirmation", act)
		}
		if act == "remove" {
			break
		}
		went(t, b.post(t, in, "/dashboard/hosts/1/clear", "confirm", "atlas.example"), "/dashboard/hosts/1")
		if n := b.Int(t, "SELECT count(*) FROM host WHERE auth_digest IS NULL") + b.Int(t, "SELECT count(*) FROM delivery"); n != 1 {
			t.Error("the record is not cleared")
		}
		b.Retrieve(t, key, strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	}
	shown := pagetest.Text(t, b.visit(t, in, "/dashboard/hosts/1/remove").Body)
	for _, want := range []string{"Its API key is dead at once, on every gateway of this fleet.", "10 tokens in 1 report.", "stays good until"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the question does not say %q: %s", want, shown)
		}
	}
	to := b.post(t, in, "/dashboard/hosts/1/remove", "confirm", "atlas.example")
	if to.Status != http.StatusSeeOther || !strings.HasPrefix(to.Header.Get("Location"), "/dashboard/") {
		t.Errorf("got %d %s", to.Status, to.Body)
	}
	if a := b.Retrieve(t, key, strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != 401 {
		t.Errorf("the removed host got %d", a.Status)
	}
	// An open page is loaded anew, and says that there is no such host.
	part := b.visit(t, with(in, "HX-Request", "true", "HX-Target", "ho-top"), "/dashboard/hosts/1")
	if part.Status != 200 || part.Header.Get("Hx-Refresh") != "true" || len(part.Body) != 0 {
		t.Errorf("a part of a removed host: got %d %v %s", part.Status, part.Header, part.Body)
	}
	part = b.visit(t, with(in, "HX-Request", "true", "HX-Target", "enrol"), "/dashboard/hosts/1")
	if part.Status != 200 || part.Header.Get("Hx-Refresh") != "" || !strings.Contains(string(part.Body), "The host was removed.") || strings.Contains(string(part.Body), "hx-get") {
		t.Errorf("the page of its command: got %d %v %s", part.Status, part.Header, part.Body)
	}
	if a := b.visit(t, in, "/dashboard/hosts/1"); a.Status != 404 || !strings.Contains(string(a.Body), "Host not found") {
		t.Errorf("the page of a removed host: got %d %s", a.Status, a.Body)
	}
}
