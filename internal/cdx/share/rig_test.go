package share

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gateway is a fleet's library in memory. It is safe for concurrent use.
type gateway struct {
	mu       sync.Mutex
	texts    map[string]string // name → current text
	retired  map[string]bool
	proposed map[string]string
	ever     map[string]bool // every text it had, or was proposed
	policy   Answer
	fail     map[string]bool // names that cannot be fetched
	lie      map[string]bool // names of which another text than the listed one comes
	calls    []string
}

func newGateway() *gateway {
	return &gateway{
		texts: map[string]string{}, retired: map[string]bool{}, proposed: map[string]string{}, ever: map[string]bool{},
		policy: Stored, fail: map[string]bool{}, lie: map[string]bool{},
	}
}

func (g *gateway) set(name, text string) {
	g.texts[name], g.ever[text] = text, true
	delete(g.retired, name)
}

func (g *gateway) retire(name string) {
	if _, ok := g.texts[name]; ok {
		g.retired[name] = true
	}
}

func (g *gateway) list() []Item {
	var items []Item
	for _, name := range slices.Sorted(maps.Keys(g.texts)) {
		items = append(items, Item{Name: name, SHA256: Digest([]byte(g.texts[name])), Retired: g.retired[name]})
	}
	return items
}

func (g *gateway) fetch(_ context.Context, name string) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, "fetch "+name)
	switch {
	case g.fail[name]:
		return nil, errors.New("the gateway is on fire")
	case g.lie[name]:
		return []byte("something else"), nil
	}
	return []byte(g.texts[name]), nil
}

func (g *gateway) push(_ context.Context, name string, text []byte, base string) (Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, "push "+name)
	if base != "" && (g.retired[name] || Digest([]byte(g.texts[name])) != base) {
		return "", errors.New("base_mismatch")
	}
	switch g.policy {
	case Stored:
		g.set(name, string(text))
	case Proposed:
		g.proposed[name], g.ever[string(text)] = string(text), true
	}
	return g.policy, nil
}

// rig is one machine and its gateway.
type rig struct {
	*gateway
	t   *testing.T
	dir string
	it  *Set
}

func newRig(t *testing.T) *rig {
	home := t.TempDir()
	r := &rig{gateway: newGateway(), t: t, dir: filepath.Join(home, "prompts")}
	r.it = &Set{
		Place: Place{Dir: r.dir}, Baseline: filepath.Join(home, ".cdx", "prompts.json"),
		MayPush: func(string) bool { return true }, Fetch: r.fetch, Push: r.push,
	}
	return r
}

// sync runs once and returns what came of it, with what was asked of the gateway in calls.
func (r *rig) sync() *Result {
	r.t.Helper()
	r.calls = nil
	plan, err := r.it.Plan(r.list())
	if err != nil {
		r.t.Fatal(err)
	}
	result := r.it.Apply(r.t.Context(), plan)
	slices.Sort(r.calls)
	return result
}

func (r *rig) put(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) remove(name string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
}

// disk is every file in the directory: name → text.
func (r *rig) disk() map[string]string {
	r.t.Helper()
	return tree(r.t, r.dir)
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) || err == nil && entry.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (r *rig) wantDisk(want map[string]string) {
	r.t.Helper()
	if got := r.disk(); !maps.Equal(got, want) {
		r.t.Errorf("on disk: got %q, want %q", got, want)
	}
}

func (r *rig) wantCalls(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.calls, want) {
		r.t.Errorf("asked the gateway: got %q, want %q", r.calls, want)
	}
}

func wantLines(t *testing.T, got *Result, parts ...string) {
	t.Helper()
	if len(got.Lines) != len(parts) {
		t.Errorf("got lines %q, want %d", got.Lines, len(parts))
		return
	}
	for i, part := range parts {
		if !strings.Contains(got.Lines[i], part) {
			t.Errorf("got line %q, want one with %q", got.Lines[i], part)
		}
	}
}

// wantCounts compares everything but the lines.
func wantCounts(t *testing.T, got *Result, want Result) {
	t.Helper()
	counts := *got
	counts.Lines, want.Lines = nil, nil
	if a, b := counts, want; a.Current != b.Current || a.Written != b.Written || a.Removed != b.Removed || a.Pushed != b.Pushed ||
		a.Proposed != b.Proposed || a.Conflicts != b.Conflicts || a.Kept != b.Kept || a.Failed != b.Failed {
		t.Errorf("got %+v, want %+v", counts, want)
	}
}
