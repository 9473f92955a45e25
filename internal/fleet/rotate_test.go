package fleet_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// rotated gives a host a next key.
func (r *rig) rotated(t *testing.T, id int64) *db.Host {
	t.Helper()
	host, enrolment, err := r.Rotate(t.Context(), id, fleet.RotateOptions{}, operator)
	if err != nil || enrolment != nil {
		t.Fatalf("got %+v, %v", enrolment, err)
	}
	return host
}

// handedOver is the key that a host is given at an address when it comes with another one; "": none.
func (r *rig) handedOver(t *testing.T, key fleet.APIKey, from netip.Addr) (next fleet.APIKey, ok bool) {
	t.Helper()
	next, ok, err := r.HandOverKey(t.Context(), r.mustEnter(t, key, from), from)
	if err != nil {
		t.Fatal(err)
	}
	return next, ok
}

// dead fails the test unless a key opens nothing.
func (r *rig) dead(t *testing.T, what string, key fleet.APIKey) {
	t.Helper()
	_, err := r.enter(t, key, home)
	is(t, what, err, fleet.ErrKeyInvalid)
}

func TestRotateOverlaps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	if _, ok := r.handedOver(t, e.Key, home); ok {
		t.Error("a key was handed over although there is none")
	}
	rotated := r.rotated(t, e.Host.ID)
	if until := rotated.KeyUntil; until == nil || !until.Equal(r.clock.Now().Add(7*24*time.Hour)) {
		t.Errorf("got the old key until %v", until)
	}
	if sealed := *rotated.NextKeySealed; !strings.HasPrefix(sealed, "sbox:v2:") {
		t.Errorf("got %q at rest", sealed)
	}
	// A crash between the answer and the file: it asks again, and again gets the same.
	next, ok := r.handedOver(t, e.Key, home)
	if again, _ := r.handedOver(t, e.Key, home); !ok || again != next || *rotated.NextKeyPrefix != next.Prefix() {
		t.Errorf("got %v and %v", next, again)
	}
	if n := r.entries(t, "auth.key.hand_over"); n != 2 {
		t.Errorf("got %d entries for two keys handed out", n)
	}
	if leaked := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE details::text LIKE '%' || $1 || '%'", next.Reveal()); leaked > 0 {
		t.Error("the key is in the audit trail")
	}
	r.mustEnter(t, e.Key, home)
	host := r.mustEnter(t, next, home)
	if host.NextKeySHA256 != nil || host.NextKeySealed != nil || host.KeyUntil != nil || host.KeyPrefix != next.Prefix() || host.ID != e.Host.ID {
		t.Errorf("got %+v", host)
	}
	r.dead(t, "the old key after the new one was used", e.Key)
	r.mustEnter(t, next, home)
	if n := r.entries(t, "auth.key.adopt"); n != 1 {
		t.Errorf("got %d entries for the end of the old key", n)
	}
	if _, err := r.RecordContact(t.Context(), host, home, fleet.Contact{}); err != nil {
		t.Errorf("got %v for a call with the new key", err)
	}
	// Whoever was let in with the old one just before gets no further.
	r.rotated(t, host.ID)
	next2, _ := r.handedOver(t, next, home)
	before := r.mustEnter(t, next, home)
	r.mustEnter(t, next2, home)
	_, err := r.RecordContact(t.Context(), before, home, fleet.Contact{})
	is(t, "a call that was under way", err, fleet.ErrKeyInvalid)
	if _, ok, err := r.HandOverKey(t.Context(), before, home); ok || err != nil {
		t.Errorf("got %v, %v by the old key", ok, err)
	}
}

func TestTheOldKeyEndsAfterAWeek(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	r.rotated(t, e.Host.ID)
	next, _ := r.handedOver(t, e.Key, home)
	r.clock.pass(fleet.KeyOverlap - time.Second)
	host := r.mustEnter(t, e.Key, home)
	if changed, err := r.ExpireTokens(t.Context()); err != nil || changed != 0 {
		t.Errorf("got %d, %v before its time", changed, err)
	}
	r.clock.pass(time.Second)
	r.dead(t, "the old key", e.Key)
	if _, ok, err := r.HandOverKey(t.Context(), host, home); ok || err != nil {
		t.Errorf("got %v, %v by a key that has ended", ok, err)
	}
	if changed, err := r.ExpireTokens(t.Context()); err != nil || changed != 1 {
		t.Errorf("got %d, %v; want the sealed key gone", changed, err)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM host WHERE next_key_sealed IS NOT NULL"); n != 0 {
		t.Error("a key that nobody can be given is still there")
	}
	r.mustEnter(t, next, home) // the host may have had it all the time
}

