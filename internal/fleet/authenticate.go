package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
)

// Find returns the host that an API key belongs to, as its present one or as its next. presented is the key as it came,
// and the key of the returned host, whose next one ends the present one in Admit.
//
// Errors: ErrKeyMissing, ErrKeyInvalid.
func (s *Service) Find(ctx context.Context, presented string) (*db.Host, error) {
	if presented == "" {
		return nil, ErrKeyMissing
	}
	key, ok := ParseKey(presented)
	if !ok {
		return nil, ErrKeyInvalid
	}
	host, err := s.store.HostByKey(ctx, db.HostByKeyParams{KeySHA256: key.SHA256(), Now: s.now()})
	switch {
	case db.IsNoRows(err):
		return nil, ErrKeyInvalid
	case err != nil:
		return nil, fmt.Errorf("looking up an API key: %w", err)
	}
	host.KeySHA256, host.KeyPrefix = key.SHA256(), key.Prefix()
	return &host, nil
}

// Admit decides whether a host whose key was found may come from an address, and binds it there on first use. A host that is
// let in with its next key has no other from then on. from is the client's address as Caddy established it. The rules, in
// this order:
//
//	the host is switched off                      ErrHostDisabled
//	the address is unknown                        ErrIPMismatch: a binding that can be avoided is none
//	the address belongs to the runner             let in, bound to nothing, recorded
//	the host has networks, none has the address   ErrIPMismatch
//	it is bound to this address, or to its /64    let in
//	it is unbound, roaming, or has networks       let in and bound there
//	it is to use IPv4 only, the address is IPv4,
//	and its binding is IPv6                       let in and bound there
//	otherwise                                     ErrIPMismatch
func (s *Service) Admit(ctx context.Context, host *db.Host, from netip.Addr) (*db.Host, error) {
	if host.Status != active {
		return nil, ErrHostDisabled
	}
	if !from.IsValid() {
		return nil, mismatch(from)
	}
	from, now := normal(from), s.now()
	if s.isRunner(host, from) {
		return s.enter(ctx, host, from, func(q *db.Queries, _ *db.Host) error { return recordBypass(ctx, q, host, from, now) })
	}
	if len(host.AllowFrom) > 0 && !contains(host.AllowFrom, from) {
		return nil, mismatch(from)
	}
	if host.BoundIP == nil || !s.sameNetwork(*host.BoundIP, from) {
		return s.bind(ctx, host, from, now)
	}
	if cameWithNext(host) {
		return s.enter(ctx, host, from, func(q *db.Queries, entered *db.Host) error { return s.touch(ctx, q, entered, now) })
	}
	if err := s.touch(ctx, s.store.Queries, host, now); err != nil {
		return nil, err
	}
	return host, nil
}

// enter lets a host in with one act in the transaction that makes its next key, if that is what it came with, its only
// one.
func (s *Service) enter(ctx context.Context, host *db.Host, from netip.Addr, act func(*db.Queries, *db.Host) error) (entered *db.Host, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		if entered, err = s.adoptKey(ctx, q, host, from); err != nil {
			return err
		}
		return act(q, entered)
	})
	if err != nil {
		return nil, err
	}
	return entered, nil
}

// MayComeFrom reports whether Admit would let a host in from an address: whose key was stolen must not pay for
// what the thief does with it elsewhere.
func (s *Service) MayComeFrom(host *db.Host, from netip.Addr) bool {
	if !from.IsValid() {
		return false
	}
	from = normal(from)
	switch {
	case contains(s.cfg.RunnerBypass, from):
		return true
	case len(host.AllowFrom) > 0:
		return contains(host.AllowFrom, from)
	}
	return host.Roaming || host.BoundIP == nil || s.sameNetwork(*host.BoundIP, from) ||
		host.ForceIPv4 && host.BoundIP.Is6() && from.Is4()
}

// bindingBits is how much of an address binds: all of an IPv4 one, the network of an IPv6 one, whose rest a machine
// changes by itself every day.
func (s *Service) bindingBits(addr netip.Addr) int {
	if addr.Is6() {
		return s.cfg.IPv6Bits
	}
	return addr.BitLen()
}

func (s *Service) sameNetwork(bound, from netip.Addr) bool {
	prefix, err := bound.Prefix(s.bindingBits(bound))
	return err == nil && prefix.Contains(from)
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// RecordRefusal records that a host's key was shown where, or when, it opens nothing.
func (s *Service) RecordRefusal(ctx context.Context, host *db.Host, from netip.Addr, code string) error {
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Action: audit.ActionRefused, HostID: host.ID, Details: audit.Details{"code": code},
			Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: normal(from)},
		})
	})
}

// isRunner reports whether it is the runner, and not the host itself, that shows the host's key at an address.
func (s *Service) isRunner(host *db.Host, from netip.Addr) bool {
	return contains(s.cfg.RunnerBypass, from) && (host.BoundIP == nil || !s.sameNetwork(*host.BoundIP, from))
}

// recordBypass records that the runner used a host's key. It is no contact of the host's.
func recordBypass(ctx context.Context, q *db.Queries, host *db.Host, from netip.Addr, now time.Time) error {
	details := audit.Details{"ip": from.String(), "expected_ip": ""}
	if host.BoundIP != nil {
		details["expected_ip"] = host.BoundIP.String()
	}
	return audit.Record(ctx, q, audit.Entry{
		At: now, Action: audit.ActionRunnerBypass, HostID: host.ID, Details: details,
		Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: from},
	})
}

// bind pins a host to an address, if it may be; the decision is the statement's, so that racing first contacts cannot
// both win. The host's own copy of the outcome is returned.
func (s *Service) bind(ctx context.Context, host *db.Host, from netip.Addr, now time.Time) (*db.Host, error) {
	var bound db.Host
	_, err := s.enter(ctx, host, from, func(q *db.Queries, host *db.Host) error {
		row, err := q.HostBindIP(ctx, db.HostBindIPParams{
			ID: host.ID, KeySHA256: host.KeySHA256, IP: from, Bits: int32(s.bindingBits(from)), //nolint:gosec // at most 128
			Now: now, ExpiresAt: now.Add(temporaryLife),
		})
		switch {
		case db.IsNoRows(err):
			return mismatch(from)
		case err != nil:
			return fmt.Errorf("binding %s to an address: %w", host.FQDN, err)
		}
		bound = row.Host
		action, details := audit.ActionBindIP, audit.Details{"ip": from.String()}
		if row.Here { // a first contact that came at the same time has bound it already
			return nil
		}
		if previous := row.PreviousIP; previous != nil {
			details["previous_ip"] = previous.String()
			action = audit.ActionRoamingIP
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
func (s *Service) touch(ctx context.Context, q *db.Queries, host *db.Host, now time.Time) error {
	if host.LastSeenAt != nil && now.Sub(*host.LastSeenAt) < touchEvery {
		return nil
	}
	err := q.HostTouch(ctx, db.HostTouchParams{ID: host.ID, Now: now, ExpiresAt: now.Add(temporaryLife)})
	if err != nil {
		return fmt.Errorf("recording a contact of %s: %w", host.FQDN, err)
	}
	return nil
}
