package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// wire stands between clients and their gateway. It notes every call, may spoil an answer, and connects from the address
// that the client came from, since hosts are bound to theirs.
type wire struct {
	URL string

	mu    sync.Mutex
	noted []exchange
	spoil func(call string, answer []byte) ([]byte, error) // an error: the answer is lost on the way; nil: nothing is spoiled
}

// exchange is a call and its answer.
type exchange struct {
	call            string // method, path, command, HTTP status, status: "POST /auth retrieve 200 valid"
	request, answer string // bodies
}

type (
	callerKey  struct{} // :: netip.Addr
	requestKey struct{} // :: string, the request's body
)

func newWire(t *testing.T, g *gateway) *wire {
	t.Helper()
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: w.note,
		// Like a gateway that is not there, not like a proxy that says so.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				from := ctx.Value(callerKey{}).(netip.Addr)
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
				return dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+target.Port())
			},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		ctx := context.WithValue(r.Context(), callerKey{}, netip.MustParseAddrPort(r.RemoteAddr).Addr())
		proxy.ServeHTTP(rw, r.WithContext(context.WithValue(ctx, requestKey{}, string(body))))
	}))
	t.Cleanup(server.Close)
	w.URL = server.URL
	return w
}

func (w *wire) note(response *http.Response) error {
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	request := response.Request.Context().Value(requestKey{}).(string)
	var asked struct {
		Command string `json:"command"`
	}
	var answered struct {
		Data struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	_, _ = json.Unmarshal([]byte(request), &asked), json.Unmarshal(answer, &answered) // what is no JSON has neither
	words := []string{response.Request.Method, response.Request.URL.RequestURI(), asked.Command, fmt.Sprint(response.StatusCode), answered.Data.Status}
	call := strings.Join(strings.Fields(strings.Join(words, " ")), " ")

	w.mu.Lock()
	w.noted = append(w.noted, exchange{call, request, string(answer)})
	spoil := w.spoil
	w.mu.Unlock()
	if spoil != nil {
		if answer, err = spoil(call, answer); err != nil {
			return err
		}
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	response.Header.Set("Content-Length", fmt.Sprint(len(answer)))
	return nil
}

// take returns what was noted since it was last called.
func (w *wire) take() []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	noted := w.noted
	w.noted = nil
	return noted
}

// spoiling spoils answers while run runs.
func (w *wire) spoiling(spoil func(call string, answer []byte) ([]byte, error), run func()) {
	set := func(f func(string, []byte) ([]byte, error)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.spoil = f
	}
	set(spoil)
	defer set(nil)
	run()
}

// reference is a client that sends what a wrapper of the product sends that cdxgate is compatible with.
type reference struct {
	name, script, version string

	// The later one: it takes a file with tokens alone for a login, and every 5xx for an outage; it calls for skills,
	// AGENTS.md and config.toml; it goes on with its successor when it has replaced itself.
	later bool
}

// refFleet is a gateway whose hosts all run the same reference client.
type refFleet struct {
	reference
	*gateway
	wire   *wire
	builds string // client_binaries of the gateway
}

func newRefFleet(t *testing.T, r reference) *refFleet {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatalf("%v: tools/need.sh python3", err)
	}
	f := &refFleet{reference: r, builds: tempDir(t, identity{})}
	f.gateway = start(t, options{caddyfile: func(text string) string {
		text = configured(t, text, "client_binaries "+f.builds) // nothing is there yet, so no wrapper replaces itself
		return configured(t, text, "limit host 5000 1m")
	}})
	f.wire = newWire(t, f.gateway)
	return f
}

