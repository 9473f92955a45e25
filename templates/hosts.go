package templates

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// HostsPage is the list of hosts.
type HostsPage struct {
	Summary string // how the fleet is in a line
	Actions []Action
	Search  string
	Filters []Field // what narrows the list down now
	Look    []Field // how it is shown now: sort, desc, limit, cols
	Sorts   []Option
	Desc    bool
	Limits  []Option
	Columns []Option // all of them; those that are shown are current
	Table   HostsTable
	Bulk    HostsBulk
}

// HostsTable is the part of the page that changes with the fleet.
type HostsTable struct {
	Address string // of the page as it is, for the part to ask for itself again
	Facets  []Facet
	Name    Sort
	Columns []HostsColumn
	Wide    bool // there are more columns than a screen is wide
	Rows    []HostRow
	Empty   *Empty // nil: there are rows
	Pager   Pager
}

// Facet is a filter, and how many it finds.
type Facet struct {
	Label   string
	Count   string // "": nobody has counted
	Href    string // turns it on, or off while it is current
	Current bool
}

// HostsColumn is a column besides the name; Sort.Href "": its heading does not sort.
type HostsColumn struct {
	Key string // which of a row's facts
	Sort
}

// HostRow is a host in the list.
type HostRow struct {
	ID                  int64
	FQDN                string
	Name, Domain        string // the FQDN up to its first dot, and from there
	Href                string // the host's page; "": there is none
	VIP, IPv4, Insecure bool
	Added               Moment
	Due                 string // what becomes of one that has never come; "": it has
	Tags                []HostRowTag
	State               HostRowState
	Seen                Moment
	Login               HostRowLogin
	Codex, Cdx          HostRowVersion
	Address             HostRowAddress
	Users, Calls, Note  string
	Window              HostRowWindow
}

func (r HostRow) checkID() string { return "c" + strconv.FormatInt(r.ID, 10) }
func (r HostRow) linkID() string  { return "h" + strconv.FormatInt(r.ID, 10) }
func (r HostRow) id() string      { return strconv.FormatInt(r.ID, 10) }

// HostRowTag is a label: key=value. One without = is a number of more of them.
type HostRowTag struct{ Text string }

func (t HostRowTag) href() string {
	if !strings.Contains(t.Text, "=") {
		return ""
	}
	return "?label=" + url.QueryEscape(t.Text)
}

// HostRowState is what matters most about a host.
type HostRowState struct {
	Icon, Label string
	Tone        Tone
	Off         bool // nothing to see yet, or nothing may happen
}

func (s HostRowState) class() string {
	switch {
	case s.Tone == OK:
		return "chip chip-quiet"
	case s.Off:
		return "chip"
	}
	return class("chip", s.Tone)
}

// HostRowLogin is the login that a host is known to have.
type HostRowLogin struct {
	Text   string
	Has    bool
	Behind string // why it is not the one to have; "": it is
	At     Moment // of its last refresh
}

// HostRowVersion is what a host runs of one program.
type HostRowVersion struct {
	Text         string
	Older, Newer string // than what; at most one of them
	Pinned       string // to what; "": to nothing of its own
}

// HostRowAddress is where a host may call from.
type HostRowAddress struct {
	Icon, Text string // Icon "": none
	How        string
}

// HostRowWindow is when an insecure host may call; the zero value: it is a secure one.
type HostRowWindow struct {
	There bool
	Open  Moment // until then; At zero: it is closed
	Grace Moment // until then it may bring what it has; At zero: it may not
	Why   string // why it cannot be opened or closed; "": it can
}

// windowLink leads to the question of how long a window is to be open: to its page, and with script to the same as a dialog.
func windowLink(r HostRow, label string) templ.Attributes {
	address := "/dashboard/hosts/window?id=" + r.id()
	attributes := templ.Attributes{"href": address, "hx-get": address}
	if label != "" {
		attributes["aria-label"] = label + r.FQDN
	}
	return attributes
}

func (r HostRow) cellClass(c HostsColumn) string {
	classes := []string{c.Rank}
	if c.Numeric {
		classes = append(classes, "num")
	}
	if c.Key == "window" {
		classes = append(classes, "k-wide")
	}
	if c.Key == "window" && !r.Window.There {
		classes = append(classes, "k-hide")
	}
	return strings.TrimSpace(strings.Join(classes, " "))
}

// HostsBulk is the bar of what can be done to the hosts that are ticked.
type HostsBulk struct {
	Post  string
	First []HostsAct
	More  []HostsAct
	Why   string
}

// HostsAct is one of them.
type HostsAct struct {
	Name, Label, Icon string
	Bad               bool // cannot be undone
}

// HostsLabels asks which labels hosts are to have.
type HostsLabels struct {
	Title, Post, Back, Text string
	Fields                  []Field
	Wrong                   string // what is wrong with Text; "": nothing, so far
}

// HostsWindowAsk asks how long a window is to be open.
type HostsWindowAsk struct {
	ID          int64
	FQDN        string
	Post        string
	Back, Query string // the list to go back to, and its query
	Minutes     []int  // what each position of the slider stands for
	Position    int    // of them: where it stands at first
	Until       time.Time
	Now         time.Time
	Why         string
}

func (a HostsWindowAsk) title() string {
	if a.Until.IsZero() {
		return "Open a window on " + a.FQDN
	}
	return "Move the window of " + a.FQDN + " on"
}

func (a HostsWindowAsk) scale() string {
	texts := make([]string, 0, len(a.Minutes))
	for _, minutes := range a.Minutes {
		texts = append(texts, strconv.Itoa(minutes))
	}
	return strings.Join(texts, " ")
}

// Minutes is how long a window is: 42 min, 2 h 51 min.
func Minutes(n int) string {
	switch {
	case n < 60:
		return strconv.Itoa(n) + " min"
	case n%60 == 0:
		return strconv.Itoa(n/60) + " h"
	}
	return fmt.Sprintf("%d h %d min", n/60, n%60)
}

// countdown is what is left of a window: 7:42, or 3 h. app.js counts on in the same words.
func countdown(m Moment) string {
	left := max(0, m.At.Sub(m.Now))
	if left >= time.Hour {
		return Length(left)
	}
	seconds := int(math.Round(left.Seconds()))
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// rowIcons draws, once, what rows point to: a list of fifty hosts would be twice as big with a drawing in each place.
func rowIcons() templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, `<svg class="defs" aria-hidden="true">`) // what cannot be written is noticed below
		for _, name := range inRows {
			_, _ = fmt.Fprintf(w, `<symbol id="i-%s" viewBox="0 0 16 16">%s</symbol>`, name, icons[name])
		}
		_, err := io.WriteString(w, `</svg>`)
		return err
	})
}

// inRows are the icons that a row may have: those of the states, and what else a row says by one.
var inRows = []string{"paused", "bad", "expires", "window", "behind", "locked", "never", "ok", "vip", "pin", "roaming"}

// rowIcon points to one of rowIcons.
func rowIcon(name string) templ.Component {
	if !slices.Contains(inRows, name) {
		return IconSmall(name)
	}
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := fmt.Fprintf(w, `<svg class="i i-s" aria-hidden="true"><use href="#i-%s"/></svg>`, name)
		return err
	})
}
