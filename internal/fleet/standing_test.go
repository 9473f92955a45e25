package fleet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

func TestStanding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	stands := func() fleet.Standing {
		t.Helper()
		standing, err := r.Standing(t.Context(), e.Host.ID)
		if err != nil {
			t.Fatal(err)
		}
		return standing
	}
	if s := stands(); s.Has != 0 || s.Given != (fleet.Given{}) || !s.Token.Ready || !s.Token.UsedAt.IsZero() || !s.Token.ExpiresAt.Equal(e.ExpiresAt) {
		t.Errorf("after a registration: got %+v", s)
	}
	if _, _, err := r.Claim(t.Context(), e.Token, away); err != nil {
		t.Fatal(err)
	}
	if s := stands(); s.Token.Ready || s.Token.UsedAt.IsZero() || s.Token.UsedFrom != away.String() {
		t.Errorf("after the claim: got %+v", s)
	}
	r.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
		SELECT gen_random_uuid(), a.id, i, gen_random_uuid(), sha256(i::text::bytea), '', '2026-01-01T00:00:00Z', now(), 'operator', now() FROM account a, generate_series(1, 3) i`)
	r.exec(t, "INSERT INTO delivery (host_id, generation_id, mode, delivered_at) SELECT $1, id, 'full', '2026-01-02 00:00Z'::timestamptz + number * interval '1 hour' FROM generation WHERE number < 3", e.Host.ID)
	given := fleet.Given{Number: 2, Mode: "full", At: time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC)}
	if s := stands(); s.Has != 0 || s.Given.Number != given.Number || s.Given.Mode != given.Mode || !s.Given.At.Equal(given.At) {
		t.Errorf("after two deliveries: got %+v", s)
	}
	r.exec(t, "UPDATE host SET auth_digest = sha256('3')")
	if s := stands(); s.Has != 3 {
		t.Errorf("with a login of generation 3: got %+v", s)
	}
	e = r.register(t, fleet.Registration{}) // a newer token is the one that counts
	if s := stands(); !s.Token.Ready || !s.Token.UsedAt.IsZero() {
		t.Errorf("after a second registration: got %+v", s)
	}
	r.endTokens(t)
	if s := stands(); s.Token.Ready {
		t.Errorf("after the token has expired: got %+v", s)
	}
	r.exec(t, "DELETE FROM install_token")
	if s := stands(); s.Token != (fleet.TokenStanding{}) {
		t.Errorf("without a token: got %+v", s)
	}
	if _, err := r.Standing(t.Context(), e.Host.ID+1); !errors.Is(err, fleet.ErrHostNotFound) {
		t.Errorf("another host: got %v", err)
	}
}

// IPv4 is forced from the first command on, and stays so when the host gets a new key.
func TestRegisterForIPv4(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	pinned := publictls.Trust{CA: "PEM", Pins: []string{"A"}}
	for i, c := range []struct {
		force *bool
		want  bool
	}{{nil, false}, {new(true), true}, {nil, true}, {new(false), false}} {
		e := r.register(t, fleet.Registration{ForceIPv4: c.force})
		plain, pin := e.Command(publictls.Trust{}), e.Command(pinned)
		if e.Host.ForceIPv4 != c.want || strings.Contains(plain, " -4 https://codex.example/install/") != c.want || strings.Contains(pin, "' -4 https://") != c.want || !strings.HasSuffix(plain, " | sh") {
			t.Errorf("%d: got %v with %s and %s", i, e.Host.ForceIPv4, plain, pin)
		}
	}
}
