package errs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
)

var (
	errFull  = errs.New(errs.Conflict, "full", "There is no room")
	errEmpty = errs.New(errs.NotFound, "empty", "There is nothing")
	errCause = errors.New("the shelf broke")
)

func TestSameCodeIsTheSameError(t *testing.T) {
	t.Parallel()
	copied := errFull.With("shelf", 3).WithCause(errCause)
	wrapped := fmt.Errorf("storing a jar: %w", copied)
	for name, c := range map[string]struct {
		err, target error
		want        bool
	}{
		"itself":             {errFull, errFull, true},
		"a copy":             {copied, errFull, true},
		"a wrapped copy":     {wrapped, errFull, true},
		"its cause":          {wrapped, errCause, true},
		"another code":       {wrapped, errEmpty, false},
		"nothing classified": {errCause, errFull, false},
		"another message":    {errs.New(errs.Internal, "full", "?"), errFull, true},
	} {
		if got := errors.Is(c.err, c.target); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}

// A sentinel is shared by every request: what one adds for its caller must not reach another's.
func TestCopiesLeaveTheSentinelAlone(t *testing.T) {
	t.Parallel()
	first := errFull.With("shelf", 3)
	second := first.With("jar", "plum")
	caused := second.WithCause(errCause)
	if errFull.Details != nil || errFull.Cause != nil {
		t.Errorf("got sentinel %+v, want it unchanged", errFull)
	}
	if len(first.Details) != 1 || len(second.Details) != 2 || first.Cause != nil || second.Cause != nil {
		t.Errorf("got %v and %v, want one detail and two, and no cause", first.Details, second.Details)
	}
	if !errors.Is(caused.Unwrap(), errCause) || caused.Details["jar"] != "plum" {
		t.Errorf("got cause %v and details %v", caused.Unwrap(), caused.Details)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	if got := errs.Of(nil); got != nil {
		t.Errorf("got %v for no error, want none", got)
	}
	if got := errs.Of(fmt.Errorf("a: %w", fmt.Errorf("b: %w", errEmpty))); got.Code != "empty" || got.Kind != errs.NotFound {
		t.Errorf("got %s %s, want what was wrapped", got.Kind, got.Code)
	}
	got := errs.Of(errCause)
	if got.Kind != errs.Internal || got.Code != "internal" || got.Message != "Unexpected error" || !errors.Is(got.Cause, errCause) {
		t.Errorf("got %+v for an error that nobody classified, want a fault of ours that says nothing", got)
	}
}

func TestErrorTextIsForTheLog(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"There is no room":                                         errFull,
		"There is no room: the shelf broke":                        errFull.WithCause(errCause),
		"Validation failed: fqdn: fqdn is required":                errs.Field("fqdn", "fqdn is required"),
		"Validation failed: a: must be an object: the shelf broke": errs.Field("a", "must be an object").WithCause(errCause),
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range errs.Kinds() {
		name := kind.String()
		if name == "" || seen[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("got name %q of kind %d, want one of its own in snake case", name, uint8(kind))
		}
		seen[name] = true
	}
	if errs.Kind(0) != errs.Internal {
		t.Error("the zero kind is the caller's fault, want ours")
	}
	beyond := errs.Kind(200).String()
	if seen[beyond] {
		t.Errorf("got %q for a kind that does not exist", beyond)
	}
}
