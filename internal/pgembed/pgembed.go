// Package pgembed runs PostgreSQL as a child process: the database of a gateway whose operator configured none.
//
// Everything lives in one directory, DataDir/pg:
//
//	data/          the cluster; belongs to the user who runs PostgreSQL
//	run/           its Unix socket, 0700; nothing listens on TCP
//	pw             password of the database roles, 0600; belongs to the cluster and travels with it in a backup
//	owner.lock     flock, exclusive: held by the one process that runs PostgreSQL
//	adopters.lock  flock, shared: held by every command that borrows it
//	new-*/         a cluster in the making; debris when nobody holds owner.lock
//
// A gateway calls [Start]: it owns its PostgreSQL, waits for whoever owned it before, and never uses a server that
// somebody else started. A command on the console calls [Borrow]: it uses the gateway's PostgreSQL while there is one,
// and otherwise runs its own for as long as it lasts.
//
// Nothing survives its owner: the kernel interrupts PostgreSQL when the process that started it dies, however it dies.
package pgembed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// The refusals that a caller may want to tell apart. Everything else is an unclassified fault of the machine.
var (
	// ErrNotInstalled: no usable PostgreSQL on this machine.
	ErrNotInstalled = errs.New(errs.Unavailable, "postgresql_missing",
		"PostgreSQL was not found; install it (Debian: apt-get install postgresql) or set database to a server that runs elsewhere")
	// ErrVersion: the cluster was made by a major version of PostgreSQL that is not installed. Nothing was touched.
	ErrVersion = errs.New(errs.Unavailable, "postgresql_version", "the embedded database belongs to another version of PostgreSQL")
	// ErrBusy: another process has owned the database for too long.
	ErrBusy = errs.New(errs.Unavailable, "database_busy", "the embedded database is in use")
	// ErrStopped: the owner of a borrowed PostgreSQL ended; see [Server.Explain].
	ErrStopped = errs.New(errs.Unavailable, "database_stopped",
		"the embedded database stopped under this command, because the process that runs it ended; check what took effect, then run the command again")
)

// Names inside the cluster. The gateway's role is not a superuser, so that an SQL injection cannot reach the shell.
const (
	roleName      = "cdxgate"
	databaseName  = "cdxgate"
	superuserName = "postgres"
	socketPort    = "5432" // names the socket file only
)

// Config says where the cluster lives and who runs it. Only DataDir is required.
type Config struct {
	DataDir  string       // the gateway's data directory; made (0711) when absent
	Binaries string       // directory with postgres and initdb. Default: $PATH, then the newest in the usual system places
	User     string       // who runs PostgreSQL when we are root. Default: who owns the cluster, else DataDir, else postgres, else nobody
	Logger   *slog.Logger // default: discard

	MaxConnections int // that PostgreSQL admits. Default: 60

	// Progress gets one line for people when something that takes time begins and each second while it goes on,
	// such as "creating the database cluster (3 s)". Calls never overlap. Default: none.
	Progress func(string)

	// NoSync trades durability for speed. For tests only: a crash of the machine may destroy the cluster.
	NoSync bool

	patience time.Duration // how long to wait for another owner. Default: 30 s
	grace    time.Duration // what borrowers get to finish before the server stops under them. Default: 2 s
}

// Server is a PostgreSQL that accepts connections: ours, or a borrowed one.
type Server struct {
	cfg      Config
	dir      layout
	password string
	socket   string // directory of the socket
	logger   atomic.Pointer[slog.Logger]

	// Only the owner has these.
	owner    *fileLock
	account  account
	binaries binaries
	spawner  *spawner
	// notPostmaster is a process that a stale postmaster.pid names by accident, 0 for none.
	notPostmaster int
	stopping      chan struct{} // closed by Close
	stopped       chan struct{} // closed when the supervisor has stopped PostgreSQL
	stopNow       chan struct{} // closed when Close's context ends: be quick

	// Only a borrower has these.
	adopter *fileLock
	adopted postmaster

	closeOnce sync.Once
	closeErr  error
}

// Start owns the cluster in cfg.DataDir and runs PostgreSQL on it until Close: it makes the cluster if there is none,
// and starts PostgreSQL again whenever it dies. It waits for a previous owner to end, 30 s at most (ErrBusy).
// ctx bounds the start only. Give it time: after a crash PostgreSQL first replays its log.
//
// Errors: ErrNotInstalled, ErrVersion, ErrBusy. On any error nothing keeps running and a cluster that was there is unchanged.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.waitForOwnership(ctx); err != nil {
		return nil, err
	}
	return s.boot(ctx)
}

