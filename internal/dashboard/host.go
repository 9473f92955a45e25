package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// pathHost is the page of one host; pathHostNew makes one.
const (
	pathHost    = "/dashboard/hosts/{}"
	pathHostNew = "/dashboard/hosts/new"
)

// handleHost adds the page of a host, and what is done there.
func (s *Surface) handleHost() {
	s.page(pathHostNew, access.HostRead, s.newHost)
	s.form(pathHostNew, access.HostEnrol, s.registerHost)
	s.add(http.MethodGet, pathHost, access.HostRead, s.showHost)
	s.form(pathHost+"/set", access.HostWrite, s.setHost)
	s.form(pathHost+"/unbind", access.HostWrite, s.unbindHost)
	s.form(pathHost+"/runs", access.HostWrite, s.setHostRuns)
	s.form(pathHost+"/window", access.HostWrite, s.setHostWindow)
	s.form(pathHost+"/rotate", access.HostWrite, s.rotateHost)
	for action, ask := range map[string]struct {
		needs access.Capability
		show  func(*visit) (page, error)
		act   func(*visit) (outcome, error)
	}{
		"/install": {access.HostEnrol, s.askInstall, s.installHost},
		"/clear":   {access.HostWrite, s.askClear, s.clearHost},
		"/remove":  {access.HostWrite, s.askRemove, s.removeHost},
		"/rename":  {access.HostWrite, s.askRename, s.renameHost},
		"/notes":   {access.HostWrite, s.askNotes, s.noteHost},
	} {
		s.page(pathHost+action, access.HostRead, ask.show)
		s.form(pathHost+action, ask.needs, ask.act)
	}
}

// hostURL is the address of a host's page, or of what is done there.
func hostURL(id int64, action string) string {
	return "/dashboard/hosts/" + strconv.FormatInt(id, 10) + action
}

// hostID is the id of the host that a path names.
func hostID(v *visit) (int64, error) {
	id, err := strconv.ParseInt(v.Param, 10, 64)
	if err != nil || strings.Trim(v.Param, "0123456789") != "" {
		return 0, call.ErrNoRoute
	}
	return id, nil
}

// host is the host that a path names.
func (s *Surface) host(v *visit) (*db.Host, error) {
	id, err := hostID(v)
	if err != nil {
		return nil, err
	}
	return s.cfg.Fleet.ByID(v.Context(), id)
}

// hostFacts is what the page of a host is made of.
type hostFacts struct {
	now       time.Time
	version   string // of cdx that the gateway hands out
	has       func(string) bool
	why       func(access.Capability) string
	days      int
	host      *db.Host
	policy    *policy.State
	standing  fleet.Standing
	details   *fleet.Details
	current   credential.Generation // of its account; the zero value: there is none
	usage     *usage.HostHistory    // nil: not wanted
	events    []db.AuditPageRow
	suggested []string // versions of Codex that are in use
	runs      *runsForm
	window    *windowForm
}

// hostDays are the ranges of days that the page shows usage of. The first is the one without a choice.
var hostDays = []int{30, 7, 90}

const maxHostEvents = 12

// showHost serves the page of one host, and for htmx its parts. A page that asks for a part of a host that was removed since is
// loaded anew, and then says so.
func (s *Surface) showHost(w http.ResponseWriter, v *visit) error {
	facts, err := s.hostFacts(v)
	if errors.Is(err, fleet.ErrHostNotFound) && byHTMX(v.Request.Request) {
		if v.wants("enrol") { // that page is the answer to a form: it must not be loaded anew
			return s.show(w, v, page{Body: templates.HostContactCard(templates.HostContact{Tone: templates.Bad, Title: "The host was removed.", Text: "The command is dead."})})
		}
		w.Header().Set("Hx-Refresh", "true")
		return nil
	}
	if err != nil {
		return err
	}
	return s.show(w, v, s.hostShown(facts))
}

// hostShown is the page of a host.
func (s *Surface) hostShown(f *hostFacts) page {
	shown := hostPage(f)
	return page{
		Title: f.host.FQDN, Path: "/dashboard/hosts", Crumbs: s.hostCrumbs(), Body: templates.Host(shown),
		Parts: map[string]templ.Component{
			"ho-top": templates.HostHead(shown.URL, shown.Top), "ho-usage": templates.HostUsageCard(shown.Usage),
			"ho-trail": templates.HostTrail(shown.URL, shown.Trail, shown.TrailURL), "ho-id": templates.HostIdentityCard(shown.URL, shown.Identity),
			"ho-switches": templates.HostSwitches(shown.URL, shown.Switches), "ho-window": templates.HostWindowCard(shown.Window),
			"enrol": templates.HostContactCard(f.contact()),
		},
	}
}

