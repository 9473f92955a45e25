// Package credential keeps the canonical login of each account: an auth.json in canonical form, sealed, with every
// accepted version as a numbered generation.
package credential

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// Errors of a Service.
var (
	// ErrNone is an account that has no credential yet.
	ErrNone = errs.New(errs.NotFound, "no_credential", "There is no login on the gateway yet; upload one: cdxgate auth upload ~/.codex/auth.json")
	// ErrUnreadable is a stored credential that does not open or is not what its digest says. The gateway fails closed:
	// to answer "missing" would invite any host to replace it.
	ErrUnreadable = errs.New(errs.Unavailable, "credential_unreadable", "The stored login cannot be read; an operator must look at the gateway's log")
	// ErrContended is a store that lost against others again and again.
	ErrContended = errs.New(errs.Unavailable, "store_contended", "Too many uploads at once; try again")
)

// Config of a Service. The zero value is ready for production.
type Config struct {
	MinTokenLength int              // bytes. Default: see [Options]
	PublicURL      string           // base of seed URLs, without a trailing slash
	SeedTTL        time.Duration    // how long a seed token is good. Default: 15 minutes
	Now            func() time.Time // Default: time.Now
	Rand           io.Reader        // source of seed tokens. Default: crypto/rand.Reader
}

// Service keeps the credentials of one database. It is safe for concurrent use, on any number of gateways.
type Service struct {
	store    *db.Store
	keyring  *seal.Keyring
	cfg      Config
	appender *audit.Appender // of what hosts ask for

	account atomic.Int64 // the id of the fleet's account; 0: not looked up yet
}

// New makes a service.
func New(store *db.Store, keyring *seal.Keyring, cfg Config) *Service {
	if cfg.SeedTTL == 0 {
		cfg.SeedTTL = defaultSeedTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Service{store: store, keyring: keyring, cfg: cfg, appender: audit.NewAppender(store)}
}

// FleetAccount is the id of the account that every fleet has, and has for good.
func (s *Service) FleetAccount(ctx context.Context) (int64, error) {
	if id := s.account.Load(); id != 0 {
		return id, nil
	}
	account, err := s.store.AccountByName(ctx, DefaultAccount)
	if err != nil {
		return 0, fmt.Errorf("looking up the account: %w", err)
	}
	s.account.Store(account.ID)
	return account.ID, nil
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC() }

// Generation is an accepted credential without its secrets. The zero value means "none".
type Generation struct {
	ID              uuid.UUID
	Number          int64
	LastRefresh     string // verbatim
	AccessExpiresAt time.Time
	Source          string // host, admin, operator or seed
	CreatedAt       time.Time
	Version
}

// Outcome is what a call came to.
type Outcome struct {
	Verdict     Verdict
	Current     Generation // canonical after the call; zero when there is none
	Body        Body       // of Current, when the verdict carries it
	Quarantined bool       // the upload would have become canonical, but the host may not change that
	Kept        bool       // of a store: the gateway has the tokens of the upload, so nobody loses them by losing the file
}

// Held is what a host reports about its file.
type Held struct {
	Digest      Digest
	LastRefresh string // verbatim
	RefreshedAt time.Time
}

// Canonicalise is the package's Canonicalise with the service's clock and rules.
func (s *Service) Canonicalise(file []byte) (*Document, error) {
	auth, err := Read(file)
	if err != nil {
		return nil, err
	}
	return Canonicalise(auth, s.Options())
}

// Options are the rules that uploads to this service obey now.
func (s *Service) Options() Options {
	return Options{Now: s.now(), MinTokenLength: s.cfg.MinTokenLength}
}

// Current returns the canonical generation of an account. Errors: ErrNone.
func (s *Service) Current(ctx context.Context, accountID int64) (Generation, error) {
	row, err := s.store.GenerationCurrent(ctx, accountID)
	switch {
	case db.IsNoRows(err):
		return Generation{}, ErrNone
	case err != nil:
		return Generation{}, fmt.Errorf("reading the canonical generation: %w", err)
	}
	return fromRow(&row), nil
}

// Reveal returns the canonical auth.json itself; who saw it is recorded before it is returned. Errors: ErrNone, ErrUnreadable.
func (s *Service) Reveal(ctx context.Context, accountID int64, by audit.Actor) (body Body, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		row, err := q.GenerationCurrent(ctx, accountID)
		switch {
		case db.IsNoRows(err):
			return ErrNone
		case err != nil:
			return fmt.Errorf("reading the canonical generation: %w", err)
		}
		if body, err = s.open(&row); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Actor: by, Action: audit.ActionCredentialShow, Details: audit.Details{"generation": row.Number},
		})
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// Limits of what is kept: the newest generations, and of the others what is neither old nor one of too many.
const (
	keepGenerations = 20
	mostGenerations = 500 // however young: each may be as large as a body
	keepFor         = 90 * 24 * time.Hour
	pruneBatch      = 500
)

// Prune deletes old generations: of each account the newest 20 are kept, and what is younger than 90 days, but of what hosts
// brought only the newest 500. One pass.
func (s *Service) Prune(ctx context.Context) (changed int, err error) {
	deleted, err := s.store.GenerationPrune(ctx, db.GenerationPruneParams{
		KeepAfter: s.now().Add(-keepFor), Keep: keepGenerations, Most: mostGenerations, Max: pruneBatch,
	})
	if err != nil {
		return 0, fmt.Errorf("pruning generations: %w", err)
	}
	return int(deleted), nil
}

// open unseals a generation and proves that it is the one that was stored.
func (s *Service) open(row *db.Generation) (Body, error) {
	body, err := s.keyring.Open(bodyPlace(row.ID), row.BodySealed)
	if err != nil {
		return nil, ErrUnreadable.WithCause(fmt.Errorf("opening generation %d: %w", row.Number, err))
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], row.Digest) {
		return nil, ErrUnreadable.WithCause(fmt.Errorf("generation %d does not match its digest", row.Number))
	}
	return body, nil
}

func bodyPlace(id uuid.UUID) seal.Place {
	return seal.Place{Table: "generation", Column: "body_sealed", Row: id.String()}
}

func fromRow(row *db.Generation) Generation {
	g := Generation{
		ID: row.ID, Number: row.Number, LastRefresh: row.LastRefresh, Source: row.Source, CreatedAt: row.CreatedAt,
		Version: Version{
			Digest: Digest(row.Digest), RefreshedAt: row.LastRefreshAt.UTC(),
			AccessSHA256: row.AccessSHA256, RefreshSHA256: row.RefreshSHA256,
		},
	}
	if row.ChatGPTAccount != nil {
		g.ChatGPTAccountID = *row.ChatGPTAccount
	}
	if row.AccessExpiresAt != nil {
		g.AccessExpiresAt = *row.AccessExpiresAt
	}
	return g
}
