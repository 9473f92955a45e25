//go:build unix

package cdxfleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// What Codex renews while an answer is on its way is not overwritten by it, and goes up.
func TestARenewalWinsOverAnAnswerOnItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	h := w.add("a", false)
	file := decodeAuth(h.read())
	file.LastRefresh = "2026-01-01T00:00:00Z" // older than the gateway's: it will answer with its own
	(&codex{path: h.auth()}).rename(file)
	held := w.front.hold(api.PathSync)
	p := h.started("sync")
	<-held.reached
	h.codexAlone("refresh-rename")
	close(held.open)
	p.wait().want(0)
	w.checkRecoverable()
	if newest := w.authority.newest(); !w.gatewayHas(newest) || !holding(h.read(), newest) {
		t.Error("the renewed login did not win")
	}
	w.checkHeals()
}

// The same while what Codex renewed before is going up.
func TestARenewalWinsOverTheAnswerToTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	h := w.add("i", true)
	goOn, again := h.file("go-on"), h.file("again")
	held := w.front.hold(api.PathAuth)
	p := h.started("exec", does("refresh-rename await=%s refresh-rename ready=%s", goOn, again))
	<-held.reached
	touch(t, goOn)
	await(t, "the second renewal", func() bool { return exists(again) })
	close(held.open)
	p.wait().want(0)
	w.checkRecoverable()
	if !w.gatewayHas(w.authority.newest()) {
		t.Error("the second renewal did not go up")
	}
	w.checkHeals()
}

// A session that ends does not take the login from a Codex that waits for new tokens.
func TestTheLoginStaysWhileARenewalIsOnItsWay(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"refresh", "refresh-rename"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			h := w.add("i", true)
			held := newGate()
			w.authority.gate.Store(held)
			long := h.started("exec", does("%s", how))
			<-held.reached
			h.run("exec").want(0)
			h.run("sync").want(0)
			if h.read() == nil {
				t.Error("the login is gone")
			}
			close(held.open)
			long.wait().want(0)
			if !w.gatewayHas(w.authority.newest()) {
				t.Error("the renewed login did not go up")
			}
			w.checkHeals()
		})
	}
}

// A login that does not go up at first does while Codex still runs, and nobody is told otherwise.
func TestARenewalGoesUpWhenTheGatewayIsBack(t *testing.T) {
	t.Parallel()
	for _, how := range []fault{down, lost, broken} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			h := w.add("i", true)
			goOn := h.file("go-on")
			w.front.fail(how, api.PathAuth)
			p := h.started("exec", does("refresh await=%s", goOn))
			await(t, "an attempt", func() bool { return w.front.called(api.PathAuth) > 0 })
			w.front.pass()
			await(t, "the next attempt", func() bool { return w.front.called(api.PathAuth) > 1 && w.gatewayHas(w.authority.newest()) })
			touch(t, goOn)
			p.wait().want(0)
			if said := p.output.String(); said != "" {
				t.Errorf("the user is told %q", said)
			}
			w.checkHeals()
		})
	}
}

// Many start at once on a machine that may not keep the login; one of them renews it. All of them have one, and the last
// leaves none.
func TestManyStartAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	h := w.add("i", true)
	all := []*process{h.started("exec", does("refresh-rename"))}
	for range 9 {
		all = append(all, h.started("exec"))
	}
	for _, p := range all {
		p.wait().want(0)
	}
	if left := h.filesWith("rt_session-"); len(left) > 0 {
		t.Errorf("the last one left %q", left)
	}
	if !w.gatewayHas(w.authority.newest()) {
		t.Error("the renewed login did not go up")
	}
	w.checkHeals()
}

// A clock that is wrong makes a renewed login look older or newer than it is. Whatever the gateway makes of that, the
// machine keeps what may be the only copy, and brings it to the gateway where that takes it.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-24 * time.Hour, -10 * time.Minute, 10 * time.Minute, 24 * time.Hour} {
		for _, insecure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, insecure %t", ahead, insecure), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.begin()
				h, other := w.addAhead("c", insecure, ahead), w.add("a", false)
				p := h.run("exec", does("refresh"))
				p.want(0)
				newest := w.authority.newest()
				kept := func() {
					t.Helper()
					w.checkRecoverable()
					if !w.gatewayHas(newest) && !holding(h.read(), newest) {
						t.Errorf("%s is in no auth.json", newest)
					}
				}
				kept()
				if !w.gatewayHas(newest) && !strings.Contains(p.output.String(), "!") {
					t.Errorf("nobody is told: %q", p.output.String())
				}
				other.run("sync").want(0)
				for _, verb := range []string{"sync", "exec", "logout"} {
					h.run(verb)
					kept()
				}
			})
		}
	}
}

// A Codex that logs in or out must not see the fleet's login, which it would revoke, though its cdx was killed and another
// one runs.
func TestALoginStaysHiddenWithoutItsCdx(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"login", "logout"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			h := w.add("a", false)
			h.codexAlone("refresh")
			ready, goOn := h.file("ready"), h.file("go-on")
			p := h.started("--", verb, does("ready=%s await=%s %s", ready, goOn, verb))
			await(t, "Codex to run", func() bool { return exists(ready) })
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-p.ended
			h.run("sync", "CDX_SYNC_TIMEOUT=1s").want(75)
			h.run("exec", "CDX_SYNC_TIMEOUT=1s").want(75)
			w.checkRecoverable()
			touch(t, goOn)
			p.wait()
			w.checkRecoverable()
			w.checkHeals()
		})
	}
}
