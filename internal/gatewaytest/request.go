package gatewaytest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
)

// DefaultFrom is the address that a request comes from unless it says otherwise.
const DefaultFrom = "198.51.100.7"

// Nowhere is a Request.From whose address the gateway cannot know.
const Nowhere = "nowhere"

// requestTimeout bounds one request on a machine that is busy with other tests.
const requestTimeout = time.Minute

// Request is one call.
type Request struct {
	Method string      // Default: POST with a body, GET without
	Path   string      // with the query, sent letter by letter
	Key    string      // API key; empty: none
	From   string      // the client's address. Default: DefaultFrom
	Body   any         // nil: none; string, []byte: as they are; anything else: as JSON
	JSON   bool        // there is a Content-Type though there is no body
	Header http.Header // more headers
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	// The envelope, when the body is one.
	Envelope struct {
		Status  string
		Data    json.RawMessage
		Message string
		Code    string
		Details map[string]any
		Errors  map[string][]string
	}
}

// Decode reads the answer's data into v.
func (a *Answer) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Envelope.Data, v); err != nil {
		t.Errorf("decoding the data of %s: %v", a.Body, err)
	}
}

// Refused checks that the answer is a refusal with this status, code and message.
func (a *Answer) Refused(t testing.TB, status int, code, message string) {
	t.Helper()
	e := a.Envelope
	if a.Status != status || e.Status != "error" || e.Code != code || e.Message != message {
		t.Errorf("got %d %s\nwant %d, code %q, message %q", a.Status, a.Body, status, code, message)
	}
}

// Invalid checks that the answer is a 422 that says text about field and nothing else.
func (a *Answer) Invalid(t testing.TB, field, text string) {
	t.Helper()
	a.Refused(t, http.StatusUnprocessableEntity, "validation_failed", "Validation failed")
	if texts := a.Envelope.Errors[field]; len(a.Envelope.Errors) != 1 || len(texts) != 1 || texts[0] != text {
		t.Errorf("got errors %v, want %q about %q", a.Envelope.Errors, text, field)
	}
}

// Do calls the site for hosts. It may be used from any goroutine: when nothing comes back the test has failed and the
// answer is empty.
func (g *Gateway) Do(t testing.TB, r Request) *Answer {
	t.Helper()
	return send(t, g.hosts.Client(), g.hosts.URL, r)
}

// DoAdmin calls the site for admins with a client made by AdminClient, as a script does: whatever it posts is JSON.
func (g *Gateway) DoAdmin(t testing.TB, client *http.Client, r Request) *Answer {
	t.Helper()
	r.JSON = true
	return send(t, client, g.admins.URL, r)
}

// Stall asks the site for hosts for a path, reads that it is answered, and nothing more until hangUp.
func (g *Gateway) Stall(t testing.TB, path string) (hangUp func()) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: requestTimeout}).DialContext(t.Context(), "tcp", g.hosts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hangUp = func() { _ = conn.Close() }
	t.Cleanup(hangUp)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: stall\r\n%s: %s\r\n\r\n", path, clientIPHeader, DefaultFrom)
	status := make([]byte, len("HTTP/1.1 200 OK"))
	if err == nil {
		_, err = io.ReadFull(conn, status)
	}
	if err != nil || string(status) != "HTTP/1.1 200 OK" {
		t.Fatalf("GET %s: got %q, %v", path, status, err)
	}
	return hangUp
}

// Retrieve asks for the credential as a host that holds digest, last refreshed at lastRefresh.
func (g *Gateway) Retrieve(t testing.TB, key, digest, lastRefresh string) *Answer {
	t.Helper()
	return g.Do(t, Request{
		Path: api.PathAuth, Key: key,
		Body: api.AuthRequest{Command: api.CommandRetrieve, Digest: digest, LastRefresh: lastRefresh},
	})
}

// Store offers a file as a host does; hint is the canonical digest that it saw before.
func (g *Gateway) Store(t testing.TB, key string, file []byte, hint string) *Answer {
	t.Helper()
	return g.Do(t, Request{
		Path: api.PathAuth, Key: key, Body: api.AuthRequest{Command: api.CommandStore, Auth: file, Digest: hint},
	})
}

// AdminURL is the base of the site for admins.
func (g *Gateway) AdminURL() string { return g.admins.URL }

// AdminClient is a client that shows the certificate made of these two files, or none if they are empty.
func (g *Gateway) AdminClient(t testing.TB, certFile, keyFile string) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	config.RootCAs.AddCert(g.admins.Certificate())
	if certFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		// Shown whatever the listener asks for, as an attacker would.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// adminTLS is what the shipped Caddyfile asks of the admin site; the pool is read anew for each connection, as a
// gateway that reloads itself would.
func (g *Gateway) adminTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, _, err := adminca.Pool(adminca.PoolFile(g.DataDir), g.adminCA...)
		if err != nil {
			return nil, err
		}
		return &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: g.admins.TLS.Certificates, // which StartTLS made
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		}, nil
	}}
}

func send(t testing.TB, client *http.Client, base string, r Request) *Answer {
	t.Helper()
	answer := &Answer{Header: http.Header{}}
	body, method := encode(t, r.Body), r.Method
	if method == "" {
		method = http.MethodGet
		if r.Body != nil {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, base+r.Path, body)
	if err != nil {
		t.Errorf("%s %s: %v", method, r.Path, err)
		return answer
	}
	if r.Body != nil || r.JSON {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.Key != "" {
		request.Header.Set(api.HeaderAPIKey, r.Key)
	}
	maps.Copy(request.Header, r.Header)
	from := r.From
	if from == "" {
		from = DefaultFrom
	}
	request.Header.Set(clientIPHeader, from)

	bounded := *client
	bounded.Timeout = requestTimeout
	response, err := bounded.Do(request)
	if err != nil {
		t.Errorf("%s %s: %v", method, r.Path, err)
		return answer
	}
	defer func() { _ = response.Body.Close() }()
	answer.Status, answer.Header = response.StatusCode, response.Header
	if answer.Body, err = io.ReadAll(response.Body); err != nil {
		t.Errorf("%s %s: reading the answer: %v", method, r.Path, err)
	}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") && len(answer.Body) > 0 {
		if err := json.Unmarshal(answer.Body, &answer.Envelope); err != nil {
			t.Errorf("%s %s: got %q, want an envelope: %v", method, r.Path, answer.Body, err)
		}
	}
	return answer
}

func encode(t testing.TB, body any) io.Reader {
	t.Helper()
	switch body := body.(type) {
	case nil:
		return http.NoBody
	case string:
		return strings.NewReader(body)
	case []byte:
		return bytes.NewReader(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Errorf("encoding a request: %v", err)
	}
	return bytes.NewReader(text)
}
