package fleet_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/seal"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var (
	operator = audit.Actor{Kind: audit.KindOperator, Name: "root"}
	home     = netip.MustParseAddr("203.0.113.9")
	away     = netip.MustParseAddr("198.51.100.7")
)

// clock is a time that moves only when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a fleet over a database of its own.
type rig struct {
	*fleet.Service
	store *db.Store
	clock *clock
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{store: dbtest.New(t), clock: &clock{at: time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)}}
	r.Service = fleet.New(r.store, ring, fleet.Config{PublicURL: "https://codex.example", Now: r.clock.Now})
	return r
}

// register makes a host of this name, or gives it a new key.
func (r *rig) register(t *testing.T, registration fleet.Registration) *fleet.Enrolment {
	t.Helper()
	registration.Rekey = true
	if registration.FQDN == "" {
		registration.FQDN = "build7.example"
	}
	e, err := r.Register(t.Context(), registration, operator)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// authenticate is what a surface does with a key.
func (r *rig) authenticate(ctx context.Context, presented string, from netip.Addr) (*db.Host, error) {
	host, err := r.Find(ctx, presented)
	if err != nil {
		return nil, err
	}
	return r.Admit(ctx, host, from)
}

// enter authenticates with a key from an address.
func (r *rig) enter(t *testing.T, key fleet.APIKey, from netip.Addr) (*db.Host, error) {
	t.Helper()
	return r.authenticate(t.Context(), key.Reveal(), from)
}

func (r *rig) mustEnter(t *testing.T, key fleet.APIKey, from netip.Addr) *db.Host {
	t.Helper()
	host, err := r.enter(t, key, from)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// is fails the test unless err is want.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
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

// entries counts the audit entries of an action.
func (r *rig) entries(t *testing.T, action string) int {
	t.Helper()
	return value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE action = $1", action)
}

// sealedKeys counts the keys that could be had back from the database.
func (r *rig) sealedKeys(t *testing.T) int {
	t.Helper()
	return value[int](t, r, "SELECT count(*)::int FROM install_token WHERE key_sealed IS NOT NULL")
}

// everybody runs f n times at once and returns what came of it.
func everybody(n int, f func(i int) error) []error {
	failures := make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			failures[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	return failures
}

// count says how many of the failures are want; nil counts the successes.
func count(failures []error, want error) (n int) {
	for _, err := range failures {
		if (want == nil && err == nil) || (want != nil && errors.Is(err, want)) {
			n++
		}
	}
	return n
}
