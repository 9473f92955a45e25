package operator

import (
	"errors"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/publictls"
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

// What the gateway shows decides the printed line; what nobody could find out, or has to be done by hand, is said.
func TestCommandsFollowTheCertificate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trust          publictls.Trust
		err            error
		prefix, advice string
	}{
		"public":        {publictls.Trust{}, nil, "curl -fsSL https://", ""},
		"pinned":        {publictls.Trust{CA: "PEM\n", Pins: []string{"a+/="}}, nil, "curl -fsSLk --pinnedpubkey 'sha256//a+/=' https://", ""},
		"behind others": {publictls.Trust{CA: "PEM\n"}, nil, "curl -fsSL https://", "curl --cacert FILE"},
		"not to be had": {publictls.Trust{}, errors.New("no gateway answers at x"), "curl -fsSL https://", "no gateway answers at x"},
	} {
		d := newDesk(t)
		d.PublicTLS = func() (publictls.Trust, error) { return c.trust, c.err }
		acts := map[string]func() error{
			"host add":     func() error { return d.HostAdd(t.Context(), "build7.example", HostAddOptions{}) },
			"seed-command": func() error { return d.AuthSeedCommand(t.Context()) },
		}
		for verb, act := range acts {
			must(t, act())
			out, words := d.said()
			if !strings.HasPrefix(out, c.prefix) || !strings.HasSuffix(out, " | sh\n") || strings.Count(out, "\n") != 1 {
				t.Errorf("%s, %s: printed %q, want one line that begins %q", name, verb, out, c.prefix)
			}
			if !strings.Contains(words, c.advice) || strings.Contains(words, "! ") != (c.advice != "") {
				t.Errorf("%s, %s: said %q, want %q", name, verb, words, c.advice)
			}
		}
		d.JSON = true
		must(t, d.AuthSeedCommand(t.Context()))
		if seed := document[api.SeedCommand](t, d); seed.CA != c.trust.CA || !strings.HasPrefix(seed.Command, c.prefix) {
			t.Errorf("%s: got %+v", name, seed)
		}
	}
}