// publish gives the gateway the builds without which it announces no wrapper. Hosts here run the one of this machine.
func publish(t *testing.T, builds string) {
	t.Helper()
	build, err := os.ReadFile(filepath.Join(filepath.Dir(rig.cdxgate), "cdx.d", rig.client))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cdx-linux-amd64", "cdx-linux-arm64", rig.client} {
		if err := os.WriteFile(filepath.Join(builds, name), build, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// refHost is a machine with a reference client as its cdx, and a Codex that does as the test says.
type refHost struct {
	*machine
	fleet *refFleet
	fqdn  string
	key   string
}

const (
	authFile  = ".codex/auth.json"
	wrapperAt = ".local/bin/cdx"
	codexLog  = "codex.log"
)

// The Codex of a refHost notes its arguments, takes over renewed.json as if it had renewed its login, and reports tokens
// in numbers that tell one run from another.
const refCodex = `#!/bin/sh
case ${1:-} in -V | --version) echo "codex-cli 0.63.0"; exit ;; esac
echo "$*" >>"$HOME/codex.log"
[ ! -e "$HOME/renewed.json" ] || mv "$HOME/renewed.json" "$HOME/.codex/auth.json"
echo "Token usage: total=$(wc -l <"$HOME/codex.log"),000 input=9,000 (+ 128 cached) output=1,000 (reasoning 64)"
`

func (f *refFleet) host(fqdn string) *refHost {
	f.t.Helper()
	return f.hostWithKey(fqdn, f.addHost(fqdn).Host.APIKey)
}

func (f *refFleet) hostWithKey(fqdn, key string) *refHost {
	f.t.Helper()
	h := &refHost{machine: newMachine(f.t, ""), fleet: f, fqdn: fqdn, key: key}
	h.path = filepath.Join(h.home, ".local/bin") + ":" + os.Getenv("PATH")
	for _, name := range []string{f.script, "cdxref.py"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.t.Fatal(err)
		}
		baked := strings.NewReplacer(
			"__CODEX_SYNC_BASE_URL__", f.wire.URL, "__CODEX_SYNC_API_KEY__", key, "__CODEX_HOST_SECURE__", "1",
		).Replace(string(text))
		if name == f.script {
			h.put(wrapperAt, baked, 0o755)
		} else {
			h.put(".local/bin/"+name, baked, 0o644)
		}
	}
	h.put(".local/bin/codex", refCodex, 0o755)
	return h
}

// put writes a file of the machine's user, and its directories.
func (m *machine) put(name, text string, mode os.FileMode) {
	m.t.Helper()
	dir := m.home
	for element := range strings.SplitSeq(filepath.Dir(name), "/") {
		dir = filepath.Join(dir, element)
		if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			m.t.Fatal(err)
		}
		m.user.own(m.t, dir)
	}
	path := filepath.Join(m.home, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
	m.user.own(m.t, path)
}

func (m *machine) remove(name string) {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.home, name)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) has(name string) bool {
	_, err := os.Stat(filepath.Join(m.home, name))
	return err == nil
}

// ran is what a run of a reference client did.
type ran struct {
	result
	exchanges []exchange
}

// all returns the exchanges of one call.
func (r ran) all(call string) (found []exchange) {
	for _, e := range r.exchanges {
		if e.call == call {
			found = append(found, e)
		}
	}
	return found
}

// run runs “cdx exec hello” and demands an exit code and exactly these calls, in this order; an element may be several.
func (h *refHost) run(code int, calls ...string) ran {
	h.t.Helper()
	return h.runLine("cdx exec hello", code, calls...)
}

func (h *refHost) runLine(line string, code int, calls ...string) ran {
	h.t.Helper()
	r := ran{result: h.sh(line), exchanges: h.fleet.wire.take()}
	var got []string
	for _, e := range r.exchanges {
		got = append(got, e.call)
	}
	if want := strings.Join(calls, "\n"); r.code != code || strings.Join(got, "\n") != want {
		h.t.Fatalf("%s on %s: got exit %d, want %d; calls:\n%s\nwant:\n%s\n%s%s",
			line, h.fqdn, r.code, code, strings.Join(got, "\n"), want, r.out, r.err)
	}
	return r
}

// from makes the machine call from another address.
func from(address, line string) string { return "CDX_TEST_SOURCE=" + address + " " + line }

// Calls of a run.
const (
	users = "POST /host/users 200"
	tells = "POST /usage 200"
)

func retrieve(status string) string { return "POST /auth retrieve 200 " + status }

func store(status string) string { return "POST /auth store 200 " + status }

// pull is the calls for shared files when commands is all of GET /slash-commands and what follows from it.
func (f *refFleet) pull(commands ...string) string {
	if len(commands) == 0 {
		commands = []string{"GET /slash-commands 200"}
	}
	if f.later {
		commands = append(commands, "GET /skills 404", "POST /agents/retrieve 404", "POST /config/retrieve 404")
	}
	return strings.Join(commands, "\n")
}

// refused is the calls for shared files when all are answered with a status.
func (f *refFleet) refused(status string) string {
	calls := "GET /slash-commands " + status
	if f.later {
		calls += "\nGET /skills " + status + "\nPOST /agents/retrieve " + status + "\nPOST /config/retrieve " + status
	}
	return calls
}

// login is an auth.json that this client takes for one. Codex writes none with “auths”, so what the earlier client takes
// was put together by people and their scripts.
func (f *refFleet) login(o authtest.Options) string {
	text := string(authtest.New(o))
	if f.later {
		return text
	}
	return `{"auths":{"z.example":{"type":"api_key","token":"tok-ABCDEFGHIJKLMNOPQRSTUV"},"api.openai.com":{"token":"` +
		authtest.AccessToken(o) + `","org":"org-1","note":"blå/x` + "\u2028" + `","flag":true,"none":null,"n":3}},` +
		`"extra":{"empty":{},"list":[],"float":1.50,"big":1e25},` + strings.TrimPrefix(text, "{")
}

