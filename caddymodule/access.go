package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/cdxgate/cdxgate/internal/access"
)

// parseAdmin reads the directive for admins' calls, as [parseAccess] says.
func parseAdmin(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	kinds, err := parseAccess(h.Dispenser)
	if err != nil {
		return nil, err
	}
	return &Admin{console{Access: kinds}}, nil
}

// parseDashboard reads the directive for admins' pages, as [parseAccess] says.
func parseDashboard(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	kinds, err := parseAccess(h.Dispenser)
	if err != nil {
		return nil, err
	}
	return &Dashboard{console{Access: kinds}}, nil
}

// parseConsole reads the shorthand for everything that admins need, and the 404 for everything else, as [parseAccess] says.
func parseConsole(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	kinds, err := parseAccess(h.Dispenser)
	if err != nil {
		return nil, err
	}
	var handlers []string
	for _, name := range []string{"cdxgate_admin", "cdxgate_dashboard"} {
		handler, err := json.Marshal(struct {
			Handler string        `json:"handler"`
			Access  []access.Kind `json:"access,omitempty"`
		}{name, kinds})
		if err != nil {
			return nil, err
		}
		handlers = append(handlers, string(handler))
	}
	return chain(append(handlers, `{"handler":"cdxgate_fallback"}`)), nil
}

// parseAccess reads what a site for admins accepts; without the option, certificates only:
//
//	cdxgate_console [<matcher>] {
//		access certificate|session|token [...]
//	}
func parseAccess(d *caddyfile.Dispenser) (kinds []access.Kind, err error) {
	d.Next()
	directive := d.Val()
	if d.NextArg() {
		return nil, d.Errf("%s takes no arguments, got %q", directive, d.Val())
	}
	for d.NextBlock(0) {
		switch {
		case d.Val() != "access":
			return nil, d.Errf("unknown option %q of %s", d.Val(), directive)
		case kinds != nil:
			return nil, d.Err("option \"access\" stands twice")
		}
		for _, word := range d.RemainingArgs() {
			kinds = append(kinds, access.Kind(word))
		}
		if len(kinds) == 0 {
			return nil, d.Errf("option \"access\" wants one or more of %v", access.Kinds)
		}
		if err := checkKinds(kinds); err != nil {
			return nil, d.Err(err.Error())
		}
		for d.NextBlock(1) {
			return nil, d.Errf("option \"access\" takes no block, got %q", d.Val())
		}
	}
	return kinds, nil
}

func checkKinds(kinds []access.Kind) error {
	for i, kind := range kinds {
		if !slices.Contains(access.Kinds, kind) {
			return fmt.Errorf("option “access” wants one or more of %v, got %q", access.Kinds, kind)
		}
		if slices.Contains(kinds[:i], kind) {
			return fmt.Errorf("option “access” has %q twice", kind)
		}
	}
	return nil
}

// checkListeners refuses to show tokens and sessions to whoever listens on the way: they need TLS wherever somebody else
// than this machine can connect. A handler that stands in no server of its own cannot know; there each request decides.
func checkListeners(ctx caddy.Context, kinds []access.Kind) error {
	server, known := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !known || !slices.ContainsFunc(kinds, func(kind access.Kind) bool { return kind != access.Certificate }) {
		return nil
	}
	plainPort := caddyhttp.DefaultHTTPPort
	if app, err := ctx.App("http"); err == nil { // which is being provisioned, so it is there
		if configured := app.(*caddyhttp.App).HTTPPort; configured != 0 {
			plainPort = configured
		}
	}
	for _, text := range server.Listen {
		listener, err := caddy.ParseNetworkAddress(text)
		if err != nil {
			return err
		}
		// As the server itself decides: with TLS, except on the port that is HTTP's.
		encrypted := len(server.TLSConnPolicies) > 0 && int(listener.StartPort) != plainPort
		if !encrypted && !isLocal(listener) {
			return fmt.Errorf("“access %s” on %s: tokens and sessions need TLS, or a site that is bound to this machine (bind 127.0.0.1)", kinds, text)
		}
	}
	return nil
}

// isLocal reports whether only this machine can connect to a listener.
func isLocal(listener caddy.NetworkAddress) bool {
	if listener.IsUnixNetwork() || listener.Host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(listener.Host)
	return err == nil && addr.Unmap().IsLoopback()
}
