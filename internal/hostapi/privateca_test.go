//go:build unix

package hostapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

// privateCA is an authority that no machine knows, and can make any number of certificates.
type privateCA struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPrivateCA(t *testing.T) *privateCA {
	t.Helper()
	ca := &privateCA{t: t}
	ca.cert, ca.key = ca.sign(x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return ca
}

func (ca *privateCA) sign(template x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	ca.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		ca.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		ca.t.Fatal(err)
	}
	return cert, key
}

func (ca *privateCA) leaf() tls.Certificate {
	cert, key := ca.sign(x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (ca *privateCA) pem() string { return publictls.Encode([]*x509.Certificate{ca.cert}) }

// guarded is a machine and a gateway whose certificate the machine does not know.
type guarded struct {
	*machine
	ca    *privateCA
	shown atomic.Pointer[tls.Certificate]
	asked atomic.Int32 // requests that were answered
	trust publictls.Trust
}

func newGuarded(t *testing.T, client []byte, tools ...string) *guarded {
	t.Helper()
	g := &guarded{machine: newMachine(t, client, append([]string{"mktemp"}, tools...)...), ca: newPrivateCA(t)}
	leaf := g.ca.leaf()
	g.shown.Store(&leaf)
	g.trust = publictls.Trust{CA: g.ca.pem(), Pins: []string{publictls.Pin(leaf.Leaf)}}
	plain := g.server.Config.Handler
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked.Add(1)
		plain.ServeHTTP(w, r)
	}))
	g.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*g.shown.Load()}}, nil
	}}
	g.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	g.server.StartTLS()
	t.Cleanup(g.server.Close)
	params := g.params(client)
	params.Reach.CA = g.ca.pem()
	g.script = installScript(params)
	return g
}

// intrude puts somebody between the machine and the gateway, whose certificate another authority has signed.
func (g *guarded) intrude() {
	leaf := newPrivateCA(g.t).leaf()
	g.shown.Store(&leaf)
}

// wantNoTrace checks that the file with the CA is gone.
func (g *guarded) wantNoTrace(tmp string) {
	g.t.Helper()
	if rest, err := os.ReadDir(tmp); err != nil || len(rest) > 0 {
		g.t.Errorf("left behind in the directory for temporary files: %v, %v", rest, err)
	}
}

func (g *guarded) tmpDir() string {
	g.t.Helper()
	dir := filepath.Join(g.home, "tmp with space")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		g.t.Fatal(err)
	}
	return dir
}

// The printed line itself, from a machine that does not know the authority: curl pins, the script carries the CA on, and
// cdx gets it after the URL.
func TestPinnedLineEndToEnd(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		for _, downloader := range []string{"curl", "wget"} {
			t.Run(shell+" "+downloader, func(t *testing.T) {
				t.Parallel()
				g := newGuarded(t, []byte(stubClient), "curl", "sha256sum")
				tmp := g.tmpDir()
				line := g.trust.Command(g.server.URL + api.PathInstall + scriptToken)
				if downloader == "wget" { // what is in the place of curl for whoever has none; the script then has none either
					g.tools("wget")
					if err := os.Remove(filepath.Join(g.bin, "curl")); err != nil {
						t.Fatal(err)
					}
					ca := filepath.Join(g.home, "ca.pem")
					if err := os.WriteFile(ca, []byte(g.ca.pem()), 0o600); err != nil {
						t.Fatal(err)
					}
					line = "wget -qO- --ca-certificate='" + ca + "' " + g.server.URL + api.PathInstall + scriptToken + " | sh"
				}
				line = strings.TrimSuffix(line, " sh") + " " + shell
				stdout, stderr, status := g.runLine(shell, line, "TMPDIR="+tmp, "ca=exported", "ca_file=exported")
				if status != 0 || !strings.HasSuffix(stdout, "✓ enrolled\n") || stderr != "" {
					t.Fatalf("got status %d, stdout %q, stderr %q", status, stdout, stderr)
				}
				g.wantInstalled(g.localBin(), []byte(stubClient))
				g.wantNoTrace(tmp)
				text, err := os.ReadFile(filepath.Join(g.home, "enrolled"))
				want := "1 enroll\n" + g.server.URL + api.PathInstall + scriptToken + "\n" + g.ca.pem()
				if rest, ok := strings.CutPrefix(string(text), want); err != nil || !ok || strings.Contains(rest, "BEGIN CERTIFICATE") {
					t.Errorf("cdx got %q, %v; want %q", text, err, want)
				}
			})
		}
	}
}

