package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

const pathCredentials = "/dashboard/credentials"

// handleCredentials adds the pages about the login that the fleet has, had, and is offered.
func (s *Surface) handleCredentials() {
	s.page(pathCredentials, access.CredentialRead, s.credentials)
	s.form(pathCredentials, access.CredentialWrite, s.uploadLogin)
	s.page(pathCredentials+"/{}", access.CredentialRead, s.generation)
	s.page(pathCredentials+"/{}/rollback", access.CredentialRead, s.askRollback)
	s.form(pathCredentials+"/{}/rollback", access.CredentialWrite, s.rollBack)
	s.page(pathCredentials+"/reveal", access.CredentialRead, s.askReveal)
	s.form(pathCredentials+"/reveal", access.CredentialReveal, s.reveal)
	s.page(pathCredentials+"/proposals/{}", access.CredentialRead, s.loginProposal)
	s.form(pathCredentials+"/proposals/{}/adopt", access.CredentialWrite, s.adoptLogin)
	s.form(pathCredentials+"/proposals/{}/discard", access.CredentialWrite, s.discardLogin)
	s.form(pathCredentials+"/proposals/{}/reopen", access.CredentialWrite, s.reopenLogin)
	s.form(pathCredentials+"/seed", access.SeedWrite, s.seedLogin)
}

// Lengths of what the page lists.
const (
	generationsPage = 20
	offersPage      = 10
)

// credentialsFacts is what the page of credentials is made of.
type credentialsFacts struct {
	*overviewFacts
	list credentialsList

	page []db.GenerationListRow // those that are listed, the newest first
	more bool                   // there are older ones

	offers     []credential.Proposal
	moreOffers bool
	everOffers bool // there is a proposal of any state

	wrong string // with what was just uploaded; "": nothing
	seed  templates.SeedCard
}

// credentialsList is which part of which lists is shown: the state of the page, which is in its address.
type credentialsList struct {
	before int64  // generation; 0: from the newest on
	source string // "": all
	offers string // state of the proposals
	older  *uuid.UUID
}

// address is where the page shows this.
func (l credentialsList) address() string {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	if l.before > 0 {
		set("before", strconv.FormatInt(l.before, 10))
	}
	set("source", l.source)
	if l.offers != credential.ProposalPending {
		set("proposals", l.offers)
	}
	if l.older != nil {
		set("older", l.older.String())
	}
	if len(query) == 0 {
		return pathCredentials
	}
	return pathCredentials + "?" + query.Encode()
}

// sources are the words to filter generations by, as the page names them.
var sources = []templates.Option{
	{Label: "All"}, {Label: "Hosts", Value: audit.KindHost}, {Label: "Admins", Value: audit.KindAdmin}, {Label: "Console", Value: audit.KindOperator},
	{Label: "Seed commands", Value: audit.KindSeed},
}

// offerStates are the states to filter proposals by.
var offerStates = []templates.Option{
	{Label: "Waiting", Value: credential.ProposalPending}, {Label: "Discarded", Value: credential.ProposalDiscarded},
	{Label: "Adopted", Value: credential.ProposalAdopted}, {Label: "All", Value: credential.ProposalAll},
}

// readCredentialsList reads the address. What is none of the page's words is none: a link that was bent shows the newest.
func readCredentialsList(v *visit) credentialsList {
	l := credentialsList{offers: credential.ProposalPending}
	if n, err := strconv.ParseInt(v.query("before"), 10, 64); err == nil && n > 0 {
		l.before = n
	}
	for _, option := range sources {
		if v.query("source") == option.Value {
			l.source = option.Value
		}
	}
	for _, option := range offerStates {
		if v.query("proposals") == option.Value {
			l.offers = option.Value
		}
	}
	if id, err := uuid.Parse(v.query("older")); err == nil {
		l.older = &id
	}
	return l
}

// credentials serves the page.
func (s *Surface) credentials(v *visit) (page, error) {
	facts, err := s.credentialsFacts(v)
	if err != nil {
		return page{}, err
	}
	return facts.shown(), nil
}

