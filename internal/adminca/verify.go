package adminca

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals of Verify. They do not say which part did not fit: an honest admin never sees the difference.
var (
	// ErrNoCertificate is a connection without a certificate that the TLS layer verified.
	ErrNoCertificate = errs.New(errs.Forbidden, "admin_certificate_required", "mTLS client certificate required")
	// ErrForeign is a verified certificate that no admin CA of ours made for an admin, and that is not listed as one of the
	// operator's authorities.
	ErrForeign = errs.New(errs.Forbidden, "admin_certificate_refused", "this client certificate does not open the admin door")
)

// Identity is who an admin certificate speaks for. The zero value is nobody.
type Identity struct {
	Name     string    // the subject's common name, for the operator's authorities the one it was listed with; unique is SPKI
	SPKI     SPKI      // of the certificate's key: what revocation is decided by
	Serial   string    // lower-case hex, at most 32 characters
	NotAfter time.Time // UTC
	Role     string    // what the list says he may do; the certificate itself does not say it, so Verify leaves it empty
}

// Verify reads the identity from the chains that the TLS layer has verified (tls.ConnectionState.VerifiedChains, never
// PeerCertificates, which an impostor fills freely). authorities are the keys of our admin CAs.
//
// It repeats what the listener's configuration should already guarantee, since another trust pool may stand there: the
// chain is a leaf and one of our authorities, the leaf names client authentication explicitly (Go's verifier takes a
// certificate without any extended key usage for everything), and now is within the leaf's validity, which a
// connection may outlive. Whether the certificate was revoked is the caller's question.
//
// Errors: [ErrNoCertificate], [ErrForeign].
func Verify(chains [][]*x509.Certificate, authorities []SPKI, now time.Time) (Identity, error) {
	if len(chains) == 0 {
		return Identity{}, ErrNoCertificate
	}
	for _, chain := range chains {
		if opens(chain, authorities, now) {
			return identityOf(chain[0]), nil
		}
	}
	return Identity{}, ErrForeign
}

func opens(chain []*x509.Certificate, authorities []SPKI, now time.Time) bool {
	if len(chain) != 2 {
		return false
	}
	leaf, root := chain[0], chain[1]
	return slices.Contains(authorities, SPKIOf(root)) &&
		forClients(leaf) &&
		nameGrammar.MatchString(leaf.Subject.CommonName) &&
		validAt(leaf, now)
}

func identityOf(leaf *x509.Certificate) Identity {
	return Identity{
		Name:     leaf.Subject.CommonName,
		SPKI:     SPKIOf(leaf),
		Serial:   leaf.SerialNumber.Text(16),
		NotAfter: leaf.NotAfter.UTC(),
	}
}
