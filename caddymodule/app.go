// Package caddymodule is the gateway as Caddy sees it, and the only package that knows Caddy: the app that owns the
// database and the jobs, the handlers that hand requests to the surfaces, the Caddyfile syntax, the commands.
package caddymodule

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/dashboard"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/hostapi"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/periodic"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/seal"
	"github.com/cdxgate/cdxgate/internal/usage"
)

func init() { caddy.RegisterModule(new(App)) }

const appName = "cdxgate"

// Version is the gateway's and that of the clients it hands out; the build sets it.
var Version = "dev"

// Defaults of the options.
const (
	defaultPublicURL    = "http://localhost:8488"
	defaultDataDir      = "./data"
	defaultInstallTTL   = 30 * time.Minute
	defaultSeedTTL      = 15 * time.Minute
	defaultStartTimeout = time.Minute
	packagedClientDir   = "/usr/lib/cdxgate/cdx.d"
)

// stopTimeout bounds how long a configuration's end waits for its jobs.
const stopTimeout = 5 * time.Second

// App is cdxgate: one canonical Codex login for a fleet of hosts. It owns the database, the keyring and the jobs, and
// listens nowhere; the cdxgate_* handlers serve it. Everything under it survives a configuration reload.
type App struct {
	// Base URL that hosts use to reach the gateway, printed in install commands. Default: http://localhost:8488.
	PublicURL string `json:"public_url,omitempty"`

	// PEM file of your own certificate authority, where the public URL's certificate is from one that machines do not
	// trust by themselves. Install commands and scripts then carry it. Caddy's own authority needs no file. It is read
	// at the start and at each reload. Default: none.
	PublicCA string `json:"public_ca,omitempty"`

	// PEM files of your own certificate authorities, whose client certificates may open the admin door as well: those whose
	// key was listed by `cdxgate admin cert trust`. They are read at the start, at each reload and by a validation.
	// Default: none.
	AdminCA []string `json:"admin_ca,omitempty"`

	// Directory of everything that is ours on disk: the embedded database, the keyring, admin certificates.
	// Default: ./data.
	DataDir string `json:"data_dir,omitempty"`

	// Connection string of a PostgreSQL 14 or newer. Write it as a placeholder ({env.DATABASE_URL} or {file./path}), so
	// that the password stays out of the configuration. Default: an embedded PostgreSQL under the data directory.
	Database string `json:"database,omitempty"`

	// Connections kept to the database at most. Default: 8.
	DatabaseMaxConns int32 `json:"database_max_conns,omitempty"`

	// Directory of the postgres and initdb programs for the embedded PostgreSQL. Default: PATH, then where
	// distributions put them.
	PostgresBinaries string `json:"postgres_binaries,omitempty"`

	// File of the master keys that seal every secret in the database. Default: keyring in the data directory; it is
	// made on the first start over an empty database.
	Keyring string `json:"keyring,omitempty"`

	// Directory of the cdx-<os>-<arch> files that hosts are given. Default: cdx.d beside the executable, else
	// /usr/lib/cdxgate/cdx.d.
	ClientBinaries string `json:"client_binaries,omitempty"`

	// Whether cdx updates itself from this gateway. A host that was told false keeps to it until it enrols again.
	// Default: true.
	AutoUpdate *bool `json:"auto_update,omitempty"`

	// Minisign public key. Clients that enrol while it is set take no build of cdx without a signature by it, in a file
	// cdx-<os>-<arch>.minisig beside the build. Default: none.
	ClientReleaseKey string `json:"client_release_key,omitempty"`

	// Whether the builds of cdx are older than those handed out before, and clients should take them nevertheless.
	// Default: false.
	ClientRollback bool `json:"client_rollback,omitempty"`

	// Base URL of a releases API like GitHub's, for hosts that get Codex from elsewhere. Default: GitHub's.
	CodexReleases string `json:"codex_releases,omitempty"`

	// Base URL of ChatGPT, which is asked what is left of the quota, or “off” to ask nobody.
	// Default: https://chatgpt.com/backend-api.
	ChatGPTURL string `json:"chatgpt_url,omitempty"`
	// Base URL of a releases API like GitHub's that the gateway asks for the newest Codex; off: it asks nobody.
	// Default: GitHub's.
	GitHubAPI string `json:"github_api,omitempty"`

	// How long an install token is good. Default: 30m.
	InstallTokenTTL caddy.Duration `json:"install_token_ttl,omitempty"`

	// How long a seed token is good. Default: 15m.
	SeedTokenTTL caddy.Duration `json:"seed_token_ttl,omitempty"`

	// How long audit entries are kept; older ones are deleted, up to a signed checkpoint. Default: for ever.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	// How much of an IPv6 address a host is bound to, in bits. Default: 64.
	IPv6Prefix int `json:"ipv6_prefix,omitempty"`

	// Networks of the runner, which may use any host's key without being bound to it. Default: none.
	RunnerBypass []string `json:"runner_bypass,omitempty"`

	// Limits by bucket: global, host, auth-fail, enrol-fail, seed-fail, admin-fail. Default: 120 a minute for each
	// address without a valid key and for each host; 20 failures in 10 minutes, then a block of 30.
	Limits map[string]Limit `json:"limit,omitempty"`

	// How long a start may take, the wait for the database included, before it is given up. Default: 1m.
	StartTimeout caddy.Duration `json:"start_timeout,omitempty"`

	ctx      caddy.Context
	config   gateway.Config
	fleet    fleet.Config
	rules    ratelimit.Rules
	publicCA []*x509.Certificate // of the option; nil until Start
	trust    rememberedTrust
	adminCA  []*x509.Certificate // of the option
	release  release.Key         // of ClientReleaseKey
	logger   *slog.Logger
	core     *pooledCore
	surfaces atomic.Pointer[surfaces] // nil until Start is done
	started  chan struct{}            // closed when surfaces is set
	stopJobs func()                   // waits until they have ended
}

