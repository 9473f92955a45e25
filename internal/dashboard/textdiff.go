package dashboard

import (
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/templates"
)

// Bounds of a difference.
const (
	diffContext = 3       // lines shown around a change
	maxDiffWork = 4 << 20 // pairs of lines that are compared; beyond, what differs is shown as replaced in one piece
	maxDiffRows = 2000    // that are shown
)

// textDiff says which lines make one text of another.
func textDiff(fromName, from, toName, to string) templates.TextDiff {
	d := templates.TextDiff{From: fromName, To: toName, Same: from == to}
	if d.Same {
		return d
	}
	lines := diffLines(textLines(from), textLines(to))
	if !slices.ContainsFunc(lines, func(l templates.DiffLine) bool { return l.Kind != templates.DiffSame }) {
		d.Lines = []templates.DiffLine{{Kind: templates.DiffGap, Text: "Only the ends of lines differ."}}
		return d
	}
	d.Lines = withoutDistant(lines)
	if more := len(d.Lines) - maxDiffRows; more > 0 {
		d.Lines = d.Lines[:maxDiffRows]
		d.Cut = templates.Count(int64(more), "more line is", "more lines are") + " not shown."
	}
	return d
}

// textLines are the lines of a text, whatever ends them, and whether the last one has an end or not.
func textLines(text string) []string {
	if text == "" {
		return nil
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// diffLines lines up two texts: what both begin and end with, and between that a longest common subsequence.
func diffLines(from, to []string) (lines []templates.DiffLine) {
	add := func(kind templates.DiffKind, i, j int) {
		line := templates.DiffLine{Kind: kind, Old: i + 1, New: j + 1}
		switch kind {
		case templates.DiffAdded:
			line.Old, line.Text = 0, to[j]
		case templates.DiffRemoved:
			line.New, line.Text = 0, from[i]
		default:
			line.Text = from[i]
		}
		lines = append(lines, line)
	}
	head := 0
	for head < len(from) && head < len(to) && from[head] == to[head] {
		add(templates.DiffSame, head, head)
		head++
	}
	n, m := len(from)-head, len(to)-head
	for n > 0 && m > 0 && from[head+n-1] == to[head+m-1] {
		n, m = n-1, m-1
	}
	longest := commonLengths(from[head:head+n], to[head:head+m])
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case longest != nil && i < n && j < m && from[head+i] == to[head+j]:
			add(templates.DiffSame, head+i, head+j)
			i, j = i+1, j+1
		case i < n && (j == m || longest == nil || longest[(i+1)*(m+1)+j] >= longest[i*(m+1)+j+1]):
			add(templates.DiffRemoved, head+i, 0)
			i++
		default:
			add(templates.DiffAdded, 0, head+j)
			j++
		}
	}
	for head+i < len(from) {
		add(templates.DiffSame, head+i, head+j)
		i, j = i+1, j+1
	}
	return lines
}

// commonLengths tells, row by row for each pair of places, how many lines the rests behind them have in common; nil: that is too much
// work.
func commonLengths(from, to []string) []int32 {
	n, m := len(from), len(to)
	if n > 0 && m > maxDiffWork/n {
		return nil
	}
	lengths := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			at := i*(m+1) + j
			if from[i] == to[j] {
				lengths[at] = lengths[at+m+2] + 1
			} else {
				lengths[at] = max(lengths[at+m+1], lengths[at+1])
			}
		}
	}
	return lengths
}

// withoutDistant leaves out lines that are the same and far from any change.
func withoutDistant(lines []templates.DiffLine) (shown []templates.DiffLine) {
	near := make([]bool, len(lines))
	for i := range lines {
		if lines[i].Kind == templates.DiffSame {
			continue
		}
		for k := max(0, i-diffContext); k <= min(len(lines)-1, i+diffContext); k++ {
			near[k] = true
		}
	}
	for i := 0; i < len(lines); i++ {
		if near[i] {
			shown = append(shown, lines[i])
			continue
		}
		end := i
		for end < len(lines) && !near[end] {
			end++
		}
		shown = append(shown, templates.DiffLine{Kind: templates.DiffGap, Text: templates.Count(int64(end-i), "line is the same", "lines are the same")})
		i = end - 1
	}
	return shown
}
