package screen

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// State is how a line stands, the better the smaller.
type State int

// States of a line.
const (
	Good      State = iota // in order
	Unknown                // unknown, or waiting
	Attention              // needs attention
	Refused                // refused, failed, lost
)

// sign is the symbol of a state. With the words beside it, it carries the meaning that colour only repeats.
func (t Terminal) sign(s State) string {
	signs := [...]string{"✓", "○", "!", "✗"}
	if t.ASCII {
		signs = [...]string{"+", "o", "!", "x"}
	}
	return signs[min(max(s, Good), Refused)]
}

// look is how a piece of a line is drawn.
type look int

const (
	plain look = iota // as the line's state has it
	quiet             // faint: labels, remarks
	typed             // bold: something to type
	used              // the full part of a bar
	ahead             // the part of a bar that the projection adds
	mark              // the symbol
	label             // the label
	blank             // spaces, never styled
)

// span is a piece of a line that is drawn in one look.
type span struct {
	look look
	text string
}

// text is a value that is drawn in one look.
func text(words string) []span { return []span{{plain, words}} }

// line is one fact: symbol, label, value and a remark at the right edge.
type line struct {
	state       State
	label       string
	long, short []span // without short, long is cut
	remark      string
	remarkOrCut bool // the short form says what the remark says, so it is taken as soon as the remark has no room
	more        bool // continues the line before it: neither symbol nor label
	spare       bool // among lines of the same state the first to go
}

// labelWidth are the cells of symbol and label, with the spaces behind them.
const labelWidth = 10

// draw lays a line out for a terminal, without a line break.
func (l line) draw(t Terminal) string {
	head := []span{{mark, t.sign(l.state)}, {blank, " "}, {label, l.label}}
	if l.more {
		head = nil
	}
	head = t.ready(head)
	head = append(head, span{blank, strings.Repeat(" ", max(0, labelWidth-width(head)))})
	width := min(t.columns(), layoutWidth)
	return t.paint(l.state, t.cutSpans(append(head, l.value(t, width-labelWidth)...), t.limit(width)))
}

// value chooses the form of the value for so many cells: with its remark, without, short.
func (l line) value(t Terminal, room int) []span {
	long, short, remark := t.ready(l.long), t.ready(l.short), t.ready([]span{{quiet, l.remark}})
	const gap = 2
	free := room - width(long) - width(remark)
	switch {
	case l.remark != "" && free >= gap && room >= remarkWidth-labelWidth:
		return append(append(long, span{blank, strings.Repeat(" ", free)}), remark...)
	case len(short) == 0 || !t.Interactive:
		return long
	case l.remarkOrCut && l.remark != "", width(long) > room, room < shortWidth-labelWidth:
		return short
	}
	return long
}

// limit is how long a line may be in an output of that width: on a pipe nothing is cut.
func (t Terminal) limit(width int) int {
	const pipe = 1000 // a hostile string still ends
	if t.Interactive {
		return width
	}
	return pipe
}

// ready makes every piece legible, before anything is measured.
func (t Terminal) ready(spans []span) []span {
	ready := make([]span, 0, len(spans)+3)
	for _, s := range spans {
		ready = append(ready, span{s.look, t.legible(s.text)})
	}
	return ready
}

func width(spans []span) int {
	cells := 0
	for _, s := range spans {
		cells += Cells(s.text)
	}
	return cells
}

// cutSpans shortens a line to at most that many cells.
func (t Terminal) cutSpans(spans []span, cells int) []span {
	whole := ""
	for _, s := range spans {
		whole += s.text
	}
	short := strings.TrimRight(cut(whole, cells, t.ellipsis()), " ")
	var kept []span
	for _, s := range spans {
		if !strings.HasPrefix(short, s.text) {
			break
		}
		kept, short = append(kept, s), short[len(s.text):]
	}
	if len(kept) < len(spans) && short != "" {
		kept = append(kept, span{spans[len(kept)].look, short})
	}
	return kept
}

// paint writes the pieces of a line in their looks.
func (t Terminal) paint(state State, spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		style := ansi.Style{}
		if t.Colour {
			style = s.look.style(state)
		}
		if len(style) == 0 || s.text == "" {
			b.WriteString(s.text)
		} else {
			b.WriteString(style.Styled(s.text))
		}
	}
	return b.String()
}

// style: a line that is in order has colour on its symbol only, and only the eight colours of the user's own palette
// are used. The styles are those of x/ansi, on which lipgloss builds: lipgloss itself looks at the terminal before main
// begins and, inside tmux, runs "tmux info" for it, in every start of a program that links it.
func (l look) style(state State) ansi.Style {
	style := ansi.Style{}
	lit := style // the colour of a state that asks for attention
	switch state {
	case Attention:
		lit = lit.ForegroundColor(ansi.Yellow)
	case Refused:
		lit = lit.ForegroundColor(ansi.Red)
	case Good, Unknown:
	}
	switch {
	case l == blank:
		return style
	case l == mark && state == Good:
		return style.ForegroundColor(ansi.Green)
	case l == mark, l == used, l == label && state == Attention:
		return lit
	case l == ahead:
		return lit.Faint()
	case l == typed, state == Refused && (l == plain || l == label):
		return style.Bold()
	case l == quiet, l == label, state == Unknown:
		return style.Faint()
	}
	return style
}
