package cdx

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// Time limits of talking to the gateway: Codex must start soon even if nobody answers.
const (
	connectTimeout = 3 * time.Second  // one connection, its TLS handshake
	enrolTimeout   = 30 * time.Second // the answer is given once, so it is worth waiting for
	maxRetryAfter  = 10 * time.Second // longer, and the offline rule decides
)

// Bounds of CDX_SYNC_TIMEOUT, and what holds without it.
const (
	defaultSyncTimeout = 10 * time.Second
	minSyncTimeout     = time.Second
	maxSyncTimeout     = 5 * time.Minute
)

// syncTimeout is how long all of a pull or all of a push may take, waiting for other cdx included.
func syncTimeout() time.Duration {
	wanted, err := time.ParseDuration(os.Getenv(envSyncTimeout))
	if err != nil {
		return defaultSyncTimeout
	}
	return min(max(wanted, minSyncTimeout), maxSyncTimeout)
}

// maxAnswerBytes is the most of an answer that is read: a login and what surrounds it.
const maxAnswerBytes = 1 << 20

// headerPlatform tells the gateway for which platform an answer about client builds is meant.
const headerPlatform = "X-Wrapper-Platform"

// client talks to one gateway.
type client struct {
	http      *http.Client
	userAgent string
	platform  string
	version   string
	config    *Config
	tap       *tap // what the gateway's answers say beside their content; nil: nobody listens
}

// newHTTPClient returns a client that never follows a redirect, so that a key or an install token reaches only the
// address that it was meant for. It trusts roots; nil: the system's authorities. It connects, to
// proxies too, by network: tcp, or tcp4 where nothing goes by IPv6. The proxy is the one that HTTPS_PROXY, HTTP_PROXY
// and NO_PROXY name.
func newHTTPClient(roots *x509.CertPool, network string) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own value
	dialer := &net.Dialer{Timeout: connectTimeout}
	transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
	transport.TLSHandshakeTimeout = connectTimeout
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// rootsWith returns the system's authorities and those of ca, PEM; nil, which stands for the system's, without any.
//
// Errors: ca has something else than certificates, or none.
func rootsWith(ca string) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil //nolint:nilnil // what crypto/tls calls the system's authorities
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a machine without authorities of its own
	}
	rest := []byte(ca)
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("ca is not PEM")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("ca holds something else than certificates")
		}
		roots.AddCert(certificate)
	}
	return roots, nil
}

func (a *app) newClient(config *Config) *client {
	c := &client{http: newHTTPClient(config.roots, config.network()), userAgent: a.userAgent(), platform: a.platform, version: a.Version, config: config}
	c.tap = &tap{next: c.http.Transport, app: a}
	c.http.Transport = c.tap
	return c
}

// failure is an exchange that did not bring what was asked for.
type failure struct {
	status     int    // HTTP; 0: no answer
	code       string // the gateway's machine code, if it sent one
	message    string // for people
	expectedIP string
	receivedIP string
	retryAfter time.Duration // when to ask again; 0: it does not say
	err        error         // no usable answer: why
}

// Error implements error. It names neither URL nor key.
func (f *failure) Error() string {
	switch {
	case f.err != nil:
		return f.err.Error()
	case f.message != "":
		return f.message
	default:
		return fmt.Sprintf("HTTP %d", f.status)
	}
}

// Unwrap returns why there was no usable answer.
func (f *failure) Unwrap() error { return f.err }

// errNotTheGateway is an answer that no gateway gives: a captive portal, a proxy.
var errNotTheGateway = errors.New("its answer is not the gateway's")

// is reports whether the gateway gave this machine code. Gateways of the reference give none: text, lower case, is
// what to look for in their message then.
func (f *failure) is(code, text string) bool {
	if f.code != "" {
		return f.code == code
	}
	return text != "" && strings.Contains(strings.ToLower(f.message), text)
}

// untrusted reports whether the other side could not prove to be the gateway.
func (f *failure) untrusted() bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		roots        x509.SystemRootsError
	)
	return errors.As(f.err, &verification) || errors.As(f.err, &authority) || errors.As(f.err, &hostname) ||
		errors.As(f.err, &invalid) || errors.As(f.err, &roots)
}

