package credential

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// Refusals of a decision on a proposal.
var (
	ErrNoProposal      = errs.New(errs.NotFound, "proposal_not_found", "There is no such proposal")
	ErrProposalDecided = errs.New(errs.Conflict, "proposal_decided", "This proposal was decided already")
	// ErrProposalSpent is a proposal whose tokens have been canonical since: to adopt it would bring back a spent refresh token.
	ErrProposalSpent = errs.New(errs.Conflict, "proposal_spent", "The tokens of this proposal were the fleet's login before; roll back to that generation instead")
)

const (
	mostProposals = 5                   // of one host that wait: a login is what a person made, and there are few of those
	keepDecided   = 30 * 24 * time.Hour // a discard can be taken back for so long
)

// propose keeps a login that a host brought and may not make canonical, until an admin decides. What was decided on, or
// waits already, is left as it is. Of one host's the newest five wait.
func (s *Service) propose(ctx context.Context, q *db.Queries, host *db.Host, upload *Document, current Generation) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("drawing a row id: %w", err)
	}
	sealed, err := s.keyring.Seal(proposalPlace(id), upload.Body)
	if err != nil {
		return fmt.Errorf("sealing a proposal of %s: %w", host.FQDN, err)
	}
	_, err = q.CredentialProposalInsert(ctx, db.CredentialProposalInsertParams{
		ID: id, AccountID: host.AccountID, HostID: host.ID, FQDN: host.FQDN, Digest: upload.Digest[:], BodySealed: sealed,
		ChatGPTAccount: textOrNil(upload.ChatGPTAccountID), AccessSHA256: upload.AccessSHA256, RefreshSHA256: upload.RefreshSHA256,
		AccessIssuedAt: timeOrNil(upload.Access.IssuedAt), AccessExpiresAt: timeOrNil(upload.Access.ExpiresAt),
		LastRefresh: upload.LastRefresh, BaseGeneration: current.Number, Now: s.now(),
	})
	if err != nil {
		return fmt.Errorf("keeping a proposal of %s: %w", host.FQDN, err)
	}
	if _, err := q.CredentialProposalTrim(ctx, db.CredentialProposalTrimParams{HostID: host.ID, Keep: mostProposals}); err != nil {
		return fmt.Errorf("forgetting older proposals of %s: %w", host.FQDN, err)
	}
	return nil
}

// States of a proposal.
const (
	ProposalPending   = "pending"
	ProposalAdopted   = "adopted"
	ProposalDiscarded = "discarded"
	ProposalAll       = "all" // in a query: whatever its state
)

// ProposalStates are the words for a query.
var ProposalStates = []string{ProposalPending, ProposalAdopted, ProposalDiscarded, ProposalAll}

// Proposal is a login that a host brought and may not make canonical, without the login.
type Proposal struct {
	db.CredentialProposalListRow
	Warnings []Warning // what to know before it is adopted; nil once it was decided
}

// ProposalQuery says which proposals to list, the newest first unless it says otherwise.
type ProposalQuery struct {
	State     string // one of ProposalStates
	Ascending bool
	After     *uuid.UUID // only what comes after this one; nil: from the beginning
	HostID    int64      // of this host; 0: of any
	Search    string     // found in the digest, the ChatGPT account or the host's name, whatever its case
	Limit     int
}

// Proposals lists what hosts proposed, and whether there is more.
func (s *Service) Proposals(ctx context.Context, accountID int64, query ProposalQuery) (page []Proposal, more bool, err error) {
	rows, err := s.store.Replanned().CredentialProposalList(ctx, db.CredentialProposalListParams{
		AccountID: accountID, State: query.State, Ascending: query.Ascending, After: query.After, HostID: query.HostID, Search: query.Search,
		Max: int32(query.Limit) + 1, //nolint:gosec // a page
	})
	if err != nil {
		return nil, false, fmt.Errorf("listing proposals: %w", err)
	}
	if more = len(rows) > query.Limit; more {
		rows = rows[:query.Limit]
	}
	_, current, err := currentOf(ctx, s.store.Queries, accountID)
	if err != nil {
		return nil, false, err
	}
	for _, row := range rows {
		p := Proposal{CredentialProposalListRow: row}
		if row.DecidedAt == nil {
			p.warn(&current, s.now())
		}
		page = append(page, p)
	}
	return page, more, nil
}

