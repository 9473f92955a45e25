package templates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

// auditPage is the audit trail with everything on it. Every text of it that could come from elsewhere ends with more.
func auditPage(more string) templates.AuditPage {
	ago := func(d time.Duration) templates.Moment { return templates.Moment{At: now.Add(-d), Now: now} }
	return templates.AuditPage{
		Chains: templates.AuditChains{Tone: templates.OK, Title: "Signed until Mon 23 Nov 2026, 14:31:55 UTC", Text: "48,213 entries in 2 chains.", Command: "cdxgate audit verify"},
		Filter: templates.AuditFilter{
			Search: "q" + more, Actor: "actor" + more, Action: "action" + more, Host: "host" + more, From: "2026-11-01T00:00:00",
			Kinds:   []templates.Option{{Label: "Anybody"}, {Label: "Hosts", Value: "host", Current: true}},
			Windows: []templates.Option{{Label: "Any time", Current: true}, {Label: "Last hour", Value: "1h"}},
			Sizes:   []templates.Option{{Label: "50 entries", Value: "50", Current: true}}, Actions: []string{"admin", "admin.host"}, More: true, Clear: "/dashboard/audit",
		},
		List: templates.AuditList{
			Self: "/dashboard/audit?q=x",
			Entries: []templates.AuditEntry{
				{
					ID: 48213, Event: templates.Event{Icon: "edit", Actor: "ops" + more, Text: "changed", Object: "atlas" + more, When: ago(20 * time.Second)}, ActorIcon: "user",
					ActorURL: "/dashboard/audit?actor=ops", Action: "admin.host.update" + more, ActionURL: "/dashboard/audit?action=admin.host.update", Host: "atlas" + more, HostURL: "/dashboard/hosts/7",
					Summary: "roaming: no → yes" + more, Changes: []templates.AuditChange{{Name: "roaming" + more, Before: "no", After: "yes" + more}, {Name: "pin", After: "0.1"}, {Name: "note", Before: "old" + more}},
					Facts: []templates.Field{{Name: "fqdn" + more, Value: "atlas" + more}, {Name: "empty"}}, Exact: "Mon 23 Nov 2026, 14:31:40 UTC", From: "192.0.2.1", Request: "0199" + more,
					Place: "number 12 of the chain gw" + more, JSON: `{"id":48213}` + more,
				},
				{
					ID: 2, Event: templates.Event{Icon: "key", Actor: "cdxgate", Text: "made the keyring", When: ago(48 * time.Hour)}, ActorIcon: "shield", ActorURL: "/dashboard/audit?actor=cdxgate",
					Action: "keyring.establish", ActionURL: "/dashboard/audit?action=keyring.establish", Host: "host 9, gone", Exact: "Sat 21 Nov 2026, 14:32:00 UTC", JSON: "{}",
				},
			},
			Pager:   templates.Pager{Text: "2 entries, 48,213 to 2", Next: "/dashboard/audit?before=2", Prev: "/dashboard/audit?after=48213", First: "/dashboard/audit"},
			Exports: []templates.Action{{Label: "CSV", Icon: "download", Href: "/dashboard/audit.csv", Kind: templates.Small}},
		},
	}
}

func auditEmpty() templates.AuditPage {
	return templates.AuditPage{
		Chains: templates.AuditChains{Tone: templates.Bad, Title: "The trail is not what was recorded", Command: "cdxgate audit verify"},
		List:   templates.AuditList{Empty: templates.Empty{Title: "Nothing on record matches", Actions: []templates.Action{{Label: "Show everything", Href: "/dashboard/audit"}}}},
	}
}

func auditProblem() templates.AuditPage {
	return templates.AuditPage{
		Chains: templates.AuditChains{Tone: templates.Warn, Title: "Not signed since Mon 23 Nov 2026, 12:32:00 UTC", Command: "cdxgate audit verify"},
		List:   templates.AuditList{Problem: "No host is called “x”."},
	}
}

// difference is one with every kind of line.
func difference(more string) templates.TextDiff {
	return templates.TextDiff{From: "version 2", To: "version 3", Cut: "4 more lines are not shown.", Lines: []templates.DiffLine{
		{Kind: templates.DiffGap, Text: "9 lines are the same"}, {Old: 10, New: 10, Text: "same" + more}, {Kind: templates.DiffRemoved, Old: 11, Text: "removed" + more},
		{Kind: templates.DiffAdded, New: 11, Text: "added" + more}, {Kind: templates.DiffAdded, New: 12},
	}}
}

