package usage_test

import (
	"strings"
	"testing"
	"unicode/utf8"

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

func FuzzCleanLine(f *testing.F) {
	for _, seed := range []string{"Token usage: total=1", "\x1b[31mx", "\x1b]0;t\x07y", "[<0;1;2m", `\\\\`, "\xff\xfe", "é", "K\u212aToken usage: x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := usage.CleanLine(line)
		if !utf8.ValidString(got) || len(got) > 1000+len("…") {
			t.Fatalf("got %q", got)
		}
		for _, r := range strings.TrimSuffix(got, "…") {
			if r < ' ' || r > '~' {
				t.Fatalf("got %q, want printable ASCII", got)
			}
		}
		if got != strings.TrimSpace(got) {
			t.Fatalf("got %q, want no blanks around", got)
		}
	})
}
