//go:build unix

package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// As another process the test binary takes the lock that it is given, says so, and ends with its standard input.
func TestMain(m *testing.M) {
	if path := os.Getenv("TEST_LOCK"); path != "" {
		_, err := TryLock(path)
		fmt.Println(err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLockOfAKilledProcessIsFree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_LOCK="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrBusy) {
		t.Errorf("while it lives: got %v, want ErrBusy", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ended, path); !errors.Is(err, ErrBusy) {
		t.Errorf("no more time: got %v, want ErrBusy", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	unlock()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock was left behind: %v", err)
	}
}

// Every owner removes the file that the next may have opened already.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	var inside, most, turns atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for turn := 0; turn < 200; {
				unlock, err := TryLock(path)
				if errors.Is(err, ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if now := inside.Add(1); now > most.Load() {
					most.Store(now)
				}
				for range 20 { // long enough for two to meet
					_, _ = os.Lstat(path)
				}
				inside.Add(-1)
				unlock()
				turns.Add(1)
				turn++
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 || turns.Load() != 1600 {
		t.Errorf("got %d at once, %d turns", most.Load(), turns.Load())
	}
}

func TestAsNotWritable(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EACCES, syscall.EPERM, syscall.EROFS} {
		err := AsNotWritable("/usr/bin/cdx", &os.PathError{Op: "open", Path: "x", Err: cause})
		if refused, ok := errors.AsType[*NotWritableError](err); !ok || refused.Path != "/usr/bin/cdx" || !errors.Is(err, cause) {
			t.Errorf("%v: got %v", cause, err)
		}
	}
	if err := AsNotWritable("x", syscall.ENOSPC); !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "user") {
		t.Errorf("a full disk: got %v", err)
	}
	if err := AsNotWritable("x", nil); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestAsk(t *testing.T) {
	t.Setenv("PLANTED_SECRET", "planted")
	for name, c := range map[string]struct{ text, want, wantErr string }{
		"plain":              {`echo "  cdx 1.4.0"; echo noise >&2`, "cdx 1.4.0", ""},
		"its argument":       {`echo "$# $1"`, "1 version", ""},
		"no secrets":         {`echo "[$PLANTED_SECRET]"; cat`, "[]", ""},
		"no home":            {`echo "$HOME $CODEX_HOME"`, "/dev/null /dev/null", ""},
		"fails":              {`echo cdx 1.4.0; exit 3`, "", "does not run here"},
		"too much":           {`head -c 100000 /dev/zero | tr '\0' a`, strings.Repeat("a", maxSaid), ""},
		"is no program":      {"", "", "does not run here"},
		"leaves a child":     {`tail -f /dev/null & echo cdx 1.4.0`, "cdx 1.4.0", ""},
		"gives up on itself": {`kill -9 $$`, "", "does not run here"},
	} {
		path := script(t, c.text)
		if name == "is no program" {
			if err := os.WriteFile(path, []byte{0x7f, 'E', 'L', 'F', 0}, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Ask(t.Context(), path, "version", time.Minute)
		if got != c.want || (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestAskDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	path := script(t, `echo cdx 1.4.0; while :; do :; done`)
	if got, err := Ask(t.Context(), path, "version", 100*time.Millisecond); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %q, %v", got, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := Ask(cancelled, path, "version", time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReplaceRunning(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdx.exe")
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return "nothing"
		}
		return string(text)
	}
	if err := os.WriteFile(path, []byte("zeroth"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A name that cannot be removed, as that of a program that runs cannot on Windows.
	if err := os.MkdirAll(filepath.Join(path+".old", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"first", "second", "third"} {
		pending, err := files.Prepare(path)
		if err != nil {
			t.Fatal(err)
		}
		before := read(path)
		_, _ = pending.File().WriteString(version)
		_ = pending.File().Close()
		if err := replaceRunning(pending, path); err != nil {
			t.Fatal(err)
		}
		if got := read(path); got != version {
			t.Errorf("got %s, want %s", got, version)
		}
		if got := read(path + ".old1"); got != before {
			t.Errorf("set aside: got %s, want %s", got, before)
		}
	}
	pending, err := files.Prepare(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = pending.Discard() // so that it cannot be placed
	if err := replaceRunning(pending, path); err == nil || read(path) != "third" {
		t.Errorf("after a failure: got %s, %v, want the old one back", read(path), err)
	}
	for _, name := range asideNames(path)[1:] {
		if err := os.MkdirAll(filepath.Join(name, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if pending, err = files.Prepare(path); err != nil {
		t.Fatal(err)
	}
	if err := replaceRunning(pending, path); !errors.Is(err, ErrBusy) || read(path) != "third" {
		t.Errorf("with all names taken: got %s, %v", read(path), err)
	}
	for _, name := range asideNames(path) {
		_ = os.Remove(filepath.Join(name, "x"))
	}
	removeAside(path)
	removeAside(path)
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("got %v, want the program alone", entries)
	}
}
