package adminca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestWriteFiles(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	leaf := issue(t, ca, "alice", now, 0)
	dir := filepath.Join(t.TempDir(), "admin") // WriteFiles makes it
	files, err := WriteFiles(dir, leaf, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{"alice.crt", "alice.key", "alice.p12"}; !slices.Equal(got, want) {
		t.Errorf("files: got %q, want %q", got, want)
	}
	for path, want := range map[string]fs.FileMode{
		dir: fs.ModeDir | 0o711, files.Cert: 0o600, files.Key: 0o600, files.P12: 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s: got %s, want %s", path, info.Mode(), want)
		}
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatalf("certificate and key: %v", err)
	}
	if !pair.Leaf.Equal(leaf.cert) {
		t.Error("the file holds another certificate")
	}
	if !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(files.Password.Reveal()) {
		t.Error("the password is not 26 characters that one can type")
	}
}

func TestWriteFilesIntoAnOpenDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFiles(dir, issue(t, newCA(t, now), "alice", now, 0), WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("mode of the directory: got %v, %v, want 0711", info.Mode(), err)
	}
}

func TestWriteFilesRefusesToOverwrite(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	leaf := issue(t, ca, "alice", now, 0)
	for _, there := range []string{"alice.crt", "alice.key", "alice.p12"} {
		dir := t.TempDir()
		path := filepath.Join(dir, there)
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := WriteFiles(dir, leaf, WriteOptions{})
		if !errors.Is(err, ErrFileExists) {
			t.Errorf("%s: got %v, want %v", there, err, ErrFileExists)
		}
		if got := names(t, dir); !slices.Equal(got, []string{there}) {
			t.Errorf("%s: got %q left behind, want it alone", there, got)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
			t.Errorf("%s: got %q, %v, want it untouched", there, got, err)
		}
		files, err := WriteFiles(dir, leaf, WriteOptions{Overwrite: true})
		if err != nil {
			t.Errorf("%s, told to overwrite: %v", there, err)
		}
		if _, err := tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
			t.Errorf("%s, overwritten: %v", there, err)
		}
		if got := names(t, dir); len(got) != 3 {
			t.Errorf("%s, overwritten: got %q, want 3 files", there, got)
		}
	}
}

// A dangling link under an admin's name must neither be followed nor count as absent.
func TestWriteFilesDoesNotFollowLinks(t *testing.T) {
	t.Parallel()
	leaf := issue(t, newCA(t, now), "alice", now, 0)
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "alice.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFiles(dir, leaf, WriteOptions{}); !errors.Is(err, ErrFileExists) {
		t.Errorf("got %v, want %v", err, ErrFileExists)
	}
	if _, err := WriteFiles(dir, leaf, WriteOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link was followed: got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestWriteFilesRace(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	dir := t.TempDir()
	const writers = 8
	var wg sync.WaitGroup
	results := make([]error, writers)
	written := make([]Files, writers)
	leaves := make([]*Leaf, writers)
	for i := range writers {
		leaves[i] = issue(t, ca, "alice", now, 0)
		wg.Go(func() { written[i], results[i] = WriteFiles(dir, leaves[i], WriteOptions{}) })
	}
	wg.Wait()
	winner := slices.Index(results, nil)
	for i, err := range results {
		if i != winner && !errors.Is(err, ErrFileExists) {
			t.Errorf("writer %d: got %v, want %v (writer %d won)", i, err, ErrFileExists, winner)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	pair, err := tls.LoadX509KeyPair(written[winner].Cert, written[winner].Key)
	if err != nil || !pair.Leaf.Equal(leaves[winner].cert) {
		t.Errorf("got a pair that is not the winner's: %v", err)
	}
	if got := names(t, dir); len(got) != 3 {
		t.Errorf("got %q, want 3 files", got)
	}
}

// Browsers and openssl read the bundle, not we: ask openssl.
func TestOpenSSLReadsTheBundle(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	leaf := issue(t, ca, "alice", now, 0)
	dir := t.TempDir()
	files, err := WriteFiles(dir, leaf, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	openssl := func(password string, args ...string) (stdout, stderr string, err error) {
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		var out, info bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(password+"\n"), &out, &info
		err = cmd.Run()
		return out.String(), info.String(), err
	}

	out, info, err := openssl(files.Password.Reveal(), "pkcs12", "-in", files.P12, "-passin", "stdin", "-noenc", "-info")
	if err != nil {
		t.Fatalf("openssl pkcs12: %v: %s", err, info)
	}
	if !strings.Contains(info, "AES-256-CBC") || strings.Contains(info, "RC2") {
		t.Errorf("got encryption %s, want AES-256", info)
	}
	var certs []*x509.Certificate
	var keys []*ecdsa.PrivateKey
	for block, rest := pem.Decode([]byte(out)); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, cert)
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key.(*ecdsa.PrivateKey))
		}
	}
	if len(certs) != 2 || !certs[0].Equal(leaf.cert) || !certs[1].Equal(ca.cert) {
		t.Errorf("got %d certificates, want the admin's and the authority's", len(certs))
	}
	if len(keys) != 1 || !keys[0].Equal(leaf.key) {
		t.Errorf("got %d keys, want the admin's", len(keys))
	}
	if _, _, err := openssl("WRONG", "pkcs12", "-in", files.P12, "-passin", "stdin", "-noout"); err == nil {
		t.Error("a wrong password opened the bundle")
	}

	caFile := filepath.Join(dir, "ca.pem")
	if _, err := WritePool(caFile, ca.CertPEM()); err != nil {
		t.Fatal(err)
	}
	at := []string{"verify", "-attime", "1795435200", "-CAfile", caFile} // 2026-11-23 12:00 UTC
	if out, info, err := openssl("", append(at, "-purpose", "sslclient", "-x509_strict", files.Cert)...); err != nil {
		t.Errorf("openssl verify: %v: %s%s", err, out, info)
	}
	if _, _, err := openssl("", append(at, "-purpose", "sslserver", files.Cert)...); err == nil {
		t.Error("openssl takes an admin's certificate for a server's")
	}
}

func TestWritePool(t *testing.T) {
	t.Parallel()
	ca, other := newCA(t, now), newCA(t, now)
	path := filepath.Join(t.TempDir(), "admin", "ca.pem")
	for _, step := range []struct {
		name    string
		ca      *CA
		changed bool
	}{
		{"missing", ca, true},
		{"the same", ca, false},
		{"stale", other, true},
	} {
		changed, err := WritePool(path, step.ca.CertPEM())
		if err != nil || changed != step.changed {
			t.Errorf("%s: got changed %t, %v, want %t", step.name, changed, err, step.changed)
		}
		if _, authorities, err := Pool(path); err != nil || !slices.Equal(authorities, []SPKI{step.ca.SPKI()}) {
			t.Errorf("%s: got %v, %v, want %s", step.name, authorities, err, step.ca.SPKI())
		}
	}
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := WritePool(path, ca.CertPEM()); err != nil || !changed {
		t.Errorf("garbage: got changed %t, %v, want it replaced", changed, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode: got %v, %v, want 0644", info, err)
	}
	if got := names(t, filepath.Dir(path)); !slices.Equal(got, []string{"ca.pem"}) {
		t.Errorf("got %q, want ca.pem alone", got)
	}
	if _, err := WritePool(filepath.Join(path, "ca.pem"), ca.CertPEM()); err == nil {
		t.Error("below a file: got no error")
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
