package dashboard_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

const accessPath = "/dashboard/access"

// serial makes a certificate, and returns its number.
func (b *browser) serial(t *testing.T, name, role string) string {
	t.Helper()
	if _, err := b.Certs.Add(t.Context(), name, adminca.AddOptions{Role: role, Dir: t.TempDir()}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	all, err := b.Certs.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serial, last := "", int64(0)
	for _, cert := range all {
		if cert.Name == name && cert.ID > last {
			serial, last = cert.Serial, cert.ID
		}
	}
	return serial
}

// A token is made by a plain form, shown on the page that follows and nowhere else, and can do what was ticked.
func TestMakeToken(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Owner)
	made := b.post(t, in, accessPath+"/tokens", "name", "deploy-bot", "role", "operator", "life", "7", "bound", "yes", "scope", "host.read")
	token := regexp.MustCompile(`<code id="made-token">(cdxa_[\w-]+)</code>`).FindStringSubmatch(string(made.Body))
	if made.Status != 200 || token == nil || made.Header.Get("Cache-Control") != "no-store" || made.Header.Get("Set-Cookie") != "" {
		t.Fatalf("got %d %v %s", made.Status, made.Header, made.Body)
	}
	pagetest.Check(t, "the token", made.Body)
	for path, want := range map[string]int{"/admin/hosts": 200, "/admin/usage": 403} {
		if a := b.visit(t, bearer(token[1]), path); a.Status != want {
			t.Errorf("%s: got %d, want %d", path, a.Status, want)
		}
	}
	shown := string(b.visit(t, in, accessPath).Body)
	if !strings.Contains(shown, "deploy-bot") || !strings.Contains(shown, token[1][:13]+"…") || !strings.Contains(shown, "host.read") || strings.Contains(shown, token[1]) {
		t.Errorf("the list: got %s", shown)
	}
	if strings.Contains(b.Logs.String(), token[1]) {
		t.Error("the log has the token")
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE strpos(details::text, $1) > 0", token[1]); n != 0 {
		t.Error("the audit trail has the token")
	}
	for says, fields := range map[string][]string{
		"There is an API token of this name":                {"name", "deploy-bot", "role", "viewer", "life", "7"},
		"An API token&#39;s name has 1 to 64 characters":    {"name", evil, "role", "viewer", "life", "7"},
		"A role is viewer, operator or owner":               {"name", "x", "role", "root", "life", "7"},
		"Choose how long the token is good for.":            {"name", "x", "role", "viewer", "life", "9999"},
		"Tick what the token may do":                        {"name", "x", "role", "viewer", "life", "7", "bound", "yes"},
		"The role viewer does not have all that is ticked.": {"name", "x", "role", "viewer", "life", "7", "bound", "yes", "scope", "admin.write"},
	} {
		a := b.post(t, in, accessPath+"/tokens", fields...)
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(string(a.Body), says) || strings.Contains(string(a.Body), "<script>alert") {
			t.Errorf("%q: got %d %s, want %q", fields, a.Status, a.Body, says)
		}
		pagetest.Check(t, says, a.Body)
	}
	if n := b.Int(t, "SELECT count(*) FROM admin_token"); n != 1 {
		t.Errorf("got %d tokens, want 1", n)
	}
}

