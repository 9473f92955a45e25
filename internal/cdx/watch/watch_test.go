package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// never is a poll that does not come: what is told then, the system has told.
var never chan time.Time

func TestTheSystemTells(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"replaced":         func(t *testing.T, path string) { replace(t, path, "new") },
		"written in place": func(t *testing.T, path string) { write(t, path, "new") },
		"same length":      func(t *testing.T, path string) { write(t, path, "OLD") },
		"cut":              func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"deleted":          func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"moved away":       func(t *testing.T, path string) { must(t, os.Rename(path, path+".bak")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "auth.json")
			write(t, path, "old")
			changes := start(t.Context(), path, never, fsnotify.NewWatcher)
			change(t, path)
			wantTold(t, changes)
		})
	}
}

func TestDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	write(t, path, "old")
	changes := start(t.Context(), path, never, fsnotify.NewWatcher)
	must(t, os.Remove(path))
	wantTold(t, changes)
	replace(t, path, "new")
	wantTold(t, changes)
	write(t, path, "newer")
	wantTold(t, changes)
}

func TestMissingFileComesUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	changes := start(t.Context(), path, never, fsnotify.NewWatcher)
	write(t, path, "new")
	wantTold(t, changes)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, link, target, other string){
		"target written in place": func(t *testing.T, _, target, _ string) { write(t, target, "new") },
		"target replaced":         func(t *testing.T, _, target, _ string) { replace(t, target, "new") },
		"target deleted":          func(t *testing.T, _, target, _ string) { must(t, os.Remove(target)) },
		"link retargeted":         func(t *testing.T, link, _, other string) { relink(t, link, other) },
		"link replaced":           func(t *testing.T, link, _, _ string) { replace(t, link, "new") },
		"link in between retargeted": func(t *testing.T, link, _, other string) {
			relink(t, filepath.Join(filepath.Dir(link), "..", "middle", "auth.json"), other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, target, other := linked(t)
			changes := start(t.Context(), link, never, fsnotify.NewWatcher)
			change(t, link, target, other)
			wantTold(t, changes)
		})
	}
}

func TestWhereALinkLeadsNow(t *testing.T) {
	t.Parallel()
	link, target, other := linked(t)
	w := &watcher{path: link, changes: make(chan struct{}, 1)}
	var err error
	w.system, err = fsnotify.NewWatcher()
	must(t, err)
	defer w.system.Close()
	w.arm()
	relink(t, link, other)
	w.tell()
	if !w.concerns(fsnotify.Event{Name: resolve(t, other), Op: fsnotify.Write}) || w.concerns(fsnotify.Event{Name: resolve(t, target), Op: fsnotify.Write}) {
		t.Errorf("got %v watched", w.names)
	}
	for _, dir := range w.system.WatchList() {
		if dir == filepath.Dir(resolve(t, target)) {
			t.Errorf("%s is still watched", dir)
		}
	}

	// The same, from outside.
	changes := start(t.Context(), link, never, fsnotify.NewWatcher)
	relink(t, link, target)
	wantTold(t, changes)
	write(t, target, "newer")
	wantTold(t, changes)
}

func TestLinkToItself(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	symlink(t, path, path)
	changes := start(t.Context(), path, never, fsnotify.NewWatcher)
	replace(t, path, "new")
	wantTold(t, changes)
}

func TestDirectoryComesUpLater(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "home")
	path := filepath.Join(dir, "auth.json")
	poll := make(chan time.Time)
	changes := start(t.Context(), path, poll, fsnotify.NewWatcher)
	wantQuiet(t, changes, poll)
	must(t, os.MkdirAll(dir, 0o700))
	wantQuiet(t, changes, poll) // from here on it is watched
	write(t, path, "new")
	wantTold(t, changes)
}

