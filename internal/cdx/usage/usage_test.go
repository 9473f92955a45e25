package usage

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// answers is what the model service of the fixtures said that its answers cost, by their numbers.
func answers(numbers ...int64) Tokens {
	var sum Tokens
	for _, n := range numbers {
		sum = sum.plus(Tokens{Input: 600 + n, Cached: 400, Output: 50 + n, Reasoning: 20})
	}
	return sum
}

// TestGenuine reads what Codex 0.169.0 wrote. Long and private texts in it were replaced, and the thread of old_resumed was
// brought into the form of earlier versions before Codex resumed and forked it.
func TestGenuine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files []string
		want  map[string]Tokens
	}{
		"resumed twice, with another model": {[]string{"resumed"}, map[string]Tokens{"gpt-5-codex": answers(1, 2), "gpt-5-mini": answers(3)}},
		"fork":                              {[]string{"forked"}, map[string]Tokens{"gpt-5-codex": answers(4)}},
		"sub-agent":                         {[]string{"parent", "subagent"}, map[string]Tokens{"gpt-5-codex": answers(6, 7, 8, 9)}},
		"fork with a copied history":        {[]string{"old_forked"}, map[string]Tokens{"gpt-5-codex": answers(10)}},
		"thread of an old Codex":            {[]string{"old_resumed"}, map[string]Tokens{"gpt-5-codex": answers(1, 2, 11), "gpt-5-mini": answers(3)}},
		"sub-agent with a copied history":   {[]string{"parent2", "subagent2"}, map[string]Tokens{"gpt-5-codex": answers(12, 13, 14, 15)}},
		"everything": {
			[]string{"resumed", "forked", "parent", "subagent", "old_forked", "parent2", "subagent2"},
			map[string]Tokens{"gpt-5-codex": answers(1, 2, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15), "gpt-5-mini": answers(3)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dir := range []string{"sessions/2026/11/25", "archived_sessions"} {
				r := newRig(t)
				r.clock = noon.Add(-24 * time.Hour)
				r.must(r.Begin())
				r.clock = noon
				r.must(os.MkdirAll(filepath.Join(r.home, dir), 0o700))
				var want Tokens
				for _, tokens := range test.want {
					want = want.plus(tokens)
				}
				for _, file := range test.files {
					putFixture(r, dir, file)
				}
				if got := r.collect(time.Time{}); got != want {
					t.Errorf("%s: got %+v, want %+v", dir, got, want)
				}
				if got := r.drain(); !maps.Equal(got, test.want) {
					t.Errorf("%s: reported %+v, want %+v", dir, got, test.want)
				}
				limits, err := r.Limits()
				if err != nil || len(limits.Windows) != 2 || limits.Windows[1].UsedPercent != 87 {
					t.Errorf("got the limits %+v, %v", limits, err)
				}
			}
		})
	}
}

