package download

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

const content = "what is to be downloaded"

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestGet(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization") + r.Header.Get("X-API-Key") + r.Header.Get("Cookie"); got != "" {
			t.Errorf("a secret was sent: %q", got)
		}
		if got := r.Header.Get("User-Agent") + " " + r.Header.Get("Accept"); got != "cdx/1.4.0 application/json" {
			t.Errorf("got %q", got)
		}
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		} else {
			_ = http.NewResponseController(w).Flush() // so that no length is said
		}
		_, _ = w.Write([]byte(content))
	})
	sum := sha256.Sum256([]byte(content))
	for path, wantTotal := range map[string]int64{"/known": int64(len(content)), "/unknown": 0} {
		var got bytes.Buffer
		var done, total int64
		digest, err := Get(t.Context(), server.Client(), Request{
			URL: server.URL + path, Accept: "application/json", UserAgent: "cdx/1.4.0", Limit: int64(len(content)),
			Progress: func(d, all int64) { done, total = d, all },
		}, &got)
		if err != nil || got.String() != content || digest != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: got %q, %s, %v", path, got.String(), digest, err)
		}
		if done != int64(len(content)) || total != wantTotal {
			t.Errorf("%s: progress ended at %d of %d, want %d of %d", path, done, total, len(content), wantTotal)
		}
	}
}

func TestGetFails(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	say := func(length int, flush bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if length > 0 {
				w.Header().Set("Content-Length", strconv.Itoa(length))
			}
			if flush {
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = w.Write([]byte(content))
		}
	}
	size := int64(len(content))
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		request Request
		want    error
	}{
		"403":                      {status(403), Request{Limit: 100}, &StatusError{403}},
		"404":                      {status(404), Request{Limit: 100}, &StatusError{404}},
		"429":                      {status(429), Request{Limit: 100}, &StatusError{429}},
		"500":                      {status(500), Request{Limit: 100}, &StatusError{500}},
		"no content":               {status(204), Request{Limit: 100}, &StatusError{204}},
		"a part":                   {status(206), Request{Limit: 100}, &StatusError{206}},
		"a redirect":               {status(302), Request{Limit: 100}, &StatusError{302}},
		"announced too big":        {say(len(content), false), Request{Limit: size - 1}, ErrTooBig},
		"silently too big":         {say(0, true), Request{Limit: size - 1}, ErrTooBig},
		"other size than expected": {say(len(content), false), Request{Limit: 100, Size: size + 1}, ErrSize},
		"silently shorter":         {say(0, true), Request{Limit: 100, Size: size + 1}, ErrSize},
		"silently longer":          {say(0, true), Request{Limit: 100, Size: size - 1}, ErrSize},
		"cut off":                  {say(len(content)+1, false), Request{Limit: 100}, ErrSize},
		"cut off in a chunk": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(content))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, Request{Limit: 100}, ErrSize},
	} {
		server := serve(t, c.handler)
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		c.request.URL = server.URL
		var got bytes.Buffer
		_, err := Get(t.Context(), client, c.request, &got)
		wantStatus, isStatus := errors.AsType[*StatusError](c.want)
		if gotStatus, ok := errors.AsType[*StatusError](err); isStatus && (!ok || gotStatus.Status != wantStatus.Status) ||
			!isStatus && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if int64(got.Len()) > c.request.Limit {
			t.Errorf("%s: %d bytes were kept, of %d allowed", name, got.Len(), c.request.Limit)
		}
	}
}

// A packed answer would be another file than the one whose digest is known, and could grow without bounds.
func TestNothingIsUnpackedOnTheWay(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write(bytes.Repeat([]byte("a"), 1<<20))
	_ = writer.Close()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("got Accept-Encoding %q", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	var got bytes.Buffer
	if _, err := Get(t.Context(), server.Client(), Request{URL: server.URL, Limit: 10_000}, &got); err != nil || !bytes.Equal(got.Bytes(), packed.Bytes()) {
		t.Errorf("got %d bytes, %v", got.Len(), err)
	}
}

func TestSilenceEndsADownload(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"before the header": "", "within the body": content[:4]} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if first != "" {
				_, _ = w.Write([]byte(first))
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		})
		_, err := Get(t.Context(), server.Client(), Request{URL: server.URL, Limit: 100, Stall: 50 * time.Millisecond}, &bytes.Buffer{})
		if !errors.Is(err, ErrStalled) {
			t.Errorf("%s: got %v, want ErrStalled", name, err)
		}
	}
}

