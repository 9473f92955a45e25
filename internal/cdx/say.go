package cdx

import (
	"fmt"
	"io"
	"strings"

	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// Symbols of a line; the words beside them carry the meaning.
const (
	signGood    = "✓"
	signNotice  = "!"
	signRefused = "✗"
	signNeutral = "○"
)

// notice is one line that a user has to read although Codex starts.
type notice struct {
	label, text string
	onCard      bool // the boot card tells it too
}

// say prints one line on standard error: symbol, label in eight columns, text. Standard error is the last resort:
// when it is gone there is nobody to tell.
func (a *app) say(sign, label, text string) {
	_, _ = fmt.Fprintf(a.Stderr, "%s %-7s %s\n", sign, label, screen.Clean(text))
}

// tell prints one line of an enrolment: symbol and sentence.
func (a *app) tell(sign, text string) {
	_, _ = fmt.Fprintf(a.Stderr, "%s %s\n", sign, screen.Clean(text))
}

// warn prints the notices of a synchronisation.
func (a *app) warn(notices []notice) {
	t := a.terminal()
	for _, n := range notices {
		if t.Interactive {
			_, _ = io.WriteString(a.Stderr, screen.Notice(n.label, n.text, t))
			continue
		}
		a.say(signNotice, n.label, n.text)
	}
}

// explain prints why Codex was not started.
func (a *app) explain(r *refusal) {
	if t := a.terminal(); t.Interactive {
		_, _ = io.WriteString(a.Stderr, screen.Card(screen.Facts{Refusal: r.onScreen()}, t, a.Now()))
		return
	}
	a.say(signRefused, r.label, r.what)
	if r.cause != "" {
		a.say(signNeutral, "cause", r.cause)
	}
	sign, label, next := signNeutral, "next", r.next
	if a.purged {
		next = strings.Replace(next, untouched, purged, 1)
	}
	for line := range strings.SplitSeq(next, "\n") {
		if line != "" {
			a.say(sign, label, line)
			sign, label = " ", ""
		}
	}
}

// field is a string of the gateway's, cut to what a line can carry.
func field(text string) string {
	const maxRunes = 160
	text = strings.TrimSpace(text)
	runes := []rune(text)
	if len(runes) <= maxRunes {
		return text
	}
	return string(runes[:maxRunes-1]) + "…"
}
