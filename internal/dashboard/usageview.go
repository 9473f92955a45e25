package dashboard

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// usagePage makes the page of its facts.
func usagePage(f *usageFacts) templates.UsagePage {
	p := templates.UsagePage{Text: f.spanText(f.since(), f.until) + ", UTC. Counted once, from what cdx reports when a session ends.", Ingests: pathIngests}
	if f.first.IsZero() {
		p.Empty = &templates.Empty{
			Title: "No usage yet", Text: "cdx reports the tokens of a session when it ends. Start Codex through cdx on a host: its first report appears here.",
		}
		if f.has("/dashboard/hosts") {
			p.Empty.Actions = []templates.Action{{Label: "Hosts", Icon: "host", Href: "/dashboard/hosts"}}
		}
		p.Text = ""
		return p
	}
	if f.until.Equal(f.today) {
		p.Live = f.address(pathUsage, func(*usageView) {})
	}
	for _, days := range usageRanges {
		p.Ranges = append(p.Ranges, templates.Option{Label: strconv.Itoa(days) + " d", Value: f.link(func(u *usageView) { u.days = days }), Current: days == f.usageView.days})
	}
	p.Earlier = f.link(func(u *usageView) { u.until = u.since().AddDate(0, 0, -1) })
	if f.until.Before(f.today) {
		p.Later = f.link(func(u *usageView) {
			if u.until = u.until.AddDate(0, 0, u.days); u.until.After(u.today) {
				u.until = u.today
			}
		})
	}
	if f.host != nil {
		p.Ingests += "?host=" + strconv.FormatInt(*f.host, 10)
	}
	now, before := f.sumOf(f.since(), f.until), f.sumOf(f.before(), f.since().AddDate(0, 0, -1))
	p.Filters, p.Figures, p.Notes = f.filters(), f.figures(&now, &before), priceNotes(&now)
	p.Chart, p.Groups, p.Periods = f.chart(), f.groupTable(), f.periods()
	return p
}

// spanText names days: 27 Oct to 25 Nov 2026.
func (f *usageFacts) spanText(since, until time.Time) string {
	switch {
	case since.Equal(until):
		return templates.Date(until)
	case since.Year() == until.Year():
		return since.Format("2 Jan") + " to " + until.Format("2 Jan 2006")
	}
	return since.Format("2 Jan 2006") + " to " + until.Format("2 Jan 2006")
}

// comparable reports whether all of the days before are known, so that a difference to them means something.
func (f *usageFacts) comparable() bool { return !f.alone && !f.first.After(f.before()) }

// sumOf adds up the days of the page from one to another. A sum that is beyond all numbers stays the greatest.
func (f *usageFacts) sumOf(since, until time.Time) (sum usage.Sum) {
	for i := range f.days {
		if day := &f.days[i]; !day.Day.Before(since) && !day.Day.After(until) {
			addSum(&sum, &day.Sum)
		}
	}
	return sum
}

func addSum(to, from *usage.Sum) {
	for _, pair := range [][2]*int64{
		{&to.Total, &from.Total}, {&to.Input, &from.Input}, {&to.Output, &from.Output}, {&to.Cached, &from.Cached}, {&to.Reasoning, &from.Reasoning},
		{&to.Events, &from.Events}, {&to.Counted, &from.Counted}, {&to.Priced, &from.Priced},
	} {
		*pair[0] += min(*pair[1], math.MaxInt64-*pair[0])
	}
	if from.Cost != nil {
		if to.Cost == nil {
			to.Cost = new(0.0)
		}
		*to.Cost += *from.Cost
	}
}

// filters name the part of the fleet that the page is about.
func (f *usageFacts) filters() (all []templates.UsageFilter) {
	if f.host != nil {
		name := f.hostName
		if name == "" {
			name = goneHosts
		}
		all = append(all, templates.UsageFilter{Label: "Host", Name: name, Without: f.link(func(u *usageView) { u.host = nil })})
	}
	if f.model != nil {
		all = append(all, templates.UsageFilter{Label: "Model", Name: orNotReported(*f.model), Without: f.link(func(u *usageView) { u.model = nil })})
	}
	if f.user != nil {
		all = append(all, templates.UsageFilter{Label: "User", Name: orNotReported(*f.user), Without: f.link(func(u *usageView) { u.user = nil })})
	}
	return all
}

const (
	notReported = "not reported"
	goneHosts   = "removed hosts"
)

func orNotReported(name string) string {
	if name == "" {
		return notReported
	}
	return name
}