// shown is the page of the facts.
func (f *credentialsFacts) shown() page {
	p := credentialsPage(f)
	return page{
		Title: "Credentials", Path: pathCredentials, Body: templates.Credentials(p),
		Parts: map[string]templ.Component{
			"cr-login": templates.CredentialsLogin(p.Login, p.Address), "cr-offers": templates.CredentialsOffers(p.Offers, p.Address),
			"cr-gens": templates.CredentialsGenerations(p.Generations, p.Address), p.Seed.ID: templates.LoginSeed(p.Seed),
		},
	}
}

func (s *Surface) credentialsFacts(v *visit) (*credentialsFacts, error) {
	f := &credentialsFacts{overviewFacts: &overviewFacts{now: v.now, version: s.cfg.Version, has: s.has, why: v.unless}, list: readCredentialsList(v)}
	f.seed = s.seedCard(v, pathCredentials, nil)
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return nil, err
	}
	f.current, err = s.cfg.Credentials.Current(v.Context(), account)
	if err != nil && !errors.Is(err, credential.ErrNone) {
		return nil, err
	}
	if v.wants("cr-login") {
		if f.counts, err = s.cfg.Fleet.Counts(v.Context(), fleet.Versions{}); err != nil {
			return nil, err
		}
		if f.recent, _, err = s.cfg.Credentials.History(v.Context(), account, credential.HistoryQuery{Limit: maxLegs}); err != nil {
			return nil, err
		}
	}
	if v.wants("cr-gens") {
		query := credential.HistoryQuery{After: f.list.before, Source: f.list.source, Limit: generationsPage}
		if f.page, f.more, err = s.cfg.Credentials.History(v.Context(), account, query); err != nil {
			return nil, err
		}
	}
	if v.wants("cr-offers") {
		if err := s.addOffers(v, f, account); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// addOffers adds what hosts proposed, or at least whether any ever did.
func (s *Surface) addOffers(v *visit, f *credentialsFacts, account int64) (err error) {
	f.offers, f.moreOffers, err = s.cfg.Credentials.Proposals(v.Context(), account, credential.ProposalQuery{State: f.list.offers, After: f.list.older, Limit: offersPage})
	if err != nil {
		return err
	}
	if f.everOffers = len(f.offers) > 0; f.everOffers || f.list.offers == credential.ProposalAll {
		return nil
	}
	newest, _, err := s.cfg.Credentials.Proposals(v.Context(), account, credential.ProposalQuery{State: credential.ProposalAll, Limit: 1})
	f.everOffers = len(newest) > 0
	return err
}

// revealWord is what one types to see the login itself.
const revealWord = "reveal"

// askReveal asks whether the login itself is really to be shown.
func (s *Surface) askReveal(v *visit) (page, error) {
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return page{}, err
	}
	current, err := s.cfg.Credentials.Current(v.Context(), account)
	why := v.unless(access.CredentialReveal)
	switch {
	case errors.Is(err, credential.ErrNone):
		why = "There is no login yet."
	case err != nil:
		return page{}, err
	}
	return page{
		Title: "Reveal the login", Path: pathCredentials, Crumbs: credentialsCrumb,
		Body: templates.RevealQuestion(revealQuestion(current.Number, v.Name, why)),
	}, nil
}

var credentialsCrumb = []templates.Crumb{{Label: "Credentials", Path: pathCredentials}}

func revealQuestion(generation int64, who, why string) templates.Confirm {
	return templates.Confirm{
		ID: "reveal", Title: fmt.Sprintf("Show generation %d in full?", generation), Type: revealWord,
		Keep: templates.Action{Label: "Keep it sealed", Href: pathCredentials},
		Effects: []string{
			"The next page has the access token and the refresh token in clear. Whoever reads or copies them is the fleet to ChatGPT.",
			fmt.Sprintf("The audit trail says that %s looked, when and from where, before the page is shown.", who),
		},
		Note: "Nothing changes for hosts. The page has no address and is not kept by browsers.",
		Do:   templates.Action{Label: "Reveal login", Icon: "reveal", Post: pathCredentials + "/reveal", Kind: templates.DangerNow, Why: why},
	}
}

