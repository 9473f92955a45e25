package templates_test

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

// usageNumbers is a row of numbers. Every text of it that a host chooses ends with more.
func usageNumbers(name, more string) templates.UsageRow {
	return templates.UsageRow{
		Name: name + more, Href: "/dashboard/usage?model=" + url.QueryEscape(name+more), Sessions: "1,118", Input: "133,899,122", Cached: "602,545,790", Output: "26,779,352",
		Reasoning: "8,368,174", Total: "160,678,474", Cost: "$401.70", CostNote: "1,000 of 1,118 priced", Change: "+19.7\u202f%", Bar: templates.UsageBar{.2, .6, .05, .02},
	}
}

func usagePage(more string) templates.UsagePage {
	unknown := templates.UsageRow{Name: "not reported", Faint: true, Sessions: "3", Input: "–", Cached: "–", Output: "–", Reasoning: "–", Total: "–", Cost: "–", Change: "new"}
	days := make([]templates.UsageDay, 7)
	for i := range days {
		days[i] = templates.UsageDay{Date: now.AddDate(0, 0, i-6), Title: "nothing is known"}
		if i > 1 {
			days[i] = templates.UsageDay{
				Date: days[i].Date, Known: true, Parts: templates.UsageBar{float64(i) * 10, float64(i) * 40, 8, 2}, Title: "tokens", Before: float64(100 - i), BeforeKnown: i != 4,
			}
		}
	}
	option := func(label string, current bool) templates.Option {
		return templates.Option{Label: label, Value: "/dashboard/usage?x=" + label, Current: current}
	}
	return templates.UsagePage{
		Text: "17 Nov to 23 Nov 2026, UTC.", Live: "/dashboard/usage?days=7", Ranges: []templates.Option{option("7", true), option("30", false)},
		Earlier: "/dashboard/usage?until=2026-11-16", Later: "/dashboard/usage", Ingests: "/dashboard/usage/ingests",
		Filters: []templates.UsageFilter{{Label: "User", Name: "ann" + more, Without: "/dashboard/usage"}},
		Figures: []templates.Figure{{Label: "Cost", Amounts: templates.Amounts("$474.32", ""), Note: "of 3 of 4 sessions", Large: true}, {Label: "Tokens", Amounts: templates.Amounts("190 M", ""), Exact: "190,000,000 tokens"}},
		Notes:   []string{"1 of 4 sessions have no price."},
		Chart: templates.UsageChartCard{
			Title: "Tokens per day", Measures: []templates.Option{option("Tokens", true), option("Cost", false)}, Compare: option("Compare", true), Before: "the 7 days before",
			Chart: templates.UsageChart{Label: "Tokens per day.", Days: days, Unit: func(v float64) string { return templates.Short(int64(v)) }},
			Table: option("Hide the table", false), Rows: []templates.UsageRow{usageNumbers("Mon 23 Nov 2026", "")}, CSV: "/dashboard/usage/days.csv",
		},
		Groups: templates.UsageGroups{
			Title: "By model", By: []templates.Option{option("Model", true), option("Host", false)}, Before: "compared with 10 Nov to 16 Nov 2026", CSV: "/dashboard/usage.csv",
			Heads: []templates.Sort{{Label: "Model", Href: "/dashboard/usage?sort=name"}, {Label: "Total", Href: "/dashboard/usage?dir=asc", Order: "descending", Numeric: true}},
			Rows:  []templates.UsageRow{usageNumbers("gpt-5.2-codex", more), unknown}, Pager: templates.Pager{Text: "1 to 2 of 2"},
		},
		Periods: []templates.UsageRow{usageNumbers("Today", "")},
	}
}

