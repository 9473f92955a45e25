package admin

import (
	"encoding/hex"
	"strconv"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// handleCredentials adds the routes about the login that the fleet has, had, and is offered.
func (s *Surface) handleCredentials() {
	s.handle("GET", "/admin/auth/generations", access.CredentialRead, s.generations)
	s.handle("GET", "/admin/auth/generations/{}", access.CredentialRead, s.generation)
	s.handle("POST", "/admin/auth/rollback", access.CredentialWrite, s.rollBack)
	s.handle("POST", "/admin/auth/reveal", access.CredentialReveal, s.reveal)
	s.handle("GET", "/admin/auth/proposals", access.CredentialRead, s.loginProposals)
	s.handle("POST", "/admin/auth/proposals/{}/adopt", access.CredentialWrite, s.adopt)
	s.handle("POST", "/admin/auth/proposals/{}/discard", access.CredentialWrite, s.discard)
	s.handle("POST", "/admin/auth/proposals/{}/reopen", access.CredentialWrite, s.reopen)
}

// generations serves GET /admin/auth/generations.
func (s *Surface) generations(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "direction", "source", "host_id", "lineage", "q")
	o := q.order("generations", descending, 1)
	query := credential.HistoryQuery{
		Ascending: !o.desc, Source: q.word("source", "", audit.KindHost, audit.KindAdmin, audit.KindOperator, audit.KindSeed), HostID: q.id("host_id"),
		Limit: int(q.number("limit", defaultPage, maxPage)), Lineage: q.uuid("lineage"), Search: q.text("q"),
	}
	if o.after != nil {
		query.After = o.after.Numbers[0]
	}
	if q.err != nil {
		return nil, q.err
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	page, more, err := s.cfg.Credentials.History(r.Context(), account, query)
	if err != nil {
		return nil, err
	}
	answer := api.AdminGenerations{Generations: make([]api.AdminGeneration, 0, len(page))}
	for i := range page {
		answer.Generations = append(answer.Generations, wireGeneration(&page[i]))
	}
	if more {
		answer.NextCursor = o.cursor("", page[len(page)-1].Number)
	}
	return answer, nil
}

// generation serves GET /admin/auth/generations/{number}.
func (s *Surface) generation(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor")
	limit, o, after := int(q.number("limit", maxPage, maxPage)), q.order("receivers of "+r.Param, ascending, 0), ""
	if o.after != nil {
		after = o.after.Text
	}
	number, err := strconv.ParseInt(r.Param, 10, 64)
	switch {
	case err != nil || strconv.FormatInt(number, 10) != r.Param:
		return nil, call.ErrNoRoute
	case q.err != nil:
		return nil, q.err
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	row, err := s.cfg.Credentials.Past(r.Context(), account, number)
	if err != nil {
		return nil, err
	}
	answer := api.AdminGenerationShown{AdminGeneration: wireGeneration(row), Receivers: []api.AdminReceiver{}}
	if !row.Current {
		plan, err := s.cfg.Credentials.PlanRollback(r.Context(), account, number)
		if err != nil {
			return nil, err
		}
		answer.Rollback = &api.AdminRollbackPlan{
			From: plan.From.Number, WorksUntil: api.Time{Time: plan.WorksUntil}, Warnings: wireWarnings(plan.Warnings),
		}
	}
	receivers, more, err := s.cfg.Credentials.Receivers(r.Context(), account, number, after, limit)
	if err != nil {
		return nil, err
	}
	for _, host := range receivers {
		answer.Receivers = append(answer.Receivers, api.AdminReceiver{
			HostRef: api.HostRef{ID: host.ID, FQDN: host.FQDN}, DeliveredAt: api.Time{Time: host.DeliveredAt}, Holds: host.Holds,
		})
	}
	if more {
		answer.NextCursor = o.cursor(receivers[len(receivers)-1].FQDN)
	}
	return answer, nil
}

// rollBack serves POST /admin/auth/rollback.
func (s *Surface) rollBack(r *call.Request, by audit.Actor) (any, error) {
	var request api.AdminRollbackRequest
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	if request.Generation < 1 {
		return nil, errs.Field("generation", "generation must be the number of an earlier one")
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	outcome, err := s.cfg.Credentials.RollBack(r.Context(), account, request.Generation, credential.RollbackOptions{
		Seen: request.Current, Confirm: request.Confirm,
	}, by)
	if err != nil {
		return nil, err
	}
	return wireLogin(outcome), nil
}

// reveal serves POST /admin/auth/reveal: the login itself. Who saw it is recorded first.
func (s *Surface) reveal(r *call.Request, by audit.Actor) (any, error) {
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	body, err := s.cfg.Credentials.Reveal(r.Context(), account, by)
	if err != nil {
		return nil, err
	}
	return api.AdminRevealed{Auth: []byte(body)}, nil
}

// loginProposals serves GET /admin/auth/proposals: those that wait, unless state says otherwise.
func (s *Surface) loginProposals(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "direction", "state", "host_id", "q")
	o := q.order("auth-proposals", descending, 0)
	query := credential.ProposalQuery{
		State: q.word("state", credential.ProposalPending, credential.ProposalStates...), Ascending: !o.desc, HostID: q.id("host_id"), Search: q.text("q"),
		Limit: int(q.number("limit", defaultPage, maxPage)),
	}
	if o.after != nil {
		id, err := uuid.Parse(o.after.Text)
		if err != nil {
			q.fail("cursor", "cursor is none of this list")
		}
		query.After = &id
	}
	if q.err != nil {
		return nil, q.err
	}
	account, err := s.cfg.Credentials.FleetAccount(r.Context())
	if err != nil {
		return nil, err
	}
	page, more, err := s.cfg.Credentials.Proposals(r.Context(), account, query)
	if err != nil {
		return nil, err
	}
	answer := api.AdminProposals{Proposals: make([]api.AdminProposal, 0, len(page))}
	for i := range page {
		answer.Proposals = append(answer.Proposals, wireProposal(&page[i]))
	}
	if more {
		answer.NextCursor = o.cursor(page[len(page)-1].ID.String())
	}
	return answer, nil
}

// adopt serves POST /admin/auth/proposals/{id}/adopt.
func (s *Surface) adopt(r *call.Request, by audit.Actor) (any, error) {
	id, err := proposalID(r)
	if err != nil {
		return nil, err
	}
	var request api.AdminConfirm
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	outcome, err := s.cfg.Credentials.Adopt(r.Context(), id, credential.AdoptOptions{Confirm: request.Confirm}, by)
	if err != nil {
		return nil, err
	}
	return wireLogin(outcome), nil
}

// discard serves POST /admin/auth/proposals/{id}/discard.
func (s *Surface) discard(r *call.Request, by audit.Actor) (any, error) {
	id, err := proposalID(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.cfg.Credentials.Discard(r.Context(), id, by); err != nil {
		return nil, err
	}
	return api.AdminProposalDecided{ID: id.String(), State: credential.ProposalDiscarded}, nil
}

// reopen serves POST /admin/auth/proposals/{id}/reopen: a discard is taken back.
func (s *Surface) reopen(r *call.Request, by audit.Actor) (any, error) {
	id, err := proposalID(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.cfg.Credentials.Reopen(r.Context(), id, by); err != nil {
		return nil, err
	}
	return api.AdminProposalDecided{ID: id.String(), State: credential.ProposalPending}, nil
}

func proposalID(r *call.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.Param)
	if err != nil || id.String() != r.Param {
		return uuid.Nil, call.ErrNoRoute
	}
	return id, nil
}

func wireGeneration(g *db.GenerationListRow) api.AdminGeneration {
	wire := api.AdminGeneration{
		Generation: g.Number, Current: g.Current, Lineage: g.Lineage.String(), Digest: hex.EncodeToString(g.Digest), ChatGPTAccountID: g.ChatGPTAccount,
		LastRefresh: g.LastRefresh, AccessIssuedAt: timeOrNull(g.AccessIssuedAt), AccessExpiresAt: timeOrNull(g.AccessExpiresAt),
		HasRefreshToken: g.HasRefreshToken, Source: g.Source, RolledBackTo: g.RolledBackTo, Holders: g.Holders, CreatedAt: api.Time{Time: g.CreatedAt},
	}
	if g.SourceHostID != nil && g.SourceFQDN != nil {
		wire.SourceHost = &api.HostRef{ID: *g.SourceHostID, FQDN: *g.SourceFQDN}
	}
	return wire
}

func wireProposal(p *credential.Proposal) api.AdminProposal {
	wire := api.AdminProposal{
		ID: p.ID.String(), State: credential.ProposalPending, HostID: p.HostID, FQDN: p.FQDN, Digest: hex.EncodeToString(p.Digest),
		ChatGPTAccountID: p.ChatGPTAccount, LastRefresh: p.LastRefresh, AccessIssuedAt: timeOrNull(p.AccessIssuedAt),
		AccessExpiresAt: timeOrNull(p.AccessExpiresAt), HasRefreshToken: p.HasRefreshToken, BaseGeneration: p.BaseGeneration,
		CreatedAt: api.Time{Time: p.CreatedAt}, DecidedAt: timeOrNull(p.DecidedAt), DecidedBy: p.DecidedBy,
		Warnings: wireWarnings(p.Warnings),
	}
	if p.Decision != nil {
		wire.State = *p.Decision
	}
	return wire
}

func wireLogin(outcome *credential.Outcome) api.AdminLoginChanged {
	current := outcome.Current
	return api.AdminLoginChanged{
		Status: string(outcome.Verdict), Generation: current.Number, Digest: current.Digest.String(), LastRefresh: current.LastRefresh,
		AccessExpiresAt: api.Time{Time: current.AccessExpiresAt},
	}
}

func wireWarnings(warnings []credential.Warning) []api.AdminWarning {
	wire := make([]api.AdminWarning, 0, len(warnings))
	for _, w := range warnings {
		wire = append(wire, api.AdminWarning{Code: string(w), Text: w.Text()})
	}
	return wire
}
