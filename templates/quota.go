package templates

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// QuotaCard is what is left of the account's quota, as far as somebody said.
type QuotaCard struct {
	Plan     string // "": unknown
	PlanTone Tone
	Reached  bool   // the limit is
	Said     Moment // when what is shown was; the zero value: nothing is
	By       string // who said it
	Empty    *Empty // there are no windows: what to do then
	Windows  []QuotaWindow
	Notes    []QuotaNote
	Failure  string // what went wrong with the last question; "": nothing
	FailedAt Moment
	Limit    int // per cent that count as used up, drawn into each window
	Next     Moment
	Refresh  Action
}

// QuotaNote is a sentence about the quota.
type QuotaNote struct {
	Tone Tone
	Text string
}

// QuotaWindow is a limit: how much of it is used, and of its time has passed. What is not known is nil, and a gap in the picture.
type QuotaWindow struct {
	Title     string // 5 hours
	Used      *int   // per cent
	Elapsed   *int   // per cent
	Projected *int   // per cent at the reset, if it goes on like that
	Pace      string // 1.1×; "": unknown, or too early to tell
	Tone      Tone
	State     string    // Over pace; "": nothing can be said
	ResetsIn  string    // 1 h 48 min
	ResetsAt  time.Time // zero: unknown
	Note      string    // why it is not known
}

// percents is a number of per cent; nil: unknown.
func percents(n *int) string {
	if n == nil {
		return Unknown
	}
	return Grouped(int64(*n)) + thin + "%"
}

// within is the end of a bar: what is beyond 100 % has no room.
func within(percent int) string { return strconv.Itoa(min(100, max(0, percent))) + "%" }

// fill is the colour of what is used.
func (w QuotaWindow) fill() string {
	if w.Tone == Plain {
		return "f-accent"
	}
	return "f-" + string(w.Tone)
}

// words are what the picture says to who sees none.
func (w QuotaWindow) words(limit int) string {
	var text strings.Builder
	known := func(n *int, what string) {
		if n == nil {
			fmt.Fprintf(&text, ", %s unknown", what)
			return
		}
		fmt.Fprintf(&text, ", %s %s", what, percents(n))
	}
	text.WriteString(w.Title)
	known(w.Used, "used")
	known(w.Elapsed, "time elapsed")
	if w.Projected != nil {
		known(w.Projected, "projected at the reset")
	}
	known(&limit, "limit")
	return text.String()
}
