package admin

import (
	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// usages serves GET /admin/usage: what was reported, the newest first.
func (s *Surface) usages(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "host_id")
	limit, before, hostID := q.number("limit", defaultPage, maxPage), q.cursorID(), q.hostID()
	if q.err != nil {
		return nil, q.err
	}
	rows, err := s.cfg.Usage.Entries(r.Context(), hostID, before, int(limit)+1)
	if err != nil {
		return nil, err
	}
	rows, next := pageOf(rows, limit, func(row *db.UsagePageRow) int64 { return row.UsageEntry.ID })
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

// ingests serves GET /admin/usage/ingests: reports, by page.
func (s *Surface) ingests(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "page", "per_page", "host_id", "q", "sort", "direction")
	page, perPage := q.number("page", 1, maxPageNumber), q.number("per_page", defaultPage, maxPerPage)
	query := usage.ReportQuery{
		HostID: q.hostID(), Search: q.text("q"), Sort: q.word("sort", "created_at", usage.Orders...),
		Descending: q.word("direction", "desc", "asc", "desc") == "desc", Skip: int((page - 1) * perPage), Max: int(perPage),
	}
	if q.err != nil {
		return nil, q.err
	}
	rows, total, err := s.cfg.Usage.Reports(r.Context(), query)
	if err != nil {
		return nil, err
	}
	answer := api.AdminIngests{
		Items: make([]api.AdminIngest, 0, len(rows)), Total: total, Page: int(page), PerPage: int(perPage), Pages: max(1, (total+perPage-1)/perPage),
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

// tokens serves GET /admin/tokens: usage by the lines that hosts reported.
func (s *Surface) tokens(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit")
	limit := q.number("limit", defaultPage, maxLines)
	if q.err != nil {
		return nil, q.err
	}
	lines, err := s.cfg.Usage.Lines(r.Context(), int(limit))
	if err != nil {
		return nil, err
	}
	answer := api.AdminTokens{Tokens: make([]api.LineTokens, 0, len(lines))}
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