func TestDirectoryIsReplaced(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	dir := filepath.Join(above, "home")
	path := filepath.Join(dir, "auth.json")
	must(t, os.Mkdir(dir, 0o700))
	write(t, path, "old")
	poll := make(chan time.Time)
	changes := start(t.Context(), path, poll, fsnotify.NewWatcher)
	must(t, os.Rename(dir, filepath.Join(above, "away")), os.Mkdir(dir, 0o700))
	write(t, path, "new")
	poll <- time.Time{}
	wantTold(t, changes)
	wantQuiet(t, changes, poll)
	write(t, path, "newer")
	wantTold(t, changes)
}

func TestDirectoryIsALinkElsewhereNow(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	for _, name := range []string{"one", "two"} {
		must(t, os.Mkdir(filepath.Join(above, name), 0o700))
		write(t, filepath.Join(above, name, "auth.json"), name)
	}
	home := filepath.Join(above, "home")
	symlink(t, filepath.Join(above, "one"), home)
	poll := make(chan time.Time)
	changes := start(t.Context(), filepath.Join(home, "auth.json"), poll, fsnotify.NewWatcher)
	relink(t, home, filepath.Join(above, "two"))
	poll <- time.Time{}
	wantTold(t, changes)
	write(t, filepath.Join(above, "two", "auth.json"), "new")
	wantTold(t, changes)
}

// Without any word of the system the poll finds everything that a stat can see.
func TestPollAlone(t *testing.T) {
	t.Parallel()
	for name, system := range map[string]func() (*fsnotify.Watcher, error){
		"none": func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") },
		"gave up": func() (*fsnotify.Watcher, error) {
			w, err := fsnotify.NewWatcher()
			if err == nil {
				err = w.Close()
			}
			return w, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, target, other := linked(t)
			poll := make(chan time.Time)
			changes := start(t.Context(), link, poll, system)
			for _, change := range []func(){
				func() { write(t, target, "longer") },
				func() { must(t, os.Chtimes(target, time.Time{}, time.Unix(1, 0))) },
				func() {
					write(t, target, "size")
					must(t, os.Chtimes(target, time.Time{}, time.Unix(1, 0)))
				},
				func() { replace(t, target, "newest") },
				func() { relink(t, link, other) },
				func() { must(t, os.Remove(other)) },
				func() { write(t, other, "back") },
			} {
				wantQuiet(t, changes, poll)
				change() // of which the poll before may see a part
				poll <- time.Time{}
				wantTold(t, changes)
				for range 2 {
					poll <- time.Time{}
				}
				select {
				case <-changes:
				default:
				}
			}
		})
	}
}

func TestWhatConcerns(t *testing.T) {
	t.Parallel()
	w := &watcher{names: []string{filepath.Join("home", "auth.json"), filepath.Join("far", "real")}}
	for _, test := range []struct {
		name string
		op   fsnotify.Op
		want bool
	}{
		{filepath.Join("home", "auth.json"), fsnotify.Write, true},
		{filepath.Join("home", "auth.json"), fsnotify.Write | fsnotify.Chmod, true},
		{filepath.Join("home", "auth.json"), fsnotify.Chmod, false},
		{filepath.Join("home", "Auth.json"), fsnotify.Create, true},
		{filepath.Join("far", "real"), fsnotify.Rename, true},
		{filepath.Join("far", "auth.json"), fsnotify.Write, false},
		{filepath.Join("home", "auth.json.tmp"), fsnotify.Create, false},
		{filepath.Join("home", "history.jsonl"), fsnotify.Write, false},
		{"home", fsnotify.Remove, false},
	} {
		if got := w.concerns(fsnotify.Event{Name: test.name, Op: test.op}); got != test.want {
			t.Errorf("%s %s: got %v, want %v", test.op, test.name, got, test.want)
		}
	}
}

func TestEventsWereLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	var system *fsnotify.Watcher
	changes := start(t.Context(), path, never, func() (*fsnotify.Watcher, error) {
		var err error
		system, err = fsnotify.NewWatcher()
		return system, err
	})
	system.Errors <- fsnotify.ErrEventOverflow
	wantTold(t, changes)
}

