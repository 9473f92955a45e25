package signing_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/seal"
	"github.com/cdxgate/cdxgate/internal/signing"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Key ids; the master key of each is its first letter, 32 times.
const (
	keyA = "aaaaaaaa"
	keyB = "bbbbbbbb"
	keyC = "cccccccc"
)

// ring holds the given keys; the last one is active.
func ring(t *testing.T, ids ...string) *seal.Keyring {
	t.Helper()
	var text strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&text, "key %s %s\n", id, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(id[:1]), 32)))
	}
	ring, err := seal.Parse([]byte(text.String() + "active " + ids[len(ids)-1]))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// open starts what signs, and returns what it logged.
func open(t *testing.T, store *db.Store, ring *seal.Keyring) (*signing.Signer, string) {
	t.Helper()
	var log bytes.Buffer
	s, err := signing.Open(t.Context(), store, ring, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, log.String()
}

// follow is what a client does that has pinned a key: it accepts a successor only from the key it trusts.
func follow(pinned api.SigningKey, successors []api.Signed) api.SigningKey {
	for _, statement := range successors {
		var next api.SigningKey
		if statement.Open(api.PurposeSigningKey, pinned, &next) == nil {
			pinned = next
		}
	}
	return pinned
}

// order is the table: the keys, those that the key before has stated with a mark.
func order(t *testing.T, store *db.Store) string {
	t.Helper()
	rows, err := store.SigningKeyList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for i, row := range rows {
		if row.Position != int32(i+1) {
			t.Errorf("got position %d in row %d", row.Position, i+1)
		}
		if row.Statement != nil {
			text += "←"
		}
		text += " " + row.KeyID[:1]
	}
	return strings.TrimSpace(text)
}

func audited(t *testing.T, store *db.Store) (details []string) {
	t.Helper()
	rows, err := store.Pool().Query(t.Context(), "SELECT actor_kind || ' ' || details::text FROM audit_entry WHERE action = 'keyring.signing_key' ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		details = append(details, text)
	}
	return details
}

func TestTheFirstKeyIsRecordedOnce(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	for range 3 {
		s, log := open(t, store, ring(t, keyA))
		if s.Key().KeyID != keyA || len(s.Successors()) != 0 || strings.Contains(log, "level=ERROR") {
			t.Errorf("got key %v, successors %v, log %s", s.Key(), s.Successors(), log)
		}
		signed, err := s.Sign(api.PurposeClientBuild, api.ClientBuild{Name: "cdx"})
		if err != nil {
			t.Fatal(err)
		}
		if err := signed.Open(api.PurposeClientBuild, s.Key(), new(api.ClientBuild)); err != nil {
			t.Errorf("what it signs does not open: %v", err)
		}
	}
	if got := order(t, store); got != "a" {
		t.Errorf("got %s, want one row", got)
	}
	if got := audited(t, store); !slices.Equal(got, []string{`gateway {"key": "aaaaaaaa"}`}) {
		t.Errorf("got audit entries %q", got)
	}
}

// Whoever pinned any key of before arrives at the newest, also when the older master keys are long out of the keyring.
func TestClientsFollow(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	a, _ := open(t, store, ring(t, keyA))
	b, log := open(t, store, ring(t, keyA, keyB))
	if strings.Contains(log, "level=ERROR") || !strings.Contains(log, "previous=aaaaaaaa") {
		t.Errorf("got log %s", log)
	}
	c, _ := open(t, store, ring(t, keyA, keyB, keyC))
	alone, log := open(t, store, ring(t, keyC))
	if log != "" {
		t.Errorf("got log %s", log)
	}
	for _, s := range []*signing.Signer{c, alone} {
		if s.Key().KeyID != keyC || len(s.Successors()) != 2 {
			t.Fatalf("got %v, %d successors", s.Key(), len(s.Successors()))
		}
		for _, pinned := range []*signing.Signer{a, b, c} {
			if got := follow(pinned.Key(), s.Successors()); got != s.Key() {
				t.Errorf("from %s: got to %s", pinned.Key().KeyID, got.KeyID)
			}
		}
	}
	stranger, _ := open(t, dbtest.New(t), ring(t, "dddddddd"))
	if got := follow(stranger.Key(), c.Successors()); got != stranger.Key() {
		t.Errorf("a client of another gateway followed to %v", got)
	}
	if got := order(t, store); got != "a← b← c" {
		t.Errorf("got %s", got)
	}
	want := []string{
		`gateway {"key": "aaaaaaaa"}`, `gateway {"key": "bbbbbbbb", "stated": true, "previous": "aaaaaaaa"}`,
		`gateway {"key": "cccccccc", "stated": true, "previous": "bbbbbbbb"}`,
	}
	if got := audited(t, store); !slices.Equal(got, want) {
		t.Errorf("got audit entries %q", got)
	}
}

// An operator who makes the old key active again takes the clients back with him.
func TestClientsFollowBack(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	a, _ := open(t, store, ring(t, keyA))
	b, _ := open(t, store, ring(t, keyA, keyB))
	again, _ := open(t, store, ring(t, keyB, keyA))
	for _, pinned := range []*signing.Signer{a, b} {
		if got := follow(pinned.Key(), again.Successors()); got != again.Key() || got != a.Key() {
			t.Errorf("from %s: got to %s", pinned.Key().KeyID, got.KeyID)
		}
	}
	if got := order(t, store); got != "a← b← a" {
		t.Errorf("got %s", got)
	}
}

// Without the old key nobody can follow, which is said; with it back in the keyring one start mends that.
func TestAKeyThatIsGone(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	a, _ := open(t, store, ring(t, keyA))
	b, log := open(t, store, ring(t, keyB))
	for _, say := range []string{"level=ERROR", "clients cannot follow", "put the previous master key back", "enrol all hosts again", "previous=aaaaaaaa"} {
		if !strings.Contains(log, say) {
			t.Errorf("the log does not say %q: %s", say, log)
		}
	}
	if strings.Count(log, "\n") != 1 || len(b.Successors()) != 0 || follow(a.Key(), b.Successors()) == b.Key() {
		t.Errorf("got log %s, successors %v", log, b.Successors())
	}
	if _, log := open(t, store, ring(t, keyB)); log != "" {
		t.Errorf("the second start says again: %s", log)
	}
	if got := order(t, store); got != "a b" {
		t.Errorf("got %s", got)
	}

	mended, log := open(t, store, ring(t, keyA, keyB))
	if follow(a.Key(), mended.Successors()) != b.Key() || strings.Contains(log, "level=ERROR") {
		t.Errorf("got successors %v, log %s", mended.Successors(), log)
	}
	if later, _ := open(t, store, ring(t, keyB)); follow(a.Key(), later.Successors()) != b.Key() {
		t.Error("the statement is gone with the key")
	}
	if got := order(t, store); got != "a← b" {
		t.Errorf("got %s", got)
	}
	want := []string{
		`gateway {"key": "aaaaaaaa"}`, `gateway {"key": "bbbbbbbb", "stated": false, "previous": "aaaaaaaa"}`,
		`gateway {"key": "bbbbbbbb", "stated": true, "previous": "aaaaaaaa"}`,
	}
	if got := audited(t, store); !slices.Equal(got, want) {
		t.Errorf("got audit entries %q", got)
	}
}

// Behind a gap, statements lead nowhere from before it, and are not sent.
func TestStatementsBeforeAGapAreNotSent(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	open(t, store, ring(t, keyA))
	open(t, store, ring(t, keyA, keyB))
	c, _ := open(t, store, ring(t, keyC))
	d, _ := open(t, store, ring(t, keyC, "dddddddd"))
	if len(c.Successors()) != 0 || len(d.Successors()) != 1 || follow(c.Key(), d.Successors()) != d.Key() {
		t.Errorf("got %d and %d successors", len(c.Successors()), len(d.Successors()))
	}
	if got := order(t, store); got != "a← b c← d" {
		t.Errorf("got %s", got)
	}
}

// However many gateways start at once with a new key, there is one statement, and all of them send it.
func TestGatewaysRace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rings [][]string
		want  string // order, when it is the same whoever wins
	}{
		"the first key":             {[][]string{{keyA}, {keyA}, {keyA}, {keyA}}, "a"},
		"a new one":                 {[][]string{{keyA, keyB}, {keyA, keyB}, {keyA, keyB}, {keyA, keyB}}, "a← b"},
		"some without the old one":  {[][]string{{keyA, keyB}, {keyB}, {keyA, keyB}, {keyB}}, "a← b"},
		"two new ones, all in each": {[][]string{{keyA, keyB, keyC}, {keyA, keyC, keyB}, {keyA, keyB, keyC}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := dbtest.New(t)
			a, _ := open(t, store, ring(t, keyA))
			signers, begin := make([]*signing.Signer, len(c.rings)), make(chan struct{})
			var all sync.WaitGroup
			for i, ids := range c.rings {
				keys := ring(t, ids...)
				all.Go(func() {
					<-begin
					var err error
					if signers[i], err = signing.Open(t.Context(), store, keys, slog.New(slog.DiscardHandler)); err != nil {
						t.Error(err)
					}
				})
			}
			close(begin)
			all.Wait()
			if got := order(t, store); c.want != "" && got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			for i, s := range signers {
				last := c.rings[i][len(c.rings[i])-1]
				holdsOld := slices.Contains(c.rings[i], keyA)
				if s == nil || s.Key().KeyID != last || holdsOld && follow(a.Key(), s.Successors()) != s.Key() {
					t.Errorf("gateway %d with %v: got successors %v", i, c.rings[i], s.Successors())
				}
			}
			// A statement for each step, and none without its audit entry.
			if rows := strings.Count(order(t, store), "←"); rows != strings.Count(strings.Join(audited(t, store), ""), `"stated": true`) {
				t.Errorf("got order %s with audit entries %q", order(t, store), audited(t, store))
			}
		})
	}
}

