package dbtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// TestNewIsMigratedAndPrivate changes the same row in several databases at once.
func TestNewIsMigratedAndPrivate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "b", "c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := dbtest.New(t)
			if version, err := store.SchemaVersion(t.Context()); err != nil || version < 1 {
				t.Fatalf("got schema version %d, %v; want a migrated database", version, err)
			}
			if _, err := store.Pool().Exec(t.Context(), "INSERT INTO account (name) VALUES ('mine')"); err != nil {
				t.Errorf("inserting what the other databases have too: %v", err)
			}
		})
	}
}

func TestURLIsEmptyAndMigrates(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("got %d tables, %v; want an empty database", tables, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	store, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("migrating an empty database: %v", err)
	}
}

// TestDropsWhatIsStillInUse ends a test whose connection is open.
func TestDropsWhatIsStillInUse(t *testing.T) {
	t.Parallel()
	var conn *pgx.Conn
	if !t.Run("leaves a connection open", func(t *testing.T) {
		var err error
		if conn, err = pgx.Connect(t.Context(), dbtest.URL(t)); err != nil {
			t.Fatal(err)
		}
	}) {
		t.FailNow()
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("got an answer from a database that its test left behind, want none")
	}
}
