// Package program is about putting executable files in their place: who may do it at a time, whether a new one says
// what it should, and how one that runs is replaced.
package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// ErrBusy means that another process holds the lock.
var ErrBusy = errors.New("another cdx is at it")

// lockPoll is how often a waiting process looks. The holder downloads for seconds or minutes.
const lockPoll = 100 * time.Millisecond

// TryLock makes this process the only one that works on what the lock at path stands for, until unlock. The lock of a
// killed process is free. The file is gone afterwards, so that it may lie in a directory of programs.
//
// Errors: ErrBusy; *NotWritableError.
func TryLock(path string) (unlock func(), err error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, AsNotWritable(path, fmt.Errorf("creating a lock: %w", err))
		}
		if above, err := os.Stat(filepath.Dir(path)); err == nil {
			_ = files.ShareOwner(path, above) // else a killed run as root would keep the user out
		}
		held, err := files.TryLock(file)
		if err != nil || !held {
			_ = file.Close() // nothing was written
			if err != nil {
				return nil, fmt.Errorf("locking %s: %w", path, err)
			}
			return nil, ErrBusy
		}
		if isAt(file, path) {
			return func() {
				_ = os.Remove(path) // before the lock is dropped; where open files cannot be removed it stays, free
				_ = file.Close()
			}, nil
		}
		_ = file.Close() // its last owner removed it after we had opened it
	}
}

// Lock is TryLock that waits until ctx ends.
//
// Errors: ErrBusy when ctx has ended; *NotWritableError.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		unlock, err := TryLock(path)
		if !errors.Is(err, ErrBusy) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, ErrBusy
		case <-tick.C:
		}
	}
}

func isAt(file *os.File, path string) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}

// NotWritableError means that this user may not change what is at Path. Its owner may.
type NotWritableError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *NotWritableError) Error() string {
	return "this user may not change " + e.Path
}

// Unwrap returns what the system said.
func (e *NotWritableError) Unwrap() error { return e.Err }

// AsNotWritable returns err as a *NotWritableError about path if it is for want of rights, else as it is.
func AsNotWritable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return &NotWritableError{Path: path, Err: err}
	}
	return err
}