// surfaces is what a started app serves, and what it stands on: requests outlive the app's place in the pool.
type surfaces struct {
	core      *pooledCore
	host      *hostapi.Surface
	admin     *admin.Surface
	dashboard *dashboard.Surface
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appName, New: func() caddy.Module { return new(App) }}
}

// Provision reads the options and claims a place in the pool of open gateways. It connects to nothing, starts nothing
// and writes nothing: validating a configuration runs it too.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger, a.started = ctx, ctx.Slogger(), make(chan struct{})
	if err := a.resolve(); err != nil {
		return err
	}
	a.announceKeyring()
	core, err := claimCore(a.config)
	if err != nil {
		return err
	}
	a.core = core
	return nil
}

// announceKeyring says what will become of a keyring that is not there: that is no fault.
func (a *App) announceKeyring() {
	if _, err := os.Stat(a.config.KeyringFile); errors.Is(err, os.ErrNotExist) {
		a.logger.Info("there is no keyring yet; the first start over an empty database makes one", "file", a.config.KeyringFile)
	}
}

// resolve fills in the defaults and expands the placeholders.
func (a *App) resolve() error {
	a.PublicURL = orDefault(a.PublicURL, defaultPublicURL)
	a.DataDir = orDefault(a.DataDir, defaultDataDir)
	if a.InstallTokenTTL == 0 {
		a.InstallTokenTTL = caddy.Duration(defaultInstallTTL)
	}
	if a.SeedTokenTTL == 0 {
		a.SeedTokenTTL = caddy.Duration(defaultSeedTTL)
	}
	if a.StartTimeout == 0 {
		a.StartTimeout = caddy.Duration(defaultStartTimeout)
	}
	if err := validPublicURL(a.PublicURL); err != nil {
		return fmt.Errorf("option “public_url”: %w", err)
	}
	dir, err := filepath.Abs(a.DataDir)
	if err != nil {
		return fmt.Errorf("option “data_dir”: %w", err)
	}
	url, err := caddy.NewReplacer().ReplaceOrErr(a.Database, true, true)
	if err != nil {
		return fmt.Errorf("option “database”: %w; set it, or remove the option to use the embedded PostgreSQL", err)
	}
	keyring := filepath.Join(dir, "keyring")
	if a.Keyring != "" {
		if keyring, err = filepath.Abs(a.Keyring); err != nil {
			return fmt.Errorf("option “keyring”: %w", err)
		}
	}
	// A keyring that exists must be good, and that is known now; one that does not is made by the first start.
	if _, err := seal.Read(keyring); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	a.fleet = fleet.Config{PublicURL: a.PublicURL, InstallTTL: time.Duration(a.InstallTokenTTL), IPv6Bits: a.IPv6Prefix}
	if a.fleet.RunnerBypass, err = networks("runner_bypass", a.RunnerBypass); err != nil {
		return err
	}
	if a.rules, err = a.rateLimits(); err != nil {
		return err
	}
	if a.ClientReleaseKey != "" {
		if a.release, err = release.ParseKey(a.ClientReleaseKey); err != nil {
			return fmt.Errorf("option “client_release_key”: %w", err)
		}
	}
	if a.adminCA, err = adminca.ReadAuthorities(a.AdminCA...); err != nil {
		return fmt.Errorf("option “admin_ca”: %w", err)
	}
	if err := validReleasesURL(a.CodexReleases); err != nil {
		return fmt.Errorf("option “codex_releases”: %w", err)
	}
	a.ChatGPTURL = orDefault(a.ChatGPTURL, quota.DefaultURL)
	if err := validChatGPTURL(a.ChatGPTURL); err != nil {
		return fmt.Errorf("option “chatgpt_url”: %w", err)
	}
	if err := validGitHub(a.GitHubAPI); err != nil {
		return fmt.Errorf("option “github_api”: %w", err)
	}
	a.config = gateway.Config{
		DataDir: dir, DatabaseURL: url, Binaries: a.PostgresBinaries, KeyringFile: keyring, MaxConns: a.DatabaseMaxConns,
	}
	return nil
}

