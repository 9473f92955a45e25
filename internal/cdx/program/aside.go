package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// maxAside is how many programs may still run under the names they were set aside with: one per update since.
const maxAside = 8

// asideNames are the names that the program at path is set aside with: cdx.exe.old, cdx.exe.old1 and so on.
func asideNames(path string) []string {
	names := []string{path + ".old"}
	for i := 1; i < maxAside; i++ {
		names = append(names, path+".old"+strconv.Itoa(i))
	}
	return names
}

// Replace puts pending, which is filled, flushed and closed, where path is. On an error path is as it was.
//
// Errors: *NotWritableError; ErrBusy when so many old ones still run that no name is left.
func Replace(pending *files.Pending, path string) error {
	if runtime.GOOS == "windows" { // which renames a program that runs, but does not write over it
		return replaceRunning(pending, path)
	}
	return AsNotWritable(path, pending.Place())
}

// replaceRunning is Replace in two steps. A crash between them leaves the old program under its name with ".old".
func replaceRunning(pending *files.Pending, path string) error {
	removeAside(path)
	names := asideNames(path)
	free := slices.IndexFunc(names, func(name string) bool {
		_, err := os.Lstat(name)
		return errors.Is(err, fs.ErrNotExist)
	})
	if free < 0 {
		return errors.Join(ErrBusy, pending.Discard())
	}
	aside := names[free]
	files.Reach("aside")
	if err := os.Rename(path, aside); err != nil {
		return AsNotWritable(path, fmt.Errorf("setting the old program aside: %w", errors.Join(err, pending.Discard())))
	}
	if err := pending.Place(); err != nil {
		return AsNotWritable(path, errors.Join(err, os.Rename(aside, path)))
	}
	return nil
}

// RemoveReplaced removes what [Replace] had to leave because it ran. What still runs stays for the next time.
// Elsewhere than on Windows nothing is left, and a file of such a name is the user's.
func RemoveReplaced(path string) {
	if runtime.GOOS == "windows" {
		removeAside(path)
	}
}

func removeAside(path string) {
	for _, name := range asideNames(path) {
		_ = os.Remove(name)
	}
}
