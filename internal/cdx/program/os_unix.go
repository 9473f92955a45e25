//go:build unix

package program

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the exclusive lock on file if nobody has it. The system drops it when the process ends, however it ends.
func tryLock(file *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return false, err
		}
	}
}

// isBusy reports whether a program could not be started because some process has it open for writing: also a child of
// ours between fork and exec, which inherits every open file for that moment.
func isBusy(err error) bool { return errors.Is(err, syscall.ETXTBSY) }

// systemEnvironment is what the system needs to start any program.
func systemEnvironment() []string { return nil }
