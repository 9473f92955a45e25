package credential

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
)

// Claims is what an access token says about itself, if it is a JWT. Nobody has verified it: only OpenAI can. It tells
// which of two tokens is later and whether both stem from one login; it never lets anybody in.
//
// Each member is zero when the token does not say, or says something absurd.
type Claims struct {
	IssuedAt  time.Time // iat, UTC, seconds
	ExpiresAt time.Time // exp
	AuthTime  time.Time // auth_time: the login, not the refresh
	SessionID string    // session_id
	SID       string    // sid
}

const (
	maxJWTBytes = 32 << 10     // real ones are about 2 KiB
	maxIDBytes  = 256          // of ids that we keep
	maxUnix     = 253402300799 // the last second of the year 9999
)

// readClaims decodes the middle part of a JWT. It returns the zero Claims for anything else.
func readClaims(token string) Claims {
	parts := strings.SplitN(token, ".", 4)
	if len(token) > maxJWTBytes || len(parts) != 3 {
		return Claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Claims{}
	}
	v, err := jsondoc.Parse(payload)
	if err != nil {
		return Claims{}
	}
	claims, _ := v.(*jsondoc.Object)
	return Claims{
		IssuedAt: claimedTime(claims, "iat"), ExpiresAt: claimedTime(claims, "exp"), AuthTime: claimedTime(claims, "auth_time"),
		SessionID: claimedID(claims, "session_id"), SID: claimedID(claims, "sid"),
	}
}

func claimedTime(claims *jsondoc.Object, name string) time.Time {
	v, _ := claims.Get(name)
	n, ok := v.(jsondoc.Number)
	if !ok || n.Float64() <= 0 || n.Float64() > maxUnix {
		return time.Time{}
	}
	return time.Unix(int64(n.Float64()), 0).UTC()
}

func claimedID(claims *jsondoc.Object, name string) string {
	if id := claims.Text(name); isID(id) {
		return id
	}
	return ""
}

// isID reports whether text is fit to be kept, compared and shown as somebody's id.
func isID(text string) bool {
	return len(text) <= maxIDBytes && !strings.ContainsFunc(text, unicode.IsControl)
}
