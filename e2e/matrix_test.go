package e2e

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

// The matrix: every route of the admin surface × every listener × every caller × every form of a request, through the real
// TLS listeners. Which routes there are the gateway says (/admin/openapi.json), so that a new one is tried without a change
// here. What has to come of it is computed from what is written down: which capability a route needs (docs/api.md), which
// role has it (docs/security.md), and the rules of [matrix.expect].

// A verdict is what has to become of a request.
type verdict struct {
	status int    // of a refusal by the door; 0: the request came in, whatever its route makes of it; noHandshake
	code   string // "": it is said on a page
}

const noHandshake = -1

func (v verdict) String() string {
	switch {
	case v.status == noHandshake:
		return "no handshake"
	case v.status == 0:
		return "in"
	case v.code == "":
		return fmt.Sprintf("a page with %d", v.status)
	}
	return v.code
}

// refusals are all that the door says, and what is refused before it.
var refusals = map[string]int{
	"invalid_json": 400, "route_not_found": 404, "method_not_allowed": 405, "too_many_failures": 429, "internal": 500,
	"admin_certificate_required": 403, "admin_certificate_refused": 403, "admin_certificate_revoked": 403,
	"admin_login_required": 401, "admin_token_invalid": 401, "admin_session_invalid": 401, "admin_session_over": 401,
	"admin_tls_required": 403, "forbidden_role": 403, "cross_origin": 403, "json_required": 415,
}

// otherwise are the refusals that no cell is to meet; such an answer would hide the door's.
var otherwise = []string{"route_not_found", "method_not_allowed", "too_many_failures", "internal", "admin_tls_required"}

func refused(code string) verdict { return verdict{refusals[code], code} }

// How a listener treats client certificates in the TLS handshake.
const (
	ignored   = iota // does not ask
	demanded         // require_and_verify
	welcome          // verify_if_given
	unchecked        // request: whatever comes is let through, unverified
)

type listener struct {
	name, url    string
	certificates int
	accepts      []string
}

// door is one route in the matrix.
type door struct {
	method, path, needs string // needs: a capability; "–": a page that asks by itself who comes
	takesForms          bool   // multipart/form-data is as good as JSON
}

// somewhere is a path of the route whose id nothing has.
func (d door) somewhere() string {
	id := "999999" // a name, too
	if strings.HasPrefix(d.path, "/admin/auth/proposals/") {
		id = uuid.Nil.String()
	}
	return strings.Replace(d.path, "{}", id, 1)
}

func (d door) route() string { return d.method + " " + d.path }

func (d door) isSafe() bool { return d.method == http.MethodGet || d.method == http.MethodHead }

// form is how a request is made, by a program or by a browser that somebody made send it.
type form struct {
	name, contentType, body string
	header                  []string
	elsewhere               bool // the browser says that another site wants it
	silent                  bool // nobody says where it comes from
	reads                   bool // is tried with what changes nothing, too
}

func (f form) isJSON() bool { return f.contentType == "application/json" }

// What proxies say about whom they let through, and other ways to be somebody else, or to call something else. Nobody
// listens to it.
var forged = append([]string{
	"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: localhost", "X-Forwarded-User: owner", "X-Forwarded-Client-Cert: Subject=\"CN=owner\"", "Forwarded: for=127.0.0.1;proto=https",
	"X-Real-IP: 127.0.0.1", "X-Client-Cert: owner", "X-SSL-Client-Verify: SUCCESS", "X-SSL-Client-S-DN: CN=owner", "Remote-User: owner", "X-Remote-User: owner",
	"X-Admin-Key: owner", "X-Role: owner", "X-API-Key: 0", "X-Original-URL: /admin/whoami", "X-Rewrite-URL: /admin/whoami",
	"X-HTTP-Method-Override: GET", "X-Method-Override: GET", "X-HTTP-Method: GET",
}, claims...)

var (
	ourPage    = form{name: "our page", contentType: "application/json", body: "{}", header: []string{"Sec-Fetch-Site: same-origin"}, reads: true}
	withClaims = form{name: "our page, forged headers", contentType: "application/json", body: "{}", header: append([]string{"Sec-Fetch-Site: same-origin"}, forged...), reads: true}
)

