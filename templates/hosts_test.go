package templates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

func moment(ago time.Duration) templates.Moment { return templates.Moment{At: now.Add(-ago), Now: now} }

// hosts is a list with everything on it. Every text of it that a host or an admin could choose ends with more.
func hosts(more string) templates.HostsPage {
	const why = "Your role is viewer; this takes an operator."
	columns := []templates.HostsColumn{}
	for _, column := range []struct{ key, label, href, order string }{
		{"state", "State", "", ""}, {"seen", "Last seen", "?desc=yes&sort=seen", ""}, {"login", "Login", "", ""}, {"codex", "Codex", "?sort=codex", ""}, {"cdx", "cdx", "?sort=cdx", ""},
		{"address", "Address", "?sort=address", ""}, {"users", "Users", "", ""}, {"calls", "Calls", "?desc=yes&sort=calls", ""}, {"added", "Added", "?sort=created", ""},
		{"note", "Note", "", ""}, {"window", "Window", "?sort=window", "ascending"},
	} {
		columns = append(columns, templates.HostsColumn{Key: column.key, Sort: templates.Sort{Label: column.label, Href: column.href, Order: column.order, Numeric: column.key == "window"}})
	}
	row := func(id int64, name string, change func(*templates.HostRow)) templates.HostRow {
		r := templates.HostRow{
			ID: id, FQDN: name + ".example" + more, Name: name, Domain: ".example" + more, Href: "/dashboard/hosts/7", Added: moment(72 * time.Hour), Seen: moment(time.Minute),
			State: templates.HostRowState{Icon: "ok", Label: "Can login", Tone: templates.OK}, Login: templates.HostRowLogin{Text: "gen 41", Has: true, At: moment(48 * time.Hour)},
			Codex: templates.HostRowVersion{Text: "0.169.0" + more}, Cdx: templates.HostRowVersion{Text: "1.4.0"}, Address: templates.HostRowAddress{Icon: "locked", Text: "203.0.113.7", How: "Bound to this address"},
			Users: "3", Calls: "1,204", Note: "under the desk" + more,
		}
		change(&r)
		return r
	}
	return templates.HostsPage{
		Summary: "4 enrolled, 3 seen in 24 h", Search: "exa" + more, Actions: []templates.Action{{Label: "Add host", Icon: "add", Href: "/dashboard/hosts/new", Kind: templates.Primary, Why: why}},
		Filters: []templates.Field{{Name: "label", Value: "team=" + more}}, Look: []templates.Field{{Name: "sort", Value: "window"}},
		Sorts: []templates.Option{{Label: "By name", Value: "name"}, {Label: "By window", Value: "window", Current: true}}, Desc: true,
		Limits: []templates.Option{{Label: "50 rows", Value: "50", Current: true}}, Columns: []templates.Option{{Label: "State", Value: "state", Current: true}, {Label: "Note", Value: "note"}},
		Table: templates.HostsTable{
			Address: "/dashboard/hosts?sort=window", Facets: []templates.Facet{{Label: "All", Count: "4", Href: "?"}, {Label: "team=" + more, Href: "?", Current: true}},
			Name: templates.Sort{Label: "Host", Href: "?"}, Columns: columns, Wide: true,
			Rows: []templates.HostRow{
				row(7, "atlas", func(r *templates.HostRow) {
					r.VIP, r.Tags = true, []templates.HostRowTag{{Text: "team=" + more}, {Text: "+2"}}
				}),
				row(8, "bastion", func(r *templates.HostRow) {
					r.Insecure, r.IPv4, r.Window = true, true, templates.HostRowWindow{There: true, Open: moment(-462 * time.Second)}
					r.State = templates.HostRowState{Icon: "window", Label: "Window open", Tone: templates.Warn}
					r.Login = templates.HostRowLogin{Text: "gen 40", Has: true, Behind: "The fleet's is generation 41", At: templates.Moment{Now: now}}
					r.Codex, r.Cdx = templates.HostRowVersion{Text: "0.168.2", Older: "Older than 0.169.0", Pinned: "Pinned to 0.168.2"}, templates.HostRowVersion{Text: "1.5.0", Newer: "Newer than 1.4.0"}
				}),
				row(9, "kiosk", func(r *templates.HostRow) {
					r.Insecure, r.Href, r.Window = true, "", templates.HostRowWindow{There: true, Grace: moment(-40 * time.Minute)}
					r.State, r.Login = templates.HostRowState{Icon: "locked", Label: "Locked", Off: true}, templates.HostRowLogin{Text: "not kept"}
				}),
				row(10, "viewed", func(r *templates.HostRow) {
					r.Insecure, r.Window = true, templates.HostRowWindow{There: true, Open: moment(-2 * time.Hour), Why: why}
				}),
				row(11, "closed", func(r *templates.HostRow) {
					r.Insecure, r.Window = true, templates.HostRowWindow{There: true, Why: why}
				}),
				row(12, "new", func(r *templates.HostRow) {
					r.Seen, r.Due, r.State = templates.Moment{Now: now}, "install command ends in 18 min", templates.HostRowState{Icon: "never", Label: "Never seen", Off: true}
					r.Login, r.Codex, r.Address = templates.HostRowLogin{Text: "none"}, templates.HostRowVersion{Text: templates.Unknown}, templates.HostRowAddress{Text: templates.Unknown, How: "Bound to the first address that it calls from"}
				}),
			},
			Pager: templates.Pager{Text: "6 of 1,904 hosts", Next: "?cursor=n", Prev: "?cursor=p", First: "?"},
		},
		Bulk: templates.HostsBulk{
			Post: "/dashboard/hosts/batch", First: []templates.HostsAct{{Name: "suspend", Label: "Suspend", Icon: "paused"}},
			More: []templates.HostsAct{{Name: "vip", Label: "Make VIP", Icon: "vip"}, {Name: "delete", Label: "Remove…", Icon: "remove", Bad: true}},
		},
	}
}

