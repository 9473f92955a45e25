package screen

import (
	"fmt"
	"strings"
)

// Finding is one thing that a doctor looked at.
type Finding struct {
	State State
	Label string // at most 11 cells
	What  string // what is
	Means string // what that means; a finding in order needs none
	Type  string // the command that corrects it
}

// doctorIndent are the cells of symbol and label in a doctor's report.
const doctorIndent = 14

// Doctor is a doctor's report, each finding in up to three parts, and a last line that counts them. exit is 1 when one
// needs attention.
func Doctor(findings []Finding, t Terminal) (out string, exit int) {
	var b strings.Builder
	count := map[State]int{}
	for _, f := range findings {
		count[min(max(f.State, Good), Refused)]++
		f.write(&b, t)
	}
	if count[Attention]+count[Refused] > 0 {
		exit = exitAttention
	}
	counts := []string{fmt.Sprintf("%d in order", count[Good])}
	for _, group := range []struct {
		state State
		words string
	}{{Unknown, "not known"}, {Attention, "needs attention"}, {Refused, "failed"}} {
		if n := count[group.state]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, group.words))
		}
	}
	if n := count[Attention]; n > 1 {
		counts[len(counts)-1-min(1, count[Refused])] = fmt.Sprintf("%d need attention", n)
	}
	sum, status := strings.Join(counts, ", "), fmt.Sprintf("exit %d", exit)
	if gap := min(t.columns(), usualWidth) - Cells(sum) - Cells(status); gap >= 2 {
		b.WriteString(t.paint(Good, []span{{plain, sum}, {blank, strings.Repeat(" ", gap)}, {quiet, status}}) + "\n")
		return b.String(), exit
	}
	for _, words := range (row{comma: ","}).fold(t, append(counts, status), t.limit(t.columns())) {
		b.WriteString(Cut(words, t.limit(t.columns())) + "\n")
	}
	return b.String(), exit
}

// write lays a finding out: symbol, label and what is; below it what that means and what to type.
func (f Finding) write(b *strings.Builder, t Terminal) {
	width := min(t.columns(), layoutWidth)
	room := t.limit(width) - doctorIndent
	name := t.legible(Cut(Clean(f.Label), doctorIndent-3))
	head := []span{{mark, t.sign(f.State)}, {blank, " "}, {label, name}}
	head = append(head, span{blank, strings.Repeat(" ", max(0, doctorIndent-2-Cells(name)))})
	state := f.State
	if state == Unknown {
		state = Good // what is unknown says so
	}
	emit := func(spans []span) {
		b.WriteString(t.paint(state, t.cutSpans(append(head, spans...), t.limit(width))))
		b.WriteByte('\n')
		head = []span{{blank, strings.Repeat(" ", doctorIndent)}}
	}
	sentence := row{}
	for _, words := range sentence.fold(t, some(field(f.What, reasonCells)), room) {
		emit(text(words))
	}
	means, command := t.legible(field(f.Means, reasonCells)), t.legible(field(f.Type, reasonCells))
	const gap = "    "
	if means != "" && command != "" && Cells(means)+len(gap)+Cells(command) <= room {
		emit([]span{{plain, means}, {blank, gap}, {typed, command}})
		return
	}
	for _, words := range sentence.fold(t, some(means), room) {
		emit(text(words))
	}
	for _, words := range sentence.fold(t, some(command), room) {
		emit([]span{{typed, words}})
	}
}

// DoctorJSON is the document of cdx doctor -o json. Its keys stay.
type DoctorJSON struct {
	Exit   int           `json:"exit"`
	Checks []findingJSON `json:"checks"`
}

type findingJSON struct {
	State   string  `json:"state"` // ok, unknown, attention or failed
	Label   string  `json:"label"`
	What    string  `json:"what"`
	Means   *string `json:"means"`
	Command *string `json:"command"`
}

// NewDoctorJSON is the document for the same findings as [Doctor].
func NewDoctorJSON(findings []Finding) DoctorJSON {
	out := DoctorJSON{Checks: make([]findingJSON, 0, len(findings))}
	for _, f := range findings {
		state := "failed"
		if f.State < Refused {
			state = f.State.word()
		}
		if f.State >= Attention {
			out.Exit = exitAttention
		}
		out.Checks = append(out.Checks, findingJSON{state, Clean(f.Label), Clean(f.What), known(f.Means), known(f.Type)})
	}
	return out
}
