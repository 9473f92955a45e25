// Package screen is how cdx looks in a terminal: facts in, text out. It knows no network, no files and nothing of what
// it reports; every function can be called with hostile strings and impossible numbers and still writes lines that fit.
package screen

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// Terminal is what an output can show. The zero value is a pipe: nothing is cut, coloured or drawn twice.
type Terminal struct {
	Interactive bool // a terminal; what does not fit its width is cut
	Redraws     bool // a terminal that can go back to the start of a line and write over it
	Width       int  // columns; 0 stands for 80
	Colour      bool // escape sequences for colour, bold and faint are understood and wanted
	ASCII       bool // nothing but ASCII can be shown
}

const (
	usualWidth = 80
	// layoutWidth is where laid-out text ends, so that a very wide terminal does not tear value and remark apart.
	layoutWidth = 96
	// remarkWidth is the narrowest terminal with remarks, shortWidth the narrowest with lines that are in order.
	remarkWidth = 80
	shortWidth  = 40
)

// Detect finds out what file can show. getenv is os.Getenv; colour is the value of --color: auto, always or never, and
// auto is the default. Width, terminal and code page are asked of the system; nothing is ever sent to the terminal.
func Detect(file *os.File, getenv func(string) string, colour string) Terminal {
	fd := int(file.Fd())
	dumb := isDumb(getenv("TERM"))
	t := Terminal{Interactive: term.IsTerminal(fd), ASCII: wantsASCII(getenv)}
	t.Redraws = t.Interactive && !dumb
	t.Width = usualWidth
	if columns, err := strconv.Atoi(getenv("COLUMNS")); err == nil && columns > 0 {
		t.Width = columns
	}
	if t.Interactive {
		if columns, _, err := term.GetSize(fd); err == nil && columns > 0 {
			t.Width = columns
		}
	}
	t.Colour = wantsColour(getenv, colour, t.Redraws)
	if t.Colour && t.Interactive {
		t.Colour = enableEscapes(file)
	}
	return t
}

// wantsColour: what was typed goes before the environment, and no before yes. capable is a terminal that is not dumb.
func wantsColour(getenv func(string) string, colour string, capable bool) bool {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case colour == "never":
		return false
	case colour == "always":
		return true
	case getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	default:
		return capable
	}
}

// wantsASCII reports whether more than ASCII would come out as rubbish.
func wantsASCII(getenv func(string) string) bool {
	if getenv("CDX_ASCII") == "1" || getenv("TERM") == "linux" {
		return true // the Linux console has no font for the bars
	}
	return !showsUTF8(getenv)
}

// utf8Locale reports whether the locale's character set is UTF-8. As in setlocale, the first variable that is set
// decides.
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

// columns is the width to lay text out for.
func (t Terminal) columns() int {
	if t.Width <= 0 {
		return usualWidth
	}
	return t.Width
}

// legible makes text safe for any terminal, and for one without UTF-8 legible.
func (t Terminal) legible(text string) string {
	text = Clean(text)
	if !t.ASCII {
		return text
	}
	return asciiForms.Replace(strings.Map(func(r rune) rune {
		switch {
		case r < 0x80, r == '…', r == '→':
			return r
		case r == '“', r == '”':
			return '"'
		case r == '‘', r == '’':
			return '\''
		case r == '█':
			return '#'
		case r == '▒':
			return '/'
		case r == '░':
			return '.'
		}
		return '?'
	}, text))
}

var asciiForms = strings.NewReplacer("…", "...", "→", "->")

// ellipsis is the end of a text that was cut.
func (t Terminal) ellipsis() string { return t.legible("…") }
