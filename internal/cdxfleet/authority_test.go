//go:build unix

package cdxfleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// codexAgent begins the User-Agent of the only program that may talk to the authority.
const codexAgent = "codex_cli_rs/"

// authority issues tokens as OpenAI does: each refresh token works once and is answered by the next of its login. What it
// stands for is also the proxy of every machine, so that it hears of a cdx that asks anybody but the gateway.
type authority struct {
	server *httptest.Server

	gate atomic.Pointer[gate] // that a renewal has to pass; nil: none

	mu      sync.Mutex
	began   time.Time
	logins  map[string]*lineage // :: refresh token, spent ones too
	current []*lineage          // of this part of the test
	issued  int
	reused  int      // refresh tokens that came a second time
	revoked []string // refresh tokens
	strays  []string // calls of others than Codex
}

// lineage is one login and what came of it.
type lineage struct {
	session string
	newest  string // refresh token
}

// tokens is an answer to a renewal or a login.
type tokens struct {
	IDToken      string `json:"id_token"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{began: time.Now().Add(-24 * time.Hour), logins: map[string]*lineage{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

// login begins a lineage.
func (a *authority) login() tokens {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begin()
}

func (a *authority) begin() tokens {
	l := &lineage{session: fmt.Sprintf("session-%d", a.issued)}
	a.current = append(a.current, l)
	return a.issue(l)
}

// issue makes the next tokens of a login. Each is issued a minute after the one before, by the authority's own clock.
func (a *authority) issue(l *lineage) tokens {
	a.issued++
	l.newest = fmt.Sprintf("rt_%s_%d_%s", l.session, a.issued, strings.Repeat("x", 32))
	a.logins[l.newest] = l
	return decodeAuth(authtest.New(authtest.Options{
		SessionID: l.session, IssuedAt: a.began.Add(time.Duration(a.issued) * time.Minute), RefreshToken: l.newest,
	})).Tokens.tokens
}

// forget lets what was issued so far be lost: another part of the test begins.
func (a *authority) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = nil
}

// live returns the refresh tokens that work, the newest last.
func (a *authority) live() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	live := make([]string, 0, len(a.current))
	for _, l := range a.current {
		live = append(live, l.newest)
	}
	return live
}

func (a *authority) newest() string {
	live := a.live()
	return live[len(live)-1]
}

// reuses returns how often a refresh token came that was spent.
func (a *authority) reuses() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reused
}

// checkCalls fails the test if cdx, or what it did, reached the authority in a way that it must not.
func (a *authority) checkCalls(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.strays != nil {
		t.Errorf("others than Codex called: %q", a.strays)
	}
	if a.revoked != nil {
		t.Errorf("the fleet's login was revoked: %q", a.revoked)
	}
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, status := a.serve(r)
	if g := a.gate.Load(); g != nil {
		g.pass()
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // who hung up has lost it, as at OpenAI
}

// refusal is an answer of the authority that gives no tokens.
func refusal(code string) any { return map[string]any{"error": map[string]string{"code": code}} }

func (a *authority) serve(r *http.Request) (answer any, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strings.HasPrefix(r.UserAgent(), codexAgent) {
		a.strays = append(a.strays, r.Method+" "+r.URL.String()+" by "+r.UserAgent())
		return refusal("not_for_you"), http.StatusForbidden
	}
	var request struct {
		GrantType    string `json:"grant_type"`
		RefreshToken string `json:"refresh_token"`
		Token        string `json:"token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return refusal("no_json"), http.StatusBadRequest
	}
	switch l := a.logins[request.RefreshToken]; {
	case r.URL.Path == "/oauth/revoke":
		a.revoked = append(a.revoked, request.Token)
		return struct{}{}, http.StatusOK
	case request.GrantType == "authorization_code":
		return a.begin(), http.StatusOK
	case l == nil:
		return refusal("refresh_token_invalidated"), http.StatusUnauthorized
	case l.newest != request.RefreshToken:
		a.reused++
		return refusal("refresh_token_reused"), http.StatusUnauthorized
	default:
		return a.issue(l), http.StatusOK
	}
}

// gate holds whoever comes first until it is opened.
type gate struct {
	once    sync.Once
	reached chan struct{} // closed when somebody has come
	open    chan struct{}
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) pass() {
	g.once.Do(func() {
		close(g.reached)
		<-g.open
	})
}
