package gatewaytest_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest/mix"
)

// Everything that hosts do, all at once: what is left is what the model says. The same mix meets the binary in e2e.
func TestMixOfEverything(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	now := began.Add(time.Hour) // and it stays: a retry is known by its numbers for 30 seconds
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	g.Upload(t, authtest.New(authtest.Options{LastRefresh: began}))
	if err := g.Policy.Set(t.Context(), "host_prompt_push", "on", gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	hosts := make([]mix.Host, mix.Hosts)
	for i := range hosts {
		fqdn := fmt.Sprintf("h%d.example", i)
		hosts[i] = mix.Host{FQDN: fqdn, Key: g.Register(t, fqdn).Key.Reveal(), From: fmt.Sprintf("127.0.1.%d", i)}
	}
	m := mix.New(hosts, began)
	do := func(c *mix.Call) {
		r := gatewaytest.Request{Method: c.Method, Path: c.Path, Key: c.Key, From: c.From, Body: c.Body, Header: http.Header{}}
		if c.IdempotencyKey != "" {
			r.Header.Set("Idempotency-Key", c.IdempotencyKey)
		}
		a := g.Do(t, r)
		if err := m.Answered(c, a.Status, a.Body); err != nil {
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
	if len(m.Calls) != 200 {
		t.Errorf("got %d calls, want 200", len(m.Calls))
	}
	for query, want := range m.Left() {
		if got := g.Int(t, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
}
