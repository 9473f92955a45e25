//go:build unix

package cdxfleet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// envSeed repeats a history.
const envSeed = "FLEET_SEED"

// history is what happens to a fleet at random: three machines, of which one may not keep a login and the clock of another
// is wrong.
type history struct {
	*world
	random *rand.Rand
	log    []string
	open   *process // a session that goes on while other things happen; nil: none
	goOn   string   // the file that its Codex waits for
}

// TestRandomHistories: whatever happens in whatever order, the newest refresh token is never lost. Machines act one after
// the other, since two that hold the same login may both spend it.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if text := os.Getenv(envSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for i, ahead := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := &history{world: w, random: rand.New(rand.NewPCG(seed, uint64(i)))}
			w.begin()
			w.add("a", false)
			w.add("i", true)
			w.addAhead("c", false, ahead)
			const actions = 50
			for n := range actions {
				h.act(n > actions*3/4)
				w.checkRecoverable()
				if t.Failed() {
					break
				}
			}
			h.close()
			w.checkRecoverable()
			w.checkHeals()
			if t.Failed() {
				t.Errorf("%s=%d:\n%s", envSeed, seed, strings.Join(h.log, "\n"))
			}
		})
	}
}

// act is one thing that happens. Late in a history, a machine whose clock is wrong may renew the login: no other can from
// then on.
func (h *history) act(late bool) {
	h.t.Helper()
	host := h.hosts[h.random.IntN(len(h.hosts))]
	refresh := ""
	if !host.wrong || late {
		refresh = []string{"", "refresh", "refresh-rename"}[h.random.IntN(3)]
	}
	var words []string
	switch n := h.random.IntN(20); {
	case n < 8:
		words = []string{"exec", does("%s", refresh)}
	case n < 11:
		words = []string{"sync"}
	case n < 12:
		words = []string{"logout"}
	case n < 13:
		words = []string{"--", "login", does("give-up")}
	case n < 14:
		words = []string{"--", "logout", does("logout")}
	case n < 16:
		h.failSomehow()
		return
	case n < 17 && refresh == "":
		if current := h.gateway.Int(h.t, "SELECT generation FROM account"); current > 1 {
			to := 1 + h.random.Int64N(current-1)
			h.note("an admin goes back to generation %d", to)
			h.goBack(to)
		}
		return
	case n < 17 && refresh != "" && host.read() != nil:
		h.note("%s: Codex alone, %s", host.name, refresh)
		p := host.command(nil, envRole+"=codex", envCodex+"="+refresh)
		p.start()
		h.ended(p)
		return
	case h.open == nil:
		h.begin(host, refresh)
		return
	default:
		h.close()
		return
	}
	if h.random.IntN(2) == 0 {
		words = append(words, envKill+"="+strconv.Itoa(1+h.random.IntN(30)))
	}
	h.note("%s: %q", host.name, words)
	h.ended(host.run(words...))
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// failSomehow changes how the network is.
func (h *history) failSomehow() {
	how := []fault{noFault, noFault, noFault, down, lost, broken}[h.random.IntN(6)]
	path := []string{"", api.PathAuth}[h.random.IntN(2)]
	h.note("the network: %q at %q", how, path)
	h.front.fail(how, path)
}

// begin starts a session that goes on.
func (h *history) begin(host *host, refresh string) {
	h.t.Helper()
	ready := host.file("ready")
	h.goOn = host.file("go-on")
	h.note("%s: a session begins, %q at its end", host.name, refresh)
	p := host.started("exec", does("ready=%s await=%s %s", ready, h.goOn, refresh), envKill+"="+strconv.Itoa(1+h.random.IntN(60)))
	await(h.t, "Codex or its end", func() bool { return exists(ready) || p.isGone() })
	if h.open = p; p.isGone() {
		h.close()
	}
}

// close ends the session that goes on, if there is one.
func (h *history) close() {
	h.t.Helper()
	if h.open == nil {
		return
	}
	h.note("the session ends")
	touch(h.t, h.goOn)
	h.ended(h.open.wait())
	h.open = nil
}

// ended notes how a run ended, and demands that nothing was taken from Codex.
func (h *history) ended(p *process) {
	h.t.Helper()
	p.wait()
	status := p.cmd.ProcessState.ExitCode()
	h.note("    %d %q %s", status, p.killed(), p.output.String())
	if status == lostInFlight || status == 99 {
		h.t.Errorf("Codex ended with %d", status)
	}
}
