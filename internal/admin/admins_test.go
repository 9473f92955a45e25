package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// An API token is made, shown once, used and revoked, and none of it is unrecorded.
func TestAPITokens(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	site := o.AdminSite(t, access.Kinds...)
	nobody := o.AdminClient(t, "", "")
	var made api.AdminTokenMade
	o.post(t, "/admin/api-tokens", `{"name":"ci","role":"operator","scopes":["host.enrol","audit.read"],"ttl_seconds":3600}`).Decode(t, &made)
	if !strings.HasPrefix(made.Token, made.Prefix) || len(*made.Scopes) != 2 || time.Until(made.ExpiresAt.Time) > time.Hour || made.Name != "ci" || made.Role != "operator" {
		t.Fatalf("got %s %+v", made.Prefix, made.Scopes)
	}
	if got := o.last(t); !strings.HasPrefix(got, "alice admin.token.create {") || !strings.Contains(got, `"name": "ci"`) || strings.Contains(got, made.Token) {
		t.Errorf("got %s", got)
	}
	use := func() *gatewaytest.Answer {
		return site.Do(t, nobody, gatewaytest.Request{Path: api.PathWhoAmI, Header: bearer(made.Token)})
	}
	var me api.WhoAmI
	use().Decode(t, &me)
	if me.Name != "token ci" || strings.Join(me.Capabilities, " ") != "audit.read host.enrol self.read" {
		t.Errorf("got %+v", me)
	}
	a := o.get(t, "/admin/api-tokens?state=good&q=CI")
	var list api.AdminTokenList
	a.Decode(t, &list)
	if len(list.Tokens) != 1 || list.Tokens[0].CreatedBy != "alice" || list.Tokens[0].LastUsedAt.IsZero() || list.Tokens[0].Prefix != made.Prefix {
		t.Errorf("got %s", a.Body)
	}
	if strings.Contains(string(a.Body), made.Token) || strings.Contains(o.Logs.String(), made.Token) || strings.Contains(o.Logs.String(), made.Token[13:]) {
		t.Error("got a token shown again")
	}
	revoke := func(name string) *gatewaytest.Answer {
		return o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/api-tokens/" + name})
	}
	if data := string(o.data(t, revoke("c%69"))); data != `{"revoked":"ci"}` || !strings.HasPrefix(o.last(t), "alice admin.token.revoke {") {
		t.Errorf("got %s, %s", data, o.last(t))
	}
	use().Refused(t, 401, "admin_token_invalid", "this API token does not open the admin door")
	for _, name := range []string{"ci", "absent", "%00", "%ff", "..%2f"} {
		revoke(name).Refused(t, 404, "admin_token_not_found", "there is no API token of this name")
	}
	for body, code := range map[string]string{
		`{}`: "admin_token_name_invalid", `{"name":"CI","role":"viewer"}`: "admin_token_name_invalid", `{"name":"x"}`: "admin_role_invalid",
		`{"name":"x","role":"root"}`: "admin_role_invalid", `{"name":"x","role":"viewer","scopes":["host.write"]}`: "admin_scope_invalid",
		`{"name":"x","role":"owner","scopes":["everything"]}`: "admin_scope_invalid", `{"name":"x","role":"viewer","ttl_seconds":59}`: "admin_token_ttl_invalid",
	} {
		if a := o.post(t, "/admin/api-tokens", body); a.Status != 422 || a.Envelope.Code != code {
			t.Errorf("%s: got %d %s, want %s", body, a.Status, a.Body, code)
		}
	}
	// Of many who take the same name at once, one has it.
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = o.post(t, "/admin/api-tokens", `{"name":"one","role":"viewer"}`).Status })
	}
	wg.Wait()
	if n := o.Int(t, "SELECT count(*) FROM admin_token WHERE name = 'one'"); n != 1 {
		t.Errorf("got %d tokens, %v; want 1", n, statuses)
	}
}

