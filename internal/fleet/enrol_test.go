package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestRegisterAndClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, err := r.Register(t.Context(), fleet.Registration{FQDN: " Build7.Example. ", VIP: true}, operator)
	if err != nil {
		t.Fatal(err)
	}
	if e.Host.FQDN != "build7.example" || !e.Host.Secure || !e.Host.VIP || e.Host.ExpiresAt != nil || e.Host.InsecureUntil != nil || e.Host.BoundIP != nil {
		t.Errorf("got host %+v", e.Host)
	}
	if key := e.Key.Reveal(); len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" || e.Host.KeyPrefix != key[:8] {
		t.Errorf("got key of %d characters, prefix %s", len(key), e.Host.KeyPrefix)
	}
	if want := "https://codex.example/install/" + e.Token.Reveal(); e.URL != want {
		t.Errorf("got URL %s, want %s", e.URL, want)
	}
	if left := time.Until(e.ExpiresAt); left < 25*time.Minute || left > 30*time.Minute {
		t.Errorf("got %v left, want half an hour", left)
	}

	host, key, err := r.Claim(t.Context(), e.Token, home)
	if err != nil {
		t.Fatal(err)
	}
	if key.Reveal() != e.Key.Reveal() || host.ID != e.Host.ID {
		t.Error("the claim hands out another key or another host than the registration")
	}
	if got := r.mustEnter(t, key, home); got.ID != e.Host.ID {
		t.Errorf("got host %d, want %d", got.ID, e.Host.ID)
	}
	if n := r.sealedKeys(t); n != 0 {
		t.Errorf("got %d sealed keys after the claim, want none", n)
	}
	if from := value[string](t, r, "SELECT host(used_from) FROM install_token"); from != home.String() {
		t.Errorf("got used from %s, want %s", from, home)
	}
	_, _, err = r.Claim(t.Context(), e.Token, home)
	is(t, "a second claim", err, fleet.ErrTokenUsed)
	for action, want := range map[string]int{audit.ActionRegister: 1, audit.ActionInstallCreate: 1, audit.ActionInstallConsume: 1, audit.ActionBindIP: 1} {
		if got := r.entries(t, action); got != want {
			t.Errorf("got %d audit entries %s, want %d", got, action, want)
		}
	}
	trail := value[string](t, r, "SELECT string_agg(audit_entry::text, ' ') FROM audit_entry")
	if strings.Contains(trail, key.Reveal()) || strings.Contains(trail, e.Token.Reveal()) {
		t.Error("the audit trail holds a key or a token")
	}
}

func TestOneClaimWins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	const claims = 100
	keys := make([]fleet.APIKey, claims)
	failures := everybody(claims, func(i int) (err error) {
		_, keys[i], err = r.Claim(t.Context(), e.Token, home)
		return err
	})
	if won, used := count(failures, nil), count(failures, fleet.ErrTokenUsed); won != 1 || used != claims-1 {
		t.Errorf("got %d winners and %d times %v, want 1 and %d: %v", won, used, fleet.ErrTokenUsed, claims-1, errors.Join(failures...))
	}
	for i, err := range failures {
		if got := keys[i].Reveal(); (err == nil && got != e.Key.Reveal()) || (err != nil && got != "") {
			t.Errorf("claim %d (%v) got key %q", i, err, keys[i].Prefix())
		}
	}
	if n := r.entries(t, audit.ActionInstallConsume); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
}

