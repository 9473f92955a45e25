package dashboard

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/templates"
)

// receiversPage is how many hosts the page of a generation lists.
const receiversPage = 50

// generationNumber is the number in the path.
func generationNumber(v *visit) (int64, error) {
	number, err := strconv.ParseInt(v.Param, 10, 64)
	if err != nil || strconv.FormatInt(number, 10) != v.Param {
		return 0, call.ErrNoRoute
	}
	return number, nil
}

// generation serves the page of one generation: what is known about it, and who got it.
func (s *Surface) generation(v *visit) (page, error) {
	number, err := generationNumber(v)
	if err != nil {
		return page{}, err
	}
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return page{}, err
	}
	row, err := s.cfg.Credentials.Past(v.Context(), account, number)
	if err != nil {
		return page{}, err
	}
	q := &addressQuery{v: v}
	r := receivers{number: number, after: q.text("after"), has: s.has}
	if q.err != nil {
		return page{}, q.err
	}
	if r.hosts, r.more, err = s.cfg.Credentials.Receivers(v.Context(), account, number, r.after, receiversPage); err != nil {
		return page{}, err
	}
	shown := generationPage(row, v)
	shown.Receivers = r.card(v.now)
	return page{
		Title: shown.Title, Path: pathCredentials, Crumbs: credentialsCrumb, Body: templates.Generation(shown),
		Parts: map[string]templ.Component{shown.Receivers.ID: templates.GenerationReceivers(shown.Receivers)},
	}, nil
}

func generationPage(g *db.GenerationListRow, v *visit) templates.GenerationPage {
	_, source, from := broughtBy(g)
	p := templates.GenerationPage{
		Title: "Generation " + templates.Grouped(g.Number), Text: fmt.Sprintf("%s %s, held by %s.", source, from, templates.Count(g.Holders, "host", "hosts")),
		Current: g.Current, Facts: generationFacts(g, v.now),
	}
	if from == "" {
		p.Text = fmt.Sprintf("%s, held by %s.", source, templates.Count(g.Holders, "host", "hosts"))
	}
	if g.Current {
		p.Actions = []templates.Action{{Label: "Reveal login…", Icon: "reveal", Href: pathCredentials + "/reveal", Kind: templates.Danger, Why: v.unless(access.CredentialReveal)}}
	} else {
		p.Actions = []templates.Action{{Label: "Roll back…", Icon: "undo", Href: generationAddress(g.Number) + "/rollback", Kind: templates.Danger, Why: v.unless(access.CredentialWrite)}}
	}
	return p
}

// generationFacts are what is known about a generation.
func generationFacts(g *db.GenerationListRow, now time.Time) []templates.LoginFact {
	facts := []templates.LoginFact{{Label: "Canonical since", When: templates.Moment{At: g.CreatedAt, Now: now}}}
	facts = append(facts, tokenFacts(metaOf(g), now)...)
	lineage := templates.LoginFact{Label: "Lineage", Value: g.Lineage.String(), Code: true, Hint: "continues the login before it"}
	if g.Lineage == g.ID {
		lineage.Hint = "a new login begins here"
	}
	return append(append(facts, lineage), documentFacts(g.LastRefresh, g.Digest)...)
}

// documentFacts are what tells a document from others. last_refresh is text that a host chose.
func documentFacts(lastRefresh string, digest []byte) []templates.LoginFact {
	return []templates.LoginFact{
		{Label: "last_refresh", Value: lastRefresh, Code: true, Hint: "as the file says it"}, {Label: "Digest", Value: hex.EncodeToString(digest), Code: true},
	}
}

// tokenFacts are what a login says about its tokens.
func tokenFacts(login loginMeta, now time.Time) []templates.LoginFact {
	until := templates.LoginFact{Label: "Valid until", Value: templates.Unknown, When: moment(login.expires, now)}
	if login.expires == nil {
		until.Hint = "its access token does not say"
	}
	token := templates.LoginFact{Label: "Refresh token", Value: "yes"}
	if !login.refresh {
		token = templates.LoginFact{Label: "Refresh token", Value: "no", Hint: "it ends with its access token"}
	}
	return []templates.LoginFact{
		{Label: "ChatGPT account", Value: known(login.account)}, {Label: "Token issued", Value: templates.Unknown, When: moment(login.issued, now)}, until, token,
	}
}

// receivers are some of the hosts that were given a generation, by name.
type receivers struct {
	number int64
	after  string // those behind this name; "": the first
	hosts  []db.GenerationReceiversRow
	more   bool              // there are others behind them
	has    func(string) bool // whether there is a page at an address
}

func (r receivers) card(now time.Time) templates.ReceiversCard {
	first := generationAddress(r.number)
	at := func(after string) string { return first + "?" + url.Values{"after": {after}}.Encode() }
	card := templates.ReceiversCard{ID: "ge-hosts", Address: first, Text: "by name"}
	if r.after != "" {
		card.First, card.Address = first, at(r.after)
	}
	for _, host := range r.hosts {
		row := templates.ReceiverRow{Host: host.FQDN, At: templates.Moment{At: host.DeliveredAt, Now: now}, Holds: host.Holds}
		if r.has("/dashboard/hosts/{}") {
			row.Href = fmt.Sprintf("/dashboard/hosts/%d", host.ID)
		}
		card.Rows = append(card.Rows, row)
	}
	if r.more {
		card.More = at(r.hosts[len(r.hosts)-1].FQDN)
	}
	return card
}

