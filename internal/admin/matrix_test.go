package admin_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// probes call some JSON routes, with a code that says that the caller came in.
var probes = []struct {
	route, code string
	request     gatewaytest.Request
}{
	{"GET /admin/whoami", "", gatewaytest.Request{Path: api.PathWhoAmI}},
	{"POST /admin/hosts/register", "", gatewaytest.Request{Path: api.PathHostRegister, Body: `{"fqdn":"matrix.example"}`}},
	{"DELETE /admin/hosts/{}", "host_not_found", gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/hosts/999999"}},
	{"POST /admin/auth/seed-command", "", gatewaytest.Request{Method: http.MethodPost, Path: api.PathSeedCommand, JSON: true}},
}

// Words for what the probes say about a caller, each in turn.
var (
	everything = []string{"", "", "host_not_found", ""}
	sight      = []string{"", "forbidden_role", "forbidden_role", "forbidden_role"}
	enrolment  = []string{"", "", "forbidden_role", "forbidden_role"}
	elsewhere  = []string{"", "cross_origin", "cross_origin", "cross_origin"}
)

func always(code string) []string { return []string{code, code, code, code} }

var statusOf = map[string]int{
	"": 200, "host_not_found": 404, "forbidden_role": 403, "cross_origin": 403, "json_required": 415,
	"admin_certificate_required": 403, "admin_certificate_revoked": 403,
	"admin_login_required": 401, "admin_token_invalid": 401, "admin_session_invalid": 401, "admin_session_over": 401,
}

// caller is somebody with whatever he shows.
type caller struct {
	client *http.Client
	header http.Header
}

// crowd is everybody, good and bad, by name.
func crowd(t *testing.T, g *gatewaytest.Gateway) map[string]caller {
	t.Helper()
	nobody := g.AdminClient(t, "", "")
	all := map[string]caller{"nobody": {client: nobody}}
	add := func(name string, header http.Header) { all[name] = caller{nobody, header} }
	for _, role := range access.Roles {
		added, err := g.Certs.Add(t.Context(), string(role), adminca.AddOptions{Role: string(role)}, gatewaytest.Operator)
		if err != nil {
			t.Fatal(err)
		}
		all["certificate "+string(role)] = caller{client: g.AdminClient(t, added.Files.Cert, added.Files.Key)}
		add("token "+string(role), bearer(token(t, g, access.NewToken{Name: string(role), Role: role})))
		add("session "+string(role), from("same-origin", session(t, g, role)))
	}
	revoked := certified(t, g, "mallory")
	if _, err := g.Certs.Revoke(t.Context(), "mallory", "", gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	all["certificate revoked"] = caller{client: revoked}

	scoped := token(t, g, access.NewToken{Name: "scoped", Role: access.Operator, Scopes: []access.Capability{access.HostEnrol}})
	add("token in scope", bearer(scoped))
	expired := token(t, g, access.NewToken{Name: "expired", Role: access.Owner})
	g.Exec(t, "UPDATE admin_token SET expires_at = now() WHERE name = 'expired'")
	add("token expired", bearer(expired))
	gone := token(t, g, access.NewToken{Name: "gone", Role: access.Owner})
	if err := g.Access.RevokeToken(t.Context(), "gone", gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	add("token revoked", bearer(gone))
	add("token unknown", bearer("cdxa_"+strings.Repeat("A", 43)))
	add("token malformed", bearer("cdxa_' OR 1=1 --"))
	owner := token(t, g, access.NewToken{Name: "twice", Role: access.Owner})
	add("token twice", http.Header{"Authorization": {"Bearer " + owner, "Bearer " + owner}})
	add("token cross-site", with(bearer(owner), "Sec-Fetch-Site", "cross-site"))
	add("token of a host", bearer(g.Register(t, "host.example").Key.Reveal()))

	cookie := session(t, g, access.Owner)
	add("session silent", http.Header{"Cookie": {cookie}})
	add("session cross-site", from("cross-site", cookie))
	add("session of a neighbour", from("same-site", cookie))
	add("session by the user himself", from("none", cookie))
	add("session of another origin", with(http.Header{"Cookie": {cookie}}, "Origin", "https://evil.example"))
	add("session of no origin", with(http.Header{"Cookie": {cookie}}, "Origin", "null"))
	add("session twice", from("same-origin", cookie+"; "+cookie))
	over := session(t, g, access.Owner)
	g.Exec(t, "UPDATE admin_session SET revoked_at = now() WHERE id = (SELECT max(id) FROM admin_session)")
	add("session revoked", from("same-origin", over))
	late := session(t, g, access.Owner)
	g.Exec(t, "UPDATE admin_session SET expires_at = now() WHERE id = (SELECT max(id) FROM admin_session)")
	add("session over", from("same-origin", late))
	add("session unknown", from("same-origin", door.CookieName+"="+strings.Repeat("A", 43)))
	add("session under another name", from("same-origin", "cdxgate="+strings.TrimPrefix(cookie, door.CookieName+"=")))

	forged := http.Header{}
	for _, name := range []string{"X-Mtls-Present", "X-Mtls-Fingerprint", "X-Client-Cert", "X-Forwarded-Client-Cert", "X-Admin-Key", "X-Api-Key", "X-Forwarded-User", "Remote-User"} {
		forged.Set(name, owner)
	}
	add("forged headers", forged)
	add("basic", http.Header{"Authorization": {"Basic " + owner}})
	return all
}

func token(t *testing.T, g *gatewaytest.Gateway, wanted access.NewToken) string {
	t.Helper()
	made, err := g.Access.AddToken(t.Context(), wanted, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	return made.Secret.Reveal()
}

// session opens a session and returns its cookie.
func session(t *testing.T, g *gatewaytest.Gateway, role access.Role) string {
	t.Helper()
	link, err := g.Access.NewLink(t.Context(), role, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, err := g.Access.UseLink(t.Context(), link.Secret.Reveal(), gatewaytest.Operator.IP)
	if err != nil {
		t.Fatal(err)
	}
	return door.CookieName + "=" + cookie.Reveal()
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func from(site, cookie string) http.Header {
	return http.Header{"Cookie": {cookie}, "Sec-Fetch-Site": {site}}
}

func with(header http.Header, name, value string) http.Header {
	header.Set(name, value)
	return header
}

// Who may call which route on which listener; whatever is not here is refused as nobody's.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	everybody := crowd(t, g)
	sites := map[access.Kind]*gatewaytest.AdminSite{}
	for _, kind := range access.Kinds {
		sites[kind] = g.AdminSite(t, kind)
	}
	nobody := map[access.Kind]string{
		access.Certificate: "admin_certificate_required", access.Session: "admin_login_required", access.Token: "admin_login_required",
	}
	somebody := map[access.Kind]map[string][]string{
		access.Certificate: {
			"certificate viewer": sight, "certificate operator": everything, "certificate owner": everything,
			"certificate revoked": always("admin_certificate_revoked"),
		},
		access.Token: {
			"token viewer": sight, "token operator": everything, "token owner": everything, "token in scope": enrolment,
			"token expired": always("admin_token_invalid"), "token revoked": always("admin_token_invalid"), "token unknown": always("admin_token_invalid"),
			"token malformed": always("admin_token_invalid"), "token twice": always("admin_token_invalid"), "token of a host": always("admin_token_invalid"),
			"token cross-site": elsewhere,
		},
		access.Session: {
			"session viewer": sight, "session operator": everything, "session owner": everything, "session by the user himself": everything,
			"session silent": elsewhere, "session cross-site": elsewhere, "session of a neighbour": elsewhere,
			"session of another origin": elsewhere, "session of no origin": elsewhere,
			"session twice": always("admin_session_invalid"), "session unknown": always("admin_session_invalid"),
			"session revoked": always("admin_session_over"), "session over": always("admin_session_over"),
		},
	}
	for kind, site := range sites {
		for name, who := range everybody {
			want := somebody[kind][name]
			if want == nil {
				want = always(nobody[kind])
			}
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				t.Parallel()
				for i, probe := range probes {
					request := probe.request
					request.Header = who.header
					a := site.Do(t, who.client, request)
					if a.Status != statusOf[want[i]] || a.Envelope.Code != want[i] {
						t.Errorf("%s: got %d %s, want %d %s", probe.route, a.Status, a.Body, statusOf[want[i]], want[i])
					}
					for header, values := range admin.Headers() {
						if a.Header.Get(header) != values[0] {
							t.Errorf("%s: got %s %q, want %q", probe.route, header, a.Header.Get(header), values[0])
						}
					}
					if a.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("%s: got an answer that may be kept", probe.route)
					}
				}
			})
		}
	}
}

// Every route asks for its capability, whoever's it is: each role, a token with one scope, and owners' certificates.
func TestEveryRouteAsksForItsCapability(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	everybody := crowd(t, g)
	site := g.AdminSite(t, access.Kinds...)
	for route, needs := range g.Admin.Capabilities() {
		if needs == "-" {
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		for _, role := range access.Roles {
			who := everybody["token "+string(role)]
			request := gatewaytest.Request{Method: method, Path: strings.ReplaceAll(path, "{}", "999999"), Header: who.header}
			if method == http.MethodPost {
				request.Body = `{}`
			}
			a := site.Do(t, who.client, request)
			broken := a.Status >= 500 && a.Envelope.Code != admin.ErrNoRunner.Code // which is all that there is to say
			if refused := a.Status == http.StatusForbidden && a.Envelope.Code == "forbidden_role"; refused == role.May(needs) || a.Status == http.StatusUnauthorized || broken {
				t.Errorf("%s by %s: got %d %s; it needs %s", route, role, a.Status, a.Body, needs)
			}
		}
	}
	// The login itself wants more than the route that tells about it.
	host := g.Register(t, "host.example")
	for role, want := range map[access.Role]int{access.Viewer: 403, access.Operator: 403, access.Owner: 200} {
		for _, value := range []string{"1", "true", "yes", "ON"} {
			who := everybody["token "+string(role)]
			a := site.Do(t, who.client, gatewaytest.Request{Path: fmt.Sprintf("/admin/hosts/%d/auth?include_body=%s", host.Host.ID, value), Header: who.header})
			if a.Status != want {
				t.Errorf("%s, include_body=%s: got %d %s, want %d", role, value, a.Status, a.Body, want)
			}
		}
	}
}

// A form that another site makes a browser post looks like this; so does one from a browser that says nothing about where
// it comes from. A certificate and a cookie go along by themselves.
func TestForms(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	everybody := crowd(t, g)
	site := g.AdminSite(t, access.Kinds...)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, c := range map[string]struct {
		who    string
		header http.Header
		body   any
		code   string
	}{
		"a cross-site form, by certificate":    {"certificate owner", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Content-Type": form["Content-Type"]}, nil, "cross_origin"},
		"an old browser's form":                {"certificate owner", form, nil, "json_required"},
		"a post that says nothing":             {"certificate owner", nil, nil, "json_required"},
		"JSON in disguise":                     {"certificate owner", http.Header{"Content-Type": {"text/plain"}}, `{}`, "json_required"},
		"a form of our own page":               {"certificate owner", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Content-Type": form["Content-Type"]}, `{}`, "json_required"},
		"a bodiless post of our own page":      {"certificate owner", http.Header{"Sec-Fetch-Site": {"same-origin"}}, nil, ""},
		"a post of our own origin":             {"certificate owner", http.Header{"Origin": {site.URL}}, nil, ""},
		"a script with a token":                {"token owner", nil, nil, ""},
		"a script with a certificate and JSON": {"certificate owner", http.Header{"Content-Type": {"application/json"}}, nil, ""},
	} {
		who := everybody[c.who]
		header := who.header.Clone()
		if header == nil {
			header = http.Header{}
		}
		maps.Copy(header, c.header)
		a := site.Do(t, who.client, gatewaytest.Request{Method: http.MethodPost, Path: api.PathSeedCommand, Body: c.body, Header: header})
		if a.Status != statusOf[c.code] || a.Envelope.Code != c.code {
			t.Errorf("%s: got %d %s, want %q", name, a.Status, a.Body, c.code)
		}
	}
	// The cookie's own rule: an Origin must be the listener's, scheme and port included.
	cookie := session(t, g, access.Owner)
	for origin, code := range map[string]string{
		site.URL: "", strings.Replace(site.URL, "https", "http", 1): "cross_origin", site.URL + "0": "cross_origin", "https://127.0.0.1": "cross_origin",
	} {
		a := site.Do(t, everybody["nobody"].client, gatewaytest.Request{
			Method: http.MethodPost, Path: api.PathSeedCommand, JSON: true, Header: http.Header{"Cookie": {cookie}, "Origin": {origin}},
		})
		if a.Envelope.Code != code {
			t.Errorf("a cookie from %s: got %d %s, want %q", origin, a.Status, a.Body, code)
		}
	}
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	everybody := crowd(t, g)
	site := g.AdminSite(t, access.Kinds...)
	for name, want := range map[string][2]string{
		"certificate viewer": {"viewer", "certificate"}, "token operator": {"token operator", "token"}, "session owner": {"session 3 (link 3 by gatewaytest)", "session"},
	} {
		var me api.WhoAmI
		site.Do(t, everybody[name].client, gatewaytest.Request{Path: api.PathWhoAmI, Header: everybody[name].header}).Decode(t, &me)
		if me.Name != want[0] || me.Access != want[1] || !strings.HasSuffix(name, me.Role) || time.Until(me.ExpiresAt.Time) < 11*time.Hour {
			t.Errorf("%s: got %+v", name, me)
		}
	}
	var me api.WhoAmI
	site.Do(t, everybody["token in scope"].client, gatewaytest.Request{Path: api.PathWhoAmI, Header: everybody["token in scope"].header}).Decode(t, &me)
	if got := strings.Join(me.Capabilities, " "); got != "host.enrol self.read" {
		t.Errorf("got capabilities %s of a token made for one", got)
	}
	// What is shown and no good is not made up for by something else.
	both := everybody["certificate owner"].client
	a := site.Do(t, both, gatewaytest.Request{Path: api.PathWhoAmI, Header: everybody["token revoked"].header})
	a.Refused(t, 401, "admin_token_invalid", "this API token does not open the admin door")
}

// Who tries what he may not do leaves a trace, one in ten minutes for each thing; who acts is named.
func TestTraces(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	everybody := crowd(t, g)
	site := g.AdminSite(t, access.Kinds...)
	who := everybody["token viewer"]
	for range 3 {
		for _, probe := range probes {
			request := probe.request
			request.Header = who.header
			site.Do(t, who.client, request)
		}
	}
	if n := g.Int(t, `SELECT count(*) FROM audit_entry WHERE action = 'admin.refused' AND actor_kind = 'admin' AND actor = 'token viewer' AND host(ip) = $1
		AND details->>'code' = 'forbidden_role' AND details->>'role' = 'viewer' AND details->>'capability' IN ('host.enrol', 'host.write', 'seed.write')`, gatewaytest.DefaultFrom); n != 3 {
		t.Errorf("got %d entries, want one for each thing", n)
	}
	owner := everybody["session owner"]
	site.Do(t, owner.client, gatewaytest.Request{Path: api.PathHostRegister, Body: `{"fqdn":"traced.example"}`, Header: owner.header})
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'register' AND actor = 'session 3 (link 3 by gatewaytest)'"); n != 1 {
		t.Errorf("got %d entries of the session, want 1", n)
	}
}