// reveal shows the login itself. That it was looked at is recorded first.
func (s *Surface) reveal(v *visit) (outcome, error) {
	if err := v.confirmed(revealWord); err != nil {
		return nil, err
	}
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return nil, err
	}
	body, err := s.cfg.Credentials.Reveal(v.Context(), account, v.Actor)
	if err != nil {
		return nil, err
	}
	return page{
		Title: "The login itself", Path: pathCredentials, Crumbs: credentialsCrumb,
		Body: templates.Revealed(templates.RevealedPage{Text: "That you looked is in the audit trail.", Auth: string([]byte(body))}),
	}, nil
}

// seedLogin makes a command that uploads the login of another machine, and shows it this once.
func (s *Surface) seedLogin(v *visit) (outcome, error) {
	seed, err := s.cfg.Credentials.NewSeed(v.Context(), credential.DefaultAccount, v.Actor)
	if err != nil {
		return nil, err
	}
	facts, err := s.credentialsFacts(v)
	if err != nil {
		return nil, err
	}
	facts.seed = s.seedCard(v, pathCredentials, seed)
	return facts.shown(), nil
}

// seedCard is where a seed command is made, on a page at a path; seed is the one that was made just now, nil: none.
func (s *Surface) seedCard(v *visit, path string, seed *credential.Seed) templates.SeedCard {
	card := templates.SeedCard{ID: "cr-seed", Post: path + "/seed", Why: v.unless(access.SeedWrite)}
	if seed == nil {
		return card
	}
	trust := s.cfg.PublicTLS()
	card.Command, card.Expires = trust.Command(seed.URL), templates.Moment{At: seed.ExpiresAt, Now: v.now}
	if trust.ByHand() {
		card.Trust = trustByHand
	}
	return card
}

// trustByHand is what a machine needs before a printed command works there.
const trustByHand = "The gateway's certificate is signed by a private authority that the machine has to know first: cdxgate prints it with the same command on the console."

// uploadLogin makes an uploaded login the fleet's.
func (s *Surface) uploadLogin(v *visit) (outcome, error) {
	return s.upload(v, pathCredentials, func(wrong string) (page, error) {
		facts, err := s.credentialsFacts(v)
		if err != nil {
			return page{}, err
		}
		facts.wrong = wrong
		return facts.shown(), nil
	})
}

// upload makes an uploaded login the fleet's, and goes on to a page. A form that was wrong is shown again, without what was in
// it: again makes its page.
func (s *Surface) upload(v *visit, to string, again func(wrong string) (page, error)) (outcome, error) {
	result, wrong, err := s.takeUpload(v)
	switch {
	case err != nil:
		return nil, err
	case wrong == "":
		say, more := uploadedText(result)
		return done{To: to, Say: say, More: more}, nil
	}
	shown, err := again(wrong)
	if err != nil {
		return nil, err
	}
	shown.Status = http.StatusUnprocessableEntity
	return shown, nil
}

// takeUpload makes the login that a form posted the fleet's. wrong says what is wrong with the form, if that is what is.
func (s *Surface) takeUpload(v *visit) (result *credential.Outcome, wrong string, err error) {
	file, err := readLogin(v.Request)
	if err == nil {
		var account int64
		if account, err = s.cfg.Credentials.FleetAccount(v.Context()); err != nil {
			return nil, "", err
		}
		result, err = s.cfg.Credentials.Upload(v.Context(), account, file, v.Actor)
	}
	if errors.Is(err, credential.ErrNotJSON) {
		return nil, "This is not JSON. Upload auth.json as Codex wrote it, whole.", nil
	}
	switch e := errs.Of(err); {
	case e == nil:
		return result, "", nil
	case e.Kind == errs.Invalid, e.Kind == errs.TooLarge, errors.Is(err, credential.ErrPlaceholder):
		return nil, sentence(fieldTexts(e)), nil
	}
	return nil, "", err
}

// uploadedText says what an upload came to.
func uploadedText(result *credential.Outcome) (say, more string) {
	digest := "Digest " + shortDigest(result.Current.Digest.String())
	if result.Verdict == credential.Unchanged {
		return "This is the fleet's login already", digest + ". Nothing was changed."
	}
	say = fmt.Sprintf("Generation %s is the fleet's login", templates.Grouped(result.Current.Number))
	if until := result.Current.AccessExpiresAt; !until.IsZero() {
		digest += ", valid until " + templates.Exact(until)
	}
	return say, digest + ". Hosts get it at their next call."
}
