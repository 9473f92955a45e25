package fleet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// columns is a host's row.
func (r *rig) columns(t *testing.T, id int64) map[string]string {
	t.Helper()
	columns := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(value[string](t, r, "SELECT to_jsonb(host)::text FROM host WHERE id = $1", id)), &columns); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, raw := range columns {
		texts[name] = string(raw)
	}
	return texts
}

func prefixes(texts ...string) []netip.Prefix {
	all := []netip.Prefix{}
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, other := r.register(t, fleet.Registration{}), r.register(t, fleet.Registration{FQDN: "other.example"})
	r.mustEnter(t, e.Key, home)
	untouched := r.columns(t, other.Host.ID)
	for _, c := range []struct {
		change  fleet.Change
		column  string // the one that changes, beside updated_at; "": none
		value   string
		details string
	}{
		{fleet.Change{}, "", "", `{}`},
		{fleet.Change{Enabled: new(false)}, "status", `"disabled"`, `{"enabled": false}`},
		{fleet.Change{Enabled: new(false)}, "", "", `{"enabled": false}`},
		{fleet.Change{Enabled: new(true)}, "status", `"active"`, `{"enabled": true}`},
		{fleet.Change{Secure: new(false)}, "secure", "false", `{"secure": false}`},
		{fleet.Change{VIP: new(true)}, "vip", "true", `{"vip": true}`},
		{fleet.Change{Roaming: new(true)}, "roaming", "true", `{"roaming": true}`},
		{fleet.Change{MayStore: new(false)}, "may_store", "false", `{"may_store": false}`},
		{
			fleet.Change{AllowFrom: prefixes("203.0.113.0/24", "2001:db8::/32")}, "allow_from", `["203.0.113.0/24", "2001:db8::/32"]`,
			`{"allow_from": ["203.0.113.0/24", "2001:db8::/32"]}`,
		},
		{fleet.Change{VIP: new(false)}, "vip", "false", `{"vip": false}`}, // and the list stays
		{fleet.Change{AllowFrom: prefixes()}, "allow_from", "[]", `{"allow_from": []}`},
		{fleet.Change{WindowMinutes: new(480)}, "window_minutes", "480", `{"insecure_window_minutes": 480}`},
		{fleet.Change{WindowMinutes: new(0)}, "window_minutes", "0", `{"insecure_window_minutes": 0}`},
		{fleet.Change{ClientVersion: new(" v0.63.0\n")}, "client_version_pin", `"0.63.0"`, `{"client_version": "0.63.0"}`},
		{fleet.Change{ClientVersion: new("codex-cli 0.64.0-alpha.1")}, "client_version_pin", `"0.64.0-alpha.1"`, `{"client_version": "0.64.0-alpha.1"}`},
		{fleet.Change{ClientVersion: new(" ")}, "client_version_pin", "null", `{"client_version": ""}`},
		{fleet.Change{ForceIPv4: new(true)}, "force_ipv4", "true", `{"force_ipv4": true}`},
		{fleet.Change{ForceIPv4: new(false)}, "force_ipv4", "false", `{"force_ipv4": false}`},
		{fleet.Change{Model: new("openai/gpt-5.1+codex")}, "model_override", `"openai/gpt-5.1+codex"`, `{"model_override": "openai/gpt-5.1+codex"}`},
		{fleet.Change{ReasoningEffort: new("high")}, "reasoning_effort_override", `"high"`, `{"reasoning_effort_override": "high"}`},
		{fleet.Change{VIP: new(true)}, "vip", "true", `{"vip": true}`}, // which leaves the names as they are
		{fleet.Change{Model: new("")}, "model_override", "null", `{"model_override": ""}`},
		{fleet.Change{ReasoningEffort: new("")}, "reasoning_effort_override", "null", `{"reasoning_effort_override": ""}`},
		{fleet.Change{Unbind: true}, "bound_ip", "null", `{"unbind": true}`},
	} {
		r.clock.pass(time.Minute)
		want := r.columns(t, e.Host.ID)
		host, err := r.Update(t.Context(), e.Host.ID, c.change, operator)
		if err != nil {
			t.Errorf("%s: %v", c.details, err)
			continue
		}
		if c.column != "" {
			want[c.column] = c.value
		}
		got := r.columns(t, e.Host.ID)
		want["updated_at"] = got["updated_at"]
		if !maps.Equal(got, want) || !host.UpdatedAt.Equal(r.clock.Now()) {
			t.Errorf("%s: got row\n%v\nwant\n%v", c.details, got, want)
		}
		const entry = `SELECT count(*)::int FROM audit_entry WHERE id = (SELECT max(id) FROM audit_entry) AND action = $1 AND host_id = $2
			AND actor = 'root' AND at = $3 AND details - 'before' = $4::jsonb || '{"fqdn": "build7.example"}'`
		if n := value[int](t, r, entry, audit.ActionHostUpdate, e.Host.ID, r.clock.Now(), c.details); n != 1 {
			t.Errorf("got %s recorded, want %s", value[string](t, r, "SELECT details::text FROM audit_entry ORDER BY id DESC LIMIT 1"), c.details)
		}
	}
	if got := r.columns(t, other.Host.ID); !maps.Equal(got, untouched) {
		t.Errorf("got another host changed:\n%v\nwant\n%v", got, untouched)
	}
}