// daysAgo says when a login was last renewed.
func daysAgo(days float64) authtest.Options {
	return authtest.Options{LastRefresh: time.Now().Add(-time.Duration(days * float64(24*time.Hour)))}
}

// Both wrappers of the reference, as far as a gateway can tell.
func TestReference(t *testing.T) {
	t.Parallel()
	for _, r := range []reference{
		{name: "November 2025", script: "cdx-2025.py", version: "2025.11.29-06"},
		{name: "January 2026", script: "cdx-2026.py", version: "2026.01.09-01", later: true},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			f := newRefFleet(t, r)
			a, b := f.host("a.example"), f.host("b.example")
			f.bootstraps(a, b)
			f.renews(a, b)
			f.sharesPrompts(a, b)
			f.countsUsageOnce(a)
			f.needsTheQuota(a)
			f.isRefused()
			f.isSwitchedOff(b)
			f.uninstalls()
			f.replacesItself(a, b)
			f.isLimitedAndLost()
		})
	}
}

// The first host with a file makes it the fleet's; the second gets the very same.
func (f *refFleet) bootstraps(a, b *refHost) {
	f.t.Helper()
	r := a.run(2, users, retrieve("missing"), "POST /auth store 422", f.pull())
	var sent map[string]any
	if err := json.Unmarshal([]byte(r.exchanges[1].request), &sent); err != nil {
		f.t.Fatal(err)
	}
	for name, want := range map[string]string{
		"command": "retrieve", "last_refresh": "2000-01-01T00:00:00Z", "client_version": "0.63.0", "wrapper_version": f.version,
		"digest": "8c6e3b5b78b9558813d537edaa7f641a9a03e0bce80b4bf991dc573ab0a334da", // host-api.md 2.7, V6
	} {
		if sent[name] != want {
			f.t.Errorf("a retrieve without a file: got %s %v, want %s", name, sent[name], want)
		}
	}

	a.put(authFile, f.login(daysAgo(3)), 0o600)
	a.run(0, users, retrieve("missing"), store("updated"), f.pull(), tells)
	f.current(a)
	b.run(0, users, retrieve("outdated"), f.pull(), tells)
	f.current(b)
	if got, want := b.read(authFile), a.read(authFile); got != want {
		f.t.Errorf("the second host got\n%s\nwant what the first one has:\n%s", got, want)
	}
	if info, err := os.Stat(filepath.Join(b.home, authFile)); err != nil || info.Mode().Perm() != 0o600 {
		f.t.Errorf("auth.json: got %v, %v, want mode 0600", info, err)
	}
}

// current runs the client of a host that holds the canonical file, and checks that both sides mean the same by it.
func (f *refFleet) current(h *refHost) {
	f.t.Helper()
	before := h.read(authFile)
	r := h.run(0, users, retrieve("valid"), f.pull(), tells)
	if got := h.read(authFile); got != before {
		f.t.Errorf("a valid file was changed to\n%s\nwant\n%s", got, before)
	}
	var sent struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal([]byte(r.exchanges[1].request), &sent); err != nil {
		f.t.Fatal(err)
	}
	canonical := f.sql("SELECT encode(digest, 'hex') FROM generation JOIN account ON account.id = account_id AND generation = number")
	known := f.sql("SELECT concat_ws(' ', encode(auth_digest, 'hex'), client_version, wrapper_version) FROM host WHERE fqdn = $1", h.fqdn)
	if want := canonical[0] + " 0.63.0 " + f.version; sent.Digest != canonical[0] || known[0] != want {
		f.t.Errorf("%s says %s, the gateway knows %q of it; want %q", h.fqdn, sent.Digest, known[0], want)
	}
}

