//go:build unix

package cdx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// fleetOf is a gateway with one canonical login, which it takes from nobody. secure is what it says of its hosts.
type fleetOf struct {
	canonical atomic.Pointer[[]byte]
	secure    bool
	asked     atomic.Int32
}

func newFleetOf(login []byte, secure bool) *fleetOf {
	f := &fleetOf{secure: secure}
	f.canonical.Store(&login)
	return f
}

func (f *fleetOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer f.asked.Add(1)
	var request api.SyncRequest
	_ = json.NewDecoder(r.Body).Decode(&request) // a request that says nothing has no login
	canonical := *f.canonical.Load()
	digest := parseLogin(canonical).digest()
	answer := about(api.StatusOutdated, digest, canonical)
	if request.Credential != nil && request.Credential.Digest == digest {
		answer = about(api.StatusValid, digest, nil)
	}
	if !f.secure {
		answer.word.blocks = map[string]string{api.BlockHost: `{"secure":false}`}
	}
	answer.write(w, r)
}

func TestWhatTheFleetRenewsComesDownWhileCodexRuns(t *testing.T) {
	t.Parallel()
	first := loginSpec{LastRefresh: "2026-11-23T00:00:00Z", Generation: "1"}.encode()
	second := loginSpec{LastRefresh: "2026-11-24T00:00:00Z", Generation: "2"}.encode()
	fleet := newFleetOf(first, true)
	r := newRig(t, fleet)
	want := filepath.Join(r.dir, "second.json")
	r.put(want, second)
	cmd := r.command("cdx", nil, "TEST_PULL_EVERY=20ms", "FAKE_AWAIT_AUTH="+want)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the first login", func() bool { return exists(r.auth) })
	fleet.canonical.Store(&second)
	if err := cmd.Wait(); err != nil { // Codex ends when it sees the second
		t.Fatal(err)
	}
	if got := r.read(r.auth); !bytes.Equal(got, second) {
		t.Error("the login on disk is not the fleet's")
	}
}

func TestALogoutInsideCodexIsNotUndoneWhileItRuns(t *testing.T) {
	t.Parallel()
	fleet := newFleetOf(loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode(), true)
	r := newRig(t, fleet)
	ready, end := filepath.Join(r.dir, "ready"), filepath.Join(r.dir, "end")
	cmd := r.command("cdx", nil, "TEST_PULL_EVERY=20ms", "FAKE_DELETE_AUTH=1", "FAKE_READY="+ready, "FAKE_AWAIT="+end)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to log out", func() bool { return exists(ready) })
	// Another run's pull is answered in the meantime, and many of this one's would be due.
	before := fleet.asked.Load()
	other := newRigAt(t, r.gateway)
	for range 20 {
		if _, _, status := other.run(nil); status != 0 {
			t.Fatalf("got status %d", status)
		}
	}
	if exists(r.auth) {
		t.Error("the login came back")
	}
	if got := fleet.asked.Load() - before; got > 20+1 { // one may have been on its way
		t.Errorf("got %d questions, want the other machine's only", got)
	}
	r.put(end, nil)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A session outlives its cdx: as long as Codex runs, nobody takes the login from it, on whatever kind of host.
func TestSessionsOutliveTheirKilledCdx(t *testing.T) {
	t.Parallel()
	login := loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode()
	r := newRig(t, newFleetOf(login, false))
	ready, end := filepath.Join(r.dir, "ready"), filepath.Join(r.dir, "end")
	cmd := r.command("cdx", nil, "FAKE_READY="+ready, "FAKE_AWAIT="+end)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to run", func() bool { return exists(ready) })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if _, stderr, status := r.run(nil); status != 0 || stderr != "" {
		t.Errorf("a second run: got status %d, stderr %q", status, stderr)
	}
	if !exists(r.auth) {
		t.Error("the login was taken from a Codex that runs")
	}
	if _, stderr, status := r.run([]string{"logout"}); status != int(ExitTryLater) || !strings.Contains(stderr, "1 session of Codex runs") {
		t.Errorf("logout: got status %d, stderr %q", status, stderr)
	}
	starts := len(r.starts())
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to end", func() bool { return len(r.starts()) > starts })
	await(t, "the next run to clean up", func() bool { // the first may still see Codex on its way out
		if _, _, status := r.run(nil); status != 0 {
			t.Fatalf("got status %d", status)
		}
		return !exists(r.auth)
	})
}