// GNU wget can pin as curl does, which docs/operations.md says.
func TestPinnedWget(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, []byte(stubClient), "wget", "curl", "sha256sum")
	line := "wget -qO- --no-check-certificate --pinnedpubkey='sha256//" + g.trust.Pins[0] + "' " + g.server.URL + api.PathInstall + scriptToken + " | sh"
	good := g.shown.Load()
	g.intrude()
	if stdout, stderr, _ := g.runLine("sh", line); stdout != "" || g.asked.Load() != 0 {
		t.Errorf("in the middle: got %q, %q after %d requests", stdout, stderr, g.asked.Load())
	}
	g.wantInstalled(g.localBin(), nil)
	g.shown.Store(good)
	if stdout, stderr, status := g.runLine("sh", line); status != 0 || !strings.HasSuffix(stdout, "✓ enrolled\n") {
		t.Errorf("got status %d, %q, %q", status, stdout, stderr)
	}
}

// Who has another key than the pinned one gets not even the token, and nothing he says is run.
func TestPinnedLineRefusesAnotherKey(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(g *guarded){
		"another authority": func(g *guarded) { g.intrude() },
		"the same authority, another key": func(g *guarded) {
			leaf := g.ca.leaf()
			g.shown.Store(&leaf)
		},
	} {
		g := newGuarded(t, []byte(stubClient), "curl", "sha256sum")
		change(g)
		line := g.trust.Command(g.server.URL + api.PathInstall + scriptToken)
		stdout, stderr, _ := g.runLine("sh", line)
		if stdout != "" || !strings.Contains(stderr, "pinned public key") || g.asked.Load() != 0 {
			t.Errorf("%s: got stdout %q, stderr %q after %d requests; want curl's refusal and no request", name, stdout, stderr, g.asked.Load())
		}
		g.wantInstalled(g.localBin(), nil)
		if _, err := os.Stat(filepath.Join(g.home, "enrolled")); err == nil {
			t.Errorf("%s: the machine was enrolled", name)
		}
		two := publictls.Trust{CA: g.trust.CA, Pins: []string{g.trust.Pins[0], publictls.Pin(g.shown.Load().Leaf)}}
		if stdout, stderr, status := g.runLine("sh", two.Command(g.server.URL+api.PathInstall+scriptToken)); name != "another authority" && (status != 0 || g.asked.Load() == 0) {
			t.Errorf("%s, both pinned: got status %d, %q, %q", name, status, stdout, stderr)
		}
	}
}

// The script trusts the authority that it carries, whatever stands between by then.
func TestInstallScriptRefusesAnIntruder(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		for _, downloader := range []string{"curl", "wget"} {
			t.Run(shell+" "+downloader, func(t *testing.T) {
				t.Parallel()
				g := newGuarded(t, []byte(stubClient), downloader, "sha256sum")
				tmp := g.tmpDir()
				g.intrude()
				_, stderr, status := g.run(shell, "TMPDIR="+tmp)
				if status != 69 || !strings.Contains(stderr, "✗ cdx could not be downloaded from https://") || g.asked.Load() != 0 {
					t.Errorf("got status %d, stderr %q after %d requests; want 69 and none", status, stderr, g.asked.Load())
				}
				g.wantInstalled(g.localBin(), nil)
				g.wantNoTrace(tmp)
				if _, err := os.Stat(filepath.Join(g.home, "enrolled")); err == nil {
					t.Error("the machine was enrolled")
				}
			})
		}
	}
}