// What would be a fault of the database, or a list that lets in more than was meant, is refused before.
func TestUpdateRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	before, trail := r.columns(t, e.Host.ID), r.entries(t, audit.ActionHostUpdate)
	for name, c := range map[string]struct {
		change fleet.Change
		field  string
	}{
		"a negative window":           {fleet.Change{WindowMinutes: new(-1)}, "insecure_window_minutes"},
		"a window beyond eight hours": {fleet.Change{WindowMinutes: new(481)}, "insecure_window_minutes"},
		"a window that wraps around":  {fleet.Change{WindowMinutes: new(65536 + 10)}, "insecure_window_minutes"},
		"bits beyond the length":      {fleet.Change{AllowFrom: prefixes("10.0.0.5/8")}, "allow_from"},
		"one bad among good":          {fleet.Change{AllowFrom: prefixes("10.0.0.0/8", "2001:db8::1/32")}, "allow_from"},
		"no network":                  {fleet.Change{AllowFrom: []netip.Prefix{{}}}, "allow_from"},
		"IPv4 in IPv6":                {fleet.Change{AllowFrom: prefixes("::ffff:10.0.0.0/104")}, "allow_from"},
		"65 networks":                 {fleet.Change{AllowFrom: slices.Repeat(prefixes("10.0.0.0/8"), 65)}, "allow_from"},
		"a word as version":           {fleet.Change{ClientVersion: new("newest")}, "client_version"},
		"no version":                  {fleet.Change{ClientVersion: new("codex-cli")}, "client_version"},
		"a command as version":        {fleet.Change{ClientVersion: new("0.63.0; rm -rf /")}, "client_version"},
		"a blank as model":            {fleet.Change{Model: new(" ")}, "model_override"},
		"an option as model":          {fleet.Change{Model: new("-c")}, "model_override"},
		"a quote in a model":          {fleet.Change{Model: new(`o3"`)}, "model_override"},
		"a line in a model":           {fleet.Change{Model: new("o3\n")}, "model_override"},
		"a long model":                {fleet.Change{Model: new(strings.Repeat("m", 129))}, "model_override"},
		"a letter of two bytes":       {fleet.Change{Model: new("größer")}, "model_override"},
		"a quote in an effort":        {fleet.Change{ReasoningEffort: new(`hi"gh`)}, "reasoning_effort_override"},
		"a long effort":               {fleet.Change{ReasoningEffort: new(strings.Repeat("e", 33))}, "reasoning_effort_override"},
		"an option as version":        {fleet.Change{ClientVersion: new("--force")}, "client_version"},
	} {
		c.change.VIP, c.change.Unbind = new(true), true // which must not happen either
		_, err := r.Update(t.Context(), e.Host.ID, c.change, operator)
		if e := errs.Of(err); err == nil || e.Kind != errs.Invalid || len(e.Fields[c.field]) != 1 {
			t.Errorf("%s: got %v, want it refused about %s", name, err, c.field)
		}
	}
	_, err := r.Update(t.Context(), e.Host.ID+1, fleet.Change{VIP: new(true)}, operator)
	is(t, "an unknown host", err, fleet.ErrHostNotFound)
	if got := r.columns(t, e.Host.ID); !maps.Equal(got, before) {
		t.Errorf("got row\n%v\nwant it as it was\n%v", got, before)
	}
	if n := r.entries(t, audit.ActionHostUpdate); n != trail {
		t.Errorf("got %d audit entries, want none", n-trail)
	}
	for name, change := range map[string]fleet.Change{
		"64 networks": {AllowFrom: slices.Repeat(prefixes("10.0.0.0/8"), 64)}, "everything": {AllowFrom: prefixes("0.0.0.0/0", "::/0")},
		"a long version": {ClientVersion: new(strings.Repeat("9", 1000))},
		"long names":     {Model: new(strings.Repeat("m", 128)), ReasoningEffort: new(strings.Repeat("e", 32))},
	} {
		if _, err := r.Update(t.Context(), e.Host.ID, change, operator); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two admins who change different things at once both do.
func TestUpdatesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	changes := []fleet.Change{
		{VIP: new(true)}, {Roaming: new(true)}, {MayStore: new(false)}, {Secure: new(false)}, {Enabled: new(false)}, {WindowMinutes: new(7)},
		{ClientVersion: new("0.63.0")}, {AllowFrom: prefixes("10.0.0.0/8")}, {ForceIPv4: new(true)}, {Model: new("o3")}, {ReasoningEffort: new("high")},
	}
	failures := everybody(len(changes), func(i int) error {
		_, err := r.Update(t.Context(), e.Host.ID, changes[i], operator)
		return err
	})
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	h, err := r.ByFQDN(t.Context(), e.Host.FQDN)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%t %t %t %t %s %d %s %v %t %s %s", h.VIP, h.Roaming, h.MayStore, h.Secure, h.Status, *h.WindowMinutes, *h.ClientVersionPin, h.AllowFrom,
		h.ForceIPv4, *h.ModelOverride, *h.ReasoningEffortOverride)
	if want := "true true false false disabled 7 0.63.0 [10.0.0.0/8] true o3 high"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A change that is based on what its author has read is refused when that is no longer so, and of many with one base one is made.