// Validate checks what can be checked without touching anything.
func (a *App) Validate() error {
	if a.DatabaseMaxConns < 0 {
		return errors.New("option “database_max_conns” must not be negative")
	}
	if a.InstallTokenTTL < 0 || a.SeedTokenTTL < 0 || a.StartTimeout < 0 || a.AuditRetention < 0 {
		return errors.New("options “install_token_ttl”, “seed_token_ttl”, “start_timeout” and “audit_retention” must not be negative")
	}
	if a.IPv6Prefix < 0 || a.IPv6Prefix > 128 {
		return errors.New("option “ipv6_prefix” must be a number from 1 to 128")
	}
	return nil
}

// Start opens the gateway, which may take a while the first time, and then admits traffic.
func (a *App) Start() error {
	if err := a.readPublicCA(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.StartTimeout))
	defer cancel()
	// Caddy stops nothing before a start is over: who wants to end the process now must not wait for that.
	ctx, ignore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer ignore()
	progress := startProgress()
	defer progress.stop()

	config := a.config
	config.Logger, config.Progress = a.logger, progress.say
	core, err := a.core.open(ctx, config)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return fmt.Errorf("%w; that took longer than start_timeout (%s)", err, time.Duration(a.StartTimeout))
	}
	if err != nil {
		return err
	}
	certs := adminca.NewService(core.DB, core.Keyring, adminca.Config{DataDir: a.config.DataDir, Authorities: a.adminCA})
	poolChanged, err := certs.SyncPool(ctx)
	if err != nil {
		return err
	}
	clients := release.NewClients(a.clientDir())
	a.checkBuilds(clients)
	a.serve(core, certs, clients)
	close(a.started)
	hasServed.Store(true)
	a.startJobs(core)
	if poolChanged {
		go reloadItself(a.logger)
	}
	progress.stop()
	greet(ctx, a, core)
	return nil
}

// serve opens the surfaces.
func (a *App) serve(core *gateway.Core, certs *adminca.Service, clients *release.Clients) {
	fleets, limits, credentials := fleet.New(core.DB, core.Keyring, a.fleet), ratelimit.New(core.DB, a.rules), a.credentials(core)
	grants := access.New(core.DB)
	entrance := door.New(door.Config{Certs: certs, Access: grants, Limits: limits, Logger: a.logger})
	usages, files, policies, codex := usage.New(core.DB, nil), library.New(core.DB, nil), policy.New(core.DB, nil), release.NewCodex(core.DB, a.github())
	quotas := a.quotas(core, credentials)
	a.surfaces.Store(&surfaces{
		core: a.core,
		host: hostapi.New(hostapi.Config{
			Fleet: fleets, Credentials: credentials,
			Clients: clients, Codex: codex, Usage: usages, Quota: quotas, Library: files, Policy: policies, Limits: limits,
			Downloads: ratelimit.NewFlow(ratelimit.DownloadBytes),
			Signer:    core.Signer, Updates: a.updates(),
			PublicURL: a.PublicURL, PublicCA: func() string { return a.publicTLS().CA }, InstallationID: core.InstallationID.String(), Version: Version,
			Ping: core.DB.Ping, Logger: a.logger,
		}),
		admin: admin.New(admin.Config{
			Fleet: fleets, Credentials: credentials, Certs: certs, Access: grants, Door: entrance, Policy: policies, Usage: usages, Quota: quotas, Library: files, Codex: codex, Store: core.DB,
			PublicTLS: a.publicTLS, Hosts: hostapi.Describe(a.PublicURL), Version: Version, InstallID: core.InstallationID.String(), Logger: a.logger,
		}),
		dashboard: dashboard.New(dashboard.Config{
			Door: entrance, Certs: certs, Access: grants, Limits: limits, Fleet: fleets, Credentials: credentials, Policy: policies, Usage: usages, Quota: quotas, Library: files,
			Codex: codex, Audit: core.Audit, Store: core.DB, PublicTLS: a.publicTLS, PublicURL: a.PublicURL, Version: Version, Logger: a.logger,
		}),
	})
}

