package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Clean makes a string from outside harmless on a terminal: control characters, escapes, line breaks and characters
// that turn the direction of writing become �, and so does what is not UTF-8.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r), r == 0x2028, r == 0x2029,
			r == 0x061c, r == 0x200e, r == 0x200f, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
			return utf8.RuneError
		}
		return r
	}, text)
}

// Cells is how many columns of a terminal text takes; it must be clean. Where terminals disagree, as over families of
// emoji, it is the larger number, so that nothing wraps on any of them.
func Cells(text string) int {
	cells := 0
	for text != "" {
		var n int
		_, n, text = nextCluster(text)
		cells += n
	}
	return cells
}

// Cut shortens text to at most that many cells; what was cut ends with ….
func Cut(text string, cells int) string { return cut(text, cells, "…") }

func cut(text string, cells int, ellipsis string) string {
	// A letter under a hundred accents is one cell wide and many lines high.
	const runesPerCell = 8
	kept, end, width, runes := "", 0, 0, 0
	for rest := text; rest != ""; {
		var cluster string
		var n int
		cluster, n, rest = nextCluster(rest)
		runes += utf8.RuneCountInString(cluster)
		if width+n > cells || runes > runesPerCell*cells {
			if room := cells - Cells(ellipsis); room < 0 {
				return cut(ellipsis, cells, "")
			}
			return strings.TrimRight(kept, " ") + ellipsis
		}
		width, end = width+n, end+len(cluster)
		if width <= cells-Cells(ellipsis) {
			kept = text[:end]
		}
	}
	return text
}

// nextCluster splits off the first character as people count them, with its width.
func nextCluster(text string) (cluster string, cells int, rest string) {
	if text[0] >= ' ' && text[0] <= '~' && (len(text) == 1 || text[1] < utf8.RuneSelf) {
		return text[:1], 1, text[1:]
	}
	cluster, cells = ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
	if cluster == "" {
		_, size := utf8.DecodeRuneInString(text)
		cluster = text[:size]
	}
	each := 0
	for _, r := range cluster {
		each += ansi.StringWidth(string(r))
	}
	return cluster, max(cells, each), text[len(cluster):]
}