// figures are the sums, each with how it differs from the days before.
func (f *usageFacts) figures(now, before *usage.Sum) []templates.Figure {
	cached := templates.Figure{Label: "Cached input", Amounts: templates.Amounts(templates.Unknown, ""), Note: "no input was reported"}
	if all := float64(now.Input) + float64(now.Cached); all > 0 {
		cached.Amounts = templates.Amounts(strconv.FormatFloat(100*float64(now.Cached)/all, 'f', 1, 64), "%")
		cached.Note = templates.Short(now.Cached) + " beside " + templates.Short(now.Input) + " not cached"
		cached.Exact = templates.Grouped(now.Cached) + " cached, " + templates.Grouped(now.Input) + " not cached"
	}
	cost := templates.Figure{Label: "Cost", Amounts: templates.Amounts(usageMoney(now.Cost), ""), Large: true}
	switch {
	case now.Cost == nil:
		cost.Note = "no price is known"
	case now.Priced == now.Events && before.Priced == before.Events:
		cost.Note = f.change(*now.Cost, valueOf(before.Cost))
	case now.Priced < now.Events:
		cost.Note = "of " + templates.Grouped(now.Priced) + " of " + templates.Count(now.Events, "session", "sessions")
	case !f.alone:
		cost.Note = "not all sessions before have a price"
	}
	tokens := templates.Figure{Label: "Tokens", Amounts: templates.Amounts(tokenText(now, now.Total, templates.Short), ""), Exact: tokenText(now, now.Total, templates.Grouped) + " tokens, cached input not among them"}
	tokens.Note = f.change(float64(now.Total), float64(before.Total))
	return []templates.Figure{
		cost, tokens, cached,
		{Label: "Sessions", Amounts: templates.Amounts(templates.Short(now.Events), ""), Exact: templates.Grouped(now.Events) + " sessions", Note: f.change(float64(now.Events), float64(before.Events))},
	}
}

// change says how a sum differs from that of the days before.
func (f *usageFacts) change(now, before float64) string {
	days := f.spanText(f.before(), f.since().AddDate(0, 0, -1))
	switch {
	case f.alone:
		return ""
	case !f.comparable():
		return "nothing is known of before " + f.first.Format("2 Jan 2006")
	case before == 0:
		return "none in " + days
	}
	return changeText(now, before) + " on " + days
}

// changeText is by how much a number has grown. Both are known and the second is not zero.
func changeText(now, before float64) string {
	share := 100 * (now - before) / before
	if share > 999 {
		return "×" + strconv.FormatFloat(now/before, 'f', 0, 64)
	}
	sign := "+"
	if share < 0 {
		sign, share = "−", -share
	}
	return sign + strconv.FormatFloat(share, 'f', 1, 64) + "\u202f%"
}

// priceNotes say what of the cost is not known. It is never taken for nothing.
func priceNotes(sum *usage.Sum) []string {
	switch {
	case sum.Events == 0 || sum.Priced == sum.Events:
		return nil
	case sum.Priced == 0:
		return []string{"No price is known for these sessions: costs are left out, not zero. This gateway has no price list yet."}
	}
	return []string{fmt.Sprintf("%s of %s have no price: the cost is that of the others, each with the price of its day.",
		templates.Grouped(sum.Events-sum.Priced), templates.Count(sum.Events, "session", "sessions"))}
}

// usageMoney is a cost; one that is less than a cent is not nothing.
func usageMoney(cost *float64) string {
	if cost != nil && *cost > 0 && *cost < 0.005 {
		return "<$0.01"
	}
	return templates.Money(cost)
}

func valueOf(cost *float64) float64 {
	if cost == nil {
		return 0
	}
	return *cost
}

// tokenText is a number of tokens of a sum; a dash, if none of its sessions said any.
func tokenText(sum *usage.Sum, n int64, show func(int64) string) string {
	if sum.Events > 0 && sum.Counted == 0 {
		return templates.Unknown
	}
	return show(n)
}

// usageParts are the four kinds of tokens that a sum is made of: reasoning is a part of the output, cached input is none of
// the input.
func usageParts(sum *usage.Sum) templates.UsageBar {
	reasoning := min(sum.Reasoning, sum.Output)
	return templates.UsageBar{float64(sum.Input), float64(sum.Cached), float64(sum.Output - reasoning), float64(reasoning)}
}

// usageRow is a sum as a row of a table; most is the length of the longest bar of the table.
func usageRow(name, href string, sum *usage.Sum, most float64) templates.UsageRow {
	number := func(n int64) string { return tokenText(sum, n, templates.Grouped) }
	row := templates.UsageRow{
		Name: name, Href: href, Sessions: templates.Grouped(sum.Events), Input: number(sum.Input), Cached: number(sum.Cached), Output: number(sum.Output),
		Reasoning: number(sum.Reasoning), Total: number(sum.Total), Cost: usageMoney(sum.Cost), Bar: usageParts(sum),
	}
	for part := range row.Bar {
		row.Bar[part] /= max(most, 1)
	}
	if sum.Priced > 0 && sum.Priced < sum.Events {
		row.CostNote = fmt.Sprintf("%s of %s priced", templates.Grouped(sum.Priced), templates.Grouped(sum.Events))
	}
	return row
}

