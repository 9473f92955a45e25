package publictls_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/publictls"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// signer is an authority, or a server's key and certificate.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate, signed by itself when nobody else signs it.
func issue(t *testing.T, by *signer, template x509.Certificate) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = noon.Add(-time.Hour), noon.Add(time.Hour)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent := &signer{cert: &template, key: key}
	if by != nil {
		parent = by
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert: cert, key: key}
}

func authority(t *testing.T, name string, by *signer) *signer {
	t.Helper()
	return issue(t, by, x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: noon.Add(-24 * time.Hour), NotAfter: noon.Add(24 * time.Hour),
	})
}

func server(t *testing.T, by *signer, name string) *signer {
	t.Helper()
	template := x509.Certificate{DNSNames: []string{name}}
	if ip := net.ParseIP(name); ip != nil {
		template = x509.Certificate{IPAddresses: []net.IP{ip}}
	}
	return issue(t, by, template)
}

func chain(signers ...*signer) (certs []*x509.Certificate) {
	for _, s := range signers {
		certs = append(certs, s.cert)
	}
	return certs
}

func TestOf(t *testing.T) {
	t.Parallel()
	const name = "codex.example"
	ours, others := authority(t, "ours", nil), authority(t, "others", nil)
	between := authority(t, "between", ours)
	leaf, second := server(t, between, name), server(t, between, name)
	direct, foreign := server(t, others, name), server(t, authority(t, "nobody's", nil), name)
	old := issue(t, between, x509.Certificate{DNSNames: []string{name}, NotBefore: noon.Add(-2 * time.Hour), NotAfter: noon.Add(-time.Hour)})
	early := issue(t, between, x509.Certificate{DNSNames: []string{name}, NotBefore: noon.Add(time.Hour), NotAfter: noon.Add(2 * time.Hour)})
	alone := server(t, nil, name)
	address := server(t, ours, "192.0.2.7")
	ca, pin := publictls.Encode(chain(ours)), publictls.Pin(leaf.cert)
	for title, c := range map[string]struct {
		name        string
		shown       [][]*x509.Certificate
		authorities []*x509.Certificate
		want        publictls.Trust
	}{
		"a private authority":       {name, [][]*x509.Certificate{chain(leaf, between)}, chain(others, ours), publictls.Trust{CA: ca, Pins: []string{pin}}},
		"the root in the chain too": {name, [][]*x509.Certificate{chain(leaf, between, ours)}, chain(ours), publictls.Trust{CA: ca, Pins: []string{pin}}},
		"two keys": {
			name, [][]*x509.Certificate{chain(leaf, between), chain(second, between), chain(leaf, between)}, chain(ours),
			publictls.Trust{CA: ca, Pins: []string{pin, publictls.Pin(second.cert)}},
		},
		"two authorities": {
			name, [][]*x509.Certificate{chain(leaf, between), chain(direct)}, chain(ours, others),
			publictls.Trust{CA: ca + publictls.Encode(chain(others)), Pins: []string{pin, publictls.Pin(direct.cert)}},
		},
		"signed by itself":             {name, [][]*x509.Certificate{chain(alone)}, chain(alone), publictls.Trust{CA: publictls.Encode(chain(alone)), Pins: []string{publictls.Pin(alone.cert)}}},
		"an address":                   {"192.0.2.7", [][]*x509.Certificate{chain(address)}, chain(ours), publictls.Trust{CA: ca, Pins: []string{publictls.Pin(address.cert)}}},
		"an old one beside a good one": {name, [][]*x509.Certificate{chain(old, between), chain(leaf, between), chain(early, between)}, chain(ours), publictls.Trust{CA: ca, Pins: []string{pin}}},
		"old and early ones only":      {name, [][]*x509.Certificate{chain(old, between), chain(early, between)}, chain(ours), publictls.Trust{}},
		"signed by a public authority": {name, [][]*x509.Certificate{chain(foreign)}, chain(ours), publictls.Trust{}},
		"one private, one public":      {name, [][]*x509.Certificate{chain(leaf, between), chain(foreign)}, chain(ours), publictls.Trust{}},
		"the middle is missing":        {name, [][]*x509.Certificate{chain(leaf)}, chain(ours), publictls.Trust{}},
		"another name":                 {"other.example", [][]*x509.Certificate{chain(leaf, between)}, chain(ours), publictls.Trust{}},
		"no authorities":               {name, [][]*x509.Certificate{chain(leaf, between)}, nil, publictls.Trust{}},
		"none shown":                   {name, nil, chain(ours), publictls.Trust{}},
	} {
		got := publictls.Of(c.name, c.shown, c.authorities, noon)
		if got.CA != c.want.CA || strings.Join(got.Pins, " ") != strings.Join(c.want.Pins, " ") {
			t.Errorf("%s: got %+v, want %+v", title, got, c.want)
		}
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	s := authority(t, "ours", nil)
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	if want := base64.StdEncoding.EncodeToString(sum[:]); publictls.Pin(s.cert) != want {
		t.Errorf("got %s, want %s", publictls.Pin(s.cert), want)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	const url = "https://codex.example/install/x"
	for want, c := range map[string]struct {
		trust   publictls.Trust
		address string
		byHand  bool
	}{
		"curl -fsSL " + url + " | sh":                                             {publictls.Trust{}, url, false},
		"curl -fsSL http://a.example/install/x | sh":                              {publictls.Trust{CA: "PEM"}, "http://a.example/install/x", true},
		"curl -fsSL 'https://[::1]:8443/install/x' | sh":                          {publictls.Trust{}, "https://[::1]:8443/install/x", false},
		"curl -fsSLk --pinnedpubkey 'sha256//A+/=' " + url + " | sh":              {publictls.Trust{CA: "PEM", Pins: []string{"A+/="}}, url, false},
		"curl -fsSLk --pinnedpubkey 'sha256//A;sha256//B' 'https://[::1]/x' | sh": {publictls.Trust{CA: "PEM", Pins: []string{"A", "B"}}, "https://[::1]/x", false},
	} {
		if got := c.trust.Command(c.address); got != want || c.trust.ByHand() != c.byHand {
			t.Errorf("got %s, by hand %v; want %s, %v", got, c.trust.ByHand(), want, c.byHand)
		}
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	ours, others := authority(t, "ours", nil), authority(t, "others", nil)
	key, err := x509.MarshalPKCS8PrivateKey(ours.key)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	both := publictls.Encode(chain(ours, others))
	dir := t.TempDir()
	for title, c := range map[string]struct {
		text, err string
		want      []*x509.Certificate
	}{
		"two, with words around them": {text: "our authority\n" + both + "\nend\n", want: chain(ours, others)},
		"carriage returns":            {text: strings.ReplaceAll(both, "\n", "\r\n"), want: chain(ours, others)},
		"empty":                       {err: "no PEM certificate"},
		"DER":                         {text: string(ours.cert.Raw), err: "no PEM certificate"},
		"a key beside it":             {text: publictls.Encode(chain(ours)) + secret, err: "holds a PRIVATE KEY"},
		"a damaged second one":        {text: publictls.Encode(chain(ours)) + "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", err: "certificate 2 is damaged"},
		"cut":                         {text: both[:len(both)-40], err: "certificate 2 is damaged"},
		"no certificate inside":       {text: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", err: "reading certificate 1"},
		"a bundle":                    {text: both + strings.Repeat("\n", 64<<10), err: "is larger than 64 KiB"},
	} {
		path := filepath.Join(dir, title)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := publictls.ReadFile(path)
		switch {
		case c.err == "":
			if err != nil || publictls.Encode(got) != publictls.Encode(c.want) {
				t.Errorf("%s: got %d certificates, %v", title, len(got), err)
			}
		case err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path):
			t.Errorf("%s: got %v, want one that says %q of the file", title, err, c.err)
		case bytes.Contains([]byte(err.Error()), []byte(base64.StdEncoding.EncodeToString(key))):
			t.Errorf("%s: the error shows the key", title)
		}
	}
	if _, err := publictls.ReadFile(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("got %v for a file that is not there", err)
	}
}
