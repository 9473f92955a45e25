package selfupdate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"aead.dev/minisign"

	"github.com/cdxgate/cdxgate/internal/cdx/download"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

// askTimeout is how long a new cdx may take to say its version.
const askTimeout = 5 * time.Second

// Apply downloads the build and puts it in the place of the executable, so that at every moment either the old or the
// new one is there, whole. When another process has put it there already, there is nothing to do and no error.
// Client must not follow redirects; no key is sent. progress may be nil.
//
// Errors: program.ErrBusy while another process does the same; *program.NotWritableError; those of [download.Get];
// ErrNoRelease; the file is not what was signed, does not run here, or says another version. The executable is as it was.
func (u *Update) Apply(ctx context.Context, client *http.Client, progress func(done, total int64)) error {
	target, err := files.FollowLinks(u.current.Path)
	if err != nil {
		return fmt.Errorf("finding cdx: %w", err)
	}
	unlock, err := program.TryLock(lockPath(target))
	if err != nil {
		return program.AsNotWritable(target, err)
	}
	defer unlock()
	// No other process is at it, so whatever is half-written here is a killed one's.
	files.RemoveStale(target, endOfTime)
	switch now, err := digestOf(target); {
	case err != nil:
		return fmt.Errorf("reading cdx: %w", err)
	case now == u.build.SHA256:
		return nil
	case now != u.before:
		return errChangedBeside
	}
	pending, err := files.Prepare(target)
	if err != nil {
		return program.AsNotWritable(target, err)
	}
	if err := u.fill(ctx, client, pending.File(), target, progress); err != nil {
		return errors.Join(err, pending.Discard())
	}
	return program.Replace(pending, target)
}

// endOfTime makes every half-written file old enough to be removed.
var endOfTime = time.Unix(1<<40, 0)

// lockPath is beside the executable: all users who may replace it meet there.
func lockPath(target string) string {
	return filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".lock")
}

// fill downloads the build into file, verifies it, gives it the mode of the old one, flushes and closes it, and only
// then lets it run.
func (u *Update) fill(ctx context.Context, client *http.Client, file *os.File, target string, progress func(done, total int64)) error {
	old, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("looking at cdx: %w", err)
	}
	files.Reach("download")
	digest, err := download.Get(ctx, client, download.Request{
		URL: u.address, UserAgent: "cdx/" + u.current.Version + " (" + u.current.Platform + ")",
		Limit: maxBuild, Size: u.build.SizeBytes, Progress: progress,
	}, file)
	if err != nil {
		return fmt.Errorf("downloading cdx %s: %w", u.Version, err)
	}
	if digest != u.build.SHA256 {
		return errUnfitting
	}
	if u.minisig != nil {
		if err := u.verifyRelease(file); err != nil {
			return err
		}
	}
	files.Reach("verified")
	if err := file.Chmod(old.Mode().Perm()); err != nil {
		return fmt.Errorf("giving the new cdx its mode: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing the new cdx: %w", err)
	}
	files.Reach("try")
	said, err := program.Ask(ctx, file.Name(), "version", askTimeout)
	if err != nil {
		return fmt.Errorf("trying cdx %s: %w", u.Version, err)
	}
	if said != "cdx "+u.Version {
		return fmt.Errorf("trying cdx %s: it says that it is another version", u.Version)
	}
	files.Reach("tried")
	return nil
}

// verifyRelease reads back what was written and verifies the operator's signature of it.
func (u *Update) verifyRelease(file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the new cdx: %w", err)
	}
	written := minisign.NewReader(file)
	if _, err := io.Copy(io.Discard, written); err != nil {
		return fmt.Errorf("reading the new cdx: %w", err)
	}
	if !written.Verify(u.release, u.minisig) {
		return ErrNoRelease
	}
	return nil
}
