package credential

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/token"
)

// Refusals of a seed token.
var (
	ErrSeedUnknown = errs.New(errs.NotFound, "seed_token_unknown", "Seed token not found")
	ErrSeedUsed    = errs.New(errs.Gone, "seed_token_used", "Seed token already used")
	ErrSeedExpired = errs.New(errs.Gone, "seed_token_expired", "Seed token expired")
	ErrSeedWornOut = errs.New(errs.Gone, "seed_token_worn_out", "Seed token had too many uploads that were no good")
)

const (
	defaultSeedTTL  = 15 * time.Minute
	maxSeedAttempts = 3  // uploads that are no good; who cannot do it in three does not have the right file
	keepSeedFor     = 30 // days: so long “already used” is said instead of “unknown”
)

// Seed is a new seed token, shown this once: it lets a machine that has a login upload it, and reads nothing.
type Seed struct {
	Token     token.Token
	URL       string // of the script
	ExpiresAt time.Time
}

// DefaultAccount is the name of the account that every fleet has.
const DefaultAccount = "default"

// NewSeed mints a seed token for the account of a name. Several may be pending.
func (s *Service) NewSeed(ctx context.Context, account string, by audit.Actor) (*Seed, error) {
	minted, err := token.Mint(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("drawing a row id: %w", err)
	}
	seed := &Seed{Token: minted, URL: s.cfg.PublicURL + api.PathSeed + minted.Reveal()}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		owner, err := q.AccountByName(ctx, account)
		if err != nil {
			return fmt.Errorf("looking up the account %s: %w", account, err)
		}
		seed.ExpiresAt, err = q.SeedTokenInsert(ctx, db.SeedTokenInsertParams{
			ID: id, AccountID: owner.ID, TokenSHA256: minted.SHA256(), TokenPrefix: minted.Prefix(), CreatedBy: by.Name,
			TTLSeconds: s.cfg.SeedTTL.Seconds(),
		})
		if err != nil {
			return fmt.Errorf("creating a seed token: %w", err)
		}
		return audit.Record(ctx, q, audit.Entry{At: s.now(), Actor: by, Action: audit.ActionSeedCreate, Details: audit.Details{
			"token": minted.Prefix() + "…", "expires_at": seed.ExpiresAt.UTC().Format(api.TimeFormat),
		}})
	})
	if err != nil {
		return nil, err
	}
	return seed, nil
}

// WireSeed is the answer to whoever asked for a seed token, for a machine that needs the given trust.
func WireSeed(s *Seed, trust publictls.Trust) api.SeedCommand {
	return api.SeedCommand{
		Token: s.Token.Reveal(), URL: s.URL, Command: trust.Command(s.URL), CA: trust.CA, ExpiresAt: api.Time{Time: s.ExpiresAt},
	}
}

// SeedState says what a seed token is good for. Looking at it changes nothing.
type SeedState struct {
	State     string // api.InstallReady, InstallUsed, InstallExpired, InstallUnknown; api.SeedWornOut
	ExpiresAt time.Time
	UsedAt    time.Time  // zero unless used
	UsedFrom  netip.Addr // zero unless used
}

// LookUpSeed tells the state of a seed token.
func (s *Service) LookUpSeed(ctx context.Context, t token.Token) (SeedState, error) {
	row, err := s.store.SeedTokenState(ctx, db.SeedTokenStateParams{TokenSHA256: t.SHA256(), MaxAttempts: maxSeedAttempts})
	switch {
	case db.IsNoRows(err):
		return SeedState{State: api.InstallUnknown}, nil
	case err != nil:
		return SeedState{}, fmt.Errorf("looking up a seed token: %w", err)
	}
	state := SeedState{State: api.InstallExpired, ExpiresAt: row.ExpiresAt}
	switch {
	case row.Ready:
		state.State = api.InstallReady
	case row.UsedAt != nil:
		state.State, state.UsedAt = api.InstallUsed, *row.UsedAt
		if row.UsedFrom != nil {
			state.UsedFrom = *row.UsedFrom
		}
	case row.Attempts >= maxSeedAttempts:
		state.State = api.SeedWornOut
	}
	return state, nil
}

