package library_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/seal"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// operator is an author whose text is its own.
var operator = library.Author{Actor: audit.Actor{Kind: audit.KindOperator, Name: "root"}}

// clock is a time that moves only when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a library over a database of its own, and the fleet whose hosts use it.
type rig struct {
	*library.Service
	fleet *fleet.Service
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
	r.Service = library.New(r.store, r.clock.now)
	r.fleet = fleet.New(r.store, ring, fleet.Config{PublicURL: "https://codex.example"})
	return r
}

// host registers a host and is the author that it is to the library.
func (r *rig) host(t *testing.T, fqdn string) library.Author {
	t.Helper()
	e, err := r.fleet.Register(t.Context(), fleet.Registration{FQDN: fqdn}, operator.Actor)
	if err != nil {
		t.Fatal(err)
	}
	return library.Author{Actor: audit.Actor{Kind: audit.KindHost, Name: fqdn}, Host: &e.Host}
}

func (r *rig) remove(t *testing.T, host library.Author) {
	t.Helper()
	if _, err := r.fleet.Delete(t.Context(), host.Host.ID, operator.Actor, audit.ActionAdminHostDelete); err != nil {
		t.Error(err)
	}
}

func draft(name, content string) library.Draft { return library.Draft{Name: name, Content: content} }

// mustStore stores a text under a name and expects an outcome.
func (r *rig) mustStore(t *testing.T, name, content string, want library.Outcome) *db.LibraryGetRow {
	t.Helper()
	outcome, current, err := r.Store(t.Context(), draft(name, content), operator)
	if err != nil || outcome != want {
		t.Fatalf("storing %q as %s: got %q, %v; want %q", content, name, outcome, err, want)
	}
	return current
}

// mustPropose leaves a host's text for an admin and returns the proposal's id.
func (r *rig) mustPropose(t *testing.T, name, content string, by library.Author) (id int64) {
	t.Helper()
	proposed, _, err := r.Propose(t.Context(), draft(name, content), by)
	if err != nil || !proposed {
		t.Fatalf("proposing %q as %s: got %t, %v", content, name, proposed, err)
	}
	return value[int64](t, r, "SELECT id FROM library_proposal WHERE host_id = $1 AND name = $2 AND decided_at IS NULL", by.Host.ID, name)
}

// is expects a file to be live with this text in this version.
func (r *rig) is(t *testing.T, name, content string, version int64) {
	t.Helper()
	row, err := r.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if row.LibraryVersion.Content != content || row.LibraryFile.Version != version || row.LibraryFile.DeletedAt != nil {
		t.Errorf("%s: got %q in version %d, retired %v; want %q in version %d",
			name, row.LibraryVersion.Content, row.LibraryFile.Version, row.LibraryFile.DeletedAt, content, version)
	}
}

// is fails the test unless err is want.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// invalid fails the test unless err says text about field.
func invalid(t *testing.T, what string, err error, field, text string) {
	t.Helper()
	e := errs.Of(err)
	if e == nil || e.Kind != errs.Invalid || len(e.Fields) != 1 || len(e.Fields[field]) != 1 || e.Fields[field][0] != text {
		t.Errorf("%s: got %v, want %q about %s", what, err, text, field)
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

func sum(content string) string {
	digest := sha256.Sum256([]byte(content))
	return hex.EncodeToString(digest[:])
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
