package adminca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newCA(t *testing.T, at time.Time) *CA {
	t.Helper()
	ca, err := NewCA(at)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *CA, name string, at time.Time, validity time.Duration) *Leaf {
	t.Helper()
	leaf, err := ca.Issue(name, at, validity)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestNewCA(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	cert := ca.cert
	if got, want := cert.Subject.String(), "CN=cdxgate admin CA"; got != want {
		t.Errorf("subject: got %s, want %s", got, want)
	}
	if !cert.BasicConstraintsValid || !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero {
		t.Errorf("basic constraints: got CA %t, path length %d (zero %t), want a CA of path length 0",
			cert.IsCA, cert.MaxPathLen, cert.MaxPathLenZero)
	}
	if got, want := cert.KeyUsage, x509.KeyUsageCertSign|x509.KeyUsageCRLSign; got != want {
		t.Errorf("key usage: got %b, want %b", got, want)
	}
	if len(cert.SubjectKeyId) == 0 {
		t.Error("subject key id: got none")
	}
	if got, want := cert.NotAfter, time.Date(2036, 11, 23, 12, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("not after: got %s, want %s", got, want)
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		t.Errorf("self signature: %v", err)
	}
	if other := newCA(t, now); other.SPKI() == ca.SPKI() || other.cert.SerialNumber.Cmp(cert.SerialNumber) == 0 {
		t.Error("two authorities share a key or a serial number")
	}
}

func TestOpenCA(t *testing.T) {
	t.Parallel()
	ca, other := newCA(t, now), newCA(t, now)
	key, err := ca.KeyPKCS8()
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, ca, "alice", now, 0)

	opened, err := OpenCA(ca.CertPEM(), key)
	if err != nil {
		t.Fatalf("opening what was saved: %v", err)
	}
	if opened.SPKI() != ca.SPKI() {
		t.Errorf("SPKI: got %s, want %s", opened.SPKI(), ca.SPKI())
	}
	if err := issue(t, opened, "bob", now, 0).cert.CheckSignatureFrom(ca.cert); err != nil {
		t.Errorf("signature by the opened CA: %v", err)
	}

	for name, c := range map[string]struct{ cert, key []byte }{
		"another CA's certificate": {other.CertPEM(), key},
		"two certificates":         {append(ca.CertPEM(), other.CertPEM()...), key},
		"a leaf":                   {encodeCert(leaf.cert), key},
		"no certificate":           {nil, key},
		"no key":                   {ca.CertPEM(), nil},
		"half a key":               {ca.CertPEM(), key[:len(key)/2]},
	} {
		if _, err := OpenCA(c.cert, c.key); err == nil {
			t.Errorf("%s: got a CA, want an error", name)
		} else if strings.Contains(err.Error(), string(key)) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	leaf := issue(t, ca, "alice", now, 0)
	cert := leaf.cert
	if err := cert.CheckSignatureFrom(ca.cert); err != nil {
		t.Errorf("signature: %v", err)
	}
	if got := cert.ExtKeyUsage; len(got) != 1 || got[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("extended key usage: got %v, want client authentication only", got)
	}
	if cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("got CA %t with key usage %b, want a leaf that signs", cert.IsCA, cert.KeyUsage)
	}
	if !bytes.Equal(cert.AuthorityKeyId, ca.cert.SubjectKeyId) {
		t.Errorf("authority key id: got %x, want %x", cert.AuthorityKeyId, ca.cert.SubjectKeyId)
	}
	id := leaf.Identity()
	want := Identity{Name: "alice", SPKI: SPKIOf(cert), Serial: cert.SerialNumber.Text(16), NotAfter: now.Add(397 * 24 * time.Hour)}
	if id != want {
		t.Errorf("identity: got %+v, want %+v", id, want)
	}
	if len(id.SPKI.String()) != 64 {
		t.Errorf("SPKI: got %q, want 64 hex characters", id.SPKI)
	}
	again := issue(t, ca, "alice", now, 0).Identity()
	if again.SPKI == id.SPKI || again.Serial == id.Serial {
		t.Error("two certificates of one name share a key or a serial number")
	}
}

