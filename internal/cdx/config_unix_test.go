//go:build unix

package cdx

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// signedEnrolment is the answer to an enrolment by a gateway that signs.
func signedEnrolment(base, ca string) fakeAnswer {
	now := time.Now().UTC()
	signed := signerA.sign(api.PurposeHostConfig, api.HostConfig{
		BaseURL: base, FQDN: "build7.example", InstallationID: plantedInstallation, Secure: true, CA: ca, AutoUpdate: true,
		IssuedAt: api.Time{Time: now}, ExpiresAt: api.Time{Time: now.AddDate(0, 0, 30)},
	})
	body, err := json.Marshal(api.Envelope{Status: "ok", Data: api.EnrolResponse{
		BaseURL: base, APIKey: plantedKey, FQDN: "build7.example", InstallationID: plantedInstallation, Secure: true,
		SigningKey: signerA.key(), Config: signed,
	}})
	if err != nil {
		panic(err)
	}
	return fakeAnswer{status: http.StatusOK, body: body}
}

// sign puts a signed configuration in the place of the rig's, changed by change.
func (r *rig) sign(base string, change func(*Config)) {
	r.t.Helper()
	var answer struct{ Data api.EnrolResponse }
	if err := json.Unmarshal(signedEnrolment(base, "").body, &answer); err != nil {
		r.t.Fatal(err)
	}
	c, err := configFrom(&answer.Data, "", time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	if change != nil {
		change(c)
	}
	text, err := c.encode()
	if err != nil {
		r.t.Fatal(err)
	}
	r.put(filepath.Join(r.dir, "host.json"), text)
}

func TestRights(t *testing.T) {
	t.Parallel()
	const group = 990
	for _, c := range []struct {
		mode     fs.FileMode
		uid, gid uint32
		system   bool
		tooWide  bool
	}{
		{0o600, 1000, 1000, false, false},
		{0o400, 1000, 1000, false, false},
		{0o640, 0, group, true, false},
		{0o440, 0, group, true, false},
		{0o640, 0, group, false, true}, // a user's own
		{0o640, 1000, group, true, true},
		{0o640, 0, 0, true, true},
		{0o660, 0, group, true, true},
		{0o650, 0, group, true, true},
		{0o644, 0, group, true, true},
		{0o604, 0, group, true, true},
		{0o641, 0, group, true, true},
		{0o602, 0, group, true, true},
	} {
		got := rightsTooWide(c.mode, c.uid, c.gid, c.system, func(gid string) string { return map[string]string{"0": "root", "990": "cdx"}[gid] })
		if got != c.tooWide {
			t.Errorf("%04o of %d:%d, system %v: got too wide %v", c.mode, c.uid, c.gid, c.system, got)
		}
	}
	if !rightsTooWide(0o640, 0, group, true, func(string) string { return "" }) {
		t.Error("a group that nobody knows may read the key")
	}
}

func TestShareAlike(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, err := os.Create(filepath.Join(dir, "old"))
	if err != nil {
		t.Fatal(err)
	}
	group := os.Getegid()
	if os.Geteuid() == 0 {
		group = 65534
	}
	if err := errors.Join(old.Chown(-1, group), old.Chmod(0o640), old.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(dir, "new")
	if err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(old.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := shareAlike(file, was); err != nil {
		t.Fatal(err)
	}
	is, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if got := int(is.Sys().(*syscall.Stat_t).Gid); is.Mode() != 0o640 || got != group { //nolint:forcetypeassert // what Stat gives here
		t.Errorf("got %v of group %d", is.Mode(), got)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// Nobody is asked with a configuration that was tampered with, and Codex is not started.
func TestTamperedConfig(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	r := newRigAt(t, g.server.URL)
	for name, change := range map[string]func(*Config){
		"document": func(c *Config) {
			c.signed.Document = []byte(strings.Replace(string(c.signed.Document), "true", "null", 1))
		},
		"signature": func(c *Config) { c.signed.Signature = signerB.sign(api.PurposeHostConfig, c.signed.Document).Signature },
		"key id":    func(c *Config) { c.signed.KeyID = "aaaaaaab" },
		"pin":       func(c *Config) { c.SigningKey = signerB.key() },
	} {
		r.sign(g.server.URL, change)
		for _, args := range [][]string{nil, {"sync"}, {"logout"}, {"login", "--with-api-key"}} {
			_, stderr, status := r.run(args)
			if status != int(ExitConfig) || !strings.Contains(stderr, "host.json is not as the gateway signed it") || !strings.Contains(stderr, "cdxgate host add") {
				t.Errorf("%s, cdx %s: got %d, %s", name, args, status, stderr)
			}
		}
	}
	if asked, starts := g.asked(), r.starts(); len(asked) != 0 || len(starts) != 0 {
		t.Errorf("got requests %q, starts %v", asked, starts)
	}
	r.sign(g.server.URL, nil)
	g.expect(about("valid", "", nil))
	r.put(r.auth, loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z", Lifetime: time.Hour}.encode())
	if _, stderr, status := r.run(nil); status != 0 || stderr != "" {
		t.Errorf("untouched: got %d, %s", status, stderr)
	}
}

// One that has expired is no reason to stop, whether the gateway answers or not; nor is a clock that is years ahead.
func TestExpiredConfigWorks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  fakeAnswer
		expires time.Duration // from now
		ahead   string        // the clock
	}{
		"asked":     {about("valid", "", nil), -time.Hour, "0h"},
		"not asked": {fakeAnswer{drop: true}, -time.Hour, "0h"},
		"the clock": {about("valid", "", nil), 30 * 24 * time.Hour, "17520h"},
	} {
		g := newFakeGateway()
		t.Cleanup(g.close)
		r := newRigAt(t, g.server.URL)
		r.sign(g.server.URL, func(config *Config) {
			config.signed = signerA.offer(func(h *api.HostConfig) {
				h.BaseURL, h.InstallationID = g.server.URL, plantedInstallation
				h.ExpiresAt = api.Time{Time: time.Now().Add(c.expires)}
			}).Config
		})
		r.put(r.auth, loginSpec{Account: "acct-fleet", LastRefresh: time.Now().UTC().Format(time.RFC3339), Lifetime: 20000 * time.Hour}.encode())
		g.expect(about("valid", "", nil), c.answer)
		for range 2 { // the first contact is what the offline rule counts from
			if _, stderr, status := r.run(nil, "TEST_CLOCK_AHEAD="+c.ahead); status != 0 {
				t.Errorf("%s: got %d, %s", name, status, stderr)
			}
		}
		if starts := r.starts(); len(starts) != 2 {
			t.Errorf("%s: got %d starts of Codex", name, len(starts))
		}
	}
}

// asNobody lets root run cdx as a user without rights. It is false, and nothing happens, when the tests are not root's.
func (r *rig) asNobody(cmd *exec.Cmd) bool {
	r.t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	binary := filepath.Join(r.dir, "cdx")
	// By another process: a child that this one forks meanwhile would hold the file open for writing.
	if out, err := exec.CommandContext(r.t.Context(), "cp", "-L", cmd.Path, binary).CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	if err := errors.Join(os.Chmod(binary, 0o755), os.Chmod(r.dir, 0o755), os.Chmod(filepath.Dir(r.dir), 0o755)); err != nil {
		r.t.Fatal(err)
	}
	cmd.Path = binary
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}}
	return true
}

const nobody = 65534

// Another user of the machine, to whom its configuration was not given, is told what to ask for.
func TestUnreadableSystemConfig(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, "http://127.0.0.1:1")
	system := filepath.Join(r.dir, "host.json")
	cmd := r.command("cdx", nil, "CDX_CONFIG_PATH=", "XDG_CONFIG_HOME=", "TEST_SYSTEM_CONFIG="+system)
	if !r.asNobody(cmd) {
		if err := os.Chmod(system, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, stderr, status := r.finish(cmd)
	for _, say := range []string{"may not read the configuration of this machine: " + system, "chgrp cdx " + system, "chmod 640", "group cdx", "cdxgate host add"} {
		if status != int(ExitConfig) || !strings.Contains(stderr, say) {
			t.Errorf("got %d, %s\nwant %q", status, stderr, say)
		}
	}
}

// The authority that a gateway signs is its own to exchange; one that this machine was given besides stays.
func TestSignedCA(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	says := func(ca string) api.ConfigOffer { return signerA.offer(func(h *api.HostConfig) { h.CA = ca }) }
	enrol := func(ca, given string) *Config {
		c, err := configFrom(&api.EnrolResponse{APIKey: someKey, SigningKey: signerA.key(), Config: says(ca).Config}, given, theDay)
		if err != nil {
			t.Fatal(err)
		}
		return reread(t, c)
	}
	for name, c := range map[string]struct {
		said, given   string
		trusted, then bool // the authority; then: when the gateway says no more of it
	}{
		"none":            {"", "", false, false},
		"by the gateway":  {authority, "", true, false},
		"by both":         {authority, strings.ReplaceAll(strings.TrimSpace(authority), "\n", "\r\n"), true, false},
		"by this machine": {"", authority, true, true},
	} {
		config := enrol(c.said, c.given)
		for i, want := range []bool{c.trusted, c.then} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			r.RequestURI = ""
			response, err := newHTTPClient(config.roots, config.network()).Do(r)
			if err == nil {
				_ = response.Body.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s, step %d: got %v, want trusted %v", name, i, err, want)
			}
			config = config.must(t, says(""))
		}
	}
}

// Nothing is connected to by IPv6, whatever the address.
func TestIPv4Only(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	get := func(address, network string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := newHTTPClient(nil, network).Do(r)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := get(server.URL, "tcp4"); err != nil {
		t.Error(err)
	}
	// With "no suitable address" nothing was tried; without the option it is, and what comes of it is the machine's matter.
	if err := get("http://[::1]:"+port, "tcp4"); err == nil || !strings.Contains(err.Error(), "no suitable address") {
		t.Errorf("got %v", err)
	}
	if err := get("http://[::1]:"+port, "tcp"); err != nil && strings.Contains(err.Error(), "no suitable address") {
		t.Errorf("got %v", err)
	}
	c := enrolled(t, signerA.offer(func(h *api.HostConfig) { h.BaseURL, h.IPv4Only = "http://[::1]:"+port, true }))
	if _, _, err := (&app{}).newClient(c).sync(t.Context(), api.SyncRequest{}); err == nil || !strings.Contains(err.Error(), "no suitable address") {
		t.Errorf("a client of such a configuration: got %v", err)
	}
}

// connectProxy is an HTTP proxy that leads every CONNECT to one address, and remembers what it was asked.
type connectProxy struct {
	to string

	mu    sync.Mutex
	asked []string
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.mu.Unlock()
	to, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.to)
	if r.Method != http.MethodConnect || err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	from, _, err := w.(http.Hijacker).Hijack() //nolint:forcetypeassert // HTTP/1
	if err != nil {
		panic(err)
	}
	_, _ = from.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
	_ = from.Close()
}

func (p *connectProxy) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := strings.Join(p.asked, ", ")
	p.asked = nil
	return asked
}

// The proxy of the environment is used for a gateway elsewhere, and for no other.
func TestProxy(t *testing.T) {
	t.Parallel()
	login := loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z", Lifetime: time.Hour}.encode()
	gateway := http.HandlerFunc(about("outdated", parseLogin(login).digest(), login).write)
	elsewhere, here := httptest.NewTLSServer(gateway), httptest.NewServer(gateway)
	t.Cleanup(elsewhere.Close)
	t.Cleanup(here.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: elsewhere.Certificate().Raw}))
	proxy := &connectProxy{to: elsewhere.Listener.Addr().String()}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)

	for _, c := range []struct {
		name, base string
		env        []string
		status     int
		asked      string
	}{
		{"https", "https://example.com", []string{"HTTPS_PROXY=" + server.URL}, 0, "CONNECT example.com:443"}, // the name in httptest's certificate
		{"lower case", "https://example.com:8443", []string{"https_proxy=" + server.URL}, 0, "CONNECT example.com:8443"},
		{"a name that is not in the certificate", "https://gateway.invalid", []string{"HTTPS_PROXY=" + server.URL}, int(ExitDenied), "CONNECT gateway.invalid:443"},
		{"not for it", "https://gateway.invalid", []string{"HTTPS_PROXY=" + server.URL, "NO_PROXY=.invalid"}, int(ExitUnavailable), ""},
		{"for http only", "https://gateway.invalid", []string{"HTTP_PROXY=" + server.URL}, int(ExitUnavailable), ""},
		{"this machine", here.URL, []string{"HTTP_PROXY=" + server.URL, "HTTPS_PROXY=" + server.URL}, 0, ""},
		{"a proxy that is not there", "https://example.com", []string{"HTTPS_PROXY=http://127.0.0.1:1"}, int(ExitUnavailable), ""},
	} {
		r := newRigAt(t, c.base)
		r.sign(c.base, func(config *Config) { config.ownCA = authority })
		clean := append([]string{"HTTP_PROXY=", "http_proxy=", "HTTPS_PROXY=", "https_proxy=", "NO_PROXY=", "no_proxy="}, c.env...)
		if _, stderr, status := r.run(nil, clean...); status != c.status {
			t.Errorf("%s: got %d, %s; want %d", c.name, status, stderr, c.status)
		}
		if got := proxy.take(); got != c.asked {
			t.Errorf("%s: the proxy was asked %q, want %q", c.name, got, c.asked)
		}
	}
}

