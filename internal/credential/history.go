package credential

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrNoGeneration is a generation that never was, or is not kept any more; Details have its number.
var ErrNoGeneration = errs.New(errs.NotFound, "generation_not_found", "There is no such generation; old ones are not kept for ever")

// HistoryQuery says which generations to list. The zero value asks for the newest of all.
type HistoryQuery struct {
	Ascending bool       // the oldest first
	After     int64      // only what comes after this number; 0: from the beginning
	Source    string     // host, admin, operator or seed; "": any
	HostID    int64      // whose host brought them; 0: any
	Lineage   *uuid.UUID // of this login; nil: any
	Search    string     // found in the digest, the ChatGPT account or the host's name, whatever its case
	Limit     int
}

// History lists what was canonical for an account, without secrets, and whether there is more.
func (s *Service) History(ctx context.Context, accountID int64, query HistoryQuery) (page []db.GenerationListRow, more bool, err error) {
	page, err = s.store.Replanned().GenerationList(ctx, db.GenerationListParams{
		AccountID: accountID, Ascending: query.Ascending, After: query.After, Source: query.Source, SourceHostID: query.HostID, Lineage: query.Lineage,
		Search: query.Search, Max: int32(query.Limit) + 1, //nolint:gosec // a page
	})
	if err != nil {
		return nil, false, fmt.Errorf("listing generations: %w", err)
	}
	if more = len(page) > query.Limit; more {
		page = page[:query.Limit]
	}
	return page, more, nil
}

// Past returns one generation as History lists it. Errors: ErrNoGeneration.
func (s *Service) Past(ctx context.Context, accountID, number int64) (*db.GenerationListRow, error) {
	rows, err := s.store.GenerationList(ctx, db.GenerationListParams{AccountID: accountID, Number: number, Max: 1})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading generation %d: %w", number, err)
	case len(rows) == 0 || number == 0:
		return nil, ErrNoGeneration.With("generation", number)
	}
	return &rows[0], nil
}

// Receivers lists the hosts that were given a generation, by name from after a name on, and whether there are more.
func (s *Service) Receivers(ctx context.Context, accountID, number int64, after string, limit int) (page []db.GenerationReceiversRow, more bool, err error) {
	page, err = s.store.GenerationReceivers(ctx, db.GenerationReceiversParams{
		AccountID: accountID, Number: number, After: after, Max: int32(limit) + 1, //nolint:gosec // a page
	})
	if err != nil {
		return nil, false, fmt.Errorf("listing who was given generation %d: %w", number, err)
	}
	if more = len(page) > limit; more {
		page = page[:limit]
	}
	return page, more, nil
}
