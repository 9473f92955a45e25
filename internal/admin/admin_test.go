package admin_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// office is a gateway with an admin who has a certificate.
type office struct {
	*gatewaytest.Gateway
	admin *http.Client
}

func newOffice(t *testing.T) *office {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.Options{})
	return &office{g, certified(t, g, "alice")}
}

func certified(t *testing.T, g *gatewaytest.Gateway, name string) *http.Client {
	t.Helper()
	added, err := g.Certs.Add(t.Context(), name, adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	return g.AdminClient(t, added.Files.Cert, added.Files.Key)
}

func (o *office) register(t *testing.T, body any) *gatewaytest.Answer {
	t.Helper()
	return o.DoAdmin(t, o.admin, gatewaytest.Request{Path: api.PathHostRegister, Body: body})
}

func (o *office) registered(t *testing.T, body any) (data api.RegisterResponse) {
	t.Helper()
	a := o.register(t, body)
	a.Decode(t, &data)
	if a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return data
}

func TestRegister(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.register(t, `{"fqdn":" Build7.example "}`)
	if a.Status != 200 || a.Header.Get("Cache-Control") != "no-store" || len(a.Header.Get("X-Request-Id")) != 36 {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	var data api.RegisterResponse
	a.Decode(t, &data)
	if data.Host.FQDN != "build7.example" || !data.Host.Secure || data.Host.VIP || len(data.Host.APIKey) != 64 || data.Host.ID == 0 {
		t.Errorf("got host %+v", data.Host)
	}
	if want := gatewaytest.PublicURL + "/install/" + data.Installer.Token; data.Installer.URL != want || data.Installer.Command != "curl -fsSL "+want+" | sh" {
		t.Errorf("got installer %+v", data.Installer)
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'register' AND actor_kind = 'admin' AND actor = 'alice' AND host(ip) = $1", gatewaytest.DefaultFrom); n != 1 {
		t.Errorf("got %d entries about alice, want 1", n)
	}

	claim := o.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: "/install/" + data.Installer.Token})
	var enrolled api.EnrolResponse
	claim.Decode(t, &enrolled)
	if enrolled.APIKey != data.Host.APIKey {
		t.Errorf("got %d with another key than the registration's", claim.Status)
	}
	again := o.registered(t, `{"fqdn":"build7.example"}`)
	if again.Host.ID != data.Host.ID || again.Host.APIKey == data.Host.APIKey {
		t.Errorf("got host %d, want %d with a new key", again.Host.ID, data.Host.ID)
	}
	o.Retrieve(t, data.Host.APIKey, strings.Repeat("0", 64), "2026-01-01T00:00:00Z").Refused(t, 401, "api_key_invalid", "Invalid API key")
}

func TestRegisterFlags(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, c := range []struct {
		body                   string
		secure, vip, temporary bool
	}{
		{`{}`, true, false, false},
		{`{"secure":false,"vip":true,"temporary":true}`, false, true, true},
		{`{}`, true, false, true}, // absent: vip and secure return to their defaults, the expiry stays
		{`{"secure":"no","vip":"ON","temporary":null}`, false, true, false},
		{`{"secure":null,"vip":null,"temporary":"yes"}`, true, false, true},
		{`{"secure":0,"vip":1,"temporary":0}`, false, true, false},
		{`{"secure":" Yes ","vip":"off","temporary":"0","host_id":5,"unknown":{}}`, true, false, false},
	} {
		text := strings.Replace(c.body, "{", `{"fqdn":"build7.example",`, 1)
		text = strings.Replace(text, ",}", "}", 1)
		host := o.registered(t, text).Host
		if host.Secure != c.secure || host.VIP != c.vip || !host.ExpiresAt.IsZero() != c.temporary {
			t.Errorf("%s: got secure %t, vip %t, expires %v", c.body, host.Secure, host.VIP, host.ExpiresAt)
		}
		if !c.secure && host.InsecureEnabledUntil.IsZero() {
			t.Errorf("%s: got an insecure host without its first window", c.body)
		}
	}
}

