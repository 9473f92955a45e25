package share

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Place is where the files of a Set are on disk.
type Place struct {
	// Dir holds the files. Its last part may be a symbolic link, to a repository of dotfiles say: it is followed to a
	// directory with the same owner as the one that the link is in, and nowhere else, so that a run as root is not led
	// out of the user's files. No link below Dir is followed, and none is replaced by a file.
	Dir string
	// Inside is the name of the file when each name is a directory: SKILL.md. Default (""): each name is a file.
	Inside string
	// Only are the names that the gateway may fill, where Dir also holds what is not the fleet's. Default (nil): all.
	Only []string
	// MaxBytes is the most that a text may have. Default: 256 KiB, which is the gateway's limit.
	MaxBytes int64
}

const defaultMaxBytes = 256 << 10

func (p *Place) maxBytes() int64 {
	if p.MaxBytes == 0 {
		return defaultMaxBytes
	}
	return p.MaxBytes
}

func (p *Place) accepts(name string) bool { return p.Only == nil || slices.Contains(p.Only, name) }

// folder is a Place that was looked at.
type folder struct {
	Place
	dir     string   // Dir with its link followed
	entries []string // names in it
}

// open looks at a place. It may be missing: it is made with the first file.
func (p *Place) open() (*folder, error) {
	f := &folder{Place: *p, dir: p.Dir}
	info, err := os.Lstat(p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		f.dir, err = followDir(p.Dir)
	}
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(f.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	if f.entries, err = dir.Readdirnames(-1); err != nil {
		return nil, fmt.Errorf("listing %s: %w", f.dir, err)
	}
	slices.Sort(f.entries)
	return f, nil
}

// followDir returns where a linked directory really is.
func followDir(link string) (string, error) {
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", err
	}
	above, err := os.Stat(filepath.Dir(link))
	if err != nil {
		return "", err
	}
	there, err := os.Stat(target)
	if err != nil {
		return "", err
	}
	if !sameOwner(above, there) {
		return "", fmt.Errorf("%s leads to %s, which belongs to somebody else", link, target)
	}
	return target, nil
}

// path is where the file of a name is.
func (f *folder) path(name string) string { return filepath.Join(f.dir, name, f.Inside) }

// look says what is on disk under a name, and beside it.
func (f *folder) look(name string) (local, beside File) {
	if other := otherCase(f.entries, name); other != "" {
		if _, err := os.Lstat(filepath.Join(f.dir, name)); err == nil {
			return File{Odd: "is called " + other + " on this disk"}, File{}
		}
	}
	_, local = f.read(f.path(name))
	_, beside = f.read(f.path(name) + besideSuffix)
	return local, beside
}

// otherCase returns the entry that a file system which does not tell cases apart would take for name; "" if there is
// none, or name itself is there.
func otherCase(entries []string, name string) string {
	if _, found := slices.BinarySearch(entries, name); found {
		return ""
	}
	i := slices.IndexFunc(entries, func(entry string) bool { return strings.EqualFold(entry, name) })
	if i < 0 {
		return ""
	}
	return entries[i]
}

// read reads a file that is to be a plain one: nothing is read through a link, out of a pipe or a device.
func (f *folder) read(path string) ([]byte, File) {
	if f.Inside != "" {
		switch info, err := os.Lstat(filepath.Dir(path)); {
		case errors.Is(err, fs.ErrNotExist):
			return nil, File{}
		case err != nil:
			return nil, File{Odd: cannotRead(err)}
		case !info.IsDir():
			return nil, File{Odd: "is no directory"}
		}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, File{}
	case err != nil:
		return nil, File{Odd: cannotRead(err)}
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, File{Odd: "is a symbolic link"}
	case !info.Mode().IsRegular():
		return nil, File{Odd: "is no plain file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, File{Odd: cannotRead(err)}
	}
	defer func() { _ = file.Close() }()
	if opened, err := file.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, File{Odd: "is being changed"}
	}
	text, err := io.ReadAll(io.LimitReader(file, f.maxBytes()+1))
	switch {
	case err != nil:
		return nil, File{Odd: cannotRead(err)}
	case int64(len(text)) > f.maxBytes():
		return nil, File{Odd: fmt.Sprintf("is larger than %d KiB", f.maxBytes()>>10)}
	}
	return text, File{SHA256: Digest(text)}
}

func cannotRead(err error) string { return "cannot be read (" + err.Error() + ")" }
