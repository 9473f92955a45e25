package fleet_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestLeave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare string
		from    netip.Addr
		force   bool
		want    error
		trail   string
	}{
		"at home":                      {from: home, trail: audit.ActionHostDelete},
		"elsewhere":                    {from: away, want: fleet.ErrIPMismatch},
		"elsewhere, forced":            {from: away, force: true, trail: audit.ActionForceIP + " " + audit.ActionHostDelete},
		"at home, forced":              {from: home, force: true, trail: audit.ActionHostDelete},
		"nowhere, forced":              {force: true, want: fleet.ErrIPMismatch},
		"roaming":                      {prepare: "roaming = true", from: away, trail: audit.ActionHostDelete},
		"bound to nothing":             {prepare: "bound_ip = NULL", from: away, trail: audit.ActionHostDelete},
		"inside its networks":          {prepare: "allow_from = '{198.51.100.0/24}'", from: away, trail: audit.ActionHostDelete},
		"outside its networks":         {prepare: "allow_from = '{192.0.2.0/24}'", from: away, want: fleet.ErrIPMismatch},
		"outside its networks, forced": {prepare: "allow_from = '{192.0.2.0/24}'", from: away, force: true, want: fleet.ErrIPMismatch},
		"switched off, forced":         {prepare: "status = 'disabled'", from: home, force: true, want: fleet.ErrHostDisabled},
		"with a new key":               {prepare: "key_sha256 = sha256('x')", from: home, force: true, want: fleet.ErrKeyInvalid},
		"pruned":                       {prepare: "deleted_at = now(), deleted_why = 'inactive'", from: home, force: true, want: fleet.ErrKeyInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e := r.register(t, fleet.Registration{})
			found := r.mustEnter(t, e.Key, home)
			if c.prepare != "" { // after it was found: what counts is how the host is when it goes
				r.exec(t, "UPDATE host SET "+c.prepare)
			}
			before := r.lastEntry(t)
			bound := r.bound(t, found.FQDN)
			fqdn, err := r.Leave(t.Context(), found, c.from, fleet.LeaveOptions{Force: c.force})
			is(t, "leaving", err, c.want)
			if got := r.trail(t, before); got != c.trail {
				t.Errorf("got %q recorded, want %q", got, c.trail)
			}
			gone := value[int](t, r, "SELECT count(*)::int FROM host") == 0
			if gone != (c.want == nil) || (gone && fqdn != "build7.example") {
				t.Errorf("got gone %t, %q", gone, fqdn)
			}
			if !gone && r.bound(t, found.FQDN) != bound {
				t.Errorf("got bound to %s by a refused leave, want %s", r.bound(t, found.FQDN), bound)
			}
		})
	}
}

// A thief with a host's key may end the host from elsewhere, which the trail tells, but whatever he does meanwhile, by
// hanging up or by calling at the same time, the key opens nothing for him.
func TestForcedLeaveIsNoWayAroundTheBinding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 30 {
		e := r.register(t, fleet.Registration{FQDN: "h" + string(rune('a'+i%26)) + ".example", Rekey: true})
		found := r.mustEnter(t, e.Key, home)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*300*time.Microsecond)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := r.enter(t, e.Key, away); !errors.Is(err, fleet.ErrIPMismatch) && !errors.Is(err, fleet.ErrKeyInvalid) {
					t.Errorf("the thief got %v", err)
				}
			})
		}
		_, err := r.Leave(ctx, found, away, fleet.LeaveOptions{Force: true})
		all.Wait()
		cancel()
		if n := value[int](t, r, "SELECT count(*)::int FROM host WHERE id = $1 AND host(bound_ip) <> $2", found.ID, home.String()); n != 0 {
			t.Fatalf("the host is bound to the thief's address after %v", err)
		}
	}
}
