package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load calls the gateway without a pause until stop, and reports every answer that a gateway without a reload would not
// have given.
func (g *gateway) load(key string) (stop func() (calls int64)) {
	ctx, cancel := context.WithCancel(context.Background())
	var calls atomic.Int64
	var clients sync.WaitGroup
	failures := make(chan string, 10)
	for range 3 {
		clients.Go(func() {
			for ctx.Err() == nil {
				for _, c := range []struct{ method, path, body string }{
					{"GET", "/readyz", ""}, {"GET", "/versions", ""}, {"POST", "/auth", retrieveBody},
				} {
					header := []string{"X-API-Key: " + key}
					got, err := g.try(c.method, g.URL+c.path, header, c.body)
					if err != nil {
						// A connection that waits at the old listener ends with it: a client tries once more.
						got, err = g.try(c.method, g.URL+c.path, header, c.body)
					}
					if err != nil || got.status != 200 || !strings.HasPrefix(got.body, `{"status":"ok"`) {
						select {
						case failures <- fmt.Sprintf("%s %s: %s %v", c.method, c.path, got, err):
						default:
						}
					}
					calls.Add(1)
				}
			}
		})
	}
	return func() int64 {
		g.t.Helper()
		cancel()
		clients.Wait()
		close(failures)
		for failure := range failures {
			g.t.Errorf("under reloads: %s", failure)
		}
		return calls.Load()
	}
}

func (g *gateway) reload() {
	g.t.Helper()
	g.must("reload", "--config", g.config)
}

// backends are the connections that the gateway has to its database.
func (g *gateway) backends() []string {
	g.t.Helper()
	return g.sql("SELECT pid::text FROM pg_stat_activity WHERE application_name = 'cdxgate' ORDER BY 1")
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: unlimited(t)})
	g.upload(login(1))
	key := g.addHost("build7.example").Host.APIKey
	stop := g.load(key)
	postgres := g.postgresPID()
	before := g.backends()
	for minutes := range 5 {
		text := regexp.MustCompile(`(?m)^\t\tinstall_token_ttl .*\n`).ReplaceAllString(g.readConfig(), "")
		g.writeConfig(configured(t, text, "install_token_ttl "+itoa(40+minutes)+"m"))
		g.reload()
	}
	if calls := stop(); calls < 20 {
		t.Errorf("there were %d calls, want enough to be a load", calls)
	}
	after := g.backends()
	// Not each of them: one may be that of the verb that has just added the host.
	if !slices.ContainsFunc(before, func(pid string) bool { return slices.Contains(after, pid) }) {
		t.Errorf("after the reloads none of the database connections %v is left: there are %v", before, after)
	}
	if now := g.postgresPID(); now != postgres {
		t.Errorf("PostgreSQL is process %d now, was %d", now, postgres)
	}
}

// What makes another gateway of it opens anew, on the PostgreSQL that runs.
func TestReloadOfWhatThePoolStandsOn(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: unlimited(t)})
	g.upload(login(1))
	key := g.addHost("build7.example").Host.APIKey
	stop := g.load(key)
	postgres := g.postgresPID()
	for _, conns := range []string{"3", "4"} {
		text := regexp.MustCompile(`(?m)^\t\tdatabase_max_conns .*\n`).ReplaceAllString(g.readConfig(), "")
		g.writeConfig(configured(t, text, "database_max_conns "+conns))
		begun := time.Now()
		g.reload()
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("the reload took %s", took)
		}
		if now := g.postgresPID(); now != postgres {
			t.Errorf("PostgreSQL is process %d now, was %d", now, postgres)
		}
	}
	stop()
	g.eventually(callDeadline, "only the last pool has connections", func() bool { return len(g.backends()) <= 4 })
}

// A request that is being read when the reload comes is answered, by the gateway that it came to.
func TestRequestInFlightSurvivesReloads(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	g.upload(login(1))
	key := g.addHost("build7.example").Host.APIKey
	body := retrieveBody
	for _, option := range []string{"install_token_ttl 44m", "database_max_conns 5"} {
		conn, err := net.Dial("tcp", "127.0.0.1:"+g.URL[strings.LastIndex(g.URL, ":")+1:])
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		host := strings.TrimPrefix(g.URL, "http://")
		if _, err := fmt.Fprintf(conn, "POST /auth HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
			host, key, len(body), body[:5]); err != nil {
			t.Fatal(err)
		}
		// The gateway has begun to answer when it waits for the rest of the body: nothing tells, so prove it by another
		// connection that came later and was answered.
		g.call("GET", "/readyz", nil, "")
		g.writeConfig(configured(t, g.readConfig(), option))
		g.reload()
		if _, err := io.WriteString(conn, body[5:]); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("after a reload with %s: %v", option, err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("after a reload with %s: got %d %s %v, want 200", option, response.StatusCode, text, err)
		}
	}
}

func TestReloadOfABadConfigurationChangesNothing(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: unlimited(t)})
	good := g.readConfig()
	for _, test := range []struct{ option, want string }{
		{"data_dri /elsewhere", `unknown option`},
		{"database {env.CDXGATE_UNSET}", "option “database”"},
		{"database postgres://u:planted-password@127.0.0.1:" + freePort(t) + "/db\n\t\tstart_timeout 2s", "connection refused"},
		{"keyring " + g.config, "the keyring " + g.config},
	} {
		g.writeConfig(configured(t, good, test.option))
		r := g.cdxgate("reload", "--config", g.config)
		if r.code == 0 || !strings.Contains(r.err+g.readLog(), test.want) {
			t.Errorf("reload with %s: exit %d, want an error that says %q\n%s%s", test.option, r.code, test.want, r.out, r.err)
		}
		if got := g.call("GET", "/readyz", nil, ""); got.status != 200 {
			t.Errorf("after a refused reload GET /readyz: got %s", got)
		}
	}
	if strings.Contains(g.readLog(), "planted-password") {
		t.Error("the log shows the password")
	}
	g.writeConfig(good)
	g.reload()
	g.addHost("build7.example")
}

var goroutineTotal = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// goroutines counts them.
func (g *gateway) goroutines() int {
	g.t.Helper()
	_, profile := g.overAdminSocket("/debug/pprof/goroutine?debug=1")
	found := goroutineTotal.FindStringSubmatch(profile)
	if found == nil {
		g.t.Fatalf("no goroutine profile: %s", tail(profile, 3))
	}
	total, err := strconv.Atoi(found[1])
	if err != nil {
		g.t.Fatal(err)
	}
	return total
}

func TestReloadsLeakNothing(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: unlimited(t)})
	base := g.readConfig()
	reload := func(n int) {
		t.Helper()
		// Half of them only change what hangs on the app, half open another pool.
		g.writeConfig(configured(t, base, fmt.Sprintf("database_max_conns %d\n\t\tinstall_token_ttl %dm", 4+n/2%2, 30+n)))
		g.reload()
	}
	for n := range 4 {
		reload(n)
	}
	// What the last reload leaves ends by itself, in its own time.
	settled := func() int {
		least := g.goroutines()
		for range 10 {
			least = min(least, g.goroutines())
		}
		return least
	}
	before := settled()
	for n := 4; n < 24; n++ {
		reload(n)
	}
	g.eventually(time.Minute, "the goroutines are as many as before", func() bool { return settled() <= before+5 })
	if got := len(g.backends()); got > 5 {
		t.Errorf("there are %d database connections after 24 reloads, want those of one pool", got)
	}
}
