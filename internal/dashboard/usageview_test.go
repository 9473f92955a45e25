package dashboard

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

func usageDayOf(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }

// usageAsked are facts of a week that ends on 20 November and of the week before, changed as a test likes.
func usageAsked(change func(*usageFacts)) *usageFacts {
	f := &usageFacts{
		usageView: usageView{days: 7, until: usageDayOf(20), today: usageDayOf(20), by: usage.ByModel, sort: "total", page: 1},
		has:       everyPage, first: usageDayOf(1), now: usageDayOf(20).Add(12 * time.Hour),
	}
	if change != nil {
		change(f)
	}
	return f
}

// used is a day with sessions of which so many have a price.
func used(day int, events, priced, input int64, cost float64) usage.DaySum {
	sum := usage.Sum{Events: events, Counted: events, Priced: priced, Total: input + 10, Input: input, Cached: 3 * input, Output: 10, Reasoning: 4}
	if priced > 0 {
		sum.Cost = &cost
	}
	return usage.DaySum{Day: usageDayOf(day), Sum: sum}
}

func TestUsageFigures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		days   []usage.DaySum
		change func(*usageFacts)
		want   string // cost, its note | tokens, their note | cached | sessions, their note
		note   string
	}{
		"priced": {
			[]usage.DaySum{used(8, 1, 1, 90, 2), used(20, 2, 2, 190, 3)}, nil,
			"$3.00, +50.0\u202f% on 7 Nov to 13 Nov 2026 | 200, +100.0\u202f% on 7 Nov to 13 Nov 2026 | 75.0 | 2, +100.0\u202f% on 7 Nov to 13 Nov 2026", "",
		},
		"no price is not zero": {
			[]usage.DaySum{used(20, 2, 0, 90, 0)}, nil,
			"–, no price is known | 100, none in 7 Nov to 13 Nov 2026 | 75.0 | 2, none in 7 Nov to 13 Nov 2026", "No price is known for these sessions: costs are left out, not zero.",
		},
		"some prices": {
			[]usage.DaySum{used(8, 1, 1, 90, 2), used(19, 2, 1, 90, .25), used(20, 2, 2, 90, .25)}, nil,
			"$0.50, of 3 of 4\u00a0sessions | 200, +100.0\u202f% on 7 Nov to 13 Nov 2026 | 75.0 | 4, +300.0\u202f% on 7 Nov to 13 Nov 2026", "1 of 4\u00a0sessions have no price: the cost is that of the others, each with the price of its day.",
		},
		"a week before that is not all priced": {
			[]usage.DaySum{used(8, 2, 1, 90, 2), used(20, 2, 2, 90, 4)}, nil,
			"$4.00, not all sessions before have a price | 100, +0.0\u202f% on 7 Nov to 13 Nov 2026 | 75.0 | 2, +0.0\u202f% on 7 Nov to 13 Nov 2026", "",
		},
		"a week before that is not all known": {
			[]usage.DaySum{used(8, 1, 1, 90, 2), used(20, 1, 1, 90, 2)}, func(f *usageFacts) { f.first = usageDayOf(8) },
			"$2.00, nothing is known of before 8 Nov 2026 | 100, nothing is known of before 8 Nov 2026 | 75.0 | 1, nothing is known of before 8 Nov 2026", "",
		},
		"less than a cent is not nothing": {
			[]usage.DaySum{used(20, 1, 1, 90, .001)}, func(f *usageFacts) { f.alone = true }, "<$0.01,  | 100,  | 75.0 | 1, ", "",
		},
		"sessions without numbers": {
			[]usage.DaySum{{Day: usageDayOf(20), Sum: usage.Sum{Events: 3}}}, func(f *usageFacts) { f.alone = true },
			"–, no price is known | –,  | – | 3, ", "No price is known for these sessions: costs are left out, not zero.",
		},
		"nothing": {nil, func(f *usageFacts) { f.alone = true }, "–, no price is known | 0,  | – | 0, ", ""},
	} {
		f := usageAsked(c.change)
		f.days = c.days
		p := usagePage(f)
		show := func(i int, note bool) string {
			text := p.Figures[i].Amounts[0].Value
			if note {
				text += ", " + p.Figures[i].Note
			}
			return text
		}
		got := strings.Join([]string{show(0, true), show(1, true), show(2, false), show(3, true)}, " | ")
		if got != c.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, c.want)
		}
		if notes := strings.Join(p.Notes, " "); !strings.HasPrefix(notes, c.note) || c.note == "" && notes != "" {
			t.Errorf("%s: got notes %q, want %q", name, notes, c.note)
		}
	}
}

