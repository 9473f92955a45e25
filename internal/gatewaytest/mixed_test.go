package gatewaytest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// tally is what a fleet that calls one after the other would leave behind: sums that no order of the calls changes.
type tally struct {
	mu       sync.Mutex
	calls    map[string]int64 // :: host → POST /auth that counted
	updated  int64
	bodies   int64     // answers that carried a credential
	newest   time.Time // last_refresh of the newest upload
	refusals map[string]int64
}

// Many hosts at once, each doing everything a host does, right and wrong: the counters end where a model says they must.
func TestMixedTraffic(t *testing.T) {
	t.Parallel()
	const hosts, requests = 20, 200
	g := gatewaytest.New(t, gatewaytest.Options{})
	began := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	g.Upload(t, authtest.New(authtest.Options{LastRefresh: began}))
	fleets := make([]*fleet.Enrolment, hosts)
	for i := range fleets {
		fleets[i] = g.Register(t, fmt.Sprintf("h%d.example", i))
	}
	sums := &tally{calls: map[string]int64{}, refusals: map[string]int64{}, newest: began}
	digits := fmt.Sprintf("%064d", 0)

	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range requests {
		host := fleets[i%hosts]
		home, key := fmt.Sprintf("10.0.0.%d", i%hosts), host.Key.Reveal()
		upload := began.Add(time.Duration(1+rand.IntN(10_000)) * time.Second)
		all.Go(func() {
			<-begin
			var body any
			r := gatewaytest.Request{Path: api.PathAuth, Key: key, From: home}
			switch i / hosts { // each host does each of these, in no order
			case 0, 1:
				body = api.AuthRequest{Digest: digits, LastRefresh: "2026-01-01T00:00:00Z"}
			case 2, 3, 4:
				body = api.AuthRequest{Command: api.CommandStore, Auth: authtest.New(authtest.Options{LastRefresh: upload})}
				sums.offer(upload)
			case 5:
				body = api.AuthRequest{Digest: digits, LastRefresh: "2026-06-01T00:00:00Z"}
			case 6:
				body = api.AuthRequest{Command: "wrong"} // refused before it counts
			case 7:
				body = api.AuthRequest{Digest: "wrong"} // refused after it counted
			case 8:
				body, r.Key = "{}", digits
			case 9:
				body = `{"command":`
			}
			r.Body = body
			sums.add(t, host.Host.FQDN, g.Do(t, r))
		})
	}
	close(begin)
	all.Wait()

	for kind, want := range map[string]int64{"command": hosts, "digest": hosts, "api_key_invalid": hosts, "invalid_json": hosts} {
		if got := sums.refusals[kind]; got != want {
			t.Errorf("got %d refusals about %s, want %d", got, kind, want)
		}
	}
	for _, host := range fleets {
		got := g.Int(t, "SELECT api_calls FROM host WHERE fqdn = $1", host.Host.FQDN)
		if want := sums.calls[host.Host.FQDN]; got != want || want != 7 {
			t.Errorf("%s: got %d calls, the model says %d and the plan 7", host.Host.FQDN, got, want)
		}
	}
	for query, want := range map[string]int64{
		"SELECT count(DISTINCT bound_ip) FROM host":                                                                hosts,
		"SELECT count(*) FROM audit_entry WHERE action = 'auth.bind_ip'":                                           hosts,
		"SELECT count(*) FROM generation":                                                                          sums.updated + 1,
		"SELECT max(number) FROM generation":                                                                       sums.updated + 1,
		"SELECT generation FROM account":                                                                           sums.updated + 1,
		"SELECT count(*) FROM delivery":                                                                            sums.bodies,
		"SELECT extract(epoch FROM max(last_refresh_at))::bigint FROM generation":                                  sums.newest.Unix(),
		"SELECT extract(epoch FROM last_refresh_at)::bigint FROM generation ORDER BY number DESC LIMIT 1":          sums.newest.Unix(),
		"SELECT count(*) FROM audit_entry WHERE action IN ('auth.retrieve', 'auth.store') AND actor_kind = 'host'": 6 * hosts,
	} {
		if got := g.Int(t, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
}

func (s *tally) offer(upload time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if upload.After(s.newest) {
		s.newest = upload
	}
}

// add takes an answer into account.
func (s *tally) add(t *testing.T, host string, a *gatewaytest.Answer) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Status == http.StatusOK {
		var data struct {
			Status string
			Auth   json.RawMessage
		}
		a.Decode(t, &data)
		s.calls[host]++
		if data.Status == api.StatusUpdated {
			s.updated++
		}
		if data.Auth != nil {
			s.bodies++
		}
		return
	}
	kind := a.Envelope.Code
	for field := range a.Envelope.Errors {
		kind = field
	}
	if kind == "digest" {
		s.calls[host]++
	}
	s.refusals[kind]++
}
