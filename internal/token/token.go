// Package token is the secret in a URL that works once: it turns a machine into a host, or lets it upload a login.
package token

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	length    = 36
	prefixLen = 8
)

// Token is a random UUID in 36 characters. It prints as its prefix. The database knows its SHA-256 only.
type Token struct{ text string }

// Mint draws a new token.
func Mint(entropy io.Reader) (Token, error) {
	var raw [16]byte
	if _, err := io.ReadFull(entropy, raw[:]); err != nil {
		return Token{}, fmt.Errorf("drawing a token: %w", err)
	}
	raw[6] = raw[6]&0x0f | 0x40 // version 4
	raw[8] = raw[8]&0x3f | 0x80
	h := hex.EncodeToString(raw[:])
	return Token{h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]}, nil
}

// Parse reads a token from a URL. ok is false for anything that does not look like one.
func Parse(presented string) (t Token, ok bool) {
	text := strings.ToLower(presented)
	if len(text) != length || strings.Trim(text, "0123456789abcdef-") != "" {
		return Token{}, false
	}
	return Token{text}, true
}

// Reveal returns the token itself.
func (t Token) Reveal() string { return t.text }

// SHA256 is what is stored and looked up.
func (t Token) SHA256() []byte {
	sum := sha256.Sum256([]byte(t.text))
	return sum[:]
}

// Prefix is the part that may be shown.
func (t Token) Prefix() string {
	if len(t.text) < prefixLen {
		return ""
	}
	return t.text[:prefixLen]
}

// Format implements fmt.Formatter.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.Prefix()+"…[redacted]") }

// MarshalText implements encoding.TextMarshaler, so that encoders other than fmt do not show it either.
func (t Token) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(t)), nil }
