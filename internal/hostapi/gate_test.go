package hostapi_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
	"github.com/cdxgate/cdxgate/internal/hostapi"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// limited starts a gateway with the limits that it ships with.
func limited(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.New(t, gatewaytest.Options{Limits: ratelimit.Defaults()})
}

// decide sets a policy.
func decide(t *testing.T, g *gatewaytest.Gateway, name, value string) {
	t.Helper()
	if err := g.Policy.Set(t.Context(), name, value, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
}

// routed is a request of a route, as hostapi.Surface.Routes names it.
func routed(route, key string) gatewaytest.Request {
	method, path, _ := strings.Cut(route, " ")
	return gatewaytest.Request{Method: method, Path: strings.Replace(path, "{}", "0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e", 1), Key: key}
}

// isHealth reports whether a route is one that monitors ask.
func isHealth(route string) bool { return route == "GET /livez" || route == "GET /readyz" }

// refusedBy checks that a bucket refused a request, byte by byte: deployed clients read some of it with a shell.
func refusedBy(t *testing.T, g *gatewaytest.Gateway, a *gatewaytest.Answer, bucket ratelimit.Bucket, subject string, within time.Duration) {
	t.Helper()
	code, message := "rate_limited", "Rate limit exceeded"
	if strings.HasSuffix(string(bucket), "-fail") {
		code, message = "too_many_failures", "Too many failed authentication attempts"
	}
	var until time.Time
	const query = "SELECT reset_at FROM rate_limit WHERE bucket = $1 AND subject = $2"
	if err := g.Core.DB.Pool().QueryRow(t.Context(), query, bucket, subject).Scan(&until); err != nil {
		t.Fatalf("%s of %s: %v", bucket, subject, err)
	}
	details := fmt.Sprintf(`{"bucket":%q,"limit":%d,"reset_at":%q}`, bucket, ratelimit.Defaults()[bucket].Limit, until.UTC().Format("2006-01-02T15:04:05+00:00"))
	want := fmt.Sprintf(`{"status":"error","message":%q,"code":%q,"details":%s,"data":%s}`, message, code, details, strings.Replace(details, `"bucket":"host"`, `"bucket":"global"`, 1))
	if a.Status != http.StatusTooManyRequests || string(a.Body) != want {
		t.Errorf("got %d %s\nwant 429 %s", a.Status, a.Body, want)
	}
	retry, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if after := time.Duration(retry) * time.Second; err != nil || after < time.Second || after > within || after < within-30*time.Second {
		t.Errorf("got Retry-After %q, want about %v", a.Header.Get("Retry-After"), within)
	}
}

// exhaust uses up a subject's limit in a bucket.
func exhaust(t *testing.T, g *gatewaytest.Gateway, bucket ratelimit.Bucket, subject string) {
	t.Helper()
	g.Exec(t, `INSERT INTO rate_limit VALUES ($1, $2, $3, now() + interval '1 minute')
		ON CONFLICT (bucket, subject) DO UPDATE SET hits = EXCLUDED.hits, reset_at = EXCLUDED.reset_at`, bucket, subject, ratelimit.Defaults()[bucket].Limit)
}

// A request with everything wrong is told so in the documented order, one after the other as it mends its ways.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	g := limited(t)
	host := g.Register(t, "build7.example")
	g.Retrieve(t, host.Key.Reveal(), noDigest, "2025-11-21T00:00:00Z") // binds to DefaultFrom
	const elsewhere = "203.0.113.1"
	exhaust(t, g, ratelimit.Global, elsewhere)
	exhaust(t, g, ratelimit.AuthFail, elsewhere)
	g.Exec(t, "UPDATE host SET status = 'disabled', secure = false")
	decide(t, g, "api_disabled", "yes")

	r := gatewaytest.Request{Method: http.MethodPut, Path: "/nothing", Key: noDigest, From: elsewhere, Body: strings.Repeat("{", api.MaxBodyBytes+1)}
	for _, step := range []struct {
		mend          func()
		status        int
		code, message string
	}{
		{func() {}, 413, "body_too_large", "Request body too large"},
		{func() { r.Body = "{" }, 400, "invalid_json", "Invalid JSON payload"},
		{func() { r.Body = "{}" }, 503, "api_disabled", "API disabled by administrator"},
		{func() { decide(t, g, "api_disabled", "no") }, 429, "rate_limited", "Rate limit exceeded"},
		{func() { g.Exec(t, "DELETE FROM rate_limit WHERE bucket = 'global'") }, 404, "route_not_found", "Route not found"},
		{func() { r.Path = "/auth" }, 405, "method_not_allowed", "Method not allowed"},
		{func() { r.Method = http.MethodPost }, 429, "too_many_failures", "Too many failed authentication attempts"},
		{func() { g.Exec(t, "DELETE FROM rate_limit WHERE bucket = 'auth-fail'") }, 401, "api_key_invalid", "Invalid API key"},
		{func() { r.Key = host.Key.Reveal() }, 403, "host_disabled", "Host is disabled"},
		{func() { g.Exec(t, "UPDATE host SET status = 'active'") }, 403, "ip_mismatch", "API key not allowed from this IP"},
		{func() { r.From = ""; r.Body = body{"installation_id": "x", "command": "x"} }, 403, "installation_mismatch", "Installation ID mismatch"},
		{func() { r.Body = body{"command": "x"} }, 422, "validation_failed", "Validation failed"},
		{func() { r.Body = body{"digest": "x"} }, 403, "insecure_api_disabled", "Insecure host API access disabled"},
		{func() { g.Exec(t, "UPDATE host SET secure = true") }, 422, "validation_failed", "Validation failed"},
	} {
		step.mend()
		g.Do(t, r).Refused(t, step.status, step.code, step.message)
	}
	r.Body = retrieving(nil)
	if a := g.Do(t, r); a.Status != 200 {
		t.Errorf("got %d %s when nothing is wrong any more", a.Status, a.Body)
	}
}

