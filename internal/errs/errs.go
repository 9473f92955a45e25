// Package errs is how a refusal travels from the subject that decides it to the surface that words it.
//
// An error has four parts, each with its own reader: the kind says what the caller can do about it, the code is API
// (documented in docs/api.md, matched by cdx), the message is for people, and the cause is for the log only.
package errs

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Kind says what a caller can do about an error. Surfaces map it to an HTTP status or an exit code in one place each.
type Kind uint8

// The kinds. The zero value is Internal, so an error that nobody classified is our fault, never the caller's.
const (
	Internal        Kind = iota // a fault of ours: log it, tell the caller nothing
	Invalid                     // the request is well-formed but wrong: change it
	Malformed                   // the request could not be read at all
	TooLarge                    // the request is bigger than we read
	Unsupported                 // the request is in a format that this call does not take
	Unauthenticated             // who are you?
	Forbidden                   // we know who you are; no
	NotFound                    // no such thing
	NotAllowed                  // the thing is there, the method is not
	Gone                        // it was there and will not come back: single-use or expired
	Conflict                    // somebody else was faster: read again
	Stale                       // what the caller changes is not what it says it has read: read again
	Early                       // the request came before its connection was safe: send it again
	Limited                     // too much: later
	Unavailable                 // not now: try again
)

var kindNames = [...]string{
	"internal", "invalid", "malformed", "too_large", "unsupported", "unauthenticated", "forbidden", "not_found", "not_allowed", "gone",
	"conflict", "stale", "early", "limited", "unavailable",
}

// String returns the kind's name in snake case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Kinds returns every kind, so that tests can require each to be mapped.
func Kinds() []Kind {
	all := make([]Kind, len(kindNames))
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Error is a classified refusal. Two errors are the same for errors.Is when their codes are equal, so a sentinel
// matches every copy made of it by the With methods.
type Error struct {
	Kind    Kind
	Code    string              // snake case, stable
	Message string              // for people; may be matched by old clients (contract/host-api.md 1.4)
	Details map[string]any      // machine-readable context that the caller may know
	Fields  map[string][]string // field → texts, for validation errors
	Retry   time.Duration       // when to come back; 0: no advice
	Cause   error               // for the log; never leaves the gateway
}

// New makes a sentinel.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Field makes a validation error about one field, in the wire format of contract/host-api.md 1.4.
func Field(field, text string) *Error {
	return &Error{
		Kind: Invalid, Code: "validation_failed", Message: "Validation failed",
		Fields: map[string][]string{field: {text}},
	}
}

// Error implements error. It includes the cause, so it is for logs, not for answers.
func (e *Error) Error() string {
	text := e.Message
	for field, texts := range e.Fields {
		text += fmt.Sprintf(": %s: %s", field, texts[0])
	}
	if e.Cause != nil {
		return text + ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target has the same code.
func (e *Error) Is(target error) bool {
	other, ok := errors.AsType[*Error](target)
	return ok && other.Code == e.Code
}

// With returns a copy that carries one more detail for the caller.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Details = maps.Clone(e.Details)
	if c.Details == nil {
		c.Details = map[string]any{}
	}
	c.Details[key] = value
	return &c
}

// Later returns a copy that advises the caller to come back after d.
func (e *Error) Later(d time.Duration) *Error {
	c := *e
	c.Retry = d
	return &c
}

// WithCause returns a copy that carries the cause for the log.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Of returns err's classification. An error that carries none is internal, with err as its cause; nil stays nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	if classified, ok := errors.AsType[*Error](err); ok {
		return classified
	}
	return &Error{Kind: Internal, Code: "internal", Message: "Unexpected error", Cause: err}
}
