// Package hostapi is the gateway's face to hosts and to machines about to become hosts. The routes are the list in New.
package hostapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/release"
)

// Config is what the surface is composed of. Every field is needed.
type Config struct {
	Fleet          *fleet.Service
	Credentials    *credential.Service
	Clients        *release.Clients
	PublicURL      string // base URL hosts use, without a trailing slash
	InstallationID string
	Version        string                      // of the gateway and of the cdx it hands out
	Ping           func(context.Context) error // nil error: the database answers
	Logger         *slog.Logger
}

// Surface serves hosts. Its three tables can be mounted apart; each answers only its own paths.
type Surface struct {
	Auth      *call.Table // credentials
	Installer *call.Table // enrolment and client binaries
	Versions  *call.Table // versions and health

	cfg Config
}

// New makes the surface.
func New(cfg Config) *Surface {
	s := &Surface{
		Auth: call.NewTable(cfg.Logger), Installer: call.NewTable(cfg.Logger), Versions: call.NewTable(cfg.Logger), cfg: cfg,
	}
	s.Auth.Handle(http.MethodPost, api.PathAuth, s.auth)
	s.Auth.Handle(http.MethodDelete, api.PathAuth, s.leave)

	s.Installer.Handle(http.MethodGet, api.PathInstall+"{}", s.installer)
	s.Installer.Handle(http.MethodPost, api.PathInstall+"{}", s.enrol)
	s.Installer.Handle(http.MethodGet, api.PathClient+"{}", s.client)

	s.Versions.Handle(http.MethodGet, api.PathVersions, s.versions)
	s.Versions.Handle(http.MethodGet, api.PathLive, Live)
	s.Versions.Handle(http.MethodGet, api.PathReady, s.ready)
	return s
}

// Routes lists "METHOD path" of every route.
func (s *Surface) Routes() []string {
	return append(append(s.Auth.Routes(), s.Installer.Routes()...), s.Versions.Routes()...)
}

type hostKey struct{}

// WithHost tells the calls below ctx that a host was authenticated already.
func WithHost(ctx context.Context, host *db.Host) context.Context {
	return context.WithValue(ctx, hostKey{}, host)
}

// Authenticate decides whose call r is, unless that was decided before.
func (s *Surface) Authenticate(r *http.Request, from netip.Addr, opts fleet.AuthenticateOptions) (*db.Host, error) {
	if host, ok := r.Context().Value(hostKey{}).(*db.Host); ok {
		return host, nil // from its own address, so there is nothing to force
	}
	return s.cfg.Fleet.Authenticate(r.Context(), presentedKey(r), from, opts)
}

// Identify is Authenticate with the name of the host's account.
func (s *Surface) Identify(r *http.Request, from netip.Addr, opts fleet.AuthenticateOptions) (host *db.Host, account string, err error) {
	if host, err = s.Authenticate(r, from, opts); err != nil {
		return nil, "", err
	}
	account, err = s.cfg.Fleet.AccountName(r.Context(), host)
	return host, account, err
}

// presentedKey is X-API-Key if there is one, else the bearer token.
func presentedKey(r *http.Request) string {
	if key := r.Header.Get(api.HeaderAPIKey); key != "" && key != "0" {
		return key
	}
	return BearerToken(r)
}

// BearerToken is the token of r's Authorization header; "" when it holds none.
func BearerToken(r *http.Request) string {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		return ""
	}
	return token
}
