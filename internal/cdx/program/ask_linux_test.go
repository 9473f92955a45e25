package program

import (
	"os"
	"testing"
	"time"
)

// A process that forks inherits, for a moment, the writing end of a program that another thread has just written.
func TestAskWaitsForAnOpenFileToBeClosed(t *testing.T) {
	t.Parallel()
	path := script(t, `echo cdx 1.4.0`)
	writing, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Ask(t.Context(), path, "version", 100*time.Millisecond); err == nil {
		t.Errorf("while it is open for writing: got %q", got)
	}
	timer := time.AfterFunc(50*time.Millisecond, func() { _ = writing.Close() })
	defer timer.Stop()
	if got, err := Ask(t.Context(), path, "version", time.Minute); got != "cdx 1.4.0" {
		t.Errorf("got %q, %v", got, err)
	}
}
