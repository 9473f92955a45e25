package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest/mix"
)

// clientFrom is a client that calls from one address of this machine.
func clientFrom(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{
		Timeout: 3 * callDeadline, // two hundred calls share two processors
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
			},
		},
	}
}

// insertHosts makes the hosts of a mix as registering them would, which takes a process for each.
func (g *gateway) insertHosts() []mix.Host {
	g.t.Helper()
	hosts := make([]mix.Host, mix.Hosts)
	for i := range hosts {
		var raw [32]byte
		_, _ = rand.Read(raw[:]) // which never fails
		hosts[i] = mix.Host{FQDN: fmt.Sprintf("h%d.example", i), Key: hex.EncodeToString(raw[:]), From: fmt.Sprintf("127.0.1.%d", i+1)}
		sum := sha256.Sum256([]byte(hosts[i].Key))
		g.sql(`INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
			SELECT id, $1, $2, $3, now(), now() FROM account`, hosts[i].FQDN, sum[:], hosts[i].Key[:8])
	}
	return hosts
}

// Everything that hosts do, all at once and through the real listener: what is left is what the model says.
func TestMixOfEverything(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: unlimited(t)})
	began := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	g.upload(authtest.Options{LastRefresh: began})
	g.sql(`INSERT INTO policy (name, value, updated_at) VALUES ('host_prompt_push', '"on"', now())`)
	m := mix.New(g.insertHosts(), began)
	do := func(c *mix.Call) {
		header := []string{"X-API-Key: " + c.Key, "Content-Type: application/json"}
		if c.IdempotencyKey != "" {
			header = append(header, "Idempotency-Key: "+c.IdempotencyKey)
		}
		got, err := callWith(clientFrom(c.From), c.Method, g.URL+c.Path, header, c.Body)
		if err == nil {
			err = m.Answered(c, got.status, []byte(got.body))
		}
		if err != nil {
			t.Error(err)
		}
	}
	for _, call := range m.First {
		do(call)
	}
	begin := make(chan struct{})
	var all sync.WaitGroup
	for _, call := range m.Calls {
		all.Go(func() {
			<-begin
			do(call)
		})
	}
	close(begin)
	all.Wait()
	for query, want := range m.Left() {
		if got := g.sql(query); len(got) != 1 || got[0] != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %d", query, got, want)
		}
	}
}
