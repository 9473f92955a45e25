package library_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/library"
)

// pending lists what waits as "host/name".
func (r *rig) pending(t *testing.T) (all []string) {
	t.Helper()
	waiting, err := r.Proposals(t.Context())
	is(t, "listing the proposals", err, nil)
	for _, p := range waiting {
		all = append(all, p.FQDN+"/"+p.Name)
	}
	return all
}

func TestPropose(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.host(t, "a.example"), r.host(t, "b.example")
	current := r.mustStore(t, "triage.md", "one", library.Created)

	if proposed, row, err := r.Propose(t.Context(), draft("triage.md", "one"), a); proposed || err != nil || row.LibraryFile.ID != current.LibraryFile.ID {
		t.Errorf("got %t, %+v, %v for the current text; want nothing to decide", proposed, row, err)
	}
	first := r.mustPropose(t, "triage.md", "two", a)
	if again := r.mustPropose(t, "triage.md", "two", a); again != first {
		t.Errorf("got proposal %d for the same again, want %d", again, first)
	}
	r.mustPropose(t, "triage.md", "two", b)
	r.mustPropose(t, "new.md", "x", a)
	second := r.mustPropose(t, "triage.md", "three", a)
	if got := fmt.Sprint(r.pending(t)); got != "[b.example/triage.md a.example/new.md a.example/triage.md]" {
		t.Errorf("got %s", got)
	}
	if old, err := r.Proposal(t.Context(), first); !errors.Is(err, library.ErrNoProposal) {
		t.Errorf("got %+v, %v; want it replaced, text and all", old, err)
	}
	row, err := r.Proposal(t.Context(), second)
	if err != nil || row.FQDN != "a.example" || row.LibraryProposal.BaseVersion != 1 || row.LibraryProposal.DecidedAt != nil {
		t.Errorf("got %+v, %v", row, err)
	}
	// Another description of the same text is another proposal.
	described := draft("triage.md", "three")
	described.Description = new("Sorts bugs")
	if proposed, _, err := r.Propose(t.Context(), described, a); !proposed || err != nil {
		t.Errorf("got %t, %v", proposed, err)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM library_proposal WHERE decided_at IS NULL AND description = 'Sorts bugs'"); n != 1 {
		t.Errorf("got %d proposals with the new description, want 1", n)
	}

	_, _, err = r.Propose(t.Context(), draft("TRIAGE.md", "x"), a)
	invalid(t, "another case", err, "filename", "filename differs only in case from triage.md, which would be the same file on some hosts")
	_, _, err = r.Propose(t.Context(), draft("triage.md", ""), a)
	invalid(t, "no text", err, "prompt", "prompt is required")
	_, _, err = r.Propose(t.Context(), library.Draft{Name: "triage.md", Content: "x", BaseSHA256: sum("zero")}, a)
	is(t, "an old base", err, library.ErrBaseMismatch)
	r.is(t, "triage.md", "one", 1)
	if n := r.entries(t, "slash.propose"); n != 5 {
		t.Errorf("got %d entries, want one for each proposal", n)
	}
}

func TestProposalCap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.host(t, "a.example"), r.host(t, "b.example")
	for i := range 100 {
		r.mustPropose(t, fmt.Sprintf("%d.md", i), "x", a)
	}
	_, _, err := r.Propose(t.Context(), draft("one-more.md", "x"), a)
	invalid(t, "one more", err, "filename", "this host has 100 proposals waiting for an admin already")
	replaced := r.mustPropose(t, "7.md", "y", a)
	r.mustPropose(t, "one-more.md", "x", b)
	is(t, "discarding", r.Discard(t.Context(), replaced, operator), nil)
	r.mustPropose(t, "one-more.md", "x", a)
	if n := len(r.pending(t)); n != 101 {
		t.Errorf("got %d pending, want 101", n)
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	id := r.mustPropose(t, "new.md", "---\ndescription: D\n---\n", host)
	current, err := r.Accept(t.Context(), id, nil, operator)
	if err != nil {
		t.Fatal(err)
	}
	if v := current.LibraryVersion; *v.Description != "D" || v.Author != "a.example" || *v.SourceHostID != host.Host.ID || current.LibraryFile.Version != 1 {
		t.Errorf("got %+v, want the host's text", v)
	}
	if row, err := r.Proposal(t.Context(), id); err != nil || *row.LibraryProposal.Decision != "accepted" || *row.LibraryProposal.DecidedBy != "root" {
		t.Errorf("got %+v, %v", row, err)
	}
	_, err = r.Accept(t.Context(), id, library.Whatever, operator)
	is(t, "accepting twice", err, library.ErrProposalDecided)
	is(t, "discarding after that", r.Discard(t.Context(), id, operator), library.ErrProposalDecided)
	_, err = r.Accept(t.Context(), id+1000, nil, operator)
	is(t, "accepting nothing", err, library.ErrNoProposal)
	is(t, "discarding nothing", r.Discard(t.Context(), id+1000, operator), library.ErrNoProposal)

	discarded := r.mustPropose(t, "new.md", "two", host)
	is(t, "discarding", r.Discard(t.Context(), discarded, operator), nil)
	_, err = r.Accept(t.Context(), discarded, library.Whatever, operator)
	is(t, "accepting what was discarded", err, library.ErrProposalDecided)
	r.is(t, "new.md", "---\ndescription: D\n---\n", 1)

	got := fmt.Sprint(r.entries(t, "admin.proposal.accept"), r.entries(t, "admin.proposal.discard"), r.entries(t, "slash.store"))
	if got != "1 1 1" {
		t.Errorf("got %s entries of accepting, discarding, storing; want 1 1 1", got)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE action = 'slash.store' AND actor_kind = 'operator' AND host_id = $1", host.Host.ID); n != 1 {
		t.Errorf("got %d entries that name who accepted and whose text it is, want 1", n)
	}
}

