package call

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// Table is a surface's routes. A path is matched letter by letter after trailing slashes are dropped; its last segment
// may be {}, which matches any one segment.
type Table struct {
	logger *slog.Logger
	routes map[string]map[string]Func // :: path → method → function
}

// NewTable makes an empty table whose refusals are logged to logger.
func NewTable(logger *slog.Logger) *Table {
	return &Table{logger: logger, routes: map[string]map[string]Func{}}
}

// Handle adds a route.
func (t *Table) Handle(method, path string, serve Func) {
	if t.routes[path] == nil {
		t.routes[path] = map[string]Func{}
	}
	t.routes[path][method] = serve
}

// Routes lists "METHOD path" of every route, sorted: the documentation is checked against it.
func (t *Table) Routes() []string {
	var all []string
	for path, methods := range t.routes {
		for method := range methods {
			all = append(all, method+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// ServeHTTP answers every request: a path that has no route is the contract's 404.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.TryServe(w, r) {
		Serve(w, r, t.logger, "-", "", func(http.ResponseWriter, *Request) (any, error) { return nil, ErrNoRoute })
	}
}

// Owns reports whether a path is one of the table's, whatever the method.
func (t *Table) Owns(path string) bool {
	_, _, methods := t.match(path)
	return methods != nil
}

// TryServe answers a request for one of the table's paths and reports whether it was one; if not, nothing was touched.
func (t *Table) TryServe(w http.ResponseWriter, r *http.Request) bool {
	path, param, methods := t.match(r.URL.Path)
	if methods == nil {
		return false
	}
	method := r.Method
	if method == http.MethodHead && methods[http.MethodHead] == nil {
		method = http.MethodGet // net/http drops the body
	}
	serve := methods[method]
	if serve == nil {
		serve = func(w http.ResponseWriter, _ *Request) (any, error) {
			w.Header().Set("Allow", allow(methods))
			return nil, ErrMethod
		}
	}
	Serve(w, r, t.logger, path, param, serve)
	return true
}

func (t *Table) match(requested string) (path, param string, methods map[string]Func) {
	path = strings.TrimRight(requested, "/")
	if path == "" {
		path = "/"
	}
	if methods := t.routes[path]; methods != nil && !strings.HasSuffix(path, "{}") {
		return path, "", methods
	}
	cut := strings.LastIndexByte(path, '/')
	if cut < 0 || path[cut+1:] == "" {
		return "", "", nil
	}
	pattern := path[:cut+1] + "{}"
	return pattern, path[cut+1:], t.routes[pattern]
}

func allow(methods map[string]Func) string {
	names := make([]string, 0, len(methods)+1)
	for name := range methods {
		names = append(names, name)
	}
	if methods[http.MethodGet] != nil && methods[http.MethodHead] == nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
