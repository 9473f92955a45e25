package operator

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

func TestLimitClear(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	limits := ratelimit.New(d.g.Core.DB, ratelimit.Defaults())
	fail := func(address string) {
		t.Helper()
		addr := netip.MustParseAddr(address)
		for range 21 {
			_ = limits.Failure(t.Context(), ratelimit.AuthFail, addr, fleet.ErrKeyInvalid)
		}
	}
	blocked := func(address string) bool {
		t.Helper()
		return limits.Blocked(t.Context(), ratelimit.AuthFail, netip.MustParseAddr(address)) != nil
	}
	for _, address := range []string{"203.0.113.9", "203.0.113.10", "2001:db8::1"} {
		fail(address)
	}
	for _, c := range []struct{ address, words string }{
		{"203.0.113.9", "✓ 203.0.113.9 is let in again; it is counted from the beginning\n"},
		{"203.0.113.9", "Nothing is held against 203.0.113.9\n"},
		{"2001:db8::ffff", "✓ 2001:db8::/64 is let in again; it is counted from the beginning\n"},
		{"::ffff:198.51.100.1", "Nothing is held against 198.51.100.1\n"},
	} {
		must(t, d.LimitClear(t.Context(), c.address))
		if out, words := d.said(); out != "" || words != c.words {
			t.Errorf("%s: got %q, %q; want %q", c.address, out, words, c.words)
		}
	}
	if blocked("203.0.113.9") || blocked("2001:db8::1") || !blocked("203.0.113.10") {
		t.Error("got another block than that of 203.0.113.10")
	}
	d.JSON = true
	must(t, d.LimitClear(t.Context(), "203.0.113.10"))
	if got := fmt.Sprint(document[map[string]any](t, d)); got != "map[address:203.0.113.10 cleared:true]" {
		t.Errorf("got %s", got)
	}
	const query = "SELECT count(*) FROM audit_entry WHERE action = 'security.rate_limit.clear' AND actor_kind = 'operator' AND details->>'address' IN ('203.0.113.9', '203.0.113.10', '2001:db8::/64')"
	if n := d.g.Int(t, query); n != 3 {
		t.Errorf("got %d entries, want one for each that was cleared", n)
	}
	for _, text := range []string{"", "203.0.113", "203.0.113.9/32", " 203.0.113.9", "fe80::1%eth0", "build7.example", "203.0.113.009"} {
		if err := d.LimitClear(t.Context(), text); errs.Of(err) == nil || errs.Of(err).Kind != errs.Invalid || !strings.Contains(err.Error(), "want an address such as") {
			t.Errorf("%q: got %v, want what would be right", text, err)
		}
	}
}
