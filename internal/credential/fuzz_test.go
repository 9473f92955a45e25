package credential

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// FuzzCanonicalise: whatever is accepted is its own canonical form, its digest is what a client computes of the bytes it
// receives, members that mean nothing to us stay as and where they are, and whatever is refused is the caller's fault.
func FuzzCanonicalise(f *testing.F) {
	f.Add(authtest.New(authtest.Options{}))
	f.Add([]byte(goodHead + `{" z ":{"token":"` + goodToken + `","org":null,"1":2},"A":{"token":"` + goodToken + `"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		auth, err := ReadStore(text)
		if err == nil {
			checkCanonical(t, auth)
		} else if errs.Of(err).Kind == errs.Internal {
			t.Fatalf("ReadStore: got %v, want a classified error", err)
		}
		if auth, err = Read(text); err == nil {
			checkCanonical(t, auth)
		}
	})
}

func checkCanonical(t *testing.T, auth *jsondoc.Object) {
	t.Helper()
	before := strangers(t, jsondoc.Encode(auth))
	first, err := Canonicalise(auth, Options{Now: testNow})
	if err != nil {
		if errs.Of(err).Kind != errs.Invalid {
			t.Fatalf("got %v, want kind invalid", err)
		}
		return
	}
	if first.Digest != Digest(sha256.Sum256(first.Body)) {
		t.Fatal("the digest is not the SHA-256 of the body")
	}
	received, err := Read(first.Body)
	if err != nil {
		t.Fatalf("reading the canonical form: %v", err)
	}
	if after := strangers(t, first.Body); !bytes.Equal(after, before) {
		t.Fatalf("members that are none of our business: got %s, want %s", after, before)
	}
	if jsondoc.DigestOf(received) != first.Digest {
		t.Fatalf("a client computes another digest of %s", []byte(first.Body))
	}
	if received.Text("last_refresh") != first.LastRefresh {
		t.Fatalf("last_refresh: got %q, want it as in the body %q", first.LastRefresh, received.Text("last_refresh"))
	}
	second, err := Canonicalise(received, Options{Now: testNow})
	if err != nil || !bytes.Equal(second.Body, first.Body) {
		t.Fatalf("second round: got %v, %s\nwant %s", err, secretText(second), []byte(first.Body))
	}
}

// strangers is what a file holds beside what Canonicalise may change.
func strangers(t *testing.T, file []byte) []byte {
	t.Helper()
	v, err := jsondoc.Parse(file)
	if errors.Is(err, jsondoc.ErrTooLarge) { // the canonical form of a legal file; nobody would accept it
		return nil
	}
	auth, ok := v.(*jsondoc.Object)
	if err != nil || !ok {
		t.Fatalf("reading what was read already: %v", err)
	}
	auth.Delete("auths")
	auth.Delete("agent_identity")
	return jsondoc.Encode(auth)
}

func secretText(d *Document) []byte {
	if d == nil {
		return nil
	}
	return d.Body
}

// FuzzTimestamp holds the parser against time.Parse, which is lax, and time.Format, which writes the strict form: a
// timestamp is strict if it comes back as it was.
func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{"2025-11-20T09:27:43.373506211Z", "2025-11-21t00:00:00+01:00", "2025-02-29T00:00:00Z", "2025-11-21T00:00:00,5Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, strict := strictTime(text)
		got, err := ParseLastRefresh("f", text, testTime(9999, 12, 31, 23, 59, 59, 999999999))
		switch {
		case err == nil && !strict:
			t.Fatalf("%q: got %v, want an error", text, got)
		case err == nil:
			if got != want.UTC().Truncate(time.Microsecond) {
				t.Fatalf("%q: got %v, want %v in UTC and microseconds", text, got, want)
			}
		case strict && !want.Before(oldestRefresh) && want.Year() < 9999:
			t.Fatalf("%q: got %v, want %v", text, err, want)
		case errs.Of(err).Kind != errs.Invalid || len(errs.Of(err).Fields["f"]) != 1:
			t.Fatalf("%q: got %v, want a validation error", text, err)
		}
	})
}

func strictTime(text string) (time.Time, bool) {
	upper := strings.NewReplacer("t", "T", "z", "Z").Replace(text)
	at, err := time.Parse(time.RFC3339, upper)
	if err != nil {
		return time.Time{}, false
	}
	layout := "2006-01-02T15:04:05"
	if _, fraction, found := strings.Cut(upper, "."); found {
		digits := len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
		layout += "." + strings.Repeat("0", digits)
		if digits > 9 {
			return time.Time{}, false
		}
	}
	if strings.HasSuffix(upper, "Z") {
		layout += "Z"
	} else {
		layout += "-07:00"
	}
	_, offset := at.Zone()
	written := strings.TrimSuffix(upper, "-00:00")
	if written != upper {
		written += "+00:00"
	}
	return at, at.Format(layout) == written && max(offset, -offset) < 24*60*60
}
