package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/cdxgate/cdxgate/internal/token"
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

// InstallToken turns a machine into a host, once.
type InstallToken = token.Token