func TestKillSwitch(t *testing.T) {
	t.Parallel()
	g := limited(t)
	host, fresh := g.Register(t, "build7.example"), g.Register(t, "fresh.example")
	key := host.Key.Reveal()
	state := func() int64 {
		return g.Int(t, `SELECT hashtext((SELECT string_agg(host::text, '' ORDER BY id) FROM host) || (SELECT string_agg(install_token::text, '' ORDER BY id) FROM install_token) ||
			(SELECT count(*) FROM rate_limit)::text || (SELECT count(*) FROM audit_entry)::text)::bigint`)
	}
	decide(t, g, "api_disabled", "yes")
	before := state()

	requests := []gatewaytest.Request{
		{Path: "/"}, {Path: "/nothing"}, {Path: "/nothing", Key: key}, {Method: "PUT", Path: "/auth", Key: key}, {Method: "DELETE", Path: "/versions"},
		{Method: "OPTIONS", Path: "/auth"}, {Method: "OPTIONS", Path: "/install/x"}, {Path: "/install/no-token"}, {Path: "/admin/hosts"}, {Path: "/livez/x"}, {Path: "//livez"},
		{Method: "POST", Path: "/install/" + fresh.Token.Reveal()}, {Path: "/install/" + fresh.Token.Reveal()}, {Path: "/auth", Key: key, Body: retrieving(nil)},
		{Path: "/auth?force", Method: "DELETE", Key: key}, {Path: "/auth", Key: noDigest, Body: "{}"}, {Path: "/versions", From: gatewaytest.Nowhere},
	}
	for _, route := range g.Host.Routes() {
		if !isHealth(route) {
			requests = append(requests, routed(route, ""), routed(route, key), routed(route, noDigest))
		}
	}
	for _, r := range requests {
		a := g.Do(t, r)
		if a.Refused(t, 503, "api_disabled", "API disabled by administrator"); a.Header.Get("Retry-After") != "60" {
			t.Errorf("%s %s: got Retry-After %q, want 60", r.Method, r.Path, a.Header.Get("Retry-After"))
		}
		if !strings.Contains(strings.ToLower(a.Envelope.Message), "disabled") {
			t.Errorf("got %q: old clients look for “disabled”", a.Envelope.Message)
		}
		r.Method, r.Body = http.MethodPost, "{"
		g.Do(t, r).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	}
	for _, path := range []string{"/versions", "/install/x", "/nothing"} {
		if a := g.Do(t, gatewaytest.Request{Method: http.MethodHead, Path: path}); a.Status != 503 || len(a.Body) > 0 {
			t.Errorf("HEAD %s: got %d %q, want 503 and no body", path, a.Status, a.Body)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/readyz?verbose", "/livez/", "/readyz///"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if a := g.Do(t, gatewaytest.Request{Method: method, Path: path, Key: noDigest}); a.Status != 200 {
				t.Errorf("%s %s: got %d %s, want 200", method, path, a.Status, a.Body)
			}
		}
	}
	if after := state(); after != before {
		t.Error("something changed while the switch was on")
	}
	if _, _, err := g.Host.Guard(guardedRequest(t, key), netip.MustParseAddr(gatewaytest.DefaultFrom)); !errors.Is(err, hostapi.ErrDisabled) {
		t.Errorf("got %v before a handler of others, want %v", err, hostapi.ErrDisabled)
	}

	decide(t, g, "api_disabled", "no")
	if a := g.Do(t, gatewaytest.Request{Method: "POST", Path: "/install/" + fresh.Token.Reveal()}); a.Status != 200 {
		t.Errorf("got %d %s for a token that was tried while the switch was on", a.Status, a.Body)
	}
	if a := g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z"); a.Status != 200 {
		t.Errorf("got %d %s with the switch off again", a.Status, a.Body)
	}
}