// A proposal is an answer to a text. When that is no longer the current one, an admin must say that he knows.
func TestAcceptStale(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before string // the text when it is proposed; "": none
		since  func(*testing.T, *rig)
		stale  bool
	}{
		"nothing happened": {"one", func(*testing.T, *rig) {}, false},
		"changed":          {"one", func(t *testing.T, r *rig) { r.mustStore(t, "triage.md", "two", library.Updated) }, true},
		"changed and back": {"one", func(t *testing.T, r *rig) {
			r.mustStore(t, "triage.md", "two", library.Updated)
			r.mustStore(t, "triage.md", "one", library.Updated)
		}, true},
		"made":    {"", func(t *testing.T, r *rig) { r.mustStore(t, "triage.md", "two", library.Created) }, true},
		"retired": {"one", func(t *testing.T, r *rig) { is(t, "retiring", r.Delete(t.Context(), "triage.md", nil, operator), nil) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if c.before != "" {
				r.mustStore(t, "triage.md", c.before, library.Created)
			}
			id := r.mustPropose(t, "triage.md", "proposed", r.host(t, "a.example"))
			r.clock.pass(time.Minute)
			c.since(t, r)
			var want error
			if c.stale {
				want = library.ErrProposalStale
			}
			_, err := r.Accept(t.Context(), id, nil, operator)
			is(t, "accepting", err, want)
			if !c.stale {
				return
			}
			if waiting := r.pending(t); len(waiting) != 1 {
				t.Errorf("got %v, want it to wait still", waiting)
			}
			before, err := r.Get(t.Context(), "triage.md")
			is(t, "reading", err, nil)
			asked := 0
			_, err = r.Accept(t.Context(), id, func(current *db.LibraryGetRow) bool {
				asked++
				if current.LibraryFile.Version != before.LibraryFile.Version {
					t.Errorf("asked about version %d, want %d", current.LibraryFile.Version, before.LibraryFile.Version)
				}
				return false
			}, operator)
			is(t, "accepting over what was not seen", err, library.ErrProposalStale)
			if asked == 0 {
				t.Error("nobody was asked")
			}
			current, err := r.Accept(t.Context(), id, library.Whatever, operator)
			is(t, "accepting by force", err, nil)
			r.is(t, "triage.md", "proposed", current.LibraryFile.Version)
		})
	}
}

// Whoever proposes to bring a retired command back knows that it is retired.
func TestAcceptRevives(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	r.mustStore(t, "triage.md", "one", library.Created)
	is(t, "retiring", r.Delete(t.Context(), "triage.md", nil, operator), nil)
	r.clock.pass(time.Minute)
	_, err := r.Accept(t.Context(), r.mustPropose(t, "triage.md", "one", host), nil, operator)
	is(t, "accepting", err, nil)
	r.is(t, "triage.md", "one", 2)
}

// A name was free when it was proposed; now another file has it in another case.
func TestAcceptNamesake(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.mustPropose(t, "a.md", "x", r.host(t, "a.example"))
	r.mustStore(t, "A.md", "y", library.Created)
	_, err := r.Accept(t.Context(), id, library.Whatever, operator)
	invalid(t, "accepting", err, "filename", "filename differs only in case from A.md, which would be the same file on some hosts")
	is(t, "discarding", r.Discard(t.Context(), id, operator), nil)
}

func TestProposalsGoWithTheirHost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "a.example")
	id := r.mustPropose(t, "a.md", "x", host)
	r.mustPropose(t, "a.md", "y", r.host(t, "b.example"))
	r.remove(t, host)
	if got := fmt.Sprint(r.pending(t)); got != "[b.example/a.md]" {
		t.Errorf("got %s", got)
	}
	_, err := r.Accept(t.Context(), id, nil, operator)
	is(t, "accepting", err, library.ErrNoProposal)
	is(t, "discarding", r.Discard(t.Context(), id, operator), library.ErrNoProposal)
}
