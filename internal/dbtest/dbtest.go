// Package dbtest gives each test a PostgreSQL database of its own.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	func TestEnrol(t *testing.T) {
//		t.Parallel()
//		store := dbtest.New(t)
//		…
//	}
//
// The server is a real one: a fresh PostgreSQL that ends with the test binary, or the one that CDXGATE_TEST_DATABASE_URL points to,
// whose role must be allowed to create databases. Without a server tests fail; they are never skipped.
package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/pgembed"
)

// URLVariable is the environment variable that names a server to use instead of a fresh one.
const URLVariable = "CDXGATE_TEST_DATABASE_URL"

const (
	startTimeout     = 2 * time.Minute
	maxConnections   = 300         // of all parallel tests together
	operationTimeout = time.Minute // of making or dropping one database, on a machine that is busy with other tests
)

// The test binary's server. Only Main writes it, before any test runs.
var server struct {
	url string // of a database to connect to for CREATE DATABASE

	template     sync.Once
	templateName string
	templateErr  error
}

// Main runs the tests of a package with a database server and exits. Call it from TestMain.
func Main(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if server.url = os.Getenv(URLVariable); server.url == "" {
		stop, startErr := startServer()
		if startErr != nil {
			return 1, fmt.Errorf("%w\n(Debian: apt-get install postgresql; or point %s to a server whose role may create databases)",
				startErr, URLVariable)
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	code = m.Run()
	return code, dropTemplate()
}

// startServer runs PostgreSQL in a temporary directory until stop.
func startServer() (stop func() error, err error) {
	dir, err := os.MkdirTemp("", "cdxgate-dbtest-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the test database: %w", err)
	}
	// When root runs the tests, PostgreSQL runs as somebody else, who must pass through.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above; there is nothing to look at
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	embedded, err := pgembed.Start(ctx, pgembed.Config{
		DataDir: dir, NoSync: true, MaxConnections: maxConnections,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the test database: %w", err), os.RemoveAll(dir))
	}
	server.url = embedded.ConnString()
	return func() error {
		return errors.Join(embedded.Close(context.Background()), os.RemoveAll(dir))
	}, nil
}

// New returns a migrated database that only this test uses. It ends with the test.
func New(t testing.TB) *db.Store {
	t.Helper()
	ctx := operation(t)
	server.template.Do(func() { server.templateName, server.templateErr = makeTemplate(ctx) })
	if server.templateErr != nil {
		t.Fatalf("dbtest: making the template database: %v", server.templateErr)
	}
	store, err := db.Open(ctx, create(t, server.templateName), db.Options{})
	if err != nil {
		t.Fatalf("dbtest: opening the test's database: %v", err)
	}
	t.Cleanup(store.Close)
	return store
}

// URL returns a connection string of an empty database that only this test uses: without our schema, for tests of the
// migrations and of whole gateways. It ends with the test, together with whoever is still connected.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "template0")
}

// create makes a database for a test from a template and returns its connection string.
func create(t testing.TB, template string) string {
	t.Helper()
	if server.url == "" {
		t.Fatal("dbtest: no server; the package's TestMain must call dbtest.Main")
	}
	name := newName()
	if err := createDatabase(operation(t), name, template); err != nil {
		t.Fatalf("dbtest: creating a database: %v", err)
	}
	t.Cleanup(func() {
		if err := drop(name); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return urlOf(name)
}

// operation bounds what dbtest does for a test, and outlives the test's own context.
func operation(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	t.Cleanup(cancel)
	return ctx
}

// makeTemplate migrates a database once, for New to clone.
func makeTemplate(ctx context.Context) (name string, err error) {
	name = newName()
	if err := createDatabase(ctx, name, "template0"); err != nil {
		return "", err
	}
	store, err := db.Open(ctx, urlOf(name), db.Options{MaxConns: 1})
	if err != nil {
		return name, err
	}
	// A template cannot be cloned while somebody is connected to it.
	defer store.Close()
	return name, store.Migrate(ctx)
}

func dropTemplate() error {
	if server.templateName == "" {
		return nil
	}
	return drop(server.templateName)
}

func createDatabase(ctx context.Context, name, template string) error {
	return execute(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template+" ENCODING 'UTF8'")
}

func drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	if err := execute(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("dropping a database: %w", err)
	}
	return nil
}

func execute(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, server.url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// newName returns a name that is unique on the server, for test binaries that share one, and needs no quoting.
func newName() string { return "cdxgate_test_" + strings.ToLower(rand.Text()) }

// urlOf returns server.url with another database.
func urlOf(database string) string {
	u, err := url.Parse(server.url)
	if err != nil || u.Scheme == "" {
		panic(URLVariable + " must be a URL such as postgres://user:password@host/database") // keyword/value has no room for another database
	}
	u.Path = "/" + database
	return u.String()
}
