package e2e

import (
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
	"regexp"
	"strings"
	"testing"
	"time"
)

// pinnedLine is the printed command of a gateway behind a private authority.
var pinnedLine = regexp.MustCompile(`^curl -fsSLk --pinnedpubkey 'sha256//([A-Za-z0-9+/]{43}=)' (https://localhost:\d+/(?:install|seed/auth)/[0-9a-f-]{36}) \| sh\n$`)

// secured is a gateway with an https site beside the shipped ones, which is its public one. Hosts get a stub in the place
// of cdx, which keeps what it is told.
func secured(t *testing.T, tlsDirective, option string) (g *gateway, url string) {
	t.Helper()
	url = "https://localhost:" + freePort(t)
	clients := tempDir(t, identity{})
	if err := os.Chmod(clients, 0o755); err != nil {
		t.Fatal(err)
	}
	stub := "#!/bin/sh\n[ \"$1\" != enroll ] || cat >\"$HOME/told\"\n"
	if err := os.WriteFile(filepath.Join(clients, rig.client), []byte(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	g = start(t, options{
		env: []string{"CDXGATE_PUBLIC_URL=" + url},
		caddyfile: func(shipped string) string {
			shipped = configured(t, shipped, "client_binaries "+clients)
			if option != "" {
				shipped = configured(t, shipped, option)
			}
			return shipped + "\n" + url + " {\n\tbind 127.0.0.1\n\t" + tlsDirective + "\n\tcdxgate_api\n}\n"
		},
	})
	return g, url
}

// waitPinned waits until Caddy has made the site's certificate, and returns the pin of a command printed then.
func (g *gateway) waitPinned() (pin string) {
	g.t.Helper()
	g.eventually(callDeadline, "the printed command pins a key", func() bool {
		match := pinnedLine.FindStringSubmatch(g.must("auth", "seed-command").out)
		if match != nil {
			pin = match[1]
		}
		return match != nil
	})
	return pin
}

// The first contact of a machine that knows no authority of ours: the printed line and nothing else.
func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	g, url := secured(t, "tls internal", "")
	m := newMachine(t, "")
	pin := g.waitPinned()

	line := g.must("host", "add", "build7.example").out
	match := pinnedLine.FindStringSubmatch(line)
	if match == nil || match[1] != pin || !strings.HasPrefix(match[2], url+"/install/") {
		t.Fatalf("host add: got %q, want a line that pins %s", line, pin)
	}
	curl, _, _ := strings.Cut(line, " | sh")
	fetched := m.sh(curl)
	if fetched.code != 0 || !strings.Contains(fetched.out, "_cdx_installer\n") {
		t.Fatalf("fetching: exit %d, %q, %q", fetched.code, fetched.out, fetched.err)
	}
	root, err := os.ReadFile(filepath.Join(g.data, "caddy/pki/authorities/local/root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(fetched.out, "\tca='")
	carried, _, _ := strings.Cut(text, "'")
	wantVerifies(t, url, carried)
	if strings.TrimSpace(carried) != strings.TrimSpace(string(root)) {
		t.Errorf("the script carries\n%s\nwant Caddy's root\n%s", carried, root)
	}

	// A pin of another key: curl ends before it asks for anything, and an empty script does nothing.
	other := strings.Replace(line, pin, strings.Repeat("A", 43)+"=", 1)
	if r := m.sh(other); r.out != "" || !strings.Contains(r.err, "pinned public key") {
		t.Errorf("with another pin: %q, %q", r.out, r.err)
	}
	if r := m.sh(strings.TrimSpace(line)); r.code != 0 || !strings.Contains(r.out, "✓ installed as ~/.local/bin/cdx") {
		t.Fatalf("the line: exit %d, %q, %q", r.code, r.out, r.err)
	}
	if got, want := strings.TrimSpace(m.read("told")), match[2]+"\n"+strings.TrimSpace(string(root)); got != want {
		t.Errorf("cdx was told %q, want %q", got, want)
	}

	// Another key under the same root, as after each renewal: what is printed from then on is about that.
	g.stop()
	if r := g.must("auth", "seed-command"); !strings.HasPrefix(r.out, "curl -fsSL "+url) || !strings.Contains(r.err, "no gateway answers at") {
		t.Errorf("while no gateway runs: got %q beside %q", r.out, r.err)
	}
	if err := os.RemoveAll(filepath.Join(g.data, "caddy/certificates")); err != nil {
		t.Fatal(err)
	}
	g.run()
	g.waitReady()
	if again := g.waitPinned(); again == pin {
		t.Error("a new key has the pin of the old one")
	}
	line = g.must("host", "add", "build8.example").out
	if r := m.sh(strings.TrimSpace(line)); r.code != 0 || !strings.Contains(r.out, "✓ cdx ") || !strings.Contains(r.out, "is already there") {
		t.Errorf("after a renewal: exit %d, %q, %q", r.code, r.out, r.err)
	}
}

// wantVerifies checks that who trusts the authority, and nobody else, trusts the site.
func wantVerifies(t *testing.T, url, authority string) {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(authority)) {
		t.Fatalf("got no certificate: %q", authority)
	}
	client := &http.Client{Timeout: callDeadline, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(url + "/livez")
	if err != nil {
		t.Fatalf("by the authority that the script carries: %v", err)
	}
	_ = answer.Body.Close()
}

// An authority that the operator has, and Caddy does not: the option names it, the rest is found out.
func TestOwnAuthority(t *testing.T) {
	t.Parallel()
	files := writeAuthority(t)
	g, url := secured(t, "tls "+files.cert+" "+files.key, "public_ca "+files.ca)
	g.waitPinned()
	m := newMachine(t, "")
	line := g.must("host", "add", "build7.example").out
	if r := m.sh(strings.TrimSpace(line)); r.code != 0 {
		t.Fatalf("%s: exit %d, %q, %q", line, r.code, r.out, r.err)
	}
	root, err := os.ReadFile(files.ca)
	if err != nil {
		t.Fatal(err)
	}
	if told := m.read("told"); !strings.HasSuffix(told, string(root)) || strings.Count(told, "BEGIN CERTIFICATE") != 1 {
		t.Errorf("cdx was told %q, want the authority", told)
	}

	// Without the option nothing is known of the authority, and nobody is told to look away.
	with := g.readConfig()
	g.writeConfig(replaceOnce(t, with, "public_ca "+files.ca+"\n", "\n"))
	g.must("reload", "--config", g.config)
	if r := g.must("auth", "seed-command"); !strings.HasPrefix(r.out, "curl -fsSL "+url) || strings.Contains(r.out, "-k") {
		t.Errorf("without public_ca: got %q beside %q", r.out, r.err)
	}

	// Where a proxy shows the certificate its key is not known here, and somebody has to know that.
	g.writeConfig(replaceOnce(t, with, "public_url {$CDXGATE_PUBLIC_URL}", "public_url https://codex.example.net"))
	g.must("reload", "--config", g.config)
	if r := g.must("auth", "seed-command"); !strings.HasPrefix(r.out, "curl -fsSL https://codex.example.net/") || !strings.Contains(r.err, "curl --cacert FILE") {
		t.Errorf("behind a proxy: got %q beside %q", r.out, r.err)
	}

	// A file that is no good ends the reload, and what ran goes on.
	g.writeConfig(replaceOnce(t, with, "public_ca "+files.ca, "public_ca "+files.key))
	if r := g.cdxgate("validate", "--config", g.config); r.code != 0 {
		t.Errorf("validate: exit %d, %q", r.code, r.err)
	}
	if r := g.cdxgate("reload", "--config", g.config); r.code == 0 || !strings.Contains(r.err, "public_ca") {
		t.Errorf("reload: exit %d, %q; want a refusal that names the option", r.code, r.err)
	}
	g.mustRun()
}

type authorityFiles struct{ ca, cert, key string }

// writeAuthority makes an authority and a certificate of it for localhost.
func writeAuthority(t *testing.T) authorityFiles {
	t.Helper()
	dir := tempDir(t, identity{})
	sign := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "an authority of ours"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root, rootKey := sign(ca, ca, nil)
	leaf, leafKey := sign(&x509.Certificate{DNSNames: []string{"localhost"}}, ca, rootKey)
	secret, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return authorityFiles{ca: write("ca.pem", "CERTIFICATE", root), cert: write("cert.pem", "CERTIFICATE", leaf), key: write("key.pem", "EC PRIVATE KEY", secret)}
}
