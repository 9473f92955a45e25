package cdx

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// While Codex runs, neither its process nor that of cdx shows the key to whoever looks at the list of processes.
func TestProcessesShowNoKey(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	r := newRigAt(t, g.server.URL)
	r.sign(g.server.URL, nil)
	r.put(r.auth, loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z", Lifetime: time.Hour}.encode())
	g.expect(about("valid", "", nil))
	ready := filepath.Join(r.dir, "ready")
	cmd := r.command("cdx", []string{"exec", "hello"}, "FAKE_AWAIT_SIGNAL="+ready)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "Codex", func() bool { return exists(ready) })
	seen := map[string]bool{}
	for _, pid := range append(childrenOf(t, cmd.Process.Pid), cmd.Process.Pid) {
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
			if err != nil {
				t.Fatal(err)
			}
			if found := leaks(string(text)); found != nil {
				t.Errorf("%s of process %d shows %q", name, pid, found)
			}
			if program, _, _ := strings.Cut(string(text), "\x00"); name == "cmdline" {
				seen[filepath.Base(program)] = true
			}
		}
	}
	if !seen["cdx"] || !seen["codex"] {
		t.Errorf("looked at %v", seen)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// childrenOf returns the processes that a process has started.
func childrenOf(t *testing.T, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name: state, parent
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}
