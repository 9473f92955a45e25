package fleet_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// with lets the same fleet be served under another configuration, as a reload does. It registers nobody.
func (r *rig) with(config fleet.Config) *rig {
	config.Now = r.clock.Now
	return &rig{Service: fleet.New(r.store, nil, config), store: r.store, clock: r.clock}
}

// trail lists the actions recorded after an entry.
func (r *rig) trail(t *testing.T, after int64) string {
	t.Helper()
	return value[string](t, r, "SELECT coalesce(string_agg(action, ' ' ORDER BY id), '') FROM audit_entry WHERE id > $1", after)
}

func (r *rig) lastEntry(t *testing.T) int64 {
	t.Helper()
	return value[int64](t, r, "SELECT coalesce(max(id), 0) FROM audit_entry")
}

// bound is the address a host is bound to; empty: none.
func (r *rig) bound(t *testing.T, fqdn string) string {
	t.Helper()
	return value[string](t, r, "SELECT coalesce(host(bound_ip), '') FROM host WHERE fqdn = $1", fqdn)
}

func TestAllowFrom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const refused = "refused"
	for name, c := range map[string]struct {
		networks []string
		bound    string // before; "": to nothing
		roaming  bool
		from     string
		after    string // bound to after the call, or refused
		action   string // recorded
	}{
		"inside, at first":              {networks: []string{"203.0.113.0/24"}, from: "203.0.113.9", after: "203.0.113.9", action: audit.ActionBindIP},
		"inside, at home":               {networks: []string{"203.0.113.0/24"}, bound: "203.0.113.9", from: "203.0.113.9", after: "203.0.113.9"},
		"inside, elsewhere":             {networks: []string{"203.0.113.0/24"}, bound: "203.0.113.9", from: "203.0.113.200", after: "203.0.113.200", action: audit.ActionRoamingIP},
		"in the second network":         {networks: []string{"203.0.113.0/24", "198.51.100.0/24"}, bound: "203.0.113.9", from: "198.51.100.1", after: "198.51.100.1", action: audit.ActionRoamingIP},
		"inside, bound outside":         {networks: []string{"203.0.113.0/24"}, bound: "192.0.2.1", from: "203.0.113.1", after: "203.0.113.1", action: audit.ActionRoamingIP},
		"IPv4 in IPv6":                  {networks: []string{"203.0.113.0/24"}, bound: "203.0.113.9", from: "::ffff:203.0.113.10", after: "203.0.113.10", action: audit.ActionRoamingIP},
		"one address":                   {networks: []string{"203.0.113.9/32"}, from: "203.0.113.9", after: "203.0.113.9", action: audit.ActionBindIP},
		"all of IPv4":                   {networks: []string{"0.0.0.0/0"}, bound: "203.0.113.9", from: "10.0.0.1", after: "10.0.0.1", action: audit.ActionRoamingIP},
		"IPv6, inside":                  {networks: []string{"2001:db8::/32"}, bound: "2001:db8::1", from: "2001:db8:1::1", after: "2001:db8:1::1", action: audit.ActionRoamingIP},
		"IPv6, same 64":                 {networks: []string{"2001:db8::/32"}, bound: "2001:db8::1", from: "2001:db8::2", after: "2001:db8::1"},
		"IPv4 bound, comes by IPv6":     {networks: []string{"203.0.113.0/24", "2001:db8::/32"}, bound: "203.0.113.9", from: "2001:db8::1", after: "2001:db8::1", action: audit.ActionRoamingIP},
		"a zone":                        {networks: []string{"fe80::/10"}, bound: "fe80::1", from: "fe80:0:0:1::1%eth0", after: "fe80:0:0:1::1", action: audit.ActionRoamingIP},
		"outside, at first":             {networks: []string{"203.0.113.0/24"}, from: "203.0.114.0", after: refused},
		"outside, at home":              {networks: []string{"203.0.113.0/24"}, bound: "192.0.2.1", from: "192.0.2.1", after: refused},
		"outside, roaming":              {networks: []string{"203.0.113.0/24"}, bound: "203.0.113.9", roaming: true, from: "192.0.2.1", after: refused},
		"the address before":            {networks: []string{"203.0.113.9/32"}, from: "203.0.113.8", after: refused},
		"of the other family":           {networks: []string{"203.0.113.0/24"}, from: "2001:db8::1", after: refused},
		"of the other family, anything": {networks: []string{"::/0"}, from: "203.0.113.9", after: refused},
		"the IPv6 spelling of IPv4":     {networks: []string{"203.0.113.0/24"}, from: "::203.0.113.9", after: refused},
		"nowhere":                       {networks: []string{"0.0.0.0/0", "::/0"}, from: "", after: refused},
		"no networks, elsewhere":        {bound: "203.0.113.9", from: "203.0.113.10", after: refused},
	} {
		t.Run(name, func(t *testing.T) {
			r.exec(t, "DELETE FROM host")
			e := r.register(t, fleet.Registration{})
			if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{AllowFrom: prefixes(c.networks...), Roaming: &c.roaming}, operator); err != nil {
				t.Fatal(err)
			}
			if c.bound != "" {
				r.exec(t, "UPDATE host SET bound_ip = $1::inet", c.bound)
			}
			before := r.lastEntry(t)
			from, _ := netip.ParseAddr(c.from) // "" is no address
			host, err := r.authenticate(t.Context(), e.Key.Reveal(), from)
			want, after := error(nil), c.after
			if c.after == refused {
				want, after = fleet.ErrIPMismatch, c.bound
			}
			is(t, "contact", err, want)
			if got := r.bound(t, "build7.example"); got != after {
				t.Errorf("got bound to %q, want %q", got, after)
			}
			if got := r.trail(t, before); got != c.action {
				t.Errorf("got %q recorded, want %q", got, c.action)
			}
			if err == nil {
				if host.BoundIP.String() != after {
					t.Errorf("got a host bound to %s, want %s", host.BoundIP, after)
				}
				return
			}
			// The caller learns its own address, not where the key would be good; and it was no contact.
			details := errs.Of(err).Details
			if len(details) > 1 || (c.from != "" && details["received_ip"] != from.Unmap().WithZone("").String()) {
				t.Errorf("got details %v, want the received address only", details)
			}
			if seen := value[*time.Time](t, r, "SELECT last_seen_at FROM host"); seen != nil {
				t.Errorf("got a refused host seen at %s", seen)
			}
		})
	}
}

