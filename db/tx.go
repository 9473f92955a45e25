package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ChainConsole is the audit chain of a Store that was given no other.
const ChainConsole = "console"

// OnChain returns the same database for somebody whose acts go to another audit chain. Closing either closes both.
func (s *Store) OnChain(name string) *Store {
	return &Store{Queries: s.Queries, pool: s.pool, chain: name}
}

// Chain is the audit chain that acts in this store's transactions go to.
func (s *Store) Chain() string { return s.chain }

// tx is a transaction of a Store, as its queries see it.
type tx struct {
	pgx.Tx
	chain string
	last  []func(context.Context, *Queries) error
}

// Chain is the audit chain of the transaction that q is; empty when q is none.
func (q *Queries) Chain() string {
	if t, ok := q.db.(*tx); ok {
		return t.chain
	}
	return ""
}

// BeforeCommit has fn run in the transaction that q is, after everything else in it: what locks a row that all others
// want does so last and briefly, and always in the same order. An error of fn undoes the transaction. It reports whether
// q is a transaction; otherwise fn never runs.
func (q *Queries) BeforeCommit(fn func(ctx context.Context, q *Queries) error) bool {
	t, ok := q.db.(*tx)
	if ok {
		t.last = append(t.last, fn)
	}
	return ok
}

// WithTx runs fn in one transaction: committed when fn returns nil, rolled back otherwise. Inside, only q may be used.
func (s *Store) WithTx(ctx context.Context, fn func(q *Queries) error) error {
	return s.within(ctx, pgx.TxOptions{}, fn)
}

// WithSnapshot runs fn in a transaction that sees the database as it is at its first query, and changes nothing.
func (s *Store) WithSnapshot(ctx context.Context, fn func(q *Queries) error) error {
	return s.within(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

func (s *Store) within(ctx context.Context, options pgx.TxOptions, fn func(q *Queries) error) error {
	begun, err := s.pool.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() {
		// Rolling back on a cancelled context would cost the pool its connection.
		rollbackCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_ = begun.Rollback(rollbackCtx)
	}()

	t := &tx{Tx: begun, chain: s.chain}
	q := New(t)
	if err := fn(q); err != nil {
		return err
	}
	for _, last := range t.last {
		if err := last(ctx, q); err != nil {
			return err
		}
	}
	if err := begun.Commit(ctx); err != nil {
		return fmt.Errorf("committing a transaction: %w", err)
	}
	return nil
}
