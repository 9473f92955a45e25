package dashboard

import (
	"errors"
	"fmt"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// overviewFacts is what the overview is made of.
type overviewFacts struct {
	now     time.Time
	version string            // the gateway's
	has     func(string) bool // whether there is a page at an address
	why     func(access.Capability) string

	policy *policy.State
	known  release.Known // of the newest Codex
	counts fleet.Counts
	codex  []fleet.VersionCount
	cdx    []fleet.VersionCount
	hosts  []db.Host // all of them, or nil if there are too many to draw

	current credential.Generation  // the zero value: there is none
	recent  []db.GenerationListRow // the newest first
	waiting int                    // logins that hosts proposed, at most maxWaiting

	account int64          // whose login it is
	quota   *quota.Known   // nil: not wanted
	history *usage.History // nil: not wanted
	sums    []usage.Sum    // today, in seven days, this month

	events []db.AuditPageRow
	names  map[int64]string // of the hosts of events
}

// Bounds of what the overview shows.
const (
	maxCells    = 96
	maxLegs     = 4
	maxEvents   = 8
	maxWaiting  = 20
	historyDays = 30
)

// overview serves the first page: how the fleet is, what its login is, and what needs a person.
func (s *Surface) overview(v *visit) (page, error) {
	facts, err := s.overviewFacts(v)
	if err != nil {
		return page{}, err
	}
	if leadsToStart(v, facts) {
		return page{GoTo: pathStart}, nil
	}
	shown := overviewPage(facts)
	return page{
		Title: "Overview", Path: home, Body: templates.Overview(shown),
		Parts: map[string]templ.Component{
			"ov-alerts": templates.OverviewAlerts(shown.Alerts), "ov-login": templates.OverviewLogin(shown.Login),
			"ov-quota": templates.OverviewQuota(shown.Quota), "ov-fleet": templates.OverviewFleet(shown.Fleet), "ov-events": templates.OverviewEvents(shown.Events, shown.AuditURL),
			"ov-usage": templates.OverviewUsage(shown.Usage), "ov-versions": templates.OverviewVersions(shown.Versions),
		},
	}, nil
}

func (s *Surface) overviewFacts(v *visit) (*overviewFacts, error) {
	ctx := v.Context()
	f := &overviewFacts{now: v.now, version: s.cfg.Version, has: s.has, why: v.unless}
	var err error
	if f.policy, err = s.cfg.Policy.Read(ctx); err != nil {
		return nil, err
	}
	if f.known, err = s.cfg.Codex.Known(ctx); err != nil {
		return nil, err
	}
	if f.counts, err = s.cfg.Fleet.Counts(ctx, fleet.Versions{Codex: f.policy.ClientVersion, Cdx: s.cfg.Version}); err != nil {
		return nil, err
	}
	if f.codex, f.cdx, err = s.cfg.Fleet.VersionCounts(ctx); err != nil {
		return nil, err
	}
	if f.counts.Hosts <= maxCells {
		listed, err := s.cfg.Fleet.List(ctx, fleet.Query{Limit: maxCells})
		if err != nil {
			return nil, err
		}
		f.hosts = listed.Hosts
	}
	if err := s.addLogin(v, f); err != nil {
		return nil, err
	}
	if v.wants("ov-quota") {
		if f.quota, err = s.cfg.Quota.Read(ctx, f.account); err != nil {
			return nil, err
		}
	}
	if v.wants("ov-usage") {
		if err := s.addUsage(v, f); err != nil {
			return nil, err
		}
	}
	if v.wants("ov-events") {
		if err := s.addEvents(v, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// addEvents adds the newest entries of the audit trail.
func (s *Surface) addEvents(v *visit, f *overviewFacts) (err error) {
	if f.events, err = s.cfg.Store.AuditPage(v.Context(), db.AuditPageParams{Descending: true, Max: maxEvents}); err != nil {
		return fmt.Errorf("reading the audit trail: %w", err)
	}
	f.names, err = s.cfg.Fleet.Names(v.Context(), hostsOf(f.events))
	return err
}

// addUsage adds what hosts reported. Nothing else on the page reads as many rows.
func (s *Surface) addUsage(v *visit, f *overviewFacts) (err error) {
	if f.history, err = s.cfg.Usage.History(v.Context(), historyDays-1); err != nil {
		return err
	}
	day := v.now.Truncate(24 * time.Hour)
	month := time.Date(v.now.Year(), v.now.Month(), 1, 0, 0, 0, 0, time.UTC)
	f.sums, err = s.cfg.Usage.Totals(v.Context(), day, day.AddDate(0, 0, -6), month)
	return err
}

// addLogin adds what is known about the login of the default account.
func (s *Surface) addLogin(v *visit, f *overviewFacts) error {
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return err
	}
	f.account = account
	waiting, _, err := s.cfg.Credentials.Proposals(v.Context(), account, credential.ProposalQuery{State: credential.ProposalPending, Limit: maxWaiting})
	if err != nil {
		return err
	}
	f.waiting = len(waiting)
	f.current, err = s.cfg.Credentials.Current(v.Context(), account)
	if errors.Is(err, credential.ErrNone) {
		return nil
	}
	if err == nil {
		f.recent, _, err = s.cfg.Credentials.History(v.Context(), account, credential.HistoryQuery{Limit: maxLegs})
	}
	return err
}

// overviewPage makes the page of its facts.
func overviewPage(f *overviewFacts) templates.OverviewPage {
	p := templates.OverviewPage{
		Now: f.now, Alerts: f.alerts(), Login: f.login(), Quota: f.quotaCard(), Fleet: f.fleet(), Usage: f.usage(), Versions: f.versions(), AuditURL: f.link("/dashboard/audit", ""),
	}
	for i := range f.events {
		p.Events = append(p.Events, event(&f.events[i], f.names, f.now))
	}
	if f.has(pathStart) && f.unstarted() {
		p.Actions = append(p.Actions, templates.Action{Label: "Guided setup", Href: pathStart})
	}
	if f.has("/dashboard/hosts/new") {
		p.Actions = append(p.Actions, templates.Action{Label: "Add host", Icon: "add", Href: "/dashboard/hosts/new", Kind: templates.Primary, Why: f.why(access.HostEnrol)})
	}
	return p
}

// link is an address with a query, if its page is there.
func (f *overviewFacts) link(address, query string) string {
	if !f.has(address) {
		return ""
	}
	if query != "" {
		address += "?" + query
	}
	return address
}

// goTo is an action that leads to a page; nothing, if the page is not there.
func (f *overviewFacts) goTo(label, address, query string) templates.Action {
	href := f.link(address, query)
	if href == "" {
		return templates.Action{}
	}
	return templates.Action{Label: label, Href: href, Kind: templates.Small}
}

// soonGone is how long before the login ends that is said.
const soonGone = 48 * time.Hour

// alerts are what needs a person, the worst first. Each has the way to its page, or the command for the gateway's machine as long
// as there is no page, or says that nothing has to be done.
func (f *overviewFacts) alerts() (all []templates.Alert) {
	add := func(a templates.Alert) {
		if a.Action.Label != "" {
			a.Command = ""
		}
		all = append(all, a)
	}
	if f.policy.APIDisabled {
		title := "Host calls are refused."
		if at := f.policy.DecidedAt["api_disabled"]; !at.IsZero() {
			title = "Host calls are refused since " + templates.Exact(at) + "."
		}
		add(templates.Alert{
			Tone: templates.Bad, Icon: "power", Title: title, Text: "No host gets the login or starts Codex through cdx.",
			Action: f.goTo("Serve hosts…", pathSwitch, ""),
		})
	}
	credentials := f.goTo("Credentials", "/dashboard/credentials", "")
	switch left := f.current.AccessExpiresAt.Sub(f.now); {
	case f.current.Number == 0 || f.current.AccessExpiresAt.IsZero():
	case left <= 0:
		add(templates.Alert{
			Tone: templates.Bad, Icon: "key", Title: "The fleet's login has expired.", Text: "Codex fails on every host until a newer one is uploaded.",
			Action: credentials, Command: uploadCommand,
		})
	case left < soonGone:
		add(templates.Alert{
			Tone: templates.Warn, Icon: "key", Title: "The fleet's login ends in " + templates.Length(left) + ".", Text: "Codex fails then unless a host or an admin brings a newer one.",
			Action: credentials, Command: uploadCommand,
		})
	}
	if f.waiting > 0 {
		title := templates.Count(int64(f.waiting), "login waits", "logins wait") + " for an admin."
		if f.waiting == maxWaiting {
			title = templates.Grouped(maxWaiting) + " or more logins wait for an admin."
		}
		add(templates.Alert{
			Tone: templates.Warn, Icon: "key", Title: title, Text: "Hosts brought what may not become the fleet's by itself.",
			Action: credentials, Command: "cdxgate auth proposals",
		})
	}
	if n := f.counts.WindowOpen; n > 0 {
		title, text, command := f.openWindows(n)
		add(templates.Alert{
			Tone: templates.Warn, Icon: "window", Title: title, Text: text,
			Action: f.goTo("Review windows", "/dashboard/hosts", "window_open=yes"), Command: command,
		})
	}
	if n := f.counts.Outdated; n > 0 {
		add(templates.Alert{
			Tone: templates.Info, Icon: "behind", Title: templates.Count(n, "host", "hosts") + " last came with another Codex or cdx than the fleet's.",
			Text: "Nothing to do: cdx brings both up to date when it runs next.", Action: f.goTo("Show them", "/dashboard/hosts", "outdated=yes"),
		})
	}
	return all
}

// uploadCommand brings a login to the fleet from a shell on the gateway's machine.
const uploadCommand = "cdxgate auth upload ~/.codex/auth.json"

// openWindows words how many windows are open; a single one by its host's name, where it is known.
func (f *overviewFacts) openWindows(n int64) (title, text, command string) {
	if n > 1 {
		return templates.Grouped(n) + " hosts have an open window.", "Anyone on them can use the login until the window closes.", "cdxgate host list --window-open"
	}
	for i := range f.hosts {
		if h := &f.hosts[i]; windowOpen(h, f.now) {
			return h.FQDN + " has an open window.", "Anyone on it can use the login for another " + templates.Length(h.InsecureUntil.Sub(f.now)) + ".", "cdxgate host close " + h.FQDN
		}
	}
	return "1 host has an open window.", "Anyone on it can use the login until the window closes.", "cdxgate host list --window-open"
}

// fleet is the picture of all hosts.
func (f *overviewFacts) fleet() templates.FleetCard {
	card := templates.FleetCard{
		Title: templates.Count(f.counts.Hosts, "host", "hosts"), Text: templates.Grouped(f.counts.SeenLately) + " seen in 24 h",
		Action: f.goTo("All hosts", "/dashboard/hosts", ""),
	}
	if f.counts.Hosts == 0 {
		card.Title, card.Text = "Hosts", ""
		card.Empty = &templates.Empty{Title: "No hosts yet", Text: "A host is a machine that gets the login. On the gateway's machine: cdxgate host add NAME, then run the command that it prints on the host."}
		if f.has("/dashboard/hosts/new") {
			card.Empty.Text = "A host is a machine that gets the login. Add one here, and run the command that you get on it."
			card.Empty.Actions = []templates.Action{{Label: "Add host", Icon: "add", Href: "/dashboard/hosts/new", Why: f.why(access.HostEnrol)}}
		}
		return card
	}
	if f.hosts == nil {
		card.Legend = f.countLegend()
		return card
	}
	silence := time.Duration(f.policy.InactivityWindowDays) * 24 * time.Hour
	counted := map[string]int64{}
	cells := map[string][]templates.HostCell{}
	for i := range f.hosts {
		h := &f.hosts[i]
		state := stateOf(h, f.digest(), silence, f.now)
		cell := templates.HostCell{Icon: state.Icon, Title: h.FQDN + ": " + state.Label, Tone: state.Tone, Off: state.Off}
		if f.has("/dashboard/hosts/{}") {
			cell.Href = fmt.Sprintf("/dashboard/hosts/%d", h.ID)
		}
		counted[state.Key]++
		cells[state.Key] = append(cells[state.Key], cell)
	}
	for _, state := range hostStates {
		card.Cells = append(card.Cells, cells[state.Key]...)
		if n := counted[state.Key]; n > 0 {
			card.Legend = append(card.Legend, templates.LegendItem{Icon: state.Icon, Label: state.Label, Tone: state.Tone, N: n})
		}
	}
	return card
}

// countLegend is the legend of a fleet that is too big to draw: a host may be in it more than once.
func (f *overviewFacts) countLegend() (items []templates.LegendItem) {
	for _, item := range []struct {
		key, query string
		n          int64
	}{
		{"suspended", "state=disabled", f.counts.Disabled}, {"window", "window_open=yes", f.counts.WindowOpen}, {"behind", "", f.counts.Behind},
		{"never", "never_seen=yes", f.counts.NeverSeen}, {"ok", "state=active", f.counts.Active},
	} {
		state := stateNamed(item.key)
		if item.key == "ok" {
			state.Label = "Active"
		}
		if item.n > 0 {
			items = append(items, templates.LegendItem{Icon: state.Icon, Label: state.Label, Tone: state.Tone, N: item.n, Href: f.link("/dashboard/hosts", item.query)})
		}
	}
	return items
}

func (f *overviewFacts) digest() []byte {
	if f.current.Number == 0 {
		return nil
	}
	return f.current.Digest[:]
}
