package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// What was hashed once must be hashed the same for ever.
func TestCanonical(t *testing.T) {
	t.Parallel()
	host, ip := int64(7), "2001:db8::7"
	l := Link{
		Action: "auth.retrieve", Actor: "ä\"<b>", ActorKind: "host", At: "2026-03-01T12:00:00.000001Z", Chain: "console",
		Details: []byte(`{"b": [1.50, {"z": null, "a": "<&>"}], "a": 1000000000000000000000}`), HostID: &host, ID: 9, IP: &ip, Prev: "00", Seq: 3,
	}
	text, err := l.canonical()
	must(t, err)
	const want = `{"action":"auth.retrieve","actor":"ä\"<b>","actor_kind":"host","at":"2026-03-01T12:00:00.000001Z","chain":"console",` +
		`"details":{"a":1000000000000000000000,"b":[1.50,{"a":"<&>","z":null}]},"host_id":7,"id":9,"ip":"2001:db8::7","prev":"00","request_id":null,"seq":3}`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

func TestRecordNeedsATransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := Record(t.Context(), r.store.Queries, Entry{Action: ActionRegister}); err == nil {
		t.Error("got no error outside a transaction")
	}
	elsewhere := r.store.OnChain("nowhere")
	err := elsewhere.WithTx(t.Context(), func(q *db.Queries) error {
		return Record(t.Context(), q, Entry{Actor: Gateway, Action: ActionRegister})
	})
	if err == nil {
		t.Error("got no error on a chain that there is not")
	}
	r.wantWhole(t, 0)
}

func TestAnActThatFailsLeavesNoGap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 2)
	refusal := errors.New("no")
	err := r.store.WithTx(t.Context(), func(q *db.Queries) error {
		must(t, Record(t.Context(), q, Entry{Actor: Gateway, Action: ActionRegister}))
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want %v", err, refusal)
	}
	err = r.store.WithTx(t.Context(), func(q *db.Queries) error {
		must(t, Record(t.Context(), q, Entry{Actor: Gateway, Action: ActionRegister}))
		return Record(t.Context(), q, Entry{Actor: Actor{Kind: "stranger"}, Action: ActionRegister})
	})
	if err == nil {
		t.Error("got no error for an entry that the database refuses")
	}
	r.record(t, 2)
	r.wantWhole(t, 4)
}

func TestNothingRecordedIsChangedByAccident(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 4)
	r.sign(t)
	for _, statement := range []string{
		"UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry",
		"UPDATE audit_checkpoint SET key_id = '01020304'", "DELETE FROM audit_checkpoint", "TRUNCATE audit_checkpoint",
	} {
		_, err := r.store.Pool().Exec(t.Context(), statement)
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
			t.Errorf("%s: got %v, want it refused", statement, err)
		}
	}
	if n := value[int64](t, r, "SELECT audit_retire($1, 3, now(), '01020304', decode(repeat('ab', 64), 'hex'))", r.chain); n != 0 {
		t.Errorf("retired %d entries up to what is no checkpoint", n)
	}
	r.wantWhole(t, 4)
}

// Two gateways and a console, each in several processes, write at once while heads are signed.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	ring, err := seal.Generate()
	must(t, err)
	shared := dbtest.New(t)
	rigs := []*rig{rigOn(t, shared, ring), rigOn(t, shared, ring)}
	const processes, each = 4, 20
	var all sync.WaitGroup
	failures := make(chan error, 3*processes*each*2)
	for _, chain := range []string{rigs[0].chain, rigs[1].chain, db.ChainConsole} {
		for range processes {
			process, err := db.Open(t.Context(), shared.Pool().Config().ConnString(), db.Options{MaxConns: 2})
			must(t, err)
			t.Cleanup(process.Close)
			process = process.OnChain(chain)
			for range 2 { // calls at once
				all.Go(func() {
					for range each / 2 {
						failures <- process.WithTx(t.Context(), func(q *db.Queries) error {
							entry := Entry{At: time.Now(), Actor: Gateway, Action: ActionRegister}
							return errors.Join(Record(t.Context(), q, entry), Record(t.Context(), q, entry))
						})
					}
				})
			}
		}
	}
	for _, r := range rigs {
		all.Go(func() {
			for range 10 {
				_, err := r.Sign(t.Context())
				failures <- err
				_, err = r.Verify(t.Context())
				failures <- err
			}
		})
	}
	all.Wait()
	close(failures)
	for err := range failures {
		must(t, err)
	}
	for _, r := range rigs {
		r.sign(t)
		found, err := r.Verify(t.Context())
		must(t, err)
		if !found.Whole() || len(found.Chains) != 3 {
			t.Errorf("got %+v, want three whole chains", found)
		}
		for _, chain := range found.Chains {
			if chain.Entries != 2*processes*each {
				t.Errorf("%s: got %d entries, want %d", chain.Chain, chain.Entries, 2*processes*each)
			}
		}
	}
}