// A login that did not arrive is offered again while Codex runs, and goes up as soon as the gateway can take it.
func TestARenewalThatDidNotArriveIsSentAgainWhileCodexRuns(t *testing.T) {
	t.Parallel()
	first := loginSpec{LastRefresh: "2026-11-23T00:00:00Z", Generation: "1"}.encode()
	renewed := loginSpec{LastRefresh: "2026-11-24T00:00:00Z", Generation: "2"}.encode()
	var canonical atomic.Pointer[string]
	canonical.Store(new(parseLogin(first).digest()))
	var stores atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == api.PathSync {
			var request api.SyncRequest
			_ = json.NewDecoder(req.Body).Decode(&request)
			status := api.StatusUploadRequired
			if request.Credential != nil && request.Credential.Digest == *canonical.Load() {
				status = api.StatusValid
			}
			about(status, *canonical.Load(), nil).write(w, req)
			return
		}
		if stores.Add(1) == 1 {
			refused(http.StatusInternalServerError, "internal", "Unexpected error").write(w, req)
			return
		}
		canonical.Store(new(parseLogin(renewed).digest()))
		about(api.StatusUpdated, *canonical.Load(), renewed).write(w, req)
	}))
	r.put(r.auth, first)
	next, end := filepath.Join(r.dir, "next.json"), filepath.Join(r.dir, "end")
	r.put(next, renewed)
	cmd := r.command("cdx", nil, "TEST_PULL_EVERY=200ms", "FAKE_NEW_AUTH="+next, "FAKE_AWAIT="+end)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the renewed login to arrive", func() bool { return *canonical.Load() == parseLogin(renewed).digest() })
	r.put(end, nil)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("got stderr %q", &stderr)
	}
}

// Codex has ended and the gateway hangs: who presses Ctrl-C goes at once, and takes nothing with them.
func TestCtrlCAfterCodexGivesUpInGoodOrder(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	r := newRigAt(t, g.server.URL)
	first := loginSpec{LastRefresh: "2026-11-23T00:00:00Z", Generation: "1"}.encode()
	renewed := loginSpec{LastRefresh: "2026-11-24T00:00:00Z", Generation: "2"}.encode()
	next, tried := filepath.Join(r.dir, "next.json"), filepath.Join(r.dir, "tried")
	r.put(next, renewed)
	hang := fakeAnswer{before: func() { must(os.WriteFile(tried, nil, 0o600)) }}
	g.expect(about(api.StatusOutdated, parseLogin(first).digest(), first), hang, fakeAnswer{}, fakeAnswer{})
	cmd := r.command("cdx", nil, "CDX_SYNC_TIMEOUT=5m", "FAKE_NEW_AUTH="+next, "FAKE_AWAIT="+tried, "FAKE_RC=7")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to end", func() bool { return len(r.starts()) == 1 })
	interruptUntilItEnds(t, cmd)
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("got exit status %d, want Codex's 7", got)
	}
	if !strings.Contains(stderr.String(), "the new login was NOT sent up") {
		t.Errorf("got stderr %q", &stderr)
	}
	if !bytes.Equal(r.read(r.auth), renewed) || !exists(filepath.Join(filepath.Dir(r.auth), ".cdx", "pending-auth.json")) {
		t.Error("the renewed login is not kept twice")
	}
}

// A start that is given up leaves no login on a machine that may not keep it, and no Codex.
func TestCtrlCBeforeCodexLeavesNoLogin(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	r := newRigAt(t, g.server.URL)
	login := loginSpec{LastRefresh: time.Now().UTC().Format(time.RFC3339), Generation: "1"}.encode()
	insecure := about(api.StatusOutdated, parseLogin(login).digest(), login)
	insecure.word.blocks = map[string]string{api.BlockHost: `{"secure":false}`}
	asked := make(chan struct{})
	g.expect(insecure, fakeAnswer{before: func() { close(asked) }})
	if _, stderr, status := r.run([]string{"sync"}); status != 0 {
		t.Fatalf("got status %d, stderr %q", status, stderr)
	}
	r.put(r.auth, login)
	cmd := r.command("cdx", nil, "CDX_SYNC_TIMEOUT=5m")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	interruptUntilItEnds(t, cmd)
	if got := cmd.ProcessState.ExitCode(); got != 130 || !strings.Contains(stderr.String(), "✗ stopped interrupted") {
		t.Errorf("got exit status %d, stderr %q", got, &stderr)
	}
	if exists(r.auth) || len(r.starts()) != 1 { // that of cdx sync, which asks for the version
		t.Errorf("the login stayed, or Codex was started; stderr %q", &stderr)
	}
}

// interruptUntilItEnds presses Ctrl-C again and again: what is pressed while Codex ends is Codex's.
func interruptUntilItEnds(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the status is looked at by the caller
	}()
	await(t, "cdx to end", func() bool {
		_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended this moment
		select {
		case <-ended:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
}

// A gateway, or what passes for one on the way to it, that says more than it was asked: net/http logs that.
func TestNothingIsPrintedOnCodexsTerminal(t *testing.T) {
	t.Parallel()
	login := loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode()
	body := about(api.StatusValid, parseLogin(login).digest(), nil).word.at(api.PathSync, nil)
	var asked atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		_, _ = fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sand more\x1b[2J", len(body), body)
		_ = buffered.Flush()
		asked.Add(1)
	}))
	r.put(r.auth, login)
	end := filepath.Join(r.dir, "end")
	cmd := r.command("cdx", nil, "TEST_PULL_EVERY=20ms", "FAKE_AWAIT="+end)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "some questions", func() bool { return asked.Load() > 5 })
	r.put(end, nil)
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("got %v, stderr %q", err, &stderr)
	}
}
