package call

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func namedTable() *Table {
	table := NewTable(slog.New(slog.DiscardHandler), nil)
	for _, route := range [][2]string{
		{"POST", "/auth"}, {"DELETE", "/auth"}, {"GET", "/install/{}"}, {"POST", "/install/{}"}, {"GET", "/install/bin/{}"}, {"GET", "/"},
		{"DELETE", "/hosts/{}"}, {"POST", "/hosts/new"}, {"POST", "/hosts/{}/vip"}, {"POST", "/hosts/new/{}"}, {"POST", "/hosts/{}/deep/er"}, {"GET", "/{}/last"},
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
		{"DELETE", "/hosts/7", 200, ok("DELETE /hosts/{} 7"), ""},
		{"DELETE", "/hosts/new", 405, notAllowed, "OPTIONS, POST"},
		{"POST", "/hosts/7/vip", 200, ok("POST /hosts/{}/vip 7"), ""},
		{"POST", "/hosts/7/vip/", 200, ok("POST /hosts/{}/vip 7"), ""},
		{"POST", "/hosts/new/vip", 200, ok("POST /hosts/new/{} vip"), ""},
		{"POST", "/hosts/a%2Fb/vip", 200, ok("POST /hosts/{}/vip a%2Fb"), ""},
		{"POST", "/hosts/7/deep/er", 200, ok("POST /hosts/{}/deep/er 7"), ""},
		{"GET", "/hosts/7/vip", 405, notAllowed, "OPTIONS, POST"},
		{"OPTIONS", "/hosts/7/vip", 204, "", "OPTIONS, POST"},
		{"POST", "/hosts//vip", 404, notFound, ""},
		{"POST", "/hosts/7//vip", 404, notFound, ""},
		{"POST", "/hosts/7/8/vip", 404, notFound, ""},
		{"POST", "/hosts/7/VIP", 404, notFound, ""},
		{"POST", "/hosts/7/%76ip", 404, notFound, ""},
		{"POST", "/hosts/7/deep", 404, notFound, ""},
		{"POST", "/hosts/7/deep/er/est", 404, notFound, ""},
		{"GET", "/x/last", 200, ok("GET /{}/last x"), ""},
		{"GET", "//last", 404, notFound, ""},
		{"GET", "/last", 404, notFound, ""},
		{"GET", "/" + strings.Repeat("x/", 400_000) + "last", 404, notFound, ""},
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
	want := []string{
		"DELETE /auth", "DELETE /hosts/{}", "GET /", "GET /install/bin/{}", "GET /install/{}", "GET /{}/last", "POST /auth", "POST /hosts/new",
		"POST /hosts/new/{}", "POST /hosts/{}/deep/er", "POST /hosts/{}/vip", "POST /install/{}",
	}
	if got := namedTable().Routes(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// One {} is what a route may have, and it is a whole segment: anything else would never be matched.
func TestNoSuchRoutes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/{}/{}", "/hosts/x{}", "/hosts/{id}", "{}"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("got a route %s", path)
				}
			}()
			namedTable().Handle("GET", path, nil)
		}()
	}
}

// A route of Forms takes a form as it is; of everything else, and everywhere else, the syntax is checked.
func TestForms(t *testing.T) {
	t.Parallel()
	table := NewTable(slog.New(slog.DiscardHandler), nil)
	echo := func(_ http.ResponseWriter, r *Request) (any, error) { return string(r.Body), nil }
	table.HandleAs(Forms, "POST", "/upload", echo)
	table.Handle("POST", "/other", echo)
	for _, c := range []struct {
		path, kind, body string
		status           int
	}{
		{"/upload", "multipart/form-data; boundary=x", "--x--", 200},
		{"/upload", "Multipart/Form-Data", "--x--", 200},
		{"/upload", "application/json", "--x--", 400},
		{"/upload", "application/json", "{}", 200},
		{"/upload", "", "--x--", 400},
		{"/upload", "multipart/form-data;", "--x--", 200},
		{"/upload", "multipart/form-data; boundary", "--x--", 400},
		{"/other", "multipart/form-data; boundary=x", "--x--", 400},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		table.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s as %q: got %d %s, want %d", c.path, c.kind, w.Code, w.Body, c.status)
		}
	}
}

func TestEntityTags(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w, _ := serve(t, r, func(http.ResponseWriter, *Request) (any, error) { return Tagged{`"a"`, 1}, nil })
	if w.Header().Get("Etag") != `"a"` || w.Body.String() != `{"status":"ok","data":1}` {
		t.Errorf("got %v %s", w.Header(), w.Body)
	}
	for _, c := range []struct {
		expected []string
		etag     string
		want     bool
	}{
		{nil, `"a"`, true}, {nil, "", true},
		{[]string{`"a"`}, `"a"`, true}, {[]string{`"b", "a"`}, `"a"`, true}, {[]string{`"b"`, ` "a" `}, `"a"`, true}, {[]string{"*"}, `"a"`, true},
		{[]string{`"b"`}, `"a"`, false}, {[]string{`W/"a"`}, `"a"`, false}, {[]string{"a"}, `"a"`, false}, {[]string{""}, `"a"`, false},
		{[]string{"*"}, "", false}, {[]string{""}, "", false}, {[]string{`"a"`}, "", false},
	} {
		request := &Request{Request: r.Clone(t.Context())}
		request.Header["If-Match"] = c.expected
		if got := request.Still(c.etag); got != c.want {
			t.Errorf("%q of %q: got %t", c.expected, c.etag, got)
		}
	}
}
