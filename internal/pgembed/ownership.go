package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pollPause is the time between two looks at a lock or a server.
const pollPause = 20 * time.Millisecond

// waitForOwnership takes owner.lock, however short-lived or slow to end its holder is.
func (s *Server) waitForOwnership(ctx context.Context) error {
	_, err := s.waitFor(ctx, func() (bool, error) { return s.tryToOwn() })
	return err
}

// waitForOwnershipOrServer reports whether we became the owner (true) or adopted a running server (false). It alternates
// between the two, because the owner may be starting or stopping its server at this moment.
func (s *Server) waitForOwnershipOrServer(ctx context.Context) (owning bool, err error) {
	return s.waitFor(ctx, func() (bool, error) {
		if done, err := s.tryToOwn(); done || err != nil {
			return done, err
		}
		return s.tryToAdopt(ctx)
	})
}

// waitFor repeats attempt until it succeeds, fails, or patience ends, and reports whether we hold owner.lock then.
func (s *Server) waitFor(ctx context.Context, attempt func() (bool, error)) (owning bool, err error) {
	if done, err := attempt(); done || err != nil {
		return s.owner != nil, err
	}
	holder, _ := lockHolder(s.dir.ownerLock())
	defer s.progress("waiting for " + holder + ", which is using the embedded database")()
	deadline := time.NewTimer(s.cfg.patience)
	defer deadline.Stop()
	for {
		select {
		case <-time.After(pollPause):
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for the embedded database: %w", ctx.Err())
		case <-deadline.C:
			holder, _ = lockHolder(s.dir.ownerLock())
			return false, fmt.Errorf("%w by %s for more than %s (%s); stop that process, or use another data_dir",
				ErrBusy, holder, s.cfg.patience, s.dir.pg)
		}
		if done, err := attempt(); done || err != nil {
			return s.owner != nil, err
		}
	}
}

func (s *Server) tryToOwn() (bool, error) {
	lock, err := tryLock(s.dir.ownerLock(), exclusive)
	if lock == nil || err != nil {
		return false, err
	}
	if err := lock.sign(ownerRuns); err != nil {
		return false, errors.Join(err, lock.release())
	}
	s.owner = lock
	return true, nil
}

// tryToAdopt connects to the server that the lock's owner runs, and reports false when it is not there, not ready yet, or
// about to stop. The shared lock comes first: an owner who says after that moment that he stops, waits for who holds it.
func (s *Server) tryToAdopt(ctx context.Context) (bool, error) {
	lock, err := tryLock(s.dir.adoptersLock(), shared)
	if lock == nil || err != nil {
		return false, err
	}
	_, stops := lockHolder(s.dir.ownerLock())
	running, ok := readPostmaster(s.dir.data())
	password, err := s.dir.readPassword()
	if errors.Is(err, fs.ErrPermission) {
		return false, errors.Join(fmt.Errorf("%w; run this as %s or as root", err, ownerName(s.dir.passwordFile())), lock.release())
	}
	if stops || !ok || !running.ready || err != nil {
		return false, lock.release()
	}
	s.adopted, s.socket, s.password = running, running.socketDir, password
	if err := s.ping(ctx, s.ConnString()); err != nil {
		return false, lock.release()
	}
	s.adopter = lock
	return true, nil
}

// waitForAdopters says that we stop, so that nobody adopts the server any more, and returns with the adopters' lock held exclusively
// when those who have are done. It returns nil when its patience or ctx ended first: their commands will fail with ErrStopped.
func (s *Server) waitForAdopters(ctx context.Context) (*fileLock, error) {
	if err := s.owner.sign(ownerStops); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.grace)
	defer cancel()
	for {
		lock, err := tryLock(s.dir.adoptersLock(), exclusive)
		if lock != nil || err != nil {
			return lock, err
		}
		select {
		case <-time.After(pollPause):
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // no lock and no fault
		}
	}
}

// ping makes one connection and closes it.
func (s *Server) ping(ctx context.Context, connString string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, connString)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Explain returns ErrStopped in place of err when err came from a borrowed server that is gone, and err itself otherwise.
// Whether a transaction that was being committed took effect is unknown then.
func (s *Server) Explain(err error) error {
	if err == nil || s.adopter == nil || !looksLost(err) || s.stillServed() {
		return err
	}
	return ErrStopped.WithCause(err)
}

// stillServed reports whether the server that we adopted is there: not a successor, and not one that is stopping.
// An error that looks like a lost connection may as well come from a truncated file or from another peer.
func (s *Server) stillServed() bool {
	now, ok := readPostmaster(s.dir.data())
	if !ok || now.pid != s.adopted.pid || now.started != s.adopted.started {
		return false
	}
	return s.ping(context.Background(), s.ConnString()) == nil
}

// looksLost reports whether err is what a client sees when its server shuts down, whichever moment it is caught at.
func looksLost(err error) bool {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case "57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
			return true
		}
		return false
	}
	for _, sign := range []error{
		pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, syscall.ENOENT, // the last: no socket any more
	} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}
