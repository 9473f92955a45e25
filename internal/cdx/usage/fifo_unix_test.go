//go:build unix

package usage

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestPipe: what would block for ever is not opened.
func TestPipe(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	f := r.start(1, "")
	f.answer(5, 0, 5, 0)
	pipe := filepath.Join(filepath.Dir(f.path), "rollout-2026-11-25T12-00-01-"+uuid(r.clock, 2)+".jsonl")
	r.must(syscall.Mkfifo(pipe, 0o600))
	if got := r.collect(time.Time{}); got != (Tokens{5, 0, 5, 0}) {
		t.Errorf("got %+v", got)
	}
}