func TestIssueValidity(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	end := ca.NotAfter()
	for name, c := range map[string]struct {
		at       time.Time
		validity time.Duration
		want     time.Time // zero: an error
		err      error
	}{
		"default":                   {now, 0, now.Add(DefaultValidity), nil},
		"an hour":                   {now, time.Hour, now.Add(time.Hour), nil},
		"never outlives the CA":     {end.Add(-time.Hour), 0, end, nil},
		"the CA's last second":      {end.Add(-time.Second), time.Hour, end, nil},
		"the CA has just expired":   {end, time.Hour, time.Time{}, ErrExpired},
		"the CA expired long since": {end.AddDate(1, 0, 0), time.Hour, time.Time{}, ErrExpired},
		"negative":                  {now, -time.Hour, time.Time{}, ErrValidity},
		"less than a second":        {now, time.Millisecond, time.Time{}, ErrValidity},
	} {
		leaf, err := ca.Issue("alice", c.at, c.validity)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", name, err, c.err)
		}
		if c.err == nil && !leaf.Identity().NotAfter.Equal(c.want) {
			t.Errorf("%s: got %s, want %s", name, leaf.Identity().NotAfter, c.want)
		}
	}
}

func TestIssueName(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	for _, name := range []string{"a", "0", "alice", "alice@example.org", "a.b-c_d", "a..b", strings.Repeat("a", 64)} {
		if got := issue(t, ca, name, now, 0).Identity().Name; got != name {
			t.Errorf("got name %q, want %q", got, name)
		}
	}
	for _, name := range []string{
		"", ".", "..", ".hidden", "-rf", "_a", "@a", "Alice", "a b", "a/b", "../a", "a/../b", `a\b`, "a\x00", "a\n", "a\nb", "é", "a:b", "a*",
		strings.Repeat("a", 65),
	} {
		if _, err := ca.Issue(name, now, 0); !errors.Is(err, ErrName) {
			t.Errorf("name %q: got %v, want %v", name, err, ErrName)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	leaf := issue(t, ca, "alice", now, 0)
	files, err := WriteFiles(t.TempDir(), leaf, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("all", "ca", ca, "ca_value", *ca, "leaf", leaf, "leaf_value", *leaf, "password", files.Password, "files", files)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, verb, []any{ca, *ca, leaf, *leaf, files.Password, files})
	}
	key, err := ca.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := leaf.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{
		"the password":          files.Password.Reveal(),
		"the CA's key":          new(big.Int).SetBytes(key).String(),
		"the CA's key in hex":   fmt.Sprintf("%x", key),
		"the leaf's key":        new(big.Int).SetBytes(leafKey).String(),
		"the leaf's key in hex": fmt.Sprintf("%x", leafKey),
	} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s was printed: %s", what, out.String())
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Errorf("got %s, want %s in it", out.String(), redacted)
	}
}

func TestParseCAsTakesAuthoritiesOnly(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	leaf := issue(t, ca, "alice", now, 0)
	broken := bytes.Replace(ca.CertPEM(), []byte("M"), []byte("A"), 1)
	for name, text := range map[string][]byte{
		"empty":            {},
		"white space":      []byte(" \n\n"),
		"not PEM":          []byte("hello\n"),
		"text before":      append([]byte("hello\n"), ca.CertPEM()...),
		"text after":       append(ca.CertPEM(), "hello\n"...),
		"cut off":          ca.CertPEM()[:200],
		"broken DER":       broken,
		"a leaf":           encodeCert(leaf.cert),
		"a CA, and a leaf": append(ca.CertPEM(), encodeCert(leaf.cert)...),
		"a private key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
	} {
		if certs, err := parseCAs(text); err == nil {
			t.Errorf("%s: got %d certificates, want an error", name, len(certs))
		}
	}
	two, err := parseCAs(append(append(ca.CertPEM(), '\n'), newCA(t, now).CertPEM()...))
	if err != nil || len(two) != 2 {
		t.Errorf("two authorities: got %d, %v, want 2", len(two), err)
	}
}
