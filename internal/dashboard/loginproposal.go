package dashboard

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/templates"
)

func loginProposalID(v *visit) (uuid.UUID, error) {
	id, err := uuid.Parse(v.Param)
	if err != nil || id.String() != v.Param {
		return uuid.Nil, call.ErrNoRoute
	}
	return id, nil
}

// loginProposal serves the page of what a host proposed: what it would change, and what can be done about it.
func (s *Surface) loginProposal(v *visit) (page, error) {
	id, err := loginProposalID(v)
	if err != nil {
		return page{}, err
	}
	p, err := s.cfg.Credentials.Proposed(v.Context(), id)
	if err != nil {
		return page{}, err
	}
	account, err := s.cfg.Credentials.FleetAccount(v.Context())
	if err != nil {
		return page{}, err
	}
	var current *db.GenerationListRow
	canonical, err := s.cfg.Credentials.Current(v.Context(), account)
	if err == nil {
		current, err = s.cfg.Credentials.Past(v.Context(), account, canonical.Number)
	}
	if err != nil && !errors.Is(err, credential.ErrNone) {
		return page{}, err
	}
	return page{
		Title: "Proposal", Path: pathCredentials, Crumbs: credentialsCrumb,
		Body: templates.LoginDecision(proposalQuestion(p, current, v.now, v.unless(access.CredentialWrite))),
	}, nil
}

// adoptWord is what one types to make a proposal the fleet's login in spite of what is to be known about it.
const adoptWord = "adopt"

// proposalQuestion is a proposal beside the login of now (nil: there is none).
func proposalQuestion(p *credential.Proposal, current *db.GenerationListRow, now time.Time, why string) templates.LoginQuestion {
	_, _, state := offerState(p)
	q := templates.LoginQuestion{
		Title: "Login proposed by " + p.FQDN, Text: state + ", brought " + templates.Exact(p.CreatedAt) + ".",
		Others: offerActions(p, why),
	}
	for i := range q.Others {
		q.Others[i].Kind = templates.Ordinary
	}
	if p.DecidedAt != nil {
		q.Text = fmt.Sprintf("%s by %s, %s.", state, known(p.DecidedBy), templates.Exact(*p.DecidedAt))
	}
	offer := loginMeta{p.ChatGPTAccount, p.AccessIssuedAt, p.AccessExpiresAt, p.HasRefreshToken}
	if p.Decision != nil || current == nil {
		q.Facts = tokenFacts(offer, now)
	} else {
		q.DiffTitle = fmt.Sprintf("From generation %d to this", current.Number)
		q.Diff = loginDiff(metaOf(current), offer)
		q.Note = fmt.Sprintf("When it was brought, generation %d was the fleet's login.", p.BaseGeneration)
	}
	q.Facts = append(q.Facts, documentFacts(p.LastRefresh, p.Digest)...)
	if p.Decision == nil {
		q.Ask = adoptQuestion(p, current, why)
	}
	return q
}

func adoptQuestion(p *credential.Proposal, current *db.GenerationListRow, why string) *templates.Confirm {
	ask := &templates.Confirm{
		ID: "adopt", Title: "Make it the fleet's login?", Note: "It begins a lineage of its own.",
		Keep: templates.Action{Label: "Decide later", Href: pathCredentials},
		Do:   templates.Action{Label: "Adopt login", Icon: "check", Post: offerAddress(p) + "/adopt", Kind: templates.Primary, Why: why},
	}
	number := int64(0)
	if current != nil {
		number = current.Number
		ask.Note = fmt.Sprintf("It begins a lineage of its own as generation %d; %s that %s generation %d get it at their next call. Generation %d can be gone back to.",
			number+1, templates.Count(current.Holders, "host", "hosts"), have(current.Holders), number, number)
	}
	ask.Do.Fields = []templates.Field{{Name: "current", Value: strconv.FormatInt(number, 10)}}
	if ask.Effects = warningTexts(p.Warnings); len(ask.Effects) > 0 {
		ask.Type, ask.Do.Kind = adoptWord, templates.DangerNow
	}
	return ask
}

// adoptLogin makes a proposal the fleet's login.
func (s *Surface) adoptLogin(v *visit) (outcome, error) {
	id, err := loginProposalID(v)
	if err != nil {
		return nil, err
	}
	seen, err := strconv.ParseInt(v.post("current"), 10, 64)
	if err != nil {
		return nil, credential.ErrMovedOn
	}
	result, err := s.cfg.Credentials.Adopt(v.Context(), id, credential.AdoptOptions{Seen: seen, Confirm: v.post("confirm") == adoptWord}, v.Actor)
	switch {
	case errors.Is(err, credential.ErrRisky):
		return nil, errNotConfirmed.With("type", adoptWord)
	case err != nil:
		return nil, err
	}
	say, more := uploadedText(result)
	return done{To: pathCredentials, Say: say, More: more}, nil
}

// discardLogin closes a proposal.
func (s *Surface) discardLogin(v *visit) (outcome, error) {
	id, err := loginProposalID(v)
	if err != nil {
		return nil, err
	}
	p, err := s.cfg.Credentials.Discard(v.Context(), id, v.Actor)
	if err != nil {
		return nil, err
	}
	return done{To: pathCredentials, Say: "Discarded what " + p.FQDN + " proposed", More: "It can be taken up again for 30 days."}, nil
}

// reopenLogin has a proposal wait again.
func (s *Surface) reopenLogin(v *visit) (outcome, error) {
	id, err := loginProposalID(v)
	if err != nil {
		return nil, err
	}
	p, err := s.cfg.Credentials.Reopen(v.Context(), id, v.Actor)
	if err != nil {
		return nil, err
	}
	return done{To: pathCredentials, Say: "What " + p.FQDN + " proposed waits again"}, nil
}
