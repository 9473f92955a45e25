package hostapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// Whatever the state of a token: 200 and a script, since the printed command is curl -f. Looking changes nothing.
func TestInstallerStates(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": "a build"}})
	ready, used := g.Register(t, "ready.example"), g.Register(t, "used.example")
	expired, replaced := g.Register(t, "expired.example"), g.Register(t, "replaced.example")
	g.Do(t, gatewaytest.Request{Path: api.PathInstall + used.Token.Reveal(), Body: "{}"})
	g.Exec(t, "UPDATE install_token SET expires_at = now() - interval '1 second' WHERE host_id = $1", expired.Host.ID)
	g.Register(t, "replaced.example")

	for name, c := range map[string]struct{ token, state, says string }{
		"ready":    {ready.Token.Reveal(), api.InstallReady, "ready.example"},
		"shouted":  {strings.ToUpper(ready.Token.Reveal()), api.InstallReady, "ready.example"},
		"used":     {used.Token.Reveal(), api.InstallUsed, "was used on"},
		"expired":  {expired.Token.Reveal(), api.InstallExpired, "expired on"},
		"replaced": {replaced.Token.Reveal(), api.InstallExpired, "replaced by a newer one"},
		"unknown":  {"00000000-0000-4000-8000-000000000000", api.InstallUnknown, "not known here"},
	} {
		for range 10 {
			got := g.Do(t, gatewaytest.Request{Path: api.PathInstall + c.token})
			if got.Status != http.StatusOK || got.Header.Get(api.HeaderInstallerStatus) != c.state ||
				!strings.HasPrefix(got.Header.Get("Content-Type"), "text/x-shellscript") || !strings.Contains(string(got.Body), c.says) {
				t.Fatalf("%s: got %d, %s, want 200 and %s\n%s", name, got.Status, got.Header.Get(api.HeaderInstallerStatus), c.state, got.Body)
			}
			if c.state != api.InstallReady && !strings.Contains(string(got.Body), "exit 1") {
				t.Fatalf("%s: the script does not fail:\n%s", name, got.Body)
			}
			for _, e := range []string{ready.Key.Reveal(), used.Key.Reveal(), expired.Key.Reveal(), replaced.Key.Reveal()} {
				if strings.Contains(string(got.Body), e) {
					t.Fatalf("%s: the script holds an API key", name)
				}
			}
		}
	}
	if got := g.Do(t, gatewaytest.Request{Path: api.PathInstall + ready.Token.Reveal(), Body: "{}"}); got.Status != http.StatusOK {
		t.Errorf("after looking: got %s, want the claim to work", got.Body)
	}
	for _, odd := range []string{"x", "not-a-token-but-36-characters-long-xx", ready.Token.Reveal() + "0"} {
		g.Do(t, gatewaytest.Request{Path: api.PathInstall + odd}).Refused(t, 404, "route_not_found", "Route not found")
		g.Do(t, gatewaytest.Request{Path: api.PathInstall + odd, Body: "{}"}).Refused(t, 404, "route_not_found", "Route not found")
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	host := g.Register(t, "build7.example")
	path := api.PathInstall + host.Token.Reveal()

	g.Do(t, gatewaytest.Request{Path: path, Body: "{"}).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	g.Do(t, gatewaytest.Request{Path: path, Body: `{"platform":5}`}).Invalid(t, "platform", "platform must be a JSON string")
	got := g.Do(t, gatewaytest.Request{Path: path, Body: api.EnrolRequest{Platform: "linux-amd64", WrapperVersion: "1.0.0"}})
	var answer api.EnrolResponse
	got.Decode(t, &answer)
	want := api.EnrolResponse{
		BaseURL: gatewaytest.PublicURL, APIKey: host.Key.Reveal(), FQDN: "build7.example",
		InstallationID: g.Core.InstallationID.String(), Secure: true,
	}
	if answer != want {
		t.Errorf("got %+v, want %+v", answer, want)
	}
	g.Do(t, gatewaytest.Request{Path: path, Body: "{}"}).Refused(t, 410, "install_token_used", "Install token already used")

	g.Register(t, "build7.example")
	again := g.Register(t, "build7.example")
	g.Exec(t, "UPDATE install_token SET expires_at = now() WHERE token_prefix = $1", again.Token.Prefix())
	g.Do(t, gatewaytest.Request{Path: api.PathInstall + again.Token.Reveal(), Body: "{}"}).
		Refused(t, 410, "install_token_expired", "Install token expired")
	g.Do(t, gatewaytest.Request{Path: api.PathInstall + "00000000-0000-4000-8000-000000000000", Body: "{}"}).
		Refused(t, 404, "install_token_unknown", "Install token not found")
}

func TestOfAHundredClaimsOneWins(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	host := g.Register(t, "build7.example")
	var won, gone atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch got := g.Do(t, gatewaytest.Request{Path: api.PathInstall + host.Token.Reveal(), Body: "{}"}); got.Status {
			case http.StatusOK:
				won.Add(1)
			case http.StatusGone:
				gone.Add(1)
			default:
				t.Errorf("got %d %s, want 200 or 410", got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || gone.Load() != 99 {
		t.Errorf("got %d winners and %d refusals, want 1 and 99", won.Load(), gone.Load())
	}
	if left := g.Int(t, "SELECT count(*) FROM install_token WHERE key_sealed IS NOT NULL"); left != 0 {
		t.Errorf("got %d sealed keys after the claim, want none", left)
	}
	if entries := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'install.token.consume'"); entries != 1 {
		t.Errorf("got %d audit entries, want 1", entries)
	}
}

func TestClientDownload(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": "the build"}})
	got := g.Do(t, gatewaytest.Request{Path: api.PathClient + "cdx-linux-amd64"})
	sum := sha256.Sum256([]byte("the build"))
	if string(got.Body) != "the build" || got.Header.Get(api.HeaderSHA256) != hex.EncodeToString(sum[:]) {
		t.Errorf("got %q with %s, want the build and its hash", got.Body, got.Header.Get(api.HeaderSHA256))
	}
	for _, name := range []string{"..%2fkeyring", "cdx-..%2f..%2fkeyring", "../keyring"} {
		if got := g.Do(t, gatewaytest.Request{Path: api.PathClient + name}); got.Status != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", name, got.Status)
		}
	}
	for _, name := range []string{"cdx-linux-arm64", "cdx-plan9-amd64", "keyring", "cdx-..", "cdx-linux-amd64%00"} {
		g.Do(t, gatewaytest.Request{Path: api.PathClient + name}).
			Refused(t, 404, "client_not_found", "This gateway has no cdx for that platform")
	}
}
