package call

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
)

func namedTable() *Table {
	table := NewTable(slog.New(slog.DiscardHandler), nil)
	for _, route := range [][2]string{
		{"POST", "/auth"}, {"DELETE", "/auth"}, {"GET", "/install/{}"}, {"POST", "/install/{}"}, {"GET", "/install/bin/{}"}, {"GET", "/"},
	} {
		table.Handle(route[0], route[1], func(_ http.ResponseWriter, r *Request) (any, error) {
			return route[0] + " " + route[1] + " " + r.Param, nil
		})
	}
	return table
}

// What every answer has, refusals have too, and so has whoever answers in the table's place.
func TestAlways(t *testing.T) {
	t.Parallel()
	table := NewTable(slog.New(slog.DiscardHandler), nil)
	table.Always(http.Header{"X-Content-Type-Options": {"nosniff"}})
	table.Handle(http.MethodGet, "/a", func(http.ResponseWriter, *Request) (any, error) { return "a", nil })
	for _, path := range []string{"/a", "/b"} {
		w := httptest.NewRecorder()
		table.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: got %q", path, got)
		}
	}
	header := http.Header{}
	table.Decorate(header)
	if header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %v", header)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := namedTable()
	const notFound = `{"status":"error","message":"Route not found","code":"route_not_found"}`
	const notAllowed = `{"status":"error","message":"Method not allowed","code":"method_not_allowed"}`
	ok := func(answer string) string { return `{"status":"ok","data":"` + answer + `"}` }
	for _, c := range []struct {
		method, path string
		status       int
		body, allow  string
	}{
		{"POST", "/auth", 200, ok("POST /auth "), ""},
		{"POST", "/auth/", 200, ok("POST /auth "), ""},
		{"POST", "/auth///", 200, ok("POST /auth "), ""},
		{"DELETE", "/auth", 200, ok("DELETE /auth "), ""},
		{"GET", "/auth", 405, notAllowed, "DELETE, OPTIONS, POST"},
		{"HEAD", "/auth", 405, notAllowed, "DELETE, OPTIONS, POST"},
		{"OPTIONS", "/auth", 204, "", "DELETE, OPTIONS, POST"},
		{"OPTIONS", "/authx", 404, notFound, ""},
		{"post", "/auth", 405, notAllowed, "DELETE, OPTIONS, POST"},
		{"POST", "/Auth", 404, notFound, ""},
		{"POST", "//auth", 404, notFound, ""},
		{"POST", "/auth/x", 404, notFound, ""},
		{"POST", "/authx", 404, notFound, ""},
		{"GET", "/", 200, ok("GET / "), ""},
		{"GET", "///", 200, ok("GET / "), ""},
		{"GET", "/install/abc", 200, ok("GET /install/{} abc"), ""},
		{"GET", "/install/abc/", 200, ok("GET /install/{} abc"), ""},
		{"GET", "/install/{}", 200, ok("GET /install/{} %7B%7D"), ""},
		{"HEAD", "/install/abc", 200, ok("GET /install/{} abc"), ""},
		{"PUT", "/install/abc", 405, notAllowed, "GET, HEAD, OPTIONS, POST"},
		{"GET", "/install/bin", 200, ok("GET /install/{} bin"), ""},
		{"GET", "/install/bin/cdx", 200, ok("GET /install/bin/{} cdx"), ""},
		{"POST", "/install/bin/cdx", 405, notAllowed, "GET, HEAD, OPTIONS"},
		{"GET", "/install/", 404, notFound, ""},
		{"GET", "/install/a/b", 404, notFound, ""},
		{"GET", "/install/../auth", 404, notFound, ""},
		{"POST", "/%61uth", 404, notFound, ""},
		{"GET", "/install/a%2Fb", 200, ok("GET /install/{} a%2Fb"), ""},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL.RawPath = c.method, c.path
		if path, err := url.PathUnescape(c.path); err != nil {
			t.Fatal(err)
		} else {
			r.URL.Path = path
		}
		table.ServeHTTP(w, r)
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d %s, Allow %q\nwant %d %s, Allow %q", c.method, c.path, w.Code, w.Body, w.Header().Get("Allow"), c.status, c.body, c.allow)
		}
		if got, want := table.Owns(r), c.status != 404; got != want {
			t.Errorf("%s: got owned %t, want %t", c.path, got, want)
		}
	}
}

// Several tables share a site: what is not its own a table must leave untouched.
func TestTryServeTouchesNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if namedTable().TryServe(w, httptest.NewRequest(http.MethodPost, "/other", failingReader{t})) {
		t.Error("got another's path served")
	}
	if len(w.Header()) != 0 || w.Body.Len() != 0 {
		t.Errorf("got headers %v and body %q", w.Header(), w.Body)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	want := []string{"DELETE /auth", "GET /", "GET /install/bin/{}", "GET /install/{}", "POST /auth", "POST /install/{}"}
	if got := namedTable().Routes(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