// A newer login goes up, whether people put it there or Codex did, and reaches the other host; an older one does not.
func (f *refFleet) renews(a, b *refHost) {
	f.t.Helper()
	a.put(authFile, f.login(daysAgo(4)), 0o600)
	a.run(0, users, retrieve("outdated"), f.pull(), tells)

	a.put(authFile, f.login(daysAgo(2)), 0o600)
	a.run(0, users, retrieve("upload_required"), store("updated"), f.pull(), tells)
	f.current(a)
	b.run(0, users, retrieve("outdated"), f.pull(), tells)
	f.current(b)

	b.put("renewed.json", string(authtest.New(daysAgo(1))), 0o600) // as Codex writes it
	if f.later {
		b.run(0, users, retrieve("valid"), f.pull(), tells, retrieve("upload_required"), store("updated"))
	} else {
		// It has no “auths”: the earlier client throws it away and asks for the fleet's, so a renewal is lost.
		b.run(0, users, retrieve("valid"), f.pull(), tells, retrieve("outdated"))
		b.put("renewed.json", f.login(daysAgo(1)), 0o600)
		b.run(0, users, retrieve("valid"), f.pull(), tells, retrieve("upload_required"), store("updated"))
	}
	f.current(b)
	a.run(0, users, retrieve("outdated"), f.pull(), tells)
	f.current(a)

	// As old as the canonical one, but another: nobody was faster, so it is taken.
	var held struct {
		LastRefresh time.Time `json:"last_refresh"`
	}
	if err := json.Unmarshal([]byte(a.read(authFile)), &held); err != nil {
		f.t.Fatal(err)
	}
	a.put(authFile, f.login(authtest.Options{LastRefresh: held.LastRefresh, SessionID: "another"}), 0o600)
	a.run(0, users, retrieve("upload_required"), store("updated"), f.pull(), tells)
	f.current(a)
	a.put(authFile, f.login(daysAgo(0.5)), 0o600)
	a.run(0, users, retrieve("upload_required"), store("updated"), f.pull(), tells)
	b.run(0, users, retrieve("outdated"), f.pull(), tells)
	f.current(b)
	if got := f.sql("SELECT generation FROM account"); got[0] != "5" {
		f.t.Errorf("got generation %s, want 5: the first login, two newer ones, one as old, one newer", got[0])
	}

	// A host that may not store keeps its login, and is asked for it again.
	f.sql("UPDATE host SET may_store = false WHERE fqdn = $1", b.fqdn)
	own := daysAgo(0.25)
	b.put(authFile, f.login(own), 0o600)
	for range 2 {
		b.run(0, users, retrieve("upload_required"), store("unchanged"), f.pull(), tells)
		if !strings.Contains(b.read(authFile), authtest.AccessToken(own)) {
			f.t.Error("a host that may not store has lost its login")
		}
	}
	f.sql("UPDATE host SET may_store = true WHERE fqdn = $1", b.fqdn)
	b.remove(authFile)
	b.run(0, users, retrieve("outdated"), f.pull(), tells)
	f.current(b)
}

// What a host pushes waits for an admin, unless policy says otherwise; what is current reaches everybody.
func (f *refFleet) sharesPrompts(a, b *refHost) {
	f.t.Helper()
	const (
		mine   = ".codex/prompts/triage.md"
		pushes = "POST /slash-commands/store 200 "
		asks   = "POST /slash-commands/retrieve 200 "
		text   = "---\ndescription: Sort incoming bugs\nargument-hint: <area>\n---\nSort them, and say “why”.\n"
	)
	a.put(mine, text, 0o644)
	for range 2 { // it is in no baseline that a pull leaves, so the client pushes it at every run
		a.run(0, users, retrieve("valid"), f.pull(), tells, pushes+"unchanged")
	}
	proposed := f.sql("SELECT name || ' ' || description || ' ' || argument_hint || ' ' || content FROM library_proposal WHERE decided_at IS NULL")
	if want := "triage.md Sort incoming bugs <area> " + text; len(proposed) != 1 || proposed[0] != want {
		f.t.Errorf("got proposals %q, want one: %q", proposed, want)
	}
	b.run(0, users, retrieve("valid"), f.pull(), tells)
	if b.has(mine) {
		f.t.Error("another host has got what nobody has accepted")
	}

	f.sql(`INSERT INTO policy (name, value, updated_at) VALUES ('host_prompt_push', '"off"', now())`)
	a.run(0, users, retrieve("valid"), f.pull(), tells, "POST /slash-commands/store 403")
	f.sql(`UPDATE policy SET value = '"on"' WHERE name = 'host_prompt_push'`)
	a.run(0, users, retrieve("valid"), f.pull(), tells, pushes+"created")
	b.run(0, users, retrieve("valid"), f.pull("GET /slash-commands 200", asks+"updated"), tells)
	if got := b.read(mine); got != text {
		f.t.Errorf("the other host got %q, want %q", got, text)
	}
	f.current(b)
	// While Codex runs: what was changed before is overwritten by the pull.
	b.put(".local/bin/codex", refCodex+"echo more >>\"$HOME/"+mine+"\"\n", 0o755)
	b.run(0, users, retrieve("valid"), f.pull(), tells, pushes+"updated")
	b.put(".local/bin/codex", refCodex, 0o755)
	a.run(0, users, retrieve("valid"), f.pull("GET /slash-commands 200", asks+"updated"), tells)
	if got, want := a.read(mine), text+"more\n"; got != want {
		f.t.Errorf("after the other host changed it: got %q, want %q", got, want)
	}
	f.sql("UPDATE library_file SET deleted_at = now()")
	a.run(0, users, retrieve("valid"), f.pull(), tells)
	if a.has(mine) {
		f.t.Error("a retired prompt is still there")
	}
	f.keepsWhatIsNotShared(a)
}

