package pgembed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// systemPostgres is where the machine's PostgreSQL lies.
func systemPostgres(t *testing.T) string {
	t.Helper()
	dirs := candidates("", os.Getenv("PATH"), systemPlaces)
	if len(dirs) == 0 {
		t.Fatal("PostgreSQL was not found; install it (Debian: apt-get install postgresql)")
	}
	return dirs[0]
}

// fakePostgres makes a directory with programs that do nothing but claim a version.
func fakePostgres(t *testing.T, version string, programs ...string) string {
	t.Helper()
	dir := newDir(t, identities()[0])
	must(t, os.Mkdir(dir, 0o755))
	for _, name := range programs {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
	return dir
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	place := func(name string) string {
		dir := filepath.Join(root, name)
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "postgres"), nil, 0o755))
		return dir
	}
	nine, fourteen, fifteen, rpm, onPath := place("lib/9.6/bin"), place("lib/14/bin"), place("lib/15/bin"), place("pgsql-16/bin"), place("path")
	must(t, os.MkdirAll(filepath.Join(root, "lib/17/bin"), 0o755)) // without a program
	places := []string{filepath.Join(root, "lib/*/bin"), filepath.Join(root, "pgsql-*/bin")}
	list := string(filepath.ListSeparator)
	for name, c := range map[string]struct {
		configured, path string
		want             []string
	}{
		"newest first":        {"", "", []string{rpm, fifteen, fourteen, nine}},
		"PATH before all":     {"", "relative" + list + root + list + onPath, []string{onPath, rpm, fifteen, fourteen, nine}},
		"configured only":     {fourteen, onPath, []string{fourteen}},
		"configured and none": {root, onPath, nil},
	} {
		if got := candidates(c.configured, c.path, places); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestRefusalsTouchNothing: what cannot be started is explained in one line and stays as it is.
func TestRefusalsTouchNothing(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	withoutInitdb := fakePostgres(t, "15.1", "postgres")
	ancient := fakePostgres(t, "9.6.24", "postgres", "initdb")
	noPostgres := fakePostgres(t, "no version", "postgres", "initdb")
	cluster := func(version string) func(data string) {
		return func(data string) {
			must(t, os.MkdirAll(data, 0o700))
			must(t, os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(version+"\n"), 0o600))
		}
	}
	for name, c := range map[string]struct {
		binaries string
		make     func(data string) // nil: nothing there
		is       error
		says     []string
	}{
		"nothing installed":     {empty, nil, ErrNotInstalled, []string{empty, "apt-get install postgresql"}},
		"initdb missing":        {withoutInitdb, nil, ErrNotInstalled, []string{withoutInitdb, "without initdb", "apt-get install postgresql"}},
		"too old":               {ancient, nil, ErrNotInstalled, []string{"9 (" + ancient, "14 or newer"}},
		"not PostgreSQL at all": {noPostgres, nil, nil, []string{noPostgres, "no version"}},
		"older cluster":         {"", cluster("13"), ErrVersion, []string{"PostgreSQL 13", systemPostgres(t), "nothing was touched"}},
		"newer cluster":         {"", cluster("99"), ErrVersion, []string{"PostgreSQL 99", systemPostgres(t), "nothing was touched"}},
		"broken version":        {"", cluster("x"), nil, []string{"PG_VERSION", `"x"`, "nothing was touched"}},
		"no cluster": {"", func(data string) {
			must(t, os.MkdirAll(data, 0o700))
			must(t, os.WriteFile(filepath.Join(data, "holiday.jpg"), nil, 0o600))
		}, nil, []string{"no PostgreSQL cluster", "nothing was touched"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t, identities()[0])
			data := filepath.Join(dir, "pg", "data")
			if c.make != nil {
				c.make(data)
			} else {
				must(t, os.MkdirAll(filepath.Dir(data), 0o711))
			}
			must(t, os.Chmod(dir, 0o711))
			before := snapshot(t, filepath.Dir(data))
			for _, open := range []string{"start", "borrow"} {
				var err error
				if open == "start" {
					err = refused(t, Config{DataDir: dir, Binaries: c.binaries})
				} else if _, err = Borrow(t.Context(), Config{DataDir: dir, Binaries: c.binaries}); err == nil {
					t.Fatal("got a server, want an error")
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%s: got %v, want %v", open, err, c.is)
				}
				for _, want := range c.says {
					if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
						t.Errorf("%s: got %q, want one line with %q", open, text, want)
					}
				}
			}
			must(t, os.Remove(filepath.Join(dir, "pg", "owner.lock"))) // all that may be new
			if got := withoutFirstLine(snapshot(t, filepath.Dir(data))); got != withoutFirstLine(before) {
				t.Errorf("got\n%s\nwant it untouched:\n%s", got, before)
			}
		})
	}
}

