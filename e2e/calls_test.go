package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// answer is what came over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %v %s", a.status, a.header, a.body) }

// envelope is the JSON that every call of the gateway answers.
type envelope struct {
	Status  string          `json:"status"`
	Message string          `json:"message"`
	Code    string          `json:"code"`
	Data    json.RawMessage `json:"data"`
}

// envelope reads the answer as the gateway's JSON.
func (a answer) envelope(t *testing.T) (e envelope) {
	t.Helper()
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("got Content-Type %q, want application/json: %s", kind, a)
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("the answer is no JSON (%v): %s", err, a)
	}
	return e
}

// client connects to this machine whatever the name in the URL says, with a fresh connection for every call.
func client(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout: callDeadline,
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: config,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var plain = client(nil)

// try makes a call. header lines are "Name: value".
func (g *gateway) try(method, url string, header []string, body string) (answer, error) {
	return callWith(plain, method, url, header, body)
}

func callWith(c *http.Client, method, url string, header []string, body string) (answer, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	response, err := c.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, response.Header, string(text)}, nil
}

// call is try for what has to be answered.
func (g *gateway) call(method, path string, header []string, body string) answer {
	g.t.Helper()
	got, err := g.try(method, g.URL+path, header, body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// overAdminSocket asks Caddy's own admin endpoint.
func (g *gateway) overAdminSocket(path string) (status int, body string) {
	g.t.Helper()
	c := &http.Client{Timeout: callDeadline, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(g.data, "run/admin.sock"))
		},
	}}
	got, err := callWith(c, "GET", "http://localhost"+path, nil, "")
	if err != nil {
		g.t.Fatalf("GET %s on the admin socket: %v", path, err)
	}
	return got.status, got.body
}

// enrolled is the data of a registration.
type enrolled struct {
	Host struct {
		ID     int64  `json:"id"`
		FQDN   string `json:"fqdn"`
		APIKey string `json:"api_key"`
	} `json:"host"`
	Installer struct {
		Token   string `json:"token"`
		URL     string `json:"url"`
		Command string `json:"command"`
	} `json:"installer"`
}

// addHost registers a host on the console.
func (g *gateway) addHost(fqdn string) (e enrolled) {
	g.t.Helper()
	if err := json.Unmarshal([]byte(g.must("host", "add", fqdn, "-o", "json").out), &e); err != nil {
		g.t.Fatal(err)
	}
	if len(e.Host.APIKey) != 64 || len(e.Installer.Token) != 36 {
		g.t.Fatalf("got %+v, want a key of 64 characters and a token of 36", e)
	}
	return e
}

// upload makes an auth.json the fleet's login, on the console.
func (g *gateway) upload(o authtest.Options) {
	g.t.Helper()
	if r := g.cdxgateWith(string(authtest.New(o)), "auth", "upload", "-"); r.code != 0 {
		g.t.Fatalf("auth upload: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

// storeBody is the body of a store.
func storeBody(t *testing.T, o authtest.Options) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"command": "store", "auth": json.RawMessage(authtest.New(o))})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// retrieveBody is the body of a retrieve by a host that has an old login.
const retrieveBody = `{"command":"retrieve","last_refresh":"2025-11-01T00:00:00Z",` +
	`"digest":"0000000000000000000000000000000000000000000000000000000000000000"}`

// login returns options of the n-th login in a row, each newer than the one before.
func login(n int) authtest.Options {
	return authtest.Options{LastRefresh: time.Date(2026, 2, 1, 0, 0, n, 0, time.UTC)}
}

// authAnswer is the part of POST /auth's data that the tests look at.
type authAnswer struct {
	Status string          `json:"status"`
	Digest string          `json:"canonical_digest"`
	Auth   json.RawMessage `json:"auth"`
}

func (a answer) auth(t *testing.T) (data authAnswer) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("POST /auth: got %s, want 200", a)
	}
	if err := json.Unmarshal(a.envelope(t).Data, &data); err != nil {
		t.Fatal(err)
	}
	return data
}

// serverRoots is the authority that signed the gateway's own certificates.
func (g *gateway) serverRoots() *x509.CertPool {
	g.t.Helper()
	path := filepath.Join(g.data, "caddy/pki/authorities/local/root.crt")
	g.eventually(startDeadline, "the gateway has made the authority of its certificates", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
	text, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		g.t.Fatalf("%s holds no certificate", path)
	}
	return pool
}

// adminClient presents a certificate; none when there is none.
func (g *gateway) adminClient(certificates ...tls.Certificate) *http.Client {
	g.t.Helper()
	return client(&tls.Config{
		RootCAs: g.serverRoots(), ServerName: "localhost", MinVersion: tls.VersionTLS12,
		// Whatever authorities the server asks for: an impostor does not care either.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(certificates) == 0 {
				return &tls.Certificate{}, nil
			}
			return &certificates[0], nil
		},
	})
}

// addCert makes an admin's certificate on the console, an owner's, and loads it.
func (g *gateway) addCert(name string) tls.Certificate {
	g.t.Helper()
	g.must("admin", "cert", "add", name, "--role", "owner")
	return g.loadCert(name)
}

// loadCert loads an admin's certificate that was made on the console.
func (g *gateway) loadCert(name string) tls.Certificate {
	g.t.Helper()
	base := filepath.Join(g.data, "admin", name)
	certificate, err := tls.LoadX509KeyPair(base+".crt", base+".key")
	if err != nil {
		g.t.Fatal(err)
	}
	return certificate
}

func assertHides(t *testing.T, what, text string, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		if secret == "" {
			t.Fatalf("the %s is empty; nothing would be proved", name)
		}
		if at := bytes.Index([]byte(text), []byte(secret)); at >= 0 {
			t.Errorf("%s shows the %s: …%s…", what, name, text[max(0, at-80):min(len(text), at+len(secret)+20)])
		}
	}
}
