package pgembed

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledFirstStart kills the gateway at random moments of its first start, several times on the same directory, and then
// starts it: no moment leaves a directory that cannot be started.
func TestKilledFirstStart(t *testing.T) {
	t.Parallel()
	for _, id := range identities() {
		t.Run(id.name, func(t *testing.T) {
			t.Parallel()
			for round := range 10 {
				dir := newDir(t, id)
				var delays []time.Duration
				for range 2 {
					delay := rand.N(900 * time.Millisecond)
					delays = append(delays, delay)
					victim := spawn(t, id, "server", dir, "PGEMBED_TEST_SYNC=1")
					select {
					case <-time.After(delay):
					case _, started := <-victim.lines: // that is a moment, too
						if !started {
							t.Fatalf("round %d: the start ended by itself:\n%s", round, victim.stderr.String())
						}
					}
					victim.kill()
				}
				survivor := spawn(t, id, "server", dir)
				survivor.expect(t, "ready")
				debris, err := filepath.Glob(filepath.Join(dir, "pg", debrisPattern))
				if err != nil || len(debris) > 0 {
					t.Errorf("round %d, killed after %v: got debris %v, %v", round, delays, debris, err)
				}
				if failure := survivor.finish(t); failure != "" {
					t.Fatalf("round %d, killed after %v: %s", round, delays, failure)
				}
			}
		})
	}
}

// TestKilledGateway: PostgreSQL ends by itself when its gateway is killed, what was committed is there afterwards, and the next
// gateway need not wait for that moment.
func TestKilledGateway(t *testing.T) {
	t.Parallel()
	for _, id := range identities() {
		t.Run(id.name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t, id)
			for round := range 3 {
				victim := spawn(t, id, "server", dir, "PGEMBED_TEST_SYNC=1")
				victim.expect(t, "ready")
				pid := serverPID(t, dir)
				if failure := spawn(t, id, "verb", dir).wait(t); failure != "" {
					t.Fatalf("committing: %s", failure)
				}
				victim.kill()
				if round == 0 {
					eventually(t, "PostgreSQL ends with its gateway", func() bool { return !lives(pid) })
				}
				next := spawn(t, id, "server", dir)
				next.expect(t, "ready")
				if now := serverPID(t, dir); now == pid || lives(pid) {
					t.Errorf("got PostgreSQL %d (was %d, lives: %t), want a new one alone", now, pid, lives(pid))
				}
				verb, err := Borrow(t.Context(), Config{DataDir: dir})
				must(t, err)
				if got, want := query(t, verb, "SELECT count(*) FROM act"), strconv.Itoa(round+1); got != want {
					t.Errorf("got %s acts, want %s", got, want)
				}
				stop(t, verb)
				if failure := next.finish(t); failure != "" {
					t.Error(failure)
				}
			}
		})
	}
}

// TestKilledTogether kills the gateway and PostgreSQL's main process at once: its other processes go on for a moment, and the
// next start must not meet them.
func TestKilledTogether(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	dir := newDir(t, id)
	for range 5 {
		victim := spawn(t, id, "server", dir)
		victim.expect(t, "ready")
		must(t, syscall.Kill(serverPID(t, dir), syscall.SIGKILL))
		victim.kill()
		next := spawn(t, id, "server", dir)
		next.expect(t, "ready")
		if failure := next.finish(t); failure != "" {
			t.Fatal(failure)
		}
	}
}

// TestStalePostmasterFile: whatever a crash leaves in postmaster.pid, the next start copes.
func TestStalePostmasterFile(t *testing.T) {
	t.Parallel()
	id := identities()[len(identities())-1] // an ordinary user: his other processes look like a PostgreSQL of his
	dir := newDir(t, id)
	server := spawn(t, id, "server", dir)
	server.expect(t, "ready")
	file := filepath.Join(dir, "pg", "data", "postmaster.pid")
	live, err := os.ReadFile(file)
	must(t, err)
	if failure := server.finish(t); failure != "" {
		t.Fatal(failure)
	}
	bystander := spawn(t, id, "hold", newDir(t, id))
	bystander.expect(t, "ready")
	_, rest, _ := strings.Cut(string(live), "\n")
	for name, content := range map[string]string{
		"a process of the same user": strconv.Itoa(bystander.cmd.Process.Pid) + "\n" + rest,
		"nobody":                     "4194303\n" + rest,
		"empty":                      "",
		"noise":                      "noise\n",
	} {
		must(t, os.WriteFile(file, []byte(content), 0o600))
		must(t, os.Lchown(file, id.uid, id.gid))
		again := spawn(t, id, "server", dir)
		again.expect(t, "ready")
		if failure := again.finish(t); failure != "" {
			t.Errorf("%s: %s", name, failure)
		}
	}
	if failure := bystander.finish(t); failure != "" {
		t.Errorf("bystander: %s", failure)
	}
}

// TestForeignPostgreSQL: one that an operator has started by hand is neither used nor disturbed.
func TestForeignPostgreSQL(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	// Without the lock the server is somebody else's.
	must(t, os.Remove(s.dir.ownerLock()))
	pid := serverPID(t, dir)
	err := refused(t, Config{DataDir: dir, patience: 200 * time.Millisecond})
	if text := err.Error(); !strings.Contains(text, "process "+strconv.Itoa(pid)) || strings.Contains(text, "\n") {
		t.Errorf("got %q, want one line that names process %d", text, pid)
	}
	if serverPID(t, dir) != pid || query(t, s, "SELECT 1") != "1" {
		t.Error("got the server disturbed")
	}
}

// TestDebrisIsRemoved, when there is nothing to create as well.
func TestDebrisIsRemoved(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	stop(t, s)
	must(t, os.MkdirAll(filepath.Join(s.dir.pg, "new-123", "data", "base"), 0o700))
	must(t, os.WriteFile(filepath.Join(s.dir.pg, "new-pw"), nil, 0o600))
	query(t, start(t, Config{DataDir: dir}), "SELECT 1")
	if debris, err := filepath.Glob(filepath.Join(s.dir.pg, debrisPattern)); err != nil || len(debris) > 0 {
		t.Errorf("got %v, %v; want nothing left", debris, err)
	}
}

// TestWrongPassword, as after restoring only half of a backup: the error says which file to remove, and that helps.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	stop(t, s)
	must(t, os.WriteFile(s.dir.passwordFile(), []byte(newPassword()+"\n"), 0o600))
	if got := refused(t, Config{DataDir: dir}).Error(); !strings.Contains(got, s.dir.passwordFile()) || strings.Contains(got, "\n") {
		t.Errorf("got %q, want one line that names %s", got, s.dir.passwordFile())
	}
	must(t, os.Remove(s.dir.passwordFile()))
	query(t, start(t, Config{DataDir: dir}), "SELECT 1")
}

// TestLostPassword: a cluster that was restored without its password file gets a new one.
func TestLostPassword(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	query(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")
	stop(t, s)
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"torn":    func(path string) error { return os.Truncate(path, 10) },
	} {
		must(t, lose(s.dir.passwordFile()))
		again := start(t, Config{DataDir: dir})
		if got := query(t, again, "SELECT answer FROM kept"); got != "42" || again.password == s.password {
			t.Errorf("%s: got %q, want 42 with a new password", name, got)
		}
		info, err := os.Stat(s.dir.passwordFile())
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %o, want 600", name, info.Mode().Perm())
		}
		stop(t, again)
	}
}
