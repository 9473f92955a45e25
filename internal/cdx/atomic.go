package cdx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tempMark is part of the name of every half-written file of ours, so that the next run can tell what it may remove.
const tempMark = ".cdx-tmp-"

// staleTempAge is how old a half-written file must be before another run removes it: a write takes milliseconds.
const staleTempAge = 10 * time.Minute

// writeFile puts data at path so that every reader, after a crash too, finds either the old content or the new:
// a temporary file in the same directory, flushed, renamed. The file gets mode 0600; missing directories get 0700.
// A symbolic link stays one: what it points to is replaced. The owner stays the same, also in a run as root.
func writeFile(path string, data []byte) error {
	return writeFileIf(path, data, func() error { return nil })
}

// writeFileIf is writeFile that asks, when all is flushed and only the rename is left, whether it still may: flushing
// takes long enough for Codex to renew the login meanwhile. An error of stillWanted is returned as it is.
func writeFileIf(path string, data []byte, stillWanted func() error) error {
	pending, err := prepareFile(path)
	if err != nil {
		return err
	}
	if err := pending.fill(data); err != nil {
		return fmt.Errorf("writing %s: %w", pending.target, errors.Join(err, pending.discard()))
	}
	if err := stillWanted(); err != nil {
		_ = os.Remove(pending.file.Name())
		return err
	}
	return pending.place()
}

// pendingFile is an opened temporary file next to the one it will replace.
type pendingFile struct {
	file   *os.File
	target string
}

// prepareFile does everything that can fail for want of rights or space, before somebody pays for the content.
func prepareFile(path string) (*pendingFile, error) {
	target, err := followLinks(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(target)
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, "."+filepath.Base(target)+tempMark) // 0600 from the first byte
	if err != nil {
		return nil, fmt.Errorf("creating a file: %w", err)
	}
	p := &pendingFile{file: file, target: target}
	old, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = os.Stat(dir)
	}
	if err == nil {
		err = shareOwner(file.Name(), old)
	}
	if err != nil {
		return nil, errors.Join(err, p.discard())
	}
	return p, nil
}

// makeDir makes a directory and those above it that are missing, with mode 0700 and the owner of the one they are in.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := makeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("creating the directory: %w", err)
	}
	like, err := os.Stat(above)
	if err != nil {
		return fmt.Errorf("creating the directory: %w", err)
	}
	return shareOwner(dir, like)
}

// commit writes data and puts the file in its place. On an error nothing has changed.
func (p *pendingFile) commit(data []byte) error {
	if err := p.fill(data); err != nil {
		return fmt.Errorf("writing %s: %w", p.target, errors.Join(err, p.discard()))
	}
	return p.place()
}

// place puts the filled file where it belongs.
func (p *pendingFile) place() error {
	if err := os.Rename(p.file.Name(), p.target); err != nil {
		return fmt.Errorf("writing %s: %w", p.target, errors.Join(err, os.Remove(p.file.Name())))
	}
	if err := syncDir(filepath.Dir(p.target)); err != nil {
		return fmt.Errorf("flushing the directory of %s: %w", p.target, err)
	}
	return nil
}

func (p *pendingFile) fill(data []byte) error {
	if _, err := p.file.Write(data); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	return p.file.Close()
}

// discard gives the place up.
func (p *pendingFile) discard() error {
	if err := p.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errors.Join(err, os.Remove(p.file.Name()))
	}
	return os.Remove(p.file.Name())
}

// followLinks returns what path finally points to, which need not exist. os.ReadFile would follow links as well; a
// rename would replace the link.
func followLinks(path string) (string, error) {
	for range 40 { // as many as Linux follows
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		if err != nil {
			return "", fmt.Errorf("following links: %w", err)
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", fmt.Errorf("following links: %w", err)
		}
		if !filepath.IsAbs(to) {
			// Not cleaned: behind a linked directory ".." means the linked one's parent.
			to = filepath.Dir(path) + string(filepath.Separator) + to
		}
		path = to
	}
	return "", fmt.Errorf("following links: too many at %s", path)
}

// removeStaleTemps removes what a killed cdx left half-written beside path: it may hold a login.
func removeStaleTemps(path string, now time.Time) {
	target, err := followLinks(path)
	if err != nil {
		return
	}
	dir := filepath.Dir(target)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	prefix := "." + filepath.Base(target) + tempMark
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), prefix) && now.Sub(info.ModTime()) > staleTempAge {
			_ = os.Remove(filepath.Join(dir, entry.Name())) // the next run tries again
		}
	}
}
