// Package files reads and writes what cdx keeps on disk, so that a crash at any moment leaves either the old or the new.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tempMark is part of the name of every half-written file of ours, so that the next run can tell what it may remove.
const tempMark = ".cdx-tmp-"

// Step is told, if set, before every change on disk, and by others before everything else that a crash could part from
// what comes next. Only tests set it: they end the process there.
var Step func(what string)

// Reach marks a moment between two steps.
func Reach(what string) {
	if Step != nil {
		Step(what)
	}
}

// staleTempAge is how old a half-written file must be before another run removes it: a write takes milliseconds.
const staleTempAge = 10 * time.Minute

// Write puts data at path so that every reader, after a crash too, finds either the old content or the new:
// a temporary file in the same directory, flushed, renamed. The file gets mode 0600; missing directories get 0700.
// A symbolic link stays one: what it points to is replaced. The owner stays the same, also in a run as root.
func Write(path string, data []byte) error {
	return WriteIf(path, data, func() error { return nil })
}

// WriteIf is Write that asks, when all is flushed and only the rename is left, whether it still may: flushing
// takes long enough for Codex to renew the login meanwhile. An error of stillWanted is returned as it is.
func WriteIf(path string, data []byte, stillWanted func() error) error {
	pending, err := Prepare(path)
	if err != nil {
		return err
	}
	return pending.CommitIf(data, stillWanted)
}

// Pending is an opened temporary file next to the one it will replace.
type Pending struct {
	file   *os.File
	target string
}

// Prepare does everything that can fail for want of rights or space, before somebody pays for the content.
func Prepare(path string) (*Pending, error) {
	target, err := FollowLinks(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(target)
	if err := MakeDir(dir); err != nil {
		return nil, err
	}
	Reach("create " + filepath.Base(target))
	file, err := os.CreateTemp(dir, "."+filepath.Base(target)+tempMark) // 0600 from the first byte
	if err != nil {
		return nil, fmt.Errorf("creating a file: %w", err)
	}
	p := &Pending{file: file, target: target}
	old, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = os.Stat(dir)
	}
	if err == nil {
		err = ShareOwner(file.Name(), old)
	}
	if err != nil {
		return nil, errors.Join(err, p.Discard())
	}
	return p, nil
}

// MakeDir makes a directory and those above it that are missing, with mode 0700 and the owner of the one they are in.
func MakeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MakeDir(above); err != nil {
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
	return ShareOwner(dir, like)
}

// Commit writes data and puts the file in its place. On an error nothing has changed.
func (p *Pending) Commit(data []byte) error {
	return p.CommitIf(data, func() error { return nil })
}

// CommitIf is Commit that asks, as [WriteIf] does.
func (p *Pending) CommitIf(data []byte, stillWanted func() error) error {
	if err := p.fill(data); err != nil {
		return fmt.Errorf("writing %s: %w", p.target, errors.Join(err, p.Discard()))
	}
	if err := stillWanted(); err != nil {
		_ = os.Remove(p.file.Name())
		return err
	}
	return p.Place()
}

// File is the temporary file, for content that is too large for [Pending.Commit]. Whoever fills it flushes and closes
// it, and ends with [Pending.Place] or [Pending.Discard].
func (p *Pending) File() *os.File { return p.file }

// Place puts the filled, flushed and closed file where it belongs. On an error nothing has changed.
func (p *Pending) Place() error {
	Reach("rename " + filepath.Base(p.target))
	if err := os.Rename(p.file.Name(), p.target); err != nil {
		return fmt.Errorf("writing %s: %w", p.target, errors.Join(err, os.Remove(p.file.Name())))
	}
	Reach("renamed " + filepath.Base(p.target))
	if err := syncDir(filepath.Dir(p.target)); err != nil {
		return fmt.Errorf("flushing the directory of %s: %w", p.target, err)
	}
	return nil
}

func (p *Pending) fill(data []byte) error {
	if _, err := p.file.Write(data); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	return p.file.Close()
}

// Discard gives the place up.
func (p *Pending) Discard() error {
	if err := p.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errors.Join(err, os.Remove(p.file.Name()))
	}
	return os.Remove(p.file.Name())
}

// FollowLinks returns what path finally points to, which need not exist. os.ReadFile would follow links as well; a
// rename would replace the link. Root follows no link of another user, who could make it lead to a file of root's.
func FollowLinks(path string) (string, error) {
	for range 40 { // as many as Linux follows
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		if err == nil {
			err = mayFollow(info)
		}
		if err != nil {
			return "", fmt.Errorf("following links: %s: %w", path, err)
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

// RemoveStale removes what a killed cdx left half-written beside path: it may hold a login.
func RemoveStale(path string, now time.Time) {
	target, err := FollowLinks(path)
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

// Remove removes a file; one that is not there is as good as removed. The removal survives a power cut.
func Remove(path string) error {
	Reach("remove " + filepath.Base(path))
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("removing %s: %w", path, err)
	}
	Reach("removed " + filepath.Base(path))
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("flushing the directory of %s: %w", path, err)
	}
	return nil
}

// errLinkOfAnother means that root was led by somebody else's link.
var errLinkOfAnother = errors.New("root follows no link of another user")

// errNoFile is what is no regular file: reading a pipe could wait for ever.
var errNoFile = errors.New("not a regular file")

// ReadBounded reads at most limit bytes and one more, which is enough to see that there are too many.
func ReadBounded(path string, limit int64) ([]byte, error) {
	target, err := FollowLinks(path)
	if err != nil {
		return nil, err
	}
	file, err := openFile(target, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, limit+1))
}

// Keep opens a file that only cdx has a use for, to read and write. A new one gets mode 0600 and the owner of the directory
// it is in. A link is not followed.
func Keep(path string) (*os.File, error) {
	file, err := openFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	above, err := os.Stat(filepath.Dir(path))
	if err == nil {
		err = ShareOwner(path, above)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openFile opens a regular file, and waits for nobody at the other end of something else.
func openFile(path string, flags int) (*os.File, error) {
	file, err := os.OpenFile(path, flags|noLinkNoWait, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNoFile}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
