package dashboard

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/templates"
)

const (
	pathHosts       = "/dashboard/hosts"
	pathHostsBatch  = pathHosts + "/batch"
	pathHostsWindow = pathHosts + "/window"
	pathHostsExport = pathHosts + ".csv"
)

// handleHostList adds the list of hosts and what is done from there.
func (s *Surface) handleHostList() {
	s.page(pathHosts, access.HostRead, s.hosts)
	s.file(pathHostsExport, access.HostRead, s.exportHosts)
	s.form(pathHostsBatch, access.HostWrite, s.batchHosts)
	s.page(pathHostsWindow, access.HostRead, s.showListWindow)
	s.form(pathHostsWindow, access.HostWrite, s.setListWindow)
}

// hostsView is which hosts the page lists, and how: all that its address says. The zero value is not one; see parseHostsView.
type hostsView struct {
	query fleet.Query
	cols  []string // by their keys; nil: the usual ones
}

// Rows on a page.
var hostsLimits = []int{25, 50, 100}

const usualLimit = 50

// maxColumns are as many as fit onto an ordinary screen.
const maxColumns = 7

// hostFlags are the filters that are yes or no, by their names in the address: those of GET /admin/hosts.
var hostFlags = []struct {
	name string
	of   func(*fleet.Filter) **bool
}{
	{"secure", func(f *fleet.Filter) **bool { return &f.Secure }},
	{"window_open", func(f *fleet.Filter) **bool { return &f.WindowOpen }},
	{"roaming", func(f *fleet.Filter) **bool { return &f.Roaming }},
	{"vip", func(f *fleet.Filter) **bool { return &f.VIP }},
	{"behind", func(f *fleet.Filter) **bool { return &f.Behind }},
	{"outdated", func(f *fleet.Filter) **bool { return &f.Outdated }},
	{"never_seen", func(f *fleet.Filter) **bool { return &f.NeverSeen }},
}

// parseHostsView reads what an address asks for. Errors: kind Invalid. What fleet.List refuses is not looked at.
func parseHostsView(address url.Values) (l hostsView, err error) {
	l.query = fleet.Query{
		Search: strings.TrimSpace(address.Get("q")), Sort: address.Get("sort"), Cursor: address.Get("cursor"), Limit: usualLimit,
		Filter: fleet.Filter{State: address.Get("state")},
	}
	if l.query.Sort == "" {
		l.query.Sort = fleet.SortName
	}
	if l.query.Desc, err = yesOrNo(address, "desc"); err != nil {
		return l, err
	}
	for _, flag := range hostFlags {
		if address.Get(flag.name) == "" {
			continue
		}
		value, err := yesOrNo(address, flag.name)
		if err != nil {
			return l, err
		}
		*flag.of(&l.query.Filter) = &value
	}
	if label := address.Get("label"); label != "" {
		key, value, _ := strings.Cut(label, "=")
		l.query.Filter.Label = map[string]string{key: value}
	}
	if limit := address.Get("limit"); limit != "" {
		if l.query.Limit, _ = strconv.Atoi(limit); !slices.Contains(hostsLimits, l.query.Limit) {
			return l, errs.Field("limit", "limit must be 25, 50 or 100")
		}
	}
	err = l.chooseColumns(address["cols"])
	return l, err
}

// chooseColumns takes the keys of columns, in one text with dots between or in several.
func (l *hostsView) chooseColumns(texts []string) error {
	wanted := map[string]bool{}
	for _, text := range texts {
		for key := range strings.SplitSeq(text, ".") {
			if key != "" && !slices.ContainsFunc(hostColumns, func(c hostColumn) bool { return c.key == key }) {
				return errs.Field("cols", "cols must be names of columns with dots between")
			}
			wanted[key] = key != ""
		}
	}
	for _, column := range hostColumns {
		if wanted[column.key] {
			l.cols = append(l.cols, column.key)
		}
	}
	return nil
}

func yesOrNo(address url.Values, name string) (bool, error) {
	switch address.Get(name) {
	case "yes":
		return true, nil
	case "", "no":
		return false, nil
	}
	return false, errs.Field(name, name+" must be yes or no")
}

// address is what parseHostsView makes the same view of, without the place in the list: the page's beginning.
func (l *hostsView) address() url.Values {
	all := l.filters()
	set := func(name, value string) {
		if value != "" {
			all.Set(name, value)
		}
	}
	set("q", l.query.Search)
	if l.query.Sort != fleet.SortName {
		set("sort", l.query.Sort)
	}
	if l.query.Desc {
		set("desc", "yes")
	}
	if l.query.Limit != usualLimit {
		set("limit", strconv.Itoa(l.query.Limit))
	}
	set("cols", strings.Join(l.cols, "."))
	return all
}

