package audit

import (
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// What a statement is for: a signature made for one says nothing about the other.
const (
	purposeCheckpoint = "cdxgate audit checkpoint v1"
	purposeAnchor     = "cdxgate audit anchor v1"
)

// Statement is what a gateway signs about a chain: that it had Seq entries, of which the last has this hash. As a
// checkpoint that is what it has come to; as an anchor it is where it begins since what was before was retired. What is
// signed is the JSON of all but the signature.
type Statement struct {
	After   int64  `json:"after"` // the checkpoint before; 0: none, or an anchor
	At      string `json:"at"`
	Chain   string `json:"chain"`
	Hash    string `json:"hash"` // hex
	Key     string `json:"key"`  // the master key whose audit key signed
	Purpose string `json:"purpose"`
	Seq     int64  `json:"seq"`
}

// signed is a statement with its signature: what stands in head.json.
type signed struct {
	Statement
	Signature []byte `json:"signature"`
}

var errForged = errors.New("is not signed by this installation")

// sign signs a statement with the keyring's active key.
func sign(ring *seal.Keyring, s Statement) (*signed, error) {
	s.Key = ring.Active()
	key, err := ring.AuditKey(s.Key)
	if err != nil {
		return nil, fmt.Errorf("signing the audit trail: %w", err)
	}
	text, err := plainJSON(s)
	if err != nil {
		return nil, err
	}
	signature, err := key.Sign(nil, text, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("signing the audit trail: %w", err)
	}
	return &signed{Statement: s, Signature: signature}, nil
}

// check reports what is wrong with a signature; the words follow the name of what was signed.
func (s *signed) check(ring *seal.Keyring) error {
	key, err := ring.AuditKey(s.Key)
	if err != nil {
		return fmt.Errorf("is signed with key %s, which the keyring does not hold", s.Key)
	}
	text, err := plainJSON(s.Statement)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key.Public().(ed25519.PublicKey), text, s.Signature) {
		return errForged
	}
	return nil
}

// row is a checkpoint as the database keeps it.
func (s *signed) row() (db.AuditCheckpointInsertParams, error) {
	hash, err := hex.DecodeString(s.Hash)
	if err != nil {
		return db.AuditCheckpointInsertParams{}, fmt.Errorf("reading a hash: %w", err)
	}
	at, err := time.Parse(timeLayout, s.At)
	if err != nil {
		return db.AuditCheckpointInsertParams{}, fmt.Errorf("reading a time: %w", err)
	}
	return db.AuditCheckpointInsertParams{
		Chain: s.Chain, Seq: s.Seq, After: s.After, Hash: hash, At: at, KeyID: s.Key, Signature: s.Signature,
	}, nil
}

func checkpointOf(row *db.AuditCheckpoint) *signed {
	return &signed{Signature: row.Signature, Statement: Statement{
		After: row.After, At: formatTime(row.At), Chain: row.Chain, Hash: hex.EncodeToString(row.Hash),
		Key: row.KeyID, Purpose: purposeCheckpoint, Seq: row.Seq,
	}}
}

func anchorOf(row *db.AuditAnchor) *signed {
	return &signed{Signature: row.Signature, Statement: Statement{
		At: formatTime(row.At), Chain: row.Chain, Hash: hex.EncodeToString(row.Hash), Key: row.KeyID, Purpose: purposeAnchor, Seq: row.Seq,
	}}
}