func TestStorm(t *testing.T) {
	t.Parallel()
	const writes = 2000
	path := filepath.Join(t.TempDir(), "auth.json")
	began := time.Now()
	changes := start(t.Context(), path, never, fsnotify.NewWatcher)
	var over atomic.Bool
	go func() {
		for i := range writes {
			_ = os.WriteFile(path, []byte(strconv.Itoa(i)), 0o600) // the reader sees whether it failed
		}
		over.Store(true)
	}()
	told := 0
	for last := false; !last; {
		wantTold(t, changes)
		told++
		wasOver := over.Load()
		text, _ := os.ReadFile(path)
		last = string(text) == strconv.Itoa(writes-1)
		if wasOver && !last {
			t.Errorf("got %q after the last write", text)
		}
	}
	if most := int(time.Since(began)/settleFor) + 1; told > most {
		t.Errorf("told %d times of %d writes, want at most %d times", told, writes, most)
	}
}

// Whoever is busy meanwhile hears of everything that happened once.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	poll := make(chan time.Time)
	changes := start(t.Context(), path, poll, func() (*fsnotify.Watcher, error) { return nil, errors.New("none") })
	for i := range 10 {
		replace(t, path, strconv.Itoa(i))
		poll <- time.Time{}
	}
	poll <- time.Time{} // the one before has been dealt with
	wantTold(t, changes)
	wantQuiet(t, changes, poll)
}

func TestEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]bool{"idle": false, "while something settles": true} {
		path := filepath.Join(t.TempDir(), "auth.json")
		ctx, cancel := context.WithCancel(t.Context())
		var system *fsnotify.Watcher
		changes := start(ctx, path, never, func() (*fsnotify.Watcher, error) {
			var err error
			system, err = fsnotify.NewWatcher()
			return system, err
		})
		if wait {
			write(t, path, "new")
			write(t, path, "newer")
		}
		cancel()
		for range changes { // until it is closed
		}
		if got := system.WatchList(); got != nil {
			t.Errorf("%s: still watched: %v", name, got)
		}
	}
}

// The whole, with its own poll.
func TestWatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "auth.json")
	ctx, cancel := context.WithCancel(t.Context())
	changes := Watch(ctx, path)
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	write(t, path, "new")
	wantTold(t, changes)
	cancel()
	for range changes {
	}
}

// linked returns a link in one directory to a link in another to a file in a third, and another file in a fourth.
func linked(t *testing.T) (link, target, other string) {
	t.Helper()
	above := t.TempDir()
	for _, dir := range []string{"home", "middle", "far", "other"} {
		must(t, os.Mkdir(filepath.Join(above, dir), 0o700))
	}
	link, target, other = filepath.Join(above, "home", "auth.json"), filepath.Join(above, "far", "real"), filepath.Join(above, "other", "file")
	write(t, target, "old")
	write(t, other, "other")
	symlink(t, target, filepath.Join(above, "middle", "auth.json"))
	symlink(t, filepath.Join("..", "middle", "auth.json"), link)
	return link, target, other
}

func wantTold(t *testing.T, changes <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-changes:
		if !ok {
			t.Fatal("the channel was closed")
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was told for a minute")
	}
}

// wantQuiet polls twice: when the second poll is taken, the first has been dealt with.
func wantQuiet(t *testing.T, changes <-chan struct{}, poll chan<- time.Time) {
	t.Helper()
	for range 2 {
		poll <- time.Time{}
	}
	select {
	case <-changes:
		t.Fatal("a change was told that there was not")
	default:
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// replace is how Codex writes.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".tmp", text)
	must(t, os.Rename(path+".tmp", path))
}

func symlink(t *testing.T, to, link string) {
	t.Helper()
	must(t, os.Symlink(to, link))
}

func relink(t *testing.T, link, to string) {
	t.Helper()
	symlink(t, to, link+".tmp")
	if runtime.GOOS == "windows" { // does not rename over a link to a directory
		must(t, os.Remove(link))
	}
	must(t, os.Rename(link+".tmp", link))
}

func resolve(t *testing.T, path string) string {
	t.Helper()
	resolved, err := filepath.EvalSymlinks(path)
	must(t, err)
	return resolved
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
