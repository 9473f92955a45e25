//go:build unix

package share

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// owned is a file's description with another owner than the test's.
type owned struct{ os.FileInfo }

func (o owned) Sys() any { return &syscall.Stat_t{Uid: uint32(os.Getuid()) + 1} }

func TestSameOwner(t *testing.T) {
	t.Parallel()
	ours, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !sameOwner(ours, ours) || sameOwner(ours, owned{ours}) {
		t.Error("the owner does not decide")
	}
}

// A pipe with nobody at its other end holds nothing up.
func TestPipe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(r.dir, "x.md"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantLines(t, r.sync(), "x.md is no plain file, so the fleet's text was not written")
}
