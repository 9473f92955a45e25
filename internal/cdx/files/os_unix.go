//go:build unix

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// noLinkNoWait opens no link, and a pipe without waiting for who else has it.
const noLinkNoWait = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// mayFollow reports whether a link may be followed.
func mayFollow(link fs.FileInfo) error {
	owner, ok := link.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return errLinkOfAnother
}

// ShareOwner gives path, which was just made, the owner that like has, so that a run as root leaves what is in a user's home
// the user's. What that user may have put in its place is given to nobody.
func ShareOwner(path string, like fs.FileInfo) error {
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|noLinkNoWait, 0)
	if err != nil {
		return fmt.Errorf("keeping the owner: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("keeping the owner: %w", err)
	}
	if made, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() && (!info.Mode().IsRegular() || made.Nlink != 1) {
		return fmt.Errorf("keeping the owner: %s is not what was made", path)
	}
	if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("keeping the owner: %w", err)
	}
	return nil
}

// syncDir makes a rename in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return errors.Join(err, d.Close())
	}
	return d.Close()
}

// TryLock takes the exclusive lock on file if nobody has it. The system drops it when the process ends, however it ends.
func TryLock(file *os.File) (bool, error) {
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
