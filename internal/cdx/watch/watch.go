// Package watch tells when a file may have another content: at once where the system says so, else within the two
// seconds of a poll.
package watch

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollEvery is how often the file is looked at: network file systems say nothing, and a machine may have no watches
	// left. A look is one stat.
	pollEvery = 2 * time.Second
	// settleFor is how long one change may take before it is told. Writers change a file in several steps.
	settleFor = 100 * time.Millisecond
)

// Watch tells on the channel, until ctx ends, that the content of the file at path may be another than when Watch was
// called or when it last told: also that the file came up or went away. Links are followed, and watched themselves. It
// never fails; at worst it polls.
//
// Changes between which nobody receives are told once. So whoever acts on the file calls Watch first, then reads it, and
// reads it again after every word. When ctx has ended and everything is released, the channel is closed.
func Watch(ctx context.Context, path string) <-chan struct{} {
	return start(ctx, path, time.Tick(pollEvery), fsnotify.NewWatcher)
}

// watcher belongs to one goroutine.
type watcher struct {
	path    string
	system  *fsnotify.Watcher // nil: the system tells nothing
	names   []string          // under which the file and the links to it are watched
	last    fs.FileInfo       // when it was last told; nil: no file
	changes chan struct{}
}

func start(ctx context.Context, path string, poll <-chan time.Time, newSystem func() (*fsnotify.Watcher, error)) <-chan struct{} {
	w := &watcher{path: path, last: look(path), changes: make(chan struct{}, 1)}
	if system, err := newSystem(); err == nil {
		w.system = system
		w.arm()
	}
	go w.run(ctx, poll)
	return w.changes
}

func (w *watcher) run(ctx context.Context, poll <-chan time.Time) {
	defer close(w.changes)
	var events chan fsnotify.Event
	var lost chan error
	if w.system != nil {
		defer func() { _ = w.system.Close() }() // always nil
		events, lost = w.system.Events, w.system.Errors
	}
	var settled <-chan time.Time // nil: nothing to tell
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-events:
			if !ok {
				events = nil // the system gave up
			} else if settled == nil && w.concerns(event) {
				settled = time.After(settleFor)
			}
		case _, ok := <-lost:
			if !ok {
				lost = nil
			} else if settled == nil { // more happened than there was room for
				settled = time.After(settleFor)
			}
		case <-settled:
			settled = nil
			w.tell()
		case <-poll:
			if !same(w.last, look(w.path)) {
				w.tell()
			} else if !w.armed() {
				w.arm()
			}
		}
	}
}

// tell says that the file may have changed. What happens from now on is another change.
func (w *watcher) tell() {
	w.arm()
	w.last = look(w.path)
	select {
	case w.changes <- struct{}{}:
	default: // whoever hears of the change before will read this one too
	}
}

// arm watches the directories in which the file, and every link on the way to it, has its name. A file that is watched
// itself would be lost when another takes its name.
func (w *watcher) arm() {
	if w.system == nil {
		return
	}
	w.names = namesOf(w.path)
	wanted := directories(w.names)
	for _, dir := range w.system.WatchList() {
		if !slices.Contains(wanted, dir) {
			_ = w.system.Remove(dir) // else it is watched in vain
		}
	}
	for _, dir := range wanted {
		_ = w.system.Add(dir) // else the poll sees what happens there, and tries again
	}
}

// armed reports whether everything is watched that was to be: directories come and go.
func (w *watcher) armed() bool {
	if w.system == nil {
		return true
	}
	watched := w.system.WatchList()
	missing := func(dir string) bool { return !slices.Contains(watched, dir) }
	return len(w.names) > 0 && !slices.ContainsFunc(directories(w.names), missing)
}

// concerns reports whether an event may be about the content of the file: its directory is a busy one.
func (w *watcher) concerns(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod { // times too
		return false
	}
	return slices.ContainsFunc(w.names, func(name string) bool {
		return strings.EqualFold(name, event.Name) // some file systems say it as whoever wrote the file spelled it
	})
}

// namesOf returns path and where the links lead that it may be, each in a directory without links; nothing when the
// directory of path is missing.
func namesOf(path string) []string {
	var names []string
	for range 40 { // as many links as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			break
		}
		path = filepath.Join(dir, filepath.Base(path))
		names = append(names, path)
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return names
}

func directories(names []string) []string {
	dirs := make([]string, 0, len(names))
	for _, name := range names {
		dirs = append(dirs, filepath.Dir(name))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// look returns what can be seen of the file without reading it; nil when it cannot be seen.
func look(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