// Plant makes the login in body, an auth.json or an object with one as its member "auth", canonical, beginning a new
// lineage, and spends the token: however many try at once, one wins. An upload that is no good leaves the token as it
// is, but for one of its three attempts.
//
// Errors: ErrSeedUnknown, ErrSeedUsed, ErrSeedExpired, ErrSeedWornOut; kind Invalid, about the file; ErrPlaceholder,
// ErrContended. On any error the canonical credential is unchanged.
func (s *Service) Plant(ctx context.Context, t token.Token, body []byte, from netip.Addr) (*Outcome, error) {
	by := audit.Actor{Kind: audit.KindSeed, Name: t.Prefix() + "…", IP: from.Unmap().WithZone("")}
	upload, refusal := s.readSeed(body)
	if refusal != nil {
		return nil, s.missSeed(ctx, t, by, refusal)
	}
	outcome, err := s.untilSettled(ctx, func(q *db.Queries, outcome *Outcome) error {
		claim := db.SeedTokenClaimParams{TokenSHA256: t.SHA256(), MaxAttempts: maxSeedAttempts}
		if by.IP.IsValid() {
			claim.UsedFrom = &by.IP
		}
		spent, err := q.SeedTokenClaim(ctx, claim)
		if err != nil {
			return err // no row included: the reason is looked up outside this transaction
		}
		err = audit.Record(ctx, q, audit.Entry{At: s.now(), Actor: by, Action: audit.ActionSeedConsume, Details: audit.Details{
			"token": t.Prefix() + "…", "created_by": spent.CreatedBy,
		}})
		if err != nil {
			return err
		}
		return s.take(ctx, q, spent.AccountID, upload, by, outcome)
	})
	if db.IsNoRows(err) {
		return nil, s.seedRefusal(ctx, t)
	}
	return outcome, err
}

// readSeed reads an upload under a seed token.
func (s *Service) readSeed(body []byte) (*Document, error) {
	if len(body) == 0 {
		return nil, errAuthRequired()
	}
	auth, err := Read(body)
	if err != nil {
		return nil, err
	}
	if inner, _ := auth.Get("auth"); inner != nil {
		if object, ok := inner.(*jsondoc.Object); ok {
			auth = object
		}
	}
	upload, err := Canonicalise(auth, s.Options())
	switch {
	case err != nil:
		return nil, err
	case upload.Placeholder:
		return nil, ErrPlaceholder
	}
	return upload, nil
}

// missSeed counts an upload that was no good against its token, and returns why it was; or, of a token that is dead, that.
func (s *Service) missSeed(ctx context.Context, t token.Token, by audit.Actor, refusal error) error {
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		missed, err := q.SeedTokenMiss(ctx, db.SeedTokenMissParams{TokenSHA256: t.SHA256(), MaxAttempts: maxSeedAttempts})
		if err != nil {
			return err // no row included
		}
		return audit.Record(ctx, q, audit.Entry{At: s.now(), Actor: by, Action: audit.ActionSeedRefuse, Details: audit.Details{
			"token": t.Prefix() + "…", "attempts": missed.Attempts, "reason": errs.Of(refusal).Code,
		}})
	})
	switch {
	case db.IsNoRows(err):
		return s.seedRefusal(ctx, t)
	case err != nil:
		return fmt.Errorf("counting an upload under a seed token: %w", err)
	}
	return refusal
}

// seedRefusal says why a seed token could not be used.
func (s *Service) seedRefusal(ctx context.Context, t token.Token) error {
	state, err := s.LookUpSeed(ctx, t)
	switch {
	case err != nil:
		return err
	case state.State == api.InstallUnknown:
		return ErrSeedUnknown
	case state.State == api.InstallUsed:
		return ErrSeedUsed
	case state.State == api.SeedWornOut:
		return ErrSeedWornOut
	}
	return ErrSeedExpired
}

// PruneSeeds forgets seed tokens that nobody asks about any more. One pass.
func (s *Service) PruneSeeds(ctx context.Context) (changed int, err error) {
	deleted, err := s.store.SeedTokenDeleteOld(ctx, db.SeedTokenDeleteOldParams{KeepDays: keepSeedFor, Max: pruneBatch})
	if err != nil {
		return 0, fmt.Errorf("forgetting old seed tokens: %w", err)
	}
	return int(deleted), nil
}
