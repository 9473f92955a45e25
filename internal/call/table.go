package call

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// Rules say which of the surface's common checks a route is spared.
type Rules uint8

// The rules. The zero value spares nothing.
const (
	Ordinary  Rules = iota
	Uncounted       // no request counts against the caller: the route has a limit of its own
	Exempt          // answers even while the surface is switched off: health
	Forms           // a body of multipart/form-data comes to the function as it is; JSON is checked as ever
	Posts           // whatever the body is, it comes to the function as it is: the route takes forms, never JSON
	Streams         // the call has no deadline and ends when the caller hangs up, as its function must
)

// Gate is what every call has to pass when its body was read and checked, before its route is looked at. It may
// replace r.Request by one whose context knows more.
type Gate func(r *Request, rules Rules) error

// Table is a surface's routes. A path is matched letter by letter, undecoded, after trailing slashes are dropped; one of
// its segments may be {}, which matches any one segment that is not empty. Of several routes that match, the one without {}
// is served, else the one whose {} comes last.
type Table struct {
	logger  *slog.Logger
	gate    Gate
	routes  map[string]*route // :: path → route
	slashes int               // in the path of the deepest route
	always  http.Header
	refuse  Refusal
}

// Refusal words a refusal that has been logged, for a surface whose callers are no programs. The header says all that is
// to be said there already but for the Content-Type.
type Refusal func(w http.ResponseWriter, r *Request, status int, e *errs.Error)

type route struct {
	rules   Rules
	methods map[string]Func // :: method → function
}

// NewTable makes an empty table whose refusals are logged to logger. A nil gate lets everything through.
func NewTable(logger *slog.Logger, gate Gate) *Table {
	if gate == nil {
		gate = func(*Request, Rules) error { return nil }
	}
	return &Table{logger: logger, gate: gate, routes: map[string]*route{}, refuse: refuseJSON}
}

// Always adds headers that every answer has, whatever it is.
func (t *Table) Always(headers http.Header) { t.always = headers }

// RefuseBy has a surface word its refusals itself. Without it they are the contract's JSON.
func (t *Table) RefuseBy(word Refusal) { t.refuse = word }

// Handle adds a route.
func (t *Table) Handle(method, path string, serve Func) { t.HandleAs(Ordinary, method, path, serve) }

// HandleAs adds a route that is spared some checks. All methods of a path are spared the same.
func (t *Table) HandleAs(rules Rules, method, path string, serve Func) {
	if strings.Count(path, "{") > 1 || strings.Count(path, "/{}") != strings.Count(path, "{") {
		panic("call: " + path + " is no path of a route") // a mistake in this program, not of a caller's
	}
	t.slashes = max(t.slashes, strings.Count(path, "/"))
	if t.routes[path] == nil {
		t.routes[path] = &route{rules: rules, methods: map[string]Func{}}
	}
	t.routes[path].methods[method] = serve
}

// Routes lists "METHOD path" of every route, sorted: the documentation is checked against it.
func (t *Table) Routes() []string {
	var all []string
	for path, route := range t.routes {
		for method := range route.methods {
			all = append(all, method+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// ServeHTTP answers every request: a path that has no route is the contract's 404.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.TryServe(w, r) {
		t.serve(w, r, "-", "", Ordinary, func(http.ResponseWriter, *Request) (any, error) { return nil, ErrNoRoute })
	}
}

// Owns reports whether a path is one of the table's, whatever the method.
func (t *Table) Owns(r *http.Request) bool {
	_, _, route := t.match(r.URL.EscapedPath())
	return route != nil
}

// TryServe answers a request for one of the table's paths and reports whether it was one; if not, nothing was touched.
func (t *Table) TryServe(w http.ResponseWriter, r *http.Request) bool {
	path, param, route := t.match(r.URL.EscapedPath())
	if route == nil {
		return false
	}
	serve, rules := route.function(r.Method)
	t.serve(w, r, path, param, rules, serve)
	return true
}

// Decorate sets what every answer of the table has, for whoever answers in its place.
func (t *Table) Decorate(header http.Header) {
	for name, values := range t.always {
		header[name] = slices.Clone(values)
	}
}

func (t *Table) serve(w http.ResponseWriter, r *http.Request, path, param string, rules Rules, serve Func) {
	t.Decorate(w.Header())
	serveCall(w, r, wording{t.logger, t.refuse}, path, param, rules, func(w http.ResponseWriter, r *Request) (any, error) {
		if err := t.gate(r, rules); err != nil {
			return nil, err
		}
		return serve(w, r)
	})
}

// function is what answers a method, and what it is spared. HEAD is GET, of which net/http drops the body; OPTIONS tells
// the methods. A method that the path does not have is spared nothing: what bounds the route does not bound it.
func (r *route) function(method string) (Func, Rules) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if serve := r.methods[method]; serve != nil {
		return serve, r.rules
	}
	rules := r.rules
	if rules == Uncounted {
		rules = Ordinary
	}
	return func(w http.ResponseWriter, request *Request) (any, error) {
		w.Header().Set("Allow", r.allow())
		if request.Method != http.MethodOptions {
			return nil, ErrMethod
		}
		w.WriteHeader(http.StatusNoContent)
		return nil, nil
	}, rules
}

func (r *route) allow() string {
	names := []string{http.MethodOptions}
	for name := range r.methods {
		names = append(names, name)
	}
	if r.methods[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (t *Table) match(requested string) (path, param string, found *route) {
	path = strings.TrimRight(requested, "/")
	if path == "" {
		path = "/"
	}
	if found := t.routes[path]; found != nil && !strings.Contains(path, "{}") {
		return path, "", found
	}
	// Deeper than every route: nothing to look for, however many segments a caller invents.
	if strings.Count(path, "/") > t.slashes {
		return "", "", nil
	}
	for end := len(path); end > 0; {
		begin := strings.LastIndexByte(path[:end], '/') + 1
		if param = path[begin:end]; begin > 0 && param != "" {
			pattern := path[:begin] + "{}" + path[end:]
			if found := t.routes[pattern]; found != nil {
				return pattern, param, found
			}
		}
		end = begin - 1
	}
	return "", "", nil
}
