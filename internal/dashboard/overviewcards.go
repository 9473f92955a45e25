package dashboard

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// login is the card of the login that the fleet shares.
func (f *overviewFacts) login() templates.LoginCard {
	if f.current.Number == 0 {
		card := templates.LoginCard{
			Empty:   &templates.Empty{Title: "The fleet has no login yet", Text: "Log Codex in on any machine, then bring its auth.json here. On the gateway's machine:"},
			Command: uploadCommand,
		}
		if f.has("/dashboard/credentials") {
			card.Empty.Actions = []templates.Action{{Label: "Upload a login", Icon: "upload", Href: "/dashboard/credentials", Kind: templates.Primary, Why: f.why(access.CredentialWrite)}}
		}
		return card
	}
	card := templates.LoginCard{Tone: templates.OK, State: "Healthy", Account: "generation " + templates.Grouped(f.current.Number)}
	valid := templates.Figure{Label: "Valid for", Amounts: templates.Amounts(templates.Unknown, ""), Note: "its access token does not say", Large: true}
	if until := f.current.AccessExpiresAt; !until.IsZero() {
		left := until.Sub(f.now)
		valid.Amounts, valid.Note = templates.Span(left), "until "+templates.Exact(until)
		switch {
		case left <= 0:
			card.Tone, card.State = templates.Bad, "Expired"
			valid.Label, valid.Note = "Expired for", "since "+templates.Exact(until)
		case left < soonGone:
			card.Tone, card.State = templates.Warn, "Ends soon"
		}
	} else {
		card.Tone, card.State = templates.Info, "End unknown"
	}
	refreshed := templates.Figure{Label: "Last refresh", Amounts: templates.Amounts(templates.Unknown, ""), Note: "the file does not say"}
	if at := f.current.RefreshedAt; !at.IsZero() {
		refreshed.Amounts, refreshed.Note = templates.Span(f.now.Sub(at)), templates.Exact(at)
		refreshed.Amounts[len(refreshed.Amounts)-1].Unit += " ago"
	}
	from, how := f.source()
	card.Figures = []templates.Figure{
		valid, refreshed,
		{Label: "Came from", Amounts: templates.Amounts(from, ""), Note: how},
		{
			Label: "Delivered", Amounts: templates.Amounts(templates.Grouped(f.counts.Holding-f.counts.Behind), "of "+templates.Count(f.counts.Hosts, "host", "hosts")),
			Note: f.behindNote(),
		},
	}
	card.Relay, card.Next = f.relay(), f.next()
	if action := f.goTo("Generations", "/dashboard/credentials", ""); action.Label != "" {
		card.Actions = []templates.Action{action}
	}
	return card
}

// source says who brought the current generation, and when.
func (f *overviewFacts) source() (from, how string) {
	at := "at " + templates.Exact(f.current.CreatedAt)
	for i := range f.recent {
		row := &f.recent[i]
		switch {
		case row.Number != f.current.Number:
		case row.RolledBackTo != nil:
			return "Generation " + templates.Grouped(*row.RolledBackTo), "brought back " + at
		case row.SourceFQDN != nil:
			return sourceWord(f.current.Source), *row.SourceFQDN + ", " + at
		}
	}
	return sourceWord(f.current.Source), at
}

func sourceWord(source string) string {
	switch source {
	case "host":
		return "A host"
	case "admin":
		return "An admin"
	case "operator":
		return "The console"
	case "seed":
		return "A seed"
	}
	return source
}

// next is what happens to the login next.
func (f *overviewFacts) next() string {
	until := f.current.AccessExpiresAt
	switch {
	case !until.IsZero() && !until.After(f.now):
		return "Next: a newer login has to be uploaded. Hosts get it at their next call."
	case f.counts.Hosts == 0:
		return "Next: add a host, which then gets this login."
	}
	return fmt.Sprintf("Next: Codex on a host renews the login before it ends, cdx brings it here as generation %s, and the others get it at their next call.",
		templates.Grouped(f.current.Number+1))
}

func (f *overviewFacts) behindNote() string {
	if f.counts.Behind == 0 {
		return "none is behind"
	}
	return templates.Grouped(f.counts.Behind) + " behind: they get it at their next call"
}

// relaySpan is how much of the past and of the future the picture of generations shows at most.
const relaySpan = 14 * 24 * time.Hour

