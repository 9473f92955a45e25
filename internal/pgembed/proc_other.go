//go:build unix && !linux

package pgembed

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

const (
	maxSocketPath = 103 // sun_path, less its NUL
	characterType = "en_US.UTF-8"
)

// signalOnParentDeath: this system cannot. The next owner interrupts the orphan; see interruptOrphan.
func signalOnParentDeath(*syscall.SysProcAttr, syscall.Signal) {}

// worksIn reports whether a process is a PostgreSQL of ours for dir, by its arguments. When the system does not say, any living
// process might.
func worksIn(pid int, dir string) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	out, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // ps ends by itself
	return err != nil || strings.Contains(string(out), " -D "+dir+" ")
}

// interruptOrphan asks the PostgreSQL of an owner who died to stop. We hold the owner's lock, so it has no other owner.
func interruptOrphan(pid int) error { return syscall.Kill(pid, syscall.SIGINT) }