// Proposed returns one proposal as Proposals lists it. Errors: ErrNoProposal.
func (s *Service) Proposed(ctx context.Context, id uuid.UUID) (*Proposal, error) {
	row, err := proposal(ctx, s.store.Queries, id)
	if err != nil {
		return nil, err
	}
	p := &Proposal{CredentialProposalListRow: db.CredentialProposalListRow{
		ID: row.ID, HostID: row.HostID, FQDN: row.FQDN, Digest: row.Digest, ChatGPTAccount: row.ChatGPTAccount, HasRefreshToken: row.RefreshSHA256 != nil,
		AccessIssuedAt: row.AccessIssuedAt, AccessExpiresAt: row.AccessExpiresAt, LastRefresh: row.LastRefresh, BaseGeneration: row.BaseGeneration,
		CreatedAt: row.CreatedAt, DecidedAt: row.DecidedAt, Decision: row.Decision, DecidedBy: row.DecidedBy,
	}}
	if row.DecidedAt == nil {
		_, current, err := currentOf(ctx, s.store.Queries, row.AccountID)
		if err != nil {
			return nil, err
		}
		p.warn(&current, s.now())
	}
	return p, nil
}

// warn adds what to know before a proposal that waits is adopted.
func (p *Proposal) warn(current *Generation, now time.Time) {
	p.Warnings = adoptionWarnings(current, offer{p.ChatGPTAccount, p.AccessExpiresAt, p.HasRefreshToken, p.BaseGeneration}, now)
}

func proposal(ctx context.Context, q *db.Queries, id uuid.UUID) (*db.CredentialProposal, error) {
	row, err := q.CredentialProposalGet(ctx, id)
	switch {
	case db.IsNoRows(err):
		return nil, ErrNoProposal.With("id", id.String())
	case err != nil:
		return nil, fmt.Errorf("reading a proposal: %w", err)
	}
	return &row, nil
}

// offer is what there is to know of a proposal before it is adopted.
type offer struct {
	account    *string
	expiresAt  *time.Time
	hasRefresh bool
	base       int64
}

func adoptionWarnings(current *Generation, o offer, now time.Time) (warnings []Warning) {
	warn := func(when bool, w Warning) {
		if when {
			warnings = append(warnings, w)
		}
	}
	theirs := &Version{}
	if o.account != nil {
		theirs.ChatGPTAccountID = *o.account
	}
	warn(o.expiresAt != nil && !o.expiresAt.After(now), WarnExpired)
	warn(otherAccount(&current.Version, theirs), WarnOtherAccount)
	warn(!o.hasRefresh, WarnNoRefresh)
	warn(o.base != current.Number, WarnMovedOn)
	return warnings
}

// AdoptOptions are the terms of an adoption.
type AdoptOptions struct {
	Seen    int64 // the generation that was canonical when the admin looked; 0: whatever is
	Confirm bool  // he accepts the warnings
}

// Adopt makes a proposal the fleet's login, and begins a new lineage with it.
//
// Errors: ErrNoProposal, ErrProposalDecided, ErrProposalSpent, ErrMovedOn, ErrRisky, ErrUnreadable, ErrContended. On any error the
// canonical credential and the proposal are unchanged.
func (s *Service) Adopt(ctx context.Context, id uuid.UUID, opts AdoptOptions, by audit.Actor) (*Outcome, error) {
	return s.untilSettled(ctx, func(q *db.Queries, outcome *Outcome) error {
		p, err := s.decide(ctx, q, id, ProposalAdopted, by)
		if err != nil {
			return err
		}
		row, current, err := currentOf(ctx, q, p.AccountID)
		if err != nil {
			return err
		}
		if opts.Seen != 0 && opts.Seen != current.Number {
			return ErrMovedOn.With("generation", current.Number)
		}
		outcome.Verdict, outcome.Current = Unchanged, current
		theirs := &Version{AccessSHA256: p.AccessSHA256, RefreshSHA256: p.RefreshSHA256}
		if !sameTokens(&current.Version, theirs) && !bytes.Equal(current.Digest[:], p.Digest) {
			offered := offer{p.ChatGPTAccount, p.AccessExpiresAt, p.RefreshSHA256 != nil, p.BaseGeneration}
			if warnings := adoptionWarnings(&current, offered, s.now()); len(warnings) > 0 && !opts.Confirm {
				return ErrRisky.With("warnings", warnings)
			}
			if err := s.takeProposal(ctx, q, p, row, by, outcome); err != nil {
				return err
			}
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Actor: by, Action: audit.ActionCredentialAdopt, HostID: hostOf(p), Details: audit.Details{
				"proposal": p.ID.String(), "fqdn": p.FQDN, "status": outcome.Verdict, "generation": outcome.Current.Number,
				"before": audit.Details{"digest": current.digestText()}, "after": audit.Details{"digest": outcome.Current.digestText()},
			},
		})
	})
}

