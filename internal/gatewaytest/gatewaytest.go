// Package gatewaytest runs a whole gateway inside a test: a database of its own, a keyring, and the surfaces for hosts
// and admins behind real listeners. Only Caddy is missing; what Caddy knows, the client's address above all, a test says
// with each request.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	func TestRetrieve(t *testing.T) {
//		t.Parallel()
//		g := gatewaytest.New(t, gatewaytest.Options{})
//		host := g.Register(t, "build7.example")
//		answer := g.Do(t, gatewaytest.Request{Method: "POST", Path: "/auth", Key: host.Key.Reveal(), Body: …})
//		…
//	}
package gatewaytest

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/dashboard"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/hostapi"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// PublicURL is what the gateway believes its hosts reach it by.
const PublicURL = "https://codex.example"

// Version is the gateway's.
const Version = "1.2.3-test"

// clientIPHeader carries Request.From. It stands in for Caddy: the gateway's own code reads no header to find out.
const clientIPHeader = "Gatewaytest-Client-Ip"

// Options of New. The zero value is a gateway with the system's clock and no builds of cdx.
type Options struct {
	Now     func() time.Time  // of fleet and credential. Default: time.Now
	Clients map[string]string // builds of cdx :: platform → content
	Limits  ratelimit.Rules   // Default: nobody is limited
	Flow    int64             // bytes of builds in flight to one address. Default: ratelimit.DownloadBytes
	Fleet   fleet.Config      // PublicURL and Now are set by New
	Trust   publictls.Trust   // what machines need to recognise PublicURL's certificate
	Updates hostapi.Updates
	GitHub  string // base URL of a releases API, of [githubtest]. Default: nobody is asked

	AdminCA []*x509.Certificate // authorities of the operator's own that the admin door trusts

	ChatGPT string               // base URL of who is asked about the quota. Default: nobody is
	Live    dashboard.LiveConfig // how pages are told of changes

	PublicURL string // what the gateway believes its hosts reach it by. Default: the constant of that name
}

// Gateway is a running gateway. It ends with its test.
type Gateway struct {
	Core        *gateway.Core
	Fleet       *fleet.Service
	Credentials *credential.Service
	Certs       *adminca.Service
	Access      *access.Service
	Usage       *usage.Service
	Quota       *quota.Service
	Library     *library.Service
	Codex       *release.Codex
	Policy      *policy.Service
	Limits      *ratelimit.Service
	Host        *hostapi.Surface
	Admin       *admin.Surface
	Dashboard   *dashboard.Surface
	DataDir     string
	ClientDir   string
	Logs        *Logs // everything that was logged

	hosts   *httptest.Server
	admins  *httptest.Server
	adminCA []*x509.Certificate
}