// host is the gateway's name as people know it.
func (c *client) host() string {
	base, err := url.Parse(c.config.BaseURL)
	if err != nil {
		return c.config.BaseURL
	}
	return base.Host
}

// post sends request to address and decodes the data of the answer.
//
// Errors: *failure.
func (c *client) post(ctx context.Context, address string, request, data any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // a login goes up as it is
	if err := encoder.Encode(request); err != nil {
		return &failure{err: fmt.Errorf("encoding the request: %w", err)}
	}
	return c.do(ctx, http.MethodPost, address, body.Bytes(), data)
}

// do sends JSON, or nothing when body is nil, to address and decodes the data of the answer. A key that ended because
// another cdx of this machine has used the next one is exchanged for that.
//
// Errors: *failure.
func (c *client) do(ctx context.Context, method, address string, body []byte, data any) error {
	err := c.doOnce(ctx, method, address, body, data)
	if f := asFailure(err); f != nil && f.keyInvalid() && c.config.renewKey() {
		return c.doOnce(ctx, method, address, body, data)
	}
	return err
}

// keyInvalid reports whether the gateway does not know the API key.
func (f *failure) keyInvalid() bool {
	return f.status == http.StatusUnauthorized && f.is("api_key_invalid", "invalid api key")
}

func (c *client) doOnce(ctx context.Context, method, address string, body []byte, data any) error {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return &failure{err: errors.New("the address of the gateway is not a URL")}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", c.userAgent)
	r.Header.Set(headerPlatform, c.platform)
	if c.config != nil {
		r.Header.Set(api.HeaderAPIKey, string(c.config.APIKey))
	}
	response, err := c.http.Do(r)
	if err != nil {
		return &failure{err: withoutURL(err)}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return &failure{status: response.StatusCode, err: withoutURL(err)}
	}
	return decode(response, text, data)
}

// retryAfter reads the seconds of a Retry-After. Its other form, a date, would need clocks that agree.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 1<<20 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// withoutURL drops what net/http adds to an error: an install URL is a secret.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if unknown, ok := errors.AsType[*net.DNSError](err); ok && unknown.IsNotFound {
		return errors.New("no such host")
	}
	if call, ok := errors.AsType[syscall.Errno](err); ok {
		return call // connection refused, and not on which of our ports
	}
	return err
}

// decode takes an answer apart. Error answers keep their machine context in one of three places, by age of the gateway.
func decode(response *http.Response, text []byte, data any) error {
	var envelope struct {
		Status  string          `json:"status"`
		Message string          `json:"message"`
		Code    string          `json:"code"`
		Data    json.RawMessage `json:"data"`
		Details json.RawMessage `json:"details"`
		Errors  json.RawMessage `json:"errors"`
	}
	f := &failure{status: response.StatusCode, retryAfter: retryAfter(response.Header)}
	err := json.Unmarshal(text, &envelope)
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		f.err = fmt.Errorf("it redirects (HTTP %d), and cdx does not follow", response.StatusCode)
		return f
	case err != nil && response.StatusCode < 300:
		f.err = errNotTheGateway
		return f
	case err == nil && envelope.Status == "ok" && response.StatusCode < 300:
		if json.Unmarshal(envelope.Data, data) != nil {
			f.err = errNotTheGateway
			return f
		}
		return nil
	}
	f.code, f.message = envelope.Code, envelope.Message
	for _, place := range []json.RawMessage{envelope.Details, envelope.Data} {
		var machine struct {
			Code       string `json:"code"`
			ExpectedIP string `json:"expected_ip"`
			ReceivedIP string `json:"received_ip"`
		}
		if json.Unmarshal(place, &machine) == nil {
			f.code = firstNonEmpty(f.code, machine.Code)
			f.expectedIP = firstNonEmpty(f.expectedIP, machine.ExpectedIP)
			f.receivedIP = firstNonEmpty(f.receivedIP, machine.ReceivedIP)
		}
	}
	var fields map[string][]string
	if json.Unmarshal(envelope.Errors, &fields) == nil {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			f.message += ": " + name + ": " + strings.Join(fields[name], ", ")
		}
	}
	return f
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
