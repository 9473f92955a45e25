package pgembed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	firstPause  = 100 * time.Millisecond // before PostgreSQL is started again; doubles with each try
	longPause   = 10 * time.Second       // but not beyond this
	steadyAfter = time.Minute            // a server that ran this long starts again with firstPause
	silentStart = 30 * time.Second       // a start that neither serves nor says that it is starting is over
	orderlyStop = 10 * time.Second       // then PostgreSQL is forced
	forcedStop  = 5 * time.Second        // then it is killed
)

// child is one run of PostgreSQL.
type child struct {
	cmd    *exec.Cmd
	log    *logPump
	exited chan struct{} // closed when it has ended and its log is read
	err    error         // of Wait; valid once exited is closed
}

// exitError is the end of a PostgreSQL that was not asked to end.
type exitError struct {
	cause error // nil: exit status 0
	last  []string
}

func (e *exitError) Error() string {
	how := "exit status 0"
	if e.cause != nil {
		how = e.cause.Error()
	}
	return fmt.Sprintf("PostgreSQL ended (%s): %s", how, lastWords(e.last))
}

func (e *exitError) Unwrap() error { return e.cause }

// meetsPredecessor reports whether PostgreSQL ended because processes of an earlier one are still about. They go by themselves.
func (e *exitError) meetsPredecessor() bool {
	text := strings.Join(e.last, "\n")
	return strings.Contains(text, `lock file "postmaster.pid" already exists`) ||
		strings.Contains(text, "pre-existing shared memory block")
}

