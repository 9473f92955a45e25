package dashboard

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/templates"
)

// credentialsPage makes the page of its facts.
func credentialsPage(f *credentialsFacts) templates.CredentialsPage {
	p := templates.CredentialsPage{
		Address: f.list.address(), Text: "One login for the whole fleet, sealed in the database. Hosts get the newest at their next call.",
		Login: f.login(), Offers: f.offersCard(), Generations: f.generationsCard(), Seed: f.seed,
		Upload: f.uploadForm(pathCredentials),
	}
	p.Login.Actions = nil // they lead here
	if p.Login.Empty != nil {
		p.Login.Empty.Actions = []templates.Action{{Label: "Upload a login", Icon: "upload", Href: "#upload", Why: f.why(access.CredentialWrite)}}
		if f.has(pathStart) {
			p.Login.Empty.Actions = append(p.Login.Empty.Actions, templates.Action{Label: "Guided setup", Href: pathStart})
		}
		return p
	}
	p.Actions = []templates.Action{{Label: "Upload", Icon: "upload", Href: "#upload", Why: f.why(access.CredentialWrite)}}
	p.Reveal = templates.Action{Label: "Reveal login…", Icon: "reveal", Href: pathCredentials + "/reveal", Kind: templates.Danger, Why: f.why(access.CredentialReveal)}
	return p
}

// uploadForm is the form that takes a login, on a page at a path.
func (f *credentialsFacts) uploadForm(path string) templates.UploadForm {
	return templates.UploadForm{
		ID: "upload", Post: path, Wrong: f.wrong, Limit: api.MaxBodyBytes, Why: f.why(access.CredentialWrite),
		Hint: fmt.Sprintf("It is checked, sealed, and becomes generation %s of the fleet's login.", templates.Grouped(f.current.Number+1)),
	}
}

// generationsCard lists the generations.
func (f *credentialsFacts) generationsCard() templates.GenerationsCard {
	card := templates.GenerationsCard{
		Text:  fmt.Sprintf("%s so far; old ones are not kept for ever", templates.Grouped(f.current.Number)),
		Empty: templates.Empty{Title: "No generation matches", Text: "Show all of them, or upload a login."},
	}
	if f.current.Number == 0 {
		return templates.GenerationsCard{}
	}
	for _, option := range sources {
		list := f.list
		list.before, list.source = 0, option.Value
		card.Sources = append(card.Sources, templates.Option{Label: option.Label, Value: list.address(), Current: option.Value == f.list.source})
	}
	for i := range f.page {
		card.Rows = append(card.Rows, f.generationRow(&f.page[i]))
	}
	if n := len(f.page); n > 0 {
		card.Place = fmt.Sprintf("Generations %s to %s", templates.Grouped(f.page[0].Number), templates.Grouped(f.page[n-1].Number))
		if f.more {
			list := f.list
			list.before = f.page[n-1].Number
			card.Older = list.address()
		}
	}
	if f.list.before > 0 {
		list := f.list
		list.before = 0
		card.Newest = list.address()
	}
	return card
}

func (f *credentialsFacts) generationRow(g *db.GenerationListRow) templates.GenerationRow {
	row := templates.GenerationRow{
		Name: generationName(g.Number), Href: generationAddress(g.Number), Current: g.Current, Lineage: g.Lineage == g.ID,
		Digest: shortDigest(hex.EncodeToString(g.Digest)), Since: templates.Moment{At: g.CreatedAt, Now: f.now}, Held: g.Holders,
		Until: moment(g.AccessExpiresAt, f.now), Expired: g.AccessExpiresAt != nil && !g.AccessExpiresAt.After(f.now),
	}
	row.Icon, row.Source, row.From = broughtBy(g)
	if g.Current {
		row.Action = templates.Action{Label: "Reveal…", Icon: "reveal", Href: pathCredentials + "/reveal", Kind: templates.Small, Why: f.why(access.CredentialReveal)}
	} else {
		row.Action = templates.Action{Label: "Roll back…", Icon: "undo", Href: generationAddress(g.Number) + "/rollback", Kind: templates.Small, Why: f.why(access.CredentialWrite)}
	}
	return row
}

// broughtBy says where a generation is from. Hosts that are forgotten have no name any more.
func broughtBy(g *db.GenerationListRow) (icon, source, from string) {
	host := "a host that is forgotten"
	if g.SourceFQDN != nil {
		host = *g.SourceFQDN
	}
	switch {
	case g.RolledBackTo != nil:
		return "undo", "Back to", generationName(*g.RolledBackTo)
	case g.Source == audit.KindHost:
		return "host", "Brought by", host
	case g.SourceHostID != nil:
		return "check", "Adopted from", host
	case g.Source == audit.KindAdmin:
		return "user", "Upload by an admin", ""
	case g.Source == audit.KindOperator:
		return "terminal", "Upload on the console", ""
	case g.Source == audit.KindSeed:
		return "terminal", "Seed command", ""
	}
	return "upload", g.Source, ""
}

