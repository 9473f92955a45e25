package lease

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestOneSession(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".cdx", "sessions")
	wantRunning(t, dir, 0) // the directory is missing
	l := take(t, dir)
	sessions := wantRunning(t, dir, 1)
	if want := (Info{PID: os.Getpid(), Started: noon}); sessions[0] != want {
		t.Errorf("got %+v, want %+v", sessions[0], want)
	}
	wantOthers(t, l, 0)
	end(t, l)
	wantRunning(t, dir, 0)
	wantFiles(t, dir)
}

// Under the home's lock sessions leave one after the other, so exactly one of them finds itself the last.
func TestManySessions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const many = 20
	var home sync.Mutex
	var began, ended sync.WaitGroup
	began.Add(many)
	others := make(chan int, many)
	for range many {
		ended.Go(func() {
			home.Lock()
			l, err := Take(dir, noon)
			home.Unlock()
			began.Done()
			if err != nil {
				t.Error(err)
				return
			}
			began.Wait()
			home.Lock()
			defer home.Unlock()
			if _, err := Running(dir); err != nil {
				t.Error(err)
			}
			left, err := l.Others()
			if err != nil {
				t.Error(err)
			}
			others <- len(left)
			if err := l.End(); err != nil {
				t.Error(err)
			}
		})
	}
	ended.Wait()
	close(others)
	for want := many - 1; want >= 0; want-- {
		if got := <-others; got != want {
			t.Errorf("got %d others, want %d", got, want)
		}
	}
	wantFiles(t, dir)
}

// A restart of the machine gives the number of a killed cdx to somebody else, here to this very process.
func TestLeftByACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := record{Place: place(), Cdx: identify(os.Getpid()), Started: noon}
	for name, text := range map[string]string{
		"whole": marshal(t, whole), "empty": "", "half": marshal(t, whole)[:20], "blank": string(make([]byte, recordBytes)),
	} {
		write(t, filepath.Join(dir, name+suffix), text)
	}
	wantRunning(t, dir, 0)
	wantFiles(t, dir)
}

func TestContentIsNoProof(t *testing.T) {
	t.Parallel()
	own := identify(os.Getpid())
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "other JSON": "[]", "no number": `{"place":"x"}`, "a group": `{"cdx":{"pid":-1}}`,
		"everybody": marshal(t, record{Place: place(), Cdx: own, Codex: &process{PID: 0}}),
		"elsewhere": marshal(t, record{Place: "elsewhere", Cdx: process{PID: 1, Start: "x"}, Codex: &process{PID: 1, Start: "x"}}),
		"nowhere":   marshal(t, record{Cdx: process{PID: 1, Start: "x"}, Codex: &process{PID: 1, Start: "x"}}),
		"starting":  marshal(t, record{Place: place(), Cdx: process{PID: 1, Start: "x"}}),
	} {
		dir := t.TempDir()
		l := take(t, dir)
		overwrite(t, l.path, text)
		if got, err := Running(dir); err != nil || len(got) != 1 {
			t.Errorf("%s, held: got %v, %v, want one session", name, got, err)
		}
		_ = l.file.Close()
		eventuallyNone(t, dir)
		wantFiles(t, dir)
	}
}

func TestProcessNumberOfAnother(t *testing.T) {
	t.Parallel()
	own := identify(os.Getpid())
	gone := process{PID: own.PID, Start: own.Start + "1"}
	for name, test := range map[string]struct {
		cdx, codex process
		ended      bool
		want       int
	}{
		"both alive":       {cdx: own, codex: own, want: 1},
		"only cdx":         {cdx: own, codex: gone, want: 1},
		"only Codex":       {cdx: gone, codex: own, want: 1},
		"neither":          {cdx: gone, codex: gone, want: 0},
		"start not known":  {cdx: gone, codex: process{PID: own.PID}, want: 1},
		"said to be ended": {cdx: own, codex: own, ended: true, want: 0},
	} {
		dir := t.TempDir()
		l := take(t, dir)
		overwrite(t, l.path, marshal(t, record{Place: place(), Cdx: test.cdx, Codex: &test.codex, Ended: test.ended}))
		if got, err := Running(dir); err != nil || len(got) != test.want {
			t.Errorf("%s: got %v, %v, want %d sessions", name, got, err, test.want)
		}
		_ = l.file.Close()
	}
}

func TestOtherFilesStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "notes"), "mine")
	if err := os.Mkdir(filepath.Join(dir, "directory"+suffix), 0o700); err != nil {
		t.Fatal(err)
	}
	wantRunning(t, dir, 0)
	wantFiles(t, dir, "directory"+suffix, "notes")
}

// Whoever removed the directory cannot keep a session from ending.
func TestEndWithoutFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := take(t, dir)
	_ = os.Remove(l.path) // where this is refused the file is there still
	end(t, l)
	wantFiles(t, dir)
}

func TestNoDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "x")
	if _, err := Take(path, noon); err == nil {
		t.Error("a file in the place of the directory: got no error of Take")
	}
	if _, err := Running(path); err == nil {
		t.Error("a file in the place of the directory: got no error of Running")
	}
}

// Longest numbers and names fit into what is written over in one piece.
func TestRecordFits(t *testing.T) {
	t.Parallel()
	long := process{PID: 1<<63 - 1, Start: "18446744073709551615"}
	host := string(make([]byte, 63))
	if text := marshal(t, record{Place: host, Cdx: long, Codex: &long, Started: noon.Add(1), Ended: true}); len(text) >= recordBytes {
		t.Errorf("got %d bytes, want less than %d", len(text), recordBytes)
	}
}

func take(t *testing.T, dir string) *Lease {
	t.Helper()
	l, err := Take(dir, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.file.Close() })
	return l
}

func end(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.End(); err != nil {
		t.Fatal(err)
	}
}

func wantRunning(t *testing.T, dir string, want int) []Info {
	t.Helper()
	got, err := Running(dir)
	if err != nil || len(got) != want {
		t.Fatalf("got %v, %v, want %d sessions", got, err, want)
	}
	return got
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("waited for a minute")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// eventuallyNone waits until no session runs: a process that another test starts this moment has every open file of this
// one until it runs its own program, and a killed one closes its files a moment after it is seen to be gone.
func eventuallyNone(t *testing.T, dir string) {
	t.Helper()
	eventually(t, func() bool {
		sessions, err := Running(dir)
		return err == nil && len(sessions) == 0
	})
}

func wantOthers(t *testing.T, l *Lease, want int) {
	t.Helper()
	if got, err := l.Others(); err != nil || len(got) != want {
		t.Fatalf("got %v, %v, want %d other sessions", got, err, want)
	}
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if marshal(t, got) != marshal(t, want) {
		t.Fatalf("got the files %v, want %v", got, want)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// overwrite keeps the file, and with it who has it open.
func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write(t, path, text)
}
