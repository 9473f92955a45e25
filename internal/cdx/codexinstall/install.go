package codexinstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/download"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

// askTimeout is how long a new Codex, which is large and not yet in memory, may take to say its version.
const askTimeout = 30 * time.Second

// Installer brings copies of Codex from a release server into the private directory. No key and no login is sent.
type Installer struct {
	Client       *http.Client
	Releases     string // base URL of the releases API; "": [GitHub]
	Root         string // see [Root]
	GOOS, GOARCH string
	UserAgent    string

	// Progress, if set, is told how many bytes of the archive have come, and of how many; 0: not known.
	Progress func(done, total int64)
}

// Install brings a version, or [Latest], and returns the copy. A copy that is there already is not brought again, and of
// several processes one does the work while the others wait for it. On an error nothing has changed.
//
// Errors: program.ErrBusy when ctx ends while another process is at it; *program.NotWritableError; those of
// [download.Get], where *download.StatusError with 403 or 429 is GitHub's limit; the reasons of this package.
func (i *Installer) Install(ctx context.Context, version string) (Copy, error) {
	if version != Latest {
		if version = Normalize(version); version == "" {
			return Copy{}, ErrVersion
		}
	}
	if err := files.MakeDir(i.Root); err != nil {
		return Copy{}, program.AsNotWritable(i.Root, err)
	}
	before := Copies(i.Root, i.GOOS)
	unlock, err := program.Lock(ctx, filepath.Join(i.Root, ".lock"))
	if err != nil {
		return Copy{}, err
	}
	defer unlock()
	now := Copies(i.Root, i.GOOS)
	if there, ok := find(now, version); ok {
		return there, nil
	}
	if version == Latest && len(now) > 0 && !slices.Equal(now, before) {
		return now[0], nil // somebody else asked for the latest while this process waited
	}
	removeUnfinished(i.Root, i.GOOS)
	found, err := i.lookUp(ctx, version)
	if err != nil {
		return Copy{}, err
	}
	if there, ok := find(now, found.version); ok {
		return there, nil
	}
	if err := i.bring(ctx, found); err != nil {
		return Copy{}, fmt.Errorf("installing Codex %s: %w", found.version, err)
	}
	prune(i.Root, i.GOOS, time.Now())
	return Copy{Version: found.version, Path: filepath.Join(i.Root, found.version, programName(i.GOOS))}, nil
}

// endOfTime makes every half-written file old enough to be removed.
var endOfTime = time.Unix(1<<40, 0)

// bring downloads, verifies and unpacks an archive.
func (i *Installer) bring(ctx context.Context, a asset) (err error) {
	archivePath := filepath.Join(i.Root, "archive")
	files.RemoveStale(archivePath, endOfTime) // the lock is ours, so it is a killed process's
	archive, err := files.Prepare(archivePath)
	if err != nil {
		return program.AsNotWritable(i.Root, err)
	}
	defer func() { err = errors.Join(err, archive.Discard()) }()
	files.Reach("download")
	digest, err := download.Get(ctx, download.Following(i.Client), download.Request{
		URL: a.url, UserAgent: i.UserAgent, Limit: maxArchive, Size: a.size, Progress: i.Progress,
	}, archive.File())
	if err != nil {
		return err
	}
	if digest != a.digest {
		return ErrTampered
	}
	if _, err := archive.File().Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := i.place(ctx, a, archive.File()); err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(i.Root, a.version)))
	}
	return nil
}

// place makes the copy's directory. The program itself is the last file to appear in it: a directory without it is
// no copy.
func (i *Installer) place(ctx context.Context, a asset, archive *os.File) error {
	files.Reach("unpack")
	pending := map[string]*files.Pending{} // :: name in the copy's directory → what will be there
	err := unpack(archive, i.GOOS, a.target, maxProgram, func(name string, content io.Reader) error {
		p, err := files.Prepare(filepath.Join(i.Root, a.version, name))
		if err != nil {
			return program.AsNotWritable(i.Root, err)
		}
		pending[name] = p
		return fill(p.File(), content)
	})
	main := pending[programName(i.GOOS)]
	if err == nil {
		err = i.try(ctx, main.File().Name(), a.version)
	}
	if err != nil {
		for _, p := range pending {
			err = errors.Join(err, p.Discard())
		}
		return err
	}
	for _, p := range pending {
		if p != main {
			err = errors.Join(err, p.Place())
		}
	}
	if err != nil {
		return errors.Join(err, main.Discard())
	}
	return main.Place()
}

// fill writes a program to file, flushes and closes it.
func fill(file *os.File, content io.Reader) error {
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	if err := file.Chmod(0o700); err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// try lets an unpacked program say its version.
func (i *Installer) try(ctx context.Context, path, version string) error {
	files.Reach("try")
	said, err := program.Ask(ctx, path, "--version", askTimeout)
	if err != nil {
		return err
	}
	if said != "codex-cli "+version {
		return ErrWrongProgram
	}
	files.Reach("tried")
	return nil
}
