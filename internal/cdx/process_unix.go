//go:build unix

package cdx

import (
	"os"
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own: no terminal, no signal from one, no end with the one that starts it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// restart makes this process the program at path. It returns only when that fails.
func restart(path string, args, environ []string) (int, error) {
	return 0, syscall.Exec(path, append([]string{os.Args[0]}, args...), environ) //nolint:gosec // its own arguments, once more
}
