package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var (
	home     = netip.MustParseAddr("203.0.113.9")
	away     = netip.MustParseAddr("198.51.100.7")
	operator = audit.Actor{Kind: audit.KindOperator, Name: "root"}
	errWrong = errs.New(errs.Unauthenticated, "key_wrong", "Wrong key")
)

// rig is a service with the default rules over a database of its own.
type rig struct {
	*ratelimit.Service
	store *db.Store
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store := dbtest.New(t)
	return &rig{ratelimit.New(store, ratelimit.Defaults()), store}
}

func (r *rig) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := r.store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// value reads one value.
func value[T any](t *testing.T, r *rig, query string, args ...any) (v T) {
	t.Helper()
	if err := r.store.Pool().QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// pass lets time pass for everybody who was counted: it is the database's, so the rows move instead.
func (r *rig) pass(t *testing.T, d time.Duration) {
	t.Helper()
	r.exec(t, "UPDATE rate_limit SET reset_at = reset_at - make_interval(secs => $1)", d.Seconds())
}

func (r *rig) fail(t *testing.T, from netip.Addr) error {
	t.Helper()
	return r.Failure(t.Context(), ratelimit.AuthFail, from, errWrong)
}

// trip makes an address fail once too often.
func (r *rig) trip(t *testing.T, from netip.Addr) {
	t.Helper()
	for i := range 20 {
		is(t, fmt.Sprintf("failure %d", i+1), r.fail(t, from), errWrong)
	}
	is(t, "failure 21", r.fail(t, from), ratelimit.ErrFailures)
}

// audited counts the audit entries of an action.
func (r *rig) audited(t *testing.T, action string) int {
	t.Helper()
	return value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE action = $1", action)
}

// left is for how long a bucket's only row will still count.
func (r *rig) left(t *testing.T, bucket ratelimit.Bucket) time.Duration {
	t.Helper()
	seconds := value[float64](t, r, "SELECT extract(epoch FROM reset_at - now())::float8 FROM rate_limit WHERE bucket = $1", bucket)
	return time.Duration(seconds * float64(time.Second))
}

// is fails the test unless err is want.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// near fails the test unless got is want, give or take what a busy machine needs.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got > want || got < want-10*time.Second {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// everybody runs f n times at once and counts what came of it.
func everybody(n int, f func(i int) error) map[string]int {
	outcomes := make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			outcomes[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	counts := map[string]int{}
	for _, err := range outcomes {
		if err == nil {
			counts["allowed"]++
		} else {
			counts[errs.Of(err).Code]++
		}
	}
	return counts
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hostID int64
		bucket ratelimit.Bucket
	}{"of an address": {0, ratelimit.Global}, "of a host": {7, ratelimit.Host}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			ask := func() error { return r.Request(t.Context(), c.hostID, home) }
			for window := range 3 {
				for i := range 120 {
					is(t, fmt.Sprintf("window %d, request %d", window, i+1), ask(), nil)
				}
				r.pass(t, 20*time.Second)
				for range 5 {
					err := ask()
					is(t, fmt.Sprintf("window %d, one too many", window), err, ratelimit.ErrLimited)
					e := errs.Of(err)
					near(t, "retry", e.Retry, 40*time.Second)
					if got := slices.Sorted(maps.Keys(e.Details)); !slices.Equal(got, []string{"bucket", "limit", "reset_at"}) {
						t.Errorf("got details %v", e.Details)
					}
					if e.Details["bucket"] != string(c.bucket) || e.Details["limit"] != int32(120) {
						t.Errorf("got details %v, want bucket %s and limit 120", e.Details, c.bucket)
					}
					want := value[time.Time](t, r, "SELECT reset_at FROM rate_limit").UTC().Format(api.TimeFormat)
					if e.Details["reset_at"] != want {
						t.Errorf("got reset_at %v, want %s", e.Details["reset_at"], want)
					}
				}
				near(t, "the window, whatever came in it", r.left(t, c.bucket), 40*time.Second)
				is(t, "another host", r.Request(t.Context(), 8, home), nil)
				is(t, "another address", r.Request(t.Context(), 0, away), nil)
				r.exec(t, "DELETE FROM rate_limit WHERE subject IN ('8', $1)", away.String())
				r.pass(t, 41*time.Second)
			}
			if n := r.audited(t, audit.ActionRateLimit); n != 0 {
				t.Errorf("got %d audit entries, want none: these are no failures", n)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	is(t, "blocked before anything", r.Blocked(t.Context(), ratelimit.AuthFail, home), nil)
	for i := range 20 {
		is(t, fmt.Sprintf("failure %d", i+1), r.fail(t, home), errWrong)
		is(t, fmt.Sprintf("blocked after failure %d", i+1), r.Blocked(t.Context(), ratelimit.AuthFail, home), nil)
	}
	near(t, "the window", r.left(t, ratelimit.AuthFail), 10*time.Minute)
	r.pass(t, 9*time.Minute)

	err := r.fail(t, home)
	is(t, "failure 21", err, ratelimit.ErrFailures)
	near(t, "the block", r.left(t, ratelimit.AuthFail), 30*time.Minute)
	near(t, "retry", errs.Of(err).Retry, 30*time.Minute)
	entry := value[string](t, r, `SELECT actor_kind || ' ' || actor || ' ' || host(ip) || ' ' || coalesce(host_id, 0) || ' ' ||
		(details->>'bucket') || ' ' || (details->>'reason') || ' ' || (details->>'reset_at') FROM audit_entry`)
	if want := fmt.Sprintf("gateway cdxgate %s 0 auth-fail key_wrong %s", home, errs.Of(err).Details["reset_at"]); entry != want {
		t.Errorf("got audit entry\n%s\nwant\n%s", entry, want)
	}

	// Whoever goes on is refused, but neither recorded again nor kept out for longer.
	r.pass(t, 20*time.Minute)
	for range 30 {
		err := r.fail(t, home)
		is(t, "a later failure", err, ratelimit.ErrFailures)
		blocked := r.Blocked(t.Context(), ratelimit.AuthFail, home)
		is(t, "a later look", blocked, ratelimit.ErrFailures)
		if got, want := fmt.Sprint(errs.Of(blocked).Details), fmt.Sprint(errs.Of(err).Details); got != want {
			t.Errorf("a look says %s, a failure %s", got, want)
		}
	}
	near(t, "the block after more failures", r.left(t, ratelimit.AuthFail), 10*time.Minute)
	if n := r.audited(t, audit.ActionRateLimit); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
	is(t, "another address", r.Blocked(t.Context(), ratelimit.AuthFail, away), nil)
	for _, bucket := range []ratelimit.Bucket{ratelimit.EnrolFail, ratelimit.SeedFail, ratelimit.AdminFail} {
		is(t, string(bucket), r.Blocked(t.Context(), bucket, home), nil)
		is(t, string(bucket), r.Failure(t.Context(), bucket, home, errWrong), errWrong)
	}
	is(t, "its requests", r.Request(t.Context(), 0, home), nil)

	r.pass(t, 10*time.Minute)
	is(t, "after the block", r.Blocked(t.Context(), ratelimit.AuthFail, home), nil)
	r.trip(t, home)
	if n := r.audited(t, audit.ActionRateLimit); n != 2 {
		t.Errorf("got %d audit entries, want one a block", n)
	}
}

// A window that ends takes its failures with it: 20 in every window are no attack.
func TestFailuresOfEndedWindowsAreForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 3 {
		for range 20 {
			is(t, "failure", r.fail(t, home), errWrong)
		}
		r.pass(t, 10*time.Minute)
	}
	if n := r.audited(t, audit.ActionRateLimit); n != 0 {
		t.Errorf("got %d audit entries, want none", n)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	r.trip(t, home)
	unbounded := ratelimit.New(r.store, ratelimit.Rules{ratelimit.Global: {}})
	for range 200 {
		is(t, "no rule, a failure", unbounded.Failure(ctx, ratelimit.AuthFail, home, errWrong), errWrong)
		is(t, "no rule, a request", unbounded.Request(ctx, 0, away), nil)
		is(t, "no rule, a host's", unbounded.Request(ctx, 1, away), nil)
	}
	is(t, "no rule, a look at a tripped bucket", unbounded.Blocked(ctx, ratelimit.AuthFail, home), nil)
	if n := value[int](t, r, "SELECT count(*)::int FROM rate_limit"); n != 1 {
		t.Errorf("got %d rows, want the one of the limited service", n)
	}

	strict := ratelimit.New(r.store, ratelimit.Rules{
		ratelimit.Global: {Limit: 1, Window: time.Minute}, ratelimit.SeedFail: {Limit: 1, Window: time.Minute, Block: time.Hour},
		ratelimit.EnrolFail: {Limit: 2, Window: time.Minute},
	})
	is(t, "one allowed, the first", strict.Request(ctx, 0, home), nil)
	is(t, "one allowed, the second", strict.Request(ctx, 0, home), ratelimit.ErrLimited)
	is(t, "one failure allowed, the first", strict.Failure(ctx, ratelimit.SeedFail, home, errWrong), errWrong)
	is(t, "one failure allowed, the second", strict.Failure(ctx, ratelimit.SeedFail, home, errWrong), ratelimit.ErrFailures)
	near(t, "its block", r.left(t, ratelimit.SeedFail), time.Hour)
	for _, want := range []error{errWrong, errWrong, ratelimit.ErrFailures, ratelimit.ErrFailures} {
		is(t, "without a block", strict.Failure(ctx, ratelimit.EnrolFail, home, errWrong), want)
	}
	near(t, "without a block", r.left(t, ratelimit.EnrolFail), time.Minute)
	is(t, "without a block, a look", strict.Blocked(ctx, ratelimit.EnrolFail, home), ratelimit.ErrFailures)

	// Years of a flood are a refusal, not an overflow.
	r.exec(t, "UPDATE rate_limit SET hits = 2147483647, reset_at = now() + interval '1 hour'")
	is(t, "a flood", strict.Request(ctx, 0, home), ratelimit.ErrLimited)
	is(t, "a flood of failures", strict.Failure(ctx, ratelimit.SeedFail, home, errWrong), ratelimit.ErrFailures)
}

// Gateways share one database, and with it what they counted.
func TestParallelHitsCountExactly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	gateways := []*ratelimit.Service{r.Service, ratelimit.New(r.store, ratelimit.Defaults())}
	for round := range 3 {
		// The first round finds no row, the others one of a window that has ended, which a job deletes meanwhile.
		r.pass(t, time.Hour)
		got := everybody(200, func(i int) error {
			if i%20 == 0 {
				if _, err := gateways[0].Purge(t.Context()); err != nil {
					return err
				}
			}
			return gateways[i%2].Request(t.Context(), 0, home)
		})
		if want := map[string]int{"allowed": 120, "rate_limited": 80}; !maps.Equal(got, want) {
			t.Errorf("round %d: got %v, want %v", round, got, want)
		}
		got = everybody(200, func(i int) error {
			return gateways[i%2].Failure(t.Context(), ratelimit.AuthFail, home, errWrong)
		})
		if want := map[string]int{"key_wrong": 20, "too_many_failures": 180}; !maps.Equal(got, want) {
			t.Errorf("round %d: got %v, want %v", round, got, want)
		}
		if hits := value[int](t, r, "SELECT sum(hits)::int FROM rate_limit"); hits != 400 {
			t.Errorf("round %d: got %d hits in the database, want 400", round, hits)
		}
		if n := r.audited(t, audit.ActionRateLimit); n != round+1 {
			t.Errorf("round %d: got %d audit entries, want %d", round, n, round+1)
		}
		for _, gateway := range gateways {
			is(t, "a look of each", gateway.Blocked(t.Context(), ratelimit.AuthFail, home), ratelimit.ErrFailures)
		}
	}
}

// Hanging up before the answer must be no way to guess without being counted, or to trip a limit without a record.
func TestWhoHangsUpIsCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 21 {
		_ = r.Failure(gone, ratelimit.AuthFail, home, errWrong)
	}
	is(t, "then", r.Blocked(t.Context(), ratelimit.AuthFail, home), ratelimit.ErrFailures)
	if n := r.audited(t, audit.ActionRateLimit); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
}

// A block that cannot be recorded does not begin: the next failure tries again.
func TestNoBlockWithoutItsAuditEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 20 {
		is(t, "failure", r.fail(t, home), errWrong)
	}
	r.exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for records'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if err := r.fail(t, home); err == nil || errs.Of(err).Kind != errs.Internal {
		t.Errorf("got %v, want the recording's failure", err)
	}
	r.exec(t, "DROP TRIGGER refuse ON audit_entry")
	is(t, "when there is room again", r.fail(t, home), ratelimit.ErrFailures)
	if n := r.audited(t, audit.ActionRateLimit); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b, subject string }{
		{"203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9"},
		{"2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"},
		{"fe80::1%eth0", "fe80::2%wlan0", "fe80::/64"},
		{"::ffff:203.0.113.9", "::ffff:cb00:7109", "203.0.113.9"},
		{"", "", "unknown"},
	} {
		a, _ := netip.ParseAddr(c.a) // "" is no address
		b, _ := netip.ParseAddr(c.b)
		if ratelimit.Subject(a) != c.subject || ratelimit.Subject(b) != c.subject {
			t.Errorf("got %s and %s for %q and %q, want %s", ratelimit.Subject(a), ratelimit.Subject(b), c.a, c.b, c.subject)
		}
	}
	for _, other := range []string{"2001:db8:0:1::1", "203.0.113.10", "::203.0.113.9", "64:ff9b::203.0.113.9"} {
		if got := ratelimit.Subject(netip.MustParseAddr(other)); got == "2001:db8::/64" || got == "203.0.113.9" {
			t.Errorf("got %s for %s, which is somebody else", got, other)
		}
	}
	if ratelimit.Subject(netip.MustParseAddr("2001:db8:0:1::1")) == ratelimit.Subject(netip.MustParseAddr("2001:db8:0:2::1")) {
		t.Error("two networks are one subject")
	}

	// Whatever a caller is counted as, a block of it is recorded and stands.
	r := newRig(t)
	for from, ip := range map[string]string{
		"::ffff:203.0.113.9": "203.0.113.9", "fe80::1%eth0": "fe80::1", "2001:db8::1": "2001:db8::1", "": "none",
	} {
		addr, _ := netip.ParseAddr(from)
		r.trip(t, addr)
		is(t, from, r.Blocked(t.Context(), ratelimit.AuthFail, addr), ratelimit.ErrFailures)
		if got := value[string](t, r, "SELECT coalesce(host(ip), 'none') FROM audit_entry ORDER BY id DESC LIMIT 1"); got != ip {
			t.Errorf("%q: got address %s in the audit entry, want %s", from, got, ip)
		}
	}
	is(t, "the IPv4 address itself", r.Blocked(t.Context(), ratelimit.AuthFail, home), ratelimit.ErrFailures)
	is(t, "an IPv6 neighbour", r.Blocked(t.Context(), ratelimit.AuthFail, netip.MustParseAddr("2001:db8::ffff")), ratelimit.ErrFailures)
	is(t, "the next network", r.Blocked(t.Context(), ratelimit.AuthFail, netip.MustParseAddr("2001:db8:0:1::1")), nil)
}

