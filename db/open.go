// Package db is everything that speaks SQL: the queries that sqlc generates from queries/, the migrations that are the
// schema, one transaction helper, and the connection pool under them.
package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Store is a database: its queries, each on whichever connection is free, and transactions over them.
type Store struct {
	*Queries
	pool  *pgxpool.Pool
	chain string
}

// Options of Open. The zero value is right for one gateway.
type Options struct {
	MaxConns int32 // Default: 8; four already saturate two cores
}

const (
	defaultMaxConns   = 8
	connectTimeout    = 5 * time.Second
	statementTimeout  = 15 * time.Second // a query of ours that takes longer is stuck
	oldestServerMajor = 14
)

// Open connects to the PostgreSQL at url, a connection string as libpq understands it, and proves that it answers.
// Errors are one line and never hold the password.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the database URL: %w", redact(err))
	}
	for _, host := range hosts(config.ConnConfig) {
		if strings.Contains(host, "@") {
			// The rest of a password that was not escaped; connecting would print it as a host.
			return nil, errors.New("reading the database URL: an @ in the password must be written as %40")
		}
	}
	config.MaxConns = opts.MaxConns
	if config.MaxConns == 0 {
		config.MaxConns = defaultMaxConns
	}
	config.MinConns = min(2, config.MaxConns)
	config.MaxConnLifetimeJitter = 5 * time.Minute
	config.ConnConfig.ConnectTimeout = connectTimeout
	if _, set := config.ConnConfig.RuntimeParams["application_name"]; !set {
		config.ConnConfig.RuntimeParams["application_name"] = "cdxgate"
	}
	// Set after connecting, not while: poolers such as PgBouncer refuse start-up parameters they do not know.
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return setTimeouts(ctx, conn, statementTimeout) }

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", oneLine(err))
	}
	var major int
	if err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&major); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to the database: %w", oneLine(err))
	}
	if major < oldestServerMajor {
		pool.Close()
		return nil, fmt.Errorf("the database runs PostgreSQL %d; cdxgate needs %d or newer", major, oldestServerMajor)
	}
	return &Store{Queries: New(pool), pool: pool, chain: ChainConsole}, nil
}

// hosts are the places a configuration names, in the order they are tried.
func hosts(config *pgx.ConnConfig) []string {
	all := []string{config.Host}
	for _, fallback := range config.Fallbacks {
		all = append(all, fallback.Host)
	}
	return all
}

// setTimeouts bounds every statement, and how long a transaction may sit idle: an abandoned one would hold the row lock
// of a credential for ever. 0 lifts both.
func setTimeouts(ctx context.Context, conn *pgx.Conn, limit time.Duration) error {
	ms := limit.Milliseconds()
	_, err := conn.Exec(ctx, fmt.Sprintf("SET statement_timeout = %d; SET idle_in_transaction_session_timeout = %d", ms, ms))
	return err
}

// Close waits for the connections in use and closes them all.
func (s *Store) Close() { s.pool.Close() }

// Pool is the pool itself, for statistics and for tests.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// IsUnavailable reports whether err means that the database cannot be reached or is going down, as opposed to a
// statement it refused: the caller should try again later.
func IsUnavailable(err error) bool {
	if err == nil {
		return false
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		// 08: connection; 57P: shutdown, crash; 53: out of connections, memory, disk; 57014, 25P03: our own time limits;
		// 25006: a standby.
		return strings.HasPrefix(refused.Code, "08") || strings.HasPrefix(refused.Code, "57P") ||
			strings.HasPrefix(refused.Code, "53") || slices.Contains([]string{"57014", "25P03", "25006"}, refused.Code)
	}
	var netErr *net.OpError // not net.Error, which every errno of the system is too
	var connectErr *pgconn.ConnectError
	return errors.As(err, &netErr) || errors.As(err, &connectErr) || pgconn.Timeout(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgx.ErrTxClosed) || strings.Contains(err.Error(), "closed pool") || pgconn.SafeToRetry(err) ||
		strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "conn closed")
}

// IsUniqueViolation reports whether err is the refusal of a second row where only one may be.
func IsUniqueViolation(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == "23505"
}

// IsNoRows reports whether err says that a query of one row found none.
func IsNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// oneLine keeps the causes and joins the lines that pgx prints for each attempt; it tries an address twice, with and
// without TLS.
func oneLine(err error) error { return &lineError{err} }

type lineError struct{ error }

func (e *lineError) Unwrap() error { return e.error }

func (e *lineError) Error() string {
	var lines []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.Join(strings.Fields(line), " "); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// redact drops everything but the reason from a parse error: the connection string in it may hold a password.
func redact(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return errors.New(strings.TrimSpace(text[i+3:]))
	}
	return errors.New("it is no connection string; want postgres://user:password@host/database")
}
