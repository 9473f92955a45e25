package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/policy"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var (
	operator = audit.Actor{Kind: audit.KindOperator, Name: "root"}
	then     = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
)

func newService(t *testing.T) (*policy.Service, *db.Store) {
	t.Helper()
	store := dbtest.New(t)
	return policy.New(store, func() time.Time { return then }), store
}

func load(t *testing.T, s *policy.Service) *policy.Policy {
	t.Helper()
	p, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func exec(t *testing.T, store *db.Store, statement string, args ...any) {
	t.Helper()
	if _, err := store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// value reads one value.
func value[T any](t *testing.T, store *db.Store, query string, args ...any) (v T) {
	t.Helper()
	if err := store.Pool().QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	want := map[string]string{
		"api_disabled": "false", "quota_hard_fail": "true", "quota_limit_percent": "100", "quota_week_partition": "0",
		"cdx_silent": "false", "client_version": `""`, "host_prompt_push": `"review"`, "inactivity_window_days": "30",
	}
	got := map[string]string{}
	for name, raw := range load(t, s).Values() {
		got[name] = string(raw)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if names := policy.Names(); !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("got names %q, want each of them", names)
	}
	// A default that its own rule refuses could not be set again.
	for name, text := range want {
		if err := s.Set(t.Context(), name, text, operator); err != nil {
			t.Errorf("%s = %s: %v", name, text, err)
		}
	}
	if *load(t, s) != policy.Default() {
		t.Errorf("got %+v after setting every default", *load(t, s))
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	flag := map[string]string{
		"true": "true", "false": "false", "yes": "true", "no": "false", "on": "true", "off": "false", "YES": "true", " Off\n": "false",
		"": "", "1": "", "0": "", `"true"`: "", "null": "", "maybe": "", "{}": "", "[true]": "", "true false": "", "truefalse": "",
	}
	for name, values := range map[string]map[string]string{ // :: policy → value as typed → JSON it becomes; "": refused
		"api_disabled": flag, "quota_hard_fail": flag, "cdx_silent": flag,
		"quota_limit_percent": {
			"50": "50", "90": "90", " 100 ": "100", "49": "", "101": "", "-90": "", "90.5": "", "9e1": "", `"90"`: "", "": "", "null": "",
			"90%": "", "yes": "", "on": "", "99999999999999999999": "", "0x5A": "", "050": "", "[90]": "",
		},
		"quota_week_partition": {"default": "0", "0": "0", "5": "5", "7": "7", "1": "", "6": "", "-5": "", "off": "", "": "", "null": "", "5.0": ""},
		"inactivity_window_days": {
			"0": "0", "1": "1", "60": "60", "61": "", "-1": "", "never": "", "off": "", "30d": "", "": "", "null": "", "1e1": "",
		},
		"host_prompt_push": {
			"Default": `"review"`, "off": `"off"`, "review": `"review"`, "on": `"on"`, `"on"`: `"on"`, "yes": "", "true": "", "": "", "null": "", "OFF": "", "reviews": "",
		},
		"client_version": {
			"0.63.0": `"0.63.0"`, `"0.63.0"`: `"0.63.0"`, "": `""`, `""`: `""`, "0.63.0-alpha.1+build": `"0.63.0-alpha.1+build"`, "90": `"90"`,
			strings.Repeat("9", 64): `"` + strings.Repeat("9", 64) + `"`, strings.Repeat("9", 65): "",
			"0.63.0; rm -rf /": "", "0.63.0 ": `"0.63.0"`, "0. 63": "", "$(id)": "", "../0.63": "", "0.63\n0": "", "0.63\x000": "", "0.6\xff": "",
			"é": "", "v0.63.0": "", "-1": "", "+": "", "0.63.0A": "",
			// Words that somebody might try, to unlock it: none is a version.
			"default": `""`, "off": "", "no": "", "null": "", "false": "", "newest": "", "latest": "", "none": "",
		},
	} {
		for typed, want := range values {
			before := value[int](t, store, "SELECT count(*)::int FROM audit_entry")
			exec(t, store, "DELETE FROM policy")
			err := s.Set(t.Context(), name, typed, operator)
			stored := value[string](t, store, "SELECT coalesce((SELECT value::text FROM policy WHERE name = $1), '')", name)
			entries := value[int](t, store, "SELECT count(*)::int FROM audit_entry") - before
			if want == "" {
				e := errs.Of(err)
				if err == nil || e.Kind != errs.Invalid || len(e.Fields[name]) != 1 || !strings.HasPrefix(e.Fields[name][0], name+" wants ") {
					t.Errorf("%s = %q: got %v, want a refusal about it", name, typed, err)
				}
				if stored != "" || entries != 0 {
					t.Errorf("%s = %q: refused, but got %s stored and %d audit entries", name, typed, stored, entries)
				}
				continue
			}
			if err != nil || stored != want || entries != 1 {
				t.Errorf("%s = %q: got %v, %s stored, %d audit entries; want %s and 1", name, typed, err, stored, entries, want)
				continue
			}
			if got := string(load(t, s).Values()[name]); got != want {
				t.Errorf("%s = %q: loaded as %s, want %s", name, typed, got, want)
			}
		}
	}
}

func TestSetReplacesAndIsAudited(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	for _, percent := range []string{"90", "80"} {
		if err := s.Set(t.Context(), "quota_limit_percent", percent, operator); err != nil {
			t.Fatal(err)
		}
	}
	want := policy.Default()
	want.QuotaLimitPercent = 80
	if got := *load(t, s); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got := value[string](t, store, `SELECT string_agg(actor_kind || ' ' || actor || ' ' || action || ' ' || details::text || ' ' ||
		(at = $1)::text, E'\n' ORDER BY id) FROM audit_entry`, then)
	line := `operator root admin.policy {"name": "quota_limit_percent", "value": %d, "before": %d} true`
	if want := fmt.Sprintf(line+"\n"+line, 90, 100, 80, 90); got != want {
		t.Errorf("got audit\n%s\nwant\n%s", got, want)
	}
	if at := value[time.Time](t, store, "SELECT updated_at FROM policy"); !at.Equal(then) {
		t.Errorf("got updated at %s, want the service's clock", at)
	}

	exec(t, store, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for records'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if err := s.Set(t.Context(), "api_disabled", "yes", operator); err == nil || load(t, s).APIDisabled {
		t.Errorf("got %v: a decision without its audit entry", err)
	}
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	for _, name := range []string{"", "API_DISABLED", "api_disabled ", "api-disabled", "quota", "'; DROP TABLE policy; --", "APIDisabled"} {
		err := s.Set(t.Context(), name, "true", operator)
		if e := errs.Of(err); !errors.Is(err, policy.ErrUnknown) || e.Details["name"] != name || len(e.Details["known"].([]string)) != len(policy.Names()) {
			t.Errorf("%q: got %v, want %v that tells the known ones", name, err, policy.ErrUnknown)
		}
	}
	if n := value[int](t, store, "SELECT (SELECT count(*) FROM policy)::int + (SELECT count(*) FROM audit_entry)::int"); n != 0 {
		t.Errorf("got %d rows, want none", n)
	}
}

// What a newer gateway keeps beside this one is not for us; what we know and cannot read is no default.
func TestRowsOfOthers(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	exec(t, store, `INSERT INTO policy (name, value, updated_at) VALUES ('model_override', '{"a":[1]}', now()), ('api_disabled', 'true', now())`)
	want := policy.Default()
	want.APIDisabled = true
	if got := *load(t, s); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, broken := range map[string][]string{
		"api_disabled": {`"yes"`, "1", "null", "[]"}, "quota_limit_percent": {"10", `"90"`, "90.5", "null"}, "quota_week_partition": {"6"},
		"inactivity_window_days": {"-1", "61"}, "host_prompt_push": {`"queue"`, "true", "null"}, "client_version": {`"newest"`, "5", "null"},
	} {
		for _, raw := range broken {
			exec(t, store, "DELETE FROM policy")
			exec(t, store, "INSERT INTO policy (name, value, updated_at) VALUES ($1, $2, now())", name, json.RawMessage(raw))
			p, err := s.Load(t.Context())
			// A fault of ours: called invalid, it would be the request of the host that is told so.
			if err == nil || p != nil || errs.Of(err).Kind != errs.Internal || !strings.Contains(err.Error(), name) {
				t.Errorf("%s = %s: got %+v, %v; want a fault that names it", name, raw, p, err)
			}
		}
	}
	exec(t, store, "ALTER TABLE policy RENAME TO gone")
	if p, err := s.Load(t.Context()); err == nil || p != nil {
		t.Errorf("got %+v without a table, want an error", p)
	}
}

// Two admins who decide at once both do, and the trail has them in order.
func TestParallelDecisions(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := s.Set(t.Context(), "quota_limit_percent", fmt.Sprint(50+i), operator); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := value[int](t, store, "SELECT count(*)::int FROM audit_entry"); n != 50 {
		t.Errorf("got %d audit entries, want 50", n)
	}
	last := value[int](t, store, "SELECT (details->>'value')::int FROM audit_entry ORDER BY id DESC LIMIT 1")
	if got := load(t, s).QuotaLimitPercent; got != last {
		t.Errorf("got %d, want %d, the last of the trail", got, last)
	}
}

// Operators look in docs/operations.md for what they may decide.
func TestEveryPolicyIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range policy.Names() {
		if !strings.Contains(string(text), "| `"+name+"` |") {
			t.Errorf("docs/operations.md has no row for the policy %s", name)
		}
	}
}

// Several policies are decided together or not at all, and only if whoever decides agrees with what was decided before.
func TestApply(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	edits := []policy.Edit{{Name: "quota_hard_fail", Value: "false"}, {Name: "quota_limit_percent", Value: "80"}}
	disagree := errors.New("it was read before")
	_, err := s.Apply(t.Context(), edits, func(before *policy.State) error {
		if before.Policy != policy.Default() || len(before.DecidedAt) != 0 {
			t.Errorf("got %+v before", before)
		}
		return disagree
	}, operator)
	if !errors.Is(err, disagree) || *load(t, s) != policy.Default() {
		t.Errorf("got %v, %+v", err, load(t, s))
	}
	if _, err := s.Apply(t.Context(), append(edits, policy.Edit{Name: "quota_week_partition", Value: "6"}), nil, operator); err == nil {
		t.Error("got 6 days decided")
	}
	if n := value[int](t, store, "SELECT count(*)::int FROM policy") + value[int](t, store, "SELECT count(*)::int FROM audit_entry"); n != 0 {
		t.Errorf("got %d rows, want none", n)
	}
	after, err := s.Apply(t.Context(), edits, func(*policy.State) error { return nil }, operator)
	if err != nil || after.QuotaHardFail || after.QuotaLimitPercent != 80 || len(after.DecidedAt) != 2 || !after.DecidedAt["quota_limit_percent"].Equal(then) {
		t.Errorf("got %+v, %v", after, err)
	}

	// Of many who agree with the same state one is right.
	var won atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			_, err := s.Apply(t.Context(), []policy.Edit{{Name: "quota_limit_percent", Value: strconv.Itoa(60 + i)}}, func(before *policy.State) error {
				if before.QuotaLimitPercent != 80 {
					return disagree
				}
				return nil
			}, operator)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, disagree):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("got %d who were right, want 1", won.Load())
	}
}
