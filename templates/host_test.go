package templates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/templates"
)

// hostPage is a host's page with everything on it. Every text of it that could come from elsewhere ends with more.
func hostPage(more string) templates.HostPage {
	const url = "/dashboard/hosts/14"
	days := []templates.BarDay{
		{Date: now.AddDate(0, 0, -1), Title: "Sun 22 Nov: nothing is known"},
		{Date: now, Known: true, Parts: [3]float64{1000, 9000, 400}, Title: "Mon 23 Nov: 10,400 tokens"},
	}
	return templates.HostPage{
		URL: url,
		Top: templates.HostTop{
			Name: "falcon" + more, Domain: ".fra.example.net", Marks: []templates.Mark{{Tone: templates.OK, Icon: "ok", Text: "Can login"}, {Icon: "locked", Text: "Secure"}},
			Text: "Host 14, added Fri 20 Mar 2026", Labels: []string{"role=build" + more},
			Actions: []templates.Action{
				{Label: "Rename", Icon: "edit", Href: url + "/rename"}, {Label: "Rotate key", Icon: "refresh", Why: "It roams."},
				{Label: "Install command", Icon: "terminal", Href: url + "/install", Kind: templates.Primary},
			},
			Alerts:  []templates.Alert{{Tone: templates.Info, Icon: "expires", Title: "This host is a temporary one.", Text: "It goes."}},
			Figures: []templates.Figure{{Label: "Codex", Amounts: templates.Amounts("0.169.0"+more, ""), Note: "on target, cdx 1.4.0" + more}},
		},
		Usage: templates.HostUsage{
			URL: url, Text: "30 days, UTC", Ranges: []templates.Option{{Label: "7 d", Value: url + "?days=7"}, {Label: "30 d", Value: url, Current: true}},
			Bars:  templates.Bars{Label: "Tokens of falcon" + more + " per day.", Days: days, Unit: func(v float64) string { return templates.Short(int64(v)) }},
			Parts: []templates.HostPart{{Label: "Input", Class: "f-input", Width: "11%", Value: "1,000", Note: "9.6 % of the total"}, {Label: "Cached", Fill: "url(#p-cached)", Width: "100%", Value: "9,000"}},
			Last:  "Latest report: gpt-5" + more + ", ", LastAt: templates.Moment{At: now.Add(-time.Hour), Now: now},
			Action: templates.Action{Label: "Usage and cost", Href: "/dashboard/usage", Kind: templates.Small},
		},
		Trail:    []templates.Event{{Icon: "user", Actor: "ops" + more, Text: "changed", Object: "this host", When: templates.Moment{At: now, Now: now}}},
		TrailURL: "/dashboard/audit?host=14",
		Identity: templates.HostIdentity{
			Key: "7f3c21d0…", KeyNote: "its beginning", Address: "203.0.113.9", Unbind: templates.Action{Label: "Reset", Post: url + "/unbind", Kind: templates.Small}, AddrNote: "good from here only",
			Users: []templates.HostUser{{Name: "dev1" + more, Title: "first seen" + more}, {Name: "dev2"}}, MoreText: "the 20 that were seen last",
			Digest: strings.Repeat("9be104c7", 8), DigestIs: templates.Mark{Tone: templates.OK, Icon: "ok", Text: "Canonical"}, Before: []string{strings.Repeat("e07a", 16), "short"},
			Delivery: "Full: the whole auth.json", Labels: []templates.Field{{Name: "role", Value: "build" + more}}, Note: "Nightly builds.\nAsk first." + more,
			Edit: templates.Action{Label: "Labels and note", Href: url + "/notes", Kind: templates.Small},
			More: []templates.HostFact{{Name: "Was named", Value: "hawk" + more}, {Name: "Pruned", When: templates.Moment{At: now.AddDate(0, 0, 9), Now: now}, Note: "unless it calls before"}},
		},
		Switches: []templates.HostSwitch{
			{ID: "ho-s-secure", Label: "Secure", Hint: "keeps the login", Name: "secure", On: true, Post: url + "/set"},
			{ID: "ho-s-vip", Label: "VIP", Hint: "no quota", Name: "vip", Post: url + "/set", Why: "Your role is viewer; this takes an operator."},
		},
		Runs: templates.HostRuns{
			Post: url + "/runs", Base: "abc", Problem: "Somebody else changed this meanwhile." + more,
			Version: templates.HostChoice{Value: "0.1" + more, Offered: []templates.Option{{Value: "0.169.0" + more, Label: "0.169.0" + more}}, Problem: "Must be a version."},
			Model:   templates.HostChoice{Placeholder: "No override", Hint: "Empty: Codex's own."},
		},
		Window: templates.HostWindow{
			URL: url, Post: url + "/window", Mark: templates.Mark{Tone: templates.Warn, Icon: "window", Text: "Open"}, Text: "Anyone on this host can use the login.", Open: true,
			Until: templates.Moment{At: now.Add(8 * time.Minute), Now: now}, Label: "for another", Minutes: "30", Steps: "365", Problem: "A window is 1 to 480 minutes long.",
		},
		Danger: []templates.HostAct{{Title: "Remove", Text: "Its key is dead at once.", Do: templates.Action{Label: "Remove…", Icon: "remove", Href: url + "/remove", Kind: templates.Danger}}},
	}
}

