package adminca

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals of Trust.
var (
	// ErrNoAuthority is a certificate that nobody could vouch for.
	ErrNoAuthority = errs.New(errs.Conflict, "admin_ca_missing", "the option admin_ca names no authority whose certificates could be trusted")
	// ErrUnfit is a certificate that the door would refuse; its cause says why.
	ErrUnfit = errs.New(errs.Invalid, "admin_certificate_unfit", "this is no client certificate that an authority of admin_ca vouches for now")
	// ErrListed is a key that stands for somebody already, or that was revoked, which no list forgets.
	ErrListed = errs.New(errs.Conflict, "admin_certificate_listed", "the key of this certificate is on the list already: of another name, of an authority of ours, or revoked")
)

// maxSerial bounds a serial number in hex characters. Standards allow 40.
const maxSerial = 64

// Trust lists the certificate of a PEM file, which an authority of the operator's has signed, for a name and a role. The
// certificates that lead to the authority may follow in the file. From then on, whoever shows a certificate of that
// authority with the same key is that admin, until he is revoked. Of a key that is listed for the name already, role and
// authority become the new ones.
//
// Errors: ErrName, ErrRoleRequired, ErrNoAuthority, ErrUnfit, ErrListed; those of reading the file.
func (s *Service) Trust(ctx context.Context, name, role, path string, by audit.Actor) (Identity, error) {
	switch {
	case !nameGrammar.MatchString(name):
		return Identity{}, ErrName
	case role == "":
		return Identity{}, ErrRoleRequired
	case len(s.cfg.Authorities) == 0:
		return Identity{}, ErrNoAuthority
	}
	text, err := readBounded(path)
	if err != nil {
		return Identity{}, fmt.Errorf("reading the certificate: %w", err)
	}
	now := s.cfg.Now().UTC()
	leaf, authority, err := s.examine(text, now)
	if err != nil {
		return Identity{}, ErrUnfit.WithCause(err)
	}
	identity := identityOf(leaf)
	identity.Name, identity.Role = name, role
	return identity, s.store.WithTx(ctx, func(q *db.Queries) error {
		if err := q.AdminCALock(ctx); err != nil {
			return fmt.Errorf("locking the list of admin certificates: %w", err)
		}
		listed, err := q.AdminCertTrust(ctx, db.AdminCertTrustParams{
			IssuerSPKISHA256: authority[:], Name: name, Role: role, Serial: identity.Serial, SPKISHA256: identity.SPKI[:],
			NotAfter: identity.NotAfter, Now: now,
		})
		switch {
		case err != nil:
			return fmt.Errorf("listing the certificate of %s: %w", name, err)
		case listed == 0:
			return ErrListed
		}
		return audit.Record(ctx, q, audit.Entry{At: now, Actor: by, Action: audit.ActionAdminCertTrust, Details: audit.Details{
			"name": name, "role": role, "serial": identity.Serial, "spki_sha256": identity.SPKI.String(), "issuer_spki_sha256": authority.String(),
		}})
	})
}

// examine reads a client's certificate as the listener would, and returns it with the key of the authority it leads to;
// of several, the nearest, to which it leads whether or not the client shows what stands in between.
func (s *Service) examine(text []byte, now time.Time) (*x509.Certificate, SPKI, error) {
	certs, err := parseCerts(text)
	if err != nil {
		return nil, SPKI{}, err
	}
	leaf := certs[0]
	opts := x509.VerifyOptions{
		Roots: s.authorityPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, cert := range certs[1:] {
		opts.Intermediates.AddCert(cert)
	}
	chains, err := leaf.Verify(opts)
	if err != nil {
		return nil, SPKI{}, err //nolint:wrapcheck // it becomes a cause
	}
	// Whether more than one authority vouches for it is for the door to see; one is enough here.
	shortest := slices.MinFunc(chains, func(a, b []*x509.Certificate) int { return len(a) - len(b) })
	_, under, err := VerifyTrusted([][]*x509.Certificate{shortest}, s.cfg.Authorities, now)
	switch {
	case err != nil:
		return nil, SPKI{}, errors.New("it is an authority, or does not name client authentication in its extended key usage")
	case len(leaf.SerialNumber.Text(16)) > maxSerial:
		return nil, SPKI{}, errors.New("its serial number is too long")
	}
	return leaf, under[0], nil
}

// authorityPool returns the operator's authorities. It is never nil.
func (s *Service) authorityPool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range s.cfg.Authorities {
		pool.AddCert(cert)
	}
	return pool
}

// admitTrusted decides about a certificate that is not of our authority: its key must be listed, for the authority that
// vouches for it. A key that is listed for nobody, or for a certificate of ours, is as good as none.
func (s *Service) admitTrusted(ctx context.Context, chains [][]*x509.Certificate) (Identity, error) {
	leaf, under, err := VerifyTrusted(chains, s.cfg.Authorities, s.cfg.Now())
	if err != nil {
		return Identity{}, err
	}
	identity := identityOf(leaf)
	cert, err := s.store.AdminCertBySPKI(ctx, identity.SPKI[:])
	switch {
	case db.IsNoRows(err):
		return Identity{}, ErrForeign
	case err != nil:
		return Identity{}, fmt.Errorf("looking up the certificate %s: %w", identity.Serial, err)
	case !vouchedFor(cert.IssuerSPKISHA256, under):
		return Identity{}, ErrForeign
	case cert.Revoked:
		return Identity{}, ErrRevoked
	}
	identity.Name, identity.Role = cert.Name, cert.Role
	return identity, nil
}

// Opens reports whether the door opens to a listed certificate, or may open to one with the same key.
func (s *Service) Opens(cert db.AdminCert) bool {
	now := s.cfg.Now()
	if cert.RevokedAt != nil && !cert.RevokedAt.After(now) {
		return false
	}
	if cert.IssuerSPKISHA256 == nil {
		return cert.NotAfter.After(now)
	}
	return slices.ContainsFunc(s.cfg.Authorities, func(authority *x509.Certificate) bool {
		return authority.NotAfter.After(now) && vouchedFor(cert.IssuerSPKISHA256, []SPKI{SPKIOf(authority)})
	})
}

// vouchedFor reports whether the authority that a certificate was listed with is among those that vouch for it now.
func vouchedFor(listed []byte, under []SPKI) bool {
	return slices.ContainsFunc(under, func(key SPKI) bool { return bytes.Equal(key[:], listed) })
}
