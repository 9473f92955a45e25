package usage

import (
	"context"
	"fmt"
	"slices"
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
	first, err := s.FirstDay(ctx)
	if err != nil || first.IsZero() {
		return history, err
	}
	history.Since = today.AddDate(0, 0, -days)
	if first.After(history.Since) {
		history.Since = first
	}
	rows, err := s.Days(ctx, Span{Since: history.Since, Until: today})
	if err != nil {
		return nil, err
	}
	for date := history.Since; !date.After(today); date = date.AddDate(0, 0, 1) {
		day := Day{Date: date.Format(time.DateOnly), Cost: new(0.0)}
		if len(rows) > 0 && rows[0].Day.Equal(date) {
			day.Total, day.Input, day.Output, day.Cached, day.Cost = rows[0].Total, rows[0].Input, rows[0].Output, rows[0].Cached, rows[0].Cost
			rows = rows[1:]
		}
		history.Days = append(history.Days, day)
	}
	return history, nil
}

// Sum is what was used in all.
type Sum struct {
	Total, Input, Output, Cached, Reasoning, Events int64
	Counted                                         int64    // of the events, those that said how many tokens
	Priced                                          int64    // of the events, those that have a price
	Cost                                            *float64 // of those; nil: none has one
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
			Counted: row.Counted, Priced: row.Priced, Cost: costOf(row.Priced, row.Cost),
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