func TestRegisterRefusals(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const grammar = "fqdn must be a host name: labels of letters, digits and inner hyphens, separated by dots"
	entries := o.Int(t, "SELECT count(*) FROM audit_entry")
	for body, want := range map[string][2]string{
		`{}`: {"fqdn", "fqdn is required"}, `null`: {"fqdn", "fqdn is required"}, `[]`: {"fqdn", "fqdn is required"}, `5`: {"fqdn", "fqdn is required"},
		`{"fqdn":null}`:                               {"fqdn", "fqdn is required"},
		`{"fqdn":5}`:                                  {"fqdn", "fqdn must be a JSON string"},
		`{"fqdn":["a"]}`:                              {"fqdn", "fqdn must be a JSON string"},
		`{"fqdn":"$(reboot).example"}`:                {"fqdn", grammar},
		`{"fqdn":"a.example","secure":"maybe"}`:       {"secure", "secure must be boolean"},
		`{"fqdn":"a.example","secure":2}`:             {"secure", "secure must be boolean"},
		`{"fqdn":"a.example","secure":"null"}`:        {"secure", "secure must be boolean"},
		`{"fqdn":"a.example","vip":{}}`:               {"vip", "vip must be boolean"},
		`{"fqdn":"a.example","temporary":["true"]}`:   {"temporary", "temporary must be boolean"},
		`{"fqdn":"a.example","secure":"","vip":true}`: {"secure", "secure must be boolean"},
	} {
		t.Run(body, func(t *testing.T) { o.register(t, body).Invalid(t, want[0], want[1]) })
	}
	o.register(t, `{`).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	o.register(t, `{"fqdn":"`+strings.Repeat("a", api.MaxBodyBytes)+`"}`).Refused(t, 413, "body_too_large", "Request body too large")
	o.register(t, nil).Refused(t, 405, "method_not_allowed", "Method not allowed") // a GET
	empty := o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodPost, Path: api.PathHostRegister})
	empty.Invalid(t, "fqdn", "fqdn is required")
	o.DoAdmin(t, o.admin, gatewaytest.Request{Path: "/admin/nothing"}).Refused(t, 404, "route_not_found", "Route not found")
	if hosts, after := o.Int(t, "SELECT count(*) FROM host"), o.Int(t, "SELECT count(*) FROM audit_entry"); hosts != 0 || after != entries {
		t.Errorf("got %d hosts and %d entries more", hosts, after-entries)
	}
}

