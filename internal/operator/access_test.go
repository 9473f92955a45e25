package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func noReload() (bool, error) { return false, nil }

func TestAdminCertLifecycle(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.AdminCertAdd(t.Context(), "alice", AdminCertAddOptions{Role: "root", Reload: noReload}); !errors.Is(err, access.ErrRole) {
		t.Errorf("got %v, want %v", err, access.ErrRole)
	}
	must(t, d.AdminCertAdd(t.Context(), "alice", AdminCertAddOptions{Reload: noReload}))
	if _, words := d.said(); !strings.Contains(words, "✓ alice may come in as owner until ") {
		t.Errorf("got %q", words)
	}
	if err := d.AdminCertAdd(t.Context(), "bob", AdminCertAddOptions{Reload: noReload}); !errors.Is(err, adminca.ErrRoleRequired) {
		t.Errorf("got %v, want %v", err, adminca.ErrRoleRequired)
	}
	must(t, d.AdminCertAdd(t.Context(), "bob", AdminCertAddOptions{Role: "viewer", Reload: noReload}))
	d.said()
	must(t, d.AdminCertRenew(t.Context(), "bob", AdminCertRenewOptions{Overlap: time.Hour, Reload: noReload}))
	if out, words := d.said(); !strings.Contains(out, "password") || !strings.Contains(words, "✓ bob may come in as viewer") || !strings.Contains(words, "opens nothing from ") {
		t.Errorf("got %q beside %q", out, words)
	}
	must(t, d.AdminCertList(t.Context()))
	if out, _ := d.said(); strings.Count(out, "bob") != 2 || !strings.Contains(out, "renewed") || !strings.Contains(out, "viewer") {
		t.Errorf("got\n%s", out)
	}
	if err := d.AdminCertRevoke(t.Context(), "bob", ""); !errors.Is(err, ErrDeclined) {
		t.Errorf("got %v for a question that nobody answered", err)
	}
	d.Yes, d.JSON = true, true
	must(t, d.AdminCertRevoke(t.Context(), "bob", ""))
	revoked := document[struct{ Revoked []struct{ Serial string } }](t, d).Revoked
	if len(revoked) != 2 {
		t.Errorf("got %v, want both", revoked)
	}
	if err := d.AdminCertRevoke(t.Context(), "bob", ""); !errors.Is(err, adminca.ErrUnknown) {
		t.Errorf("got %v, want %v", err, adminca.ErrUnknown)
	}
	must(t, d.AdminCertList(t.Context()))
	states := map[string]int{}
	for _, cert := range document[struct {
		Certificates []struct{ Name, Role, State string }
	}](t, d).Certificates {
		states[cert.Name+" "+cert.Role+" "+cert.State]++
	}
	if states["alice owner good"] != 1 || states["bob viewer revoked"] != 2 {
		t.Errorf("got %v", states)
	}
}

// An authority of the operator's vouches for a certificate; the console says whose it is.
func TestAdminCertTrust(t *testing.T) {
	t.Parallel()
	authority, text := peopleCA(t)
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "alice.crt")
	must(t, os.WriteFile(file, text, 0o600))
	if err := d.AdminCertTrust(t.Context(), "alice", "viewer", file); !errors.Is(err, adminca.ErrNoAuthority) {
		t.Errorf("got %v, want %v", err, adminca.ErrNoAuthority)
	}
	cfg := d.Config
	cfg.AdminCA = []*x509.Certificate{authority}
	trusting, err := Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, trusting.Close()) })
	for role, want := range map[string]error{"root": access.ErrRole, "": adminca.ErrRoleRequired} {
		if err := trusting.AdminCertTrust(t.Context(), "alice", role, file); !errors.Is(err, want) {
			t.Errorf("role %q: got %v, want %v", role, err, want)
		}
	}
	must(t, trusting.AdminCertTrust(t.Context(), "alice", "viewer", file))
	if out, words := d.said(); out != "" || !strings.Contains(words, "✓ alice may come in as viewer, with any certificate of the same authority and key\n") {
		t.Errorf("got %q beside %q", out, words)
	}
	d.g.Exec(t, "UPDATE admin_cert SET not_after = now() - interval '1 day'") // a renewed one may be good
	list := func(c *Console) string {
		must(t, c.AdminCertList(t.Context()))
		out, _ := d.said()
		return out
	}
	if out := list(trusting); !strings.Contains(out, "trusted") {
		t.Errorf("got\n%s", out)
	}
	if out := list(d.Console); !strings.Contains(out, "no authority") {
		t.Errorf("without the authority got\n%s", out)
	}
	for console, want := range map[*Console]string{trusting: "✓ admin     1 certificates open the admin door", d.Console: "! admin     no certificate opens the admin door"} {
		_ = console.Doctor(t.Context(), t.TempDir())
		if out, _ := d.said(); !strings.Contains(out, want) {
			t.Errorf("got\n%s, want %q in it", out, want)
		}
	}
	trusting.JSON, trusting.Yes = true, true
	must(t, trusting.AdminCertTrust(t.Context(), "alice", "owner", file))
	if got := document[map[string]string](t, d); got["name"] != "alice" || got["role"] != "owner" || len(got["spki_sha256"]) != 64 || got["not_after"] == "" {
		t.Errorf("got %v", got)
	}
	must(t, trusting.AdminCertRevoke(t.Context(), "alice", ""))
	d.said()
	if err := trusting.AdminCertTrust(t.Context(), "alice", "owner", file); !errors.Is(err, adminca.ErrListed) {
		t.Errorf("got %v for a revoked key, want %v", err, adminca.ErrListed)
	}
}

