package signing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// step is what the order of signing keys lacks.
type step struct {
	position  int32
	keyID     string
	previous  string  // key before it; "": it is the first
	statement *string // signed by previous; nil: there is none, or the keyring does not hold it
	append    bool    // false: the row is there, and only its statement is missing
}

// next says what has to be done so that the signer's key is the last one, and stated. Nil: nothing, or nothing that this
// keyring can do. Only ever the active key is stated, whatever the database says: nobody who can write to it can have a
// statement made about another one.
func (s *Signer) next(order []db.SigningKey, ring *seal.Keyring) (*step, error) {
	todo := &step{position: 1, keyID: s.key.ID, append: true}
	if last := len(order) - 1; last >= 0 {
		todo.position, todo.previous = order[last].Position+1, order[last].KeyID
		if order[last].KeyID == s.key.ID {
			if order[last].Statement != nil || last == 0 {
				return nil, nil
			}
			todo.position, todo.previous, todo.append = order[last].Position, order[last-1].KeyID, false
		}
	}
	var err error
	todo.statement, err = s.statement(todo.previous, ring)
	if err != nil || (todo.statement == nil && !todo.append) {
		return nil, err
	}
	return todo, nil
}

// statement has the previous key say that the signer's comes next. Nil: the keyring does not hold it.
func (s *Signer) statement(previous string, ring *seal.Keyring) (*string, error) {
	key, err := ring.SigningKey(previous)
	if errors.Is(err, seal.ErrUnknownKey) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("making the signing key of before: %w", err)
	}
	signed, err := api.Sign(api.PurposeSigningKey, key.ID, key, s.Key())
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(signed)
	return new(string(text)), err
}

// take does the step, unless another gateway was faster.
func (t *step) take(ctx context.Context, store *db.Store, logger *slog.Logger) error {
	var done int64
	err := store.WithTx(ctx, func(q *db.Queries) (err error) {
		if t.append {
			done, err = q.SigningKeyAppend(ctx, db.SigningKeyAppendParams{Position: t.position, KeyID: t.keyID, Statement: t.statement})
		} else {
			done, err = q.SigningKeyState(ctx, db.SigningKeyStateParams{Position: t.position, Statement: *t.statement})
		}
		if err != nil || done == 0 {
			return err
		}
		details := audit.Details{"key": t.keyID}
		if t.previous != "" {
			details["previous"], details["stated"] = t.previous, t.statement != nil
		}
		return audit.Record(ctx, q, audit.Entry{
			At: time.Now().UTC(), Actor: audit.Gateway, Action: audit.ActionSigningKey, Details: details,
		})
	})
	if err != nil {
		return fmt.Errorf("recording signing key %s: %w", t.keyID, err)
	}
	if done > 0 {
		t.report(logger)
	}
	return nil
}

func (t *step) report(logger *slog.Logger) {
	switch {
	case t.previous == "":
		logger.Info("clients that enrol from now on trust this signing key", "key", t.keyID)
	case t.statement != nil:
		logger.Info("clients follow to this signing key", "key", t.keyID, "previous", t.previous)
	default:
		logger.Error("clients cannot follow to the new signing key, because the keyring does not hold the one they trust: "+
			"they take no configuration and no updates any more; put the previous master key back into the keyring and "+
			"start the gateway again once, or enrol all hosts again", "key", t.keyID, "previous", t.previous)
	}
}
