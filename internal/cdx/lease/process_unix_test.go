//go:build unix

package lease

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// The test program plays cdx, the Codex that it starts, and a daemon that Codex starts and that keeps every open file.
// Each says its number on standard output and lives until it is killed or standard input ends.
const (
	roleEnv    = "LEASE_ROLE"
	dirEnv     = "LEASE_DIR"
	daemonEnv  = "LEASE_DAEMON"  // Codex starts one
	hangEnv    = "LEASE_HANG"    // cdx does nothing when Codex has ended
	killAtEnv  = "LEASE_KILL_AT" // cdx kills itself at this step
	inheritEnv = "LEASE_FILE_3"  // Codex says what its file 3 holds
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "cdx":
		playCdx()
	case "codex":
		playCodex()
	case "daemon":
		say("daemon", os.Getpid())
		waitForTheEnd()
	default:
		os.Exit(m.Run())
	}
}

func playCdx() {
	if step := os.Getenv(killAtEnv); step != "" {
		files.Step = func(what string) {
			if what == step {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
	}
	dir := os.Getenv(dirEnv)
	var l *Lease
	locked(dir, func() error {
		var err error
		l, err = Take(dir, noon)
		return err
	})
	codex := self("codex")
	codex.Stdin, codex.Stdout, codex.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := l.Start(codex); err != nil {
		fail(err)
	}
	say("cdx", os.Getpid())
	_ = codex.Wait() // killed, as a rule
	if os.Getenv(hangEnv) != "" {
		waitForTheEnd()
		return
	}
	locked(dir, func() error {
		others, err := l.Others()
		if err != nil {
			return err
		}
		say("others", len(others))
		return l.End()
	})
}

func playCodex() {
	if os.Getenv(daemonEnv) != "" {
		daemon := self("daemon")
		daemon.Stdin, daemon.Stdout = os.Stdin, os.Stdout
		daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := daemon.Start(); err != nil {
			fail(err)
		}
	}
	if os.Getenv(inheritEnv) != "" {
		text, err := io.ReadAll(os.NewFile(3, "three"))
		if err != nil {
			fail(err)
		}
		number, _ := strconv.Atoi(string(text))
		say("three", number)
	}
	say("writable", writableLeases())
	say("codex", os.Getpid())
	waitForTheEnd()
}

// writableLeases counts the open files of this process that are a session and could be written to.
func writableLeases() int {
	count := 0
	for fd := 3; fd < 64; fd++ {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && strings.HasSuffix(path, suffix) {
			if _, err := syscall.Write(fd, []byte("x")); err == nil {
				count++
			}
		}
	}
	return count
}

func self(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, "GORACE=atexit_sleep_ms=0") // else each rests for a second
	return cmd
}

// locked is the home's lock.
func locked(dir string, do func() error) {
	file, err := os.OpenFile(filepath.Join(dir, "..", "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		fail(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		fail(err)
	}
	if err := do(); err != nil {
		fail(err)
	}
}

func say(what string, number int) { fmt.Printf("%s %d\n", what, number) }

func waitForTheEnd() { _, _ = io.Copy(io.Discard, os.Stdin) }

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// session is a cdx that runs.
type session struct {
	cmd   *exec.Cmd
	stdin io.Closer // of all its processes: none outlives the test
	said  *bufio.Scanner
	heard map[string]int
}

func startSession(t *testing.T, dir string, env ...string) *session {
	t.Helper()
	return startSessionWith(t, dir, nil, env...)
}

func startSessionWith(t *testing.T, dir string, three *os.File, env ...string) *session {
	t.Helper()
	inRead, inWrite := pipe(t)
	outRead, outWrite := pipe(t)
	cmd := self("cdx")
	cmd.Env = append(append(cmd.Env, dirEnv+"="+dir), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inRead, outWrite, os.Stderr
	if three != nil {
		cmd.ExtraFiles = []*os.File{three}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inRead.Close()
	outWrite.Close()
	s := &session{cmd: cmd, stdin: inWrite, said: bufio.NewScanner(outRead), heard: map[string]int{}}
	t.Cleanup(func() { s.kill() })
	return s
}

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	return read, write
}

// hear returns the number that was said to be what.
func (s *session) hear(t *testing.T, what string) int {
	t.Helper()
	for {
		if number, ok := s.heard[what]; ok {
			return number
		}
		if !s.said.Scan() {
			t.Fatalf("nobody said %q, only %v", what, s.heard)
		}
		name, number, _ := strings.Cut(s.said.Text(), " ")
		s.heard[name], _ = strconv.Atoi(number)
	}
}

// kill ends cdx as kill -9 does, and waits until it is gone.
func (s *session) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// killPID ends a process that is not a child of this one.
func killPID(t *testing.T, pid int) {
	t.Helper()
	p := identify(pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return !p.alive() })
}

func sessionsDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sessions")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOrdinaryEnd(t *testing.T) {
	t.Parallel()
	dir := sessionsDir(t)
	s := startSession(t, dir)
	want := Info{PID: s.hear(t, "cdx"), Codex: s.hear(t, "codex"), Started: noon}
	if got := wantRunning(t, dir, 1); got[0] != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	s.stdin.Close()
	if got := s.hear(t, "others"); got != 0 {
		t.Errorf("got %d others, want none", got)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	wantFiles(t, dir)
}

func TestKilledInEveryOrder(t *testing.T) {
	t.Parallel()
	for _, env := range [][]string{nil, {daemonEnv + "=1"}} {
		for _, order := range [][]string{{"cdx", "codex"}, {"codex", "cdx"}} {
			t.Run(fmt.Sprint(env, order), func(t *testing.T) {
				t.Parallel()
				dir := sessionsDir(t)
				s := startSession(t, dir, append(env, hangEnv+"=1")...)
				s.hear(t, "cdx")
				codex := s.hear(t, "codex")
				var daemon process
				if env != nil {
					daemon = identify(s.hear(t, "daemon"))
				}
				for _, who := range order {
					for range 3 { // looking changes nothing
						wantRunning(t, dir, 1)
					}
					if who == "cdx" {
						s.kill()
					} else {
						killPID(t, codex)
					}
				}
				wantRunning(t, dir, 0)
				wantFiles(t, dir)
				if env != nil && !daemon.alive() {
					t.Error("the daemon did not outlive Codex, so this proves nothing")
				}
			})
		}
	}
}

// Where the numbers of its processes say nothing, a daemon that has the file open is a session, until it ends.
func TestDaemonOfAnotherContainer(t *testing.T) {
	t.Parallel()
	dir := sessionsDir(t)
	s := startSession(t, dir, daemonEnv+"=1")
	s.hear(t, "cdx")
	codex, daemon := s.hear(t, "codex"), s.hear(t, "daemon")
	s.kill()
	killPID(t, codex)
	path := onlyFile(t, dir)
	r, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Place = "elsewhere"
	overwrite(t, path, marshal(t, r))
	wantRunning(t, dir, 1)
	killPID(t, daemon)
	eventuallyNone(t, dir)
	wantFiles(t, dir)
}

// A daemon has the file open, and Codex's number is that of this process now.
func TestNumberCameBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		codex process
		want  int
	}{
		{process{PID: os.Getpid(), Start: "long ago"}, 0},
		{identify(os.Getpid()), 1},
	} {
		dir := sessionsDir(t)
		s := startSession(t, dir, daemonEnv+"=1")
		s.hear(t, "cdx")
		codex := s.hear(t, "codex")
		s.kill()
		killPID(t, codex)
		path := onlyFile(t, dir)
		r, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		r.Codex = &test.codex
		overwrite(t, path, marshal(t, r))
		wantRunning(t, dir, test.want)
	}
}