func putFixture(r *rig, dir, name string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
	r.must(err)
	_, id, _ := strings.Cut(string(text), `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	path := filepath.Join(r.home, filepath.FromSlash(dir), "rollout-2026-11-25T09-25-07-"+id+".jsonl")
	r.put(path, text)
}

// TestNoWords looks for the conversation in everything that is kept or sent.
func TestNoWords(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.clock = noon.Add(-24 * time.Hour)
	r.must(r.Begin())
	r.clock = noon
	r.must(os.MkdirAll(filepath.Join(r.home, "sessions"), 0o700))
	for _, file := range []string{"resumed", "forked", "parent", "subagent", "old_forked", "parent2", "subagent2"} {
		putFixture(r, "sessions", file)
	}
	f := r.start(1, "")
	f.turn("CONFIDENTIAL words")
	f.turn("CONFIDENTIAL\nwords")
	f.answer(10, 0, 5, 0)
	r.collect(noon)
	kept := []byte(asText(t, r.next()))
	r.must(filepath.WalkDir(filepath.Join(r.home, ".cdx"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		kept = append(kept, text...)
		return err
	}))
	if len(kept) < 1000 || bytes.Contains(kept, []byte("CONFIDENTIAL")) {
		t.Errorf("got %s", kept)
	}
}

func TestThreads(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do        func(r *rig) (since time.Time)
		run, sent Tokens
	}{
		"fresh": {func(r *rig) time.Time {
			f := r.start(1, "")
			f.turn("m")
			f.answer(100, 40, 10, 5)
			f.answer(200, 40, 20, 0)
			f.raw(f.answerText(0, 0, 0, 0) + "\n") // the same total again
			return noon
		}, Tokens{220, 80, 30, 5}, Tokens{220, 80, 30, 5}},
		"nothing is written with --ephemeral": {func(*rig) time.Time { return noon }, Tokens{}, Tokens{}},
		"resumed after cdx was installed": {func(r *rig) time.Time {
			r.clock = noon.Add(-48 * time.Hour)
			f := r.start(1, "")
			f.answer(1000, 0, 1000, 0)
			r.clock = noon.Add(time.Second)
			f.answer(7, 0, 3, 0)
			return noon
		}, Tokens{7, 0, 3, 0}, Tokens{7, 0, 3, 0}},
		"resumed after another run": {func(r *rig) time.Time {
			r.pass(time.Second)
			f := r.start(1, "")
			f.answer(50, 0, 5, 0)
			r.collect(noon)
			r.pass(time.Hour)
			since := r.clock
			f.answer(7, 0, 3, 0)
			return since
		}, Tokens{7, 0, 3, 0}, Tokens{57, 0, 8, 0}},
		"another session ends in between": {func(r *rig) time.Time {
			r.pass(time.Second)
			f, g := r.start(1, ""), r.start(2, "")
			f.answer(50, 0, 5, 0)
			g.answer(1, 0, 1, 0)
			r.collect(noon)
			r.pass(time.Second)
			f.answer(7, 0, 3, 0)
			return noon
		}, Tokens{58, 0, 9, 0}, Tokens{58, 0, 9, 0}},
		"fork with the parent's total": {func(r *rig) time.Time {
			r.pass(time.Second)
			f := r.start(1, uuid(noon, 9))
			f.turn("m")
			f.total = counters{5000, 4000, 500, 5}
			f.answer(10, 4, 2, 1)
			f.answer(10, 4, 2, 1)
			return noon
		}, Tokens{12, 8, 4, 2}, Tokens{12, 8, 4, 2}},
		"fork of a Codex that numbered its turns": {func(r *rig) time.Time {
			r.pass(time.Second)
			f := r.start(1, uuid(noon, 9))
			f.line("turn_context", map[string]any{"turn_id": "1", "model": "m"})
			f.answer(5000, 4000, 500, 5)
			r.pass(time.Minute)
			f.line("turn_context", map[string]any{"turn_id": "2", "model": "m"})
			f.answer(10, 4, 2, 1)
			return noon
		}, Tokens{6, 4, 2, 1}, Tokens{6, 4, 2, 1}},
		"total begins anew": {func(r *rig) time.Time {
			r.pass(time.Second)
			f := r.start(1, "")
			f.answer(100, 0, 10, 0)
			f.total = counters{}
			f.answer(30, 0, 3, 0)
			f.answer(1, 0, 1, 0)
			return noon
		}, Tokens{131, 0, 14, 0}, Tokens{131, 0, 14, 0}},
		"clock that was wrong at first": {func(r *rig) time.Time {
			r.must(os.Remove(r.path()))
			r.clock = noon.Add(1000 * time.Hour)
			r.must(r.Begin())
			r.clock = noon
			r.start(1, "").answer(1, 0, 1, 0)
			r.collect(noon)
			r.must(r.Acknowledge(""))
			r.pass(time.Second)
			r.start(2, "").answer(5, 0, 5, 0)
			return r.clock
		}, Tokens{5, 0, 5, 0}, Tokens{5, 0, 5, 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begun(t)
			r.pass(time.Second)
			since := test.do(r)
			r.pass(time.Second)
			if got := r.collect(since); got != test.run {
				t.Errorf("the run used %+v, want %+v", got, test.run)
			}
			r.collect(since)
			var sent Tokens
			for _, tokens := range r.drain() {
				sent = sent.plus(tokens)
			}
			if sent != test.sent {
				t.Errorf("sent %+v, want %+v", sent, test.sent)
			}
			if n, err := r.Pending(); n != 0 || err != nil {
				t.Errorf("got %d pending, %v", n, err)
			}
		})
	}
}

// TestOldFiles counts the files that are opened. It is not parallel: files.Step belongs to the process.
func TestOldFiles(t *testing.T) { //nolint:paralleltest // see above
	r := newRig(t)
	for n := range 2000 {
		r.clock = noon.Add(-time.Duration(n+1) * time.Hour)
		r.start(n, "")
	}
	r.clock = noon
	opened := 0
	files.Step = func(what string) {
		if strings.HasPrefix(what, "read ") {
			opened++
		}
	}
	t.Cleanup(func() { files.Step = nil })
	r.must(r.Begin())
	if r.next() != nil || opened != 0 {
		t.Errorf("got %d files opened at the start", opened)
	}
	r.pass(time.Second)
	f := r.start(9999, "")
	f.answer(1, 0, 1, 0)
	r.collect(noon)
	if opened != 1 {
		t.Errorf("got %d files opened after the run, want 1", opened)
	}
	r.pass(time.Hour)
	r.collect(r.clock)
	if opened != 1 {
		t.Errorf("got %d files opened though nothing happened, want 1", opened)
	}
}

// TestOutOfTime: what was not read in time is counted later. It is not parallel: files.Step belongs to the process.
func TestOutOfTime(t *testing.T) { //nolint:paralleltest // see above
	r := begun(t)
	r.pass(time.Second)
	r.start(1, "").answer(100, 0, 10, 0)
	r.pass(time.Second)
	r.start(2, "").answer(7, 0, 3, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reads := 0
	files.Step = func(what string) {
		if strings.HasPrefix(what, "read ") {
			if reads++; reads == 2 {
				cancel()
			}
		}
	}
	t.Cleanup(func() { files.Step = nil })
	r.pass(time.Hour)
	if used, err := r.Collect(ctx, noon); err != nil || used != (Tokens{7, 0, 3, 0}) {
		t.Errorf("got %+v, %v", used, err)
	}
	if used, err := r.Collect(ctx, noon); err != nil || used != (Tokens{}) {
		t.Errorf("got %+v, %v when it was too late", used, err)
	}
	r.pass(time.Hour)
	r.collect(r.clock)
	if got := r.drain()[""]; got != (Tokens{107, 0, 13, 0}) {
		t.Errorf("got %+v", got)
	}
}
