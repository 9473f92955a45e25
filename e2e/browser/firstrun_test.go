package browser

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// An empty gateway leads whoever comes first from the upload of a login to the first host; the page ticks by itself when that
// calls: its machine runs the command that the page shows.
func TestFirstRun(t *testing.T) {
	g := emptyGateway(t, "first")
	b := newTab(t, g.Local, views[0])
	b.do(chromedp.Navigate(g.link(t, "owner")))
	b.click("main button")
	b.arrives("/dashboard/start")
	b.shows("#live", "Live")
	b.checkAccess()
	b.shoot("start-1")

	file := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(file, []byte(loginOf(time.Now().Add(-time.Hour))), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles(chromedp.CSS("main input[type=file]"), []string{file}))
	b.click("main form[data-login] button.btn-p")
	b.shows("main", "Name of the machine")
	b.write("#st-name", "no host!")
	b.enter()
	b.until(`document.querySelector("#st-name").getAttribute("aria-invalid") === "true"`)
	if got := eval[string](b, `document.querySelector("#st-name").value`); got != "no host!" {
		t.Errorf("what was typed has become %q", got)
	}
	b.forgive("422")
	eval[bool](b, `(document.querySelector("#st-name").value = "", true)`)
	b.write("#st-name", "first.example.net")
	b.enter()
	b.until(`document.querySelector("#st-cmd") !== null`)
	b.checkAccess()
	b.shoot("start-2")
	eval[bool](b, "(window.marked = true)")

	home := filepath.Join(rig.dir, "first-host")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "sh", "-c", eval[string](b, `document.querySelector("#st-cmd").textContent`))
	install.Dir, install.Env = home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CDX_CONFIG_PATH=" + filepath.Join(home, "host.json"), "CDX_INSTALL_DIR=" + home}
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.shows("main", "The fleet has a login and a host that uses it.")
	if !eval[bool](b, "window.marked === true") {
		t.Error("the page was loaded again")
	}
	b.shoot("start-3")
	b.open("/dashboard/hosts/1")
	b.shows("h1", "first.example.net")
}

// The search of the hosts narrows the list as one types, keeps it in the address, and the file has what is found.
func TestFindHosts(t *testing.T) {
	g := demoFleet(t)
	b := newTab(t, g.Local, views[0])
	b.logIn(g.link(t, "viewer"))
	b.open("/dashboard/hosts")
	b.strike("/", "Slash", 191, "/")
	b.until(`document.activeElement.name === "q"`)
	b.press("gpu-0")
	b.until(`document.querySelectorAll("#hosts tbody tr").length === 6`)
	b.until(`new URL(location.href).searchParams.get("q") === "gpu-0"`)
	const file = `(() => {
		const button = document.querySelector('button[formaction="/dashboard/hosts.csv"]');
		return fetch(button.formAction + "?" + new URLSearchParams(new FormData(button.form))).then((answer) => answer.text());
	})()`
	text := evalAsync(b, file)
	if lines := strings.Count(strings.TrimSpace(text), "\n"); lines != 6 || !strings.Contains(text, "gpu-06.example.net") {
		t.Errorf("got %d hosts in the file:\n%s", lines, text)
	}
}

// A host is suspended, labelled and removed on its page; what cannot be undone wants its name.
func TestHostFlows(t *testing.T) {
	g := ownGateway(t, "host")
	b := newTab(t, g.Local, views[0])
	b.logIn(g.link(t, "operator"))
	b.open("/dashboard/hosts/3/remove")
	name := eval[string](b, `document.querySelector("[data-confirm]").dataset.confirm`)
	b.until(`document.querySelector("main button.btn-dp").disabled`)
	b.write("main input[name=confirm]", name)
	b.until(`!document.querySelector("main button.btn-dp").disabled`)
	b.enter()
	b.shows("#toasts", name)
	b.open("/dashboard/hosts?q=" + name)
	b.shows("main", "No host")
	b.open("/dashboard/hosts/3")
	b.forgive("404")
}

// Two admins edit a slash command: the second one sees the difference and loses nothing.
func TestEditCommand(t *testing.T) {
	g := ownGateway(t, "library")
	one, two := newTab(t, g.Local, views[0]), newTab(t, g.Local, views[1])
	for _, b := range []*tab{one, two} {
		b.logIn(g.link(t, "operator"))
		b.open("/dashboard/library/edit?name=review.md")
		b.until(`document.querySelector("main textarea[name=prompt]").value.includes("staged")`)
	}
	one.write("main textarea[name=prompt]", "First.")
	one.click("main form button.btn-p")
	one.shows("main", "First.")
	two.write("main textarea[name=prompt]", "Second.")
	two.click("main form button.btn-p")
	two.until(`document.querySelector("main textarea[name=prompt]").value.includes("Second.")`)
	two.shows("main", "First.")
	two.forgive("4")
}

// Whoever may not see a page is told why, and not by the browser.
func TestViewersPages(t *testing.T) {
	g := demoFleet(t)
	b := newTab(t, g.Local, views[0])
	b.logIn(g.link(t, "viewer"))
	for path := range pages {
		status := evalAsync(b, "fetch("+quoted(path)+").then((answer) => String(answer.status))")
		if wanted := map[bool]string{true: "403", false: "200"}[strings.HasPrefix(path, "/dashboard/access")]; status != wanted {
			t.Errorf("%s: got %s, want %s", path, status, wanted)
		}
	}
	b.forgive(http.StatusText(http.StatusForbidden))
	b.forgive("403")
}
