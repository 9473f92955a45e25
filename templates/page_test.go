package templates_test

import (
	"flag"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

var update = flag.Bool("update", false, "write testdata/*.golden.html anew")

var now = time.Date(2026, 11, 23, 14, 32, 0, 0, time.UTC)

// shell is what an operator who came with a certificate sees around a page.
func shell(title string) templates.Shell {
	return templates.Shell{
		Title: title, Path: "/dashboard/", Site: "codex.example.net", Version: "1.4.0", Now: now,
		Me: templates.Me{Name: "ops@laptop", Role: "operator", How: "certificate verified"},
		Menu: []templates.MenuGroup{
			{Label: "Fleet", Entries: []templates.MenuEntry{
				{Label: "Overview", Short: "Overview", Path: "/dashboard/", Icon: "overview", Key: "o"},
				{Label: "Hosts", Short: "Hosts", Path: "/dashboard/hosts", Icon: "host", Key: "h", Note: "24"},
			}},
			{Label: "Trust", Entries: []templates.MenuEntry{
				{Label: "Access", Short: "Access", Path: "/dashboard/access", Icon: "verified", Key: "x", Why: "Your role is operator; this takes an owner."},
			}},
		},
		Switch: templates.Switch{Known: true},
	}
}

// hostile are texts that a host, or whoever names one, could choose.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, "\u202eevil\u202c", "\x1b[31mred\x1b[0m", "javascript:alert(1)",
	"</title></style></textarea>", "{{7*7}}", strings.Repeat("ä", 2048),
}

// overview is a page with everything on it. Every text of it that could come from elsewhere ends with more.
func overview(more string) templates.OverviewPage {
	cost := 13.19
	days := make([]templates.BarDay, 30)
	for i := range days {
		date := now.AddDate(0, 0, i-29)
		days[i] = templates.BarDay{Date: date, Title: templates.Day(date) + ": nothing is known"}
		if i > 4 {
			days[i] = templates.BarDay{Date: date, Known: true, Parts: [3]float64{float64(i) * 1000, float64(i) * 9000, 400}, Title: templates.Day(date) + ": tokens"}
		}
	}
	return templates.OverviewPage{
		Now: now,
		Alerts: []templates.Alert{
			{Tone: templates.Warn, Icon: "window", Title: "bastion-1" + more + " has an open window.", Text: "Anyone on it can use the login.", Command: "cdxgate host close bastion-1" + more},
			{Tone: templates.Info, Icon: "behind", Title: "2 hosts are behind.", Action: templates.Action{Label: "Show them", Href: "/dashboard/hosts?outdated=yes&q=" + url.QueryEscape(more), Kind: templates.Small}},
		},
		Login: templates.LoginCard{
			Tone: templates.OK, State: "Healthy", Account: "generation 41",
			Figures: []templates.Figure{
				{Label: "Valid for", Amounts: templates.Span(185 * time.Hour), Note: "until " + templates.Exact(now.Add(185*time.Hour)), Large: true},
				{Label: "Last refresh", Amounts: templates.Amounts(templates.Unknown, "")},
				{Label: "Came from", Amounts: templates.Amounts("A host", ""), Note: "atlas" + more},
				{Label: "Delivered", Amounts: templates.Amounts("18", "of 20 hosts"), Note: "2 behind", Link: templates.Action{Label: "show", Href: "/dashboard/hosts"}},
			},
			Relay: templates.Relay{
				Now: now, From: now.AddDate(0, 0, -10), To: now.AddDate(0, 0, 9), Legs: []templates.RelayLeg{
					{Number: 40, Since: now.AddDate(0, 0, -8), Until: now.AddDate(0, 0, -2), ValidUntil: now.AddDate(0, 0, 2)},
					{Number: 41, Since: now.AddDate(0, 0, -2), ValidUntil: now.Add(185 * time.Hour)},
				},
			},
			Next:    "Next: Codex on a host renews the login.",
			Actions: []templates.Action{{Label: "Generations", Href: "/dashboard/credentials", Kind: templates.Small}},
		},
		Quota: quotaCard(more),
		Fleet: templates.FleetCard{
			Title: "3 hosts", Text: "2 seen in 24 h",
			Cells: []templates.HostCell{
				{Icon: "paused", Title: "a" + more + ": Suspended", Tone: templates.Warn}, {Icon: "never", Title: "b: Never seen", Off: true},
				{Icon: "ok", Title: "c: Can login", Href: "/dashboard/hosts/3", Tone: templates.OK},
			},
			Legend: []templates.LegendItem{{Icon: "ok", Label: "Can login", Tone: templates.OK, N: 1}, {Icon: "never", Label: "Never seen", N: 1, Href: "/dashboard/hosts?never_seen=yes"}},
			Action: templates.Action{Label: "All hosts", Href: "/dashboard/hosts", Kind: templates.Small},
		},
		Usage: templates.UsageCard{
			Text: "30 days, UTC", Bars: templates.Bars{Label: "Tokens per day.", Days: days, Unit: func(v float64) string { return templates.Short(int64(v)) }},
			Figures: []templates.Figure{{Label: "Today", Amounts: templates.Amounts("5.45 M", "tokens"), Note: templates.Money(&cost)}},
		},
		Events: []templates.Event{
			{Icon: "user", Actor: "ops" + more, Text: "removed", Object: "old-7" + more, When: templates.Moment{At: now.Add(-20 * time.Minute), Now: now}},
			{Icon: "audit", Actor: "cdxgate", Text: "unknown.action" + more, When: templates.Moment{At: now, Now: now}},
		},
		AuditURL: "/dashboard/audit",
		Versions: templates.VersionsCard{
			Codex: templates.ProgramVersions{Target: "0.169.0", TargetNote: "the newest, GitHub said", Checked: templates.Moment{At: now.Add(-18 * time.Minute), Now: now}, Notes: "/dashboard/codex/0.169.0", On: 19, Of: 23, Others: "0.168.2" + more + " on 4"},
			Cdx:   templates.ProgramVersions{TargetNote: "the newest", Of: 2, Others: "1.4.0 on 2"}, Gateway: "1.4.0",
		},
		Actions: []templates.Action{{Label: "Add host", Icon: "add", Href: "/dashboard/hosts/new", Kind: templates.Primary}},
	}
}

