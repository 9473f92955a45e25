package adminca

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals about certificates that were handed out.
var (
	// ErrUnknown is a name, or a serial of that name, under which no certificate is listed that is not revoked.
	ErrUnknown = errs.New(errs.NotFound, "admin_certificate_not_found", "there is no such admin certificate, or it is revoked already")
	// ErrOverlap is an overlap that would make a renewal pointless, or that lies in the past.
	ErrOverlap = errs.New(errs.Invalid, "admin_overlap_invalid", "an old certificate goes on for 0 to 30 days beside the new one")
)

// How long the certificate of before goes on after a renewal: its holder has to bring the new one to where the old one is.
const (
	DefaultOverlap = 7 * 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour
)

// Revoked is a certificate whose end was decided.
type Revoked struct {
	Serial string
	At     time.Time // may lie ahead
}

// Revoke ends the certificates of a name, or with a serial that one of them: their next request is refused, on
// connections that are open already too. Errors: ErrUnknown.
func (s *Service) Revoke(ctx context.Context, name, serial string, by audit.Actor) ([]Revoked, error) {
	if !nameGrammar.MatchString(name) || strings.ContainsRune(serial, 0) { // nor has PostgreSQL a text for every name
		return nil, ErrUnknown
	}
	var revoked []Revoked
	err := s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		if err := q.AdminCALock(ctx); err != nil {
			return fmt.Errorf("locking the list of admin certificates: %w", err)
		}
		revoked, err = s.end(ctx, q, db.AdminCertRevokeParams{Name: name, Serial: serial}, by)
		if err == nil && len(revoked) == 0 {
			return ErrUnknown
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// end decides the end of certificates, in the transaction of q. None is no fault here.
func (s *Service) end(ctx context.Context, q *db.Queries, which db.AdminCertRevokeParams, by audit.Actor) ([]Revoked, error) {
	rows, err := q.AdminCertRevoke(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("revoking the certificates of %s: %w", which.Name, err)
	}
	revoked := make([]Revoked, 0, len(rows))
	for _, row := range rows {
		revoked = append(revoked, Revoked{Serial: row.Serial, At: row.RevokedAt})
		err := audit.Record(ctx, q, audit.Entry{At: s.cfg.Now().UTC(), Actor: by, Action: audit.ActionAdminCertRevoke, Details: audit.Details{
			"name": which.Name, "role": row.Role, "serial": row.Serial, "from": row.RevokedAt.UTC(),
		}})
		if err != nil {
			return nil, err
		}
	}
	return revoked, nil
}

// RenewOptions says how to renew.
type RenewOptions struct {
	Overlap   time.Duration // how long the old certificates go on; 0: not at all
	Dir       string        // Default: Dir of the data directory
	Overwrite bool
}

// Renewed is a new certificate, and those that it stands in for.
type Renewed struct {
	*Added
	Old []Revoked
}

// Renew issues a certificate for the name and role of the newest one of a name that is not revoked, expired or not, and
// ends all of that name after the overlap. Certificates of the operator's authorities are renewed there; here they neither
// count nor end.
//
// Errors: ErrUnknown, ErrOverlap, ErrFileExists, ErrExpired; an error beside a Renewed is one of [Service.Add]'s.
func (s *Service) Renew(ctx context.Context, name string, opts RenewOptions, by audit.Actor) (*Renewed, error) {
	if opts.Overlap < 0 || opts.Overlap > maxOverlap {
		return nil, ErrOverlap
	}
	if opts.Dir == "" {
		opts.Dir = Dir(s.cfg.DataDir)
	}
	// Before the authority, which must not come to be by a name that nobody has.
	if _, err := s.newest(ctx, s.store.Queries, name); err != nil {
		return nil, err
	}
	ca, caID, err := s.authority(ctx, by)
	if err != nil {
		return nil, err
	}
	renewed := &Renewed{}
	added, err := s.issue(ctx, ca, name, AddOptions{Dir: opts.Dir, Overwrite: opts.Overwrite}, func(q *db.Queries, leaf *Leaf, now time.Time) (string, error) {
		old, err := s.newest(ctx, q, name)
		if err != nil {
			return "", err
		}
		which := db.AdminCertRevokeParams{Name: name, OnlyOurs: true, AfterSeconds: opts.Overlap.Seconds()}
		if renewed.Old, err = s.end(ctx, q, which, by); err != nil {
			return "", err
		}
		if err := insert(ctx, q, caID, leaf, old.Role, now); err != nil {
			return "", err
		}
		return old.Role, audit.Record(ctx, q, audit.Entry{At: now, Actor: by, Action: audit.ActionAdminCertRenew, Details: leaf.details(old.Role)})
	})
	if added == nil {
		return nil, err
	}
	renewed.Added = added
	return renewed, err
}

func (s *Service) newest(ctx context.Context, q *db.Queries, name string) (db.AdminCert, error) {
	cert, err := q.AdminCertNewest(ctx, name)
	if db.IsNoRows(err) {
		return cert, ErrUnknown
	}
	if err != nil {
		return cert, fmt.Errorf("looking up the certificate of %s: %w", name, err)
	}
	return cert, nil
}