func usageReports(more string) templates.UsageReports {
	row := usageNumbers("", "")
	row.Name, row.Href = "", ""
	return templates.UsageReports{
		Query: "atlas" + more, Hidden: []templates.Field{{Name: "host", Value: "7"}}, Per: []templates.Option{{Label: "50", Value: "/dashboard/usage/ingests", Current: true}},
		Heads:   []templates.Sort{{Label: "Time", Href: "/dashboard/usage/ingests?dir=asc", Order: "descending"}, {Label: "Host", Href: "/dashboard/usage/ingests?sort=host"}},
		Rows:    []templates.UsageReport{{Href: "/dashboard/usage/ingests/8", When: templates.Moment{At: now.Add(-time.Hour), Now: now}, Host: "atlas" + more, IP: "203.0.113.7", Row: row}},
		Pager:   templates.Pager{Text: "1 to 1 of 10,000 or more", Next: "/dashboard/usage/ingests?page=2"},
		CSV:     "/dashboard/usage/ingests.csv",
		Filters: []templates.UsageFilter{{Label: "Host", Name: "atlas" + more, Without: "/dashboard/usage/ingests"}},
	}
}

func usageReport(more string) templates.UsageReportPage {
	row := usageNumbers("", "")
	row.Cost = "–"
	return templates.UsageReportPage{
		Title: "Report 8", Figures: []templates.Figure{{Label: "Cost", Amounts: templates.Amounts("–", ""), Note: "no price is known", Large: true}},
		Facts: []templates.UsageFact{{Label: "Host", Text: "atlas" + more, Href: "/dashboard/hosts/7"}, {Label: "From", Text: "203.0.113.7"}},
		Notes: []string{"The report had 2 sessions."}, Lines: []templates.UsageLine{{Model: "gpt-5" + more, User: "ann" + more, Line: "Token usage: total=1" + more, Row: row}},
	}
}

func emptyUsage() templates.UsagePage {
	return templates.UsagePage{Empty: &templates.Empty{Title: "No usage yet", Text: "Its first report appears here.", Actions: []templates.Action{{Label: "Hosts", Href: "/dashboard/hosts"}}}}
}

// What hosts choose to call a model, a user or a line is text.
func TestHostileUsage(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		for name, page := range map[string][]byte{
			"usage":   render(t, templates.Layout(shell("Usage"), templates.Usage(usagePage(text)))),
			"reports": render(t, templates.Layout(shell("Reports"), templates.UsageReportList(usageReports(text)))),
			"report":  render(t, templates.Layout(shell("Report"), templates.UsageReportShow(usageReport(text)))),
		} {
			pagetest.Check(t, name+" with "+text, page)
			shown := pagetest.Text(t, page)
			want := map[string][]string{"usage": {"gpt-5.2-codex", "ann"}, "reports": {"atlas"}, "report": {"gpt-5", "ann", "total=1", "atlas"}}[name]
			for _, before := range want {
				if want := strings.Join(strings.Fields(before+text), " "); !strings.Contains(shown, want) {
					t.Errorf("%s does not show %q as it is", name, want)
				}
			}
		}
	}
}

// The line of the days before is drawn where they are known, and broken where they are not.
func TestUsageLine(t *testing.T) {
	t.Parallel()
	page := string(render(t, templates.Usage(usagePage(""))))
	_, after, _ := strings.Cut(page, `<path class="s-ghost" d="`)
	line, _, _ := strings.Cut(after, `"`)
	if strings.Count(line, "M") != 2 || strings.Count(line, "L") != 2 || !strings.HasPrefix(line, "M2.5 ") {
		t.Errorf("got %q, want two pieces", line)
	}
	chart, _, _ := strings.Cut(page[strings.Index(page, `<svg class="chart-p"`):], "</svg></svg>")
	if err := xml.Unmarshal([]byte(chart+"</svg></svg>"), new(struct{})); err != nil {
		t.Errorf("the chart is no XML: %v", err)
	}
	if n := strings.Count(chart, `fill="url(#p-gap)"`); n != 2 {
		t.Errorf("got %d gaps, want 2", n)
	}
	for part, fill := range []string{`class="f-input" x=`, `fill="url(#p-cached)" x=`, `class="f-output" x=`, `fill="url(#p-reason)" x=`} {
		if n := strings.Count(chart, fill); n != 5 {
			t.Errorf("part %d: got %d, want 5", part, n)
		}
	}
}
