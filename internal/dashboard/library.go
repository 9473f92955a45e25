package dashboard

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/templates"
)

// Paths of the library. Names of commands are the last segment, so that none of them is taken for a page.
const (
	pathLibrary   = "/dashboard/library"
	pathEdit      = pathLibrary + "/edit"
	pathCommand   = pathLibrary + "/command/"
	pathRetire    = pathLibrary + "/retire/"
	pathRestore   = pathLibrary + "/restore/"
	pathProposals = pathLibrary + "/proposals"
	pathProposal  = pathLibrary + "/proposal/"
	pathAccept    = pathLibrary + "/accept/"
	pathDiscard   = pathLibrary + "/discard/"
)

// handleLibrary adds the slash commands: the list, one with its history, the form, and what hosts propose.
func (s *Surface) handleLibrary() {
	s.page(pathLibrary, access.LibraryRead, s.library)
	s.page(pathEdit, access.LibraryRead, s.editCommand)
	s.form(pathEdit, access.LibraryWrite, s.storeCommand)
	s.page(pathCommand+"{}", access.LibraryRead, s.command)
	s.page(pathRetire+"{}", access.LibraryRead, s.askRetire)
	s.form(pathRetire+"{}", access.LibraryWrite, s.retireCommand)
	s.form(pathRestore+"{}", access.LibraryWrite, s.restoreCommand)
	s.page(pathProposals, access.LibraryRead, s.proposals)
	s.page(pathProposal+"{}", access.LibraryRead, s.proposal)
	s.form(pathAccept+"{}", access.LibraryWrite, s.acceptProposal)
	s.form(pathDiscard+"{}", access.LibraryWrite, s.discardProposal)
}

// maxCommands bounds the list; a search finds the others.
const maxCommands = 500

// What the list is of, and how it is sorted. The first is meant when the address says nothing.
const (
	commandsRetired = "retired"
	commandsAll     = "all"
	byName          = "name"
	byUpdated       = "updated"
)

// libraryView is what the address of the list asks for. What it does not know it takes for nothing.
type libraryView struct {
	search, state string
	byUpdated     bool
	backwards     bool
}

func parseLibraryView(v *visit) (libraryView, error) {
	q := &addressQuery{v: v}
	view := libraryView{search: q.text("q"), byUpdated: v.query("sort") == byUpdated, backwards: v.query("direction") == "desc"}
	if state := v.query("state"); state == commandsRetired || state == commandsAll {
		view.state = state
	}
	return view, q.err
}

func (view libraryView) address() string {
	values := url.Values{}
	for name, value := range map[string]string{"q": view.search, "state": view.state} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if view.byUpdated {
		values.Set("sort", byUpdated)
	}
	if view.backwards {
		values.Set("direction", "desc")
	}
	if len(values) == 0 {
		return pathLibrary
	}
	return pathLibrary + "?" + values.Encode()
}

// sort is the heading of a column.
func (view libraryView) sort(label, column string) templates.Sort {
	other, updated := view, column == byUpdated
	heading := templates.Sort{Label: label}
	if view.byUpdated == updated {
		heading.Order = "ascending"
		if view.backwards {
			heading.Order = "descending"
		}
		other.backwards = !view.backwards
	} else {
		other.byUpdated, other.backwards = updated, updated // what was changed last is looked for first
	}
	heading.Href = other.address()
	return heading
}

// has reports whether a command is one that is looked for, and of the right state.
func (view libraryView) has(f *db.LibraryListRow, state string) bool {
	retired := f.DeletedAt != nil
	if state == "" && retired || state == commandsRetired && !retired {
		return false
	}
	search := strings.ToLower(view.search)
	return slices.ContainsFunc([]string{f.Name, textOf(f.Description), textOf(f.ArgumentHint)}, func(text string) bool {
		return strings.Contains(strings.ToLower(text), search)
	})
}

// library serves the list of commands.
func (s *Surface) library(v *visit) (page, error) {
	view, err := parseLibraryView(v)
	if err != nil {
		return page{}, err
	}
	files, err := s.cfg.Library.List(v.Context())
	if err != nil {
		return page{}, err
	}
	pending := ""
	waiting, err := s.cfg.Library.ProposalPage(v.Context(), library.ProposalQuery{Decision: &pending, Max: maxWaiting})
	if err != nil {
		return page{}, err
	}
	shown := libraryPage(view, files, len(waiting), v.now, v.unless(access.LibraryWrite))
	return page{
		Title: "Slash commands", Path: pathLibrary, Body: templates.Library(shown),
		Parts: map[string]templ.Component{"li-list": templates.LibraryCommands(shown.List), "li-waiting": templates.LibraryWaiting(shown.Waiting)},
	}, nil
}

