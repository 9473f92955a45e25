package pgembed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestOneServerAtATime: a second gateway waits for the first, says for whom, and gives up after its patience.
func TestOneServerAtATime(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	dir := newDir(t, id)
	first := spawn(t, id, "server", dir)
	first.expect(t, "ready")
	pid := fmt.Sprintf("process %d", first.cmd.Process.Pid)
	waiting := make(chan string, 1)
	cfg := Config{DataDir: dir, Progress: func(line string) {
		select {
		case waiting <- line:
		default:
		}
	}}

	impatient := cfg
	impatient.patience = 50 * time.Millisecond
	if err := refused(t, impatient); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), pid) {
		t.Errorf("got %v, want ErrBusy that names %s", err, pid)
	}
	if line := <-waiting; !strings.Contains(line, pid) {
		t.Errorf("got progress %q, want it to name %s", line, pid)
	}

	ended := make(chan string, 1)
	go func() {
		<-waiting // the second server waits now
		_ = first.stdin.Close()
		ended <- "first"
	}()
	second := start(t, cfg)
	if got := <-ended; got != "first" || query(t, second, "SELECT 1") != "1" {
		t.Error("got no working second server")
	}
	if failure := first.wait(t); failure != "" {
		t.Errorf("first server: %s", failure)
	}
}

// TestBorrowAdopts: a command uses the gateway's PostgreSQL and leaves it running.
func TestBorrowAdopts(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir})
	pid := serverPID(t, dir)
	for range 3 {
		b, err := Borrow(t.Context(), Config{DataDir: dir})
		must(t, err)
		query(t, b, "SELECT 1")
		stop(t, b)
		stop(t, b)
	}
	if got := serverPID(t, dir); got != pid || query(t, s, "SELECT 1") != "1" {
		t.Errorf("got PostgreSQL %d after three commands, want %d, still running", got, pid)
	}
}

// TestBorrowRunsItsOwn when nobody else does, and ends it.
func TestBorrowRunsItsOwn(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	dir := newDir(t, id)
	if failure := spawn(t, id, "verb", dir).wait(t); failure != "" {
		t.Fatalf("verb: %s", failure)
	}
	if _, ok := readPostmaster(filepath.Join(dir, "pg", "data")); ok {
		t.Error("got a PostgreSQL after the command, want none")
	}
	if got := query(t, start(t, Config{DataDir: dir}), "SELECT count(*) FROM act"); got != "1" {
		t.Errorf("got %s acts, want the command's one", got)
	}
}

// TestVerbsWaitForEachOther: the command that runs PostgreSQL stays until the one that borrowed it has finished.
func TestVerbsWaitForEachOther(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	dir := newDir(t, id)
	owner := spawn(t, id, "hold", dir, "PGEMBED_TEST_GRACE=1m")
	owner.expect(t, "ready")
	borrower := spawn(t, id, "hold", dir)
	borrower.expect(t, "ready")
	pid := serverPID(t, dir)
	_ = owner.stdin.Close()
	// Stopping would take it a tenth of a second from here.
	select {
	case <-time.After(time.Second):
	case <-owner.ended:
		t.Fatal("got the owner ended while its server is borrowed")
	}
	if !lives(pid) {
		t.Error("got PostgreSQL stopped while it is borrowed")
	}
	if failure := borrower.finish(t); failure != "" {
		t.Errorf("borrower: %s", failure)
	}
	if failure := owner.wait(t); failure != "" {
		t.Errorf("owner: %s", failure)
	}
}

// TestServerStopsUnderVerb: the command fails with the one clear line.
func TestServerStopsUnderVerb(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	for _, how := range []string{"close", "kill -9"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t, id)
			server := spawn(t, id, "server", dir, "PGEMBED_TEST_GRACE=1ms")
			server.expect(t, "ready")
			verb := spawn(t, id, "hold", dir)
			verb.expect(t, "ready")
			pid := serverPID(t, dir)
			if how == "close" {
				if failure := server.finish(t); failure != "" {
					t.Errorf("server: %s", failure)
				}
			} else {
				server.kill()
			}
			eventually(t, "PostgreSQL ends", func() bool { return !lives(pid) })
			got := verb.finish(t)
			if !strings.HasPrefix(got, ErrStopped.Message) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want the one line of ErrStopped", got)
			}
		})
	}
}

