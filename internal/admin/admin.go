// Package admin is the gateway's face to admins and their scripts: JSON under /admin/, and the description of the API, which
// is a page under /dashboard/api, too. describe.go says what the routes are. Every call is an actor's whom
// the gateway identified itself; no header of a proxy ever counts.
package admin

import (
	"log/slog"
	"mime"
	"net/http"
	"strconv"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/openapi"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// Refusals of the surface.
var (
	ErrContentType = errs.New(errs.Unsupported, "json_required", "Content-Type must be application/json")
	ErrCrossOrigin = errs.New(errs.Forbidden, "cross_origin", "cross-origin request refused")
)

// Config is what the surface is composed of. Every field is needed.
type Config struct {
	Fleet       *fleet.Service
	Credentials *credential.Service
	Certs       *adminca.Service
	Limits      *ratelimit.Service
	PublicTLS   func() publictls.Trust // what a machine needs to recognise the public URL's certificate now
	Hosts       []openapi.Group        // the calls for hosts, to be described beside the surface's own
	Version     string                 // of the gateway
	Logger      *slog.Logger
}

// Surface serves admins.
type Surface struct {
	*call.Table
	cfg    Config
	origin *http.CrossOriginProtection
}

// New makes the surface.
func New(cfg Config) *Surface {
	s := &Surface{Table: call.NewTable(cfg.Logger, nil), cfg: cfg, origin: http.NewCrossOriginProtection()}
	s.handle(http.MethodPost, api.PathHostRegister, s.register)
	s.handle(http.MethodDelete, "/admin/hosts/{}", s.deleteHost)
	s.handle(http.MethodPost, api.PathSeedCommand, s.seedCommand)
	s.handleDescription()
	return s
}

type actorFunc func(r *call.Request, by audit.Actor) (any, error)

// handle adds a route that is open to admitted admins only: there is no other way to add one.
func (s *Surface) handle(method, path string, serve actorFunc) {
	s.Handle(method, path, func(_ http.ResponseWriter, r *call.Request) (any, error) {
		by, err := s.admit(r)
		if err != nil {
			return nil, err
		}
		return serve(r, by)
	})
}

// admit identifies the caller, then refuses what a browser was tricked into sending: it shows its certificate to
// whoever makes it call.
func (s *Surface) admit(r *call.Request) (audit.Actor, error) {
	if r.TLS == nil {
		return audit.Actor{}, adminca.ErrNoCertificate
	}
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.AdminFail, r.From); err != nil {
		return audit.Actor{}, err
	}
	identity, err := s.cfg.Certs.Admit(r.Context(), r.TLS.VerifiedChains)
	if refusal := errs.Of(err); refusal != nil && refusal.Kind == errs.Forbidden {
		return audit.Actor{}, s.cfg.Limits.Failure(r.Context(), ratelimit.AdminFail, r.From, refusal)
	}
	if err != nil {
		return audit.Actor{}, err
	}
	if err := s.origin.Check(r.Request); err != nil {
		return audit.Actor{}, ErrCrossOrigin.WithCause(err)
	}
	if len(r.Body) > 0 {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return audit.Actor{}, ErrContentType
		}
	}
	return audit.Actor{Kind: audit.KindAdmin, Name: identity.Name, IP: r.From}, nil
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
	return map[string]int64{"deleted": id}, nil
}

// seedCommand mints a seed token and answers the command that uploads a machine's login with it.
func (s *Surface) seedCommand(r *call.Request, by audit.Actor) (any, error) {
	seed, err := s.cfg.Credentials.NewSeed(r.Context(), credential.DefaultAccount, by)
	if err != nil {
		return nil, err
	}
	return credential.WireSeed(seed, s.cfg.PublicTLS()), nil
}
