package operator

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
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
	if len(hidden) > 0 {
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
