//go:build unix

package cdx

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// openNonblocking keeps an open from waiting for the other end of a pipe.
const openNonblocking = syscall.O_NONBLOCK

// Where a system says which homes its users have. They vary in tests only.
var (
	accountsFile = "/etc/passwd"
	homesOfMac   = "/Users"
)

// userHomes returns the homes of all users of this machine, sorted.
//
// Errors: this user is not root.
func userHomes() ([]string, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("this user is not")
	}
	homes, _ := filepath.Glob(filepath.Join(homesOfMac, "*"))
	file, err := os.Open(accountsFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		const home = 5
		fields := strings.Split(lines.Text(), ":")
		if len(fields) > home && filepath.IsAbs(fields[home]) && filepath.Clean(fields[home]) != "/" {
			homes = append(homes, filepath.Clean(fields[home]))
		}
	}
	slices.Sort(homes)
	return slices.Compact(homes), lines.Err()
}