// askRollback shows what going back to a generation would change, and asks.
func (s *Surface) askRollback(v *visit) (page, error) {
	number, err := generationNumber(v)
	if err != nil {
		return page{}, err
	}
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return page{}, err
	}
	plan, err := s.cfg.Credentials.PlanRollback(v.Context(), account, number)
	if err != nil {
		return page{}, err
	}
	from, err := s.cfg.Credentials.Past(v.Context(), account, plan.From.Number)
	if err != nil {
		return page{}, err
	}
	to, err := s.cfg.Credentials.Past(v.Context(), account, number)
	if err != nil {
		return page{}, err
	}
	question := rollbackQuestion(from, to, plan, v.now, v.unless(access.CredentialWrite))
	return page{
		Title: "Roll back", Path: pathCredentials, Body: templates.LoginDecision(question),
		Crumbs: append(credentialsCrumb[:1:1], templates.Crumb{Label: generationName(number), Path: generationAddress(number)}),
	}, nil
}

func rollbackQuestion(from, to *db.GenerationListRow, plan *credential.Rollback, now time.Time, why string) templates.LoginQuestion {
	next := from.Number + 1
	effects := []string{fmt.Sprintf("The login of generation %d becomes generation %d. %s that %s generation %d get it at their next call.",
		to.Number, next, templates.Count(from.Holders, "host", "hosts"), have(from.Holders), from.Number)}
	switch {
	case plan.WorksUntil.IsZero():
		effects = append(effects, "Its access token does not say until when it is good.")
	case plan.WorksUntil.After(now):
		effects = append(effects, "Its access token is good until "+templates.Exact(plan.WorksUntil)+".")
	}
	return templates.LoginQuestion{
		Title: fmt.Sprintf("Roll back from %d to %d", from.Number, to.Number), Text: "Which access token the fleet is given changes. A spent refresh token never comes back.",
		DiffTitle: fmt.Sprintf("From generation %d to %d", from.Number, to.Number), Diff: generationDiff(from, to),
		Note: "The document carries the newest refresh token of its lineage: every earlier one is spent.",
		Ask: &templates.Confirm{
			ID: "rollback", Title: fmt.Sprintf("Give the fleet generation %d again?", to.Number), Type: generationName(to.Number),
			Effects: append(effects, warningTexts(plan.Warnings)...), Note: fmt.Sprintf("Generation %d stays in the list and can be gone back to.", from.Number),
			Keep: templates.Action{Label: fmt.Sprintf("Keep %d", from.Number), Href: generationAddress(to.Number)},
			Do: templates.Action{
				Label: "Roll back", Icon: "undo", Post: generationAddress(to.Number) + "/rollback", Kind: templates.DangerNow, Why: why,
				Fields: []templates.Field{{Name: "current", Value: strconv.FormatInt(from.Number, 10)}},
			},
		},
	}
}

func have(n int64) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// generationDiff is what two generations say about themselves, and what of it differs. last_refresh and with it the digest are
// left out: what the fleet is given gets new ones.
func generationDiff(from, to *db.GenerationListRow) []templates.DiffRow {
	return append([]templates.DiffRow{{Label: "lineage", Before: shortLineage(from), After: shortLineage(to)}}, loginDiff(metaOf(from), metaOf(to))...)
}

// shortLineage is the end of a lineage: those of one minute begin alike.
func shortLineage(g *db.GenerationListRow) string {
	text := g.Lineage.String()
	return "… " + text[len(text)-12:]
}

// loginMeta is what is known about a login without its tokens.
type loginMeta struct {
	account         *string
	issued, expires *time.Time
	refresh         bool
}

func metaOf(g *db.GenerationListRow) loginMeta {
	return loginMeta{g.ChatGPTAccount, g.AccessIssuedAt, g.AccessExpiresAt, g.HasRefreshToken}
}

func loginDiff(before, after loginMeta) []templates.DiffRow {
	yes := map[bool]string{true: "yes", false: "no"}
	return []templates.DiffRow{
		{Label: "ChatGPT account", Before: known(before.account), After: known(after.account)},
		{Label: "token issued", Before: exactOr(before.issued), After: exactOr(after.issued)},
		{Label: "valid until", Before: exactOr(before.expires), After: exactOr(after.expires)},
		{Label: "refresh token", Before: yes[before.refresh], After: yes[after.refresh]},
	}
}

func exactOr(at *time.Time) string {
	if at == nil {
		return templates.Unknown
	}
	return templates.Exact(*at)
}

// rollBack gives the fleet the login of an earlier generation again.
func (s *Surface) rollBack(v *visit) (outcome, error) {
	number, err := generationNumber(v)
	if err != nil {
		return nil, err
	}
	if err := v.confirmed(generationName(number)); err != nil {
		return nil, err
	}
	seen, err := strconv.ParseInt(v.post("current"), 10, 64)
	if err != nil || seen < 1 {
		return nil, credential.ErrMovedOn
	}
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return nil, err
	}
	result, err := s.cfg.Credentials.RollBack(v.Context(), account, number, credential.RollbackOptions{Seen: seen, Confirm: true}, v.Actor)
	if err != nil {
		return nil, err
	}
	return done{
		To: pathCredentials, Say: fmt.Sprintf("Back to generation %d", number),
		More: fmt.Sprintf("As generation %d. Hosts get it at their next call.", result.Current.Number),
	}, nil
}
