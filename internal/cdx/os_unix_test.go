//go:build unix

package cdx

import (
	"io/fs"
	"syscall"
)

// inodeOf tells one file from another that took its name.
func inodeOf(info fs.FileInfo) uint64 {
	return info.Sys().(*syscall.Stat_t).Ino //nolint:forcetypeassert // what os.Stat gives here
}
