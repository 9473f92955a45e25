package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Digest identifies a canonical form: its SHA-256. The zero value means "none".
type Digest = jsondoc.Digest

// ParseDigest reads what a host reports as the digest of its file: the first candidate that is not blank, trimmed, 64
// hex characters in any case. A request may name the digest in three ways, hence candidates.
//
// Errors: kind Invalid, about the field "digest".
func ParseDigest(candidates ...string) (Digest, error) {
	for _, candidate := range candidates {
		text := trim(candidate)
		if text == "" {
			continue
		}
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != len(Digest{}) {
			return Digest{}, errs.Field("digest", "digest must be a 64-character hex sha256 value")
		}
		return Digest(raw), nil
	}
	return Digest{}, errs.Field("digest", "digest is required")
}

// Version is what decisions need to know about a credential; see [DecideRetrieve] and [DecideStore].
type Version struct {
	Digest           Digest
	RefreshedAt      time.Time // last_refresh as an instant, UTC, whole microseconds
	ChatGPTAccountID string    // tokens.account_id; "" when the file does not say
	AccessSHA256     []byte    // of tokens.access_token; nil when the file has none
	RefreshSHA256    []byte    // of tokens.refresh_token; nil when the file has none
}

// Document is an auth.json in canonical form. [Canonicalise] makes one.
type Document struct {
	Version
	Body        Body   // the canonical bytes
	Received    Digest // of the file as it was uploaded, which is what a host that holds it reports
	LastRefresh string // last_refresh verbatim: clients compare the string
	Access      Claims // of tokens.access_token
	Placeholder bool   // the refresh token is a placeholder that a gateway made for a host, so the file is nobody's login
}

// PlaceholderPrefix begins every refresh token that a gateway made up for a host.
const PlaceholderPrefix = "cdxp_"

// Body is a whole auth.json. It holds tokens, so it prints as [redacted] whatever the verb, in logs and in JSON;
// convert it to []byte or json.RawMessage to send it.
type Body []byte

const redacted = "[redacted]"

// Format implements fmt.Formatter.
func (Body) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Body) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Body) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// tokenSHA256 returns nil for no token.
func tokenSHA256(token string) []byte {
	if token == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// trim removes what deployed servers remove around values: ASCII blanks and NUL, but not form feed.
func trim(text string) string { return strings.Trim(text, " \t\n\r\v\x00") }
