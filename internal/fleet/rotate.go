package fleet

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
	"github.com/cdxgate/cdxgate/internal/token"
)

// Refusals of a rotation.
var (
	ErrKeyPending = errs.New(errs.Conflict, "key_pending", "The host has a new API key that it has not used yet")
	ErrHostRoams  = errs.New(errs.Conflict, "host_roams", "The host may call from several addresses: whoever had its API key would be given the new one")
)

// KeyOverlap is how long an API key lives on at most beside the one that is to come after it.
const KeyOverlap = 7 * 24 * time.Hour

// RotateOptions change what Rotate does. The zero value lets the old key live until the host has used the new one.
type RotateOptions struct {
	RevokeNow bool // the old key, and one that was to come after it, are dead when Rotate returns
}

// Rotate gives a host a new API key. Its next call for a synchronisation brings it, from the address that the host is bound
// to; the old one dies when the new one is first used, and after KeyOverlap at the latest. enrolment is nil then.
//
// A key that is revoked leaves nobody to hand the new one to: enrolment has an install token for it.
//
// Errors: ErrHostNotFound; unless it is to be revoked, ErrKeyPending and ErrHostRoams.
func (s *Service) Rotate(ctx context.Context, id int64, opts RotateOptions, by audit.Actor) (host *db.Host, enrolment *Enrolment, err error) {
	key, err := mintKey(s.cfg.Rand)
	if err != nil {
		return nil, nil, err
	}
	if opts.RevokeNow {
		enrolment, err = s.revokeKey(ctx, id, key, by)
		if err != nil {
			return nil, nil, err
		}
		return &enrolment.Host, enrolment, nil
	}
	sealed, err := s.keyring.Seal(nextKeyPlace(id, key.Prefix()), []byte(key.Reveal()))
	if err != nil {
		return nil, nil, fmt.Errorf("sealing the next key of host %d: %w", id, err)
	}
	until := s.now().Add(KeyOverlap)
	details := audit.Details{"key_prefix": key.Prefix(), "key_until": until.Format(api.TimeFormat)}
	host, err = s.change(ctx, by, audit.ActionKeyRotate, details, func(q *db.Queries) (db.Host, error) {
		row, err := q.HostNextKey(ctx, db.HostNextKeyParams{
			ID: id, NextKeySHA256: key.SHA256(), NextKeyPrefix: key.Prefix(), NextKeySealed: sealed, KeyUntil: until, Now: s.now(),
		})
		if db.IsNoRows(err) {
			return row, whyNoNextKey(ctx, q, id)
		}
		return row, err
	})
	return host, nil, err
}

// whyNoNextKey says why a host was given no next key.
func whyNoNextKey(ctx context.Context, q *db.Queries, id int64) error {
	host, err := q.HostByID(ctx, id)
	switch {
	case err != nil:
		return err
	case host.NextKeySHA256 != nil:
		return ErrKeyPending
	}
	return ErrHostRoams
}

func (s *Service) revokeKey(ctx context.Context, id int64, key APIKey, by audit.Actor) (*Enrolment, error) {
	install, err := token.Mint(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	e := &Enrolment{Key: key, Token: install, URL: s.cfg.PublicURL + api.PathInstall + install.Reveal()}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		e.Host, err = q.HostReplaceKey(ctx, db.HostReplaceKeyParams{
			ID: id, KeySHA256: key.SHA256(), KeyPrefix: key.Prefix(), Now: s.now(), LivesUntil: s.now().Add(max(temporaryLife, s.cfg.InstallTTL)),
		})
		switch {
		case db.IsNoRows(err):
			return ErrHostNotFound
		case err != nil:
			return fmt.Errorf("replacing the key of host %d: %w", id, err)
		}
		if err := s.mintInstallToken(ctx, q, e); err != nil {
			return err
		}
		return s.recordRegistration(ctx, q, e, by, "rotated", nil)
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// HandOverKey returns the API key that is to come after the one a host was let in with from an address; ok is false when
// there is none for it. Only the address that the host is bound to is given one: whoever stole the old key gets nothing
// by it. The host may ask again until it has used the new one.
func (s *Service) HandOverKey(ctx context.Context, host *db.Host, from netip.Addr) (key APIKey, ok bool, err error) {
	from = normal(from)
	if host.NextKeySealed == nil || host.BoundIP == nil || !from.IsValid() || !s.sameNetwork(*host.BoundIP, from) || !s.WindowOpen(host) {
		return APIKey{}, false, nil
	}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		next, err := q.HostHandOverKey(ctx, db.HostHandOverKeyParams{ID: host.ID, KeySHA256: host.KeySHA256, Now: s.now()})
		switch {
		case db.IsNoRows(err):
			return nil
		case err != nil:
			return fmt.Errorf("looking up the next key of %s: %w", host.FQDN, err)
		}
		plain, err := s.keyring.Open(nextKeyPlace(host.ID, next.NextKeyPrefix), next.NextKeySealed)
		if err != nil {
			return fmt.Errorf("opening the next key of %s: %w", host.FQDN, err)
		}
		if key, ok = ParseKey(strings.Clone(string(plain))); !ok || !bytes.Equal(key.SHA256(), next.NextKeySHA256) {
			return fmt.Errorf("what is sealed as the next key of %s is another one", host.FQDN)
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Action: audit.ActionKeyHandOver, HostID: host.ID, Details: audit.Details{"key_prefix": key.Prefix()},
			Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: from},
		})
	})
	if err != nil || !ok {
		return APIKey{}, false, err
	}
	return key, true, nil
}

// cameWithNext reports whether it is with its next key that a host was found.
func cameWithNext(host *db.Host) bool {
	return host.NextKeySHA256 != nil && bytes.Equal(host.KeySHA256, host.NextKeySHA256)
}

// adoptKey makes the next key of a host that has come with it its only one. It returns the host as it is then; one that came
// with its present key is returned as it was.
//
// Errors: ErrKeyInvalid when the host or the key is gone by now.
func (s *Service) adoptKey(ctx context.Context, q *db.Queries, host *db.Host, from netip.Addr) (*db.Host, error) {
	if !cameWithNext(host) {
		return host, nil
	}
	adopted, err := q.HostAdoptKey(ctx, db.HostAdoptKeyParams{ID: host.ID, KeySHA256: host.KeySHA256, Now: s.now()})
	if db.IsNoRows(err) {
		// Another call of the host, at the same time, may have been first.
		adopted, err = q.HostByKey(ctx, db.HostByKeyParams{KeySHA256: host.KeySHA256, Now: s.now()})
		if db.IsNoRows(err) || err == nil && adopted.ID != host.ID {
			return nil, ErrKeyInvalid
		}
		if err == nil {
			return &adopted, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ending the old key of %s: %w", host.FQDN, err)
	}
	err = audit.Record(ctx, q, audit.Entry{
		At: s.now(), Action: audit.ActionKeyAdopt, HostID: host.ID, Details: audit.Details{"key_prefix": adopted.KeyPrefix},
		Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: from},
	})
	return &adopted, err
}

// nextKeyPlace binds a sealed key to its host and to which key it is.
func nextKeyPlace(id int64, prefix string) seal.Place {
	return seal.Place{Table: "host", Column: "next_key_sealed", Row: strconv.FormatInt(id, 10) + "/" + prefix}
}
