package dashboard

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/templates"
)

// proposalsOnPage bounds a part of the queue.
const proposalsOnPage = 50

// proposalsAll in place of a decision asks for all.
const proposalsAll = "all"

// decisions are what may become of a proposal, in the words of the library.
var decisions = []struct {
	value, label string
	tone         templates.Tone
	icon         string
}{
	{"", "Waits", templates.Warn, "expires"}, {"accepted", "Accepted", templates.OK, "check"}, {"discarded", "Discarded", templates.Plain, "close"},
}

// proposals serves the queue: what waits, the oldest first; what is decided, the newest first.
func (s *Surface) proposals(v *visit) (page, error) {
	state, q := v.query("state"), &addressQuery{v: v}
	query := library.ProposalQuery{Search: q.text("q"), Max: proposalsOnPage + 1}
	if q.err != nil {
		return page{}, q.err
	}
	switch state {
	case "accepted", "discarded":
		query.Decision, query.Descending = &state, true
	case proposalsAll:
		query.Descending = true
	default:
		state = ""
		query.Decision = &state
	}
	if after, err := strconv.ParseInt(v.query("after"), 10, 64); err == nil {
		query.After = &after
	}
	rows, err := s.cfg.Library.ProposalPage(v.Context(), query)
	if err != nil {
		return page{}, err
	}
	shown := proposalsPage(state, query, rows, v.now, s.has)
	return page{
		Title: "Proposals", Path: pathLibrary, Crumbs: []templates.Crumb{{Label: "Slash commands", Path: pathLibrary}},
		Body: templates.LibraryProposalsPage(shown), Parts: map[string]templ.Component{"li-queue": templates.LibraryProposalList(shown)},
	}, nil
}

// proposalsPage makes the queue of one more row than it shows, if there are so many.
func proposalsPage(state string, query library.ProposalQuery, rows []db.ProposalPageRow, now time.Time, has func(string) bool) templates.LibraryProposals {
	address := func(state string, after int64) string {
		values := url.Values{}
		for name, value := range map[string]string{"state": state, "q": query.Search} {
			if value != "" {
				values.Set(name, value)
			}
		}
		if after > 0 {
			values.Set("after", strconv.FormatInt(after, 10))
		}
		if len(values) == 0 {
			return pathProposals
		}
		return pathProposals + "?" + values.Encode()
	}
	p := templates.LibraryProposals{Search: query.Search, State: state, Self: address(state, 0)}
	for _, choice := range decisions {
		p.States = append(p.States, templates.LibraryState{Label: choice.label, Href: address(choice.value, 0), N: -1, Current: choice.value == state})
	}
	p.States = append(p.States, templates.LibraryState{Label: "All", Href: address(proposalsAll, 0), N: -1, Current: state == proposalsAll})
	if query.After != nil {
		p.Self = address(state, *query.After)
		p.Pager.Prev, p.Pager.First = address(state, 0), address(state, 0)
	}
	if len(rows) > proposalsOnPage {
		rows = rows[:proposalsOnPage]
		p.Pager.Next = address(state, rows[len(rows)-1].ID)
	}
	for i := range rows {
		row := &rows[i]
		p.Rows = append(p.Rows, templates.LibraryProposalRow{
			Href: pathProposal + strconv.FormatInt(row.ID, 10), Name: row.Name, Host: row.FQDN, HostURL: hostLink(row.HostID, has), Kind: proposalKind(row.BaseVersion),
			Size: bytesText(int64(row.SizeBytes)), Made: templates.Moment{At: row.CreatedAt, Now: now}, State: libraryDecision(row.Decision, row.DecidedBy, row.DecidedAt, now),
		})
	}
	p.Pager.Text = templates.Count(int64(len(p.Rows)), "proposal", "proposals")
	p.Empty = templates.Empty{Title: "Nothing waits", Text: "What a host pushes comes here, unless the policy host_prompt_push says otherwise.", Actions: []templates.Action{{Label: "Slash commands", Href: pathLibrary}}}
	if query.Search != "" || state != "" || query.After != nil {
		p.Empty = templates.Empty{Title: "No proposal matches", Text: "Those that were decided are kept for 90 days.", Actions: []templates.Action{{Label: "Show what waits", Href: pathProposals}}}
	}
	return p
}

func hostLink(id int64, has func(string) bool) string {
	if !has("/dashboard/hosts/{}") {
		return ""
	}
	return "/dashboard/hosts/" + strconv.FormatInt(id, 10)
}

func proposalKind(baseVersion int64) string {
	if baseVersion == 0 {
		return "A new command"
	}
	return "A change of " + versionText(baseVersion)
}

// decided is what became of a proposal; decision may be nil: it waits.
func libraryDecision(decision, by *string, at *time.Time, now time.Time) templates.LibraryDecision {
	for _, known := range decisions {
		if known.value == textOf(decision) {
			d := templates.LibraryDecision{Tone: known.tone, Icon: known.icon, Label: known.label, By: textOf(by), At: templates.Moment{Now: now}}
			if at != nil {
				d.At.At = *at
			}
			return d
		}
	}
	return templates.LibraryDecision{Icon: "info", Label: textOf(decision), By: textOf(by)}
}

// proposalID is the number that a path names.
func proposalID(v *visit) (int64, error) {
	id, err := strconv.ParseInt(v.Param, 10, 64)
	if err != nil || strings.Trim(v.Param, "0123456789") != "" {
		return 0, call.ErrNoRoute
	}
	return id, nil
}

