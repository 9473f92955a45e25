// Package hostapi is the gateway's face to hosts and to machines about to become hosts. The routes are the list in New.
package hostapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/signing"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// Config is what the surface is composed of. Every field is needed.
type Config struct {
	Fleet          *fleet.Service
	Credentials    *credential.Service
	Clients        *release.Clients
	Codex          *release.Codex
	Usage          *usage.Service
	Quota          *quota.Service
	Library        *library.Service
	Policy         *policy.Service
	Limits         *ratelimit.Service
	Signer         *signing.Signer
	Downloads      *ratelimit.Flow // bytes of client builds
	PublicURL      string          // base URL hosts use, without a trailing slash
	PublicCA       func() string   // PEM of the private authority that signs the public URL's certificate now, or ""
	Updates        Updates
	InstallationID string
	Version        string                      // of the gateway and of the cdx it hands out
	Ping           func(context.Context) error // nil error: the database answers
	Logger         *slog.Logger
}

// Updates is how the clients of the fleet are kept up to date.
type Updates struct {
	Auto          bool   // cdx updates itself
	ReleaseKey    string // minisign public key of who signs builds beside the gateway; "": nobody has to
	Rollback      bool   // the builds are older than others of before, on purpose
	CodexReleases string // base URL of a releases API like GitHub's to get Codex from; "": GitHub's
}

// Surface serves hosts. Its tables can be mounted apart; each answers only its own paths.
type Surface struct {
	Auth      *call.Table // credentials
	Usage     *call.Table // token usage
	Installer *call.Table // enrolment, seeding, client binaries
	Library   *call.Table // shared files
	Versions  *call.Table // versions and health
	Fallback  *call.Table // no path: the 404 for what nobody owns, behind the same gate

	cfg       Config
	keepsKeys bool // cdx would send a key to the public URL
	builds    signedBuilds
}

// New makes the surface.
func New(cfg Config) *Surface {
	s := &Surface{cfg: cfg, keepsKeys: keepsKeysSecret(cfg.PublicURL)}
	for _, table := range []**call.Table{&s.Auth, &s.Usage, &s.Installer, &s.Library, &s.Versions, &s.Fallback} {
		*table = call.NewTable(cfg.Logger, s.gate)
	}
	s.Auth.Handle(http.MethodPost, api.PathAuth, s.auth)
	s.Auth.Handle(http.MethodDelete, api.PathAuth, s.leave)
	s.Auth.Handle(http.MethodPost, api.PathHostUsers, s.users)
	s.Auth.Handle(http.MethodPost, api.PathSync, s.sync)

	s.Usage.Handle(http.MethodPost, api.PathUsage, s.usage)

	s.Library.Handle(http.MethodGet, api.PathSlash, s.slashList)
	s.Library.Handle(http.MethodPost, api.PathSlashGet, s.slashRetrieve)
	s.Library.Handle(http.MethodPost, api.PathSlashStore, s.slashStore)

	s.Installer.HandleAs(call.Uncounted, http.MethodGet, api.PathInstall+"{}", s.installer)
	s.Installer.HandleAs(call.Uncounted, http.MethodPost, api.PathInstall+"{}", s.enrol)
	s.Installer.HandleAs(call.Uncounted, http.MethodGet, api.PathClient+"{}", s.client)
	s.Installer.HandleAs(call.Uncounted, http.MethodGet, api.PathSeed+"{}", s.seeder)
	s.Installer.HandleAs(call.Uncounted, http.MethodPost, api.PathSeed+"{}", s.seed)
	s.Installer.Handle(http.MethodGet, api.PathWrapper, s.wrapper)
	s.Installer.Handle(http.MethodGet, api.PathWrapperFile, s.wrapperFile)

	s.Versions.Handle(http.MethodGet, api.PathVersions, s.versions)
	s.Versions.HandleAs(call.Exempt, http.MethodGet, api.PathLive, Live)
	s.Versions.HandleAs(call.Exempt, http.MethodGet, api.PathReady, s.ready)
	return s
}

// Tables are the surface's tables in the order of the shorthand that mounts them all; the fallback is not among them.
func (s *Surface) Tables() []*call.Table {
	return []*call.Table{s.Installer, s.Auth, s.Usage, s.Library, s.Versions}
}

// Routes lists "METHOD path" of every route.
func (s *Surface) Routes() (all []string) {
	for _, table := range s.Tables() {
		all = append(all, table.Routes()...)
	}
	return all
}
