package github_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
)

func says(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	api := githubtest.New(t, "rust-v0.63.0")
	client := github.New(api.URL)
	first, err := client.Latest(t.Context(), "")
	if err != nil || first.Version != "0.63.0" || first.ETag == "" || first.Unchanged {
		t.Fatalf("got %+v, %v", first, err)
	}
	again, err := client.Latest(t.Context(), first.ETag)
	if err != nil || !again.Unchanged || again.ETag != first.ETag || again.Version != "" {
		t.Errorf("got %+v, %v; want that nothing has changed", again, err)
	}
	api.Release("rust-v0.64.0")
	if newer, err := client.Latest(t.Context(), first.ETag); err != nil || newer.Version != "0.64.0" || newer.ETag == first.ETag {
		t.Errorf("got %+v, %v", newer, err)
	}
	for _, r := range api.Asked() {
		if r.URL.Path != "/repos/openai/codex/releases/latest" || r.URL.RawQuery != "" || r.Header.Get("User-Agent") != "cdxgate" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked %s with %v", r.URL, r.Header)
		}
	}
}

// Whatever an API says, only a release of the right form is one, and little of it gets into an error.
func TestAnswersThatAreNoRelease(t *testing.T) {
	t.Parallel()
	const good, kind = `{"tag_name":"rust-v0.63.0"}`, "application/json"
	elsewhere := githubtest.New(t, "rust-v9.9.9")
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	if _, err := packer.Write([]byte(`{"tag_name":"rust-v0.63.0","x":"` + strings.Repeat("x", 5<<20) + `"}`)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	release := func(tag string) http.HandlerFunc { return says(kind, fmt.Sprintf(`{"tag_name":%q}`, tag)) }
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		reason string // "": it is one
	}{
		"the least that it takes": {says(kind, good), ""},
		"an own kind of JSON":     {says("application/vnd.github+json; charset=utf-8", good), ""},
		"huge numbers":            {release("rust-v999999999.0.999999999"), ""},
		"a page":                  {says("text/html", good), "something else than JSON"},
		"no kind":                 {says("", good), "something else than JSON"},
		"garbage":                 {says(kind, "\x00\xff{"), "is no release"},
		"empty":                   {says(kind, ""), "is no release"},
		"a list":                  {says(kind, `[{"tag_name":"rust-v0.63.0"}]`), "is no release"},
		"null":                    {says(kind, `null`), "is no release"},
		"moved fields":            {says(kind, `{"release":{"tag_name":"rust-v0.63.0"}}`), "is no release"},
		"a name only":             {says(kind, `{"name":"0.63.0"}`), "is no release"},
		"a number":                {says(kind, `{"tag_name":63}`), "is no release"},
		"more behind it":          {says(kind, good+good), "is no release"},
		"a draft":                 {says(kind, `{"tag_name":"rust-v0.63.0","draft":true}`), "draft or a pre-release"},
		"a pre-release":           {says(kind, `{"tag_name":"rust-v0.63.0","prerelease":true}`), "draft or a pre-release"},
		"an alpha":                {release("rust-v0.64.0-alpha.1"), "want rust-vN.N.N"},
		"another program's":       {release("v0.63.0"), "want rust-vN.N.N"},
		"without a v":             {release("rust-0.63.0"), "want rust-vN.N.N"},
		"two numbers":             {release("rust-v0.63"), "want rust-vN.N.N"},
		"leading zeros":           {release("rust-v0.063.0"), "want rust-vN.N.N"},
		"a line end":              {release("rust-v0.63.0\n"), "want rust-vN.N.N"},
		"too many digits":         {release("rust-v0.1234567890.0"), "want rust-vN.N.N"},
		"a command":               {release("rust-v0.63.0; reboot"), "want rust-vN.N.N"},
		"a long tag":              {release(strings.Repeat("x", 100_000)), "want rust-vN.N.N"},
		"huge":                    {says(kind, `{"tag_name":"rust-v0.63.0","x":"`+strings.Repeat("x", 5<<20)+`"}`), "more than 4194304 bytes"},
		"unchanged, unasked":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, "304"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
		}, "redirects to another place"},
		"round and round": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirects to another place"},
		"elsewhere on the way": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/repos/") {
				http.Redirect(w, r, "/on", http.StatusTemporaryRedirect)
				return
			}
			http.Redirect(w, r, elsewhere.URL+"/repos/openai/codex/releases/latest", http.StatusPermanentRedirect)
		}, "redirects to another place"},
		"another protocol": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusFound)
		}, "redirects to another place"},
		"nowhere": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://"+strings.Repeat("%zz", 10_000))
			w.WriteHeader(http.StatusFound)
		}, "Location"},
		"huge headers": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", strings.Repeat("x", 1<<20))
			says(kind, good)(w, r)
		}, "header"},
		"huge when unpacked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		}, "more than 4194304 bytes"},
		"deep": {says(kind, `{"tag_name":"rust-v0.63.0","x":`+strings.Repeat("[", 1<<20)+strings.Repeat("]", 1<<20)+`}`), "is no release"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(good))
		}, "reading the releases API's answer"},
		"moved there": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/repos/") {
				http.Redirect(w, r, "/repositories/1/releases/latest", http.StatusMovedPermanently)
				return
			}
			says(kind, good)(w, r)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			defer server.Close()
			got, err := github.New(server.URL).Latest(t.Context(), "")
			switch {
			case c.reason == "" && (err != nil || !strings.Contains("0.63.0 999999999.0.999999999", got.Version)):
				t.Errorf("got %+v, %v; want a release", got, err)
			case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason) || len(err.Error()) > 400):
				t.Errorf("got %+v, %v; want %q in few words", got, err, c.reason)
			}
		})
	}
	if len(elsewhere.Asked()) > 0 {
		t.Error("a redirect to another place was followed")
	}
}

