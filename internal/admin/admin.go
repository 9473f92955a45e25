// Package admin is the gateway's face to admins and their scripts: JSON under /admin/, and the description of the API, which
// is a page under /dashboard/api, too. describe.go says what the
// routes are. Every call is an actor's whom the gateway identified itself and who may do what the route needs; no header of
// a proxy ever counts.
package admin

import (
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/openapi"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// Config is what the surface is composed of. Every field is needed.
type Config struct {
	Fleet       *fleet.Service
	Credentials *credential.Service
	Certs       *adminca.Service
	Access      *access.Service
	Door        *door.Door
	Policy      *policy.Service
	Usage       *usage.Service
	Quota       *quota.Service
	Library     *library.Service
	Codex       *release.Codex
	Store       *db.Store              // the audit trail, and what is said about all hosts at once, are read from it
	PublicTLS   func() publictls.Trust // what a machine needs to recognise the public URL's certificate now
	Hosts       []openapi.Group        // the calls for hosts, to be described beside the surface's own
	Version     string                 // of the gateway, and of the clients that it hands out
	InstallID   string                 // of this installation
	Now         func() time.Time       // Default: time.Now
	Logger      *slog.Logger
}

// Headers are what every answer of the surface has: none of them is ever a page that runs, loads or frames anything, and
// none is what its first bytes look like.
func Headers() http.Header {
	return http.Header{
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Referrer-Policy":              {"same-origin"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
	}
}

// Surface serves admins.
type Surface struct {
	*call.Table
	cfg   Config
	needs map[string]access.Capability // :: "METHOD path" → what the caller must be allowed
}

// New makes the surface. A route that says nothing about who may call it is a mistake in this program, which then does
// not start.
func New(cfg Config) *Surface {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Surface{Table: call.NewTable(cfg.Logger, nil), cfg: cfg, needs: map[string]access.Capability{}}
	s.Always(Headers())
	s.handleVisitor(http.MethodGet, api.PathWhoAmI, access.Self, s.whoAmI)
	s.handle(http.MethodPost, api.PathHostRegister, access.HostEnrol, s.register)
	s.handle(http.MethodDelete, "/admin/hosts/{}", access.HostWrite, s.deleteHost)
	s.handle(http.MethodPost, api.PathSeedCommand, access.SeedWrite, s.seedCommand)
	s.handleHosts()
	s.handleFleet()
	s.handleCredentials()
	s.handleReading()
	s.handleLibrary()
	s.handleAdmins()
	s.handleDescription()
	s.demandCapabilities()
	return s
}

// handleHosts adds the routes about hosts.
func (s *Surface) handleHosts() {
	s.handle(http.MethodGet, "/admin/hosts", access.HostRead, s.hosts)
	s.handle(http.MethodGet, "/admin/hosts/insecure", access.HostRead, s.insecureHosts)
	s.handleVisitor(http.MethodGet, "/admin/hosts/{}/auth", access.HostRead, s.hostAuth)
	s.handle(http.MethodPost, "/admin/hosts/{}/clear", access.HostWrite, s.clearHost)
	s.handle(http.MethodPost, "/admin/hosts/{}/roaming", access.HostWrite, s.changeHost(roaming))
	s.handle(http.MethodPost, "/admin/hosts/{}/secure", access.HostWrite, s.changeHost(secure))
	s.handle(http.MethodPost, "/admin/hosts/{}/vip", access.HostWrite, s.changeHost(vip))
	s.handle(http.MethodPost, "/admin/hosts/{}/ipv4", access.HostWrite, s.changeHost(ipv4))
	s.handle(http.MethodPost, "/admin/hosts/{}/model", access.HostWrite, s.changeHost(model))
	s.handle(http.MethodPost, "/admin/hosts/{}/codex-version", access.HostWrite, s.changeHost(hostVersion))
	s.handle(http.MethodPost, "/admin/hosts/{}/curl-insecure", access.HostWrite, s.curlInsecure)
	s.handle(http.MethodPost, "/admin/hosts/{}/insecure/enable", access.HostWrite, s.openWindow)
	s.handle(http.MethodPost, "/admin/hosts/{}/insecure/disable", access.HostWrite, s.closeWindow)
	s.handle(http.MethodPost, "/admin/hosts/{}/suspend", access.HostWrite, s.changeHost(suspend))
	s.handle(http.MethodPost, "/admin/hosts/{}/resume", access.HostWrite, s.changeHost(resume))
	s.handle(http.MethodPost, "/admin/hosts/{}/unbind", access.HostWrite, s.changeHost(unbind))
	s.handleVisitor(http.MethodPost, "/admin/hosts/{}/rotate", access.HostWrite, s.rotateKey)
	s.handle(http.MethodPost, "/admin/hosts/{}/rename", access.HostWrite, s.renameHost)
	s.handle(http.MethodGet, "/admin/hosts/{}/labels", access.HostRead, s.hostLabels)
	s.handle(http.MethodPost, "/admin/hosts/{}/labels", access.HostWrite, s.labelHost)
	s.handle(http.MethodPost, "/admin/hosts/batch", access.HostWrite, s.batch)
}

// handleFleet adds the routes about what holds for all hosts.
func (s *Surface) handleFleet() {
	s.handleAs(call.Forms, http.MethodPost, "/admin/auth/upload", access.CredentialWrite, s.upload)
	s.handle(http.MethodGet, "/admin/api/state", access.PolicyRead, s.decided(apiState))
	s.handle(http.MethodPost, "/admin/api/state", access.PolicyWrite, s.decide(apiState))
	s.handle(http.MethodGet, "/admin/quota-mode", access.PolicyRead, s.decided(quotaMode))
	s.handle(http.MethodPost, "/admin/quota-mode", access.PolicyWrite, s.decide(quotaMode))
	s.handle(http.MethodGet, "/admin/cdx-silent", access.PolicyRead, s.decided(cdxSilent))
	s.handle(http.MethodPost, "/admin/cdx-silent", access.PolicyWrite, s.decide(cdxSilent))
	s.handle(http.MethodPost, "/admin/codex-version", access.PolicyWrite, s.decideVersion)
	s.handle(http.MethodPost, "/admin/versions/check", access.PolicyWrite, s.checkVersions)
	s.handle(http.MethodPost, "/admin/prune-policy", access.PolicyWrite, s.decide(prunePolicy))
	s.handle(http.MethodPost, "/admin/chatgpt/usage/refresh", access.QuotaRefresh, s.refreshQuota)
	s.handle(http.MethodGet, "/admin/runner", access.CredentialRead, s.runner)
	s.handle(http.MethodPost, "/admin/runner/run", access.CredentialWrite, s.runRunner)
}

// handleReading adds the routes that only tell.
func (s *Surface) handleReading() {
	s.handle(http.MethodGet, "/admin/overview", access.HostRead, s.overview)
	s.handle(http.MethodGet, "/admin/logs", access.AuditRead, s.logs)
	s.handle(http.MethodGet, "/admin/usage", access.UsageRead, s.usages)
	s.handle(http.MethodGet, "/admin/usage/ingests", access.UsageRead, s.ingests)
	s.handle(http.MethodGet, "/admin/usage/cost-history", access.UsageRead, s.costHistory)
	s.handle(http.MethodGet, "/admin/tokens", access.UsageRead, s.tokens)
	s.handle(http.MethodGet, "/admin/chatgpt/usage", access.UsageRead, s.quota)
	s.handle(http.MethodGet, "/admin/chatgpt/usage/history", access.UsageRead, s.quotaHistory)
}

// handleLibrary adds the routes about the files that hosts share.
func (s *Surface) handleLibrary() {
	s.handle(http.MethodGet, "/admin/slash-commands", access.LibraryRead, s.slashList)
	s.handle(http.MethodGet, "/admin/slash-commands/{}", access.LibraryRead, s.slashGet)
	s.handle(http.MethodDelete, "/admin/slash-commands/{}", access.LibraryWrite, s.slashDelete)
	s.handle(http.MethodPost, "/admin/slash-commands/store", access.LibraryWrite, s.slashStore)
	s.handle(http.MethodGet, "/admin/slash-commands/{}/versions", access.LibraryRead, s.slashVersions)
	s.handle(http.MethodPost, "/admin/slash-commands/{}/restore", access.LibraryWrite, s.slashRestore)
	s.handle(http.MethodGet, "/admin/slash-command-proposals", access.LibraryRead, s.slashProposals)
	s.handle(http.MethodGet, "/admin/slash-command-proposals/{}", access.LibraryRead, s.slashProposal)
	s.handle(http.MethodPost, "/admin/slash-command-proposals/{}/accept", access.LibraryWrite, s.slashAccept)
	s.handle(http.MethodPost, "/admin/slash-command-proposals/{}/discard", access.LibraryWrite, s.slashDiscard)
}

// handleAdmins adds the routes about who may use the surface.
func (s *Surface) handleAdmins() {
	s.handle(http.MethodGet, "/admin/certificates", access.AdminRead, s.certificates)
	s.handle(http.MethodPost, "/admin/certificates/revoke", access.AdminWrite, s.revokeCertificates)
	s.handle(http.MethodGet, "/admin/api-tokens", access.AdminRead, s.apiTokens)
	s.handleVisitor(http.MethodPost, "/admin/api-tokens", access.AdminWrite, s.makeToken)
	s.handle(http.MethodDelete, "/admin/api-tokens/{}", access.AdminWrite, s.revokeToken)
	s.handle(http.MethodGet, "/admin/sessions", access.AdminRead, s.sessions)
	s.handle(http.MethodDelete, "/admin/sessions/{}", access.AdminWrite, s.revokeSession)
}

// demandCapabilities stops the program over a route that got past handle.
func (s *Surface) demandCapabilities() {
	for _, route := range s.Routes() {
		if s.needs[route] == "" {
			panic("admin: nobody said who may call " + route)
		}
	}
}

// Capabilities tell what each "METHOD path" of the surface needs.
func (s *Surface) Capabilities() map[string]access.Capability { return maps.Clone(s.needs) }

type actorFunc func(r *call.Request, by audit.Actor) (any, error)

// handle adds a route for admins who may do what it needs.
func (s *Surface) handle(method, path string, needs access.Capability, serve actorFunc) {
	s.handleAs(call.Ordinary, method, path, needs, serve)
}

func (s *Surface) handleAs(rules call.Rules, method, path string, needs access.Capability, serve actorFunc) {
	s.add(rules, method, path, needs, func(_ http.ResponseWriter, r *call.Request, v door.Visitor) (any, error) { return serve(r, v.Actor) })
}

// handleVisitor is handle for a route that wants to know more about its caller.
func (s *Surface) handleVisitor(method, path string, needs access.Capability, serve func(*call.Request, door.Visitor) (any, error)) {
	s.add(call.Ordinary, method, path, needs, func(_ http.ResponseWriter, r *call.Request, v door.Visitor) (any, error) { return serve(r, v) })
}

type visitorFunc func(http.ResponseWriter, *call.Request, door.Visitor) (any, error)

func (s *Surface) add(rules call.Rules, method, path string, needs access.Capability, serve visitorFunc) {
	if !access.Known(needs) {
		panic("admin: " + method + " " + path + " needs " + string(needs) + ", which nobody has")
	}
	s.needs[method+" "+path] = needs
	s.HandleAs(rules, method, path, func(w http.ResponseWriter, r *call.Request) (any, error) {
		v, err := s.cfg.Door.Admit(r, needs)
		if err != nil {
			return nil, err
		}
		return serve(w, r, v)
	})
}

// whoAmI tells a caller how he was identified and what he may do.
func (s *Surface) whoAmI(_ *call.Request, v door.Visitor) (any, error) {
	return api.WhoAmI{
		Name: v.Name, Access: string(v.By), Role: string(v.Role), Capabilities: access.Words(v.Capabilities()), ExpiresAt: api.Time{Time: v.ExpiresAt},
	}, nil
}

// register adds a host, or gives an existing one a new key; the old key is dead when this answers.
func (s *Surface) register(r *call.Request, by audit.Actor) (any, error) {
	var request api.RegisterRequest
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	flags := map[string]api.FlexBool{"secure": request.Secure, "vip": request.VIP, "temporary": request.Temporary}
	for field, flag := range flags {
		if flag.Invalid {
			return nil, errs.Field(field, field+" must be boolean")
		}
	}
	registration := fleet.Registration{
		FQDN: request.FQDN, Insecure: !request.Secure.Or(true), VIP: request.VIP.Or(false), Rekey: true,
	}
	if request.Temporary.Present {
		registration.Temporary = new(request.Temporary.Or(false))
	}
	enrolment, err := s.cfg.Fleet.Register(r.Context(), registration, by)
	if err != nil {
		return nil, err
	}
	return fleet.WireEnrolment(enrolment, s.cfg.PublicTLS()), nil
}

// deleteHost removes a host; its key is dead when this answers.
func (s *Surface) deleteHost(r *call.Request, by audit.Actor) (any, error) {
	id, err := strconv.ParseInt(r.Param, 10, 64)
	if err != nil {
		return nil, call.ErrNoRoute
	}
	if _, err := s.cfg.Fleet.Delete(r.Context(), id, by, audit.ActionAdminHostDelete); err != nil {
		return nil, err
	}
	return deletedHost{id}, nil
}

// seedCommand mints a seed token and answers the command that uploads a machine's login with it.
func (s *Surface) seedCommand(r *call.Request, by audit.Actor) (any, error) {
	seed, err := s.cfg.Credentials.NewSeed(r.Context(), credential.DefaultAccount, by)
	if err != nil {
		return nil, err
	}
	return credential.WireSeed(seed, s.cfg.PublicTLS()), nil
}
