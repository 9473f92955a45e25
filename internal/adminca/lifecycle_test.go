package adminca_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

const day = 24 * time.Hour

// admitted asks the door about a certificate and returns the role it opens for.
func admitted(t *testing.T, g *gatewaytest.Gateway, added *adminca.Added) (string, error) {
	t.Helper()
	identity, err := g.Certs.Admit(t.Context(), chain(t, g.DataDir, added.Files.Cert))
	return identity.Role, err
}

// The first certificate is an owner's; nobody becomes one by a flag that was forgotten.
func TestRolesOfCertificates(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	first, err := g.Certs.Add(t.Context(), "first", adminca.AddOptions{}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Certs.Add(t.Context(), "second", adminca.AddOptions{}, gatewaytest.Operator); !errors.Is(err, adminca.ErrRoleRequired) {
		t.Errorf("got %v for a second one without a role", err)
	}
	for role, added := range map[string]*adminca.Added{"owner": first, "viewer": nil, "operator": nil} {
		if added == nil {
			if added, err = g.Certs.Add(t.Context(), role, adminca.AddOptions{Role: role}, gatewaytest.Operator); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := admitted(t, g, added); got != role || err != nil || added.Identity.Role != role {
			t.Errorf("got %q, %v at the door and %q when it was made; want %s", got, err, added.Identity.Role, role)
		}
	}
	if _, err := g.Certs.Add(t.Context(), "god", adminca.AddOptions{Role: "god"}, gatewaytest.Operator); err == nil {
		t.Error("got a certificate of a role that there is not")
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	one := add(t, g.Certs, "alice")
	two, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{Role: "owner", Overwrite: true, Dir: t.TempDir()}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	bob := add(t, g.Certs, "bob")
	for _, c := range [][2]string{{"carol", ""}, {"bob", one.Identity.Serial}, {"alice", "0"}, {"", ""}} {
		if _, err := g.Certs.Revoke(t.Context(), c[0], c[1], gatewaytest.Operator); !errors.Is(err, adminca.ErrUnknown) {
			t.Errorf("%q: got %v, want %v", c, err, adminca.ErrUnknown)
		}
	}
	revoked, err := g.Certs.Revoke(t.Context(), "alice", two.Identity.Serial, gatewaytest.Operator)
	if err != nil || len(revoked) != 1 || revoked[0].Serial != two.Identity.Serial {
		t.Errorf("got %v, %v; want the one of the serial", revoked, err)
	}
	if _, err := admitted(t, g, two); !errors.Is(err, adminca.ErrRevoked) {
		t.Errorf("got %v, want it revoked", err)
	}
	if _, err := admitted(t, g, one); err != nil {
		t.Errorf("the other one: got %v", err)
	}
	if revoked, err = g.Certs.Revoke(t.Context(), "alice", "", gatewaytest.Operator); err != nil || len(revoked) != 1 || revoked[0].Serial != one.Identity.Serial {
		t.Errorf("got %v, %v; want the one that was left", revoked, err)
	}
	if _, err := admitted(t, g, one); !errors.Is(err, adminca.ErrRevoked) {
		t.Errorf("got %v, want it revoked", err)
	}
	if _, err := admitted(t, g, bob); err != nil {
		t.Errorf("bob: got %v", err)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.cert.revoke' AND actor = 'gatewaytest' AND details->>'name' = 'alice'"); n != 2 {
		t.Errorf("got %d entries, want 2", n)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	if _, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{}, gatewaytest.Operator); !errors.Is(err, adminca.ErrUnknown) || listed(t, g) != "0 0 0 0" {
		t.Errorf("got %v and %s rows for a name that nobody has", err, listed(t, g))
	}
	add(t, g.Certs, "root")
	old, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{Role: "viewer"}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	for _, overlap := range []time.Duration{-1, 31 * day} {
		if _, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{Overlap: overlap}, gatewaytest.Operator); !errors.Is(err, adminca.ErrOverlap) {
			t.Errorf("got %v for an overlap of %v", err, overlap)
		}
	}
	if _, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{}, gatewaytest.Operator); !errors.Is(err, adminca.ErrFileExists) {
		t.Errorf("got %v, want files that are there", err)
	}
	renewed, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{Overlap: day, Dir: elsewhere}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if len(renewed.Old) != 1 || renewed.Old[0].Serial != old.Identity.Serial || time.Until(renewed.Old[0].At) < 23*time.Hour {
		t.Errorf("got %v, want the one of before to end in a day", renewed.Old)
	}
	for name, added := range map[string]*adminca.Added{"old": old, "new": renewed.Added} {
		if role, err := admitted(t, g, added); role != "viewer" || err != nil {
			t.Errorf("%s, inside the overlap: got %q, %v", name, role, err)
		}
	}
	g.Exec(t, "UPDATE admin_cert SET revoked_at = revoked_at - interval '1 day'") // a day passes
	if _, err := admitted(t, g, old); !errors.Is(err, adminca.ErrRevoked) {
		t.Errorf("after the overlap: got %v", err)
	}
	// Without an overlap; and a second renewal does not put off what the first decided.
	again, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{Dir: elsewhere, Overwrite: true}, gatewaytest.Operator)
	if err != nil || len(again.Old) != 1 || again.Old[0].Serial != renewed.Identity.Serial {
		t.Fatalf("got %+v, %v", again, err)
	}
	if _, err := g.Certs.Admit(t.Context(), chain(t, g.DataDir, again.Files.Cert)); err != nil {
		t.Errorf("the newest: got %v", err)
	}
	if n := g.Int(t, "SELECT count(*) FROM admin_cert WHERE name = 'alice' AND (revoked_at IS NULL OR revoked_at > now())"); n != 1 {
		t.Errorf("got %d good certificates of alice, want 1", n)
	}
}

// However a revocation and renewals of a name fall together: a renewal needs a certificate that is good, so none is left.
func TestRevokeRacesRenew(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	add(t, g.Certs, "alice")
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	var revokedCount int
	outcomes := together(4, func(i int) error {
		if i == 3 {
			revoked, err := g.Certs.Revoke(t.Context(), "alice", "", gatewaytest.Operator)
			revokedCount = len(revoked)
			return err
		}
		_, err := g.Certs.Renew(t.Context(), "alice", adminca.RenewOptions{Dir: dirs[i], Overlap: day}, gatewaytest.Operator)
		if errors.Is(err, adminca.ErrUnknown) {
			return nil // after the revocation
		}
		return err
	})
	if err := errors.Join(outcomes...); err != nil {
		t.Fatal(err)
	}
	if good := g.Int(t, "SELECT count(*) FROM admin_cert WHERE name = 'alice' AND (revoked_at IS NULL OR revoked_at > now())"); good != 0 || revokedCount == 0 {
		t.Errorf("got %d good certificates after a revocation of %d, want none", good, revokedCount)
	}
}
