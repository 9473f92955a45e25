package adminca

import (
	"context"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// Refusals that the list of certificates decides.
var (
	// ErrRevoked is a certificate of ours that is revoked, or that is on no list: the database it was listed in is gone.
	ErrRevoked = errs.New(errs.Forbidden, "admin_certificate_revoked", "this client certificate is revoked")
	// ErrRoleRequired is a certificate that is not the first and was asked for without a role.
	ErrRoleRequired = errs.New(errs.Invalid, "admin_role_required", "say what this admin may do: --role viewer, operator or owner")
)

// firstRole is whose certificate the first one is: somebody must be able to decide who else may.
const firstRole = "owner"

// Config of a Service.
type Config struct {
	DataDir string           // admin/ca.pem below it is what the listener trusts
	Now     func() time.Time // Default: time.Now

	Authorities []*x509.Certificate // of the operator's own, for whose certificates the list decides, too. Default: none
}

// Service is the admin authority of one database.
type Service struct {
	store   *db.Store
	keyring *seal.Keyring
	cfg     Config
}

// NewService makes a service.
func NewService(store *db.Store, keyring *seal.Keyring, cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{store: store, keyring: keyring, cfg: cfg}
}

// Dir is where an admin's files go by default.
func Dir(dataDir string) string { return filepath.Join(dataDir, "admin") }

// PoolFile is the file whose authorities the admin door trusts.
func PoolFile(dataDir string) string { return filepath.Join(Dir(dataDir), "ca.pem") }

// Added is a certificate that was just made.
type Added struct {
	Identity    Identity // Role included
	Files       Files
	PoolChanged bool // a running gateway does not trust the authority yet: reload it
}

// AddOptions says what an admin may do and where the files go.
type AddOptions struct {
	Role      string // one of package access. Default: owner for the first certificate; later ones must say
	Dir       string // Default: Dir of the data directory
	Overwrite bool
}

// Add issues a certificate for name, lists it and writes its files. The authority is made on first use.
//
// Errors: ErrName, ErrRoleRequired, ErrFileExists, ErrExpired. On an error without an Added the certificate is not listed, so it opens
// nothing. An error beside one is about ca.pem alone: the certificate is good as soon as a gateway has written that file,
// which it does when it starts.
func (s *Service) Add(ctx context.Context, name string, opts AddOptions, by audit.Actor) (*Added, error) {
	if !nameGrammar.MatchString(name) {
		return nil, ErrName // before a mistyped verb makes the authority
	}
	if opts.Dir == "" {
		opts.Dir = Dir(s.cfg.DataDir)
	}
	ca, caID, err := s.authority(ctx, by)
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, ca, name, opts, func(q *db.Queries, leaf *Leaf, now time.Time) (string, error) {
		role := opts.Role
		if role == "" {
			others, err := q.AdminCertCount(ctx)
			switch {
			case err != nil:
				return "", fmt.Errorf("counting the admin certificates: %w", err)
			case others > 0:
				return "", ErrRoleRequired
			}
			role = firstRole
		}
		if err := insert(ctx, q, caID, leaf, role, now); err != nil {
			return "", err
		}
		return role, audit.Record(ctx, q, audit.Entry{At: now, Actor: by, Action: audit.ActionAdminCertCreate, Details: leaf.details(role)})
	})
}

// issue makes a certificate for name, has list put it on the list for a role and writes its files, or does none of it.
func (s *Service) issue(
	ctx context.Context, ca *CA, name string, opts AddOptions, list func(*db.Queries, *Leaf, time.Time) (role string, err error),
) (*Added, error) {
	now := s.cfg.Now().UTC()
	leaf, err := ca.Issue(name, now, 0)
	if err != nil {
		return nil, err
	}
	added := &Added{Identity: leaf.Identity()}
	err = s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		if err := q.AdminCALock(ctx); err != nil {
			return fmt.Errorf("locking the list of admin certificates: %w", err)
		}
		if added.Identity.Role, err = list(q, leaf, now); err != nil {
			return err
		}
		// Last, so that files are only left behind by a commit that fails; they open nothing then.
		added.Files, err = WriteFiles(opts.Dir, leaf, WriteOptions{Overwrite: opts.Overwrite})
		return err
	})
	if err != nil {
		return nil, err
	}
	added.PoolChanged, err = WritePool(PoolFile(s.cfg.DataDir), ca.CertPEM())
	return added, err
}

func insert(ctx context.Context, q *db.Queries, caID uuid.UUID, leaf *Leaf, role string, now time.Time) error {
	identity := leaf.Identity()
	err := q.AdminCertInsert(ctx, db.AdminCertInsertParams{
		CAID: caID, Name: identity.Name, Role: role, Serial: identity.Serial, SPKISHA256: identity.SPKI[:], NotAfter: identity.NotAfter, Now: now,
	})
	if err != nil {
		return fmt.Errorf("listing the certificate of %s: %w", identity.Name, err)
	}
	return nil
}

// details are what the record says about a new certificate.
func (l *Leaf) details(role string) audit.Details {
	identity := l.Identity()
	return audit.Details{"name": identity.Name, "role": role, "serial": identity.Serial, "spki_sha256": identity.SPKI.String()}
}

// List returns every certificate ever handed out or trusted, by name.
func (s *Service) List(ctx context.Context) ([]db.AdminCert, error) {
	certs, err := s.store.AdminCertList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the admin certificates: %w", err)
	}
	return certs, nil
}

