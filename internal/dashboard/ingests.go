package dashboard

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// countedReports bounds how many reports are counted, and so how far one can turn pages: a search gets further.
const countedReports = 10_000

// perPage are the lengths of a page of reports.
var perPage = []int{25, 50, 100}

// ingestsView is what the address of the reports asks for.
type ingestsView struct {
	search  string
	host    int64 // 0: all
	sort    string
	upwards bool
	page    int
	per     int
}

func parseIngestsView(v *visit) (ingestsView, error) {
	q := &addressQuery{v: v}
	view := ingestsView{
		search: q.text("q"), host: int64(q.number("host", 0, 0, 1<<53)), sort: q.word("sort", "created_at", usage.Orders...),
		upwards: q.word("dir", "desc", "asc", "desc") == "asc", per: q.number("per", perPage[1], perPage[0], perPage[2]),
	}
	if !slices.Contains(perPage, view.per) {
		q.fail("per", "per must be 25, 50 or 100")
	}
	view.page = q.number("page", 1, 1, countedReports/perPage[0])
	return view, q.err
}

func (u ingestsView) address(path string, change func(*ingestsView)) string {
	change(&u)
	a := newAddress(path)
	a.text("q", u.search, "")
	a.number("host", int(u.host), 0)
	a.text("sort", u.sort, "created_at")
	if u.upwards {
		a.set("dir", "asc")
	}
	a.number("per", u.per, perPage[1])
	a.number("page", u.page, 1)
	return a.String()
}

func (u *ingestsView) query() usage.ReportQuery {
	return usage.ReportQuery{
		HostID: u.host, Search: u.search, Sort: u.sort, Descending: !u.upwards, Skip: (u.page - 1) * u.per, Max: u.per, Count: countedReports,
	}
}

// ingests serves the reports, by page.
func (s *Surface) ingests(v *visit) (page, error) {
	view, err := parseIngestsView(v)
	if err != nil {
		return page{}, err
	}
	rows, total, err := s.cfg.Usage.Reports(v.Context(), view.query())
	if err != nil {
		return page{}, err
	}
	return page{
		Title: "Reports", Path: pathUsage, Crumbs: []templates.Crumb{{Label: "Usage and cost", Path: pathUsage}},
		Body: templates.UsageReportList(ingestsPage(&view, rows, total, v)),
	}, nil
}

func ingestsPage(view *ingestsView, rows []db.UsageIngestPageRow, total int64, v *visit) templates.UsageReports {
	link := func(change func(*ingestsView)) string {
		return view.address(pathIngests, func(u *ingestsView) { u.page = 1; change(u) })
	}
	p := templates.UsageReports{Query: view.search, CSV: view.address(pathIngestsCSV, func(u *ingestsView) { u.page, u.sort, u.upwards, u.per = 1, "created_at", false, perPage[1] })}
	for _, per := range perPage {
		p.Per = append(p.Per, templates.Option{Label: strconv.Itoa(per), Value: link(func(u *ingestsView) { u.per = per }), Current: per == view.per})
	}
	if view.per != perPage[1] {
		p.Hidden = append(p.Hidden, templates.Field{Name: "per", Value: strconv.Itoa(view.per)})
	}
	if view.host != 0 {
		name := "host " + strconv.FormatInt(view.host, 10)
		if len(rows) > 0 && rows[0].FQDN != nil {
			name = *rows[0].FQDN
		}
		p.Hidden = append(p.Hidden, templates.Field{Name: "host", Value: strconv.FormatInt(view.host, 10)})
		p.Filters = append(p.Filters, templates.UsageFilter{Label: "Host", Name: name, Without: link(func(u *ingestsView) { u.host = 0 })})
	}
	if len(rows) == 0 {
		p.Empty = emptyIngests(view, link(func(u *ingestsView) { u.search, u.host = "", 0 }))
		return p
	}
	for _, head := range []struct{ key, label, rank string }{
		{"created_at", "Time", ""}, {"host", "Host", ""}, {"client_ip", "Client IP", "p3"}, {"entries", "Sessions", "p2"}, {"input", "Input", ""},
		{"cached", "Cached", ""}, {"output", "Output", ""}, {"reasoning", "Reasoning", "p2"}, {"total", "Total", ""}, {"cost", "Cost", ""},
	} {
		// A column that one comes to is sorted upwards, but for the time.
		upwards := head.key != "created_at"
		sort := templates.Sort{Label: head.label, Rank: head.rank, Numeric: !slices.Contains([]string{"created_at", "host", "client_ip"}, head.key)}
		if view.sort == head.key {
			sort.Order = map[bool]string{true: "ascending", false: "descending"}[view.upwards]
			upwards = !view.upwards
		}
		sort.Href = link(func(u *ingestsView) { u.sort, u.upwards = head.key, upwards })
		p.Heads = append(p.Heads, sort)
	}
	for i := range rows {
		p.Rows = append(p.Rows, reportRow(&rows[i], v))
	}
	more := ""
	if total == countedReports {
		more = " or more"
	}
	p.Pager = pagerOf(view.page, view.per, len(rows), total, more, func(n int) string { return view.address(pathIngests, func(u *ingestsView) { u.page = n }) })
	return p
}

