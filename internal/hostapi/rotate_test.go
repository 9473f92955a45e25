package hostapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// A host is given its next key by POST /sync and by nothing else, until it has used it.
func TestSyncHandsOverTheNextKey(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	old := host.Key.Reveal()
	sync := func(key, from string) (answer api.SyncResponse, status int) {
		t.Helper()
		a := g.Do(t, gatewaytest.Request{Path: api.PathSync, Key: key, From: from, Body: "{}"})
		if a.Status == http.StatusOK {
			a.Decode(t, &answer)
		}
		return answer, a.Status
	}
	if answer, status := sync(old, ""); status != http.StatusOK || answer.APIKey != "" {
		t.Fatalf("got %d, a key without a rotation: %t", status, answer.APIKey != "")
	}
	if _, _, err := g.Fleet.Rotate(t.Context(), host.Host.ID, fleet.RotateOptions{}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	if a := g.Retrieve(t, old, noDigest, "2000-01-01T00:00:00Z"); a.Status != http.StatusOK || strings.Contains(string(a.Body), "api_key") {
		t.Errorf("got %d %s of POST /auth", a.Status, a.Body)
	}
	if answer, status := sync(old, "203.0.113.99"); status != http.StatusForbidden || answer.APIKey != "" {
		t.Errorf("got %d from elsewhere", status)
	}
	first, _ := sync(old, "")
	again, _ := sync(old, "")
	next := first.APIKey
	if len(next) != 64 || next == old || again.APIKey != next {
		t.Fatalf("got keys of %d and %d characters", len(next), len(again.APIKey))
	}
	if _, status := sync(next, "203.0.113.99"); status != http.StatusForbidden {
		t.Errorf("got %d for the next key from elsewhere", status)
	}
	if _, status := sync(old, ""); status != http.StatusOK {
		t.Errorf("got %d for the old key before the next was let in", status)
	}
	if answer, status := sync(next, ""); status != http.StatusOK || answer.APIKey != "" {
		t.Errorf("got %d, another key %t", status, answer.APIKey != "")
	}
	if _, status := sync(old, ""); status != http.StatusUnauthorized {
		t.Errorf("got %d for the old key", status)
	}
	for what, text := range map[string]string{"the log": g.Logs.String(), "the database": dump(t, g)} {
		for name, key := range map[string]string{"old": old, "new": next} {
			if strings.Contains(text, key) {
				t.Errorf("%s shows the %s key", what, name)
			}
		}
	}
	// What is sealed there and does not open keeps no host from its login.
	if _, _, err := g.Fleet.Rotate(t.Context(), host.Host.ID, fleet.RotateOptions{}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	g.Exec(t, "UPDATE host SET next_key_sealed = 'sbox:v2:00000000:AAAA'")
	if answer, status := sync(next, ""); status != http.StatusOK || answer.APIKey != "" || len(answer.Credential.Auth) == 0 {
		t.Errorf("got %d", status)
	}
	if !strings.Contains(g.Logs.String(), "a key cannot be handed over") {
		t.Error("nobody is told")
	}
}

// What was renamed is told its new name in what it trusts, with those that it may know itself by.
func TestConfigurationOfARenamedHost(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	first := synced(t, g, key, "", nil).Config
	if got := configIn(t, first, g.Core.Signer.Key()); got.FQDN != host.Host.FQDN || got.PreviousFQDNs != nil {
		t.Errorf("got %+v", got)
	}
	for _, name := range []string{"new.example", "newer.example"} {
		if _, err := g.Fleet.Rename(t.Context(), host.Host.ID, name, nil, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
	}
	second := synced(t, g, key, "", map[string]string{api.BlockConfig: first.ETag}).Config
	got := configIn(t, second, g.Core.Signer.Key())
	if got.FQDN != "newer.example" || strings.Join(got.PreviousFQDNs, " ") != host.Host.FQDN+" new.example" {
		t.Errorf("got %+v", got)
	}
	if again := synced(t, g, key, "", map[string]string{api.BlockConfig: second.ETag}).Config; again.Data != nil {
		t.Errorf("it came again: %s", again.Data)
	}
}