// States of a listed certificate.
const (
	StateGood        = "good"         // one of ours, until it expires
	StateRenewed     = "renewed"      // one of ours that goes on for a while beside the one that stands in for it
	StateTrusted     = "trusted"      // of an authority of the operator's, which says until when
	StateNoAuthority = "no authority" // of one that is in admin_ca no more
	StateExpired     = "expired"
	StateRevoked     = "revoked"
)

// States are all of them.
var States = []string{StateGood, StateRenewed, StateTrusted, StateNoAuthority, StateExpired, StateRevoked}

// State is what a listed certificate is now, and until, or since, when.
func (s *Service) State(cert db.AdminCert) (state string, until time.Time) {
	now := s.cfg.Now()
	switch {
	case cert.RevokedAt != nil && !cert.RevokedAt.After(now):
		return StateRevoked, *cert.RevokedAt
	case cert.IssuerSPKISHA256 != nil && s.Opens(cert):
		return StateTrusted, cert.NotAfter
	case cert.IssuerSPKISHA256 != nil:
		return StateNoAuthority, cert.NotAfter
	case !cert.NotAfter.After(now):
		return StateExpired, cert.NotAfter
	case cert.RevokedAt != nil && cert.RevokedAt.Before(cert.NotAfter):
		return StateRenewed, *cert.RevokedAt
	}
	return StateGood, cert.NotAfter
}

// Admit decides who stands at the admin door. chains are those that the TLS layer verified; nothing else counts.
//
// Errors: ErrNoCertificate, ErrForeign, ErrRevoked.
func (s *Service) Admit(ctx context.Context, chains [][]*x509.Certificate) (Identity, error) {
	if len(chains) == 0 {
		return Identity{}, ErrNoCertificate
	}
	row, err := s.store.AdminCAGet(ctx)
	switch {
	case db.IsNoRows(err):
		return s.admitTrusted(ctx, chains)
	case err != nil:
		return Identity{}, fmt.Errorf("reading the admin CA: %w", err)
	}
	identity, err := Verify(chains, []SPKI{SPKI(row.SPKISHA256)}, s.cfg.Now())
	if err != nil { // it is not of ours
		return s.admitTrusted(ctx, chains)
	}
	cert, err := s.store.AdminCertBySPKI(ctx, identity.SPKI[:])
	switch {
	case db.IsNoRows(err):
		return Identity{}, ErrRevoked
	case err != nil:
		return Identity{}, fmt.Errorf("looking up the certificate of %s: %w", identity.Name, err)
	case cert.Revoked, cert.IssuerSPKISHA256 != nil:
		return Identity{}, ErrRevoked
	}
	identity.Role = cert.Role
	return identity, nil
}

// SyncPool makes the file that the listener trusts say what the database says, and reports whether it did not: another
// gateway made the authority, or the file was lost. Without an authority there is nothing to do.
func (s *Service) SyncPool(ctx context.Context) (changed bool, err error) {
	row, err := s.store.AdminCAGet(ctx)
	switch {
	case db.IsNoRows(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the admin CA: %w", err)
	}
	return WritePool(PoolFile(s.cfg.DataDir), []byte(row.CertPEM))
}

// authority returns the authority, making it when there is none. Two consoles that both find none end up with one: the
// database takes only the first.
func (s *Service) authority(ctx context.Context, by audit.Actor) (*CA, uuid.UUID, error) {
	row, err := s.store.AdminCAGet(ctx)
	if db.IsNoRows(err) {
		if err := s.makeAuthority(ctx, by); err != nil {
			return nil, uuid.Nil, err
		}
		row, err = s.store.AdminCAGet(ctx)
	}
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("reading the admin CA: %w", err)
	}
	key, err := s.keyring.Open(caPlace(row.ID), row.KeySealed)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("opening the key of the admin CA: %w", err)
	}
	ca, err := OpenCA([]byte(row.CertPEM), key)
	if err != nil {
		return nil, uuid.Nil, err
	}
	return ca, row.ID, nil
}

func (s *Service) makeAuthority(ctx context.Context, by audit.Actor) error {
	now := s.cfg.Now().UTC()
	ca, err := NewCA(now)
	if err != nil {
		return err
	}
	key, err := ca.KeyPKCS8()
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("drawing a row id: %w", err)
	}
	sealed, err := s.keyring.Seal(caPlace(id), key)
	if err != nil {
		return fmt.Errorf("sealing the key of the admin CA: %w", err)
	}
	spki := ca.SPKI()
	return s.store.WithTx(ctx, func(q *db.Queries) error {
		inserted, err := q.AdminCAInsert(ctx, db.AdminCAInsertParams{
			ID: id, CertPEM: string(ca.CertPEM()), KeySealed: sealed, SPKISHA256: spki[:],
		})
		if err != nil {
			return fmt.Errorf("storing the admin CA: %w", err)
		}
		if inserted == 0 {
			return nil
		}
		return audit.Record(ctx, q, audit.Entry{
			At: now, Actor: by, Action: audit.ActionAdminCACreate, Details: audit.Details{"spki_sha256": spki.String()},
		})
	})
}

func caPlace(id uuid.UUID) seal.Place {
	return seal.Place{Table: "admin_ca", Column: "key_sealed", Row: id.String()}
}