func libraryPage(more string) templates.LibraryPage {
	restore := templates.Action{Label: "Restore…", Href: "/dashboard/library/command/old.md", Kind: templates.Small, Why: "Your role is viewer; this takes an operator."}
	return templates.LibraryPage{
		Actions: []templates.Action{{Label: "Proposals", Href: "/dashboard/library/proposals"}, {Label: "New command", Icon: "add", Href: "/dashboard/library/edit", Kind: templates.Primary}},
		Waiting: []templates.Alert{{Tone: templates.Warn, Icon: "command", Title: "2 slash commands wait for an admin.", Action: templates.Action{Label: "Review", Href: "/dashboard/library/proposals", Kind: templates.Small}}},
		Search:  "q" + more, State: "all",
		List: templates.LibraryList{
			Self:   "/dashboard/library?state=all",
			States: []templates.LibraryState{{Label: "On hosts", Href: "/dashboard/library", N: 1204}, {Label: "All", Href: "/dashboard/library?state=all", N: 1205, Current: true}, {Label: "Uncounted", Href: "/dashboard/library", N: -1}},
			Name:   templates.Sort{Label: "Command", Href: "/dashboard/library?direction=desc", Order: "ascending"}, Updated: templates.Sort{Label: "Updated", Href: "/dashboard/library?sort=updated"},
			Rows: []templates.LibraryRow{
				{
					Name: "review.md" + more, Href: "/dashboard/library/command/review.md", Description: "Look at it" + more, Hint: "[PATH]" + more, Version: 3, Author: "ops" + more, Updated: templates.Moment{At: now, Now: now},
					Actions: []templates.Action{{Label: "Edit", Href: "/dashboard/library/edit?name=review.md", Kind: templates.Small}},
				},
				{Name: "old.md", Href: "/dashboard/library/command/old.md", Version: 1, Author: "atlas", Updated: templates.Moment{At: now, Now: now}, Retired: true, Actions: []templates.Action{restore}},
			},
			Text: "2 commands",
		},
	}
}

func libraryCommand(more string) templates.LibraryCommand {
	moment, diff := templates.Moment{At: now.Add(-time.Hour), Now: now}, difference(more)
	restore := templates.Action{Label: "Restore", Icon: "undo", Post: "/dashboard/library/restore/review.md", Kind: templates.Small, Fields: []templates.Field{{Name: "version", Value: "2"}, {Name: "base", Value: "4.3"}}}
	return templates.LibraryCommand{
		Name: "review.md" + more, Actions: []templates.Action{{Label: "Edit", Icon: "edit", Href: "/dashboard/library/edit?name=review.md", Kind: templates.Primary}}, Retired: moment,
		Version: 2, Newest: 3, Description: "Look at it" + more, Hint: "[PATH]" + more, Author: "ops" + more, Made: moment, Size: "12 bytes", SHA256: "ab12", Text: "text" + more, Diff: &diff, Restore: restore,
		Versions: []templates.LibraryVersion{
			{Number: 3, Href: "/dashboard/library/command/review.md", Current: true, Author: "ops" + more, Made: moment, Size: "13 bytes"},
			{Number: 2, Href: "/dashboard/library/command/review.md?version=2", Shown: true, Author: "atlas", Made: moment, Size: "12 bytes", Restore: restore},
		},
	}
}

func libraryEdit(more string) templates.LibraryEdit {
	diff := difference(more)
	return templates.LibraryEdit{
		Name: "review.md" + more, Prompt: "\ntyped" + more, Description: "D" + more, Hint: "H" + more, Base: "4.3", FromText: [2]string{"said" + more, ""}, Problem: "Nothing was stored" + more,
		Problems: map[string]string{"prompt": "Prompt is wrong" + more}, Conflict: &templates.LibraryConflict{Text: "ops" + more + " stored version 3.", Diff: difference(more)},
		Preview: &templates.LibraryPreview{Path: "prompts/review.md" + more, Description: "D" + more, Size: "5 bytes", Prompt: "typed" + more, Diff: &diff},
		Save:    templates.Action{Label: "Save over it", Kind: templates.Primary, Why: "Your role is viewer; this takes an operator."}, Cancel: "/dashboard/library",
	}
}

