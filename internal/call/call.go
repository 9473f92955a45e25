// Package call is the one wrapper around every JSON call, host's or admin's: it bounds and checks the body, finds the
// route, runs it, and words the outcome. Nothing else in the project turns an error into an HTTP status.
package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals that belong to the wire rather than to a subject. The messages are matched by old clients.
var (
	ErrMalformed = errs.New(errs.Malformed, "invalid_json", "Invalid JSON payload")
	ErrTooLarge  = errs.New(errs.TooLarge, "body_too_large", "Request body too large")
	ErrNoRoute   = errs.New(errs.NotFound, "route_not_found", "Route not found")
	ErrMethod    = errs.New(errs.NotAllowed, "method_not_allowed", "Method not allowed")
	ErrStale     = errs.New(errs.Stale, "etag_mismatch", "This has changed since you read it")
	ErrEarly     = errs.New(errs.Early, "too_early", "The TLS handshake is not done yet; send this again")
	ErrStarting  = errs.New(errs.Unavailable, "starting", "The gateway is starting; try again in a moment")
	ErrDatabase  = errs.New(errs.Unavailable, "database_unavailable", "The gateway cannot reach its database; try again later")
)

// statuses is the only place where a kind meets an HTTP status.
var statuses = map[errs.Kind]int{
	errs.Internal:        http.StatusInternalServerError,
	errs.Invalid:         http.StatusUnprocessableEntity,
	errs.Malformed:       http.StatusBadRequest,
	errs.TooLarge:        http.StatusRequestEntityTooLarge,
	errs.Unsupported:     http.StatusUnsupportedMediaType,
	errs.Unauthenticated: http.StatusUnauthorized,
	errs.Forbidden:       http.StatusForbidden,
	errs.NotFound:        http.StatusNotFound,
	errs.NotAllowed:      http.StatusMethodNotAllowed,
	errs.Gone:            http.StatusGone,
	errs.Conflict:        http.StatusConflict,
	errs.Stale:           http.StatusPreconditionFailed,
	errs.Early:           http.StatusTooEarly,
	errs.Limited:         http.StatusTooManyRequests,
	errs.Unavailable:     http.StatusServiceUnavailable,
}

// Status is a kind's HTTP status, for the few answers that are not worded here.
func Status(kind errs.Kind) int { return statuses[kind] }

// retryAfter is the advice given with 503 and 429 when the refusal has none: long enough to help, short enough to follow.
const retryAfter = time.Second

// Bounds on one call: on reading what the caller sends, and on all that happens then. A database that neither answers
// nor refuses must not pile up calls.
const (
	bodyTimeout = 20 * time.Second
	callTimeout = 20 * time.Second
)

// Request is a call whose body was read and checked.
type Request struct {
	*http.Request
	ID     string     // also in the answer and the log
	From   netip.Addr // the client's address as Caddy established it; zero: unknown
	Body   []byte     // syntactically valid JSON, or empty; see IsForm
	IsForm bool       // the body is a form, unchecked, which the route takes; see [Forms] and [Posts]
	Param  string     // what stands for {} in the route's path
}

// Func serves one route. What it returns with a nil error becomes the answer's data; a nil answer means that it has
// written the answer itself.
type Func func(w http.ResponseWriter, r *Request) (answer any, err error)

// Tagged is an answer with an entity tag, quoted, of what it is about; see [Request.Still].
type Tagged struct {
	ETag string
	Data any
}

type clientIPKey struct{}

// WithClientIP tells the calls below ctx where the client is. Only the HTTP server knows: nothing here reads a header
// to find out.
func WithClientIP(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, clientIPKey{}, addr)
}

// ClientIP is what WithClientIP said; zero when nothing did.
func ClientIP(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(clientIPKey{}).(netip.Addr)
	return addr
}

// Serve runs one function as a call of its own.
func Serve(w http.ResponseWriter, r *http.Request, logger *slog.Logger, route, param string, serve Func) {
	serveCall(w, r, wording{logger, refuseJSON}, route, param, Ordinary, serve)
}

// wording is where refusals go: into the log, then to the caller.
type wording struct {
	logger *slog.Logger
	refuse Refusal
}

func serveCall(w http.ResponseWriter, r *http.Request, words wording, route, param string, rules Rules, serve Func) {
	id, err := uuid.NewV7()
	if err != nil {
		panic(fmt.Sprintf("drawing a request id: %v", err)) // the system's entropy is gone: nothing is safe
	}
	call := &Request{Request: r, ID: id.String(), From: ClientIP(r.Context()), Param: param}
	w.Header().Set(api.HeaderRequestID, call.ID)
	w.Header()["Cache-Control"] = []string{"no-store"}

	answer, err := guarded(w, call, rules, serve)
	if err != nil {
		words.say(w, call, route, err)
		return
	}
	if tagged, ok := answer.(Tagged); ok {
		w.Header().Set("Etag", tagged.ETag)
		answer = tagged.Data
	}
	if answer != nil {
		writeJSON(w, http.StatusOK, api.Envelope{Status: "ok", Data: answer})
	}
}

// guarded reads the body, runs the function and turns a panic into a fault of ours.
func guarded(w http.ResponseWriter, r *Request, rules Rules, serve Func) (answer any, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := Settled(r.Request); err != nil {
		return nil, err
	}
	if err := r.readBody(w, rules); err != nil {
		return nil, err
	}
	bounded := Bound
	if rules == Streams {
		bounded = context.WithCancel
	}
	ctx, cancel := bounded(r.Context())
	defer cancel()
	r.Request = r.WithContext(audit.WithRequest(ctx, r.ID))
	return serve(w, r)
}