// arguments are PostgreSQL's settings. On the command line they win over the files in the cluster, and change with the gateway.
func (s *Server) arguments() []string {
	settings := []string{
		"listen_addresses=",
		`unix_socket_directories="` + strings.ReplaceAll(s.socket, `"`, `""`) + `"`, // a list; quoted, because paths may hold spaces
		"unix_socket_permissions=0700",
		"port=" + socketPort,
		"cluster_name=cdxgate",
		"shared_buffers=64MB",
		"max_connections=" + strconv.Itoa(s.cfg.MaxConnections),
		"ssl=off",
		"timezone=UTC",
		"password_encryption=scram-sha-256",
		// Everything goes to our logger, in English, and no statement or parameter of one ever.
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=" + logLinePrefix,
		"log_timezone=UTC",
		"lc_messages=C",
		"log_min_messages=warning",
		"log_statement=none",
		"log_duration=off",
		"log_min_duration_statement=-1",
		"log_min_duration_sample=-1",
		"log_transaction_sample_rate=0",
		"log_min_error_statement=panic",
		"log_parameter_max_length=0",
		"log_parameter_max_length_on_error=0",
		"log_checkpoints=off",
	}
	if s.cfg.NoSync {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	args := []string{"-D", s.dir.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// launch starts PostgreSQL and returns when it accepts connections. It tries again while an earlier one is still about.
func (s *Server) launch(ctx context.Context) (*child, error) {
	begun := time.Now()
	for {
		c, err := s.startChild()
		if err != nil {
			return nil, fmt.Errorf("starting PostgreSQL: %w", err)
		}
		err = s.waitUntilReady(ctx, c)
		if err == nil {
			c.log.serving.Store(true)
			s.logger.Load().Info("PostgreSQL is ready", slog.Int("major", s.binaries.major),
				slog.Int("pid", c.cmd.Process.Pid), slog.String("cluster", s.dir.data()), slog.Duration("after", time.Since(begun)))
			return c, nil
		}
		s.terminate(c)
		ended, isExit := errors.AsType[*exitError](err)
		if !isExit || !ended.meetsPredecessor() || time.Since(begun) > s.cfg.patience {
			return nil, err
		}
		select {
		case <-time.After(firstPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (s *Server) startChild() (*child, error) {
	cmd := s.command(syscall.SIGINT, s.binaries.postgres(), s.arguments()...)
	if s.notPostmaster != 0 {
		// The stale postmaster.pid names a process of ours that is no PostgreSQL: process IDs come back, in containers after
		// each restart. This is how one tells PostgreSQL; it still makes sure that the old shared memory is unused.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(s.notPostmaster))
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = write, write
	err = s.spawner.start(cmd)
	if err = errors.Join(err, write.Close()); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	c := &child{cmd: cmd, log: newLogPump(read, &s.logger), exited: make(chan struct{})}
	go func() {
		defer close(c.exited)
		c.err = cmd.Wait()
		c.log.drain()
	}()
	return c, nil
}

// waitUntilReady returns nil when c accepts connections, *exitError when it ended.
func (s *Server) waitUntilReady(ctx context.Context, c *child) error {
	heard := time.Now()
	for {
		err := s.ping(ctx, s.connString(superuserName, "postgres"))
		if err == nil {
			return nil
		}
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
			if refused.Code == "28P01" {
				return fmt.Errorf("%s does not hold the password of this cluster; restore the right one, or remove it to get a new one set: %w",
					s.dir.passwordFile(), err)
			}
			if refused.Code != "57P03" {
				return fmt.Errorf("connecting to PostgreSQL: %w", err)
			}
			heard = time.Now() // it replays its log after a crash, however long that takes
		}
		if time.Since(heard) > silentStart {
			return fmt.Errorf("PostgreSQL does not accept connections after %s: %w: %s", silentStart, err, lastWords(c.log.last()))
		}
		select {
		case <-time.After(pollPause / 2):
		case <-c.exited:
			return &exitError{cause: c.err, last: c.log.last()}
		case <-ctx.Done():
			return fmt.Errorf("waiting for PostgreSQL to accept connections: %w", ctx.Err())
		}
	}
}

// supervise keeps PostgreSQL running until Close.
func (s *Server) supervise(c *child) {
	defer close(s.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.stopping
		cancel()
	}()
	pause := firstPause
	for {
		begun := time.Now()
		select {
		case <-c.exited:
		case <-s.stopping:
			s.terminate(c)
			return
		}
		ended := &exitError{cause: c.err, last: c.log.last()}
		if time.Since(begun) > steadyAfter {
			pause = firstPause
		}
		if c, pause = s.restart(ctx, ended, pause); c == nil {
			return
		}
	}
}

// restart tries until PostgreSQL runs again, and returns it with the pause before the next restart; nil when ctx ended first.
func (s *Server) restart(ctx context.Context, why error, pause time.Duration) (*child, time.Duration) {
	for {
		s.logger.Load().Error("PostgreSQL is down; starting it again", slog.Any("error", why), slog.Duration("in", pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, 0
		}
		pause = min(2*pause, longPause)
		var c *child
		_, why = s.dir.prepare(s.account)
		if why == nil {
			c, why = s.launch(ctx)
		}
		if why == nil {
			return c, pause
		}
		if ctx.Err() != nil {
			return nil, 0
		}
	}
}

// terminate stops c: orderly (SIGINT: no new work, roll back, checkpoint), then forced (SIGQUIT), then killed. It returns when
// c has ended.
func (s *Server) terminate(c *child) {
	c.log.serving.Store(false)
	for _, step := range []struct {
		signal  syscall.Signal
		patient time.Duration
		hurry   <-chan struct{}
	}{
		{syscall.SIGINT, orderlyStop, s.stopNow},
		{syscall.SIGQUIT, forcedStop, nil},
		{syscall.SIGKILL, forcedStop, nil},
	} {
		if err := c.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			s.logger.Load().Error("PostgreSQL cannot be signalled", slog.Any("error", err))
		}
		select {
		case <-c.exited:
			return
		case <-step.hurry:
		case <-time.After(step.patient):
		}
		s.logger.Load().Warn("PostgreSQL did not stop yet", slog.String("signal", step.signal.String()))
	}
}