// endStreams ends what pages are told of changes, so that they come back to the configuration that follows.
func (a *App) endStreams() {
	if open := a.surfaces.Load(); open != nil {
		open.dashboard.Close()
	}
}

func (a *App) credentials(core *gateway.Core) *credential.Service {
	return credential.New(core.DB, core.Keyring, credential.Config{PublicURL: a.PublicURL, SeedTTL: time.Duration(a.SeedTokenTTL)})
}

func (a *App) quotas(core *gateway.Core, credentials *credential.Service) *quota.Service {
	return quota.New(core.DB, quota.Config{URL: askedAt(a.ChatGPTURL), Login: credentials.AccessToken, Logger: a.logger})
}

func (a *App) startJobs(core *gateway.Core) {
	ctx, cancel := context.WithCancel(context.Background())
	fleets, policies, credentials := fleet.New(core.DB, core.Keyring, a.fleet), policy.New(core.DB, nil), a.credentials(core)
	quotas := a.quotas(core, credentials)
	pruneHosts := func(ctx context.Context) (int, error) {
		decided, err := policies.Load(ctx)
		if err != nil {
			return 0, err
		}
		return fleets.Prune(ctx, time.Duration(decided.InactivityWindowDays)*24*time.Hour)
	}
	jobs := []periodic.Job{
		{Name: "expire install tokens", Every: time.Minute, Run: fleets.ExpireTokens},
		{Name: "prune hosts", Every: 5 * time.Minute, Run: pruneHosts},
		{Name: "purge rate limits", Every: time.Minute, Run: ratelimit.New(core.DB, a.rules).Purge},
		{Name: "prune library", Every: time.Hour, Run: library.New(core.DB, nil).Prune},
		{Name: "prune usage", Every: time.Hour, Run: usage.New(core.DB, nil).Prune},
		{Name: "poll quota", Every: 30 * time.Second, Run: quotas.Poll}, // looks which accounts are due
		{Name: "thin quota history", Every: time.Hour, Run: quotas.Thin},
		{Name: "prune generations", Every: 5 * time.Minute, Run: credentials.Prune},
		{Name: "forget admin sessions", Every: time.Hour, Run: access.New(core.DB).Prune},
		{Name: "forget seed tokens", Every: time.Hour, Run: credentials.PruneSeeds},
		{Name: "forget decided logins", Every: time.Hour, Run: credentials.PruneProposals},
		{Name: "sign the audit trail", Every: 9 * time.Second, Run: core.Audit.Sign, Local: true}, // its own chain, too; jitter included, 10 s at most
	}
	if source := a.github(); source != nil {
		jobs = append(jobs, periodic.Job{Name: "look for the newest Codex", Every: release.LookEvery, Run: release.NewCodex(core.DB, source).Look})
	}
	if age := time.Duration(a.AuditRetention); age > 0 {
		retire := func(ctx context.Context) (int, error) { return core.Audit.Retire(ctx, age) }
		jobs = append(jobs, periodic.Job{Name: "retire audit entries", Every: time.Hour, Run: retire})
	}
	scheduler := periodic.New(core.DB, a.logger, jobs)
	ended := make(chan struct{})
	a.stopJobs = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(stopTimeout): // the database is gone: their leases run out by themselves
		}
	}
	go func() {
		defer close(ended)
		scheduler.Run(ctx)
	}()
	exportJobs(a.ctx.GetMetricsRegistry(), scheduler, a.logger)
}

// Stop ends this configuration's streams and jobs, and gives up those that it was at, so that another may take them. The database stays
// open: requests that began under this configuration are still being answered.
func (a *App) Stop() error {
	a.endStreams()
	if a.stopJobs != nil {
		a.stopJobs()
	}
	return nil
}

// Cleanup gives up the place in the pool; the last to do so closes the gateway.
func (a *App) Cleanup() error {
	if a.core == nil {
		return nil
	}
	err := a.core.release()
	a.core = nil
	return err
}

// clientDir is where the builds of cdx are.
func (a *App) clientDir() string {
	if a.ClientBinaries != "" {
		return a.ClientBinaries
	}
	executable, err := os.Executable()
	if err != nil {
		return packagedClientDir
	}
	return release.FindClientDir(filepath.Join(filepath.Dir(executable), "cdx.d"), packagedClientDir)
}

// clientIP is the address that Caddy established, trusted proxies considered; zero when there is none.
func clientIP(value any) netip.Addr {
	text, _ := value.(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
