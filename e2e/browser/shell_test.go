package browser

import (
	"sync"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// fleet is the gateway with demo data that tests read from; those that change something start their own.
var fleet struct {
	sync.Once
	*gateway
	err error
}

func demoFleet(t *testing.T) *gateway {
	t.Helper()
	fleet.Do(func() {
		if fleet.gateway, fleet.err = startGateway("fleet"); fleet.err == nil {
			fleet.err = fleet.fill()
		}
	})
	if fleet.err != nil {
		t.Fatal(fleet.err)
	}
	return fleet.gateway
}

// emptyGateway starts a gateway for one test.
func emptyGateway(t *testing.T, name string) *gateway {
	t.Helper()
	g, err := startGateway(name)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ownGateway starts a gateway with demo data for one test, which may change it.
func ownGateway(t *testing.T, name string) *gateway {
	t.Helper()
	g := emptyGateway(t, name)
	if err := g.fill(); err != nil {
		t.Fatal(err)
	}
	return g
}

// pages are all that the menu leads to and what is behind that, with their names for pictures. TestMenu compares.
var pages = map[string]string{
	"/dashboard/":                        "overview",
	"/dashboard/switch":                  "switch",
	"/dashboard/jump":                    "search",
	"/dashboard/start":                   "start",
	"/dashboard/hosts":                   "hosts",
	"/dashboard/hosts/new":               "host-new",
	"/dashboard/hosts/1":                 "host",
	"/dashboard/hosts/1/remove":          "host-remove",
	"/dashboard/hosts/1/notes":           "host-notes",
	"/dashboard/hosts/window?id=42":      "window",
	"/dashboard/credentials":             "credentials",
	"/dashboard/credentials/2":           "generation",
	"/dashboard/credentials/2/rollback":  "rollback",
	"/dashboard/credentials/reveal":      "reveal",
	"/dashboard/usage":                   "usage",
	"/dashboard/usage?days=90&table=yes": "usage-90",
	"/dashboard/usage/ingests":           "reports",
	"/dashboard/usage/ingests/1":         "report",
	"/dashboard/library":                 "library",
	"/dashboard/library/edit":            "library-edit",
	"/dashboard/library/proposals":       "library-proposals",
	"/dashboard/audit":                   "audit",
	"/dashboard/settings":                "settings",
	"/dashboard/access":                  "access",
	"/dashboard/access/tokens/new":       "token-new",
	"/dashboard/codex/0.169.0":           "codex",
}

// Every page, in both themes and all widths: it fits, axe-core finds nothing, the browser complains of nothing.
func TestPages(t *testing.T) {
	g := demoFleet(t)
	for _, v := range views {
		t.Run(v.String(), func(t *testing.T) {
			b := newTab(t, g.Local, v)
			b.logIn(g.link(t, "owner"))
			for path, name := range pages {
				b.open(path)
				b.shows("#live", "Live")
				b.stands()
				b.fits()
				b.checkAccess()
				b.shoot(name + "-" + v.String())
			}
			if v.width < 500 {
				b.look(view{360, 740, v.dark})
				for path := range pages {
					b.open(path)
					b.fits()
				}
			}
		})
	}
}

// What is in the menu is what TestPages looks at.
func TestMenu(t *testing.T) {
	b := newTab(t, demoFleet(t).Local, views[0])
	b.logIn(fleet.link(t, "viewer"))
	for _, path := range eval[[]string](b, `[...document.querySelectorAll("nav a.nav-a")].map((a) => new URL(a.href).pathname)`) {
		if pages[path] == "" {
			t.Errorf("no test looks at %s", path)
		}
	}
}

// A link works once: whoever finds it in the browser's history is nobody.
func TestLogIn(t *testing.T) {
	g := demoFleet(t)
	link := g.link(t, "operator")
	b := newTab(t, g.Local, views[0])
	b.open("/dashboard/")
	b.shows("main", "admin link")
	b.forgive("401")
	b.logIn(link)
	b.shows(".me", "operator")
	b.click(".nav-out button")
	b.arrives("/dashboard/login")
	b.open("/dashboard/")
	b.shows("main", "admin link")
	b.open(link[len(g.Local):])
	b.forgive("4")
	b.until(`!document.querySelector("main form button")`)
}

// Everything is reached by keys alone: palette, help, theme, chords, and the kill switch with its typed confirmation.
func TestKeys(t *testing.T) {
	g := ownGateway(t, "keys")
	b := newTab(t, g.Local, views[0])
	b.logIn(g.link(t, "owner"))
	b.press("?")
	b.shows("#help[open]", "Keyboard")
	b.press(kb.Escape)
	b.until(`!document.querySelector("#help").open`)
	b.press("t")
	b.until(`document.documentElement.dataset.theme === "dark"`)
	b.until(`document.cookie === ""`) // no script reads what is remembered

	b.press("k", kb.ModifierCtrl)
	b.until(`document.activeElement.id === "pal-q"`)
	b.press("kill")
	b.until(`document.querySelectorAll("#pal-q-l [role=option]").length === 1`)
	b.enter()
	b.arrives("/dashboard/switch")
	if got := eval[string](b, "document.documentElement.dataset.theme"); got != "dark" {
		t.Errorf("the next page is %q, not dark", got)
	}
	b.until(`document.querySelector("main button.btn-dp").disabled`)
	b.do(focus("main input[name=confirm]"))
	b.press("refuse")
	b.enter()
	b.arrives("/dashboard/")
	b.shows("#toasts", "Host calls are refused")
	b.shows("#switch", "Hosts refused")
	b.press("go")
	b.arrives("/dashboard/")
}

// Without script one reads, and turns the kill switch.
func TestWithoutScript(t *testing.T) {
	g := ownGateway(t, "script")
	b := newTab(t, g.Local, views[4])
	b.logIn(g.link(t, "owner"))
	b.withoutScript()
	for range 2 {
		b.open("/dashboard/switch")
		if !eval[bool](b, `document.querySelector("main input[name=confirm]") === null`) {
			b.write("main input[name=confirm]", "refuse")
		}
		b.click("main form button:not([type=button])")
		b.arrives("/dashboard/")
	}
	b.shows("#toasts", "Hosts are served again")
}

// An open page hears what happens, without being loaded again.
func TestLive(t *testing.T) {
	g := ownGateway(t, "live")
	b := newTab(t, g.Local, views[0])
	b.logIn(g.link(t, "viewer"))
	b.shows("#live", "Live")
	eval[bool](b, "(window.marked = true)")
	g.must(t, "host", "add", "first.example.net")
	b.shows("main", "first.example.net")
	g.must(t, "policy", "set", "api_disabled", "true")
	b.shows("#switch", "Hosts refused")
	if !eval[bool](b, "window.marked === true") {
		t.Error("the page was loaded again")
	}
}
