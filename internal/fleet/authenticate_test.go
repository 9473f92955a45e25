package fleet_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestAuthenticateRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	disabled := r.register(t, fleet.Registration{FQDN: "disabled.example"})
	r.exec(t, "UPDATE host SET status = 'disabled' WHERE fqdn = 'disabled.example'")
	hash := value[string](t, r, "SELECT encode(key_sha256, 'hex') FROM host WHERE id = $1", e.Host.ID)
	key := e.Key.Reveal()
	for name, c := range map[string]struct {
		key  string
		from netip.Addr
		want error
	}{
		"no key":                          {"", home, fleet.ErrKeyMissing},
		"an unknown key":                  {strings.Repeat("0", 64), home, fleet.ErrKeyInvalid},
		"the stored hash":                 {hash, home, fleet.ErrKeyInvalid},
		"in capitals":                     {strings.ToUpper(key), home, fleet.ErrKeyInvalid},
		"with a blank":                    {key + " ", home, fleet.ErrKeyInvalid},
		"with a newline":                  {key + "\n", home, fleet.ErrKeyInvalid},
		"cut":                             {key[:63], home, fleet.ErrKeyInvalid},
		"a megabyte":                      {strings.Repeat("a", 1<<20), home, fleet.ErrKeyInvalid},
		"not UTF-8":                       {key[:62] + "\xff\xfe", home, fleet.ErrKeyInvalid},
		"a wildcard":                      {strings.Repeat("%", 64), home, fleet.ErrKeyInvalid},
		"the prefix":                      {e.Key.Prefix(), home, fleet.ErrKeyInvalid},
		"an install token":                {e.Token.Reveal(), home, fleet.ErrKeyInvalid},
		"another address":                 {key, away, fleet.ErrIPMismatch},
		"an unknown address":              {key, netip.Addr{}, fleet.ErrIPMismatch},
		"an unknown key, unknown address": {strings.Repeat("0", 64), netip.Addr{}, fleet.ErrKeyInvalid},
		"a disabled host":                 {disabled.Key.Reveal(), home, fleet.ErrHostDisabled},
		"a disabled host, anywhere":       {disabled.Key.Reveal(), netip.Addr{}, fleet.ErrHostDisabled},
		"a good key":                      {key, home, nil},
	} {
		host, err := r.authenticate(t.Context(), c.key, c.from)
		is(t, name, err, c.want)
		if (host != nil) != (c.want == nil) {
			t.Errorf("%s: got host %v with %v", name, host, err)
		}
	}
	// Details may say where the caller comes from, never where the key belongs.
	_, err := r.enter(t, e.Key, away)
	details := errs.Of(err).Details
	if len(details) != 1 || details["received_ip"] != away.String() {
		t.Errorf("got details %v, want the received address only", details)
	}
	if bound := value[*netip.Addr](t, r, "SELECT bound_ip FROM host WHERE fqdn = 'disabled.example'"); bound != nil {
		t.Errorf("a disabled host was bound to %s", bound)
	}
}

func TestOneFirstContactBinds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	const contacts = 50
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	failures := everybody(contacts, func(i int) error { _, err := r.enter(t, e.Key, addr(i)); return err })
	if won, refused := count(failures, nil), count(failures, fleet.ErrIPMismatch); won != 1 || refused != contacts-1 {
		t.Fatalf("got %d winners, %d refused, want 1 and %d: %v", won, refused, contacts-1, errors.Join(failures...))
	}
	bound := value[netip.Addr](t, r, "SELECT bound_ip FROM host")
	for i, err := range failures {
		if (err == nil) != (addr(i) == bound) {
			t.Errorf("%s got %v, but %s is bound", addr(i), err, bound)
		}
	}
	if n := r.entries(t, audit.ActionBindIP); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
}

// First contacts from one address at the same time are all welcome, and bind once.
func TestSimultaneousFirstContactsOfOneHost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	failures := everybody(20, func(int) error { _, err := r.enter(t, e.Key, home); return err })
	if err := errors.Join(failures...); err != nil {
		t.Error(err)
	}
	if n := r.entries(t, audit.ActionBindIP); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
}

