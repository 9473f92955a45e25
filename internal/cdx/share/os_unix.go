//go:build unix

package share

import (
	"io/fs"
	"syscall"
)

// sameOwner reports whether two files belong to the same user.
func sameOwner(a, b fs.FileInfo) bool {
	ownerA, okA := a.Sys().(*syscall.Stat_t)
	ownerB, okB := b.Sys().(*syscall.Stat_t)
	return okA && okB && ownerA.Uid == ownerB.Uid
}
