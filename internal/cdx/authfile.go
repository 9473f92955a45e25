package cdx

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// What a machine without a login reports: the reference's clients hash this text, and the time is the oldest that the
// gateway accepts.
const (
	noLogin            = `{"last_refresh":"2000-01-01T00:00:00Z","auths":{}}`
	noLoginLastRefresh = "2000-01-01T00:00:00Z"
)

// Codex may be writing the file while we read it; older ones do so in place.
const (
	readAttempts = 4
	readPause    = 40 * time.Millisecond
)

// login is an auth.json: its exact bytes, and what we understand of them. The zero value is "no file". It is secret as
// a whole and prints as [redacted].
type login struct {
	raw    []byte // nil: there is no file
	broken error  // raw is no auth.json: it has no digest and is good for nothing
	doc    *jsondoc.Object
}

// String implements fmt.Stringer.
func (login) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (login) GoString() string { return "[redacted]" }

// readLogin reads the login at path. A file that is no auth.json is read again for a moment, since its writer may not
// be finished; then it is reported as broken, which is not an error.
func readLogin(path string) (login, error) {
	for attempt := 1; ; attempt++ {
		raw, err := files.ReadBounded(path, jsondoc.MaxBytes)
		if errors.Is(err, fs.ErrNotExist) {
			return login{}, nil
		}
		if err != nil {
			return login{}, fmt.Errorf("reading the login: %w", err)
		}
		l := parseLogin(raw)
		if l.broken == nil || attempt == readAttempts {
			return l, nil
		}
		<-time.After(readPause)
	}
}

func parseLogin(raw []byte) login {
	l := login{raw: raw}
	value, err := jsondoc.Parse(raw)
	if err != nil {
		l.broken = err
		return l
	}
	object, ok := value.(*jsondoc.Object)
	if !ok {
		l.broken = errors.New("not a JSON object")
		return l
	}
	l.doc = object
	return l
}

// exists reports whether there is a login that could be read.
func (l login) exists() bool { return l.raw != nil && l.broken == nil }

// same reports whether both are the same bytes, or both no file.
func (l login) same(other login) bool {
	return (l.raw == nil) == (other.raw == nil) && bytes.Equal(l.raw, other.raw)
}

// digest identifies the login to the gateway.
func (l login) digest() string {
	if l.exists() {
		return jsondoc.DigestOf(l.doc).String()
	}
	return parseLogin([]byte(noLogin)).digest()
}

// lastRefresh is when Codex last renewed the login, as the file says it.
func (l login) lastRefresh() string {
	if text := l.doc.Text("last_refresh"); text != "" {
		return text
	}
	return noLoginLastRefresh
}

// accessToken is what Codex presents to the model; "" in an API-key login.
func (l login) accessToken() string { return l.doc.Object("tokens").Text("access_token") }

// account is whose login it is; "" if the file does not say.
func (l login) account() string { return l.doc.Object("tokens").Text("account_id") }

// usable reports whether Codex can start with the login when the gateway does not answer.
func (l login) usable() bool {
	return l.accessToken() != "" || l.doc.Text("OPENAI_API_KEY") != ""
}

// renewable reports whether Codex can renew the login without the gateway.
func (l login) renewable() bool {
	token := l.doc.Object("tokens").Text("refresh_token")
	return token != "" && !strings.HasPrefix(token, placeholderPrefix)
}

// uploadable reports whether the login is one that a fleet can share: it has tokens. A user's API key stays here.
func (l login) uploadable() bool { return l.accessToken() != "" }

// isOwnAPIKey reports whether the login is an API key that Codex stored on this machine. The gateway's documents always
// carry last_refresh, Codex's API-key logins never do.
func (l login) isOwnAPIKey() bool {
	return l.accessToken() == "" && l.doc.Text("OPENAI_API_KEY") != "" && l.doc.Text("last_refresh") == ""
}

// claims are the times in an access token. They are zero when the token is not a JWT or does not say.
type claims struct{ issuedAt, expiresAt time.Time }

// claims reads the access token without verifying it: they are hints about our own file, never a proof.
func (l login) claims() claims {
	parts := strings.Split(l.accessToken(), ".")
	if len(parts) != 3 {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}
	}
	var seconds struct {
		IssuedAt  json.Number `json:"iat"`
		ExpiresAt json.Number `json:"exp"`
	}
	if json.Unmarshal(payload, &seconds) != nil {
		return claims{}
	}
	return claims{issuedAt: unixTime(seconds.IssuedAt), expiresAt: unixTime(seconds.ExpiresAt)}
}

func unixTime(n json.Number) time.Time {
	seconds, err := n.Float64()
	if err != nil || seconds <= 0 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// newerThan reports whether l's access token was issued after other's. It is false when one of them does not say: then
// the gateway's word counts.
func (l login) newerThan(other login) bool {
	ours, theirs := l.claims().issuedAt, other.claims().issuedAt
	return !ours.IsZero() && !theirs.IsZero() && ours.After(theirs)
}

// foreignTo reports whether both say whose login they are, and it is not the same account.
func (l login) foreignTo(other login) bool {
	return l.account() != "" && other.account() != "" && l.account() != other.account()
}

// validity says how long the login is good for: "valid for 7 d 17 h"; "" if the token does not say.
func (l login) validity(now time.Time) string {
	until := l.claims().expiresAt
	switch {
	case until.IsZero():
		return ""
	case until.After(now):
		return "valid for " + screen.Span(until.Sub(now))
	default:
		return "expired " + screen.Span(now.Sub(until)) + " ago"
	}
}
