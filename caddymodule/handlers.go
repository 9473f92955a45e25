package caddymodule

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/dashboard"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/hostapi"
)

func init() {
	caddy.RegisterModule(Auth{})
	caddy.RegisterModule(Usage{})
	caddy.RegisterModule(Library{})
	caddy.RegisterModule(Installer{})
	caddy.RegisterModule(Versions{})
	caddy.RegisterModule(Admin{})
	caddy.RegisterModule(Dashboard{})
	caddy.RegisterModule(Fallback{})
}

// table is the set of routes that one directive serves, out of what a started app serves.
type table func(*surfaces) *call.Table

// Before an app has started there are no subjects to ask, but which paths belong to whom is known: these answer that.
var unopened = &surfaces{host: hostapi.New(hostapi.Config{}), admin: admin.New(admin.Config{}), dashboard: dashboard.New(dashboard.Config{})}

// handler is what the directives share: it serves its own paths and passes everything else on.
type handler struct {
	app   *App
	table table
}

func (h *handler) provision(ctx caddy.Context, t table) error {
	app, err := ctx.App(appName)
	if err != nil {
		return err
	}
	h.app, h.table = app.(*App), t
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.table(unopened).Owns(r) {
		return next.ServeHTTP(w, r)
	}
	if holdsToken(r.URL.Path) { // the audit trail records what became of it; the access log must not
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	r = withClientIP(r)
	open := h.app.await(r.Context())
	if open == nil {
		h.table(unopened).Decorate(w.Header())
		starting(w, r, h.app)
		return nil
	}
	leave := open.core.enter()
	defer leave()
	h.table(open).TryServe(w, r)
	return nil
}

// holdsToken reports whether a path is a secret by itself.
func holdsToken(path string) bool {
	return strings.HasPrefix(path, api.PathSeed) || strings.HasPrefix(path, api.PathLoginLink) ||
		strings.HasPrefix(path, api.PathInstall) && !strings.HasPrefix(path, api.PathClient)
}

// hasServed says that an app of this process has been ready before: a start from now on is a reload.
var hasServed atomic.Bool

// reloadPatience bounds how long a request waits for a reload to end.
const reloadPatience = 5 * time.Second

// await returns what the app serves, or nil while it starts. On a reload, Caddy may send requests here before the app
// has started, though there was never a moment without a gateway: those wait, so that nobody notices.
func (a *App) await(ctx context.Context) *surfaces {
	if open := a.surfaces.Load(); open != nil || !hasServed.Load() {
		return open
	}
	ctx, cancel := context.WithTimeout(ctx, reloadPatience)
	defer cancel()
	select {
	case <-a.started:
	case <-ctx.Done():
	}
	return a.surfaces.Load()
}

// starting answers while the app is not ready: that the process lives, and to come back for everything else.
func starting(w http.ResponseWriter, r *http.Request, app *App) {
	if strings.TrimRight(r.URL.Path, "/") == api.PathLive && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		call.Serve(w, r, app.logger, api.PathLive, "", hostapi.Live)
		return
	}
	call.Refuse(w, r, app.logger, "-", call.ErrStarting)
}

func withClientIP(r *http.Request) *http.Request {
	addr := clientIP(caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey))
	return r.WithContext(call.WithClientIP(r.Context(), addr))
}

// Auth serves credentials to hosts: /auth, /sync, and beside them /host/users. What is not its own it passes on.
type Auth struct{ handler }

// CaddyModule returns the Caddy module information.
func (Auth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_auth", New: func() caddy.Module { return new(Auth) }}
}

// Provision implements caddy.Provisioner.
func (h *Auth) Provision(ctx caddy.Context) error {
	return h.provision(ctx, func(s *surfaces) *call.Table { return s.host.Auth })
}

// Usage takes what hosts report about the tokens they used: /usage. What is not its own it passes on.
type Usage struct{ handler }

// CaddyModule returns the Caddy module information.
func (Usage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_usage", New: func() caddy.Module { return new(Usage) }}
}

// Provision implements caddy.Provisioner.
func (h *Usage) Provision(ctx caddy.Context) error {
	return h.provision(ctx, func(s *surfaces) *call.Table { return s.host.Usage })
}

// Library serves the files that the fleet shares: /slash-commands. What is not its own it passes on.
type Library struct{ handler }

// CaddyModule returns the Caddy module information.
func (Library) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_library", New: func() caddy.Module { return new(Library) }}
}

// Provision implements caddy.Provisioner.
func (h *Library) Provision(ctx caddy.Context) error {
	return h.provision(ctx, func(s *surfaces) *call.Table { return s.host.Library })
}

