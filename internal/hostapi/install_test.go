package hostapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/release"
)

// A host that is to use IPv4 only is installed so, as soon as an admin has said it.
func TestInstallerOfAnIPv4OnlyHost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds})
	hosts := map[string]bool{g.Register(t, "both.example").Token.Reveal(): false, g.Register(t, "four.example").Token.Reveal(): true}
	g.Exec(t, "UPDATE host SET force_ipv4 = true WHERE fqdn = 'four.example'")
	for token, want := range hosts {
		script := string(g.Do(t, gatewaytest.Request{Path: api.PathInstall + token}).Body)
		if strings.Contains(script, "curl -fsSL -4 ") != want || strings.Contains(script, "wget -q -4 ") != want {
			t.Errorf("got a script for IPv4 only, want %t:\n%s", want, script)
		}
	}
}

// Whatever became of a token, looking answers 200, says so, and changes nothing; only POST spends it.
func TestInstallerStates(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": "a build"}})
	claim := func(token string) *gatewaytest.Answer {
		return g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: api.PathInstall + token})
	}
	ready, used, expired := g.Register(t, "ready.example"), g.Register(t, "used.example"), g.Register(t, "expired.example")
	replaced := g.Register(t, "replaced.example")
	g.Register(t, "replaced.example")
	if a := claim(used.Token.Reveal()); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	g.Exec(t, "UPDATE install_token SET expires_at = now() - interval '1 minute' WHERE host_id = $1", expired.Host.ID)

	const state = "SELECT hashtext(string_agg(install_token::text, ' ' ORDER BY id))::bigint + (SELECT count(*) FROM audit_entry) FROM install_token"
	before := g.Int(t, state)
	for name, c := range map[string]struct {
		token, state, says string
	}{
		"ready":       {ready.Token.Reveal(), "ready", "ready.example"},
		"in capitals": {strings.ToUpper(ready.Token.Reveal()), "ready", "ready.example"},
		"used":        {used.Token.Reveal(), "used", "was used on"},
		"expired":     {expired.Token.Reveal(), "expired", "expired on"},
		"replaced":    {replaced.Token.Reveal(), "expired", "replaced by a newer one"},
		"unknown":     {"0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e", "unknown", "not known here"},
	} {
		for range 50 {
			a := g.Do(t, gatewaytest.Request{Path: api.PathInstall + c.token})
			h := a.Header
			if a.Status != 200 || h.Get("X-Installer-Status") != c.state || h.Get("Content-Type") != "text/x-shellscript; charset=utf-8" {
				t.Fatalf("%s: got %d, %v", name, a.Status, h)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store, must-revalidate" || len(h.Get("X-Request-Id")) != 36 {
				t.Fatalf("%s: got headers %v", name, h)
			}
			if _, err := time.Parse(api.TimeFormat, h.Get("X-Installer-Expires-At")); (err == nil) != (c.state != "unknown") {
				t.Fatalf("%s: got expiry %q", name, h.Get("X-Installer-Expires-At"))
			}
			script := string(a.Body)
			for _, e := range []string{ready.Key.Reveal(), used.Key.Reveal(), expired.Key.Reveal(), replaced.Key.Reveal()} {
				if strings.Contains(script, e) {
					t.Fatalf("%s: the script holds an API key", name)
				}
			}
			if !strings.Contains(script, c.says) {
				t.Fatalf("%s: the script does not say %q:\n%s", name, c.says, script)
			}
			if c.state == "ready" != strings.Contains(script, ready.Token.Reveal()) || c.state == "ready" == strings.HasSuffix(script, "exit 1\n") {
				t.Fatalf("%s: got script %s", name, script)
			}
		}
		head := g.Do(t, gatewaytest.Request{Method: http.MethodHead, Path: api.PathInstall + c.token})
		if head.Status != 200 || head.Header.Get("X-Installer-Status") != c.state || len(head.Body) > 0 {
			t.Errorf("%s: HEAD got %d %v", name, head.Status, head.Header)
		}
	}
	if after := g.Int(t, state); after != before {
		t.Error("looking changed something")
	}
	for _, c := range []struct {
		token, code, message string
		status               int
	}{
		{used.Token.Reveal(), "install_token_used", "Install token already used", 410},
		{expired.Token.Reveal(), "install_token_expired", "Install token expired", 410},
		{replaced.Token.Reveal(), "install_token_expired", "Install token expired", 410},
		{"0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e", "install_token_unknown", "Install token not found", 404},
	} {
		claim(c.token).Refused(t, c.status, c.code, c.message)
	}
}