// hostCrumbs lead back to the list, if there is one.
func (s *Surface) hostCrumbs(more ...templates.Crumb) []templates.Crumb {
	var crumbs []templates.Crumb
	if s.has("/dashboard/hosts") {
		crumbs = append(crumbs, templates.Crumb{Label: "Hosts", Path: "/dashboard/hosts"})
	}
	return append(crumbs, more...)
}

// hostFacts loads what the wanted part of the page is made of.
func (s *Surface) hostFacts(v *visit) (*hostFacts, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	ctx := v.Context()
	f := &hostFacts{now: v.now, version: s.cfg.Version, has: s.has, why: v.unless, days: daysOf(v.query("days")), host: host}
	if v.wants("ho-usage") || v.wants("ho") {
		if f.usage, err = s.cfg.Usage.HostHistory(ctx, host.ID, f.days-1); err != nil {
			return nil, err
		}
	}
	if v.wants("ho-trail") || v.wants("ho") {
		if f.events, err = s.cfg.Store.AuditPage(ctx, db.AuditPageParams{HostID: &host.ID, Max: maxHostEvents}); err != nil {
			return nil, fmt.Errorf("reading the audit trail of host %d: %w", host.ID, err)
		}
	}
	if v.wants("ho") { // the form that is on no part
		codex, _, err := s.cfg.Fleet.VersionCounts(ctx)
		if err != nil {
			return nil, err
		}
		for _, count := range codex {
			f.suggested = append(f.suggested, count.Version)
		}
	}
	return f, s.addStanding(v, f)
}

// addStanding adds how the host and its account stand.
func (s *Surface) addStanding(v *visit, f *hostFacts) (err error) {
	ctx := v.Context()
	if f.policy, err = s.cfg.Policy.Read(ctx); err != nil {
		return err
	}
	if f.standing, err = s.cfg.Fleet.Standing(ctx, f.host.ID); err != nil {
		return err
	}
	if f.details, err = s.hostDetails(v, f.host); err != nil {
		return err
	}
	f.current, err = s.cfg.Credentials.Current(ctx, f.host.AccountID)
	if errors.Is(err, credential.ErrNone) {
		return nil
	}
	return err
}

func (s *Surface) hostDetails(v *visit, host *db.Host) (*fleet.Details, error) {
	details, err := s.cfg.Fleet.Details(v.Context(), []db.Host{*host})
	if err != nil {
		return nil, err
	}
	if details[host.ID] == nil { // it was removed since
		return nil, fleet.ErrHostNotFound
	}
	return details[host.ID], nil
}

// daysOf reads the range of days; the default for every other word.
func daysOf(text string) int {
	for _, days := range hostDays {
		if text == strconv.Itoa(days) {
			return days
		}
	}
	return hostDays[0]
}

// digest is that of the login of the host's account; empty: there is none.
func (f *hostFacts) digest() []byte {
	if f.current.Number == 0 {
		return nil
	}
	return f.current.Digest[:]
}

// silence is how long a host may be silent before it is pruned; 0: for ever.
func (f *hostFacts) silence() time.Duration {
	return time.Duration(f.policy.InactivityWindowDays) * 24 * time.Hour
}

// moment is a time for the page; the zero one for nil.
func (f *hostFacts) moment(at *time.Time) templates.Moment {
	if at == nil {
		return templates.Moment{Now: f.now}
	}
	return templates.Moment{At: *at, Now: f.now}
}

// hostPage makes the page of its facts.
func hostPage(f *hostFacts) templates.HostPage {
	p := templates.HostPage{
		URL: hostURL(f.host.ID, ""), Top: f.top(), Usage: f.usageCard(), Identity: f.identity(), Switches: f.switches(),
		Runs: f.runsCard(), Window: f.windowCard(), Danger: f.danger(),
	}
	if f.has("/dashboard/audit") {
		p.TrailURL = "/dashboard/audit?host=" + strconv.FormatInt(f.host.ID, 10)
	}
	for i := range f.events {
		name := "this host"
		if f.events[i].Actor == f.host.FQDN { // it did it itself, or what installed it
			name = f.host.FQDN
		}
		p.Trail = append(p.Trail, event(&f.events[i], map[int64]string{f.host.ID: name}, f.now))
	}
	return p
}
