package library

import (
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
)

const (
	keepVersions     = 50
	keepProposalsFor = 90 * 24 * time.Hour // decided ones
	pruneBatch       = 500
)

// Delete retires a command: hosts remove their copy. Its versions stay. base may be nil: whatever the command is.
//
// Errors: ErrNotFound, ErrBaseMismatch, ErrContended.
func (s *Service) Delete(ctx context.Context, name string, base Base, by Author) error {
	return s.untilSettled(ctx, func(q *db.Queries) error {
		before, err := get(ctx, q, name)
		switch {
		case err != nil:
			return err
		case before.LibraryFile.DeletedAt != nil:
			return ErrNotFound.With("filename", name)
		case base != nil && !base(before):
			return ErrBaseMismatch
		}
		won, err := q.LibraryFileDelete(ctx, db.LibraryFileDeleteParams{ID: before.LibraryFile.ID, Current: before.LibraryFile.Version, Now: s.now()})
		switch {
		case err != nil:
			return fmt.Errorf("retiring the command %s: %w", name, err)
		case won == 0:
			return errOvertaken
		}
		return s.record(ctx, q, by, audit.ActionSlashDelete, audit.Details{"filename": name})
	})
}

// Versions lists what a command has been, newest first, without texts. Errors: ErrNotFound.
func (s *Service) Versions(ctx context.Context, name string) ([]db.LibraryVersionsRow, error) {
	versions, err := s.store.LibraryVersions(ctx, db.LibraryVersionsParams{Kind: Command, Name: name})
	switch {
	case err != nil:
		return nil, fmt.Errorf("listing the versions of %s: %w", name, err)
	case len(versions) == 0:
		return nil, ErrNotFound.With("filename", name)
	}
	return versions, nil
}

// Version is what a command was in a version. Errors: ErrNotFound.
func (s *Service) Version(ctx context.Context, name string, number int64) (*db.LibraryVersion, error) {
	return version(ctx, s.store.Queries, name, number)
}

func version(ctx context.Context, q *db.Queries, name string, number int64) (*db.LibraryVersion, error) {
	old, err := q.LibraryVersionGet(ctx, db.LibraryVersionGetParams{Kind: Command, Name: name, Number: number})
	switch {
	case db.IsNoRows(err):
		return nil, ErrNotFound.With("filename", name).With("version", number)
	case err != nil:
		return nil, fmt.Errorf("reading version %d of %s: %w", number, name, err)
	}
	return &old, nil
}

// Restore makes what a command was in an older version its newest version. base may be nil: whatever the command is now.
//
// Errors: ErrNotFound, ErrBaseMismatch, ErrContended.
func (s *Service) Restore(ctx context.Context, name string, number int64, base Base, by Author) (outcome Outcome, current *db.LibraryGetRow, err error) {
	err = s.untilSettled(ctx, func(q *db.Queries) error {
		old, err := version(ctx, q, name, number)
		if err != nil {
			return err
		}
		f := &file{
			name: name, content: old.Content, sha256: old.SHA256, description: old.Description, argumentHint: old.ArgumentHint, agrees: base,
		}
		before, err := look(ctx, q, name)
		if err != nil {
			return err
		}
		outcome, current, err = s.put(ctx, q, f, before, by, audit.ActionSlashRestore)
		return err
	})
	return outcome, current, err
}

// Prune forgets all but the newest 50 versions of each file, and proposals that were decided 90 days ago. One pass.
func (s *Service) Prune(ctx context.Context) (changed int, err error) {
	versions, err := s.store.LibraryVersionPrune(ctx, db.LibraryVersionPruneParams{Keep: keepVersions, Max: pruneBatch})
	if err != nil {
		return 0, fmt.Errorf("pruning versions: %w", err)
	}
	proposals, err := s.store.ProposalPrune(ctx, db.ProposalPruneParams{Before: s.now().Add(-keepProposalsFor), Max: pruneBatch})
	if err != nil {
		return int(versions), fmt.Errorf("pruning proposals: %w", err)
	}
	return int(versions + proposals), nil
}
