// Package signing vouches for what clients take from their gateway and from nobody else. It signs with the signing key of
// the active master key, and keeps the statements by which a client that trusts a key of before comes to trust this one.
package signing

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// Signer signs with one key for as long as it lives. It is immutable and safe for concurrent use.
type Signer struct {
	key        *seal.SigningKey
	successors []api.Signed
}

// Open makes a signer of the keyring's active key, and sees to it that this key is the last in the database's order of
// signing keys, stated by the key before it. Several gateways may do so at once.
//
// A key before it that the keyring does not hold is no error, since the gateway must go on: it is logged, and who trusts
// that key cannot follow until a start that has both.
func Open(ctx context.Context, store *db.Store, ring *seal.Keyring, logger *slog.Logger) (*Signer, error) {
	key, err := ring.SigningKey(ring.Active())
	if err != nil {
		return nil, fmt.Errorf("making the signing key: %w", err)
	}
	s := &Signer{key: key}
	for {
		order, err := store.SigningKeyList(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the signing keys: %w", err)
		}
		next, err := s.next(order, ring)
		if err != nil {
			return nil, err
		}
		if next == nil {
			s.successors, err = successors(order)
			return s, err
		}
		if err := next.take(ctx, store, logger); err != nil {
			return nil, err
		}
	}
}

// Key is what a client that enrols now has to pin.
func (s *Signer) Key() api.SigningKey {
	public := s.key.Public().(ed25519.PublicKey)
	return api.SigningKey{KeyID: s.key.ID, PublicKey: base64.StdEncoding.EncodeToString(public)}
}

// Successors are the statements that lead to Key, oldest first: each is about the key that signed the next one.
func (s *Signer) Successors() []api.Signed { return s.successors }

// Sign signs a document; purpose is one of those of package api.
func (s *Signer) Sign(purpose string, document any) (api.Signed, error) {
	return api.Sign(purpose, s.key.ID, s.key, document)
}

// successors reads the statements behind the last gap: across one nobody can follow.
func successors(order []db.SigningKey) ([]api.Signed, error) {
	var statements []api.Signed
	for _, row := range order {
		if row.Statement == nil {
			statements = nil
			continue
		}
		var statement api.Signed
		if err := json.Unmarshal([]byte(*row.Statement), &statement); err != nil {
			return nil, fmt.Errorf("reading the statement about signing key %s: %w", row.KeyID, err)
		}
		statements = append(statements, statement)
	}
	return statements, nil
}
