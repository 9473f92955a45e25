//go:build unix

package cdx

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

func TestArgumentsReachCodexByteForByte(t *testing.T) {
	t.Parallel()
	cases := [][]string{
		{},
		{""},
		{"", ""},
		{"a b", "  ", "\t"},
		{"two\nlines\r\n", "'quoted' \"twice\" `and` $HOME \\"},
		{"\xff\xfe not UTF-8 \x80", "é", "\u2028"},
		{"--", "not", "dropped"},
		{"exec", "--", "--help"},
		{"*", "?", "[a-z]", "~", "{a,b}"},
		{"exec", "--json", "-", "--", "--"},
		{"-c", "model=\"o3\"", "exec", "sync"},
		{"enroll"},
		{strings.Repeat("x", 100_000)},
	}
	r := newRig(t, always(about("valid", "", nil)))
	r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
	for i, args := range cases {
		given := args
		if len(args) > 0 && (args[0] == "--" || args[0] == "enroll") {
			given = append([]string{"--"}, args...)
		}
		if _, stderr, status := r.run(given); status != 0 || stderr != "" {
			t.Fatalf("%q: got status %d, stderr %q", args, status, stderr)
		}
		starts := r.starts()
		if len(starts) != i+1 {
			t.Fatalf("%q: got %d starts, want %d", args, len(starts), i+1)
		}
		want := []string{}
		for _, arg := range args {
			want = append(want, strconv.QuoteToASCII(arg))
		}
		if got := starts[i].Args; !slices.Equal(got, want) {
			t.Errorf("got arguments %v, want %v", got, want)
		}
	}
}

func TestStandardInputArrivesIntact(t *testing.T) {
	t.Parallel()
	r := newRig(t, always(about("valid", "", nil)))
	r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
	data := make([]byte, 10<<20)
	_, _ = rand.Read(data)
	cmd := r.command("cdx", []string{"exec", "-"}, "FAKE_READ_STDIN=1", "FAKE_STDOUT=\x01\xffraw\n", "FAKE_STDERR=own")
	cmd.Stdin = bytes.NewReader(data)
	stdout, stderr, status := r.finish(cmd)
	if status != 0 || stdout != "\x01\xffraw\n" || stderr != "own" {
		t.Errorf("got status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	if got, want := r.starts()[0].Stdin, fmt.Sprintf("%s %d", sha256Hex(data), len(data)); got != want {
		t.Errorf("got standard input %s, want %s", got, want)
	}
}

func TestCodexGetsTheSameEnvironment(t *testing.T) {
	t.Parallel()
	r := newRig(t, always(about("valid", "", nil)))
	r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
	cmd := r.command("cdx", nil, "ODD= a=b\n", "EMPTY=")
	if _, _, status := r.finish(cmd); status != 0 {
		t.Fatalf("got status %d", status)
	}
	got, want := r.starts()[0].Environ, append(cmd.Environ(), envActive+"="+filepath.Dir(r.auth), envStarter+"="+strconv.Itoa(cmd.Process.Pid))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got environment %q, want %q", got, want)
	}
}

func TestSignalsReachCodexAndTheLoginIsPushedAfterwards(t *testing.T) {
	t.Parallel()
	renewed := loginSpec{LastRefresh: "2026-11-24T00:00:00Z", Generation: "2"}.encode()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			g := newFakeGateway()
			t.Cleanup(g.close)
			r := newRigAt(t, g.server.URL)
			r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
			next := filepath.Join(r.dir, "next.json")
			r.put(next, renewed)
			ready := filepath.Join(r.dir, "ready")
			startsAtStore := -1
			stored := about("unchanged", "", nil)
			stored.before = func() { startsAtStore = len(r.starts()) }
			g.expect(about("valid", "", nil), stored)

			cmd := r.command("cdx", nil, "FAKE_AWAIT_SIGNAL="+ready, "FAKE_NEW_AUTH="+next, "FAKE_RC=7")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, "Codex to run", func() bool { return exists(ready) })
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the status is looked at below
			if got := cmd.ProcessState.ExitCode(); got != 7 {
				t.Errorf("got exit status %d, want Codex's 7", got)
			}
			if starts := r.starts(); len(starts) != 1 || !slices.Equal(starts[0].Signals, []string{sig.String()}) {
				t.Errorf("got %+v, want one start that was told %s", starts, sig)
			}
			if startsAtStore != 1 {
				t.Errorf("the login went up when %d Codex had ended, want 1", startsAtStore)
			}
			if got := g.asked(); !slices.Equal(got, []string{"sync", "store"}) {
				t.Errorf("got requests %q", got)
			}
		})
	}
}

func TestIgnoredSignalsStayIgnored(t *testing.T) {
	t.Parallel()
	r := newRig(t, always(about("valid", "", nil)))
	r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
	ready := filepath.Join(r.dir, "ready")
	cmd := r.command("sh", []string{"-c", `trap "" HUP; exec cdx`}, "FAKE_AWAIT_SIGNAL="+ready)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to run", func() bool { return exists(ready) })
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} { // as from nohup's terminal, then for real
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := r.starts()[0].Signals; !slices.Equal(got, []string{"terminated"}) {
		t.Errorf("got signals %q, want only the one that was not ignored", got)
	}
}