// Nobody gives away more than he has: no capability, and, as an API token, no day.
func TestTokensThatWouldBeMore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	site := o.AdminSite(t, access.Kinds...)
	nobody := o.AdminClient(t, "", "")
	week := 7 * 24 * time.Hour
	callers := map[string]http.Header{
		"scoped": bearer(token(t, o.Gateway, access.NewToken{Name: "scoped", Role: access.Owner, TTL: week, Scopes: []access.Capability{access.AdminWrite, access.HostRead}})),
		"whole":  bearer(token(t, o.Gateway, access.NewToken{Name: "whole", Role: access.Owner, TTL: week})),
	}
	callers["session"] = from("same-origin", session(t, o.Gateway, access.Owner))
	for i, c := range []struct{ who, wanted, code string }{
		{"scoped", `"role":"owner","ttl_seconds":3600`, "admin_grant_exceeded"},
		{"scoped", `"role":"viewer","ttl_seconds":3600`, "admin_grant_exceeded"},
		{"scoped", `"role":"owner","scopes":["admin.write","admin.read"],"ttl_seconds":3600`, "admin_grant_exceeded"},
		{"scoped", `"role":"owner","scopes":["credential.reveal"],"ttl_seconds":3600`, "admin_grant_exceeded"},
		{"scoped", `"role":"owner","scopes":["admin.write"]`, "admin_grant_exceeded"}, // 90 days
		{"scoped", `"role":"owner","scopes":["admin.write"],"ttl_seconds":3600`, ""},
		{"scoped", `"role":"viewer","scopes":["host.read"],"ttl_seconds":604700`, ""},
		{"whole", `"role":"owner"`, "admin_grant_exceeded"},
		{"whole", `"role":"viewer","ttl_seconds":604801`, "admin_grant_exceeded"},
		{"whole", `"role":"owner","ttl_seconds":3600`, ""},
		{"session", `"role":"owner"`, ""}, // a person at a browser makes what a script is to have for long
	} {
		a := site.Do(t, nobody, gatewaytest.Request{
			Path: "/admin/api-tokens", Header: callers[c.who], Body: fmt.Sprintf(`{"name":"t%d",%s}`, i, c.wanted),
		})
		if want := map[bool]int{true: 200, false: 403}[c.code == ""]; a.Status != want || a.Envelope.Code != c.code {
			t.Errorf("%s, %s: got %d %s, want %d %s", c.who, c.wanted, a.Status, a.Body, want, c.code)
		}
		if n := o.Int(t, "SELECT count(*) FROM admin_token WHERE name = $1", fmt.Sprintf("t%d", i)); (n == 1) != (c.code == "") {
			t.Errorf("%s, %s: got %d tokens", c.who, c.wanted, n)
		}
	}
}