func TestPurge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	purge := func(want int) {
		t.Helper()
		if n, err := r.Purge(t.Context()); n != want || err != nil {
			t.Errorf("got %d purged, %v; want %d", n, err, want)
		}
	}
	purge(0)
	r.trip(t, home)                             // blocked for half an hour
	is(t, "failure", r.fail(t, away), errWrong) // counts for ten minutes
	_ = r.Request(t.Context(), 0, home)         // for one
	_ = r.Request(t.Context(), 7, netip.Addr{}) // likewise
	_ = r.Request(t.Context(), 0, netip.Addr{}) // likewise
	purge(0)
	r.pass(t, time.Minute)
	purge(3)
	r.pass(t, 10*time.Minute)
	purge(1)
	is(t, "the block", r.Blocked(t.Context(), ratelimit.AuthFail, home), ratelimit.ErrFailures)
	r.pass(t, 20*time.Minute)
	purge(1)

	// Of a flood of addresses a pass takes so many; the next one takes more.
	r.exec(t, "INSERT INTO rate_limit SELECT 'global', n::text, 1, now() - interval '1 second' FROM generate_series(1, 5001) n")
	purge(5000)
	purge(1)
}

func TestClear(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v6, neighbour := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	r.trip(t, home)
	r.trip(t, away)
	r.trip(t, v6)
	_ = r.Request(t.Context(), 0, home)
	for name, c := range map[string]struct {
		from netip.Addr
		want bool
	}{
		"a blocked address": {netip.MustParseAddr("::ffff:203.0.113.9"), true}, "an IPv6 neighbour": {neighbour, true},
		"a stranger": {netip.MustParseAddr("192.0.2.1"), false}, "nobody": {netip.Addr{}, false},
	} {
		before := r.audited(t, audit.ActionRateLimitClear)
		forgot, err := r.Clear(t.Context(), c.from, operator)
		if n := r.audited(t, audit.ActionRateLimitClear) - before; (n == 1) != c.want || n > 1 {
			t.Errorf("%s: got %d audit entries, want one for what was forgotten", name, n)
		}
		if forgot != c.want || err != nil {
			t.Errorf("%s: got %t, %v; want %t", name, forgot, err, c.want)
		}
	}
	if left := value[string](t, r, "SELECT string_agg(subject, ' ') FROM rate_limit"); left != away.String() {
		t.Errorf("got %s still counted, want %s alone", left, away)
	}
	r.trip(t, home) // from the beginning
	is(t, "another", r.Blocked(t.Context(), ratelimit.AuthFail, away), ratelimit.ErrFailures)
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, "ALTER TABLE rate_limit RENAME TO gone")
	for name, err := range map[string]error{
		"request": r.Request(t.Context(), 0, home), "failure": r.fail(t, home),
		"look": r.Blocked(t.Context(), ratelimit.AuthFail, home),
	} {
		if err == nil || errs.Of(err).Kind != errs.Internal {
			t.Errorf("%s: got %v, want a fault: who cannot be counted is not let in", name, err)
		}
	}
}
