package screen

import (
	"fmt"
	"time"
)

// Ending is how a run of Codex ended.
type Ending struct {
	ExitCode int
	Duration time.Duration
	Usage    *Tokens // nil if nothing is known
	Sending  Sending
	Login    Renewal
	// Generation is what a new login that was sent up became.
	Generation int64
	// NotSent is why a new login was not: "the gateway did not answer". Type is what to do about it now, "cdx sync"
	// unless set.
	NotSent, Type string
}

// Tokens are what a run used. Without the parts, only the total is told.
type Tokens struct {
	Total, Input, Cached, Output int64
	Cost                         *float64 // dollars
}

// Sending is what became of the report of usage.
type Sending int

// Fates of a report.
const (
	NothingToSend Sending = iota
	UsageSent
	UsageKept // it goes up with the next contact
)

// Renewal is what became of the login during the run.
type Renewal int

// Fates of a login.
const (
	LoginNotKnown Renewal = iota
	LoginUnchanged
	LoginSent
	LoginNotSent
)

// Footer is what follows when Codex has ended: one line, a second where there is no room or something to do. It is a
// sentence and uses the whole width.
func Footer(e Ending, t Terminal) string {
	whole, usual, brief := e.forms()
	if t.Interactive && t.columns() < shortWidth && e.state() == Good {
		return ""
	}
	lines := brief
	switch {
	case t.fits(whole) || !t.Interactive:
		lines = whole
	case t.fits(usual) || t.columns() >= usualWidth:
		lines = usual
	}
	out := ""
	for i, words := range lines {
		head := []span{{mark, t.sign(e.state())}, {blank, " "}}
		if i > 0 && e.Login == LoginNotSent {
			head = []span{{blank, "  "}}
		}
		out += t.paint(e.state(), t.cutSpans(append(head, t.ready(words)...), t.limit(t.columns()))) + "\n"
	}
	return out
}

// fits reports whether every line does, with the symbol before it.
func (t Terminal) fits(lines [][]span) bool {
	for _, words := range lines {
		if 2+width(t.ready(words)) > t.columns() {
			return false
		}
	}
	return true
}

func (e Ending) state() State {
	switch {
	case e.Login == LoginNotSent:
		return Refused
	case e.ExitCode != 0:
		return Attention
	}
	return Good
}

// forms are the footer in one line, in the lines of 80 columns, and in those of 40.
func (e Ending) forms() (whole, usual, brief [][]span) {
	if e.Login == LoginNotSent {
		return e.lost()
	}
	ended := fmt.Sprintf("Codex ended with %d after %s", e.ExitCode, Span(e.Duration))
	exit := fmt.Sprintf("exit %d", e.ExitCode)
	all, total, rounded := e.Usage.words()
	sending := [...]string{"", "usage sent", "usage kept for the next contact"}[min(max(e.Sending, 0), UsageKept)]
	renewal := ""
	switch e.Login {
	case LoginUnchanged:
		renewal = "login unchanged"
	case LoginSent:
		renewal = "new login sent up"
		if e.Generation > 0 {
			renewal += ": the fleet has it as generation " + thousands(e.Generation)
		}
	case LoginNotKnown, LoginNotSent:
	}
	whole = [][]span{text(list(": ", ended, list(", ", all, sending, renewal)))}
	usual = [][]span{text(list(": ", ended, list(", ", total, sending)))}
	brief = [][]span{text(list(", ", Span(e.Duration), rounded, exit))}
	if e.Login == LoginSent {
		second, short := "new login sent up", "login sent up"
		if e.Generation > 0 {
			second += ", the fleet has it as generation " + thousands(e.Generation)
			short += ", now gen " + thousands(e.Generation)
		}
		usual, brief = append(usual, text(second)), append(brief, text(short))
	}
	return whole, usual, brief
}

// lost are the forms for a new login that only this machine has.
func (e Ending) lost() (whole, usual, brief [][]span) {
	command := e.Type
	if command == "" {
		command = "cdx sync"
	}
	reason := "."
	if e.NotSent != "" {
		reason = ": " + field(e.NotSent, reasonCells) + "."
	}
	const kept = "It is kept on this machine and goes up with the next run. "
	whole = [][]span{{
		{plain, fmt.Sprintf("Codex ended with %d after %s. Its new login was NOT sent%s %sTo try now: ",
			e.ExitCode, Span(e.Duration), reason, kept)},
		{typed, command},
	}}
	usual = [][]span{
		text(fmt.Sprintf("Codex ended with %d. Its new login was NOT sent%s", e.ExitCode, reason)),
		{{plain, kept + "Now: "}, {typed, command}},
	}
	brief = [][]span{text("new login NOT sent, kept here"), {{plain, "now: "}, {typed, command}}}
	return whole, usual, brief
}

// words are the tokens with their parts, in total, and rounded.
func (u *Tokens) words() (all, total, rounded string) {
	if u == nil {
		return "", "", ""
	}
	count := thousands(u.Total) + " tokens"
	cost := dollars(u.Cost)
	total, rounded = list(", ", count, cost), rough(u.Total, "")+" tokens"
	if u.Input == 0 && u.Cached == 0 && u.Output == 0 {
		return total, total, rounded
	}
	parts := fmt.Sprintf("%s (%s input, %s cached, %s output)",
		count, thousands(u.Input), thousands(u.Cached), thousands(u.Output))
	return list(", ", parts, cost), total, rounded
}
