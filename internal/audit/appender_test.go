package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/db"
)

// hold returns when the chain's head is locked, which it is until release.
func (r *rig) hold(t *testing.T) (release func()) {
	t.Helper()
	tx, err := r.store.Pool().Begin(t.Context())
	must(t, err)
	_, err = db.New(tx).AuditChainHold(t.Context(), r.chain)
	must(t, err)
	return func() { must(t, tx.Rollback(t.Context())) }
}

// Everybody's entry is there when Record returns; what is wrong with one is that one's fault alone.
func TestAppender(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := NewAppender(r.store)
	release := r.hold(t)
	entry := func(kind, name string) Entry {
		return Entry{At: *r.clock, Actor: Actor{Kind: kind, Name: name}, Action: ActionRetrieve}
	}
	var all sync.WaitGroup
	record := func(kind, name string, good bool) {
		all.Go(func() {
			if err := a.Record(t.Context(), entry(kind, name)); (err == nil) != good {
				t.Errorf("%s: got %v", name, err)
			}
			var n int
			err := r.store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM audit_entry WHERE actor = $1", name).Scan(&n)
			if err != nil || (n == 1) != good {
				t.Errorf("%s: got %d entries when it was recorded, %v", name, n, err)
			}
		})
	}
	for i := range 301 {
		record(KindHost, fmt.Sprintf("h%d", i), true)
	}
	record("stranger", "refused", false)
	record(KindHost, strings.Repeat("long", 100), false)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Record(ctx, entry(KindHost, "gone")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v from a caller who went, want %v", err, context.Canceled)
	}
	release()
	all.Wait()
	record(KindHost, "last", true) // behind what the caller who went left
	all.Wait()
	r.wantWhole(t, 303)
}

func TestAppenderWithoutADatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := NewAppender(r.store)
	r.store.Close()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := a.Record(t.Context(), Entry{Actor: Gateway, Action: ActionRetrieve}); !db.IsUnavailable(err) {
				t.Errorf("got %v, want that there is no database", err)
			}
		})
	}
	all.Wait()
}
