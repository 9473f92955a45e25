package pgembed

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// recorder keeps log records as lines of "LEVEL message key=value …".
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) logger() *slog.Logger { return slog.New(r) }

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	line := record.Level.String() + " " + record.Message
	record.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	return nil
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

func TestLogLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, want string
		serving        bool
	}{
		{"start-up", "postmaster[1] LOG:  starting PostgreSQL 15", "DEBUG PostgreSQL says text=LOG: starting PostgreSQL 15 process=postmaster pid=1", false},
		{"crash while serving", "postmaster[1] LOG:  server process (PID 7) was terminated", "INFO PostgreSQL says text=LOG: server process (PID 7) was terminated process=postmaster pid=1", true},
		{"background chatter", "checkpointer[2] LOG:  checkpoint starting", "DEBUG PostgreSQL says text=LOG: checkpoint starting process=checkpointer pid=2", true},
		{"background error with detail", "autovacuum worker[3] ERROR:  broken index\nautovacuum worker[3] DETAIL:  page 7",
			"WARN PostgreSQL says text=ERROR: broken index process=autovacuum worker pid=3\nWARN PostgreSQL says text=DETAIL: page 7 process=autovacuum worker pid=3", true},
		{"before there is a prefix", "FATAL:  could not create shared memory", "ERROR PostgreSQL says text=FATAL: could not create shared memory process= pid=", false},
		{"panic", "checkpointer[2] PANIC:  could not fsync", "ERROR PostgreSQL says text=PANIC: could not fsync process=checkpointer pid=2", true},
		{"session cut", "client backend[9] FATAL:  terminating connection due to administrator command",
			"WARN PostgreSQL says text=FATAL: terminating connection due to administrator command process=client backend pid=9", true},
		{"session refused while starting", "client backend[9] FATAL:  the database system is starting up",
			"DEBUG PostgreSQL says text=FATAL: the database system is starting up process=client backend pid=9", false},
		{"what a client caused", "client backend[9] ERROR:  invalid input syntax: \"SECRET\"\nclient backend[9] DETAIL:  Key (a)=(SECRET)\n\tSECRET more\nclient backend[9] STATEMENT:  SECRET", "", true},
		{"after a client's", "client backend[9] ERROR:  SECRET\ncheckpointer[2] LOG:  fine", "DEBUG PostgreSQL says text=LOG: fine process=checkpointer pid=2", true},
		{"no message at all", "Usage: postgres", "INFO PostgreSQL says text=Usage: postgres process= pid=", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			logged := &recorder{}
			pump := &logPump{logger: &atomic.Pointer[slog.Logger]{}}
			pump.logger.Store(logged.logger())
			pump.serving.Store(c.serving)
			for line := range strings.SplitSeq(c.in, "\n") {
				pump.take(line)
			}
			if got := logged.text(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestLogNeverQuotesClients provokes the messages that repeat what a client sent.
func TestLogNeverQuotesClients(t *testing.T) {
	t.Parallel()
	const secret = "planted-secret"
	logged := &recorder{}
	s := start(t, Config{DataDir: newDir(t, identities()[0]), Logger: logged.logger()})
	conn, err := pgconn.Connect(t.Context(), s.ConnString())
	must(t, err)
	must(t, conn.Exec(t.Context(), "CREATE TABLE locked (token text PRIMARY KEY, CHECK (token <> 'x'))").Close())
	must(t, conn.Exec(t.Context(), "INSERT INTO locked VALUES ('"+secret+"')").Close())
	for _, statement := range []string{
		"SELECT '" + secret + "'::inet",
		"SELECT '" + secret + "' FROM nowhere",
		"INSERT INTO locked VALUES ('" + secret + "')", // DETAIL: Key (token)=(…) already exists
		"DO $$ BEGIN RAISE WARNING '" + secret + "'; RAISE LOG '" + secret + "'; END $$",
		"CREATE ROLE r PASSWORD '" + secret + "'; SELECT 1/0",
		"SELECT pg_terminate_backend(pg_backend_pid()), '" + secret + "'",
	} {
		_ = conn.Exec(t.Context(), statement).Close()
	}
	if !conn.IsClosed() {
		t.Error("got a live connection, want the last statement to have ended it")
	}
	if _, err = tryQuery(t.Context(), strings.ReplaceAll(s.ConnString(), s.password, secret), "SELECT 1"); err == nil {
		t.Error("got a connection with a wrong password, want a refusal")
	}
	eventually(t, "the end of the session is logged", func() bool { return strings.Contains(logged.text(), "terminating connection") })
	// The swap shows that the new logger is used, and that its predecessor is not any more.
	after := &recorder{}
	s.SetLogger(after.logger())
	before := logged.text()
	_, _ = tryQuery(t.Context(), s.ConnString(), "SELECT pg_terminate_backend(pg_backend_pid())")
	eventually(t, "the new logger is used", func() bool { return strings.Contains(after.text(), "terminating connection") })
	if got := logged.text(); got != before {
		t.Errorf("got %q in the old logger, want nothing new", strings.TrimPrefix(got, before))
	}
	for name, text := range map[string]string{"the planted secret": secret, "the password": s.password} {
		if strings.Contains(logged.text()+after.text(), text) {
			t.Errorf("got %s in the log:\n%s", name, logged.text())
		}
	}
}