// A host that was looked up before its networks were narrowed is decided by what they are now, when it would be bound.
func TestAllowFromRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	host, err := r.Find(t.Context(), e.Key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Update(t.Context(), host.ID, fleet.Change{AllowFrom: prefixes("203.0.113.0/24")}, operator); err != nil {
		t.Fatal(err)
	}
	_, err = r.Admit(t.Context(), host, away)
	is(t, "outside the new networks", err, fleet.ErrIPMismatch)
	if got := r.bound(t, host.FQDN); got != "" {
		t.Errorf("got bound to %s", got)
	}
}

// When the list is gone, the address that the host came from last is the only one again.
func TestAllowFromTakenAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	set := func(networks ...string) {
		t.Helper()
		if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{AllowFrom: prefixes(networks...)}, operator); err != nil {
			t.Fatal(err)
		}
	}
	set("203.0.113.0/24", "198.51.100.0/24")
	r.mustEnter(t, e.Key, home)
	r.mustEnter(t, e.Key, away)
	set()
	r.mustEnter(t, e.Key, away)
	_, err := r.enter(t, e.Key, home)
	is(t, "the address before", err, fleet.ErrIPMismatch)
}

// The runner checks logins with the keys of hosts: that must neither bind a host to it nor look like the host's contact.
func TestRunnerBypass(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const refused = "refused"
	for name, c := range map[string]struct {
		prepare string // SQL
		bound   string
		from    string
		after   string // bound to after the call, or the code it was refused with
		details string // of the entry; "": none
	}{
		"unbound":                 {from: "172.28.0.5", after: "", details: `{"ip": "172.28.0.5", "expected_ip": ""}`},
		"bound elsewhere":         {bound: "203.0.113.9", from: "172.28.0.5", after: "203.0.113.9", details: `{"ip": "172.28.0.5", "expected_ip": "203.0.113.9"}`},
		"IPv4 in IPv6":            {bound: "203.0.113.9", from: "::ffff:172.28.0.5", after: "203.0.113.9", details: `{"ip": "172.28.0.5", "expected_ip": "203.0.113.9"}`},
		"IPv6":                    {bound: "203.0.113.9", from: "fd00::5", after: "203.0.113.9", details: `{"ip": "fd00::5", "expected_ip": "203.0.113.9"}`},
		"its last address":        {bound: "203.0.113.9", from: "172.28.255.255", after: "203.0.113.9", details: `{"ip": "172.28.255.255", "expected_ip": "203.0.113.9"}`},
		"a roaming host":          {prepare: "UPDATE host SET roaming = true", bound: "203.0.113.9", from: "172.28.0.5", after: "203.0.113.9", details: `{"ip": "172.28.0.5", "expected_ip": "203.0.113.9"}`},
		"a host with networks":    {prepare: "UPDATE host SET allow_from = '{203.0.113.0/24}'", bound: "203.0.113.9", from: "172.28.0.5", after: "203.0.113.9", details: `{"ip": "172.28.0.5", "expected_ip": "203.0.113.9"}`},
		"a host that lives there": {bound: "172.28.0.5", from: "172.28.0.5", after: "172.28.0.5"},
		"a host switched off":     {prepare: "UPDATE host SET status = 'disabled'", bound: "203.0.113.9", from: "172.28.0.5", after: refused},
		"the address before":      {bound: "203.0.113.9", from: "172.27.255.255", after: refused},
		"the address behind":      {bound: "203.0.113.9", from: "172.29.0.0", after: refused},
		"its numbers in IPv6":     {bound: "203.0.113.9", from: "::172.28.0.5", after: refused},
		"nowhere":                 {bound: "203.0.113.9", from: "", after: refused},
	} {
		t.Run(name, func(t *testing.T) {
			r.exec(t, "DELETE FROM host")
			e := r.register(t, fleet.Registration{})
			if c.bound != "" {
				r.exec(t, "UPDATE host SET bound_ip = $1::inet", c.bound)
			}
			if c.prepare != "" {
				r.exec(t, c.prepare)
			}
			before := r.lastEntry(t)
			from, _ := netip.ParseAddr(c.from) // "" is no address
			guarded := r.with(fleet.Config{RunnerBypass: prefixes("172.28.0.0/16", "fd00::/64")})
			_, err := guarded.authenticate(t.Context(), e.Key.Reveal(), from)
			after := c.after
			if c.after == refused {
				after = c.bound
			}
			if (err != nil) != (c.after == refused) {
				t.Errorf("got %v, want %s", err, c.after)
			}
			if got := r.bound(t, "build7.example"); got != after {
				t.Errorf("got bound to %q, want %q", got, after)
			}
			const entry = `SELECT coalesce((SELECT details::text FROM audit_entry WHERE id > $1 AND action = $2 AND actor = 'build7.example' AND host(ip) = details->>'ip'), '')`
			if got := value[string](t, r, entry, before, audit.ActionRunnerBypass); got != c.details || strings.Count(r.trail(t, before), " ") > 0 {
				t.Errorf("got %q recorded, want %q alone", got, c.details)
			}
			if seen := value[*time.Time](t, r, "SELECT last_seen_at FROM host"); (seen != nil) != (name == "a host that lives there") {
				t.Errorf("got the host seen at %v: the runner is not it", seen)
			}
		})
	}
}

