package dashboard

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/templates"
)

// startPage makes the page of its facts. Each step is done when the facts say so, whoever made them.
func startPage(f *startFacts) templates.StartPage {
	p := templates.StartPage{
		Who: f.who, Login: f.loginStep(), Check: f.checkStep(), Done: !f.unstarted(),
		Skip: templates.Action{Label: "Skip for now", Post: pathStart + "/skip", Kind: templates.Quiet},
		Open: templates.Action{Label: "Open the overview", Icon: "overview", Href: home, Kind: templates.Primary},
		Facts: []templates.LoginFact{
			{Label: "Address", Value: f.publicURL, Hint: "that hosts reach it by"}, {Label: "Version", Value: f.version, Hint: "of the gateway, and of the cdx that it hands out"},
		},
	}
	if f.has("/dashboard/access") && f.why(access.AdminWrite) == "" {
		p.Admin = templates.Action{Label: "Add another admin, so that one lost laptop locks nobody out.", Href: "/dashboard/access"}
	}
	p.Host = f.hostStep(p.Check)
	p.Live = f.live(p)
	if p.Done {
		p.Skip = p.Open
		p.Skip.Kind = templates.Ordinary
	}
	return p
}

func (f *startFacts) loginStep() templates.StartLogin {
	step := templates.StartLogin{
		Step: templates.StepDone, Text: fmt.Sprintf("Generation %s, by %s, %s.", templates.Grouped(f.current.Number), sourceNoun(f.current.Source),
			templates.Relative(f.current.CreatedAt, f.now)), Seed: f.seed,
		Upload: (&credentialsFacts{overviewFacts: f.overviewFacts, wrong: f.wrong}).uploadForm(pathStart),
	}
	if f.current.Number == 0 {
		step.Step, step.Text = templates.StepNow, "Log Codex in on any machine, with the account that the fleet is to use. Then bring its ~/.codex/auth.json here."
	}
	return step
}

func sourceNoun(source string) string {
	switch source {
	case audit.KindHost:
		return "a host"
	case audit.KindAdmin:
		return "an admin's upload"
	case audit.KindOperator:
		return "an upload on the console"
	case audit.KindSeed:
		return "a seed command"
	}
	return source
}

// checkStep says what the gateway knows of the login without asking anybody.
func (f *startFacts) checkStep() templates.StartCheck {
	until := f.current.AccessExpiresAt
	step := templates.StartCheck{Step: templates.StepDone, Text: "It is an auth.json with a refresh token"}
	switch {
	case f.current.Number == 0:
		return templates.StartCheck{Text: "Its form, its account and until when it is good. OpenAI is not asked."}
	case !until.IsZero() && !until.After(f.now):
		step.Step, step.Text = templates.StepLater, "It is an auth.json."
		step.Wrong = "Its access token has expired, " + templates.Relative(until, f.now) + ". Bring a newer one, or Codex has to renew it on the first host."
		return step
	case f.current.RefreshSHA256 == nil:
		step.Text = "It is an auth.json without a refresh token: it ends with its access token"
	}
	if until.IsZero() {
		step.Text += "; it does not say until when it is good."
	} else {
		step.Text += ", good until " + templates.Exact(until) + "."
	}
	return step
}

func (f *startFacts) hostStep(check templates.StartCheck) templates.StartHost {
	step := f.command
	step.Why = f.why(access.HostEnrol)
	switch {
	case f.seen != nil:
		step.Step, step.Text = templates.StepDone, fmt.Sprintf("%s called %s.", f.seen.FQDN, templates.Relative(*f.seen.LastSeenAt, f.now))
		if f.counts.Hosts-f.counts.NeverSeen > 1 {
			step.Text = fmt.Sprintf("%s made contact.", templates.Count(f.counts.Hosts-f.counts.NeverSeen, "host", "hosts"))
		}
		return step
	case f.current.Number == 0:
		step.Text = "A machine that gets the login. You are given one line to run there."
		return step
	}
	step.Step, step.Text = templates.StepNow, "Name the machine, and run the line that you get on it. The line holds no key: that is handed over once, when cdx enrols."
	if check.Wrong != "" {
		step.Text = "You may go on. " + step.Text
	}
	if f.waiting != nil {
		step.Again = templates.Action{
			Label: "New command", Icon: "refresh", Post: pathStart + "/host", Why: step.Why,
			Fields: []templates.Field{{Name: "again", Value: strconv.FormatInt(f.waiting.ID, 10)}},
		}
	}
	return step
}

// live is what the page waits for. A browser that waits for something else has a page that is behind.
func (f *startFacts) live(p templates.StartPage) templates.StartLive {
	var l templates.StartLive
	state := "nothing"
	switch {
	case f.current.Number == 0:
		state, l.Topics = "login", []string{"credential"}
		l.Title, l.Text = "Waiting for a login.", "The page goes on by itself when one arrives, wherever it was uploaded."
	case p.Host.Step == templates.StepNow && f.waiting != nil:
		state, l.Topics = "host", []string{"hosts", "credential", "audit"}
		l.Title, l.Text = "Listening for "+f.waiting.FQDN+".", "The page ticks as soon as it calls."
		l.Marks = startMarks(f.trail, f.now)
	case p.Host.Step == templates.StepNow:
		state, l.Topics = "name", []string{"hosts"}
	}
	l.Address, l.Moved = pathStart+"?for="+state, f.asked != "" && f.asked != state
	return l
}

// startMarks are what a machine does on its way to be a host, as far as it is on record. The trail is the newest first.
func startMarks(trail []db.AuditPageRow, now time.Time) []templates.StartMark {
	made := templates.StartMark{Text: "Install command made", Next: "next"}
	enrolled := templates.StartMark{Text: "Installer run, key handed over", Next: "next"}
	for i := range trail {
		row := &trail[i]
		at := templates.Moment{At: row.At, Now: now}
		if row.Action == audit.ActionInstallConsume && !enrolled.Done {
			enrolled.Done, enrolled.When = true, at
			if row.IP != "" {
				enrolled.More = "from " + row.IP
			}
		}
		if row.Action == audit.ActionInstallCreate {
			made.Done, made.When = true, at
			if until := detailTime(row.Details, "expires_at"); !until.IsZero() && !enrolled.Done {
				made.More = "works until " + templates.Exact(until)
				if !until.After(now) {
					made.More = "expired: make a new one"
				}
			}
			break // what is older belongs to another command
		}
	}
	contact := templates.StartMark{Text: "First contact", Next: "then"}
	if enrolled.Done {
		contact.Next = "next"
	}
	return []templates.StartMark{made, enrolled, contact}
}

// detailTime is a time among an entry's details; zero: it has none of that name.
func detailTime(details, name string) time.Time {
	var all map[string]any
	_ = json.Unmarshal([]byte(details), &all) // nothing is found in what is no JSON
	text, _ := all[name].(string)
	at, _ := time.Parse(time.RFC3339, text) // zero when it is none
	return at
}