func TestUpdatesOnABase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	stale := errs.New(errs.Stale, "stale", "stale")
	unnoted := func(before *db.Host) error {
		if before.Note != "" {
			return stale
		}
		return nil
	}
	failures := everybody(8, func(i int) error {
		_, err := r.Update(t.Context(), e.Host.ID, fleet.Change{Note: new(fmt.Sprint("note ", i)), VIP: new(true), Base: unnoted}, operator)
		return err
	})
	made := 0
	for _, err := range failures {
		if err == nil {
			made++
		} else {
			is(t, "a change on an old base", err, stale)
		}
	}
	if recorded := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE details ? 'note'"); made != 1 || recorded != 1 {
		t.Errorf("got %d changes made and %d recorded, want one", made, recorded)
	}
	_, err := r.Update(t.Context(), e.Host.ID+1, fleet.Change{VIP: new(true), Base: unnoted}, operator)
	is(t, "no host", err, fleet.ErrHostNotFound)
}

func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	for _, on := range []bool{false, true} {
		if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{Enabled: &on}, operator); err != nil {
			t.Fatal(err)
		}
		var want error
		if !on {
			want = fleet.ErrHostDisabled
		}
		_, err := r.enter(t, e.Key, home)
		is(t, fmt.Sprintf("enabled %t", on), err, want)
	}
}

