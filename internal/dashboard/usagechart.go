package dashboard

import (
	"fmt"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// chart is the chart of the days, and the same as a table.
func (f *usageFacts) chart() templates.UsageChartCard {
	card := templates.UsageChartCard{
		Title: "Tokens per day", ByCost: f.cost,
		Measures: []templates.Option{
			{Label: "Tokens", Value: f.address(pathUsage, func(u *usageView) { u.cost = false }), Current: !f.cost},
			{Label: "Cost", Value: f.address(pathUsage, func(u *usageView) { u.cost = true }), Current: f.cost},
		},
		Table: templates.Option{Label: "Show as a table", Value: f.address(pathUsage, func(u *usageView) { u.table = !u.table })},
		CSV: f.address(pathUsageDaysCSV, func(u *usageView) {
			u.page, u.table, u.cost, u.by, u.sort, u.upwards = 1, false, false, usage.ByModel, "total", false
		}),
		Compare: templates.Option{Label: "Compare", Value: f.link(func(u *usageView) { u.alone = !u.alone }), Current: !f.alone},
	}
	if f.cost {
		card.Title = "Cost per day"
	}
	sums := map[time.Time]*usage.Sum{}
	for i := range f.days {
		sums[f.days[i].Day] = &f.days[i].Sum
	}
	known, gaps, most := 0, 0, 0.0
	for date := f.since(); !date.After(f.until); date = date.AddDate(0, 0, 1) {
		day := f.chartDay(date, sums)
		if day.Known {
			known++
		} else {
			gaps++
		}
		if day.BeforeKnown {
			card.Before = "the " + templates.Count(int64(f.usageView.days), "day", "days") + " before"
		}
		if sum := sums[date]; sum != nil {
			most = max(most, barLength(sum))
		}
		card.Chart.Days = append(card.Chart.Days, day)
	}
	card.Chart.Unit = func(v float64) string { return templates.Short(int64(v)) }
	if f.cost {
		card.Chart.Unit = func(v float64) string { return usageMoney(&v) }
	}
	card.Chart.Label = fmt.Sprintf("%s, %s", card.Title, f.spanText(f.since(), f.until))
	if card.Before != "" {
		card.Chart.Label += ", with " + card.Before + " as a dashed line"
	}
	if gaps > 0 {
		card.Chart.Label += ". Nothing is known of " + templates.Count(int64(gaps), "day", "days")
	}
	card.Chart.Label += "."
	if f.table {
		card.Table.Label = "Hide the table"
		card.Rows = f.dayRows(sums, most)
	}
	return card
}

// chartDay is a column. A day before the first report is a gap, and so is the cost of one whose sessions have no price.
func (f *usageFacts) chartDay(date time.Time, sums map[time.Time]*usage.Sum) templates.UsageDay {
	day := templates.UsageDay{Date: date, Title: templates.Day(date) + ": nothing is known"}
	sum := sums[date]
	if sum == nil {
		sum = &usage.Sum{}
	}
	switch {
	case date.Before(f.first):
	case f.cost && sum.Events > 0 && sum.Cost == nil:
		day.Title = templates.Day(date) + ": no price is known for " + templates.Count(sum.Events, "session", "sessions")
	case !f.cost && sum.Events > 0 && sum.Counted == 0:
		day.Title = templates.Day(date) + ": " + templates.Count(sum.Events, "session", "sessions") + " that did not say how many tokens"
	default:
		day.Known, day.Parts, day.Title = true, usageParts(sum), dayTitle(date, sum)
		if f.cost {
			day.Parts = templates.UsageBar{valueOf(sum.Cost)}
		}
	}
	if earlier := date.AddDate(0, 0, -f.usageView.days); !f.alone && !earlier.Before(f.first) {
		before := sums[earlier]
		if before == nil {
			before = &usage.Sum{}
		}
		day.BeforeKnown, day.Before = true, barLength(before)
		if f.cost {
			day.BeforeKnown, day.Before = before.Events == 0 || before.Cost != nil, valueOf(before.Cost)
		}
	}
	return day
}

func dayTitle(date time.Time, sum *usage.Sum) string {
	title := fmt.Sprintf("%s: %s tokens in %s, input %s, cached %s, output %s, of it reasoning %s", templates.Day(date), templates.Grouped(sum.Total),
		templates.Count(sum.Events, "session", "sessions"), templates.Grouped(sum.Input), templates.Grouped(sum.Cached), templates.Grouped(sum.Output), templates.Grouped(sum.Reasoning))
	if sum.Cost != nil {
		title += ", " + usageMoney(sum.Cost)
	}
	return title
}

// dayRows are the days as a table, the newest first; each leads to the page about it.
func (f *usageFacts) dayRows(sums map[time.Time]*usage.Sum, most float64) (rows []templates.UsageRow) {
	for date := f.since(); !date.After(f.until); date = date.AddDate(0, 0, 1) {
		if date.Before(f.first) {
			rows = append(rows, templates.UsageRow{
				Name: templates.Date(date), Faint: true, Sessions: templates.Unknown, Input: templates.Unknown, Cached: templates.Unknown, Output: templates.Unknown,
				Reasoning: templates.Unknown, Total: templates.Unknown, Cost: templates.Unknown,
			})
			continue
		}
		sum := sums[date]
		if sum == nil {
			sum = &usage.Sum{Cost: new(0.0)}
		}
		rows = append(rows, usageRow(templates.Date(date), f.link(func(u *usageView) { u.until, u.days, u.table = date, 1, false }), sum, most))
	}
	slices.Reverse(rows)
	return rows
}
