package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Caddy answers what nobody wanted with an empty 200. No site of ours does.
func TestNoEmptySuccess(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	admin := g.adminClient(g.addCert("ops@laptop"))
	g.eventually(callDeadline, "the certificate is accepted", func() bool {
		_, err := g.knock(admin)
		return err == nil
	})
	for _, c := range []struct {
		client      *http.Client
		method, url string
		want        int
	}{
		{plain, "GET", g.URL + "/", 404},
		{plain, "GET", g.URL + "/nothing/here", 404},
		{plain, "POST", g.URL + "/install/not-a-token", 404},
		{plain, "PATCH", g.URL + "/auth", 405},
		{plain, "PUT", g.URL + "/versions", 405},
		{plain, "GET", g.URL + "/admin/hosts/register", 404},
		{admin, "GET", g.AdminURL + "/", 303},
		{admin, "POST", g.AdminURL + "/", 405},
		{admin, "GET", g.AdminURL + "/dashboard/", 200},
		{admin, "GET", g.AdminURL + "/dashboard/nothing", 404},
		{admin, "PUT", g.AdminURL + "/dashboard/switch", 405},
		{admin, "GET", g.AdminURL + "/admin/nothing", 404},
		{admin, "GET", g.AdminURL + "/admin/hosts/register", 405},
		{admin, "GET", g.AdminURL + "/auth", 404},
		{local, "GET", g.LocalURL + "/nothing", 404},
		{local, "GET", g.LocalURL + "/admin/", 303},
		{local, "GET", g.LocalURL + "/dashboard/", 401},
		{local, "GET", g.LocalURL + "/admin/whoami", 401},
		{local, "GET", g.LocalURL + "/dashboard/login", 401},
		{local, "GET", g.LocalURL + "/dashboard/login/x", 404},
		{local, "DELETE", g.LocalURL + "/dashboard/login/x", 405},
		{admin, "GET", g.AdminURL + "/dashboard/login/x", 404},
		{plain, "GET", g.MetricsURL + "/", 404},
		{plain, "DELETE", g.MetricsURL + "/nothing", 404},
	} {
		got, err := callWith(c.client, c.method, c.url, nil, "")
		if err != nil || got.status != c.want || got.body == "" {
			t.Errorf("%s %s: got %s, %v, want %d with a body", c.method, c.url, got, err, c.want)
		}
	}
}

// A site of the operator's own, guarded by host keys: who comes in is known behind it, what opens the gateway is not.
func TestHostKeyGuardsAnySite(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	defer upstream.Close()
	port := freePort(t)
	g := start(t, options{caddyfile: func(shipped string) string {
		return shipped + `
http://localhost:` + port + ` {
	cdxgate_host_key
	reverse_proxy ` + strings.TrimPrefix(upstream.URL, "http://") + ` {
		header_up X-Host "{cdxgate.host.id} {cdxgate.host.fqdn} {cdxgate.host.account}"
	}
}
`
	}})
	host := g.addHost("guarded.example")
	site := "http://localhost:" + port
	for _, header := range [][]string{nil, {"X-API-Key: " + strings.Repeat("0", 64)}, {"Authorization: Basic abc"}} {
		got, err := g.try("GET", site+"/page", header, "")
		if err != nil || got.status != http.StatusUnauthorized || !strings.HasPrefix(got.envelope(t).Code, "api_key_") {
			t.Errorf("with %v: got %s, %v, want 401", header, got, err)
		}
	}
	key := host.Host.APIKey
	for name, header := range map[string][]string{
		"X-API-Key":                   {"X-API-Key: " + key},
		"bearer":                      {"Authorization: Bearer " + key},
		"both":                        {"X-API-Key: " + key, "Authorization: Bearer " + key},
		"X-API-Key that says nothing": {"X-API-Key: 0", "Authorization: Bearer " + key},
	} {
		got, err := g.try("POST", site+"/page", header, "a body that is no JSON")
		if err != nil || got.status != http.StatusOK {
			t.Fatalf("with %s: got %s, %v, want 200", name, got, err)
		}
		select {
		case arrived := <-seen:
			if want := "1 guarded.example default"; arrived.Get("X-Host") != want {
				t.Errorf("behind the guard: got X-Host %q, want %q", arrived.Get("X-Host"), want)
			}
			for name, values := range arrived {
				if strings.Contains(strings.Join(values, " "), key) {
					t.Errorf("behind the guard: header %s holds the API key", name)
				}
			}
		case <-time.After(callDeadline):
			t.Fatal("nothing arrived behind the guard")
		}
	}
}

// Whatever the operator logs, keys and install tokens are not in it.
func TestAccessLogsHideSecrets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, directive string
		filtered        bool
	}{
		// Without options it goes where all logs go, through the shipped filters.
		{name: "shipped filters", directive: "log", filtered: true},
		// One of its own goes past them: Caddy hides Authorization by itself, our handlers keep install paths out.
		{name: "no filters", directive: "log {\n\t\toutput stderr\n\t\tformat json\n\t}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := start(t, options{caddyfile: func(shipped string) string {
				return replaceOnce(t, shipped, "\tcdxgate_api\n", "\t"+test.directive+"\n\tcdxgate_api\n")
			}})
			host := g.addHost("logged.example")
			g.call("GET", "/install/"+host.Installer.Token, nil, "")
			g.call("GET", "/install/"+host.Installer.Token+"/", nil, "")
			g.call("PUT", "/install/"+host.Installer.Token, nil, "")
			g.call("POST", "/install/"+host.Installer.Token, nil, "{")
			g.call("POST", "/install/"+host.Installer.Token, nil, "{}")
			g.call("POST", "/auth", []string{"Authorization: Bearer " + host.Host.APIKey}, retrieveBody)
			_, seed, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(g.must("auth", "seed-command").out), " | sh"), "/seed/auth/")
			g.call("GET", "/seed/auth/"+seed, nil, "")
			g.call("POST", "/seed/auth/"+seed, nil, `{"auth":{}}`)
			link := strings.TrimSpace(g.must("admin", "link").out)
			token := strings.TrimSpace(g.must("admin", "token", "add", "logged", "--role", "viewer").out)
			logIn(g, link)
			g.onLocalSite("GET", "/admin/whoami", "Authorization: Bearer "+token)
			g.call("GET", "/wrapper/download", []string{"Authorization: Bearer " + host.Host.APIKey}, "")
			secrets := map[string]string{"install token": host.Installer.Token, "API key": host.Host.APIKey, "seed token": seed, "login link": link[strings.LastIndex(link, "/")+1:], "API token": token}
			if test.filtered {
				g.call("POST", "/auth", []string{"X-API-Key: " + host.Host.APIKey, "Cookie: session=" + exampleToken}, retrieveBody)
				// No route of ours, so the filter alone keeps it out.
				g.call("GET", "//install/"+host.Installer.Token+"/x?y=1", nil, "")
				secrets["cookie"] = exampleToken
			}
			g.call("GET", "/nothing", nil, "")
			g.eventually(callDeadline, "the access log has the last call", func() bool { return strings.Contains(g.readLog(), `"/nothing"`) })
			assertHides(t, "the log", g.readLog(), secrets)
		})
	}
}
