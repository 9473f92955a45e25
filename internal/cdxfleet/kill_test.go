//go:build unix

package cdxfleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

// stage is a fleet on which one run of cdx, the victim, is killed before its n-th step. Its machines are enrolled when
// they are first spoken of.
type stage struct {
	*world
	n    int
	step string // before which the victim was killed; "": it came to its end
}

// a and b may keep the login, i may not.
func (s *stage) a() *host { return s.machine("a", false) }
func (s *stage) b() *host { return s.machine("b", false) }
func (s *stage) i() *host { return s.machine("i", true) }

func (s *stage) machine(name string, insecure bool) *host {
	s.t.Helper()
	for _, h := range s.hosts {
		if h.name == name {
			return h
		}
	}
	h := s.add(name, insecure)
	h.wipe() // as before the next step
	return h
}

// victim starts the run that is to be killed.
func (s *stage) victim(h *host, words ...string) *process {
	s.t.Helper()
	return h.started(append(words, envKill+"="+strconv.Itoa(s.n))...)
}

// end waits for the victim and what it leaves behind.
func (s *stage) end(p *process) {
	s.t.Helper()
	s.step = p.wait().killed()
	s.checkRecoverable()
	if text := p.host.read(); text != nil && !json.Valid(text) && string(text) != noLogin {
		s.t.Errorf("auth.json is neither the old nor the new: %q", text)
	}
	if s.step != "" || s.front.isFailing() {
		return
	}
	// It came to its end, so what it must not leave behind is not the next run's to see to.
	if left := p.host.filesWith(s.authority.newest()); len(left) > 0 && p.host.insecure {
		s.t.Errorf("%s, which may not keep a login, keeps one in %q", p.host.name, left)
	}
}

// noLogin is what somebody left in auth.json.
const noLogin = "{"

