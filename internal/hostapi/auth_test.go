package hostapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const noDigest = "0000000000000000000000000000000000000000000000000000000000000000"

// lastRefresh is when the login that most tests upload was refreshed.
var lastRefresh = time.Date(2026, 1, 5, 10, 0, 0, 123456789, time.UTC)

// begin starts a gateway with one host, and with login as the fleet's if there is one.
func begin(t *testing.T, login []byte) (*gatewaytest.Gateway, *fleet.Enrolment) {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.Options{})
	if login != nil {
		g.Upload(t, login)
	}
	return g, g.Register(t, "build7.example")
}

// body is a JSON object from members, in no order.
type body map[string]any

func retrieving(more body) body {
	all := body{"digest": noDigest, "last_refresh": "2025-11-21T00:00:00Z"}
	for name, value := range more {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// The texts are matched by deployed clients, letter by letter; the codes are API.
func TestErrors(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z") // binds to DefaultFrom
	disabled, locked := g.Register(t, "disabled.example"), g.Register(t, "locked.example")
	g.Exec(t, "UPDATE host SET status = 'disabled' WHERE fqdn = 'disabled.example'")
	g.Exec(t, "UPDATE host SET secure = false WHERE fqdn = 'locked.example'")
	before := g.Int(t, "SELECT count(*) + sum(api_calls) FROM host")

	const digestRule = "digest must be a 64-character hex sha256 value"
	auth := func(key string, b any) gatewaytest.Request {
		return gatewaytest.Request{Path: "/auth", Key: key, Body: b}
	}
	from := func(r gatewaytest.Request, addr string) gatewaytest.Request { r.From = addr; return r }
	good := retrieving(nil)
	for name, c := range map[string]struct {
		request       gatewaytest.Request
		status        int
		code, message string
	}{
		"no key":                 {auth("", good), 401, "api_key_missing", "API key missing"},
		"a blank bearer":         {gatewaytest.Request{Path: "/auth", Body: good, Header: http.Header{"Authorization": {"Bearer "}}}, 401, "api_key_missing", "API key missing"},
		"lower-case bearer":      {gatewaytest.Request{Path: "/auth", Body: good, Header: http.Header{"Authorization": {"bearer " + key}}}, 401, "api_key_missing", "API key missing"},
		"basic":                  {gatewaytest.Request{Path: "/auth", Body: good, Header: http.Header{"Authorization": {"Basic " + key}}}, 401, "api_key_missing", "API key missing"},
		"two blanks in a bearer": {gatewaytest.Request{Path: "/auth", Body: good, Header: http.Header{"Authorization": {"Bearer  " + key}}}, 401, "api_key_invalid", "Invalid API key"},
		"an unknown key":         {auth(noDigest, good), 401, "api_key_invalid", "Invalid API key"},
		"the wrong one wins":     {gatewaytest.Request{Path: "/auth", Key: noDigest, Body: good, Header: http.Header{"Authorization": {"Bearer " + key}}}, 401, "api_key_invalid", "Invalid API key"},
		"disabled":               {auth(disabled.Key.Reveal(), good), 403, "host_disabled", "Host is disabled"},
		"another address":        {from(auth(key, good), "203.0.113.1"), 403, "ip_mismatch", "API key not allowed from this IP"},
		"no address":             {from(auth(key, good), gatewaytest.Nowhere), 403, "ip_mismatch", "API key not allowed from this IP"},
		"another installation":   {auth(key, retrieving(body{"installation_id": "7d0f1c52-6a3e-4b4f-9f0a-0c5a3d7e9b21"})), 403, "installation_mismatch", "Installation ID mismatch"},
		"window closed":          {auth(locked.Key.Reveal(), good), 403, "insecure_api_disabled", "Insecure host API access disabled"},
		"not JSON":               {auth(key, "{"), 400, "invalid_json", "Invalid JSON payload"},
		"unknown route":          {gatewaytest.Request{Path: "/nothing", Key: key}, 404, "route_not_found", "Route not found"},
		"the root":               {gatewaytest.Request{Path: "/"}, 404, "route_not_found", "Route not found"},
		"another method":         {gatewaytest.Request{Method: "PUT", Path: "/auth", Key: key}, 405, "method_not_allowed", "Method not allowed"},
		"too large":              {auth(key, `"`+strings.Repeat("a", api.MaxBodyBytes)+`"`), 413, "body_too_large", "Request body too large"},

		// Of two things wrong, the first of the documented order is said.
		"400 before 401":               {auth("", "{"), 400, "invalid_json", "Invalid JSON payload"},
		"400 before 404":               {gatewaytest.Request{Path: "/nothing", Body: "{"}, 400, "invalid_json", "Invalid JSON payload"},
		"400 before 405":               {gatewaytest.Request{Method: "PUT", Path: "/auth", Body: "{"}, 400, "invalid_json", "Invalid JSON payload"},
		"413 before 400":               {auth("", strings.Repeat("{", api.MaxBodyBytes+1)), 413, "body_too_large", "Request body too large"},
		"404 before 401":               {gatewaytest.Request{Path: "/nothing", Key: noDigest}, 404, "route_not_found", "Route not found"},
		"405 before 401":               {gatewaytest.Request{Method: "GET", Path: "/auth"}, 405, "method_not_allowed", "Method not allowed"},
		"401 before 403":               {from(auth(noDigest, good), "203.0.113.1"), 401, "api_key_invalid", "Invalid API key"},
		"disabled before address":      {from(auth(disabled.Key.Reveal(), good), gatewaytest.Nowhere), 403, "host_disabled", "Host is disabled"},
		"address before command":       {from(auth(key, body{"command": "x"}), "203.0.113.1"), 403, "ip_mismatch", "API key not allowed from this IP"},
		"installation before command":  {auth(key, body{"command": "x", "installation_id": "x"}), 403, "installation_mismatch", "Installation ID mismatch"},
		"command before window":        {auth(locked.Key.Reveal(), body{"command": "x"}), 422, "validation_failed", "Validation failed"},
		"window before payload":        {auth(locked.Key.Reveal(), body{"digest": "x"}), 403, "insecure_api_disabled", "Insecure host API access disabled"},
		"window before a store's file": {auth(locked.Key.Reveal(), body{"command": "store"}), 403, "insecure_api_disabled", "Insecure host API access disabled"},
	} {
		a := g.Do(t, c.request)
		a.Refused(t, c.status, c.code, c.message)
		if a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" || len(a.Header.Get("X-Request-Id")) != 36 {
			t.Errorf("%s: got headers %v", name, a.Header)
		}
		if !strings.Contains(g.Logs.String(), a.Header.Get("X-Request-Id")) {
			t.Errorf("%s: the log does not have the request's id", name)
		}
		if c.status == 405 && a.Header.Get("Allow") != "DELETE, OPTIONS, POST" {
			t.Errorf("%s: got Allow %q", name, a.Header.Get("Allow"))
		}
	}
	if after := g.Int(t, "SELECT count(*) + sum(api_calls) FROM host"); after != before {
		t.Errorf("refused calls were counted: %d, want %d", after, before)
	}

	for name, c := range map[string]struct {
		body        any
		field, text string
	}{
		"an unknown command":      {body{"command": "delete"}, "command", `command must be "retrieve" or "store"`},
		"no digest":               {retrieving(body{"digest": nil}), "digest", "digest is required"},
		"an empty body":           {"", "digest", "digest is required"},
		"null":                    {"null", "digest", "digest is required"},
		"a number":                {"5", "digest", "digest is required"},
		"a list":                  {`[{"digest":"x"}]`, "digest", "digest is required"},
		"a digest of no text":     {retrieving(body{"digest": 5}), "digest", "digest is required"},
		"a blank digest":          {retrieving(body{"digest": " "}), "digest", "digest is required"},
		"a short digest":          {retrieving(body{"digest": "abc"}), "digest", digestRule},
		"a digest that is no hex": {retrieving(body{"digest": strings.Repeat("g", 64)}), "digest", digestRule},
		"the first alias counts":  {retrieving(body{"digest": "x", "auth_sha": noDigest}), "digest", digestRule},
		"no last_refresh":         {retrieving(body{"last_refresh": nil}), "last_refresh", "last_refresh is required"},
		"last_refresh of no text": {retrieving(body{"last_refresh": 5}), "last_refresh", "last_refresh is required"},
		"now":                     {retrieving(body{"last_refresh": "now"}), "last_refresh", "must be an RFC3339 timestamp"},
		"a date":                  {retrieving(body{"last_refresh": "2025-11-20"}), "last_refresh", "must be an RFC3339 timestamp"},
		"too old":                 {retrieving(body{"last_refresh": "1999-12-31T23:59:59Z"}), "last_refresh", "timestamp is implausibly old"},
		"the future":              {retrieving(body{"last_refresh": time.Now().Add(310 * time.Second).Format(time.RFC3339)}), "last_refresh", "timestamp is in the future"},
		"digest before time":      {retrieving(body{"digest": "x", "last_refresh": "x"}), "digest", digestRule},
		"store without":           {body{"command": "store"}, "auth", "Auth payload is required"},
		"store null":              {body{"command": "store", "auth": nil}, "auth", "Auth payload is required"},
		"store a text":            {body{"command": "store", "auth": "x"}, "auth", "Auth payload is required"},
		"store an empty object":   {body{"command": "store", "auth": body{}}, "auth.last_refresh", "last_refresh is required"},
		"store an empty list":     {body{"command": "store", "auth": []int{}}, "auth.last_refresh", "last_refresh is required"},
		"store the placeholder":   {`{"command":"store","auth":{"last_refresh":"2000-01-01T00:00:00Z","auths":{}}}`, "auth.auths", "auths must be an object of targets"},
		"store from the future": {
			body{"command": "store", "auth": body{"last_refresh": time.Now().Add(70 * time.Second).Format(time.RFC3339)}}, "auth.last_refresh", "timestamp is in the future",
		},
		"store a short token": {
			body{"command": "store", "auth": body{"last_refresh": "2026-01-01T00:00:00Z", "auths": body{"api.openai.com": body{"token": "short"}}}},
			"auth.auths.api.openai.com.token", "token too short (min 24 characters)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g.Do(t, auth(key, c.body)).Invalid(t, c.field, c.text)
		})
	}
}

