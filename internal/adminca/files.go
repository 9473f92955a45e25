package adminca

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrFileExists is an admin's file that is already there; Details name it. Nothing was written.
var ErrFileExists = errs.New(errs.Conflict, "admin_file_exists", "refusing to overwrite an admin's file")

// Password opens a PKCS #12 file. It prints as [redacted]; Reveal is for the one place that shows it, once.
type Password struct{ text string }

// Reveal returns the password: 26 characters from A-Z and 2-7, 130 bits.
func (p Password) Reveal() string { return p.text }

// String implements fmt.Stringer and hides the password.
func (p Password) String() string { return redacted }

// GoString implements fmt.GoStringer and hides the password.
func (p Password) GoString() string { return redacted }

// LogValue implements slog.LogValuer and hides the password.
func (p Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// Files is what an admin receives.
type Files struct {
	Cert     string   // path of the certificate, PEM
	Key      string   // path of the private key, PEM, PKCS #8, not encrypted
	P12      string   // path of both and the authority for a browser, PKCS #12
	Password Password // of P12; kept nowhere else
}

// WriteOptions changes how WriteFiles writes.
type WriteOptions struct {
	Overwrite bool // replace files of the same name instead of refusing
}

// WriteFiles writes NAME.crt, NAME.key and NAME.p12 into dir, each 0600 and complete or not there at all. A dir that is
// missing is made.
//
// Errors: [ErrFileExists] without opts.Overwrite. On any error none of the new files is left behind, but files that
// Overwrite had already replaced stay replaced.
func WriteFiles(dir string, leaf *Leaf, opts WriteOptions) (Files, error) {
	key, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	if err != nil {
		return Files{}, fmt.Errorf("encoding the key: %w", err)
	}
	password := Password{rand.Text()}
	// Modern2023 (AES-256, SHA-256) opens in every current browser, keychain and OpenSSL 3; the newer profile needs
	// OpenSSL 3.4, which long-term distributions do not have.
	p12, err := pkcs12.Modern2023.Encode(leaf.key, leaf.cert, []*x509.Certificate{leaf.ca}, password.text)
	if err != nil {
		return Files{}, fmt.Errorf("encoding the PKCS #12 file: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return Files{}, fmt.Errorf("making the directory for the certificate: %w", err)
	}
	base := filepath.Join(dir, leaf.cert.Subject.CommonName)
	files := Files{Cert: base + ".crt", Key: base + ".key", P12: base + ".p12", Password: password}
	err = writeSet(dir, opts, []file{
		{files.Cert, encodeCert(leaf.cert)},
		{files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
		{files.P12, p12},
	})
	if err != nil {
		return Files{}, err
	}
	return files, syncDir(dir)
}

type file struct {
	path    string
	content []byte
}

// writeSet puts every file in its place, or none of those that were not there before.
func writeSet(dir string, opts WriteOptions, set []file) (err error) {
	var placed []string
	defer func() {
		if err != nil {
			for _, path := range placed {
				err = errors.Join(err, os.Remove(path))
			}
		}
	}()
	for _, f := range set {
		staged, err := stage(dir, filepath.Base(f.path), f.content, 0o600)
		if err != nil {
			return err
		}
		if opts.Overwrite {
			if err := os.Rename(staged, f.path); err != nil {
				return errors.Join(fmt.Errorf("replacing %s: %w", f.path, err), os.Remove(staged))
			}
			continue
		}
		// A hard link is the one way to give a finished file a name that must not exist yet: rename replaces.
		linked := os.Link(staged, f.path)
		if linked == nil {
			placed = append(placed, f.path)
		}
		if err := os.Remove(staged); err != nil {
			return fmt.Errorf("removing %s: %w", staged, err)
		}
		if errors.Is(linked, fs.ErrExist) {
			return ErrFileExists.With("path", f.path)
		}
		if linked != nil {
			return fmt.Errorf("writing %s: %w", f.path, linked)
		}
	}
	return nil
}

// stage writes content to a new file in dir, for certain, and returns its path. The caller renames or removes it.
func stage(dir, name string, content []byte, mode fs.FileMode) (path string, err error) {
	f, err := os.CreateTemp(dir, "."+name+".*.tmp") // 0600 from its first byte
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", name, err), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(content); err != nil {
		return "", errors.Join(err, f.Close())
	}
	if err := f.Chmod(mode); err != nil {
		return "", errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return "", errors.Join(err, f.Close())
	}
	return f.Name(), f.Close()
}

// makeDir makes the directory for certificates. Others may pass through it, since the gateway may run as another user
// than the verb and has to read ca.pem; they can neither list it nor read the keys, which are their owner's alone.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // see above
		return err
	}
	return os.Chmod(dir, 0o711) //nolint:gosec // whatever the umask
}

// syncDir makes the names in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