func libraryProposals(more string) templates.LibraryProposals {
	moment := templates.Moment{At: now.Add(-time.Hour), Now: now}
	return templates.LibraryProposals{
		Search: "q" + more, Self: "/dashboard/library/proposals", States: []templates.LibraryState{{Label: "Waits", Href: "/dashboard/library/proposals", N: -1, Current: true}},
		Rows: []templates.LibraryProposalRow{
			{Href: "/dashboard/library/proposal/1", Name: "review.md" + more, Host: "atlas" + more, HostURL: "/dashboard/hosts/7", Kind: "A change of version 3", Size: "12 bytes", Made: moment, State: templates.LibraryDecision{Tone: templates.Warn, Icon: "expires", Label: "Waits"}},
			{Href: "/dashboard/library/proposal/2", Name: "new.md", Host: "nova" + more, Kind: "A new command", Size: "1.20 kB", Made: moment, State: templates.LibraryDecision{Icon: "close", Label: "Discarded", By: "ops" + more, At: moment}},
		},
		Pager: templates.Pager{Text: "2 proposals", Next: "/dashboard/library/proposals?after=2"},
	}
}

func libraryProposal(more string) templates.LibraryProposal {
	return templates.LibraryProposal{
		Name: "review.md" + more, NameURL: "/dashboard/library/command/review.md", Host: "atlas" + more, HostURL: "/dashboard/hosts/7", Kind: "A change of version 2, pushed by atlas" + more + ".",
		State: templates.LibraryDecision{Tone: templates.Warn, Icon: "expires", Label: "Waits"}, Made: templates.Moment{At: now, Now: now}, Description: "D" + more, Size: "12 bytes", SHA256: "ab12",
		Problem: "Nothing was accepted.", Stale: "The command has changed.", Diff: difference(more),
		Actions: []templates.Action{{Label: "Discard", Icon: "close", Post: "/dashboard/library/discard/1", Kind: templates.Danger}, {Label: "Overwrite", Post: "/dashboard/library/accept/1", Kind: templates.DangerNow, Fields: []templates.Field{{Name: "over", Value: "4.3"}}}},
	}
}

// auditAndLibrary are the pages of the audit trail and the slash commands, by the name of their golden file.
func auditAndLibrary(more string) map[string]templ.Component {
	command, same := libraryCommand(more), libraryProposal(more)
	command.Retired, command.Diff, command.Version, command.Restore = templates.Moment{}, nil, 3, templates.Action{}
	same.Diff, same.Stale, same.Problem, same.Actions, same.NameURL = templates.TextDiff{Same: true}, "", "", nil, ""
	return map[string]templ.Component{
		"audit": templates.Audit(auditPage(more)), "audit-empty": templates.Audit(auditEmpty()), "audit-problem": templates.Audit(auditProblem()),
		"library":       templates.Library(libraryPage(more)),
		"library-empty": templates.Library(templates.LibraryPage{List: templates.LibraryList{Self: "/dashboard/library", Empty: templates.Empty{Title: "No slash commands yet"}}}),
		"library-old":   templates.LibraryCommandPage(libraryCommand(more)), "library-command": templates.LibraryCommandPage(command),
		"library-new":  templates.LibraryEditPage(templates.LibraryEdit{New: true, Save: templates.Action{Label: "Save for all hosts", Kind: templates.Primary}, Cancel: "/dashboard/library"}),
		"library-edit": templates.LibraryEditPage(libraryEdit(more)), "library-proposals": templates.LibraryProposalsPage(libraryProposals(more)),
		"library-queue-empty": templates.LibraryProposalsPage(templates.LibraryProposals{Self: "/dashboard/library/proposals", Empty: templates.Empty{Title: "Nothing waits"}}),
		"library-proposal":    templates.LibraryProposalPage(libraryProposal(more)), "library-proposal-same": templates.LibraryProposalPage(same),
	}
}

// What hosts and admins write into commands and what stands in the trail is text wherever it is shown.
func TestHostileAuditAndLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		for name, component := range auditAndLibrary(text) {
			page := render(t, templates.Layout(shell("Title"), component))
			pagetest.Check(t, name+" with "+text, page)
			shown := pagetest.Text(t, page)
			for _, want := range map[string][]string{
				"audit": {"ops", "atlas", "admin.host.update", "roaming", "0199"}, "library": {"review.md", "Look at it", "[PATH]"}, "library-old": {"text", "removed", "added", "same"},
				"library-edit": {"typed", "Prompt is wrong", "removed"}, "library-proposals": {"review.md", "nova"}, "library-proposal": {"atlas", "added"},
			}[name] {
				if !strings.Contains(shown, strings.Join(strings.Fields(want+text), " ")) {
					t.Errorf("%s does not show %q as it is", name, want+text)
				}
			}
		}
	}
}
