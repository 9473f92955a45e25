package db_test

import (
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// open opens a database of the test server and closes it with the test.
func open(t *testing.T, url string, opts db.Options) *db.Store {
	t.Helper()
	store, err := db.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// one reads a single value.
func one[T any](t *testing.T, store *db.Store, query string, args ...any) (value T) {
	t.Helper()
	if err := store.Pool().QueryRow(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}