// Whatever a stranger asks for counts, and everything counts once.
func TestAddressLimit(t *testing.T) {
	t.Parallel()
	g := limited(t)
	key := g.Register(t, "build7.example").Key.Reveal()
	kinds := []gatewaytest.Request{
		{Path: "/versions"}, {Path: "/nothing"}, {Method: "PUT", Path: "/auth"}, {Method: "OPTIONS", Path: "/auth"}, {Path: "/versions", Key: noDigest},
		{Method: "HEAD", Path: "/versions"}, {Path: "/install/a/b"}, {Path: "/versions", Header: http.Header{"Authorization": {"Bearer x"}}},
	}
	for i := range 120 {
		if a := g.Do(t, kinds[i%len(kinds)]); a.Status == 429 {
			t.Fatalf("request %d: got 429 %s", i+1, a.Body)
		}
	}
	for _, r := range append(kinds, gatewaytest.Request{Path: "/auth", Body: "{}"}, gatewaytest.Request{Path: "/auth", Key: noDigest, Body: "{}"}) {
		a := g.Do(t, r)
		if r.Method == http.MethodHead {
			if a.Status != 429 || len(a.Body) > 0 || a.Header.Get("Retry-After") == "" {
				t.Errorf("HEAD: got %d %q %v, want 429, no body, Retry-After", a.Status, a.Body, a.Header)
			}
			continue
		}
		refusedBy(t, g, a, ratelimit.Global, gatewaytest.DefaultFrom, time.Minute)
	}
	if hits := g.Int(t, "SELECT hits FROM rate_limit WHERE bucket = 'global'"); hits != 130 {
		t.Errorf("got %d hits, want 130", hits)
	}
	if n := g.Int(t, "SELECT count(*) FROM rate_limit WHERE bucket = 'auth-fail'"); n != 0 {
		t.Errorf("got %d addresses with failures: who is over the limit is not asked for a key", n)
	}

	// What does not count here is not refused here.
	g.Do(t, gatewaytest.Request{Path: "/versions", Body: "{"}).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	for path, status := range map[string]int{"/livez": 200, "/readyz": 200, "/install/0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e": 200, "/install/bin/cdx-plan9-mips": 404} {
		if a := g.Do(t, gatewaytest.Request{Path: path}); a.Status != status {
			t.Errorf("%s: got %d %s, want %d", path, a.Status, a.Body, status)
		}
	}
	for name, r := range map[string]gatewaytest.Request{
		"a host behind the same address": {Path: "/auth", Key: key, Body: retrieving(nil)},
		"another address":                {Path: "/versions", From: "203.0.113.1"},
	} {
		if a := g.Do(t, r); a.Status != 200 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
	if hits := g.Int(t, "SELECT hits FROM rate_limit WHERE bucket = 'global' AND subject = $1", gatewaytest.DefaultFrom); hits != 130 {
		t.Errorf("got %d hits, want none of these counted", hits)
	}
	g.Exec(t, "UPDATE rate_limit SET reset_at = now()")
	if a := g.Do(t, kinds[0]); a.Status != 200 {
		t.Errorf("got %d %s in the next window", a.Status, a.Body)
	}
}

// Addresses that cannot be known, and those of one IPv6 network, are one caller.
func TestAddressesCountedTogether(t *testing.T) {
	t.Parallel()
	g := limited(t)
	for from, other := range map[string]string{
		gatewaytest.Nowhere: "also nowhere", "2001:db8::1": "2001:db8::ffff:2", "203.0.113.9": "::ffff:203.0.113.9", "fe80::1%eth0": "fe80::2",
	} {
		g.Do(t, gatewaytest.Request{Path: "/versions", From: from})
		g.Exec(t, "UPDATE rate_limit SET hits = 120 WHERE hits = 1")
		a := g.Do(t, gatewaytest.Request{Path: "/versions", From: other})
		a.Refused(t, 429, "rate_limited", "Rate limit exceeded")
	}
	if a := g.Do(t, gatewaytest.Request{Path: "/versions", From: "2001:db8:0:1::1"}); a.Status != 200 {
		t.Errorf("got %d %s in another network", a.Status, a.Body)
	}
}

func TestFleetBehindOneAddress(t *testing.T) {
	t.Parallel()
	g := limited(t)
	var keys, subjects []string
	for i := range 5 {
		e := g.Register(t, fmt.Sprintf("h%d.example", i))
		keys, subjects = append(keys, e.Key.Reveal()), append(subjects, strconv.FormatInt(e.Host.ID, 10))
	}
	var all sync.WaitGroup
	for _, key := range keys {
		all.Go(func() {
			for i := range 120 {
				r := gatewaytest.Request{Path: "/auth", Key: key, Body: retrieving(nil)}
				if i%2 == 0 {
					r = gatewaytest.Request{Path: "/versions", Header: http.Header{"Authorization": {"Bearer " + key}}}
				}
				if a := g.Do(t, r); a.Status != 200 {
					t.Errorf("request %d of one of five hosts: got %d %s", i+1, a.Status, a.Body)
					return
				}
			}
		})
	}
	all.Wait()
	if n := g.Int(t, "SELECT count(*) FROM rate_limit WHERE bucket = 'host' AND hits = 120"); n != 5 {
		t.Errorf("got %d hosts with 120 hits, want 5", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM rate_limit WHERE bucket <> 'host'"); n != 0 {
		t.Errorf("got %d rows about addresses, want none", n)
	}
	g.Exec(t, "UPDATE rate_limit SET hits = 60 WHERE subject = $1", subjects[0])
	for i, key := range keys {
		for _, r := range []gatewaytest.Request{
			{Path: "/auth", Key: key, Body: retrieving(nil)}, {Path: "/versions", Key: key}, {Path: "/nothing", Key: key},
		} {
			a := g.Do(t, r)
			if i > 0 {
				refusedBy(t, g, a, ratelimit.Host, subjects[i], time.Minute)
			} else if a.Status == 429 {
				t.Errorf("got 429 %s for the one that has some left", a.Body)
			}
		}
	}
}

// Guessing keys ends after 20 attempts, and from then on no key opens anything from there, right or wrong.
func TestGuessingKeys(t *testing.T) {
	t.Parallel()
	g := limited(t)
	host := g.Register(t, "build7.example")
	key := host.Key.Reveal()
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z") // binds to DefaultFrom

	// These are failures of another kind, or none.
	g.Exec(t, "UPDATE host SET status = 'disabled'")
	for _, r := range []gatewaytest.Request{
		{Path: "/auth", Key: key, Body: "{}"}, {Path: "/auth", Key: key, Body: "{}", From: "203.0.113.1"}, {Path: "/versions", Key: noDigest}, {Path: "/nothing", Key: noDigest},
		{Method: "PUT", Path: "/auth", Key: noDigest}, {Path: "/auth", Key: noDigest, Body: "{"},
	} {
		g.Do(t, r)
	}
	g.Exec(t, "UPDATE host SET status = 'active'")
	if n := g.Int(t, "SELECT count(*) FROM rate_limit WHERE bucket = 'auth-fail'"); n != 0 {
		t.Errorf("got %d addresses with failures, want none yet", n)
	}

	for i := range 20 {
		r := gatewaytest.Request{Path: []string{"/auth", "/usage", "/sync", "/host/users"}[i%4], Body: "{}"}
		code, message := "api_key_missing", "API key missing"
		if i%2 == 1 {
			r.Key, code, message = noDigest, "api_key_invalid", "Invalid API key"
		}
		g.Do(t, r).Refused(t, 401, code, message)
	}
	blocked := []gatewaytest.Request{
		{Path: "/auth", Key: noDigest, Body: "{}"}, {Path: "/auth", Key: key, Body: retrieving(nil)}, {Path: "/auth", Body: "{}"}, {Method: "DELETE", Path: "/auth?force", Key: key},
		{Path: "/usage", Key: key, Body: `{"total":1}`}, {Path: "/slash-commands", Key: key},
	}
	for _, r := range blocked {
		refusedBy(t, g, g.Do(t, r), ratelimit.AuthFail, gatewaytest.DefaultFrom, 30*time.Minute)
	}
	if hits := g.Int(t, "SELECT hits FROM rate_limit WHERE bucket = 'global' AND subject = $1", gatewaytest.DefaultFrom); hits != 3+20+2 {
		t.Errorf("got %d hits of strangers, want %d: a guess is a stranger's request too", hits, 3+20+2)
	}
	if n := g.Int(t, `SELECT count(*) FROM audit_entry WHERE action = 'security.rate_limit' AND host(ip) = $1 AND details->>'bucket' = 'auth-fail'
		AND details->>'reason' = 'api_key_invalid'`, gatewaytest.DefaultFrom); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
	from := netip.MustParseAddr(gatewaytest.DefaultFrom)
	if _, _, err := g.Host.Guard(guardedRequest(t, key), from); !errors.Is(err, ratelimit.ErrFailures) {
		t.Errorf("got %v before a handler of others, want %v", err, ratelimit.ErrFailures)
	}
	// What needs no key is served, and others are not concerned.
	for name, r := range map[string]gatewaytest.Request{
		"versions": {Path: "/versions"}, "health": {Path: "/readyz"}, "enrolling": {Method: "POST", Path: "/install/" + host.Token.Reveal()},
		"another address": {Path: "/auth", Key: g.Register(t, "other.example").Key.Reveal(), Body: retrieving(nil), From: "203.0.113.1"},
	} {
		if a := g.Do(t, r); a.Status != 200 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}

	if forgot, err := g.Limits.Clear(t.Context(), from, gatewaytest.Operator); !forgot || err != nil {
		t.Errorf("got %t, %v; want it forgotten", forgot, err)
	}
	if a := g.Do(t, blocked[1]); a.Status != 200 {
		t.Errorf("got %d %s after an operator let it in again", a.Status, a.Body)
	}
	exhaust(t, g, ratelimit.AuthFail, gatewaytest.DefaultFrom)
	g.Do(t, blocked[0]).Refused(t, 429, "too_many_failures", "Too many failed authentication attempts")
	g.Exec(t, "UPDATE rate_limit SET reset_at = now() WHERE bucket = 'auth-fail'")
	if a := g.Do(t, blocked[1]); a.Status != 200 {
		t.Errorf("got %d %s after the block", a.Status, a.Body)
	}
}

func TestWhichKeyCounts(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	key := host.Key.Reveal()
	for name, c := range map[string]struct {
		header http.Header
		code   string // "": let in
	}{
		"the header":                  {http.Header{"X-Api-Key": {key}}, ""},
		"the bearer":                  {http.Header{"Authorization": {"Bearer " + key}}, ""},
		"an empty header, the bearer": {http.Header{"X-Api-Key": {""}, "Authorization": {"Bearer " + key}}, ""},
		"zero, the bearer":            {http.Header{"X-Api-Key": {"0"}, "Authorization": {"Bearer " + key}}, ""},
		"the header, another bearer":  {http.Header{"X-Api-Key": {key}, "Authorization": {"Bearer " + noDigest}}, ""},
		"another header, the bearer":  {http.Header{"X-Api-Key": {noDigest}, "Authorization": {"Bearer " + key}}, "api_key_invalid"},
		"two headers":                 {http.Header{"X-Api-Key": {noDigest, key}}, "api_key_invalid"},
		"two in one header":           {http.Header{"X-Api-Key": {key + ", " + key}}, "api_key_invalid"},
		"zero":                        {http.Header{"X-Api-Key": {"0"}}, "api_key_missing"},
		"nothing":                     {http.Header{}, "api_key_missing"},
		"a cookie":                    {http.Header{"Cookie": {"X-API-Key=" + key}}, "api_key_missing"},
	} {
		a := g.Do(t, gatewaytest.Request{Path: "/slash-commands?api_key=" + key, Header: c.header})
		if a.Envelope.Code != c.code || (a.Status == 200) != (c.code == "") {
			t.Errorf("%s: got %d %s, want code %q", name, a.Status, a.Body, c.code)
		}
	}
}

func TestHealthIsNeverLimited(t *testing.T) {
	t.Parallel()
	g := limited(t)
	for i := range 150 {
		for _, path := range []string{"/livez", "/readyz"} {
			if a := g.Do(t, gatewaytest.Request{Path: path}); a.Status != 200 {
				t.Fatalf("%s, the %dth time: got %d %s", path, i+1, a.Status, a.Body)
			}
		}
	}
	if n := g.Int(t, "SELECT count(*) FROM rate_limit"); n != 0 {
		t.Errorf("got %d rows counted, want none", n)
	}
}

// A policy that cannot be read is a fault of ours, not of whoever calls, and stops everything but the health checks.
func TestBrokenPolicy(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	g.Exec(t, `INSERT INTO policy (name, value, updated_at) VALUES ('quota_limit_percent', '"planted"', now())`)
	for _, r := range []gatewaytest.Request{{Path: "/versions"}, {Path: "/auth", Key: host.Key.Reveal(), Body: retrieving(nil)}, {Path: "/nothing"}} {
		a := g.Do(t, r)
		if a.Refused(t, 500, "internal", "Unexpected error"); strings.Contains(string(a.Body), "quota") {
			t.Errorf("got %s: nobody's business", a.Body)
		}
		if !strings.Contains(g.Logs.String(), "quota_limit_percent") {
			t.Error("the log does not say which policy it is")
		}
	}
	if a := g.Do(t, gatewaytest.Request{Path: "/livez"}); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// Whatever is answered may hold a secret, and whoever asks about it has an id to name.
func TestEveryAnswerIsMarked(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds})
	host := g.Register(t, "build7.example")
	requests := []gatewaytest.Request{
		{Path: "/nothing"}, {Method: "PUT", Path: "/auth"}, {Method: "OPTIONS", Path: "/auth"}, {Path: "/auth", Body: "{"}, {Path: "/install/" + host.Token.Reveal()},
		{Path: "/auth", Key: host.Key.Reveal(), Body: retrieving(nil)}, {Path: "/install/bin/cdx-linux-amd64"}, {Path: "/wrapper/download", Key: host.Key.Reveal(), Header: platformHeader("linux-amd64")},
	}
	for _, route := range g.Host.Routes() {
		requests = append(requests, routed(route, ""), routed(route, noDigest))
		if route != "DELETE /auth" {
			requests = append(requests, routed(route, host.Key.Reveal()))
		}
	}
	seen := map[string]bool{}
	for _, r := range requests {
		a := g.Do(t, r)
		id := a.Header.Get("X-Request-Id")
		if len(id) != 36 || seen[id] {
			t.Errorf("%s %s: got id %q, want one of its own", r.Method, r.Path, id)
		}
		seen[id] = true
		isBuild := a.Status == 200 && string(a.Body) == builds["linux-amd64"] // checked by its digest, and no secret
		caching := strings.Split(a.Header.Get("Cache-Control"), ", ")
		if isBuild != slices.Contains(caching, "no-cache") || isBuild == slices.Contains(caching, "no-store") {
			t.Errorf("%s %s: got %d with Cache-Control %q", r.Method, r.Path, a.Status, caching)
		}
		if logged := strings.Count(g.Logs.String(), id); (logged == 1) != (a.Status >= 400) {
			t.Errorf("%s %s: got %d and %d lines in the log with its id", r.Method, r.Path, a.Status, logged)
		}
	}
	if logs := g.Logs.String(); strings.Contains(logs, host.Key.Reveal()) || strings.Contains(logs, host.Token.Reveal()) {
		t.Error("the log holds a key or a token")
	}
}

func TestHeadAndOptions(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	methods := map[string][]string{}
	for _, route := range g.Host.Routes() {
		method, path, _ := strings.Cut(route, " ")
		methods[path] = append(methods[path], method)
	}
	for path, allowed := range methods {
		get := slices.Contains(allowed, http.MethodGet)
		if allowed = append(allowed, http.MethodOptions); get {
			allowed = append(allowed, http.MethodHead)
		}
		slices.Sort(allowed)
		options, head := g.Do(t, routed("OPTIONS "+path, "")), g.Do(t, routed("HEAD "+path, host.Key.Reveal()))
		if options.Status != 204 || len(options.Body) > 0 || options.Header.Get("Allow") != strings.Join(allowed, ", ") {
			t.Errorf("OPTIONS %s: got %d %q %q, want 204 and %q", path, options.Status, options.Header.Get("Allow"), options.Body, allowed)
		}
		if len(head.Body) > 0 {
			t.Errorf("HEAD %s: got a body %q", path, head.Body)
		}
		if !get {
			if head.Status != 405 || head.Header.Get("Allow") != strings.Join(allowed, ", ") {
				t.Errorf("HEAD %s: got %d, Allow %q; want 405 and %q", path, head.Status, head.Header.Get("Allow"), allowed)
			}
			continue
		}
		same := g.Do(t, routed("GET "+path, host.Key.Reveal()))
		for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control", "X-Installer-Status"} {
			if got, want := head.Header.Get(name), same.Header.Get(name); head.Status != same.Status || got != want {
				t.Errorf("HEAD %s: got %d, %s %q; want %d, %q as GET", path, head.Status, name, got, same.Status, want)
			}
		}
	}
	if head := g.Do(t, gatewaytest.Request{Method: "HEAD", Path: "/install/" + host.Token.Reveal()}); head.Status != 200 || head.Header.Get("X-Installer-Status") != "ready" {
		t.Errorf("HEAD of an installer: got %d, %q", head.Status, head.Header.Get("X-Installer-Status"))
	}
}

