package pgembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestStartMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	var mu sync.Mutex
	var said []string
	cfg := Config{DataDir: dir, Progress: func(line string) {
		if !mu.TryLock() {
			t.Error("got overlapping calls of Progress")
			return
		}
		defer mu.Unlock()
		said = append(said, line)
	}}
	s := start(t, cfg)

	for setting, want := range map[string]string{
		"listen_addresses": "", "unix_socket_permissions": "0700", "data_checksums": "on", "shared_buffers": "64MB",
		"max_connections": "60", "logging_collector": "off", "server_encoding": "UTF8", "lc_collate": "C", "TimeZone": "UTC",
		"password_encryption": "scram-sha-256", "log_min_error_statement": "panic", "log_parameter_max_length": "0",
	} {
		if got := query(t, s, "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
	if got := query(t, s, "SELECT current_user || ' ' || current_database() || ' ' || rolsuper FROM pg_roles WHERE rolname = current_user"); got != "cdxgate cdxgate false" {
		t.Errorf("got role, database, superuser %q, want cdxgate cdxgate false", got)
	}
	for path, want := range map[string]os.FileMode{
		"": 0o711, "pg": 0o711, "pg/data": 0o700, "pg/run": 0o700, "pg/pw": 0o600, "pg/owner.lock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q: got mode %o, want %o", path, got, want)
		}
	}
	text := strings.Join(said, "\n")
	if !strings.Contains(text, "creating the database cluster") || !strings.Contains(text, "starting PostgreSQL") {
		t.Errorf("got progress %q, want the cluster and the start announced", text)
	}

	query(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")
	stop(t, s)
	stop(t, s) // idempotent
	if _, ok := readPostmaster(filepath.Join(dir, "pg", "data")); ok {
		t.Error("got a PostgreSQL after Close, want none")
	}
	if got := query(t, start(t, Config{DataDir: dir}), "SELECT answer FROM kept"); got != "42" {
		t.Errorf("got %q after a second start, want the row of the first", got)
	}
	if debris, _ := filepath.Glob(filepath.Join(dir, "pg", debrisPattern)); len(debris) > 0 {
		t.Errorf("got %v left over, want nothing", debris)
	}
}

// TestPasswordIsRequired: who reaches the socket still has to know the password.
func TestPasswordIsRequired(t *testing.T) {
	t.Parallel()
	s := start(t, Config{DataDir: newDir(t, identities()[0])})
	for _, wrong := range []string{"", strings.Repeat("0", 64)} {
		if _, err := tryQuery(t.Context(), strings.ReplaceAll(s.ConnString(), s.password, wrong), "SELECT 1"); err == nil {
			t.Errorf("password %q: got a connection, want a refusal", wrong)
		}
	}
}

// TestRestartsWhatDies ends PostgreSQL in each way that is not Close.
func TestRestartsWhatDies(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	logged := &recorder{}
	s := start(t, Config{DataDir: dir, Logger: logged.logger()})
	query(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGQUIT} {
		before := serverPID(t, dir)
		must(t, syscall.Kill(before, signal))
		eventually(t, "PostgreSQL comes back after "+signal.String(), func() bool {
			found, ok := readPostmaster(s.dir.data())
			return ok && found.ready && found.pid != before
		})
		eventually(t, "PostgreSQL answers", func() bool {
			got, err := tryQuery(t.Context(), s.ConnString(), "SELECT answer FROM kept")
			return err == nil && got == "42"
		})
	}
	if text := logged.text(); strings.Count(text, "ERROR PostgreSQL is down") < 3 {
		t.Errorf("got log\n%s\nwant an error for each unexpected end", text)
	}
}

// TestCloseWhileDown: Close must not wait for a restart that cannot succeed.
func TestCloseWhileDown(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	logged := &recorder{}
	s := start(t, Config{DataDir: dir, Logger: logged.logger()})
	config := filepath.Join(s.dir.data(), "postgresql.conf")
	sound, err := os.ReadFile(config)
	must(t, err)
	must(t, os.WriteFile(config, []byte("no configuration\n"), 0o600))
	must(t, syscall.Kill(serverPID(t, dir), syscall.SIGQUIT))
	eventually(t, "a restart fails", func() bool { return strings.Contains(logged.text(), "configuration file") })
	stop(t, s)
	must(t, os.WriteFile(config, sound, 0o600))
	query(t, start(t, Config{DataDir: dir}), "SELECT 1")
}

// TestFailedStartSaysWhy quotes PostgreSQL's last words and gives up the lock.
func TestFailedStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	stop(t, s)
	config := filepath.Join(s.dir.data(), "postgresql.conf")
	must(t, os.WriteFile(config, []byte("no configuration\n"), 0o600))
	err := refused(t, Config{DataDir: dir})
	if text := err.Error(); !strings.Contains(text, "postgresql.conf") || strings.Contains(text, "\n") {
		t.Errorf("got %q, want one line that names the broken file", text)
	}
	must(t, os.WriteFile(config, nil, 0o600))
	query(t, start(t, Config{DataDir: dir}), "SELECT 1")
}

// TestCancelledStart leaves nothing behind that disturbs the next one, wherever it is cancelled.
func TestCancelledStart(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"creating the database cluster", "starting PostgreSQL"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t, identities()[0])
			ctx, cancel := context.WithCancel(t.Context())
			_, err := Start(ctx, Config{DataDir: dir, Progress: func(line string) {
				if strings.HasPrefix(line, at) {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			query(t, start(t, Config{DataDir: dir}), "SELECT 1")
		})
	}
}

// TestHurriedClose forces PostgreSQL to stop and loses nothing that was committed.
func TestHurriedClose(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	query(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, s.Close(ctx))
	if got := query(t, start(t, Config{DataDir: dir}), "SELECT answer FROM kept"); got != "42" {
		t.Errorf("got %q, want 42", got)
	}
}

// TestAwkwardPaths: wherever the data directory lies, PostgreSQL and its clients find the socket.
func TestAwkwardPaths(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]string{
		"long": strings.Repeat("long/", 20), "comma": "a,b", "space and quotes": `it's "quoted" \ [new-*]`, "percent": "100%&?host=x#",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(newDir(t, identities()[0]), last)
			s := start(t, Config{DataDir: dir})
			query(t, s, "SELECT 1")
			borrowed, err := Borrow(t.Context(), Config{DataDir: dir})
			must(t, err)
			if borrowed.adopter == nil {
				t.Error("got a server of our own, want the running one")
			}
			query(t, borrowed, "SELECT 1")
			stop(t, borrowed)
			stop(t, s)
			if _, err := os.Stat(s.socket); s.socket != s.dir.run() && !os.IsNotExist(err) {
				t.Errorf("got %v for the socket directory %s, want it removed", err, s.socket)
			}
		})
	}
}

// TestDataDirectoryMayBeALink, and so may the cluster in it, after an operator has moved it to another disk.
func TestDataDirectoryMayBeALink(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	stop(t, start(t, Config{DataDir: dir}))
	elsewhere, link := dir+"-elsewhere", dir+"-link"
	must(t, os.Rename(filepath.Join(dir, "pg", "data"), elsewhere))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "pg", "data")))
	must(t, os.Symlink(dir, link))
	s := start(t, Config{DataDir: link})
	query(t, s, "SELECT 1")
	second := refused(t, Config{DataDir: dir, patience: 100 * time.Millisecond})
	if !errors.Is(second, ErrBusy) || !strings.Contains(second.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("got %v by the other name, want ErrBusy that names the process", second)
	}
}
