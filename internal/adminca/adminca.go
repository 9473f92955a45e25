// Package adminca is the authority that signs admin certificates, and the door that asks for them.
//
// One authority exists per database. Its key lives sealed in the database; its certificate also stands in
// <data_dir>/admin/ca.pem, because that file is all that the TLS listener may read before the database is open
// ([Pool]). An admin certificate is issued once ([CA.Issue]), handed over as files ([WriteFiles]) and recognised again
// by the SHA-256 of its public key, never by its name ([Verify]).
//
// Authorities of the operator's may stand beside it ([ReadAuthorities]). They say that a certificate is good; who comes
// in with it is decided here, by the list, as for ours ([Service.Trust]).
package adminca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"
)

const (
	caCommonName = "cdxgate admin CA"
	caYears      = 10

	// A browser whose clock is a little slow must not refuse a certificate that was made a moment ago.
	clockSkew = 5 * time.Minute

	redacted = "[redacted]"
)

// SPKI is the SHA-256 of a certificate's SubjectPublicKeyInfo: it names a key pair, whatever else the certificate says.
type SPKI [sha256.Size]byte

// SPKIOf returns the fingerprint of cert's public key.
func SPKIOf(cert *x509.Certificate) SPKI { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String returns 64 lower-case hex characters.
func (s SPKI) String() string { return hex.EncodeToString(s[:]) }

// CA is the admin authority: a certificate and its private key. It prints as [redacted]. It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes an authority that is valid for ten years from now. Its key is ECDSA P-256, since browsers take no
// Ed25519 client certificates, and it may sign leaves only.
func NewCA(now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the admin CA's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: caCommonName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the admin CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back the admin CA: %w", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// OpenCA rebuilds an authority from what CertPEM and KeyPKCS8 returned. It fails when the two do not belong together.
func OpenCA(certPEM, keyPKCS8 []byte) (*CA, error) {
	certs, err := parseCAs(certPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the admin CA's certificate: %w", err)
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("reading the admin CA's certificate: want 1 certificate, have %d", len(certs))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyPKCS8)
	if err != nil {
		// The parser's own text may quote the input; it stays here.
		return nil, errors.New("reading the admin CA's key: it is not a PKCS #8 private key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, errors.New("reading the admin CA's key: it does not belong to the certificate")
	}
	return &CA{cert: certs[0], key: key}, nil
}

// CertPEM returns the certificate as one PEM block. It is public.
func (ca *CA) CertPEM() []byte { return encodeCert(ca.cert) }

// KeyPKCS8 returns the private key in PKCS #8, DER. It must be sealed before it is stored.
func (ca *CA) KeyPKCS8() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		return nil, fmt.Errorf("encoding the admin CA's key: %w", err)
	}
	return der, nil
}

// SPKI returns the fingerprint by which [Verify] recognises this authority.
func (ca *CA) SPKI() SPKI { return SPKIOf(ca.cert) }

// NotAfter returns when the authority expires.
func (ca *CA) NotAfter() time.Time { return ca.cert.NotAfter }

// String implements fmt.Stringer and hides the key.
func (ca CA) String() string { return redacted }

// GoString implements fmt.GoStringer and hides the key.
func (ca CA) GoString() string { return redacted }

// LogValue implements slog.LogValuer and hides the key.
func (ca CA) LogValue() slog.Value { return slog.StringValue(redacted) }

// newSerial returns 128 random bits: enough that no two certificates of any authority ever share a serial, so that a
// list of serials may be kept without naming the issuer.
func newSerial() *big.Int {
	var raw [16]byte
	rand.Read(raw[:]) // never fails: the process ends instead
	return new(big.Int).SetBytes(raw[:])
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// parseCAs reads one or more CA certificates in PEM and nothing else.
//
// Go's verifier trusts whatever stands in a root pool, so a leaf that was copied there by mistake would open the door
// to its holder for ever: everything but an authority is refused here.
func parseCAs(text []byte) ([]*x509.Certificate, error) {
	certs, err := parseCerts(text)
	if err != nil {
		return nil, err
	}
	for i, cert := range certs {
		if !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 {
			return nil, fmt.Errorf("certificate %d (%s) is not an authority", i+1, cert.Subject)
		}
	}
	return certs, nil
}

// parseCerts reads one or more certificates in PEM and nothing else.
func parseCerts(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := bytes.TrimSpace(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) {
			return nil, errors.New("it holds something that is not PEM")
		}
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("it holds a broken PEM block")
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds a %s where a CERTIFICATE belongs", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return certs, nil
}
