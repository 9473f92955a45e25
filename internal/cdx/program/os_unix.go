//go:build unix

package program

import (
	"errors"
	"syscall"
)

// isBusy reports whether a program could not be started because some process has it open for writing: also a child of
// ours between fork and exec, which inherits every open file for that moment.
func isBusy(err error) bool { return errors.Is(err, syscall.ETXTBSY) }

// systemEnvironment is what the system needs to start any program.
func systemEnvironment() []string { return nil }
