// Package lease counts the Codex sessions of a home, also those whose cdx was killed.
//
// A session is a file, and it runs while two things hold:
//
//   - Somebody has the file open. cdx holds it, and Codex inherits that open file. The system closes it with the last of
//     the two, however they end, so what a crash, a power cut or a restart of the machine left behind is no session.
//   - That somebody is cdx or Codex. Everything that Codex starts inherits the open file too, and a daemon among it may
//     live for months; it must not keep a login on the disk or stand in the way of an uninstall. So the file names both
//     processes, each with the time at which it started, since numbers come back.
//
// Neither is enough alone. Process numbers mean nothing to another container or machine that shares the home, and cdx
// can be killed between starting Codex and writing down its number: in these cases the open file decides, because what
// looks like a session must not lose its login on a guess.
//
// Two things escape. When both cdx and a launcher that started the real Codex as its child are killed, npm's for
// example, the session counts as ended, though that child may go on. And when cdx is killed in the moment before it
// writes Codex's number down, a daemon of that Codex counts as Codex.
//
// All functions but [Lease.Start] are for the holder of the home's lock: nothing else keeps one cdx from looking at a
// session that another just begins.
package lease

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// suffix is how the file of a session ends. Other files of the directory are left alone.
const suffix = ".lease"

// Info is a session as the user is told of it. It is zero when the file of a running session cannot be understood.
type Info struct {
	PID     int       // of its cdx, which may have been killed
	Codex   int       // process number of Codex; 0 if it was not started yet
	Started time.Time // UTC
}

// Lease is a session of this process, from before Codex starts until after it has ended.
type Lease struct {
	path   string
	file   *os.File // what Codex inherits
	record record
}

// Take begins a session in dir, which is made if it is missing.
func Take(dir string, now time.Time) (*Lease, error) {
	if err := files.MakeDir(dir); err != nil {
		return nil, err
	}
	l := &Lease{
		path:   filepath.Join(dir, rand.Text()+suffix),
		record: record{Place: place(), Cdx: identify(os.Getpid()), Started: now.UTC()},
	}
	files.Reach("take lease")
	err := l.record.save(l.path, os.O_CREATE|os.O_EXCL)
	if err == nil {
		err = shareOwner(l.path, dir)
	}
	if err == nil {
		files.Reach("hold lease")
		l.file, err = hold(l.path)
	}
	if err != nil {
		_ = os.Remove(l.path) // it counts as ended, so the next cdx would
		return nil, fmt.Errorf("beginning a session: %w", err)
	}
	return l, nil
}

func shareOwner(path, dir string) error {
	above, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return files.ShareOwner(path, above)
}

// Start starts Codex as part of the session. Its error is that of cmd.Start.
func (l *Lease) Start(cmd *exec.Cmd) error {
	if err := startWith(cmd, l.file); err != nil {
		return err
	}
	files.Reach("codex started")
	codex := identify(cmd.Process.Pid)
	l.record.Codex = &codex
	// Codex runs, so there is nobody to give an error to; without its number the open file alone decides.
	_ = l.record.save(l.path, 0)
	return nil
}

// Others returns the other sessions that run: none means that the login may be removed. It is asked when Codex has
// ended, but before End, so that a crash in between leaves a session that is over and not a login that nobody minds.
//
// Errors: as of [Running].
func (l *Lease) Others() ([]Info, error) {
	return running(filepath.Dir(l.path), filepath.Base(l.path))
}

// End ends the session. Codex must have ended, or not have been started.
func (l *Lease) End() error {
	// Where an open file cannot be removed, one that outlives Codex with it would keep the session from ending.
	l.record.Ended = true
	marked := l.record.save(l.path, 0)
	_ = l.file.Close() // nothing was written to it
	files.Reach("end lease")
	err := os.Remove(l.path)
	if err == nil || marked == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("ending the session: %w", err)
}

// Running returns the sessions of dir that run, in no order, and removes the files of those that do not. A directory
// that is missing has none.
//
// Errors: the file system's. Then nothing is known: sessions may run.
func Running(dir string) ([]Info, error) { return running(dir, "") }

func running(dir, except string) ([]Info, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for sessions: %w", err)
	}
	var sessions []Info
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !strings.HasSuffix(entry.Name(), suffix) || entry.Name() == except {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		held, err := isHeld(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking at a session: %w", err)
		}
		r, err := load(path)
		if held && (err != nil || r.runs()) {
			sessions = append(sessions, r.info())
			continue
		}
		files.Reach("remove lease")
		_ = os.Remove(path) // it is over whether or not its file can go
	}
	return sessions, nil
}
