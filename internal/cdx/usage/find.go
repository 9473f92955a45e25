package usage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// rolloutName is the name of a rollout file, whose end is the ID of the thread. Those that Codex has compressed (.zst)
// are of threads that nothing happens in.
var rolloutName = regexp.MustCompile(`^rollout-[0-9T-]{10,40}-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl$`)

// deepest is how many directories there may be above a file: sessions/2026/11/25.
const deepest = 3

// facts are what the file system says of a rollout file.
type facts struct {
	size     int64
	modified time.Time
}

// rollout is a found file.
type rollout struct {
	id   string
	root *os.Root
	path string // in root
	info fs.FileInfo
}

// finds are files to be read, those first in which something happened last.
type finds struct {
	files []rollout
	roots []*os.Root
}

func (f *finds) close() {
	for _, root := range f.roots {
		_ = root.Close()
	}
}

// find looks for the rollout files that are wanted. It opens none, and follows no links: only the directories of
// sessions may be links themselves, to a larger disk say. It is complete unless ctx ended.
func (j *Journal) find(ctx context.Context, wanted func(id string, f facts) bool) (found *finds, complete bool, err error) {
	found = &finds{}
	for _, dir := range []string{"sessions", "archived_sessions"} {
		root, err := os.OpenRoot(filepath.Join(j.home, dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return found, false, fmt.Errorf("looking for the sessions of Codex: %w", err)
		}
		found.roots = append(found.roots, root)
		err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				return nil //nolint:nilerr // a directory that is gone, or not ours
			case d.IsDir() && path != "." && strings.Count(path, "/") >= deepest:
				return fs.SkipDir
			}
			name := rolloutName.FindStringSubmatch(d.Name())
			if name == nil || !d.Type().IsRegular() {
				return nil
			}
			info, err := d.Info()
			if err == nil && wanted(name[1], facts{info.Size(), info.ModTime()}) {
				found.files = append(found.files, rollout{name[1], root, path, info})
			}
			return nil
		})
		if err != nil {
			return found, false, nil //nolint:nilerr // ctx ended: what was found is good
		}
	}
	slices.SortFunc(found.files, func(a, b rollout) int { return b.info.ModTime().Compare(a.info.ModTime()) })
	return found, true, nil
}

var errReplaced = errors.New("is not the file that was found")

// read reads a file as far as it had been written when it was opened.
func (r *rollout) read(ctx context.Context, from, since time.Time) (reading, facts, error) {
	files.Reach("read " + filepath.Base(r.path))
	file, err := r.root.Open(r.path)
	if err != nil {
		return reading{}, facts{}, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(info, r.info)) {
		err = errReplaced
	}
	if err != nil {
		return reading{}, facts{}, err
	}
	result, err := readRollout(ctx, io.LimitReader(file, info.Size()), from, since)
	return result, facts{info.Size(), info.ModTime()}, err
}
