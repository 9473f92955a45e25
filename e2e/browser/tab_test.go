package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// pageDeadline is how long a page may take to become what is waited for. Nothing ever takes as long.
const pageDeadline = 30 * time.Second

// chromium is the one browser of all tests; every tab has its own profile in it.
var chromium struct {
	sync.Once
	ctx context.Context //nolint:containedctx // how chromedp holds a browser
	err error
}

// startChromium starts the browser, in a mount namespace of its own if it is to have client certificates: which of them it
// shows is a policy, and policies are read from /etc only. HOME is where it keeps certificates.
func startChromium() {
	home := filepath.Join(rig.dir, "home")
	policies := filepath.Join(rig.dir, "policies")
	launcher := filepath.Join(rig.dir, "chromium.sh")
	chromium.err = func() error {
		if err := os.MkdirAll(filepath.Join(policies, "managed"), 0o755); err != nil {
			return err
		}
		const always = `{"AutoSelectCertificateForUrls": ["{\"pattern\":\"https://localhost\",\"filter\":{}}"]}`
		if err := os.WriteFile(filepath.Join(policies, "managed", "certificates.json"), []byte(always), 0o644); err != nil {
			return err
		}
		const place = "/etc/chromium/policies/managed"
		if err := os.MkdirAll(place, 0o755); err != nil {
			return fmt.Errorf("the directory that the browser reads its policies from: %w", err)
		}
		inNamespace := "unshare --mount " + unshareAs() + "sh -c 'mount --bind " + policies + "/managed " + place + " && exec \"$@\"' sh "
		if exec.Command("sh", "-c", inNamespace+"true").Run() != nil {
			// A container may have no namespaces: then the policy is everybody's while the tests run.
			ours := filepath.Join(place, "cdxgate-e2e.json")
			if err := os.WriteFile(ours, []byte(always), 0o644); err != nil {
				return err
			}
			atEnd = append(atEnd, func() { _ = os.Remove(ours) })
			inNamespace = ""
		}
		if err := os.WriteFile(launcher, []byte("#!/bin/sh\nexec "+inNamespace+"chromium \"$@\"\n"), 0o755); err != nil {
			return err
		}
		return newCertificateStore(home)
	}()
	if chromium.err != nil {
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(launcher), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.Env("HOME="+home),
		chromedp.UserDataDir(filepath.Join(rig.dir, "profile")), chromedp.WSURLReadTimeout(time.Minute),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	atEnd = append(atEnd, stopAllocator, stop)
	chromium.ctx, chromium.err = ctx, chromedp.Do(ctx, chromedp.Navigate("about:blank"))
}

// unshareAs lets ordinary users have a namespace, too.
func unshareAs() string {
	if os.Geteuid() == 0 {
		return ""
	}
	return "--user --map-root-user "
}

// newCertificateStore makes an empty store of client certificates, as browsers find it below HOME.
func newCertificateStore(home string) error {
	for _, dir := range certificateStores(home) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if out, err := exec.Command("certutil", "-N", "-d", "sql:"+dir, "--empty-password").CombinedOutput(); err != nil {
			return fmt.Errorf("certutil: %w: %s", err, out)
		}
	}
	return nil
}

func certificateStores(home string) []string {
	return []string{filepath.Join(home, ".pki/nssdb"), filepath.Join(home, ".local/share/pki/nssdb")}
}

// view is how a page is looked at.
type view struct {
	width, height int64
	dark          bool
}

// views are those that every page is looked at in.
var views = []view{{1440, 900, false}, {1440, 900, true}, {1024, 768, false}, {1024, 768, true}, {390, 844, false}, {390, 844, true}}

func (v view) String() string {
	theme := "light"
	if v.dark {
		theme = "dark"
	}
	return fmt.Sprintf("%d-%s", v.width, theme)
}

// tab is a browser's window with a profile of its own: nobody is logged in.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // how chromedp holds a tab
	base string

	mu       sync.Mutex
	problems []string // what the browser complained of
}

// newTab opens a tab on a gateway's site. Whatever the browser complains of there, a violated Content-Security-Policy among it,
// fails the test.
func newTab(t *testing.T, base string, v view) *tab {
	t.Helper()
	chromium.Do(startChromium)
	if chromium.err != nil {
		t.Fatalf("the browser does not start: %v", chromium.err)
	}
	ctx, stop := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx, base: base}
	// Not with a deadline: the tab would end with the context that has made it.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	said := chromedp.Console(ctx)
	go func() {
		for message, err := range said {
			if err != nil {
				return
			}
			if message.Type == chromedp.ConsoleError || message.Type == chromedp.ConsoleWarning || message.IsException() {
				b.mu.Lock()
				b.problems = append(b.problems, fmt.Sprintf("%s (%s:%d)", message, message.URL, message.Line))
				b.mu.Unlock()
			}
		}
	}()
	b.look(v)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Errorf("the browser says: %s", problem)
		}
	})
	return b
}

// forgive drops what the browser has complained of so far and has this text in it: for pages that are refused on purpose.
func (b *tab) forgive(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = slices.DeleteFunc(b.problems, func(problem string) bool { return strings.Contains(problem, text) })
}

