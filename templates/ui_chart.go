package templates

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Bars is a chart of a value per day. The server draws it: coordinates are per cent, so that it stretches without a script.
type Bars struct {
	Label string // what it shows, in a sentence
	Days  []BarDay
	Unit  func(float64) string // an axis label
}

// BarDay is one day. Known false: nothing is known about it, which is a gap and not zero.
type BarDay struct {
	Date  time.Time
	Known bool
	Parts [3]float64 // input, cached, output
	Title string     // with the exact numbers
}

func (d BarDay) total() float64 { return d.Parts[0] + d.Parts[1] + d.Parts[2] }

// Top is the value at the upper end of the axis: 1, 2, 2.5 or 5 times a power of ten, no less than the highest day.
func (b Bars) Top() float64 {
	highest := 0.0
	for _, day := range b.Days {
		highest = max(highest, day.total())
	}
	if highest <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, step := range []float64{1, 2, 2.5, 5} {
		if top := step * power; top >= highest {
			return top
		}
	}
	return 10 * power
}

// Ticks are the axis labels, from above.
func (b Bars) Ticks() (labels []string) {
	top := b.Top()
	for i := 4; i >= 0; i-- {
		labels = append(labels, b.Unit(top*float64(i)/4))
	}
	return labels
}

// dateTick is the label of a day under its column.
type dateTick struct {
	Label, X, Anchor string
	Odd              bool // left out where there is no room for all
}

// dates are labels of some of the days, evenly apart; the last day has one.
func (b Bars) dates() (ticks []dateTick) {
	n := len(b.Days)
	const most = 7
	step := max(1, (n+most-1)/most)
	for i := n - 1; i >= 0; i -= step {
		tick := dateTick{b.Days[i].Date.Format("2 Jan"), Percent((float64(i) + .5) / float64(n)), "middle", (n-1-i)/step%2 == 1}
		if i == n-1 {
			tick.X, tick.Anchor = "100%", "end"
		}
		ticks = append(ticks, tick)
	}
	slices.Reverse(ticks)
	return ticks
}

// barRect is a part of a column.
type barRect struct{ Fill, Class, X, Width, Y, Height string }

var partFills = [3]struct{ fill, class string }{{"", "f-input"}, {"url(#p-cached)", ""}, {"", "f-output"}}

// column is a day's rectangles, from below, and where the day is.
func (b Bars) column(i int) (x, width string, rects []barRect) {
	n, top := float64(len(b.Days)), b.Top()
	x, width = Percent(float64(i)/n), Percent(1/n)
	above := 1.0
	for part, value := range b.Days[i].Parts {
		if value <= 0 {
			continue
		}
		height := value / top
		above -= height
		rects = append(rects, barRect{
			Fill: partFills[part].fill, Class: partFills[part].class, X: Percent((float64(i) + .16) / n), Width: Percent(.68 / n),
			Y: Percent(above), Height: Percent(height),
		})
	}
	return x, width, rects
}

// Relay is the picture of the login's generations: each a bar, solid while it was the canonical one, hatched while it merely
// was still good, the newest with what is left of it.
type Relay struct {
	From, To, Now time.Time
	Legs          []RelayLeg // the oldest first
}

// RelayLeg is a generation.
type RelayLeg struct {
	Number     int64
	Since      time.Time // it became the canonical one
	Until      time.Time // another one did; zero: it still is
	ValidUntil time.Time // its access token; zero: unknown
}

const relayRow = 28

func (r Relay) at(t time.Time) float64 {
	span := r.To.Sub(r.From).Seconds()
	if span <= 0 {
		return 0
	}
	return min(1, max(0, t.Sub(r.From).Seconds()/span))
}

// class gives the picture its height, which depends on how many legs it has.
func (r Relay) class() string { return fmt.Sprintf("relay relay-%d", min(5, max(1, len(r.Legs)))) }

type relayBar struct {
	Class, Fill, X, Width string
	Y                     int
}

// bars are a leg's parts.
func (r Relay) bars(i int) (bars []relayBar) {
	leg, y := r.Legs[i], 4+i*relayRow
	add := func(class, fill string, from, to time.Time) {
		if x, end := r.at(from), r.at(to); end > x {
			bars = append(bars, relayBar{class, fill, Percent(x), Percent(end - x), y})
		}
	}
	if leg.Until.IsZero() {
		if leg.ValidUntil.After(leg.Since) {
			add("r-left", "", leg.Since, leg.ValidUntil)
		}
		add("r-now", "", leg.Since, r.Now)
		return bars
	}
	add("r-old", "", leg.Since, leg.Until)
	if leg.ValidUntil.After(leg.Until) {
		add("", "url(#p-tail)", leg.Until, leg.ValidUntil)
	}
	return bars
}

// textAt is where a leg's name stands: at its beginning, for the newest behind now, where its bar is pale.
func (r Relay) textAt(i int) string {
	if leg := r.Legs[i]; !leg.Until.IsZero() || r.at(r.Now) > .9 {
		return Percent(r.at(leg.Since))
	}
	return Percent(r.at(r.Now))
}

// untilText says until when the newest leg is good, where it has room behind its name.
func (r Relay) untilText(i int) string {
	leg := r.Legs[i]
	if !leg.Until.IsZero() || !leg.ValidUntil.After(r.Now) || r.at(leg.ValidUntil)-r.at(r.Now) < .25 {
		return ""
	}
	format := "2 Jan 15:04"
	if leg.ValidUntil.After(r.To) { // it is not in the picture
		format = "2 Jan 2006"
	}
	return "· valid until " + leg.ValidUntil.UTC().Format(format)
}

type relayTick struct {
	Label, X string
	Odd      bool
}

// ticks are days below the picture, at most eight.
func (r Relay) ticks() (ticks []relayTick) {
	days := int(r.To.Sub(r.From).Hours()/24) + 1
	step := max(1, (days+7)/8)
	day := r.From.UTC().Truncate(24 * time.Hour)
	if day.Before(r.From) {
		day = day.AddDate(0, 0, 1)
	}
	for i := 0; day.Before(r.To) && r.at(day) < .95; i++ {
		ticks = append(ticks, relayTick{day.Format("2 Jan"), Percent(r.at(day)), i%2 == 1})
		day = day.AddDate(0, 0, step)
	}
	return ticks
}

// text is what a leg's picture says in words.
func (r Relay) text() string {
	text := fmt.Sprintf("%d generations of the login as overlapping bars.", len(r.Legs))
	if n := len(r.Legs); n > 0 {
		leg := r.Legs[n-1]
		text += fmt.Sprintf(" Generation %d is the canonical one since %s", leg.Number, Exact(leg.Since))
		if !leg.ValidUntil.IsZero() {
			text += ", valid until " + Exact(leg.ValidUntil)
		}
		text += "."
	}
	return text
}