// Only who is where the host is bound gets the next key, or ends the old one.
func TestWhoIsGivenTheNextKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	host := r.mustEnter(t, e.Key, home)
	r.rotated(t, host.ID)
	next, _ := r.handedOver(t, e.Key, home)
	_, err := r.enter(t, next, away)
	is(t, "the next key from elsewhere", err, fleet.ErrIPMismatch)
	r.mustEnter(t, e.Key, home) // and the old one has not ended by it

	fresh := func() *db.Host { return r.mustEnter(t, e.Key, home) }
	for name, from := range map[string]netip.Addr{"elsewhere": away, "nowhere": {}} {
		if _, ok, err := r.HandOverKey(t.Context(), fresh(), from); ok || err != nil {
			t.Errorf("%s: got %v, %v", name, ok, err)
		}
	}
	stale := fresh() // what the statement decides, not what was known before
	for name, change := range map[string]string{
		"roaming": "roaming = true", "with networks": "allow_from = '{0.0.0.0/0}'", "switched off": "status = 'disabled'",
		"pruned": "deleted_at = now(), deleted_why = 'inactive'",
	} {
		r.exec(t, "UPDATE host SET "+change)
		if _, ok, err := r.HandOverKey(t.Context(), stale, home); ok || err != nil {
			t.Errorf("%s: got %v, %v", name, ok, err)
		}
		r.exec(t, "UPDATE host SET roaming = false, allow_from = '{}', status = 'active', deleted_at = NULL, deleted_why = NULL")
	}
	r.exec(t, "UPDATE host SET roaming = true")
	if _, ok := r.handedOver(t, e.Key, away); ok {
		t.Error("a roaming host was given a key")
	}
	r.exec(t, "UPDATE host SET roaming = false, secure = false, bound_ip = $1", home)
	if _, ok := r.handedOver(t, e.Key, home); ok {
		t.Error("an insecure host was given a key outside its window")
	}
	r.exec(t, "UPDATE host SET insecure_until = $1", r.clock.Now().Add(time.Minute))
	if _, ok := r.handedOver(t, e.Key, home); !ok {
		t.Error("an insecure host was given no key inside its window")
	}
	// A sealed key of another host, or an older one of this, opens nothing.
	other := r.register(t, fleet.Registration{FQDN: "other.example"})
	r.mustEnter(t, other.Key, home)
	r.rotated(t, other.Host.ID)
	r.exec(t, "UPDATE host SET next_key_sealed = (SELECT next_key_sealed FROM host WHERE fqdn = 'other.example') WHERE fqdn = 'build7.example'")
	if _, ok, err := r.HandOverKey(t.Context(), fresh(), home); ok || err == nil || errs.Of(err).Kind != errs.Internal {
		t.Errorf("got %v, %v for another host's key", ok, err)
	}
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	rotate := func(opts fleet.RotateOptions) error {
		_, _, err := r.Rotate(t.Context(), e.Host.ID, opts, operator)
		return err
	}
	for _, change := range []string{"roaming = true", "allow_from = '{10.0.0.0/8}'"} {
		r.exec(t, "UPDATE host SET "+change)
		is(t, change, rotate(fleet.RotateOptions{}), fleet.ErrHostRoams)
		r.exec(t, "UPDATE host SET roaming = false, allow_from = '{}'")
	}
	r.rotated(t, e.Host.ID)
	is(t, "a second one", rotate(fleet.RotateOptions{}), fleet.ErrKeyPending)
	r.exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive'")
	is(t, "a pruned host", rotate(fleet.RotateOptions{}), fleet.ErrHostNotFound)
	is(t, "a pruned host, at once", rotate(fleet.RotateOptions{RevokeNow: true}), fleet.ErrHostNotFound)
	if n := r.entries(t, "admin.host.key_rotate"); n != 1 {
		t.Errorf("got %d entries, want that of the one that was made", n)
	}
}

func TestRevokeNow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{VIP: true})
	r.mustEnter(t, e.Key, home)
	r.rotated(t, e.Host.ID)
	next, _ := r.handedOver(t, e.Key, home)
	_, fresh, err := r.Rotate(t.Context(), e.Host.ID, fleet.RotateOptions{RevokeNow: true}, operator)
	if err != nil {
		t.Fatal(err)
	}
	r.dead(t, "the old key", e.Key)
	r.dead(t, "the one that was to come", next)
	_, _, err = r.Claim(t.Context(), e.Token, home)
	is(t, "the old install token", err, fleet.ErrTokenExpired)
	host, key, err := r.Claim(t.Context(), fresh.Token, away)
	if err != nil || key != fresh.Key || host.BoundIP != nil || !host.VIP || !host.Secure || host.NextKeySHA256 != nil || host.KeyUntil != nil {
		t.Errorf("got %+v, %v", host, err)
	}
	r.mustEnter(t, key, away)
	if n := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE action = 'register' AND details->>'result' = 'rotated'"); n != 1 {
		t.Errorf("got %d entries", n)
	}
	// Registering anew ends all of them likewise.
	r.rotated(t, host.ID)
	next, _ = r.handedOver(t, key, away)
	r.register(t, fleet.Registration{})
	r.dead(t, "the key", key)
	r.dead(t, "the next key", next)
}

// A machine that leaves may show either key.
func TestLeaveWithTheNextKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	r.rotated(t, e.Host.ID)
	next, _ := r.handedOver(t, e.Key, home)
	host, err := r.Find(t.Context(), next.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Leave(t.Context(), host, away, fleet.LeaveOptions{}); !errors.Is(err, fleet.ErrIPMismatch) {
		t.Errorf("got %v from elsewhere", err)
	}
	if _, err := r.Leave(t.Context(), host, home, fleet.LeaveOptions{}); err != nil {
		t.Error(err)
	}
	r.dead(t, "its key", e.Key)
	r.dead(t, "its next key", next)
}

