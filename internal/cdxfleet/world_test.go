//go:build unix

package cdxfleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// world is one fleet: a gateway, what stands between it and its hosts, the hosts, and the issuer of tokens.
type world struct {
	t         *testing.T
	gateway   *gatewaytest.Gateway
	account   int64
	front     *front
	authority *authority
	hosts     []*host
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, front: &front{}, authority: newAuthority(t)}
	server := httptest.NewServer(w.front)
	t.Cleanup(server.Close)
	w.gateway = gatewaytest.New(t, gatewaytest.Options{PublicURL: server.URL})
	w.front.open(w.gateway)
	account, err := w.gateway.Core.DB.AccountByName(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	w.account = account.ID
	t.Cleanup(func() { w.authority.checkCalls(t) })
	return w
}

// begin gives the fleet a new login, and its hosts homes that cdx has never seen.
func (w *world) begin() {
	w.t.Helper()
	w.front.pass()
	w.authority.forget()
	for _, h := range w.hosts {
		h.wipe()
	}
	file := decodeAuth(authtest.New(authtest.Options{LastRefresh: time.Now().Add(-time.Minute)}))
	file.Tokens.tokens = w.authority.login()
	w.gateway.Upload(w.t, encodeAuth(file))
}

// canonical is the auth.json that the gateway holds.
func (w *world) canonical() []byte {
	w.t.Helper()
	body, err := w.gateway.Credentials.Reveal(w.t.Context(), w.account, gatewaytest.Operator)
	if err != nil {
		w.t.Fatal(err)
	}
	return body
}

// gatewayHas reports whether a refresh token is that of the canonical login.
func (w *world) gatewayHas(token string) bool {
	w.t.Helper()
	return decodeAuth(w.canonical()).Tokens.RefreshToken == token
}

// wasGiven reports whether the gateway has or had a login with that refresh token as the canonical one.
func (w *world) wasGiven(token string) bool {
	w.t.Helper()
	sum := sha256.Sum256([]byte(token))
	return w.gateway.Int(w.t, "SELECT count(*) FROM generation WHERE refresh_sha256 = $1", sum[:]) > 0
}

// checkRecoverable demands that every refresh token that works stands on the gateway or on a disk. No Codex runs: what
// is only in its memory is not yet anybody's to keep.
func (w *world) checkRecoverable() {
	w.t.Helper()
	for _, token := range w.authority.live() {
		if w.wasGiven(token) {
			continue
		}
		kept := false
		for _, h := range w.hosts {
			kept = kept || len(h.filesWith(token)) > 0
		}
		if !kept {
			w.t.Errorf("%s is lost", token)
		}
	}
}

// checkHeals demands that one ordinary run of cdx on each host brings the newest refresh token to the gateway and the
// gateway's login to the hosts, of which the gateway then keeps the later if there are two, and that a host that may not keep a login is left without. What Codex renewed on a machine
// whose clock is wrong bears a time that the gateway does not accept: such a host has to keep it.
func (w *world) checkHeals() {
	w.t.Helper()
	w.front.pass()
	for _, h := range w.hosts {
		p := h.run("sync")
		if h.wrong {
			continue
		}
		p.want(0)
		if exists(filepath.Join(h.home, ".cdx", "pending-auth.json")) {
			w.t.Errorf("%s keeps a login as one that the gateway does not have", h.name)
		}
		if left := h.filesWith("rt_session-"); h.insecure && len(left) > 0 {
			w.t.Errorf("%s, which may not keep a login, keeps one in %q", h.name, left)
		}
	}
	newest := w.authority.newest()
	if !w.gatewayHas(newest) && !w.isWithWrongClock(newest) {
		w.t.Errorf("%s does not reach the gateway", newest)
	}
	for _, h := range w.hosts {
		if h.insecure || h.wrong {
			continue
		}
		if !bytes.Equal(h.read(), w.canonical()) {
			h.run("sync").want(0) // another host has brought something meanwhile
		}
		if !bytes.Equal(h.read(), w.canonical()) {
			w.t.Errorf("%s does not have the fleet's login", h.name)
		}
	}
}

// isWithWrongClock reports whether a refresh token is in the auth.json of a host whose clock is wrong.
func (w *world) isWithWrongClock(token string) bool {
	for _, h := range w.hosts {
		if h.wrong && holding(h.read(), token) {
			return true
		}
	}
	return false
}

// host is one machine: a home, a configuration that enrolment made, and whether it may keep the login.
type host struct {
	w        *world
	name     string
	dir      string
	home     string // CODEX_HOME
	insecure bool
	wrong    bool // its clock is
	env      []string
	runs     atomic.Int64
}

// holding reports whether a file of a home holds a refresh token, in clear or as the journal writes it.
func holding(text []byte, token string) bool {
	if bytes.Contains(text, []byte(token)) {
		return true
	}
	var journal struct {
		Pending []struct {
			Auth []byte `json:"auth"`
		} `json:"pending"`
	}
	if json.Unmarshal(text, &journal) != nil {
		return false
	}
	for _, entry := range journal.Pending {
		if bytes.Contains(entry.Auth, []byte(token)) {
			return true
		}
	}
	return false
}

// filesWith returns the files of the host's home that hold a refresh token, by path in the home. What a cdx was about to
// write and never put in place does not count.
func (h *host) filesWith(token string) (found []string) {
	h.w.t.Helper()
	err := filepath.WalkDir(h.home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(entry.Name(), ".cdx-tmp-") {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && holding(text, token) {
			name, _ := filepath.Rel(h.home, path) // below it, so there is one
			found = append(found, name)
		}
		return err
	})
	if err != nil && exists(h.home) {
		h.w.t.Fatal(err)
	}
	return found
}

// front stands between the hosts and the gateway. It is what goes wrong with a network.
type front struct {
	mu      sync.Mutex
	gateway *gatewaytest.Gateway
	path    string // where it goes wrong; "": everywhere
	fault   fault
	gate    *gate // that the next answer to a call of gated has to pass; nil: none
	gated   string
	calls   map[string]int // :: path → how often it was called, whatever became of it
}

type fault string

const (
	noFault fault = ""
	down    fault = "down" // nothing reaches the gateway
	lost    fault = "lost" // the gateway answers, and the answer is lost
	broken  fault = "500"  // something in between answers
)

func (f *front) open(g *gatewaytest.Gateway) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gateway = g
}

// pass lets everything pass.
func (f *front) pass() { f.fail(noFault, "") }

// fail lets everything go wrong from now on that is asked of a path; "": of any.
func (f *front) fail(how fault, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.path, f.gate = how, path, nil
}

func (f *front) isFailing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault != noFault
}

// hold holds the next answer of the gateway to a call of path.
func (f *front) hold(path string) *gate {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate, f.gated = newGate(), path
	return f.gate
}

// called returns how often a path was called.
func (f *front) called(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[path]
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	gateway, how, gate := f.gateway, f.fault, f.gate
	if f.gated != r.URL.Path {
		gate = nil
	}
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[r.URL.Path]++
	if f.path != "" && f.path != r.URL.Path {
		how = noFault
	}
	f.mu.Unlock()
	switch how {
	case down:
		panic(http.ErrAbortHandler)
	case broken:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	answer := httptest.NewRecorder()
	gateway.ServeHosts(answer, r, netip.MustParseAddr("127.0.0.1"))
	if gate != nil {
		gate.pass()
	}
	if how == lost {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // whoever asked may have been killed
}
