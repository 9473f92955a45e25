//go:build windows

package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// noLinkNoWait is nothing: making a link takes rights that users do not have, and a pipe has no place among files.
const noLinkNoWait = 0

// mayFollow is always nil: nobody runs as somebody else's root.
func mayFollow(fs.FileInfo) error { return nil }

// ShareOwner does nothing: a new file inherits the rights of its directory.
func ShareOwner(string, fs.FileInfo) error { return nil }

// syncDir does nothing: Windows flushes the directory with the file.
func syncDir(string) error { return nil }

// TryLock takes the exclusive lock on file if nobody has it. The system drops it when the process ends, however it ends.
func TryLock(file *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(file.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}