// The later client asks for files that this gateway does not share, offers one, and leaves its user's alone.
func (f *refFleet) keepsWhatIsNotShared(a *refHost) {
	f.t.Helper()
	if !f.later {
		return
	}
	own := []string{".codex/AGENTS.md", ".codex/config.toml", ".codex/skills/tidy/SKILL.md"}
	for _, name := range own {
		a.put(name, "mine", 0o644)
	}
	a.run(0, users, retrieve("valid"), f.pull(), tells, "POST /skills/store 404")
	for _, name := range own {
		if got := a.read(name); got != "mine" {
			f.t.Errorf("%s: got %q, want what the user wrote", name, got)
		}
	}
	a.remove(".codex/skills")
}

// An answer to POST /usage that is lost makes the client send the report again, without the line.
func (f *refFleet) countsUsageOnce(a *refHost) {
	f.t.Helper()
	lost := false
	var r ran
	f.wire.spoiling(func(call string, answer []byte) ([]byte, error) {
		if call == tells && !lost {
			lost = true
			return nil, errors.New("lost")
		}
		return answer, nil
	}, func() { r = a.run(0, users, retrieve("valid"), f.pull(), tells, tells) })
	reports := r.all(tells)
	if !strings.Contains(reports[0].request, `"line":"Token usage: `) || strings.Contains(reports[1].request, `"line"`) {
		f.t.Errorf("got reports %s and %s, want one with a line and one without", reports[0].request, reports[1].request)
	}
	runs := strings.Count(a.read(codexLog), "\n")
	got := f.sql("SELECT concat_ws(' ', total, input, output, cached, reasoning, line) FROM usage_entry JOIN host ON host.id = host_id WHERE fqdn = $1 ORDER BY usage_entry.id", a.fqdn)
	if len(got) != runs {
		f.t.Fatalf("got %d entries, want %d, one for each run of Codex:\n%s", len(got), runs, strings.Join(got, "\n"))
	}
	for i, entry := range got {
		total := i + 1
		want := fmt.Sprintf("%d000 9000 1000 128 64 Token usage: total=%d,000 input=9,000 (+ 128 cached) output=1,000 (reasoning 64)", total, total)
		if entry != want {
			f.t.Errorf("run %d of Codex: got entry %q, want %q", total, entry, want)
		}
	}
	r = a.run(0, users, retrieve("valid"), f.pull(), tells)
	want := fmt.Sprintf("this month: total %d000 in %d000 out %d000 cached %d reasoning %d in %d sessions\n",
		runs*(runs+1)/2, 9*runs, runs, 128*runs, 64*runs, runs)
	if !strings.Contains(r.err, want) {
		f.t.Errorf("got summary %q, want %q in it", r.err, want)
	}
}

// Without the quota object both clients end, which is why the gateway always sends one.
func (f *refFleet) needsTheQuota(a *refHost) {
	f.t.Helper()
	for _, without := range []string{`"chatgpt_usage_not":`, `"chatgpt_usage":null,"chatgpt_usage_not":`} {
		f.wire.spoiling(func(_ string, answer []byte) ([]byte, error) {
			return bytes.Replace(answer, []byte(`"chatgpt_usage":`), []byte(without), 1), nil
		}, func() { a.run(1, users, retrieve("valid")) })
	}
	f.current(a)
}