func TestUnbind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{Unbind: true}, operator); err != nil {
		t.Fatal(err)
	}
	failures := everybody(20, func(i int) error {
		_, err := r.enter(t, e.Key, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		return err
	})
	if n := count(failures, nil); n != 1 {
		t.Errorf("got %d addresses let in, want the first alone: %v", n, errors.Join(failures...))
	}
	_, err := r.enter(t, e.Key, home)
	is(t, "its old address", err, fleet.ErrIPMismatch)
}

// A name that the gateway takes is one that cdx hands to Codex: cdx has the rule too, for what another gateway may say.
func TestNamesAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	const rule = "regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$`)"
	for _, path := range []string{"change.go", "../cdx/hostmodel.go"} {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "modelName = "+rule) {
			t.Errorf("%s: %v; want modelName to be %s", path, err, rule)
		}
	}
}

// A host that is to use IPv4 only loses a binding to an IPv6 address, and no other. Its next call may still be by IPv6,
// since it learns of it from the answer: that must not keep it out afterwards.
func TestIPv4Only(t *testing.T) {
	t.Parallel()
	there, elsewhere := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:0:1::1")
	force := func(t *testing.T, r *rig, on bool) (details string) {
		t.Helper()
		host, err := r.ByFQDN(t.Context(), "build7.example")
		if err == nil {
			_, err = r.Update(t.Context(), host.ID, fleet.Change{ForceIPv4: &on}, operator)
		}
		if err != nil {
			t.Fatal(err)
		}
		return value[string](t, r, "SELECT (details - 'fqdn' - 'before')::text FROM audit_entry ORDER BY id DESC LIMIT 1")
	}
	enter := func(t *testing.T, r *rig, e *fleet.Enrolment, from netip.Addr, want error) {
		t.Helper()
		_, err := r.enter(t, e.Key, from)
		is(t, from.String(), err, want)
		host, err := r.ByFQDN(t.Context(), "build7.example")
		if err != nil {
			t.Fatal(err)
		}
		// Who is let in may come again, and who is not may not leave in the host's name either.
		if may := r.MayComeFrom(host, from); may != (want == nil) {
			t.Errorf("%s: got %t, may come from there", from, may)
		}
	}
	t.Run("bound to IPv6", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		e := r.register(t, fleet.Registration{})
		r.mustEnter(t, e.Key, there)
		if got := force(t, r, true); got != `{"unbind": true, "force_ipv4": true}` || r.bound(t, "build7.example") != "" {
			t.Errorf("got %s recorded, bound to %q", got, r.bound(t, "build7.example"))
		}
		enter(t, r, e, there, nil)
		enter(t, r, e, elsewhere, fleet.ErrIPMismatch)
		enter(t, r, e, home, nil)
		enter(t, r, e, away, fleet.ErrIPMismatch)
		enter(t, r, e, there, fleet.ErrIPMismatch)
		if got := force(t, r, true); got != `{"force_ipv4": true}` || r.bound(t, "build7.example") != home.String() {
			t.Errorf("again: got %s recorded, bound to %q", got, r.bound(t, "build7.example"))
		}
	})
	t.Run("bound to IPv4", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		e := r.register(t, fleet.Registration{})
		r.mustEnter(t, e.Key, home)
		force(t, r, true)
		enter(t, r, e, away, fleet.ErrIPMismatch)
		enter(t, r, e, there, fleet.ErrIPMismatch)
		enter(t, r, e, home, nil)
	})
	t.Run("not any more", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		e := r.register(t, fleet.Registration{})
		force(t, r, true)
		r.mustEnter(t, e.Key, there)
		if got := force(t, r, false); got != `{"force_ipv4": false}` || r.bound(t, "build7.example") != there.String() {
			t.Errorf("got %s recorded, bound to %q", got, r.bound(t, "build7.example"))
		}
		enter(t, r, e, home, fleet.ErrIPMismatch)
	})
	t.Run("two at once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		e := r.register(t, fleet.Registration{})
		force(t, r, true)
		r.mustEnter(t, e.Key, there)
		failures := everybody(20, func(i int) error {
			_, err := r.enter(t, e.Key, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
			return err
		})
		if n := count(failures, nil); n != 1 {
			t.Errorf("got %d addresses let in, want the first alone: %v", n, errors.Join(failures...))
		}
	})
}

