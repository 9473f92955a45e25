package operator

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// table is rows under headings, with the columns that may be left out where the terminal is narrow, first to go first.
type table struct {
	head     []string
	optional []string
	rows     [][]string
}

// write prints the table; what does not fit is left out and said to be.
func (t *table) write(out, notes io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = visible(cell, "")
		}
	}
	hidden := t.fit(terminalWidth(out))
	for _, row := range append([][]string{t.head}, t.rows...) {
		line := ""
		for i, cell := range row {
			if !hidden[i] {
				line += fmt.Sprintf("%-*s  ", t.columnWidth(i), cell)
			}
		}
		_, _ = fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	switch len(hidden) {
	case 0:
	case 1:
		_, _ = fmt.Fprintln(notes, "1 column hidden, use -o json")
	default:
		_, _ = fmt.Fprintf(notes, "%d columns hidden, use -o json\n", len(hidden))
	}
}

// fit chooses the columns to leave out so that the table is at most width wide, if that can be; 0 means any width.
func (t *table) fit(width int) (hidden map[int]bool) {
	hidden = map[int]bool{}
	for _, name := range t.optional {
		if width == 0 || t.width(hidden) <= width {
			break
		}
		hidden[slices.Index(t.head, name)] = true
	}
	return hidden
}

// visible writes what a terminal would obey, or not show at all, as JSON does: hosts choose names and texts. What is in
// spared stays as it is.
func visible(text, spared string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsGraphic(r) || strings.ContainsRune(spared, r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// clip shortens a cell to so many characters.
func clip(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length-1]) + "…"
	}
	return text
}

// terminalWidth is how many columns out has; 0 when it is no terminal, where nothing needs cutting.
func terminalWidth(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func (t *table) columnWidth(column int) int {
	widest := utf8.RuneCountInString(t.head[column])
	for _, row := range t.rows {
		widest = max(widest, utf8.RuneCountInString(row[column]))
	}
	return widest
}

func (t *table) width(hidden map[int]bool) int {
	total := 0
	for i := range t.head {
		if !hidden[i] {
			total += t.columnWidth(i) + len("  ")
		}
	}
	return total - len("  ")
}