// generationName is a generation in lists, and what one types to go back to it.
func generationName(number int64) string { return fmt.Sprintf("gen %d", number) }

func generationAddress(number int64) string { return fmt.Sprintf("%s/%d", pathCredentials, number) }

// shortDigest is enough of a digest to tell two apart.
func shortDigest(digest string) string {
	if len(digest) < 8 {
		return digest
	}
	return digest[:4] + " " + digest[4:8] + " …"
}

// moment is a time that may be unknown.
func moment(at *time.Time, now time.Time) templates.Moment {
	if at == nil {
		return templates.Moment{Now: now}
	}
	return templates.Moment{At: *at, Now: now}
}

// offersCard lists what hosts proposed.
func (f *credentialsFacts) offersCard() templates.OffersCard {
	card := templates.OffersCard{Shown: f.everOffers || f.list.offers != credential.ProposalPending, Text: "brought by hosts that may not change the fleet's login by themselves"}
	for _, option := range offerStates {
		list := f.list
		list.offers, list.older = option.Value, nil
		card.States = append(card.States, templates.Option{Label: option.Label, Value: list.address(), Current: option.Value == f.list.offers})
	}
	card.Empty = templates.Empty{Title: "Nothing waits", Text: "What hosts bring from now on appears here. Those that were decided in the last 30 days are behind the buttons above."}
	if f.list.offers != credential.ProposalPending {
		card.Empty = templates.Empty{Title: "There is none", Text: "Decided proposals are kept for 30 days."}
	}
	for i := range f.offers {
		card.Offers = append(card.Offers, f.offerRow(&f.offers[i]))
	}
	if n := len(f.offers); n > 0 && f.moreOffers {
		list := f.list
		list.older = &f.offers[n-1].ID
		card.Older = list.address()
	}
	if f.list.older != nil {
		list := f.list
		list.older = nil
		card.Newest = list.address()
	}
	return card
}

func (f *credentialsFacts) offerRow(p *credential.Proposal) templates.OfferRow {
	row := templates.OfferRow{
		Host: p.FQDN, Href: offerAddress(p), Brought: templates.Moment{At: p.CreatedAt, Now: f.now}, Until: moment(p.AccessExpiresAt, f.now),
		Account: known(p.ChatGPTAccount), Warnings: warningTexts(p.Warnings),
	}
	row.State, row.Icon, row.Word = offerState(p)
	if p.DecidedBy != nil {
		row.By = "by " + *p.DecidedBy
	}
	row.Actions = offerActions(p, f.why(access.CredentialWrite))
	if p.Decision == nil {
		row.Actions = append([]templates.Action{{Label: "Adopt…", Icon: "check", Href: offerAddress(p), Kind: templates.Small, Why: f.why(access.CredentialWrite)}}, row.Actions...)
	}
	return row
}

// offerActions are what can be done about a proposal at once, since it can be taken back.
func offerActions(p *credential.Proposal, why string) []templates.Action {
	switch {
	case p.Decision == nil:
		return []templates.Action{{Label: "Discard", Icon: "close", Post: offerAddress(p) + "/discard", Kind: templates.Small, Why: why}}
	case *p.Decision == credential.ProposalDiscarded:
		return []templates.Action{{Label: "Take up again", Icon: "undo", Post: offerAddress(p) + "/reopen", Kind: templates.Small, Why: why}}
	}
	return nil
}

func offerAddress(p *credential.Proposal) string {
	return pathCredentials + "/proposals/" + p.ID.String()
}

// offerState is a proposal's state in a word, with a shape and a colour.
func offerState(p *credential.Proposal) (tone templates.Tone, icon, word string) {
	switch {
	case p.Decision == nil:
		return templates.Warn, "expires", "Waiting"
	case *p.Decision == credential.ProposalAdopted:
		return templates.OK, "ok", "Adopted"
	}
	return templates.Plain, "close", "Discarded"
}

func warningTexts(warnings []credential.Warning) (texts []string) {
	for _, w := range warnings {
		texts = append(texts, w.Text())
	}
	return texts
}

// known is a text that may be absent.
func known(text *string) string {
	if text == nil || *text == "" {
		return templates.Unknown
	}
	return *text
}
