package db_test

import (
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

// PostgreSQL keeps no statement of Replanned's, for which it could settle on a plan, and answers the same.
func TestReplanned(t *testing.T) {
	t.Parallel()
	store := open(t, dbtest.New(t).Pool().Config().ConnString(), db.Options{MaxConns: 1})
	exec(t, store, "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_linked")
	exec(t, store, `INSERT INTO audit_entry (at, actor_kind, actor, action) SELECT now(), 'host', 'h' || i, 'auth.retrieve' FROM generate_series(1, 20) i`)
	const kept = "SELECT count(*)::int FROM pg_prepared_statements WHERE statement LIKE '-- name: AuditPage %'"
	for range 8 {
		rows, err := store.Replanned().AuditPage(t.Context(), db.AuditPageParams{Descending: true, Max: 3})
		if err != nil || len(rows) != 3 || rows[0].Actor != "h20" {
			t.Fatalf("got %+v, %v", rows, err)
		}
		row, err := store.Replanned().AccountByName(t.Context(), "default")
		if err != nil || row.ID != 1 {
			t.Fatalf("got %+v, %v", row, err)
		}
	}
	if n := one[int](t, store, kept); n != 0 {
		t.Errorf("got %d statements kept, want none", n)
	}
	if _, err := store.AuditPage(t.Context(), db.AuditPageParams{Max: 3}); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, store, kept); n != 1 {
		t.Errorf("got %d statements kept, want 1: this is how others are asked", n)
	}
}
