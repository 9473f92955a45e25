package e2e

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"testing"
)

// local is a browser, or a script, on the machine itself. Whose certificate the site shows is not what these tests are about.
var local = client(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})

// onLocalSite calls the site for links and tokens.
func (g *gateway) onLocalSite(method, path string, header ...string) answer {
	g.t.Helper()
	got, err := callWith(local, method, g.LocalURL+path, header, "")
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// logIn presses the button of a login link and returns the cookie as a header.
func logIn(g *gateway, link string) string {
	g.t.Helper()
	path := strings.TrimPrefix(link, g.LocalURL)
	if path == link {
		g.t.Fatalf("got the link %s, want one to %s", link, g.LocalURL)
	}
	if page := g.onLocalSite("GET", path); page.status != http.StatusOK || !strings.Contains(page.body, "Log in</button>") {
		g.t.Fatalf("the page of a link: got %s", page)
	}
	in := g.onLocalSite("POST", path, "Sec-Fetch-Site: same-origin", "Content-Type: application/x-www-form-urlencoded")
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	if in.status != http.StatusSeeOther || cookie == "" {
		g.t.Fatalf("pressing the button: got %s", in)
	}
	return "Cookie: " + cookie
}

// Through the real listeners: each accepts what the Caddyfile says, from whom it was given, as long as that is good.
func TestWhatAListenerAccepts(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	certificate := g.adminClient(g.addCert("ops@laptop"))
	certificate.Transport.(*http.Transport).DisableKeepAlives = false
	g.eventually(callDeadline, "the certificate is accepted", func() bool {
		got, err := callWith(certificate, "GET", g.AdminURL+"/admin/whoami", nil, "")
		return err == nil && got.status == http.StatusOK
	})
	token := "Authorization: Bearer " + strings.TrimSpace(g.must("admin", "token", "add", "ci", "--role", "operator", "--scope", "host.write").out)
	session := logIn(g, strings.TrimSpace(g.must("admin", "link", "--role", "viewer").out))
	const own = "Sec-Fetch-Site: same-origin"
	type step struct {
		name   string
		client *http.Client
		site   string
		header []string
		code   string // of a removal of a host that is not there
	}
	check := func(steps []step) {
		t.Helper()
		for _, s := range steps {
			got, err := callWith(s.client, "DELETE", s.site+"/admin/hosts/999999", s.header, "")
			if err != nil || got.envelope(t).Code != s.code {
				t.Errorf("%s: got %s, %v; want %s", s.name, got, err, s.code)
			}
			if err == nil && (got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'")) {
				t.Errorf("%s: got headers %v", s.name, got.header)
			}
		}
	}
	check([]step{
		{"a certificate, on the admins' site", certificate, g.AdminURL, nil, "host_not_found"},
		{"a certificate, on the local site", certificate, g.LocalURL, nil, "admin_login_required"},
		{"a token, on the local site", local, g.LocalURL, []string{token}, "host_not_found"},
		{"a token of a page elsewhere", local, g.LocalURL, []string{token, "Sec-Fetch-Site: cross-site"}, "cross_origin"},
		{"a session of a viewer", local, g.LocalURL, []string{session, own}, "forbidden_role"},
		{"a session that says nothing", local, g.LocalURL, []string{session}, "cross_origin"},
		{"nobody", local, g.LocalURL, nil, "admin_login_required"},
		{"claims", local, g.LocalURL, claims, "admin_login_required"},
	})
	for _, header := range []string{token, session} {
		if got, err := callWith(local, "GET", g.AdminURL+"/admin/whoami", []string{header}, ""); err == nil {
			t.Errorf("on the admins' site, without a certificate: got %s", got)
		}
	}
	// What is taken away is gone with the next request, on connections that are open already.
	g.must("admin", "token", "revoke", "ci", "--yes")
	g.must("admin", "session", "revoke", "1")
	g.must("admin", "cert", "revoke", "ops@laptop", "--yes")
	check([]step{
		{"a revoked certificate", certificate, g.AdminURL, nil, "admin_certificate_revoked"},
		{"a revoked token", local, g.LocalURL, []string{token}, "admin_token_invalid"},
		{"a revoked session", local, g.LocalURL, []string{session, own}, "admin_session_over"},
	})
}

// Tokens and sessions on a line that others read stop the start, and so does validating.
func TestTokensNeedTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		site  string
		valid bool
	}{
		"everywhere":                        {"http://localhost:{port} {\n\tcdxgate_console {\n\t\taccess token\n\t}\n}", false},
		"an address of the network":         {"http://localhost:{port} {\n\tbind 192.0.2.7\n\tcdxgate_console {\n\t\taccess certificate session\n\t}\n}", false},
		"inside another handler":            {"http://localhost:{port} {\n\troute /x* {\n\t\tcdxgate_admin {\n\t\t\taccess token\n\t\t}\n\t}\n}", false},
		"one of two addresses":              {"http://localhost:{port} {\n\tbind 127.0.0.1 0.0.0.0\n\tcdxgate_admin {\n\t\taccess token\n\t}\n}", false},
		"certificates":                      {"http://localhost:{port} {\n\tcdxgate_console\n}", true},
		"this machine":                      {"http://localhost:{port} {\n\tbind 127.0.0.1 [::1]\n\tcdxgate_console {\n\t\taccess token\n\t}\n}", true},
		"TLS":                               {"https://localhost:{port} {\n\ttls internal\n\tcdxgate_console {\n\t\taccess token session certificate\n\t}\n}", true},
		"TLS, by what Caddy does by itself": {"https://tokens.localhost:{port} {\n\tcdxgate_console {\n\t\taccess token\n\t}\n}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := install(t, options{fresh: true, caddyfile: func(shipped string) string {
				return shipped + "\n" + strings.ReplaceAll(c.site, "{port}", freePort(t)) + "\n"
			}})
			r := g.cdxgate("validate", "--config", g.config)
			if (r.code == 0) != c.valid || (!c.valid && !strings.Contains(r.out+r.err, "tokens and sessions need TLS")) {
				t.Errorf("got exit %d\n%s%s", r.code, r.out, r.err)
			}
		})
	}
}

// Whoever starts the gateway at a terminal can log in without importing anything.
func TestWelcomeEndsWithALink(t *testing.T) {
	t.Parallel()
	g := start(t, options{env: []string{"CDXGATE_WELCOME=1"}})
	var link string
	g.eventually(callDeadline, "the welcome has a link", func() bool {
		log, err := os.ReadFile(g.log)
		if err != nil {
			t.Fatal(err)
		}
		_, after, found := strings.Cut(string(log), g.LocalURL+"/dashboard/login/")
		secret, _, whole := strings.Cut(after, "\n")
		link = g.LocalURL + "/dashboard/login/" + secret
		return found && whole
	})
	session := logIn(g, link)
	if got := g.onLocalSite("GET", "/admin/whoami", session); got.status != http.StatusOK || !strings.Contains(got.body, `"role":"owner"`) {
		t.Errorf("got %s", got)
	}
}
