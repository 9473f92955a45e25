//go:build unix

package cdx

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// Who may not write the configuration goes on with the old key, and is told.
func TestTakeKeyWithoutRights(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	r := newRigAt(t, g.server.URL)
	text := r.read(filepath.Join(r.dir, "host.json"))
	dir, codex := filepath.Join(r.dir, "etc"), filepath.Dir(r.auth)
	path := filepath.Join(dir, "host.json")
	login := loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z", Lifetime: time.Hour}.encode()
	r.put(path, text)
	r.put(r.auth, login)
	cmd := r.command("cdx", []string{"sync"}, "CDX_CONFIG_PATH="+path, "HOME="+codex)
	if r.asNobody(cmd) {
		for _, name := range []string{path, codex, r.auth} {
			if err := os.Chown(name, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	g.expect(withKey(about("valid", "", nil), nextKey))
	_, stderr, status := r.finish(cmd)
	if status != 0 || !strings.Contains(stderr, "has a new API key for this machine") || !strings.Contains(stderr, "host.json") || strings.Contains(stderr, nextKey) {
		t.Errorf("got %d, %s", status, stderr)
	}
	if after := r.read(path); !bytes.Equal(after, text) {
		t.Errorf("got %s", after)
	}
}

// The key that an answer brings is written before it is used, and it is the next run that uses it.
func TestTakeKeyFromAnAnswer(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	r := newRigAt(t, g.server.URL)
	r.put(r.auth, loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z", Lifetime: time.Hour}.encode())
	g.expect(withKey(about("valid", "", nil), nextKey), about("valid", "", nil))
	for i, want := range []string{plantedKey, nextKey} {
		_, stderr, status := r.run([]string{"sync"})
		if last, _ := g.last(); status != 0 || last.Header.Get("X-Api-Key") != want || strings.Contains(stderr, nextKey) {
			t.Errorf("run %d: got %d, %s", i+1, status, stderr)
		}
	}
	for _, name := range []string{"blocks.json", "state.json"} {
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(r.auth), ".cdx", name)); err == nil && bytes.Contains(text, []byte(nextKey)) {
			t.Errorf("%s holds the key", name)
		}
	}
}

// withKey is an answer to POST /sync that brings an API key.
func withKey(answer fakeAnswer, key string) fakeAnswer {
	body := answer.word.at(api.PathSync, nil)
	return fakeAnswer{status: answer.status, body: bytes.Replace(body, []byte(`"users":[]`), []byte(`"api_key":"`+key+`","users":[]`), 1)}
}

// A key that another cdx has replaced meanwhile is exchanged in the middle of a run, once.
func TestAKeyThatEndedIsExchanged(t *testing.T) {
	t.Parallel()
	g := newFakeGateway()
	t.Cleanup(g.close)
	c := kept(t, enrolled(t, signerA.offer(nil)))
	client := appAt(theDay).newClient(c)
	ask := func() error { return client.post(t.Context(), g.server.URL+"/usage", map[string]int{"total": 7}, nil) }
	ended := refused(http.StatusUnauthorized, "api_key_invalid", "Invalid API key")

	g.expect(ended)
	if err := ask(); err == nil || len(g.asked()) != 1 {
		t.Errorf("got %v: it asks again with the key that was refused", err)
	}
	if note := appAt(theDay).takeKey(onDisk(t, c.path), nextKey); note != "" {
		t.Fatal(note)
	}
	g.expect(ended, about("valid", "", nil))
	var answer any
	if err := client.post(t.Context(), g.server.URL+"/usage", map[string]int{"total": 7}, &answer); err != nil {
		t.Error(err)
	}
	if last, _ := g.last(); last.Header.Get("X-Api-Key") != nextKey || string(last.Raw) != `{"total":7}`+"\n" || len(g.asked()) != 2 {
		t.Errorf("got %s", last.Raw)
	}
	for _, code := range []string{"host_disabled", "ip_mismatch"} {
		g.expect(refused(http.StatusForbidden, code, "no"))
		if err := ask(); err == nil || len(g.asked()) != 1 {
			t.Errorf("%s: got %v", code, err)
		}
	}
	if err := g.open(); err != nil {
		t.Error(err)
	}
}