// Settled refuses what came as early data of TLS, which is HTTP/3's 0-RTT: whoever recorded it can have sent it again, and that
// somebody is where it seems to come from nobody has shown yet, though keys are bound to addresses and failures are counted
// by them. Browsers send it again by themselves when the handshake is done. Errors: ErrEarly.
func Settled(r *http.Request) error {
	if r.TLS != nil && !r.TLS.HandshakeComplete {
		return ErrEarly
	}
	return nil
}

// Bound is the context of all that a call does once its request is read. It has a deadline, and it does not end when the
// caller hangs up: a query that is cancelled costs its connection, so that callers who come and go could take all there
// are, uncounted; and an act of several steps must not stop where its caller likes.
func Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
}

// readBody reads the whole body and checks its syntax, whoever sends it: old clients and the recorded contract see 400
// before 401. The check is one linear pass over at most api.MaxBodyBytes and builds nothing.
func (r *Request) readBody(w http.ResponseWriter, rules Rules) error {
	if r.Request.Body == nil || r.ContentLength == 0 {
		return nil
	}
	// A writer without deadlines, as in tests, is somebody else's to bound.
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Request.Body, api.MaxBodyBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return ErrTooLarge.With("limit_bytes", api.MaxBodyBytes)
	}
	if err != nil {
		return ErrMalformed.WithCause(fmt.Errorf("reading the body: %w", err))
	}
	if len(body) == 0 {
		return nil
	}
	if rules == Posts || rules == Forms && isForm(r.Request, "multipart/form-data") {
		r.Body, r.IsForm = body, isForm(r.Request, "multipart/form-data", "application/x-www-form-urlencoded")
		return nil
	}
	if err := jsondoc.Check(body); err != nil {
		return ErrMalformed.WithCause(err)
	}
	r.Body = body
	return nil
}

// Still reports whether something is what the caller thinks it is: whether its entity tag, quoted ("": there is nothing), is
// one of those in If-Match. Without If-Match the caller thinks nothing, and it is.
func (r *Request) Still(etag string) bool {
	expected := r.Header.Values("If-Match")
	if len(expected) == 0 {
		return true
	}
	for tag := range strings.SplitSeq(strings.Join(expected, ","), ",") {
		if tag = strings.TrimSpace(tag); etag != "" && (tag == etag || tag == "*") {
			return true
		}
	}
	return false
}

func isForm(r *http.Request, kinds ...string) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && slices.Contains(kinds, kind)
}

// Decode reads the body into a message. A body that is no object counts as an empty one; a member of the wrong type is
// a 422 that names it.
func (r *Request) Decode(message any) error {
	if trimmed := strings.TrimLeft(string(r.Body), " \t\r\n"); !strings.HasPrefix(trimmed, "{") {
		return nil
	}
	err := json.Unmarshal(r.Body, message)
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errs.Field(mistyped.Field, mistyped.Field+" must be a JSON "+mistyped.Type.Kind().String())
	}
	if err != nil {
		return ErrMalformed.WithCause(err)
	}
	return nil
}

// say logs an error, with what the caller must not see, and words it for the caller.
func (words wording) say(w http.ResponseWriter, r *Request, route string, err error) {
	e := errs.Of(err)
	if e.Kind == errs.Internal && db.IsUnavailable(err) {
		e = ErrDatabase.WithCause(err)
	}
	status := statuses[e.Kind]
	level := slog.LevelInfo
	switch {
	case errors.Is(err, context.Canceled): // the caller is gone
		level = slog.LevelDebug
	case status >= http.StatusInternalServerError && !errors.Is(err, ErrStarting):
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("request_id", r.ID), slog.String("method", r.Method), slog.String("route", route),
		slog.String("client_ip", r.From.String()), slog.Int("status", status), slog.String("code", e.Code),
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("error", e.Cause.Error()))
	}
	words.logger.LogAttrs(r.Context(), level, "call refused", attrs...)

	retry := e.Retry
	if retry <= 0 && (e.Kind == errs.Unavailable || e.Kind == errs.Limited) {
		retry = retryAfter
	}
	if retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
	}
	words.refuse(w, r, status, e)
}

func refuseJSON(w http.ResponseWriter, _ *Request, status int, e *errs.Error) {
	answer := api.Error{Status: "error", Message: e.Message, Code: e.Code, Details: e.Details, Errors: e.Fields}
	if e.Kind == errs.Limited {
		answer.Data = oldDetails(e.Details)
	}
	writeJSON(w, status, answer)
}

// oldDetails are a limit's details where and as clients of the reference look for them: it knew one bucket of requests.
func oldDetails(details map[string]any) map[string]any {
	old := maps.Clone(details)
	if old["bucket"] == "host" {
		old["bucket"] = "global"
	}
	return old
}

// writeJSON encodes before it answers, so that a value that cannot be encoded is a clean 500.
func writeJSON(w http.ResponseWriter, status int, value any) {
	var body strings.Builder
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // the client hashes "auth" as it arrives
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Sprintf("encoding an answer: %v", err))
	}
	text := strings.TrimSuffix(body.String(), "\n")
	w.Header()["Content-Type"] = []string{"application/json"}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client is gone: nobody to tell
}

// Refuse answers a request with err as a call would, without reading its body: for whoever stands before other handlers.
func Refuse(w http.ResponseWriter, r *http.Request, logger *slog.Logger, route string, err error) {
	bodiless := r.WithContext(r.Context())
	bodiless.Body = http.NoBody
	bodiless.ContentLength = 0
	Serve(w, bodiless, logger, route, "", func(http.ResponseWriter, *Request) (any, error) { return nil, err })
}
