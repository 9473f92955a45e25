package fleet_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// An entry about a change says what was there before, under the names that it has for what is there now.
func TestChangesSayWhatWasBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	r.mustEnter(t, e.Key, home)
	for _, c := range []struct {
		change         fleet.Change
		action, before string
	}{
		{fleet.Change{VIP: new(true)}, audit.ActionHostUpdate, `{"vip": false}`},
		{fleet.Change{VIP: new(true), Action: audit.ActionHostVIP}, audit.ActionHostVIP, `{"vip": true}`},
		{fleet.Change{Enabled: new(false), Secure: new(false)}, audit.ActionHostUpdate, `{"secure": true, "enabled": true}`},
		{fleet.Change{Enabled: new(true), MayStore: new(false)}, audit.ActionHostUpdate, `{"enabled": false, "may_store": true}`},
		{fleet.Change{Model: new("m"), ReasoningEffort: new("low")}, audit.ActionHostUpdate, `{"model_override": "", "reasoning_effort_override": ""}`},
		{fleet.Change{Model: new("")}, audit.ActionHostUpdate, `{"model_override": "m"}`},
		{fleet.Change{ClientVersion: new("0.63.0")}, audit.ActionHostUpdate, `{"client_version": ""}`},
		{fleet.Change{ClientVersion: new("")}, audit.ActionHostUpdate, `{"client_version": "0.63.0"}`},
		{fleet.Change{WindowMinutes: new(5)}, audit.ActionHostUpdate, `{"insecure_window_minutes": null}`},
		{fleet.Change{WindowMinutes: new(6)}, audit.ActionHostUpdate, `{"insecure_window_minutes": 5}`},
		{fleet.Change{AllowFrom: prefixes("203.0.113.0/24")}, audit.ActionHostUpdate, `{"allow_from": []}`},
		{fleet.Change{AllowFrom: prefixes()}, audit.ActionHostUpdate, `{"allow_from": ["203.0.113.0/24"]}`},
		{fleet.Change{Unbind: true}, audit.ActionHostUpdate, `{"ip": "` + home.String() + `"}`},
		{fleet.Change{Unbind: true, Roaming: new(true)}, audit.ActionHostUpdate, `{"roaming": false}`},
	} {
		if _, err := r.Update(t.Context(), e.Host.ID, c.change, operator); err != nil {
			t.Errorf("%s: %v", c.before, err)
			continue
		}
		got := value[string](t, r, "SELECT action || ' ' || (details->'before')::text FROM audit_entry ORDER BY id DESC LIMIT 1")
		if got != c.action+" "+c.before {
			t.Errorf("got %s, want %s %s", got, c.action, c.before)
		}
	}
}

func TestByID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	host, err := r.ByID(t.Context(), e.Host.ID)
	if err != nil || host.FQDN != e.Host.FQDN {
		t.Errorf("got %v, %v", host, err)
	}
	for _, id := range []int64{0, -1, e.Host.ID + 1} {
		_, err := r.ByID(t.Context(), id)
		is(t, "another", err, fleet.ErrHostNotFound)
	}
	r.exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive'")
	_, err = r.ByID(t.Context(), e.Host.ID)
	is(t, "a pruned one", err, fleet.ErrHostNotFound)
}

// What a host had last: first what it has, then what it was given, each once, three at most, and of no other host.
func TestDetails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, other := r.register(t, fleet.Registration{}), r.register(t, fleet.Registration{FQDN: "other.example"})
	digest := func(letter string) string { return strings.Repeat(letter, 64) }
	for i, letter := range []string{"a", "b", "c", "d"} {
		r.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
			SELECT gen_random_uuid(), id, $1::int, gen_random_uuid(), decode($2, 'hex'), '', '', now(), 'operator', now() FROM account`, i+1, digest(letter))
	}
	given := func(letter string, minute int) {
		r.exec(t, `INSERT INTO delivery (host_id, generation_id, mode, delivered_at)
			SELECT $1, id, 'full', now() + make_interval(mins => $3) FROM generation WHERE digest = decode($2, 'hex')`, e.Host.ID, digest(letter), minute)
	}
	check := func(canonical string, want ...string) {
		t.Helper()
		details, err := r.Details(t.Context(), []db.Host{*mustByID(t, r, e.Host.ID), *mustByID(t, r, other.Host.ID)})
		if err != nil {
			t.Fatal(err)
		}
		d, o := details[e.Host.ID], details[other.Host.ID]
		for i := range want {
			want[i] = digest(want[i])
		}
		if !slices.Equal(d.RecentDigests, want) || d.CanonicalDigest != canonical || d.LastUsage != nil || d.Users == nil || len(o.RecentDigests) != 0 {
			t.Errorf("got %+v and %+v, want %v", d, o, want)
		}
	}
	check("")
	given("a", 1)
	check("", "a")
	given("b", 2)
	given("a", 3)
	check("", "a", "b")
	r.exec(t, "UPDATE host SET auth_digest = decode($1, 'hex') WHERE id = $2", digest("b"), e.Host.ID)
	check("", "b", "a")
	given("c", 4)
	given("d", 5)
	check("", "b", "d", "c")
	r.exec(t, "UPDATE account SET generation = 4")
	check(digest("d"), "b", "d", "c")

	host, err := r.Clear(t.Context(), e.Host.ID, operator)
	if err != nil || host.AuthDigest != nil || host.LastRefresh != nil {
		t.Errorf("got %+v, %v", host, err)
	}
	check(digest("d"))
	want := `{"fqdn": "build7.example", "before": {"deliveries": 5, "auth_digest": "` + digest("b") + `", "last_refresh": null}}`
	if got := value[string](t, r, "SELECT details::text FROM audit_entry WHERE action = 'admin.host.clear'"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, err = r.Clear(t.Context(), 0, operator)
	is(t, "nobody", err, fleet.ErrHostNotFound)
	if hex.EncodeToString(mustByID(t, r, e.Host.ID).KeySHA256) != hex.EncodeToString(e.Host.KeySHA256) {
		t.Error("got another key")
	}
}

func mustByID(t *testing.T, r *rig, id int64) *db.Host {
	t.Helper()
	host, err := r.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return host
}