func emptyHost() templates.HostPage {
	const url, why = "/dashboard/hosts/15", "Your role is viewer; this takes an operator."
	return templates.HostPage{
		URL: url, Top: templates.HostTop{Name: "new", Marks: []templates.Mark{{Icon: "never", Text: "Never seen"}}, Figures: []templates.Figure{{Label: "Last seen", Amounts: templates.Amounts("Never", "")}}},
		Usage: templates.HostUsage{URL: url, Empty: &templates.Empty{Title: "No usage yet"}}, Identity: templates.HostIdentity{Key: "7f3c21d0…", DigestIs: templates.Mark{Icon: "never", Text: "No login"}},
		Runs:   templates.HostRuns{Post: url + "/runs", Why: why},
		Window: templates.HostWindow{URL: url, Post: url + "/window", Mark: templates.Mark{Icon: "locked", Text: "Not needed"}, Minutes: "10", Steps: "190", Why: why},
	}
}

func hostForm(more string) templates.HostForm {
	return templates.HostForm{
		Title: "Labels and note", Text: "Of falcon" + more, Post: "/dashboard/hosts/14/notes", Base: "abc", Problem: "Somebody else changed this: " + more,
		Fields: []templates.HostField{{Name: "labels", Label: "Labels", Value: "role=build" + more, Lines: 6, Hint: "One a line."}, {Name: "fqdn", Label: "Name", Value: more, Problem: "Wrong" + more, Mono: true}},
		Keep:   templates.Action{Label: "Cancel", Href: "/dashboard/hosts/14"}, Do: templates.Action{Label: "Save"},
	}
}

func hostNew(more string) templates.HostNew {
	return templates.HostNew{
		Name: more, Problem: "A host of this name is registered already.", Exists: templates.Action{Label: "Open falcon" + more, Href: "/dashboard/hosts/14", Kind: templates.Small},
		Switches: []templates.HostTick{{Name: "secure", Label: "Secure", Hint: "Off: no login on disk.", On: true}, {Name: "vip", Label: "VIP"}}, ByHand: true,
		Keep: templates.Action{Label: "Cancel", Href: "/dashboard/hosts"},
	}
}

func enrolled(more string) templates.HostEnrolled {
	return templates.HostEnrolled{
		Title: "Add falcon" + more, Name: "falcon" + more, Command: "curl -fsSL https://codex.example.net/install/x | sh" + more, CA: "-----BEGIN CERTIFICATE-----" + more,
		Expires: templates.Moment{At: now.Add(30 * time.Minute), Now: now}, Again: templates.Action{Label: "Add another host", Icon: "add", Href: "/dashboard/hosts/new", Kind: templates.Small},
		Contact: templates.HostContact{
			URL: "/dashboard/hosts/14", Title: "Listening for falcon" + more, Text: "The page ticks.", Wait: true,
			Steps: []templates.HostStep{{Done: true, Text: "Command used", Note: "from " + more, When: templates.Moment{At: now, Now: now}}, {Text: "First contact"}},
			Next:  templates.Action{Label: "Open", Icon: "open", Href: "/dashboard/hosts/14"},
		},
	}
}

// hostPages are all pages about one host, by the name of their golden file.
func hostPages(more string) map[string]templ.Component {
	viewer := hostNew(more)
	viewer.Problem, viewer.Exists, viewer.ByHand, viewer.Why = "", templates.Action{}, false, "Your role is viewer; this takes an operator."
	done := enrolled(more)
	done.Contact.Wait, done.Contact.Tone, done.CA = false, templates.OK, ""
	return map[string]templ.Component{
		"host": templates.Host(hostPage(more)), "host-empty": templates.Host(emptyHost()), "host-form": templates.HostFormPage(hostForm(more)),
		"host-new": templates.HostNewPage(hostNew(more)), "host-new-viewer": templates.HostNewPage(viewer),
		"host-enrolled": templates.HostEnrolledPage(enrolled(more)), "host-enrolled-done": templates.HostEnrolledPage(done),
	}
}

// What a host or an admin chose is text on every page about a host, and no field of a form is left by it.
func TestHostileTextsOfAHost(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		for name, component := range hostPages(text) {
			page := render(t, templates.Layout(shell("Host"), component))
			pagetest.Check(t, name+" with "+text, page)
			if name == "host-empty" || name == "host-new-viewer" {
				continue
			}
			want := map[string][]string{
				"host":      {"falcon" + text, "role=build" + text, "dev1" + text, "Ask first." + text, "hawk" + text, "gpt-5" + text, "ops" + text},
				"host-form": {"Of falcon" + text, "Wrong" + text}, "host-new": {"Open falcon" + text},
			}[name]
			if strings.HasPrefix(name, "host-enrolled") {
				want = []string{"Listening for falcon" + text, "| sh" + text}
			}
			shown := pagetest.Text(t, page)
			for _, one := range want {
				if !strings.Contains(shown, strings.Join(strings.Fields(one), " ")) {
					t.Errorf("%s does not show %.60q as it is", name, one)
				}
			}
		}
	}
}
