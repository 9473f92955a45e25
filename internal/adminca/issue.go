package adminca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// DefaultValidity is how long an admin certificate works: a year and a month to renew it.
const DefaultValidity = 397 * 24 * time.Hour

// Refusals of Issue.
var (
	// ErrName is a name that could not be a file name and a certificate's subject everywhere.
	ErrName = errs.New(errs.Invalid, "admin_name_invalid",
		"an admin's name has 1 to 64 characters from a-z, 0-9, '.', '_', '@' and '-', and starts with a letter or a digit")
	// ErrValidity is a validity that is not a positive number of whole seconds.
	ErrValidity = errs.New(errs.Invalid, "admin_validity_invalid", "an admin certificate's validity is at least one second")
	// ErrExpired is an authority that has expired: what it signs now would be refused by the door.
	ErrExpired = errs.New(errs.Conflict, "admin_ca_expired", "the admin CA has expired and signs no more certificates")
)

var nameGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,63}$`)

// Leaf is a fresh admin certificate with its private key. It prints as [redacted].
type Leaf struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	ca   *x509.Certificate
}

// Issue signs a certificate for name that authenticates a client and nothing else. A validity of 0 means
// [DefaultValidity]; the certificate never outlives the authority.
//
// Errors: [ErrName], [ErrValidity], [ErrExpired].
func (ca *CA) Issue(name string, now time.Time, validity time.Duration) (*Leaf, error) {
	if !nameGrammar.MatchString(name) {
		return nil, ErrName
	}
	if validity == 0 {
		validity = DefaultValidity
	}
	if validity < time.Second {
		return nil, ErrValidity
	}
	if !now.Before(ca.cert.NotAfter) {
		return nil, ErrExpired
	}
	notAfter := now.Add(validity)
	if notAfter.After(ca.cert.NotAfter) {
		notAfter = ca.cert.NotAfter
	}
	notBefore := now.Add(-clockSkew)
	if notBefore.Before(ca.cert.NotBefore) {
		notBefore = ca.cert.NotBefore
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", name, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back the certificate of %s: %w", name, err)
	}
	return &Leaf{cert: cert, key: key, ca: ca.cert}, nil
}

// Identity returns who the certificate speaks for.
func (l *Leaf) Identity() Identity { return identityOf(l.cert) }

// String implements fmt.Stringer and hides the key.
func (l Leaf) String() string { return redacted }

// GoString implements fmt.GoStringer and hides the key.
func (l Leaf) GoString() string { return redacted }

// LogValue implements slog.LogValuer and hides the key.
func (l Leaf) LogValue() slog.Value { return slog.StringValue(redacted) }
