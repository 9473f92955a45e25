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

// EntryOrders are what entries can be sorted by; the first is that of their ids.
var EntryOrders = []string{"created_at", "total", "input", "output", "cached", "reasoning", "cost", "host"}

// EntryQuery asks for a part of the entries. Zero values leave entries be.
type EntryQuery struct {
	HostID       int64
	Model        string
	Search       string // found in the line, whatever its case
	Since, Until *time.Time
	Sort         string // one of EntryOrders; those of equal rank are in the order of their ids
	Descending   bool
	After        *EntryPlace // nil: from the beginning
	Max          int
}

// EntryPlace is a place in a list: after an entry of this rank and id.
type EntryPlace struct {
	Number int64  // what it is sorted by, if that is a number
	Name   string // likewise, the host's
	ID     int64
}

// Entries returns a part of the entries. What was not reported is less than nothing. Errors: kind Invalid on field sort.
func (s *Service) Entries(ctx context.Context, query EntryQuery) ([]db.UsagePageRow, error) {
	if !slices.Contains(EntryOrders, query.Sort) {
		return nil, errs.Field("sort", "sort must be one of "+strings.Join(EntryOrders, ", "))
	}
	params := db.UsagePageParams{
		HostID: idOrNil(query.HostID), Model: query.Model, Search: query.Search, Since: query.Since, Until: query.Until,
		Sort: query.Sort, Descending: query.Descending, Max: int32(query.Max), //nolint:gosec // a page
	}
	switch at := query.After; {
	case at == nil:
	case query.Sort == EntryOrders[0]:
		params.After = &at.ID
	default:
		params.Past, params.Number, params.Name, params.ID = true, at.Number, at.Name, at.ID
	}
	rows, err := s.store.Replanned().UsagePage(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("listing usage: %w", err)
	}
	return rows, nil
}

// Orders are what reports can be sorted by; the first is when they came.
var Orders = []string{
	"created_at", "entries", "total", "input", "output", "cached", "reasoning", "cost", "host", "client_ip", "id",
}

// ReportQuery asks for a part of the reports.
type ReportQuery struct {
	HostID       int64  // 0: of all
	Search       string // found in the host's name or the address; if it is a number, also the id of the report or the host
	Since, Until *time.Time
	Sort         string // one of Orders; what is unknown is at the end, those of equal rank are in the order of their ids
	Descending   bool
	After        *ReportPlace // nil: from the beginning
	Skip, Max    int
}

// ReportPlace is a place in a list: after a report of this rank and id.
type ReportPlace struct {
	Unknown bool      // what it is sorted by is not known
	At      time.Time // when it came, if it is sorted by that
	Number  int64     // what it is sorted by otherwise, if that is a number
	Name    string    // likewise, a text
	ID      int64
}

// Reports returns a part of the reports, and how many there are in all. Errors: kind Invalid on field sort.
func (s *Service) Reports(ctx context.Context, query ReportQuery) (reports []db.UsageIngestPageRow, total int64, err error) {
	if !slices.Contains(Orders, query.Sort) {
		return nil, 0, errs.Field("sort", "sort must be one of "+strings.Join(Orders, ", "))
	}
	host, wanted := idOrNil(query.HostID), (*int64)(nil)
	if n, err := strconv.ParseInt(query.Search, 10, 64); err == nil {
		wanted = &n
	}
	total, err = s.store.Replanned().UsageIngestCount(ctx, db.UsageIngestCountParams{
		HostID: host, Since: query.Since, Until: query.Until, Search: query.Search, Wanted: wanted,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("counting reports: %w", err)
	}
	params := db.UsageIngestPageParams{
		Sort: query.Sort, HostID: host, Since: query.Since, Until: query.Until, Search: query.Search, Wanted: wanted, Descending: query.Descending,
		Skip: int32(query.Skip), Max: int32(query.Max), //nolint:gosec // pages
	}
	if at := query.After; at != nil {
		params.Past, params.Unknown, params.At, params.Number, params.Name, params.ID = true, at.Unknown, at.At, at.Number, at.Name, at.ID
	}
	if reports, err = s.store.Replanned().UsageIngestPage(ctx, params); err != nil {
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

// LineOrders are what lines can be sorted by.
var LineOrders = []string{"total", "input", "output", "cached", "reasoning", "cost", "events"}

// LineQuery asks for a part of what was used under lines.
type LineQuery struct {
	Search     string // found in the line, whatever its case
	Sort       string // one of LineOrders; those of equal rank are in the order of their totals, input, output and cached, then as they first came
	Descending bool
	After      *LinePlace // nil: from the beginning
	Max        int
}

// LinePlace is a place in a list of lines: after one of this rank, whose first entry has this id.
type LinePlace struct {
	Rank  []int64
	First int64
}

// LineRanks is how many numbers the rank of a line has.
const LineRanks = 5

// Line is what was used under one line, as hosts reported it.
type Line struct {
	Line  *string // nil: the reports had none
	Place LinePlace
	Sum
}

// Lines add up the newest 100,000 entries by their lines and return a part of that. Errors: kind Invalid on field sort.
func (s *Service) Lines(ctx context.Context, query LineQuery) ([]Line, error) {
	if !slices.Contains(LineOrders, query.Sort) {
		return nil, errs.Field("sort", "sort must be one of "+strings.Join(LineOrders, ", "))
	}
	params := db.UsageLinesParams{
		Newest: newestEntries, Search: query.Search, Sort: query.Sort, Descending: query.Descending, Max: int32(query.Max), //nolint:gosec // a page
	}
	if at := query.After; at != nil {
		params.Past, params.Rank, params.First = true, at.Rank, at.First
	}
	rows, err := s.store.Replanned().UsageLines(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("adding up usage by lines: %w", err)
	}
	lines := make([]Line, 0, len(rows))
	for _, row := range rows {
		lines = append(lines, Line{row.Line, LinePlace{row.Rank, row.First}, Sum{
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
