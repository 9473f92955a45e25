package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
)

// AuthenticateOptions change what Authenticate insists on. The zero value insists on everything.
type AuthenticateOptions struct {
	Force bool // accept any address and bind the host to it: only for a host that removes itself
}

// Authenticate decides whether a key presented from an address is a host's, and binds the host to the address on first
// use. presented is the key as it came; from is the client's address as Caddy established it.
//
// Errors: ErrKeyMissing, ErrKeyInvalid, ErrHostDisabled, ErrIPMismatch. A caller whose address is unknown gets
// ErrIPMismatch: without an address there is no binding, and a binding that can be avoided is none.
func (s *Service) Authenticate(ctx context.Context, presented string, from netip.Addr, opts AuthenticateOptions) (*db.Host, error) {
	if presented == "" {
		return nil, ErrKeyMissing
	}
	key, ok := ParseKey(presented)
	if !ok {
		return nil, ErrKeyInvalid
	}
	now := s.now()
	host, err := s.store.HostByKey(ctx, db.HostByKeyParams{KeySHA256: key.SHA256(), Now: now})
	switch {
	case db.IsNoRows(err):
		return nil, ErrKeyInvalid
	case err != nil:
		return nil, fmt.Errorf("looking up an API key: %w", err)
	}
	if host.Status != "active" {
		return nil, ErrHostDisabled
	}
	if !from.IsValid() {
		return nil, ErrIPMismatch
	}
	from = normal(from)
	if host.BoundIP == nil || *host.BoundIP != from {
		return s.bind(ctx, &host, from, opts, now)
	}
	if err := s.touch(ctx, &host, now); err != nil {
		return nil, err
	}
	return &host, nil
}

// bind pins a host to an address, if it may be; the decision is the statement's, so that racing first contacts cannot
// both win. The host's own copy of the outcome is returned.
func (s *Service) bind(ctx context.Context, host *db.Host, from netip.Addr, opts AuthenticateOptions, now time.Time) (*db.Host, error) {
	var bound db.Host
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		row, err := q.HostBindIP(ctx, db.HostBindIPParams{
			ID: host.ID, KeySHA256: host.KeySHA256, IP: from, Force: opts.Force, Now: now,
			ExpiresAt: now.Add(temporaryLife),
		})
		switch {
		case db.IsNoRows(err):
			return ErrIPMismatch.With("received_ip", from.String())
		case err != nil:
			return fmt.Errorf("binding %s to an address: %w", host.FQDN, err)
		}
		bound = row.Host
		action, details := audit.ActionBindIP, audit.Details{"ip": from.String()}
		if previous := row.PreviousIP; previous != nil {
			if *previous == from { // a first contact that came at the same time has bound it already
				return nil
			}
			details["previous_ip"] = previous.String()
			action = audit.ActionRoamingIP
			if !bound.Roaming {
				action = audit.ActionForceIP
			}
		}
		return audit.Record(ctx, q, audit.Entry{
			At: now, Action: action, HostID: bound.ID, Details: details,
			Actor: audit.Actor{Kind: audit.KindHost, Name: bound.FQDN, IP: from},
		})
	})
	if err != nil {
		return nil, err
	}
	return &bound, nil
}

// touch records a contact, at most once per touchEvery.
func (s *Service) touch(ctx context.Context, host *db.Host, now time.Time) error {
	if host.LastSeenAt != nil && now.Sub(*host.LastSeenAt) < touchEvery {
		return nil
	}
	err := s.store.HostTouch(ctx, db.HostTouchParams{ID: host.ID, Now: now, ExpiresAt: now.Add(temporaryLife)})
	if err != nil {
		return fmt.Errorf("recording a contact of %s: %w", host.FQDN, err)
	}
	return nil
}
