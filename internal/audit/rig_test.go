package audit

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/seal"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// rig is a gateway's side of the trail: its data directory, its chain, a clock that stands until it is moved.
type rig struct {
	*Keeper
	store   *db.Store
	dataDir string
	chain   string
	clock   *time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ring, err := seal.Generate()
	must(t, err)
	return rigOn(t, dbtest.New(t), ring)
}

// rigOn is one more gateway on a database.
func rigOn(t *testing.T, store *db.Store, ring *seal.Keyring) *rig {
	t.Helper()
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &rig{dataDir: t.TempDir(), clock: &clock}
	var err error
	r.chain, err = OwnChain(r.dataDir)
	must(t, err)
	must(t, store.AuditChainCreate(t.Context(), r.chain))
	r.store = store.OnChain(r.chain)
	r.Keeper, err = NewKeeper(r.store, ring, r.dataDir, func() time.Time { return *r.clock })
	must(t, err)
	return r
}

// record records n entries, each in a transaction of its own.
func (r *rig) record(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		must(t, r.store.WithTx(t.Context(), func(q *db.Queries) error {
			return Record(WithRequest(t.Context(), fmt.Sprintf("request-%d", i)), q, Entry{
				At:     r.clock.Add(time.Duration(i) * time.Millisecond),
				Actor:  Actor{Kind: KindHost, Name: "build7.example", IP: netip.MustParseAddr("2001:db8::7")},
				Action: ActionRetrieve, HostID: int64(i + 1),
				// What JSON may write in more than one way.
				Details: Details{"n": i, "big": 1e21, "small": 1.50, "text": "ä<&>\u2028 \"", "list": []any{nil, true}, "z": map[string]any{"b": 1, "a": 2}},
			})
		}))
	}
}

func (r *rig) sign(t *testing.T) {
	t.Helper()
	_, err := r.Sign(t.Context())
	must(t, err)
}

func (r *rig) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := r.store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// disarm is what whoever owns the tables can do.
func (r *rig) disarm(t *testing.T) {
	t.Helper()
	r.exec(t, "ALTER TABLE audit_entry DISABLE TRIGGER USER")
	r.exec(t, "ALTER TABLE audit_checkpoint DISABLE TRIGGER USER")
	r.exec(t, "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_linked, DROP CONSTRAINT audit_entry_chain_fkey")
	r.exec(t, "ALTER TABLE audit_checkpoint DROP CONSTRAINT audit_checkpoint_chain_fkey")
	r.exec(t, "DROP INDEX audit_entry_chain")
}

// verify returns the report of the rig's own chain.
func (r *rig) verify(t *testing.T) *Report {
	t.Helper()
	found, err := r.Verify(t.Context())
	must(t, err)
	for i := range found.Chains {
		if found.Chains[i].Chain == r.chain {
			return &found.Chains[i]
		}
	}
	t.Fatalf("got no report of %s", r.chain)
	return nil
}

func (r *rig) wantWhole(t *testing.T, entries int64) {
	t.Helper()
	if got := r.verify(t); got.Fault != nil || got.Entries != entries {
		t.Errorf("got %+v, fault %+v; want %d entries that are whole", got, got.Fault, entries)
	}
}

func (r *rig) headFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(headPath(r.dir, r.chain))
	must(t, err)
	return string(text)
}

func (r *rig) putHead(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(headPath(r.dir, r.chain), []byte(text), 0o600))
}

func value[T any](t *testing.T, r *rig, query string, args ...any) (v T) {
	t.Helper()
	must(t, r.store.Pool().QueryRow(t.Context(), query, args...).Scan(&v))
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
