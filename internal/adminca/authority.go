package adminca

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// maxFileBytes bounds a file of certificates. One's own authorities are few; a bundle of the public ones is larger, and
// they must not vouch for admins.
const maxFileBytes = 64 << 10

// ReadAuthorities reads the authorities of the operator's own that may vouch for admins from PEM files, each of 64 KiB at
// most. One that stands twice counts once.
//
// Errors name the file: one that cannot be read, is too large, holds none, or holds anything but authorities.
func ReadAuthorities(paths ...string) (authorities []*x509.Certificate, err error) {
	for _, path := range paths {
		text, err := readBounded(path)
		if err != nil {
			return nil, err
		}
		certs, err := parseCAs(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, cert := range certs {
			if !slices.ContainsFunc(authorities, cert.Equal) {
				authorities = append(authorities, cert)
			}
		}
	}
	return authorities, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d KiB", path, maxFileBytes>>10)
	}
	return text, nil
}

// VerifyTrusted finds, in the chains that the TLS layer has verified, those that lead from a client's certificate to an
// authority of the operator's. It returns the certificate and the keys of those authorities, and repeats what [Verify]
// does for ours, for each certificate between the two as well. What such a certificate calls its holder does not count.
//
// Errors: [ErrForeign].
func VerifyTrusted(chains [][]*x509.Certificate, authorities []*x509.Certificate, now time.Time) (*x509.Certificate, []SPKI, error) {
	var leaf *x509.Certificate
	var under []SPKI
	for _, chain := range chains {
		if len(chain) < 2 || !slices.ContainsFunc(authorities, chain[len(chain)-1].Equal) || !forClients(chain[0]) {
			continue
		}
		if slices.ContainsFunc(chain, func(cert *x509.Certificate) bool { return !validAt(cert, now) }) {
			continue
		}
		leaf = chain[0] // of every chain of a connection
		under = append(under, SPKIOf(chain[len(chain)-1]))
	}
	if leaf == nil {
		return nil, nil, ErrForeign
	}
	return leaf, under, nil
}

// forClients reports whether a certificate is no authority and names client authentication explicitly.
func forClients(leaf *x509.Certificate) bool {
	return !leaf.IsCA && slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
}

func validAt(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}
