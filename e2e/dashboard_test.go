package e2e

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A browser's way: a link from the console, the button, the first page with its files, by either way of coming in.
func TestDashboardInABrowser(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	session := logIn(g, strings.TrimSpace(g.must("admin", "link", "--role", "viewer").out))
	if got := g.onLocalSite("GET", "/", session); got.status != http.StatusSeeOther || got.header.Get("Location") != "/dashboard/" {
		t.Errorf("/: got %s to %q", got, got.header.Get("Location"))
	}
	page := g.onLocalSite("GET", "/dashboard/", session)
	if page.status != http.StatusOK || !strings.Contains(page.body, "<h1>Overview</h1>") || page.header.Get("Content-Security-Policy") == "" {
		t.Fatalf("the overview: got %s", page)
	}
	_, sheet, _ := strings.Cut(page.body, `<link rel="stylesheet" href="`)
	sheet, _, _ = strings.Cut(sheet, `"`)
	if got := g.onLocalSite("GET", sheet); got.status != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || !strings.Contains(got.body, "--accent") {
		t.Errorf("%s: got %s", sheet, got)
	}
	admin := g.adminClient(g.addCert("ops@laptop"))
	g.eventually(callDeadline, "the certificate opens the dashboard", func() bool {
		got, err := callWith(admin, "GET", g.AdminURL+"/dashboard/", nil, "")
		return err == nil && got.status == http.StatusOK && strings.Contains(got.body, "ops@laptop")
	})
}

// follower is a browser that is told of changes.
type follower struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Scanner
}

// follow opens the stream of changes as a browser does that would like it compressed.
func (g *gateway) follow(session string) *follower {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), startDeadline)
	g.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.LocalURL+"/dashboard/events", http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	_, cookie, _ := strings.Cut(session, ": ")
	request.Header = http.Header{"Cookie": {cookie}, "Accept-Encoding": {"gzip"}, "Accept": {"text/event-stream"}}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	g.t.Cleanup(transport.CloseIdleConnections)
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = answer.Body.Close() })
	return &follower{g.t, answer, bufio.NewScanner(answer.Body)}
}

// hears reads until a line comes.
func (f *follower) hears(want string) {
	f.t.Helper()
	for f.lines.Scan() {
		if f.lines.Text() == want {
			return
		}
	}
	f.t.Fatalf("the stream ended before %q: %v", want, f.lines.Err())
}

// ends reads until the stream does.
func (f *follower) ends() {
	f.t.Helper()
	_, _ = io.Copy(io.Discard, f.answer.Body)
	if err := f.answer.Request.Context().Err(); err != nil {
		f.t.Fatalf("the stream has not ended: %v", err)
	}
}

// Compression, a reload and a stop are what an operator's site does to a stream: it is told of changes at once, uncompressed,
// and ends with its configuration. Caddy's patience would be ten minutes here.
func TestStreamOfChanges(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: func(shipped string) string {
		shipped = replaceOnce(t, shipped, "grace_period 10s", "grace_period 10m")
		return replaceOnce(t, shipped, "access session token", "access session token\n\t}\n\tencode {\n\t\tgzip")
	}})
	session := logIn(g, strings.TrimSpace(g.must("admin", "link").out))
	page := g.onLocalSite("GET", "/dashboard/", session, "Accept-Encoding: gzip")
	if reader, err := gzip.NewReader(strings.NewReader(page.body)); err != nil || page.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("the site does not compress: %v, %v, %v", reader, err, page.header)
	}
	first := g.follow(session)
	if answer := first.answer; answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Encoding") != "" || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %s %v", answer.Status, answer.Header)
	}
	first.hears("retry: 1000")
	first.hears("event: hello")
	g.addHost("told.example")
	first.hears("event: hosts")

	g.writeConfig(strings.Replace(g.readConfig(), "grace_period 10m", "grace_period 11m", 1))
	g.reload()
	first.ends()
	second := g.follow(session)
	second.hears("event: hello")

	g.stop()
	second.ends()
}