// attacks are what other sites can make a browser send, and a script's request, which a browser that says nothing cannot be
// told from when it comes with a session.
var attacks = func() []form {
	evil := []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}
	return []form{
		{name: "script", contentType: "application/json", body: "{}", silent: true},
		{name: "cross-site form", contentType: "application/x-www-form-urlencoded", header: evil, elsewhere: true, reads: true},
		{name: "cross-site JSON in disguise", contentType: "text/plain", body: "{}", header: evil, elsewhere: true},
		{name: "cross-site upload", contentType: "multipart/form-data; boundary=x", body: "--x--\r\n", header: evil, elsewhere: true},
		{name: "another origin's form", contentType: "application/x-www-form-urlencoded", header: []string{"Origin: https://evil.example"}, elsewhere: true},
		{name: "no origin's form", contentType: "application/x-www-form-urlencoded", header: []string{"Origin: null"}, elsewhere: true},
		{name: "old browser's form", contentType: "application/x-www-form-urlencoded", silent: true},
		{name: "old browser's JSON in disguise", contentType: "text/plain", body: "{}", silent: true},
	}
}()

// expect says what has to become of a request.
func (m *matrix) expect(l *listener, c *caller, d door, f form) verdict {
	if l.certificates == demanded && c.handshake != trusted || l.certificates == welcome && c.handshake == untrusted {
		return verdict{status: noHandshake}
	}
	if d.method == http.MethodPost && f.body != "" && f.body != "{}" && !d.takesForms {
		return refused("invalid_json") // before anything else
	}
	if d.needs == "–" {
		return expectPage(l, d, f)
	}
	shown := c.shownTo(l)
	if shown.refusal != "" {
		return refused(shown.refusal)
	}
	if !d.isSafe() {
		switch {
		case f.elsewhere, shown.kind == "session" && f.silent:
			return refused("cross_origin")
		case d.method == http.MethodPost && !f.isJSON() && (f.body != "" || shown.kind != "token"):
			return refused("json_required")
		}
	}
	if !m.may(shown, d.needs) {
		return refused("forbidden_role")
	}
	return verdict{}
}

// expectPage is expect for the pages of login links. The link, which the matrix has none of, is all that they ask for.
func expectPage(l *listener, d door, f form) verdict {
	if slices.Contains(l.accepts, "session") && !d.isSafe() && (f.elsewhere || f.silent) {
		return verdict{status: http.StatusForbidden}
	}
	return verdict{status: http.StatusNotFound}
}

// loginDoors are those pages. They are no part of the API, which describes itself.
var loginDoors = []door{
	{method: http.MethodGet, path: "/dashboard/login/{}", needs: "–"}, {method: http.MethodHead, path: "/dashboard/login/{}", needs: "–"},
	{method: http.MethodPost, path: "/dashboard/login/{}", needs: "–", takesForms: true},
}

// may reports whether who shows this may do something, by the tables of the documentation.
func (m *matrix) may(shown proof, capability string) bool {
	for _, role := range m.roles {
		if slices.Contains(role.adds, capability) {
			return capability == "self.read" || shown.scopes == nil || slices.Contains(shown.scopes, capability)
		}
		if role.name == shown.role {
			return false
		}
	}
	return false
}

// maxShown is how many wrong cells are shown: one fault shows in thousands.
const maxShown = 40

type matrix struct {
	*gateway
	ca        *x509.Certificate // an authority of the operator's
	caKey     crypto.Signer
	roles     []role
	doors     []door
	listeners []*listener
	callers   []*caller
	wrong     atomic.Int64
	mu        sync.Mutex
	verdicts  map[string]int // :: what a request had to become, as it is told → how many had to
}

func TestEveryDoorForEverybody(t *testing.T) {
	t.Parallel()
	m := &matrix{roles: documentedRoles(t), verdicts: map[string]int{}}
	m.open(t)
	m.invite(t)
	m.findDoors(t)
	type place struct {
		l *listener
		c *caller
	}
	places := make(chan place)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for p := range places {
				m.call(t, p.l, p.c)
			}
		})
	}
	for _, c := range m.callers {
		for _, l := range m.listeners {
			places <- place{l, c}
		}
	}
	close(places)
	workers.Wait()
	if n := m.wrong.Load(); n > maxShown {
		t.Errorf("%d cells in all are not as they should be", n)
	}
	m.account(t)
}

// call tries all routes of one listener as one caller.
func (m *matrix) call(t *testing.T, l *listener, c *caller) {
	for _, d := range m.doors {
		plain := m.try(t, l, c, d, ourPage)
		if claimed := m.try(t, l, c, d, withClaims); claimed.status != plain.status || claimed.code() != plain.code() {
			t.Errorf("%s by %s on %s: got %s with forged headers, %s without", d.route(), c.name, l.name, claimed, plain)
		}
		// Whom the door does not know is refused before it is asked what made him call.
		if c.shownTo(l).refusal != "" && len(c.proofs) > 0 {
			continue
		}
		for _, f := range attacks {
			if f.reads && d.method == http.MethodGet || !d.isSafe() {
				m.try(t, l, c, d, f)
			}
		}
	}
}

// try makes one request, which has to end as expected.
func (m *matrix) try(t *testing.T, l *listener, c *caller, d door, f form) answer {
	header, body := append(slices.Clone(c.header), f.header...), ""
	if d.method == http.MethodPost {
		header, body = append(header, "Content-Type: "+f.contentType), f.body
	}
	got, err := callWith(c.client(f), d.method, l.url+d.somewhere(), header, body)
	want := m.expect(l, c, d, f)
	m.mu.Lock()
	m.verdicts[want.String()]++
	m.mu.Unlock()
	if !want.met(got, err, d.method) && m.wrong.Add(1) <= maxShown {
		t.Errorf("%s by %s on %s, %s: got %s, %v; want %s", d.route(), c.name, l.name, f.name, got, err, want)
	}
	return got
}

// met reports whether a request became what it had to.
func (v verdict) met(got answer, err error, method string) bool {
	if v.status == noHandshake {
		failure, isNet := errors.AsType[net.Error](err)
		return err != nil && (!isNet || !failure.Timeout()) // the server has hung up: no answer at all would be no refusal
	}
	if err != nil {
		return false
	}
	code := got.code()
	switch {
	case v.status == 0 && method == http.MethodHead:
		return got.status != 401 && got.status != 403 && got.status < 500
	case v.status == 0:
		return refusals[code] == 0 && (got.status == 200 || code != "")
	case method == http.MethodHead:
		return got.status == v.status
	case v.code == "":
		return got.status == v.status && strings.HasPrefix(got.header.Get("Content-Type"), "text/html")
	}
	return got.status == v.status && code == v.code
}

// code is that of a refusal; "": it is none, or on a page.
func (a answer) code() string {
	var e envelope
	if json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Code
}

// account says how many cells were tried; a verdict that no cell had shows that something was not tried at all.
func (m *matrix) account(t *testing.T) {
	t.Helper()
	cells, text := 0, ""
	for _, v := range slices.Sorted(maps.Keys(m.verdicts)) {
		cells += m.verdicts[v]
		text += fmt.Sprintf("\n%7d %s", m.verdicts[v], v)
	}
	t.Logf("tried %d cells: %d routes, %d listeners, %d callers%s", cells, len(m.doors), len(m.listeners), len(m.callers), text)
	for _, v := range []string{"in", "no handshake", "a page with 403"} {
		if m.verdicts[v] == 0 {
			t.Errorf("no cell had to be %q", v)
		}
	}
	for code := range refusals {
		if never := slices.Contains(otherwise, code); never == (m.verdicts[code] > 0) {
			t.Errorf("%d cells had to be %s", m.verdicts[code], code)
		}
	}
}

// findDoors asks the gateway what there is; each has to be in the documentation, with what it needs, and the other way round.
func (m *matrix) findDoors(t *testing.T) {
	t.Helper()
	c := m.named("token owner")
	got, err := callWith(c.client(ourPage), "GET", m.LocalURL+"/admin/openapi.json", c.header, "")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]any `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(got.body), &document); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	m.doors = slices.Clone(loginDoors)
	documented := documentedDoors(t)
	for path, methods := range document.Paths {
		if !strings.HasPrefix(path, "/admin/") && !strings.HasPrefix(path, "/dashboard/") {
			continue
		}
		for method, operation := range methods {
			d := door{method: strings.ToUpper(method), path: parameter.ReplaceAllString(path, "{}")}
			d.needs, d.takesForms = documented[d.route()], operation.RequestBody.Content["multipart/form-data"] != nil
			if d.needs == "" {
				t.Errorf("nobody knows what %s needs: docs/api.md has no row for it", d.route())
			}
			delete(documented, d.route())
			m.doors = append(m.doors, d)
			if d.method == http.MethodGet {
				d.method = http.MethodHead
				m.doors = append(m.doors, d)
			}
		}
	}
	if len(documented) > 0 || len(m.doors) == 0 {
		t.Errorf("docs/api.md has rows for routes that are not there: %v", documented)
	}
	// One that wants more than its route does.
	m.doors = append(m.doors, door{method: "GET", path: "/admin/hosts/{}/auth?include_body=1", needs: "credential.reveal"})
	slices.SortFunc(m.doors, func(a, b door) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}
