package pgembed

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a machine with many busy tests may need for one step.
const stepTimeout = 90 * time.Second

// helperVariable makes the test binary play a program that uses the package: a gateway or a command.
const helperVariable = "PGEMBED_TEST_HELPER"

// helperBinary is a copy of the test binary that every user may run.
var helperBinary string

func TestMain(m *testing.M) {
	if role := os.Getenv(helperVariable); role != "" {
		os.Exit(playHelper(role, os.Args[1]))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pgembed-test-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		panic(err)
	}
	helperBinary = filepath.Join(dir, "helper")
	if err := errors.Join(os.Chmod(dir, 0o711), os.WriteFile(helperBinary, program, 0o755)); err != nil {
		panic(err)
	}
	return m.Run()
}

// playHelper is a program of its own. It says "ready" once it has a database, does its work at the next line of its standard
// input or the end of it, and says "done". An error is one line on standard error and exit status 1.
//
//	server  Start, nothing to do
//	verb    Borrow, and does not wait for the line
//	hold    Borrow
func playHelper(role, dataDir string) int {
	if os.Getenv("PGEMBED_TEST_UMASK") != "" {
		syscall.Umask(0o077)
	}
	err := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		defer cancel()
		grace, err := time.ParseDuration(cmp.Or(os.Getenv("PGEMBED_TEST_GRACE"), "0"))
		if err != nil {
			return err
		}
		open := Start
		if role != "server" {
			open = Borrow
		}
		s, err := open(ctx, Config{
			DataDir: dataDir, NoSync: os.Getenv("PGEMBED_TEST_SYNC") == "", grace: grace,
			Logger:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
			Progress: func(line string) { fmt.Fprintln(os.Stderr, "progress:", line) },
		})
		if err != nil {
			return err
		}
		if role != "verb" {
			fmt.Println("ready")
			_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		}
		if role != "server" {
			err = s.Explain(work(ctx, s.ConnString()))
		}
		if err := errors.Join(err, s.Close(ctx)); err != nil {
			return err
		}
		fmt.Println("done")
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

// work is what a command does: it connects, changes something, and takes a moment.
func work(ctx context.Context, connString string) error {
	conn, err := pgconn.Connect(ctx, connString)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"SELECT pg_advisory_lock(1)", // CREATE TABLE IF NOT EXISTS races with itself
		"CREATE TABLE IF NOT EXISTS act (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now())",
		"SELECT pg_advisory_unlock(1)",
		"INSERT INTO act DEFAULT VALUES",
		"SELECT pg_sleep(0.05)",
	} {
		if err := conn.Exec(ctx, statement).Close(); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

// identity is a user who runs a gateway.
type identity struct {
	name     string
	uid, gid int
}

// identities are the users whom this test run can be: ourselves, and for root an ordinary user too.
func identities() []identity {
	self := identity{name: "self", uid: os.Geteuid(), gid: os.Getegid()}
	if self.uid != 0 {
		return []identity{self}
	}
	return []identity{{name: "root"}, {name: "nobody", uid: 65534, gid: 65534}}
}

func (id identity) account() account { return account{uid: id.uid, gid: id.gid} }

// newDir makes a directory that belongs to id and that everybody may pass through, and returns a data directory to be made in it.
func newDir(t *testing.T, id identity) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgembed-") //nolint:usetesting // nobody else passes through t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	must(t, os.Chmod(dir, 0o711))
	must(t, os.Lchown(dir, id.uid, id.gid))
	t.Cleanup(func() {
		// A PostgreSQL whose parent was killed may still write into it.
		eventually(t, "removing "+dir, func() bool { return os.RemoveAll(dir) == nil })
	})
	return filepath.Join(dir, "data")
}

// process is a running helper.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string   // of its standard output
	ended  chan struct{} // closed when it has ended
	stderr syncBuffer
}

// helperCommand prepares a helper that runs as we do; see playHelper.
func helperCommand(role, dataDir string) *exec.Cmd {
	cmd := exec.Command(helperBinary, dataDir)
	cmd.Env = append(os.Environ(), helperVariable+"="+role)
	cmd.Dir = "/"
	return cmd
}

func spawn(t *testing.T, id identity, role, dataDir string, env ...string) *process {
	t.Helper()
	p := &process{cmd: helperCommand(role, dataDir), lines: make(chan string, 10), ended: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	if id.uid != os.Geteuid() {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: id.account().asRoot().credential()}
	}
	stdout, err := p.cmd.StdoutPipe()
	must(t, err)
	p.stdin, err = p.cmd.StdinPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
		close(p.lines)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

func (a account) asRoot() account {
	a.switches = true
	return a
}

// expect waits for the helper to say word.
func (p *process) expect(t *testing.T, word string) {
	t.Helper()
	select {
	case line := <-p.lines:
		if line != word {
			t.Fatalf("got %q from the helper, want %q; it said:\n%s", line, word, p.stderr.String())
		}
	case <-time.After(stepTimeout):
		t.Fatalf("got nothing from the helper, want %q; it said:\n%s", word, p.stderr.String())
	}
}

// finish lets the helper do its work and returns how it ended: "" for success, else its error line.
func (p *process) finish(t *testing.T) string {
	t.Helper()
	_ = p.stdin.Close()
	return p.wait(t)
}

// wait waits for the helper to end; see finish.
func (p *process) wait(t *testing.T) string {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(stepTimeout):
		t.Fatalf("the helper does not end; it said:\n%s", p.stderr.String())
	}
	if p.cmd.ProcessState.Success() {
		return ""
	}
	_, line, _ := strings.Cut(p.stderr.String(), "error: ")
	if line = strings.TrimSuffix(line, "\n"); line == "" {
		t.Fatalf("the helper ended with %v and said:\n%s", p.cmd.ProcessState, p.stderr.String())
	}
	return line
}

// kill ends the helper as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a server in this process until the test ends.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.NoSync = true
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	s, err := Start(ctx, cfg)
	must(t, err)
	t.Cleanup(func() { stop(t, s) })
	return s
}

// refused returns the error of a Start that must fail.
func refused(t *testing.T, cfg Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	s, err := Start(ctx, cfg)
	if err == nil {
		stop(t, s)
		t.Fatal("got a running server, want an error")
	}
	return err
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	must(t, s.Close(ctx))
}

// query runs a statement and returns the first column of its first row.
func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	value, err := tryQuery(t.Context(), s.ConnString(), sql)
	must(t, err)
	return value
}

func tryQuery(ctx context.Context, connString, sql string) (value string, err error) {
	conn, err := pgconn.Connect(ctx, connString)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		value = string(last.Rows[0][0])
	}
	return value, nil
}

// serverPID returns the process ID of the PostgreSQL on a data directory.
func serverPID(t *testing.T, dataDir string) int {
	t.Helper()
	found, ok := readPostmaster(filepath.Join(dataDir, "pg", "data"))
	if !ok {
		t.Fatalf("no PostgreSQL runs in %s", dataDir)
	}
	return found.pid
}

// lives reports whether a process exists and is no zombie.
func lives(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}

// eventually polls until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline, tick := time.After(stepTimeout), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: still not after %s", what, stepTimeout)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot describes every file below dir: mode, owner, size and time of change.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		uid, gid := ownerOf(info)
		_, err = fmt.Fprintln(&out, path, info.Mode(), uid, gid, info.Size(), info.ModTime())
		return err
	}))
	return out.String()
}