// New starts a gateway.
func New(t testing.TB, opts Options) *Gateway {
	t.Helper()
	g := &Gateway{DataDir: t.TempDir(), ClientDir: t.TempDir(), Logs: &Logs{}}
	for platform, content := range opts.Clients {
		if err := os.WriteFile(filepath.Join(g.ClientDir, "cdx-"+platform), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.open(t)
	g.compose(opts)
	g.listen(t)
	return g
}

// open gives the gateway a database that is migrated already.
func (g *Gateway) open(t testing.TB) {
	t.Helper()
	url := dbtest.New(t).Pool().Config().ConnString()
	core, err := gateway.Open(t.Context(), gateway.Config{DataDir: g.DataDir, DatabaseURL: url, Logger: g.Logger()}, gateway.Server)
	if err != nil {
		t.Fatalf("gatewaytest: opening the gateway: %v", err)
	}
	t.Cleanup(func() {
		if err := core.Close(context.Background()); err != nil {
			t.Errorf("gatewaytest: closing the gateway: %v", err)
		}
	})
	g.Core = core
}

// compose builds on the open gateway what the app of a real one builds.
func (g *Gateway) compose(opts Options) {
	publicURL := cmp.Or(opts.PublicURL, PublicURL)
	opts.Fleet.PublicURL, opts.Fleet.Now = publicURL, opts.Now
	g.Fleet = fleet.New(g.Core.DB, g.Core.Keyring, opts.Fleet)
	g.Library = library.New(g.Core.DB, opts.Now)
	g.Usage = usage.New(g.Core.DB, opts.Now)
	g.Policy = policy.New(g.Core.DB, opts.Now)
	g.Limits = ratelimit.New(g.Core.DB, opts.Limits)
	var source *github.Client
	if opts.GitHub != "" {
		source = github.New(opts.GitHub)
	}
	g.Codex = release.NewCodex(g.Core.DB, source)
	g.Credentials = credential.New(g.Core.DB, g.Core.Keyring, credential.Config{PublicURL: publicURL, Now: opts.Now})
	g.Quota = quota.New(g.Core.DB, quota.Config{URL: opts.ChatGPT, Login: g.Credentials.AccessToken, Now: opts.Now, Logger: g.Logger()})
	g.Certs = adminca.NewService(g.Core.DB, g.Core.Keyring, adminca.Config{DataDir: g.DataDir, Authorities: opts.AdminCA})
	g.adminCA = opts.AdminCA
	g.Host = hostapi.New(hostapi.Config{
		Fleet: g.Fleet, Credentials: g.Credentials, Clients: release.NewClients(g.ClientDir), Codex: g.Codex, PublicURL: publicURL,
		PublicCA: func() string { return opts.Trust.CA }, Usage: g.Usage, Quota: g.Quota, Library: g.Library, Policy: g.Policy, Limits: g.Limits, Downloads: ratelimit.NewFlow(cmp.Or(opts.Flow, ratelimit.DownloadBytes)),
		Signer: g.Core.Signer, Updates: opts.Updates,
		InstallationID: g.Core.InstallationID.String(), Version: Version, Ping: g.Core.DB.Ping, Logger: g.Logger(),
	})
	g.Access = access.New(g.Core.DB)
	entrance := door.New(door.Config{Certs: g.Certs, Access: g.Access, Limits: g.Limits, Logger: g.Logger()})
	g.Dashboard = dashboard.New(dashboard.Config{
		Door: entrance, Certs: g.Certs, Access: g.Access, Limits: g.Limits, Fleet: g.Fleet, Credentials: g.Credentials, Policy: g.Policy, Usage: g.Usage, Quota: g.Quota, Library: g.Library,
		Codex: g.Codex, Audit: g.Core.Audit, Store: g.Core.DB, PublicTLS: func() publictls.Trust { return opts.Trust }, PublicURL: publicURL, Version: Version, Now: opts.Now,
		Logger: g.Logger(),
		Live:   opts.Live,
	})
	g.Admin = admin.New(admin.Config{
		Fleet: g.Fleet, Credentials: g.Credentials, Certs: g.Certs, Access: g.Access, Door: entrance, Policy: g.Policy, Usage: g.Usage, Quota: g.Quota, Library: g.Library, Codex: g.Codex,
		Store: g.Core.DB, PublicTLS: func() publictls.Trust { return opts.Trust }, Hosts: hostapi.Describe(publicURL), Version: Version, InstallID: g.Core.InstallationID.String(),
		Now: opts.Now, Logger: g.Logger(),
	})
}

func (g *Gateway) listen(t testing.TB) {
	t.Helper()
	g.hosts = httptest.NewServer(withClientIP(http.HandlerFunc(g.serveHosts)))
	t.Cleanup(g.hosts.Close)
	g.admins = httptest.NewUnstartedServer(withClientIP(http.HandlerFunc(g.serveAdmins)))
	g.admins.TLS = g.adminTLS()
	// What the TLS layer has to say about a caller it refuses is no concern of a test's output.
	g.admins.Config.ErrorLog = slog.NewLogLogger(g.Logger().Handler(), slog.LevelDebug)
	g.admins.StartTLS()
	t.Cleanup(func() {
		g.Dashboard.Close() // the server would wait for its streams
		g.admins.Close()
	})
}

// serveAdmins is the site for admins: the tables, then the fallback.
func (g *Gateway) serveAdmins(w http.ResponseWriter, r *http.Request) {
	if !g.Admin.TryServe(w, r) && !g.Dashboard.TryServe(w, r) {
		nothing := call.NewTable(g.Logger(), nil)
		nothing.Always(admin.Headers())
		nothing.ServeHTTP(w, r)
	}
}

// serveHosts is the site for hosts: the tables, then the fallback.
func (g *Gateway) serveHosts(w http.ResponseWriter, r *http.Request) {
	for _, table := range g.Host.Tables() {
		if table.TryServe(w, r) {
			return
		}
	}
	g.Host.Fallback.ServeHTTP(w, r)
}

// ServeHosts serves a request to the site for hosts as one that came from addr, for a listener of the test's own.
func (g *Gateway) ServeHosts(w http.ResponseWriter, r *http.Request, from netip.Addr) {
	g.serveHosts(w, r.WithContext(call.WithClientIP(r.Context(), from)))
}

func withClientIP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, _ := netip.ParseAddr(r.Header.Get(clientIPHeader)) // the zero address: unknown
		r.Header.Del(clientIPHeader)
		next.ServeHTTP(w, r.WithContext(call.WithClientIP(r.Context(), addr)))
	})
}

// Logger logs to g.Logs, every level.
func (g *Gateway) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(g.Logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Operator is who acts when a test acts by itself.
var Operator = audit.Actor{Kind: audit.KindOperator, Name: "gatewaytest"}

// Register makes a host with a pending install token; on an existing name, with a new key.
func (g *Gateway) Register(t testing.TB, fqdn string) *fleet.Enrolment {
	t.Helper()
	e, err := g.Fleet.Register(t.Context(), fleet.Registration{FQDN: fqdn, Rekey: true}, Operator)
	if err != nil {
		t.Fatalf("gatewaytest: registering %s: %v", fqdn, err)
	}
	return e
}

// Upload makes file the fleet's login.
func (g *Gateway) Upload(t testing.TB, file []byte) *credential.Outcome {
	t.Helper()
	account, err := g.Core.DB.AccountByName(t.Context(), "default")
	if err != nil {
		t.Fatalf("gatewaytest: looking up the account: %v", err)
	}
	outcome, err := g.Credentials.Upload(t.Context(), account.ID, file, Operator)
	if err != nil {
		t.Fatalf("gatewaytest: uploading a login: %v", err)
	}
	return outcome
}

// Exec runs a statement, for what no call of the gateway does.
func (g *Gateway) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := g.Core.DB.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("gatewaytest: %s: %v", statement, err)
	}
}

// Int asks the database for one number.
func (g *Gateway) Int(t testing.TB, query string, args ...any) (n int64) {
	t.Helper()
	if err := g.Core.DB.Pool().QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("gatewaytest: %s: %v", query, err)
	}
	return n
}
