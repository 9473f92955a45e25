package adminca_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// authority is an authority's service in a data directory of its own, on g's database: another gateway's.
func authority(t *testing.T, g *gatewaytest.Gateway, now func() time.Time) (s *adminca.Service, dataDir string) {
	t.Helper()
	dataDir = t.TempDir()
	return adminca.NewService(g.Core.DB, g.Core.Keyring, adminca.Config{DataDir: dataDir, Now: now}), dataDir
}

func add(t *testing.T, s *adminca.Service, name string) *adminca.Added {
	t.Helper()
	added, err := s.Add(t.Context(), name, adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
	if err != nil {
		t.Fatalf("adding %s: %v", name, err)
	}
	return added
}

func readCert(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s holds no PEM", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// chain is what a listener that trusts dataDir's authority verifies of the certificate in a file.
func chain(t *testing.T, dataDir, certFile string) [][]*x509.Certificate {
	t.Helper()
	return [][]*x509.Certificate{{readCert(t, certFile), readCert(t, adminca.PoolFile(dataDir))}}
}

// listed is how much the database knows: authorities, certificates, and the audit entries about each.
func listed(t *testing.T, g *gatewaytest.Gateway) string {
	t.Helper()
	count := func(from string) int64 { return g.Int(t, "SELECT count(*) FROM "+from) }
	return fmt.Sprintf("%d %d %d %d", count("admin_ca"), count("admin_cert"),
		count("audit_entry WHERE action = 'admin.ca.create'"), count("audit_entry WHERE action = 'admin.cert.create'"))
}

// together runs fn n times at once.
func together(n int, fn func(i int) error) []error {
	outcomes := make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() { <-begin; outcomes[i] = fn(i) })
	}
	close(begin)
	all.Wait()
	return outcomes
}

func TestAdd(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	if certs, err := g.Certs.List(t.Context()); err != nil || len(certs) != 0 {
		t.Errorf("got %d certificates, %v; want none", len(certs), err)
	}
	alice, bob := add(t, g.Certs, "alice"), add(t, g.Certs, "bob")
	if !alice.PoolChanged || bob.PoolChanged {
		t.Errorf("got pool changed %t, %t; want only the first to make an authority", alice.PoolChanged, bob.PoolChanged)
	}
	if want := filepath.Join(g.DataDir, "admin", "alice.crt"); alice.Files.Cert != want {
		t.Errorf("got %s, want %s", alice.Files.Cert, want)
	}
	certs, err := g.Certs.List(t.Context())
	if err != nil || len(certs) != 2 || certs[0].Name != "alice" || certs[1].Name != "bob" {
		t.Fatalf("got %+v, %v", certs, err)
	}
	row, leaf := certs[0], readCert(t, alice.Files.Cert)
	if adminca.SPKI(row.SPKISHA256) != adminca.SPKIOf(leaf) || row.Serial != leaf.SerialNumber.Text(16) || !row.NotAfter.Equal(leaf.NotAfter) || row.RevokedAt != nil {
		t.Errorf("got row %+v, want it to say what the certificate says", row)
	}
	entry := g.Int(t, `SELECT count(*) FROM audit_entry WHERE action = 'admin.cert.create' AND actor = 'gatewaytest' AND actor_kind = 'operator'
		AND details = jsonb_build_object('name', 'alice', 'role', 'owner', 'serial', $1::text, 'spki_sha256', $2::text)`, row.Serial, alice.Identity.SPKI.String())
	if entry != 1 {
		t.Errorf("got %d entries about alice with her serial and key, want 1", entry)
	}
	if got := listed(t, g); got != "1 2 1 2" {
		t.Errorf("got %s rows, want 1 2 1 2", got)
	}
	// One name, two keys: each is a certificate of its own until it is revoked.
	again, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{Role: "owner", Overwrite: true}, gatewaytest.Operator)
	if err != nil || again.Identity.SPKI == alice.Identity.SPKI {
		t.Errorf("got %v, want another key for alice", err)
	}
	if _, err := g.Certs.Admit(t.Context(), [][]*x509.Certificate{{leaf, readCert(t, adminca.PoolFile(g.DataDir))}}); err != nil {
		t.Errorf("got %v for alice's first certificate, want it to be good still", err)
	}
}