// A machine without the CA in the script knows nobody: the plain script never gets through.
func TestPlainScriptRefusesAPrivateAuthority(t *testing.T) {
	t.Parallel()
	for _, downloader := range []string{"curl", "wget"} {
		g := newGuarded(t, []byte(stubClient), downloader, "sha256sum")
		g.script = installScript(g.params([]byte(stubClient)))
		if _, stderr, status := g.run("sh"); status != 69 || g.asked.Load() != 0 {
			t.Errorf("%s: got status %d, %q after %d requests", downloader, status, stderr, g.asked.Load())
		}
	}
}

func TestInstallScriptWithACAFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tools  []string
		change func(*guarded)
		status int
		stderr string
	}{
		"a wget that takes no CA": {[]string{"sha256sum"}, func(g *guarded) {
			g.stub("wget", `[ "$1" = --help ] && echo "Usage: wget [-cqS] [-O FILE] URL" >&2; echo wget "$@" >>'`+g.ran+`.wget'; exit 1`)
		}, 69, "✗ this machine's wget cannot be told whom to trust"},
		"no room":        {[]string{"curl", "sha256sum"}, func(g *guarded) { g.stub("mktemp", "exit 1") }, 73, "✗ no temporary file can be written"},
		"no mktemp":      {[]string{"curl", "sha256sum"}, func(g *guarded) { _ = os.Remove(filepath.Join(g.bin, "mktemp")) }, 73, "✗ no temporary file can be written"},
		"no downloader":  {[]string{"sha256sum"}, nil, 69, "✗ this machine has neither curl nor wget"},
		"a damaged file": {[]string{"curl", "sha256sum"}, func(g *guarded) { g.client = []byte("damaged") }, 75, "does not match its digest"},
	} {
		for _, shell := range shells {
			g := newGuarded(t, []byte(stubClient), c.tools...)
			tmp := g.tmpDir()
			if c.change != nil {
				c.change(g)
			}
			_, stderr, status := g.run(shell, "TMPDIR="+tmp)
			if status != c.status || !strings.Contains(stderr, c.stderr) {
				t.Errorf("%s, %s: got status %d, stderr %q; want %d, %q", name, shell, status, stderr, c.status, c.stderr)
			}
			g.wantInstalled(g.localBin(), nil)
			g.wantNoTrace(tmp)
		}
	}
}

// A signal in the middle of the download leaves nothing behind either.
func TestInstallScriptCleansUpAfterSignals(t *testing.T) {
	t.Parallel()
	// A shell cannot trap what was ignored when it started, and all tests may run under nohup.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, shell := range shells {
		for signal, want := range map[string]int{"TERM": 143, "INT": 130, "HUP": 129} {
			g := newGuarded(t, []byte(stubClient), "sha256sum")
			tmp := g.tmpDir()
			// The file must be there while curl runs, or there would be nothing to remove.
			g.stub("curl", `for word; do [ "$previous" = --cacert ] && cp=$word; previous=$word; done
case $(cat "$cp") in *CERTIFICATE*) kill -`+signal+` $PPID ;; esac`)
			_, stderr, status := g.run(shell, "TMPDIR="+tmp)
			if status != want {
				t.Errorf("%s, %s: got status %d, %q; want %d", shell, signal, status, stderr, want)
			}
			g.wantNoTrace(tmp)
			g.wantInstalled(g.localBin(), nil)
		}
	}
}

// A host that must not use IPv6 does not, whoever downloads.
func TestInstallScriptOfAnIPv4OnlyHost(t *testing.T) {
	t.Parallel()
	for _, downloader := range []string{"curl", "wget"} {
		for _, ca := range []string{"", "PEM"} {
			m := newMachine(t, []byte(stubClient), "sha256sum", "mktemp")
			m.stub(downloader, `[ "$1" = --help ] && echo --ca-certificate --inet4-only; echo "$@" >>"$HOME/asked"; exit 1`)
			params := m.params([]byte(stubClient))
			params.Reach = transport{CA: ca, IPv4Only: true}
			m.script = installScript(params)
			m.run("sh")
			asked, err := os.ReadFile(filepath.Join(m.home, "asked"))
			lines := strings.Split(strings.TrimSpace(string(asked)), "\n")
			if words := strings.Fields(lines[len(lines)-1]); err != nil || len(words) < 3 || words[1] != "-4" {
				t.Errorf("%s was called as %q, %v", downloader, asked, err)
			}
		}
	}
}

