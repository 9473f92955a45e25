package github

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
)

// MaxNotes bounds the notes of a release, in bytes. Longer ones end with a line that says so.
const MaxNotes = 64 << 10

const notesGoOn = "\n\n… GitHub has the rest."

// cleanNotes are notes that may be kept and shown: UTF-8 with no control characters but tabs and ends of lines, and none that
// turn the direction of what is around them. "" if they are no text: which Codex is the newest is known all the same.
func cleanNotes(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if len(text) > MaxNotes {
		text = strings.ToValidUTF8(text[:MaxNotes-len(notesGoOn)], "") + notesGoOn
	}
	return text
}

// cleanTime is a moment that may be kept and shown; zero instead of one that cannot be of a release.
func cleanTime(raw json.RawMessage) time.Time {
	var at time.Time
	if json.Unmarshal(raw, &at) != nil || at.Year() < 2000 || at.Year() > 2200 {
		return time.Time{}
	}
	return at.UTC()
}
