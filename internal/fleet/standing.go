package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Standing is how far a host has come: from an install token to the login.
type Standing struct {
	Has   int64 // the number of the generation that its login is; 0: of none that is known
	Given Given
	Token TokenStanding
}

// Given is the login that a host was given last. The zero value: none.
type Given struct {
	Number int64
	Mode   string
	At     time.Time
}

// TokenStanding is what became of a host's newest install token. The zero value: there is none, or nobody asks about it any more.
type TokenStanding struct {
	ExpiresAt time.Time
	Ready     bool      // somebody may still use it
	UsedAt    time.Time // zero: nobody did
	UsedFrom  string    // "": unknown
}

// Standing tells it of one host, in one query. Errors: ErrHostNotFound.
func (s *Service) Standing(ctx context.Context, id int64) (Standing, error) {
	row, err := s.store.HostStanding(ctx, id)
	switch {
	case db.IsNoRows(err):
		return Standing{}, ErrHostNotFound
	case err != nil:
		return Standing{}, fmt.Errorf("reading how host %d stands: %w", id, err)
	}
	standing := Standing{Has: row.Has}
	if row.Mode != "" {
		standing.Given = Given{row.Given, row.Mode, row.GivenAt}
	}
	if row.TokenExpiresAt.Unix() != 0 {
		standing.Token = TokenStanding{ExpiresAt: row.TokenExpiresAt, Ready: row.TokenReady, UsedFrom: row.TokenUsedFrom}
		if row.TokenUsedAt != nil {
			standing.Token.UsedAt = *row.TokenUsedAt
		}
	}
	return standing, nil
}
