package operator

import (
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestAuthSeedCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.AuthSeedCommand(t.Context()))
	out, words := d.said()
	if !strings.HasPrefix(out, "curl -fsSL "+gatewaytest.PublicURL+"/seed/auth/") || !strings.HasSuffix(out, " | sh\n") || !strings.Contains(words, "it works once") {
		t.Errorf("got %q beside %q", out, words)
	}
	d.JSON = true
	must(t, d.AuthSeedCommand(t.Context()))
	seed := document[api.SeedCommand](t, d)
	a := d.g.Do(t, gatewaytest.Request{Path: "/seed/auth/" + seed.Token, Body: authtest.New(authtest.Options{})})
	if a.Status != 200 || strings.Contains(out, seed.Token) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.seed_token.create' AND actor_kind = 'operator'"); n != 2 {
		t.Errorf("got %d entries, want 2 of an operator", n)
	}
}