// Each refusal has a text of its own, by which clients tell what to do.
func (f *refFleet) isRefused() {
	f.t.Helper()
	const forbidden = "POST /host/users 403\nPOST /auth retrieve 403"
	c := f.host("c.example")
	c.run(0, users, retrieve("outdated"), f.pull(), tells)
	refused := func(what, line string, code int, kept bool, calls ...string) {
		f.t.Helper()
		runs := c.read(codexLog)
		c.runLine(line, code, calls...)
		if c.has(authFile) != kept {
			f.t.Errorf("%s: auth.json is there: %v, want %v", what, !kept, kept)
		}
		if c.read(codexLog) != runs {
			f.t.Errorf("%s: Codex was started", what)
		}
	}
	refused("another address", from("127.0.0.2", "cdx exec"), 12, true, forbidden)
	f.sql("UPDATE host SET status = 'disabled' WHERE fqdn = $1", c.fqdn)
	refused("disabled", "cdx exec", 11, false, forbidden)
	f.sql("UPDATE host SET status = 'active' WHERE fqdn = $1", c.fqdn)
	c.run(0, users, retrieve("outdated"), f.pull(), tells)

	f.sql("UPDATE host SET secure = false, insecure_until = now() + interval '5 minutes' WHERE fqdn = $1", c.fqdn)
	held := c.read(authFile)
	c.run(0, users, retrieve("valid"), f.pull(), tells)
	if c.has(authFile) {
		f.t.Error("an insecure host keeps its login after a run")
	}
	c.put(authFile, held, 0o600)
	f.sql("UPDATE host SET insecure_until = now() - interval '1 minute' WHERE fqdn = $1", c.fqdn)
	refused("window closed", "cdx exec", 24, true, users, "POST /auth retrieve 403")
	f.sql("UPDATE host SET secure = true WHERE fqdn = $1", c.fqdn)
	if f.later {
		refused("another installation", "CODEX_INSTALLATION_ID=7d0f1c52-6a3e-4b4f-9f0a-0c5a3d7e9b21 cdx exec", 23, true, users, "POST /auth retrieve 403")
		id := f.sql("SELECT id::text FROM installation")[0]
		c.runLine("CODEX_INSTALLATION_ID="+id+" cdx exec", 0, users, retrieve("valid"), f.pull(), tells)
	}
	f.must("host", "rm", c.fqdn, "--yes")
	refused("removed", "cdx exec", 10, false, "POST /host/users 401\nPOST /auth retrieve 401")

	keyless := f.hostWithKey("keyless.example", "")
	keyless.put(authFile, held, 0o600)
	keyless.run(21, "POST /host/users 401\nPOST /auth retrieve 401")
	if !keyless.has(authFile) {
		f.t.Error("without a key: auth.json was deleted")
	}
}

// The earlier client obeys the kill switch; the later one takes it for an outage.
func (f *refFleet) isSwitchedOff(b *refHost) {
	f.t.Helper()
	const off = "POST /auth retrieve 503"
	f.sql("INSERT INTO policy (name, value, updated_at) VALUES ('api_disabled', 'true', now())")
	if f.later {
		// With a second way to connect, it asks once more.
		b.runLine("CODEX_SYNC_ALLOW_INSECURE=1 cdx exec", 0, "POST /host/users 503", off, off, f.refused("503"), "POST /usage 503")
	} else {
		b.run(40, "POST /host/users 503", off)
	}
	if !b.has(authFile) {
		f.t.Error("the kill switch cost a host its login")
	}
	f.sql("DELETE FROM policy WHERE name = 'api_disabled'")
	f.current(b)
}

// A host removes itself, from wherever it is.
func (f *refFleet) uninstalls() {
	f.t.Helper()
	d := f.host("d.example")
	d.run(0, users, retrieve("outdated"), f.pull(), tells)
	if got := f.call("POST", "/host/users", []string{"X-API-Key: " + d.key}, `{"username":"ci"}`); got.status != 200 {
		f.t.Fatalf("POST /host/users: got %s, want 200", got)
	}
	r := d.runLine("cdx --uninstall", 0, users, "DELETE /auth?force=1 200")
	if !f.later && !slices.Contains(strings.Fields(r.out), "ci") {
		f.t.Errorf("uninstalling: got %q, want the other user named", r.out)
	}
	e := f.host("e.example")
	e.runLine(from("127.0.0.2", "cdx exec"), 0, users, retrieve("outdated"), f.pull(), tells)
	e.runLine("cdx --uninstall", 0, "POST /host/users 403", "DELETE /auth?force=1 200")
	for _, h := range []*refHost{d, e} {
		if left := f.sql("SELECT fqdn FROM host WHERE fqdn = $1", h.fqdn); len(left) != 0 || h.has(".codex") || h.has(wrapperAt) {
			f.t.Errorf("after its uninstall %s is left: row %v, files %v, %v", h.fqdn, left, h.has(".codex"), h.has(wrapperAt))
		}
	}
}

