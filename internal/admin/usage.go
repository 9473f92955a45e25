package admin

import (
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// usages serves GET /admin/usage: what was reported, the newest first.
func (s *Surface) usages(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "sort", "direction", "host_id", "model", "from", "until", "q")
	limit, o := q.number("limit", defaultPage, maxPage), q.order("usage", descending, rankNumbers, usage.EntryOrders...)
	query := usage.EntryQuery{
		HostID: q.id("host_id"), Model: q.text("model"), Search: q.text("q"), Since: q.moment("from"), Until: q.moment("until"),
		Sort: o.sort, Descending: o.desc, Max: int(limit) + 1,
	}
	if q.err != nil {
		return nil, q.err
	}
	if at := o.after; at != nil {
		query.After = &usage.EntryPlace{Number: at.Numbers[0], Name: at.Text, ID: at.Numbers[1]}
	}
	rows, err := s.cfg.Usage.Entries(r.Context(), query)
	if err != nil {
		return nil, err
	}
	rows, next := pageOf(rows, limit, func(row *db.UsagePageRow) *string { return o.cursor(row.Name, row.Number, row.UsageEntry.ID) })
	answer := api.AdminUsages{Usages: make([]api.AdminUsage, 0, len(rows)), NextCursor: next}
	for i := range rows {
		e := &rows[i].UsageEntry
		answer.Usages = append(answer.Usages, api.AdminUsage{ID: e.ID, HostID: e.HostID, FQDN: rows[i].FQDN, AdminHostUsage: wireUsage(e)})
	}
	return answer, nil
}

func wireUsage(e *db.UsageEntry) api.AdminHostUsage {
	return api.AdminHostUsage{
		IngestID: e.IngestID, Model: e.Model, Line: e.Line, CreatedAt: api.Time{Time: e.At},
		TokenCounts: api.TokenCounts{Total: e.Total, Input: e.Input, Output: e.Output, Cached: e.Cached, Reasoning: e.Reasoning, Cost: e.Cost},
	}
}

const (
	maxPageNumber = 100_000
	maxPerPage    = 200
	defaultDays   = 60
	maxDays       = 180
	maxLines      = 200
)

// reportNumbers is how many numbers the place of a report has: its page, whether its rank is unknown, its rank, its id.
const reportNumbers = 4

// ingests serves GET /admin/usage/ingests: reports, by page, whose number may be named or come with a cursor. Pages that are named
// move on when reports come; those of cursors do not.
func (s *Surface) ingests(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "page", "per_page", "cursor", "sort", "direction", "host_id", "from", "until", "q")
	page, perPage := q.number("page", 1, maxPageNumber), q.number("per_page", defaultPage, maxPerPage)
	o := q.order("ingests", descending, reportNumbers, usage.Orders...)
	query := usage.ReportQuery{
		HostID: q.id("host_id"), Search: q.text("q"), Since: q.moment("from"), Until: q.moment("until"), Sort: o.sort, Descending: o.desc,
		Skip: int((page - 1) * perPage), Max: int(perPage) + 1,
	}
	if at := o.after; at != nil {
		if q.values.Has("page") {
			q.fail("page", "a cursor says which page")
		}
		page = at.Numbers[0]
		query.After = &usage.ReportPlace{Unknown: at.Numbers[1] == 1, Number: at.Numbers[2], Name: at.Text, ID: at.Numbers[3]}
		if o.sort == usage.Orders[0] {
			query.After.At = time.UnixMicro(at.Numbers[2]).UTC()
		}
		// PostgreSQL has no time for every number.
		if page < 2 || at.Numbers[1]&^1 != 0 || query.After.At.Year() < 0 || query.After.At.Year() > 9999 {
			q.fail("cursor", "cursor is none of this list")
		}
	}
	if q.err != nil {
		return nil, q.err
	}
	rows, total, err := s.cfg.Usage.Reports(r.Context(), query)
	if err != nil {
		return nil, err
	}
	rows, next := pageOf(rows, perPage, func(row *db.UsageIngestPageRow) *string {
		number := row.Number
		if o.sort == usage.Orders[0] {
			number = row.At.UnixMicro()
		}
		return o.cursor(row.Name, page+1, map[bool]int64{true: 1}[row.Unknown], number, row.ID)
	})
	answer := api.AdminIngests{
		Items: make([]api.AdminIngest, 0, len(rows)), Total: total, Page: int(page), PerPage: int(perPage), Pages: max(1, (total+perPage-1)/perPage), NextCursor: next,
	}
	for i := range rows {
		row := &rows[i]
		item := api.AdminIngest{
			ID: row.ID, HostID: row.HostID, FQDN: row.FQDN, Entries: row.Entries, CreatedAt: api.Time{Time: row.At},
			TokenCounts: api.TokenCounts{
				Total: row.Total, Input: row.Input, Output: row.Output, Cached: row.Cached, Reasoning: row.Reasoning, Cost: row.Cost,
			},
		}
		if row.IP != nil {
			item.ClientIP = new(row.IP.String())
		}
		answer.Items = append(answer.Items, item)
	}
	return answer, nil
}

// costHistory serves GET /admin/usage/cost-history. A day costs what its reports cost when they came, whatever tokens cost
// today.
func (s *Surface) costHistory(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "days")
	days := int(q.number("days", defaultDays, maxDays))
	if q.err != nil {
		return nil, q.err
	}
	history, err := s.cfg.Usage.History(r.Context(), days)
	if err != nil {
		return nil, err
	}
	answer := api.CostHistory{
		Days: days, Since: api.Time{Time: history.Since}, Until: api.Time{Time: history.Until}, Points: make([]api.CostPoint, 0, len(history.Days)),
	}
	for _, day := range history.Days {
		answer.Points = append(answer.Points, api.CostPoint{
			Date: day.Date, Tokens: api.DayTokens{Input: day.Input, Output: day.Output, Cached: day.Cached, Total: day.Total},
			Costs: api.TokenCosts{Total: day.Cost},
		})
	}
	return answer, nil
}

// tokens serves GET /admin/tokens: usage by the lines that hosts reported, the most first.
func (s *Surface) tokens(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "sort", "direction", "q")
	limit, o := q.number("limit", defaultPage, maxLines), q.order("tokens", descending, usage.LineRanks+1, usage.LineOrders...)
	query := usage.LineQuery{Search: q.text("q"), Sort: o.sort, Descending: o.desc, Max: int(limit) + 1}
	if q.err != nil {
		return nil, q.err
	}
	if at := o.after; at != nil {
		query.After = &usage.LinePlace{Rank: at.Numbers[:usage.LineRanks], First: at.Numbers[usage.LineRanks]}
	}
	lines, err := s.cfg.Usage.Lines(r.Context(), query)
	if err != nil {
		return nil, err
	}
	lines, next := pageOf(lines, limit, func(line *usage.Line) *string {
		return o.cursor("", slices.Concat(line.Place.Rank, []int64{line.Place.First})...)
	})
	answer := api.AdminTokens{Tokens: make([]api.LineTokens, 0, len(lines)), NextCursor: next}
	for _, line := range lines {
		answer.Tokens = append(answer.Tokens, api.LineTokens{Line: line.Line, Tokens: wireSum(line.Sum)})
	}
	return answer, nil
}

func wireSum(sum usage.Sum) api.Tokens {
	return api.Tokens{
		Total: sum.Total, Input: sum.Input, Output: sum.Output, Cached: sum.Cached, Reasoning: sum.Reasoning, Cost: sum.Cost, Events: sum.Events,
	}
}
