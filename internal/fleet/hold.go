package fleet

import (
	"context"
	"fmt"

	"github.com/cdxgate/cdxgate/db"
)

// Hold keeps a host that was let in, its API key, its status and its rights as they are until the transaction of q ends,
// and lets one transaction of the host at a time pass. Whoever changes one of these waits, so that when a host has been
// switched off nothing is on its way to it any more. mayStore is the host's right to change the canonical credential.
//
// Errors: ErrKeyInvalid when the host or its key is gone by now; ErrHostDisabled.
func Hold(ctx context.Context, q *db.Queries, host *db.Host) (mayStore bool, err error) {
	held, err := q.HostHold(ctx, db.HostHoldParams{ID: host.ID, KeySHA256: host.KeySHA256})
	switch {
	case db.IsNoRows(err):
		return false, ErrKeyInvalid
	case err != nil:
		return false, fmt.Errorf("looking up %s: %w", host.FQDN, err)
	case held.Status != active:
		return false, ErrHostDisabled
	}
	return held.MayStore, nil
}
