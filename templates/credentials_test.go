package templates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

func at(d time.Duration) templates.Moment { return templates.Moment{At: now.Add(d), Now: now} }

// credentials is the page with everything on it. Every text of it that could come from elsewhere ends with more.
func credentials(more string) templates.CredentialsPage {
	const day = 24 * time.Hour
	return templates.CredentialsPage{
		Address: "/dashboard/credentials?proposals=all", Text: "One login for the whole fleet.",
		Actions: []templates.Action{{Label: "Upload", Icon: "upload", Href: "#upload"}}, Login: overview(more).Login,
		Offers: templates.OffersCard{
			Shown: true, Text: "brought by hosts", States: []templates.Option{{Label: "Waiting", Value: "/dashboard/credentials"}, {Label: "All", Value: "/dashboard/credentials?proposals=all", Current: true}},
			Offers: []templates.OfferRow{
				{
					Host: "gallium" + more, Href: "/dashboard/credentials/proposals/1", Brought: at(-time.Hour), Until: at(3 * day), Account: "acct-2" + more,
					State: templates.Warn, Icon: "expires", Word: "Waiting", Warnings: []string{"It belongs to another ChatGPT account."},
					Actions: []templates.Action{{Label: "Adopt…", Icon: "check", Href: "/dashboard/credentials/proposals/1", Kind: templates.Small}, {Label: "Discard", Icon: "close", Post: "/dashboard/credentials/proposals/1/discard", Kind: templates.Small}},
				},
				{Host: "lyra", Href: "/dashboard/credentials/proposals/2", Account: templates.Unknown, State: templates.Plain, Icon: "close", Word: "Discarded", By: "by alice" + more},
			},
			Older: "/dashboard/credentials?older=2&proposals=all",
		},
		Generations: templates.GenerationsCard{
			Text: "41 so far", Sources: []templates.Option{{Label: "All", Value: "/dashboard/credentials", Current: true}}, Place: "Generations 41 to 40",
			Newest: "/dashboard/credentials", Older: "/dashboard/credentials?before=40",
			Rows: []templates.GenerationRow{
				{
					Name: "gen 41", Href: "/dashboard/credentials/41", Current: true, Icon: "host", Source: "Brought by", From: "atlas" + more, Digest: "9be1 04c7 …",
					Since: at(-2 * day), Until: at(8 * day), Held: 18, Action: templates.Action{Label: "Reveal…", Icon: "reveal", Href: "/dashboard/credentials/reveal", Kind: templates.Small, Why: "Your role is operator; this takes an owner."},
				},
				{Name: "gen 40", Href: "/dashboard/credentials/40", Lineage: true, Icon: "user", Source: "Upload by an admin", Digest: "e07a 91b0 …", Since: at(-8 * day), Until: at(-day), Expired: true, Held: 1,
					Action: templates.Action{Label: "Roll back…", Icon: "undo", Href: "/dashboard/credentials/40/rollback", Kind: templates.Small}},
			},
		},
		Upload: templates.UploadForm{ID: "upload", Post: "/dashboard/credentials", Wrong: "This is not JSON.", Hint: "It becomes generation 42.", Limit: 262144},
		Seed:   templates.SeedCard{ID: "cr-seed", Post: "/dashboard/credentials/seed", Command: "curl -fsSL https://codex.example/seed/auth/x | sh", Expires: at(15 * time.Minute), Trust: "The machine has to know the authority."},
		Reveal: templates.Action{Label: "Reveal login…", Icon: "reveal", Href: "/dashboard/credentials/reveal", Kind: templates.Danger},
	}
}

func emptyCredentials() templates.CredentialsPage {
	why := "Your role is viewer; this takes an operator."
	return templates.CredentialsPage{
		Address: "/dashboard/credentials", Login: emptyOverview().Login, Upload: templates.UploadForm{ID: "upload", Post: "/dashboard/credentials", Hint: "It becomes generation 1.", Why: why},
		Seed: templates.SeedCard{ID: "cr-seed", Post: "/dashboard/credentials/seed", Why: why},
	}
}

func generation(more string) templates.GenerationPage {
	return templates.GenerationPage{
		Title: "Generation 41", Text: "Brought by atlas" + more, Current: true, Actions: []templates.Action{{Label: "Roll back…", Icon: "undo", Href: "/dashboard/credentials/41/rollback", Kind: templates.Danger}},
		Facts: []templates.LoginFact{
			{Label: "Canonical since", When: at(-time.Hour)}, {Label: "ChatGPT account", Value: "acct" + more}, {Label: "last_refresh", Value: "2026" + more, Code: true, Hint: "as the file says it"},
			{Label: "Valid until", Value: templates.Unknown, Hint: "its access token does not say"},
		},
		Receivers: templates.ReceiversCard{
			ID: "ge-hosts", Address: "/dashboard/credentials/41", Text: "by name", First: "/dashboard/credentials/41", More: "/dashboard/credentials/41?after=b",
			Rows: []templates.ReceiverRow{{Host: "atlas" + more, Href: "/dashboard/hosts/7", At: at(-time.Minute), Holds: true}, {Host: "b" + more, At: at(-time.Hour)}},
		},
	}
}

func decision(more string) templates.LoginQuestion {
	ask := question()
	ask.Effects = []string{"effect" + more}
	return templates.LoginQuestion{
		Title: "Login proposed by gallium" + more, Text: "Waiting.", DiffTitle: "From generation 41 to this", Note: "note" + more,
		Diff:  []templates.DiffRow{{Label: "ChatGPT account", Before: "acct-1" + more, After: "acct-2" + more}, {Label: "refresh token", Before: "yes", After: "yes"}},
		Facts: []templates.LoginFact{{Label: "Digest", Value: "cdcd", Code: true}}, Ask: &ask,
		Others: []templates.Action{{Label: "Discard", Icon: "close", Post: "/dashboard/credentials/proposals/1/discard"}},
	}
}

