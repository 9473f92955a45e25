package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

const (
	day  = 24 * time.Hour
	soon = time.Microsecond // as precise as the database is
)

func (r *rig) prune(t *testing.T, inactiveAfter time.Duration) int {
	t.Helper()
	changed, err := r.Prune(t.Context(), inactiveAfter)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// pruned is why a host was pruned; empty: it was not.
func (r *rig) pruned(t *testing.T, fqdn string) string {
	t.Helper()
	return value[string](t, r, "SELECT coalesce(deleted_why, '') FROM host WHERE fqdn = $1", fqdn)
}

// endTokens makes the pending install tokens expire, without the job that deletes their keys.
func (r *rig) endTokens(t *testing.T) {
	t.Helper()
	r.exec(t, "UPDATE install_token SET expires_at = now() - interval '1 second' WHERE key_sealed IS NOT NULL")
}

func TestPrune(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	yes, no := true, false
	nothing := func(*testing.T, *rig, *fleet.Enrolment) {}
	expire := func(t *testing.T, r *rig, _ *fleet.Enrolment) { r.endTokens(t) }
	enter := func(t *testing.T, r *rig, e *fleet.Enrolment) { r.endTokens(t); r.mustEnter(t, e.Key, home) }
	claim := func(t *testing.T, r *rig, e *fleet.Enrolment) {
		if _, _, err := r.Claim(t.Context(), e.Token, home); err != nil {
			t.Error(err)
		}
	}
	update := func(after time.Duration) func(*testing.T, *rig, *fleet.Enrolment) {
		return func(t *testing.T, r *rig, e *fleet.Enrolment) {
			r.endTokens(t)
			r.clock.pass(after)
			if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{VIP: &yes}, operator); err != nil {
				t.Error(err)
			}
			r.clock.pass(-after)
		}
	}
	for name, c := range map[string]struct {
		registration fleet.Registration
		before       func(*testing.T, *rig, *fleet.Enrolment)
		passes       time.Duration
		inactive     time.Duration
		want         string
	}{
		"just registered":                       {before: nothing, want: ""},
		"its token pending":                     {before: nothing, passes: 29 * day, inactive: 30 * day, want: ""},
		"its token pending, for ages":           {before: nothing, passes: 90 * day, inactive: 30 * day, want: ""},
		"its token expired":                     {before: expire, passes: 30 * time.Minute, want: ""},
		"its token expired, after half an hour": {before: expire, passes: 30*time.Minute + soon, want: "unprovisioned"},
		"its token expired and swept": {before: func(t *testing.T, r *rig, _ *fleet.Enrolment) {
			r.endTokens(t)
			if n, err := r.ExpireTokens(t.Context()); n != 1 || err != nil {
				t.Errorf("got %d tokens expired, %v", n, err)
			}
		}, passes: time.Hour, want: "unprovisioned"},
		// An installed machine that is switched on tomorrow must not have lost its key meanwhile.
		"its token claimed":            {before: claim, passes: day, inactive: 30 * day, want: ""},
		"its token claimed, month ago": {before: claim, passes: 30*day + soon, inactive: 30 * day, want: "inactive"},
		"changed lately":               {before: update(20 * time.Minute), passes: 45 * time.Minute, want: ""},
		"changed half an hour ago":     {before: update(20 * time.Minute), passes: 51 * time.Minute, want: "unprovisioned"},
		"registered again": {before: func(t *testing.T, r *rig, _ *fleet.Enrolment) {
			r.clock.pass(20 * time.Minute)
			r.register(t, fleet.Registration{})
			r.endTokens(t)
			r.clock.pass(-20 * time.Minute)
		}, passes: 45 * time.Minute, want: ""},
		"switched off, never seen": {before: func(t *testing.T, r *rig, e *fleet.Enrolment) {
			r.endTokens(t)
			if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{Enabled: &no}, operator); err != nil {
				t.Error(err)
			}
			_, err := r.enter(t, e.Key, home)
			is(t, "a refused contact", err, fleet.ErrHostDisabled)
		}, passes: time.Hour, want: "unprovisioned"},
		"tried by a stranger": {before: func(t *testing.T, r *rig, e *fleet.Enrolment) {
			r.endTokens(t)
			r.exec(t, "UPDATE host SET allow_from = '{203.0.113.0/24}'")
			_, err := r.enter(t, e.Key, away)
			is(t, "a refused contact", err, fleet.ErrIPMismatch)
		}, passes: time.Hour, want: "unprovisioned"},

		"seen once": {before: enter, passes: day, inactive: 30 * day, want: ""},
		"seen at its own address": {before: func(t *testing.T, r *rig, e *fleet.Enrolment) {
			r.exec(t, "UPDATE host SET bound_ip = $1", home)
			enter(t, r, e)
		}, passes: day, inactive: 30 * day, want: ""},
		"silent for as long":          {before: enter, passes: 30 * day, inactive: 30 * day, want: ""},
		"silent for longer":           {before: enter, passes: 30*day + soon, inactive: 30 * day, want: "inactive"},
		"silent, and nobody minds":    {before: enter, passes: 3650 * day, want: ""},
		"silent, but changed":         {before: func(t *testing.T, r *rig, e *fleet.Enrolment) { enter(t, r, e); update(20*day)(t, r, e) }, passes: 40 * day, inactive: 30 * day, want: ""},
		"silent, a new token pending": {before: func(t *testing.T, r *rig, e *fleet.Enrolment) { enter(t, r, e); r.register(t, fleet.Registration{}) }, passes: 40 * day, inactive: 30 * day, want: ""},

		"temporary":                    {registration: fleet.Registration{Temporary: &yes}, before: expire, passes: 2*time.Hour - soon, want: ""},
		"temporary, after two hours":   {registration: fleet.Registration{Temporary: &yes}, before: expire, passes: 2 * time.Hour, want: "expired"},
		"temporary, its token pending": {registration: fleet.Registration{Temporary: &yes}, before: nothing, passes: 2 * time.Hour, want: "expired"},
		"temporary, seen": {registration: fleet.Registration{Temporary: &yes}, before: func(t *testing.T, r *rig, e *fleet.Enrolment) {
			r.clock.pass(time.Hour)
			enter(t, r, e)
			r.clock.pass(-time.Hour)
		}, passes: 3*time.Hour - soon, inactive: time.Minute, want: "inactive"},
		"temporary, seen, after two hours": {registration: fleet.Registration{Temporary: &yes}, before: enter, passes: 2 * time.Hour, inactive: time.Minute, want: "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			r.exec(t, "DELETE FROM host")
			e := r.register(t, c.registration)
			c.before(t, r, e)
			r.clock.pass(c.passes)
			idle, err := r.Idle(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if days := int(c.inactive / day); days > 0 && (idle.Due(days) == 1) != (c.want == "inactive") {
				t.Errorf("got %d hosts said to go after %d days", idle.Due(days), days)
			}
			if n := idle.Due(0); n != 0 {
				t.Errorf("got %d hosts said to go without a limit, want none", n)
			}
			changed := r.prune(t, c.inactive)
			if got := r.pruned(t, e.Host.FQDN); got != c.want || (changed == 1) != (c.want != "") {
				t.Errorf("got pruned as %q with %d changed, want %q", got, changed, c.want)
			}
			if again := r.prune(t, c.inactive); again != 0 {
				t.Errorf("got %d changed in the next pass, want none", again)
			}
		})
	}
}

func TestPrunedHostIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	host := r.mustEnter(t, e.Key, home)
	r.endTokens(t)
	r.clock.pass(31 * day)
	r.prune(t, 30*day)

	_, err := r.enter(t, e.Key, home)
	is(t, "its key", err, fleet.ErrKeyInvalid)
	_, err = r.ByFQDN(t.Context(), host.FQDN)
	is(t, "a look-up", err, fleet.ErrHostNotFound)
	if page, err := r.List(t.Context(), fleet.Query{}); err != nil || len(page.Hosts) != 0 {
		t.Errorf("got %+v listed, %v; want none", page, err)
	}
	_, err = r.Update(t.Context(), host.ID, fleet.Change{}, operator)
	is(t, "a change", err, fleet.ErrHostNotFound)
	// Whoever was let in just before the pass gets no further.
	_, err = r.RecordContact(t.Context(), host, home, fleet.Contact{})
	is(t, "its call", err, fleet.ErrKeyInvalid)
	_, err = r.SeeUser(t.Context(), host, home, "root", "")
	is(t, "its user", err, fleet.ErrKeyInvalid)

	again := r.register(t, fleet.Registration{})
	if again.Host.ID != host.ID || again.Host.DeletedAt != nil {
		t.Errorf("got %+v registered again, want the host it was", again.Host)
	}
	r.mustEnter(t, again.Key, away)
	_, err = r.enter(t, e.Key, home)
	is(t, "its old key", err, fleet.ErrKeyInvalid)
}

