package credential

import (
	"context"
	"fmt"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// AccessToken returns what the canonical login of an account shows ChatGPT, and whose it is: an empty token when the login
// has none of ChatGPT's, an empty account when it does not say. It is for questions that the gateway itself asks there, and
// goes nowhere else.
//
// Errors: ErrNone, ErrUnreadable.
func (s *Service) AccessToken(ctx context.Context, accountID int64) (token seal.Secret, chatgptAccount string, err error) {
	row, err := s.store.GenerationCurrent(ctx, accountID)
	switch {
	case db.IsNoRows(err):
		return nil, "", ErrNone
	case err != nil:
		return nil, "", fmt.Errorf("reading the canonical generation: %w", err)
	}
	body, err := s.open(&row)
	if err != nil {
		return nil, "", err
	}
	auth, err := Read(body)
	if err != nil {
		return nil, "", ErrUnreadable.WithCause(fmt.Errorf("generation %d is no auth.json", row.Number))
	}
	return seal.Secret(trim(auth.Object("tokens").Text("access_token"))), fromRow(&row).ChatGPTAccountID, nil
}