// startOf is the guided way at the step of the host, or with done at its end.
func startOf(more string, done bool) templates.StartPage {
	p := templates.StartPage{
		Who: "ops" + more + ", owner.", Admin: templates.Action{Label: "Add another admin", Href: "/dashboard/access"}, Login: templates.StartLogin{Step: templates.StepDone, Text: "Generation 1."},
		Check: templates.StartCheck{Step: templates.StepDone, Text: "It is an auth.json."}, Skip: templates.Action{Label: "Skip for now", Post: "/dashboard/start/skip", Kind: templates.Quiet},
		Open: templates.Action{Label: "Open the overview", Href: "/dashboard/", Kind: templates.Primary}, Facts: []templates.LoginFact{{Label: "Address", Value: "https://codex.example"}},
	}
	if done {
		p.Done, p.Host = true, templates.StartHost{Step: templates.StepDone, Text: "atlas" + more + " called just now."}
		p.Live = templates.StartLive{Address: "/dashboard/start?for=nothing"}
		return p
	}
	p.Host = templates.StartHost{
		Step: templates.StepNow, Text: "Name the machine.", Name: "atlas" + more, Wrong: "There is a host of this name already.", Command: "curl -fsSL https://codex.example/install/x | sh",
		Expires: at(time.Hour), Trust: "The machine has to know the authority.", Again: templates.Action{Label: "New command", Post: "/dashboard/start/host"},
	}
	p.Live = templates.StartLive{
		Address: "/dashboard/start?for=host", Topics: []string{"hosts"}, Title: "Listening for atlas" + more + ".", Text: "The page ticks.",
		Marks: []templates.StartMark{{Done: true, Text: "Install command made", When: at(-time.Minute), More: "works until later"}, {Text: "First contact", Next: "then"}},
	}
	return p
}

func emptyStart() templates.StartPage {
	empty := emptyCredentials()
	return templates.StartPage{
		Who: "ops, viewer.", Login: templates.StartLogin{Step: templates.StepNow, Text: "Log Codex in.", Upload: empty.Upload, Seed: empty.Seed},
		Live: templates.StartLive{Address: "/dashboard/start?for=login", Topics: []string{"credential"}, Title: "Waiting for a login."}, Host: templates.StartHost{Text: "A machine."},
	}
}

// expiredStart is at the step of the host, with a login that is no good, for whoever may do nothing about it.
func expiredStart() templates.StartPage {
	p := startOf("", false)
	p.Check = templates.StartCheck{Wrong: "Its access token has expired."}
	p.Login.Upload = emptyCredentials().Upload
	p.Host = templates.StartHost{Step: templates.StepNow, Why: "Your role is viewer; this takes an operator.", Again: templates.Action{Label: "New command", Post: "/dashboard/start/host", Why: "no"}}
	p.Live.Title, p.Live.Marks = "", nil
	return p
}

// credentialPages are the pages about the login, by the name of their golden file.
func credentialPages() map[string]templ.Component {
	s := shell("Credentials")
	s.Path = "/dashboard/credentials"
	return map[string]templ.Component{
		"credentials": templates.Layout(s, templates.Credentials(credentials(""))), "credentials-empty": templates.Layout(s, templates.Credentials(emptyCredentials())),
		"generation": templates.Layout(s, templates.Generation(generation(""))), "login-decision": templates.Layout(s, templates.LoginDecision(decision(""))),
		"reveal": templates.Layout(s, templates.RevealQuestion(question())), "revealed": templates.Layout(s, templates.Revealed(templates.RevealedPage{Text: "It is on record.", Auth: `{"tokens":{}}`})),
		"start": templates.Layout(s, templates.Start(startOf("", false))), "start-done": templates.Layout(s, templates.Start(startOf("", true))),
		"start-empty": templates.Layout(s, templates.Start(emptyStart())), "start-expired": templates.Layout(s, templates.Start(expiredStart())),
	}
}

// What hosts and admins choose is text on the pages about the login.
func TestHostileLoginTexts(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		for name, c := range map[string]struct {
			page templ.Component
			want []string
		}{
			"credentials": {templates.Credentials(credentials(text)), []string{"gallium", "acct-2", "by alice", "atlas"}},
			"generation":  {templates.Generation(generation(text)), []string{"atlas", "acct", "2026", "b"}},
			"decision":    {templates.LoginDecision(decision(text)), []string{"gallium", "acct-1", "acct-2", "note", "effect"}},
			"start":       {templates.Start(startOf(text, false)), []string{"ops", "Listening for atlas"}},
			"the end":     {templates.Start(startOf(text, true)), []string{"ops", "atlas"}},
			"revealed":    {templates.Revealed(templates.RevealedPage{Auth: "auth" + text}), []string{"auth"}},
		} {
			page := render(t, templates.Layout(shell("Credentials"), c.page))
			pagetest.Check(t, name+" with "+text, page)
			shown := pagetest.Text(t, page)
			for _, want := range c.want {
				if want = strings.Join(strings.Fields(want+text), " "); !strings.Contains(shown, want) {
					t.Errorf("%s does not show %q as it is", name, want)
				}
			}
		}
	}
}

// A part that is behind has the whole asked for, once.
func TestWaitThatIsOver(t *testing.T) {
	t.Parallel()
	got := string(render(t, templates.StartWait(templates.StartLive{Address: "/dashboard/start?for=host", Moved: true})))
	if want := `<div id="st-wait" hx-get="/dashboard/start" hx-trigger="load" hx-target="#st" hx-swap="outerHTML"></div>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