// Connections die under the writers: what was acknowledged is recorded, what was not may be, and the chain is whole.
func TestKilledWriters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var acknowledged atomic.Int64
	stop, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := 0; stop.Err() == nil; n++ {
				err := r.store.WithTx(t.Context(), func(q *db.Queries) error {
					if err := Record(t.Context(), q, Entry{At: time.Now(), Actor: Gateway, Action: ActionRegister}); err != nil {
						return err
					}
					return q.PolicySet(t.Context(), db.PolicySetParams{Name: fmt.Sprintf("p%d", n%3), Value: []byte("1"), Now: time.Now()})
				})
				if err == nil {
					acknowledged.Add(1)
				}
			}
		})
	}
	killer, err := db.Open(t.Context(), r.store.Pool().Config().ConnString(), db.Options{MaxConns: 1})
	must(t, err)
	defer killer.Close()
	for range 40 {
		// Not all at once: who is killed comes again.
		_, err := killer.Pool().Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2`)
		must(t, err)
		before := acknowledged.Load()
		for acknowledged.Load() < before+5 { // somebody gets through
			must(t, t.Context().Err())
			_, err := killer.InstallationID(t.Context())
			must(t, err)
		}
	}
	cancel()
	all.Wait()
	got := r.verify(t)
	if got.Fault != nil || got.Entries < acknowledged.Load() || got.Entries > acknowledged.Load()+80 {
		t.Errorf("got %+v, fault %+v, want at least the %d entries that were acknowledged", got, got.Fault, acknowledged.Load())
	}
}

// A gateway that dies between its entries and their checkpoint, or between the file and the row, goes on when it is back.
func TestCrashes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 3)
	r.wantWhole(t, 3)
	again, err := NewKeeper(r.store, r.ring, r.dataDir, nil)
	must(t, err)
	if again.own != r.chain {
		t.Fatalf("got chain %s, want %s again", again.own, r.chain)
	}
	if _, err := again.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.verify(t); got.Signed != 3 || got.Fault != nil {
		t.Errorf("got %+v, want it signed", got)
	}

	r.record(t, 3)
	r.exec(t, `CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crash'; END $$`)
	r.exec(t, "CREATE CONSTRAINT TRIGGER crash AFTER INSERT ON audit_checkpoint DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crash()")
	if _, err := r.Sign(t.Context()); err == nil {
		t.Fatal("got no error from a commit that failed")
	}
	r.exec(t, "DROP TRIGGER crash ON audit_checkpoint")
	r.record(t, 1)
	r.sign(t)
	if got := r.verify(t); got.Signed != 7 || got.Fault != nil || len(got.Notes) > 0 {
		t.Errorf("got %+v, fault %+v; want all of it signed", got, got.Fault)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM audit_checkpoint WHERE chain = $1", r.chain); n != 3 {
		t.Errorf("got %d checkpoints, want 3: the one of the file too", n)
	}
	rows := value[int](t, r, "SELECT count(*)::int FROM audit_checkpoint")
	for range 3 {
		r.sign(t)
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM audit_checkpoint"); n != rows {
		t.Errorf("got %d checkpoints after %d, though nothing was recorded", n, rows)
	}
}

