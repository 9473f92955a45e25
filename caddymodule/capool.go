package caddymodule

import (
	"crypto/x509"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/cdxgate/cdxgate/internal/adminca"
)

func init() { caddy.RegisterModule(CAPool{}) }

// CAPool trusts client certificates signed by the gateway's own admin authority or by those of the option admin_ca, and
// nobody else's:
//
//	client_auth {
//		mode require_and_verify
//		trust_pool cdxgate
//	}
//
// Until the first `cdxgate admin cert add` there is no authority of ours; without admin_ca the pool then refuses everybody.
type CAPool struct{ pool *x509.CertPool }

// CaddyModule returns the Caddy module information.
func (CAPool) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.ca_pool.source.cdxgate", New: func() caddy.Module { return new(CAPool) }}
}

// Provision reads the authority's certificate from the data directory; those of admin_ca the app has read. It may read
// nothing else: the database is not open.
func (p *CAPool) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appName)
	if err != nil {
		return err
	}
	ours := app.(*App)
	p.pool, _, err = adminca.Pool(adminca.PoolFile(ours.config.DataDir), ours.adminCA...)
	return err
}

// CertPool implements caddytls.CA. It is never nil: crypto/tls takes nil for the system's authorities.
func (p *CAPool) CertPool() *x509.CertPool {
	if p.pool == nil {
		return x509.NewCertPool()
	}
	return p.pool
}

// UnmarshalCaddyfile sets up the pool from Caddyfile tokens. It takes no options.
func (p *CAPool) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name
	if d.NextArg() {
		return d.Errf("trust_pool cdxgate takes no arguments, got %q", d.Val())
	}
	for d.NextBlock(d.Nesting()) {
		return d.Errf("trust_pool cdxgate takes no options, got %q", d.Val())
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*CAPool)(nil)
	_ caddyfile.Unmarshaler = (*CAPool)(nil)
	_ caddytls.CA           = (*CAPool)(nil)
)