func TestPruneIsAudited(t *testing.T) {
	t.Parallel()
	yes := true
	r := newRig(t)
	inactive, _ := r.register(t, fleet.Registration{FQDN: "inactive.example"}), r.register(t, fleet.Registration{FQDN: "unprovisioned.example"})
	r.register(t, fleet.Registration{FQDN: "expired.example", Temporary: &yes})
	r.endTokens(t)
	r.clock.pass(time.Minute)
	r.mustEnter(t, inactive.Key, home)
	r.clock.pass(31 * day)
	if n := r.prune(t, 30*day); n != 3 {
		t.Errorf("got %d changed, want 3", n)
	}
	r.clock.pass(8 * day)
	if n := r.prune(t, 30*day); n != 3 {
		t.Errorf("got %d changed, want 3", n)
	}
	for fqdn, want := range map[string]string{
		"expired.example":       `{"fqdn": "expired.example", "reason": "expired", "created_at": "2026-01-05T10:00:00+00:00", "expires_at": "2026-01-05T12:00:00+00:00"}`,
		"unprovisioned.example": `{"fqdn": "unprovisioned.example", "reason": "unprovisioned", "created_at": "2026-01-05T10:00:00+00:00"}`,
		"inactive.example": `{"fqdn": "inactive.example", "reason": "inactive", "created_at": "2026-01-05T10:00:00+00:00",
			"last_contact": "2026-01-05T10:01:00+00:00"}`,
	} {
		const query = `SELECT count(*)::int FROM audit_entry WHERE action = $1 AND actor_kind = 'gateway' AND actor = 'cdxgate' AND ip IS NULL
			AND host_id IS NOT NULL AND at = $2 AND details = $3::jsonb`
		if n := value[int](t, r, query, audit.ActionHostPruned, r.clock.Now().Add(-8*day), want); n != 1 {
			t.Errorf("%s: got %d entries about the pruning, want 1", fqdn, n)
		}
		if n := value[int](t, r, query, audit.ActionHostPurged, r.clock.Now(), fmt.Sprintf(`{"fqdn": %q}`, fqdn)); n != 1 {
			t.Errorf("%s: got %d entries about the removal, want 1", fqdn, n)
		}
	}

	r.register(t, fleet.Registration{})
	r.endTokens(t)
	r.clock.pass(day)
	r.exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for records'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if _, err := r.Prune(t.Context(), 0); err == nil || r.pruned(t, "build7.example") != "" {
		t.Errorf("got %v: a host was pruned without a record", err)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	yes := true
	r := newRig(t)
	e, live := r.register(t, fleet.Registration{Temporary: &yes}), r.register(t, fleet.Registration{FQDN: "live.example"})
	r.mustEnter(t, e.Key, home)
	r.mustEnter(t, live.Key, home)
	r.clock.pass(3 * time.Hour)
	if n := r.prune(t, 0); n != 1 {
		t.Fatalf("got %d pruned, want the temporary one", n)
	}
	r.clock.pass(7 * day)
	if n := r.prune(t, 0); n != 0 {
		t.Errorf("got %d removed after a week, want none yet", n)
	}
	restored, err := r.Restore(t.Context(), " BUILD7.example. ", operator)
	if err != nil || restored.ID != e.Host.ID || restored.DeletedAt != nil {
		t.Fatalf("got %+v, %v", restored, err)
	}
	r.mustEnter(t, e.Key, home)
	_, err = r.enter(t, e.Key, away)
	is(t, "from elsewhere", err, fleet.ErrIPMismatch)
	if n := r.prune(t, 30*day); n != 0 {
		t.Errorf("got %d pruned again right away", n)
	}
	for name, want := range map[string]error{
		"build7.example": fleet.ErrHostNotFound, // it is no pruned one any more
		"live.example":   fleet.ErrHostNotFound,
		"none.example":   fleet.ErrHostNotFound,
		"-":              errs.Field("fqdn", ""),
	} {
		_, err := r.Restore(t.Context(), name, operator)
		is(t, name, err, want)
	}
	if n := r.entries(t, audit.ActionHostRestore); n != 1 {
		t.Errorf("got %d audit entries, want 1", n)
	}
}

