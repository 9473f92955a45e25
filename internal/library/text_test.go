package library_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/internal/library"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	const (
		path     = "filename cannot include path separators"
		letters  = "filename may only contain letters, numbers, dots, underscores, and hyphens"
		ends     = "filename may not begin with a dot or a hyphen, nor end with a dot"
		reserved = "filename is reserved on Windows"
	)
	for text, want := range map[string]string{
		"": "filename is required", " \t\r\n": "filename is required",
		strings.Repeat("a", 256): "filename must be 255 characters or fewer",
		strings.Repeat("ä", 128): "filename must be 255 characters or fewer",
		"..":                     path, "a..b": path, "a/b": path, "/a": path, `a\b`: path, "../a.md": path, "...": path,
		"a b": letters, "ä.md": letters, "a\x00.md": letters, "a\n.md": letters, "a:b": letters, "~": letters, "$(reboot)": letters, "a\xff": letters,
		".": ends, ".md": ends, "-x": ends, "--": ends, "a.": ends, "a.md.": ends,
		"con": reserved, "con.md": reserved, "CON": reserved, "Con.tar.gz": reserved, "nul": reserved, "aux.md": reserved, "prn.x": reserved,
		"com1.md": reserved, "COM9": reserved, "lpt1": reserved, "LPT9.md": reserved,
	} {
		_, err := library.ParseName(text)
		invalid(t, text, err, "filename", want)
	}
	for _, name := range []string{
		"a", "A.md", "_x", "__", "a-", "a_b-c.d.md", "0", "con-1.md", "console.md", "com0.md", "com10.md", "lpt.md", "a.con", strings.Repeat("a", 255),
	} {
		if got, err := library.ParseName(" \t" + name + "\r\n"); err != nil || got != name {
			t.Errorf("got %q, %v; want %q", got, err, name)
		}
	}
}

func TestFrontMatter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{ // description, argument hint; -: the file does not say
		"":             {"-", "-"},
		"text":         {"-", "-"},
		"---":          {"-", "-"},
		"---\n---\n":   {"-", "-"},
		"---\nname: x": {"-", "-"},
		"---\ndescription: D\nargument-hint: <a>\n---\nbody": {"D", "<a>"},
		"---\r\ndescription: D\r\n---\r\nbody":               {"D", "-"},
		"---\rdescription: D\r---\rbody":                     {"D", "-"},
		"---\ndescription: D\r\nargument-hint: H\r---":       {"D", "H"},
		" --- \t\n\tDescription :  D  \n--- ":                {"D", "-"},
		"---\nARGUMENT-HINT: h\n---":                         {"-", "h"},
		"---\nargument_hint: h\n---":                         {"-", "-"},
		"---\ndescription: \"a: b\" 'c'\n---":                {`"a: b" 'c'`, "-"},
		"---\ndescription: one\ndescription: two\n---":       {"two", "-"},
		"---\ndescription:\n---":                             {"", "-"},
		"---\ndescription\n---":                              {"-", "-"},
		"---\ndescription: D\nno end":                        {"-", "-"},
		"---\ndescription: D\n----\n":                        {"-", "-"},
		"\n---\ndescription: D\n---":                         {"-", "-"},
		"x---\ndescription: D\n---":                          {"-", "-"},
		"---\n---\ndescription: D\n---":                      {"-", "-"},
		"---\ndescription: D\n---\ndescription: E\n---":      {"D", "-"},
	} {
		description, hint := library.FrontMatter(text)
		if got := [2]string{orDash(description), orDash(hint)}; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

// FuzzFrontMatter: what a file says about itself are trimmed pieces of its lines, however those end, and only of those
// before its text.
func FuzzFrontMatter(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		description, hint := library.FrontMatter(text)
		got := [2]string{orDash(description), orDash(hint)}
		lf := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		for _, value := range []*string{description, hint} {
			if value != nil && (strings.TrimSpace(*value) != *value || strings.ContainsAny(*value, "\r\n") || !strings.Contains(lf, *value)) {
				t.Errorf("%q: got %q", text, *value)
			}
		}
		variants := []string{lf, strings.ReplaceAll(lf, "\n", "\r\n"), strings.ReplaceAll(lf, "\n", "\r")}
		if description != nil || hint != nil {
			variants = append(variants, text+"\n---\ndescription: later\nargument-hint: later\n---\n")
		}
		for _, variant := range variants {
			description, hint := library.FrontMatter(variant)
			if again := [2]string{orDash(description), orDash(hint)}; again != got {
				t.Errorf("%q: got %q, want %q as of %q", variant, again, got, text)
			}
		}
	})
}

var (
	goodName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$`)
	deviceName = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)`)
)

// FuzzParseName: a name is taken exactly if it is a plain name on every system, and then as it is.
func FuzzParseName(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		name, err := library.ParseName(text)
		trimmed := strings.TrimSpace(text)
		good := goodName.MatchString(trimmed) && !deviceName.MatchString(trimmed) && !strings.Contains(trimmed, "..") && !strings.HasSuffix(trimmed, ".")
		if good != (err == nil) || (err == nil && name != trimmed) {
			t.Errorf("%q: got %q, %v", text, name, err)
		}
		if err != nil && (name != "" || !utf8.ValidString(err.Error())) {
			t.Errorf("%q: got %q, %q", text, name, err)
		}
	})
}