func TestKilledBeforeCodexIsWrittenDown(t *testing.T) {
	t.Parallel()
	dir := sessionsDir(t)
	s := startSession(t, dir, killAtEnv+"=codex started")
	codex := s.hear(t, "codex")
	_ = s.cmd.Wait()
	if got := wantRunning(t, dir, 1); got[0].Codex != 0 {
		t.Errorf("got Codex %d, want 0", got[0].Codex)
	}
	killPID(t, codex)
	eventuallyNone(t, dir)
	wantFiles(t, dir)
}

func TestKilledBetweenSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"take lease", "hold lease", "end lease"} {
		dir := sessionsDir(t)
		s := startSession(t, dir, killAtEnv+"="+step)
		s.stdin.Close()
		if err := s.cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("%s: got %v, want a kill", step, err)
		}
		if step == "end lease" {
			s.hear(t, "others")
		}
		wantRunning(t, dir, 0)
		wantFiles(t, dir)
	}
}

func TestTwentyProcesses(t *testing.T) {
	t.Parallel()
	dir := sessionsDir(t)
	var sessions []*session
	for range 20 {
		sessions = append(sessions, startSession(t, dir))
	}
	for _, s := range sessions {
		s.hear(t, "codex")
		s.hear(t, "cdx")
	}
	locked(dir, func() error {
		wantRunning(t, dir, 20)
		return nil
	})
	var others []int
	for _, s := range sessions {
		s.stdin.Close()
	}
	for _, s := range sessions {
		others = append(others, s.hear(t, "others"))
		if err := s.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(others)
	for i, got := range others {
		if got != i {
			t.Fatalf("got %v others, want each from 0 to 19 once", others)
		}
	}
	wantFiles(t, dir)
}

// What the user opened for Codex stays where it was, and Codex's tools cannot write into a session.
func TestOpenFilesOfCodex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "three")
	write(t, path, "42")
	three, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer three.Close()
	dir := sessionsDir(t)
	s := startSessionWith(t, dir, three, inheritEnv+"=1")
	if got := s.hear(t, "three"); got != 42 {
		t.Errorf("file 3 holds %d, want 42", got)
	}
	if got := s.hear(t, "writable"); got != 0 {
		t.Errorf("got %d open files that Codex can write to, want none", got)
	}
}

