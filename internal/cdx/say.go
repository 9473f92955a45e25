package cdx

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Symbols of a line; the words beside them carry the meaning.
const (
	signGood    = "✓"
	signNotice  = "!"
	signRefused = "✗"
	signNeutral = "○"
)

// notice is one line that a user has to read although Codex starts.
type notice struct{ label, text string }

// say prints one line on standard error: symbol, label in eight columns, text. Standard error is the last resort:
// when it is gone there is nobody to tell.
func (a *app) say(sign, label, text string) {
	_, _ = fmt.Fprintf(a.Stderr, "%s %-7s %s\n", sign, label, clean(text))
}

// tell prints one line of an enrolment: symbol and sentence.
func (a *app) tell(sign, text string) {
	_, _ = fmt.Fprintf(a.Stderr, "%s %s\n", sign, clean(text))
}

// warn prints the notices of a synchronisation.
func (a *app) warn(notices []notice) {
	for _, n := range notices {
		a.say(signNotice, n.label, n.text)
	}
}

// explain prints why Codex was not started.
func (a *app) explain(r *refusal) {
	a.say(signRefused, r.label, r.what)
	if r.cause != "" {
		a.say(signNeutral, "cause", r.cause)
	}
	sign, label := signNeutral, "next"
	for line := range strings.SplitSeq(r.next, "\n") {
		if line != "" {
			a.say(sign, label, line)
			sign, label = " ", ""
		}
	}
}

// clean makes a string from outside harmless on a terminal: control characters, escapes, line breaks and characters
// that turn the direction of writing become �.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r), r == 0x2028, r == 0x2029,
			r == 0x061c, r == 0x200e, r == 0x200f, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
			return utf8.RuneError
		}
		return r
	}, text)
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

// span writes a duration as people say it: 7 d 17 h, 5 h 12 min, 12 min, 40 s.
func span(d time.Duration) string {
	day, hour := 24*time.Hour, time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/hour)
	case d >= hour:
		return fmt.Sprintf("%d h %d min", d/hour, d%hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return fmt.Sprintf("%d s", max(0, d/time.Second))
	}
}