// Installer serves what brings machines into the fleet and up to date: /install/ and the builds of cdx under it, /seed/,
// /wrapper. What is not its own it passes on.
type Installer struct{ handler }

// CaddyModule returns the Caddy module information.
func (Installer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_installer", New: func() caddy.Module { return new(Installer) }}
}

// Provision implements caddy.Provisioner.
func (h *Installer) Provision(ctx caddy.Context) error {
	return h.provision(ctx, func(s *surfaces) *call.Table { return s.host.Installer })
}

// Versions serves /versions, /livez and /readyz. What is not its own it passes on.
type Versions struct{ handler }

// CaddyModule returns the Caddy module information.
func (Versions) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_versions", New: func() caddy.Module { return new(Versions) }}
}

// Provision implements caddy.Provisioner.
func (h *Versions) Provision(ctx caddy.Context) error {
	return h.provision(ctx, func(s *surfaces) *call.Table { return s.host.Versions })
}

// console is what the two directives for admins share: whom they let in.
type console struct {
	// How callers may be identified: "certificate" (a client certificate of ours that the site's TLS has verified),
	// "session" (a cookie, got for a login link), "token" (an API token, for scripts: no page takes one). Default: certificate.
	Access []access.Kind `json:"access,omitempty"`

	handler
}

func (h *console) provision(ctx caddy.Context, t table) error {
	if len(h.Access) == 0 {
		h.Access = []access.Kind{access.Certificate}
	}
	if err := checkKinds(h.Access); err != nil {
		return err
	}
	if err := checkListeners(ctx, h.Access); err != nil {
		return err
	}
	return h.handler.provision(ctx, t)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *console) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.handler.ServeHTTP(w, r.WithContext(door.Accepting(r.Context(), h.Access)), next)
}

// Admin serves admins' scripts: JSON under /admin/, and the description of the API. What is not its own it passes on.
type Admin struct{ console }

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_admin", New: func() caddy.Module { return new(Admin) }}
}

// Provision implements caddy.Provisioner.
func (h *Admin) Provision(ctx caddy.Context) error {
	return h.provision(ctx, func(s *surfaces) *call.Table { return s.admin.Table })
}

// Dashboard serves admins' browsers: pages under /dashboard/, login links among them, to which / and /admin/ lead. What is not
// its own it passes on.
type Dashboard struct{ console }

// CaddyModule returns the Caddy module information.
func (Dashboard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_dashboard", New: func() caddy.Module { return new(Dashboard) }}
}

// Provision implements caddy.Provisioner.
func (h *Dashboard) Provision(ctx caddy.Context) error {
	if err := h.provision(ctx, func(s *surfaces) *call.Table { return s.dashboard.Table }); err != nil {
		return err
	}
	// A server that shuts down waits for what it serves, and pages would stay on their streams until its patience ends. Apps
	// stop in any order: ours may be the one after it.
	if server, known := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); known {
		server.RegisterOnShutdown(h.app.endStreams)
	}
	return nil
}

// Fallback answers what no handler before it wanted with the contract's JSON 404: Caddy itself would answer an empty
// 200. The shorthands end with it.
type Fallback struct {
	// Whether the checks of calls for hosts apply: the kill switch and the limits.
	Hosts bool `json:"hosts,omitempty"`

	app *App
}

// CaddyModule returns the Caddy module information.
func (Fallback) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_fallback", New: func() caddy.Module { return new(Fallback) }}
}

// Provision implements caddy.Provisioner.
func (h *Fallback) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appName)
	if err != nil {
		return err
	}
	h.app = app.(*App)
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Fallback) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	r = withClientIP(r)
	open := h.app.surfaces.Load()
	if !h.Hosts || open == nil {
		nothing := call.NewTable(h.app.logger, nil)
		if !h.Hosts {
			nothing.Always(admin.Headers())
		}
		nothing.ServeHTTP(w, r)
		return nil
	}
	leave := open.core.enter()
	defer leave()
	open.host.Fallback.ServeHTTP(w, r)
	return nil
}

// Interface guards
var (
	_ caddyhttp.MiddlewareHandler = (*Auth)(nil)
	_ caddyhttp.MiddlewareHandler = (*Usage)(nil)
	_ caddyhttp.MiddlewareHandler = (*Library)(nil)
	_ caddyhttp.MiddlewareHandler = (*Installer)(nil)
	_ caddyhttp.MiddlewareHandler = (*Versions)(nil)
	_ caddyhttp.MiddlewareHandler = (*Admin)(nil)
	_ caddyhttp.MiddlewareHandler = (*Dashboard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Fallback)(nil)
)