// What cdx starts beside Codex is no part of the session.
func TestOtherChildren(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := take(t, dir)
	if err := l.Start(exec.Command(os.Args[0], "-test.run=^$")); err != nil {
		t.Fatal(err)
	}
	inRead, _ := pipe(t)
	other := self("daemon")
	other.Stdin = inRead
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	r := l.record
	r.Place = "elsewhere" // only who has the file open counts
	overwrite(t, l.path, marshal(t, r))
	_ = l.file.Close()
	eventuallyNone(t, dir)
	if !identify(other.Process.Pid).alive() {
		t.Error("the other child has ended, so this proves nothing")
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := take(t, dir)
	if err := l.Start(exec.Command(filepath.Join(dir, "missing"))); err == nil {
		t.Error("got no error")
	}
	wantRunning(t, dir, 1)
	end(t, l)
	wantFiles(t, dir)
}

// A file that cannot be removed says that its session is over.
func TestEndIsWrittenDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := take(t, dir)
	second := filepath.Join(dir, "second")
	if err := os.Link(l.path, second); err != nil {
		t.Fatal(err)
	}
	end(t, l)
	if r, err := load(second); err != nil || !r.Ended || r.runs() {
		t.Errorf("got %+v, %v, want an ended session", r, err)
	}
}

// A process whose parent never asks for its exit status has ended all the same.
func TestZombie(t *testing.T) {
	t.Parallel()
	inRead, inWrite := pipe(t)
	cmd := self("daemon")
	cmd.Stdin = inRead
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := identify(cmd.Process.Pid)
	if p.Start == "" || !p.alive() {
		t.Errorf("got %+v, want a process with a start", p)
	}
	inWrite.Close()
	eventually(t, func() bool { return !p.alive() })
	_ = cmd.Wait()
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v, %v, want one file", entries, err)
	}
	return filepath.Join(dir, entries[0].Name())
}
