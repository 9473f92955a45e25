package gateway_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/gateway"
)

// Gateways have a chain for each data directory, verbs the console's; whoever stops signs.
func TestChainsOfGatewaysAndVerbs(t *testing.T) {
	t.Parallel()
	url, dirs := dbtest.URL(t), []string{t.TempDir(), t.TempDir()}
	keyring := filepath.Join(dirs[0], "keyring")
	config := func(dir string) gateway.Config {
		return gateway.Config{DataDir: dir, DatabaseURL: url, MaxConns: 2, KeyringFile: keyring}
	}
	act := func(store *db.Store) error {
		return store.WithTx(t.Context(), func(q *db.Queries) error {
			return audit.Record(t.Context(), q, audit.Entry{At: time.Now(), Actor: audit.Gateway, Action: audit.ActionPolicySet})
		})
	}
	first, err := gateway.Open(t.Context(), config(dirs[0]), gateway.Server)
	if err != nil {
		t.Fatal(err)
	}
	second, again := mustStart(t, config(dirs[1])), mustStart(t, config(dirs[0]))
	verb, err := gateway.Open(t.Context(), config(dirs[1]), gateway.Verb)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := first.DB.Chain(), second.DB.Chain(); a == b || again.DB.Chain() != a || verb.DB.Chain() != db.ChainConsole {
		t.Errorf("got chains %s, %s, %s of gateways, %s of a verb", a, b, again.DB.Chain(), verb.DB.Chain())
	}
	var all sync.WaitGroup
	for _, store := range []*db.Store{first.DB, second.DB, again.DB, verb.DB} {
		all.Go(func() {
			for range 10 {
				if err := act(store); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, core := range []*gateway.Core{verb, first} {
		if err := core.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := second.Audit.Sign(t.Context()); err != nil {
		t.Error(err)
	}
	found, err := second.Audit.Verify(t.Context())
	if err != nil || !found.Whole() || len(found.Chains) != 3 {
		t.Fatalf("got %+v, %v; want three whole chains", found, err)
	}
	for _, chain := range found.Chains {
		if chain.Entries < 10 || chain.Signed != chain.Last {
			t.Errorf("got %+v, want all of it signed", chain)
		}
	}
	for _, name := range []string{"chain-id", "head.json", "head-console.json"} {
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(audit.Dir(dir), name)); err != nil {
				t.Error(err)
			}
		}
	}
}
