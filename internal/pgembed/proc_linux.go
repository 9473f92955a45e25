package pgembed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	maxSocketPath = 107       // sun_path, less its NUL
	characterType = "C.UTF-8" // what is a letter
)

// signalOnParentDeath lets the kernel signal the child when the thread that starts it dies.
func signalOnParentDeath(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// worksIn reports whether a process has dir, which is free of symbolic links, as its working directory, as a PostgreSQL has its
// cluster. When the system does not say, any living process might.
func worksIn(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err == nil {
		return cwd == dir
	}
	if _, noProc := os.Stat("/proc/self/stat"); noProc == nil && errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// interruptOrphan does nothing: the kernel has done it.
func interruptOrphan(int) error { return nil }
