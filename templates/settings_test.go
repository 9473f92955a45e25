package templates_test

import (
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/templates"
)

// settings is the page of a fleet whose quota and Codex somebody has decided. Every text of it that could come from elsewhere
// ends with more.
func settings(more string) templates.SettingsPage {
	return templates.SettingsPage{
		Switch: templates.Switch{Known: true}, SwitchText: "23 active hosts would be refused from the next call on.",
		Quota: templates.QuotaSettings{
			SettingsCard: templates.SettingsCard{Tag: "5eed", Wrong: "Quota_limit_percent wants a number" + more, Decided: templates.Moment{At: now.Add(-time.Hour), Now: now}},
			Refuse:       true, Text: "Refuse: cdx does not start Codex.", Limit: 95, Partitions: []templates.Partition{
				{Label: "Off", Value: "0"}, {Label: "7 days", Value: "7", Of: "14", Share: 13.3}, {Label: "Mon–Fri", Value: "5", Of: "20", Share: 19, Current: true},
			},
		},
		Codex: templates.CodexSettings{
			SettingsCard: templates.SettingsCard{Tag: "c0de"}, Text: "Locked to 0.168.2.", Other: more, Known: "The newest Codex is 0.169.0.",
			Checked: templates.Moment{At: now.Add(-18 * time.Minute), Now: now}, Failed: "Asked in vain: status 403" + more,
			Notes:   []templates.Action{{Label: "Release notes of 0.168.2", Href: "/dashboard/codex/0.168.2"}, {Label: "Release notes of 0.169.0", Href: "/dashboard/codex/0.169.0"}},
			Options: []templates.Option{{Label: "Latest, now 0.169.0", Value: "latest"}, {Label: "Lock to 0.168.2" + more, Value: "0.168.2" + more, Current: true}, {Label: "Another release, below", Value: "other"}},
		},
		Silent: templates.SilentSettings{SettingsCard: templates.SettingsCard{Tag: "51"}, On: true},
		Prune:  templates.PruneSettings{SettingsCard: templates.SettingsCard{Tag: "91"}, Days: 30, Text: "After so long without a call."},
	}
}

// viewedSettings is what a viewer sees while hosts are refused.
func viewedSettings() templates.SettingsPage {
	p := settings("")
	p.Why, p.Switch.Off, p.Prune.Days, p.Quota.Wrong, p.Codex.Failed = "Your role is viewer; this takes an operator.", true, 0, "", ""
	return p
}

// codex is what is new in a version. The notes end with more.
func codex(more string) templates.CodexPage {
	return templates.CodexPage{
		Title: "Codex 0.169.0", GitHub: "https://github.com/openai/codex/releases/tag/rust-v0.169.0", Notes: "## New\n\n- [A link](javascript:alert(1)) " + more,
		Published: templates.Moment{At: now.AddDate(0, 0, -3), Now: now}, Checked: templates.Moment{At: now.Add(-18 * time.Minute), Now: now},
	}
}

// accessPage has one of each way in. Every text of it that could come from elsewhere ends with more.
func accessPage(more string) templates.AccessPage {
	ends := templates.Moment{At: now.AddDate(0, 2, 0), Now: now}
	row := func(name, state string, tone templates.Tone, icon string) templates.AccessRow {
		return templates.AccessRow{
			Name: name + more, Note: "serial " + more, Role: "owner" + more, Tone: tone, Icon: icon, State: state, Ends: ends, Last: templates.Moment{At: now, Now: now},
			Act: templates.Action{Label: "Revoke…", Kind: templates.Small, Href: "/dashboard/access/tokens/revoke"},
		}
	}
	mine := row("laptop", "Good", templates.OK, "ok")
	mine.You = true
	bot := row("bot", "Ends soon", templates.Warn, "expires")
	bot.Scopes, bot.Last, bot.LastNote = "host.read, usage.read", templates.Moment{}, "made by ops"+more
	over := row("Session 7", "Ended", templates.Plain, "logout")
	over.Act = templates.Action{}
	session := row("Session 8", "Open", templates.OK, "ok")
	session.Act = templates.Action{Label: "End", Kind: templates.Small, Post: "/dashboard/access/sessions/revoke", Fields: []templates.Field{{Name: "id", Value: "8"}}}
	return templates.AccessPage{
		Query: more, All: true, ShowCurrent: "/dashboard/access", ShowAll: "/dashboard/access?show=all",
		Actions:      []templates.Action{{Label: "New API token", Icon: "add", Href: "/dashboard/access/tokens/new", Kind: templates.Primary}},
		Certificates: templates.AccessList{ID: "certificates", Title: "Certificates", Last: "Made", Rows: []templates.AccessRow{mine}, Command: "cdxgate admin cert add NAME --role operator", CommandText: "On the gateway's machine."},
		Tokens:       templates.AccessList{ID: "tokens", Title: "API tokens", Text: "for scripts", Last: "Last used", Rows: []templates.AccessRow{bot}, Foot: "100 of 1,204."},
		Sessions:     templates.AccessList{ID: "sessions", Title: "Sessions and login links", Last: "Since", Rows: []templates.AccessRow{session, over}},
	}
}

