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

// Span asks for the usage of whole days, UTC, and perhaps of a part of the fleet only.
type Span struct {
	Since, Until time.Time // the first and the last day
	Host         *int64    // nil: all; 0: those that are gone
	Model, User  *string   // nil: all; "": what was reported without
}

// narrow reports whether a span is of something that only usage_host_day tells apart.
func (s Span) narrow() bool { return s.Host != nil || s.User != nil }

// FirstDay is the first day that there is usage of; zero: there is none.
func (s *Service) FirstDay(ctx context.Context) (time.Time, error) {
	day, err := s.store.UsageDayFirst(ctx)
	switch {
	case db.IsNoRows(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("looking for the first day of usage: %w", err)
	}
	return day, nil
}

// DaySum is what was used on one day.
type DaySum struct {
	Day time.Time
	Sum
}

// Days add up each day of a span that there is usage of, the first first.
func (s *Service) Days(ctx context.Context, span Span) ([]DaySum, error) {
	var rows []db.UsageDaysRow
	var err error
	if span.narrow() {
		var narrow []db.UsageHostDaysRow
		narrow, err = s.store.Replanned().UsageHostDays(ctx, db.UsageHostDaysParams{
			Since: span.Since, Until: span.Until, Model: span.Model, HostID: span.Host, Username: span.User,
		})
		for _, row := range narrow {
			rows = append(rows, db.UsageDaysRow(row))
		}
	} else {
		rows, err = s.store.Replanned().UsageDays(ctx, db.UsageDaysParams{Since: span.Since, Until: span.Until, Model: span.Model})
	}
	if err != nil {
		return nil, fmt.Errorf("adding up usage by days: %w", err)
	}
	days := make([]DaySum, 0, len(rows))
	for _, r := range rows {
		days = append(days, DaySum{r.Day, Sum{
			Total: r.Total, Input: r.Input, Output: r.Output, Cached: r.Cached, Reasoning: r.Reasoning, Events: r.Events, Counted: r.Counted,
			Priced: r.Priced, Cost: costOf(r.Priced, r.Cost),
		}})
	}
	return days, nil
}

// What usage can be told apart by.
const (
	ByModel = "model"
	ByHost  = "host"
	ByUser  = "user"
)

// GroupOrders are what groups can be sorted by.
var GroupOrders = []string{"name", "events", "input", "cached", "output", "reasoning", "total", "cost"}

// GroupQuery asks for a part of the groups of a span.
type GroupQuery struct {
	Span
	By         string    // ByModel, ByHost or ByUser
	Before     time.Time // the first day of the time before the span that each group is compared with; zero: none
	Sort       string    // one of GroupOrders
	Descending bool
	Skip, Max  int
}

// Group is what one model, host or user used.
type Group struct {
	Name   string // "": it was not reported, or the host is gone
	HostID int64  // of ByHost; 0: the host is gone
	Sum
	Before Sum // in the time before; only Total, Events, Priced and Cost
}

// Groups add up a span by models, hosts or users: a part of them, and how many there are. Errors: kind Invalid on field sort.
func (s *Service) Groups(ctx context.Context, query GroupQuery) (groups []Group, total int64, err error) {
	if !slices.Contains(GroupOrders, query.Sort) {
		return nil, 0, errs.Field("sort", "sort must be one of "+strings.Join(GroupOrders, ", "))
	}
	before := query.Before
	if before.IsZero() {
		before = query.Since
	}
	var rows []db.UsageGroupsRow
	if query.By == ByModel && !query.narrow() {
		var models []db.UsageModelsRow
		models, err = s.store.Replanned().UsageModels(ctx, db.UsageModelsParams{
			Since: query.Since, Before: before, Until: query.Until, Model: query.Model,
			Sort: query.Sort, Descending: query.Descending, Skip: int32(query.Skip), Max: int32(query.Max), //nolint:gosec // pages
		})
		for _, row := range models {
			rows = append(rows, db.UsageGroupsRow(row))
		}
	} else {
		rows, err = s.store.Replanned().UsageGroups(ctx, db.UsageGroupsParams{
			Part: query.By, Since: query.Since, Before: before, Until: query.Until, Model: query.Model, HostID: query.Host, Username: query.User,
			Sort: query.Sort, Descending: query.Descending, Skip: int32(query.Skip), Max: int32(query.Max), //nolint:gosec // pages
		})
	}
	if err != nil {
		return nil, 0, fmt.Errorf("adding up usage by %ss: %w", query.By, err)
	}
	groups = make([]Group, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		total = r.Groups
		groups = append(groups, Group{
			Name: r.Name, HostID: r.HostID,
			Sum: Sum{
				Total: r.Total, Input: r.Input, Output: r.Output, Cached: r.Cached, Reasoning: r.Reasoning, Events: r.Events, Counted: r.Counted,
				Priced: r.Priced, Cost: costOf(r.Priced, r.Cost),
			},
			Before: Sum{Total: r.BeforeTotal, Events: r.BeforeEvents, Priced: r.BeforePriced, Cost: costOf(r.BeforePriced, r.BeforeCost)},
		})
	}
	return groups, total, nil
}
