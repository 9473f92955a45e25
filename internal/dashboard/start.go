package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

const pathStart = "/dashboard/start"

// skipCookie says that somebody does not want to be led to the first host.
const (
	skipCookie = "__Host-cdxgate-start"
	skipFor    = 180 * 24 * time.Hour
)

// handleStart adds the guided way from an empty gateway to its first host.
func (s *Surface) handleStart() {
	s.page(pathStart, access.HostRead, s.start)
	s.form(pathStart+"/skip", access.Self, s.skipStart)
	s.form(pathStart, access.CredentialWrite, s.startUpload)
	s.form(pathStart+"/seed", access.SeedWrite, s.startSeed)
	s.form(pathStart+"/host", access.HostEnrol, s.startHost)
}

// unstarted reports whether the fleet has no login, or no host that ever made contact.
func (f *overviewFacts) unstarted() bool {
	return f.current.Number == 0 || f.counts.Hosts == f.counts.NeverSeen
}

// leadsToStart reports whether whoever opens the overview is led to the first host instead: in a browser's window, who can take
// the steps and has not said that he does not want to.
func leadsToStart(v *visit, f *overviewFacts) bool {
	_, err := v.Cookie(skipCookie)
	return err != nil && f.unstarted() && v.Header.Get("Sec-Fetch-Dest") == "document" && v.May(access.CredentialWrite) && v.May(access.HostEnrol)
}

// skipped is the wish not to be led there any more.
type skipped struct{}

func (skipped) answer(_ *Surface, w http.ResponseWriter, v *visit) error {
	http.SetCookie(w, cookieOf(skipCookie, "skipped", skipFor))
	http.Redirect(w, v.Request.Request, home, http.StatusSeeOther)
	return nil
}

func (s *Surface) skipStart(*visit) (outcome, error) { return skipped{}, nil }

// startFacts is what the guided way is made of.
type startFacts struct {
	*overviewFacts
	who       string
	publicURL string
	asked     string // what the browser waits for, of a request for that part alone; "": the whole is asked for

	waiting *db.Host // registered last of those that never called; nil: there is none
	seen    *db.Host // called last; nil: none ever did
	trail   []db.AuditPageRow

	wrong   string // with the login that was just uploaded
	seed    templates.SeedCard
	command templates.StartHost // what was just done in the step of the host
}

// start serves the page.
func (s *Surface) start(v *visit) (page, error) {
	facts, err := s.startFacts(v)
	if err != nil {
		return page{}, err
	}
	return facts.shown(), nil
}

func (f *startFacts) shown() page {
	p := startPage(f)
	return page{
		Title: "First host", Body: templates.Start(p),
		Parts: map[string]templ.Component{"st": templates.StartSteps(p), "st-wait": templates.StartWait(p.Live), "cr-seed": templates.LoginSeed(p.Login.Seed)},
	}
}

func (s *Surface) startFacts(v *visit) (*startFacts, error) {
	f := &startFacts{
		overviewFacts: &overviewFacts{now: v.now, version: s.cfg.Version, has: s.has, why: v.unless}, publicURL: s.cfg.PublicURL,
		who: fmt.Sprintf("%s, %s, %s.", v.Name, v.Role, me(v).How), asked: v.query("for"), seed: s.seedCard(v, pathStart, nil),
	}
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return nil, err
	}
	f.current, err = s.cfg.Credentials.Current(v.Context(), account)
	if err != nil && !errors.Is(err, credential.ErrNone) {
		return nil, err
	}
	if f.counts, err = s.cfg.Fleet.Counts(v.Context(), fleet.Versions{}); err != nil {
		return nil, err
	}
	if f.waiting, err = s.firstHost(v, fleet.Query{Filter: fleet.Filter{NeverSeen: new(true)}, Sort: fleet.SortCreated, Desc: true}); err != nil {
		return nil, err
	}
	if f.seen, err = s.firstHost(v, fleet.Query{Filter: fleet.Filter{NeverSeen: new(false)}, Sort: fleet.SortSeen, Desc: true}); err != nil {
		return nil, err
	}
	return f, s.addTrail(v, f)
}

