package fleet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func (r *rig) call(t *testing.T, host *db.Host, command string) (*db.Host, error) {
	t.Helper()
	return r.RecordContact(t.Context(), host, home, fleet.Contact{Command: command, ClientVersion: "0.169.0", WrapperVersion: "1.0.0"})
}

func TestInsecureWindow(t *testing.T) {
	t.Parallel()
	const closed = time.Duration(-1)
	for name, c := range map[string]struct {
		window, grace time.Duration // left before the call; 0: none
		command       string
		want          error
		after         time.Duration // left of the window after the call; closed: as before
	}{
		"open, slides":                {window: 5 * time.Minute, command: api.CommandRetrieve, after: 10 * time.Minute},
		"open, never shortened":       {window: 30 * time.Minute, command: api.CommandRetrieve, after: 30 * time.Minute},
		"its last moment":             {window: time.Nanosecond, command: api.CommandRetrieve, after: 10 * time.Minute},
		"open for a store":            {window: time.Minute, command: api.CommandStore, after: 10 * time.Minute},
		"closed":                      {window: -time.Second, command: api.CommandRetrieve, want: fleet.ErrWindowClosed, after: closed},
		"closed for a store":          {window: -time.Second, command: api.CommandStore, want: fleet.ErrWindowClosed, after: closed},
		"never open":                  {command: api.CommandRetrieve, want: fleet.ErrWindowClosed, after: closed},
		"grace, a store":              {window: -time.Second, grace: time.Minute, command: api.CommandStore, after: closed},
		"grace, a store, never open":  {grace: time.Minute, command: api.CommandStore, after: closed},
		"grace, a retrieve":           {window: -time.Second, grace: time.Minute, command: api.CommandRetrieve, after: closed},
		"grace over":                  {window: -time.Hour, grace: -time.Second, command: api.CommandStore, want: fleet.ErrWindowClosed, after: closed},
		"open, grace does not matter": {window: 5 * time.Minute, grace: -time.Hour, command: api.CommandStore, after: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e := r.register(t, fleet.Registration{Insecure: true})
			if got := e.Host.InsecureUntil; got == nil || got.Sub(r.clock.Now()) != 30*time.Minute {
				t.Errorf("got a first window until %v, want half an hour", got)
			}
			at := func(left time.Duration) *time.Time {
				if left == 0 {
					return nil
				}
				return new(r.clock.Now().Add(left.Truncate(time.Microsecond)))
			}
			r.exec(t, "UPDATE host SET insecure_until = $1, grace_until = $2", at(c.window), at(c.grace))
			host := r.mustEnter(t, e.Key, home)
			calls := host.APICalls

			recorded, err := r.call(t, host, c.command)
			is(t, "call", err, c.want)
			want := at(c.window)
			if c.after != closed {
				want = at(c.after)
			}
			got := value[*time.Time](t, r, "SELECT insecure_until FROM host")
			if (got == nil) != (want == nil) || (got != nil && !got.Equal(*want)) {
				t.Errorf("got a window until %v, want %v", got, want)
			}
			if c.want == nil {
				if recorded.APICalls != calls+1 || recorded.InsecureUntil == nil != (got == nil) {
					t.Errorf("got host %+v, want it as it is after the call", recorded)
				}
				return
			}
			if got := value[int64](t, r, "SELECT api_calls FROM host"); got != calls {
				t.Errorf("got %d calls counted, want %d", got, calls)
			}
			if n := r.entries(t, audit.ActionInsecureDenied); n != 1 {
				t.Errorf("got %d audit entries, want 1", n)
			}
			if command := value[string](t, r, "SELECT details->>'command' FROM audit_entry WHERE action = $1", audit.ActionInsecureDenied); command != c.command {
				t.Errorf("got command %s recorded, want %s", command, c.command)
			}
			details := errs.Of(err).Details
			if _, ok := details["enabled_until"]; !ok || len(details) != 2 {
				t.Errorf("got details %v", details)
			}
		})
	}
}

func TestRegisteringAgainOnlyExtendsTheWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.register(t, fleet.Registration{Insecure: true})
	r.exec(t, "UPDATE host SET insecure_until = $1", r.clock.Now().Add(2*time.Hour))
	e := r.register(t, fleet.Registration{Insecure: true})
	if got := e.Host.InsecureUntil.Sub(r.clock.Now()); got != 2*time.Hour {
		t.Errorf("got %v left, want the 2h it had", got)
	}
	if n := r.entries(t, audit.ActionInsecureWindow); n != 2 {
		t.Errorf("got %d audit entries, want one a registration", n)
	}
}

func TestContactIsRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home)
	r.clock.pass(time.Second)
	const calls = 25
	failures := everybody(calls, func(int) error { _, err := r.call(t, host, api.CommandRetrieve); return err })
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	got, err := r.ByFQDN(t.Context(), host.FQDN)
	if err != nil {
		t.Fatal(err)
	}
	if got.APICalls != calls || *got.ClientVersion != "0.169.0" || *got.WrapperVersion != "1.0.0" || !got.UpdatedAt.Equal(r.clock.Now()) || !got.LastSeenAt.Equal(r.clock.Now()) {
		t.Errorf("got %+v after %d calls", got, calls)
	}
}

// Between authentication and the call another registration may have taken the key away.
func TestContactWithADeadKey(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{false, true} {
		r := newRig(t)
		host := r.mustEnter(t, r.register(t, fleet.Registration{Insecure: insecure}).Key, home)
		r.register(t, fleet.Registration{Insecure: insecure})
		_, err := r.call(t, host, api.CommandRetrieve)
		is(t, "replaced key", err, fleet.ErrKeyInvalid)
		if _, err := r.Delete(t.Context(), host.ID, operator, audit.ActionAdminHostDelete); err != nil {
			t.Fatal(err)
		}
		_, err = r.call(t, host, api.CommandRetrieve)
		is(t, "deleted host", err, fleet.ErrKeyInvalid)
		if n := r.entries(t, audit.ActionInsecureDenied); n != 0 {
			t.Errorf("got %d entries about a window, want none", n)
		}
	}
}

func TestReportedVersions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.mustEnter(t, r.register(t, fleet.Registration{}).Key, home)
	for reported, want := range map[string]string{
		"": "unknown", "  ": "unknown", "0.169.0": "0.169.0", " 0.169.0\n": "0.169.0", "codex-cli 0.63.0": "0.63.0", "Codex 0.63.0": "0.63.0",
		"rust-v0.63.0": "0.63.0", "v1.2": "1.2", "VV1.2": "1.2", "Vanilla": "Vanilla", "codex-cli": "unknown", "unknown": "unknown",
		"1\x00.\x1b[31m2\x7f": "1.[31m2", "1.2\xff\xfe": "1.2", "1\u009b31m": "131m", "1\u202e2": "12", "1\u200b\u2028": "1", "\x00": "unknown",
		strings.Repeat("9", 100):           strings.Repeat("9", 64),
		strings.Repeat("ä", 100):           strings.Repeat("ä", 32),
		"a" + strings.Repeat("\u20ac", 30): "a" + strings.Repeat("\u20ac", 21),
	} {
		got, err := r.RecordContact(t.Context(), host, home, fleet.Contact{Command: api.CommandRetrieve, ClientVersion: reported, WrapperVersion: reported})
		if err != nil || *got.ClientVersion != want || *got.WrapperVersion != want {
			t.Errorf("%q: got %+v, %v; want %q", reported, got, err, want)
		}
	}
}
