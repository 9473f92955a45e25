package publictls

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFileBytes bounds a file of authorities. One's own are few; a bundle of the public ones is larger, and must not be
// handed to machines as if it were private.
const maxFileBytes = 64 << 10

// ReadFile reads a PEM file of authorities: certificates and nothing else, since it is handed to every machine.
//
// Errors: those of opening it; a file that is too large, holds none, or holds something else.
func ReadFile(path string) ([]*x509.Certificate, error) {
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
		return nil, fmt.Errorf("%s is larger than %d KiB; want the certificate of your own authority alone", path, maxFileBytes>>10)
	}
	certs, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

func parse(text []byte) (certs []*x509.Certificate, err error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != pemType {
			return nil, fmt.Errorf("holds a %s; want certificates only", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %d: %w", len(certs)+1, err)
		}
		certs, text = append(certs, cert), rest
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, fmt.Errorf("certificate %d is damaged", len(certs)+1)
	case len(certs) == 0:
		return nil, errors.New("holds no PEM certificate")
	}
	return certs, nil
}
