package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

var errOurs = errors.New("ours")

// backend is the one connection of a store: it changes when the pool had to throw the former one away.
const backend = "SELECT pg_backend_pid()"

func TestWithTxRollsBackAndKeepsItsConnection(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]func(cancel context.CancelFunc) error{
		"an error":              func(context.CancelFunc) error { return errOurs },
		"a cancelled context":   func(cancel context.CancelFunc) error { cancel(); return errOurs },
		"a panic":               func(context.CancelFunc) error { panic(errOurs) },
		"a cancelled, panicked": func(cancel context.CancelFunc) error { cancel(); panic(errOurs) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, dbtest.New(t).Pool().Config().ConnString(), db.Options{MaxConns: 1})
			pid := one[int](t, store, backend)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if err := run(store, ctx, func(q *db.Queries) error {
				if _, err := q.AccountAdvance(ctx, db.AccountAdvanceParams{ID: 1, Current: 0, Next: 7}); err != nil {
					t.Errorf("inside: %v", err)
				}
				return fn(cancel)
			}); !errors.Is(err, errOurs) {
				t.Errorf("got %v, want what the function said", err)
			}
			if got := one[int](t, store, "SELECT generation::int FROM account WHERE id = 1"); got != 0 {
				t.Errorf("got generation %d, want 0: nothing of it was to stay", got)
			}
			if got := one[int](t, store, backend); got != pid {
				t.Errorf("the connection was lost: got backend %d, want %d", got, pid)
			}
			if idle := store.Pool().Stat().AcquiredConns(); idle != 0 {
				t.Errorf("got %d connections in use, want 0", idle)
			}
		})
	}
}

// run is WithTx with a panic turned into an error.
func run(store *db.Store, ctx context.Context, fn func(q *db.Queries) error) (err error) { //nolint:revive // as WithTx with its receiver
	defer func() {
		if p := recover(); p != nil {
			err = p.(error)
		}
	}()
	return store.WithTx(ctx, fn)
}

func TestWithTxCommits(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	if err := store.WithTx(t.Context(), func(q *db.Queries) error {
		_, err := q.AccountAdvance(t.Context(), db.AccountAdvanceParams{ID: 1, Current: 0, Next: 7})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, store, "SELECT generation::int FROM account WHERE id = 1"); got != 7 {
		t.Errorf("got generation %d, want 7", got)
	}
}

// A context that ends between the last statement and the commit must leave no doubt: an error, and nothing done.
func TestWithTxCancelledBeforeCommit(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := store.WithTx(ctx, func(q *db.Queries) error {
		_, err := q.AccountAdvance(ctx, db.AccountAdvanceParams{ID: 1, Current: 0, Next: 7})
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if got := one[int](t, store, "SELECT generation::int FROM account WHERE id = 1"); got != 0 {
		t.Errorf("got generation %d, want 0", got)
	}
}

// What is to be last is last, in the order it was asked for, and undoes everything when it fails.
func TestBeforeCommit(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	advance := func(from, to int64) func(context.Context, *db.Queries) error {
		return func(ctx context.Context, q *db.Queries) error {
			n, err := q.AccountAdvance(ctx, db.AccountAdvanceParams{ID: 1, Current: from, Next: to})
			if n == 0 {
				err = errOurs
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		last error // of what is to be last
		want int
	}{"good": {nil, 3}, "refused": {errOurs, 0}} {
		exec(t, store, "UPDATE account SET generation = 0")
		err := store.WithTx(t.Context(), func(q *db.Queries) error {
			good := q.BeforeCommit(advance(1, 2)) && q.BeforeCommit(advance(2, 3)) &&
				q.BeforeCommit(func(context.Context, *db.Queries) error { return c.last })
			if !good {
				t.Errorf("%s: got that it is no transaction", name)
			}
			return advance(0, 1)(t.Context(), q)
		})
		if !errors.Is(err, c.last) {
			t.Errorf("%s: got %v, want %v", name, err, c.last)
		}
		if got := one[int](t, store, "SELECT generation::int FROM account WHERE id = 1"); got != c.want {
			t.Errorf("%s: got generation %d, want %d", name, got, c.want)
		}
	}
	if store.BeforeCommit(advance(0, 1)) {
		t.Error("got that a pool is a transaction")
	}
}

func TestChains(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	for name, s := range map[string]*db.Store{db.ChainConsole: store, "another": store.OnChain("another")} {
		if err := s.WithTx(t.Context(), func(q *db.Queries) error {
			if got := q.Chain(); got != name || s.Chain() != name {
				t.Errorf("got chain %q, want %q", got, name)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if got := store.Queries.Chain(); got != "" {
		t.Errorf("got chain %q outside a transaction, want none", got)
	}
}

func TestWithSnapshot(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	if err := store.WithSnapshot(t.Context(), func(q *db.Queries) error {
		before, err := q.AccountByName(t.Context(), "default")
		if err != nil {
			return err
		}
		exec(t, store, "UPDATE account SET generation = generation + 1")
		after, err := q.AccountByName(t.Context(), "default")
		if err != nil || after.Generation != before.Generation {
			t.Errorf("got generation %d after %d, %v; want the moment of before", after.Generation, before.Generation, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := store.WithSnapshot(t.Context(), func(q *db.Queries) error { return q.AuditChainCreate(t.Context(), "new") }); err == nil {
		t.Error("got no error from a change")
	}
}
