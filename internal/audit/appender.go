package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Appender records acts that are done already, many at once: whoever comes while a batch is being committed is in the
// next. So a gateway's chain, which only one transaction at a time can append to, does not keep its hosts waiting for
// one another's commits. It is safe for concurrent use, and nothing of it runs while nobody waits.
type Appender struct {
	store *db.Store

	mu      sync.Mutex
	waiting []*waiter
	busy    bool // somebody commits, and will look at waiting before ending
}

type waiter struct {
	link *Link
	done chan struct{} // closed when err is set
	err  error
}

const (
	maxBatch      = 256
	commitTimeout = 20 * time.Second
)

// NewAppender makes an appender to the store's chain.
func NewAppender(store *db.Store) *Appender { return &Appender{store: store} }

// Record returns when the entry is in the database. On an error, which ctx may be too, it may be there nevertheless, and
// the act must not be told: its answer stays here.
func (a *Appender) Record(ctx context.Context, e Entry) error {
	l, err := e.link(ctx)
	if err != nil {
		return err
	}
	w := &waiter{link: l, done: make(chan struct{})}
	a.mu.Lock()
	a.waiting = append(a.waiting, w)
	if !a.busy {
		a.busy = true
		go a.work(context.WithoutCancel(ctx)) // its own caller may give up; the others wait on
	}
	a.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return fmt.Errorf("recording %s: %w", e.Action, ctx.Err())
	}
}

// work commits batch after batch until nobody waits.
func (a *Appender) work(ctx context.Context) {
	for {
		a.mu.Lock()
		batch := a.waiting[:min(len(a.waiting), maxBatch)]
		a.waiting = a.waiting[len(batch):]
		if len(batch) == 0 {
			a.busy, a.waiting = false, nil
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		a.commit(ctx, batch)
	}
}

func (a *Appender) commit(ctx context.Context, batch []*waiter) {
	links := make([]*Link, len(batch))
	for i, w := range batch {
		links[i] = w.link
	}
	err := a.append(ctx, links)
	for _, w := range batch {
		w.err = err
		if err != nil && len(batch) > 1 && !db.IsUnavailable(err) {
			w.err = a.append(ctx, []*Link{w.link}) // what is wrong with one must not become the others' fault
		}
		close(w.done)
	}
}

func (a *Appender) append(ctx context.Context, links []*Link) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return a.store.WithTx(ctx, func(q *db.Queries) error { return appendTo(ctx, q, a.store.Chain(), links) })
}