// told is what everything that carries policies says of one: POST /auth, its versions, POST /sync's policy, its versions,
// GET /versions. A dash: it does not say.
func told(t *testing.T, g *gatewaytest.Gateway, key, member string) string {
	t.Helper()
	type object = map[string]json.RawMessage
	open := func(raw json.RawMessage) (o object) {
		_ = json.Unmarshal(raw, &o) // nothing: an empty one
		return o
	}
	auth := open(g.Do(t, gatewaytest.Request{Path: "/auth", Key: key, Body: retrieving(nil)}).Envelope.Data)
	synced := open(g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: "{}"}).Envelope.Data)
	versions := open(g.Do(t, gatewaytest.Request{Path: "/versions", Key: key}).Envelope.Data)
	var all []string
	for _, o := range []object{auth, open(auth["versions"]), open(open(synced["policy"])["data"]), open(open(synced["versions"])["data"]), versions} {
		text := string(o[member])
		if text == "" {
			text = "-"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func TestPoliciesAreTold(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	for _, c := range []struct{ policy, value, before, after string }{
		{"cdx_silent", "yes", "false", "true"}, {"quota_hard_fail", "no", "true", "false"}, {"quota_limit_percent", "90", "100", "90"},
		{"quota_week_partition", "7", "0", "7"},
	} {
		for _, want := range []string{c.before, c.after} {
			if got, want := told(t, g, key, c.policy), strings.Join([]string{want, want, want, want, want}, " "); got != want {
				t.Errorf("%s: got %s, want %s", c.policy, got, want)
			}
			decide(t, g, c.policy, c.value)
		}
	}
	// Whatever the fleet does, a VIP is not held back by its quota.
	decide(t, g, "quota_hard_fail", "yes")
	for vip, want := range map[bool]string{false: "true true true true true", true: "false true false true true"} {
		if _, err := g.Fleet.Update(t.Context(), host.Host.ID, fleet.Change{VIP: &vip}, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
		if got := told(t, g, key, "quota_hard_fail"); got != want {
			t.Errorf("vip %t: got %s, want %s", vip, got, want)
		}
	}
}

func TestVersionPins(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	pinned, other := host.Key.Reveal(), g.Register(t, "other.example").Key.Reveal()
	for _, c := range []struct {
		fleet, host           string
		pinned, other, public string // client_version and its source
	}{
		{"", "", `null "unknown"`, `null "unknown"`, `null "unknown"`},
		{"0.63.0", "", `"0.63.0" "locked"`, `"0.63.0" "locked"`, `"0.63.0" "locked"`},
		{"0.63.0", "0.62.0", `"0.62.0" "locked"`, `"0.63.0" "locked"`, `"0.63.0" "locked"`},
		{"", "0.62.0", `"0.62.0" "locked"`, `null "unknown"`, `null "unknown"`},
		{"0.64.0", "", `"0.64.0" "locked"`, `"0.64.0" "locked"`, `"0.64.0" "locked"`},
	} {
		decide(t, g, "client_version", c.fleet)
		if _, err := g.Fleet.Update(t.Context(), host.Host.ID, fleet.Change{ClientVersion: &c.host}, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{pinned: c.pinned, other: c.other} {
			version, source := strings.Fields(told(t, g, key, "client_version")), strings.Fields(told(t, g, key, "client_version_source"))
			for i, want := range map[int]string{1: want, 3: want, 4: c.public} {
				if got := version[i] + " " + source[i]; got != want {
					t.Errorf("fleet %q, host %q: got %s in answer %d, want %s", c.fleet, c.host, got, i, want)
				}
			}
		}
		var data struct{ Host api.Host }
		g.Do(t, gatewaytest.Request{Path: "/auth", Key: pinned, Body: retrieving(nil)}).Decode(t, &data)
		if got := deref(data.Host.ClientVersionOverride); got != c.host && (c.host != "" || got != "null") {
			t.Errorf("got override %s, want %q", got, c.host)
		}
	}
}

// Without a decision hosts are told the newest Codex that is known, also while GitHub does not answer; nobody waits for it.
func TestTheNewestCodexIsTold(t *testing.T) {
	t.Parallel()
	newest := githubtest.New(t, "rust-v0.63.0")
	g := gatewaytest.New(t, gatewaytest.Options{GitHub: newest.URL})
	key := g.Register(t, "build7.example").Key.Reveal()
	expect := func(when, version, source string) {
		t.Helper()
		for member, want := range map[string]string{"client_version": version, "client_version_source": source} {
			text := strings.Fields(told(t, g, key, member))
			if text[1] != want || text[3] != want || text[4] != want {
				t.Errorf("%s: got %s %q, want %s", when, member, text, want)
			}
		}
	}
	expect("before anybody looked", "null", `"unknown"`)
	if n := len(newest.Asked()); n != 0 {
		t.Errorf("calls of a host asked GitHub %d times", n)
	}
	look := func() error {
		_, err := g.Codex.Look(t.Context())
		return err
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	expect("after a look", `"0.63.0"`, `"cache"`)
	newest.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if err := look(); err == nil {
		t.Fatal("got no error")
	}
	expect("after a look that failed", `"0.63.0"`, `"cache"`)
	g.Exec(t, "UPDATE codex_release SET checked_at = now() - interval '1 day'")
	expect("a day later", `"0.63.0"`, `"cache_stale"`)
	at := strings.Fields(told(t, g, key, "client_version_checked_at"))
	if at[1] == "null" || at[1] != at[3] || at[1] != at[4] {
		t.Errorf("got %q, want when GitHub said so", at)
	}
	decide(t, g, "client_version", "0.61.0")
	expect("an admin decided", `"0.61.0"`, `"locked"`)
}

// An insecure host whose window an admin has closed may still bring what it has, for an hour, and is given nothing.
func TestGrace(t *testing.T) {
	t.Parallel()
	now := lastRefresh.Add(time.Hour)
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	current := authtest.New(authtest.Options{LastRefresh: lastRefresh})
	g.Upload(t, current)
	e, err := g.Fleet.Register(t.Context(), fleet.Registration{FQDN: "build7.example", Insecure: true}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	key := e.Key.Reveal()
	var open struct {
		Digest string `json:"canonical_digest"`
		Auth   json.RawMessage
	}
	g.Retrieve(t, key, noDigest, "2025-01-01T00:00:00Z").Decode(t, &open)
	if len(open.Auth) == 0 {
		t.Fatal("got no login inside the window")
	}
	if _, err := g.Fleet.CloseWindow(t.Context(), &e.Host, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	older, newer := authtest.New(authtest.Options{LastRefresh: lastRefresh.Add(-time.Hour)}), authtest.New(authtest.Options{LastRefresh: lastRefresh.Add(time.Minute)})
	const closed = "403 insecure_api_disabled"
	for _, c := range []struct {
		name, want, later string // later: after the grace
		ask               func() *gatewaytest.Answer
	}{
		{"it has it", "200 valid", closed, func() *gatewaytest.Answer { return g.Retrieve(t, key, open.Digest, "2025-01-01T00:00:00Z") }},
		{"it has a newer one", "200 upload_required", closed, func() *gatewaytest.Answer { return g.Retrieve(t, key, noDigest, "2026-01-05T10:30:00Z") }},
		{"it has an older one", closed, closed, func() *gatewaytest.Answer { return g.Retrieve(t, key, noDigest, "2025-01-01T00:00:00Z") }},
		{"synced, it has none", closed, closed, func() *gatewaytest.Answer {
			return g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: "{}"})
		}},
		{"it brings an older one", "200 outdated", closed, func() *gatewaytest.Answer { return g.Store(t, key, older, "") }},
		{"it brings the same", "200 unchanged", closed, func() *gatewaytest.Answer { return g.Store(t, key, current, "") }},
		{"it brings a newer one", "200 updated", closed, func() *gatewaytest.Answer { return g.Store(t, key, newer, "") }},
	} {
		for _, when := range []struct {
			passes time.Duration
			want   string
		}{{0, c.want}, {time.Hour + time.Second, c.later}} {
			now = now.Add(when.passes)
			a := c.ask()
			var data struct{ Status string }
			_ = json.Unmarshal(a.Envelope.Data, &data) // a refusal has none
			if got := strings.TrimSpace(fmt.Sprintf("%d %s%s", a.Status, data.Status, a.Envelope.Code)); got != when.want {
				t.Errorf("%s, %v later: got %s, want %s", c.name, when.passes, got, when.want)
			}
			if strings.Contains(string(a.Body), "refresh_token") || strings.Contains(string(a.Body), `"auth":`) {
				t.Errorf("%s: got a login: %s", c.name, a.Body)
			}
			now = now.Add(-when.passes)
		}
	}
	if n := g.Int(t, "SELECT max(number) FROM generation"); n != 2 {
		t.Errorf("got generation %d, want the newer one taken once", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'auth.insecure.denied' AND details->>'grace' = 'true'"); n != 2 {
		t.Errorf("got %d refusals of the grace on record, want 2", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("got %d deliveries, want that inside the window alone", n)
	}
}

// Hosts that come in any way are alive: nothing that shows a key may end with the key pruned.
func TestEveryCallWithAKeyIsAContact(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	var routes []string
	for _, route := range g.Host.Routes() {
		if a := g.Do(t, routed(route, "")); a.Envelope.Code == "api_key_missing" && route != "DELETE /auth" {
			routes = append(routes, route)
		}
	}
	if len(routes) < 6 {
		t.Fatalf("got %q, want every route that needs a key", routes)
	}
	keys := map[string]string{}
	for i, route := range routes {
		keys[route] = g.Register(t, fmt.Sprintf("h%d.example", i)).Key.Reveal()
	}
	g.Register(t, "silent.example")
	g.Exec(t, "UPDATE install_token SET expires_at = now() - interval '1 second'")
	now = now.Add(10 * time.Minute)
	for route, key := range keys {
		g.Do(t, routed(route, key))
	}
	now = now.Add(time.Hour)
	if n, err := g.Fleet.Prune(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("got %d pruned, %v; want the silent one alone", n, err)
	}
	for route, key := range keys {
		if a := g.Do(t, routed(route, key)); a.Status == http.StatusUnauthorized {
			t.Errorf("%s: got 401 %s, an hour after that host came", route, a.Body)
		}
	}
}

// guardedRequest is what a handler that is not ours gets to see.
func guardedRequest(t *testing.T, key string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/tools", http.NoBody)
	if key != "" {
		r.Header.Set(api.HeaderAPIKey, key)
	}
	return r
}

func TestGuard(t *testing.T) {
	t.Parallel()
	g := limited(t)
	home, away := netip.MustParseAddr(gatewaytest.DefaultFrom), netip.MustParseAddr("203.0.113.1")
	bound, off, locked, open := g.Register(t, "bound.example"), g.Register(t, "off.example"), g.Register(t, "locked.example"), g.Register(t, "open.example")
	g.Exec(t, "UPDATE host SET status = 'disabled' WHERE fqdn = 'off.example'")
	g.Exec(t, "UPDATE host SET secure = false, grace_until = now() + interval '1 hour' WHERE fqdn = 'locked.example'") // the grace is for logins
	g.Exec(t, "UPDATE host SET secure = false, insecure_until = now() + interval '1 hour' WHERE fqdn = 'open.example'")
	for _, c := range []struct {
		name, key string
		from      netip.Addr
		want      error
	}{
		{"no key", "", home, fleet.ErrKeyMissing},
		{"an unknown key", noDigest, home, fleet.ErrKeyInvalid},
		{"at first", bound.Key.Reveal(), home, nil},
		{"at home", bound.Key.Reveal(), home, nil},
		{"elsewhere", bound.Key.Reveal(), away, fleet.ErrIPMismatch},
		{"nowhere", bound.Key.Reveal(), netip.Addr{}, fleet.ErrIPMismatch},
		{"switched off", off.Key.Reveal(), home, fleet.ErrHostDisabled},
		{"outside its window", locked.Key.Reveal(), home, fleet.ErrWindowClosed},
		{"inside its window", open.Key.Reveal(), home, nil},
	} {
		host, account, err := g.Host.Guard(guardedRequest(t, c.key), c.from)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || (host != nil) != (c.want == nil) || (account == "default") != (c.want == nil) {
			t.Errorf("%s: got %v of account %q, %v; want %v", c.name, host, account, err, c.want)
		}
	}
	early := guardedRequest(t, bound.Key.Reveal())
	early.TLS = &tls.ConnectionState{}
	if _, _, err := g.Host.Guard(early, home); !errors.Is(err, call.ErrEarly) {
		t.Errorf("before the handshake is done: got %v, want %v", err, call.ErrEarly)
	}
	subject := strconv.FormatInt(bound.Host.ID, 10)
	exhaust(t, g, ratelimit.Host, subject)
	if _, _, err := g.Host.Guard(guardedRequest(t, bound.Key.Reveal()), home); !errors.Is(err, ratelimit.ErrLimited) {
		t.Errorf("got %v, want %v", err, ratelimit.ErrLimited)
	}
}

// Behind the guard, calls of ours take its word: nothing counts twice, and the key that was removed is not missed.
func TestCallsBehindTheGuard(t *testing.T) {
	t.Parallel()
	g := limited(t)
	e, other := g.Register(t, "build7.example"), g.Register(t, "other.example")
	from := netip.MustParseAddr(gatewaytest.DefaultFrom)
	serve := func(method, path, body, presented string) *httptest.ResponseRecorder {
		t.Helper()
		r := guardedRequest(t, e.Key.Reveal())
		host, _, err := g.Host.Guard(r, from)
		if err != nil {
			t.Fatal(err)
		}
		behind := httptest.NewRequestWithContext(call.WithClientIP(r.Context(), from), method, path, strings.NewReader(body))
		behind = hostapi.WithHost(behind, host)
		if presented != "" {
			behind.Header.Set(api.HeaderAPIKey, presented)
		}
		w := httptest.NewRecorder()
		for _, table := range g.Host.Tables() {
			if table.TryServe(w, behind) {
				return w
			}
		}
		g.Host.Fallback.ServeHTTP(w, behind)
		return w
	}
	for i, c := range []struct {
		method, path, body, presented string
		status                        int
	}{
		{"POST", "/auth", `{"digest":"` + noDigest + `","last_refresh":"2025-11-21T00:00:00Z"}`, "", 200},
		{"POST", "/host/users", `{"username":"root"}`, other.Key.Reveal(), 200}, // whoever was let in, not whoever is named then
		{"POST", "/usage", `{"total":1}`, noDigest, 200},
		{"GET", "/nothing", "", "", 404},
		{"DELETE", "/auth?force", "", "", 200},
	} {
		w := serve(c.method, c.path, c.body, c.presented)
		if w.Code != c.status {
			t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, w.Code, w.Body, c.status)
		}
		if hits := g.Int(t, "SELECT sum(hits) FROM rate_limit"); hits != int64(i+1) {
			t.Errorf("%s %s: got %d hits, want %d", c.method, c.path, hits, i+1)
		}
	}
	if n := g.Int(t, "SELECT count(*) FROM host_user"); n != 0 {
		t.Errorf("got %d users left, want them gone with the host that left", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM host WHERE fqdn = 'other.example' AND last_seen_at IS NULL"); n != 1 {
		t.Error("the host whose key was named behind the guard was touched")
	}
}

// What a thief does with a host's key from elsewhere is the thief's: the host must not be locked out by it.
func TestStolenKeyCountsAgainstTheThief(t *testing.T) {
	t.Parallel()
	g := limited(t)
	key := g.Register(t, "robbed.example").Key.Reveal()
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z")
	const thief = "203.0.113.66"
	for i := range 121 {
		a := g.Do(t, gatewaytest.Request{Path: "/host/users", Key: key, From: thief, Body: "{}"})
		if i < 120 {
			a.Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
			continue
		}
		refusedBy(t, g, a, ratelimit.Global, thief, time.Minute)
	}
	if a := g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z"); a.Status != 200 {
		t.Errorf("the host got %d %s", a.Status, a.Body)
	}
}

// A good key in the wrong place may be a stolen one. It leaves a trace, but only one in a while.
func TestRefusedKeysLeaveATrace(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	key := host.Key.Reveal()
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z")
	from := func(addr string) gatewaytest.Request {
		return gatewaytest.Request{Path: "/usage", Key: key, From: addr, Body: `{"total":1}`}
	}
	for range 5 {
		g.Do(t, from("203.0.113.66")).Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
		g.Do(t, from("203.0.113.67")).Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
		forced := gatewaytest.Request{Method: "DELETE", Path: "/auth?force", Key: key, From: gatewaytest.Nowhere}
		g.Do(t, forced).Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
	}
	g.Exec(t, "UPDATE host SET status = 'disabled'")
	g.Do(t, from(gatewaytest.DefaultFrom)).Refused(t, 403, "host_disabled", "Host is disabled")
	for query, want := range map[string]int64{
		"SELECT count(*) FROM audit_entry WHERE action = 'auth.refused'":                                                                     4,
		"SELECT count(*) FROM audit_entry WHERE action = 'auth.refused' AND host(ip) = '203.0.113.66' AND details->>'code' = 'ip_mismatch'":  1,
		"SELECT count(*) FROM audit_entry WHERE action = 'auth.refused' AND details->>'code' = 'host_disabled' AND actor = 'build7.example'": 1,
	} {
		if got := g.Int(t, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	if logs := g.Logs.String(); !strings.Contains(logs, "the key "+key[:8]+"… of build7.example") || strings.Contains(logs, key) {
		t.Error("the log does not name the host, or has its key")
	}
	g.Exec(t, "UPDATE rate_limit SET reset_at = now() WHERE bucket = 'refused'")
	g.Do(t, from(gatewaytest.DefaultFrom))
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'auth.refused'"); n != 5 {
		t.Errorf("got %d entries, want one more after a while", n)
	}
}

// What an insecure host may not have, it may not give either: its text would run on every machine.
func TestInsecureHostsPushInTheirWindowOnly(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	push := gatewaytest.Request{Path: "/slash-commands/store", Key: host.Key.Reveal(), Body: `{"filename":"x.md","prompt":"x"}`}
	g.Exec(t, "UPDATE host SET secure = false, insecure_until = now() + interval '1 minute'")
	if a := g.Do(t, push); a.Status != 200 {
		t.Errorf("inside: got %d %s", a.Status, a.Body)
	}
	g.Exec(t, "UPDATE host SET insecure_until = now() - interval '1 second', grace_until = now() + interval '1 hour'")
	g.Do(t, push).Refused(t, 403, "insecure_api_disabled", "Insecure host API access disabled")
	if a := g.Do(t, gatewaytest.Request{Path: "/slash-commands", Key: host.Key.Reveal()}); a.Status != 200 {
		t.Errorf("listing outside: got %d %s", a.Status, a.Body)
	}
}

// In the grace a host is told nothing by which an old login of its own could pass for a new one: not even the time of the
// canonical one, which deployed clients write into the file they have.
func TestGraceDoesNotRejuvenate(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	g.Upload(t, authtest.New(authtest.Options{LastRefresh: lastRefresh}))
	e, err := g.Fleet.Register(t.Context(), fleet.Registration{FQDN: "build7.example", Insecure: true}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Fleet.CloseWindow(t.Context(), &e.Host, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	key, old := e.Key.Reveal(), authtest.Options{LastRefresh: lastRefresh.AddDate(0, 0, -7), IssuedAt: lastRefresh.AddDate(0, 0, -7)}
	var said struct {
		Status               string
		CanonicalLastRefresh *string `json:"canonical_last_refresh"`
		CanonicalDigest      string  `json:"canonical_digest"`
	}
	g.Store(t, key, authtest.New(old), "").Decode(t, &said)
	if said.Status != "outdated" || said.CanonicalLastRefresh != nil {
		t.Errorf("got %+v, want no time to write on the file", said)
	}
	old.LastRefresh = lastRefresh // which the host may have known all along
	g.Store(t, key, authtest.New(old), said.CanonicalDigest).Decode(t, &said)
	if said.Status != "outdated" || g.Int(t, "SELECT max(number) FROM generation") != 1 {
		t.Errorf("got %+v for the same login with a newer time", said)
	}
	if n := g.Int(t, "SELECT count(*) FROM host WHERE auth_digest IS NOT NULL"); n != 0 {
		t.Error("the host is said to have what it was not given")
	}
}

// A window that is closed already is no reason for an hour in which the host may store.
func TestClosingTwiceGrantsNothing(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{LastRefresh: lastRefresh}))
	g.Exec(t, "UPDATE host SET secure = false, insecure_until = now() - interval '1 day'")
	if _, err := g.Fleet.CloseWindow(t.Context(), &db.Host{ID: host.Host.ID}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	g.Store(t, host.Key.Reveal(), authtest.New(authtest.Options{LastRefresh: lastRefresh.Add(time.Hour)}), "").
		Refused(t, 403, "insecure_api_disabled", "Insecure host API access disabled")
}