// What is revoked has been named by who did it, and opens nothing from then on.
func TestRevoking(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in, other := b.session(t, access.Owner), b.session(t, access.Viewer)
	first, second, token := b.serial(t, "laptop", "owner"), b.serial(t, "laptop", "owner"), b.token(t)
	about := func(path string, query url.Values) *gatewaytest.Answer {
		return b.visit(t, in, accessPath+path+"?"+query.Encode())
	}

	question := about("/certificates/revoke", url.Values{"name": {"laptop"}, "serial": {first}})
	if shown := string(question.Body); question.Status != 200 || !strings.Contains(shown, `data-confirm="laptop"`) || !strings.Contains(shown, "Of this name 1\u00a0other certificate goes on.") || !strings.Contains(shown, `value="`+first+`"`) {
		t.Errorf("got %d %s", question.Status, shown)
	}
	pagetest.Check(t, "the question", question.Body)
	for _, fields := range [][]string{{"serial", first}, {"serial", first, "confirm", "Laptop"}, {"confirm", "laptop"}} {
		if a := b.post(t, in, accessPath+"/certificates/revoke", append(fields, "name", "laptop")...); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: got %d", fields, a.Status)
		}
	}
	if n := b.Int(t, "SELECT count(*) FROM admin_cert WHERE revoked_at IS NOT NULL"); n != 0 {
		t.Errorf("got %d revoked, want none", n)
	}
	if a := b.post(t, in, accessPath+"/certificates/revoke", "name", "laptop", "serial", first, "confirm", "laptop"); a.Status != http.StatusSeeOther {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if n := b.Int(t, "SELECT count(*) FROM admin_cert WHERE revoked_at IS NOT NULL AND serial = $1", first); n != 1 || b.Int(t, "SELECT count(*) FROM admin_cert WHERE revoked_at IS NULL AND serial = $1", second) != 1 {
		t.Error("it is not this certificate alone that was revoked")
	}

	if a := about("/tokens/revoke", url.Values{"name": {"script"}}); a.Status != 200 || !strings.Contains(string(a.Body), "Nobody has used it yet.") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := b.post(t, in, accessPath+"/tokens/revoke", "name", "script"); a.Status != http.StatusUnprocessableEntity || b.visit(t, bearer(token), "/admin/whoami").Status != 200 {
		t.Errorf("not confirmed: got %d", a.Status)
	}
	if a := b.post(t, in, accessPath+"/tokens/revoke", "name", "script", "confirm", "script"); a.Status != http.StatusSeeOther || b.visit(t, bearer(token), "/admin/whoami").Status != 401 {
		t.Errorf("got %d", a.Status)
	}

	if a := b.post(t, in, accessPath+"/sessions/revoke", "id", "2"); a.Status != http.StatusSeeOther || b.visit(t, other, "/dashboard/").Status != 401 {
		t.Errorf("a session: got %d", a.Status)
	}
	link := b.link(t)
	if a := b.post(t, in, accessPath+"/links/revoke", "id", "3"); a.Status != http.StatusSeeOther || b.press(t, link).Status != http.StatusGone {
		t.Errorf("a link: got %d", a.Status)
	}
	for path, query := range map[string]url.Values{
		"/certificates/revoke": {"name": {"laptop"}, "serial": {first}}, "/tokens/revoke": {"name": {evil}},
	} {
		if a := about(path, query); a.Status != http.StatusNotFound {
			t.Errorf("%s of what there is not: got %d", path, a.Status)
		}
	}
	for _, path := range []string{"/sessions/revoke", "/links/revoke"} {
		for _, id := range []string{"", "2", "x", evil} {
			if a := b.post(t, in, accessPath+path, "id", id); a.Status != http.StatusNotFound {
				t.Errorf("%s %q: got %d", path, id, a.Status)
			}
		}
	}
	if a := b.post(t, in, accessPath+"/sessions/revoke", "id", "1"); a.Status != http.StatusSeeOther || b.visit(t, in, accessPath).Status != 401 {
		t.Errorf("one's own session: got %d", a.Status)
	}
}

// Who else may come is the owners' business.
func TestWhoDecidesWhoComes(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	operator, owner := b.session(t, access.Operator), b.session(t, access.Owner)
	serial := b.serial(t, "laptop", "owner")
	forms := map[string][]string{
		"/tokens": {"name", "x", "role", "viewer", "life", "7"}, "/tokens/revoke": {"name", "x", "confirm", "x"},
		"/certificates/revoke": {"name", "laptop", "serial", serial, "confirm", "laptop"}, "/sessions/revoke": {"id", "2"}, "/links/revoke": {"id", "1"},
	}
	for path, fields := range forms {
		if a := b.post(t, operator, accessPath+path, fields...); a.Status != http.StatusForbidden {
			t.Errorf("%s of an operator: got %d", path, a.Status)
		}
		form := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		a := b.site.Do(t, b.client, gatewaytest.Request{
			Method: http.MethodPost, Path: accessPath + path, Body: form.Encode(),
			Header: with(owner, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"),
		})
		if a.Status != http.StatusForbidden {
			t.Errorf("%s from another site: got %d", path, a.Status)
		}
	}
	if n := b.Int(t, "SELECT count(*) FROM admin_token") + b.Int(t, "SELECT count(*) FROM admin_cert WHERE revoked_at IS NOT NULL") + b.Int(t, "SELECT count(*) FROM admin_session WHERE revoked_at IS NOT NULL"); n != 0 {
		t.Errorf("got %d changes, want none", n)
	}
}

// Whatever somebody on the console is called is text.
func TestAccessShowsHostileNames(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Owner)
	b.mallory(t)
	a := b.visit(t, in, accessPath+"?show=all&q="+url.QueryEscape("<script>"))
	pagetest.Check(t, "access", a.Body)
	if shown := pagetest.Text(t, a.Body); !strings.Contains(shown, "made by "+evil) || !strings.Contains(shown, "Nothing here is called “<script>”") {
		t.Errorf("got %s", shown)
	}
	if strings.Contains(string(a.Body), "<script>alert") {
		t.Error("what somebody chose is HTML")
	}
}