func TestBinding(t *testing.T) {
	t.Parallel()
	mapped := netip.MustParseAddr("::ffff:203.0.113.9")
	v6, zoned := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::1%eth0")
	for name, c := range map[string]struct {
		first, second netip.Addr
		roaming       bool
		want          error
		bound         netip.Addr
		action        string // recorded for the second contact
	}{
		"the same":                   {first: home, second: home, bound: home},
		"another":                    {first: home, second: away, want: fleet.ErrIPMismatch, bound: home},
		"roaming":                    {first: home, second: away, roaming: true, bound: away, action: audit.ActionRoamingIP},
		"roaming at home":            {first: home, second: home, roaming: true, bound: home},
		"IPv4 in IPv6, then IPv4":    {first: mapped, second: home, bound: home},
		"IPv4, then IPv4 in IPv6":    {first: home, second: mapped, bound: home},
		"a zone is no part of it":    {first: v6, second: zoned, bound: v6},
		"a zone at first":            {first: zoned, second: v6, bound: v6},
		"roaming to nowhere":         {first: home, second: netip.Addr{}, roaming: true, want: fleet.ErrIPMismatch, bound: home},
		"an IPv4 and its IPv6 twin":  {first: home, second: netip.MustParseAddr("::203.0.113.9"), want: fleet.ErrIPMismatch, bound: home},
		"a neighbour in the same 64": {first: netip.MustParseAddr("2001:db8::1"), second: netip.MustParseAddr("2001:db8::2"), bound: netip.MustParseAddr("2001:db8::1")},
		"a neighbour in the next 64": {first: netip.MustParseAddr("2001:db8::1"), second: netip.MustParseAddr("2001:db8:0:1::1"), want: fleet.ErrIPMismatch, bound: netip.MustParseAddr("2001:db8::1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e := r.register(t, fleet.Registration{})
			r.exec(t, "UPDATE host SET roaming = $1", c.roaming)
			r.mustEnter(t, e.Key, c.first)
			before := value[int64](t, r, "SELECT max(id) FROM audit_entry")

			host, err := r.authenticate(t.Context(), e.Key.Reveal(), c.second)
			is(t, "second contact", err, c.want)
			if got := value[netip.Addr](t, r, "SELECT bound_ip FROM host"); got != c.bound {
				t.Errorf("got bound to %s, want %s", got, c.bound)
			}
			if err == nil && (host.BoundIP == nil || *host.BoundIP != c.bound) {
				t.Errorf("got host bound to %v, want %s", host.BoundIP, c.bound)
			}
			got := value[string](t, r, "SELECT coalesce(string_agg(action || ' ' || coalesce(details->>'previous_ip', ''), ','), '') FROM audit_entry WHERE id > $1", before)
			want := ""
			if c.action != "" {
				want = c.action + " " + c.first.String()
			}
			if got != want {
				t.Errorf("got audit %q, want %q", got, want)
			}
		})
	}
}

// Two roaming contacts at once each bind; the trail tells who came after whom.
func TestRoamingRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.exec(t, "UPDATE host SET roaming = true")
	const contacts = 20
	failures := everybody(contacts, func(i int) error {
		_, err := r.enter(t, e.Key, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		return err
	})
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	if bound, roamed := r.entries(t, audit.ActionBindIP), r.entries(t, audit.ActionRoamingIP); bound != 1 || roamed != contacts-1 {
		t.Errorf("got %d bound and %d roamed, want 1 and %d", bound, roamed, contacts-1)
	}
	chain := value[int](t, r, `SELECT count(*)::int FROM audit_entry a JOIN audit_entry b ON b.details->>'previous_ip' = a.details->>'ip'`)
	if chain != contacts-1 {
		t.Errorf("got a chain of %d links, want %d: each saw the one before it", chain, contacts-1)
	}
}

func TestTouchIsThrottled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	start := r.clock.Now()
	seen := func() time.Duration { return value[time.Time](t, r, "SELECT last_seen_at FROM host").Sub(start) }
	for _, step := range []struct {
		at, want time.Duration
	}{
		{0, 0}, {10 * time.Second, 0}, {59 * time.Second, 0}, {60 * time.Second, 60 * time.Second},
		{90 * time.Second, 60 * time.Second}, {2 * time.Hour, 2 * time.Hour},
	} {
		r.clock.pass(step.at - r.clock.Now().Sub(start))
		r.mustEnter(t, e.Key, home)
		if got := seen(); got != step.want {
			t.Errorf("after %v: got last seen at %v, want %v", step.at, got, step.want)
		}
	}
}

func TestTemporaryHost(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	left := func(t *testing.T, r *rig) time.Duration {
		t.Helper()
		return value[time.Time](t, r, "SELECT expires_at FROM host").Sub(r.clock.Now())
	}
	t.Run("lives two hours after its last contact", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		e := r.register(t, fleet.Registration{Temporary: &yes})
		if got := left(t, r); got != 2*time.Hour {
			t.Errorf("got %v at registration, want 2h", got)
		}
		for range 5 {
			r.clock.pass(110 * time.Minute)
			r.mustEnter(t, e.Key, home)
			if got := left(t, r); got != 2*time.Hour {
				t.Errorf("got %v after a contact, want 2h", got)
			}
		}
		r.clock.pass(2 * time.Hour)
		_, err := r.enter(t, e.Key, home)
		is(t, "two hours later", err, fleet.ErrKeyInvalid)
	})
	t.Run("roaming, never twice from one address", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		e := r.register(t, fleet.Registration{Temporary: &yes})
		r.exec(t, "UPDATE host SET roaming = true")
		for i := range 5 {
			r.clock.pass(110 * time.Minute)
			r.mustEnter(t, e.Key, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
	})
	t.Run("registered again after its end", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			temporary *bool
			expires   bool
		}{"temporary": {&yes, true}, "permanent": {&no, false}, "unsaid": {nil, false}} {
			r := newRig(t)
			r.register(t, fleet.Registration{Temporary: &yes})
			r.clock.pass(3 * time.Hour)
			e := r.register(t, fleet.Registration{Temporary: c.temporary})
			if _, err := r.enter(t, e.Key, home); err != nil {
				t.Errorf("%s: got %v for a fresh key", name, err)
			}
			if got := value[bool](t, r, "SELECT expires_at IS NOT NULL FROM host"); got != c.expires {
				t.Errorf("%s: got an expiry %t, want %t", name, got, c.expires)
			}
		}
	})
	t.Run("registered again during its life", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			temporary *bool
			expires   bool
		}{"temporary": {&yes, true}, "permanent": {&no, false}, "unsaid": {nil, true}} {
			r := newRig(t)
			r.register(t, fleet.Registration{Temporary: &yes})
			r.register(t, fleet.Registration{Temporary: c.temporary})
			if got := value[bool](t, r, "SELECT expires_at IS NOT NULL FROM host"); got != c.expires {
				t.Errorf("%s: got an expiry %t, want %t", name, got, c.expires)
			}
		}
	})
}