// quotaCard has a window over its pace, and one of which nothing is known.
func quotaCard(more string) templates.QuotaCard {
	return templates.QuotaCard{
		Plan: "pro" + more, PlanTone: templates.OK, Reached: true, Said: templates.Moment{At: now.Add(-4 * time.Minute), Now: now}, By: "atlas" + more, Limit: 95,
		Notes:   []templates.QuotaNote{{Tone: templates.Bad, Text: "Launches are refused" + more}},
		Failure: "The last question failed" + more, FailedAt: templates.Moment{At: now.Add(-time.Minute), Now: now}, Next: templates.Moment{At: now.Add(4 * time.Minute), Now: now},
		Windows: []templates.QuotaWindow{
			{
				Title: "5 hours", Used: new(96), Elapsed: new(64), Projected: new(150), Pace: "1.5×", Tone: templates.Bad, State: "Over pace",
				ResetsIn: "1 h 48 min", ResetsAt: now.Add(108 * time.Minute),
			},
			{Title: "Days", Note: "Nothing was said about it."},
		},
		Refresh: templates.Action{Label: "Refresh", Icon: "refresh", Post: "/dashboard/quota/refresh", Kind: templates.Small},
	}
}

func emptyOverview() templates.OverviewPage {
	return templates.OverviewPage{
		Now:   now,
		Login: templates.LoginCard{Empty: &templates.Empty{Title: "The fleet has no login yet", Text: "Bring one here."}, Command: "cdxgate auth upload ~/.codex/auth.json"},
		Quota: templates.QuotaCard{
			Empty: &templates.Empty{Title: "Nothing is known", Text: "ChatGPT is asked again."}, Failure: "The last question failed: ChatGPT has a fault.",
			FailedAt: templates.Moment{At: now.Add(-3 * time.Minute), Now: now}, Next: templates.Moment{At: now.Add(7 * time.Minute), Now: now},
			Refresh: templates.Action{Label: "Refresh", Icon: "refresh", Kind: templates.Small, Why: "Your role is viewer; this takes an operator."},
		},
		Fleet: templates.FleetCard{Title: "Hosts", Empty: &templates.Empty{Title: "No hosts yet", Actions: []templates.Action{{Label: "Add host", Href: "/dashboard/hosts/new", Why: "Your role is viewer; this takes an operator."}}}},
		Usage: templates.UsageCard{Empty: &templates.Empty{Title: "No usage yet"}},
		Versions: templates.VersionsCard{
			Codex: templates.ProgramVersions{TargetNote: "the newest; no version is locked"}, Cdx: templates.ProgramVersions{Target: "1.4.0"}, Gateway: "1.4.0",
		},
	}
}

