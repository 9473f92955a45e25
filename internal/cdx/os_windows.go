//go:build windows

package cdx

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// othersMayRead is always false: a file below %AppData% inherits a list of rights that names its user, and Go's mode
// bits say nothing about it.
func othersMayRead(fs.FileInfo, bool) bool { return false }

// systemConfigPath is where the configuration of a machine is.
func systemConfigPath() string {
	if dir := os.Getenv("ProgramData"); dir != "" {
		return filepath.Join(dir, "cdx", "host.json")
	}
	return ""
}

// shareAlike does nothing: a new file inherits its rights from the directory.
func shareAlike(*os.File, fs.FileInfo) error { return nil }

// isAnothers is always false: the rights of the directory decide.
func isAnothers(fs.FileInfo) bool { return false }

// othersMayWrite is always false, for the same reason.
func othersMayWrite(fs.FileInfo) bool { return false }

// interrupt is the signal that a console's Ctrl-C sends.
var interrupt = os.Interrupt

// forwarded are the signals that cdx survives while Codex runs. The console gives Ctrl-C to both processes.
var forwarded = []os.Signal{os.Interrupt}

// surviveReaders does nothing: a write to a pipe whose reader is gone only fails.
func surviveReaders() {}

// exitStatus is the status that an ended process left.
func exitStatus(state *os.ProcessState) int { return state.ExitCode() }

// executables returns the file names under which a directory may hold the program name: npm installs a .cmd.
func executables(name string) []string {
	extensions := os.Getenv("PATHEXT")
	if extensions == "" {
		extensions = ".COM;.EXE;.BAT;.CMD"
	}
	names := []string{}
	for _, extension := range filepath.SplitList(extensions) {
		names = append(names, name+strings.ToLower(extension))
	}
	return names
}

// isExecutable reports whether a file may be started.
func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
