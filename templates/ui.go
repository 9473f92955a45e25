package templates

import (
	"strings"
	"time"

	"github.com/a-h/templ"
)

// Action is what one can do about something: a link, or a button that posts. Show what a role may not do, with Why.
type Action struct {
	Label  string
	Icon   string // "": none
	Href   string // a link there
	Post   string // else a form that posts there
	Fields []Field
	Kind   ActionKind
	Why    string // why it cannot be done; "": it can
}

// Field is a value that goes along with what is posted.
type Field struct{ Name, Value string }

// ActionKind is how an action looks.
type ActionKind string

// The kinds. The zero value is an ordinary button; a page has one primary at most.
const (
	Ordinary  ActionKind = ""
	Primary   ActionKind = "btn-p"
	Danger    ActionKind = "btn-d"  // leads to a question
	DangerNow ActionKind = "btn-dp" // is the answer to it
	Quiet     ActionKind = "btn-q"
	Small     ActionKind = "btn-s"
)

func (a Action) class() string {
	if a.Kind == Ordinary {
		return "btn"
	}
	return "btn " + string(a.Kind)
}

// Alert is something that needs a person, and what to do about it.
type Alert struct {
	Tone    Tone // Bad has happened, Warn will, Info would be better otherwise
	Icon    string
	Title   string
	Text    string
	Action  Action // the zero value: none
	Command string // what to type on the gateway's machine instead; "": nothing
}

// Empty is a place where something will be, or a list that nothing matches: what to do then.
type Empty struct {
	Title, Text string
	Actions     []Action
}

// Figure is a number that matters.
type Figure struct {
	Label   string
	Amounts []Amount // 7 d 17 h are two
	Exact   string   // in the title
	Note    string
	Link    Action // behind the note; the zero value: none
	Large   bool   // the one figure of a page
}

// Amount is a number, ready, with its unit ("": none) smaller behind it.
type Amount struct{ Value, Unit string }

// unit is the unit of one of the amounts, with what keeps it from the numbers around it.
func (f Figure) unit(i int) string {
	unit := f.Amounts[i].Unit
	if unit != "" {
		unit = " " + unit
	}
	if i < len(f.Amounts)-1 {
		unit += " "
	}
	return unit
}

// Amounts is a single one.
func Amounts(value, unit string) []Amount { return []Amount{{value, unit}} }

// Moment is a time as pages show it: how far away, and on hovering exactly.
type Moment struct{ At, Now time.Time }

// Sort is a column's heading that sorts by it. The state is in the address.
type Sort struct {
	Label   string
	Href    string // of the page, sorted by this column, or by it the other way round if it is already
	Order   string // "ascending" or "descending" when the page is sorted by it; "": it is not
	Numeric bool
	Rank    string // "p2", "p3": the column goes first on narrow screens
}

// Pager is where a page of a list is.
type Pager struct {
	Text        string // 1 to 50 of 1,904 hosts
	Prev, Next  string // addresses; "": there is none
	Region      string // id of the element that is replaced
	First, Last string // addresses, where they are known
}

// Confirm is a question before something that cannot be undone: what follows, in numbers.
type Confirm struct {
	ID      string // of the dialog
	Title   string // ends with a question mark
	Effects []string
	Note    string // what stays
	Type    string // what has to be typed; "": nothing
	Keep    Action // the way back
	Do      Action // posts; the typed text goes along as "confirm"
}

// Option is one of a choice.
type Option struct {
	Label, Value string
	Current      bool
}

// Live are the attributes of an element that asks for itself again when something it shows has changed: topics are those of
// internal/dashboard's live.go. The page at the address must have it in its Parts under the element's id.
func Live(address string, topics ...string) templ.Attributes {
	triggers := make([]string, 0, len(topics))
	for _, topic := range topics {
		triggers = append(triggers, "cdx:"+topic+" from:body")
	}
	return templ.Attributes{"hx-get": address, "hx-trigger": strings.Join(triggers, ", "), "hx-target": "this", "hx-swap": "outerHTML"}
}

// Body joins components to one.
func Body(parts ...templ.Component) templ.Component { return templ.Join(parts...) }

func figuresClass(n int) string {
	switch n {
	case 3:
		return "figs figs-3"
	case 5:
		return "figs figs-5"
	}
	return "figs"
}
