package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Replanned are the queries, each planned for the values that it is asked with. No plan is good for a statement whose filters
// may be absent, and PostgreSQL settles on one after five times, for whatever those five asked: what an index answers may
// then read the whole table. The planning is nothing beside a list, and too much for what hosts wait for.
func (s *Store) Replanned() *Queries { return New(replanned{s.db}) }

// replanned keeps what statements take and return, and has them parsed and planned anew, in the one round trip.
type replanned struct{ DBTX }

func (r replanned) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return r.DBTX.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

func (r replanned) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return r.DBTX.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}
