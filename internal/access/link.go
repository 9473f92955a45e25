package access

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// How long a link and the session it opens are good. A link is for a laptop at hand; a session is for a working day.
const (
	LinkTTL    = 5 * time.Minute
	SessionTTL = 12 * time.Hour
)

// Refusals of a login link.
var (
	ErrLinkUnknown = errs.New(errs.NotFound, "admin_link_unknown", "this is no login link")
	ErrLinkUsed    = errs.New(errs.Gone, "admin_link_used", "this login link was used already")
	// ErrLinkGone is a number that no link has which somebody may still use.
	ErrLinkGone    = errs.New(errs.NotFound, "admin_link_not_found", "there is no login link of this number that was not used")
	ErrLinkExpired = errs.New(errs.Gone, "admin_link_expired", "this login link has expired")
)

// Link is a login link that was just made. The secret, the last part of its address, is shown this once.
type Link struct {
	ID        int64
	Secret    Secret
	Role      Role
	ExpiresAt time.Time
}

// NewLink makes a login link for whoever opens it first. Errors: ErrRole.
func (s *Service) NewLink(ctx context.Context, role Role, by audit.Actor) (*Link, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return nil, err
	}
	link := &Link{Secret: mint(""), Role: role}
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		row, err := q.AdminLinkInsert(ctx, db.AdminLinkInsertParams{
			TokenSHA256: link.Secret.sha256(), Role: string(role), CreatedBy: by.Name, TTLSeconds: LinkTTL.Seconds(),
		})
		if err != nil {
			return fmt.Errorf("making a login link: %w", err)
		}
		link.ID, link.ExpiresAt = row.ID, row.ExpiresAt
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionAdminLinkCreate, Details: audit.Details{
			"link": link.ID, "role": role, "expires_at": link.ExpiresAt.UTC(),
		}})
	})
	if err != nil {
		return nil, err
	}
	return link, nil
}

// LinkState is what looking at a link tells; looking changes nothing.
type LinkState struct {
	Role      Role
	CreatedBy string // the user on the console
	ExpiresAt time.Time
}

// LookUpLink tells what a link that is still good is for. Errors: ErrLinkUnknown, ErrLinkUsed, ErrLinkExpired.
func (s *Service) LookUpLink(ctx context.Context, presented string) (LinkState, error) {
	secret, ok := parse("", presented)
	if !ok {
		return LinkState{}, ErrLinkUnknown
	}
	row, err := s.store.AdminLinkState(ctx, secret.sha256())
	switch {
	case db.IsNoRows(err):
		return LinkState{}, ErrLinkUnknown
	case err != nil:
		return LinkState{}, fmt.Errorf("looking up a login link: %w", err)
	case row.Used:
		return LinkState{}, ErrLinkUsed
	case row.Expired:
		return LinkState{}, ErrLinkExpired
	}
	return LinkState{Role: Role(row.Role), CreatedBy: row.CreatedBy, ExpiresAt: row.ExpiresAt}, nil
}

// UseLink spends a link and opens a session: however many try at once, one of them has it. The secret is the cookie's.
// Errors: ErrLinkUnknown, ErrLinkUsed, ErrLinkExpired.
func (s *Service) UseLink(ctx context.Context, presented string, from netip.Addr) (Secret, Identified, error) {
	link, ok := parse("", presented)
	if !ok {
		return Secret{}, Identified{}, ErrLinkUnknown
	}
	from = from.Unmap().WithZone("")
	cookie, session := mint(""), Identified{}
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		claim := db.AdminLinkClaimParams{TokenSHA256: link.sha256()}
		if from.IsValid() {
			claim.UsedFrom = &from
		}
		spent, err := q.AdminLinkClaim(ctx, claim)
		if err != nil {
			return err // no row included: the reason is looked up outside this transaction
		}
		opened, err := q.AdminSessionInsert(ctx, db.AdminSessionInsertParams{
			LinkID: spent.ID, TokenSHA256: cookie.sha256(), Role: spent.Role, TTLSeconds: SessionTTL.Seconds(),
		})
		if err != nil {
			return fmt.Errorf("opening a session: %w", err)
		}
		session = Identified{sessionName(opened.ID, spent.ID, spent.CreatedBy), Grant{Role: Role(spent.Role), ExpiresAt: opened.ExpiresAt}}
		return audit.Record(ctx, q, audit.Entry{
			At: time.Now(), Actor: audit.Actor{Kind: audit.KindAdmin, Name: session.Name, IP: from}, Action: audit.ActionAdminLinkUse,
			Details: audit.Details{"link": spent.ID, "session": opened.ID, "role": spent.Role, "created_by": spent.CreatedBy, "expires_at": opened.ExpiresAt.UTC()},
		})
	})
	if db.IsNoRows(err) {
		if _, err = s.LookUpLink(ctx, presented); err == nil {
			err = ErrLinkExpired // at this very moment
		}
	}
	if err != nil {
		return Secret{}, Identified{}, err
	}
	return cookie, session, nil
}

// ListLinks returns the links that somebody may still use, the oldest first.
func (s *Service) ListLinks(ctx context.Context) ([]db.AdminLinkListRow, error) {
	links, err := s.store.AdminLinkList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the login links: %w", err)
	}
	return links, nil
}

// RevokeLink ends a link that nobody has used yet. One that was used is a session: see [Service.RevokeSession]. Errors: ErrLinkGone.
func (s *Service) RevokeLink(ctx context.Context, id int64, by audit.Actor) error {
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		role, err := q.AdminLinkRevoke(ctx, id)
		if db.IsNoRows(err) {
			return ErrLinkGone
		}
		if err != nil {
			return fmt.Errorf("revoking the login link %d: %w", id, err)
		}
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionAdminLinkRevoke, Details: audit.Details{
			"link": id, "role": role,
		}})
	})
}
