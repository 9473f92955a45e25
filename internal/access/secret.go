package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

const (
	tokenMark   = "cdxa_" // by which scanners for leaked secrets find an API token
	secretBytes = 32
	prefixLen   = len(tokenMark) + 8
)

// Secret is 256 random bits that let somebody in, in base64url, behind a mark if it is an API token. The database knows
// its SHA-256 only. It prints as [redacted]; Reveal is for the one place that shows it, once.
type Secret struct{ text string }

// mint draws a new secret.
func mint(mark string) Secret {
	var raw [secretBytes]byte
	rand.Read(raw[:]) // never fails: the process ends instead
	return Secret{mark + base64.RawURLEncoding.EncodeToString(raw[:])}
}

// parse reads a secret that somebody shows. ok is false for anything that was never minted with this mark.
func parse(mark, presented string) (s Secret, ok bool) {
	body, marked := strings.CutPrefix(presented, mark)
	if !marked || len(body) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return Secret{}, false
	}
	// Strict: the last character has bits to spare, and one secret must not have several spellings.
	if _, err := base64.RawURLEncoding.Strict().DecodeString(body); err != nil || strings.ContainsAny(body, "\r\n") {
		return Secret{}, false
	}
	return Secret{presented}, true
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.text }

// sha256 is what is stored and looked up.
func (s Secret) sha256() []byte {
	sum := sha256.Sum256([]byte(s.text))
	return sum[:]
}

// prefix is the part of an API token that may be shown.
func (s Secret) prefix() string { return s.text[:prefixLen] }

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText implements encoding.TextMarshaler, so that encoders other than fmt do not show it either.
func (s Secret) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(s)), nil }
