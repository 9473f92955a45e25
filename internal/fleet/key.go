package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	keyBytes  = 32
	prefixLen = 8
)

// APIKey is what a host authenticates with: 64 lower-case hex characters. It prints as its prefix.
type APIKey struct{ text string }

// mintKey draws a new key. 256 random bits need no slow hash: nobody guesses them.
func mintKey(entropy io.Reader) (APIKey, error) {
	var raw [keyBytes]byte
	if _, err := io.ReadFull(entropy, raw[:]); err != nil {
		return APIKey{}, fmt.Errorf("drawing an API key: %w", err)
	}
	return APIKey{hex.EncodeToString(raw[:])}, nil
}

// ParseKey reads a key as a host presents it. ok is false for anything that no gateway of ours ever minted.
func ParseKey(presented string) (key APIKey, ok bool) {
	if len(presented) != 2*keyBytes || strings.Trim(presented, "0123456789abcdef") != "" {
		return APIKey{}, false
	}
	return APIKey{presented}, true
}

// Reveal returns the key itself, for the one answer that shows it.
func (k APIKey) Reveal() string { return k.text }

// SHA256 is what is stored and looked up.
func (k APIKey) SHA256() []byte {
	sum := sha256.Sum256([]byte(k.text))
	return sum[:]
}

// Prefix is the part that may be shown: enough to recognise a key, useless to log in.
func (k APIKey) Prefix() string {
	if len(k.text) < prefixLen {
		return ""
	}
	return k.text[:prefixLen]
}

// Format implements fmt.Formatter.
func (k APIKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.Prefix()+"…[redacted]") }

// MarshalText implements encoding.TextMarshaler, so that encoders other than fmt do not show it either.
func (k APIKey) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(k)), nil }

// InstallToken turns a machine into a host, once. On the wire it is a UUID in 36 characters. It prints as its prefix.
type InstallToken struct{ text string }

func mintToken(entropy io.Reader) (InstallToken, error) {
	var raw [16]byte
	if _, err := io.ReadFull(entropy, raw[:]); err != nil {
		return InstallToken{}, fmt.Errorf("drawing an install token: %w", err)
	}
	raw[6] = raw[6]&0x0f | 0x40 // version 4
	raw[8] = raw[8]&0x3f | 0x80
	h := hex.EncodeToString(raw[:])
	return InstallToken{h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]}, nil
}

// ParseInstallToken reads a token from a URL. ok is false for anything that does not look like one.
func ParseInstallToken(presented string) (token InstallToken, ok bool) {
	text := strings.ToLower(presented)
	if len(text) != 36 || strings.Trim(text, "0123456789abcdef-") != "" {
		return InstallToken{}, false
	}
	return InstallToken{text}, true
}

// Reveal returns the token itself.
func (t InstallToken) Reveal() string { return t.text }

// SHA256 is what is stored and looked up.
func (t InstallToken) SHA256() []byte {
	sum := sha256.Sum256([]byte(t.text))
	return sum[:]
}

// Prefix is the part that may be shown.
func (t InstallToken) Prefix() string {
	if len(t.text) < prefixLen {
		return ""
	}
	return t.text[:prefixLen]
}

// Format implements fmt.Formatter.
func (t InstallToken) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, t.Prefix()+"…[redacted]")
}

// MarshalText implements encoding.TextMarshaler.
func (t InstallToken) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(t)), nil }