// Hundreds of bytes or a megabyte, deep or wide: what cannot be taken changes nothing.
func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z")
	state := func() int64 {
		return g.Int(t, `SELECT hashtext((SELECT string_agg(host::text, '' ORDER BY id) FROM host) || (SELECT string_agg(generation::text, '' ORDER BY number) FROM generation) ||
			(SELECT string_agg(install_token::text, '' ORDER BY id) FROM install_token) || (SELECT count(*) FROM audit_entry)::text)::bigint`)
	}
	before := state()
	wide := `{"command":"store","auth":{` + strings.Repeat(`"a":1,`, 20_000) + `"last_refresh":"2026-01-05T10:00:00Z"`
	for name, text := range map[string]string{
		"a byte over":     `{"a":"` + strings.Repeat("a", api.MaxBodyBytes-7) + `"}`,
		"a megabyte":      `{"command":"store","auth":{"a":"` + strings.Repeat("a", 1<<20) + `"}}`,
		"513 deep":        strings.Repeat(`{"a":`, 513) + "1" + strings.Repeat("}", 513),
		"very deep":       strings.Repeat("[", 200_000),
		"cut":             wide,
		"two values":      `{"command":"store"} {"command":"store"}`,
		"invalid UTF-8":   "{\"command\":\"\xff\"}",
		"a lone zero":     "\x00",
		"trailing comma":  `{"command":"store",}`,
		"form":            "command=store&auth=x",
		"multipart":       "--x\r\nContent-Disposition: form-data; name=\"command\"\r\n\r\nstore\r\n--x--",
		"gzip":            "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
		"infinity":        `{"a":Infinity}`,
		"a huge exponent": `{"a":1e}`,
	} {
		for _, path := range []string{"/auth", "/install/" + host.Token.Reveal()} {
			a := g.Do(t, gatewaytest.Request{Path: path, Key: key, Body: text})
			if a.Status != 400 && a.Status != 413 {
				t.Errorf("%s on %s: got %d %.200s", name, path, a.Status, a.Body)
			}
		}
	}
	if after := state(); after != before {
		t.Error("something changed")
	}
}

