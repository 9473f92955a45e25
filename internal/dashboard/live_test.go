package dashboard_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/dashboard"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// streamPatience bounds what a test waits for on a stream. Nothing takes as long.
const streamPatience = time.Minute

// quick has the database be asked all the time, and no beats.
var quick = dashboard.LiveConfig{Every: 5 * time.Millisecond, Recheck: 5 * time.Millisecond, Beat: time.Hour}

// frame is what a stream sends between two empty lines, by field.
type frame map[string]string

// stream is an open one.
type stream struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Scanner
}

// open asks for the stream as a browser does that was told lastID ("": nothing) and shows what header has.
func open(t *testing.T, client *http.Client, url string, header http.Header, lastID string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), streamPatience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/dashboard/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	r.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		r.Header.Set("Last-Event-Id", lastID)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &stream{t, answer, bufio.NewScanner(answer.Body)}
}

// next waits for a frame; nil: the stream has ended.
func (s *stream) next() frame {
	s.t.Helper()
	f := frame{}
	for s.lines.Scan() {
		if s.lines.Text() == "" {
			return f
		}
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		f[name] = value
	}
	if err := s.lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		s.t.Fatalf("the stream neither says anything nor ends: %v", err)
	}
	return nil
}

// hello waits until the stream says how things stand, and returns the id.
func (s *stream) hello() string {
	s.t.Helper()
	if f := s.next(); f["retry"] != "1000" {
		s.t.Fatalf("got %v first, want when to come back", f)
	}
	f := s.next()
	if f["event"] != "hello" || f["id"] == "" || f["data"] != f["id"] {
		s.t.Fatalf("got %v, want hello with an id", f)
	}
	return f["id"]
}

// topics waits until the stream has told of all of these; what else it tells of does not matter.
func (s *stream) topics(want ...string) (id string) {
	s.t.Helper()
	for len(want) > 0 {
		f := s.next()
		if f == nil {
			s.t.Fatalf("the stream ended and had not told of %q", want)
		}
		id = f["id"]
		want = slices.DeleteFunc(want, func(topic string) bool { return topic == f["event"] })
	}
	return id
}

// ends waits until the stream does.
func (s *stream) ends() {
	s.t.Helper()
	for s.next() != nil {
	}
}

func TestStreamTellsWhatChanges(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Live: quick})
	in := b.session(t, access.Viewer)
	s := open(t, b.client, b.site.URL, in, "")
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"} {
		if got := s.answer.Header.Get(name); s.answer.StatusCode != http.StatusOK || got != want {
			t.Errorf("got %d, %s %q, want %q", s.answer.StatusCode, name, got, want)
		}
	}
	first := s.hello()
	b.Register(t, "new.example")
	second := s.topics("hosts", "audit")
	if first == second {
		t.Errorf("the id is %s before and after a change", first)
	}
	b.Upload(t, login())
	s.topics("credential")
	b.Exec(t, "INSERT INTO policy (name, value, updated_at) VALUES ('api_disabled', 'false', now())")
	s.topics("policy")

	// Who was away is told what he missed, and only that; whose id is no good is told how things stand.
	back := open(t, b.client, b.site.URL, in, second)
	if f := back.next(); f["retry"] != "1000" {
		t.Errorf("got %v first", f)
	}
	back.topics("credential", "policy")
	open(t, b.client, b.site.URL, in, "of another gateway").hello()
}

func TestStreamBeats(t *testing.T) {
	t.Parallel()
	config := quick
	config.Beat = time.Millisecond
	b := newBrowser(t, gatewaytest.Options{Live: config})
	s := open(t, b.client, b.site.URL, b.session(t, access.Viewer), "")
	if id := s.topics("beat", "beat"); id == "" {
		t.Error("a beat has no id")
	}
}

// A gateway that stops, or is configured anew, does not wait for its streams, and begins none; pages are served on.
func TestStreamsEndWithTheGateway(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Live: quick})
	in := b.session(t, access.Viewer)
	streams := []*stream{open(t, b.client, b.site.URL, in, ""), open(t, b.client, b.site.URL, in, "")}
	streams[0].hello()
	for range 2 {
		b.Dashboard.Close()
	}
	for _, s := range streams {
		s.ends()
	}
	late := open(t, b.client, b.site.URL, in, "")
	late.ends()
	if a := b.site.Do(t, b.client, gatewaytest.Request{Path: "/dashboard/", Header: in}); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// Whoever may not look any more is told nothing any more.
func TestStreamEndsWithItsVisitor(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Live: quick})
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		in := b.session(t, access.Owner)
		s := open(t, b.client, b.site.URL, in, "")
		s.hello()
		id := b.Int(t, "SELECT id FROM admin_session WHERE role = 'owner'")
		if err := b.Access.RevokeSession(t.Context(), id, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
		s.ends()
		if again := open(t, b.client, b.site.URL, in, ""); again.answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %d", again.answer.StatusCode)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		t.Parallel()
		added, err := b.Certs.Add(t.Context(), "ops", adminca.AddOptions{Role: string(access.Owner)}, gatewaytest.Operator)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, b.AdminClient(t, added.Files.Cert, added.Files.Key), b.AdminURL(), http.Header{}, "")
		s.hello()
		if _, err := b.Certs.Revoke(t.Context(), "ops", "", gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
		s.ends()
	})
}

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	config := quick
	config.Streams = 1
	b := newBrowser(t, gatewaytest.Options{Live: config})
	in := b.session(t, access.Viewer)
	first := open(t, b.client, b.site.URL, in, "")
	first.hello()
	if s := open(t, b.client, b.site.URL, in, ""); s.answer.StatusCode != http.StatusServiceUnavailable || s.answer.Header.Get("Retry-After") != "30" {
		t.Errorf("got %d, come back after %q", s.answer.StatusCode, s.answer.Header.Get("Retry-After"))
	}
	_ = first.answer.Body.Close()
	for deadline := time.Now().Add(streamPatience); ; {
		s := open(t, b.client, b.site.URL, in, "")
		if s.answer.StatusCode == http.StatusOK {
			s.hello()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d long after the only stream was left", s.answer.StatusCode)
		}
	}
}

func TestWhoMayListen(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Live: quick})
	for name, header := range map[string]http.Header{"nobody": {}, "a guess": {"Cookie": {"__Host-cdxgate=" + strings.Repeat("A", 43)}}, "a token": bearer(b.token(t))} {
		if s := open(t, b.client, b.site.URL, header, ""); s.answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: got %d", name, s.answer.StatusCode)
		}
	}
	head := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodHead, Path: "/dashboard/events", Header: b.session(t, access.Viewer)})
	if head.Status != 200 || head.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: got %d %v", head.Status, head.Header)
	}
}