func TestUsageChart(t *testing.T) {
	t.Parallel()
	f := usageAsked(func(f *usageFacts) { f.first = usageDayOf(15) })
	f.table = true
	f.days = []usage.DaySum{used(15, 1, 1, 90, 2), used(17, 1, 0, 90, 0), {Day: usageDayOf(18), Sum: usage.Sum{Events: 1}}}
	show := func(days []templates.UsageDay) (text string) {
		for _, day := range days {
			switch {
			case !day.Known:
				text += "."
			case day.Parts == templates.UsageBar{}:
				text += "0"
			default:
				text += "|"
			}
		}
		return text
	}
	chart := f.chart()
	// The 14th was before the first report, and on the 18th nobody said how many tokens: gaps. On the 16th nothing was used.
	if got := show(chart.Chart.Days); got != ".|0|.00" || chart.Before != "" || !strings.HasSuffix(chart.Chart.Label, "14 Nov to 20 Nov 2026. Nothing is known of 2\u00a0days.") {
		t.Errorf("got %s, %q", got, chart.Chart.Label)
	}
	if parts := chart.Chart.Days[1].Parts; parts != (templates.UsageBar{90, 270, 6, 4}) {
		t.Errorf("got parts %v, want reasoning to be a part of the output", parts)
	}
	if len(chart.Rows) != 7 || chart.Rows[0].Name != "Fri 20 Nov 2026" || chart.Rows[0].Total != "0" || chart.Rows[2].Total != "–" || chart.Rows[3].Cost != "–" ||
		chart.Rows[5].Cost != "$2.00" || chart.Rows[6].Total != "–" || !chart.Rows[6].Faint || chart.Rows[5].Href != "/dashboard/usage?days=1&until=2026-11-15" {
		t.Errorf("got rows %+v", chart.Rows)
	}
	f.cost = true
	if got := show(f.chart().Chart.Days); got != ".|0..00" {
		t.Errorf("cost: got %s, want a gap where no price is known", got)
	}
	f = usageAsked(nil)
	f.days = []usage.DaySum{used(7, 1, 1, 90, 2), used(14, 1, 1, 10, 1), used(8, 1, 0, 5, 0)}
	chart = f.chart()
	if day := chart.Chart.Days[0]; !day.BeforeKnown || day.Before != 90+270+10 || chart.Before != "the 7\u00a0days before" || !chart.Chart.Days[2].BeforeKnown {
		t.Errorf("got %+v, %q", day, chart.Before)
	}
	f.cost = true
	if days := f.chart().Chart.Days; days[0].Before != 2 || days[1].BeforeKnown || !days[2].BeforeKnown {
		t.Errorf("got %+v, want a gap in the line where no price was known", days)
	}
	f.alone = true
	if chart := f.chart(); chart.Before != "" || chart.Chart.Days[0].BeforeKnown {
		t.Errorf("got %+v, want no line", chart)
	}
}

