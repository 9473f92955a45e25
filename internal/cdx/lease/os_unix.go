//go:build unix

package lease

import (
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// hold opens the file at path as the one by which a session runs. The lock is a shared one, which a file opened only
// for reading can carry on every file system: Codex's tools inherit it, and some of them may not write.
func hold(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := lock(file, unix.LOCK_SH); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// isHeld reports whether some process has what hold opened. The lock belongs to the open file, not to a process.
func isHeld(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }() // drops the lock again
	err = lock(file, unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

func lock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// startWith starts cmd with file open under the number that it has here: ExtraFiles would put it in the place of a file
// that whoever started cdx opened for Codex.
func startWith(cmd *exec.Cmd, file *os.File) error {
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
		return err
	}
	defer unix.CloseOnExec(int(file.Fd())) // what else cdx starts is no part of the session
	return cmd.Start()
}

// isGone reports whether there is no process with the number pid. One of another user is there.
func isGone(pid int) bool { return errors.Is(unix.Kill(pid, 0), unix.ESRCH) }
