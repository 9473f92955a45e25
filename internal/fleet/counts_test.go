package fleet_test

import (
	"slices"
	"testing"

	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	versions := fleet.Versions{Codex: "0.63.0", Cdx: "v1.0"}
	if got, err := r.Counts(t.Context(), versions); err != nil || got != (fleet.Counts{}) {
		t.Errorf("no hosts: got %+v, %v", got, err)
	}
	r.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, created_at)
		SELECT gen_random_uuid(), id, 1, gen_random_uuid(), sha256('current'), 'sealed', '', now(), 'admin', now() FROM account`)
	r.exec(t, "UPDATE account SET generation = 1")
	now := r.clock.Now()
	for name, change := range map[string]string{
		"fine":    "last_seen_at = $1::timestamptz - interval '1 hour', auth_digest = sha256('current'), client_version = '0.63.0', wrapper_version = '1.0'",
		"behind":  "last_seen_at = $1::timestamptz - interval '25 hours', auth_digest = sha256('old'), client_version = '0.62.0', wrapper_version = '1.0'",
		"open":    "secure = false, insecure_until = $1::timestamptz + interval '1 minute', wrapper_version = '0.9'",
		"closed":  "secure = false, insecure_until = $1::timestamptz - interval '1 minute', client_version = '0.62.0', client_version_pin = '0.62.0'",
		"off":     "status = 'disabled', last_seen_at = $1::timestamptz, roaming = true",
		"expired": "expires_at = $1::timestamptz, roaming = true, vip = true",
		"pruned":  "deleted_at = $1::timestamptz, deleted_why = 'inactive', last_seen_at = $1, auth_digest = sha256('old'), client_version = '0.1.0'",
	} {
		r.register(t, fleet.Registration{FQDN: name + ".example"})
		r.exec(t, "UPDATE host SET "+change+" WHERE fqdn = $2", now, name+".example")
	}
	want := fleet.Counts{Hosts: 6, Active: 4, Disabled: 1, Expired: 1, Secure: 4, Roaming: 2, VIP: 1, NeverSeen: 3, SeenLately: 2, WindowOpen: 1, Holding: 2, Behind: 1, Outdated: 2}
	if got, err := r.Counts(t.Context(), versions); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	codex, cdx, err := r.VersionCounts(t.Context())
	if err != nil || !slices.Equal(codex, []fleet.VersionCount{{Version: "0.62.0", Hosts: 2}, {Version: "0.63.0", Hosts: 1}}) ||
		!slices.Equal(cdx, []fleet.VersionCount{{Version: "1.0", Hosts: 2}, {Version: "0.9", Hosts: 1}}) {
		t.Errorf("got %v, %v, %v", codex, cdx, err)
	}
	names, err := r.Names(t.Context(), []int64{1, 7, 99})
	if err != nil || len(names) != 2 || names[1] == "" || names[7] == "" {
		t.Errorf("got %v, %v, want the names of two hosts", names, err)
	}
}
