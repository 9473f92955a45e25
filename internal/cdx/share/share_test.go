package share

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestInStep(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 20 {
		r.set(fmt.Sprintf("cmd-%02d.md", i), fmt.Sprintf("text %d", i))
	}
	r.set("old.md", "old")
	r.retire("old.md")
	r.put("mine.md", "only here")
	wantCounts(t, r.sync(), Result{Written: 20})
	if len(r.calls) != 20 {
		t.Errorf("got %d requests, want one per text", len(r.calls))
	}
	want := maps.Clone(r.texts)
	delete(want, "old.md")
	want["mine.md"] = "only here"
	r.wantDisk(want)
	before, err := os.Stat(r.it.Baseline)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("the baseline has mode %o", before.Mode().Perm())
	}
	got := r.sync()
	wantCounts(t, got, Result{Current: 20})
	wantLines(t, got)
	r.wantCalls()
	if after, err := os.Stat(r.it.Baseline); err != nil || !os.SameFile(before, after) {
		t.Errorf("the baseline was written though nothing changed (%v)", err)
	}
}

func TestConflict(t *testing.T) {
	t.Parallel()
	conflicted := func(t *testing.T) *rig {
		r := newRig(t)
		r.set("x.md", "v1")
		r.sync()
		r.put("x.md", "mine")
		r.set("x.md", "v2")
		for range 2 { // it is told until the user decides, but fetched once
			got := r.sync()
			wantCounts(t, got, Result{Conflicts: 1})
			wantLines(t, got, "x.md was changed here and in the fleet; yours stays, the fleet's is x.md.remote")
			r.wantDisk(map[string]string{"x.md": "mine", "x.md.remote": "v2"})
		}
		r.wantCalls()
		return r
	}
	t.Run("a newer text", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.set("x.md", "v3")
		wantCounts(t, r.sync(), Result{Conflicts: 1})
		r.wantDisk(map[string]string{"x.md": "mine", "x.md.remote": "v3"})
	})
	t.Run("a newer text, the copy edited", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.put("x.md.remote", "half merged")
		r.set("x.md", "v3")
		got := r.sync()
		wantCounts(t, got, Result{Conflicts: 1})
		wantLines(t, got, "as x.md.remote is yours too, the fleet's was not saved")
		r.wantDisk(map[string]string{"x.md": "mine", "x.md.remote": "half merged"})
	})
	t.Run("the user takes the fleet's", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.put("x.md", "v2")
		wantCounts(t, r.sync(), Result{Current: 1})
		r.wantDisk(map[string]string{"x.md": "v2"})
	})
	t.Run("the user takes the fleet's, having edited the copy", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.put("x.md.remote", "notes")
		r.put("x.md", "v2")
		wantCounts(t, r.sync(), Result{Current: 1})
		r.wantDisk(map[string]string{"x.md": "v2", "x.md.remote": "notes"})
	})
	t.Run("the user stays with the own", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.remove("x.md.remote")
		wantCounts(t, r.sync(), Result{Pushed: 1})
		r.wantCalls("push x.md")
		r.wantDisk(map[string]string{"x.md": "mine"})
		if r.texts["x.md"] != "mine" {
			t.Errorf("the fleet has %q", r.texts["x.md"])
		}
	})
	t.Run("the user removes the file", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.remove("x.md")
		wantCounts(t, r.sync(), Result{Written: 1})
		r.wantDisk(map[string]string{"x.md": "v2"})
	})
	t.Run("the fleet retires it", func(t *testing.T) {
		t.Parallel()
		r := conflicted(t)
		r.retire("x.md")
		got := r.sync()
		wantCounts(t, got, Result{Kept: 1})
		wantLines(t, got, "is retired from the fleet; yours differs, so it stays")
		wantLines(t, r.sync())
		r.wantDisk(map[string]string{"x.md": "mine"})
	})
}

func TestRetired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("same.md", "v1")
	r.set("edited.md", "v1")
	r.sync()
	r.put("edited.md", "mine")
	r.it.MayPush = nil
	r.retire("same.md")
	r.retire("edited.md")
	got := r.sync()
	wantCounts(t, got, Result{Removed: 1, Kept: 1})
	wantLines(t, got, "edited.md is retired")
	r.it.MayPush = func(string) bool { return true }
	got = r.sync()
	wantLines(t, got) // told once
	r.wantCalls()     // and not sent back
	r.wantDisk(map[string]string{"edited.md": "mine"})
}

func TestLocalRemovalIsRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	r.sync()
	r.remove("x.md")
	for range 2 {
		wantCounts(t, r.sync(), Result{Kept: 1})
		r.wantCalls()
		r.wantDisk(map[string]string{})
	}
	if r.retired["x.md"] || r.texts["x.md"] != "v1" {
		t.Error("the removal reached the gateway")
	}
	r.set("x.md", "v2")
	wantCounts(t, r.sync(), Result{Written: 1})
}

func TestPushes(t *testing.T) {
	t.Parallel()
	for policy, want := range map[Answer]struct {
		counts  Result
		line    []string
		decided Result
	}{
		Stored:   {Result{Pushed: 2}, nil, Result{Current: 2}},
		Proposed: {Result{Proposed: 2}, []string{"new.md is proposed", "x.md is proposed"}, Result{Kept: 2}},
		Declined: {Result{Kept: 2}, []string{"new.md was changed here, but", "x.md was changed here, but"}, Result{Kept: 2}},
	} {
		r := newRig(t)
		r.policy = policy
		r.set("x.md", "v1")
		r.sync()
		r.put("x.md", "mine")
		r.put("new.md", "to be shared")
		r.put("private.md", "mine alone")
		r.it.Shared = []string{"new.md", "../x", "absent.md"}
		got := r.sync()
		wantCounts(t, got, want.counts)
		wantLines(t, got, want.line...)
		r.wantCalls("push new.md", "push x.md")
		got = r.sync()
		wantCounts(t, got, want.decided)
		wantLines(t, got)
		r.wantCalls() // offered once
		if r.it.OfferAgain = true; policy != Stored {
			r.sync()
			r.wantCalls("push new.md", "push x.md")
		}
	}
}

// A text that changed on the gateway since the list was made is not overwritten, whatever the list said.
func TestPushLosesARace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	r.sync()
	r.put("x.md", "mine")
	plan, err := r.it.Plan(r.list())
	if err != nil {
		t.Fatal(err)
	}
	r.set("x.md", "v2")
	got := r.it.Apply(t.Context(), plan)
	wantCounts(t, got, Result{Failed: 1})
	wantLines(t, got, "x.md was left as it is: base_mismatch")
	wantCounts(t, r.sync(), Result{Conflicts: 1})
}

// The user writes between plan and deed.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"overwrite.md", "remove.md", "push.md", "copy.md"} {
		r.set(name, "v1")
	}
	r.sync()
	r.set("overwrite.md", "v2")
	r.set("copy.md", "v2")
	r.set("new.md", "v1")
	r.retire("remove.md")
	r.put("push.md", "mine")
	r.put("copy.md", "mine")
	plan, err := r.it.Plan(r.list())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, name := range []string{"overwrite.md", "remove.md", "push.md", "copy.md", "copy.md.remote", "new.md"} {
		r.put(name, "just now")
		want[name] = "just now"
	}
	got := r.it.Apply(t.Context(), plan)
	wantCounts(t, got, Result{Failed: 5})
	r.wantDisk(want)
	for _, line := range got.Lines {
		if !strings.Contains(line, "it changed meanwhile") {
			t.Errorf("got line %q", line)
		}
	}
}

func TestFailuresDoNotStopTheRest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("a.md", "a")
	r.set("burns.md", "b")
	r.set("lies.md", "c")
	r.set("long.md", strings.Repeat("x", defaultMaxBytes+1))
	r.set("z.md", "z")
	r.fail["burns.md"], r.lie["lies.md"] = true, true
	got := r.sync()
	wantCounts(t, got, Result{Written: 2, Failed: 3})
	wantLines(t, got, "burns.md was left as it is: the gateway is on fire", "not the one that it lists", "more than 256 KiB")
	r.wantDisk(map[string]string{"a.md": "a", "z.md": "z"})
	r.fail, r.lie = nil, nil
	wantCounts(t, r.sync(), Result{Current: 2, Written: 2, Failed: 1})
}

// A gateway that does not answer costs the time that the caller allows, and every file is accounted for.
func TestDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 50 {
		r.set(fmt.Sprintf("cmd-%02d.md", i), "text")
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool, 50)
	r.it.Fetch = func(ctx context.Context, _ string) ([]byte, error) {
		asked <- true
		<-ctx.Done()
		return nil, ctx.Err()
	}
	go func() {
		for range parallel {
			<-asked
		}
		cancel()
	}()
	plan, err := r.it.Plan(r.list())
	if err != nil {
		t.Fatal(err)
	}
	got := r.it.Apply(ctx, plan)
	wantCounts(t, got, Result{Failed: 50})
	if len(got.Lines) != maxLines+1 {
		t.Errorf("got %d lines", len(got.Lines))
	}
	r.it.Fetch = r.fetch
	wantCounts(t, r.sync(), Result{Written: 50})
}

func TestAtMostFourAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 40 {
		r.set(fmt.Sprintf("cmd-%02d.md", i), "text")
	}
	slots := make(chan bool, parallel)
	r.it.Fetch = func(ctx context.Context, name string) ([]byte, error) {
		select {
		case slots <- true:
			defer func() { <-slots }()
			return r.fetch(ctx, name)
		default:
			return nil, fmt.Errorf("more than %d requests at once", parallel)
		}
	}
	wantCounts(t, r.sync(), Result{Written: 40})
}

func TestDamagedBaseline(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "cut": `{"x.md":{"synced":"`, "another shape": `["x.md"]`, "no digests": `{"x.md":{"synced":"v1"}}`,
		"bad names": `{"../x.md":{"synced":"` + v1 + `"}}`, "huge": `{"x.md":{"synced":"` + strings.Repeat("a", maxBaselineBytes) + `"}}`,
	} {
		r := newRig(t)
		r.set("same.md", "v1")
		r.set("differs.md", "v1")
		r.set("retired.md", "v1")
		r.sync()
		r.put("differs.md", "mine")
		r.set("differs.md", "v2")
		r.retire("retired.md")
		if err := os.WriteFile(r.it.Baseline, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := r.sync()
		wantCounts(t, got, Result{Current: 1, Conflicts: 1})
		wantLines(t, got, "what was in step is not known", "differs.md is another file here")
		r.wantDisk(map[string]string{"same.md": "v1", "differs.md": "mine", "differs.md.remote": "v2", "retired.md": "v1"})
		if t.Failed() {
			t.Fatalf("with a baseline that is %s", name)
		}
	}
}

// Nothing is put on disk that could not be told from the user's texts later.
func TestBaselineCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	if err := os.WriteFile(filepath.Dir(r.it.Baseline), nil, 0o600); err != nil { // where its directory should be
		t.Fatal(err)
	}
	got := r.sync()
	wantCounts(t, got, Result{Failed: 1})
	r.wantDisk(map[string]string{})
}

func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	r.sync()
	r.set("x.md", "v2")
	r.set("y.md", "v1")
	r.put("y.md", "mine")
	home := filepath.Dir(r.dir)
	before := tree(t, home)
	r.calls = nil
	plan, err := r.it.Plan(r.list())
	if err != nil {
		t.Fatal(err)
	}
	if plan.Count(Write) != 1 || plan.Count(Conflict) != 1 || plan.Count(Current) != 0 {
		t.Errorf("got %+v", plan.Actions)
	}
	if after := tree(t, home); !maps.Equal(before, after) {
		t.Errorf("the disk changed: %q, %q", before, after)
	}
	r.wantCalls()
}

// Skills: each name is a directory, of which one file is shared.
func TestDirectories(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.it.Place.Inside = "SKILL.md"
	r.set("review", "v1")
	r.set("deploy", "v1")
	wantCounts(t, r.sync(), Result{Written: 2})
	r.put("deploy/notes.txt", "mine")
	r.put("review/SKILL.md", "mine")
	r.set("review", "v2")
	r.retire("deploy")
	wantCounts(t, r.sync(), Result{Removed: 1, Conflicts: 1})
	r.wantDisk(map[string]string{"review/SKILL.md": "mine", "review/SKILL.md.remote": "v2", "deploy/notes.txt": "mine"})
	r.put("review/SKILL.md", "v2")
	r.sync()
	r.retire("review")
	wantCounts(t, r.sync(), Result{Removed: 1})
	if _, err := os.Stat(filepath.Join(r.dir, "review")); !os.IsNotExist(err) {
		t.Errorf("the empty directory stays: %v", err)
	}
}

// One file in a directory that holds much else.
func TestSingleFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.it.Place.Only = []string{"AGENTS.md"}
	r.set("AGENTS.md", "v1")
	r.set("auth.json", "{}")
	r.set("config.toml", "")
	got := r.sync()
	wantCounts(t, got, Result{Written: 1})
	wantLines(t, got, `"auth.json" of the fleet's list was refused: it has no place here`, `"config.toml"`)
	r.wantDisk(map[string]string{"AGENTS.md": "v1"})
}