func barLength(sum *usage.Sum) float64 {
	parts := usageParts(sum)
	return parts[0] + parts[1] + parts[2] + parts[3]
}

// groupTable are the models, hosts or users.
func (f *usageFacts) groupTable() templates.UsageGroups {
	label := map[string]string{usage.ByModel: "Model", usage.ByHost: "Host", usage.ByUser: "User"}
	g := templates.UsageGroups{Title: "By " + map[string]string{usage.ByModel: "model", usage.ByHost: "host", usage.ByUser: "user"}[f.by]}
	for _, by := range []string{usage.ByModel, usage.ByHost, usage.ByUser} {
		g.By = append(g.By, templates.Option{Label: label[by], Value: f.link(func(u *usageView) { u.by = by }), Current: by == f.by})
	}
	g.CSV = f.address(pathUsageCSV, func(u *usageView) { u.page, u.table, u.cost = 1, false, false })
	if f.found == 0 {
		g.Empty = &templates.Empty{Title: "Nothing was used in these days", Text: "Look at more days, or at another part of the fleet."}
		if f.page > 1 {
			g.Empty = &templates.Empty{Title: "There are no more rows", Actions: []templates.Action{{Label: "First page", Href: f.link(func(*usageView) {})}}}
		} else if f.filtered() {
			g.Empty.Actions = []templates.Action{{Label: "Whole fleet", Href: f.link(func(u *usageView) { u.host, u.model, u.user = nil, nil, nil })}}
		}
		return g
	}
	if f.comparable() {
		g.Before = "compared with " + f.spanText(f.before(), f.since().AddDate(0, 0, -1))
	}
	for _, head := range []struct{ key, label, rank string }{
		{"name", label[f.by], ""}, {"input", "Input", ""}, {"cached", "Cached", ""}, {"output", "Output", ""}, {"reasoning", "Reasoning", "p2"},
		{"total", "Total", ""}, {"events", "Sessions", "p2"}, {"cost", "Cost", ""},
	} {
		upwards := head.key == "name"
		sort := templates.Sort{Label: head.label, Numeric: head.key != "name", Rank: head.rank}
		if f.sort == head.key {
			sort.Order = map[bool]string{true: "ascending", false: "descending"}[f.upwards]
			upwards = !f.upwards
		}
		sort.Href = f.link(func(u *usageView) { u.sort, u.upwards = head.key, upwards })
		g.Heads = append(g.Heads, sort)
	}
	most := 0.0
	for i := range f.groups {
		most = max(most, barLength(&f.groups[i].Sum))
	}
	for i := range f.groups {
		group := &f.groups[i]
		name, href := f.groupName(group)
		row := usageRow(name, href, &group.Sum, most)
		row.Faint = group.Name == ""
		switch {
		case group.Before.Events == 0:
			row.Change = "new"
		case group.Before.Total > 0:
			row.Change = changeText(float64(group.Total), float64(group.Before.Total))
		default:
			row.Change = templates.Unknown
		}
		g.Rows = append(g.Rows, row)
	}
	g.Pager = pagerOf(f.page, usageRows, len(f.groups), f.found, "", func(n int) string { return f.address(pathUsage, func(u *usageView) { u.page = n }) })
	return g
}

// groupName is what a group is called, and the address of the page about it.
func (f *usageFacts) groupName(group *usage.Group) (name, href string) {
	switch f.by {
	case usage.ByHost:
		name = group.Name
		if name == "" {
			name = goneHosts
		}
		return name, f.link(func(u *usageView) { u.host, u.by = &group.HostID, usage.ByModel })
	case usage.ByUser:
		return orNotReported(group.Name), f.link(func(u *usageView) { u.user, u.by = &group.Name, usage.ByHost })
	}
	return orNotReported(group.Name), f.link(func(u *usageView) { u.model, u.by = &group.Name, usage.ByHost })
}

// pagerOf is where a page of a list is. more is what follows the number of all: a plus, if there are even more.
func pagerOf(number, size, shown int, total int64, more string, to func(int) string) templates.Pager {
	first := (number-1)*size + 1
	p := templates.Pager{Text: fmt.Sprintf("%s to %s of %s%s", templates.Grouped(int64(first)), templates.Grouped(int64(first+shown-1)), templates.Grouped(total), more)}
	last := int((total + int64(size) - 1) / int64(size))
	if number > 1 {
		p.First, p.Prev = to(1), to(number-1)
	}
	if number < last {
		p.Next = to(number + 1)
		if more == "" {
			p.Last = to(last)
		}
	}
	return p
}

// periods are what was used of late and in all.
func (f *usageFacts) periods() (rows []templates.UsageRow) {
	if len(f.sums) != 4 {
		return nil
	}
	most := barLength(&f.sums[3])
	for i, name := range []string{"Today", "7 days", f.today.Month().String(), "All, since " + f.first.Format("2 Jan 2006")} {
		rows = append(rows, usageRow(name, "", &f.sums[i], most))
	}
	return rows
}
