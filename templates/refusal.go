package templates

import "time"

// RefusalPage says what was not done, why, and what to do next.
type RefusalPage struct {
	Title     string
	Text      string
	Command   string // to be typed on the gateway's machine; "": none
	Actions   []Action
	RequestID string // finds more in the gateway's log
	At        time.Time
}
