package credential_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/pgembed"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// BenchmarkDeliveries hands the login to hosts that ask at once, each delivery with its audit entry in the database
// before the answer: with a PostgreSQL that waits for the disk, as in production, and with one that does not.
func BenchmarkDeliveries(b *testing.B) {
	b.Run("synced", func(b *testing.B) {
		dir := b.TempDir()
		for _, path := range []string{filepath.Dir(dir), dir} { // PostgreSQL's user must pass through
			if err := os.Chmod(path, 0o711); err != nil {
				b.Fatal(err)
			}
		}
		server, err := pgembed.Start(b.Context(), pgembed.Config{DataDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = server.Close(context.Background()) })
		store, err := db.Open(b.Context(), server.ConnString(), db.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(store.Close)
		if err := store.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		benchmarkDeliveries(b, store)
	})
	b.Run("unsynced", func(b *testing.B) { benchmarkDeliveries(b, dbtest.New(b)) })
}

func benchmarkDeliveries(b *testing.B, store *db.Store) {
	ring, err := seal.Generate()
	if err != nil {
		b.Fatal(err)
	}
	hosts := fleet.New(store, ring, fleet.Config{})
	service := credential.New(store, ring, credential.Config{})
	const callers = 16
	var visits [callers]credential.Visit
	for i := range visits {
		e, err := hosts.Register(b.Context(), fleet.Registration{FQDN: fmt.Sprintf("h%d.example", i)}, operator)
		if err != nil {
			b.Fatal(err)
		}
		visits[i] = credential.Visit{Host: &e.Host}
	}
	if _, err := service.Upload(b.Context(), 1, login(time.Hour), operator); err != nil {
		b.Fatal(err)
	}
	held := credential.Held{LastRefresh: "2020-01-01T00:00:00Z", RefreshedAt: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	var next atomic.Int64
	b.SetParallelism(callers / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		visit := visits[next.Add(1)%callers]
		for pb.Next() {
			if outcome, err := service.Retrieve(b.Context(), visit, held); err != nil || outcome.Body == nil {
				b.Errorf("got %+v, %v; want the login", outcome, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
