package credential

import (
	"strings"
	"testing"
)

func TestTokenQuality(t *testing.T) {
	t.Parallel()
	const (
		whitespace  = "token may not contain whitespace or newlines"
		short       = "token too short (min 24 characters)"
		placeholder = "token appears to be a placeholder value"
		repeated    = "token is not high-entropy (single repeated character)"
		entropy     = "token entropy too low (too few unique characters)"
	)
	for _, c := range []struct {
		token     string
		minLength int
		want      string // "": accepted
	}{
		{goodToken, 0, ""},
		{"", 0, "token is required"},
		{"a b", 0, whitespace}, // before its length is looked at
		{goodToken + "\n" + goodToken, 0, whitespace},
		{goodToken + "\f", 0, whitespace},
		{goodToken + "\u00a0", 0, whitespace},
		{strings.Repeat("ab", 11) + "c", 0, short},
		{"0123456789abcdefghijklm", 0, short},
		{"0123456789abcdefghijklmn", 0, ""},
		{"0123456789abcdefghijklmn", 30, "token too short (min 30 characters)"},
		{"abcdefg", 1, "token too short (min 8 characters)"},
		{"abcdefg", -5, "token too short (min 8 characters)"},
		{"abcdefgh", 1, ""},
		{"changeme", 8, placeholder},
		{"ChangeMe", 8, placeholder},
		{"newer-token", 8, placeholder},
		{"placeholder", 8, placeholder},
		{"Example-Token", 8, placeholder},
		{"Example-Tokens", 8, ""},
		{"token", 8, "token too short (min 8 characters)"},
		{strings.Repeat("x", 24), 0, repeated},
		{strings.Repeat("é", 24), 0, repeated},
		{strings.Repeat("abcde", 6), 0, entropy},
		{strings.Repeat("abcde", 6) + "f", 0, ""},
	} {
		err := checkToken("f", c.token, c.minLength)
		if c.want == "" {
			if err != nil {
				t.Errorf("%q, %d: got %v, want nil", c.token, c.minLength, err)
			}
			continue
		}
		wantField(t, c.token, err, "f", c.want)
	}
}
