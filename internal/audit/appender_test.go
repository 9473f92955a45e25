package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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

// gathered waits until so many wait in the appender for the next batch.
func gathered(t *testing.T, a *Appender, n int) {
	t.Helper()
	for {
		a.mu.Lock()
		waiting := len(a.waiting)
		a.mu.Unlock()
		if waiting == n {
			return
		}
		must(t, t.Context().Err())
		time.Sleep(time.Millisecond) //nolint:forbidigo // a poll: nothing says when somebody has queued
	}
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
	record(KindHost, "first", true)
	gathered(t, a, 0) // it is being committed, behind the lock; it may not have come yet, which is as good
	for i := range 300 {
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
	for { // what the caller who went left behind
		a.mu.Lock()
		busy := a.busy
		a.mu.Unlock()
		if !busy {
			break
		}
		must(t, t.Context().Err())
		time.Sleep(time.Millisecond) //nolint:forbidigo // as above
	}
	r.wantWhole(t, 302)
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
