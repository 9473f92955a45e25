//go:build unix

package selfupdate

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cdxgate/cdxgate/internal/cdx/download"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

func TestApply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	u, err := r.check()
	if err != nil {
		t.Fatal(err)
	}
	var done, total int64
	if err := u.Apply(t.Context(), newClient(), func(d, all int64) { done, total = d, all }); err != nil {
		t.Fatal(err)
	}
	r.wantRunning("1.4.0")
	r.wantNothingBeside()
	if size := int64(len(r.body)); done != size || total != size {
		t.Errorf("progress ended at %d of %d, want %d", done, total, size)
	}
	// Who checked before the other one's update has nothing left to do.
	if err := u.Apply(t.Context(), newClient(), nil); err != nil {
		t.Errorf("again: got %v", err)
	}
	r.wantDownloads(1)
	r.wantNothingBeside()
}

func TestTheUsersOwnCopyStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	backup := r.path + ".old"
	if err := os.WriteFile(backup, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	program.RemoveReplaced(r.path)
	if err := r.apply(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(backup); err != nil || string(text) != "mine" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestApplyFollowsLinks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link := filepath.Join(t.TempDir(), "cdx")
	if err := os.Symlink(r.path, link); err != nil {
		t.Fatal(err)
	}
	r.job.Current.Path = link
	if err := r.apply(); err != nil {
		t.Fatal(err)
	}
	r.wantRunning("1.4.0")
	if to, err := os.Readlink(link); err != nil || to != r.path {
		t.Errorf("the link became %q, %v", to, err)
	}
	r.wantNothingBeside()
}

func TestWhatIsNotTheBuildIsNotTaken(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "executed")
	hostile := []byte("#!/bin/sh\ntouch " + marker + "\necho cdx 1.4.0\n")
	whole := func(body []byte) func(*rig) {
		return func(r *rig) { r.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }) }
	}
	status := func(code int) func(*rig) {
		return func(r *rig) { r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }) }
	}
	// lies makes the gateway sign a build that is not what it says.
	lies := func(body string) func(*rig) {
		return func(r *rig) {
			r.body = []byte(body)
			r.offer(nil)
		}
	}
	for name, c := range map[string]struct {
		edit func(*rig)
		want func(error) bool
	}{
		"another file": {whole(hostile), func(err error) bool { return errors.Is(err, download.ErrSize) }},
		"another file of the same size": {func(r *rig) {
			r.body = hostile
			r.offer(nil)
			whole([]byte(strings.Replace(string(hostile), "1.4.0", "1.4.1", 1)))(r)
		}, func(err error) bool { return errors.Is(err, errUnfitting) }},
		"half of it": {func(r *rig) { whole(r.body[:len(r.body)/2])(r) }, func(err error) bool { return errors.Is(err, download.ErrSize) }},
		"more of it": {func(r *rig) { whole(append(slices.Clip(r.body), '\n'))(r) }, func(err error) bool { return errors.Is(err, download.ErrSize) }},
		"cut off": {func(r *rig) {
			r.answers(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(r.body[:len(r.body)/2])
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
		}, func(err error) bool { return errors.Is(err, download.ErrSize) }},
		"forbidden": {status(403), isStatus},
		"gone":      {status(404), isStatus},
		"broken":    {status(500), isStatus},
		"elsewhere": {func(r *rig) {
			r.answers(func(w http.ResponseWriter, q *http.Request) {
				http.Redirect(w, q, "/install/client/cdx-linux-amd64?again", http.StatusFound)
			})
		}, isStatus},
		"says another version": {lies("#!/bin/sh\necho cdx 1.4.1\n"), says("another version")},
		"says more":            {lies("#!/bin/sh\necho cdx 1.4.0 and more\n"), says("another version")},
		"does not run":         {lies("#!/bin/sh\nexit 1\n"), says("does not run")},
		"another machine's":    {lies("\x7fELF\x02\x01\x01"), says("does not run")},
	} {
		r := newRig(t)
		c.edit(r)
		err := r.apply()
		if err == nil || !c.want(err) {
			t.Errorf("%s: got %v", name, err)
		}
		r.wantRunning("1.3.0")
		r.wantNothingBeside()
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("%s: it was executed", name)
		}
	}
}

func isStatus(err error) bool { _, ok := errors.AsType[*download.StatusError](err); return ok }

func says(text string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

func TestAnExecutableThatSomebodyElseReplacedStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	u, err := r.check()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path, build("1.5.0"), 0o751); err != nil {
		t.Fatal(err)
	}
	if err := u.Apply(t.Context(), newClient(), nil); !errors.Is(err, errChangedBeside) {
		t.Errorf("got %v", err)
	}
	r.wantRunning("1.5.0")
	r.wantNothingBeside()
	r.wantDownloads(0)
}

func TestAGivenUpUpdateLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.answers(func(w http.ResponseWriter, q *http.Request) {
		_, _ = w.Write(r.body[:1000])
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-q.Context().Done()
	})
	u, err := r.check()
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Apply(ctx, newClient(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	r.wantRunning("1.3.0")
	r.wantNothingBeside()
}

func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for step := 1; ; step++ {
		r := newRig(t)
		r.job.KillAt = step
		out, err := r.job.start(t, os.Args[0]).Output()
		r.wantRunning("1.3.0", "1.4.0")
		if err == nil {
			if string(out) != "updated\n" {
				t.Errorf("step %d: got %q", step, out)
			}
			r.wantRunning("1.4.0")
			r.wantNothingBeside()
			if step < 8 {
				t.Errorf("got %d steps, which are too few to have tried all", step)
			}
			return
		}
		r.job.KillAt = 0
		again, err := r.job.start(t, os.Args[0]).Output()
		if got := string(again); err != nil || got != "updated\n" && got != "nothing to do: <nil>\n" {
			t.Errorf("after step %d: got %q, %v", step, again, err)
		}
		r.wantRunning("1.4.0")
		if string(again) == "updated\n" {
			r.wantNothingBeside()
		}
	}
}

// Kills at any byte of the download, too.
func TestKilledWhileDownloading(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, sent := range []int{0, 1, 100, 70_000, len(r.body) - 1} {
		came, dead := make(chan struct{}), make(chan struct{})
		r.answers(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(r.body[:sent])
			_ = http.NewResponseController(w).Flush()
			came <- struct{}{}
			<-dead
		})
		cmd := r.job.start(t, os.Args[0])
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-came
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		close(dead)
		r.wantRunning("1.3.0")
	}
	r.answer.Store(nil)
	if err := r.apply(); err != nil {
		t.Error(err)
	}
	r.wantRunning("1.4.0")
	r.wantNothingBeside()
}

func TestTwentyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	results := make([]string, 20)
	var wg sync.WaitGroup
	for i := range results {
		cmd := r.job.start(t, os.Args[0])
		wg.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				t.Error(err)
			}
			results[i] = strings.TrimSpace(string(out))
		})
	}
	wg.Wait()
	updated := 0
	for _, result := range results {
		switch result {
		case "updated":
			updated++
		case "busy", "nothing to do: <nil>":
		default:
			t.Errorf("got %q", result)
		}
	}
	if updated == 0 {
		t.Errorf("got %v, want an update", results)
	}
	r.wantDownloads(1)
	r.wantRunning("1.4.0")
	r.wantNothingBeside()
}

func TestWhileOneUpdatesTheOthersAreBusy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	came, goOn := make(chan struct{}), make(chan struct{})
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		close(came)
		<-goOn
		_, _ = w.Write(r.body)
	})
	first := make(chan error, 1)
	go func() { first <- r.apply() }()
	<-came
	if out, err := r.job.start(t, os.Args[0]).Output(); err != nil || string(out) != "busy\n" {
		t.Errorf("got %q, %v, want busy", out, err)
	}
	r.wantRunning("1.3.0")
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	r.wantRunning("1.4.0")
	r.wantNothingBeside()
}

// Whoever may not write is told so, and before anything was downloaded.
func TestNotWritable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	binary, credential := asNobody(t)
	dir := filepath.Dir(r.path)
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = os.Chmod(dir, 0o700)
		_ = os.Chmod(filepath.Dir(dir), 0o700)
	})
	if err := os.Chmod(r.path, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := r.job.start(t, binary)
	cmd.SysProcAttr = credential
	if out, err := cmd.Output(); err != nil || string(out) != "not writable: "+r.path+"\n" {
		t.Errorf("got %q, %v", out, err)
	}
	r.wantDownloads(0)
	r.wantNothingBeside()
}

// asNobody returns how to run the test binary without root's rights: as it is, unless this is root.
func asNobody(t *testing.T) (binary string, attributes *syscall.SysProcAttr) {
	t.Helper()
	if os.Geteuid() != 0 {
		return os.Args[0], nil
	}
	dir := t.TempDir()
	binary = filepath.Join(dir, "test")
	// By another process: a child that this one forks meanwhile would hold the file open for writing.
	if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], binary).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := errors.Join(os.Chmod(binary, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	return binary, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}}
}

func TestTheNewBuildRunsWithoutOurEnvironment(t *testing.T) {
	t.Setenv("CDX_API_KEY", "planted-key")
	r := newRig(t)
	seen := filepath.Join(t.TempDir(), "seen")
	r.body = []byte("#!/bin/sh\nexport -p > " + seen + "\necho cdx 1.4.0\n")
	r.offer(nil)
	if err := r.apply(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(seen)
	if err != nil || strings.Contains(string(text), "planted-key") {
		t.Errorf("got %q, %v", text, err)
	}
}