// filters are the part of the address that narrows the list down, but for the search.
func (l *hostsView) filters() url.Values {
	all := url.Values{}
	if l.query.Filter.State != "" {
		all.Set("state", l.query.Filter.State)
	}
	for _, flag := range hostFlags {
		if value := *flag.of(&l.query.Filter); value != nil {
			all.Set(flag.name, map[bool]string{true: "yes", false: "no"}[*value])
		}
	}
	for key, value := range l.query.Filter.Label {
		all.Set("label", key+"="+value)
	}
	return all
}

// but is the address with one thing changed, relative to the page: "?vip=yes"; an empty value: without it.
func (l *hostsView) but(name, value string) string {
	all := l.address()
	all.Del(name)
	if value != "" {
		all.Set(name, value)
	}
	return "?" + all.Encode()
}

// hostsFacts is what the list is made of.
type hostsFacts struct {
	now     time.Time
	version string            // of the gateway, and of the cdx it hands out
	has     func(string) bool // whether there is a page at an address
	why     func(access.Capability) string

	view   hostsView
	policy *policy.Policy
	counts fleet.Counts
	page   *fleet.Page
	beside map[int64]*db.HostBesideRow
}

// hosts serves the list.
func (s *Surface) hosts(v *visit) (page, error) {
	facts, err := s.hostsFacts(v)
	if err != nil {
		return page{}, err
	}
	shown := hostsPage(facts)
	return page{
		Title: "Hosts", Path: pathHosts, Body: templates.Hosts(shown),
		Parts: map[string]templ.Component{"hosts": templates.HostsChanged(shown)},
	}, nil
}

// hostsFacts loads the list: whatever the fleet's size, by one query for each of policy, hosts, counts, and what stands beside.
func (s *Surface) hostsFacts(v *visit) (*hostsFacts, error) {
	f := &hostsFacts{now: v.now, version: s.cfg.Version, has: s.has, why: v.unless}
	var err error
	if f.view, err = parseHostsView(v.URL.Query()); err != nil {
		return nil, err
	}
	if f.policy, err = s.cfg.Policy.Load(v.Context()); err != nil {
		return nil, err
	}
	query := f.view.query
	query.Versions = fleet.Versions{Codex: f.policy.ClientVersion, Cdx: s.cfg.Version}
	if f.page, err = s.cfg.Fleet.List(v.Context(), query); err != nil {
		return nil, err
	}
	if f.counts, err = s.cfg.Fleet.Counts(v.Context(), query.Versions); err != nil {
		return nil, err
	}
	f.beside, err = s.cfg.Fleet.Beside(v.Context(), f.page.Hosts)
	return f, err
}

// hostsPage makes the page of its facts.
func hostsPage(f *hostsFacts) templates.HostsPage {
	p := templates.HostsPage{Summary: f.summary(), Search: f.view.query.Search, Table: f.table(), Bulk: hostsBulk(f.why(access.HostWrite))}
	if f.has("/dashboard/hosts/new") {
		p.Actions = []templates.Action{{Label: "Add host", Icon: "add", Href: "/dashboard/hosts/new", Kind: templates.Primary, Why: f.why(access.HostEnrol)}}
	}
	filters := f.view.filters()
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		p.Filters = append(p.Filters, templates.Field{Name: name, Value: filters.Get(name)})
	}
	for _, name := range []string{"sort", "desc", "limit", "cols"} {
		if value := f.view.address().Get(name); value != "" {
			p.Look = append(p.Look, templates.Field{Name: name, Value: value})
		}
	}
	for _, sort := range fleet.Sorts {
		p.Sorts = append(p.Sorts, templates.Option{Label: hostSortNames[sort], Value: sort, Current: sort == f.view.query.Sort})
	}
	p.Desc = f.view.query.Desc
	for _, limit := range hostsLimits {
		p.Limits = append(p.Limits, templates.Option{Label: strconv.Itoa(limit) + " rows", Value: strconv.Itoa(limit), Current: limit == f.view.query.Limit})
	}
	shown := f.columns()
	for _, column := range hostColumns {
		p.Columns = append(p.Columns, templates.Option{Label: column.label, Value: column.key, Current: slices.ContainsFunc(shown, func(c hostColumn) bool { return c.key == column.key })})
	}
	return p
}

// summary is how the fleet is in a line.
func (f *hostsFacts) summary() string {
	c := f.counts
	if c.Hosts == 0 {
		return "No host is enrolled yet"
	}
	text := templates.Grouped(c.Hosts) + " enrolled, " + templates.Grouped(c.SeenLately) + " seen in 24 h"
	if c.NeverSeen > 0 {
		text += ", " + templates.Grouped(c.NeverSeen) + " waiting for the first contact"
	}
	return text
}