// Nobody is the runner by default, and the runner's visits keep no machine alive that never came.
func TestRunnerIsNoHost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	runner := netip.MustParseAddr("172.28.0.5")
	e := r.register(t, fleet.Registration{})
	guarded := r.with(fleet.Config{RunnerBypass: prefixes("172.28.0.0/16")})
	guarded.mustEnter(t, e.Key, runner)
	r.endTokens(t)
	r.clock.pass(time.Hour)
	guarded.mustEnter(t, e.Key, runner)
	r.prune(t, 0)
	if got := r.pruned(t, e.Host.FQDN); got != "unprovisioned" {
		t.Errorf("got pruned as %q, want unprovisioned", got)
	}
	_, err := guarded.enter(t, e.Key, runner)
	is(t, "the runner with a dead key", err, fleet.ErrKeyInvalid)

	e = r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	_, err = r.enter(t, e.Key, runner)
	is(t, "without a runner", err, fleet.ErrIPMismatch)

	r.exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for records'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if _, err := guarded.enter(t, e.Key, runner); err == nil {
		t.Error("the runner was let in without a record")
	}
}

func TestIPv6Binding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const first = "2001:db8:1:1::1"
	for bits, c := range map[int]struct{ inside, outside string }{
		0:   {"2001:db8:1:1:ffff:ffff:ffff:ffff", "2001:db8:1:2::1"}, // the default is 64
		48:  {"2001:db8:1:ffff::1", "2001:db8:2::1"},
		56:  {"2001:db8:1:ff::1", "2001:db8:1:100::1"},
		63:  {"2001:db8:1:0::1", "2001:db8:1:2::1"},
		64:  {"2001:db8:1:1:ffff:ffff:ffff:ffff", "2001:db8:1:0:ffff:ffff:ffff:ffff"},
		128: {"2001:db8:1:1:0:0:0:1", "2001:db8:1:1::2"},
	} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			r.exec(t, "DELETE FROM host")
			key, other := r.register(t, fleet.Registration{}).Key, r.register(t, fleet.Registration{FQDN: "other.example"}).Key
			r := r.with(fleet.Config{IPv6Bits: bits})
			r.mustEnter(t, key, netip.MustParseAddr(first))
			before := r.lastEntry(t)
			r.mustEnter(t, key, netip.MustParseAddr(c.inside))
			_, err := r.enter(t, key, netip.MustParseAddr(c.outside))
			is(t, c.outside, err, fleet.ErrIPMismatch)
			_, err = r.enter(t, key, home)
			is(t, "IPv4", err, fleet.ErrIPMismatch)
			if got, trail := r.bound(t, "build7.example"), r.trail(t, before); got != first || trail != "" {
				t.Errorf("got bound to %s, %q recorded; want %s and nothing", got, trail, first)
			}
			// The length is that of IPv6: an IPv4 host is bound to all of its address.
			r.mustEnter(t, other, home)
			_, err = r.enter(t, other, home.Next())
			is(t, "an IPv4 neighbour", err, fleet.ErrIPMismatch)
		})
	}
}

