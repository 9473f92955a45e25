package quota

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// How long what was said is kept, and how densely.
const (
	keepAll    = 2 * day   // everything
	keepHourly = 30 * day  // one an hour
	keepFor    = 180 * day // one a day
	thinBatch  = 5000

	// maxPoints is more than there are: one a minute for two days, if an admin keeps asking, and what is left of the rest.
	maxPoints = 5000
)

// MaxDays is how far back the history goes.
const MaxDays = int(keepFor / day)

// Point is what was said at a moment of the past.
type Point struct {
	At          time.Time
	Source      string // chatgpt, or host
	Short, Long Window // without their resets
}

// History is what was said about an account in the last days, the oldest first, and since when that is.
func (s *Service) History(ctx context.Context, accountID int64, days int) (points []Point, since time.Time, err error) {
	since = s.cfg.Now().UTC().Add(-time.Duration(days) * day)
	rows, err := s.store.QuotaHistory(ctx, db.QuotaHistoryParams{AccountID: accountID, Since: since, Max: maxPoints})
	if err != nil {
		return nil, since, fmt.Errorf("reading the history of the quota: %w", err)
	}
	points = make([]Point, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		points = append(points, Point{
			At: row.FetchedAt.UTC(), Source: row.Source,
			Short: Window{UsedPercent: intOf(row.PrimaryUsedPercent), Length: lengthOf(row.PrimaryLimitSeconds)},
			Long:  Window{UsedPercent: intOf(row.SecondaryUsedPercent), Length: lengthOf(row.SecondaryLimitSeconds)},
		})
	}
	slices.Reverse(points)
	return points, since, nil
}

// Thin makes the history less dense the older it is: all of two days, one an hour of 30, one a day of 180. The last good
// answer of an account stays. One pass.
func (s *Service) Thin(ctx context.Context) (changed int, err error) {
	now := s.cfg.Now().UTC()
	deleted, err := s.store.QuotaThin(ctx, db.QuotaThinParams{
		HourlyBefore: now.Add(-keepAll).Truncate(time.Hour), DailyBefore: now.Add(-keepHourly).Truncate(day), Before: now.Add(-keepFor), Max: thinBatch,
	})
	if err != nil {
		return 0, fmt.Errorf("thinning the history of the quota: %w", err)
	}
	return int(deleted), nil
}
