package credential_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// A host without the right to store changes nothing that others see, and loses nothing of its own: it is told that
// nothing changed, and given no file to put in the place of its own.
func TestHostsThatMayNotStore(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	quiet, other := s.host(t, "quiet.example"), s.host(t, "other.example")
	s.exec(t, "UPDATE host SET may_store = false WHERE fqdn = 'quiet.example'")
	first, newer := login(0), login(time.Hour)

	quarantined := func(name string, file []byte, hint credential.Digest, gen int64) {
		t.Helper()
		before := value[int](t, s, "SELECT count(*)::int FROM audit_entry WHERE action = 'auth.store.quarantine' AND host_id = $1", quiet.ID)
		got := s.put(t, quiet, file, hint)
		if got.Verdict != credential.Unchanged || !got.Quarantined || got.Body != nil || got.Current.Number != gen {
			t.Errorf("%s: got %+v, want unchanged at generation %d", name, got, gen)
		}
		if n := value[int](t, s, "SELECT count(*)::int FROM audit_entry WHERE action = 'auth.store.quarantine' AND host_id = $1", quiet.ID); n != before+1 {
			t.Errorf("%s: got %d entries, want %d", name, n, before+1)
		}
		if n := value[int](t, s, "SELECT count(*)::int FROM host WHERE id = $1 AND auth_digest IS NULL", quiet.ID); n != 1 {
			t.Errorf("%s: the host is said to have what it does not", name)
		}
	}
	quarantined("the first login of all", first, credential.Digest{}, 0)
	s.put(t, other, first, credential.Digest{})
	quarantined("a newer one", newer, credential.Digest{}, 1)
	sameTime := authtest.New(authtest.Options{LastRefresh: start, IssuedAt: start.Add(time.Minute)})
	quarantined("one as old, nobody was faster", sameTime, s.document(t, first).Digest, 1)

	// What would not have changed anything is answered as to everybody.
	if got := s.put(t, quiet, first, credential.Digest{}); got.Verdict != credential.Unchanged || got.Quarantined {
		t.Errorf("the same: got %+v", got)
	}
	s.put(t, other, newer, credential.Digest{})
	if got := s.put(t, quiet, first, credential.Digest{}); got.Verdict != credential.Outdated || got.Body == nil {
		t.Errorf("an older one: got %+v", got)
	}
	s.exec(t, "UPDATE host SET may_store = true WHERE fqdn = 'quiet.example'")
	if got := s.put(t, quiet, login(2*time.Hour), credential.Digest{}); got.Verdict != credential.Updated {
		t.Errorf("with the right: got %+v", got)
	}
}

// A host that was switched off, or lost its key, since it was let in gets nothing and changes nothing any more.
func TestHostsThatWereLetInOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	host := s.host(t, "a.example")
	s.put(t, host, login(0), credential.Digest{})
	fleets := fleet.New(s.store, s.ring, fleet.Config{})
	for change, want := range map[string]error{
		"status = 'disabled'":                          fleet.ErrHostDisabled,
		"status = 'active', key_sha256 = sha256('x')":  fleet.ErrKeyInvalid,
		"deleted_at = now(), deleted_why = 'inactive'": fleet.ErrKeyInvalid,
	} {
		s.exec(t, "UPDATE host SET status = 'active', key_sha256 = $1, deleted_at = NULL, deleted_why = NULL", host.KeySHA256)
		s.exec(t, "UPDATE host SET "+change)
		v := credential.Visit{Host: host, From: home}
		_, retrieved := s.Retrieve(t.Context(), v, credential.Held{LastRefresh: "2000-01-01T00:00:00Z"})
		_, stored := s.Store(t.Context(), v, s.document(t, login(time.Hour)), credential.Digest{})
		_, contact := fleets.RecordContact(t.Context(), host, home, fleet.Contact{})
		for act, err := range map[string]error{"retrieving": retrieved, "storing": stored, "a contact": contact} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %s: got %v, want %v", change, act, err, want)
			}
		}
	}
	if n := value[int](t, s, "SELECT count(*)::int FROM generation"); n != 1 {
		t.Errorf("got %d generations, want 1", n)
	}
}

// A host that stores without end is bounded, and pushes out nothing that an admin brought.
func TestPruneOfTooMany(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
		SELECT gen_random_uuid(), 1, n, gen_random_uuid(), sha256(n::text::bytea), 'sealed', 'x', $1, CASE WHEN n = 1 THEN 'operator' ELSE 'host' END, $1
		FROM generate_series(1, 700) n`, s.now)
	s.exec(t, "UPDATE account SET generation = 700")
	for {
		changed, err := s.Prune(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if changed == 0 {
			break
		}
	}
	if got := value[string](t, s, "SELECT count(*) || ' ' || min(number) || ' ' || (SELECT min(number) FROM generation WHERE source = 'host') FROM generation"); got != "501 1 201" {
		t.Errorf("got %s generations, oldest, oldest of a host; want 501 1 201", got)
	}
}