func TestUsageGroupTable(t *testing.T) {
	t.Parallel()
	f := usageAsked(func(f *usageFacts) { f.by, f.found, f.page, f.sort, f.upwards = usage.ByHost, 103, 2, "name", true })
	f.groups = []usage.Group{
		{Name: "atlas.example", HostID: 7, Sum: usage.Sum{Events: 4, Counted: 4, Priced: 1, Cost: new(1.5), Total: 30, Input: 20, Output: 10, Reasoning: 99}, Before: usage.Sum{Events: 1, Total: 60}},
		{Sum: usage.Sum{Events: 1, Counted: 1, Total: 10, Input: 10}, Before: usage.Sum{Events: 1}},
		{Name: "nova.example", HostID: 9, Sum: usage.Sum{Events: 1}},
	}
	g := f.groupTable()
	if g.Pager.Text != "51 to 53 of 103" || g.Pager.Prev == "" || !strings.HasSuffix(g.Pager.Next, "page=3&sort=name") || g.Heads[0].Order != "ascending" || g.Heads[5].Order != "" {
		t.Errorf("got pager %+v, heads %+v", g.Pager, g.Heads)
	}
	first, gone, last := g.Rows[0], g.Rows[1], g.Rows[2]
	if first.Cost != "$1.50" || first.CostNote != "1 of 4 priced" || first.Change != "−50.0\u202f%" || first.Bar != (templates.UsageBar{20. / 30, 0, 0, 10. / 30}) || first.Href != "/dashboard/usage?days=7&dir=asc&host=7&sort=name" {
		t.Errorf("got %+v", first)
	}
	if gone.Name != "removed hosts" || !gone.Faint || gone.Change != "–" || gone.Cost != "–" || !strings.Contains(gone.Href, "host=0") || last.Change != "new" || last.Total != "–" {
		t.Errorf("got %+v and %+v", gone, last)
	}
	f.groups, f.found, f.page = nil, 0, 1
	f.user = new("ann")
	if g := f.groupTable(); g.Empty == nil || len(g.Empty.Actions) != 1 || g.Empty.Actions[0].Href != "/dashboard/usage?by=host&days=7&dir=asc&sort=name" {
		t.Errorf("got %+v, want a way back to the whole fleet", g.Empty)
	}
	f.page = 5
	if g := f.groupTable(); g.Empty == nil || g.Empty.Title != "There are no more rows" {
		t.Errorf("got %+v", g.Empty)
	}
}

func TestUsageWays(t *testing.T) {
	t.Parallel()
	f := usageAsked(func(f *usageFacts) { f.today = usageDayOf(25) })
	f.host, f.model = new(int64(0)), new("")
	p := usagePage(f)
	if p.Live != "" || p.Earlier != "/dashboard/usage?days=7&host=0&model=&until=2026-11-13" || p.Later != "/dashboard/usage?days=7&host=0&model=" || p.Ingests != "/dashboard/usage/ingests?host=0" {
		t.Errorf("got %q, %q, %q, %q", p.Live, p.Earlier, p.Later, p.Ingests)
	}
	if len(p.Filters) != 2 || p.Filters[0].Name != "removed hosts" || p.Filters[1].Name != "not reported" || p.Filters[1].Without != "/dashboard/usage?days=7&host=0&until=2026-11-20" {
		t.Errorf("got filters %+v", p.Filters)
	}
	p = usagePage(usageAsked(nil))
	if p.Live != "/dashboard/usage?days=7" || p.Later != "" {
		t.Errorf("got %q, %q; want the days of now to be live, and none after them", p.Live, p.Later)
	}
	p = usagePage(usageAsked(func(f *usageFacts) { f.first = time.Time{} }))
	if p.Empty == nil || p.Empty.Title != "No usage yet" || len(p.Empty.Actions) != 1 {
		t.Errorf("got %+v", p.Empty)
	}
}

// asVisit is a request for an address, as pages get it.
func asVisit(address string) *visit {
	return &visit{Request: &call.Request{Request: httptest.NewRequest(http.MethodGet, address, http.NoBody)}, now: usageDayOf(20).Add(5 * time.Hour)}
}

