package db_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

// everything is what a schema consists of, as one text: tables, columns, constraints, indexes.
const everything = `
SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
	SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS line FROM information_schema.columns WHERE table_schema = 'public'
	UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
) AS lines`

func TestMigrateEmpty(t *testing.T) {
	t.Parallel()
	store := open(t, dbtest.URL(t), db.Options{})
	if got := one[string](t, store, everything); got != "" {
		t.Fatalf("got %q in a new database, want nothing", got)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	version, err := store.SchemaVersion(t.Context())
	if err != nil || version < 1 {
		t.Errorf("got schema version %d, %v; want at least 1", version, err)
	}
	schema := one[string](t, store, everything)
	for _, table := range []string{"host.", "install_token.", "generation.", "audit_entry.", "admin_ca.", "seal_key."} {
		if !strings.Contains(schema, table) {
			t.Errorf("got no table %s", table)
		}
	}
	id := one[string](t, store, "SELECT id::text FROM installation")
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("migrating again: %v", err)
	}
	if again := one[string](t, store, everything); again != schema {
		t.Errorf("migrating again changed the schema from\n%s\nto\n%s", schema, again)
	}
	if again := one[string](t, store, "SELECT id::text FROM installation"); again != id {
		t.Errorf("migrating again changed the installation's id from %s to %s", id, again)
	}
}

func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	const migrators = 4
	stores := make([]*db.Store, migrators)
	for i := range stores {
		stores[i] = open(t, url, db.Options{MaxConns: 1})
	}
	failures := make([]error, migrators)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, store := range stores {
		all.Go(func() {
			<-start
			failures[i] = store.Migrate(t.Context())
		})
	}
	close(start)
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Errorf("got %v, want every gateway to find the schema made", err)
	}
	if got := one[int](t, stores[0], "SELECT count(*)::int FROM account"); got != 1 {
		t.Errorf("got %d accounts, want the one that a migration makes", got)
	}
}

func TestMigrateRefusesNewer(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	exec(t, store, "UPDATE schema_version SET version = version + 1")
	exec(t, store, "DROP TABLE delivery") // which an older binary that went on would miss
	before, version := one[string](t, store, everything), one[int](t, store, "SELECT version FROM schema_version")

	err := store.Migrate(t.Context())
	if !errors.Is(err, db.ErrNewer) {
		t.Fatalf("got %v, want %v", err, db.ErrNewer)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "run the newer cdxgate again") {
		t.Errorf("got %q, want one line that says what to do", text)
	}
	if after := one[string](t, store, everything); after != before {
		t.Errorf("the schema changed from\n%s\nto\n%s", before, after)
	}
	if after := one[int](t, store, "SELECT version FROM schema_version"); after != version {
		t.Errorf("the version changed from %d to %d", version, after)
	}
}

