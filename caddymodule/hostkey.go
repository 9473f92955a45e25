package caddymodule

import (
	"log/slog"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/hostapi"
)

func init() { caddy.RegisterModule(HostKey{}) }

// HostKey lets only hosts of the fleet through: a request needs a valid API key, from the address the key is bound to.
// It works before any handler, so a site of yours can be opened to the fleet and to nobody else:
//
//	cdxgate_host_key
//	reverse_proxy internal:3000
//
// Handlers behind it see who came in {cdxgate.host.id}, {cdxgate.host.fqdn} and {cdxgate.host.account}; the key itself
// they do not see. Refusals are the JSON errors of the API.
type HostKey struct {
	app    *App
	logger *slog.Logger
}

// CaddyModule returns the Caddy module information.
func (HostKey) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cdxgate_host_key", New: func() caddy.Module { return new(HostKey) }}
}

// Provision implements caddy.Provisioner.
func (h *HostKey) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appName)
	if err != nil {
		return err
	}
	h.app, h.logger = app.(*App), ctx.Slogger()
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *HostKey) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	r = withClientIP(r)
	open := h.app.await(r.Context())
	if open == nil {
		starting(w, r, h.app)
		return nil
	}
	leave := open.core.enter()
	host, account, err := open.host.Guard(r, call.ClientIP(r.Context()))
	leave() // whatever stands behind takes its own time and needs nothing of ours
	if err != nil {
		call.Refuse(w, r, h.logger, "cdxgate_host_key", err)
		return nil
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("cdxgate.host.id", strconv.FormatInt(host.ID, 10))
	repl.Set("cdxgate.host.fqdn", host.FQDN)
	repl.Set("cdxgate.host.account", account)
	repl.Set("http.auth.user.id", host.FQDN) // the access log's user_id

	r = hostapi.WithHost(r, host)
	// Whatever stands behind is not the gateway: it must not learn a key that opens the gateway.
	r.Header.Del(api.HeaderAPIKey)
	if _, isKey := fleet.ParseKey(hostapi.BearerToken(r)); isKey {
		r.Header.Del("Authorization")
	}
	return next.ServeHTTP(w, r)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*HostKey)(nil)
	_ caddyhttp.MiddlewareHandler = (*HostKey)(nil)
)
