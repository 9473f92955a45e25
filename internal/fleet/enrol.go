package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/seal"
	"github.com/cdxgate/cdxgate/internal/token"
)

// Registration asks for a host. Nil pointers take the default for a new host and, except for Secure and VIP, leave an
// existing one as it is.
type Registration struct {
	FQDN      string
	Insecure  bool  // may not keep a credential on disk; gets a window of 30 minutes to begin with
	VIP       bool  // not held back by quota
	Temporary *bool // gone two hours after its last contact
	ForceIPv4 *bool // its cdx, and what installs it, connect to nothing by IPv6
	Rekey     bool  // an existing host gets a new key and its old one dies; otherwise ErrHostExists
}

// Enrolment is a registered host with the two things that are shown this once: its API key and the install token that
// hands the same key to the machine.
type Enrolment struct {
	Host      db.Host
	Key       APIKey
	Token     InstallToken
	URL       string // of the installer
	ExpiresAt time.Time
}

// Register mints a host's API key and a single install token for it. Earlier tokens of the host are dead.
//
// Errors: kind Invalid on field fqdn; ErrHostExists unless r.Rekey. On any error nothing has changed.
func (s *Service) Register(ctx context.Context, r Registration, by audit.Actor) (*Enrolment, error) {
	fqdn, err := ParseFQDN(r.FQDN)
	if err != nil {
		return nil, err
	}
	r.FQDN = fqdn
	key, err := mintKey(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	install, err := token.Mint(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	e := &Enrolment{Key: key, Token: install}
	err = s.store.WithTx(ctx, func(q *db.Queries) error { return s.register(ctx, q, r, e, by) })
	if db.IsUniqueViolation(err) || db.IsNoRows(err) {
		// Between our look and our change somebody else registered the same name, or gave the host of that name another.
		err = s.store.WithTx(ctx, func(q *db.Queries) error { return s.register(ctx, q, r, e, by) })
	}
	if err != nil {
		return nil, err
	}
	e.URL = s.cfg.PublicURL + api.PathInstall + install.Reveal()
	return e, nil
}

func (s *Service) register(ctx context.Context, q *db.Queries, r Registration, e *Enrolment, by audit.Actor) error {
	now := s.now()
	var windowEnd, expiresAt *time.Time
	if r.Insecure {
		windowEnd = new(now.Add(initialWindow))
	}
	if r.Temporary != nil && *r.Temporary {
		expiresAt = new(now.Add(temporaryLife))
	}
	result := "created"
	existing, err := q.HostByFQDNPruned(ctx, r.FQDN)
	switch {
	case db.IsNoRows(err):
		account, err := q.AccountByName(ctx, "default")
		if err != nil {
			return fmt.Errorf("looking up the account: %w", err)
		}
		e.Host, err = q.HostInsert(ctx, db.HostInsertParams{
			AccountID: account.ID, FQDN: r.FQDN, KeySHA256: e.Key.SHA256(), KeyPrefix: e.Key.Prefix(),
			Secure: !r.Insecure, VIP: r.VIP, ForceIPv4: r.ForceIPv4 != nil && *r.ForceIPv4, InsecureUntil: windowEnd, ExpiresAt: expiresAt, Now: now,
		})
		if err != nil {
			return fmt.Errorf("creating %s: %w", r.FQDN, err)
		}
	case err != nil:
		return fmt.Errorf("looking up %s: %w", r.FQDN, err)
	case existing.DeletedAt == nil && !r.Rekey:
		return ErrHostExists.With("fqdn", r.FQDN)
	default:
		if existing.DeletedAt == nil {
			result = "rotated"
		}
		e.Host, err = q.HostRekey(ctx, db.HostRekeyParams{
			FQDN: r.FQDN, KeySHA256: e.Key.SHA256(), KeyPrefix: e.Key.Prefix(), Secure: !r.Insecure, VIP: r.VIP,
			ForceIPv4: r.ForceIPv4, InsecureUntil: windowEnd, SetExpiry: r.Temporary != nil, ExpiresAt: expiresAt, LivesUntil: now.Add(max(temporaryLife, s.cfg.InstallTTL)), Now: now,
		})
		if err != nil {
			return fmt.Errorf("replacing the key of %s: %w", r.FQDN, err)
		}
		if existing.DeletedAt != nil { // else it is the machine that it was, with a new key
			if err := q.HostUserClear(ctx, e.Host.ID); err != nil {
				return fmt.Errorf("forgetting the users of %s: %w", r.FQDN, err)
			}
		}
	}
	if err := s.mintInstallToken(ctx, q, e); err != nil {
		return err
	}
	return s.recordRegistration(ctx, q, e, by, result, windowEnd)
}

// mintInstallToken puts a sealed copy of the key beside the token's hash: the claim hands out the very key that the
// registration showed, and deletes the copy.
func (s *Service) mintInstallToken(ctx context.Context, q *db.Queries, e *Enrolment) error {
	if _, err := q.InstallTokenReplace(ctx, e.Host.ID); err != nil {
		return fmt.Errorf("replacing the install token of %s: %w", e.Host.FQDN, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("drawing a row id: %w", err)
	}
	sealed, err := s.keyring.Seal(keyPlace(id), []byte(e.Key.Reveal()))
	if err != nil {
		return fmt.Errorf("sealing the key of %s: %w", e.Host.FQDN, err)
	}
	e.ExpiresAt, err = q.InstallTokenInsert(ctx, db.InstallTokenInsertParams{
		ID: id, HostID: e.Host.ID, TokenSHA256: e.Token.SHA256(), TokenPrefix: e.Token.Prefix(), KeySealed: sealed,
		TTLSeconds: s.cfg.InstallTTL.Seconds(),
	})
	if err != nil {
		return fmt.Errorf("creating an install token for %s: %w", e.Host.FQDN, err)
	}
	return nil
}

func (s *Service) recordRegistration(ctx context.Context, q *db.Queries, e *Enrolment, by audit.Actor, result string, windowEnd *time.Time) error {
	entry := audit.Entry{At: s.now(), Actor: by, HostID: e.Host.ID}
	entry.Action, entry.Details = audit.ActionRegister, audit.Details{"result": result, "fqdn": e.Host.FQDN}
	if err := audit.Record(ctx, q, entry); err != nil {
		return err
	}
	if windowEnd != nil {
		entry.Action, entry.Details = audit.ActionInsecureWindow, audit.Details{"enabled_until": windowEnd.Format(api.TimeFormat)}
		if err := audit.Record(ctx, q, entry); err != nil {
			return err
		}
	}
	entry.Action = audit.ActionInstallCreate
	entry.Details = audit.Details{
		"fqdn": e.Host.FQDN, "token": e.Token.Prefix() + "…", "expires_at": e.ExpiresAt.UTC().Format(api.TimeFormat),
	}
	return audit.Record(ctx, q, entry)
}

// TokenState says what a token is good for. Looking at it changes nothing.
type TokenState struct {
	State     string // api.InstallReady, InstallUsed, InstallExpired, InstallUnknown
	FQDN      string
	ForceIPv4 bool // the host is to use IPv4 only
	ExpiresAt time.Time
	UsedAt    time.Time  // zero unless used
	UsedFrom  netip.Addr // zero unless used
	Replaced  bool       // expired because a newer token took its place
}

// LookUpToken tells the state of a token.
func (s *Service) LookUpToken(ctx context.Context, token InstallToken) (TokenState, error) {
	row, err := s.store.InstallTokenState(ctx, token.SHA256())
	switch {
	case db.IsNoRows(err):
		return TokenState{State: api.InstallUnknown}, nil
	case err != nil:
		return TokenState{}, fmt.Errorf("looking up an install token: %w", err)
	}
	state := TokenState{State: api.InstallExpired, FQDN: row.FQDN, ForceIPv4: row.ForceIPv4, ExpiresAt: row.ExpiresAt, Replaced: row.ReplacedAt != nil}
	switch {
	case row.Ready:
		state.State = api.InstallReady
	case row.UsedAt != nil:
		state.State, state.UsedAt = api.InstallUsed, *row.UsedAt
		if row.UsedFrom != nil {
			state.UsedFrom = *row.UsedFrom
		}
	}
	return state, nil
}

// Claim spends a token and returns the host and the key it was registered with. However many try at once, one wins.
//
// Errors: ErrTokenUnknown, ErrTokenUsed, ErrTokenExpired.
func (s *Service) Claim(ctx context.Context, token InstallToken, from netip.Addr) (*db.Host, APIKey, error) {
	var host db.Host
	var key APIKey
	from = normal(from)
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		params := db.InstallTokenClaimParams{TokenSHA256: token.SHA256()}
		if from.IsValid() {
			params.UsedFrom = &from
		}
		claimed, err := q.InstallTokenClaim(ctx, params)
		if err != nil {
			return err // no row included: the reason is looked up outside this transaction
		}
		plain, err := s.keyring.Open(keyPlace(claimed.ID), claimed.KeySealed)
		if err != nil {
			return errTokenUnusable.WithCause(fmt.Errorf("opening the key of install token %s: %w", claimed.ID, err))
		}
		key = APIKey{strings.Clone(string(plain))}
		if host, err = q.HostByID(ctx, claimed.HostID); err != nil {
			return fmt.Errorf("looking up the host of an install token: %w", err)
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Action: audit.ActionInstallConsume, HostID: host.ID,
			Actor:   audit.Actor{Kind: audit.KindInstaller, Name: host.FQDN, IP: from},
			Details: audit.Details{"fqdn": host.FQDN, "token": token.Prefix() + "…"},
		})
	})
	if db.IsNoRows(err) {
		return nil, APIKey{}, s.refusal(ctx, token)
	}
	if err != nil {
		return nil, APIKey{}, fmt.Errorf("claiming an install token: %w", err)
	}
	return &host, key, nil
}

