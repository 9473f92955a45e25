package files

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "deep", "auth.json")
	for _, text := range []string{"first", "second, longer", ""} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	wantMode(t, path, 0o600)
	wantMode(t, filepath.Dir(path), 0o700)
	wantMode(t, filepath.Join(dir, "new"), 0o700)
	wantEntries(t, filepath.Dir(path), 1)
}

func TestWriteTightensTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("y")); err != nil {
		t.Fatal(err)
	}
	wantMode(t, path, 0o600)
}

func TestWriteKeepsLinks(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{"relative": filepath.Join("..", "far", "real"), "chained": "second"} {
		dir := t.TempDir()
		near, far := filepath.Join(dir, "near"), filepath.Join(dir, "far")
		link := filepath.Join(near, "auth.json")
		for _, d := range []string{near, far} {
			if err := os.Mkdir(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(far, "real"), filepath.Join(near, "second")); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first time the link leads nowhere yet
			if err := Write(link, []byte(name)); err != nil {
				t.Fatal(err)
			}
			if to, err := os.Readlink(link); err != nil || to != target {
				t.Errorf("%s: the link became %q, %v", name, to, err)
			}
			if got, err := os.ReadFile(filepath.Join(far, "real")); err != nil || string(got) != name {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	}
}

func TestWriteRefusesLoops(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	if err := os.Symlink(path, path); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, nil); err == nil {
		t.Error("got no error for a link to itself")
	}
}

func TestFailedWriteChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.json")
	if err := os.Mkdir(path, 0o700); err != nil { // a directory cannot be replaced by a file
		t.Fatal(err)
	}
	if err := Write(path, []byte("x")); err == nil {
		t.Error("got no error")
	}
	wantEntries(t, dir, 1)
	wantEntries(t, path, 0)
}

func TestRemoveStaleTemps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.json")
	for _, name := range []string{"auth.json", ".auth.json.cdx-tmp-1", ".auth.json.cdx-tmp-2", ".other.cdx-tmp-3", "auth.json.bad-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	RemoveStale(path, time.Now())
	wantEntries(t, dir, 5)
	RemoveStale(path, time.Now().Add(staleTempAge+time.Minute))
	wantEntries(t, dir, 3)
}

// Readers never see a mixture.
func TestWriteIsAtomic(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	contents := [][]byte{bytes.Repeat([]byte("a"), 200_000), bytes.Repeat([]byte("b"), 100_000)}
	if err := Write(path, contents[0]); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 50 && err == nil; i++ {
			err = Write(path, contents[i%2])
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
		}
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
		t.Errorf("%s: got mode %o, want %o", path, got, want)
	}
}

func wantEntries(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != want {
		t.Errorf("%s: got %v, want %d entries", dir, entries, want)
	}
}