// table is the part of the page that changes with the fleet.
func (f *hostsFacts) table() templates.HostsTable {
	l := &f.view
	here := l.address()
	if l.query.Cursor != "" {
		here.Set("cursor", l.query.Cursor)
	}
	t := templates.HostsTable{Address: pathHosts + "?" + here.Encode(), Facets: f.facets()}
	for _, column := range f.columns() {
		t.Columns = append(t.Columns, column.head(l))
	}
	t.Wide = len(t.Columns) > maxColumns
	name := hostColumn{label: "Host", sort: fleet.SortName}
	t.Name = name.head(l).Sort
	for i := range f.page.Hosts {
		t.Rows = append(t.Rows, f.row(&f.page.Hosts[i]))
	}
	if len(t.Rows) == 0 {
		t.Empty = f.empty()
		return t
	}
	t.Pager = templates.Pager{Text: templates.Grouped(int64(len(t.Rows))) + " of " + templates.Count(f.page.Total, "host", "hosts")}
	if f.page.Next != "" {
		t.Pager.Next = l.but("cursor", f.page.Next)
	}
	if f.page.Prev != "" {
		t.Pager.Prev, t.Pager.First = l.but("cursor", f.page.Prev), "?"+l.address().Encode()
	}
	return t
}

// empty says why the list is empty and what to do.
func (f *hostsFacts) empty() *templates.Empty {
	if f.counts.Hosts > 0 {
		e := &templates.Empty{Title: "No host is like that", Text: "Nothing in the fleet matches the search and the filters."}
		if f.view.query.Cursor != "" {
			e.Title, e.Text = "Nothing here any more", "The hosts that this page began with have gone."
		}
		e.Actions = []templates.Action{{Label: "Show all hosts", Href: pathHosts}}
		return e
	}
	if f.has("/dashboard/hosts/new") {
		return &templates.Empty{
			Title: "No hosts yet", Text: "A host is a machine that gets the login. Add one here, and run the command that you get on it.",
			Actions: []templates.Action{{Label: "Add host", Icon: "add", Href: "/dashboard/hosts/new", Why: f.why(access.HostEnrol)}},
		}
	}
	return &templates.Empty{Title: "No hosts yet", Text: "A host is a machine that gets the login. On the gateway's machine: cdxgate host add NAME, then run the command that it prints on the host."}
}

// facets are the filters with how many hosts of the fleet each finds. One that finds none is left out, unless it is on.
func (f *hostsFacts) facets() []templates.Facet {
	c := f.counts
	known := []struct {
		label, name, value string
		n                  int64
	}{
		{"Active", "state", fleet.StateActive, c.Active},
		{"Secure", "secure", "yes", c.Secure},
		{"Insecure", "secure", "no", c.Hosts - c.Secure},
		{"Window open", "window_open", "yes", c.WindowOpen},
		{"Roaming", "roaming", "yes", c.Roaming},
		{"VIP", "vip", "yes", c.VIP},
		{"Outdated login", "behind", "yes", c.Behind},
		{"Version drift", "outdated", "yes", c.Outdated},
		{"Never seen", "never_seen", "yes", c.NeverSeen},
		{"Suspended", "state", fleet.StateDisabled, c.Hosts - c.Active - c.Expired},
		{"Expired", "state", fleet.StateExpired, c.Expired},
	}
	set := f.view.filters()
	none := f.view
	none.query.Filter, none.query.Search = fleet.Filter{}, ""
	all := []templates.Facet{{Label: "All", Count: templates.Grouped(c.Hosts), Href: "?" + none.address().Encode(), Current: len(set) == 0 && f.view.query.Search == ""}}
	for _, facet := range known {
		current := set.Get(facet.name) == facet.value
		if facet.n == 0 && !current || facet.value == fleet.StateActive && !current {
			continue
		}
		value := facet.value
		if current {
			value = ""
			set.Del(facet.name)
		}
		all = append(all, templates.Facet{Label: facet.label, Count: templates.Grouped(facet.n), Href: f.view.but(facet.name, value), Current: current})
	}
	for _, name := range slices.Sorted(maps.Keys(set)) { // what only an address asks for
		label := strings.ReplaceAll(name, "_", " ") + ": " + set.Get(name)
		if name == "label" {
			label = set.Get(name)
		}
		all = append(all, templates.Facet{Label: label, Href: f.view.but(name, ""), Current: true})
	}
	return all
}

// maxListQuery is longer than every address of the list is.
const maxListQuery = 4096

// listAddress is the address of the list that a text says, which a form brought back. One that is longer than browsers follow
// is none.
func listAddress(query string) string {
	if len(query) > maxListQuery {
		return pathHosts
	}
	all, _ := url.ParseQuery(strings.TrimPrefix(query, "?")) // what can be read of it
	if len(all) == 0 {
		return pathHosts
	}
	return pathHosts + "?" + all.Encode()
}

// cameFromList is the query of the list that somebody came from; "": the plain one, or from elsewhere.
func cameFromList(v *visit) string {
	from, err := url.Parse(cameFrom(v.Request.Request))
	if err != nil || pathOf(from.Path) != pathHosts {
		return ""
	}
	return from.RawQuery
}

// hostAddress is a host's page, if there is one; "": there is none.
func hostAddress(has func(string) bool, id int64) string {
	if !has(pathHosts + "/{}") {
		return ""
	}
	return fmt.Sprintf("%s/%d", pathHosts, id)
}
