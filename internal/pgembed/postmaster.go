package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// postmaster is what a running PostgreSQL writes into postmaster.pid.
type postmaster struct {
	pid       int
	started   string // Unix time in seconds; with pid it tells two servers apart
	socketDir string
	ready     bool // accepts connections
}

func postmasterFile(data string) string { return filepath.Join(data, "postmaster.pid") }

// readPostmaster reads postmaster.pid, and reports false when there is none or it is being written.
func readPostmaster(data string) (postmaster, bool) {
	text, err := os.ReadFile(postmasterFile(data))
	if err != nil {
		return postmaster{}, false
	}
	return parsePostmaster(string(text))
}

// parsePostmaster knows the file's eight lines: process ID (negative for a single-user PostgreSQL), data directory, start time,
// port, socket directory, listen address, shared memory key, status. The last ones appear as the start goes on.
func parsePostmaster(text string) (postmaster, bool) {
	lines := append(strings.Split(text, "\n"), make([]string, 8)...)
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid == 0 {
		return postmaster{}, false
	}
	return postmaster{
		pid: max(pid, -pid), started: lines[2], socketDir: lines[4], ready: strings.TrimSpace(lines[7]) == "ready",
	}, true
}

// tornAfter is how long an unreadable postmaster.pid counts as one that is being written.
const tornAfter = time.Second

// waitForPredecessor waits until no PostgreSQL runs on the cluster. We hold the lock, so one that does has lost its owner and is
// shutting down. It leaves the ID of a process in s.notPostmaster that the file names and that is something else today.
func (s *Server) waitForPredecessor(ctx context.Context) error {
	data, err := filepath.EvalSymlinks(s.dir.data()) // an operator may have moved the cluster to another disk
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finding the database cluster: %w", err)
	}
	begun := time.Now()
	running, busy, err := s.predecessor(data, 0)
	if !busy || err != nil {
		return err
	}
	defer s.progress("waiting for the previous PostgreSQL to shut down")()
	for interrupted := false; busy; {
		if running != 0 && !interrupted {
			interrupted = true
			if err := interruptOrphan(running); err != nil {
				return fmt.Errorf("stopping the previous PostgreSQL (process %d): %w", running, err)
			}
		}
		if time.Since(begun) > s.cfg.patience {
			return fmt.Errorf("%w: PostgreSQL (process %d) runs in %s, and no cdxgate has started it; stop it and try again",
				ErrBusy, running, data)
		}
		select {
		case <-time.After(pollPause):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the previous PostgreSQL to shut down: %w", ctx.Err())
		}
		if running, busy, err = s.predecessor(data, time.Since(begun)); err != nil {
			return err
		}
	}
	return nil
}

// predecessor reports whether PostgreSQL is busy on data, and as which process, 0 while it does not say yet. waited is for how
// long we have been asking.
func (s *Server) predecessor(data string, waited time.Duration) (pid int, busy bool, err error) {
	found, ok := readPostmaster(data)
	if ok {
		if worksIn(found.pid, data) {
			return found.pid, true, nil
		}
		s.notPostmaster = found.pid
		return 0, false, nil
	}
	if _, err := os.Stat(postmasterFile(data)); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if waited < tornAfter {
		return 0, true, nil
	}
	// A crash between creating the file and writing it. PostgreSQL would refuse to start until somebody removes it.
	if err := os.Remove(postmasterFile(data)); err != nil {
		return 0, false, fmt.Errorf("removing a torn postmaster.pid: %w", err)
	}
	return 0, false, nil
}
