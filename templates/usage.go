package templates

import (
	"fmt"
	"strings"
	"time"
)

// UsagePage is what hosts used in a number of days.
type UsagePage struct {
	Text    string // which days
	Live    string // address of the page, which asks for its figures again when somebody reports; "": these days are over
	Ranges  []Option
	Earlier string // address of the days before
	Later   string // and of those after; "": they are to come
	Filters []UsageFilter
	Figures []Figure
	Notes   []string // what is not known
	Chart   UsageChartCard
	Groups  UsageGroups
	Periods []UsageRow // today, a week, the month, all there is; nil: of the whole fleet only
	Ingests string     // address of the reports
	Empty   *Empty     // there is no usage at all
}

// UsageFilter is a host, a model or a user that the page is about, and the address without it.
type UsageFilter struct{ Label, Name, Without string }

// UsageChartCard is the chart of the days, with the same numbers as a table when it is asked for.
type UsageChartCard struct {
	Title    string
	Measures []Option // tokens, cost
	Compare  Option   // its address with or without the days before; "": there are none
	Chart    UsageChart
	ByCost   bool   // of costs, which have no parts
	Before   string // which days are drawn as a line; "": none
	Table    Option // its address with or without the table
	Rows     []UsageRow
	CSV      string
}

// UsageGroups are the models, hosts or users.
type UsageGroups struct {
	Title  string
	By     []Option
	Heads  []Sort
	Rows   []UsageRow
	Before string // which days each is compared with; "": none
	Pager  Pager
	CSV    string
	Empty  *Empty
}

// UsageRow is what a model, a host, a user or a day used. Numbers are texts: one that is not known is a dash.
type UsageRow struct {
	Name, Href                                 string
	Faint                                      bool // the name says that there is none
	Sessions, Input, Cached, Output, Reasoning string
	Total, Cost, CostNote, Change              string
	Bar                                        UsageBar
}

// UsageBar are the four parts of a sum, as shares of the longest bar beside it.
type UsageBar [4]float64

// rects are its parts from the left.
func (b UsageBar) rects() (rects []barRect) {
	at := 0.0
	for part, share := range b {
		if share <= 0 {
			continue
		}
		rects = append(rects, barRect{Fill: usageFills[part].fill, Class: usageFills[part].class, X: Percent(at), Width: Percent(share)})
		at += share
	}
	return rects
}

// usageFills are input, cached input, output and reasoning.
var usageFills = [4]struct{ fill, class, label string }{
	{"", "f-input", "Input"}, {"url(#p-cached)", "", "Cached"}, {"", "f-output", "Output"}, {"url(#p-reason)", "", "Reasoning"},
}

// UsageChart draws a column for each day, of four parts at most, and the days before as a line.
type UsageChart struct {
	Label string // what it shows, in a sentence
	Days  []UsageDay
	Unit  func(float64) string
}

// UsageDay is a column. Known false: nothing is known about the day, which is a gap and not zero.
type UsageDay struct {
	Date        time.Time
	Known       bool
	Parts       UsageBar // amounts
	Title       string   // with the exact numbers
	Before      float64  // of the day so many days ago
	BeforeKnown bool
}

func (d UsageDay) total() float64 { return d.Parts[0] + d.Parts[1] + d.Parts[2] + d.Parts[3] }

// bars are the chart's axes.
func (c UsageChart) bars() Bars {
	b := Bars{Unit: c.Unit}
	for _, day := range c.Days {
		b.Days = append(b.Days, BarDay{Date: day.Date, Parts: [3]float64{max(day.total(), day.Before)}})
	}
	return b
}

// column is where a day is, and its rectangles from below.
func (c UsageChart) column(i int, top float64) (x, width string, rects []barRect) {
	n := float64(len(c.Days))
	above := 1.0
	for part, value := range c.Days[i].Parts {
		if value <= 0 {
			continue
		}
		above -= value / top
		rects = append(rects, barRect{
			Fill: usageFills[part].fill, Class: usageFills[part].class, X: Percent((float64(i) + .16) / n), Width: Percent(.68 / n),
			Y: Percent(above), Height: Percent(value / top),
		})
	}
	return Percent(float64(i) / n), Percent(1 / n), rects
}

// line is the path of the days before, in a box as wide as there are days and 100 high. What is not known is a gap in it.
func (c UsageChart) line(top float64) string {
	var path strings.Builder
	pen := "M"
	for i, day := range c.Days {
		if !day.BeforeKnown {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%g %.2f", pen, float64(i)+.5, 100-100*day.Before/top)
		pen = "L"
	}
	return path.String()
}

func (c UsageChart) viewBox() string { return fmt.Sprintf("0 0 %d 100", len(c.Days)) }

// UsageReports are the reports of hosts, a page of them.
type UsageReports struct {
	Query   string
	Hidden  []Field // what else is in the address
	Per     []Option
	Heads   []Sort
	Rows    []UsageReport
	Pager   Pager
	CSV     string
	Empty   *Empty
	Filters []UsageFilter
}

// UsageReport is one report.
type UsageReport struct {
	Href string
	When Moment
	Host string
	IP   string
	Row  UsageRow
}

// UsageReportPage is one report with what it says of each session.
type UsageReportPage struct {
	Title   string
	Facts   []UsageFact
	Figures []Figure
	Notes   []string
	Lines   []UsageLine
}

// UsageFact is a word about a report.
type UsageFact struct{ Label, Text, Href string }

// UsageLine is a session.
type UsageLine struct {
	Model, User, Line string
	Row               UsageRow
}
