// Package e2e tests the programs that `make build` makes, from outside: bin/cdxgate and the client beside it, each
// gateway in a directory of its own, with real PostgreSQL servers, real shells and the real Codex CLI. It knows nothing
// of Caddy, and of the gateway's packages only those that make test data or run PostgreSQL.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdxgate/cdxgate/internal/pgembed"
)

// What all tests share.
var rig struct {
	dir     string // every user may pass through it
	cdxgate string // a copy of the program, which every user may run wherever the repository lies
	client  string // the name of this machine's cdx

	template onceError       // a data directory of a gateway that ran once
	server   onceError       // a PostgreSQL that is nobody's child
	postgres *pgembed.Server // that one
}

type onceError struct {
	sync.Once
	err error
}

func TestMain(m *testing.M) {
	code := 1
	err := prepare()
	if err == nil {
		code = m.Run()
	}
	if rig.postgres != nil {
		err = errors.Join(err, rig.postgres.Close(context.Background()))
	}
	if err = errors.Join(err, os.RemoveAll(rig.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func prepare() error {
	rig.client = "cdx-" + runtime.GOOS + "-" + runtime.GOARCH
	var err error
	// Short, because the paths of sockets have to be; under /tmp, because other users have to reach it.
	if rig.dir, err = os.MkdirTemp("/tmp", "cx-rig-"); err != nil {
		return err
	}
	bin := filepath.Join(rig.dir, "bin")
	rig.cdxgate = filepath.Join(bin, "cdxgate")
	if err := errors.Join(os.Chmod(rig.dir, 0o711), os.MkdirAll(filepath.Join(bin, "cdx.d"), 0o755)); err != nil {
		return err
	}
	for _, name := range []string{"cdxgate", "cdx.d/" + rig.client} {
		built := filepath.Join("../bin", name)
		if _, err := os.Stat(built); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing: run make build", built)
		}
		if out, err := exec.Command("cp", built, filepath.Join(bin, name)).CombinedOutput(); err != nil {
			return fmt.Errorf("copying %s: %w: %s", built, err, out)
		}
	}
	return nil
}

// externalURL makes an empty database on a PostgreSQL that no gateway of the tests runs, and returns how to connect to it.
func externalURL(t *testing.T) string {
	t.Helper()
	rig.server.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		rig.postgres, rig.server.err = pgembed.Start(ctx, pgembed.Config{
			DataDir: filepath.Join(rig.dir, "external"), NoSync: true, MaxConnections: 200,
		})
	})
	if rig.server.err != nil {
		t.Fatalf("starting PostgreSQL: %v", rig.server.err)
	}
	name := fmt.Sprintf("e2e_%d", time.Now().UnixNano())
	sql(t, rig.postgres.ConnString(), "CREATE DATABASE "+name)
	config, err := pgx.ParseConfig(rig.postgres.ConnString())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("postgres://%s:%s@/%s?host=%s&sslmode=disable", config.User, config.Password, name, config.Host)
}

// sql runs one statement and returns the first column of its rows as text.
func sql(t *testing.T, url, statement string, arguments ...any) (column []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "e2e"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatalf("connecting to the database: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, statement, arguments...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		column = append(column, fmt.Sprint(values[0]))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return column
}