// relay is the picture of the newest generations.
func (f *overviewFacts) relay() templates.Relay {
	r := templates.Relay{Now: f.now, To: f.now.Add(36 * time.Hour)}
	for i := len(f.recent) - 1; i >= 0; i-- {
		row := &f.recent[i]
		if row.Number > f.current.Number {
			continue // it was stored while this page was made
		}
		leg := templates.RelayLeg{Number: row.Number, Since: row.CreatedAt}
		if row.AccessExpiresAt != nil {
			leg.ValidUntil = *row.AccessExpiresAt
		}
		if i > 0 && f.recent[i-1].Number <= f.current.Number {
			leg.Until = f.recent[i-1].CreatedAt
		}
		if leg.Until.IsZero() || leg.Until.After(f.now.Add(-relaySpan)) {
			r.Legs = append(r.Legs, leg)
		}
		if leg.ValidUntil.After(r.To) {
			r.To = leg.ValidUntil.Add(12 * time.Hour)
		}
	}
	if limit := f.now.Add(relaySpan); r.To.After(limit) {
		r.To = limit
	}
	r.From = f.now.Add(-24 * time.Hour)
	if len(r.Legs) > 0 && r.Legs[0].Since.Before(r.From) {
		r.From = r.Legs[0].Since
	}
	if limit := f.now.Add(-relaySpan); r.From.Before(limit) {
		r.From = limit
	}
	return r
}

// usage is the card of the tokens that hosts reported.
func (f *overviewFacts) usage() templates.UsageCard {
	if f.history == nil || f.history.Since.IsZero() {
		return templates.UsageCard{Empty: &templates.Empty{Title: "No usage yet", Text: "cdx reports the tokens of a session when it ends. The first report appears here."}}
	}
	card := templates.UsageCard{
		Text: fmt.Sprintf("%d days, UTC", historyDays), Action: f.goTo("Details", "/dashboard/usage", ""),
		Bars: templates.Bars{Unit: func(v float64) string { return templates.Short(int64(v)) }},
	}
	first := f.history.Until.AddDate(0, 0, 1-historyDays)
	for date, i := first, 0; !date.After(f.history.Until); date = date.AddDate(0, 0, 1) {
		day := templates.BarDay{Date: date, Title: templates.Day(date) + ": nothing is known"}
		if !date.Before(f.history.Since) && i < len(f.history.Days) {
			day = usageDay(date, &f.history.Days[i])
			i++
		}
		card.Bars.Days = append(card.Bars.Days, day)
	}
	card.Bars.Label = fmt.Sprintf("Tokens per day from %s to %s.", templates.Day(first), templates.Day(f.history.Until))
	for i, label := range []string{"Today", "Last 7 days", f.now.Month().String()} {
		card.Figures = append(card.Figures, sumFigure(label, &f.sums[i]))
	}
	return card
}

func usageDay(date time.Time, d *usage.Day) templates.BarDay {
	title := fmt.Sprintf("%s: %s tokens, input %s, cached %s, output %s", templates.Day(date), templates.Grouped(d.Total),
		templates.Grouped(d.Input), templates.Grouped(d.Cached), templates.Grouped(d.Output))
	if d.Cost != nil && *d.Cost > 0 {
		title += ", " + templates.Money(d.Cost)
	}
	return templates.BarDay{Date: date, Known: true, Parts: [3]float64{float64(d.Input), float64(d.Cached), float64(d.Output)}, Title: title}
}

// sumFigure shows what was used, and what it cost where a price was known.
func sumFigure(label string, sum *usage.Sum) templates.Figure {
	figure := templates.Figure{
		Label: label, Amounts: templates.Amounts(templates.Short(sum.Total), "tokens"), Exact: templates.Grouped(sum.Total) + " tokens",
		Note: templates.Short(sum.Cached) + " cached",
	}
	if sum.Cost != nil {
		figure.Note = templates.Money(sum.Cost) + ", " + figure.Note
	}
	return figure
}

// versions is what the fleet runs and should run.
func (f *overviewFacts) versions() templates.VersionsCard {
	target := cmp.Or(f.policy.ClientVersion, f.known.Version)
	card := templates.VersionsCard{Gateway: f.version, Codex: program(target, f.codex), Cdx: program(f.version, f.cdx)}
	card.Cdx.TargetNote = "handed out by this gateway"
	card.Codex.TargetNote = "locked for the fleet"
	if f.policy.ClientVersion == "" {
		card.Codex.TargetNote = "the newest; no version is locked"
	}
	if f.policy.ClientVersion == "" && f.known.Version != "" {
		card.Codex.TargetNote = "the newest, GitHub said"
		card.Codex.Checked = templates.Moment{At: f.known.CheckedAt, Now: f.now}
	}
	if f.has(pathCodex) {
		card.Codex.Notes = codexAddress(target)
	}
	return card
}

// mostVersions bounds the versions that are named.
const mostVersions = 4

func program(target string, counts []fleet.VersionCount) templates.ProgramVersions {
	v := templates.ProgramVersions{Target: target}
	var others []string
	for _, count := range counts {
		v.Of += count.Hosts
		switch {
		case count.Version == target:
			v.On = count.Hosts
		case len(others) < mostVersions:
			others = append(others, fmt.Sprintf("%s on %s", count.Version, templates.Grouped(count.Hosts)))
		case len(others) == mostVersions:
			others = append(others, "others")
		}
	}
	v.Others = strings.Join(others, ", ")
	return v
}
