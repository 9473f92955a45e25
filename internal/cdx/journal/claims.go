package journal

import (
	"encoding/base64"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
)

// claims is what an access token says about itself, unverified: the token is our own. The zero value says nothing.
type claims struct {
	issuedAt float64           // Unix seconds; 0: it does not say
	login    map[string]string // of loginClaims, those that it has
}

// loginClaims tell one login from another and stay the same when it is renewed.
var loginClaims = []string{"session_id", "sid", "auth_time"}

// readClaims returns the zero claims for a token that is no JWT.
func readClaims(token string) claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}
	}
	value, err := jsondoc.Parse(payload)
	if err != nil {
		return claims{}
	}
	doc, _ := value.(*jsondoc.Object)
	c := claims{login: map[string]string{}}
	issuedAt, _ := doc.Get("iat")
	if n, ok := issuedAt.(jsondoc.Number); ok {
		c.issuedAt = max(n.Float64(), 0)
	}
	for _, name := range loginClaims {
		if v, ok := doc.Get(name); ok {
			c.login[name] = string(jsondoc.Encode(v))
		}
	}
	return c
}

// laterOfOneLogin reports whether both tokens say when they were issued, c after old, and to which login they belong, which
// is the same one.
func (c claims) laterOfOneLogin(old claims) bool {
	if old.issuedAt == 0 || c.issuedAt <= old.issuedAt {
		return false
	}
	shared := 0
	for name, ours := range c.login {
		if theirs, ok := old.login[name]; ok {
			if theirs != ours {
				return false
			}
			shared++
		}
	}
	return shared > 0
}
