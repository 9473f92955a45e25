//go:build unix

package cdx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"syscall"
)

// systemConfigPath is where the configuration of a machine is.
func systemConfigPath() string { return "/etc/cdx/host.json" }

// othersMayRead reports whether more users than the owner have any right to a configuration. The machine's own may be
// read by the group cdx if it is root's.
func othersMayRead(info fs.FileInfo, system bool) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return !ok || rightsTooWide(info.Mode(), owner.Uid, owner.Gid, system, func(gid string) string {
		group, err := user.LookupGroupId(gid)
		if err != nil {
			return ""
		}
		return group.Name
	})
}

func rightsTooWide(mode fs.FileMode, uid, gid uint32, system bool, groupName func(gid string) string) bool {
	switch mode.Perm() & 0o077 {
	case 0:
		return false
	case 0o040:
		return !system || uid != 0 || groupName(strconv.FormatUint(uint64(gid), 10)) != configGroup
	default:
		return true
	}
}

// shareAlike gives a new file the group and the rights of old.
func shareAlike(file *os.File, old fs.FileInfo) error {
	owner, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the group of a file cannot be found out")
	}
	if err := file.Chown(-1, int(owner.Gid)); err != nil {
		return fmt.Errorf("keeping the group: %w", err)
	}
	return file.Chmod(old.Mode().Perm())
}

// isAnothers reports whether a file belongs to another user, and this one is not root.
func isAnothers(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return !ok || os.Geteuid() != 0 && int(owner.Uid) != os.Geteuid()
}

// othersMayWrite reports whether users other than the owner may change a file.
func othersMayWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// interrupt is the signal that a terminal's Ctrl-C sends.
const interrupt = syscall.SIGINT

// forwarded are the signals that cdx passes on to Codex instead of dying of them.
var forwarded = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGINT}

// surviveReaders lets a write to a pipe whose reader is gone, as of cdx 2>&1 | head, fail instead of ending cdx where it
// stands. What cdx starts has the signal as ever.
func surviveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// exitStatus is what a shell would say about an ended process: its status, or 128 + N when signal N ended it.
func exitStatus(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// executables returns the file names under which a directory may hold the program name.
func executables(name string) []string { return []string{name} }

// isExecutable reports whether a file may be started.
func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