// refusal says why a token could not be claimed.
func (s *Service) refusal(ctx context.Context, token InstallToken) error {
	state, err := s.LookUpToken(ctx, token)
	switch {
	case err != nil:
		return err
	case state.State == api.InstallUnknown:
		return ErrTokenUnknown
	case state.State == api.InstallUsed:
		return ErrTokenUsed
	default:
		return ErrTokenExpired
	}
}

const (
	expireBatch  = 500
	keepTokenFor = 30 // days: so long “already used” is said instead of “unknown”
)

// ExpireTokens deletes the sealed keys of tokens that ran out, and those that no host can be given any more, and forgets
// tokens nobody asks about. One pass.
func (s *Service) ExpireTokens(ctx context.Context) (changed int, err error) {
	expired, err := s.store.InstallTokenExpire(ctx, expireBatch)
	if err != nil {
		return 0, fmt.Errorf("expiring install tokens: %w", err)
	}
	forgotten, err := s.store.HostForgetNextKey(ctx, db.HostForgetNextKeyParams{Now: s.now(), Max: expireBatch})
	if err != nil {
		return int(expired), fmt.Errorf("forgetting keys that were not handed over: %w", err)
	}
	deleted, err := s.store.InstallTokenDeleteOld(ctx, keepTokenFor)
	if err != nil {
		return int(expired + forgotten), fmt.Errorf("forgetting old install tokens: %w", err)
	}
	return int(expired + forgotten + deleted), nil
}

func keyPlace(id uuid.UUID) seal.Place {
	return seal.Place{Table: "install_token", Column: "key_sealed", Row: id.String()}
}
