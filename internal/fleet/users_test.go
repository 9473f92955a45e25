package fleet_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// see reports a user and returns all names.
func (r *rig) see(t *testing.T, host *db.Host, username, hostname string) ([]string, error) {
	t.Helper()
	users, err := r.SeeUser(t.Context(), host, home, username, hostname)
	names := []string{}
	for _, user := range users {
		names = append(names, user.Username)
	}
	return names, err
}

func TestUserNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home)
	for username, want := range map[string]string{ // :: as reported → as kept; "": refused
		"root": "root", " root\n": "root", "Root": "Root", "0": "0", "DOMAIN\\Jane Doe": "DOMAIN\\Jane Doe", "jörg": "jörg", "-rf": "-rf", "$(id)": "$(id)",
		"...": "...", "..a": "..a", "a.b": "a.b", "'; DROP TABLE host; --": "'; DROP TABLE host; --",
		strings.Repeat("a", 255):        strings.Repeat("a", 255),
		strings.Repeat("b", 300):        strings.Repeat("b", 255),
		strings.Repeat("ä", 200):        strings.Repeat("ä", 127),
		"c" + strings.Repeat("ä", 200):  "c" + strings.Repeat("ä", 127),
		strings.Repeat("😀", 100):        strings.Repeat("😀", 63),
		strings.Repeat("d", 253) + "😀😀": strings.Repeat("d", 253),
		".":                             "", "..": "", " .. ": "", "/": "", "a/b": "", "/etc/passwd": "", "../root": "", "a\x00b": "", "\x00": "", "a\nb": "", "a\x1b[31mb": "", "a\x7fb": "",
		"a\u009bb": "", "a\u202eb": "", "a\u200bb": "", "a\u2028b": "", "a\u00a0b": "", "\xff": "", "a\xc3": "", "\ufffd": "",
		strings.Repeat("e", 254) + "\x00": "",
	} {
		r.exec(t, "DELETE FROM host_user")
		names, err := r.see(t, host, username, "")
		if want == "" {
			if e := errs.Of(err); err == nil || e.Kind != errs.Invalid || len(e.Fields["username"]) != 1 {
				t.Errorf("%q: got %q, %v; want it refused", username, names, err)
			}
			continue
		}
		if err != nil || !slices.Equal(names, []string{want}) {
			t.Errorf("%q: got %q, %v; want %q", username, names, err, want)
		}
		if again, err := r.see(t, host, username, ""); err != nil || !slices.Equal(again, names) {
			t.Errorf("%q again: got %q, %v; want it known", username, again, err)
		}
	}
	for _, username := range []string{"", " ", "\n\t"} {
		r.exec(t, "DELETE FROM host_user")
		if names, err := r.see(t, host, username, "somewhere"); err != nil || len(names) != 0 {
			t.Errorf("%q: got %q, %v; want nothing recorded", username, names, err)
		}
	}
}

func TestUserHostnames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home)
	for _, c := range []struct{ hostname, want string }{ // the last one counts, even if it says nothing
		{"build7", "build7"}, {"", "-"}, {" build8 ", "build8"}, {"\x00\x1b", "-"}, {"build\x1b[31m9\u202e", "build[31m9"}, {"\xff\xfe", "-"},
		{strings.Repeat("ä", 200), strings.Repeat("ä", 127)}, {"/", "/"}, {strings.Repeat("\x00", 300), "-"},
	} {
		users, err := r.SeeUser(t.Context(), host, home, "root", c.hostname)
		if err != nil || len(users) != 1 {
			t.Fatalf("%q: got %v, %v", c.hostname, users, err)
		}
		got := "-"
		if users[0].Hostname != nil {
			got = *users[0].Hostname
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.hostname, got, c.want)
		}
	}
}

func TestUsersSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host, other := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home), r.mustEnter(t, r.register(t, fleet.Registration{FQDN: "other.example"}).Key, home)
	start := r.clock.Now()
	for _, username := range []string{"root", "ci", "Ci", "äa", "zz", "a b", "ci"} {
		if _, err := r.see(t, host, username, "build7"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.see(t, other, "somebody", ""); err != nil {
		t.Fatal(err)
	}
	r.clock.pass(time.Minute)
	users, err := r.SeeUser(t.Context(), host, home, "ci", "build8")
	var names []string
	for _, user := range users {
		names = append(names, user.Username)
		want, last := "build7", start
		if user.Username == "ci" {
			want, last = "build8", r.clock.Now()
		}
		if *user.Hostname != want || !user.FirstSeenAt.Equal(start) || !user.LastSeenAt.Equal(last) {
			t.Errorf("got %+v, want %s, first seen at the start, last seen at %s", user, want, last)
		}
	}
	if want := []string{"Ci", "a b", "ci", "root", "zz", "äa"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q, %v; want %q", names, err, want)
	}
	// Only a new user is news, even if it comes again in the same moment.
	got := value[string](t, r, `SELECT string_agg(actor || ' ' || host(ip) || ' ' || (details->>'username') || '@' || (details->>'hostname'), ', ' ORDER BY id)
		FROM audit_entry WHERE action = $1`, audit.ActionHostUser)
	const by = "build7.example 203.0.113.9 "
	if want := by + "root@build7, " + by + "ci@build7, " + by + "Ci@build7, " + by + "äa@build7, " + by + "zz@build7, " + by + "a b@build7, other.example 203.0.113.9 somebody@"; got != want {
		t.Errorf("got audit\n%s\nwant\n%s", got, want)
	}
}

func TestUsersAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host, other := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home), r.mustEnter(t, r.register(t, fleet.Registration{FQDN: "other.example"}).Key, home)
	failures := everybody(20, func(int) error { _, err := r.see(t, host, "root", ""); return err })
	if err := errors.Join(failures...); err != nil {
		t.Error(err)
	}
	if n := r.entries(t, audit.ActionHostUser); n != 1 {
		t.Errorf("got %d audit entries about one user, want 1", n)
	}
	r.exec(t, "INSERT INTO host_user (host_id, username, first_seen_at, last_seen_at) SELECT $1, 'u' || n, now(), now() FROM generate_series(1, 189) n", host.ID)
	failures = everybody(40, func(i int) error { _, err := r.see(t, host, fmt.Sprintf("new%d", i), ""); return err })
	if won := count(failures, nil); won != 10 {
		t.Errorf("got %d more users, want the 10 that there was room for", won)
	}
	if refused := count(failures, errs.Field("username", "")); refused != 30 {
		t.Errorf("got %d refused, want 30: %v", refused, errors.Join(failures...))
	}
	if n := value[int](t, r, "SELECT count(*)::int FROM host_user WHERE host_id = $1", host.ID); n != 200 {
		t.Errorf("got %d users kept, want 200", n)
	}
	if n := r.entries(t, audit.ActionHostUser); n != 11 {
		t.Errorf("got %d audit entries, want one for each user taken", n)
	}
	if names, err := r.see(t, host, "root", ""); err != nil || len(names) != 200 {
		t.Errorf("got %d names, %v for a known user, want all", len(names), err)
	}
	if names, err := r.see(t, other, "root", ""); err != nil || len(names) != 1 {
		t.Errorf("got %q, %v on another host, want it unconcerned", names, err)
	}
}

// Between authentication and the call a registration, or an admin, may have taken the key away.
func TestUserWithADeadKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home)
	r.register(t, fleet.Registration{})
	_, err := r.see(t, host, "root", "")
	is(t, "replaced key", err, fleet.ErrKeyInvalid)
	if _, err := r.Delete(t.Context(), host.ID, operator, audit.ActionAdminHostDelete); err != nil {
		t.Fatal(err)
	}
	_, err = r.see(t, host, "root", "")
	is(t, "deleted host", err, fleet.ErrKeyInvalid)
	if n := value[int](t, r, "SELECT count(*)::int FROM host_user"); n != 0 {
		t.Errorf("got %d users recorded, want none", n)
	}
}