// left is how long an insecure host's window is still open; 0: it has none.
func (r *rig) left(t *testing.T) time.Duration {
	t.Helper()
	until := value[*time.Time](t, r, "SELECT insecure_until FROM host")
	if until == nil {
		return 0
	}
	return until.Sub(r.clock.Now())
}

func TestOpenWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, c := range map[string]struct {
		left    time.Duration // before; 0: none
		minutes int
		want    time.Duration
	}{
		"none":            {0, 10, 10 * time.Minute},
		"closed long ago": {-24 * time.Hour, 10, 10 * time.Minute},
		"closed just now": {-time.Minute, 10, 10 * time.Minute},
		"open":            {5 * time.Minute, 10, 15 * time.Minute},
		"open for longer": {3 * time.Hour, 1, 181 * time.Minute},
		"for eight hours": {0, 480, 8 * time.Hour},
		"for eight more":  {8 * time.Hour, 480, 16 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			r.exec(t, "DELETE FROM host")
			e := r.register(t, fleet.Registration{Insecure: true})
			if c.left == 0 {
				r.exec(t, "UPDATE host SET insecure_until = NULL")
			} else {
				r.exec(t, "UPDATE host SET insecure_until = $1", r.clock.Now().Add(c.left))
			}
			host, err := r.OpenWindow(t.Context(), &e.Host, c.minutes, operator)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.left(t); got != c.want || !r.WindowOpen(host) {
				t.Errorf("got a window of %v, open %t; want %v", got, r.WindowOpen(host), c.want)
			}
			const entry = "SELECT count(*)::int FROM audit_entry WHERE action = $1 AND host_id = $2 AND details = jsonb_build_object('duration_minutes', $3::int, 'fqdn', 'build7.example')"
			if n := value[int](t, r, entry, audit.ActionInsecureEnable, host.ID, c.minutes); n != 1 {
				t.Errorf("got %d audit entries, want 1", n)
			}
		})
	}
}

func TestWindowRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	insecure, secure := r.register(t, fleet.Registration{Insecure: true}), r.register(t, fleet.Registration{FQDN: "secure.example"})
	for _, minutes := range []int{0, -1, 481, 1 << 33} {
		_, err := r.OpenWindow(t.Context(), &insecure.Host, minutes, operator)
		if e := errs.Of(err); err == nil || e.Kind != errs.Invalid || len(e.Fields["duration_minutes"]) != 1 {
			t.Errorf("%d minutes: got %v, want them refused", minutes, err)
		}
	}
	gone := &db.Host{ID: insecure.Host.ID + 100}
	for name, c := range map[string]struct {
		host *db.Host
		want error
	}{"a secure host": {&secure.Host, fleet.ErrSecure}, "a host that is gone": {gone, fleet.ErrHostNotFound}} {
		_, err := r.OpenWindow(t.Context(), c.host, 10, operator)
		is(t, "opening for "+name, err, c.want)
		_, err = r.CloseWindow(t.Context(), c.host, operator)
		is(t, "closing for "+name, err, c.want)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM host WHERE grace_until IS NOT NULL OR (secure AND insecure_until IS NOT NULL)"); n != 0 {
		t.Errorf("got %d hosts with a window or a grace, want none", n)
	}
	if n := r.entries(t, audit.ActionInsecureEnable) + r.entries(t, audit.ActionInsecureDisable); n != 0 {
		t.Errorf("got %d audit entries, want none", n)
	}
}

