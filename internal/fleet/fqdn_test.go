package fleet_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestParseFQDN(t *testing.T) {
	t.Parallel()
	const grammar = "fqdn must be a host name: labels of letters, digits and inner hyphens, separated by dots"
	const required, long = "fqdn is required", "fqdn is longer than 253 characters"
	label := strings.Repeat("a", 63)
	longest := strings.Repeat(label+".", 3) + strings.Repeat("a", 61)
	for text, want := range map[string]string{
		"build7.example": "build7.example", "localhost": "localhost", "7": "7", "a": "a", "x--y.example": "x--y.example",
		"BUILD7.Example": "build7.example", " build7.example\n": "build7.example", "build7.example.": "build7.example",
		"10.0.0.1": "10.0.0.1", label + ".example": label + ".example", longest: longest, longest + ".": longest,
	} {
		if got, err := fleet.ParseFQDN(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": required, " \t": required, ".": required,
		longest + "a": long, strings.Repeat("a.", 200): long,
		"..": grammar, ".a": grammar, "a..b": grammar, "a..": grammar, "-a": grammar, "a-": grammar, "a.-b": grammar, "a-.b": grammar, "-": grammar,
		label + "a.example": grammar, "a_b": grammar, "a b": grammar, "a\tb": grammar, "a\nb": grammar, "a\x00b": grammar, "a/b": grammar, "a:b": grammar,
		"*.example": grammar, "$(reboot)": grammar, "`reboot`": grammar, "a;reboot": grammar, "a'b": grammar, `a"b`: grammar, `a\b`: grammar, "${HOME}": grammar,
		"a&b": grammar, "a|b": grammar, "<a>": grammar, "a%00": grammar, "[::1]": grammar, "bücher.example": grammar, "ⓐ.example": grammar,
		"\u212a8s.example": grammar, // KELVIN SIGN, whose lower case is an ASCII k
		"\u0130.example":   grammar, // and this one's an i
		"a\u00a0b":         grammar, "a\u200b": grammar, "\xff": grammar, "host .": grammar,
	} {
		got, err := fleet.ParseFQDN(text)
		refusal := errs.Of(err)
		if refusal == nil || refusal.Kind != errs.Invalid || len(refusal.Fields["fqdn"]) != 1 || refusal.Fields["fqdn"][0] != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// What passes may stand in a shell script, a URL and a log line, and means itself when read again.
func FuzzFQDN(f *testing.F) {
	for _, seed := range []string{"build7.example", " A.b. ", "-", "a..b", "$(x)", "\u212a", "xn--bcher-kva.example", strings.Repeat("a", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := fleet.ParseFQDN(text)
		if err != nil {
			if got != "" || errs.Of(err).Kind != errs.Invalid {
				t.Errorf("%q: got %q with %v", text, got, err)
			}
			return
		}
		if len(got) > 253 || !hostName.MatchString(got) {
			t.Errorf("%q: got %q, which is no host name", text, got)
		}
		if name := strings.TrimSuffix(strings.TrimSpace(text), "."); len(got) != len(name) || !strings.EqualFold(got, name) {
			t.Errorf("%q: got %q, which is something else", text, got)
		}
		if again, err := fleet.ParseFQDN(got); err != nil || again != got {
			t.Errorf("%q: got %q, %v when read again", got, again, err)
		}
	})
}