// What a client stores it hashes again as it arrives: the member order and every character count.
func TestAuthArrivesAsItWasHashed(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"odd order":   `{"zeta":1,"alpha":{"b":[],"a":{}},"last_refresh":"2026-01-05T10:00:00Z","tokens":{"refresh_token":"rt_1","access_token":"tok-1234567890abcdef-XYZ987654"}}`,
		"characters":  `{"last_refresh":"2026-01-05T10:00:00Z","OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","note":"<&>\u2028\u2029/\/ blå \ud83d\ude00 \u0000\u001f\u007f\"\\"}`,
		"numbers":     `{"last_refresh":"2026-01-05T10:00:00Z","OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","n":[1e5,1e16,0.00001,-0,123456789012345678901234567890,1.0,1e-7]}`,
		"repetitions": `{"last_refresh":"2025-01-05T10:00:00Z","a":1,"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","a":2,"last_refresh":"2026-01-05T10:00:00Z"}`,
		"real":        string(authtest.New(authtest.Options{})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, host := begin(t, nil)
			stored := g.Do(t, gatewaytest.Request{Path: "/auth", Key: host.Key.Reveal(), Body: `{"command":"store","auth":` + file + `}`})
			fetched := g.Retrieve(t, host.Key.Reveal(), noDigest, "2000-01-01T00:00:00Z")
			for what, a := range map[string]*gatewaytest.Answer{"updated": stored, "outdated": fetched} {
				var data struct {
					Status, CanonicalDigest, CanonicalLastRefresh string
					Auth                                          json.RawMessage
				}
				text := strings.NewReplacer("canonical_digest", "CanonicalDigest", "canonical_last_refresh", "CanonicalLastRefresh").Replace(string(a.Body))
				if err := json.Unmarshal([]byte(text), &struct{ Data any }{&data}); err != nil || data.Status != what {
					t.Fatalf("got %s, %v; want %s", a.Body, err, what)
				}
				sum := sha256.Sum256(data.Auth)
				if got := hex.EncodeToString(sum[:]); got != data.CanonicalDigest {
					t.Errorf("%s: auth hashes to %s, canonical_digest is %s\n%s", what, got, data.CanonicalDigest, data.Auth)
				}
				parsed, err := jsondoc.Parse(data.Auth)
				if err != nil || jsondoc.DigestOf(parsed).String() != data.CanonicalDigest {
					t.Errorf("%s: a client that parses and prints it finds another digest, %v", what, err)
				}
				if object, ok := parsed.(*jsondoc.Object); !ok || object.Text("last_refresh") != data.CanonicalLastRefresh {
					t.Errorf("%s: auth.last_refresh is not canonical_last_refresh %q", what, data.CanonicalLastRefresh)
				}
				again := g.Retrieve(t, host.Key.Reveal(), data.CanonicalDigest, data.CanonicalLastRefresh)
				if !strings.Contains(string(again.Body), `"status":"valid"`) {
					t.Errorf("%s: got %s, want valid", what, again.Body)
				}
			}
		})
	}
}

