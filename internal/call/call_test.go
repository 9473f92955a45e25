package call

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// serve runs one function on a request and returns the answer and what was logged.
func serve(t *testing.T, r *http.Request, f Func) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var logs bytes.Buffer
	w := httptest.NewRecorder()
	Serve(w, r, slog.New(slog.NewJSONHandler(&logs, nil)), "/route/{}", "param", f)
	return w, logs.String()
}

func refusing(err error) Func {
	return func(http.ResponseWriter, *Request) (any, error) { return nil, err }
}

// Early data is refused before anything of it is read; what came after the handshake, or without one, is not.
func TestEarlyDataIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state  *tls.ConnectionState
		status int
	}{
		"before the handshake is done": {&tls.ConnectionState{}, http.StatusTooEarly},
		"after it":                     {&tls.ConnectionState{HandshakeComplete: true}, http.StatusOK},
		"without TLS":                  {nil, http.StatusOK},
	} {
		body, served := strings.NewReader(`{}`), false
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.TLS = c.state
		w, _ := serve(t, r, func(http.ResponseWriter, *Request) (any, error) { served = true; return "x", nil })
		if w.Code != c.status || served != (c.status == http.StatusOK) || (body.Len() == 0) != served {
			t.Errorf("%s: got %d %s, served %t, %d bytes unread", name, w.Code, w.Body, served, body.Len())
		}
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	kinds := errs.Kinds()
	seen := map[int]errs.Kind{}
	for _, kind := range kinds {
		status := statuses[kind]
		if http.StatusText(status) == "" || status < 400 {
			t.Errorf("kind %s: got status %d, want one of a refusal", kind, status)
		}
		if twin, twice := seen[status]; twice {
			t.Errorf("kinds %s and %s share status %d", kind, twin, status)
		}
		seen[status] = kind
		w, _ := serve(t, httptest.NewRequest(http.MethodGet, "/", nil), refusing(errs.New(kind, "some_code", "Some message")))
		if w.Code != status {
			t.Errorf("kind %s: got %d, want %d", kind, w.Code, status)
		}
		if got, want := w.Header().Get("Retry-After") != "", kind == errs.Unavailable || kind == errs.Limited; got != want {
			t.Errorf("kind %s: got Retry-After %q", kind, w.Header().Get("Retry-After"))
		}
	}
	if len(statuses) != len(kinds) {
		t.Errorf("got %d statuses for %d kinds", len(statuses), len(kinds))
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	planted := errors.New("planted cause")
	for name, c := range map[string]struct {
		serve  Func
		status int
		body   string
		level  string // of the log line; empty: none
	}{
		"an answer": {
			func(http.ResponseWriter, *Request) (any, error) { return map[string]any{"a": "<&>\u2028"}, nil },
			200, `{"status":"ok","data":{"a":"<&>\u2028"}}`, "",
		},
		"written by itself": {
			func(w http.ResponseWriter, _ *Request) (any, error) {
				_, err := w.Write([]byte("#!/bin/sh"))
				return nil, err
			},
			200, `#!/bin/sh`, "",
		},
		"a refusal": {
			refusing(errs.New(errs.Forbidden, "no_way", "No way").With("why", "because").WithCause(planted)),
			403, `{"status":"error","message":"No way","code":"no_way","details":{"why":"because"}}`, "INFO",
		},
		"a wrapped refusal": {
			refusing(fmt.Errorf("looking: %w", errs.Field("fqdn", "is required"))),
			422, `{"status":"error","message":"Validation failed","code":"validation_failed","errors":{"fqdn":["is required"]}}`, "INFO",
		},
		"a fault": {refusing(planted), 500, `{"status":"error","message":"Unexpected error","code":"internal"}`, "ERROR"},
		"a panic": {
			func(http.ResponseWriter, *Request) (any, error) { panic(planted) },
			500, `{"status":"error","message":"Unexpected error","code":"internal"}`, "ERROR",
		},
		"a database that is down": {
			refusing(fmt.Errorf("reading: %w", &pgconn.PgError{Code: "57P01", Message: "planted cause"})),
			503, `{"status":"error","message":"The gateway cannot reach its database; try again later","code":"database_unavailable"}`, "ERROR",
		},
		"a database that refuses": {
			refusing(fmt.Errorf("reading: %w", &pgconn.PgError{Code: "42601", Message: "planted cause"})),
			500, `{"status":"error","message":"Unexpected error","code":"internal"}`, "ERROR",
		},
		"a refusal that the database caused": {
			refusing(ErrNoRoute.WithCause(&pgconn.PgError{Code: "57P01"})),
			404, `{"status":"error","message":"Route not found","code":"route_not_found"}`, "INFO",
		},
	} {
		w, logs := serve(t, httptest.NewRequest(http.MethodPost, "/route/secret-param", strings.NewReader(`{"body":"planted body"}`)), c.serve)
		if got := strings.ReplaceAll(w.Body.String(), "\u2028", `\u2028`); w.Code != c.status || got != c.body {
			t.Errorf("%s: got %d %s\nwant %d %s", name, w.Code, got, c.status, c.body)
		}
		if strings.Contains(w.Body.String(), "planted") {
			t.Errorf("%s: the caller saw the cause: %s", name, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" || len(w.Header().Get(api.HeaderRequestID)) != 36 {
			t.Errorf("%s: got headers %v", name, w.Header())
		}
		line := struct{ Level, RequestID, Route string }{}
		_ = json.Unmarshal([]byte(strings.Replace(logs, "request_id", "RequestID", 1)), &line)
		if line.Level != c.level {
			t.Errorf("%s: got log %q, want level %q", name, logs, c.level)
		}
		if c.level != "" && (line.RequestID != w.Header().Get(api.HeaderRequestID) || line.Route != "/route/{}") {
			t.Errorf("%s: got log %q, want the answer's request id and the route", name, logs)
		}
		if strings.Contains(logs, "secret-param") || strings.Contains(logs, "planted body") {
			t.Errorf("%s: the log holds the path's parameter or the body: %s", name, logs)
		}
	}
}

// net/http's own signal to drop a connection is no fault of ours.
func TestAbortGoesThrough(t *testing.T) {
	t.Parallel()
	defer func() {
		if p, _ := recover().(error); !errors.Is(p, http.ErrAbortHandler) {
			t.Errorf("got panic %v, want %v", p, http.ErrAbortHandler)
		}
	}()
	serve(t, httptest.NewRequest(http.MethodGet, "/", nil), func(http.ResponseWriter, *Request) (any, error) { panic(http.ErrAbortHandler) })
	t.Error("got an answer")
}

func TestBodies(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	const malformed, tooLarge = "invalid_json", "body_too_large"
	for name, c := range map[string]struct {
		body, code string
	}{
		"none": {"", ""}, "an object": {`{"a":1}`, ""}, "a scalar": {`5`, ""}, "null": {`null`, ""}, "a list": {`[]`, ""},
		"blanks around": {" \r\n{}\t", ""},
		"blank":         {" ", malformed}, "cut": {`{"a":`, malformed}, "two values": {`{}{}`, malformed},
		"a comment": {"{} // x", malformed}, "single quotes": {`{'a':1}`, malformed}, "a trailing comma": {`{"a":1,}`, malformed},
		"NaN": {`NaN`, malformed}, "a byte order mark": {"\ufeff{}", malformed}, "not UTF-8": {"\"\xff\"", malformed},
		"a raw newline in a string": {"\"a\nb\"", malformed}, "a NUL": {"{}\x00", malformed},
		"512 deep": {deep(512), ""}, "513 deep": {deep(513), malformed}, "100,000 deep": {deep(100_000), malformed},
		"at the limit":       {`"` + strings.Repeat("a", api.MaxBodyBytes-2) + `"`, ""},
		"a byte over":        {`"` + strings.Repeat("a", api.MaxBodyBytes-1) + `"`, tooLarge},
		"a byte over, wrong": {strings.Repeat("{", api.MaxBodyBytes+1), tooLarge},
		"a megabyte":         {`"` + strings.Repeat("a", 1<<20) + `"`, tooLarge},
	} {
		for _, declared := range []bool{true, false} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			if !declared && c.body != "" {
				r.ContentLength = -1 // chunked
			}
			var got []byte
			w, _ := serve(t, r, func(_ http.ResponseWriter, r *Request) (any, error) { got = r.Body; return "seen", nil })
			var envelope struct {
				Code    string
				Details map[string]any
			}
			if err := json.Unmarshal(w.Body.Bytes(), &envelope); err != nil {
				t.Errorf("%s: got %s: %v", name, w.Body, err)
			}
			if envelope.Code != c.code {
				t.Errorf("%s (length declared: %t): got %d %s, want code %q", name, declared, w.Code, w.Body, c.code)
			}
			if c.code == "" && string(got) != c.body {
				t.Errorf("%s: the function saw %d bytes, want %d", name, len(got), len(c.body))
			}
			if c.code == tooLarge && envelope.Details["limit_bytes"] != float64(api.MaxBodyBytes) {
				t.Errorf("%s: got details %v", name, envelope.Details)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type inner struct {
		Depth int `json:"depth"`
	}
	type message struct {
		Name  string       `json:"name"`
		Inner inner        `json:"inner"`
		Flag  api.FlexBool `json:"flag"`
	}
	for body, want := range map[string]struct {
		name, field, text string
	}{
		``:                              {},
		`null`:                          {},
		`[{"name":"a"}]`:                {},
		`"name"`:                        {},
		` {"name":"a","x":1}`:           {name: "a"},
		`{"name":null}`:                 {},
		`{"name":"a","name":"b"}`:       {name: "b"},
		`{"name":5}`:                    {field: "name", text: "name must be a JSON string"},
		`{"name":["planted"]}`:          {field: "name", text: "name must be a JSON string"},
		`{"inner":{"depth":"planted"}}`: {field: "inner.depth", text: "inner.depth must be a JSON int"},
		`{"inner":"planted"}`:           {field: "inner", text: "inner must be a JSON struct"},
		`{"flag":["planted"]}`:          {},
	} {
		var got message
		err := (&Request{Body: []byte(body)}).Decode(&got)
		if want.field == "" {
			if err != nil || got.Name != want.name {
				t.Errorf("%s: got %+v, %v; want name %q", body, got, err, want.name)
			}
			continue
		}
		refusal := errs.Of(err)
		if refusal == nil || refusal.Kind != errs.Invalid || len(refusal.Fields[want.field]) != 1 || refusal.Fields[want.field][0] != want.text {
			t.Errorf("%s: got %v, want 422 about %s", body, err, want.field)
		}
		if refusal != nil && strings.Contains(refusal.Error(), "planted") {
			t.Errorf("%s: got %q, which quotes the body", body, refusal)
		}
	}
}

func TestRefuseReadsNoBody(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", failingReader{t})
	Refuse(w, r, slog.New(slog.DiscardHandler), "-", ErrStarting)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

type failingReader struct{ t *testing.T }

func (f failingReader) Read([]byte) (int, error) {
	f.t.Error("the body was read")
	return 0, errors.New("read")
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("203.0.113.9")
	if got := ClientIP(context.Background()); got.IsValid() {
		t.Errorf("got %v where nobody said, want none", got)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Forwarded-For", "203.0.113.1")
	r.Header.Set("X-Real-Ip", "203.0.113.2")
	r.Header.Set("Forwarded", "for=203.0.113.3")
	seen := func(ctx context.Context) (from netip.Addr) {
		serve(t, r.WithContext(ctx), func(_ http.ResponseWriter, r *Request) (any, error) { from = r.From; return nil, nil })
		return from
	}
	if got := seen(r.Context()); got.IsValid() {
		t.Errorf("got %v from headers, want none", got)
	}
	if got := seen(WithClientIP(r.Context(), addr)); got != addr {
		t.Errorf("got %v, want %v", got, addr)
	}
}