// scenarios are what happens around a victim.
var scenarios = map[string]func(*stage){
	"sync takes what another machine renewed": func(s *stage) {
		s.a().run("sync").want(0)
		s.b().run("exec", does("refresh-rename")).want(0)
		s.end(s.victim(s.a(), "sync"))
	},
	"a run takes what another machine renewed": func(s *stage) {
		s.i().run("sync").want(0)
		s.b().run("exec", does("refresh")).want(0)
		s.end(s.victim(s.i(), "exec"))
	},
	"sync through a link": func(s *stage) {
		behind := filepath.Join(s.a().home, "elsewhere", "login.json")
		for _, err := range []error{os.MkdirAll(filepath.Dir(behind), 0o700), os.Symlink(behind, s.a().auth())} {
			if err != nil {
				s.t.Fatal(err)
			}
		}
		s.a().run("sync").want(0)
		s.b().run("exec", does("refresh-rename")).want(0)
		s.end(s.victim(s.a(), "sync"))
		if info, err := os.Lstat(s.a().auth()); err != nil || info.Mode().Type() != os.ModeSymlink {
			s.t.Errorf("the link is gone: %v, %v", info, err)
		}
	},
	"sync replaces what is no login": func(s *stage) {
		s.a().run("sync").want(0)
		if err := os.WriteFile(s.a().auth(), []byte(noLogin), 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.end(s.victim(s.a(), "sync"))
	},
	"renewal in place while Codex runs":  func(s *stage) { s.renewalWhileCodexRuns(s.a(), "refresh") },
	"renewal by rename while Codex runs": func(s *stage) { s.renewalWhileCodexRuns(s.i(), "refresh-rename") },
	"renewal at the end": func(s *stage) {
		s.a().run("sync").want(0)
		s.end(s.victim(s.a(), "exec", does("refresh-rename")))
	},
	"renewal at the end, answer lost": func(s *stage) { s.renewalWith(lost) },
	"renewal at the end, 500":         func(s *stage) { s.renewalWith(broken) },
	"renewal at the end, outage":      func(s *stage) { s.renewalWith(down) },
	"renewal without cdx": func(s *stage) {
		s.a().run("sync").want(0)
		s.a().codexAlone("refresh-rename")
		s.end(s.victim(s.a(), "sync"))
	},
	"the first of two sessions ends":  func(s *stage) { s.twoSessions(true) },
	"the second of two sessions ends": func(s *stage) { s.twoSessions(false) },
	"purge of what a killed run left": func(s *stage) {
		p := s.i().started("exec", does("refresh"), envKill+"=12")
		if p.wait().killed() == "" {
			s.t.Fatal("it was not killed")
		}
		s.end(s.victim(s.i(), "sync"))
	},
	"the journal goes up after an outage": func(s *stage) {
		s.outage(s.a())
		s.end(s.victim(s.a(), "sync"))
	},
	"the journal goes up from a machine that may not keep it": func(s *stage) {
		s.outage(s.i())
		s.end(s.victim(s.i(), "exec"))
	},
	"the journal has the only copy": func(s *stage) {
		s.outage(s.a())
		if err := os.Remove(s.a().auth()); err != nil {
			s.t.Fatal(err)
		}
		s.end(s.victim(s.a(), "sync"))
	},
	"logout": func(s *stage) {
		s.a().run("sync").want(0)
		s.end(s.victim(s.a(), "logout"))
	},
	"logout of a renewed login": func(s *stage) {
		s.a().run("sync").want(0)
		s.a().codexAlone("refresh-rename")
		s.end(s.victim(s.a(), "logout"))
	},
	"Codex's logout": func(s *stage) {
		s.a().run("sync").want(0)
		s.end(s.victim(s.a(), "--", "logout", does("logout")))
	},
	"Codex's logout of a renewed login": func(s *stage) {
		s.a().run("sync").want(0)
		s.a().codexAlone("refresh-rename")
		s.end(s.victim(s.a(), "--", "logout", does("logout")))
	},
	"Codex's login": func(s *stage) {
		s.a().run("sync").want(0)
		s.end(s.victim(s.a(), "--", "login", does("login")))
	},
	"Codex's login beside a renewed one": func(s *stage) {
		s.a().run("sync").want(0)
		s.a().codexAlone("refresh-rename")
		s.end(s.victim(s.a(), "--", "login", does("login")))
	},
	"Codex's login twice beside a renewed one": func(s *stage) {
		s.a().run("sync").want(0)
		s.a().codexAlone("refresh-rename")
		s.front.fail(down, "")
		s.a().run("--", "login", does("login"))
		s.end(s.victim(s.a(), "--", "login", does("login")))
	},
	"Codex's login on a machine that may not keep it": func(s *stage) {
		s.end(s.victim(s.i(), "--", "login", does("login")))
	},
	"Codex's login on a machine that keeps one by necessity": func(s *stage) {
		s.outage(s.i())
		s.end(s.victim(s.i(), "--", "login", does("login")))
	},
	"Codex's login given up": func(s *stage) {
		s.a().run("sync").want(0)
		s.a().codexAlone("refresh")
		s.end(s.victim(s.a(), "--", "login", does("give-up")))
	},
}

// renewalWhileCodexRuns: Codex renews, and goes on until the gateway has the new login or its cdx is no more.
func (s *stage) renewalWhileCodexRuns(h *host, how string) {
	s.t.Helper()
	goOn := h.file("go-on")
	p := s.victim(h, "exec", does("%s await=%s", how, goOn))
	before := s.authority.newest()
	await(s.t, "the renewed login", func() bool {
		newest := s.authority.newest()
		return p.hasEnded() || newest != before && s.gatewayHas(newest)
	})
	touch(s.t, goOn)
	s.end(p)
}

// renewalWith: the login that Codex renews does not go up as it should.
func (s *stage) renewalWith(how fault) {
	s.t.Helper()
	s.i().run("sync").want(0)
	s.front.fail(how, api.PathAuth)
	s.end(s.victim(s.i(), "exec", does("refresh")))
}

// twoSessions: two run on a machine that may not keep the login. The one that renews it ends first.
func (s *stage) twoSessions(firstIsVictim bool) {
	s.t.Helper()
	ready, goOn := s.i().file("ready"), s.i().file("go-on")
	words := []string{"exec", does("ready=%s await=%s", ready, goOn)}
	start := func(h *host, words ...string) *process { return h.started(words...) }
	second, first := s.victim, start
	if firstIsVictim {
		second, first = start, s.victim
	}
	long := second(s.i(), words...)
	await(s.t, "Codex to run", func() bool { return exists(ready) || long.hasEnded() })
	short := first(s.i(), "exec", does("refresh-rename")).wait()
	if exists(ready) && s.i().read() == nil {
		s.t.Error("the login was taken from a Codex that runs")
	}
	touch(s.t, goOn)
	long.wait()
	if firstIsVictim {
		s.end(short)
	} else {
		s.end(long)
	}
}

// outage: Codex renews the login while nobody reaches the gateway.
func (s *stage) outage(h *host) {
	s.t.Helper()
	s.a().run("sync").want(0)
	ready, goOn := h.file("ready"), h.file("go-on")
	p := h.started("exec", does("ready=%s await=%s refresh", ready, goOn))
	await(s.t, "Codex to run", func() bool { return exists(ready) })
	s.front.fail(down, "")
	touch(s.t, goOn)
	p.wait().want(0)
	s.checkRecoverable()
	s.front.pass()
}

// TestKilledBeforeEveryStep kills cdx before each of its steps, one after the other, until it comes to its end.
func TestKilledBeforeEveryStep(t *testing.T) {
	t.Parallel()
	for name, play := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stage{world: newWorld(t)}
			for s.n = 1; ; s.n++ {
				s.begin()
				play(s)
				s.checkHeals()
				if t.Failed() {
					t.Fatalf("when cdx was killed before step %d, %q", s.n, s.step)
				}
				if s.step == "" {
					break
				}
			}
			if s.n < 3 {
				t.Errorf("got %d steps, want more: the victim did not do its work", s.n-1)
			}
			if got := s.authority.reuses(); got != 0 {
				t.Errorf("%d refresh tokens were spent twice", got)
			}
		})
	}
}