// Who can write to the database, and does not have the keyring, gets no statement about a key of his choice.
func TestTheDatabaseCannotAskForStatements(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	open(t, store, ring(t, keyA, keyB))
	for _, statement := range []string{
		"INSERT INTO signing_key (position, key_id) VALUES (2, 'aaaaaaaa')", // out of use, but in the keyring
		"INSERT INTO signing_key (position, key_id) VALUES (3, 'eeeeeeee')",
	} {
		if _, err := store.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := open(t, store, ring(t, keyA, keyB))
	for _, statement := range s.Successors() {
		var about api.SigningKey
		if err := json.Unmarshal(statement.Document, &about); err != nil || about.KeyID != keyB {
			t.Errorf("got a statement about %s, %v", statement.Document, err)
		}
	}
	if got := order(t, store); got != "b a e b" {
		t.Errorf("got %s", got)
	}
}

// What is neither done nor recorded alone: no row without its audit entry.
func TestNoRowWithoutItsEntry(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	if _, err := store.Pool().Exec(t.Context(), `
		CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'crash'; END $$;
		CREATE TRIGGER crash BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION crash()`); err != nil {
		t.Fatal(err)
	}
	if s, err := signing.Open(t.Context(), store, ring(t, keyA), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "crash") {
		t.Fatalf("got %v, %v; want the crash", s, err)
	}
	if got := order(t, store); got != "" {
		t.Errorf("got %s, want no row", got)
	}
}

func TestADamagedStatementIsSaid(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	open(t, store, ring(t, keyA))
	open(t, store, ring(t, keyA, keyB))
	if _, err := store.Pool().Exec(t.Context(), "UPDATE signing_key SET statement = 'x' WHERE position = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := signing.Open(t.Context(), store, ring(t, keyA, keyB), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "signing key bbbbbbbb") {
		t.Errorf("got %v, want which statement", err)
	}
}