// An API that wants to be left alone says for how long; a slow or dead one is given up.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header http.Header
		wait   time.Duration
	}{
		"forbidden":     {403, nil, 0},
		"too many":      {429, http.Header{"Retry-After": {"120"}}, 2 * time.Minute},
		"limited":       {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(time.Hour).Unix())}}, time.Hour},
		"some left":     {403, http.Header{"X-Ratelimit-Remaining": {"5"}, "X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(time.Hour).Unix())}}, 0},
		"reset past":    {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1"}}, 0},
		"for ever":      {429, http.Header{"Retry-After": {"2147483647"}}, 24 * time.Hour},
		"never":         {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"9223372036854775807"}}, 24 * time.Hour},
		"longer still":  {429, http.Header{"Retry-After": {"99999999999999999999999"}}, 24 * time.Hour},
		"later still":   {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"99999999999999999999999"}}, 24 * time.Hour},
		"nonsense":      {429, http.Header{"Retry-After": {"soon"}}, 0},
		"negative":      {429, http.Header{"Retry-After": {"-5"}}, 0},
		"broken":        {500, nil, 0},
		"not there":     {404, nil, 0},
		"created":       {201, nil, 0},
		"a lost header": {503, http.Header{"Retry-After": {""}}, 0},
		"no more than":  {429, http.Header{"Retry-After": {"0"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"9223372036854775807"}}, 0},
		"a moment":      {503, http.Header{"Date": {"Wed, 25 Nov 2026 12:00:00 GMT"}, "Retry-After": {"Wed, 25 Nov 2026 12:05:00 GMT"}}, 5 * time.Minute},
		"a moment past": {503, http.Header{"Date": {"Wed, 25 Nov 2026 12:00:00 GMT"}, "Retry-After": {"Wed, 25 Nov 2026 11:05:00 GMT"}}, 0},
		"its own clock": {403, http.Header{"Date": {"Thu, 01 Jan 1970 00:10:00 GMT"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"720"}}, 2 * time.Minute},
		"no clock":      {403, http.Header{"Date": {"today"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"-9223372036854775808"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				maps.Copy(w.Header(), c.header)
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			_, err := github.New(server.URL).Latest(t.Context(), `"known"`)
			refusal, is := errors.AsType[*github.RefusalError](err)
			if !is || refusal.Status != c.status || refusal.Wait > c.wait || refusal.Wait < c.wait-time.Minute {
				t.Errorf("got %v, want status %d and to wait %s", err, c.status, c.wait)
			}
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	ctx, giveUp := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer giveUp()
	if _, err := github.New(server.URL).Latest(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slow one: got %v, want that it is given up", err)
	}
	server.CloseClientConnections()
	server.Close()
	drips := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer drips.Close()
	ctx, giveUp = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer giveUp()
	if _, err := github.New(drips.URL).Latest(ctx, ""); err == nil {
		t.Error("one that never ends: got no error")
	}
	if _, err := github.New(server.URL).Latest(t.Context(), ""); err == nil {
		t.Error("a dead one: got no error")
	}
}

// An ETag that cannot be sent back is not kept.
func TestETags(t *testing.T) {
	t.Parallel()
	for etag, want := range map[string]string{`W/"a"`: `W/"a"`, strings.Repeat("x", 257): "", `"ü"`: "", "": ""} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", etag)
			says("application/json", `{"tag_name":"rust-v0.63.0"}`)(w, r)
		}))
		if got, err := github.New(server.URL).Latest(t.Context(), ""); err != nil || got.ETag != want {
			t.Errorf("%q: got %+v, %v; want %q", etag, got, err, want)
		}
		server.Close()
	}
}
