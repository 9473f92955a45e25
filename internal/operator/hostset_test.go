package operator

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestHostSet(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		change fleet.Change
		words  string
		facts  []string // of host show
	}{
		{
			fleet.Change{VIP: new(true), Roaming: new(true)}, "✓ build7.example: vip=true, roaming=true\n",
			[]string{"host      build7.example, secure, vip\n", "networks  -\n", "window    -\n", "may store yes\n", "codex     -\n"},
		},
		{
			fleet.Change{Enabled: new(false), VIP: new(false)},
			"✓ build7.example: enabled=false, vip=false\n  Its calls are refused from now on. To end that: cdxgate host set build7.example --enabled\n",
			[]string{"host      build7.example, secure\n", "state     disabled\n"},
		},
		{fleet.Change{Enabled: new(true)}, "✓ build7.example: enabled=true\n", []string{"state     never seen\n"}},
		{
			fleet.Change{AllowFrom: networks, ClientVersion: new("0.63.0"), MayStore: new(false)},
			"✓ build7.example: may-store=false, allow-from=10.0.0.0/8,fd00::/8, codex=0.63.0\n" +
				"  What it uploads changes nothing from now on.\n" +
				"  It may call from anywhere in 10.0.0.0/8,fd00::/8, and from nowhere else.\n",
			[]string{"networks  10.0.0.0/8,fd00::/8\n", "may store no\n", "codex     -, pinned to 0.63.0\n"},
		},
		{
			fleet.Change{Secure: new(false), WindowMinutes: new(30), AllowFrom: []netip.Prefix{}, ClientVersion: new("")},
			"✓ build7.example: secure=false, allow-from=none, window=30, codex=fleet\n" +
				"  It gets the login only inside its window. To open that: cdxgate host open build7.example\n",
			[]string{"host      build7.example, insecure\n", "networks  -\n", "window    closed, moved on 30 min by each call\n", "codex     -\n"},
		},
		{
			fleet.Change{WindowMinutes: new(0), Unbind: true}, "✓ build7.example: window=0, unbind\n  It is bound to the address of its next call.\n",
			[]string{"id        1\n", "address   not bound yet, roaming\n", "window    closed, not moved on by calls\n", "ipv4 only no\n", "model     -\n", "effort    -\n"},
		},
		{
			fleet.Change{ForceIPv4: new(true), Model: new("gpt-5.1-codex"), ReasoningEffort: new("high")},
			"✓ build7.example: ipv4-only=true, model=gpt-5.1-codex, reasoning-effort=high\n",
			[]string{"ipv4 only yes\n", "model     gpt-5.1-codex\n", "effort    high\n"},
		},
		{
			fleet.Change{AllowFrom: networks[1:], Model: new(""), ReasoningEffort: new("")},
			"✓ build7.example: allow-from=fd00::/8, model=none, reasoning-effort=none\n" +
				"  It may call from anywhere in fd00::/8, and from nowhere else.\n" +
				"  It cannot call any more: it is to use IPv4 only, and none of its networks is one of IPv4. To end that: cdxgate host set build7.example --allow-from none\n",
			[]string{"ipv4 only yes\n", "model     -\n", "effort    -\n"},
		},
	} {
		must(t, d.HostSet(t.Context(), "BUILD7.example", c.change))
		if out, words := d.said(); out != "" || words != c.words {
			t.Errorf("got %q, %q; want %q", out, words, c.words)
		}
		must(t, d.HostShow(t.Context(), "build7.example"))
		out, _ := d.said()
		for _, fact := range c.facts {
			if !strings.Contains(out, fact) {
				t.Errorf("got\n%s, want %q in it", out, fact)
			}
		}
		for line := range strings.Lines(out) {
			if line[9] != ' ' || line[10] == ' ' {
				t.Errorf("got %q, want its fact to begin at the eleventh column", line)
			}
		}
	}

	d.JSON = true
	must(t, d.HostSet(t.Context(), "build7.example", fleet.Change{AllowFrom: networks, ClientVersion: new("v0.64.0"), Model: new("o3")}))
	shown := document[struct{ Host listedHost }](t, d).Host
	if shown.ID != host.Host.ID || len(shown.AllowFrom) != 2 || shown.AllowFrom[1] != networks[1] || shown.MayStore || *shown.InsecureWindowMinutes != 0 || *shown.ClientVersionOverride != "0.64.0" ||
		!shown.ForceIPv4 || *shown.ModelOverride != "o3" || shown.ReasoningEffortOverride != nil {
		t.Errorf("got %+v", shown)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.host.update' AND actor_kind = 'operator' AND host_id = $1", host.Host.ID); n != 9 {
		t.Errorf("got %d entries, want 9 of an operator", n)
	}
	if err := d.HostSet(t.Context(), "build7.example", fleet.Change{ClientVersion: new("newest")}); errs.Of(err).Kind != errs.Invalid {
		t.Errorf("got %v for what is no version", err)
	}
	if err := d.HostSet(t.Context(), "none.example", fleet.Change{VIP: new(true)}); !errors.Is(err, fleet.ErrHostNotFound) || !strings.Contains(err.Error(), "cdxgate host list") {
		t.Errorf("got %v, want where the hosts are", err)
	}
}

