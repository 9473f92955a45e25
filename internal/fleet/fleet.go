// Package fleet knows the hosts: how a machine becomes one, which API key and address it may come with, and how it goes.
package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// Refusals. The messages are matched by old clients, letter by letter.
var (
	ErrKeyMissing    = errs.New(errs.Unauthenticated, "api_key_missing", "API key missing")
	ErrKeyInvalid    = errs.New(errs.Unauthenticated, "api_key_invalid", "Invalid API key")
	ErrHostDisabled  = errs.New(errs.Forbidden, "host_disabled", "Host is disabled")
	ErrIPMismatch    = errs.New(errs.Forbidden, "ip_mismatch", "API key not allowed from this IP")
	ErrHostNotFound  = errs.New(errs.NotFound, "host_not_found", "Host not found")
	ErrHostExists    = errs.New(errs.Conflict, "host_exists", "A host of this name is already registered")
	ErrTokenUnknown  = errs.New(errs.NotFound, "install_token_unknown", "Install token not found")
	ErrTokenUsed     = errs.New(errs.Gone, "install_token_used", "Install token already used")
	ErrTokenExpired  = errs.New(errs.Gone, "install_token_expired", "Install token expired")
	errTokenUnusable = errs.New(errs.Internal, "internal", "Unexpected error")
)

// Config of a Service. The zero value is ready for production.
type Config struct {
	PublicURL    string           // base of install URLs, without a trailing slash
	InstallTTL   time.Duration    // how long an install token is good. Default: 30 minutes
	IPv6Bits     int              // length of the network an IPv6 host is bound to. Default: 64
	RunnerBypass []netip.Prefix   // networks of the runner, which may use any host's key
	Now          func() time.Time // Default: time.Now
	Rand         io.Reader        // source of keys and tokens. Default: crypto/rand.Reader
}

const (
	defaultInstallTTL = 30 * time.Minute
	defaultIPv6Bits   = 64
	initialWindow     = 30 * time.Minute // an insecure host may call for so long after registration
	temporaryLife     = 2 * time.Hour    // a temporary host lives so long after its last contact
	touchEvery        = time.Minute      // last_seen_at is no more precise than this
)

// Service is the fleet of one database. It is safe for concurrent use.
type Service struct {
	store   *db.Store
	keyring *seal.Keyring
	cfg     Config
}

// New makes a service.
func New(store *db.Store, keyring *seal.Keyring, cfg Config) *Service {
	if cfg.InstallTTL == 0 {
		cfg.InstallTTL = defaultInstallTTL
	}
	if cfg.IPv6Bits == 0 {
		cfg.IPv6Bits = defaultIPv6Bits
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Service{store: store, keyring: keyring, cfg: cfg}
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC() }

// ByFQDN returns one host. Errors: ErrHostNotFound; a name that is no host name.
func (s *Service) ByFQDN(ctx context.Context, fqdn string) (*db.Host, error) {
	name, err := ParseFQDN(fqdn)
	if err != nil {
		return nil, err
	}
	host, err := s.store.HostByFQDN(ctx, name)
	switch {
	case db.IsNoRows(err):
		return nil, ErrHostNotFound.With("fqdn", name)
	case err != nil:
		return nil, fmt.Errorf("looking up %s: %w", name, err)
	}
	return &host, nil
}

// AccountName is the name of the account whose login a host gets.
func (s *Service) AccountName(ctx context.Context, host *db.Host) (string, error) {
	account, err := s.store.AccountByID(ctx, host.AccountID)
	if err != nil {
		return "", fmt.Errorf("looking up the account of %s: %w", host.FQDN, err)
	}
	return account.Name, nil
}

// Delete removes a host; its API key is dead when this returns. Errors: ErrHostNotFound.
func (s *Service) Delete(ctx context.Context, id int64, by audit.Actor, action string) (fqdn string, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		fqdn, err = q.HostDelete(ctx, id)
		switch {
		case db.IsNoRows(err):
			return ErrHostNotFound
		case err != nil:
			return fmt.Errorf("deleting host %d: %w", id, err)
		}
		return audit.Record(ctx, q, audit.Entry{At: s.now(), Actor: by, Action: action, HostID: id, Details: audit.Details{"fqdn": fqdn}})
	})
	return fqdn, err
}

// LeaveOptions change what Leave insists on. The zero value insists on everything.
type LeaveOptions struct {
	Force bool // accept an address the host is not bound to; networks count all the same
}

// Leave removes a host at its own wish, shown by its key. It binds the host nowhere, forced or not: who has a stolen key
// could end a host by it, but never take its place.
//
// Errors: ErrHostDisabled, ErrIPMismatch; ErrKeyInvalid when the host or its key is gone by now.
func (s *Service) Leave(ctx context.Context, found *db.Host, from netip.Addr, opts LeaveOptions) (fqdn string, err error) {
	from = normal(from)
	by := audit.Actor{Kind: audit.KindHost, Name: found.FQDN, IP: from}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		host, err := q.HostLock(ctx, db.HostLockParams{ID: found.ID, KeySHA256: found.KeySHA256})
		switch {
		case db.IsNoRows(err):
			return ErrKeyInvalid
		case err != nil:
			return fmt.Errorf("looking up %s: %w", found.FQDN, err)
		case host.Status != active:
			return ErrHostDisabled
		}
		elsewhere := !s.MayComeFrom(&host, from)
		if elsewhere && (!opts.Force || !from.IsValid() || len(host.AllowFrom) > 0) {
			return mismatch(from)
		}
		if fqdn, err = q.HostDelete(ctx, host.ID); err != nil {
			return fmt.Errorf("deleting %s: %w", host.FQDN, err)
		}
		if s.isRunner(&host, from) {
			if err := recordBypass(ctx, q, &host, from, s.now()); err != nil {
				return err
			}
		}
		if elsewhere {
			err = audit.Record(ctx, q, audit.Entry{
				At: s.now(), Actor: by, Action: audit.ActionForceIP, HostID: host.ID,
				Details: audit.Details{"ip": from.String(), "previous_ip": host.BoundIP.String()},
			})
			if err != nil {
				return err
			}
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Actor: by, Action: audit.ActionHostDelete, HostID: host.ID,
			Details: audit.Details{"fqdn": fqdn, "initiator": "host_api"},
		})
	})
	return fqdn, err
}

// active is the status of a host that is not switched off.
const active = "active"

// mismatch says that a host may not come from an address.
func mismatch(from netip.Addr) error {
	if !from.IsValid() {
		return ErrIPMismatch
	}
	return ErrIPMismatch.With("received_ip", from.String())
}

// normal drops what distinguishes spellings of one address: the IPv4-in-IPv6 form and the zone.
func normal(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