// After a week the row goes, and everything that belongs to the host; what it did stays on record.
func TestPurge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	host := r.mustEnter(t, e.Key, home)
	if _, err := r.SeeUser(t.Context(), host, home, "root", ""); err != nil {
		t.Fatal(err)
	}
	r.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, source_host_id, created_at)
		VALUES (gen_random_uuid(), 1, 1, gen_random_uuid(), decode(repeat('ab', 32), 'hex'), 'sealed', 'x', now(), 'host', $1, now())`, host.ID)
	r.exec(t, "INSERT INTO delivery (host_id, generation_id, mode, delivered_at) SELECT $1, id, 'full', now() FROM generation", host.ID)
	r.exec(t, `INSERT INTO usage_ingest (host_id, at, entries, total, body_sha256) VALUES ($1, now(), 1, 5, decode(repeat('ab', 32), 'hex'))`, host.ID)
	r.exec(t, "INSERT INTO usage_entry (ingest_id, host_id, at, total) SELECT id, host_id, at, 5 FROM usage_ingest")
	r.exec(t, `INSERT INTO library_proposal (kind, name, sha256, content, base_version, host_id, created_at)
		VALUES ('command', 'a.md', decode(repeat('ab', 32), 'hex'), 'x', 0, $1, now())`, host.ID)
	trail := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE host_id = $1", host.ID)

	r.endTokens(t)
	r.clock.pass(31 * day)
	r.prune(t, 30*day)
	r.clock.pass(7*day + soon)
	if n := r.prune(t, 30*day); n != 1 {
		t.Errorf("got %d removed, want 1", n)
	}
	for table, want := range map[string]int{
		"host": 0, "install_token": 0, "delivery": 0, "host_user": 0, "library_proposal": 0,
		"generation": 1, "usage_ingest": 1, "usage_entry": 1, "audit_entry": trail + 2,
	} {
		if got := value[int](t, r, "SELECT count(*)::int FROM "+table); got != want {
			t.Errorf("got %d rows in %s, want %d", got, table, want)
		}
	}
	_, err := r.Restore(t.Context(), host.FQDN, operator)
	is(t, "restoring", err, fleet.ErrHostNotFound)
}

// A reload starts the jobs of the new configuration before those of the old one end.
func TestPrunePassesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const hosts = 501 // one more than a pass takes
	r.exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
		SELECT 1, 'h' || n, sha256(n::text::bytea), '00000000', $1, $1 FROM generate_series(1, $2::int) n`, r.clock.Now(), hosts)
	atOnce := func() (sum int) {
		changed := make([]int, 4)
		for last := -1; sum != last; {
			last = sum
			failures := everybody(len(changed), func(i int) (err error) {
				changed[i], err = r.Prune(t.Context(), 0)
				return err
			})
			if err := errors.Join(failures...); err != nil {
				t.Fatal(err)
			}
			for _, n := range changed {
				sum += n
			}
		}
		return sum
	}
	for _, c := range []struct {
		passes time.Duration
		action string
	}{{time.Hour, audit.ActionHostPruned}, {8 * day, audit.ActionHostPurged}} {
		r.clock.pass(c.passes)
		if n := atOnce(); n != hosts {
			t.Errorf("%s: got %d changed, want %d", c.action, n, hosts)
		}
		got := value[string](t, r, "SELECT count(*) || ' about ' || count(DISTINCT host_id) FROM audit_entry WHERE action = $1", c.action)
		if want := fmt.Sprintf("%d about %d", hosts, hosts); got != want {
			t.Errorf("%s: got %s entries, want %s", c.action, got, want)
		}
	}
}

func TestPruneTakesABatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
		SELECT 1, 'h' || n, sha256(n::text::bytea), '00000000', $1, $1 FROM generate_series(1, 501) n`, r.clock.Now())
	for _, step := range []struct {
		passes time.Duration
		want   int
	}{{0, 0}, {time.Hour, 500}, {0, 1}, {0, 0}, {8 * day, 500}, {0, 1}, {0, 0}} {
		r.clock.pass(step.passes)
		if n := r.prune(t, 0); n != step.want {
			t.Errorf("after %v: got %d changed, want %d", step.passes, n, step.want)
		}
	}
}

// Of a restoration and the removal at the same time one happens.
func TestRestoreOrPurge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 10 {
		r.exec(t, "DELETE FROM host")
		e := r.register(t, fleet.Registration{})
		r.endTokens(t)
		r.clock.pass(time.Hour)
		r.prune(t, 0)
		r.clock.pass(8 * day)
		failures := everybody(2, func(i int) error {
			if i == 0 {
				_, err := r.Prune(t.Context(), 0)
				return err
			}
			_, err := r.Restore(t.Context(), e.Host.FQDN, operator)
			return err
		})
		_, entered := r.enter(t, e.Key, home)
		if failures[0] != nil || (failures[1] == nil) != (entered == nil) || (failures[1] != nil && !errors.Is(failures[1], fleet.ErrHostNotFound)) {
			t.Errorf("got %v from the restoration, then %v at the door", failures, entered)
		}
	}
}

// A host that comes, or is given a new key, while a pass is under way is not what the pass saw any more. The pass is
// held where it has looked and not yet locked.
func TestComingDuringAPass(t *testing.T) {
	t.Parallel()
	for name, come := range map[string]func(context.Context, *rig, *fleet.Enrolment) error{
		"a contact": func(ctx context.Context, r *rig, e *fleet.Enrolment) error {
			_, err := r.authenticate(ctx, e.Key.Reveal(), home)
			return err
		},
		"a new key": func(ctx context.Context, r *rig, e *fleet.Enrolment) error {
			_, err := r.Register(ctx, fleet.Registration{FQDN: e.Host.FQDN, Rekey: true}, operator)
			return err
		},
		"a change": func(ctx context.Context, r *rig, e *fleet.Enrolment) error {
			_, err := r.Update(ctx, e.Host.ID, fleet.Change{Unbind: true}, operator)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.register(t, fleet.Registration{FQDN: "pending.example"}) // whose token the pass looks at
			e, other := r.register(t, fleet.Registration{}), r.register(t, fleet.Registration{FQDN: "other.example"})
			r.exec(t, "UPDATE install_token SET expires_at = now() - interval '1 second' WHERE host_id IN ($1, $2)", e.Host.ID, other.Host.ID)
			r.clock.pass(time.Hour)
			r.exec(t, `ALTER TABLE install_token RENAME TO token_table;
				CREATE FUNCTION hold() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN
					IF current_query() LIKE '%name: HostPrune %' THEN PERFORM pg_advisory_xact_lock(1); END IF;
					RETURN true;
				END $$;
				CREATE VIEW install_token AS SELECT * FROM token_table WHERE hold()`)
			conn, err := r.store.Pool().Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
				t.Fatal(err)
			}
			passed := make(chan error, 1)
			go func() {
				_, err := r.Prune(t.Context(), 0)
				passed <- err
			}()
			for held := 0; held == 0; {
				select {
				case err := <-passed:
					t.Fatalf("the pass was not held: %v", err)
				case <-time.After(10 * time.Millisecond):
				}
				held = value[int](t, r, `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
			}
			came := come(t.Context(), r, e)
			if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_unlock(1)"); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(came, <-passed); err != nil {
				t.Fatal(err)
			}
			if got := r.pruned(t, e.Host.FQDN); got != "" {
				t.Errorf("got pruned as %s", got)
			}
			if got := r.pruned(t, other.Host.FQDN); got != "unprovisioned" {
				t.Errorf("got the other pruned as %q, want unprovisioned", got)
			}
			if n := r.entries(t, audit.ActionHostPruned); n != 1 {
				t.Errorf("got %d audit entries, want 1", n)
			}
		})
	}
}