// The gateway's wrapper is a script that puts our cdx into the place of the reference's.
func (f *refFleet) replacesItself(a, b *refHost) {
	f.t.Helper()
	const loads = "GET /wrapper/download 200"
	publish(f.t, f.builds)
	f.wire.spoiling(func(call string, answer []byte) ([]byte, error) {
		if call == loads {
			answer = append(answer, '\n')
		}
		return answer, nil
	}, func() { a.run(0, users, retrieve("valid"), f.pull(), loads, tells) })
	if r := a.sh("cdx -W"); r.out != "cdx wrapper "+f.version+"\n" {
		f.t.Errorf("after another download than the announced one: got %q, want the wrapper kept", r.out)
	}

	var r ran
	if f.later {
		r = a.runLine("cdx --update", 0, users, retrieve("valid"), f.pull(), loads)
	} else {
		r = a.run(0, users, retrieve("valid"), f.pull(), loads)
	}
	var announced struct {
		Versions struct {
			Version string `json:"wrapper_version"`
			SHA256  string `json:"wrapper_sha256"`
		} `json:"versions"`
	}
	if err := json.Unmarshal(answer{body: r.all(retrieve("valid"))[0].answer, header: jsonHeader}.envelope(f.t).Data, &announced); err != nil {
		f.t.Fatal(err)
	}
	if got := sha256Hex(a.read(wrapperAt)); got != announced.Versions.SHA256 {
		f.t.Errorf("the wrapper is %s, want the announced %s", got, announced.Versions.SHA256)
	}
	if r := a.sh("cdx --wrapper-version"); r.code != 0 || r.out != "cdx wrapper "+announced.Versions.Version+"\n" {
		f.t.Errorf("cdx --wrapper-version: exit %d, %q, want version %s", r.code, r.out, announced.Versions.Version)
	}

	f.becomesOurs(a, "cdx exec 'two words' --json")
	if f.later {
		f.becomesOurs(b, "cdx exec 'two words' --json", users, retrieve("valid"), f.pull(), loads)
		return
	}
	// The version alone does not make it the announced one.
	b.put(wrapperAt, strings.Replace(b.read(wrapperAt), f.version, announced.Versions.Version, 1), 0o755)
	b.run(0, users, retrieve("valid"), f.pull(), loads)
}

// becomesOurs runs a line, which leaves a host with our cdx and its configuration, and gets its arguments to Codex.
func (f *refFleet) becomesOurs(h *refHost, line string, calls ...string) {
	f.t.Helper()
	if r := h.runLine(line, 0, calls...); !strings.Contains(r.out, "Token usage: ") || strings.Contains(r.out, "cdx") {
		f.t.Errorf("%s: got standard output %q, want Codex's alone", line, r.out)
	}
	if got := tail(h.read(codexLog), 1); got != "exec two words --json" {
		f.t.Errorf("%s: Codex got %q", line, got)
	}
	build, err := os.ReadFile(filepath.Join(f.builds, rig.client))
	if err != nil {
		f.t.Fatal(err)
	}
	if h.read(wrapperAt) != string(build) {
		f.t.Error("cdx is not the gateway's build")
	}
	const config = ".config/cdx/host.json"
	if info, err := os.Stat(filepath.Join(h.home, config)); err != nil || info.Mode().Perm() != 0o600 {
		f.t.Fatalf("%s: got %v, %v, want mode 0600", config, info, err)
	}
	var left struct {
		APIKey string `json:"api_key"`
		Config struct {
			Document map[string]any `json:"document"` // signed by now: the first contact pinned the gateway's key
		} `json:"config"`
	}
	if err := json.Unmarshal([]byte(h.read(config)), &left); err != nil {
		f.t.Fatal(err)
	}
	for name, want := range map[string]any{"base_url": f.URL, "fqdn": h.fqdn, "secure": true} {
		if got := left.Config.Document[name]; got != want {
			f.t.Errorf("%s: got %s %v, want %v", config, name, got, want)
		}
	}
	if left.APIKey != h.key {
		f.t.Errorf("%s: got another API key than the old client's", config)
	}
	before := h.read(authFile)
	if r := h.sh("cdx login status"); r.code != 0 || h.read(authFile) != before {
		f.t.Errorf("cdx login status: exit %d, login changed: %v; want 0 and the login as it was\n%s%s", r.code, h.read(authFile) != before, r.out, r.err)
	}
}

