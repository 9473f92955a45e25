package usage_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/usage"
)

func TestCleanLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":      "",
		" \t\n": "",
		"Token usage: total=10,000 input=9,000 output=1,000":        "Token usage: total=10,000 input=9,000 output=1,000",
		"\x1b[1;32mToken usage:\x1b[0m total=1":                     "Token usage: total=1",
		"\x1b]0;a title\x07Token usage: total=1":                    "Token usage: total=1",
		"\x1b]8;;https://x\x1b\\Token usage: total=1\x1b]8;;\x1b\\": "Token usage: total=1",
		"noise before TOKEN USAGE: total=1":                         "TOKEN USAGE: total=1",
		"\u0130 noise \xff before Token usage: total=1":             "Token usage: total=1",
		"to\u212aen usage: total=1":                                 "toen usage: total=1",
		"one token usage: 1, one token usage: 2":                    "token usage: 1, one token usage: 2",
		"[<35;10;20M Token usage: total=1":                          "Token usage: total=1",
		"token\x00usage\r\n  two":                                   "token usage two",
		`a\\\\b`:                                                    `a\b`,
		"caf\u00e9 \u2028 x":                                        "caf  x",
		"\x1b":                                                      "",
		"\x1b[":                                                     "[",
		strings.Repeat("a", 1000):                                   strings.Repeat("a", 1000),
		strings.Repeat("a", 1001):                                   strings.Repeat("a", 1000) + "…",
	} {
		if got := usage.CleanLine(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// tight matches what cleaning changes in a clean line all the same: deleting bytes may bring these together, and no step is
// repeated, since the order is the contract's.
var tight = regexp.MustCompile(`(?i)  |\\\\|\[<[0-9]|.token usage:`)

// isClean reports whether a line is at most 1000 bytes of printable ASCII without blanks around.
func isClean(line string) bool {
	foreign := func(r rune) bool { return r < ' ' || r > '~' }
	return len(line) <= 1000 && !strings.ContainsFunc(line, foreign) && line == strings.TrimSpace(line)
}

// Whatever a terminal left in a line, nothing of the result commands one; and what is clean is left alone.
func FuzzCleanLine(f *testing.F) {
	f.Fuzz(func(t *testing.T, line string) {
		got := usage.CleanLine(line)
		text, wasCut := strings.CutSuffix(got, "…")
		if wasCut && len(text) != 1000 {
			t.Errorf("got a cut of %d bytes, want 1000: %q", len(text), got)
		}
		if wasCut {
			text = strings.TrimRight(text, " ") // the cut falls where it falls
		}
		if !isClean(text) {
			t.Errorf("got %q, want at most 1000 bytes of printable ASCII without blanks around", got)
		}
		for _, line := range []string{line, got} {
			if again := usage.CleanLine(line); isClean(line) && !tight.MatchString(line) && again != line {
				t.Errorf("got %q of the clean %q", again, line)
			}
		}
	})
}
