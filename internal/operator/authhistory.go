package operator

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
)

// listedGeneration is a generation as auth history -o json shows it.
type listedGeneration struct {
	Generation      int64    `json:"generation"`
	Current         bool     `json:"current"`
	Lineage         string   `json:"lineage"`
	Digest          string   `json:"digest"`
	LastRefresh     string   `json:"last_refresh"`
	AccessExpiresAt api.Time `json:"access_expires_at"`
	Source          string   `json:"source"`
	SourceHost      *string  `json:"source_host"`
	RolledBackTo    *int64   `json:"rolled_back_to"`
	Holders         int64    `json:"holders"`
	CreatedAt       api.Time `json:"created_at"`
}

// AuthHistoryOptions are the flags of auth history.
type AuthHistoryOptions struct {
	Limit int
}

// AuthHistory prints the logins that the fleet has and had, the newest first.
func (c *Console) AuthHistory(ctx context.Context, opts AuthHistoryOptions) error {
	page, more, err := c.credentials.History(ctx, c.account.ID, credential.HistoryQuery{Limit: opts.Limit})
	if err != nil {
		return err
	}
	now, all := time.Now(), make([]listedGeneration, 0, len(page))
	t := table{head: []string{"GEN", "MADE", "FROM", "VALID", "HOLDERS", "LOGIN", "NOTE"}, optional: []string{"LOGIN", "MADE", "HOLDERS", "NOTE"}}
	for i := range page {
		g := &page[i]
		all = append(all, listedGeneration{
			g.Number, g.Current, g.Lineage.String(), hex.EncodeToString(g.Digest), g.LastRefresh, timeOrNull(g.AccessExpiresAt), g.Source, g.SourceFQDN,
			g.RolledBackTo, g.Holders, api.Time{Time: g.CreatedAt},
		})
		t.rows = append(t.rows, []string{
			fmt.Sprint(g.Number), ago(&g.CreatedAt, now), whence(g), leftOf(g.AccessExpiresAt, now), fmt.Sprint(g.Holders), g.Lineage.String()[:8], about(g),
		})
	}
	switch {
	case len(page) == 0:
		c.say("The fleet has had no login yet")
	case more:
		c.say("These are the newest %d; --limit shows more", len(page))
	}
	return c.print(map[string]any{"generations": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// whence says who brought a generation.
func whence(g *db.GenerationListRow) string {
	if g.SourceFQDN == nil {
		return g.Source
	}
	if g.Source == "host" {
		return *g.SourceFQDN
	}
	return g.Source + ", of " + *g.SourceFQDN
}

func about(g *db.GenerationListRow) string {
	var notes []string
	if g.Current {
		notes = append(notes, "current")
	}
	if g.RolledBackTo != nil {
		notes = append(notes, fmt.Sprintf("back to %d", *g.RolledBackTo))
	}
	return orDash(textOrNil(strings.Join(notes, ", ")))
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// leftOf says how long something is good, if that is known.
func leftOf(until *time.Time, now time.Time) string {
	if until == nil {
		return "–"
	}
	return left(*until, now)
}

// AuthRollback delivers the access token of an earlier generation again. What it comes to is said before the question.
func (c *Console) AuthRollback(ctx context.Context, number string) error {
	to, err := ordinal("generation", number)
	if err != nil {
		return err
	}
	plan, err := c.credentials.PlanRollback(ctx, c.account.ID, to)
	if err != nil {
		return advise(err, credential.ErrNoGeneration, "see cdxgate auth history")
	}
	c.say("Generation %d is the fleet's login now. Hosts would be given the access token of %d with their next call,", plan.From.Number, to)
	c.say("and with it the newest refresh token of that login: one that was spent never comes back.")
	if !plan.WorksUntil.IsZero() {
		c.say("The access token is good until %s (%s).", moment(plan.WorksUntil), left(plan.WorksUntil, time.Now()))
	}
	c.sayWarnings(plan.Warnings)
	if err := c.confirm(fmt.Sprintf("Go back to generation %d?", to)); err != nil {
		return err
	}
	outcome, err := c.credentials.RollBack(ctx, c.account.ID, to, credential.RollbackOptions{Seen: plan.From.Number, Confirm: true}, c.by)
	if err != nil {
		return err
	}
	c.say("✓ the fleet's login is that of generation %d again, as generation %d%s", to, outcome.Current.Number, validity(outcome.Current))
	return c.print(struct {
		RolledBackTo int64 `json:"rolled_back_to"`
		shownGeneration
	}{to, c.shown(outcome.Current)}, func(io.Writer) {})
}

func (c *Console) sayWarnings(warnings []credential.Warning) {
	for _, w := range warnings {
		c.say("! %s", w.Text())
	}
}

// listedLogin is a proposal as auth proposals -o json shows it.
type listedLogin struct {
	ID              string               `json:"id"`
	State           string               `json:"state"`
	FQDN            string               `json:"fqdn"`
	Digest          string               `json:"digest"`
	LastRefresh     string               `json:"last_refresh"`
	AccessExpiresAt api.Time             `json:"access_expires_at"`
	BaseGeneration  int64                `json:"base_generation"`
	CreatedAt       api.Time             `json:"created_at"`
	DecidedAt       api.Time             `json:"decided_at"`
	DecidedBy       *string              `json:"decided_by"`
	Warnings        []credential.Warning `json:"warnings"`
}

// AuthProposalsOptions are the flags of auth proposals.
type AuthProposalsOptions struct {
	All bool // decided ones, too
}

// mostListed bounds what auth proposals prints: a host leaves five at most.
const mostListed = 500

// AuthProposals prints the logins that hosts brought and may not make the fleet's, the newest first.
func (c *Console) AuthProposals(ctx context.Context, opts AuthProposalsOptions) error {
	state := credential.ProposalPending
	if opts.All {
		state = credential.ProposalAll
	}
	page, more, err := c.credentials.Proposals(ctx, c.account.ID, credential.ProposalQuery{State: state, Limit: mostListed})
	if err != nil {
		return err
	}
	now, all := time.Now(), make([]listedLogin, 0, len(page))
	t := table{head: []string{"ID", "HOST", "BROUGHT", "VALID", "STATE"}, optional: []string{"BROUGHT", "VALID", "STATE"}}
	for i := range page {
		p := &page[i]
		l := listedLogin{
			p.ID.String(), credential.ProposalPending, p.FQDN, hex.EncodeToString(p.Digest), p.LastRefresh, timeOrNull(p.AccessExpiresAt),
			p.BaseGeneration, api.Time{Time: p.CreatedAt}, timeOrNull(p.DecidedAt), p.DecidedBy, append([]credential.Warning{}, p.Warnings...),
		}
		if p.Decision != nil {
			l.State = *p.Decision
		}
		all = append(all, l)
		t.rows = append(t.rows, []string{l.ID, p.FQDN, ago(&p.CreatedAt, now), leftOf(p.AccessExpiresAt, now), l.State})
	}
	switch {
	case len(page) == 0:
		c.say("Nothing waits to be decided")
	case more:
		c.say("These are the newest %d", len(page))
	}
	return c.print(map[string]any{"proposals": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// AuthAdopt makes a proposal the fleet's login. What there is to know is said before the question.
func (c *Console) AuthAdopt(ctx context.Context, text string) error {
	id, err := proposalID(text)
	if err != nil {
		return err
	}
	page, _, err := c.credentials.Proposals(ctx, c.account.ID, credential.ProposalQuery{State: credential.ProposalPending, Limit: mostListed})
	if err != nil {
		return err
	}
	for i := range page {
		if page[i].ID == id {
			c.say("%s brought this login, %s.", page[i].FQDN, ago(&page[i].CreatedAt, time.Now()))
			c.sayWarnings(page[i].Warnings)
		}
	}
	if err := c.confirm("Make it the fleet's login?"); err != nil {
		return err
	}
	outcome, err := c.credentials.Adopt(ctx, id, credential.AdoptOptions{Confirm: true}, c.by)
	if err != nil {
		return unknownLogin(err)
	}
	c.say("✓ this is the fleet's login now, generation %d%s", outcome.Current.Number, validity(outcome.Current))
	return c.print(struct {
		Adopted string `json:"adopted"`
		Status  string `json:"status"`
		shownGeneration
	}{id.String(), string(outcome.Verdict), c.shown(outcome.Current)}, func(io.Writer) {})
}

// AuthDiscard closes a proposal.
func (c *Console) AuthDiscard(ctx context.Context, text string) error {
	id, err := proposalID(text)
	if err != nil {
		return err
	}
	p, err := c.credentials.Discard(ctx, id, c.by)
	if err != nil {
		return unknownLogin(err)
	}
	c.say("✓ the login that %s brought is discarded; cdxgate auth reopen %s takes that back, for 30 days", p.FQDN, id)
	return c.print(map[string]string{"discarded": id.String()}, func(io.Writer) {})
}

// AuthReopen takes back that a proposal was discarded.
func (c *Console) AuthReopen(ctx context.Context, text string) error {
	id, err := proposalID(text)
	if err != nil {
		return err
	}
	p, err := c.credentials.Reopen(ctx, id, c.by)
	if err != nil {
		return unknownLogin(err)
	}
	c.say("✓ the login that %s brought waits to be decided again", p.FQDN)
	return c.print(map[string]string{"reopened": id.String()}, func(io.Writer) {})
}

func proposalID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, unknownLogin(credential.ErrNoProposal.With("id", text))
	}
	return id, nil
}

func unknownLogin(err error) error {
	return advise(err, credential.ErrNoProposal, "see cdxgate auth proposals")
}