// A private authority that the gateway signs is trusted from the enrolment on.
func TestSignedEnrolmentBehindAPrivateCA(t *testing.T) {
	t.Parallel()
	login := loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z"}.encode()
	var server *httptest.Server
	var authority string
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.PathInstall) {
			_, _ = w.Write(signedEnrolment(server.URL, authority).body)
			return
		}
		about("outdated", parseLogin(login).digest(), login).write(w, r)
	}))
	t.Cleanup(server.Close)
	authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	r := newRigAt(t, server.URL)
	cmd := r.command("cdx", []string{"enroll"})
	cmd.Stdin = strings.NewReader(server.URL + api.PathInstall + plantedToken + "\n" + strings.TrimSpace(authority) + "\n")
	if _, stderr, status := r.finish(cmd); status != 0 || !parseLogin(r.read(r.auth)).same(parseLogin(login)) {
		t.Fatalf("got %d, %s", status, stderr)
	}
	text := string(r.read(filepath.Join(r.dir, "host.json")))
	if strings.Count(text, "BEGIN CERTIFICATE") != 1 || strings.Count(text, plantedKey) != 1 {
		t.Errorf("got %s", text)
	}
	if _, stderr, status := r.run([]string{"sync"}); status != 0 {
		t.Errorf("got %d, %s", status, stderr)
	}
}
