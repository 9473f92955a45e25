package pgembed

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twoUsers yields root and an ordinary user, once, for tests that need both. Only root can be both; everybody runs the other tests.
func twoUsers(yield func(root, ordinary identity) bool) {
	if who := identities(); len(who) == 2 {
		yield(who[0], who[1])
	}
}

// ownerUID returns who owns a path.
func ownerUID(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	uid, _ := ownerOf(info)
	return uid
}

// uidOf returns who runs a process.
func uidOf(t *testing.T, pid int) int {
	t.Helper()
	return ownerUID(t, fmt.Sprintf("/proc/%d", pid))
}

// TestRootVisits: what root does in the data directory of an ordinary user, first of all or later, is done as that user and locks
// nobody out.
func TestRootVisits(t *testing.T) {
	t.Parallel()
	for root, ordinary := range twoUsers {
		for name, order := range map[string][]identity{"after": {ordinary, root, ordinary}, "before": {root, ordinary, root}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := newDir(t, ordinary)
				must(t, os.Mkdir(dir, 0o711))
				must(t, os.Lchown(dir, ordinary.uid, ordinary.gid))
				for _, who := range order {
					visit := spawn(t, who, "hold", dir)
					visit.expect(t, "ready")
					if got := uidOf(t, serverPID(t, dir)); got != ordinary.uid {
						t.Errorf("started by %s: got PostgreSQL as uid %d, want %d", who.name, got, ordinary.uid)
					}
					if failure := visit.finish(t); failure != "" {
						t.Errorf("%s: %s", who.name, failure)
					}
				}
				must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
					if got := ownerUID(t, path); got != ordinary.uid {
						t.Errorf("got %s owned by uid %d, want %d", path, got, ordinary.uid)
					}
					return err
				}))
			})
		}
	}
}

// TestRootBorrowsFromOrdinaryUser, as sudo does beside a running gateway.
func TestRootBorrowsFromOrdinaryUser(t *testing.T) {
	t.Parallel()
	for root, ordinary := range twoUsers {
		dir := newDir(t, ordinary)
		server := spawn(t, ordinary, "server", dir)
		server.expect(t, "ready")
		pid := serverPID(t, dir)
		if failure := spawn(t, root, "verb", dir).wait(t); failure != "" {
			t.Errorf("root: %s", failure)
		}
		if got := serverPID(t, dir); got != pid {
			t.Errorf("got PostgreSQL %d, want the gateway's, %d", got, pid)
		}
		if failure := server.finish(t); failure != "" {
			t.Error(failure)
		}
	}
}

// TestOrdinaryUserIsToldWhoMay in the data directory of somebody else.
func TestOrdinaryUserIsToldWhoMay(t *testing.T) {
	t.Parallel()
	for root, ordinary := range twoUsers {
		dir := newDir(t, root)
		for range 2 { // beside a server, and without one
			server := spawn(t, root, "server", dir)
			server.expect(t, "ready")
			if got := spawn(t, ordinary, "verb", dir).wait(t); !strings.Contains(got, "run this as root") || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line that says to be root", got)
			}
			if failure := server.finish(t); failure != "" {
				t.Error(failure)
			}
			if got := spawn(t, ordinary, "verb", dir).wait(t); !strings.Contains(got, "run this as root") {
				t.Errorf("got %q, want one line that says to be root", got)
			}
		}
		// The directory is his, the cluster in it is not.
		mixed := newDir(t, ordinary)
		if failure := spawn(t, ordinary, "verb", mixed).wait(t); failure != "" {
			t.Fatal(failure)
		}
		must(t, os.Lchown(filepath.Join(mixed, "pg", "data"), 1, 1))
		if got := spawn(t, ordinary, "verb", mixed).wait(t); !strings.Contains(got, "belongs to") || strings.Contains(got, "\n") {
			t.Errorf("got %q, want one line that says whose the cluster is", got)
		}
	}
}

// TestUserWithoutName: PostgreSQL refuses a user whom the system does not know, as containers like to have.
func TestUserWithoutName(t *testing.T) {
	t.Parallel()
	for range twoUsers {
		nameless := identity{name: "nameless", uid: 54321, gid: 54321}
		dir := newDir(t, nameless)
		got := spawn(t, nameless, "server", dir).wait(t)
		if !strings.Contains(got, "/etc/passwd") || strings.Contains(got, "\n") {
			t.Errorf("got %q, want one line that mentions /etc/passwd", got)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "pg", "[dnp]*")); len(left) > 0 {
			t.Errorf("got %v left over, want nothing", left)
		}
	}
}

