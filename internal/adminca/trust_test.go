package adminca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// issuer is an authority of the operator's, or one of a stranger.
type issuer struct {
	cert  *x509.Certificate
	key   crypto.Signer
	above []*x509.Certificate // what a client must show for it to be believed, itself included
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs a certificate for a key; by nobody: itself.
func (i *issuer) sign(t *testing.T, template x509.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	if template.SerialNumber == nil {
		template.SerialNumber = serial
	}
	template.BasicConstraintsValid = true
	parent, signer := &template, key
	if i != nil {
		parent, signer = i.cert, i.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newIssuer(t *testing.T, above *issuer) *issuer {
	t.Helper()
	made := &issuer{key: newKey(t)}
	made.cert = above.sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "people"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, made.key)
	if above != nil {
		made.above = append([]*x509.Certificate{made.cert}, above.above...)
	}
	return made
}

// person is the template of a certificate of somebody with a name that is no name of ours.
func person() x509.Certificate {
	return x509.Certificate{
		Subject: pkix.Name{CommonName: "Alice Smith"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// writeFiles writes certificates and, with one, their key as files that a client can show; they are named alike each time.
func writeFiles(t *testing.T, key *ecdsa.PrivateKey, certs ...*x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	var text []byte
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	for path, content := range map[string][]byte{certFile: text, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

const atTLS = "refused by the listener"

// whoami calls through the real listener, and says who the gateway takes the caller for, or with what code it refuses.
func whoami(t *testing.T, g *gatewaytest.Gateway, key *ecdsa.PrivateKey, certs ...*x509.Certificate) string {
	t.Helper()
	certFile, keyFile := writeFiles(t, key, certs...)
	client := g.AdminClient(t, certFile, keyFile)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.AdminURL()+api.PathWhoAmI, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		return atTLS
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Code string
		Data struct{ Name, Role string }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Code != "" {
		return answer.Code
	}
	return answer.Data.Name + " " + answer.Data.Role
}

func trust(t *testing.T, g *gatewaytest.Gateway, name, role string, certs ...*x509.Certificate) error {
	t.Helper()
	file, _ := writeFiles(t, newKey(t), certs...)
	_, err := g.Certs.Trust(t.Context(), name, role, file, gatewaytest.Operator)
	return err
}

func mustTrust(t *testing.T, g *gatewaytest.Gateway, name, role string, certs ...*x509.Certificate) {
	t.Helper()
	if err := trust(t, g, name, role, certs...); err != nil {
		t.Fatalf("trusting %s: %v", name, err)
	}
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

const refused, revoked = "admin_certificate_refused", "admin_certificate_revoked"

// The list decides who comes in; the authority decides whether his certificate is good.
func TestTrustAtTheDoor(t *testing.T) {
	t.Parallel()
	people, stranger := newIssuer(t, nil), newIssuer(t, nil)
	g := gatewaytest.New(t, gatewaytest.Options{AdminCA: []*x509.Certificate{people.cert}})
	key, other := newKey(t), newKey(t)
	cert := people.sign(t, person(), key)

	expect(t, "before the key is listed", whoami(t, g, key, cert), refused)
	mustTrust(t, g, "alice", "viewer", cert)
	expect(t, "listed", whoami(t, g, key, cert), "alice viewer")
	if n := g.Int(t, "SELECT count(*) FROM admin_ca"); n != 0 {
		t.Errorf("got %d authorities of ours, want none to be made for this", n)
	}
	if n := g.Int(t, `SELECT count(*) FROM audit_entry WHERE action = 'admin.cert.trust' AND actor = 'gatewaytest' AND details = jsonb_build_object(
		'name', 'alice', 'role', 'viewer', 'serial', $1::text, 'spki_sha256', $2::text, 'issuer_spki_sha256', $3::text)`,
		cert.SerialNumber.Text(16), adminca.SPKIOf(cert).String(), adminca.SPKIOf(people.cert).String()); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}

	renewed := person()
	renewed.Subject.CommonName = "Alice Jones"
	expect(t, "renewed with the same key", whoami(t, g, key, people.sign(t, renewed, key)), "alice viewer")
	expect(t, "renewed with another key", whoami(t, g, other, people.sign(t, person(), other)), refused)
	named := person()
	named.Subject.CommonName = "alice"
	expect(t, "the name of somebody listed", whoami(t, g, other, people.sign(t, named, other)), refused)
	expect(t, "the listed key, of a strange authority", whoami(t, g, key, stranger.sign(t, person(), key)), atTLS)
	expect(t, "the listed key, of nobody", whoami(t, g, key, (*issuer)(nil).sign(t, person(), key)), atTLS)
	late, early, server, anything, authority := person(), person(), person(), person(), person()
	late.NotBefore, late.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	early.NotBefore, early.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	server.ExtKeyUsage, anything.ExtKeyUsage = server.ExtKeyUsage[:1], nil
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	for what, c := range map[string]struct {
		template x509.Certificate
		want     string
	}{
		"expired": {late, atTLS}, "not yet valid": {early, atTLS}, "for servers": {server, atTLS},
		"for nothing in particular": {anything, refused}, "an authority": {authority, refused},
	} {
		expect(t, "the listed key, "+what, whoami(t, g, key, people.sign(t, c.template, key)), c.want)
	}

	// With an authority of ours beside it, each vouches for its own only.
	ours := add(t, g.Certs, "bob")
	expect(t, "beside ours", whoami(t, g, key, cert), "alice viewer")
	if _, err := g.Certs.Admit(t.Context(), chain(t, g.DataDir, ours.Files.Cert)); err != nil {
		t.Errorf("ours: got %v", err)
	}
	if _, err := g.Certs.Admit(t.Context(), [][]*x509.Certificate{{reissue(t, people, readCert(t, ours.Files.Cert)), people.cert}}); !errors.Is(err, adminca.ErrForeign) {
		t.Errorf("a key of ours under the operator's authority: got %v", err)
	}
	if _, err := g.Certs.Admit(t.Context(), [][]*x509.Certificate{{cert}}); !errors.Is(err, adminca.ErrForeign) {
		t.Errorf("a chain without an authority: got %v", err)
	}

	mustTrust(t, g, "alice", "operator", cert)
	expect(t, "with another role", whoami(t, g, key, cert), "alice operator")
	if _, err := g.Certs.Revoke(t.Context(), "alice", "", gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	expect(t, "revoked", whoami(t, g, key, cert), revoked)
	expect(t, "revoked, then renewed", whoami(t, g, key, people.sign(t, person(), key)), revoked)
	if err := trust(t, g, "alice", "viewer", people.sign(t, person(), key)); !errors.Is(err, adminca.ErrListed) {
		t.Errorf("a revoked key: got %v, want %v", err, adminca.ErrListed)
	}
}

// What stands between a certificate and its authority must be shown, in the file and at the door.
func TestTrustThroughIntermediates(t *testing.T) {
	t.Parallel()
	root := newIssuer(t, nil)
	staff := newIssuer(t, newIssuer(t, root))
	second := newIssuer(t, root)
	g := gatewaytest.New(t, gatewaytest.Options{AdminCA: []*x509.Certificate{root.cert}})
	key := newKey(t)
	cert := staff.sign(t, person(), key)
	full := append([]*x509.Certificate{cert}, staff.above...)
	if err := trust(t, g, "alice", "viewer", cert); !errors.Is(err, adminca.ErrUnfit) {
		t.Errorf("without what is between: got %v, want %v", err, adminca.ErrUnfit)
	}
	mustTrust(t, g, "alice", "viewer", full...)
	expect(t, "shown in full", whoami(t, g, key, full...), "alice viewer")
	expect(t, "shown alone", whoami(t, g, key, cert), atTLS)
	again := append([]*x509.Certificate{second.sign(t, person(), key)}, second.above...)
	expect(t, "renewed below the same authority", whoami(t, g, key, again...), "alice viewer")
	expect(t, "the authority in between", whoami(t, g, staff.key.(*ecdsa.PrivateKey), staff.above...), refused)

	// An authority in between that has run out on an open connection.
	later := adminca.NewService(g.Core.DB, g.Core.Keyring, adminca.Config{
		DataDir: g.DataDir, Authorities: []*x509.Certificate{root.cert}, Now: func() time.Time { return time.Now().Add(2 * time.Hour) },
	})
	if _, err := later.Admit(t.Context(), [][]*x509.Certificate{append(full, root.cert)}); !errors.Is(err, adminca.ErrForeign) {
		t.Errorf("expired on an open connection: got %v", err)
	}
}

// Of several authorities each vouches for those only that were listed with it, until they are listed with another.
func TestTrustIsOfOneAuthority(t *testing.T) {
	t.Parallel()
	people, robots := newIssuer(t, nil), newIssuer(t, nil)
	g := gatewaytest.New(t, gatewaytest.Options{AdminCA: []*x509.Certificate{people.cert, robots.cert}})
	key := newKey(t)
	cert, forged := people.sign(t, person(), key), robots.sign(t, person(), key)
	mustTrust(t, g, "alice", "viewer", cert)
	expect(t, "the listed key, of the other authority", whoami(t, g, key, forged), refused)
	for name, c := range map[string]struct {
		name string
		cert *x509.Certificate
	}{"another name": {"bob", cert}, "another name, of the other authority": {"bob", forged}} {
		if err := trust(t, g, c.name, "owner", c.cert); !errors.Is(err, adminca.ErrListed) {
			t.Errorf("%s: got %v, want %v", name, err, adminca.ErrListed)
		}
	}
	mustTrust(t, g, "alice", "viewer", forged)
	expect(t, "listed with the other authority", whoami(t, g, key, forged), "alice viewer")
	expect(t, "of the first one then", whoami(t, g, key, cert), refused)

	// The same serial number of two authorities is no clash.
	template := person()
	template.SerialNumber = forged.SerialNumber
	mustTrust(t, g, "carol", "viewer", people.sign(t, template, newKey(t)))

	// Without its authority in the configuration a listed certificate is a stranger's.
	without := adminca.NewService(g.Core.DB, g.Core.Keyring, adminca.Config{DataDir: g.DataDir, Authorities: []*x509.Certificate{people.cert}})
	if _, err := without.Admit(t.Context(), [][]*x509.Certificate{{forged, robots.cert}}); !errors.Is(err, adminca.ErrForeign) {
		t.Errorf("got %v for an authority that is not configured", err)
	}
	certs, err := g.Certs.List(t.Context())
	if err != nil || len(certs) != 2 {
		t.Fatalf("got %v, %v", certs, err)
	}
	if !g.Certs.Opens(certs[0]) || without.Opens(certs[0]) || !without.Opens(certs[1]) {
		t.Error("what opens the door is not what the configuration says")
	}
}

func TestTrustRefuses(t *testing.T) {
	t.Parallel()
	people, stranger := newIssuer(t, nil), newIssuer(t, nil)
	g := gatewaytest.New(t, gatewaytest.Options{AdminCA: []*x509.Certificate{people.cert}})
	cert := people.sign(t, person(), newKey(t))
	own := add(t, g.Certs, "bob")
	late, server, long := person(), person(), person()
	late.NotBefore, late.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	server.ExtKeyUsage = server.ExtKeyUsage[:1]
	long.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 300)
	for what, c := range map[string]struct {
		name, role string
		cert       *x509.Certificate
		want       error
	}{
		"no name":                      {"Alice Smith", "viewer", cert, adminca.ErrName},
		"no role":                      {"alice", "", cert, adminca.ErrRoleRequired},
		"a strange authority's":        {"alice", "viewer", stranger.sign(t, person(), newKey(t)), adminca.ErrUnfit},
		"one of ours":                  {"alice", "viewer", readCert(t, own.Files.Cert), adminca.ErrUnfit},
		"expired":                      {"alice", "viewer", people.sign(t, late, newKey(t)), adminca.ErrUnfit},
		"for servers":                  {"alice", "viewer", people.sign(t, server, newKey(t)), adminca.ErrUnfit},
		"the authority itself":         {"alice", "viewer", people.cert, adminca.ErrUnfit},
		"a key that is listed as ours": {"bob", "owner", reissue(t, people, readCert(t, own.Files.Cert)), adminca.ErrListed},
		"an endless serial":            {"alice", "viewer", people.sign(t, long, newKey(t)), adminca.ErrUnfit},
	} {
		if err := trust(t, g, c.name, c.role, c.cert); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", what, err, c.want)
		}
	}
	_, keyFile := writeFiles(t, newKey(t), cert)
	if _, err := g.Certs.Trust(t.Context(), "alice", "viewer", keyFile, gatewaytest.Operator); !errors.Is(err, adminca.ErrUnfit) {
		t.Errorf("a private key: got %v, want %v", err, adminca.ErrUnfit)
	}
	if _, err := g.Certs.Trust(t.Context(), "alice", "viewer", keyFile+".none", gatewaytest.Operator); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	without, _ := authority(t, g, nil)
	if _, err := without.Trust(t.Context(), "alice", "viewer", keyFile, gatewaytest.Operator); !errors.Is(err, adminca.ErrNoAuthority) {
		t.Errorf("without admin_ca: got %v, want %v", err, adminca.ErrNoAuthority)
	}
	if n := g.Int(t, "SELECT count(*) FROM admin_cert"); n != 1 {
		t.Errorf("got %d rows, want the one of ours", n)
	}
}

// reissue is what an authority makes of the key in somebody else's certificate.
func reissue(t *testing.T, by *issuer, of *x509.Certificate) *x509.Certificate {
	t.Helper()
	template := person()
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(7), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, of.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Consoles that list one key for several people at once: it is one's.
func TestOneKeyIsOnePersons(t *testing.T) {
	t.Parallel()
	people := newIssuer(t, nil)
	g := gatewaytest.New(t, gatewaytest.Options{AdminCA: []*x509.Certificate{people.cert}})
	key := newKey(t)
	file, _ := writeFiles(t, key, people.sign(t, person(), key))
	names, won := []string{"alice", "bob", "carol", "dave"}, 0
	for _, err := range together(len(names), func(i int) error {
		_, err := g.Certs.Trust(t.Context(), names[i], "viewer", file, gatewaytest.Operator)
		return err
	}) {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, adminca.ErrListed):
			t.Errorf("got %v, want %v", err, adminca.ErrListed)
		}
	}
	if rows, entries := g.Int(t, "SELECT count(*) FROM admin_cert"), g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.cert.trust'"); won != 1 || rows != 1 || entries != 1 {
		t.Errorf("got %d winners, %d rows, %d entries; want one of each", won, rows, entries)
	}
}

// A certificate of the operator's that nobody listed is a wrong certificate: an address that goes on trying is refused.
func TestUnlistedCertificatesAreCounted(t *testing.T) {
	t.Parallel()
	people := newIssuer(t, nil)
	g := gatewaytest.New(t, gatewaytest.Options{
		AdminCA: []*x509.Certificate{people.cert}, Limits: ratelimit.Rules{ratelimit.AdminFail: {Limit: 2, Window: time.Hour, Block: time.Hour}},
	})
	key := newKey(t)
	cert := people.sign(t, person(), key)
	certFile, keyFile := writeFiles(t, key, cert)
	client := g.AdminClient(t, certFile, keyFile)
	for range 2 {
		g.DoAdmin(t, client, gatewaytest.Request{Path: api.PathWhoAmI}).Refused(t, 403, refused, "this client certificate does not open the admin door")
	}
	if a := g.DoAdmin(t, client, gatewaytest.Request{Path: api.PathWhoAmI}); a.Status != http.StatusTooManyRequests {
		t.Errorf("got %d %s, want the address blocked", a.Status, a.Body)
	}
}

// A renewal is of our certificates: those of the operator's neither make one possible nor end with it.
func TestRenewLeavesTrustedCertificatesAlone(t *testing.T) {
	t.Parallel()
	people := newIssuer(t, nil)
	g := gatewaytest.New(t, gatewaytest.Options{AdminCA: []*x509.Certificate{people.cert}})
	key := newKey(t)
	cert := people.sign(t, person(), key)
	mustTrust(t, g, "alice", "viewer", cert)
	if _, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{}, gatewaytest.Operator); !errors.Is(err, adminca.ErrUnknown) {
		t.Errorf("got %v, want %v", err, adminca.ErrUnknown)
	}
	own := add(t, g.Certs, "alice")
	renewed, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{Overwrite: true}, gatewaytest.Operator)
	if err != nil || len(renewed.Old) != 1 || renewed.Old[0].Serial != own.Identity.Serial || renewed.Identity.Role != "owner" {
		t.Errorf("got %+v, %v; want ours renewed", renewed, err)
	}
	expect(t, "after the renewal", whoami(t, g, key, cert), "alice viewer")
	if ended, err := g.Certs.Revoke(t.Context(), "alice", "", gatewaytest.Operator); err != nil || len(ended) != 2 {
		t.Errorf("got %v, %v; want all of the name revoked", ended, err)
	}
	expect(t, "after the revocation", whoami(t, g, key, cert), revoked)
}

func TestReadAuthorities(t *testing.T) {
	t.Parallel()
	people, robots := newIssuer(t, nil), newIssuer(t, nil)
	leaf := people.sign(t, person(), newKey(t))
	one, key := writeFiles(t, newKey(t), people.cert)
	both, _ := writeFiles(t, newKey(t), people.cert, robots.cert)
	mixed, _ := writeFiles(t, newKey(t), people.cert, leaf)
	many := make([]*x509.Certificate, 200)
	for i := range many {
		many[i] = people.cert
	}
	bundle, _ := writeFiles(t, newKey(t), many...)
	if certs, err := adminca.ReadAuthorities(one, both); err != nil || len(certs) != 2 {
		t.Errorf("got %d, %v; want each authority once", len(certs), err)
	}
	if certs, err := adminca.ReadAuthorities(); err != nil || certs != nil {
		t.Errorf("got %v, %v for no file", certs, err)
	}
	for what, path := range map[string]string{"a leaf": mixed, "a key": key, "a large bundle": bundle, "no file": one + ".none", "a directory": filepath.Dir(one)} {
		if certs, err := adminca.ReadAuthorities(one, path); err == nil || certs != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, %v; want an error that names the file", what, certs, err)
		}
	}
}