// proposal serves a proposal with what it would change.
func (s *Surface) proposal(v *visit) (page, error) { return s.proposalWith(v, "") }

// proposalWith is the page after something was not done.
func (s *Surface) proposalWith(v *visit, problem string) (page, error) {
	id, err := proposalID(v)
	if err != nil {
		return page{}, err
	}
	row, err := s.cfg.Library.Proposal(v.Context(), id)
	if err != nil {
		return page{}, err
	}
	current, err := s.cfg.Library.Get(v.Context(), row.LibraryProposal.Name)
	if errors.Is(err, library.ErrNotFound) {
		current, err = nil, nil
	}
	if err != nil {
		return page{}, err
	}
	hosts, err := s.hostsThatGet(v)
	if err != nil {
		return page{}, err
	}
	shown := proposalPage(row, current, hosts, v.now, v.unless(access.LibraryWrite), s.has)
	shown.Problem = problem
	return page{
		Title: row.LibraryProposal.Name, Path: pathLibrary, Body: templates.LibraryProposalPage(shown),
		Crumbs: []templates.Crumb{{Label: "Slash commands", Path: pathLibrary}, {Label: "Proposals", Path: pathProposals}},
	}, nil
}

// proposalPage makes the page. current is the command as it is; nil: there is none. hosts are those that get what is accepted.
func proposalPage(row *db.ProposalGetRow, current *db.LibraryGetRow, hosts string, now time.Time, why string, has func(string) bool) templates.LibraryProposal {
	p := &row.LibraryProposal
	shown := templates.LibraryProposal{
		Name: p.Name, Host: row.FQDN, HostURL: hostLink(p.HostID, has), Kind: proposalKind(p.BaseVersion) + ", pushed by " + row.FQDN + ".",
		State: libraryDecision(p.Decision, p.DecidedBy, p.DecidedAt, now), Made: templates.Moment{At: p.CreatedAt, Now: now},
		Description: textOf(p.Description), Hint: textOf(p.ArgumentHint), Size: bytesText(int64(len(p.Content))), SHA256: hex.EncodeToString(p.SHA256),
	}
	from, before := "nothing: the command is new", ""
	if current != nil {
		file := &current.LibraryFile
		shown.NameURL = pathCommand + url.PathEscape(p.Name)
		from, before = versionText(file.Version), current.LibraryVersion.Content
		switch {
		case p.Decision != nil:
		case file.Version != p.BaseVersion:
			shown.Stale = fmt.Sprintf("The command has changed since this was proposed: from version %d to %d. Accepting it overwrites that.", p.BaseVersion, file.Version)
			if p.BaseVersion == 0 {
				shown.Stale = fmt.Sprintf("There is a command of this name since this was proposed, in version %d. Accepting it overwrites that.", file.Version)
			}
		case file.DeletedAt != nil && file.DeletedAt.After(p.CreatedAt):
			shown.Stale = "The command was retired since this was proposed. Accepting it brings the command back."
		}
	}
	shown.Diff = textDiff(from, before, "the proposal", p.Content)
	if p.Decision != nil {
		return shown
	}
	at := strconv.FormatInt(p.ID, 10)
	accept := templates.Action{Label: "Accept for " + hosts, Icon: "check", Post: pathAccept + at, Kind: templates.Primary, Why: why}
	if shown.Stale != "" {
		accept.Label, accept.Kind = "Overwrite and accept for "+hosts, templates.DangerNow
		accept.Fields = []templates.Field{{Name: "over", Value: seenAs(current)}}
	}
	shown.Actions = []templates.Action{{Label: "Discard", Icon: "close", Post: pathDiscard + at, Kind: templates.Danger, Why: why}, accept}
	return shown
}

// seenAs names what a command is now, whether it is retired or not.
func seenAs(row *db.LibraryGetRow) string {
	if row == nil {
		return ""
	}
	seen := strconv.FormatInt(row.LibraryFile.ID, 10) + "." + strconv.FormatInt(row.LibraryFile.Version, 10)
	if at := row.LibraryFile.DeletedAt; at != nil {
		seen += "." + strconv.FormatInt(at.UnixMicro(), 10)
	}
	return seen
}

// acceptProposal gives all hosts what one proposed. What has changed since is overwritten only by who has seen it.
func (s *Surface) acceptProposal(v *visit) (outcome, error) {
	id, err := proposalID(v)
	if err != nil {
		return nil, err
	}
	var over library.Base
	if seen := v.post("over"); seen != "" {
		over = func(current *db.LibraryGetRow) bool { return seenAs(current) == seen }
	}
	current, err := s.cfg.Library.Accept(v.Context(), id, over, library.Author{Actor: v.Actor})
	if errors.Is(err, library.ErrProposalStale) {
		again, err := s.proposalWith(v, "Nothing was accepted: the command has changed since you opened this page. Below is what accepting it would change now.")
		again.Status = http.StatusConflict
		return again, err
	}
	if err != nil {
		return nil, err
	}
	return done{
		To: pathProposals, Say: current.LibraryFile.Name + " is what was proposed, " + versionText(current.LibraryFile.Version), More: "Hosts get it with their next sync.",
	}, nil
}

// discardProposal closes a proposal and changes nothing.
func (s *Surface) discardProposal(v *visit) (outcome, error) {
	id, err := proposalID(v)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Library.Discard(v.Context(), id, library.Author{Actor: v.Actor}); err != nil {
		return nil, err
	}
	return done{To: pathProposals, Say: "The proposal is discarded", More: "Hosts keep what they have."}, nil
}
