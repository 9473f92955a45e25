// Package githubtest is a releases API on this machine that says what a test wants, so that no test asks GitHub.
package githubtest

import (
	"crypto/sha256"
	"encoding/json"
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

// Release makes the newest release one with this tag and no notes. Who knows it already is told so.
func (a *API) Release(tag string) {
	a.say(map[string]any{"tag_name": tag, "name": "Codex", "draft": false, "prerelease": false, "assets": []map[string]string{{"name": "codex.tar.gz"}}})
}

// Notes makes the newest release one with this tag and these notes, published on 20 November 2026. Who knows it already is told so.
func (a *API) Notes(tag, notes string) {
	a.say(map[string]any{"tag_name": tag, "name": "Codex", "draft": false, "prerelease": false, "body": notes, "published_at": "2026-11-20T08:30:00Z"})
}

func (a *API) say(release map[string]any) {
	body, err := json.Marshal(release)
	if err != nil {
		panic(err) // texts always encode
	}
	etag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(body))
	a.Answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
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