func TestRetire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const day = 24 * time.Hour
	for range 5 {
		r.record(t, 3)
		r.sign(t)
		*r.clock = r.clock.Add(day)
	}
	r.record(t, 2) // not signed
	early := r.headFile(t)
	retire := func(age time.Duration, want int) {
		t.Helper()
		if got, err := r.Retire(t.Context(), age); err != nil || got != want {
			t.Errorf("got %d retired, %v; want %d", got, err, want)
		}
	}
	retire(10*day, 0)
	retire(3*day+time.Hour, 6)
	retire(3*day+time.Hour, 0)
	r.wantWhole(t, 11)
	if got := r.verify(t); got.Anchor != 6 || got.Last != 17 || got.Signed != 15 {
		t.Errorf("got %+v, want it to begin after 6", got)
	}
	retire(0, 9)
	r.wantWhole(t, 2)
	r.sign(t)
	*r.clock = r.clock.Add(day)
	retire(0, 2)
	r.wantWhole(t, 0)
	r.record(t, 3)
	r.sign(t)
	r.wantWhole(t, 3)
	r.putHead(t, early) // which has signed what was retired since
	r.sign(t)
	r.wantWhole(t, 3)

	for name, c := range map[string]struct{ statement, what string }{
		"the anchor gone":       {"DELETE FROM audit_anchor WHERE chain = $1", "entries 1 to 17 are missing"},
		"the anchor moved":      {"UPDATE audit_anchor SET seq = 18 WHERE chain = $1", "is not signed by this installation"},
		"its checkpoint gone":   {"DELETE FROM audit_checkpoint WHERE chain = $1 AND seq = 17", "the checkpoint at it is missing"},
		"its successor gone":    {"DELETE FROM audit_entry WHERE chain = $1 AND seq = 18", "entry 18 is missing"},
		"all after it gone too": {"DELETE FROM audit_entry WHERE chain = $1", "entries 18 to 20 are missing"},
	} {
		tx, err := r.store.Pool().Begin(t.Context())
		must(t, err)
		for _, statement := range []string{"ALTER TABLE audit_entry DISABLE TRIGGER USER", "ALTER TABLE audit_checkpoint DISABLE TRIGGER USER"} {
			_, err = tx.Exec(t.Context(), statement)
			must(t, err)
		}
		_, err = tx.Exec(t.Context(), c.statement, r.chain)
		must(t, err)
		w := walk{keeper: r.Keeper, q: db.New(tx), head: r.heldHead(r.chain), report: Report{Chain: r.chain}}
		now := db.AuditChainListRow{Name: r.chain, Seq: 20, Hash: value[[]byte](t, r, "SELECT hash FROM audit_chain WHERE name = $1", r.chain)}
		must(t, w.chain(t.Context(), now))
		if got := w.report.Fault; got == nil || !strings.Contains(got.What, c.what) {
			t.Errorf("%s: got %+v, want %q", name, got, c.what)
		}
		must(t, tx.Rollback(t.Context()))
	}
}

// More than a batch between two checkpoints is retired all the same, and less goes as far as it can.
func TestRetireInBatches(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 4 {
		r.record(t, 3)
		r.sign(t)
	}
	next := func(after, batch int64) int64 {
		row, err := r.store.AuditCheckpointRetirable(t.Context(), db.AuditCheckpointRetirableParams{Chain: r.chain, Before: r.clock.Add(time.Hour), After: after, Batch: batch})
		must(t, err)
		return row.Seq
	}
	for _, c := range [][3]int64{{0, 1, 3}, {0, 3, 3}, {0, 5, 3}, {0, 6, 6}, {3, 2, 6}, {3, 7, 9}, {0, 100, 12}} {
		if got := next(c[0], c[1]); got != c[2] {
			t.Errorf("after %d in batches of %d: got %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestOwnChain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const starters = 8
	names := make([]string, starters)
	var all sync.WaitGroup
	for i := range starters {
		all.Go(func() {
			name, err := OwnChain(dir)
			if err != nil {
				t.Error(err)
			}
			names[i] = name
		})
	}
	all.Wait()
	for _, name := range names {
		if name != names[0] || len(name) != 36 || name[14] != '7' {
			t.Errorf("got chain %q beside %q, want one UUIDv7", name, names[0])
		}
	}
	path := filepath.Join(dir, "audit", "chain-id")
	for path, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: got %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "audit", ".audit-*")); err != nil || len(left) > 0 {
		t.Errorf("got %q left behind, %v", left, err)
	}
	must(t, os.WriteFile(path, []byte("console"), 0o600))
	if name, err := OwnChain(dir); err == nil {
		t.Errorf("got %q of a damaged file, want an error", name)
	}
}