// addTrail adds what is on record of the host that is waited for.
func (s *Surface) addTrail(v *visit, f *startFacts) (err error) {
	if f.waiting == nil {
		return nil
	}
	if f.trail, err = s.cfg.Store.Replanned().AuditPage(v.Context(), db.AuditPageParams{HostID: &f.waiting.ID, Descending: true, Max: maxEvents}); err != nil {
		return fmt.Errorf("reading the audit trail: %w", err)
	}
	return nil
}

// firstHost is the first of a list; nil: it is empty.
func (s *Surface) firstHost(v *visit, query fleet.Query) (*db.Host, error) {
	query.Limit = 1
	found, err := s.cfg.Fleet.List(v.Context(), query)
	if err != nil || len(found.Hosts) == 0 {
		return nil, err
	}
	return &found.Hosts[0], nil
}

// startUpload makes an uploaded login the fleet's.
func (s *Surface) startUpload(v *visit) (outcome, error) {
	return s.upload(v, pathStart, func(wrong string) (page, error) {
		facts, err := s.startFacts(v)
		if err != nil {
			return page{}, err
		}
		facts.wrong = wrong
		return facts.shown(), nil
	})
}

// startSeed makes a command that uploads the login of another machine, and shows it this once.
func (s *Surface) startSeed(v *visit) (outcome, error) {
	seed, err := s.cfg.Credentials.NewSeed(v.Context(), credential.DefaultAccount, v.Actor)
	if err != nil {
		return nil, err
	}
	facts, err := s.startFacts(v)
	if err != nil {
		return nil, err
	}
	facts.seed = s.seedCard(v, pathStart, seed)
	return facts.shown(), nil
}

// startHost registers a machine, or makes a new install command for one that never called, and shows the command this once.
func (s *Surface) startHost(v *visit) (outcome, error) {
	asked, err := s.startRegistration(v)
	if err != nil {
		return nil, err
	}
	enrolment, err := s.cfg.Fleet.Register(v.Context(), asked, v.Actor)
	wrong := ""
	switch e := errs.Of(err); {
	case e == nil:
	case e.Kind == errs.Invalid:
		wrong = sentence(fieldTexts(e))
	case errors.Is(err, fleet.ErrHostExists):
		wrong = "There is a host of this name already."
	default:
		return nil, err
	}
	facts, err := s.startFacts(v)
	if err != nil {
		return nil, err
	}
	if wrong != "" {
		facts.command.Name, facts.command.Wrong = asked.FQDN, wrong
		shown := facts.shown()
		shown.Status = http.StatusUnprocessableEntity
		return shown, nil
	}
	trust := s.cfg.PublicTLS()
	facts.waiting = &enrolment.Host
	if err := s.addTrail(v, facts); err != nil {
		return nil, err
	}
	facts.command.Command, facts.command.Expires = trust.Command(enrolment.URL), templates.Moment{At: enrolment.ExpiresAt, Now: v.now}
	if trust.ByHand() {
		facts.command.Trust = trustByHand
	}
	return facts.shown(), nil
}

// startRegistration is what a form asks for: a name; or the id of a host that never called, which stays what it is.
func (s *Surface) startRegistration(v *visit) (fleet.Registration, error) {
	again := v.post("again")
	if again == "" {
		return fleet.Registration{FQDN: v.post("fqdn")}, nil
	}
	id, err := strconv.ParseInt(again, 10, 64)
	if err != nil {
		return fleet.Registration{}, fleet.ErrHostNotFound
	}
	host, err := s.cfg.Fleet.ByID(v.Context(), id)
	switch {
	case err != nil:
		return fleet.Registration{}, err
	case host.LastSeenAt != nil:
		return fleet.Registration{}, errs.Field("again", "this host has made contact: a new install command would end its key")
	}
	return fleet.Registration{FQDN: host.FQDN, Insecure: !host.Secure, VIP: host.VIP, Rekey: true}, nil
}