// A shorter or longer length counts from the reload on, for hosts that are bound already too.
func TestIPv6BitsChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.register(t, fleet.Registration{}).Key
	neighbour := netip.MustParseAddr("2001:db8::2")
	r.mustEnter(t, key, netip.MustParseAddr("2001:db8::1"))
	r.mustEnter(t, key, neighbour)
	_, err := r.with(fleet.Config{IPv6Bits: 128}).enter(t, key, neighbour)
	is(t, "bound to the whole address", err, fleet.ErrIPMismatch)
	r.with(fleet.Config{IPv6Bits: 32}).mustEnter(t, key, netip.MustParseAddr("2001:db8:ffff::1"))
}

// First contacts at the same time: of one network all are the host, of two networks one is.
func TestIPv6FirstContacts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		address func(i int) netip.Addr
		won     int
	}{
		"one network": {func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(i)})
		}, 20},
		"many networks": {func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 7: byte(i)})
		}, 1},
		"two addresses": {func(i int) netip.Addr { return []netip.Addr{home, away}[i%2] }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for round := range 3 {
				r.exec(t, "DELETE FROM host")
				e := r.register(t, fleet.Registration{})
				failures := everybody(20, func(i int) error { _, err := r.enter(t, e.Key, c.address(i)); return err })
				if won, refused := count(failures, nil), count(failures, fleet.ErrIPMismatch); won != c.won || refused != 20-c.won {
					t.Errorf("got %d winners, %d refused, want %d: %v", won, refused, c.won, errors.Join(failures...))
				}
				if n := r.entries(t, audit.ActionBindIP); n != round+1 {
					t.Errorf("got %d audit entries, want one a round", n)
				}
			}
		})
	}
}
