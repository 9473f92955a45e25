//go:build unix

package cdx

import (
	"io/fs"
	"os"
	"syscall"
)

// othersMayRead reports whether users other than the owner have any right to a file.
func othersMayRead(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// interrupt is the signal that a terminal's Ctrl-C sends.
const interrupt = syscall.SIGINT

// forwarded are the signals that cdx passes on to Codex instead of dying of them.
var forwarded = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGINT}

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
