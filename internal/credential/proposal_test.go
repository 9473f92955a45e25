package credential_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func numbers(page []db.GenerationListRow) string {
	var all []string
	for _, g := range page {
		all = append(all, fmt.Sprint(g.Number))
	}
	return strings.Join(all, " ")
}

func mustUUID(t *testing.T, text string) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// proposals are what is in a state.
func (s *shelf) proposals(t *testing.T, state string) []credential.Proposal {
	t.Helper()
	page, more, err := s.Proposals(t.Context(), 1, credential.ProposalQuery{State: state, Limit: 100})
	if err != nil || more {
		t.Fatal(more, err)
	}
	return page
}

// quiet is a host that may not change the fleet's login.
func (s *shelf) quiet(t *testing.T) *db.Host {
	t.Helper()
	host := s.host(t, "quiet.example")
	s.exec(t, "UPDATE host SET may_store = false WHERE id = $1", host.ID)
	return host
}

// What a host may not make canonical waits, once; an admin makes it canonical, and the fleet is given it.
func TestAdopt(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.quiet(t), s.host(t, "other.example")
	s.put(t, other, login(0), credential.Digest{})
	for range 3 { // it comes again and again
		s.put(t, quiet, login(time.Hour), credential.Digest{})
	}
	waiting := s.proposals(t, credential.ProposalPending)
	if len(waiting) != 1 || waiting[0].FQDN != "quiet.example" || waiting[0].BaseGeneration != 1 || !waiting[0].HasRefreshToken {
		t.Fatalf("got %+v", waiting)
	}
	id := waiting[0].ID
	wantAccess, wantRefresh := tokensOf(t, login(time.Hour))
	if n := value[int](t, s, "SELECT count(*)::int FROM credential_proposal WHERE strpos(body_sealed, $1) > 0 OR NOT starts_with(body_sealed, 'sbox:v2:')", wantRefresh); n != 0 {
		t.Error("a proposal is not sealed")
	}
	outcome, err := s.Adopt(t.Context(), id, credential.AdoptOptions{}, admin)
	if err != nil || outcome.Verdict != credential.Updated || outcome.Current.Number != 2 {
		t.Fatalf("got %+v, %v", outcome, err)
	}
	if access, refresh := tokensOf(t, s.canonical(t)); access != wantAccess || refresh != wantRefresh {
		t.Error("what is canonical is not what was proposed")
	}
	if got := value[string](t, s, "SELECT source || ' ' || (source_host_id = $1) || ' ' || (lineage = id) FROM generation WHERE number = 2", quiet.ID); got != "admin true true" {
		t.Errorf("got %s, want a lineage of its own, by an admin, from the host", got)
	}
	for name, decide := range map[string]func() error{
		"adopt": func() error {
			_, err := s.Adopt(t.Context(), id, credential.AdoptOptions{Confirm: true}, admin)
			return err
		},
		"discard": func() error { _, err := s.Discard(t.Context(), id, admin); return err },
		"reopen":  func() error { _, err := s.Reopen(t.Context(), id, admin); return err },
	} {
		if err := decide(); !errors.Is(err, credential.ErrProposalDecided) {
			t.Errorf("%s again: got %v", name, err)
		}
	}
	// Its host has what is canonical now, and nothing waits again.
	if got := s.put(t, quiet, login(time.Hour), credential.Digest{}); got.Verdict != credential.Unchanged || got.Quarantined {
		t.Errorf("its host comes again: got %+v", got)
	}
	if got := s.proposals(t, credential.ProposalAll); len(got) != 1 || *got[0].Decision != "adopted" || *got[0].DecidedBy != "alice" {
		t.Errorf("got %+v", got)
	}
}