// Slowness is no silence: in all this takes longer than the silence that is allowed.
func TestASlowDownloadEnds(t *testing.T) {
	t.Parallel()
	const allowed = 4 * time.Second
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(allowed / 20)
		defer tick.Stop()
		for i := range len(content) {
			_, _ = w.Write([]byte(content[i : i+1]))
			_ = http.NewResponseController(w).Flush()
			<-tick.C
		}
	})
	began := time.Now()
	var got bytes.Buffer
	_, err := Get(t.Context(), server.Client(), Request{URL: server.URL, Limit: 100, Stall: allowed}, &got)
	if err != nil || got.String() != content || time.Since(began) < allowed {
		t.Errorf("got %q, %v after %v", got.String(), err, time.Since(began))
	}
}

func TestWhoeverAsksMayGiveUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := Get(ctx, server.Client(), Request{URL: server.URL, Limit: 100}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestAHugeHeaderIsNotRead(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Huge", strings.Repeat("a", 11<<20))
		_, _ = w.Write([]byte(content))
	})
	var got bytes.Buffer
	if _, err := Get(t.Context(), server.Client(), Request{URL: server.URL, Limit: 100}, &got); err == nil || got.Len() > 0 {
		t.Errorf("got %q, %v", got.String(), err)
	}
}

func TestErrorsShowNoAddress(t *testing.T) {
	t.Parallel()
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	server.Close()
	for _, address := range []string{
		server.URL + "/?signature=secret", "http://user:secret@" + server.Listener.Addr().String(), "http://[secret",
	} {
		_, err := Get(t.Context(), server.Client(), Request{URL: address, Limit: 100}, &bytes.Buffer{})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}

func TestFollowing(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		left, _ := strconv.Atoi(r.URL.Query().Get("left"))
		switch {
		case r.URL.Query().Get("to") != "":
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		case left > 0:
			http.Redirect(w, r, "/?signature=secret&left="+strconv.Itoa(left-1), http.StatusFound)
		default:
			if got := r.Header.Get("Referer"); got != "" {
				t.Errorf("the address before was given away: %q", got)
			}
			_, _ = w.Write([]byte(content))
		}
	})
	for path, want := range map[string]error{
		"/?left=9": nil, "/?left=10": ErrRedirect, "/?left=100000": ErrRedirect,
		"/?to=http://example.test/x":    ErrRedirect,
		"/?to=ftp://127.0.0.1/x":        ErrRedirect,
		"/?to=file:///etc/passwd":       ErrRedirect,
		"/?to=https://a:b@example.test": ErrRedirect,
	} {
		var got bytes.Buffer
		_, err := Get(t.Context(), Following(server.Client()), Request{URL: server.URL + path, Limit: 100}, &got)
		if !errors.Is(err, want) || want == nil && got.String() != content {
			t.Errorf("%s: got %q, %v, want %v", path, got.String(), err, want)
		}
	}
}

func TestMayFollow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"https://api.example", "https://elsewhere.example", true},
		{"https://api.example", "http://api.example", false},
		{"https://api.example", "http://127.0.0.1:8080", false},
		{"https://127.0.0.1", "http://127.0.0.1", false},
		{"http://127.0.0.1:1", "http://127.0.0.1:2", true},
		{"http://localhost:1", "http://[::1]:2", true},
		{"http://127.0.0.1:1", "http://127.0.0.1.example", false},
		{"http://127.0.0.1:1", "http://localhost.example", false},
		{"http://127.0.0.1:1", "https://elsewhere.example", true},
		{"http://api.example", "http://api.example", false},
		{"https://api.example", "https://user@api.example", false},
		{"https://api.example", "file:///etc/passwd", false},
	} {
		from, _ := url.Parse(c.from)
		to, _ := url.Parse(c.to)
		if got := mayFollow(from, to); got != c.want {
			t.Errorf("from %s to %s: got %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
