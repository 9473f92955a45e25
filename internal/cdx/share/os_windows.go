//go:build windows

package share

import "io/fs"

// sameOwner takes any two files for the same user's: to make a link takes rights there that make the question idle.
func sameOwner(fs.FileInfo, fs.FileInfo) bool { return true }
