package adminca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Pool reads the authorities of ours that the admin door trusts from path, the data directory's admin/ca.pem, and returns
// them with their fingerprints for [Verify]. The operator's own, others, stand in the pool beside them, file or no file.
//
// The pool is never nil, whatever happens: crypto/tls takes a nil pool for the system's roots, and every public
// authority would then open the door. Without a file and others it is empty and refuses everybody; so it is on an error.
func Pool(path string, others ...*x509.Certificate) (*x509.CertPool, []SPKI, error) {
	pool := x509.NewCertPool()
	for _, cert := range others {
		pool.AddCert(cert)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return pool, nil, nil
	}
	if err != nil {
		return x509.NewCertPool(), nil, fmt.Errorf("reading the admin CA: %w", err)
	}
	certs, err := parseCAs(text)
	if err != nil {
		return x509.NewCertPool(), nil, fmt.Errorf("reading the admin CA %s: %w (delete the file and start again: "+
			"the gateway writes it from its database)", path, err)
	}
	keys := make([]SPKI, 0, len(certs))
	for _, cert := range certs {
		pool.AddCert(cert)
		keys = append(keys, SPKIOf(cert))
	}
	return pool, keys, nil
}

// WritePool makes the file at path say what certPEM says, atomically, and reports whether it did not say so before.
// A directory that is missing is made; others may pass through it, for this file only.
func WritePool(path string, certPEM []byte) (changed bool, err error) {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, certPEM) {
		return false, nil
	}
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return false, fmt.Errorf("writing the admin CA: %w", err)
	}
	// Certificates are public, and a verb may run as another user than the gateway, which has to read this.
	staged, err := stage(dir, filepath.Base(path), certPEM, 0o644)
	if err != nil {
		return false, fmt.Errorf("writing the admin CA: %w", err)
	}
	if err := os.Rename(staged, path); err != nil {
		return false, errors.Join(fmt.Errorf("writing the admin CA: %w", err), os.Remove(staged))
	}
	return true, syncDir(dir)
}
