//go:build unix

package cdxfleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// add enrols a machine, as an admin and its owner do.
func (w *world) add(name string, insecure bool) *host {
	w.t.Helper()
	return w.addAhead(name, insecure, 0)
}

// addAhead is add of a machine whose clock is ahead of the truth by so much.
func (w *world) addAhead(name string, insecure bool, ahead time.Duration) *host {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	h := &host{w: w, name: name, dir: dir, home: filepath.Join(dir, "codex"), insecure: insecure, wrong: ahead != 0}
	// It says its version by itself, which is asked often.
	script := "#!/bin/sh\n[ \"$1\" = --version ] && echo codex-cli 0.169.0 && exit\n" + envRole + "=codex exec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "codex.sh"), []byte(script), 0o700); err != nil {
		w.t.Fatal(err)
	}
	proxy := w.authority.server.URL // whatever is not loopback's ends there
	h.env = append(os.Environ(), envRole+"=cdx", "HOME="+dir, "CODEX_HOME="+h.home, "CDX_CONFIG_PATH="+filepath.Join(dir, "host.json"),
		"CDX_CODEX_BIN="+filepath.Join(dir, "codex.sh"), "CODEX_REFRESH_TOKEN_URL_OVERRIDE="+proxy+"/oauth/token",
		"HTTPS_PROXY="+proxy, "HTTP_PROXY="+proxy, "https_proxy="+proxy, "http_proxy="+proxy, "NO_PROXY=", "no_proxy=",
		"CDX_SYNC_TIMEOUT=1m", "GORACE=atexit_sleep_ms=0", envAhead+"="+ahead.String())
	e, err := w.gateway.Fleet.Register(w.t.Context(), fleet.Registration{FQDN: name + ".example", Insecure: insecure}, gatewaytest.Operator)
	if err != nil {
		w.t.Fatal(err)
	}
	p := h.command([]string{"enroll"})
	p.cmd.Stdin = strings.NewReader(e.URL + "\n")
	p.start()
	p.wait().want(0)
	w.hosts = append(w.hosts, h)
	return h
}

// wipe makes the home one that cdx has never seen.
func (h *host) wipe() {
	h.w.t.Helper()
	if err := os.RemoveAll(h.home); err != nil {
		h.w.t.Fatal(err)
	}
}

// auth is the path of the login.
func (h *host) auth() string { return filepath.Join(h.home, "auth.json") }

// read returns the login on disk; nil: there is none.
func (h *host) read() []byte {
	h.w.t.Helper()
	text, err := os.ReadFile(h.auth())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.w.t.Fatal(err)
	}
	return text
}

// codexAlone runs Codex without cdx, as a user does who calls it by its name.
func (h *host) codexAlone(does string) {
	h.w.t.Helper()
	p := h.command(nil, envRole+"=codex", envCodex+"="+does)
	p.start()
	p.wait().want(0)
}

// file returns the path of a file by which the test and a Codex talk, and which is not there yet.
func (h *host) file(name string) string {
	h.w.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.RemoveAll(path); err != nil {
		h.w.t.Fatal(err)
	}
	return path
}

// process is a run of cdx, and the Codex that it started and that may outlive it.
type process struct {
	t      *testing.T
	host   *host
	cmd    *exec.Cmd
	step   string        // the file that tells before which step it was killed
	ended  chan struct{} // closed when cdx has ended
	gone   chan struct{} // closed when Codex has ended too
	output bytes.Buffer  // to be read when gone
}

// command prepares a run of cdx; "env=value" after the arguments adds to its environment.
func (h *host) command(args []string, env ...string) *process {
	h.w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.w.t.Fatal(err)
	}
	p := &process{t: h.w.t, host: h, ended: make(chan struct{}), gone: make(chan struct{}), step: h.file(fmt.Sprintf("step-%d", h.runs.Add(1)))}
	p.cmd = exec.CommandContext(h.w.t.Context(), self, args...)
	p.cmd.Args[0] = "cdx"
	p.cmd.Env = append(append([]string{}, h.env...), append(env, envStep+"="+p.step)...)
	p.cmd.Dir = h.dir
	return p
}

func (p *process) start() {
	p.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = p.cmd.Start()
	_ = write.Close()
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its state tells
		close(p.ended)
	}()
	go func() { // every process of the run has the pipe open
		_, _ = io.Copy(&p.output, read)
		_ = read.Close()
		close(p.gone)
	}()
}

// wait waits for cdx and Codex to end.
func (p *process) wait() *process {
	p.t.Helper()
	timeout := time.After(time.Minute)
	for _, end := range []chan struct{}{p.ended, p.gone} {
		select {
		case <-end:
		case <-timeout:
			p.t.Fatalf("%q does not end", p.cmd.Args)
		}
	}
	return p
}

// want demands an exit status of a run that has ended.
func (p *process) want(status int) {
	p.t.Helper()
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("%q: got status %d, want %d:\n%s", p.cmd.Args, got, status, p.output.String())
	}
}

// killed tells before which step a run that has ended killed itself; "": it came to its end.
func (p *process) killed() string {
	p.t.Helper()
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return ""
	}
	what, err := os.ReadFile(p.step)
	if err != nil {
		p.t.Fatalf("%q ended of signal %d", p.cmd.Args, status.Signal())
	}
	return string(what)
}

// run runs cdx to its end. The words before the first that has a "=" are its arguments, the rest its environment.
func (h *host) run(words ...string) *process {
	h.w.t.Helper()
	return h.started(words...).wait()
}

func (h *host) started(words ...string) *process {
	h.w.t.Helper()
	n := 0
	for n < len(words) && !strings.Contains(words[n], "=") {
		n++
	}
	p := h.command(words[:n], words[n:]...)
	p.start()
	return p
}

// does tells the Codex of a run what to do.
func does(format string, args ...any) string { return envCodex + "=" + fmt.Sprintf(format, args...) }

// await polls a condition that another process brings about.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// hasEnded reports whether cdx has ended, and isGone whether Codex has too.
func (p *process) hasEnded() bool { return isClosed(p.ended) }
func (p *process) isGone() bool   { return isClosed(p.ended) && isClosed(p.gone) }

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
