package usage

import (
	"regexp"
	"strings"
)

// maxLineBytes bounds a line as it is kept, without the mark that it was cut.
const maxLineBytes = 1000

var (
	csi         = regexp.MustCompile(`\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]`)
	osc         = regexp.MustCompile(`\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)`)
	controls    = regexp.MustCompile(`[\x00-\x1f\x7f]`)
	backslashes = regexp.MustCompile(`\\{2,}`)
	mouse       = regexp.MustCompile(`\[<[0-9]+(?:;[0-9]+)*[0-9A-Za-z_]?`)
	blanks      = regexp.MustCompile(`\s+`)
	foreign     = regexp.MustCompile(`[^\x20-\x7e]`)
	// Letters outside ASCII do not fold here, though some have an ASCII letter as their lower case.
	beginning = regexp.MustCompile(`[Tt][Oo][Kk][Ee][Nn] [Uu][Ss][Aa][Gg][Ee]:`)
)

// CleanLine makes a line that a client scraped off a terminal fit to be kept and shown: no escape sequences, control
// bytes or remnants of mouse reports, printable ASCII only, beginning with the words about token usage if it has them
// (contract/host-api.md 5). A line of which nothing is left is "".
func CleanLine(line string) string {
	line = csi.ReplaceAllString(line, "")
	line = osc.ReplaceAllString(line, "")
	line = controls.ReplaceAllString(line, " ")
	line = backslashes.ReplaceAllString(line, `\`)
	line = mouse.ReplaceAllString(line, "")
	line = strings.TrimSpace(blanks.ReplaceAllString(line, " "))
	if at := beginning.FindStringIndex(line); at != nil {
		line = line[at[0]:]
	}
	line = strings.TrimSpace(foreign.ReplaceAllString(line, ""))
	if len(line) > maxLineBytes {
		line = line[:maxLineBytes] + "…"
	}
	return line
}