// What was discarded does not come back by itself, but an admin can take that back, for as long as it is kept.
func TestDiscard(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.quiet(t), s.host(t, "other.example")
	s.put(t, other, login(0), credential.Digest{})
	s.put(t, quiet, login(time.Hour), credential.Digest{})
	id := s.proposals(t, credential.ProposalPending)[0].ID
	if _, err := s.Discard(t.Context(), id, admin); err != nil {
		t.Fatal(err)
	}
	s.put(t, quiet, login(time.Hour), credential.Digest{})
	if got := s.proposals(t, credential.ProposalPending); len(got) != 0 {
		t.Errorf("it came back: %+v", got)
	}
	if _, err := s.Adopt(t.Context(), id, credential.AdoptOptions{Confirm: true}, admin); !errors.Is(err, credential.ErrProposalDecided) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Reopen(t.Context(), id, admin); err != nil {
		t.Fatal(err)
	}
	if got := s.proposals(t, credential.ProposalPending); len(got) != 1 || got[0].DecidedBy != nil {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Discard(t.Context(), id, admin); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.AddDate(0, 0, 31)
	if changed, err := s.PruneProposals(t.Context()); err != nil || changed != 1 {
		t.Errorf("got %d, %v", changed, err)
	}
	if _, err := s.Reopen(t.Context(), id, admin); !errors.Is(err, credential.ErrNoProposal) {
		t.Errorf("got %v", err)
	}
}

// Of what has consequences an admin is told before, and what would bring back a spent token is refused.
func TestAdoptWarnings(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.quiet(t), s.host(t, "other.example")
	s.put(t, other, login(0), credential.Digest{})
	s.put(t, quiet, authtest.New(authtest.Options{LastRefresh: start.Add(time.Hour), ExpiresAt: s.now}), credential.Digest{})
	id := s.proposals(t, credential.ProposalPending)[0].ID
	if _, err := s.Upload(t.Context(), 1, authtest.New(authtest.Options{LastRefresh: start.Add(2 * time.Hour), AccountID: "acct-new"}), operator); err != nil {
		t.Fatal(err)
	}
	want := []credential.Warning{credential.WarnExpired, credential.WarnOtherAccount, credential.WarnMovedOn}
	if got := s.proposals(t, credential.ProposalPending)[0].Warnings; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := s.Adopt(t.Context(), id, credential.AdoptOptions{}, admin); !errors.Is(err, credential.ErrRisky) {
		t.Errorf("got %v", err)
	}
	if n := len(s.proposals(t, credential.ProposalPending)); n != 1 {
		t.Error("a refusal closed the proposal")
	}
	if _, err := s.Adopt(t.Context(), id, credential.AdoptOptions{Confirm: true}, admin); err != nil {
		t.Fatal(err)
	}

	// Tokens that became canonical in another way: nobody needs to decide any more; reopened, they are no way back.
	later := login(30 * time.Hour)
	s.exec(t, "UPDATE account SET generation = 1") // the first account's login again
	s.exec(t, "DELETE FROM generation WHERE number > 1")
	s.put(t, quiet, later, credential.Digest{})
	if _, err := s.Upload(t.Context(), 1, later, operator); err != nil {
		t.Fatal(err)
	}
	if n := len(s.proposals(t, credential.ProposalPending)); n != 0 {
		t.Errorf("%d proposals wait for what is done", n)
	}
	s.put(t, other, login(40*time.Hour), credential.Digest{})
	spent := value[string](t, s, "UPDATE credential_proposal SET decided_at = NULL, decision = NULL, decided_by = NULL WHERE decided_by = 'cdxgate' RETURNING id::text")
	if _, err := s.Adopt(t.Context(), mustUUID(t, spent), credential.AdoptOptions{Confirm: true}, admin); !errors.Is(err, credential.ErrProposalSpent) {
		t.Errorf("got %v, want %v", err, credential.ErrProposalSpent)
	}
}

// A host can leave so much and no more, and one that is removed leaves what waits.
func TestProposalsAreBounded(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.quiet(t), s.host(t, "other.example")
	s.put(t, other, login(0), credential.Digest{})
	for hours := range 8 {
		s.now = s.now.Add(time.Second)
		s.put(t, quiet, login(time.Duration(hours+1)*time.Hour), credential.Digest{})
	}
	waiting := s.proposals(t, credential.ProposalPending)
	if len(waiting) != 5 || waiting[0].LastRefresh != s.document(t, login(8*time.Hour)).LastRefresh {
		t.Fatalf("got %d, the newest %+v", len(waiting), waiting[0])
	}
	page, more, err := s.Proposals(t.Context(), 1, credential.ProposalQuery{State: credential.ProposalAll, After: &waiting[1].ID, Limit: 2})
	if err != nil || !more || len(page) != 2 || page[0].ID != waiting[2].ID {
		t.Errorf("a part: got %+v, %v, %v", page, more, err)
	}
	for name, query := range map[string]credential.ProposalQuery{
		"the other way round": {Ascending: true}, "of the host": {HostID: quiet.ID, Ascending: true}, "by name": {Search: "QUIET.ex", Ascending: true},
	} {
		query.State, query.Limit = credential.ProposalPending, 9
		page, _, err := s.Proposals(t.Context(), 1, query)
		if err != nil || len(page) != 5 || page[0].ID != waiting[4].ID || page[4].ID != waiting[0].ID {
			t.Errorf("%s: got %+v, %v", name, page, err)
		}
	}
	for name, query := range map[string]credential.ProposalQuery{
		"of another host": {HostID: other.ID}, "by no text": {Search: "%"}, "beyond the oldest": {After: &waiting[4].ID}, "beyond the newest": {After: &waiting[0].ID, Ascending: true},
	} {
		query.State, query.Limit = credential.ProposalPending, 9
		if page, more, err := s.Proposals(t.Context(), 1, query); err != nil || more || len(page) != 0 {
			t.Errorf("%s: got %+v, %v, %v", name, page, more, err)
		}
	}
	if _, err := fleet.New(s.store, s.ring, fleet.Config{}).Delete(t.Context(), quiet.ID, operator, "admin.host.delete"); err != nil {
		t.Fatal(err)
	}
	left := s.proposals(t, credential.ProposalPending)
	if len(left) != 5 || left[0].FQDN != "quiet.example" {
		t.Fatalf("got %d after its host is gone", len(left))
	}
	if outcome, err := s.Adopt(t.Context(), left[0].ID, credential.AdoptOptions{Confirm: true}, admin); err != nil || outcome.Verdict != credential.Updated {
		t.Errorf("got %+v, %v", outcome, err)
	}
}

// Twenty who decide at once, while hosts store and one is removed: one decides, nothing locks up, what is canonical is what
// the winner says.
func TestAdoptRace(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.quiet(t), s.host(t, "other.example")
	s.put(t, other, login(0), credential.Digest{})
	s.put(t, quiet, login(time.Hour), credential.Digest{})
	id := s.proposals(t, credential.ProposalPending)[0].ID
	fleets := fleet.New(s.store, s.ring, fleet.Config{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]int{}
	run := func(name string, act func() error) {
		wg.Go(func() {
			err := act()
			if err != nil && !errors.Is(err, credential.ErrProposalDecided) && !errors.Is(err, credential.ErrRisky) && !errors.Is(err, credential.ErrProposalSpent) {
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won[name]++
			}
		})
	}
	for i := range 10 {
		run("adopt", func() error {
			_, err := s.Adopt(t.Context(), id, credential.AdoptOptions{Confirm: true}, admin)
			return err
		})
		run("discard", func() error { _, err := s.Discard(t.Context(), id, admin); return err })
		file := s.document(t, login(time.Duration(i+2)*time.Hour))
		run("store", func() error {
			_, err := s.Store(t.Context(), credential.Visit{Host: other, From: home}, file, credential.Digest{})
			return err
		})
	}
	run("delete", func() error {
		_, err := fleets.Delete(t.Context(), quiet.ID, operator, "admin.host.delete")
		return err
	})
	wg.Wait()
	if won["adopt"]+won["discard"] != 1 || won["store"] != 10 || won["delete"] != 1 {
		t.Errorf("got %v, want one decision", won)
	}
}

// Who decides on what he saw does not decide on what has come since.
func TestAdoptAfterTheLoginHasMovedOn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.quiet(t), s.host(t, "other.example")
	s.put(t, other, login(0), credential.Digest{})
	s.put(t, quiet, login(time.Hour), credential.Digest{})
	id := s.proposals(t, credential.ProposalPending)[0].ID
	seen, err := s.Proposed(t.Context(), id)
	if err != nil || seen.FQDN != "quiet.example" || len(seen.Warnings) != 0 || !seen.HasRefreshToken {
		t.Fatalf("got %+v, %v", seen, err)
	}
	s.put(t, other, login(2*time.Hour), credential.Digest{})
	if _, err := s.Adopt(t.Context(), id, credential.AdoptOptions{Seen: 1, Confirm: true}, admin); !errors.Is(err, credential.ErrMovedOn) {
		t.Errorf("got %v", err)
	}
	if seen, err = s.Proposed(t.Context(), id); err != nil || !slices.Equal(seen.Warnings, []credential.Warning{credential.WarnMovedOn}) || seen.DecidedAt != nil {
		t.Errorf("got %+v, %v", seen, err)
	}
	if outcome, err := s.Adopt(t.Context(), id, credential.AdoptOptions{Seen: 2, Confirm: true}, admin); err != nil || outcome.Current.Number != 3 {
		t.Errorf("got %+v, %v", outcome, err)
	}
	if seen, err = s.Proposed(t.Context(), id); err != nil || seen.Warnings != nil || *seen.Decision != credential.ProposalAdopted {
		t.Errorf("once it is decided: got %+v, %v", seen, err)
	}
	if _, err := s.Proposed(t.Context(), uuid.New()); !errors.Is(err, credential.ErrNoProposal) {
		t.Errorf("got %v", err)
	}
}
