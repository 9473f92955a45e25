package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/gateway"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// start opens a gateway; one that opened is closed with the test.
func start(t *testing.T, cfg gateway.Config) (*gateway.Core, error) {
	t.Helper()
	core, err := gateway.Open(t.Context(), cfg, gateway.Server)
	if err != nil {
		if text := err.Error(); strings.ContainsAny(text, "\r\n") {
			t.Errorf("got %q, want one line", text)
		}
		return nil, err
	}
	t.Cleanup(func() {
		if err := core.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return core, nil
}

func mustStart(t *testing.T, cfg gateway.Config) *gateway.Core {
	t.Helper()
	core, err := start(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return core
}

func TestOpenBringsUpAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	var said []string
	cfg := gateway.Config{DataDir: t.TempDir(), DatabaseURL: dbtest.URL(t), Progress: func(line string) { said = append(said, line) }}
	core := mustStart(t, cfg)
	if version, err := core.DB.SchemaVersion(t.Context()); err != nil || version < 1 {
		t.Errorf("got schema version %d, %v", version, err)
	}
	if core.InstallationID == (uuid.UUID{}) {
		t.Error("got no installation id")
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "schema") || !strings.Contains(text, "generated the keyring "+filepath.Join(cfg.DataDir, "keyring")) {
		t.Errorf("got progress %q, want the schema and the keyring in it", said)
	}
	again := mustStart(t, cfg)
	if again.InstallationID != core.InstallationID || again.Keyring.Active() != core.Keyring.Active() {
		t.Error("a second start found another installation or another key")
	}
}

func TestOpenWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	waits := 0
	_, err = gateway.Open(ctx, gateway.Config{
		DataDir: t.TempDir(), DatabaseURL: "postgres://u:planted@" + address + "/d",
		Progress: func(line string) {
			if line == "connecting to the database" {
				return
			}
			if !strings.HasPrefix(line, "waiting for the database: ") || strings.Contains(line, "planted") {
				t.Errorf("got progress %q", line)
			}
			if waits++; waits == 2 {
				giveUp()
			}
		},
	}, gateway.Server)
	if err == nil || !strings.HasSuffix(err.Error(), "; start PostgreSQL, or check the option “database”") || strings.ContainsAny(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says what to do", err)
	}
	if waits != 2 {
		t.Errorf("got %d looks at a database that is not there yet, want 2", waits)
	}
}

// A database that answers and refuses will refuse the next time too: nothing to wait for.
func TestOpenRefusedByTheDatabase(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	store, err := db.Open(t.Context(), url, db.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	config := store.Pool().Config().ConnConfig
	for name, url := range map[string]string{
		"no such database": strings.Replace(url, config.Database, "no_such_database", 1),
		"no URL":           "nonsense",
	} {
		_, err := start(t, gateway.Config{DataDir: t.TempDir(), DatabaseURL: url, Progress: func(line string) {
			if strings.HasPrefix(line, "waiting") {
				t.Errorf("%s: waited: %s", name, line)
			}
		}})
		if err == nil || !strings.HasSuffix(err.Error(), "; check the option “database”") {
			t.Errorf("%s: got %v, want a refusal that names the option", name, err)
		}
	}
}

func TestOpenNewerDatabase(t *testing.T) {
	t.Parallel()
	cfg := gateway.Config{DataDir: t.TempDir(), DatabaseURL: dbtest.URL(t)}
	exec(t, mustStart(t, cfg), "UPDATE schema_version SET version = version + 1")
	if _, err := start(t, cfg); err == nil || !strings.Contains(err.Error(), db.ErrNewer.Error()) {
		t.Errorf("got %v, want %v", err, db.ErrNewer)
	}
}

// The keyring's own bytes are never logged, nor anything but its id.
func TestGeneratingIsLoggedWithoutTheKey(t *testing.T) {
	t.Parallel()
	var logs strings.Builder
	cfg := gateway.Config{DataDir: t.TempDir(), DatabaseURL: dbtest.URL(t), Logger: slog.New(slog.NewTextHandler(&logs, nil))}
	core := mustStart(t, cfg)
	text, err := os.ReadFile(filepath.Join(cfg.DataDir, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Fields(string(text[strings.Index(string(text), "\nkey ")+1:]))[2]
	if !strings.Contains(logs.String(), core.Keyring.Active()) || strings.Contains(logs.String(), key) {
		t.Errorf("got log %q, want the key's id and not the key", logs.String())
	}
	if text := fmt.Sprintf("%v %+v %#v", core.Keyring, core.Keyring, *core); strings.Contains(text, key) {
		t.Error("a printed core shows the master key")
	}
}

func exec(t *testing.T, core *gateway.Core, statement string) {
	t.Helper()
	if _, err := core.DB.Pool().Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
