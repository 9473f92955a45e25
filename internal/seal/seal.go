// Package seal encrypts what must not be readable in a database dump, and refuses what was moved.
//
// A sealed value is text: sbox:v2:<key id>:<base64(nonce ‖ box)>. The box is XSalsa20-Poly1305 (nacl/secretbox) under a
// key of its own, derived from a master key and the place the value belongs to, so a ciphertext that is copied to
// another table, column or row does not open there.
package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
)

// Salts of the keys derived from a master key. Each use has its own, so that no two uses ever share a key.
const (
	saltSeal  = "cdxgate/seal/v2"  // sealed columns
	saltSign  = "cdxgate/sign/v1"  // SigningKey
	saltAudit = "cdxgate/audit/v1" // AuditKey
)

const (
	prefix     = "sbox:v2:"
	nonceBytes = 24
	keyBytes   = 32
)

// Errors of Open. None says more than it must: whoever holds a wrong value learns nothing about the right one.
var (
	ErrFormat     = errors.New("not a sealed value of version 2")
	ErrUnknownKey = errors.New("a master key that the keyring does not hold")
	ErrTampered   = errors.New("the sealed value does not open here: it was altered, moved, or sealed with another key")
)

// Place is where a sealed value lives. Row must never change during the row's life; for rows that are updated in place
// it includes a version.
type Place struct {
	Table, Column, Row string
}

// info encodes a place so that no two places share an encoding: each part is preceded by its length, four bytes big-endian.
func (p Place) info() string {
	var b strings.Builder
	for _, part := range []string{p.Table, p.Column, p.Row} {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(part))) //nolint:gosec // names and ids are short
		b.WriteString(part)
	}
	return b.String()
}

// Seal encrypts plain for its place with the active master key.
func (k *Keyring) Seal(at Place, plain []byte) (string, error) {
	recordKey, err := k.keys[k.active].derive(saltSeal, at.info())
	if err != nil {
		return "", err
	}
	var nonce [nonceBytes]byte
	if _, err := io.ReadFull(rand.Reader, nonce[:]); err != nil {
		return "", fmt.Errorf("drawing a nonce: %w", err)
	}
	box := secretbox.Seal(nonce[:], plain, &nonce, recordKey)
	return prefix + k.active + ":" + base64.StdEncoding.EncodeToString(box), nil
}

// Open decrypts what Seal made for the same place, with whichever master key it names.
//
// Errors: ErrFormat, ErrUnknownKey, ErrTampered.
func (k *Keyring) Open(at Place, sealed string) ([]byte, error) {
	id, box, err := split(sealed)
	if err != nil {
		return nil, err
	}
	master, ok := k.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w (key %s)", ErrUnknownKey, id)
	}
	recordKey, err := master.derive(saltSeal, at.info())
	if err != nil {
		return nil, err
	}
	plain, ok := secretbox.Open(nil, box[nonceBytes:], (*[nonceBytes]byte)(box), recordKey)
	if !ok {
		return nil, ErrTampered
	}
	return plain, nil
}

// split takes a sealed value apart. box is nonce and ciphertext, long enough to hold both.
func split(sealed string) (id string, box []byte, err error) {
	rest, ok := strings.CutPrefix(sealed, prefix)
	if !ok {
		return "", nil, ErrFormat
	}
	id, encoded, ok := strings.Cut(rest, ":")
	if !ok || !validID(id) || strings.ContainsAny(encoded, "\r\n") { // which base64 would skip
		return "", nil, ErrFormat
	}
	box, err = base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(box) < nonceBytes+secretbox.Overhead {
		return "", nil, ErrFormat
	}
	return id, box, nil
}

// masterKey prints as [redacted] whatever the verb.
type masterKey [keyBytes]byte

func (m masterKey) derive(salt, info string) (*[keyBytes]byte, error) {
	derived, err := hkdf.Key(sha256.New, m[:], []byte(salt), info, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return (*[keyBytes]byte)(derived), nil
}

// Format implements fmt.Formatter.
func (m masterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }
