package library

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// maxPending bounds what one host may leave for admins to look at.
const maxPending = 100

// Propose keeps a host's draft for an admin to decide, unless it is what the file is already. A newer proposal of the
// same host for the same file takes the place of its pending one. current is the file as it is; nil when there is none.
//
// Errors: kind Invalid; ErrBaseMismatch; fleet.ErrKeyInvalid when the host or its key is gone since it was let in.
func (s *Service) Propose(ctx context.Context, d Draft, by Author) (proposed bool, current *db.LibraryGetRow, err error) {
	f, err := check(d)
	if err != nil {
		return false, nil, err
	}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		if err := hold(ctx, q, by.Host); err != nil {
			return err
		}
		if current, err = look(ctx, q, f.name); err != nil {
			return err
		}
		switch {
		case !f.follows(current):
			return ErrBaseMismatch
		case current != nil && f.is(current):
			return nil
		}
		if err := distinct(ctx, q, f.name); err != nil {
			return err
		}
		proposed = true
		return s.propose(ctx, q, f, current, by)
	})
	return proposed, current, err
}

func (s *Service) propose(ctx context.Context, q *db.Queries, f *file, current *db.LibraryGetRow, by Author) error {
	if waits, err := f.waits(ctx, q, by.Host); err != nil || waits {
		return err
	}
	_, err := q.ProposalSupersede(ctx, db.ProposalSupersedeParams{HostID: by.Host.ID, Kind: Command, Name: f.name})
	if err != nil {
		return fmt.Errorf("replacing a proposal of %s: %w", by.Host.FQDN, err)
	}
	count, err := q.ProposalCount(ctx, by.Host.ID)
	switch {
	case err != nil:
		return fmt.Errorf("counting the proposals of %s: %w", by.Host.FQDN, err)
	case count >= maxPending:
		return errs.Field("filename", fmt.Sprintf("this host has %d proposals waiting for an admin already", maxPending))
	}
	params := db.ProposalInsertParams{
		Kind: Command, Name: f.name, SHA256: f.sha256, Content: f.content, Description: f.description,
		ArgumentHint: f.argumentHint, HostID: by.Host.ID, Now: s.now(),
	}
	if current != nil {
		params.BaseVersion = current.LibraryFile.Version
	}
	id, err := q.ProposalInsert(ctx, params)
	if err != nil {
		return fmt.Errorf("recording a proposal of %s: %w", by.Host.FQDN, err)
	}
	return s.record(ctx, q, by, audit.ActionSlashPropose, audit.Details{"filename": f.name, "proposal": id, "base_version": params.BaseVersion})
}

// waits reports whether a draft is what the host's pending proposal for the file says already.
func (f *file) waits(ctx context.Context, q *db.Queries, host *db.Host) (bool, error) {
	pending, err := q.ProposalPending(ctx, db.ProposalPendingParams{HostID: host.ID, Kind: Command, Name: f.name})
	switch {
	case db.IsNoRows(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the proposals of %s: %w", host.FQDN, err)
	}
	return bytes.Equal(pending.SHA256, f.sha256) && equal(pending.Description, f.description) &&
		equal(pending.ArgumentHint, f.argumentHint), nil
}

// Proposals lists what waits for an admin, oldest first, without texts.
func (s *Service) Proposals(ctx context.Context) ([]db.ProposalListRow, error) {
	proposals, err := s.store.ProposalList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the proposals: %w", err)
	}
	return proposals, nil
}

// ProposalQuery asks for a part of what was proposed. Zero values leave proposals be.
type ProposalQuery struct {
	HostID     int64
	Decision   *string // "accepted", "discarded", or "" for those that wait
	Search     string  // found in the name of the command or the host, whatever its case
	Descending bool    // the newest first
	After      *int64  // the id of the proposal before; nil: from the beginning
	Max        int
}

// ProposalPage returns a part of what was proposed, without texts.
func (s *Service) ProposalPage(ctx context.Context, query ProposalQuery) ([]db.ProposalPageRow, error) {
	params := db.ProposalPageParams{
		Kind: Command, Decision: query.Decision, Search: query.Search, Descending: query.Descending, After: query.After, Max: int32(query.Max), //nolint:gosec // a page
	}
	if query.HostID != 0 {
		params.HostID = &query.HostID
	}
	proposals, err := s.store.Replanned().ProposalPage(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("listing the proposals: %w", err)
	}
	return proposals, nil
}

// Proposal returns one proposal with its text. Errors: ErrNoProposal.
func (s *Service) Proposal(ctx context.Context, id int64) (*db.ProposalGetRow, error) {
	return proposal(ctx, s.store.Queries, id)
}

func proposal(ctx context.Context, q *db.Queries, id int64) (*db.ProposalGetRow, error) {
	row, err := q.ProposalGet(ctx, id)
	switch {
	case db.IsNoRows(err):
		return nil, ErrNoProposal.With("id", id)
	case err != nil:
		return nil, fmt.Errorf("reading proposal %d: %w", id, err)
	}
	return &row, nil
}

// Accept makes a proposal the current version of its file. A file that has changed or was retired since is overwritten only if
// over agrees, which is asked about it as it is now, retired or not; nil: never.
//
// Errors: ErrNoProposal, ErrProposalDecided, ErrProposalStale, ErrContended; kind Invalid on filename, when a file has the
// name in another case.
func (s *Service) Accept(ctx context.Context, id int64, over Base, by Author) (current *db.LibraryGetRow, err error) {
	err = s.untilSettled(ctx, func(q *db.Queries) error {
		row, err := proposal(ctx, q, id)
		if err != nil {
			return err
		}
		p := row.LibraryProposal
		// In the order in which the removal of a host locks them: the host, then what belongs to it.
		if err := q.ProposalLock(ctx, p.HostID); err != nil {
			return fmt.Errorf("locking the proposals of %s: %w", row.FQDN, err)
		}
		if err := s.decide(ctx, q, id, "accepted", by); err != nil {
			return err
		}
		before, err := look(ctx, q, p.Name)
		switch {
		case err != nil:
			return err
		case before != nil && changedSince(&before.LibraryFile, &p) && (over == nil || !over(before)):
			return ErrProposalStale.With("version", before.LibraryFile.Version)
		}
		f := &file{name: p.Name, content: p.Content, sha256: p.SHA256, description: p.Description, argumentHint: p.ArgumentHint}
		author := Author{Actor: by.Actor, Host: &db.Host{ID: p.HostID, FQDN: row.FQDN}}
		if _, current, err = s.put(ctx, q, f, before, author, audit.ActionSlashStore); err != nil {
			return err
		}
		return s.record(ctx, q, by, audit.ActionProposalAccept, audit.Details{"proposal": id, "filename": p.Name, "fqdn": row.FQDN})
	})
	return current, err
}

func changedSince(current *db.LibraryFile, p *db.LibraryProposal) bool {
	return current.Version != p.BaseVersion || (current.DeletedAt != nil && current.DeletedAt.After(p.CreatedAt))
}

// Discard closes a proposal and changes nothing. Errors: ErrNoProposal, ErrProposalDecided.
func (s *Service) Discard(ctx context.Context, id int64, by Author) error {
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		row, err := proposal(ctx, q, id)
		if err != nil {
			return err
		}
		if err := s.decide(ctx, q, id, "discarded", by); err != nil {
			return err
		}
		return s.record(ctx, q, by, audit.ActionProposalDiscard, audit.Details{
			"proposal": id, "filename": row.LibraryProposal.Name, "fqdn": row.FQDN,
		})
	})
}

func (s *Service) decide(ctx context.Context, q *db.Queries, id int64, decision string, by Author) error {
	decided, err := q.ProposalDecide(ctx, db.ProposalDecideParams{ID: id, Decision: decision, DecidedBy: by.Name, Now: s.now()})
	switch {
	case err != nil:
		return fmt.Errorf("deciding proposal %d: %w", id, err)
	case decided == 0:
		if _, err := proposal(ctx, q, id); err != nil {
			return err // its host was removed since we looked, and it with the host
		}
		return ErrProposalDecided.With("id", id)
	}
	return nil
}
