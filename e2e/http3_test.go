package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Caddy speaks HTTP/3 wherever it speaks TLS, so it is a way to every door.

// mute is a socket that says what it has to say at once, and nothing more once it has heard something: as if the answer went
// to somebody else, whose address was on what it had sent.
type mute struct {
	net.PacketConn
	heard atomic.Bool
}

// said is how long a mute socket is deaf: what is to be sent early has to be sent by then. If it is not, nobody answers.
const said = 50 * time.Millisecond

func (m *mute) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := m.PacketConn.ReadFrom(p)
	if !m.heard.Load() {
		<-time.After(said)
		m.heard.Store(true)
	}
	return n, from, err
}

func (m *mute) WriteTo(p []byte, to net.Addr) (int, error) {
	if m.heard.Load() {
		return len(p), nil
	}
	return m.PacketConn.WriteTo(p, to)
}

// http3Client keeps its connections. One that is mute never finishes a handshake.
func http3Client(t *testing.T, config *tls.Config, isMute bool) *http.Client {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if isMute {
		socket = &mute{PacketConn: socket}
	}
	sender := &quic.Transport{Conn: socket}
	transport := &http3.Transport{TLSClientConfig: config, Dial: func(ctx context.Context, address string, config *tls.Config, how *quic.Config) (*quic.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		to, err := net.ResolveUDPAddr("udp", "127.0.0.1:"+port)
		if err != nil {
			return nil, err
		}
		return sender.DialEarly(ctx, to, config, how)
	}}
	t.Cleanup(func() {
		_ = transport.Close()
		_ = sender.Close()
		_ = socket.Close()
	})
	return &http.Client{Transport: transport, Timeout: callDeadline}
}

// The door is as shut over HTTP/3, and hears of a revocation as soon.
func TestDoorOverHTTP3(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	certificate := g.addCert("ops")
	g.eventually(callDeadline, "the running gateway accepts the first certificate", func() bool {
		got, err := g.knock(g.adminClient(certificate))
		return err == nil && got.status == http.StatusOK
	})
	ask := func(c *http.Client) (answer, error) {
		return callWith(c, http.MethodDelete, g.AdminURL+"/admin/hosts/999999", claims, "")
	}
	if got, err := ask(http3Client(t, tlsConfig(g.adminClient()), false)); err == nil {
		t.Errorf("nobody: got %s", got)
	}
	kept := http3Client(t, tlsConfig(g.adminClient(certificate)), false)
	for _, want := range []string{"host_not_found", "admin_certificate_revoked"} {
		got, err := ask(kept)
		if err != nil || got.envelope(t).Code != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		if want == "host_not_found" {
			g.must("admin", "cert", "revoke", "ops", "--yes")
		}
	}
}

// What is sent before the handshake is done counts for nothing: it may be a recording, and come from anywhere. Otherwise
// twenty packets in the name of somebody else's address would shut that out for half an hour.
func TestEarlyDataCountsForNothing(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	token := "Authorization: Bearer " + strings.TrimSpace(g.must("admin", "token", "add", "ci", "--role", "operator").out)
	config := tlsConfig(g.adminClient())
	config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	ask := func(c *http.Client, method, header string) (answer, error) {
		return callWith(c, method, g.LocalURL+"/admin/whoami", []string{header}, "")
	}
	if got, err := ask(http3Client(t, config, false), http.MethodGet, token); err != nil || got.status != http.StatusOK {
		t.Fatalf("at first: got %s, %v", got, err)
	}
	for i, header := range []string{token, "Authorization: Bearer cdxa_" + strings.Repeat("A", 43)} {
		for range 1 + 24*i {
			var got answer
			g.eventually(callDeadline, "what was sent early is answered", func() (answered bool) {
				c := http3Client(t, config, true)
				c.Timeout = 2 * time.Second
				var err error
				got, err = ask(c, http3.MethodGet0RTT, header)
				return err == nil
			})
			if got.status != http.StatusTooEarly || got.envelope(t).Code != "too_early" {
				t.Fatalf("before the handshake is done: got %s, want too_early", got)
			}
		}
	}
	if got, err := ask(local, http.MethodGet, token); err != nil || got.status != http.StatusOK {
		t.Errorf("from the same address, afterwards: got %s, %v", got, err)
	}
}

func tlsConfig(c *http.Client) *tls.Config { return c.Transport.(*http.Transport).TLSClientConfig }
