package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/seal"
)

const registerBody = `{"fqdn":"door.example"}`

// knock calls the admin API with a client; it returns the answer, or how the handshake was refused.
func (g *gateway) knock(c *http.Client, header ...string) (answer, error) {
	g.t.Helper()
	header = append(header, "Content-Type: application/json")
	return callWith(c, "POST", g.AdminURL+"/admin/hosts/register", header, registerBody)
}

// authority is the real admin authority: its key unsealed with the keyring, as only its owner could.
func (g *gateway) authority() (*x509.Certificate, crypto.Signer) {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.data, "admin/ca.pem"))
	if err != nil {
		g.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		g.t.Fatal(err)
	}
	ring, err := seal.Read(filepath.Join(g.data, "keyring"))
	if err != nil {
		g.t.Fatal(err)
	}
	id, sealed := g.sql("SELECT id::text FROM admin_ca")[0], g.sql("SELECT key_sealed FROM admin_ca")[0]
	der, err := ring.Open(seal.Place{Table: "admin_ca", Column: "key_sealed", Row: id}, sealed)
	if err != nil {
		g.t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		g.t.Fatal(err)
	}
	return cert, key.(crypto.Signer)
}

// leaf makes a client certificate for ops@laptop; without a signer it signs itself.
func leaf(t *testing.T, by *x509.Certificate, signer crypto.Signer, usage x509.ExtKeyUsage, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return leafFor(t, key, by, signer, usage, until)
}

// leafFor is leaf for a key that is there.
func leafFor(t *testing.T, key *ecdsa.PrivateKey, by *x509.Certificate, signer crypto.Signer, usage x509.ExtKeyUsage, until time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "ops@laptop"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true,
	}
	if signer == nil {
		by, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func foreignAuthority(t *testing.T) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cdxgate admin CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// What a proxy might have said about a certificate. Nobody listens to it.
var claims = []string{
	"X-mTLS-Present: 1", "X-MTLS-Fingerprint: " + strings.Repeat("ab", 32), "X-MTLS-SUBJECT: CN=ops@laptop", "X-Forwarded-Proto: https",
}

func TestAdminDoor(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-24*time.Hour)
	selfSigned := leaf(t, nil, nil, x509.ExtKeyUsageClientAuth, tomorrow)

	for name, c := range map[string]*http.Client{"nobody": g.adminClient(), "a self-signed impostor": g.adminClient(selfSigned)} {
		if got, err := g.knock(c, claims...); err == nil {
			t.Errorf("before there is an authority, %s came in: %s", name, got)
		}
	}
	valid := g.addCert("ops@laptop")
	g.eventually(callDeadline, "the running gateway accepts the first certificate", func() bool {
		got, err := g.knock(g.adminClient(valid))
		return err == nil && got.status == http.StatusOK
	})

	ca, key := g.authority()
	foreignCA, foreignKey := foreignAuthority(t)
	for name, certificate := range map[string]tls.Certificate{
		"a self-signed impostor":           selfSigned,
		"a foreign authority's":            leaf(t, foreignCA, foreignKey, x509.ExtKeyUsageClientAuth, tomorrow),
		"an expired one of ours":           leaf(t, ca, key, x509.ExtKeyUsageClientAuth, yesterday),
		"one of ours for servers":          leaf(t, ca, key, x509.ExtKeyUsageServerAuth, tomorrow),
		"one of ours that nobody listed":   leaf(t, ca, key, x509.ExtKeyUsageClientAuth, tomorrow),
		"no certificate, whatever it says": {},
	} {
		if got, err := g.knock(g.adminClient(certificate), claims...); err == nil && got.status != http.StatusForbidden {
			t.Errorf("%s: got %s, want a refusal", name, got)
		}
	}
	if got := g.call("POST", "/admin/hosts/register", append(claims, "Content-Type: application/json"), registerBody); got.status != http.StatusNotFound {
		t.Errorf("on the hosts' site: got %s, want 404", got)
	}

	// The door is chosen by the name in the TLS handshake: another name there must not lead around it.
	for _, name := range []string{"", "elsewhere.example"} {
		around := client(&tls.Config{InsecureSkipVerify: true, ServerName: name, MinVersion: tls.VersionTLS12})
		if got, err := g.knock(around, append(claims, "Host: localhost")...); err == nil && got.status < 400 {
			t.Errorf("with the name %q in the handshake: got %s, want a refusal", name, got)
		}
	}

	// Revocation counts on connections that are open already.
	open := g.adminClient(valid)
	open.Transport.(*http.Transport).DisableKeepAlives = false
	if got, err := g.knock(open); err != nil || got.status != http.StatusOK {
		t.Fatalf("the valid certificate: got %s, %v, want 200", got, err)
	}
	g.sql("UPDATE admin_cert SET revoked_at = now()")
	if got, err := g.knock(open); err != nil || got.status != http.StatusForbidden || got.envelope(t).Code != "admin_certificate_revoked" {
		t.Errorf("revoked on an open connection: got %s, %v, want admin_certificate_revoked", got, err)
	}
	if refused := strings.Count(g.readLog(), "admin_certificate_revoked"); refused < 2 {
		t.Errorf("got %d refusals in the log, want those of the unlisted and the revoked certificate", refused)
	}
}

// A gateway that lacks the authority's certificate, because another one made it or the file was lost, learns it from the
// database when it starts.
func TestStartLearnsTheAuthority(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	valid := g.addCert("ops@laptop")
	foreignCA, foreignKey := foreignAuthority(t)
	stale := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: foreignCA.Raw})
	path := filepath.Join(g.data, "admin/ca.pem")
	for name, lose := range map[string]func() error{
		"lost":  func() error { return os.Remove(path) },
		"stale": func() error { return os.WriteFile(path, stale, 0o600) },
	} {
		g.stop()
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		g.run()
		g.waitReady()
		g.eventually(callDeadline, "the certificate is accepted after ca.pem was "+name, func() bool {
			got, err := g.knock(g.adminClient(valid))
			return err == nil && got.status == http.StatusOK
		})
		impostor := leaf(t, foreignCA, foreignKey, x509.ExtKeyUsageClientAuth, time.Now().Add(time.Hour))
		if got, err := g.knock(g.adminClient(impostor)); err == nil && got.status != http.StatusForbidden {
			t.Errorf("after ca.pem was %s, its authority's certificate came in: %s", name, got)
		}
	}
}
