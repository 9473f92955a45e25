package share

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// killed is what a process that ends at a step throws.
type killed struct{ at string }

// history is one machine, one gateway, and what the user has written so far and not taken back.
type history struct {
	*rig
	random *rand.Rand
	texts  int               // counts, so that each is another
	users  map[string]string // path → what the user wrote there last
	log    []string
	// damaged: what was in step was lost, so that old texts of the fleet look like the user's.
	damaged bool
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *history) fresh(who string) string {
	h.texts++
	return fmt.Sprintf("%s %d", who, h.texts)
}

// happen lets the user or the fleet do something.
func (h *history) happen() {
	names := []string{"a.md", "b.md", "c.md", "d.md"}
	name := names[h.random.IntN(len(names))]
	switch what := h.random.IntN(14); what {
	case 0, 1, 2:
		h.users[name] = h.fresh("user")
		h.put(name, h.users[name])
		h.note("user writes %s: %s", name, h.users[name])
	case 3:
		h.note("user deletes %s", name)
		delete(h.users, name)
		h.remove(name)
	case 4:
		h.note("user deletes the copy of %s", name)
		delete(h.users, name+besideSuffix)
		h.remove(name + besideSuffix)
	case 5:
		if text, ok := h.disk()[name+besideSuffix]; ok {
			h.note("user takes the copy of %s", name)
			delete(h.users, name+besideSuffix)
			h.users[name] = text
			h.put(name, text)
			h.remove(name + besideSuffix)
		}
	case 6:
		h.users[name+besideSuffix] = h.fresh("user")
		h.put(name+besideSuffix, h.users[name+besideSuffix])
		h.note("user writes the copy of %s: %s", name, h.users[name+besideSuffix])
	case 7, 8, 9:
		h.set(name, h.fresh("fleet"))
		h.note("fleet writes %s: %s", name, h.gateway.texts[name])
	case 10:
		h.retire(name)
		h.note("fleet retires %s", name)
	case 11:
		if text, ok := h.proposed[name]; ok {
			h.set(name, text)
			h.note("fleet accepts %s", text)
		}
	case 12:
		h.set(hostileNames[h.random.IntN(len(hostileNames))], "evil")
	case 13:
		h.policy = []Answer{Stored, Proposed, Declined}[h.random.IntN(3)]
		mayPush := h.random.IntN(3) > 0
		h.it.MayPush = func(string) bool { return mayPush }
		h.it.OfferAgain = h.random.IntN(2) == 0
		h.it.Shared = nil
		if h.random.IntN(2) == 0 {
			h.it.Shared = names[:2]
		}
		h.note("policy %s, push %t, again %t, shared %q", h.policy, mayPush, h.it.OfferAgain, h.it.Shared)
	}
}

// run synchronises, and may be killed at a random step.
func (h *history) run(mayDie bool) {
	steps := -1
	if mayDie {
		steps = h.random.IntN(10)
	}
	h.fail = map[string]bool{}
	if h.random.IntN(4) == 0 {
		h.fail["a.md"] = true
	}
	files.Step = func(what string) {
		if steps == 0 {
			panic(killed{what})
		}
		steps--
	}
	defer func() {
		files.Step = nil
		if died := recover(); died != nil {
			at, ok := died.(killed)
			if !ok {
				panic(died)
			}
			h.note("dies at %s", at.at)
		}
	}()
	result := h.sync()
	h.note("sync: %+v", *result)
}

// nothingLost demands that whatever the user wrote last is where it was written, or known to the gateway.
func (h *history) nothingLost() {
	h.t.Helper()
	disk := h.disk()
	for path, text := range h.users {
		if disk[path] != text && !h.ever[text] {
			h.t.Fatalf("%s: %q is lost, there is %q:\n%s", path, text, disk[path], strings.Join(h.log, "\n"))
		}
	}
	for path := range disk {
		name := strings.TrimSuffix(path, besideSuffix)
		if CheckName(name) != nil && !strings.Contains(path, ".cdx-tmp-") {
			h.t.Fatalf("got a file %q", path)
		}
	}
}

// settled demands that two runs in peace leave nothing to do, and every file explained.
func (h *history) settled() {
	h.t.Helper()
	h.policy, h.it.OfferAgain = Stored, false
	h.run(false)
	h.fail = nil
	h.sync()
	h.nothingLost()
	home := filepath.Dir(h.dir)
	before := tree(h.t, home)
	result := h.sync()
	h.nothingLost()
	if after := tree(h.t, home); !maps.Equal(before, after) || len(h.calls) != 0 {
		h.t.Fatalf("it is never done (%q, %+v):\n%q\n%q\n%s", h.calls, result, before, after, strings.Join(h.log, "\n"))
	}
	disk := h.disk()
	for name, text := range h.gateway.texts {
		local, here := disk[name]
		_, users := h.users[name]
		if CheckName(name) == nil && !h.damaged && !h.retired[name] && here && local != text && !users {
			h.t.Fatalf("%s: the fleet's %q is not here but %q, which the user did not write:\n%s", name, text, local, strings.Join(h.log, "\n"))
		}
	}
}

// Whatever both sides do and wherever runs die: what the user wrote is never lost, and runs in peace bring all in step.
// It is not parallel, since it is told of every step in the process.
func TestHistories(t *testing.T) {
	const histories = 120
	died := 0
	for seed := range uint64(histories) {
		h := &history{rig: newRig(t), random: rand.New(rand.NewPCG(seed, 7)), users: map[string]string{}}
		for range 12 {
			for range h.random.IntN(5) {
				h.happen()
			}
			if h.random.IntN(40) == 0 {
				h.damaged = true
				h.note("the baseline is damaged")
				if err := os.MkdirAll(filepath.Dir(h.it.Baseline), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(h.it.Baseline, []byte("{"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			h.run(h.random.IntN(2) == 0)
			h.nothingLost()
		}
		h.settled()
		if slices.ContainsFunc(h.log, func(line string) bool { return strings.HasPrefix(line, "dies at") }) {
			died++
		}
	}
	if died < histories/2 {
		t.Errorf("only %d histories of %d had a crash", died, histories)
	}
}