// Admins who open a window at once each get their minutes, while the host's calls move it on and never back.
func TestWindowsOnlyExtend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{Insecure: true})
	host := r.mustEnter(t, e.Key, home)
	failures := everybody(40, func(i int) error {
		if i%2 == 0 {
			_, err := r.OpenWindow(t.Context(), host, 5, operator)
			return err
		}
		_, err := r.call(t, host, api.CommandRetrieve)
		return err
	})
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	if got := r.left(t); got != (30+20*5)*time.Minute {
		t.Errorf("got a window of %v, want the first 30m and 5m for each of 20", got)
	}
}

func TestWindowMinutes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, c := range map[string]struct {
		minutes     *int
		left, after time.Duration
	}{
		"no measure of its own": {nil, 5 * time.Minute, 10 * time.Minute},
		"none":                  {new(0), 5 * time.Minute, 5 * time.Minute},
		"none, its last moment": {new(0), soon, soon},
		"shorter than is left":  {new(1), 5 * time.Minute, 5 * time.Minute},
		"longer":                {new(60), 5 * time.Minute, time.Hour},
		"the longest":           {new(480), 5 * time.Minute, 8 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			r.exec(t, "DELETE FROM host")
			e := r.register(t, fleet.Registration{Insecure: true})
			if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{WindowMinutes: c.minutes}, operator); err != nil {
				t.Fatal(err)
			}
			r.exec(t, "UPDATE host SET insecure_until = $1", r.clock.Now().Add(c.left))
			host := r.mustEnter(t, e.Key, home)
			for range 3 {
				recorded, err := r.call(t, host, api.CommandRetrieve)
				is(t, "call", err, nil)
				if got := r.left(t); got != c.after || !r.WindowOpen(recorded) {
					t.Errorf("got a window of %v, want %v", got, c.after)
				}
			}
			r.clock.pass(c.after + soon)
			_, err := r.call(t, host, api.CommandRetrieve)
			is(t, "after it", err, fleet.ErrWindowClosed)
		})
	}
}

func TestCloseWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{Insecure: true})
	host := r.mustEnter(t, e.Key, home)
	closed, err := r.CloseWindow(t.Context(), host, operator)
	if err != nil || r.WindowOpen(closed) || r.left(t) != 0 {
		t.Fatalf("got %+v, %v; want the window closed", closed, err)
	}
	const entry = `SELECT count(*)::int FROM audit_entry WHERE action = $1 AND host_id = $2
		AND details = '{"fqdn": "build7.example", "grace_until": "2026-01-05T11:00:00+00:00"}'`
	if n := value[int](t, r, entry, audit.ActionInsecureDisable, host.ID); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
	for _, step := range []struct {
		passes time.Duration
		want   error
	}{{0, nil}, {59 * time.Minute, nil}, {time.Minute, nil}, {soon, fleet.ErrWindowClosed}} {
		r.clock.pass(step.passes)
		recorded, err := r.call(t, host, api.CommandStore)
		is(t, fmt.Sprintf("%v later", step.passes), err, step.want)
		// Calls in the grace neither open the window nor prolong the grace.
		if err == nil && (r.WindowOpen(recorded) || recorded.InsecureUntil != nil || !recorded.GraceUntil.Equal(*closed.GraceUntil)) {
			t.Errorf("got window %v, grace %v after a call", recorded.InsecureUntil, recorded.GraceUntil)
		}
	}
	opened, err := r.OpenWindow(t.Context(), host, 10, operator)
	if err != nil || !r.WindowOpen(opened) || r.left(t) != 10*time.Minute {
		t.Errorf("got %+v, %v; want the window open again", opened, err)
	}
}
