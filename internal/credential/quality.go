package credential

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/internal/errs"
)

const (
	defaultMinTokenLength = 24
	leastMinTokenLength   = 8 // below that an operator's setting is a mistake
	minDistinctBytes      = 6
)

// exampleTokens are what people leave in templates.
var exampleTokens = []string{"token", "newer-token", "placeholder", "changeme", "dummy", "test", "example", "example-token"}

// checkToken refuses what cannot be a token, so that a slip of an editor never becomes the fleet's login. minLength is
// in bytes, as in Options. The texts are literal: clients show them.
func checkToken(field, token string, minLength int) error {
	if minLength == 0 {
		minLength = defaultMinTokenLength
	}
	minLength = max(minLength, leastMinTokenLength)
	switch {
	case token == "":
		return errs.Field(field, "token is required")
	case strings.ContainsFunc(token, unicode.IsSpace):
		return errs.Field(field, "token may not contain whitespace or newlines")
	case len(token) < minLength:
		return errs.Field(field, fmt.Sprintf("token too short (min %d characters)", minLength))
	case slices.Contains(exampleTokens, strings.ToLower(token)):
		return errs.Field(field, "token appears to be a placeholder value")
	case isOneCharacterRepeated(token):
		return errs.Field(field, "token is not high-entropy (single repeated character)")
	case distinctBytes(token) < minDistinctBytes:
		return errs.Field(field, "token entropy too low (too few unique characters)")
	}
	return nil
}

func isOneCharacterRepeated(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return strings.Trim(text, string(first)) == ""
}

func distinctBytes(text string) int {
	var seen [256]bool
	count := 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			count++
		}
	}
	return count
}
