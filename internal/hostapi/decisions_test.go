package hostapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// decided is what a host acts on.
type decided struct {
	Status               string          `json:"status"`
	Action               string          `json:"action"`
	Auth                 json.RawMessage `json:"auth"`
	CanonicalDigest      *string         `json:"canonical_digest"`
	CanonicalLastRefresh *string         `json:"canonical_last_refresh"`
}

// retrievals asks the same by both calls that there are for it.
func retrievals(t *testing.T, g *gatewaytest.Gateway, key, digest, at string) map[string]decided {
	t.Helper()
	var auth decided
	g.Retrieve(t, key, digest, at).Decode(t, &auth)
	var sync struct{ Credential decided }
	g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: body{"credential": body{"digest": digest, "last_refresh": at}}}).Decode(t, &sync)
	return map[string]decided{"/auth": auth, "/sync": sync.Credential}
}

// Rows R1 to R5 of the contract's table, by /auth and by /sync.
func TestRetrieveTable(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	key := host.Key.Reveal()
	for call, got := range retrievals(t, g, key, noDigest, "2026-01-05T10:00:00Z") {
		if got.Status != "missing" || got.Action != "store" || got.Auth != nil || got.CanonicalDigest != nil || got.CanonicalLastRefresh != nil {
			t.Errorf("R1 by %s: got %+v", call, got)
		}
	}
	current := g.Upload(t, authtest.New(authtest.Options{LastRefresh: lastRefresh})).Current
	at := func(d time.Duration) string { return lastRefresh.Add(d).Format(time.RFC3339Nano) }
	for name, c := range map[string]struct {
		digest, at, status, action string
		auth                       bool
	}{
		"R2: equal, as old":            {digest: current.Digest.String(), at: at(0), status: "valid"},
		"R2: equal, older":             {digest: current.Digest.String(), at: at(-time.Hour), status: "valid"},
		"R2: equal, newer":             {digest: current.Digest.String(), at: at(time.Hour), status: "valid"},
		"R3: newer":                    {digest: noDigest, at: at(time.Microsecond), status: "upload_required", action: "store"},
		"R4: as old":                   {digest: noDigest, at: at(0), status: "upload_required", action: "store"},
		"R4: a nanosecond is as old":   {digest: noDigest, at: at(1), status: "upload_required", action: "store"},
		"R4: as old in another zone":   {digest: noDigest, at: lastRefresh.In(time.FixedZone("", 3600)).Format(time.RFC3339Nano), status: "upload_required", action: "store"},
		"R5: older":                    {digest: noDigest, at: at(-time.Microsecond), status: "outdated", auth: true},
		"R5: the client's placeholder": {digest: "8c6e3b5b78b9558813d537edaa7f641a9a03e0bce80b4bf991dc573ab0a334da", at: "2000-01-01T00:00:00Z", status: "outdated", auth: true},
	} {
		for call, got := range retrievals(t, g, key, c.digest, c.at) {
			if got.Status != c.status || got.Action != c.action || (got.Auth != nil) != c.auth {
				t.Errorf("%s by %s: got %+v", name, call, got)
			}
			if got.CanonicalDigest == nil || *got.CanonicalDigest != current.Digest.String() || got.CanonicalLastRefresh == nil || *got.CanonicalLastRefresh != current.LastRefresh {
				t.Errorf("%s by %s: got another canonical login: %+v", name, call, got)
			}
		}
	}
	// Nobody is said to have what it does not: a host that reported another digest is not counted among the holders.
	other := g.Register(t, "other.example").Key.Reveal()
	retrievals(t, g, other, noDigest, at(time.Hour))
	if n := g.Int(t, "SELECT count(*) FROM host WHERE auth_digest IS NOT NULL"); n != 1 {
		t.Errorf("got %d hosts with the login, want the one that has it", n)
	}
}

// Rows S1 to S5 of the contract's table.
func TestStoreTable(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	key := host.Key.Reveal()
	file := func(d time.Duration, issued int) []byte {
		return authtest.New(authtest.Options{LastRefresh: lastRefresh.Add(d), IssuedAt: lastRefresh.Add(time.Duration(issued) * time.Second)})
	}
	store := func(file []byte, hint string) (got decided) {
		t.Helper()
		g.Store(t, key, file, hint).Decode(t, &got)
		return got
	}
	first, second := file(0, 1), file(time.Hour, 2)
	var canonical string // digest
	for _, c := range []struct {
		name, status string
		file         []byte
		hint         bool // of the canonical digest
		auth         bool
		generation   int64 // afterwards
	}{
		{"S1: there is none", "updated", first, false, true, 1},
		{"S3: the same", "unchanged", first, false, false, 1},
		{"S2: newer", "updated", second, false, true, 2},
		{"S5: older", "outdated", first, false, true, 2},
		{"S4: as old, nobody was faster", "updated", file(time.Hour, 3), true, true, 3},
		{"S4: as old, somebody was faster", "outdated", file(time.Hour, 4), false, true, 3},
		{"S2: newer by a microsecond", "updated", file(time.Hour+time.Microsecond, 5), false, true, 4},
		{"S4: newer by a nanosecond is as old", "outdated", file(time.Hour+time.Microsecond+1, 6), false, true, 4},
	} {
		hint := ""
		if c.hint {
			hint = canonical
		}
		got := store(c.file, hint)
		if got.Status != c.status || (got.Auth != nil) != c.auth || got.Action != "" || got.CanonicalDigest == nil {
			t.Fatalf("%s: got %+v", c.name, got)
		}
		if n := g.Int(t, "SELECT generation FROM account"); n != c.generation {
			t.Errorf("%s: got generation %d, want %d", c.name, n, c.generation)
		}
		if canonical = *got.CanonicalDigest; c.auth {
			var again decided
			g.Retrieve(t, key, noDigest, "2000-01-01T00:00:00Z").Decode(t, &again)
			if *again.CanonicalDigest != canonical || string(again.Auth) != string(got.Auth) {
				t.Errorf("%s: the next retrieve brings another login", c.name)
			}
		}
	}
	other := g.Store(t, key, authtest.New(authtest.Options{AccountID: "acct-other", LastRefresh: lastRefresh.Add(2 * time.Hour)}), "")
	other.Refused(t, 422, "account_mismatch", "Validation failed")
	placeholder := authtest.New(authtest.Options{RefreshToken: "cdxp_x", LastRefresh: lastRefresh.Add(3 * time.Hour)})
	if got := store(placeholder, ""); got.Status != "outdated" {
		t.Errorf("got %+v for a placeholder", got)
	}
	// Without the right to store: the host keeps its file, and everybody else theirs.
	g.Exec(t, "UPDATE host SET may_store = false")
	if got := store(file(4*time.Hour, 7), ""); got.Status != "unchanged" || got.Auth != nil || got.CanonicalLastRefresh != nil || *got.CanonicalDigest != canonical {
		t.Errorf("got %+v from a host that may not store", got)
	}
	if n := g.Int(t, "SELECT generation FROM account"); n != 4 {
		t.Errorf("got generation %d, want 4", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'auth.store' AND details->>'status' <> ''"); n != 9 {
		t.Errorf("got %d stores on record, want 9", n)
	}
}