func question() templates.Confirm {
	return templates.Confirm{
		ID: "refuse", Title: "Refuse all host calls?", Effects: []string{"23 hosts get no login."}, Note: "You can serve hosts again at any time.", Type: "refuse",
		Keep: templates.Action{Label: "Keep serving", Href: "/dashboard/"},
		Do: templates.Action{
			Label: "Refuse host calls", Icon: "power", Post: "/dashboard/switch", Kind: templates.DangerNow, Fields: []templates.Field{{Name: "disabled", Value: "true"}},
		},
	}
}

// pages are all there are, by the name of their golden file.
func pages() map[string]templ.Component {
	session := shell("Overview")
	session.Theme, session.Me = templates.Dark, templates.Me{Name: "session 7 (link 9 by root)", Role: "viewer", How: "session until 18:00 UTC", Session: true}
	session.Switch = templates.Switch{Known: true, Off: true, Why: "Your role is viewer; this takes an operator."}
	session.Toasts = []templates.Toast{{Tone: templates.OK, Text: "Hosts are served again"}, {Tone: templates.Bad, Text: "Not done.", More: "Request 01K9"}}
	unknown := shell("Kill switch")
	unknown.Switch, unknown.Path, unknown.Crumbs = templates.Switch{}, "", []templates.Crumb{{Label: "Settings", Path: "/dashboard/settings"}}
	refused := question()
	refused.Do.Why = "Your role is viewer; this takes an operator."
	serve := question()
	serve.ID, serve.Title, serve.Type, serve.Effects = "serve", "Serve hosts again?", "", nil
	nobody := templates.Shell{Title: "Log in", Now: now}
	all := map[string]templ.Component{
		"overview":       templates.Layout(shell("Overview"), templates.Overview(overview(""))),
		"overview-empty": templates.Layout(session, templates.Overview(emptyOverview())),
		"switch":         templates.Layout(unknown, templates.SwitchPage(templates.Switch{Known: true}, question())),
		"switch-refused": templates.Layout(session, templates.SwitchPage(templates.Switch{Known: true}, refused)),
		"switch-off":     templates.Layout(unknown, templates.SwitchPage(templates.Switch{Known: true, Off: true}, serve)),
		"jump": templates.Layout(shell("Search"), templates.Jump(templates.JumpPage{Query: "over", Found: []templates.JumpItem{
			{Icon: "overview", Path: "/dashboard/", Match: "Over", After: "view", Key: "o"}, {Icon: "host", Path: "/dashboard/hosts/7", Before: "atlas", Note: "Suspended"},
		}})),
		"jump-none": templates.Layout(shell("Search"), templates.Jump(templates.JumpPage{Query: "nothing"})),
		"refusal": templates.Layout(shell("Not there"), templates.Refusal(templates.RefusalPage{
			Title: "Not there", Text: "No such host.", RequestID: "01K9ZQ4M8T", At: now, Actions: []templates.Action{{Label: "Overview", Href: "/dashboard/"}},
		})),
		"refusal-bare": templates.Bare(nobody, templates.Refusal(templates.RefusalPage{Title: "Log in", Text: "Make a login link.", Command: "cdxgate admin link", RequestID: "01K9ZQ4M8T", At: now})),
		"login":        templates.Bare(nobody, templates.Login("As operator, by a link that root made on the console.")),
		"parts":        templates.Layout(shell("Parts"), parts()),

		"hosts":         templates.Layout(shell("Hosts"), templates.Hosts(hosts(""))),
		"hosts-empty":   templates.Layout(shell("Hosts"), templates.Hosts(noHosts())),
		"hosts-labels":  templates.Layout(shell("Hosts"), templates.HostsLabelsPage(labels(""))),
		"hosts-window":  templates.Layout(shell("Window"), templates.HostsWindowPage(window(""))),
		"usage":         templates.Layout(shell("Usage and cost"), templates.Usage(usagePage(""))),
		"usage-empty":   templates.Layout(shell("Usage and cost"), templates.Usage(emptyUsage())),
		"usage-reports": templates.Layout(shell("Reports"), templates.UsageReportList(usageReports(""))),
		"usage-report":  templates.Layout(shell("Report 8"), templates.UsageReportShow(usageReport(""))),
	}
	for name, component := range hostPages("") {
		all[name] = templates.Layout(shell("Host"), component)
	}
	for name, page := range auditAndLibrary("") {
		all[name] = templates.Layout(shell("Page"), page)
	}
	maps.Copy(all, credentialPages())
	maps.Copy(all, decisions())
	return all
}

