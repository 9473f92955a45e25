package credential_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/seal"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var (
	operator = audit.Actor{Kind: audit.KindOperator, Name: "root"}
	admin    = audit.Actor{Kind: audit.KindAdmin, Name: "alice"}
	home     = netip.MustParseAddr("203.0.113.9")
	start    = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
)

// shelf is a credential service over a database of its own.
type shelf struct {
	*credential.Service
	store *db.Store
	ring  *seal.Keyring
	now   time.Time // of the service
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{store: dbtest.New(t), ring: ring, now: start.AddDate(0, 1, 0)}
	s.Service = credential.New(s.store, ring, credential.Config{Now: func() time.Time { return s.now }})
	return s
}

func (s *shelf) host(t *testing.T, fqdn string) *db.Host {
	t.Helper()
	e, err := fleet.New(s.store, s.ring, fleet.Config{}).Register(t.Context(), fleet.Registration{FQDN: fqdn}, operator)
	if err != nil {
		t.Fatal(err)
	}
	return &e.Host
}

// login is a file whose access token was issued, and which was refreshed, so long after start.
func login(after time.Duration) []byte {
	return authtest.New(authtest.Options{LastRefresh: start.Add(after)})
}

func (s *shelf) document(t *testing.T, file []byte) *credential.Document {
	t.Helper()
	document, err := s.Canonicalise(file)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func (s *shelf) put(t *testing.T, host *db.Host, file []byte, hint credential.Digest) *credential.Outcome {
	t.Helper()
	outcome, err := s.Store(t.Context(), credential.Visit{Host: host, From: home}, s.document(t, file), hint)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func value[T any](t *testing.T, s *shelf, query string, args ...any) (v T) {
	t.Helper()
	if err := s.store.Pool().QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func (s *shelf) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// The decision table, through the database: what is answered, what is canonical afterwards, what is on record.
func TestStoreDecisions(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a, b := s.host(t, "a.example"), s.host(t, "b.example")
	first, second := login(0), login(time.Hour)
	sameTime := authtest.New(authtest.Options{LastRefresh: start.Add(time.Hour), IssuedAt: start.Add(61 * time.Minute)})
	third := authtest.New(authtest.Options{LastRefresh: start.Add(time.Hour), IssuedAt: start.Add(62 * time.Minute)})
	dgst := func(file []byte) credential.Digest { return s.document(t, file).Digest }

	for _, step := range []struct {
		name  string
		host  *db.Host
		file  []byte
		hint  credential.Digest
		want  credential.Verdict
		holds []byte // canonical afterwards
		gen   int64
	}{
		{"S1: there is none", a, first, credential.Digest{}, credential.Updated, first, 1},
		{"S3: the same", b, first, credential.Digest{}, credential.Unchanged, first, 1},
		{"S2: newer", b, second, credential.Digest{}, credential.Updated, second, 2},
		{"S5: older", a, first, credential.Digest{}, credential.Outdated, second, 2},
		{"S5: older, whatever the hint", a, first, dgst(second), credential.Outdated, second, 2},
		{"S4: as old, nobody was faster", a, sameTime, dgst(second), credential.Updated, sameTime, 3},
		{"S4: as old, somebody was faster", b, third, dgst(second), credential.Outdated, sameTime, 3},
		{"S4: as old, no hint", b, third, credential.Digest{}, credential.Outdated, sameTime, 3},
	} {
		got := s.put(t, step.host, step.file, step.hint)
		want := s.document(t, step.holds)
		if got.Verdict != step.want || got.Current.Number != step.gen || got.Current.Digest != want.Digest {
			t.Errorf("%s: got %s, generation %d; want %s, %d", step.name, got.Verdict, got.Current.Number, step.want, step.gen)
		}
		if (got.Body != nil) != step.want.CarriesAuth() || (got.Body != nil && string(got.Body) != string(want.Body)) {
			t.Errorf("%s: got a body of %d bytes", step.name, len(got.Body))
		}
		if gen := value[int64](t, s, "SELECT generation FROM account WHERE id = 1"); gen != step.gen {
			t.Errorf("%s: got account at %d, want %d", step.name, gen, step.gen)
		}
		if digest := value[[]byte](t, s, "SELECT auth_digest FROM host WHERE id = $1", step.host.ID); credential.Digest(digest) != want.Digest {
			t.Errorf("%s: the host is not known to have the canonical credential", step.name)
		}
		if status := value[string](t, s, "SELECT details->>'status' FROM audit_entry WHERE action = 'auth.store' ORDER BY id DESC LIMIT 1"); status != string(step.want) {
			t.Errorf("%s: got %s on record", step.name, status)
		}
	}
	if n := value[int](t, s, "SELECT count(*)::int FROM generation"); n != 3 {
		t.Errorf("got %d generations, want 3", n)
	}
	if n := value[int](t, s, "SELECT count(DISTINCT lineage)::int FROM generation"); n != 1 {
		t.Errorf("got %d lineages, want 1: hosts refresh the login that there is", n)
	}
	if n := value[int](t, s, "SELECT count(*)::int FROM delivery"); n != 7 {
		t.Errorf("got %d deliveries on record, want one for each body handed out, 7", n)
	}

	stranger := s.document(t, authtest.New(authtest.Options{AccountID: "acct-other", LastRefresh: start.Add(2 * time.Hour)}))
	_, err := s.Store(t.Context(), credential.Visit{Host: a, From: home}, stranger, credential.Digest{})
	if !errors.Is(err, credential.ErrAccountMismatch) {
		t.Errorf("got %v for another account's login, want %v", err, credential.ErrAccountMismatch)
	}
	if gen := value[int64](t, s, "SELECT generation FROM account WHERE id = 1"); gen != 3 {
		t.Errorf("a refused upload moved the account to %d", gen)
	}
}

// What was replaced does not come back, whatever time a client has written on it: two hosts whose logins are of the same
// moment would replace each other's at every start.
func TestEarlierGenerationsDoNotComeBack(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a, b := s.host(t, "a.example"), s.host(t, "b.example")
	first := login(0)
	second := authtest.New(authtest.Options{LastRefresh: start, IssuedAt: start.Add(time.Minute)})
	s.put(t, a, first, credential.Digest{})
	if got := s.put(t, b, second, s.document(t, first).Digest); got.Verdict != credential.Updated {
		t.Fatalf("got %s for a login as old as the canonical one", got.Verdict)
	}
	restamped := []byte(strings.Replace(string(first), start.Format("2006-01-02T15:04:05"), start.Add(time.Hour).Format("2006-01-02T15:04:05"), 1))
	if s.document(t, restamped).RefreshedAt.Equal(s.document(t, first).RefreshedAt) {
		t.Fatal("the file has its old time")
	}
	for name, file := range map[string][]byte{"as it was": first, "with a newer time": restamped} {
		got := s.put(t, a, file, s.document(t, second).Digest)
		if got.Verdict != credential.Outdated || got.Current.Number != 2 || string(got.Body) != string(s.document(t, second).Body) {
			t.Errorf("%s: got %s, generation %d; want the canonical one", name, got.Verdict, got.Current.Number)
		}
	}
	if got := s.put(t, a, login(2*time.Hour), credential.Digest{}); got.Verdict != credential.Updated {
		t.Errorf("got %s for what was never canonical", got.Verdict)
	}
}

func TestRetrieveDecisions(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	host := s.host(t, "a.example")
	ask := func(digest credential.Digest, at time.Time) *credential.Outcome {
		t.Helper()
		outcome, err := s.Retrieve(t.Context(), credential.Visit{Host: host, From: home}, credential.Held{Digest: digest, LastRefresh: at.Format(time.RFC3339Nano), RefreshedAt: at})
		if err != nil {
			t.Fatal(err)
		}
		return outcome
	}
	other := credential.Digest(sha256.Sum256([]byte("other")))
	if got := ask(other, start); got.Verdict != credential.Missing || got.Current.Number != 0 || got.Body != nil {
		t.Errorf("R1: got %+v", got)
	}
	if value[bool](t, s, "SELECT auth_digest IS NOT NULL FROM host") {
		t.Error("R1: a host is known to have what there is not")
	}
	current := s.document(t, login(time.Hour))
	if _, err := s.Upload(t.Context(), host.AccountID, login(time.Hour), operator); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		digest credential.Digest
		at     time.Time
		want   credential.Verdict
		synced bool
	}{
		{"R3: newer", other, start.Add(2 * time.Hour), credential.UploadRequired, false},
		{"R4: as old", other, current.RefreshedAt, credential.UploadRequired, false},
		{"R5: older", other, start, credential.Outdated, true},
		{"R2: the same", current.Digest, current.RefreshedAt, credential.Valid, true},
		{"R2: the same, older", current.Digest, start, credential.Valid, true},
		{"R2: the same, newer", current.Digest, start.Add(2 * time.Hour), credential.Valid, true},
	} {
		s.exec(t, "UPDATE host SET auth_digest = NULL, last_refresh = NULL")
		delivered := value[int](t, s, "SELECT count(*)::int FROM delivery")
		got := ask(c.digest, c.at)
		if got.Verdict != c.want || (got.Body != nil) != (c.want == credential.Outdated) || got.Current.Digest != current.Digest {
			t.Errorf("%s: got %s with %d bytes, want %s", c.name, got.Verdict, len(got.Body), c.want)
		}
		if synced := value[bool](t, s, "SELECT auth_digest IS NOT NULL FROM host"); synced != c.synced {
			t.Errorf("%s: got synced %t, want %t", c.name, synced, c.synced)
		}
		if n := value[int](t, s, "SELECT count(*)::int FROM delivery") - delivered; (n == 1) != (c.want == credential.Outdated) {
			t.Errorf("%s: got %d deliveries on record", c.name, n)
		}
	}
}

// A fleet whose hosts all refreshed: whoever is answered “updated” is in the table, numbers have no gaps, and the newest
// accepted one is canonical.
func TestStoresInParallel(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const hosts = 64
	uploads := make([]*credential.Document, hosts)
	senders := make([]*db.Host, hosts)
	for i := range hosts {
		// Neither ascending nor descending in time.
		uploads[i] = s.document(t, login(time.Duration((i*37)%hosts)*time.Minute))
		senders[i] = s.host(t, fmt.Sprintf("h%d.example", i))
	}
	outcomes, failures := make([]*credential.Outcome, hosts), make([]error, hosts)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range hosts {
		all.Go(func() {
			<-begin
			outcomes[i], failures[i] = s.Store(t.Context(), credential.Visit{Host: senders[i], From: home}, uploads[i], credential.Digest{})
		})
	}
	close(begin)
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}

	updated := 0
	var newest time.Time
	for i, outcome := range outcomes {
		switch outcome.Verdict {
		case credential.Updated:
			updated++
			stored := value[int](t, s, "SELECT count(*)::int FROM generation WHERE digest = $1 AND number = $2 AND source_host_id = $3",
				uploads[i].Digest[:], outcome.Current.Number, senders[i].ID)
			if stored != 1 {
				t.Errorf("host %d was told updated, generation %d, which is not there", i, outcome.Current.Number)
			}
		case credential.Outdated:
			if !outcome.Current.RefreshedAt.After(uploads[i].RefreshedAt) {
				t.Errorf("host %d was told outdated by %v, which is no newer than %v", i, outcome.Current.RefreshedAt, uploads[i].RefreshedAt)
			}
		default:
			t.Errorf("host %d was told %s", i, outcome.Verdict)
		}
		if uploads[i].RefreshedAt.After(newest) {
			newest = uploads[i].RefreshedAt
		}
	}
	if rows, top := value[int](t, s, "SELECT count(*)::int FROM generation"), value[int](t, s, "SELECT max(number)::int FROM generation"); rows != updated || top != updated {
		t.Errorf("got %d rows up to number %d for %d answers updated", rows, top, updated)
	}
	if gen := value[int](t, s, "SELECT generation::int FROM account WHERE id = 1"); gen != updated {
		t.Errorf("got account at %d, want %d", gen, updated)
	}
	current, err := s.Current(t.Context(), 1)
	if err != nil || !current.RefreshedAt.Equal(newest) {
		t.Errorf("got %v canonical, %v; want the newest, %v", current.RefreshedAt, err, newest)
	}
	if backwards := value[int](t, s, "SELECT count(*)::int FROM generation a JOIN generation b ON b.number = a.number + 1 WHERE b.last_refresh_at <= a.last_refresh_at"); backwards != 0 {
		t.Errorf("got %d generations that are no newer than the one before", backwards)
	}
}

// As long as anything can be accepted, nobody is told to come back later.
func TestStoresInAscendingOrder(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const uploads = 64
	host := s.host(t, "a.example")
	documents := make([]*credential.Document, uploads)
	for i := range documents {
		documents[i] = s.document(t, login(time.Duration(i)*time.Minute))
	}
	var all sync.WaitGroup
	for _, document := range documents {
		all.Go(func() {
			if _, err := s.Store(t.Context(), credential.Visit{Host: host, From: home}, document, credential.Digest{}); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	current, err := s.Current(t.Context(), 1)
	if err != nil || current.Digest != documents[uploads-1].Digest {
		t.Errorf("got generation %d of %v, %v; want the newest upload", current.Number, current.RefreshedAt, err)
	}
}

func TestSealedAtRest(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	document := s.document(t, login(0))
	s.put(t, s.host(t, "a.example"), login(0), credential.Digest{})
	row := value[string](t, s, "SELECT generation::text FROM generation")
	for _, secret := range []string{"refresh_token", "access_token", "rt_", authtest.AccessToken(authtest.Options{LastRefresh: start}), hex.EncodeToString(document.Body[:40])} {
		if strings.Contains(row, secret) {
			t.Errorf("the row shows %q", secret)
		}
	}
	if !strings.Contains(row, "sbox:v2:"+s.ring.Active()+":") {
		t.Errorf("got row %.200s, want the body sealed with the active key", row)
	}
}