// TestExplain replaces an error only when it is about a server that is gone.
func TestExplain(t *testing.T) {
	t.Parallel()
	dir := newDir(t, identities()[0])
	s := start(t, Config{DataDir: dir, grace: time.Millisecond})
	b, err := Borrow(t.Context(), Config{DataDir: dir})
	must(t, err)
	t.Cleanup(func() { stop(t, b) })
	conn, err := pgconn.Connect(t.Context(), b.ConnString())
	must(t, err)

	ours := fmt.Errorf("reading auth.json: %w", io.ErrUnexpectedEOF)
	if got := b.Explain(ours); !errors.Is(got, ours) || errors.Is(got, ErrStopped) {
		t.Errorf("got %v while the server runs, want the error itself", got)
	}
	if got := b.Explain(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
	stop(t, s)
	onOldConnection := conn.Exec(t.Context(), "SELECT 1").Close()
	_, onNewConnection := tryQuery(t.Context(), b.ConnString(), "SELECT 1")
	for name, err := range map[string]error{
		"on the connection that was open": onOldConnection, "again on it": conn.Exec(t.Context(), "SELECT 1").Close(), "on a new connection": onNewConnection,
	} {
		if got := b.Explain(err); !errors.Is(got, ErrStopped) {
			t.Errorf("%s: got %v for %v, want ErrStopped", name, got, err)
		}
	}
	if got := b.Explain(context.DeadlineExceeded); !errors.Is(got, context.DeadlineExceeded) || errors.Is(got, ErrStopped) {
		t.Errorf("got %v, want the deadline itself", got)
	}
	// A successor at the same address is not the server we adopted.
	start(t, Config{DataDir: dir})
	if got := b.Explain(onOldConnection); !errors.Is(got, ErrStopped) {
		t.Errorf("got %v with a successor, want ErrStopped", got)
	}
	if got := s.Explain(onOldConnection); errors.Is(got, ErrStopped) {
		t.Errorf("got %v from the owner, want the error itself", got)
	}
}

// TestServerAmongVerbs starts and stops a server 20 times while commands come and go, all of them processes of their own.
// Everything ends well, except that a command may lose its server and says so.
func TestServerAmongVerbs(t *testing.T) {
	t.Parallel()
	id := identities()[0]
	dir := newDir(t, id)
	var over atomic.Bool
	type tally struct {
		fine, stopped int
		failures      []string
	}
	tallies := make(chan tally)
	const loops = 2
	for range loops {
		go func() {
			var sum tally
			for !over.Load() {
				out, err := helperCommand("verb", dir).CombinedOutput()
				_, failure, _ := strings.Cut(string(out), "error: ")
				switch {
				case err == nil:
					sum.fine++
				case strings.HasPrefix(failure, ErrStopped.Message) && strings.Count(failure, "\n") == 1:
					sum.stopped++
				default:
					sum.failures = append(sum.failures, fmt.Sprintf("%v\n%s", err, out))
				}
			}
			tallies <- sum
		}()
	}
	for round := range 20 {
		server := spawn(t, id, "server", dir)
		server.expect(t, "ready")
		if failure := server.finish(t); failure != "" {
			t.Errorf("round %d: server: %s", round, failure)
		}
	}
	over.Store(true)
	for range loops {
		sum := <-tallies
		t.Logf("%d commands went well, %d lost their server", sum.fine, sum.stopped)
		if sum.fine == 0 {
			t.Error("got no command that went well")
		}
		for _, failure := range sum.failures {
			t.Errorf("verb: %s", failure)
		}
	}
}

// TestLooksLost lists what pgx says when a server goes, and what it says at other times.
func TestLooksLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"shut down":          {&pgconn.PgError{Code: "57P01"}, true},
		"shutting down":      {fmt.Errorf("connecting: %w", &pgconn.PgError{Code: "57P03"}), true},
		"connection closed":  {fmt.Errorf("querying: %w", pgconn.ErrConnClosed), true},
		"cut in an answer":   {io.ErrUnexpectedEOF, true},
		"unique violation":   {&pgconn.PgError{Code: "23505"}, false},
		"statement time-out": {&pgconn.PgError{Code: "57014"}, false},
		"no permission":      {fs.ErrPermission, false},
		"cancelled":          {context.Canceled, false},
		"bad JSON":           {&json.SyntaxError{}, false},
	} {
		if got := looksLost(c.err); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}
