package screen

import (
	"os"
	"testing"
)

// environment is a getenv of what is set here.
func environment(pairs ...string) func(string) string {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return values[name] }
}

func TestColourIsWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env     func(string) string
		flag    string
		capable bool
		want    bool
	}{
		{environment(), "auto", true, true},
		{environment(), "", true, true},
		{environment(), "auto", false, false},
		{environment(), "never", true, false},
		{environment(), "always", false, true},
		{environment("NO_COLOR", "1"), "auto", true, false},
		{environment("NO_COLOR", "0"), "auto", true, false}, // any text
		{environment("NO_COLOR", "1"), "always", false, true},
		{environment("NO_COLOR", "1", "CLICOLOR_FORCE", "1"), "auto", true, false},
		{environment("CLICOLOR_FORCE", "1"), "auto", false, true},
		{environment("CLICOLOR_FORCE", "0"), "auto", false, false},
		{environment("CLICOLOR_FORCE", "1"), "never", true, false},
	} {
		if got := wantsColour(c.env, c.flag, c.capable); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestLocale(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  func(string) string
		want bool
	}{
		{environment(), false},
		{environment("LANG", "de_DE.UTF-8"), true},
		{environment("LANG", "de_DE.utf8"), true},
		{environment("LANG", "de_DE.ISO-8859-1"), false},
		{environment("LANG", "de_DE.UTF-8", "LC_ALL", "C"), false},
		{environment("LANG", "C", "LC_CTYPE", "C.UTF-8"), true},
		{environment("LC_CTYPE", "C.UTF-8", "LC_ALL", ""), true},
	} {
		if got := utf8Locale(c.env); got != c.want {
			t.Errorf("LC_ALL=%s LC_CTYPE=%s LANG=%s: %v", c.env("LC_ALL"), c.env("LC_CTYPE"), c.env("LANG"), got)
		}
	}
	for _, pair := range [][2]string{{"CDX_ASCII", "1"}, {"TERM", "linux"}} {
		if !wantsASCII(environment("LANG", "C.UTF-8", pair[0], pair[1])) {
			t.Errorf("%s=%s does not ask for ASCII", pair[0], pair[1])
		}
	}
}

func TestDetectPipe(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	utf8 := []string{"LANG", "C.UTF-8", "TERM", "xterm"}
	for _, c := range []struct {
		env  func(string) string
		flag string
		want Terminal
	}{
		{environment(utf8...), "auto", Terminal{Width: 80}},
		{environment(append(utf8, "COLUMNS", "132")...), "auto", Terminal{Width: 132}},
		{environment(append(utf8, "COLUMNS", "-4")...), "auto", Terminal{Width: 80}},
		{environment(append(utf8, "COLUMNS", "wide")...), "always", Terminal{Width: 80, Colour: true}},
	} {
		if got := Detect(writer, c.env, c.flag); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

func TestASCIIHasNothingElse(t *testing.T) {
	t.Parallel()
	got := Terminal{ASCII: true}.legible("“é” → ‘日本’ … █▒░ \u202e\x1b e\u0301")
	if want := `"?" -> '??' ... #/. ?? e?`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
