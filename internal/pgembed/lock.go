package pgembed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// How a lock is held.
const (
	exclusive = syscall.LOCK_EX
	shared    = syscall.LOCK_SH
)

// fileLock is an flock on a file that is never deleted. The kernel drops it when the process dies, and Go opens files
// close-on-exec, so PostgreSQL does not inherit it.
type fileLock struct{ file *os.File }

// tryLock takes the lock or returns nil when somebody else's prevents that.
func tryLock(path string, how int) (*fileLock, error) {
	// The directory may belong to another user than the root who runs a verb: a link there must not lead us to write
	// into a file of root's.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("locking the embedded database: %w; run this as %s, who owns it", err, ownerName(path))
	}
	if err != nil {
		return nil, fmt.Errorf("locking the embedded database: %w", err)
	}
	if err := errors.Join(onlyName(file), giveToOwnerOfParent(path)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	for {
		err = syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return &fileLock{file: file}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, file.Close()
	default:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
	}
}

// onlyName refuses what is not a regular file with this one name: a second name would be another file's.
func onlyName(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("locking the embedded database: %w", err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || (ok && stat.Nlink != 1) {
		return fmt.Errorf("%s is not a lock of ours; remove it", file.Name())
	}
	return nil
}

// What the owner says about himself in the file.
const (
	ownerRuns  = ""
	ownerStops = " stopping"
)

// sign writes our process ID and a state into the file, for those who wait.
func (l *fileLock) sign(state string) error {
	text := strconv.Itoa(os.Getpid()) + state + "\n"
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("signing the lock: %w", err)
	}
	if _, err := l.file.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("signing the lock: %w", err)
	}
	return nil
}

// release gives the lock up. A nil lock is none.
func (l *fileLock) release() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}

// lockHolder names who signed the lock file, "process 4711", or "another process" while it is not signed yet; and whether he is
// about to give it up.
func lockHolder(path string) (name string, stops bool) {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return "another process", false
	}
	pid, stops := strings.CutSuffix(strings.TrimSpace(string(text)), ownerStops)
	return "process " + pid, stops
}