// look changes size and theme.
func (b *tab) look(v view) {
	b.t.Helper()
	theme := "light"
	if v.dark {
		theme = "dark"
	}
	emulate := []chromedp.EmulateViewportOption{}
	if v.width < 500 {
		emulate = append(emulate, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do(chromedp.EmulateViewport(v.width, v.height, emulate...))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageDeadline)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\nat %s", err, b.where())
	}
}

// eval is the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageDeadline)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v\nat %s", expression, err, b.where())
	}
	return value
}

// evalAsync is what a promise comes to.
func evalAsync(b *tab, expression string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageDeadline)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\nat %s", expression, err, b.where())
	}
	return value
}

// where says on which page a tab is, for what failed there.
func (b *tab) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	address, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return "a page that does not answer: " + err.Error()
	}
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body?.innerText.slice(0, 600) ?? ''"))
	return address + "\n" + text
}

// open goes to a page of the gateway.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// until waits for an expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageDeadline)
	defer cancel()
	for {
		// A page that is going away has no values.
		if holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); err == nil && holds {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("after %s still not: %s\nat %s", pageDeadline, expression, b.where())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// arrives waits for a page to be there, whole.
func (b *tab) arrives(path string) {
	b.t.Helper()
	b.until(fmt.Sprintf("location.pathname === %s && document.readyState === 'complete'", quoted(path)))
}

// shows waits for an element to have a text.
func (b *tab) shows(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("[...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.innerText.includes(%s))", quoted(selector), quoted(text)))
}

// click clicks what is visible there, as a person does.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write types into a field, after what is there.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// press presses keys wherever the focus is.
func (b *tab) press(keys string, modifiers ...chromedp.Modifier) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// enter presses Enter.
func (b *tab) enter() {
	b.t.Helper()
	b.strike("Enter", "Enter", 13, "\r")
}

// strike presses one key as a keyboard does. chromedp's own goes on typing after a page has said that it will do something else
// with the key.
func (b *tab) strike(key, code string, virtual int64, text string) {
	b.t.Helper()
	for _, event := range []input.DispatchKeyEventParams{
		{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Code: code, WindowsVirtualKeyCode: virtual, Text: text},
		{Type: input.DispatchKeyEventTypeKeyUp, Key: key, Code: code, WindowsVirtualKeyCode: virtual},
	} {
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, event); err != nil {
			b.t.Fatal(err)
		}
	}
}

// focus puts the focus somewhere, as Tab does in the end.
func focus(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible)
}

// logIn follows a login link: it shows a button, which opens the session.
func (b *tab) logIn(link string) {
	b.t.Helper()
	b.do(chromedp.Navigate(link))
	b.click("main button")
	b.arrives("/dashboard/")
}

// withoutScript turns JavaScript off for the pages that are opened from now on.
func (b *tab) withoutScript() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		b.t.Fatal(err)
	}
}

// shoot writes a picture of the whole page.
func (b *tab) shoot(name string) {
	b.t.Helper()
	b.picture(name, chromedp.FullScreenshot(100))
}

// shootWindow writes a picture of what one sees without scrolling.
func (b *tab) shootWindow(name string) {
	b.t.Helper()
	b.picture(name, chromedp.CaptureScreenshot())
}

func (b *tab) picture(name string, take chromedp.Action[[]byte]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageDeadline)
	defer cancel()
	picture, err := chromedp.Run(ctx, take)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rig.shots, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// violation is what axe-core found wrong with a page.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// checkAccess has axe-core look at the page: WCAG 2.2 AA. It comes in through the debugger, so that the page's
// Content-Security-Policy stays on.
func (b *tab) checkAccess() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*pageDeadline)
	defer cancel()
	if err := chromedp.Do(ctx, discard(chromedp.Evaluate[bool](rig.axe+"\n;true"))); err != nil {
		b.t.Fatal(err)
	}
	const run = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then((result) => JSON.stringify(result.violations))`
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](run, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found {
		for _, node := range v.Nodes {
			b.t.Errorf("%s: %s: %s\n%s\n%s", eval[string](b, "location.pathname"), v.ID, v.Help, node.HTML, node.Summary)
		}
	}
}

// fits checks that nothing makes the page wider than the window.
func (b *tab) fits() {
	b.t.Helper()
	const wide = `[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
		.slice(0, 5).map((e) => e.outerHTML.slice(0, 160)).join("\n")`
	if excess := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); excess > 0 {
		b.t.Errorf("%s is %d px wider than the window:\n%s", eval[string](b, "location.pathname"), excess, eval[string](b, wide))
	}
}

// stands checks that nothing on the page has moved since its first paint.
func (b *tab) stands() {
	b.t.Helper()
	const shifts = `new Promise((told) => {
		new PerformanceObserver((list) => told(list)).observe({type: "layout-shift", buffered: true});
		setTimeout(() => told(null), 50);
	}).then((list) => JSON.stringify((list?.getEntries() ?? []).filter((e) => !e.hadRecentInput).map((e) => [e.value, e.sources.map((s) => s.node?.outerHTML?.slice(0, 120))])))`
	if moved := evalAsync(b, shifts); moved != "[]" {
		b.t.Errorf("%s: something moves after the first paint: %s", eval[string](b, "location.pathname"), moved)
	}
}

func discard[T any](a chromedp.Action[T]) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := a(ctx, target)
		return chromedp.Void{}, err
	}
}

// quoted is a text as JavaScript writes it.
func quoted(text string) string {
	literal, _ := json.Marshal(text) // texts always encode
	return string(literal)
}