// A wget that does not know IPv4 from IPv6 would print how it is used.
func TestInstallScriptWithAWgetOfNoIPv4Only(t *testing.T) {
	t.Parallel()
	m := newMachine(t, []byte(stubClient), "sha256sum", "mktemp")
	m.stub("wget", `[ "$1" = --help ] || : >"$HOME/asked"; echo "Usage: wget [-cqS] [-O FILE] URL" >&2; exit 1`)
	params := m.params([]byte(stubClient))
	params.Reach = transport{IPv4Only: true}
	m.script = installScript(params)
	if _, stderr, status := m.run("sh"); status != 69 || !strings.HasPrefix(stderr, "✗ this machine's wget cannot be told to use IPv4 only, so nothing was installed\n  Install curl") {
		t.Errorf("got status %d, %q", status, stderr)
	}
	if _, err := os.Stat(filepath.Join(m.home, "asked")); err == nil {
		t.Error("wget was called nevertheless")
	}
}

// The login goes to the gateway and to nobody who stands in its place.
func TestSeedScriptUnderAPrivateAuthority(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		g := newGuarded(t, nil, "curl", "sed")
		var got atomic.Pointer[string]
		g.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got.Store(&r.URL.Path)
			_, _ = w.Write([]byte(`{"data":{"generation":3}}`))
		})
		if err := os.Mkdir(filepath.Join(g.home, ".codex"), 0o700); err != nil {
			t.Fatal(err)
		}
		g.writeLogin("{}")
		tmp := g.tmpDir()
		g.script = seedScript(g.server.URL, scriptToken, transport{CA: g.ca.pem()})
		good := g.shown.Load()
		g.intrude()
		if stdout, stderr, status := g.run(shell, "TMPDIR="+tmp); status != 69 || got.Load() != nil {
			t.Errorf("%s, in the middle: got status %d, %q, %q; want 69", shell, status, stdout, stderr)
		}
		g.shown.Store(good)
		if stdout, stderr, status := g.run(shell, "TMPDIR="+tmp); status != 0 || !strings.Contains(stdout, "generation 3") || got.Load() == nil {
			t.Errorf("%s: got status %d, %q, %q", shell, status, stdout, stderr)
		}
		g.wantNoTrace(tmp)
	}
}

// A wrapper of the reference that becomes cdx hands the authority on.
func TestTransitionUnderAPrivateAuthority(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		for _, downloader := range []string{"curl", "wget"} {
			g := newGuarded(t, []byte(stubStarted), "ls", downloader, "sha256sum")
			tmp := g.tmpDir()
			params := g.transition()
			params.Reach.CA = g.ca.pem()
			g.script = transitionScript(params)
			wrapper := filepath.Join(g.home, "cdx")
			g.place(wrapper)
			if _, stderr, status := g.start(shell, wrapper, "x", "TMPDIR="+tmp); status != 42 {
				t.Errorf("%s, %s: got status %d, %q", shell, downloader, status, stderr)
			}
			g.wantNoTrace(tmp)
			g.wantConfig(g.configPath())
			text, err := os.ReadFile(g.configPath())
			var config api.HostConfig
			if err := json.Unmarshal(text, &config); err != nil || config.CA != g.ca.pem() {
				t.Errorf("%s: got %s, %v", shell, text, err)
			}
			if environment, _ := os.ReadFile(filepath.Join(g.home, "environment")); err != nil || strings.Contains(string(environment), "CERTIFICATE") {
				t.Errorf("%s: Codex gets the authority in its environment: %s", shell, environment)
			}
		}
	}
}
