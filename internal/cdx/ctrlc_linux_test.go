package cdx

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A Ctrl-C of the terminal reaches Codex once, also when its standard input is something else: cat task | cdx exec -
func TestCtrlCReachesCodexOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, always(about("valid", "", nil)))
	r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
	codex, told := filepath.Join(r.dir, "traps"), filepath.Join(r.dir, "told")
	script := "#!/bin/sh\ntrap 'echo int >>" + told + "' INT\ntrap 'exit 9' TERM\necho up >>" + told + "\nwhile :; do sleep 0.01; done\n"
	if err := os.WriteFile(codex, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	keyboard, terminal := openTerminal(t)
	cmd := r.command("cdx", nil, "CDX_CODEX_BIN="+codex)
	stdin, err := cmd.StdinPipe() // a pipe, and nothing ever comes
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	cmd.Stdout, cmd.Stderr = terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := func(n int) func() bool {
		return func() bool {
			text, _ := os.ReadFile(told)
			return bytes.Count(text, []byte("\n")) >= n
		}
	}
	await(t, "Codex to run", lines(1))
	if _, err := keyboard.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to be told", lines(2))
	// Whatever cdx makes of the first signal, it does before this one.
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status is looked at below
	if got := cmd.ProcessState.ExitCode(); got != 9 {
		t.Errorf("got exit status %d, want Codex's 9", got)
	}
	if got := string(r.read(told)); got != "up\nint\n" {
		t.Errorf("Codex was told %q", got)
	}
}

func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return keyboard, terminal
}

// On a terminal a closed window is waited for; a pipe is told at once.
func TestClosedWindowIsWaitedFor(t *testing.T) {
	t.Parallel()
	login := loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode()
	closed := refused(http.StatusForbidden, "insecure_api_disabled", "Insecure host API access disabled")
	var opens, asked atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if asked.Add(1); opens.Load() == 0 {
			closed.write(w, req)
			return
		}
		about("outdated", parseLogin(login).digest(), login).write(w, req)
	}))
	if _, stderr, status := r.run(nil); status != int(ExitDenied) || asked.Load() != 1 {
		t.Fatalf("on a pipe: got status %d after %d questions, stderr %q", status, asked.Load(), stderr)
	}
	for key, want := range map[string]int{"": 0, "\x03": int(ExitDenied)} {
		opens.Store(0)
		asked.Store(0)
		keyboard, terminal := openTerminal(t)
		cmd := r.command("cdx", nil, "TEST_WINDOW_POLL=10ms", "TERM=xterm", "LC_ALL=C.UTF-8")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, "cdx to ask again", func() bool { return asked.Load() >= 3 })
		starts := len(r.starts())
		if key == "" {
			opens.Store(1)
		} else if _, err := keyboard.WriteString(key); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the status is looked at below
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("key %q: got exit status %d, want %d", key, got, want)
		}
		if got := len(r.starts()) - starts; (got == 1) != (want == 0) {
			t.Errorf("key %q: got %d starts of Codex", key, got)
		}
		text := make([]byte, 64<<10)
		n, _ := keyboard.Read(text)
		if !bytes.Contains(text[:n], []byte("Waiting until an admin opens it: cdxgate host open build7.example")) {
			t.Errorf("key %q: the terminal shows %q", key, text[:n])
		}
	}
}
