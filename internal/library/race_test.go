package library_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
)

// Each store that was acknowledged is a version of its own, whoever else stores at the same moment.
func TestStoreRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 16
	failures := everybody(n, func(i int) error {
		_, current, err := r.Store(t.Context(), draft("race.md", fmt.Sprint("text ", i)), operator)
		if err == nil && current.LibraryVersion.Content != fmt.Sprint("text ", i) {
			err = fmt.Errorf("got %q back", current.LibraryVersion.Content)
		}
		return err
	})
	if count(failures, nil) != n {
		t.Errorf("got %v, want all of them stored", failures)
	}
	versions, err := r.Versions(t.Context(), "race.md")
	if err != nil || len(versions) != n {
		t.Fatalf("got %d versions, %v; want %d", len(versions), err, n)
	}
	for i, v := range versions {
		if v.Number != int64(n-i) {
			t.Errorf("got version %d, want %d: no gap", v.Number, n-i)
		}
	}
	matching := value[int](t, r, `SELECT count(*)::int FROM library_version v JOIN audit_entry a ON a.action = 'slash.store'
		AND (a.details->>'version')::bigint = v.number AND a.details->>'sha256' = encode(v.sha256, 'hex')
		AND a.details->>'status' = CASE v.number WHEN 1 THEN 'created' ELSE 'updated' END`)
	if entries := r.entries(t, "slash.store"); matching != n || entries != n {
		t.Errorf("got %d entries, %d of them about a version; want %d", entries, matching, n)
	}
}

// Of two names that are one file on some hosts, one is taken.
func TestNameRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := []string{"Race.md", "race.md", "RACE.md"}
	failures := everybody(12, func(i int) error {
		_, _, err := r.Store(t.Context(), draft(names[i%3], "x"), operator)
		return err
	})
	refused := 0
	for _, err := range failures {
		if errs.Of(err) != nil && errs.Of(err).Kind == errs.Invalid {
			refused++
		}
	}
	all, err := r.List(t.Context())
	if err != nil || len(all) != 1 || count(failures, nil) != 4 || refused != 8 {
		t.Errorf("got %d files, %v, %v; want one", len(all), err, failures)
	}
}

func TestAcceptRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.mustPropose(t, "race.md", "x", r.host(t, "a.example"))
	failures := everybody(12, func(i int) error {
		if i%4 == 3 {
			return r.Discard(t.Context(), id, operator)
		}
		over := library.Base(library.Whatever)
		if i%2 == 1 {
			over = nil
		}
		_, err := r.Accept(t.Context(), id, over, operator)
		return err
	})
	if count(failures, nil) != 1 || count(failures, library.ErrProposalDecided) != 11 {
		t.Errorf("got %v, want one that decides", failures)
	}
	if n := r.entries(t, "admin.proposal.accept") + r.entries(t, "admin.proposal.discard"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
}

// Of several hosts' proposals for one file, accepted at once, the first wins and the others are stale.
func TestAcceptRaceOfHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var ids []int64
	for i := range 6 {
		ids = append(ids, r.mustPropose(t, "race.md", fmt.Sprint(i), r.host(t, fmt.Sprintf("h%d.example", i))))
	}
	failures := everybody(len(ids), func(i int) error {
		_, err := r.Accept(t.Context(), ids[i], nil, operator)
		return err
	})
	if count(failures, nil) != 1 || count(failures, library.ErrProposalStale) != 5 {
		t.Errorf("got %v, want one that wins", failures)
	}
	if waiting := r.pending(t); len(waiting) != 5 {
		t.Errorf("got %v, want the stale ones to wait still", waiting)
	}
}

func TestProposeRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	failures := everybody(12, func(i int) error {
		_, _, err := r.Propose(t.Context(), draft("race.md", fmt.Sprint(i)), host)
		return err
	})
	if waiting := r.pending(t); count(failures, nil) != 12 || len(waiting) != 1 {
		t.Errorf("got %v with %v, want the last one to wait", waiting, failures)
	}
	if n := r.entries(t, "slash.propose"); n != 12 {
		t.Errorf("got %d entries, want 12", n)
	}
}

// A host that is removed takes its proposals along; who accepts one at that moment is in time or is told that it is gone.
func TestAcceptWhileTheHostGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 25 {
		host := r.host(t, fmt.Sprintf("h%d.example", i))
		id := r.mustPropose(t, fmt.Sprintf("%d.md", i), "x", host)
		var both sync.WaitGroup
		both.Go(func() {
			_, err := r.fleet.Delete(t.Context(), host.Host.ID, operator.Actor, audit.ActionAdminHostDelete)
			is(t, "removing the host", err, nil)
		})
		both.Go(func() {
			if _, err := r.Accept(t.Context(), id, nil, operator); err != nil && !errors.Is(err, library.ErrNoProposal) {
				t.Errorf("accepting: got %v, want %v or none", err, library.ErrNoProposal)
			}
		})
		both.Wait()
	}
}

func TestStoreWhileTheHostGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 25 {
		host := r.host(t, fmt.Sprintf("h%d.example", i))
		var all sync.WaitGroup
		all.Go(func() { r.remove(t, host) })
		all.Go(func() {
			if _, _, err := r.Store(t.Context(), draft("race.md", fmt.Sprint(i)), host); err != nil && !errors.Is(err, fleet.ErrKeyInvalid) {
				t.Errorf("storing: got %v, want %v or none", err, fleet.ErrKeyInvalid)
			}
		})
		all.Go(func() {
			if _, _, err := r.Propose(t.Context(), draft("other.md", fmt.Sprint(i)), host); err != nil && !errors.Is(err, fleet.ErrKeyInvalid) {
				t.Errorf("proposing: got %v, want %v or none", err, fleet.ErrKeyInvalid)
			}
		})
		all.Wait()
	}
}

// Whoever always comes second is told to try again rather than kept for ever.
func TestContended(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mustStore(t, "race.md", "one", library.Created)
	// As if somebody else had advanced the file, every time.
	for _, statement := range []string{
		"CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
		"CREATE TRIGGER lose BEFORE UPDATE ON library_file FOR EACH ROW EXECUTE FUNCTION lose()",
	} {
		if _, err := r.store.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := r.Store(t.Context(), draft("race.md", "two"), operator)
	is(t, "storing", err, library.ErrContended)
	r.is(t, "race.md", "one", 1)
}
