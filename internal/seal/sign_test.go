package seal

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func signingKey(t *testing.T, ring *Keyring, id string) *SigningKey {
	t.Helper()
	key, err := ring.SigningKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Clients have pinned these: a build that makes others of the same master keys has lost every one of them.
// Made once from the definition in docs/security.md, by Python and OpenSSL.
func TestSigningKeyVectors(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	for id, want := range map[string]string{"00c0ffee": "535310909c0f473e9ac5d3b094694f2b789987e1087a2d1e4c60141c754d1138", "deadbeef": "fed71abf93624e1b97ed5f60c216e9bdc1b3c7c4e1b7f9cbb0610c8efd71e7cd"} {
		key := signingKey(t, ring, id)
		if got := hex.EncodeToString(key.Public().(ed25519.PublicKey)); got != want || key.ID != id {
			t.Errorf("key %s: got %s of %s, want %s", id, got, key.ID, want)
		}
	}
	for _, id := range []string{"", "01020304", "00C0FFEE"} {
		if key, err := ring.SigningKey(id); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("key %q: got %v, %v, want ErrUnknownKey", id, key, err)
		}
	}
}

// What was signed of the audit trail must stay checkable. Made once from the definition, by Python and OpenSSL.
func TestAuditKeyVector(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	key, err := ring.AuditKey("00c0ffee")
	if err != nil {
		t.Fatal(err)
	}
	const want = "9e098490c5dd4b2a7fcb39e09ccfaa886886653bb9cbe7e3a37816a9d37606d7"
	if got := hex.EncodeToString(key.Public().(ed25519.PublicKey)); got != want || key.ID != "00c0ffee" {
		t.Errorf("got %s of %s, want %s", got, key.ID, want)
	}
	if key, err := ring.AuditKey("01020304"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v, %v, want ErrUnknownKey", key, err)
	}
}

func TestSigningKeySigns(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	key, other := signingKey(t, ring, "00c0ffee"), signingKey(t, ring, "deadbeef")
	message := []byte("a message")
	signature, err := key.Sign(nil, message, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(key.Public().(ed25519.PublicKey), message, signature) {
		t.Error("the signature is not of the key")
	}
	if ed25519.Verify(other.Public().(ed25519.PublicKey), message, signature) {
		t.Error("the signature is of another key too")
	}
	again, err := key.Sign(nil, message, crypto.Hash(0))
	if err != nil || !bytes.Equal(again, signature) {
		t.Errorf("got %x and %x (%v) for one message", signature, again, err)
	}
}

func TestSigningKeyPrintsRedacted(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	key := signingKey(t, ring, "00c0ffee")
	seed, err := hkdf.Key(sha256.New, ring.keys["00c0ffee"][:], []byte("cdxgate/sign/v1"), "", 32)
	if err != nil {
		t.Fatal(err)
	}
	if !key.private.Equal(ed25519.NewKeyFromSeed(seed)) {
		t.Fatal("the seed is another one; this test must learn how it is made")
	}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		for i, value := range []any{key, *key, struct{ K *SigningKey }{key}, struct{ K SigningKey }{*key}, []any{key}} {
			shown[fmt.Sprint(verb, i)] = fmt.Sprintf(verb, value)
		}
	}
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	shown["json"] = string(text)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", *key)
	shown["slog"] = log.String()
	for how, text := range shown {
		plain := strings.ToLower(strings.NewReplacer(", ", " ", "0x", "").Replace(text))
		for _, secret := range []string{
			hex.EncodeToString(seed[:8]), strings.ToLower(base64.StdEncoding.EncodeToString(seed[:9])),
			strings.Trim(fmt.Sprintf("%d", seed[:8]), "[]"), fmt.Sprintf("% x", seed[:8]),
		} {
			if strings.Contains(plain, secret) {
				t.Errorf("%s shows the seed: %s", how, text)
			}
		}
	}
}