func TestDigestAndVersionAliases(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	var current struct {
		Digest string `json:"canonical_digest"`
	}
	g.Retrieve(t, host.Key.Reveal(), noDigest, "2000-01-01T00:00:00Z").Decode(t, &current)
	digest := current.Digest
	for name, c := range map[string]struct {
		path   string
		body   body
		status string
	}{
		"digest":                 {"/auth", body{"digest": digest}, "valid"},
		"auth_digest":            {"/auth", body{"auth_digest": digest}, "valid"},
		"auth_sha":               {"/auth", body{"auth_sha": digest}, "valid"},
		"in capitals, blanks":    {"/auth", body{"digest": " " + strings.ToUpper(digest) + "\n"}, "valid"},
		"a blank one is skipped": {"/auth", body{"digest": " ", "auth_digest": digest}, "valid"},
		"a number is skipped":    {"/auth", body{"digest": 5, "auth_sha": digest}, "valid"},
		"the first counts":       {"/auth", body{"digest": noDigest, "auth_sha": digest}, "outdated"},
		"command in capitals":    {"/auth", body{"digest": digest, "command": " RETRIEVE "}, "valid"},
		"command of no text":     {"/auth", body{"digest": digest, "command": 5}, "valid"},
		"a blank command":        {"/auth", body{"digest": digest, "command": " "}, "valid"},
		"trailing slashes":       {"/auth///", body{"digest": digest}, "valid"},
		"our installation":       {"/auth", body{"digest": digest, "installation_id": " " + g.Core.InstallationID.String()}, "valid"},
	} {
		c.body["last_refresh"] = "2025-11-21T00:00:00Z"
		var data struct{ Status string }
		a := g.Do(t, gatewaytest.Request{Path: c.path, Key: host.Key.Reveal(), Body: c.body})
		a.Decode(t, &data)
		if a.Status != 200 || data.Status != c.status {
			t.Errorf("%s: got %d %.300s, want %s", name, a.Status, a.Body, c.status)
		}
	}
	for path, want := range map[string]string{
		"/auth": "unknown unknown", "/auth?client_version=0.1": "0.1 unknown", "/auth?cdx_version=0.2": "0.2 unknown",
		"/auth?client_version=0.1&cdx_version=0.2&wrapper_version=9": "0.1 9", "/auth?client_version=%00%ff&wrapper_version=%20": "unknown unknown",
		"/auth?client_version=" + strings.Repeat("9", 500): strings.Repeat("9", 64) + " unknown", "/auth?%zz;=": "unknown unknown",
	} {
		var data struct{ Host api.Host }
		g.Do(t, gatewaytest.Request{Path: path, Key: host.Key.Reveal(), Body: retrieving(nil)}).Decode(t, &data)
		if got := deref(data.Host.ClientVersion) + " " + deref(data.Host.WrapperVersion); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func deref(text *string) string {
	if text == nil {
		return "null"
	}
	return *text
}
