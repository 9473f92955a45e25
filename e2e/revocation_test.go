package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kept is a connection that a caller keeps.
type kept struct {
	name, url string
	header    string
	client    *http.Client
	h2        bool
}

// ask makes a call over the connection, which every call but the first has to find open.
func (k *kept) ask(t *testing.T, first bool) answer {
	t.Helper()
	var reused bool
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodDelete, k.url+"/admin/hosts/999999", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if name, value, ok := strings.Cut(k.header, ": "); ok {
		request.Header.Set(name, value)
	}
	response, err := k.client.Do(request)
	if err != nil {
		t.Fatalf("%s: %v", k.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if reused == first || (response.ProtoMajor == 2) != k.h2 {
		t.Fatalf("%s: got %s over a connection that was there %t, want one that was there %t", k.name, response.Proto, reused, !first)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// What is taken away, or made less, is so with the next request, on connections that are open already, over either HTTP.
func TestOpenConnectionsHearOfIt(t *testing.T) {
	t.Parallel()
	ca, key := foreignAuthority(t)
	people := filepath.Join(tempDir(t, identity{}), "people.pem")
	writePEM(t, people, ca.Raw)
	g := start(t, options{caddyfile: func(shipped string) string { return configured(t, shipped, "admin_ca "+people) }})
	var all []*kept
	keep := func(name, url, header string, certificates ...tls.Certificate) {
		for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			c := g.adminClient(certificates...)
			transport := c.Transport.(*http.Transport)
			transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = false, h2
			t.Cleanup(transport.CloseIdleConnections)
			all = append(all, &kept{name + ", " + proto, url, header, c, h2})
		}
	}
	ops := g.addCert("ops")
	alice := leaf(t, ca, key, x509.ExtKeyUsageClientAuth, time.Now().Add(24*time.Hour))
	file := filepath.Join(g.dir, "alice.crt")
	writePEM(t, file, alice.Certificate[0])
	g.must("admin", "cert", "trust", "alice", file, "--role", "operator")
	g.eventually(callDeadline, "the running gateway accepts the first certificate", func() bool {
		got, err := g.knock(g.adminClient(ops))
		return err == nil && got.status == http.StatusOK
	})
	keep("certificate", g.AdminURL, "", ops)
	keep("certificate of the operator's authority", g.AdminURL, "", alice)
	keep("token", g.LocalURL, "Authorization: Bearer "+strings.TrimSpace(g.must("admin", "token", "add", "ci", "--role", "operator").out))
	keep("session", g.LocalURL, logIn(g, strings.TrimSpace(g.must("admin", "link", "--role", "operator").out)))

	check := func(first bool, want map[string]string) {
		t.Helper()
		for _, k := range all {
			name, _, _ := strings.Cut(k.name, ",")
			if got := k.ask(t, first); got.envelope(t).Code != want[name] {
				t.Errorf("%s: got %s, want %s", k.name, got, want[name])
			}
		}
	}
	const in = "host_not_found"
	check(true, map[string]string{"certificate": in, "certificate of the operator's authority": in, "token": in, "session": in})
	g.must("admin", "cert", "trust", "alice", file, "--role", "viewer")
	check(false, map[string]string{"certificate": in, "certificate of the operator's authority": "forbidden_role", "token": in, "session": in})
	g.must("admin", "cert", "revoke", "ops", "--yes")
	g.must("admin", "cert", "revoke", "alice", "--yes")
	g.must("admin", "token", "revoke", "ci", "--yes")
	g.must("admin", "session", "revoke", "1")
	check(false, map[string]string{
		"certificate": "admin_certificate_revoked", "certificate of the operator's authority": "admin_certificate_revoked",
		"token": "admin_token_invalid", "session": "admin_session_over",
	})
}

func writePEM(t *testing.T, path string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
}