// parts are those that no page above has.
func parts() templ.Component {
	return templates.Body(
		templates.Head("Parts", "", templates.Action{Label: "Act", Post: "/dashboard/act", Fields: []templates.Field{{Name: "id", Value: "7"}}}),
		templates.Chip(templates.Bad, "bad", "Revoked"), templates.Chip(templates.Plain, "", "Plain"), templates.ChipQuiet("ok", "Can login"), templates.Tag("roaming"),
		templates.Note(templates.Warn, "Mind this."), templates.Time(templates.Moment{}), templates.Time(templates.Moment{At: now.Add(3 * time.Hour), Now: now}),
		templates.ConfirmDialog(templates.Confirm{ID: "close", Title: "Close?", Keep: templates.Action{Label: "Keep"}, Do: templates.Action{Label: "Close", Post: "/dashboard/close"}}),
		templates.SearchField("Search hosts", `a "b"`),
		templates.PagerRow(templates.Pager{Text: "51 to 100 of 1,904", First: "/dashboard/hosts", Prev: "/dashboard/hosts", Next: "/dashboard/hosts?page=3", Last: "/dashboard/hosts?page=39"}),
	)
}

func render(t *testing.T, component templ.Component) []byte {
	t.Helper()
	var body strings.Builder
	if err := templates.Render(t.Context(), &body, component); err != nil {
		t.Fatal(err)
	}
	return []byte(body.String())
}

// Pages look as they did when somebody last looked at them: go test ./templates -update, then look. The address of static
// files changes with each of their changes and is left out.
func TestPages(t *testing.T) {
	t.Parallel()
	static := strings.TrimSuffix(templates.Static("app.css"), "app.css")
	seen := map[string]bool{}
	for name, component := range pages() {
		page := render(t, component)
		pagetest.Check(t, name, page)
		// One tag a line: a difference can be read then.
		got := strings.ReplaceAll(strings.ReplaceAll(string(page), static, "/dashboard/static/HASH/"), "><", ">\n<") + "\n"
		file := filepath.Join("testdata", name+".golden.html")
		seen[file] = true
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what it was: look at what go test ./templates -update changes", file)
		}
	}
	files, err := filepath.Glob("testdata/*.golden.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file] {
			t.Errorf("%s is of no page", file)
		}
	}
}

// What hosts choose is text wherever it is shown.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		s := shell("Title" + text)
		s.Site, s.Me.Name, s.Crumbs, s.Toasts = "site"+text, "me"+text, []templates.Crumb{{Label: "crumb" + text, Path: "/dashboard/"}}, []templates.Toast{{Tone: templates.Bad, Text: "toast" + text, More: "more" + text}}
		jump := templates.JumpPage{Query: text, Found: []templates.JumpItem{{Icon: "host", Path: "/dashboard/hosts/1", Before: "before" + text, Match: text, After: text, Note: text}}}
		confirm := question()
		confirm.Title, confirm.Effects, confirm.Type, confirm.Note = text, []string{"effect" + text}, text, text
		for name, component := range map[string]templ.Component{
			"overview": templates.Overview(overview(text)), "jump": templates.Jump(jump), "nothing found": templates.Jump(templates.JumpPage{Query: text}),
			"settings": templates.Settings(settings(text)), "codex": templates.Codex(codex(text)), "access": templates.Access(accessPage(text)), "new token": templates.NewToken(newToken(text)),
			"token": templates.MadeToken(madeToken(text)), "question": templates.Question(text, confirm),
			"confirm": templates.SwitchPage(templates.Switch{Known: true}, confirm),
			"refusal": templates.Refusal(templates.RefusalPage{Title: text, Text: "text" + text, Command: "command" + text, RequestID: text}),
		} {
			page := render(t, templates.Layout(s, component))
			pagetest.Check(t, name+" with "+text, page)
			shown := pagetest.Text(t, page)
			if want := strings.Join(strings.Fields("crumb"+text), " "); !strings.Contains(shown, want) {
				t.Errorf("%s does not show %q as it is", name, text)
			}
			if name == "overview" && (!strings.Contains(shown, "ops"+text) || !strings.Contains(shown, "old-7"+text) || !strings.Contains(shown, "0.168.2"+text) ||
				!strings.Contains(shown, "pro"+text) || !strings.Contains(shown, "by atlas"+text) || !strings.Contains(shown, "failed"+text) || !strings.Contains(shown, "refused"+text)) {
				t.Errorf("the overview does not show %q as it is", text)
			}
		}
	}
}

// An address that runs a script is no link.
func TestHostileAddress(t *testing.T) {
	t.Parallel()
	page := string(render(t, templates.Button(templates.Action{Label: "x", Href: "javascript:alert(1)"})))
	if strings.Contains(page, "javascript:") {
		t.Errorf("got %s", page)
	}
}
