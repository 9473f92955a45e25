package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
)

// keepNames is how many of a host's former names a machine may still know itself by.
const keepNames = 8

// Rename gives a host another name: its key and all else stay, and the machine follows with its next call. A name that a
// pruned host has is taken until that is gone.
//
// base is asked as Change.Base is, and may be nil.
//
// Errors: kind Invalid on field fqdn; ErrHostNotFound, ErrHostExists; what base says. A host that has the name already stays as
// it is.
func (s *Service) Rename(ctx context.Context, id int64, fqdn string, base func(before *db.Host) error, by audit.Actor) (*db.Host, error) {
	name, err := ParseFQDN(fqdn)
	if err != nil {
		return nil, err
	}
	var host db.Host
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		host, err = q.HostForChange(ctx, id)
		switch {
		case db.IsNoRows(err):
			return ErrHostNotFound
		case err != nil:
			return fmt.Errorf("looking up host %d: %w", id, err)
		}
		if base != nil {
			if err := base(&host); err != nil {
				return err
			}
		}
		if host.FQDN == name {
			return nil
		}
		before := host.FQDN
		had := slices.DeleteFunc(append(host.PreviousFQDNs, before), func(former string) bool { return former == name })
		if len(had) > keepNames {
			had = had[len(had)-keepNames:]
		}
		host, err = q.HostRename(ctx, db.HostRenameParams{ID: id, FQDN: name, PreviousFQDNs: had, Now: s.now()})
		if db.IsUniqueViolation(err) {
			return ErrHostExists.With("fqdn", name)
		}
		if err != nil {
			return fmt.Errorf("renaming %s: %w", before, err)
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Actor: by, Action: audit.ActionHostRename, HostID: id,
			Details: audit.Details{"fqdn": name, "before": before, "after": name},
		})
	})
	if err != nil {
		return nil, err
	}
	return &host, nil
}
