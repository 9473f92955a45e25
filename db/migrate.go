package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

const versionTable = "public.schema_version"

// ErrNewer means that the database was migrated by a newer cdxgate.
var ErrNewer = errors.New("the database was made by a newer cdxgate")

// Migrate brings the schema up to this binary, one migration a transaction, under an advisory lock: of several gateways
// that start together one works and the others wait. A database newer than the binary is refused, untouched.
func (s *Store) Migrate(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("migrating the database: %w", oneLine(err))
	}
	defer conn.Release()
	// A migration may take its time, and so may waiting for another gateway's.
	if err := setTimeouts(ctx, conn.Conn(), 0); err != nil {
		return fmt.Errorf("migrating the database: %w", oneLine(err))
	}
	defer func() { _ = setTimeouts(ctx, conn.Conn(), statementTimeout) }()

	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	migrator, err := migrate.NewMigrator(ctx, conn.Conn(), versionTable)
	if err != nil {
		return fmt.Errorf("migrating the database: %w", oneLine(err))
	}
	if err := migrator.LoadMigrations(files); err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	found, err := migrator.GetCurrentVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema version: %w", oneLine(err))
	}
	if newest := int32(len(migrator.Migrations)); found > newest { //nolint:gosec // a handful of files
		return fmt.Errorf("%w: its schema is %d, this binary knows %d; run the newer cdxgate again, or restore a backup from before its upgrade", ErrNewer, found, newest)
	}
	if err := migrator.Migrate(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", oneLine(err))
	}
	return nil
}

// SchemaVersion is how many migrations the database has seen.
func (s *Store) SchemaVersion(ctx context.Context) (int, error) {
	var version int
	if err := s.pool.QueryRow(ctx, "SELECT version FROM "+versionTable).Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the schema version: %w", err)
	}
	return version, nil
}