// An address that a host cannot come from any more is none of its own; the operator is told.
func TestHostSetIPv4Only(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.g.Register(t, "build7.example")
	for _, c := range []struct{ bound, words, left string }{
		{"2001:db8::1", "  It was bound to 2001:db8::1, where it will not come from any more: it is bound to the address of its next call.\n", "not bound yet"},
		{"203.0.113.9", "", "203.0.113.9, bound"},
	} {
		d.g.Exec(t, "UPDATE host SET force_ipv4 = false, bound_ip = $1::text::inet", c.bound)
		must(t, d.HostSet(t.Context(), "build7.example", fleet.Change{ForceIPv4: new(true)}))
		if out, words := d.said(); out != "" || words != "✓ build7.example: ipv4-only=true\n"+c.words {
			t.Errorf("%s: got %q, %q", c.bound, out, words)
		}
		must(t, d.HostShow(t.Context(), "build7.example"))
		if out, _ := d.said(); !strings.Contains(out, "address   "+c.left+"\n") {
			t.Errorf("%s: got\n%s", c.bound, out)
		}
	}
	for flag, change := range map[string]fleet.Change{"--model": {Model: new("-c")}, "--reasoning-effort": {ReasoningEffort: new(strings.Repeat("e", 33))}} {
		err := d.HostSet(t.Context(), "build7.example", change)
		if errs.Of(err).Kind != errs.Invalid || !strings.HasPrefix(err.Error(), "Validation failed: "+flag+": must be a name of letters") {
			t.Errorf("%s: got %v", flag, err)
		}
	}
}

func TestHostWindow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	for name, err := range map[string]error{"open": d.HostOpen(t.Context(), "build7.example", 10), "close": d.HostClose(t.Context(), "build7.example")} {
		if !errors.Is(err, fleet.ErrSecure) || !strings.Contains(err.Error(), "cdxgate host set build7.example --") {
			t.Errorf("%s: got %v for a secure host, want what to do instead", name, err)
		}
	}
	must(t, d.HostSet(t.Context(), "build7.example", fleet.Change{Secure: new(false)}))
	d.said()
	call := func() *gatewaytest.Answer {
		return d.g.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	}
	call().Refused(t, 403, "insecure_api_disabled", "Insecure host API access disabled")
	must(t, d.HostOpen(t.Context(), "build7.example", 10))
	if out, words := d.said(); out != "" || !strings.HasPrefix(words, "✓ build7.example may call until ") {
		t.Errorf("got %q, %q", out, words)
	}
	if a := call(); a.Status != 200 {
		t.Errorf("got %d %s inside the window", a.Status, a.Body)
	}
	must(t, d.HostClose(t.Context(), "build7.example"))
	if out, words := d.said(); out != "" || !strings.HasPrefix(words, "✓ the window of build7.example is closed: it gets no login any more\n  Until ") ||
		!strings.HasSuffix(words, "To lock it out now: cdxgate host set build7.example --enabled=false\n") {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.HostShow(t.Context(), "build7.example"))
	if out, _ := d.said(); !strings.Contains(out, "state     locked\n") {
		t.Errorf("got\n%s, want it locked", out)
	}
	d.JSON = true
	must(t, d.HostOpen(t.Context(), "build7.example", 480))
	if shown := document[struct{ Host listedHost }](t, d).Host; shown.InsecureEnabledUntil.IsZero() || !strings.HasPrefix(shown.State, "window 4") {
		t.Errorf("got %+v", shown)
	}
	must(t, d.HostClose(t.Context(), "build7.example"))
	if shown := document[struct{ Host listedHost }](t, d).Host; !shown.InsecureEnabledUntil.IsZero() || shown.InsecureGraceUntil.IsZero() {
		t.Errorf("got %+v", shown)
	}
	for _, minutes := range []int{-1, 0, 481} {
		err := d.HostOpen(t.Context(), "build7.example", minutes)
		if errs.Of(err).Kind != errs.Invalid || err.Error() != "Validation failed: --minutes: must be a number from 1 to 480" {
			t.Errorf("%d minutes: got %v", minutes, err)
		}
	}
	// Closing what is closed, and was never open: there is no grace to speak of.
	d.JSON = false
	d.g.Exec(t, "UPDATE host SET grace_until = NULL")
	must(t, d.HostClose(t.Context(), "build7.example"))
	if _, words := d.said(); words != "✓ the window of build7.example is closed: it gets no login any more\n" {
		t.Errorf("got %q", words)
	}
	for name, err := range map[string]error{"open": d.HostOpen(t.Context(), "none.example", 10), "close": d.HostClose(t.Context(), "none.example")} {
		if !errors.Is(err, fleet.ErrHostNotFound) {
			t.Errorf("%s: got %v, want %v", name, err, fleet.ErrHostNotFound)
		}
	}
}

func TestHostRestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	if err := d.HostRestore(t.Context(), "none.example"); !errors.Is(err, fleet.ErrHostNotFound) || !strings.Contains(err.Error(), "pruned in the last 7 days") {
		t.Errorf("got %v for a host that never was, want what can be restored", err)
	}
	must(t, d.HostRestore(t.Context(), "build7.example"))
	if _, words := d.said(); words != "✓ build7.example is a host; there is nothing to restore\n" {
		t.Errorf("got %q for a host that is there", words)
	}
	d.g.Exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive'")
	must(t, d.HostRestore(t.Context(), "build7.example"))
	if out, words := d.said(); out != "" || words != "✓ build7.example is a host again, with the key it had\n" {
		t.Errorf("got %q, %q", out, words)
	}
	if a := d.g.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != 200 {
		t.Errorf("got %d %s with the key it had", a.Status, a.Body)
	}
	d.g.Exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive'")
	d.JSON = true
	must(t, d.HostRestore(t.Context(), "build7.example"))
	if shown := document[struct{ Host listedHost }](t, d).Host; shown.ID != host.Host.ID {
		t.Errorf("got %+v", shown)
	}
}