// Borrow is Start for a command: it uses the PostgreSQL that another process runs on cfg.DataDir if there is one.
// Such a server may stop at any time; pass what then fails through [Server.Explain].
//
// Errors: as Start.
func Borrow(ctx context.Context, cfg Config) (*Server, error) {
	s, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	owning, err := s.waitForOwnershipOrServer(ctx)
	if err != nil {
		return nil, err
	}
	if owning {
		return s.boot(ctx)
	}
	return s, nil
}

func newServer(cfg Config) (*Server, error) {
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 60
	}
	if cfg.patience == 0 {
		cfg.patience = 30 * time.Second
	}
	if cfg.grace == 0 {
		cfg.grace = 2 * time.Second
	}
	dir, err := makeLayout(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, dir: dir,
		stopping: make(chan struct{}), stopped: make(chan struct{}), stopNow: make(chan struct{}),
	}
	s.SetLogger(cfg.Logger)
	return s, nil
}

// boot turns the owner of the lock into a running server.
func (s *Server) boot(ctx context.Context) (*Server, error) {
	s.spawner = newSpawner()
	child, err := s.bringUp(ctx)
	if err != nil {
		s.spawner.close()
		return nil, errors.Join(err, s.owner.release())
	}
	go s.supervise(child) //nolint:gosec // it outlives ctx, which bounds the start only
	return s, nil
}

// bringUp is everything between the lock and a database that is ready for the gateway.
func (s *Server) bringUp(ctx context.Context) (*child, error) {
	s.dir.removeDebris()
	var err error
	if s.account, err = chooseAccount(s.cfg.User, s.dir); err != nil {
		return nil, err
	}
	cluster, err := s.dir.clusterVersion()
	if err != nil {
		return nil, err
	}
	if err := s.dir.letThrough(s.account); err != nil {
		return nil, err
	}
	if s.binaries, err = s.findBinaries(ctx, cluster); err != nil {
		return nil, err
	}
	if err := s.waitForPredecessor(ctx); err != nil {
		return nil, err
	}
	if s.socket, err = s.dir.prepare(s.account); err != nil {
		return nil, err
	}
	if cluster == 0 {
		err = s.create(ctx)
	} else {
		err = s.loadPassword(ctx)
	}
	if err != nil {
		return nil, err
	}
	defer s.progress(fmt.Sprintf("starting PostgreSQL %d", s.binaries.major))()
	child, err := s.launch(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.provision(ctx); err != nil {
		s.terminate(child)
		return nil, fmt.Errorf("preparing the database: %w", err)
	}
	return child, nil
}

// ConnString returns where to connect and as whom, as a URL. It contains the password: treat it as a secret.
func (s *Server) ConnString() string { return s.connString(roleName, databaseName) }

func (s *Server) connString(role, database string) string {
	// Every key that pgx would otherwise take from a PG* variable of somebody's shell is given here.
	q := url.Values{
		"host": {s.socket}, "port": {socketPort}, "sslmode": {"disable"}, "target_session_attrs": {"any"},
		"application_name": {"cdxgate"}, "options": {""},
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, s.password), Path: "/" + database,
		RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20"), // as libpq, pgx takes a plus for a plus
	}
	return u.String()
}

// SetLogger replaces the logger, as a reload of the configuration does; nil discards.
func (s *Server) SetLogger(logger *slog.Logger) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s.logger.Store(logger)
}

// Close stops PostgreSQL and gives up the cluster; a borrower only lets go of it. Commands that borrow the server get
// two seconds to finish. PostgreSQL gets ten seconds for an orderly stop, then it is forced, which costs the next start
// a recovery but no data; the end of ctx forces it at once. Close may be called several times and always returns
// when everything is over.
func (s *Server) Close(ctx context.Context) error {
	s.closeOnce.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Server) close(ctx context.Context) error {
	if s.adopter != nil {
		return s.adopter.release()
	}
	adopters, err := s.waitForAdopters(ctx)
	unhurried := context.AfterFunc(ctx, func() { close(s.stopNow) })
	close(s.stopping)
	<-s.stopped
	unhurried()
	s.spawner.close()
	s.dir.removeSocketDir(s.socket)
	return errors.Join(err, adopters.release(), s.owner.release())
}

// progress announces a step that takes time, now and every second, until the returned function is called.
func (s *Server) progress(line string) (done func()) {
	s.cfg.Progress(line)
	stop, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for elapsed := 1; ; elapsed++ {
			select {
			case <-tick.C:
				s.cfg.Progress(fmt.Sprintf("%s (%d s)", line, elapsed))
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-finished
	}
}