// Too many calls, and a gateway that is not there, are outages: a recent login will do.
func (f *refFleet) isLimitedAndLost() {
	f.t.Helper()
	if err := os.RemoveAll(f.builds); err != nil { // no wrapper replaces itself any more
		f.t.Fatal(err)
	}
	h := f.host("limited.example")
	f.writeConfig(replaceOnce(f.t, f.readConfig(), "limit host 5000 1m", "limit host 3 1m"))
	f.must("reload", "--config", f.config)
	const refused = "POST /usage 429"
	h.run(0, users, retrieve("outdated"), strings.Replace(f.refused("429"), "429", "200", 1), refused, refused)
	limited := []string{"POST /host/users 429", "POST /auth retrieve 429", f.refused("429")}
	h.run(0, append(limited, refused, refused)...)
	h.put(authFile, f.login(daysAgo(8)), 0o600)
	h.run(2, limited...)

	f.stop()
	h.run(3)
	h.put(authFile, f.login(daysAgo(6)), 0o600)
	h.run(0)
	h.remove(authFile)
	h.run(3)
}

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// The reference's own end-to-end test, without the two steps that get the API key out of the installer by looking at it
// and spend the token by that. Its admin headers go along with every call, and count for nothing.
func TestReferenceEndToEnd(t *testing.T) {
	t.Parallel()
	builds := tempDir(t, identity{})
	publish(t, builds)
	g := start(t, options{caddyfile: func(text string) string { return configured(t, text, "client_binaries "+builds) }})
	admin := g.adminClient(g.addCert("ops"))
	header := []string{"X-mTLS-Present: 1", "X-Admin-Key: changeme", "Content-Type: application/json"}

	got, err := callWith(admin, "POST", g.AdminURL+"/admin/hosts/register", header, `{"fqdn":"e2e-1","secure":true}`)
	if err != nil {
		t.Fatal(err)
	}
	var e enrolled
	if err := json.Unmarshal(got.envelope(t).Data, &e); err != nil {
		t.Fatal(err)
	}
	if e.Host.ID == 0 || e.Host.APIKey == "" || e.Installer.URL == "" || e.Installer.Token == "" {
		t.Fatalf("registering: got %s, want id, key, installer and token", got)
	}
	header = append(header, "X-API-Key: "+e.Host.APIKey)

	var wrapper struct {
		Version string `json:"version"`
		SHA256  string `json:"sha256"`
		Size    int    `json:"size_bytes"`
		URL     string `json:"url"`
	}
	if err := json.Unmarshal(g.call("GET", "/wrapper", header, "").envelope(t).Data, &wrapper); err != nil {
		t.Fatal(err)
	}
	if wrapper.Version == "" || wrapper.SHA256 == "" || wrapper.URL != "/wrapper/download" {
		t.Errorf("GET /wrapper: got %+v, want version, sha256 and url", wrapper)
	}
	script := g.call("GET", "/wrapper/download", header, "")
	if script.status != 200 || sha256Hex(script.body) != wrapper.SHA256 || len(script.body) != wrapper.Size {
		t.Errorf("GET /wrapper/download: got %d, %d bytes, SHA-256 %s; want 200 and %+v", script.status, len(script.body), sha256Hex(script.body), wrapper)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/x-shellscript", "X-Sha256": wrapper.SHA256, "Etag": `"` + wrapper.SHA256 + `"`,
		"Content-Disposition": `attachment; filename="cdx-` + wrapper.Version + `.sh"`, "Cache-Control": "no-store",
	} {
		if got := script.header.Get(name); got != want {
			t.Errorf("GET /wrapper/download: got %s %q, want %q", name, got, want)
		}
	}
	for name, value := range map[string]string{
		"CODEX_SYNC_BASE_URL_DEFAULT=": g.URL, "CODEX_SYNC_API_KEY": e.Host.APIKey, "CODEX_SYNC_FQDN": "e2e-1",
		"WRAPPER_VERSION=": wrapper.Version,
	} {
		if line := name + ".*" + regexp.QuoteMeta(value); !regexp.MustCompile(line).MatchString(script.body) {
			t.Errorf("the wrapper has no line like %s", line)
		}
	}

	body := fmt.Sprintf(`{"command":"retrieve","digest":"%064d","last_refresh":"%s","client_version":"e2e-test","wrapper_version":"%s"}`,
		0, time.Now().UTC().Format("2006-01-02T15:04:05Z"), wrapper.Version)
	if auth := g.call("POST", "/auth", header, body).auth(t); auth.Status != "missing" {
		t.Errorf("POST /auth: got status %q, want missing", auth.Status)
	}
	if got := g.call("DELETE", "/auth?force=1", header, ""); got.status != 200 || !strings.Contains(got.body, `"deleted":"e2e-1"`) {
		t.Errorf("DELETE /auth?force=1: got %s, want 200", got)
	}
	got, err = callWith(admin, "DELETE", fmt.Sprintf("%s/admin/hosts/%d", g.AdminURL, e.Host.ID), header, "")
	if err != nil || got.status != 404 {
		t.Errorf("deleting the host once more: got %s, %v, want 404", got, err)
	}
}