// withoutFirstLine drops the directory pg itself, whose time of change the lock file moves.
func withoutFirstLine(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

// TestMatchingVersionWins: when the preferred PostgreSQL is not the one that made the cluster, an older one beside it runs it.
func TestMatchingVersionWins(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	dir := newDir(t, id)
	if failure := spawn(t, id, "verb", dir).wait(t); failure != "" {
		t.Fatal(failure)
	}
	newer := fakePostgres(t, "99.1", "postgres", "initdb")
	path := "PATH=" + newer + string(filepath.ListSeparator) + os.Getenv("PATH")
	if failure := spawn(t, id, "verb", dir, path).wait(t); failure != "" {
		t.Errorf("got %q with a newer PostgreSQL in front, want the matching one used", failure)
	}
	// The fake initdb makes no cluster, so there is none to move.
	if failure := spawn(t, id, "verb", newDir(t, id), path).wait(t); !strings.Contains(failure, "moving the database cluster into place") {
		t.Errorf("got %q for a new cluster, want the preferred PostgreSQL tried", failure)
	}
}

// TestSystemPlaces: PostgreSQL need not be on the PATH, which services often run without.
func TestSystemPlaces(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	if failure := spawn(t, id, "verb", newDir(t, id), "PATH="+t.TempDir()).wait(t); failure != "" {
		t.Errorf("got %q without a PATH, want the system's PostgreSQL found", failure)
	}
}

// TestEmptyDataDirectory, as a volume that was mounted for the purpose leaves it.
func TestEmptyDataDirectory(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	must(t, os.MkdirAll(filepath.Join(dir, "pg", "data"), 0o711))
	must(t, os.Chmod(dir, 0o711))
	query(t, start(t, Config{DataDir: dir}), "SELECT 1")
}

// TestUmaskDoesNotMatter: the directories let PostgreSQL's user pass even when the gateway runs with a strict umask.
func TestUmaskDoesNotMatter(t *testing.T) {
	t.Parallel()
	for _, id := range identities() {
		dir := newDir(t, id)
		p := spawn(t, id, "verb", filepath.Join(dir, "a", "b"), "PGEMBED_TEST_UMASK=077")
		if failure := p.wait(t); failure != "" {
			t.Errorf("%s: %s", id.name, failure)
		}
		info, err := os.Stat(filepath.Join(dir, "a"))
		must(t, err)
		if info.Mode().Perm() != 0o711 {
			t.Errorf("%s: got mode %o, want 711", id.name, info.Mode().Perm())
		}
	}
}

// TestHostileEnvironment: PG* variables of somebody's shell redirect neither PostgreSQL nor its clients, and nothing of the
// gateway's environment reaches PostgreSQL.
func TestHostileEnvironment(t *testing.T) {
	t.Parallel()
	for _, id := range identities() {
		t.Run(id.name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t, id)
			p := spawn(t, id, "hold", dir, "PGDATA=/nowhere", "PGHOST=/nowhere", "PGPORT=1", "PGUSER=postgres", "PGDATABASE=postgres",
				"PGPASSWORD=wrong", "PGOPTIONS=-c search_path=nowhere", "PGSSLMODE=verify-full", "PGTARGETSESSIONATTRS=standby",
				"LC_ALL=xx_XX", "TZ=Nowhere", "CDXGATE_SECRET=planted-secret")
			p.expect(t, "ready")
			password, err := os.ReadFile(filepath.Join(dir, "pg", "pw"))
			must(t, err)
			for _, kind := range []string{"environ", "cmdline"} {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", serverPID(t, dir), kind))
				must(t, err)
				for _, secret := range []string{"planted-secret", strings.TrimSpace(string(password)), "nowhere"} {
					if strings.Contains(string(text), secret) {
						t.Errorf("got %q in PostgreSQL's %s", secret, kind)
					}
				}
			}
			if failure := p.finish(t); failure != "" {
				t.Error(failure)
			}
		})
	}
}

// TestChildInheritsNothing: PostgreSQL holds no lock of ours, runs as an ordinary user in a process group of its own, and root's
// groups are gone.
func TestChildInheritsNothing(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	start(t, Config{DataDir: dir})
	pid := serverPID(t, dir)
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(fds)
	must(t, err)
	for _, entry := range entries {
		if target, _ := os.Readlink(filepath.Join(fds, entry.Name())); strings.HasSuffix(target, ".lock") {
			t.Errorf("got %s open in PostgreSQL, want no lock inherited", target)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] == "Uid:" && slices.Contains(fields[1:], "0"):
			t.Errorf("got %q, want no root", line)
		case fields[0] == "Groups:" && os.Geteuid() == 0 && len(fields) > 1:
			t.Errorf("got %q, want no groups", line)
		}
	}
	group, err := syscall.Getpgid(pid)
	must(t, err)
	if group != pid {
		t.Errorf("got process group %d, want PostgreSQL's own, %d", group, pid)
	}
}