func (s *Service) takeProposal(ctx context.Context, q *db.Queries, p *db.CredentialProposal, row *db.Generation, by audit.Actor, outcome *Outcome) error {
	was, err := q.GenerationWas(ctx, db.GenerationWasParams{
		AccountID: p.AccountID, Digest: p.Digest, AccessSHA256: p.AccessSHA256, RefreshSHA256: p.RefreshSHA256,
	})
	switch {
	case err != nil:
		return fmt.Errorf("looking for an earlier generation: %w", err)
	case was:
		return ErrProposalSpent
	}
	body, err := s.keyring.Open(proposalPlace(p.ID), p.BodySealed)
	if err != nil {
		return ErrUnreadable.WithCause(fmt.Errorf("opening a proposal: %w", err))
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], p.Digest) {
		return ErrUnreadable.WithCause(fmt.Errorf("proposal %s does not match its digest", p.ID))
	}
	auth, err := Read(body)
	if err != nil {
		return ErrUnreadable.WithCause(err)
	}
	upload, err := s.refreshed(auth, row)
	if err != nil {
		return err
	}
	next := newGeneration{upload: upload, source: by.Kind, host: p.HostID, after: row, newLineage: true}
	_, outcome.Current, err = s.advance(ctx, q, p.AccountID, next)
	outcome.Verdict = Updated
	return err
}

// Discard closes a proposal and changes nothing; it can be taken back for 30 days. Errors: ErrNoProposal, ErrProposalDecided.
func (s *Service) Discard(ctx context.Context, id uuid.UUID, by audit.Actor) (p *db.CredentialProposal, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		if p, err = s.decide(ctx, q, id, ProposalDiscarded, by); err != nil {
			return err
		}
		return s.recordProposal(ctx, q, p, audit.ActionCredentialDiscard, by)
	})
	return p, err
}

// Reopen takes a discard back: the proposal waits again. Errors: ErrNoProposal; ErrProposalDecided when it was adopted, or
// waits.
func (s *Service) Reopen(ctx context.Context, id uuid.UUID, by audit.Actor) (p *db.CredentialProposal, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		reopened, err := q.CredentialProposalReopen(ctx, id)
		if err != nil {
			return fmt.Errorf("reopening a proposal: %w", err)
		}
		if p, err = proposal(ctx, q, id); err != nil {
			return err
		}
		if reopened == 0 {
			return ErrProposalDecided.With("id", id.String())
		}
		return s.recordProposal(ctx, q, p, audit.ActionCredentialReopen, by)
	})
	return p, err
}

func (s *Service) recordProposal(ctx context.Context, q *db.Queries, p *db.CredentialProposal, action string, by audit.Actor) error {
	return audit.Record(ctx, q, audit.Entry{
		At: s.now(), Actor: by, Action: action, HostID: hostOf(p), Details: audit.Details{"proposal": p.ID.String(), "fqdn": p.FQDN},
	})
}

// decide closes a proposal that waits and returns it. Its host is locked first, as by whoever removes the host.
func (s *Service) decide(ctx context.Context, q *db.Queries, id uuid.UUID, decision string, by audit.Actor) (*db.CredentialProposal, error) {
	if err := q.CredentialProposalHost(ctx, id); err != nil {
		return nil, fmt.Errorf("locking the host of a proposal: %w", err)
	}
	decided, err := q.CredentialProposalDecide(ctx, db.CredentialProposalDecideParams{ID: id, Decision: decision, DecidedBy: by.Name, Now: s.now()})
	if err != nil {
		return nil, fmt.Errorf("deciding a proposal: %w", err)
	}
	p, err := proposal(ctx, q, id)
	switch {
	case err != nil:
		return nil, err
	case decided == 0:
		return nil, ErrProposalDecided.With("id", id.String())
	}
	return p, nil
}

// PruneProposals forgets proposals that were decided 30 days ago. One pass.
func (s *Service) PruneProposals(ctx context.Context) (changed int, err error) {
	deleted, err := s.store.CredentialProposalPrune(ctx, db.CredentialProposalPruneParams{Before: s.now().Add(-keepDecided), Max: pruneBatch})
	if err != nil {
		return 0, fmt.Errorf("forgetting decided proposals: %w", err)
	}
	return int(deleted), nil
}

func proposalPlace(id uuid.UUID) seal.Place {
	return seal.Place{Table: "credential_proposal", Column: "body_sealed", Row: id.String()}
}

func hostOf(p *db.CredentialProposal) int64 {
	if p.HostID == nil {
		return 0
	}
	return *p.HostID
}
