package hostapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

func newSeed(t *testing.T, g *gatewaytest.Gateway) *credential.Seed {
	t.Helper()
	seed, err := g.Credentials.NewSeed(t.Context(), "default", gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

func seedCall(seed *credential.Seed, body any) gatewaytest.Request {
	return gatewaytest.Request{Method: http.MethodPost, Path: api.PathSeed + seed.Token.Reveal(), Body: body}
}

// Whoever holds a seed token may bring a login, once. Nothing ever comes back, not even what was brought.
func TestSeed(t *testing.T) {
	t.Parallel()
	current := authtest.New(authtest.Options{LastRefresh: lastRefresh})
	g, _ := begin(t, current)
	older := authtest.New(authtest.Options{LastRefresh: lastRefresh.AddDate(0, -1, 0), AccountID: "another-account"})
	for name, body := range map[string]any{
		"the file itself": older,
		"as a member":     `{"auth":` + string(authtest.New(authtest.Options{LastRefresh: lastRefresh.AddDate(0, -2, 0)})) + `}`,
	} {
		seed := newSeed(t, g)
		before := g.Int(t, "SELECT generation FROM account")
		a := g.Do(t, seedCall(seed, body))
		var data api.SeedResponse
		a.Decode(t, &data)
		if a.Status != 200 || data.Status != "updated" || data.Generation != before+1 || len(data.CanonicalDigest) != 64 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
		var members map[string]json.RawMessage
		a.Decode(t, &members)
		if len(members) != 4 || strings.Contains(string(a.Body), "token") {
			t.Errorf("%s: got %s, want no more than what happened", name, a.Body)
		}
		g.Do(t, seedCall(seed, body)).Refused(t, 410, "seed_token_used", "Seed token already used")
	}
	if n := g.Int(t, "SELECT count(DISTINCT lineage) FROM generation WHERE source = 'seed'"); n != 2 {
		t.Errorf("got %d lineages, want one for each seed", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE actor_kind = 'seed' AND host(ip) = $1 AND action IN ('auth.seed.consume', 'auth.store')", gatewaytest.DefaultFrom); n != 4 {
		t.Errorf("got %d entries, want 4", n)
	}
	// What is the fleet's login already stays what it is, and the token is spent all the same.
	seed := newSeed(t, g)
	same := g.Do(t, seedCall(seed, `{"auth":`+string(authtest.New(authtest.Options{LastRefresh: lastRefresh.AddDate(0, -3, 0)}))+`}`))
	again := newSeed(t, g)
	if a := g.Do(t, seedCall(again, authtest.New(authtest.Options{LastRefresh: lastRefresh.AddDate(0, -3, 0)}))); !strings.Contains(string(a.Body), `"unchanged"`) {
		t.Errorf("got %s after %s", a.Body, same.Body)
	}
	g.Do(t, seedCall(again, older)).Refused(t, 410, "seed_token_used", "Seed token already used")
}

// A file that is no good is no reason to start over, up to a point; and it never tells what the fleet has.
func TestSeedRefusals(t *testing.T) {
	t.Parallel()
	g, _ := begin(t, authtest.New(authtest.Options{LastRefresh: lastRefresh}))
	state := func() int64 { return g.Int(t, "SELECT count(*) FROM generation") }
	before := state()
	seed := newSeed(t, g)
	g.Do(t, seedCall(seed, "{")).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	g.Do(t, seedCall(seed, "")).Invalid(t, "auth", "Auth payload is required")
	g.Do(t, seedCall(seed, `{"last_refresh":"2026-01-05T10:00:00Z"}`)).Invalid(t, "auth.auths", "auths must be an object of targets")
	g.Do(t, seedCall(seed, authtest.New(authtest.Options{RefreshToken: credential.PlaceholderPrefix + "x"}))).
		Refused(t, 422, "placeholder_token", "Validation failed")
	g.Do(t, seedCall(seed, authtest.New(authtest.Options{}))).
		Refused(t, 410, "seed_token_worn_out", "Seed token had too many uploads that were no good")

	late := newSeed(t, g)
	g.Exec(t, "UPDATE seed_token SET expires_at = now() WHERE token_sha256 = $1", late.Token.SHA256())
	g.Do(t, seedCall(late, authtest.New(authtest.Options{}))).Refused(t, 410, "seed_token_expired", "Seed token expired")
	g.Do(t, seedCall(late, "[]")).Refused(t, 410, "seed_token_expired", "Seed token expired")
	unknown := gatewaytest.Request{Method: http.MethodPost, Path: "/seed/auth/0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e", Body: authtest.New(authtest.Options{})}
	g.Do(t, unknown).Refused(t, 404, "seed_token_unknown", "Seed token not found")
	for _, path := range []string{"/seed", "/seed/auth", "/seed/auth/x", "/seed/auth/a/b"} {
		g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: path}).Refused(t, 404, "route_not_found", "Route not found")
	}
	g.Do(t, gatewaytest.Request{Method: http.MethodPut, Path: api.PathSeed + seed.Token.Reveal()}).Refused(t, 405, "method_not_allowed", "Method not allowed")
	if after := state(); after != before {
		t.Errorf("got %d generations, want %d", after, before)
	}
	for _, s := range []*credential.Seed{seed, late} {
		if strings.Contains(g.Logs.String(), s.Token.Reveal()) || strings.Contains(dump(t, g), s.Token.Reveal()) {
			t.Error("a seed token is in the log or in the database")
		}
	}
}

func TestSeedOnce(t *testing.T) {
	t.Parallel()
	g, _ := begin(t, nil)
	seed := newSeed(t, g)
	const uploads = 50
	answers := make([]*gatewaytest.Answer, uploads)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			<-begin
			answers[i] = g.Do(t, seedCall(seed, authtest.New(authtest.Options{LastRefresh: lastRefresh.Add(time.Duration(i) * time.Second)})))
		})
	}
	close(begin)
	all.Wait()
	won := 0
	for _, a := range answers {
		if a.Status == http.StatusOK {
			won++
			continue
		}
		a.Refused(t, 410, "seed_token_used", "Seed token already used")
	}
	if n := g.Int(t, "SELECT count(*) FROM generation"); won != 1 || n != 1 {
		t.Errorf("got %d winners and %d generations, want one", won, n)
	}
}

