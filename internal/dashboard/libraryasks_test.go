package dashboard_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// asker notes the names of the queries that read and go through it.
type asker struct {
	db.DBTX
	mu    sync.Mutex
	names []string
}

func (a *asker) note(sql string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, name)
}

func (a *asker) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	a.note(sql)
	return a.DBTX.Query(ctx, sql, args...)
}

func (a *asker) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	a.note(sql)
	return a.DBTX.QueryRow(ctx, sql, args...)
}

// asked are the queries of a page, sorted.
func (b *browser) asked(t *testing.T, a *asker, in http.Header, path string) []string {
	t.Helper()
	a.mu.Lock()
	a.names = nil
	a.mu.Unlock()
	if got := b.visit(t, in, path); got.Status != 200 {
		t.Fatalf("%s: got %d %s", path, got.Status, got.Body)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.names)
	return slices.Clone(a.names)
}

// However long the trail and the library are, a page asks as many questions as when there was one of each.
func TestAuditAndLibraryAskTheSame(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	a := &asker{DBTX: b.Core.DB.Pool()}
	b.Core.DB.Queries = db.New(a)
	host := b.Register(t, "atlas.example").Host
	b.fillLibrary(t, &host)
	in := b.session(t, access.Viewer)
	paths := []string{
		"/dashboard/audit", "/dashboard/audit?host=atlas.example&q=x", "/dashboard/audit?before=2", "/dashboard/library", "/dashboard/library/command/evil.md?version=1",
		"/dashboard/library/edit?name=evil.md", "/dashboard/library/proposals", "/dashboard/library/proposal/1",
	}
	before := map[string][]string{}
	for _, path := range paths {
		before[path] = b.asked(t, a, in, path)
	}
	b.Exec(t, "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_linked")
	for _, statement := range []string{
		`INSERT INTO audit_entry (at, actor_kind, actor, action, host_id, details) SELECT now(), 'host', 'host-' || i, 'auth.retrieve', i, '{}' FROM generate_series(1, 5000) i`,
		`INSERT INTO library_file (kind, name, version, updated_at) SELECT 'command', 'c' || i || '.md', 1, now() FROM generate_series(1, 600) i`,
		`INSERT INTO library_version (file_id, number, sha256, content, author, created_at) SELECT id, 1, sha256('x'), 'x', 'ops', now() FROM library_file WHERE name LIKE 'c%'`,
		`INSERT INTO library_proposal (kind, name, sha256, content, base_version, host_id, created_at) SELECT 'command', 'p' || i || '.md', sha256('x'), 'x', 0, h.id, now() FROM generate_series(1, 90) i, host h`,
	} {
		b.Exec(t, statement)
	}
	for _, path := range paths {
		got := b.asked(t, a, in, path)
		if !slices.Equal(got, before[path]) || len(got) == 0 || len(got) > 9 { // four of which let the visitor in
			t.Errorf("%s: got queries %q, before %q", path, got, before[path])
		}
	}
}