// libraryPage makes the page. waiting counts proposals, up to maxWaiting; why is why the visitor may change nothing.
func libraryPage(view libraryView, files []db.LibraryListRow, waiting int, now time.Time, why string) templates.LibraryPage {
	add := templates.Action{Label: "New command", Icon: "add", Href: pathEdit, Kind: templates.Primary, Why: why}
	p := templates.LibraryPage{
		Search: view.search, State: view.state, Actions: []templates.Action{{Label: "Proposals", Href: pathProposals}, add},
		List: templates.LibraryList{Self: view.address(), Name: view.sort("Command", byName), Updated: view.sort("Updated", byUpdated)},
	}
	if waiting > 0 {
		title := templates.Count(int64(waiting), "slash command waits", "slash commands wait") + " for an admin."
		if waiting >= maxWaiting {
			title = templates.Grouped(maxWaiting) + " or more slash commands wait for an admin."
		}
		p.Waiting = []templates.Alert{{
			Tone: templates.Warn, Icon: "command", Title: title, Text: "Hosts pushed them; no other host has them yet.",
			Action: templates.Action{Label: "Review", Href: pathProposals, Kind: templates.Small},
		}}
	}
	var found []db.LibraryListRow
	counts := map[string]int64{}
	for i := range files {
		for _, state := range []string{"", commandsRetired, commandsAll} {
			if view.has(&files[i], state) {
				counts[state]++
				if state == view.state {
					found = append(found, files[i])
				}
			}
		}
	}
	for _, state := range []struct{ value, label string }{{"", "On hosts"}, {commandsRetired, "Retired"}, {commandsAll, "All"}} {
		other := view
		other.state = state.value
		p.List.States = append(p.List.States, templates.LibraryState{Label: state.label, Href: other.address(), N: counts[state.value], Current: state.value == view.state})
	}
	slices.SortStableFunc(found, func(a, b db.LibraryListRow) int {
		order := strings.Compare(a.Name, b.Name)
		if view.byUpdated {
			order = cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), order)
		}
		if view.backwards {
			return -order
		}
		return order
	})
	p.List.Text = templates.Count(int64(len(found)), "command", "commands")
	if len(found) > maxCommands {
		p.List.Text = templates.Grouped(maxCommands) + " of " + p.List.Text + "; search for the others"
		found = found[:maxCommands]
	}
	for i := range found {
		p.List.Rows = append(p.List.Rows, libraryRow(&found[i], now, why))
	}
	switch {
	case len(files) == 0:
		p.List.Empty = templates.Empty{Title: "No slash commands yet", Text: "Write one here, or push one from a host: it comes to the proposals.", Actions: []templates.Action{add}}
	case view.search != "":
		p.List.Empty = templates.Empty{Title: "No command matches", Text: "Commands are found by a part of their name, description or argument.", Actions: []templates.Action{{Label: "Show all", Href: pathLibrary + "?state=" + commandsAll}}}
	case view.state == commandsRetired:
		p.List.Empty = templates.Empty{Title: "No command is retired", Text: "One that is retired here is removed from hosts, and can be brought back.", Actions: []templates.Action{{Label: "Show those on hosts", Href: pathLibrary}}}
	default:
		p.List.Empty = templates.Empty{Title: "All commands are retired", Text: "Hosts have none.", Actions: []templates.Action{{Label: "Show them", Href: pathLibrary + "?state=" + commandsRetired}, add}}
	}
	return p
}

func libraryRow(f *db.LibraryListRow, now time.Time, why string) templates.LibraryRow {
	row := templates.LibraryRow{
		Name: f.Name, Href: pathCommand + url.PathEscape(f.Name), Description: textOf(f.Description), Hint: textOf(f.ArgumentHint),
		Version: f.Version, Author: f.Author, Updated: templates.Moment{At: f.UpdatedAt, Now: now}, Retired: f.DeletedAt != nil,
	}
	if row.Retired {
		row.Actions = []templates.Action{{Label: "Restore…", Href: row.Href, Kind: templates.Small, Why: why}}
		return row
	}
	row.Actions = []templates.Action{
		{Label: "Edit", Href: pathEdit + "?name=" + url.QueryEscape(f.Name), Kind: templates.Small, Why: why},
		{Label: "Retire…", Href: pathRetire + url.PathEscape(f.Name), Kind: templates.Small, Why: why},
	}
	return row
}

// commandName is the name that a path names. Errors: kind Invalid.
func commandName(v *visit) (string, error) {
	name, err := url.PathUnescape(v.Param)
	if err != nil {
		return "", library.ErrNotFound
	}
	if name, err = library.ParseName(name); err != nil {
		return "", library.ErrNotFound
	}
	return name, nil
}

// baseOf names what a command is now, for a form that changes it; "": there is none, or it is retired.
func baseOf(row *db.LibraryGetRow) string {
	if row == nil || row.LibraryFile.DeletedAt != nil {
		return ""
	}
	return strconv.FormatInt(row.LibraryFile.ID, 10) + "." + strconv.FormatInt(row.LibraryFile.Version, 10)
}

// stillBase asks whether a command is what a form was made from: of two admins who change the same text, the second is told.
func stillBase(base string) library.Base {
	return func(current *db.LibraryGetRow) bool { return baseOf(current) == base }
}

// bytesText is how long a text is.
func bytesText(n int64) string {
	if n < 1000 {
		return templates.Count(n, "byte", "bytes")
	}
	return strings.ReplaceAll(templates.Short(n), "\u202f", "\u00a0") + "B"
}