func emptyAccess() templates.AccessPage {
	list := func(id, title string) templates.AccessList {
		return templates.AccessList{ID: id, Title: title, Empty: templates.Empty{Title: "No " + title, Actions: []templates.Action{{Label: "Show all", Href: "/dashboard/access"}}}}
	}
	return templates.AccessPage{
		ShowCurrent: "/dashboard/access", ShowAll: "/dashboard/access?show=all",
		Certificates: list("certificates", "certificates"), Tokens: list("tokens", "tokens"), Sessions: list("sessions", "sessions"),
	}
}

// newToken is the form again after something was wrong with it.
func newToken(more string) templates.NewTokenPage {
	return templates.NewTokenPage{
		Name: "bot" + more, Bound: true, Wrong: "Nobody gives away more than he may himself." + more, Unfit: map[string]string{"name": "There is one of this name" + more},
		Roles: []templates.Option{{Label: "viewer", Value: "viewer"}, {Label: "operator", Value: "operator", Current: true}},
		Lives: []templates.Option{{Label: "90 days", Value: "90", Current: true}},
		Scopes: []templates.ScopeGroup{
			{Title: "Viewers may", Scopes: []templates.Option{{Label: "host.read", Value: "host.read", Current: true}, {Label: "usage.read", Value: "usage.read"}}},
		},
	}
}

func madeToken(more string) templates.MadeTokenPage {
	return templates.MadeTokenPage{Name: "bot" + more, Token: "cdxa_" + more, Role: "operator", Scopes: "host.read" + more, Ends: templates.Moment{At: now.AddDate(0, 0, 90), Now: now}}
}

// decisions are the pages of what is decided, and of who may.
func decisions() map[string]templ.Component {
	refused := newToken("")
	refused.Wrong, refused.Unfit, refused.Why = "", nil, "You may not do this."
	return map[string]templ.Component{
		"settings":        templates.Layout(shell("Settings"), templates.Settings(settings(""))),
		"settings-viewed": templates.Layout(shell("Settings"), templates.Settings(viewedSettings())),
		"access":          templates.Layout(shell("Access"), templates.Access(accessPage(""))),
		"access-empty":    templates.Layout(shell("Access"), templates.Access(emptyAccess())),
		"token-new":       templates.Layout(shell("New API token"), templates.NewToken(newToken(""))),
		"token-refused":   templates.Layout(shell("New API token"), templates.NewToken(refused)),
		"token-made":      templates.Layout(shell("API token made"), templates.MadeToken(madeToken("x"))),
		"codex":           templates.Layout(shell("Codex 0.169.0"), templates.Codex(codex("<b>"))),
		"codex-unknown": templates.Layout(shell("Codex 0.169.0"), templates.Codex(templates.CodexPage{
			Title: "Codex 0.169.0", GitHub: "https://github.com/openai/codex/releases/tag/rust-v0.169.0",
			Empty: templates.Empty{Title: "GitHub is not asked", Text: "The option is off.", Actions: []templates.Action{{Label: "Settings", Href: "/dashboard/settings"}}},
		})),
		"question": templates.Layout(shell("Revoke"), templates.Question("Revoke", question())),
	}
}
