//go:build unix

package cdx

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// What a run as root makes in a user's home belongs to the user. As another user this is what the system does anyway.
func TestRunAsRootLeavesTheUsersFilesTheUsers(t *testing.T) {
	t.Parallel()
	user := os.Geteuid()
	userHome := t.TempDir()
	if user == 0 {
		user = 65534
		if err := os.Chown(userHome, user, user); err != nil {
			t.Fatal(err)
		}
	}
	h := home{filepath.Join(userHome, "made", "codex")}
	unlock, err := h.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for range 2 { // a new file, and one that is replaced
		if err := files.Write(h.authPath(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Dir(h.dir), h.dir, filepath.Dir(h.lockPath()), h.lockPath(), h.authPath()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != user { //nolint:forcetypeassert // what os.Stat gives here
			t.Errorf("%s: got owner %d, want %d", path, got, user)
		}
	}
}