// peopleCA makes an authority and a client certificate that it signed, in PEM.
func peopleCA(t *testing.T) (authority *x509.Certificate, client []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	authority, err = x509.ParseCertificate(der)
	must(t, err)
	theirs, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: template.NotBefore, NotAfter: template.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority, theirs.Public(), key)
	must(t, err)
	return authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestAdminToken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	site, client := d.g.AdminSite(t, access.Token), d.g.AdminClient(t, "", "")
	must(t, d.AdminTokenList(t.Context()))
	if _, words := d.said(); !strings.Contains(words, "cdxgate admin token add NAME") {
		t.Errorf("got %q", words)
	}
	good := AdminTokenAddOptions{Role: "operator", Scope: "host.enrol,host.write", TTL: 24 * time.Hour}
	for name, c := range map[string]struct {
		change func(*AdminTokenAddOptions)
		want   error
	}{
		"no role":            {func(o *AdminTokenAddOptions) { o.Role = "" }, access.ErrRole},
		"an unknown scope":   {func(o *AdminTokenAddOptions) { o.Scope = "host.*" }, access.ErrScope},
		"more than the role": {func(o *AdminTokenAddOptions) { o.Scope = "admin.write" }, access.ErrScope},
		"no time":            {func(o *AdminTokenAddOptions) { o.TTL = 0 }, access.ErrTokenTTL},
	} {
		opts := good
		c.change(&opts)
		if err := d.AdminTokenAdd(t.Context(), "ci", opts); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	must(t, d.AdminTokenAdd(t.Context(), "ci", good))
	out, words := d.said()
	token := strings.TrimSuffix(out, "\n")
	if !strings.HasPrefix(token, "cdxa_") || strings.Contains(words, token) || !strings.Contains(words, "note it now") {
		t.Errorf("got %q beside %q", out, words)
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	if a := site.Do(t, client, gatewaytest.Request{Path: api.PathHostRegister, Body: `{"fqdn":"build7.example"}`, Header: header}); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	must(t, d.AdminTokenList(t.Context()))
	if out, _ := d.said(); !strings.Contains(out, "just now") || !strings.Contains(out, token[:13]) || strings.Contains(out, token[13:]) {
		t.Errorf("got\n%s", out)
	}
	if err := d.AdminTokenRevoke(t.Context(), "ci"); !errors.Is(err, ErrDeclined) {
		t.Errorf("got %v for a question that nobody answered", err)
	}
	d.Yes, d.JSON = true, true
	must(t, d.AdminTokenRevoke(t.Context(), "ci"))
	d.said()
	if a := site.Do(t, client, gatewaytest.Request{Path: api.PathWhoAmI, Header: header}); a.Status != 401 {
		t.Errorf("revoked: got %d %s", a.Status, a.Body)
	}
	must(t, d.AdminTokenList(t.Context()))
	listed := document[struct {
		Tokens []struct {
			Name, State string
			Scopes      []string
		}
	}](t, d).Tokens
	if len(listed) != 1 || listed[0].State != "revoked" || strings.Join(listed[0].Scopes, " ") != "host.enrol host.write" {
		t.Errorf("got %+v", listed)
	}
}

func TestAdminLink(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.AdminLink(t.Context(), "owner"); !errors.Is(err, ErrNoLoginSite) {
		t.Errorf("got %v, want %v", err, ErrNoLoginSite)
	}
	d.LoginSite = "https://localhost:8491"
	if err := d.AdminLink(t.Context(), "root"); !errors.Is(err, access.ErrRole) {
		t.Errorf("got %v, want %v", err, access.ErrRole)
	}
	must(t, d.AdminLink(t.Context(), "viewer"))
	out, _ := d.said()
	path := strings.TrimPrefix(strings.TrimSuffix(out, "\n"), d.LoginSite)
	site, client := d.g.AdminSite(t, access.Session), d.g.AdminClient(t, "", "")
	in := site.Do(t, client, gatewaytest.Request{Method: http.MethodPost, Path: path, Header: http.Header{"Sec-Fetch-Site": {"same-origin"}}})
	cookie, _, _ := strings.Cut(in.Header.Get("Set-Cookie"), ";")
	if in.Status != http.StatusSeeOther {
		t.Fatalf("got %d %s for %s", in.Status, in.Body, out)
	}
	must(t, d.AdminSessionList(t.Context()))
	if out, _ := d.said(); !strings.Contains(out, "viewer") || !strings.Contains(out, "open") || !strings.Contains(out, gatewaytest.DefaultFrom) || !strings.Contains(out, userName()) {
		t.Errorf("got\n%s", out)
	}
	for _, number := range []string{"x", "2", "-1", ""} {
		if err := d.AdminSessionRevoke(t.Context(), number); !errors.Is(err, access.ErrSessionUnknown) {
			t.Errorf("%q: got %v, want %v", number, err, access.ErrSessionUnknown)
		}
	}
	must(t, d.AdminSessionRevoke(t.Context(), "1"))
	a := site.Do(t, client, gatewaytest.Request{Path: api.PathWhoAmI, Header: http.Header{"Cookie": {cookie}}})
	if a.Envelope.Code != "admin_session_over" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	d.JSON = true
	d.said()
	must(t, d.AdminLink(t.Context(), "owner"))
	link := document[map[string]any](t, d)
	if url, _ := link["url"].(string); !strings.HasPrefix(url, d.LoginSite+"/dashboard/login/") || link["role"] != "owner" {
		t.Errorf("got %v", link)
	}
}