// Whatever ends a token, nothing reversible is left behind.
func TestTokenStates(t *testing.T) {
	t.Parallel()
	expire := func(t *testing.T, r *rig, _ *fleet.Enrolment) {
		t.Helper()
		r.exec(t, "UPDATE install_token SET expires_at = now() - interval '1 second'")
	}
	for name, c := range map[string]struct {
		act      func(t *testing.T, r *rig, e *fleet.Enrolment)
		state    string
		replaced bool
		claim    error
		sealed   int
	}{
		"ready":   {func(*testing.T, *rig, *fleet.Enrolment) {}, api.InstallReady, false, nil, 1},
		"expired": {expire, api.InstallExpired, false, fleet.ErrTokenExpired, 1},
		"expired, job ran": {func(t *testing.T, r *rig, e *fleet.Enrolment) {
			expire(t, r, e)
			if n, err := r.ExpireTokens(t.Context()); n != 1 || err != nil {
				t.Errorf("got %d, %v from the job, want 1", n, err)
			}
			if n, err := r.ExpireTokens(t.Context()); n != 0 || err != nil {
				t.Errorf("got %d, %v from a second pass, want nothing to do", n, err)
			}
		}, api.InstallExpired, false, fleet.ErrTokenExpired, 0},
		"used": {func(t *testing.T, r *rig, e *fleet.Enrolment) {
			if _, _, err := r.Claim(t.Context(), e.Token, home); err != nil {
				t.Error(err)
			}
		}, api.InstallUsed, false, fleet.ErrTokenUsed, 0},
		"used, then expired": {func(t *testing.T, r *rig, e *fleet.Enrolment) {
			if _, _, err := r.Claim(t.Context(), e.Token, home); err != nil {
				t.Error(err)
			}
			expire(t, r, e)
		}, api.InstallUsed, false, fleet.ErrTokenUsed, 0},
		"replaced": {func(t *testing.T, r *rig, _ *fleet.Enrolment) {
			r.register(t, fleet.Registration{})
		}, api.InstallExpired, true, fleet.ErrTokenExpired, 1},
		"forgotten": {func(t *testing.T, r *rig, _ *fleet.Enrolment) {
			r.exec(t, "UPDATE install_token SET expires_at = now() - interval '31 days'")
			if n, err := r.ExpireTokens(t.Context()); n != 2 || err != nil {
				t.Errorf("got %d, %v from the job, want its key and itself gone", n, err)
			}
		}, api.InstallUnknown, false, fleet.ErrTokenUnknown, 0},
		"host gone": {func(t *testing.T, r *rig, e *fleet.Enrolment) {
			if _, err := r.Delete(t.Context(), e.Host.ID, operator, audit.ActionAdminHostDelete); err != nil {
				t.Error(err)
			}
		}, api.InstallUnknown, false, fleet.ErrTokenUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e := r.register(t, fleet.Registration{})
			c.act(t, r, e)
			before := value[string](t, r, "SELECT coalesce(string_agg(install_token::text, ' ' ORDER BY id), '') FROM install_token")
			for range 50 {
				state, err := r.LookUpToken(t.Context(), e.Token)
				if err != nil || state.State != c.state || state.Replaced != c.replaced {
					t.Fatalf("got %+v, %v; want %s, replaced %t", state, err, c.state, c.replaced)
				}
				if c.state != api.InstallUnknown && (state.FQDN != "build7.example" || state.ExpiresAt.IsZero()) {
					t.Fatalf("got %+v, want the host and the expiry", state)
				}
				if (c.state == api.InstallUsed) != (state.UsedFrom == home && !state.UsedAt.IsZero()) {
					t.Fatalf("got %+v, want who used it exactly if somebody did", state)
				}
			}
			if after := value[string](t, r, "SELECT coalesce(string_agg(install_token::text, ' ' ORDER BY id), '') FROM install_token"); after != before {
				t.Errorf("looking changed\n%s\nto\n%s", before, after)
			}
			if n := r.sealedKeys(t); n != c.sealed {
				t.Errorf("got %d sealed keys, want %d", n, c.sealed)
			}
			_, _, err := r.Claim(t.Context(), e.Token, home)
			is(t, "claim", err, c.claim)
		})
	}
}

func TestRegisterAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.register(t, fleet.Registration{})
	r.mustEnter(t, first.Key, home)

	_, err := r.Register(t.Context(), fleet.Registration{FQDN: "build7.example"}, operator)
	is(t, "without Rekey", err, fleet.ErrHostExists)
	r.mustEnter(t, first.Key, home)
	if state, err := r.LookUpToken(t.Context(), first.Token); err != nil || state.State != api.InstallReady {
		t.Errorf("a refused registration left token %+v, %v", state, err)
	}

	second := r.register(t, fleet.Registration{})
	if second.Host.ID != first.Host.ID {
		t.Errorf("got host %d, want %d again", second.Host.ID, first.Host.ID)
	}
	_, err = r.enter(t, first.Key, home)
	is(t, "the old key", err, fleet.ErrKeyInvalid)
	_, _, err = r.Claim(t.Context(), first.Token, home)
	is(t, "the old token", err, fleet.ErrTokenExpired)
	// A new key binds to where it is first used, like every key.
	r.mustEnter(t, second.Key, away)
	_, err = r.enter(t, second.Key, home)
	is(t, "the new key from the old address", err, fleet.ErrIPMismatch)
}

func TestRegisterTheSameNameAtOnce(t *testing.T) {
	t.Parallel()
	const registrations = 20
	for name, rekey := range map[string]bool{"new keys": true, "only new hosts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			enrolments := make([]*fleet.Enrolment, registrations)
			failures := everybody(registrations, func(i int) (err error) {
				enrolments[i], err = r.Register(t.Context(), fleet.Registration{FQDN: "build7.example", Rekey: rekey}, operator)
				return err
			})
			wantWinners, wantExists := registrations, 0
			if !rekey {
				wantWinners, wantExists = 1, registrations-1
			}
			if won, exists := count(failures, nil), count(failures, fleet.ErrHostExists); won != wantWinners || exists != wantExists {
				t.Fatalf("got %d winners and %d times %v, want %d and %d: %v", won, exists, fleet.ErrHostExists, wantWinners, wantExists, errors.Join(failures...))
			}
			alive := 0
			for _, e := range enrolments {
				if e == nil {
					continue
				}
				_, keyErr := r.enter(t, e.Key, home)
				_, claimed, claimErr := r.Claim(t.Context(), e.Token, home)
				if (keyErr == nil) != (claimErr == nil) {
					t.Errorf("key: %v, token: %v; want both alive or both dead", keyErr, claimErr)
				}
				if claimErr == nil {
					alive++
					if claimed.Reveal() != e.Key.Reveal() {
						t.Error("the token holds another registration's key")
					}
				}
			}
			if alive != 1 {
				t.Errorf("got %d live keys, want 1", alive)
			}
		})
	}
}

func TestRegisterRefusesBadNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"", "a b", "$(reboot).example", strings.Repeat("a", 300)} {
		if e, err := r.Register(t.Context(), fleet.Registration{FQDN: name}, operator); err == nil {
			t.Errorf("%q: got host %s, want a refusal", name, e.Host.FQDN)
		}
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM host"); n != 0 {
		t.Errorf("got %d hosts, want none", n)
	}
}

// A key that was sealed for another token's row does not open: the claim fails and the token stays.
func TestClaimOfASwappedKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.register(t, fleet.Registration{FQDN: "a.example"}), r.register(t, fleet.Registration{FQDN: "b.example"})
	r.exec(t, `UPDATE install_token t SET key_sealed = (SELECT o.key_sealed FROM install_token o WHERE o.id <> t.id)`)
	for _, e := range []*fleet.Enrolment{a, b} {
		_, key, err := r.Claim(t.Context(), e.Token, home)
		if err == nil || key.Reveal() != "" {
			t.Errorf("%s: got key %v, %v; want a refusal", e.Host.FQDN, key, err)
		}
		if text := fmt.Sprint(err); strings.Contains(text, a.Key.Reveal()) || strings.Contains(text, b.Key.Reveal()) {
			t.Errorf("got %q, which holds a key", text)
		}
		if state, err := r.LookUpToken(t.Context(), e.Token); err != nil || state.State != api.InstallReady {
			t.Errorf("got %+v, %v; want the token as it was", state, err)
		}
	}
}

func TestRegistrationFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Register(ctx, fleet.Registration{FQDN: "build7.example"}, operator); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM host"); n != 0 {
		t.Errorf("got %d hosts, want none", n)
	}
}