// noHosts is the page of a viewer of an empty fleet.
func noHosts() templates.HostsPage {
	const why = "Your role is viewer; this takes an operator."
	return templates.HostsPage{
		Summary: "No host is enrolled yet",
		Table:   templates.HostsTable{Address: "/dashboard/hosts?", Empty: &templates.Empty{Title: "No hosts yet", Text: "A host is a machine that gets the login.", Actions: []templates.Action{{Label: "Add host", Why: why}}}},
		Bulk:    templates.HostsBulk{Post: "/dashboard/hosts/batch", Why: why, First: []templates.HostsAct{{Name: "suspend", Label: "Suspend", Icon: "paused"}}},
	}
}

func labels(more string) templates.HostsLabels {
	return templates.HostsLabels{
		Title: "Label 2 hosts", Post: "/dashboard/hosts/batch", Back: "/dashboard/hosts?q=x", Text: "team" + more, Wrong: "Labels wants key=value, got " + more,
		Fields: []templates.Field{{Name: "id", Value: "7"}, {Name: "id", Value: "8"}},
	}
}

func window(more string) templates.HostsWindowAsk {
	minutes := make([]int, 101)
	for i := range minutes {
		minutes[i] = 1 + i*479/100
	}
	return templates.HostsWindowAsk{
		ID: 8, FQDN: "bastion.example" + more, Post: "/dashboard/hosts/window", Back: "/dashboard/hosts?secure=no", Query: "secure=no", Minutes: minutes, Position: 19, Until: now.Add(time.Hour), Now: now,
	}
}

func TestHostileHosts(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		for name, component := range map[string]templ.Component{
			"the list": templates.Hosts(hosts(text)), "the question of labels": templates.HostsLabelsPage(labels(text)), "the window": templates.HostsWindowPage(window(text)),
		} {
			page := render(t, templates.Layout(shell("Hosts"), component))
			pagetest.Check(t, name+" with "+text, page)
			shown := pagetest.Text(t, page)
			wants := map[string][]string{
				"the list": {".example" + text, "under the desk" + text, "0.169.0" + text, "team=" + text}, "the question of labels": {"team" + text, "got " + text}, "the window": {"bastion.example" + text},
			}[name]
			for _, want := range wants {
				if want = strings.Join(strings.Fields(want), " "); !strings.Contains(shown, want) {
					t.Errorf("%s does not show %q as it is", name, want)
				}
			}
		}
	}
}

// The dialog is the page's form, and the part that htmx gets is the page's.
func TestHostsParts(t *testing.T) {
	t.Parallel()
	if dialog := string(render(t, templates.HostsWindowDialog(window("")))); !strings.HasPrefix(dialog, `<dialog aria-labelledby="window-h" data-open><form class="dlg" method="post" action="/dashboard/hosts/window">`) {
		t.Errorf("got %s", dialog)
	}
	part, page := string(render(t, templates.HostsChanged(hosts("")))), string(render(t, templates.Hosts(hosts(""))))
	table, sum, found := strings.Cut(part, `<p id="hosts-sum" hx-swap-oob="true">`)
	if !found || !strings.HasPrefix(table, `<div id="hosts"`) || !strings.Contains(page, table) || !strings.HasPrefix(sum, "4 enrolled") {
		t.Errorf("got %s", part)
	}
}

func TestMinutes(t *testing.T) {
	t.Parallel()
	for minutes, want := range map[int]string{1: "1 min", 59: "59 min", 60: "1 h", 171: "2 h 51 min", 480: "8 h"} {
		if got := templates.Minutes(minutes); got != want {
			t.Errorf("%d: got %q, want %q", minutes, got, want)
		}
	}
}
