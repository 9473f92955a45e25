package hostapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestLeave(t *testing.T) {
	t.Parallel()
	const elsewhere = "203.0.113.77"
	const gone = `{"deleted":"build7.example"}`
	for name, c := range map[string]struct {
		path, from string
		status     int
	}{
		"from home":          {"/auth", gatewaytest.DefaultFrom, 200},
		"from elsewhere":     {"/auth", elsewhere, 403},
		"force":              {"/auth?force", elsewhere, 200},
		"force=":             {"/auth?force=", elsewhere, 200},
		"force=1":            {"/auth?force=1", elsewhere, 200},
		"force=TRUE":         {"/auth?force=TRUE", elsewhere, 200},
		"force=0":            {"/auth?force=0", elsewhere, 403},
		"force=false":        {"/auth?force=false", elsewhere, 403},
		"force=no":           {"/auth?force=no", elsewhere, 403},
		"force from nowhere": {"/auth?force=1", gatewaytest.Nowhere, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, host := begin(t, authtest.New(authtest.Options{}))
			key := host.Key.Reveal()
			g.Retrieve(t, key, noDigest, "2025-01-01T00:00:00Z")
			a := g.Do(t, gatewaytest.Request{Method: http.MethodDelete, Path: c.path, Key: key, From: c.from, Body: `{"ignored":true}`})
			if c.status == 403 {
				a.Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
				if n := g.Int(t, "SELECT count(*) FROM host WHERE host(bound_ip) = $1", gatewaytest.DefaultFrom); n != 1 {
					t.Errorf("got %d hosts still bound to their address, want 1", n)
				}
				return
			}
			if a.Status != 200 || string(a.Envelope.Data) != gone {
				t.Errorf("got %d %s, want %s", a.Status, a.Body, gone)
			}
			again := g.Do(t, gatewaytest.Request{Method: http.MethodDelete, Path: c.path, Key: key, From: c.from})
			again.Refused(t, 401, "api_key_invalid", "Invalid API key")
			if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'host.delete' AND actor_kind = 'host' AND host(ip) = $1 AND details->>'initiator' = 'host_api'", c.from); n != 1 {
				t.Errorf("got %d entries, want 1 with the address it came from", n)
			}
			forced := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'auth.force_ip_override'")
			if want := int64(strings.Count(c.path, "force")); forced != want {
				t.Errorf("got %d entries about force, want %d", forced, want)
			}
			// The login stays: it is the fleet's.
			if n := g.Int(t, "SELECT count(*) FROM generation"); n != 1 {
				t.Errorf("got %d generations, want 1", n)
			}
		})
	}
}

// A window decides about credentials, not about leaving.
func TestInsecureHostMayLeaveAnyTime(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	g.Exec(t, "UPDATE host SET secure = false")
	a := g.Do(t, gatewaytest.Request{Method: http.MethodDelete, Path: "/auth", Key: host.Key.Reveal()})
	if a.Status != http.StatusOK {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}
