package access

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Bounds on how long an API token is good.
const (
	DefaultTokenTTL = 90 * 24 * time.Hour
	minTokenTTL     = time.Minute
	maxTokenTTL     = 366 * 24 * time.Hour
)

// Refusals about API tokens.
var (
	// ErrToken is an API token that was never made, has expired or is revoked: who shows it learns no more.
	ErrToken = errs.New(errs.Unauthenticated, "admin_token_invalid", "this API token does not open the admin door")
	// ErrTokenName is a name that an API token cannot have.
	ErrTokenName = errs.New(errs.Invalid, "admin_token_name_invalid",
		"an API token's name has 1 to 64 characters from a-z, 0-9, '.', '_', '@' and '-', and starts with a letter or a digit")
	// ErrTokenTTL is a time that no API token is good for.
	ErrTokenTTL = errs.New(errs.Invalid, "admin_token_ttl_invalid", "an API token is good for 1m to 366d")
	// ErrTokenExists is a name that an API token has already.
	ErrTokenExists = errs.New(errs.Conflict, "admin_token_exists", "there is an API token of this name; revoke it first")
	// ErrGrantExceeded is a token that would let somebody do more, or for longer, than who makes it may; Details name a capability
	// that he lacks.
	ErrGrantExceeded = errs.New(errs.Forbidden, "admin_grant_exceeded", "nobody gives away more than he may himself")
	// ErrTokenUnknown is a name that no API token has which is not revoked.
	ErrTokenUnknown = errs.New(errs.NotFound, "admin_token_not_found", "there is no API token of this name")
)

var nameGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,63}$`)

// Service keeps tokens, links and sessions in one database. It is safe for concurrent use, on any number of gateways.
type Service struct{ store *db.Store }

// New makes a service.
func New(store *db.Store) *Service { return &Service{store: store} }

// NewToken is what to make.
type NewToken struct {
	Name   string
	Role   Role
	Scopes []Capability  // nil: whatever the role may
	TTL    time.Duration // 0: DefaultTokenTTL

	// Within bounds what the token may do and, unless it is zero, until when. Default: it is made on the console, which bounds
	// nothing.
	Within *Grant
}

// MadeToken is a token that was just made. The secret is shown this once.
type MadeToken struct {
	Secret    Secret
	Prefix    string
	ExpiresAt time.Time
}

// AddToken makes an API token. Errors: ErrTokenName, ErrTokenTTL, ErrRole, ErrScope, ErrGrantExceeded, ErrTokenExists.
func (s *Service) AddToken(ctx context.Context, wanted NewToken, by audit.Actor) (*MadeToken, error) {
	if err := wanted.check(); err != nil {
		return nil, err
	}
	made := &MadeToken{Secret: mint(tokenMark)}
	made.Prefix = made.Secret.prefix()
	err := s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		made.ExpiresAt, err = q.AdminTokenInsert(ctx, db.AdminTokenInsertParams{
			Name: wanted.Name, TokenSHA256: made.Secret.sha256(), TokenPrefix: made.Prefix,
			Role: string(wanted.Role), Scopes: Words(wanted.Scopes), CreatedBy: by.Name, TTLSeconds: wanted.TTL.Seconds(),
		})
		if db.IsUniqueViolation(err) {
			return ErrTokenExists
		}
		if err != nil {
			return fmt.Errorf("listing the API token %s: %w", wanted.Name, err)
		}
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionAdminTokenCreate, Details: audit.Details{
			"name": wanted.Name, "token": made.Prefix + "…", "role": wanted.Role, "scopes": wanted.Scopes, "expires_at": made.ExpiresAt.UTC(),
		}})
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (n *NewToken) check() error {
	if n.TTL == 0 {
		n.TTL = DefaultTokenTTL
	}
	if !nameGrammar.MatchString(n.Name) {
		return ErrTokenName
	}
	if n.TTL < minTokenTTL || n.TTL > maxTokenTTL {
		return ErrTokenTTL
	}
	if _, err := ParseRole(string(n.Role)); err != nil {
		return err
	}
	for _, scope := range n.Scopes {
		if !n.Role.May(scope) {
			return ErrScope.With("scope", string(scope)).With("role", string(n.Role))
		}
	}
	return n.bounded()
}

// bounded refuses what who makes the token may not do himself: a token that was made for less must not become one for more.
func (n *NewToken) bounded() error {
	if n.Within == nil {
		return nil
	}
	for _, capability := range (Grant{Role: n.Role, Scopes: n.Scopes}).Capabilities() {
		if !n.Within.May(capability) {
			return ErrGrantExceeded.With("capability", string(capability))
		}
	}
	if until := n.Within.ExpiresAt; !until.IsZero() && time.Now().Add(n.TTL).After(until) {
		return ErrGrantExceeded.With("expires_at", until.UTC())
	}
	return nil
}

// Identified is somebody whom a token or a session speaks for.
type Identified struct {
	Name string // for the record
	Grant
}

// ByToken tells whose an API token is. A good one is marked as used, once a minute at most.
//
// The token is looked up by its hash, so how long that takes says nothing about the tokens there are. Errors: ErrToken.
func (s *Service) ByToken(ctx context.Context, presented string) (Identified, error) {
	secret, ok := parse(tokenMark, presented)
	if !ok {
		return Identified{}, ErrToken
	}
	row, err := s.store.AdminTokenBySHA256(ctx, secret.sha256())
	switch {
	case db.IsNoRows(err):
		return Identified{}, ErrToken
	case err != nil:
		return Identified{}, fmt.Errorf("looking up an API token: %w", err)
	case !row.Good:
		return Identified{}, ErrToken
	}
	if row.Stale {
		if err := s.store.AdminTokenTouch(ctx, row.ID); err != nil {
			return Identified{}, fmt.Errorf("marking an API token as used: %w", err)
		}
	}
	return Identified{"token " + row.Name, Grant{Role: Role(row.Role), Scopes: scopes(row.Scopes), ExpiresAt: row.ExpiresAt}}, nil
}

// ListTokens returns every API token ever made, by name.
func (s *Service) ListTokens(ctx context.Context) ([]db.AdminTokenListRow, error) {
	tokens, err := s.store.AdminTokenList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the API tokens: %w", err)
	}
	return tokens, nil
}

// States of API tokens and sessions.
const (
	StateGood    = "good" // of a token
	StateExpired = "expired"
	StateOpen    = "open" // of a session
	StateOver    = "over"
	StateRevoked = "revoked"
)

// TokenState is what an API token is now.
func TokenState(token *db.AdminTokenListRow) string {
	switch {
	case token.RevokedAt != nil:
		return StateRevoked
	case token.Expired:
		return StateExpired
	}
	return StateGood
}

// RevokeToken ends a token: the next request with it is refused. Errors: ErrTokenUnknown.
func (s *Service) RevokeToken(ctx context.Context, name string, by audit.Actor) error {
	if !nameGrammar.MatchString(name) { // nor has PostgreSQL a text for every name
		return ErrTokenUnknown
	}
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		prefix, err := q.AdminTokenRevoke(ctx, name)
		if db.IsNoRows(err) {
			return ErrTokenUnknown
		}
		if err != nil {
			return fmt.Errorf("revoking the API token %s: %w", name, err)
		}
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionAdminTokenRevoke, Details: audit.Details{
			"name": name, "token": prefix + "…",
		}})
	})
}

// Words are capabilities as text; none are nil.
func Words(capabilities []Capability) []string {
	var all []string
	for _, capability := range capabilities {
		all = append(all, string(capability))
	}
	return all
}

// scopes keeps nil, which is no bounds, apart from an empty list, which is nothing.
func scopes(texts []string) []Capability {
	if texts == nil {
		return nil
	}
	all := make([]Capability, 0, len(texts))
	for _, text := range texts {
		all = append(all, Capability(text))
	}
	return all
}
