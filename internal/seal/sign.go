package seal

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"io"
)

// SigningKey is an Ed25519 key that a master key signs with; its seed is HKDF-SHA256 of the master key with the salt of
// its use and no info. It is a crypto.Signer whose private half stays inside, and it prints as [redacted].
type SigningKey struct {
	ID string // of the master key

	private ed25519.PrivateKey
}

// SigningKey returns the key by which a master key vouches to clients. Errors: ErrUnknownKey.
func (k *Keyring) SigningKey(id string) (*SigningKey, error) { return k.signingKey(id, saltSign) }

// AuditKey returns the key by which a master key signs what the audit chains were. Errors: ErrUnknownKey.
func (k *Keyring) AuditKey(id string) (*SigningKey, error) { return k.signingKey(id, saltAudit) }

func (k *Keyring) signingKey(id, salt string) (*SigningKey, error) {
	master, ok := k.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w (key %s)", ErrUnknownKey, id)
	}
	seed, err := master.derive(salt, "")
	if err != nil {
		return nil, err
	}
	return &SigningKey{ID: id, private: ed25519.NewKeyFromSeed(seed[:])}, nil
}

// Public implements crypto.Signer; it returns an ed25519.PublicKey.
func (s *SigningKey) Public() crypto.PublicKey { return s.private.Public() }

// Sign implements crypto.Signer. Ed25519 draws nothing from random: the same message has always the same signature.
func (s *SigningKey) Sign(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.private.Sign(random, message, opts)
}

// Format implements fmt.Formatter. It is on the value, so that a copy prints no more than a pointer.
func (s SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }
