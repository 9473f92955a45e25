package usage

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// HostHistory is what one host used day by day.
type HostHistory struct {
	Since, Until time.Time // the first and the last day, UTC; Since is zero when the host never reported anything
	Days         []HostDay // each of them, used or not
	Sum          Sum       // of those days
	Reports      int64     // of the host in all
	Ever         int64     // tokens, likewise
}

// HostDay is what a host used on one day. Cost nil: something was used, and no price was known.
type HostDay struct {
	Date time.Time
	Sum
}

// HostHistory adds up what a host used on each of the last days and today, beginning with the first that there is usage of.
func (s *Service) HostHistory(ctx context.Context, hostID int64, days int) (*HostHistory, error) {
	today := s.now().Truncate(24 * time.Hour)
	ever, err := s.store.UsageOf(ctx, hostID)
	if err != nil {
		return nil, fmt.Errorf("adding up the usage of host %d: %w", hostID, err)
	}
	history := &HostHistory{Until: today, Reports: ever.Reports, Ever: ever.Total}
	if ever.Reports == 0 {
		return history, nil
	}
	history.Since = today.AddDate(0, 0, -days)
	if first := ever.First.UTC().Truncate(24 * time.Hour); first.After(history.Since) {
		history.Since = first
	}
	rows, err := s.store.UsageDaysOf(ctx, db.UsageDaysOfParams{HostID: hostID, Since: history.Since})
	if err != nil {
		return nil, fmt.Errorf("adding up the usage of host %d by days: %w", hostID, err)
	}
	used := map[string]*db.UsageDaysOfRow{}
	for i := range rows {
		used[rows[i].Day] = &rows[i]
	}
	for date := history.Since; !date.After(today); date = date.AddDate(0, 0, 1) {
		day := HostDay{Date: date, Sum: Sum{Cost: new(0.0)}}
		if row := used[date.Format(time.DateOnly)]; row != nil {
			day.Sum = Sum{
				Total: row.Total, Input: row.Input, Output: row.Output, Cached: row.Cached, Reasoning: row.Reasoning, Events: row.Events,
				Cost: costOf(row.Priced, row.Cost),
			}
			history.Sum.add(&day.Sum)
		}
		history.Days = append(history.Days, day)
	}
	return history, nil
}

// add adds another sum. Counts are what hosts say, so a sum may be beyond all numbers: it is the highest then.
func (s *Sum) add(other *Sum) {
	for _, pair := range []struct {
		to   *int64
		more int64
	}{
		{&s.Total, other.Total}, {&s.Input, other.Input}, {&s.Output, other.Output}, {&s.Cached, other.Cached},
		{&s.Reasoning, other.Reasoning}, {&s.Events, other.Events},
	} {
		if pair.more > math.MaxInt64-*pair.to {
			*pair.to = math.MaxInt64
		} else {
			*pair.to += pair.more
		}
	}
	if other.Cost != nil {
		if s.Cost == nil {
			s.Cost = new(0.0)
		}
		*s.Cost += *other.Cost
	}
}