// Consoles that all find no authority end up with one, whose certificates open every gateway's door.
func TestOneAuthorityIsMade(t *testing.T) {
	t.Parallel()
	const consoles = 8
	g := gatewaytest.New(t, gatewaytest.Options{})
	services, dirs, added := make([]*adminca.Service, consoles), make([]string, consoles), make([]*adminca.Added, consoles)
	for i := range services {
		services[i], dirs[i] = authority(t, g, nil)
	}
	if err := errors.Join(together(consoles, func(i int) (err error) {
		added[i], err = services[i].Add(t.Context(), fmt.Sprintf("admin%d", i), adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
		return err
	})...); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, g); got != "1 8 1 8" {
		t.Errorf("got %s rows, want 1 8 1 8", got)
	}
	for i, a := range added {
		if !a.PoolChanged {
			t.Errorf("console %d did not write ca.pem", i)
		}
		other := (i + 1) % consoles
		identity, err := services[other].Admit(t.Context(), chain(t, dirs[other], a.Files.Cert))
		if err != nil || identity != a.Identity {
			t.Errorf("console %d's certificate at gateway %d: got %+v, %v; want %+v", i, other, identity, err, a.Identity)
		}
	}
}

// Two consoles that name the same admin would write the same files: one of them has the certificate, and one is listed.
func TestOneNameAtOnce(t *testing.T) {
	t.Parallel()
	const consoles = 8
	g := gatewaytest.New(t, gatewaytest.Options{})
	outcomes := together(consoles, func(int) error {
		_, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
		return err
	})
	won := 0
	for _, err := range outcomes {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, adminca.ErrFileExists):
			t.Errorf("got %v, want %v", err, adminca.ErrFileExists)
		}
	}
	if got := listed(t, g); won != 1 || got != "1 1 1 1" {
		t.Errorf("got %d winners and %s rows, want 1 and 1 1 1 1", won, got)
	}
	file := filepath.Join(g.DataDir, "admin", "alice.crt")
	if _, err := g.Certs.Admit(t.Context(), chain(t, g.DataDir, file)); err != nil {
		t.Errorf("got %v for the files that were left, want them to be the listed certificate's", err)
	}
}