// What a page links to is what it reads.
func TestUsageAddress(t *testing.T) {
	t.Parallel()
	for _, want := range []string{
		"/dashboard/usage", "/dashboard/usage?days=180&show=cost&table=yes", "/dashboard/usage?by=host&compare=no&dir=asc&page=3&sort=cost&until=2026-01-31",
		"/dashboard/usage?host=0&model=&user=", "/dashboard/usage?model=%2B%3Cscript%3E%26&user=%E2%80%AEevil",
	} {
		view, err := parseUsageView(asVisit(want))
		if got := view.address(pathUsage, func(*usageView) {}); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	for _, wrong := range []string{
		"days=31", "days=0", "days=x", "by=secret", "show=all", "compare=1", "table=1", "host=-1", "host=x", "model=%00", "user=" + strings.Repeat("a", 300), "sort=secret", "dir=up", "page=0",
		"page=1001", "until=2026-11-21", "until=yesterday", "until=0001-01-01",
	} {
		if _, err := parseUsageView(asVisit("/dashboard/usage?" + wrong)); err == nil {
			t.Errorf("%s: got no refusal", wrong)
		}
	}
	for _, want := range []string{"/dashboard/usage/ingests", "/dashboard/usage/ingests?dir=asc&host=7&page=2&per=100&q=a+b&sort=cost"} {
		view, err := parseIngestsView(asVisit(want))
		if got := view.address(pathIngests, func(*ingestsView) {}); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	for _, wrong := range []string{"per=51", "per=1000", "page=401", "sort=secret", "q=%00", "host=x", "dir=up"} {
		if _, err := parseIngestsView(asVisit("/dashboard/usage/ingests?" + wrong)); err == nil {
			t.Errorf("%s: got no refusal", wrong)
		}
	}
}

func TestUsageSumsStayNumbers(t *testing.T) {
	t.Parallel()
	sum := usage.Sum{Total: math.MaxInt64 - 1}
	addSum(&sum, &usage.Sum{Total: math.MaxInt64, Input: 5, Cost: new(1.0)})
	if sum.Total != math.MaxInt64 || sum.Input != 5 || *sum.Cost != 1 {
		t.Errorf("got %+v", sum)
	}
	f := usageAsked(nil)
	f.days = []usage.DaySum{{Day: usageDayOf(20), Sum: usage.Sum{Events: 1, Counted: 1, Total: math.MaxInt64, Input: math.MaxInt64, Cached: math.MaxInt64, Output: math.MaxInt64, Reasoning: math.MaxInt64}}}
	p := usagePage(f)
	for _, day := range p.Chart.Chart.Days {
		for _, part := range day.Parts {
			if part < 0 || math.IsNaN(part) || math.IsInf(part, 0) {
				t.Errorf("got part %v", part)
			}
		}
	}
}

func TestIngestsPage(t *testing.T) {
	t.Parallel()
	v := asVisit("/dashboard/usage/ingests")
	view, _ := parseIngestsView(v)
	rows := []db.UsageIngestPageRow{
		{ID: 8, HostID: new(int64(3)), FQDN: new("atlas.example"), At: usageDayOf(20), Entries: 2, Total: new(int64(1234)), Cost: new(0.5)},
		{ID: 7, At: usageDayOf(19), Entries: 1},
	}
	p := ingestsPage(&view, rows, countedReports, v)
	if p.Rows[0].Host != "atlas.example" || p.Rows[0].Row.Total != "1,234" || p.Rows[0].Row.Input != "–" || p.Rows[0].Row.Cost != "$0.50" || p.Rows[0].Href != "/dashboard/usage/ingests/8" {
		t.Errorf("got %+v", p.Rows[0])
	}
	if p.Rows[1].Host != "removed" || p.Rows[1].IP != "–" || p.Rows[1].Row.Cost != "–" || p.Pager.Text != "1 to 2 of 10,000 or more" || p.Pager.Last != "" {
		t.Errorf("got %+v, %+v", p.Rows[1], p.Pager)
	}
	// A column that one comes to is sorted upwards, but the time downwards; then the other way round.
	if p.Heads[0].Order != "descending" || p.Heads[0].Href != "/dashboard/usage/ingests?dir=asc" || p.Heads[9].Href != "/dashboard/usage/ingests?dir=asc&sort=cost" {
		t.Errorf("got heads %+v", p.Heads)
	}
	for address, title := range map[string]string{"": "No reports yet", "?q=x": "No report is like that", "?host=4": "No report is like that", "?page=9": "There are no more reports"} {
		view, _ := parseIngestsView(asVisit("/dashboard/usage/ingests" + address))
		if p := ingestsPage(&view, nil, 0, v); p.Empty == nil || p.Empty.Title != title {
			t.Errorf("%s: got %+v, want %q", address, p.Empty, title)
		}
	}
}
