// Package dashboard is the gateway's face to admins in a browser: pages under /dashboard/, what their forms post to, the
// files they are made of and the stream that tells them what has changed. It shows and does what the subjects know and can,
// never more than the JSON API of [internal/admin] and under the same capabilities.
//
// A page is a function that loads through the subjects, calls a pure function that makes a struct of internal/templates out of
// it, and returns that with a component. docs/development.md, "A page", walks through one.
package dashboard

import (
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// Config is what the surface is composed of. Every field is needed.
type Config struct {
	Door        *door.Door
	Certs       *adminca.Service
	Access      *access.Service
	Limits      *ratelimit.Service
	Fleet       *fleet.Service
	Credentials *credential.Service
	Policy      *policy.Service
	Usage       *usage.Service
	Quota       *quota.Service
	Library     *library.Service
	Audit       *audit.Keeper
	Codex       *release.Codex
	Store       *db.Store              // the audit trail, and what is said about all hosts at once, are read from it
	PublicTLS   func() publictls.Trust // what a machine needs to recognise the public URL's certificate now
	PublicURL   string                 // that hosts reach the gateway by
	Version     string                 // of the gateway, and of the clients that it hands out
	Now         func() time.Time       // Default: time.Now
	Logger      *slog.Logger
	Live        LiveConfig // the zero value is ready for production
}

// Surface serves admins' browsers. End its streams when it is not to serve any more.
type Surface struct {
	*call.Table
	cfg   Config
	live  *live
	needs map[string]access.Capability // :: "METHOD path" → what the visitor must be allowed; openToAll: nothing
}

// New makes the surface. A route that says nothing about who may come is a mistake in this program, which then does not start.
func New(cfg Config) *Surface {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Surface{Table: call.NewTable(cfg.Logger, nil), cfg: cfg, needs: map[string]access.Capability{}}
	s.live = newLive(cfg.Live, s.readMarks, cfg.Logger)
	s.Always(headers())
	s.RefuseBy(s.refuse)

	s.redirect("/", home)
	s.redirect("/admin", home)
	s.page("/dashboard", access.HostRead, s.overview)
	s.form(pathQuotaRefresh, access.QuotaRefresh, s.refreshQuota)
	s.page("/dashboard/jump", access.HostRead, s.jump)
	s.page("/dashboard/switch", access.PolicyRead, s.showSwitch)
	s.form("/dashboard/switch", access.PolicyWrite, s.turnSwitch)
	s.handleHostList()
	s.handleHost()
	s.handleUsage()
	s.handleSettings()
	s.handleCodex()
	s.handleAccess()
	s.open(http.MethodGet, "/dashboard/{}", func(http.ResponseWriter, *call.Request) error { return call.ErrNoRoute })
	s.handleCredentials()
	s.handleStart()
	s.handleLibrary()
	s.handleAudit()
	s.handleVisit()
	s.handleLogin()
	s.handleStatic()
	s.demandCapabilities()
	return s
}

// handleUsage adds the pages about tokens and cost.
func (s *Surface) handleUsage() {
	s.page(pathUsage, access.UsageRead, s.usage)
	s.page(pathIngests, access.UsageRead, s.ingests)
	s.page(pathIngests+"/{}", access.UsageRead, s.ingest)
	s.file(pathUsageCSV, access.UsageRead, s.usageCSV)
	s.file(pathUsageDaysCSV, access.UsageRead, s.usageDaysCSV)
	s.file(pathIngestsCSV, access.UsageRead, s.ingestsCSV)
}

// handleVisit adds what belongs to the visit and not to the fleet: the theme, the end of the session, the stream of changes.
func (s *Surface) handleVisit() {
	s.open(http.MethodPost, "/dashboard/theme", s.setTheme)
	s.form("/dashboard/logout", access.Self, s.logOut)
	s.needs[http.MethodGet+" "+pathEvents] = access.Self
	s.HandleAs(call.Streams, http.MethodGet, pathEvents, s.events)
}

// handleLogin adds the pages that make a session of a link from the console.
func (s *Surface) handleLogin() {
	s.open(http.MethodGet, api.PathLogin, s.loggedIn)
	s.open(http.MethodGet, api.PathLoginLink+"{}", s.showLink)
	s.open(http.MethodPost, api.PathLoginLink+"{}", s.useLink)
}

// handleStatic adds the files that pages are made of.
func (s *Surface) handleStatic() {
	for _, file := range templates.StaticFiles {
		s.open(http.MethodGet, templates.StaticBase+file.Path, serveStatic(file))
	}
}

// Close ends the streams. Pages are served on.
func (s *Surface) Close() { s.live.close() }

// openToAll is what a route needs that finds out by itself who comes, or that does not matter to.
const openToAll access.Capability = "-"

// Capabilities tell what each "METHOD path" of the surface needs; "-" is one that asks by itself who comes.
func (s *Surface) Capabilities() map[string]access.Capability { return maps.Clone(s.needs) }

// demandCapabilities stops the program over a route that got past page, form and open.
func (s *Surface) demandCapabilities() {
	for _, route := range s.Routes() {
		if needs := s.needs[route]; needs != openToAll && !access.Known(needs) {
			panic("dashboard: nobody said who may come to " + route)
		}
	}
}

// page adds a page for those who may do what it needs. serve loads what it shows; see [page].
func (s *Surface) page(path string, needs access.Capability, serve func(*visit) (page, error)) {
	s.add(http.MethodGet, path, needs, func(w http.ResponseWriter, v *visit) error {
		shown, err := serve(v)
		if err != nil {
			return err
		}
		return s.show(w, v, shown)
	})
}

// form adds what a form posts to. serve acts, then says where the browser goes, or shows the form again with what is wrong;
// see [done] and [page]. A cross-site post, and one by a script, never gets here.
func (s *Surface) form(path string, needs access.Capability, serve func(*visit) (outcome, error)) {
	s.add(http.MethodPost, path, needs, func(w http.ResponseWriter, v *visit) error {
		out, err := serve(v)
		if err != nil {
			return err
		}
		return out.answer(s, w, v)
	})
}

// file adds what a browser downloads: an export. serve writes it; before it has written, it may return an error.
func (s *Surface) file(path string, needs access.Capability, serve func(http.ResponseWriter, *visit) error) {
	s.add(http.MethodGet, path, needs, serve)
}

func (s *Surface) add(method, path string, needs access.Capability, serve func(http.ResponseWriter, *visit) error) {
	if !access.Known(needs) {
		panic("dashboard: " + method + " " + path + " needs " + string(needs) + ", which nobody has")
	}
	s.needs[method+" "+path] = needs
	s.HandleAs(call.Posts, method, path, func(w http.ResponseWriter, r *call.Request) (any, error) {
		who, err := s.cfg.Door.AdmitBrowser(r, needs)
		if who.By == "" {
			return nil, err
		}
		v := s.enter(r, who)
		if err != nil {
			return nil, err
		}
		return nil, serve(w, v)
	})
}

// open adds a route that asks by itself who comes, or not at all.
func (s *Surface) open(method, path string, serve func(http.ResponseWriter, *call.Request) error) {
	s.needs[method+" "+path] = openToAll
	s.HandleAs(call.Posts, method, path, func(w http.ResponseWriter, r *call.Request) (any, error) { return nil, serve(w, r) })
}

func (s *Surface) redirect(from, to string) {
	s.open(http.MethodGet, from, func(w http.ResponseWriter, r *call.Request) error {
		http.Redirect(w, r.Request, to, http.StatusSeeOther)
		return nil
	})
}