func TestWhatIsNoTokenIsNoRoute(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, path := range []string{
		"/install", "/install/", "/install/bin", "/install/x", "/install/0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8", "/install/0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e0",
		"/install/0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8g", "/install/0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8%0a", "/install/..%2f..%2fetc%2fpasswd", "/install/a/b",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			g.Do(t, gatewaytest.Request{Method: method, Path: path}).Refused(t, 404, "route_not_found", "Route not found")
		}
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	path := api.PathInstall + host.Token.Reveal()
	g.Do(t, gatewaytest.Request{Path: path, Body: `{"platform":5}`}).Invalid(t, "platform", "platform must be a JSON string")
	g.Do(t, gatewaytest.Request{Path: path, Body: `{`}).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	g.Do(t, gatewaytest.Request{Method: http.MethodPut, Path: path}).Refused(t, 405, "method_not_allowed", "Method not allowed")

	const claims = 100
	answers := make([]*gatewaytest.Answer, claims)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			<-begin
			answers[i] = g.Do(t, gatewaytest.Request{Path: path, From: fmt.Sprintf("203.0.113.%d", i), Body: api.EnrolRequest{Platform: "linux-amd64"}})
		})
	}
	close(begin)
	all.Wait()
	won := 0
	for _, a := range answers {
		if a.Status != http.StatusOK {
			a.Refused(t, 410, "install_token_used", "Install token already used")
			continue
		}
		won++
		want := fmt.Sprintf(`{"base_url":"%s","api_key":"%s","fqdn":"build7.example","installation_id":"%s","secure":true,"signing_key":`,
			gatewaytest.PublicURL, host.Key.Reveal(), g.Core.InstallationID)
		if got := string(a.Envelope.Data); !strings.HasPrefix(got, want) || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %s, %v\nwant %s", got, a.Header, want)
		}
	}
	if won != 1 {
		t.Errorf("got %d winners, want 1", won)
	}
	if n := g.Int(t, "SELECT count(*) FROM install_token WHERE key_sealed IS NOT NULL"); n != 0 {
		t.Errorf("got %d sealed keys after the claim, want none", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'install.token.consume'"); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
	if a := g.Retrieve(t, host.Key.Reveal(), noDigest, "2026-01-01T00:00:00Z"); a.Status != http.StatusOK {
		t.Errorf("got %d %s with the claimed key", a.Status, a.Body)
	}
}

func TestClientDownload(t *testing.T) {
	t.Parallel()
	const build = "\x7fELF a build\n\x00"
	sum := sha256.Sum256([]byte(build))
	hash := hex.EncodeToString(sum[:])
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": build, "plan9-mips": "not a platform of ours"}})
	get := func(name string, header http.Header) *gatewaytest.Answer {
		return g.Do(t, gatewaytest.Request{Path: api.PathClient + name, Header: header})
	}
	a := get("cdx-linux-amd64", nil)
	if a.Status != 200 || string(a.Body) != build || a.Header.Get("X-Sha256") != hash || a.Header.Get("Etag") != `"`+hash+`"` ||
		a.Header.Get("Content-Type") != "application/octet-stream" || a.Header.Get("Content-Length") != fmt.Sprint(len(build)) {
		t.Errorf("got %d %v, %d bytes", a.Status, a.Header, len(a.Body))
	}
	if a := get("cdx-linux-amd64", http.Header{"If-None-Match": {`"` + hash + `"`}}); a.Status != http.StatusNotModified || len(a.Body) != 0 {
		t.Errorf("got %d and %d bytes for what the caller has", a.Status, len(a.Body))
	}
	if a := get("cdx-linux-amd64", http.Header{"Range": {"bytes=1-3"}}); a.Status != http.StatusPartialContent || string(a.Body) != build[1:4] {
		t.Errorf("got %d %q for a part", a.Status, a.Body)
	}
	if a := get("cdx-linux-amd64.sha256", nil); a.Status != 200 || string(a.Body) != hash+"\n" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %q, %v for the digest", a.Status, a.Body, a.Header)
	}
	get("../../keyring", nil).Refused(t, 404, "route_not_found", "Route not found")
	for _, name := range []string{
		"..%2fkeyring", "cdx-..%2f..%2fkeyring",
		"cdx-darwin-arm64", "cdx-plan9-mips", "cdx-", "linux-amd64", "cdx-linux-amd64%00", "cdx-Linux-amd64", "cdx-linux-amd64.sha256.sha256", "cdx-darwin-arm64.sha256", ".sha256", "cdx-..", "x",
	} {
		a := get(name, nil)
		a.Refused(t, 404, "client_not_found", "This gateway has no cdx for that platform")
		if missing, ok := a.Envelope.Details["missing"].([]any); !ok || len(missing) != len(release.Platforms)-1 {
			t.Errorf("%s: got details %v, want what is missing", name, a.Envelope.Details)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	data := func(path string) string {
		t.Helper()
		a := g.Do(t, gatewaytest.Request{Path: path, From: gatewaytest.Nowhere})
		if a.Status != http.StatusOK {
			t.Errorf("%s: got %d %s", path, a.Status, a.Body)
		}
		return string(a.Envelope.Data)
	}
	for path, want := range map[string]string{
		"/livez": `{"live":"yes"}`, "/livez/": `{"live":"yes"}`, "/readyz": `{"ready":"yes"}`,
		"/readyz?verbose": `{"clients_missing":["darwin-amd64","darwin-arm64","linux-amd64","linux-arm64","windows-amd64","windows-arm64"],"database":"ok","ready":"yes","version":"1.2.3-test"}`,
	} {
		if got := data(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	host := g.Register(t, "build7.example")
	g.Core.DB.Close()
	if got := data("/livez"); got != `{"live":"yes"}` {
		t.Errorf("got %s without a database", got)
	}
	const message = "The gateway cannot reach its database; try again later"
	for _, a := range []*gatewaytest.Answer{
		g.Do(t, gatewaytest.Request{Path: "/readyz"}), g.Retrieve(t, host.Key.Reveal(), noDigest, "2026-01-01T00:00:00Z"),
		g.Do(t, gatewaytest.Request{Path: api.PathInstall + host.Token.Reveal()}),
		g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: api.PathInstall + host.Token.Reveal()}),
	} {
		// Never a 401: clients delete their login when they are told that their key is wrong.
		a.Refused(t, 503, "database_unavailable", message)
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("got headers %v, want Retry-After", a.Header)
		}
	}
}

// What is served carries the authority that signs the certificate now; scripts that refuse need none.
func TestScriptsCarryAPrivateAuthority(t *testing.T) {
	t.Parallel()
	const ca = "-----BEGIN CERTIFICATE-----\nplanted\n-----END CERTIFICATE-----\n"
	g := gatewaytest.New(t, gatewaytest.Options{
		Clients: map[string]string{"linux-amd64": "a build", "linux-arm64": "another"}, Trust: publictls.Trust{CA: ca},
	})
	host := g.Register(t, "build7.example")
	for path, want := range map[string]bool{
		api.PathInstall + host.Token.Reveal():                    true,
		api.PathSeed + newSeed(t, g).Token.Reveal():              true,
		api.PathInstall + "0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e": false,
	} {
		if a := g.Do(t, gatewaytest.Request{Path: path}); a.Status != 200 || strings.Contains(string(a.Body), "planted") != want {
			t.Errorf("%s: got %d %s, want the authority in it: %v", path, a.Status, a.Body, want)
		}
	}
	a := g.Do(t, gatewaytest.Request{Path: api.PathWrapperFile, Key: host.Key.Reveal()})
	if a.Status != 200 || !strings.Contains(string(a.Body), "planted") {
		t.Errorf("the script that replaces a wrapper: got %d %s, want the authority in it", a.Status, a.Body)
	}
}
