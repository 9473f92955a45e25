package access

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals about sessions.
var (
	// ErrSession is a session that never was.
	ErrSession = errs.New(errs.Unauthenticated, "admin_session_invalid", "there is no such session; log in: cdxgate admin link")
	// ErrSessionOver is one that was: its cookie is no guess.
	ErrSessionOver = errs.New(errs.Unauthenticated, "admin_session_over", "this session is over; log in again: cdxgate admin link")
	// ErrSessionUnknown is a number that no open session has.
	ErrSessionUnknown = errs.New(errs.NotFound, "admin_session_not_found", "there is no open session of this number")
)

// sessionName is whom the record names: which session, and who on the console made the link to it.
func sessionName(session, link int64, createdBy string) string {
	return fmt.Sprintf("session %d (link %d by %s)", session, link, createdBy)
}

// BySession tells whose session a cookie's value is. Errors: ErrSession, ErrSessionOver.
func (s *Service) BySession(ctx context.Context, presented string) (Identified, error) {
	secret, ok := parse("", presented)
	if !ok {
		return Identified{}, ErrSession
	}
	row, err := s.store.AdminSessionBySHA256(ctx, secret.sha256())
	switch {
	case db.IsNoRows(err):
		return Identified{}, ErrSession
	case err != nil:
		return Identified{}, fmt.Errorf("looking up a session: %w", err)
	case !row.Good:
		return Identified{}, ErrSessionOver
	}
	return Identified{sessionName(row.ID, row.LinkID, row.CreatedBy), Grant{Role: Role(row.Role), ExpiresAt: row.ExpiresAt}}, nil
}

// ListSessions returns the sessions of the last month, the oldest first.
func (s *Service) ListSessions(ctx context.Context) ([]db.AdminSessionListRow, error) {
	sessions, err := s.store.AdminSessionList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the sessions: %w", err)
	}
	return sessions, nil
}

// SessionState is what a session is now.
func SessionState(session *db.AdminSessionListRow) string {
	switch {
	case session.RevokedAt != nil:
		return StateRevoked
	case session.Expired:
		return StateOver
	}
	return StateOpen
}

// RevokeSession ends a session: its next request is refused. Errors: ErrSessionUnknown.
func (s *Service) RevokeSession(ctx context.Context, id int64, by audit.Actor) error {
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		link, err := q.AdminSessionRevoke(ctx, id)
		if db.IsNoRows(err) {
			return ErrSessionUnknown
		}
		if err != nil {
			return fmt.Errorf("revoking the session %d: %w", id, err)
		}
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionAdminSessionRevoke, Details: audit.Details{
			"session": id, "link": link,
		}})
	})
}

// EndSession ends the session of a cookie's value, as its owner logs out. One that is over already stays so. Errors: ErrSession.
func (s *Service) EndSession(ctx context.Context, presented string, by audit.Actor) error {
	secret, ok := parse("", presented)
	if !ok {
		return ErrSession
	}
	row, err := s.store.AdminSessionBySHA256(ctx, secret.sha256())
	switch {
	case db.IsNoRows(err):
		return ErrSession
	case err != nil:
		return fmt.Errorf("looking up a session: %w", err)
	}
	if err := s.RevokeSession(ctx, row.ID, by); !errors.Is(err, ErrSessionUnknown) {
		return err
	}
	return nil
}

// RecordRefusal records that somebody who was identified asked for what he may not do.
func (s *Service) RecordRefusal(ctx context.Context, by audit.Actor, refusal *errs.Error) error {
	details := audit.Details{"code": refusal.Code}
	maps.Copy(details, refusal.Details)
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionAdminRefused, Details: details})
	})
}

const (
	keepFor    = 30 // days: so long sessions that are over are listed
	pruneBatch = 1000
)

// Prune forgets links and sessions that have long been over. One pass.
func (s *Service) Prune(ctx context.Context) (changed int, err error) {
	sessions, err := s.store.AdminSessionDeleteOld(ctx, db.AdminSessionDeleteOldParams{KeepDays: keepFor, Max: pruneBatch})
	if err != nil {
		return 0, fmt.Errorf("forgetting old sessions: %w", err)
	}
	links, err := s.store.AdminLinkDeleteOld(ctx, db.AdminLinkDeleteOldParams{KeepDays: keepFor, Max: pruneBatch})
	if err != nil {
		return 0, fmt.Errorf("forgetting old login links: %w", err)
	}
	return int(sessions + links), nil
}