// Certificates are listed as what they are, and who is revoked is out with his next request, even if that was he himself.
func TestCertificates(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	bob := certified(t, o.Gateway, "bob")
	for range 2 {
		if _, err := o.Certs.Add(t.Context(), "carol", adminca.AddOptions{Role: "viewer", Dir: t.TempDir()}, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
	}
	o.Exec(t, "UPDATE admin_cert SET not_after = now() WHERE id = (SELECT max(id) FROM admin_cert)")
	list := func(query string) string {
		t.Helper()
		a := o.get(t, "/admin/certificates"+query)
		var page api.AdminCertificates
		a.Decode(t, &page)
		var got []string
		for _, cert := range page.Certificates {
			got = append(got, cert.Name+" "+cert.Role+" "+cert.State)
			if len(cert.SPKI) != 64 || cert.Issuer != nil || strings.Contains(string(a.Body), "PRIVATE") {
				t.Errorf("got %s", a.Body)
			}
		}
		return strings.Join(got, ", ")
	}
	const all = "alice owner good, bob owner good, carol viewer good, carol viewer expired"
	for query, want := range map[string]string{
		"": all, "?q=CAR&state=good": "carol viewer good", "?state=expired": "carol viewer expired", "?state=no%20authority": "",
		"?sort=not_after&limit=1": "carol viewer expired", "?direction=desc&limit=1": "carol viewer expired", "?q=_": "",
	} {
		if got := list(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	var carols api.AdminCertificates
	o.get(t, "/admin/certificates?q=carol").Decode(t, &carols)
	revoke := func(body string) *gatewaytest.Answer { return o.post(t, "/admin/certificates/revoke", body) }
	revoke(`{"name":"carol","serial":"nothing"}`).Refused(t, 404, "admin_certificate_not_found", "there is no such admin certificate, or it is revoked already")
	revoke(`{"name":"bob","serial":"`+carols.Certificates[0].Serial+`"}`).Refused(t, 404, "admin_certificate_not_found", "there is no such admin certificate, or it is revoked already")
	for _, body := range []string{`{"name":"car\u0000ol"}`, `{"name":"../carol"}`, `{"name":"carol","serial":"\u0000"}`} {
		revoke(body).Refused(t, 404, "admin_certificate_not_found", "there is no such admin certificate, or it is revoked already")
	}
	o.data(t, revoke(`{"name":"carol","serial":"`+carols.Certificates[0].Serial+`"}`))
	if got, want := list("?q=carol"), "carol viewer revoked, carol viewer expired"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	o.data(t, revoke(`{"name":"bob"}`))
	if got := o.last(t); !strings.HasPrefix(got, "alice admin.cert.revoke {") || !strings.Contains(got, `"name": "bob"`) {
		t.Errorf("got %s", got)
	}
	o.DoAdmin(t, bob, gatewaytest.Request{Path: api.PathWhoAmI}).Refused(t, 403, "admin_certificate_revoked", "this client certificate is revoked")
	o.data(t, revoke(`{"name":"alice"}`))
	o.get(t, "/admin/certificates").Refused(t, 403, "admin_certificate_revoked", "this client certificate is revoked")
}

// Sessions are listed and ended; no answer shows a cookie.
func TestSessions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	site := o.AdminSite(t, access.Kinds...)
	nobody := o.AdminClient(t, "", "")
	cookies := []string{session(t, o.Gateway, access.Viewer), session(t, o.Gateway, access.Owner), session(t, o.Gateway, access.Viewer)}
	o.Exec(t, "UPDATE admin_session SET expires_at = now() WHERE id = 3")
	list := func(query string) string {
		t.Helper()
		a := o.get(t, "/admin/sessions"+query)
		var page api.AdminSessions
		a.Decode(t, &page)
		var got []string
		for _, s := range page.Sessions {
			got = append(got, fmt.Sprint(s.ID, " ", s.Role, " ", s.State))
		}
		for _, cookie := range cookies {
			if _, secret, _ := strings.Cut(cookie, "="); strings.Contains(string(a.Body), secret) {
				t.Errorf("got a cookie in %s", a.Body)
			}
		}
		return strings.Join(got, ", ")
	}
	for query, want := range map[string]string{
		"": "3 viewer over, 2 owner open, 1 viewer open", "?state=open&direction=asc": "1 viewer open, 2 owner open", "?q=GATEWAYTEST&limit=1": "3 viewer over", "?q=nobody": "",
	} {
		if got := list(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	revoke := func(id string) *gatewaytest.Answer {
		return site.Do(t, nobody, gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/sessions/" + id, Header: from("same-origin", cookies[1])})
	}
	for _, id := range []string{"3", "4", "9223372036854775807"} {
		revoke(id).Refused(t, 404, "admin_session_not_found", "there is no open session of this number")
	}
	for _, id := range []string{"x", "-1", "1.0", "9223372036854775808"} {
		revoke(id).Refused(t, 404, "route_not_found", "Route not found")
	}
	if a := revoke("1"); a.Status != http.StatusOK || string(a.Envelope.Data) != `{"revoked":1}` || !strings.HasPrefix(o.last(t), "session 2 (link 2 by gatewaytest) admin.session.revoke {") {
		t.Errorf("got %d %s, %s", a.Status, a.Body, o.last(t))
	}
	a := site.Do(t, nobody, gatewaytest.Request{Path: api.PathWhoAmI, Header: from("same-origin", cookies[0])})
	a.Refused(t, 401, "admin_session_over", "this session is over; log in again: cdxgate admin link")
	revoke("2") // its own
	revoke("2").Refused(t, 401, "admin_session_over", "this session is over; log in again: cdxgate admin link")
	if got := list("?state=revoked"); got != "2 owner revoked, 1 viewer revoked" {
		t.Errorf("got %s", got)
	}
}

// What lets somebody in is for owners, whatever else one may.
func TestOnlyOwnersLetOthersIn(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	everybody := crowd(t, g)
	site := g.AdminSite(t, access.Kinds...)
	tokens := g.Int(t, "SELECT count(*) FROM admin_token WHERE revoked_at IS NULL")
	for _, name := range []string{"token viewer", "token operator", "token in scope", "session viewer", "session operator", "certificate operator"} {
		for route, body := range map[string]string{
			"GET /admin/certificates": "", "GET /admin/api-tokens": "", "GET /admin/sessions": "", "DELETE /admin/sessions/1": "", "DELETE /admin/api-tokens/owner": "",
			"POST /admin/api-tokens": `{"name":"mine","role":"viewer"}`, "POST /admin/certificates/revoke": `{"name":"owner"}`,
		} {
			method, path, _ := strings.Cut(route, " ")
			request := gatewaytest.Request{Method: method, Path: path, Header: everybody[name].header, JSON: true}
			if body != "" {
				request.Body = json.RawMessage(body)
			}
			if a := site.Do(t, everybody[name].client, request); a.Status != 403 || a.Envelope.Code != "forbidden_role" {
				t.Errorf("%s by %s: got %d %s", route, name, a.Status, a.Body)
			}
		}
	}
	if n := g.Int(t, "SELECT count(*) FROM admin_token WHERE revoked_at IS NULL"); n != tokens {
		t.Errorf("got %d tokens, want %d", n, tokens)
	}
}