// TestBlockedDirectory names the directory that PostgreSQL's user cannot pass, and works once it is open.
func TestBlockedDirectory(t *testing.T) {
	t.Parallel()
	for root := range twoUsers {
		closed := newDir(t, root)
		must(t, os.Mkdir(closed, 0o700))
		cfg := Config{DataDir: filepath.Join(closed, "deeper", "data")}
		if got := refused(t, cfg).Error(); !strings.Contains(got, "chmod o+x "+closed+",") || strings.Contains(got, "\n") {
			t.Errorf("got %q, want the command that opens %s", got, closed)
		}
		must(t, os.Chmod(closed, 0o711))
		query(t, start(t, cfg), "SELECT 1")
	}
}

// TestBlockedAt judges by owner, group and others as the kernel does.
func TestBlockedAt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(newDir(t, identities()[0]), "x")
	must(t, os.MkdirAll(dir, 0o755))
	uid := ownerUID(t, dir)
	info, err := os.Lstat(dir)
	must(t, err)
	_, gid := ownerOf(info)
	for _, c := range []struct {
		mode    fs.FileMode
		account account
		blocked bool
	}{
		{0o711, account{uid: uid + 1, gid: gid + 1}, false},
		{0o710, account{uid: uid + 1, gid: gid + 1}, true},
		{0o710, account{uid: uid + 1, gid: gid}, false},
		{0o701, account{uid: uid + 1, gid: gid}, true},
		{0o700, account{uid: uid, gid: gid + 1}, false},
	} {
		must(t, os.Chmod(dir, c.mode))
		got, _ := blockedAt(filepath.Join(dir, "not there"), c.account)
		if (got == dir) != c.blocked {
			t.Errorf("mode %o, uid+%d, gid+%d: got %q blocked, want blocked %t", c.mode, c.account.uid-uid, c.account.gid-gid, got, c.blocked)
		}
	}
	must(t, os.Chmod(dir, 0o755))
}

// TestConfiguredUser runs PostgreSQL as the user that the configuration names, also when it names another one later.
func TestConfiguredUser(t *testing.T) {
	t.Parallel()
	for root, ordinary := range twoUsers {
		dir := newDir(t, root)
		for name, want := range map[string]string{"root": "refuses to run as root", "no-such-user": `no user "no-such-user"`} {
			if got := refused(t, Config{DataDir: dir, User: name}).Error(); !strings.Contains(got, want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		outside := filepath.Join(filepath.Dir(dir), "outside")
		must(t, os.WriteFile(outside, nil, 0o600))
		for _, name := range []string{ordinary.name, "postgres", fmt.Sprint(ordinary.uid)} {
			s := start(t, Config{DataDir: dir, User: name})
			want, err := namedAccount(name)
			must(t, err)
			if got := uidOf(t, serverPID(t, dir)); got != want.uid {
				t.Errorf("%s: got PostgreSQL as uid %d, want %d", name, got, want.uid)
			}
			query(t, s, "SELECT 1")
			stop(t, s)
			// A trap for the next change of owner.
			_ = os.Symlink(outside, filepath.Join(dir, "pg", "data", "trap"))
		}
		if got := ownerUID(t, outside); got != 0 {
			t.Errorf("got a file outside the cluster given to uid %d", got)
		}
	}
}

// TestRestoredByRoot: after root has copied a backup into place, everything belongs to root.
func TestRestoredByRoot(t *testing.T) {
	t.Parallel()
	for root := range twoUsers {
		dir := newDir(t, root)
		s := start(t, Config{DataDir: dir})
		query(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")
		stop(t, s)
		must(t, filepath.WalkDir(filepath.Join(dir, "pg"), func(path string, _ fs.DirEntry, err error) error {
			must(t, os.Lchown(path, 0, 0))
			return err
		}))
		must(t, os.Chmod(filepath.Join(dir, "pg"), 0o700))
		if got := query(t, start(t, Config{DataDir: dir}), "SELECT answer FROM kept"); got != "42" {
			t.Errorf("got %q, want 42", got)
		}
	}
}

// TestTakenSocketDirectory: a fallback directory in a shared place that belongs to somebody else is not used.
func TestTakenSocketDirectory(t *testing.T) {
	t.Parallel()
	for root, ordinary := range twoUsers {
		dir := filepath.Join(newDir(t, ordinary), strings.Repeat("long/", 20))
		place := newDir(t, root)
		must(t, os.MkdirAll(place, 0o777))
		must(t, os.Chmod(place, 0o1777))
		runtimeDir := "XDG_RUNTIME_DIR=" + place
		if failure := spawn(t, ordinary, "verb", dir, runtimeDir).wait(t); failure != "" {
			t.Fatal(failure)
		}
		if left, _ := os.ReadDir(place); len(left) != 0 {
			t.Errorf("got %v left in the shared place, want nothing", left)
		}
		taken := filepath.Join(place, filepath.Base(layout{pg: filepath.Join(dir, "pg")}.fallbackSocketDir()))
		must(t, os.Mkdir(taken, 0o777))
		if got := spawn(t, ordinary, "verb", dir, runtimeDir).wait(t); !strings.Contains(got, taken+" belongs to somebody else") {
			t.Errorf("got %q, want a refusal to use %s", got, taken)
		}
	}
}
