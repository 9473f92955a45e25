// Package gateway opens what a gateway stands on, in the order that keeps its promises: PostgreSQL (its own or a given
// one), the schema, the keyring that the database was sealed with, for a server the key that its clients trust. A running
// server and the verbs of the operator's console open it the same way.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/pgembed"
	"github.com/cdxgate/cdxgate/internal/seal"
	"github.com/cdxgate/cdxgate/internal/signing"
)

// Config says where things are. All paths are absolute.
type Config struct {
	DataDir     string // everything that is ours on disk
	DatabaseURL string // secret. Empty: the embedded PostgreSQL under DataDir
	Binaries    string // of the embedded PostgreSQL. Empty: looked for
	KeyringFile string // Empty: DataDir/keyring
	MaxConns    int32  // Default: see db.Options

	// Postgres is the embedded PostgreSQL if it runs already; Close leaves it alone. Default: Open starts or finds one.
	Postgres *pgembed.Server

	Logger   *slog.Logger
	Progress func(line string) // told what is being waited for. Default: nobody is
}

// Core is an open gateway: everything else is built on it. Close it once.
type Core struct {
	DB             *db.Store
	Keyring        *seal.Keyring
	InstallationID uuid.UUID
	Audit          *audit.Keeper
	Signer         *signing.Signer // nil for a Verb

	logger   *slog.Logger
	embedded *pgembed.Server // nil: the database is not ours to close
}

// Role says what the embedded PostgreSQL may be used as.
type Role uint8

// The roles.
const (
	Server Role = iota // starts PostgreSQL and keeps it
	Verb               // uses a running one, or starts one for its few seconds
)

// Open starts or finds the database, brings its schema up to date and establishes the keyring. It is bounded by ctx.
// Every error is one line that says what to do.
func Open(ctx context.Context, cfg Config, role Role) (*Core, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.KeyringFile == "" {
		cfg.KeyringFile = filepath.Join(cfg.DataDir, "keyring")
	}
	core := &Core{logger: cfg.Logger}
	if err := core.open(ctx, cfg, role); err != nil {
		closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, core.Close(closeCtx))
	}
	return core, nil
}

const (
	closeTimeout = 15 * time.Second
	signTimeout  = 5 * time.Second // of it: a database that does not answer must not keep PostgreSQL from stopping
)

func (c *Core) open(ctx context.Context, cfg Config, role Role) error {
	url := cfg.DatabaseURL
	switch {
	case url != "":
	case cfg.Postgres != nil:
		url = cfg.Postgres.ConnString()
	default:
		start := pgembed.Start
		if role == Verb {
			start = pgembed.Borrow
		}
		var err error
		if c.embedded, err = embedded(ctx, cfg, start); err != nil {
			return err
		}
		url = c.embedded.ConnString()
	}
	return c.Explain(c.openDatabase(ctx, cfg, role, url))
}

func (c *Core) openDatabase(ctx context.Context, cfg Config, role Role, url string) error {
	var err error
	if c.DB, err = connect(ctx, url, cfg); err != nil {
		return err
	}
	cfg.Progress("bringing the schema up to date")
	if err := c.DB.Migrate(ctx); err != nil {
		return err
	}
	if c.Keyring, err = establishKeyring(ctx, c.DB, cfg); err != nil {
		return err
	}
	if c.InstallationID, err = c.DB.InstallationID(ctx); err != nil {
		return fmt.Errorf("reading the installation id: %w", err)
	}
	if err := c.openAudit(ctx, cfg, role); err != nil {
		return err
	}
	if role == Server {
		c.Signer, err = signing.Open(ctx, c.DB, c.Keyring, cfg.Logger)
	}
	return err
}

// openAudit puts a server's acts on the audit chain of its data directory. Everything before, and all that verbs do, goes
// to the console's.
func (c *Core) openAudit(ctx context.Context, cfg Config, role Role) error {
	if role == Server {
		chain, err := audit.OwnChain(cfg.DataDir)
		if err != nil {
			return fmt.Errorf("naming the audit chain: %w", err)
		}
		if err := c.DB.AuditChainCreate(ctx, chain); err != nil {
			return fmt.Errorf("beginning the audit chain: %w", err)
		}
		c.DB = c.DB.OnChain(chain)
	}
	var err error
	c.Audit, err = audit.NewKeeper(c.DB, c.Keyring, cfg.DataDir, nil)
	return err
}

// StartPostgres starts the embedded PostgreSQL of a configuration, for several cores to stand on. The caller closes it.
func StartPostgres(ctx context.Context, cfg Config) (*pgembed.Server, error) {
	return embedded(ctx, cfg, pgembed.Start)
}

func embedded(
	ctx context.Context, cfg Config, start func(context.Context, pgembed.Config) (*pgembed.Server, error),
) (*pgembed.Server, error) {
	server, err := start(ctx, pgembed.Config{
		DataDir: cfg.DataDir, Binaries: cfg.Binaries, Logger: cfg.Logger, Progress: cfg.Progress,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the embedded PostgreSQL: %w", err)
	}
	return server, nil
}

// connect waits for a database that is not up yet, since machines and containers start in any order; one that answers
// and refuses is an error at once.
func connect(ctx context.Context, url string, cfg Config) (*db.Store, error) {
	cfg.Progress("connecting to the database")
	for {
		store, err := db.Open(ctx, url, db.Options{MaxConns: cfg.MaxConns})
		if err == nil {
			return store, nil
		}
		if !db.IsUnavailable(err) {
			return nil, fmt.Errorf("%w; check the option “database”", err)
		}
		cfg.Progress("waiting for the database: " + err.Error())
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; start PostgreSQL, or check the option “database”", err)
		case <-time.After(retryEvery):
		}
	}
}

const retryEvery = 500 * time.Millisecond

// Explain replaces err by the reason when a borrowed PostgreSQL stopped while it was used.
func (c *Core) Explain(err error) error {
	if c.embedded == nil {
		return err
	}
	return c.embedded.Explain(err)
}

// Close signs what the audit trail has come to, waits for the queries in flight and stops the embedded PostgreSQL if Open
// started it.
func (c *Core) Close(ctx context.Context) error {
	if c.Audit != nil {
		signCtx, cancel := context.WithTimeout(ctx, signTimeout)
		defer cancel()
		// Logged, not returned: the acts are done, and who signs next says it again.
		if _, err := c.Audit.Sign(signCtx); err != nil {
			c.logger.Error("the audit trail could not be signed", "error", err)
		}
	}
	if c.DB != nil {
		c.DB.Close()
	}
	if c.embedded == nil {
		return nil
	}
	if err := c.embedded.Close(ctx); err != nil {
		return fmt.Errorf("stopping the embedded PostgreSQL: %w", err)
	}
	return nil
}
