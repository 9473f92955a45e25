package api

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// What a signature is about. It is signed with the document, so that no signature of one kind passes for another.
const (
	PurposeHostConfig  = "cdxgate/host-config/v1"  // HostConfig
	PurposeClientBuild = "cdxgate/client-build/v1" // ClientBuild
	PurposeSigningKey  = "cdxgate/signing-key/v1"  // SigningKey: the successor of the key that signed
)

// Signed is a document that a client takes from its gateway only: Ed25519 over the purpose, a line feed, and the
// document in its compact JSON form, so that white space may be added and taken away on the way.
type Signed struct {
	Document  json.RawMessage `json:"document"`
	KeyID     string          `json:"key_id"`    // of the signing key: a master key of the gateway
	Signature string          `json:"signature"` // standard base64
}

// SigningKey is a key that a gateway signs with.
type SigningKey struct {
	KeyID     string `json:"key_id"`
	PublicKey string `json:"public_key"` // standard base64 of 32 bytes
}

// HostConfig is what a gateway tells one host about itself and about how its client has to behave. It holds no secret.
type HostConfig struct {
	BaseURL          string `json:"base_url"` // without a trailing slash
	FQDN             string `json:"fqdn"`
	InstallationID   string `json:"installation_id"`
	Secure           bool   `json:"secure"`
	IPv4Only         bool   `json:"ipv4_only,omitempty"`
	CA               string `json:"ca,omitempty"`                 // PEM: trusted beside the system's
	AutoUpdate       bool   `json:"auto_update"`                  // of cdx, by itself
	ClientReleaseKey string `json:"client_release_key,omitempty"` // minisign public key: without its signature no build is taken
	CodexReleases    string `json:"codex_releases,omitempty"`     // base URL of the releases API to get Codex from; "": GitHub's
	IssuedAt         Time   `json:"issued_at"`
	ExpiresAt        Time   `json:"expires_at"` // when to ask for a new one

	PreviousFQDNs []string `json:"previous_fqdns,omitempty"` // names the host had: a machine that knows itself by one of them is meant, too
}

// ClientBuild is one build of cdx that a gateway vouches for.
type ClientBuild struct {
	Name      string `json:"name"` // cdx
	Version   string `json:"version"`
	Platform  string `json:"platform"` // <os>-<arch>
	SHA256    string `json:"sha256"`   // lower-case hex
	SizeBytes int64  `json:"size_bytes"`
	Rollback  bool   `json:"rollback,omitempty"` // older than another build of before, on purpose
}

// ClientOffer is what POST /sync says about the build of the caller's platform.
type ClientOffer struct {
	Build   Signed `json:"build"`             // ClientBuild
	URL     string `json:"url"`               // relative to the base URL; needs no key
	Minisig string `json:"minisig,omitempty"` // the operator's signature file of this build, if there is one
}

// ConfigOffer is what POST /sync says about the host's configuration: the document, and how its key came after others.
type ConfigOffer struct {
	Config     Signed     `json:"config"`               // HostConfig
	SigningKey SigningKey `json:"signing_key"`          // of Config; for a host that has never pinned one, and no other
	Successors []Signed   `json:"successors,omitempty"` // SigningKey, each signed by the key before it, oldest first
}

// Sign makes a signed document. The key must be an Ed25519 one.
func Sign(purpose, keyID string, key crypto.Signer, document any) (Signed, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return Signed{}, fmt.Errorf("encoding a document to sign: %w", err)
	}
	signature, err := key.Sign(nil, signedText(purpose, text), crypto.Hash(0))
	if err != nil {
		return Signed{}, fmt.Errorf("signing a document: %w", err)
	}
	return Signed{Document: text, KeyID: keyID, Signature: base64.StdEncoding.EncodeToString(signature)}, nil
}

// ErrSignature means that a document is not what its signature is of, or that its signature is not the key's.
var ErrSignature = errors.New("the signature does not fit")

// Open verifies a signed document and decodes it. Errors: ErrSignature, or a document of another shape.
func (s Signed) Open(purpose string, key SigningKey, document any) error {
	public, err := decode64(key.PublicKey)
	if err != nil || len(public) != ed25519.PublicKeySize || s.KeyID != key.KeyID {
		return ErrSignature
	}
	signature, err := decode64(s.Signature)
	if err != nil {
		return ErrSignature
	}
	var text bytes.Buffer
	if err := json.Compact(&text, s.Document); err != nil {
		return ErrSignature
	}
	if !ed25519.Verify(public, signedText(purpose, text.Bytes()), signature) {
		return ErrSignature
	}
	if err := json.Unmarshal(text.Bytes(), document); err != nil {
		return fmt.Errorf("a signed document of another shape: %w", err)
	}
	return nil
}

// decode64 takes one spelling of the bytes only: elsewhere line ends are skipped, and spare bits are not looked at.
func decode64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, ErrSignature
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

func signedText(purpose string, document []byte) []byte {
	return append([]byte(purpose+"\n"), document...)
}