func TestSeedScriptStates(t *testing.T) {
	t.Parallel()
	g, _ := begin(t, nil)
	ready, used, late, worn := newSeed(t, g), newSeed(t, g), newSeed(t, g), newSeed(t, g)
	g.Do(t, seedCall(used, authtest.New(authtest.Options{})))
	g.Exec(t, "UPDATE seed_token SET expires_at = now() WHERE token_sha256 = $1", late.Token.SHA256())
	g.Exec(t, "UPDATE seed_token SET attempts = 3 WHERE token_sha256 = $1", worn.Token.SHA256())
	for name, c := range map[string]struct{ token, state, says string }{
		"ready": {ready.Token.Reveal(), "ready", ready.Token.Reveal()}, "used": {used.Token.Reveal(), "used", "was used on"},
		"expired": {late.Token.Reveal(), "expired", "expired on"}, "worn out": {worn.Token.Reveal(), "worn_out", "too many files"},
		"unknown": {"0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e", "unknown", "not known here"},
	} {
		for range 2 {
			a := g.Do(t, gatewaytest.Request{Path: api.PathSeed + c.token})
			if a.Status != 200 || a.Header.Get("X-Seed-Status") != c.state || a.Header.Get("Content-Type") != "text/x-shellscript; charset=utf-8" {
				t.Errorf("%s: got %d %v", name, a.Status, a.Header)
			}
			if _, err := time.Parse(api.TimeFormat, a.Header.Get("X-Seed-Expires-At")); (err == nil) != (c.state != "unknown") {
				t.Errorf("%s: got expiry %q", name, a.Header.Get("X-Seed-Expires-At"))
			}
			if !strings.Contains(string(a.Body), c.says) || c.state == "ready" == strings.HasSuffix(string(a.Body), "exit 1\n") {
				t.Errorf("%s: got %s", name, a.Body)
			}
		}
	}
}

// Tokens that are no good count against the address that brings them, good ones never do; then the address is blocked.
func TestTokenLimits(t *testing.T) {
	t.Parallel()
	const unknown = "0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e"
	for path, c := range map[string]struct{ bucket, statusHeader, code string }{
		api.PathInstall: {"enrol-fail", "X-Installer-Status", "install_token_unknown"},
		api.PathSeed:    {"seed-fail", "X-Seed-Status", "seed_token_unknown"},
	} {
		t.Run(c.bucket, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, gatewaytest.Options{Limits: ratelimit.Rules{ratelimit.Bucket(c.bucket): {Limit: 3, Window: time.Hour, Block: time.Hour}}})
			host, seed := g.Register(t, "a.example"), newSeed(t, g)
			good := map[string]string{api.PathInstall: host.Token.Reveal(), api.PathSeed: seed.Token.Reveal()}[path]
			for range 20 { // looking at a good one
				if a := g.Do(t, gatewaytest.Request{Path: path + good}); a.Header.Get(c.statusHeader) != "ready" {
					t.Fatalf("got %v", a.Header)
				}
			}
			g.Do(t, gatewaytest.Request{Path: path + unknown})                                      // 1
			g.Do(t, gatewaytest.Request{Method: "POST", Path: path + unknown, Body: `{"auth":{}}`}) // 2
			g.Do(t, gatewaytest.Request{Path: path + "guess"})                                      // 3
			limited := func(a *gatewaytest.Answer) {
				t.Helper()
				a.Refused(t, 429, "too_many_failures", "Too many failed authentication attempts")
				if a.Envelope.Details["bucket"] != c.bucket || a.Envelope.Details["limit"] != 3.0 || a.Envelope.Details["reset_at"] == nil || a.Header.Get("Retry-After") == "" {
					t.Errorf("got %s, %v", a.Body, a.Header)
				}
			}
			limited(g.Do(t, gatewaytest.Request{Method: "POST", Path: path + unknown, Body: `{"auth":{}}`})) // 4: one too many
			limited(g.Do(t, gatewaytest.Request{Method: "POST", Path: path + good, Body: `{}`}))
			limited(g.Do(t, gatewaytest.Request{Method: "POST", Path: path + "guess"}))
			script := g.Do(t, gatewaytest.Request{Path: path + good})
			if script.Status != 200 || script.Header.Get(c.statusHeader) != "limited" || !strings.Contains(string(script.Body), "too many") || !strings.HasSuffix(string(script.Body), "exit 1\n") {
				t.Errorf("got %d %v %s", script.Status, script.Header, script.Body)
			}
			// Everybody else is served.
			other := g.Do(t, gatewaytest.Request{Path: path + good, From: "203.0.113.77"})
			if other.Header.Get(c.statusHeader) != "ready" {
				t.Errorf("another address got %v", other.Header)
			}
			if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'security.rate_limit' AND details->>'bucket' = $1 AND details->>'reason' = $2", c.bucket, c.code); n != 1 {
				t.Errorf("got %d entries, want the one that tripped it", n)
			}
		})
	}
}

// A fleet behind one address may take builds as fast as the line does, but not more at a time than the limit.
func TestDownloadsInFlight(t *testing.T) {
	t.Parallel()
	build := strings.Repeat("b", 16<<20) // more than sockets buffer
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": build}, Flow: 40 << 20})
	key := g.Register(t, "a.example").Key.Reveal()
	hangUps := []func(){g.Stall(t, "/install/bin/cdx-linux-amd64"), g.Stall(t, "/install/bin/cdx-linux-amd64")}
	for _, r := range []gatewaytest.Request{
		{Path: "/install/bin/cdx-linux-amd64"},
		{Path: "/wrapper/download", Key: key, Header: platformHeader("linux-amd64")},
	} {
		a := g.Do(t, r)
		a.Refused(t, 429, "rate_limited", "Rate limit exceeded")
		if fmt.Sprint(a.Envelope.Details["bucket"], a.Envelope.Details["limit"]) != fmt.Sprint("download", float64(40<<20)) || a.Header.Get("Retry-After") != "5" {
			t.Errorf("got %s, %v", a.Body, a.Header)
		}
	}
	if a := g.Do(t, gatewaytest.Request{Path: "/install/bin/cdx-linux-amd64", From: "203.0.113.77"}); a.Status != 200 || len(a.Body) != len(build) {
		t.Errorf("another address got %d and %d bytes", a.Status, len(a.Body))
	}
	for _, hangUp := range hangUps {
		hangUp()
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		a := g.Do(t, gatewaytest.Request{Path: "/install/bin/cdx-linux-amd64"})
		if a.Status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d %s long after the others hung up", a.Status, a.Body)
		}
	}
}
