package dashboard

import (
	"fmt"
	"strconv"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// usageCard are the tokens that the host reported in the chosen days.
func (f *hostFacts) usageCard() templates.HostUsage {
	card := templates.HostUsage{URL: f.rangeURL(f.days)}
	if f.usage == nil || f.usage.Reports == 0 {
		card.Empty = &templates.Empty{Title: "No usage yet", Text: "cdx reports the tokens of a session when it ends. Start Codex on the host: its first report appears here."}
		return card
	}
	card.Text = fmt.Sprintf("%d days, UTC", f.days)
	for _, days := range []int{7, 30, 90} {
		card.Ranges = append(card.Ranges, templates.Option{Label: strconv.Itoa(days) + " d", Value: f.rangeURL(days), Current: days == f.days})
	}
	card.Bars = templates.Bars{Unit: func(v float64) string { return templates.Short(int64(v)) }}
	first, i := f.usage.Until.AddDate(0, 0, 1-f.days), 0
	for date := first; !date.After(f.usage.Until); date = date.AddDate(0, 0, 1) {
		day := templates.BarDay{Date: date, Title: templates.Day(date) + ": nothing is known"}
		if !date.Before(f.usage.Since) && i < len(f.usage.Days) {
			day = hostDay(&f.usage.Days[i])
			i++
		}
		card.Bars.Days = append(card.Bars.Days, day)
	}
	card.Bars.Label = fmt.Sprintf("Tokens of %s per day from %s to %s.", f.host.FQDN, templates.Day(first), templates.Day(f.usage.Until))
	card.Parts = hostParts(&f.usage.Sum)
	if last := f.details.LastUsage; last != nil {
		card.Last, card.LastAt = lastReport(last), templates.Moment{At: last.At, Now: f.now}
	}
	if f.has("/dashboard/usage") {
		card.Action = templates.Action{Label: "Usage and cost", Href: "/dashboard/usage", Kind: templates.Small}
	}
	return card
}

// rangeURL is the address of the page with the usage of so many days.
func (f *hostFacts) rangeURL(days int) string {
	if days == hostDays[0] {
		return hostURL(f.host.ID, "")
	}
	return hostURL(f.host.ID, "?days="+strconv.Itoa(days))
}

func hostDay(d *usage.HostDay) templates.BarDay {
	title := fmt.Sprintf("%s: %s tokens, input %s, cached %s, output %s, reasoning %s", templates.Day(d.Date), templates.Grouped(d.Total),
		templates.Grouped(d.Input), templates.Grouped(d.Cached), templates.Grouped(d.Output), templates.Grouped(d.Reasoning))
	if d.Cost != nil && *d.Cost > 0 {
		title += ", " + templates.Money(d.Cost)
	}
	return templates.BarDay{Date: d.Date, Known: true, Parts: [3]float64{float64(d.Input), float64(d.Cached), float64(d.Output)}, Title: title}
}

// hostParts are the kinds of tokens, but for those that there are none of. A bar is as long as the kind's share of the greatest.
func hostParts(sum *usage.Sum) (parts []templates.HostPart) {
	all := []struct {
		value int64
		part  templates.HostPart
	}{
		{sum.Input, templates.HostPart{Label: "Input", Class: "f-input"}},
		{sum.Cached, templates.HostPart{Label: "Cached", Fill: "url(#p-cached)"}},
		{sum.Output, templates.HostPart{Label: "Output", Class: "f-output"}},
		{sum.Reasoning, templates.HostPart{Label: "Reasoning", Fill: "url(#p-reason)"}},
	}
	var most int64
	for _, kind := range all {
		most = max(most, kind.value)
	}
	for _, kind := range all {
		if kind.value == 0 {
			continue
		}
		part := kind.part
		part.Value = templates.Grouped(kind.value)
		part.Width = templates.Percent(max(leastBar, float64(kind.value)/float64(most)))
		switch {
		case kind.part.Label == "Reasoning":
			part.Note = "part of the output"
		case sum.Total > 0 && kind.value <= sum.Total:
			part.Note = fmt.Sprintf("%.1f\u202f%% of the total", 100*float64(kind.value)/float64(sum.Total))
		default:
			part.Note = "beside the total"
		}
		parts = append(parts, part)
	}
	return parts
}

// leastBar is how long a bar is at least, so that it is seen.
const leastBar = .06

// lastReport is the newest report in words, before how long ago it came.
func lastReport(last *db.UsageEntry) string {
	text := "Latest report: "
	if last.Model != nil && *last.Model != "" {
		text += *last.Model + ", "
	}
	for _, kind := range []struct {
		name  string
		value *int64
	}{{"tokens", last.Total}, {"input", last.Input}, {"cached", last.Cached}, {"output", last.Output}, {"reasoning", last.Reasoning}} {
		if kind.value != nil && *kind.value > 0 {
			text += templates.Grouped(*kind.value) + " " + kind.name + ", "
		}
	}
	if last.Total == nil && last.Line != nil {
		text += *last.Line + ", "
	}
	if last.Cost != nil {
		text += templates.Money(last.Cost) + ", "
	}
	return text
}
