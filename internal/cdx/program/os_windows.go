//go:build windows

package program

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// isBusy reports whether a program could not be started because somebody has it open: a scanner, for a moment.
func isBusy(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// systemEnvironment is what the system needs to start any program.
func systemEnvironment() []string { return []string{"SystemRoot=" + os.Getenv("SystemRoot")} }