func TestAddRefusals(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, name := range []string{"", "Alice", "../alice", "a/b", ".alice", "alice\n", "a b", strings.Repeat("a", 65)} {
		if _, err := g.Certs.Add(t.Context(), name, adminca.AddOptions{Role: "owner"}, gatewaytest.Operator); !errors.Is(err, adminca.ErrName) {
			t.Errorf("%q: got %v, want %v", name, err, adminca.ErrName)
		}
	}
	if got := listed(t, g); got != "0 0 0 0" {
		t.Errorf("got %s rows after a wrong name, want no authority yet", got)
	}
	add(t, g.Certs, "alice")
	refused := func(what string, s *adminca.Service, name string, want error) {
		t.Helper()
		added, err := s.Add(t.Context(), name, adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
		if err == nil || added != nil || (want != nil && !errors.Is(err, want)) {
			t.Errorf("%s: got %+v, %v; want %v", what, added, err, want)
		}
		if got := listed(t, g); got != "1 1 1 1" {
			t.Errorf("%s: got %s rows, want 1 1 1 1", what, got)
		}
	}
	refused("files that are there", g.Certs, "alice", adminca.ErrFileExists)
	late, dir := authority(t, g, func() time.Time { return time.Now().AddDate(11, 0, 0) })
	refused("an authority that has expired", late, "bob", adminca.ErrExpired)
	if _, err := os.Stat(filepath.Join(dir, "admin")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want nothing written", err)
	}

	// The commit fails after the files were written: they open nothing.
	g.Exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no space'; END$$`)
	g.Exec(t, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON admin_cert DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	refused("a commit that fails", g.Certs, "carol", nil)
	stray := filepath.Join(g.DataDir, "admin", "carol.crt")
	if _, err := g.Certs.Admit(t.Context(), chain(t, g.DataDir, stray)); !errors.Is(err, adminca.ErrRevoked) {
		t.Errorf("got %v for files whose certificate is not listed, want %v", err, adminca.ErrRevoked)
	}

	g.Exec(t, `UPDATE admin_ca SET key_sealed = (SELECT check_sealed FROM seal_key)`)
	refused("a key that was swapped", g.Certs, "dave", nil)
}

// The certificate is good although ca.pem cannot be written: its files and password must not be lost.
func TestAddWithoutAPlaceForThePool(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	if err := os.MkdirAll(filepath.Join(adminca.PoolFile(g.DataDir), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	added, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{Role: "owner"}, gatewaytest.Operator)
	if err == nil || added == nil || added.Files.Password.Reveal() == "" {
		t.Fatalf("got %+v, %v; want the certificate and an error", added, err)
	}
	if err := os.RemoveAll(adminca.PoolFile(g.DataDir)); err != nil {
		t.Fatal(err)
	}
	if changed, err := g.Certs.SyncPool(t.Context()); err != nil || !changed {
		t.Errorf("got changed %t, %v; want the start of a gateway to write it", changed, err)
	}
	if _, err := g.Certs.Admit(t.Context(), chain(t, g.DataDir, added.Files.Cert)); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	foreign := gatewaytest.New(t, gatewaytest.Options{})
	hers := add(t, foreign.Certs, "alice")
	theirs := chain(t, foreign.DataDir, hers.Files.Cert)
	admit := func(what string, s *adminca.Service, chains [][]*x509.Certificate, want error) {
		t.Helper()
		identity, err := s.Admit(t.Context(), chains)
		if !errors.Is(err, want) || (identity == adminca.Identity{}) != (want != nil) {
			t.Errorf("%s: got %+v, %v; want %v", what, identity, err, want)
		}
	}
	admit("no certificate, no authority", g.Certs, nil, adminca.ErrNoCertificate)
	admit("a certificate, but no authority of ours", g.Certs, theirs, adminca.ErrForeign)
	alice, bob, carol := add(t, g.Certs, "alice"), add(t, g.Certs, "bob"), add(t, g.Certs, "carol")
	g.Exec(t, "UPDATE admin_cert SET revoked_at = now() WHERE name = 'bob'")
	g.Exec(t, "DELETE FROM admin_cert WHERE name = 'carol'")
	later, _ := authority(t, g, func() time.Time { return time.Now().Add(adminca.DefaultValidity + time.Hour) })
	ours := chain(t, g.DataDir, alice.Files.Cert)
	admit("ours", g.Certs, ours, nil)
	admit("no certificate", g.Certs, nil, adminca.ErrNoCertificate)
	admit("an empty chain", g.Certs, [][]*x509.Certificate{{}}, adminca.ErrForeign)
	admit("a leaf without its authority", g.Certs, [][]*x509.Certificate{ours[0][:1]}, adminca.ErrForeign)
	admit("another gateway's admin of the same name", g.Certs, theirs, adminca.ErrForeign)
	admit("another gateway's, under our authority", g.Certs, [][]*x509.Certificate{{theirs[0][0], ours[0][1]}}, adminca.ErrRevoked)
	admit("revoked", g.Certs, chain(t, g.DataDir, bob.Files.Cert), adminca.ErrRevoked)
	admit("on no list", g.Certs, chain(t, g.DataDir, carol.Files.Cert), adminca.ErrRevoked)
	admit("expired on an open connection", later, ours, adminca.ErrForeign)
	g.Core.DB.Close()
	_, err := g.Certs.Admit(t.Context(), ours)
	if err == nil || errors.Is(err, adminca.ErrForeign) || errors.Is(err, adminca.ErrRevoked) {
		t.Errorf("got %v without a database, want an outage", err)
	}
	admit("no certificate and no database", g.Certs, nil, adminca.ErrNoCertificate)
}

func TestSyncPool(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	second, dir := authority(t, g, nil)
	sync := func(what string, want bool) {
		t.Helper()
		changed, err := second.SyncPool(t.Context())
		if err != nil || changed != want {
			t.Errorf("%s: got changed %t, %v; want %t", what, changed, err, want)
		}
	}
	file := adminca.PoolFile(dir)
	sync("no authority", false)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no file without an authority", err)
	}
	alice := add(t, g.Certs, "alice")
	sync("made by another gateway", true)
	sync("again", false)
	if _, err := second.Admit(t.Context(), chain(t, dir, alice.Files.Cert)); err != nil {
		t.Errorf("got %v at the second gateway", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	sync("lost", true)
	if err := os.WriteFile(file, []byte("an older authority\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sync("stale", true)
	if pool, keys, err := adminca.Pool(file); err != nil || len(keys) != 1 || pool.Equal(x509.NewCertPool()) {
		t.Errorf("got %d authorities, %v", len(keys), err)
	}
}