func TestSecondRequestToEndKills(t *testing.T) {
	t.Parallel()
	r := newRig(t, always(about("valid", "", nil)))
	r.put(r.auth, loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode())
	stubborn, ready := filepath.Join(r.dir, "stubborn"), filepath.Join(r.dir, "ready")
	script := "#!/bin/sh\ntrap 'echo told >>" + ready + "' TERM\necho up >>" + ready + "\nwhile :; do read -r line; done\n"
	if err := os.WriteFile(stubborn, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := r.command("cdx-hurried", nil, "CDX_CODEX_BIN="+stubborn)
	stdin, err := cmd.StdinPipe() // never written to: Codex waits for its user
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := func(n int) func() bool {
		return func() bool {
			text, _ := os.ReadFile(ready)
			return bytes.Count(text, []byte("\n")) >= n
		}
	}
	await(t, "Codex to run", lines(1))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex to ignore the first", lines(2))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status is looked at below
	if got := cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGKILL) {
		t.Errorf("got exit status %d, want 137", got)
	}
}

func TestOneExchangeAtATime(t *testing.T) {
	t.Parallel()
	canonical := loginSpec{LastRefresh: "2026-11-23T00:00:00Z", Generation: "9"}.encode()
	digest := parseLogin(canonical).digest()
	var inside, most atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		now := inside.Add(1)
		defer inside.Add(-1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(req.Body)
		answer := about("outdated", digest, canonical)
		if strings.Contains(body.String(), digest) {
			answer = about("valid", digest, nil)
		}
		answer.write(w, req)
	}))
	const starts = 20
	var wg sync.WaitGroup
	for range starts {
		cmd := r.command("cdx", []string{"exec", "x"})
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("got %v, output %q", err, out)
			}
		})
	}
	wg.Wait()
	if got := len(r.starts()); got != starts {
		t.Errorf("got %d starts of Codex, want %d", got, starts)
	}
	if got := most.Load(); got != 1 {
		t.Errorf("got %d exchanges at once, want 1", got)
	}
	if got := r.read(r.auth); !bytes.Equal(got, canonical) {
		t.Errorf("the login on disk is not the gateway's")
	}
}

func TestKilledWhileWritingLeavesAWholeLogin(t *testing.T) {
	t.Parallel()
	logins := [][]byte{}
	for _, generation := range []string{"1", "2"} {
		text := loginSpec{LastRefresh: "2026-11-23T00:00:00Z", Generation: generation}.encode()
		filler := fmt.Sprintf(`{"filler":%q,`, strings.Repeat(generation, 100_000))
		logins = append(logins, append([]byte(filler), text[1:]...))
	}
	var running atomic.Pointer[os.Process]
	var turn atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		offered := logins[turn.Add(1)%2]
		about("outdated", parseLogin(offered).digest(), offered).write(w, req)
		_ = http.NewResponseController(w).Flush()
		_ = running.Load().Kill() // races with the reading, the writing and the start of Codex
	}))
	r.put(r.auth, logins[0])
	for range 40 {
		// The process must be known before it can ask: it waits for its standard input to name the program.
		cmd := r.command("sh", []string{"-c", "read -r line; exec cdx"})
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running.Store(cmd.Process)
		if _, err := stdin.Write([]byte("go\n")); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, or just faster
		if now := r.read(r.auth); !bytes.Equal(now, logins[0]) && !bytes.Equal(now, logins[1]) {
			t.Fatalf("got a login of %d bytes that nobody wrote", len(now))
		}
	}
	// Whoever holds the lock when it is killed does not hold it any longer.
	last := newRig(t, always(about("valid", "", nil)))
	last.env = append(last.env, "CODEX_HOME="+filepath.Dir(r.auth))
	if _, stderr, status := last.run(nil); status != 0 || stderr != "" {
		t.Errorf("after the kills: got status %d, stderr %q", status, stderr)
	}
}

func TestUnverifiableCertificateIsDenied(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(always(about("valid", "", nil)))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the refused handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	r := newRigAt(t, server.URL)
	login := loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode()
	r.put(r.auth, login)
	_, stderr, status := r.run(nil)
	if status != int(ExitDenied) || !strings.Contains(stderr, "✗ denied  the certificate of "+server.Listener.Addr().String()+" cannot be verified") {
		t.Errorf("got status %d, stderr %q", status, stderr)
	}
	if len(r.starts()) != 0 || !bytes.Equal(r.read(r.auth), login) {
		t.Error("Codex was started or the login changed")
	}
	enrol := r.command("cdx", []string{"enroll"})
	enrol.Stdin = strings.NewReader(server.URL + "/install/" + plantedToken)
	if _, stderr, status = r.finish(enrol); status != int(ExitDenied) || !strings.Contains(stderr, "cannot be verified") {
		t.Errorf("enrolment: got status %d, stderr %q", status, stderr)
	}
	// The same server is fine once its certificate is known.
	roots := filepath.Join(r.dir, "roots.pem")
	r.put(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if _, stderr, status = r.run(nil, "SSL_CERT_FILE="+roots); status != 0 || stderr != "" {
		t.Errorf("with the certificate: got status %d, stderr %q", status, stderr)
	}
}

// Standard error may be a pipe whose reader is gone: cdx … 2>&1 | head. Nothing may be left undone for that.
func TestAnOutputThatNobodyReadsEndsNothing(t *testing.T) {
	t.Parallel()
	login := loginSpec{LastRefresh: "2026-11-23T00:00:00Z"}.encode()
	answer := about("a status of tomorrow", parseLogin(login).digest(), nil) // which is worth a notice
	answer.word.blocks = map[string]string{api.BlockHost: `{"secure":false}`}
	r := newRig(t, always(answer))
	r.put(r.auth, login)
	r.put(filepath.Join(filepath.Dir(r.auth), ".cdx", "state.json"), fmt.Appendf(nil, `{"known_digest":%q}`, parseLogin(login).digest()))
	cmd := r.command("cdx", nil, "FAKE_RC=7")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = writer
	_ = cmd.Run() // the status is looked at below
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("got exit status %d, want Codex's 7", got)
	}
	if len(r.starts()) != 1 || exists(r.auth) {
		t.Error("Codex was not started, or the login stayed on a machine that may not keep it")
	}
}
