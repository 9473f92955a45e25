// Package githubtest is a releases API on this machine that says what a test wants, so that no test asks GitHub.
package githubtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// API is a releases API. It ends with its test.
type API struct {
	URL string

	mu     sync.Mutex
	asked  []*http.Request
	answer http.HandlerFunc
}

// New starts an API whose newest release has this tag.
func New(t testing.TB, tag string) *API {
	t.Helper()
	a := &API{}
	a.Release(tag)
	server := httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r)
	answer := a.answer
	a.mu.Unlock()
	answer(w, r)
}

// Release makes the newest release one with this tag. Who knows it already is told so.
func (a *API) Release(tag string) {
	a.Answer(func(w http.ResponseWriter, r *http.Request) {
		etag := fmt.Sprintf(`W/"%x"`, tag)
		w.Header().Set("Etag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = fmt.Fprintf(w, `{"tag_name":%q,"name":"Codex","draft":false,"prerelease":false,"assets":[{"name":"codex.tar.gz"}]}`, tag)
	})
}

// Answer makes the API answer like this from now on.
func (a *API) Answer(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// Asked is every question so far.
func (a *API) Asked() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.asked...)
}
