// Package jsondoc reads and writes JSON documents whose bytes matter.
//
// Gateway and clients decide whether they hold the same auth.json by comparing SHA-256 sums of its canonical form, and
// clients that are already in the field make that form with Python:
//
//	json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
//
// Encode(Parse(text)) gives exactly those bytes: members keep their order, a repeated member keeps its first place and
// its last value, numbers keep Python's spelling, and only what JSON demands is escaped.
package jsondoc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// Limits of a document. A list or object inside MaxDepth others is one too deep.
const (
	MaxBytes         = 256 << 10
	MaxDepth         = 512
	MaxIntegerDigits = 1000
)

// Errors of Check and Parse; they come wrapped with what is wrong and at which byte, never with the document's content.
var (
	// ErrSyntax means text that is not JSON (RFC 8259, UTF-8), or JSON nested deeper than MaxDepth.
	ErrSyntax = errors.New("not valid JSON")

	// ErrTooLarge means text longer than MaxBytes.
	ErrTooLarge = fmt.Errorf("JSON longer than %d bytes", MaxBytes)

	// ErrNotCanonical means valid JSON that two programs may read differently, so that its digest would mean nothing:
	// a number beyond a double, an integer of more than MaxIntegerDigits, half of a surrogate pair. Only Parse returns it.
	ErrNotCanonical = errors.New("JSON without a canonical form")
)

// Value is nil, a bool, a Number, a string of valid UTF-8, a []Value or an *Object.
type Value any

// Number is a JSON number in its canonical spelling. Only Parse makes one that is not the zero value, which is 0.
type Number struct{ text string }

// String returns the canonical spelling.
func (n Number) String() string {
	if n.text == "" {
		return "0"
	}
	return n.text
}

// Float64 returns the double nearest to n, which for a very long integer is an infinity.
func (n Number) Float64() float64 {
	f, _ := strconv.ParseFloat(n.String(), 64) // out of range still gives the infinity we document
	return f
}

// Digest is the SHA-256 of a canonical form. It identifies a file and reveals nothing about it. The zero value means
// "none".
type Digest [sha256.Size]byte

// DigestOf returns the digest of v's canonical form.
func DigestOf(v Value) Digest { return sha256.Sum256(Encode(v)) }

// String returns d as it travels: 64 lower-case hex characters.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d is "none".
func (d Digest) IsZero() bool { return d == Digest{} }

// Format implements fmt.Formatter: documents hold tokens, so an Object prints as [redacted] whatever the verb.
func (*Object) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (*Object) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler, so that no logger prints a document by accident; Encode writes one.
func (*Object) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

const redacted = "[redacted]"