func emptyIngests(view *ingestsView, all string) *templates.Empty {
	switch {
	case view.search != "" || view.host != 0:
		return &templates.Empty{Title: "No report is like that", Text: "Search for a part of a host's name or address, or for the number of a report.", Actions: []templates.Action{{Label: "All reports", Href: all}}}
	case view.page > 1:
		return &templates.Empty{Title: "There are no more reports", Actions: []templates.Action{{Label: "Newest", Href: all}}}
	}
	return &templates.Empty{Title: "No reports yet", Text: "cdx reports the tokens of a session when it ends. Start Codex through cdx on a host: its first report appears here."}
}

func reportRow(r *db.UsageIngestPageRow, v *visit) templates.UsageReport {
	report := templates.UsageReport{
		Href: pathIngests + "/" + strconv.FormatInt(r.ID, 10), When: templates.Moment{At: r.At, Now: v.now}, Host: "removed", IP: templates.Unknown,
		Row: spokenRow(r.Total, r.Input, r.Cached, r.Output, r.Reasoning, r.Cost),
	}
	report.Row.Sessions = templates.Grouped(int64(r.Entries))
	report.Row.Faint = r.FQDN == nil
	if r.FQDN != nil {
		report.Host = *r.FQDN
	}
	if r.IP != nil {
		report.IP = r.IP.String()
	}
	return report
}

// spokenRow is what a report or a session says. A number that it does not say is a dash.
func spokenRow(total, input, cached, output, reasoning *int64, cost *float64) templates.UsageRow {
	number := func(n *int64) string {
		if n == nil {
			return templates.Unknown
		}
		return templates.Grouped(*n)
	}
	return templates.UsageRow{
		Total: number(total), Input: number(input), Cached: number(cached), Output: number(output), Reasoning: number(reasoning), Cost: usageMoney(cost),
	}
}

// ingest serves one report with what it says of each session.
func (s *Surface) ingest(v *visit) (page, error) {
	id, err := strconv.ParseInt(v.Param, 10, 64)
	if err != nil {
		return page{}, usage.ErrReportNotFound
	}
	report, entries, err := s.cfg.Usage.Report(v.Context(), id)
	if err != nil {
		return page{}, err
	}
	shown := ingestPage(&report, entries, s.has)
	return page{
		Title: shown.Title, Path: pathUsage, Crumbs: []templates.Crumb{{Label: "Usage and cost", Path: pathUsage}, {Label: "Reports", Path: pathIngests}},
		Body: templates.UsageReportShow(shown),
	}, nil
}

func ingestPage(r *db.UsageIngestPageRow, entries []db.UsageEntry, has func(string) bool) templates.UsageReportPage {
	row := spokenRow(r.Total, r.Input, r.Cached, r.Output, r.Reasoning, r.Cost)
	p := templates.UsageReportPage{
		Title: "Report " + strconv.FormatInt(r.ID, 10),
		Figures: []templates.Figure{
			{Label: "Cost", Amounts: templates.Amounts(row.Cost, ""), Large: true}, {Label: "Tokens", Amounts: templates.Amounts(row.Total, "")},
			{Label: "Input", Amounts: templates.Amounts(row.Input, ""), Note: row.Cached + " cached beside it"},
			{Label: "Output", Amounts: templates.Amounts(row.Output, ""), Note: row.Reasoning + " of it reasoning"},
		},
		Facts: []templates.UsageFact{{Label: "Reported", Text: templates.Exact(r.At)}, {Label: "Host", Text: "removed"}, {Label: "From", Text: templates.Unknown}},
	}
	if r.Cost == nil {
		p.Figures[0].Note = "no price is known"
	}
	if r.FQDN != nil && r.HostID != nil {
		p.Facts[1].Text = *r.FQDN
		p.Facts[1].Href = fmt.Sprintf("%s?host=%d", pathUsage, *r.HostID)
		if has("/dashboard/hosts/{}") {
			p.Facts[1].Href = fmt.Sprintf("/dashboard/hosts/%d", *r.HostID)
		}
	}
	if r.IP != nil {
		p.Facts[2].Text = r.IP.String()
	}
	most := 0.0
	for i := range entries {
		sum := entrySum(&entries[i])
		most = max(most, barLength(&sum))
	}
	for i := range entries {
		e := &entries[i]
		line := templates.UsageLine{
			Model: orNotReported(textOf(e.Model)), User: orNotReported(textOf(e.Username)), Line: textOf(e.Line),
			Row: spokenRow(e.Total, e.Input, e.Cached, e.Output, e.Reasoning, e.Cost),
		}
		sum := entrySum(e)
		line.Row.Bar = usageRow("", "", &sum, most).Bar
		p.Lines = append(p.Lines, line)
	}
	if len(entries) != int(r.Entries) {
		p.Notes = append(p.Notes, fmt.Sprintf("The report had %s.", templates.Count(int64(r.Entries), "session", "sessions")))
	}
	return p
}

func entrySum(e *db.UsageEntry) usage.Sum {
	known := func(n *int64) int64 {
		if n == nil {
			return 0
		}
		return *n
	}
	return usage.Sum{Input: known(e.Input), Cached: known(e.Cached), Output: known(e.Output), Reasoning: known(e.Reasoning)}
}
