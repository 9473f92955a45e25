//go:build unix

package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// nobody is a user that root can be led astray by.
const nobody = 65534

// linkOfAnother makes a link to a file with the content precious. When root runs the test the link is another user's, and refused is
// what root must say; another user follows its own.
func linkOfAnother(t *testing.T) (link, target string, refused bool) {
	t.Helper()
	dir := t.TempDir()
	link, target = filepath.Join(dir, "auth.json"), filepath.Join(t.TempDir(), "shadow")
	if err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return link, target, false
	}
	if err := errors.Join(os.Chown(dir, nobody, nobody), os.Lchown(link, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	return link, target, true
}

func TestRootFollowsNoLinkOfAnother(t *testing.T) {
	t.Parallel()
	link, target, refused := linkOfAnother(t)
	if text, err := ReadBounded(link, 100); (err != nil) != refused {
		t.Errorf("read: got %q, %v", text, err)
	}
	if _, err := FollowLinks(link); errors.Is(err, errLinkOfAnother) != refused {
		t.Errorf("followed: got %v", err)
	}
	if err := Write(link, []byte("new")); (err != nil) != refused {
		t.Errorf("written: got %v", err)
	}
	want := "new"
	if refused {
		want = "precious"
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestKeepFollowsNoLink(t *testing.T) {
	t.Parallel()
	link, target, _ := linkOfAnother(t)
	if file, err := Keep(link); err == nil {
		_ = file.Close()
		t.Error("a link was followed")
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if file, err := Keep(link); err == nil {
		_ = file.Close()
		t.Error("a link was followed to where nothing is")
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("a file was made where a link leads")
	}
}

// A hard link in the place of a file that root has just made must not give the file behind it away.
func TestShareOwnerGivesNothingElseAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	precious, path := filepath.Join(dir, "precious"), filepath.Join(dir, "made")
	if err := errors.Join(os.WriteFile(precious, nil, 0o600), os.Link(precious, path)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(precious)
	if err != nil {
		t.Fatal(err)
	}
	like, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := ShareOwner(path, like); (err != nil) != (os.Geteuid() == 0) {
		t.Errorf("got %v", err)
	}
	after, err := os.Stat(precious)
	if err != nil {
		t.Fatal(err)
	}
	if was, is := before.Sys().(*syscall.Stat_t).Uid, after.Sys().(*syscall.Stat_t).Uid; was != is { //nolint:forcetypeassert // what os.Stat gives here
		t.Errorf("the file was user %d's and is user %d's", was, is)
	}
}

// What would block for ever, or is no file at all, is refused at once.
func TestOnlyFilesAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir} {
		if text, err := ReadBounded(path, 100); err == nil {
			t.Errorf("read %s: got %q", path, text)
		}
		if file, err := Keep(path); err == nil {
			_ = file.Close()
			t.Errorf("kept %s", path)
		}
	}
	file, err := Keep(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = file.WriteString("x"); errors.Join(err, file.Close()) != nil {
		t.Fatal(err)
	}
	if text, err := ReadBounded(filepath.Join(dir, "file"), 100); err != nil || !bytes.Equal(text, []byte("x")) {
		t.Errorf("got %q, %v", text, err)
	}
}
