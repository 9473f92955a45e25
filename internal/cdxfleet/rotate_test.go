//go:build unix

package cdxfleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// key is the API key in a host's configuration.
func (h *host) key() string {
	h.w.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "host.json"))
	var file struct {
		APIKey string `json:"api_key"`
	}
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		h.w.t.Fatal(err)
	}
	return file.APIKey
}

// rotate gives a host a next key.
func (w *world) rotate(h *host) {
	w.t.Helper()
	row, err := w.gateway.Fleet.ByFQDN(w.t.Context(), h.name+".example")
	if err == nil {
		_, _, err = w.gateway.Fleet.Rotate(w.t.Context(), row.ID, fleet.RotateOptions{}, gatewaytest.Operator)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// works says what the gateway makes of a key.
func (w *world) works(key string) bool {
	w.t.Helper()
	_, err := w.gateway.Fleet.Find(w.t.Context(), key)
	return err == nil
}

// A run that began with the old key ends well although another one has ended that key meanwhile, and what its Codex renewed
// goes up.
func TestARotatedKeyWhileCodexRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	h := w.add("a", false)
	old, ready, goOn := h.key(), h.file("ready"), h.file("go-on")
	long := h.started("exec", does("ready=%s await=%s refresh-rename", ready, goOn))
	await(t, "Codex to run", func() bool { return exists(ready) })
	w.rotate(h)
	h.run("sync").want(0) // takes the new key
	if h.key() == old {
		t.Fatal("the new key was not taken")
	}
	h.run("sync").want(0) // and uses it
	if w.works(old) || !w.works(h.key()) {
		t.Error("the old key did not end with the first use of the new one")
	}
	touch(t, goOn)
	long.wait().want(0)
	if !w.gatewayHas(w.authority.newest()) {
		t.Error("what Codex renewed did not go up")
	}
	w.checkHeals()
}

// Killed before whichever step while it takes a new key, the next run gets on: both keys work until the new one is used.
func TestKilledWhileAKeyIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	h := w.add("a", false)
	steps := map[string]bool{}
	for n := 1; ; n++ {
		old := h.key()
		w.rotate(h)
		step := h.run("sync", envKill+"="+strconv.Itoa(n)).killed()
		steps[step] = true
		if !w.works(old) || !w.works(h.key()) {
			t.Errorf("before %q: a key has ended that nobody has replaced", step)
		}
		for range 2 {
			h.run("sync").want(0)
		}
		if w.works(old) || h.key() == old || !w.works(h.key()) {
			t.Errorf("before %q: the rotation did not come to its end", step)
		}
		if step == "" {
			break
		}
	}
	for _, step := range []string{"create host.json", "rename host.json", "renamed host.json"} {
		if !steps[step] {
			t.Errorf("it was never killed before %q", step)
		}
	}
	w.checkHeals()
}

// A machine follows its new name, however often it was renamed since it last called.
func TestARenamedHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	h := w.add("a", false)
	row, err := w.gateway.Fleet.ByFQDN(t.Context(), "a.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b.example", "c.example"} {
		if _, err := w.gateway.Fleet.Rename(t.Context(), row.ID, name, nil, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		p := h.run("sync")
		p.want(0)
		if strings.Contains(p.output.String(), "was not taken") {
			t.Errorf("got %s", p.output.String())
		}
	}
	text, err := os.ReadFile(filepath.Join(h.dir, "host.json"))
	if err != nil || !strings.Contains(string(text), `"fqdn": "c.example"`) {
		t.Errorf("got %s, %v", text, err)
	}
}