// migratedTo is a database as a gateway of before left it.
func migratedTo(t *testing.T, version int32) *db.Store {
	t.Helper()
	url := dbtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	migrator, err := migrate.NewMigrator(t.Context(), conn, "public.schema_version")
	if err == nil {
		err = migrator.LoadMigrations(os.DirFS("migrations"))
	}
	if err == nil {
		err = migrator.MigrateTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
	return open(t, url, db.Options{})
}

// Usage of before 016 is in the sums by day, that of hosts that are gone and that without a model or numbers included.
func TestMigrateFrom015(t *testing.T) {
	t.Parallel()
	store := migratedTo(t, 15)
	exec(t, store, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
		VALUES (1, 'a.example', decode(repeat('ab', 32), 'hex'), 'abababab', now(), now())`)
	exec(t, store, `INSERT INTO usage_ingest (host_id, at, entries, body_sha256) VALUES (1, '2026-01-01', 1, sha256('x'))`)
	exec(t, store, `INSERT INTO usage_entry (ingest_id, host_id, at, total, model, cost) VALUES
		(1, 1, '2026-01-01 23:59:59.999999Z', 9223372036854775807, 'm', 0.5), (1, 1, '2026-01-01 00:00:00Z', 9223372036854775807, 'm', NULL),
		(1, NULL, '2026-01-02 00:30:00+01:00', 3, NULL, NULL), (1, 1, '2026-01-02 00:00:00Z', NULL, NULL, NULL)`)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "2026-01-01  1 1 0 3 0, 2026-01-01 m 2 2 1 18446744073709551614 0.500000, 2026-01-02  1 0 0 0 0"
	if got := one[string](t, store, "SELECT string_agg(concat_ws(' ', day, model, entries, counted, priced, total, cost), ', ' ORDER BY day, model) FROM usage_day"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := one[string](t, store, "SELECT string_agg(concat_ws(' ', day, host_id, model, username, total), ', ' ORDER BY day, host_id) FROM usage_host_day"); got != "2026-01-01 0   3, 2026-01-01 1 m  18446744073709551614, 2026-01-02 1   0" {
		t.Errorf("got %s", got)
	}
	exec(t, store, "DELETE FROM usage_ingest")
	if n := one[int64](t, store, "SELECT (SELECT count(*) FROM usage_day) + (SELECT count(*) FROM usage_host_day)"); n != 0 {
		t.Errorf("got %d sums of nothing", n)
	}
}

// A certificate of before there were roles could do everything, and still can; a new one must say.
func TestMigrateFrom008(t *testing.T) {
	t.Parallel()
	store := migratedTo(t, 8)
	exec(t, store, `INSERT INTO admin_ca (id, cert_pem, key_sealed, spki_sha256) VALUES (gen_random_uuid(), 'pem', 'sealed', decode(repeat('ab', 32), 'hex'));
		INSERT INTO admin_cert (ca_id, name, serial, spki_sha256, not_after, created_at) SELECT id, 'alice', '1', spki_sha256, now(), now() FROM admin_ca`)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	spki := bytes.Repeat([]byte{0xab}, 32)
	if cert, err := store.AdminCertBySPKI(t.Context(), spki); err != nil || cert.Role != "owner" || cert.Revoked {
		t.Errorf("got %+v, %v; want an owner's", cert, err)
	}
	if _, err := store.Pool().Exec(t.Context(), `INSERT INTO admin_cert (ca_id, name, serial, spki_sha256, not_after, created_at)
		SELECT id, 'bob', '2', decode(repeat('cd', 32), 'hex'), now(), now() FROM admin_ca`); err == nil {
		t.Error("got a certificate without a role")
	}
}

// A host of before has none of what 007 lets admins set, and can be changed.
func TestMigrateFrom006(t *testing.T) {
	t.Parallel()
	store := migratedTo(t, 6)
	exec(t, store, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, bound_ip, created_at, updated_at)
		VALUES (1, 'old.example', decode(repeat('ab', 32), 'hex'), 'abababab', '2001:db8::1', now(), now())`)
	before := one[string](t, store, "SELECT to_jsonb(host)::text FROM host")
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	host, err := store.HostByFQDN(t.Context(), "old.example")
	if err != nil || host.ForceIPv4 || host.ModelOverride != nil || host.ReasoningEffortOverride != nil ||
		string(host.Labels) != "{}" || host.Note != "" || len(host.PreviousFQDNs) != 0 || host.NextKeySHA256 != nil || host.KeyUntil != nil {
		t.Errorf("got %+v, %v; want nothing set", host, err)
	}
	if after := one[string](t, store, "SELECT (to_jsonb(host) - '{force_ipv4,model_override,reasoning_effort_override,labels,note,previous_fqdns,next_key_sha256,next_key_prefix,next_key_sealed,key_until}'::text[])::text FROM host"); after != before {
		t.Errorf("got row\n%s\nwant\n%s", after, before)
	}
	changed, err := store.HostUpdate(t.Context(), db.HostUpdateParams{ID: host.ID, Now: time.Now(), ForceIPv4: new(true), ModelOverride: new("o3")})
	if err != nil || !changed.ForceIPv4 || *changed.ModelOverride != "o3" || changed.ReasoningEffortOverride != nil {
		t.Errorf("got %+v, %v", changed, err)
	}
}

// A migration may wait for another gateway's longer than a statement may take, so it lifts the limit; it must not leave
// the connection without one.
func TestMigrateLeavesTheTimeLimits(t *testing.T) {
	t.Parallel()
	store := open(t, dbtest.URL(t), db.Options{MaxConns: 1})
	limits := "SELECT current_setting('statement_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout')"
	before := one[string](t, store, limits)
	if before != "15s 15s" {
		t.Errorf("got limits %s, want 15s 15s", before)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := one[string](t, store, limits); after != before {
		t.Errorf("got limits %s after a migration, want %s", after, before)
	}
}

func TestMigrateIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	store := open(t, dbtest.URL(t), db.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Migrate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("migrating after an attempt that was given up: %v", err)
	}
}

func exec(t *testing.T, store *db.Store, statement string, args ...any) {
	t.Helper()
	if _, err := store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