// The runner uses a host's key wherever it is; with the next one it ends the old one as the host does.
func TestTheRunnerComesWithTheNextKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	guarded := r.with(fleet.Config{RunnerBypass: []netip.Prefix{netip.PrefixFrom(away, 32)}})
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	r.rotated(t, e.Host.ID)
	host := guarded.mustEnter(t, e.Key, away)
	if _, ok, err := guarded.HandOverKey(t.Context(), host, away); ok || err != nil {
		t.Errorf("got %v, %v for the runner", ok, err)
	}
	next, _ := r.handedOver(t, e.Key, home)
	host = guarded.mustEnter(t, next, away)
	if _, err := r.RecordContact(t.Context(), host, away, fleet.Contact{}); err != nil {
		t.Errorf("got %v for the runner's call", err)
	}
	r.dead(t, "the old key", e.Key)
}

func TestParallelRotations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	failures := everybody(8, func(int) error {
		_, _, err := r.Rotate(context.Background(), e.Host.ID, fleet.RotateOptions{}, operator)
		return err
	})
	if count(failures, nil) != 1 || count(failures, fleet.ErrKeyPending) != 7 {
		t.Errorf("got %v", failures)
	}
	next, _ := r.handedOver(t, e.Key, home)
	// All of a host's processes begin to use the new key at once: none is turned away, and the old one ends once.
	failures = everybody(8, func(int) error {
		_, err := r.authenticate(context.Background(), next.Reveal(), home)
		return err
	})
	if count(failures, nil) != 8 || r.entries(t, "auth.key.adopt") != 1 {
		t.Errorf("got %v, %d entries", failures, r.entries(t, "auth.key.adopt"))
	}
	// Of keys that are revoked at once, one is left in the end: the one that the last token hands out.
	enrolments := make([]*fleet.Enrolment, 8)
	failures = everybody(8, func(i int) (err error) {
		_, enrolments[i], err = r.Rotate(context.Background(), e.Host.ID, fleet.RotateOptions{RevokeNow: true}, operator)
		return err
	})
	if count(failures, nil) != 8 {
		t.Fatalf("got %v", failures)
	}
	alive, claimed := 0, 0
	for _, enrolment := range enrolments {
		_, key, err := r.Claim(t.Context(), enrolment.Token, home)
		if err == nil {
			claimed++
		}
		if _, entering := r.enter(t, enrolment.Key, home); entering == nil {
			alive++
			if err != nil || key != enrolment.Key {
				t.Errorf("got %v, %v for the token of the living key", key, err)
			}
		}
	}
	if alive != 1 || claimed != 1 || r.sealedKeys(t) != 0 {
		t.Errorf("got %d living keys, %d claims, %d sealed keys", alive, claimed, r.sealedKeys(t))
	}
}

// A claim that races a revocation gets the key of its token or nothing, and a dead key opens nothing.
func TestRevokeRacesClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 8 {
		e := r.register(t, fleet.Registration{})
		var fresh *fleet.Enrolment
		failures := everybody(2, func(i int) (err error) {
			if i == 0 {
				var key fleet.APIKey
				if _, key, err = r.Claim(context.Background(), e.Token, home); err == nil && key != e.Key {
					return errors.New("the claim handed out another token's key")
				}
				if errors.Is(err, fleet.ErrTokenExpired) {
					return nil
				}
				return err
			}
			_, fresh, err = r.Rotate(context.Background(), e.Host.ID, fleet.RotateOptions{RevokeNow: true}, operator)
			return err
		})
		if count(failures, nil) != 2 {
			t.Fatalf("got %v", failures)
		}
		r.dead(t, "the revoked key", e.Key)
		if _, key, err := r.Claim(t.Context(), fresh.Token, home); err != nil || key != fresh.Key {
			t.Errorf("got %v, %v by the new token", key, err)
		}
		r.mustEnter(t, fresh.Key, home)
	}
}

// A hand-over that races the end of the key gives the key that works then, or none.
func TestHandOverRacesRevoke(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.register(t, fleet.Registration{}).Key
	for range 8 {
		host := r.mustEnter(t, key, home)
		r.rotated(t, host.ID)
		host = r.mustEnter(t, key, home)
		var next fleet.APIKey
		var given bool
		var fresh *fleet.Enrolment
		failures := everybody(2, func(i int) (err error) {
			if i == 0 {
				next, given, err = r.HandOverKey(context.Background(), host, home)
				return err
			}
			_, fresh, err = r.Rotate(context.Background(), host.ID, fleet.RotateOptions{RevokeNow: true}, operator)
			return err
		})
		if count(failures, nil) != 2 {
			t.Fatalf("got %v", failures)
		}
		if given {
			r.dead(t, "the key that was handed over", next)
		}
		r.dead(t, "the old key", key)
		key = fresh.Key
	}
}
