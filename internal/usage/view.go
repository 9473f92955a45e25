package usage

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Entries returns up to limit entries, the newest first: of one host, or, if it is 0, of all; those before the entry of an
// id, or, if it is 0, from the newest on.
func (s *Service) Entries(ctx context.Context, hostID, before int64, limit int) ([]db.UsagePageRow, error) {
	rows, err := s.store.UsagePage(ctx, db.UsagePageParams{HostID: idOrNil(hostID), Before: idOrNil(before), Max: int32(limit)}) //nolint:gosec // a page
	if err != nil {
		return nil, fmt.Errorf("listing usage: %w", err)
	}
	return rows, nil
}

// Orders are what reports can be sorted by.
var Orders = []string{
	"created_at", "entries", "total", "input", "output", "cached", "reasoning", "cost", "host", "client_ip", "id",
}

// ReportQuery asks for a part of the reports.
type ReportQuery struct {
	HostID     int64  // 0: of all
	Search     string // found in the host's name or the address; if it is a number, also the id of the report or the host
	Sort       string // one of Orders
	Descending bool
	Skip, Max  int
}

// Reports returns a part of the reports, and how many there are in all. Errors: kind Invalid on field sort.
func (s *Service) Reports(ctx context.Context, query ReportQuery) (reports []db.UsageIngestPageRow, total int64, err error) {
	if !slices.Contains(Orders, query.Sort) {
		return nil, 0, errs.Field("sort", "sort must be one of "+strings.Join(Orders, ", "))
	}
	host, number := idOrNil(query.HostID), (*int64)(nil)
	if n, err := strconv.ParseInt(query.Search, 10, 64); err == nil {
		number = &n
	}
	sort := query.Sort
	if sort == "id" {
		sort = "" // all are of equal rank
	}
	total, err = s.store.UsageIngestCount(ctx, db.UsageIngestCountParams{HostID: host, Search: query.Search, Number: number})
	if err != nil {
		return nil, 0, fmt.Errorf("counting reports: %w", err)
	}
	reports, err = s.store.UsageIngestPage(ctx, db.UsageIngestPageParams{
		Sort: sort, HostID: host, Search: query.Search, Number: number, Descending: query.Descending,
		Skip: int32(query.Skip), Max: int32(query.Max), //nolint:gosec // pages
	})
	if err != nil {
		return nil, 0, fmt.Errorf("listing reports: %w", err)
	}
	return reports, total, nil
}

// History is what was used day by day.
type History struct {
	Since, Until time.Time // the first and the last day, UTC; Since is zero when there is no usage at all
	Days         []Day     // each of them, used or not
}

// Day is what was used on one.
type Day struct {
	Date                         string // 2006-01-02
	Total, Input, Output, Cached int64
	Cost                         *float64 // nil: something was used, and no price was known
}

// History adds up what was used on each of the last days and today, beginning with the first that there is usage of.
func (s *Service) History(ctx context.Context, days int) (*History, error) {
	today := s.now().Truncate(24 * time.Hour)
	history := &History{Until: today, Days: []Day{}}
	first, err := s.store.UsageFirst(ctx)
	switch {
	case db.IsNoRows(err):
		return history, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the first report: %w", err)
	}
	history.Since = today.AddDate(0, 0, -days)
	if first = first.UTC().Truncate(24 * time.Hour); first.After(history.Since) {
		history.Since = first
	}
	rows, err := s.store.UsageDays(ctx, history.Since)
	if err != nil {
		return nil, fmt.Errorf("adding up usage by days: %w", err)
	}
	used := map[string]*db.UsageDaysRow{}
	for i := range rows {
		used[rows[i].Day] = &rows[i]
	}
	for date := history.Since; !date.After(today); date = date.AddDate(0, 0, 1) {
		day := Day{Date: date.Format(time.DateOnly), Cost: new(0.0)}
		if row := used[day.Date]; row != nil {
			day.Total, day.Input, day.Output, day.Cached = row.Total, row.Input, row.Output, row.Cached
			day.Cost = costOf(row.Priced, row.Cost)
		}
		history.Days = append(history.Days, day)
	}
	return history, nil
}

// Sum is what was used in all. Cost nil: no price was known.
type Sum struct {
	Total, Input, Output, Cached, Reasoning, Events int64
	Cost                                            *float64
}

// Totals add up what was used since each of some moments.
func (s *Service) Totals(ctx context.Context, since ...time.Time) ([]Sum, error) {
	rows, err := s.store.UsageTotals(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("adding up usage: %w", err)
	}
	sums := make([]Sum, 0, len(rows))
	for _, row := range rows {
		sums = append(sums, Sum{
			Total: row.Total, Input: row.Input, Output: row.Output, Cached: row.Cached, Reasoning: row.Reasoning, Events: row.Events,
			Cost: costOf(row.Priced, row.Cost),
		})
	}
	return sums, nil
}

// TopHost is the host that used most; nil: no host did.
func (s *Service) TopHost(ctx context.Context) (*db.UsageTopHostRow, error) {
	row, err := s.store.UsageTopHost(ctx)
	switch {
	case db.IsNoRows(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the host that used most: %w", err)
	}
	return &row, nil
}

// newestEntries bounds what Lines adds up, which is asked for interactively.
const newestEntries = 100_000

// Line is what was used under one line, as hosts reported it.
type Line struct {
	Line *string // nil: the reports had none
	Sum
}

// Lines add up the newest 100,000 entries by their lines: up to limit of them, those that used most first.
func (s *Service) Lines(ctx context.Context, limit int) ([]Line, error) {
	rows, err := s.store.UsageLines(ctx, db.UsageLinesParams{Newest: newestEntries, Max: int32(limit)}) //nolint:gosec // a page
	if err != nil {
		return nil, fmt.Errorf("adding up usage by lines: %w", err)
	}
	lines := make([]Line, 0, len(rows))
	for _, row := range rows {
		lines = append(lines, Line{row.Line, Sum{
			Total: row.Total, Input: row.Input, Output: row.Output, Cached: row.Cached, Reasoning: row.Reasoning, Events: row.Events,
			Cost: costOf(row.Priced, row.Cost),
		}})
	}
	return lines, nil
}

func costOf(priced int64, cost float64) *float64 {
	if priced == 0 {
		return nil
	}
	return &cost
}

func idOrNil(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}