// What a browser is tricked into sending, it sends with the admin's certificate.
func TestWhatABrowserWasTrickedInto(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const good = `{"fqdn":"build7.example"}`
	send := func(header http.Header) *gatewaytest.Answer {
		return o.DoAdmin(t, o.admin, gatewaytest.Request{Path: api.PathHostRegister, Body: good, Header: header})
	}
	for name, header := range map[string]http.Header{
		"another site":            {"Sec-Fetch-Site": {"cross-site"}},
		"a neighbour":             {"Sec-Fetch-Site": {"same-site"}},
		"another origin":          {"Origin": {"https://evil.example"}},
		"no origin at all":        {"Origin": {"null"}},
		"a form, from elsewhere":  {"Origin": {"https://evil.example"}, "Content-Type": {"application/x-www-form-urlencoded"}},
		"same host, another port": {"Origin": {strings.TrimSuffix(o.AdminURL(), "0") + "1"}},
	} {
		t.Run(name, func(t *testing.T) { send(header).Refused(t, 403, "cross_origin", "cross-origin request refused") })
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "text/json", "nonsense/"} {
		send(http.Header{"Content-Type": {kind}}).Refused(t, 415, "json_required", "Content-Type must be application/json")
	}
	if n := o.Int(t, "SELECT count(*) FROM host"); n != 0 {
		t.Errorf("got %d hosts, want none", n)
	}
	for name, header := range map[string]http.Header{
		"no browser":      nil,
		"the same origin": {"Sec-Fetch-Site": {"same-origin"}, "Origin": {o.AdminURL()}},
		"with a charset":  {"Content-Type": {"Application/JSON; charset=utf-8"}},
	} {
		if a := send(header); a.Status != http.StatusOK {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
}

func TestDeleteHost(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"build7.example"}`).Host
	remove := func(id string) *gatewaytest.Answer {
		return o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/hosts/" + id})
	}
	for _, id := range []string{"x", "1x", "1.0", "0x1", "99999999999999999999", "%20" + "1", "build7.example"} {
		remove(id).Refused(t, 404, "route_not_found", "Route not found")
	}
	for _, id := range []string{"0", "-1", "999999", "9223372036854775807"} {
		remove(id).Refused(t, 404, "host_not_found", "Host not found")
	}
	id, err := json.Marshal(host.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a := remove(string(id) + "/"); a.Status != 200 || string(a.Envelope.Data) != `{"deleted":`+string(id)+`}` {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	remove(string(id)).Refused(t, 404, "host_not_found", "Host not found")
	o.Retrieve(t, host.APIKey, strings.Repeat("0", 64), "2026-01-01T00:00:00Z").Refused(t, 401, "api_key_invalid", "Invalid API key")
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.host.delete' AND actor = 'alice'"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
}

// Everything under /admin/ asks who comes before it does anything; a request that came without TLS, or whose headers
// claim a certificate, is nobody's.
func TestTheDoor(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.Upload(t, authtest.New(authtest.Options{}))
	host := o.registered(t, `{"fqdn":"build7.example"}`).Host
	claims := http.Header{}
	for _, name := range []string{
		"X-Mtls-Present", "X-Client-Cert", "X-Ssl-Client-Verify", "X-Forwarded-Client-Cert", "X-Mtls-Fingerprint", "X-Admin-Key", "Authorization", "X-Api-Key",
	} {
		claims.Set(name, host.APIKey)
	}
	before := o.Int(t, "SELECT count(*) FROM audit_entry")
	for _, route := range o.Admin.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if o.Admin.Capabilities()[route] == "-" {
			continue // a page, of which a listener for certificates has none
		}
		for name, state := range map[string]*tls.ConnectionState{"no TLS": nil, "no certificate": {HandshakeComplete: true}} {
			r := httptest.NewRequest(method, strings.Replace(path, "{}", "1", 1), strings.NewReader(`{"fqdn":"evil.example"}`))
			r.Header = claims.Clone()
			r.Header.Set("Content-Type", "application/json")
			r.TLS = state
			w := httptest.NewRecorder()
			o.Admin.ServeHTTP(w, r)
			if want := `{"status":"error","message":"mTLS client certificate required","code":"admin_certificate_required"}`; w.Code != 403 || w.Body.String() != want {
				t.Errorf("%s, %s: got %d %s", route, name, w.Code, w.Body)
			}
		}
	}

	const good = `{"fqdn":"evil.example"}`
	revoked := certified(t, o.Gateway, "bob")
	o.Exec(t, "UPDATE admin_cert SET revoked_at = now() WHERE name = 'bob'")
	forgotten := certified(t, o.Gateway, "carol")
	o.Exec(t, "DELETE FROM admin_cert WHERE name = 'carol'")
	for _, client := range []*http.Client{revoked, forgotten} {
		o.DoAdmin(t, client, gatewaytest.Request{Path: api.PathHostRegister, Body: good}).Refused(t, 403, "admin_certificate_revoked", "this client certificate is revoked")
	}
	// Another gateway's authority: the listener refuses it, so nothing comes back at all.
	foreign := gatewaytest.New(t, gatewaytest.Options{})
	added, err := foreign.Certs.Add(t.Context(), "alice", adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	for name, client := range map[string]*http.Client{
		"a foreign authority": o.AdminClient(t, added.Files.Cert, added.Files.Key), "no certificate": o.AdminClient(t, "", ""),
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.AdminURL()+api.PathHostRegister, strings.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(r); err == nil {
			_ = response.Body.Close()
			t.Errorf("%s: got %d, want the handshake refused", name, response.StatusCode)
		}
	}
	// Its listener would let its own admin in; our authorities in the database decide too.
	o.Exec(t, "UPDATE admin_ca SET spki_sha256 = decode(repeat('ab', 32), 'hex')")
	o.register(t, good).Refused(t, 403, "admin_certificate_refused", "this client certificate does not open the admin door")
	if n := o.Int(t, "SELECT count(*) FROM host WHERE fqdn = 'evil.example'"); n != 0 {
		t.Error("somebody came in")
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry") - before; n != 2 { // bob's and carol's certificates
		t.Errorf("got %d entries, want 2", n)
	}
}

// The command is good for one upload and for nothing else; without a certificate there is none.
func TestSeedCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodPost, Path: api.PathSeedCommand})
	var seed api.SeedCommand
	a.Decode(t, &seed)
	url := gatewaytest.PublicURL + "/seed/auth/" + seed.Token
	if a.Status != 200 || seed.URL != url || seed.Command != "curl -fsSL "+url+" | sh" || time.Until(seed.ExpiresAt.Time) < 14*time.Minute {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	planted := o.Do(t, gatewaytest.Request{Path: "/seed/auth/" + seed.Token, Body: authtest.New(authtest.Options{})})
	if planted.Status != 200 {
		t.Errorf("got %d %s", planted.Status, planted.Body)
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.seed_token.create' AND actor = 'alice' AND details->>'token' = $1", seed.Token[:8]+"…"); n != 1 {
		t.Errorf("got %d entries, want one of alice", n)
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'auth.seed.consume' AND details->>'created_by' = 'alice'"); n != 1 {
		t.Errorf("got %d entries of the upload, want one that says who asked for it", n)
	}
	o.DoAdmin(t, o.admin, gatewaytest.Request{Path: api.PathSeedCommand}).Refused(t, 405, "method_not_allowed", "Method not allowed")
}

// Certificates that are no good end in a block, like keys and tokens; it does not concern anybody else's address.
func TestRefusedCertificatesAreLimited(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Limits: ratelimit.Rules{ratelimit.AdminFail: {Limit: 3, Window: time.Hour, Block: time.Hour}}})
	alice, mallory := certified(t, g, "alice"), certified(t, g, "mallory")
	g.Exec(t, "UPDATE admin_cert SET revoked_at = now() WHERE name = 'mallory'")
	call := func(client *http.Client, from string) *gatewaytest.Answer {
		return g.DoAdmin(t, client, gatewaytest.Request{Path: api.PathHostRegister, Body: `{"fqdn":""}`, From: from})
	}
	for range 3 {
		if a := call(mallory, ""); a.Status != 403 || a.Envelope.Code != "admin_certificate_revoked" {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	for _, client := range []*http.Client{mallory, alice} { // the one too many, then a good one from there
		a := call(client, "")
		a.Refused(t, 429, "too_many_failures", "Too many failed authentication attempts")
		if a.Envelope.Details["bucket"] != "admin-fail" || a.Header.Get("Retry-After") == "" {
			t.Errorf("got %s, %v", a.Body, a.Header)
		}
	}
	call(alice, "203.0.113.77").Invalid(t, "fqdn", "fqdn is required")
}

// Behind a private authority both commands pin what the gateway shows when they are asked for, and name who signed it.
func TestCommandsPinAPrivateCertificate(t *testing.T) {
	t.Parallel()
	trust := publictls.Trust{CA: "-----BEGIN CERTIFICATE-----\nx\n", Pins: []string{"a+/="}}
	g := gatewaytest.New(t, gatewaytest.Options{Trust: trust})
	o := &office{g, certified(t, g, "alice")}
	installer := o.registered(t, `{"fqdn":"build7.example"}`).Installer
	var seed api.SeedCommand
	o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodPost, Path: api.PathSeedCommand}).Decode(t, &seed)
	for url, got := range map[string][2]string{installer.URL: {installer.Command, installer.CA}, seed.URL: {seed.Command, seed.CA}} {
		if want := "curl -fsSLk --pinnedpubkey 'sha256//a+/=' " + url + " | sh"; got != [2]string{want, trust.CA} {
			t.Errorf("got %q, want %q and the authority", got, want)
		}
	}
}
