package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestRename(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	taken := r.register(t, fleet.Registration{FQDN: "taken.example"})
	host, err := r.Rename(t.Context(), e.Host.ID, "BUILD8.example.", nil, operator)
	if err != nil || host.FQDN != "build8.example" || !slices.Equal(host.PreviousFQDNs, []string{"build7.example"}) {
		t.Fatalf("got %+v, %v", host, err)
	}
	if got := r.mustEnter(t, e.Key, home); got.ID != e.Host.ID {
		t.Errorf("got host %d with the key it had", got.ID)
	}
	_, err = r.ByFQDN(t.Context(), "build7.example")
	is(t, "the old name", err, fleet.ErrHostNotFound)
	const entry = "SELECT (details->>'before') || ' ' || (details->>'after') FROM audit_entry WHERE action = 'admin.host.rename'"
	if got := value[string](t, r, entry); got != "build7.example build8.example" {
		t.Errorf("got %q recorded", got)
	}

	_, err = r.Rename(t.Context(), e.Host.ID, "taken.example", nil, operator)
	is(t, "a name that is taken", err, fleet.ErrHostExists)
	r.exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive' WHERE id = $1", taken.Host.ID)
	_, err = r.Rename(t.Context(), e.Host.ID, "taken.example", nil, operator)
	is(t, "a pruned host's name", err, fleet.ErrHostExists)
	_, err = r.Rename(t.Context(), taken.Host.ID, "new.example", nil, operator)
	is(t, "a pruned host", err, fleet.ErrHostNotFound)
	for _, name := range []string{"", "a_b", "-a", "a..b", "ſ.example"} {
		if _, err := r.Rename(t.Context(), e.Host.ID, name, nil, operator); err == nil || errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%q: got %v", name, err)
		}
	}
	host, err = r.Rename(t.Context(), e.Host.ID, "build8.example", nil, operator)
	if err != nil || host.FQDN != "build8.example" || len(host.PreviousFQDNs) != 1 || r.entries(t, "admin.host.rename") != 1 {
		t.Errorf("the name it has: got %+v, %v", host, err)
	}
	// Back again: a name is none of the former ones while it is the present one.
	host, err = r.Rename(t.Context(), e.Host.ID, "build7.example", nil, operator)
	if err != nil || !slices.Equal(host.PreviousFQDNs, []string{"build8.example"}) {
		t.Errorf("got %+v, %v", host, err)
	}
	for i := range 12 {
		if host, err = r.Rename(t.Context(), e.Host.ID, fmt.Sprintf("n%d.example", i), nil, operator); err != nil {
			t.Fatal(err)
		}
	}
	if got := host.PreviousFQDNs; len(got) != 8 || got[0] != "n3.example" || got[7] != "n10.example" {
		t.Errorf("got %v", got)
	}
}

func TestRenameRaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := make([]*fleet.Enrolment, 4)
	for i := range hosts {
		hosts[i] = r.register(t, fleet.Registration{FQDN: fmt.Sprintf("h%d.example", i)})
	}
	// Many hosts, one name.
	failures := everybody(len(hosts), func(i int) error {
		_, err := r.Rename(context.Background(), hosts[i].Host.ID, "one.example", nil, operator)
		return err
	})
	if count(failures, nil) != 1 || count(failures, fleet.ErrHostExists) != len(hosts)-1 {
		t.Errorf("got %v", failures)
	}
	// One host, many names: each step begins where the one before ended.
	failures = everybody(6, func(i int) error {
		_, err := r.Rename(context.Background(), hosts[0].Host.ID, fmt.Sprintf("m%d.example", i), nil, operator)
		return err
	})
	host, err := r.store.HostByID(t.Context(), hosts[0].Host.ID)
	if err != nil || count(failures, nil) != 6 {
		t.Fatalf("got %v, %v", failures, err)
	}
	names := append(slices.Clone(host.PreviousFQDNs), host.FQDN)
	for i := range 6 {
		if !slices.Contains(names, fmt.Sprintf("m%d.example", i)) {
			t.Errorf("got %v without m%d", names, i)
		}
	}
	const broken = `SELECT count(*)::int FROM (SELECT details->>'before' AS before, lag(details->>'after') OVER (ORDER BY id) AS after
		FROM audit_entry WHERE action = 'admin.host.rename' AND host_id = $1) AS step WHERE after <> before`
	if n := value[int](t, r, broken, host.ID); n != 0 {
		t.Errorf("%d recorded steps do not begin where the one before ended", n)
	}
	// A registration of a name that its host is just losing, or another is just getting, makes or finds one host of that name.
	for i := range 8 {
		name := fmt.Sprintf("r%d.example", i)
		leaving := r.register(t, fleet.Registration{FQDN: name})
		failures = everybody(2, func(n int) error {
			if n == 0 {
				_, err := r.Rename(context.Background(), leaving.Host.ID, "moved-"+name, nil, operator)
				return err
			}
			_, err := r.Register(context.Background(), fleet.Registration{FQDN: name, Rekey: true}, operator)
			return err
		})
		if count(failures, nil) != 2 {
			t.Errorf("got %v", failures)
		}
	}
}
