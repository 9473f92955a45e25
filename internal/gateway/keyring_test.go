package gateway_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// sealKeys counts the keys a database knows.
func sealKeys(t *testing.T, url string) (n int) {
	t.Helper()
	store, err := db.Open(t.Context(), url, db.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	keys, err := store.SealKeyList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

func keyringFiles(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".keyring*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(found, hidden...)
}

// Two gateways that each invented a keyring would each be blind to what the other sealed.
func TestTwoGatewaysOnOneEmptyDatabase(t *testing.T) {
	t.Parallel()
	const gateways = 4
	url := dbtest.URL(t)
	dirs, cores, failures := make([]string, gateways), make([]*gateway.Core, gateways), make([]error, gateways)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range gateways {
		dirs[i] = t.TempDir()
		all.Go(func() {
			<-begin
			cores[i], failures[i] = start(t, gateway.Config{DataDir: dirs[i], DatabaseURL: url, MaxConns: 2})
		})
	}
	close(begin)
	all.Wait()

	winner := -1
	for i, core := range cores {
		if core != nil && winner >= 0 {
			t.Fatal("two gateways started")
		}
		if core != nil {
			winner = i
		}
	}
	if winner < 0 {
		t.Fatalf("no gateway started: %v", errors.Join(failures...))
	}
	want := fmt.Sprintf("this database was sealed with key %s, but there is no keyring at ", cores[winner].Keyring.Active())
	for i, err := range failures {
		if i == winner {
			continue
		}
		if err == nil || err.Error() != want+filepath.Join(dirs[i], "keyring")+"; copy that keyring there" {
			t.Errorf("got %v, want %q", err, want)
		}
		if files := keyringFiles(t, dirs[i]); len(files) > 0 {
			t.Errorf("a gateway that lost left %q behind", files)
		}
	}
	if got := sealKeys(t, url); got != 1 {
		t.Errorf("got %d keys, want 1", got)
	}

	// What the message says to do works.
	loser := dirs[(winner+1)%gateways]
	text, err := os.ReadFile(filepath.Join(dirs[winner], "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(loser, "keyring"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	mustStart(t, gateway.Config{DataDir: loser, DatabaseURL: url})
}

func TestKeyringRefusals(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	home := t.TempDir()
	id := mustStart(t, gateway.Config{DataDir: home, DatabaseURL: url}).Keyring.Active()
	good, err := os.ReadFile(filepath.Join(home, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	// As other, but under the id that the database knows.
	disguised := string(good)[:strings.Index(string(good), "key "+id)] + "key " + id + " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nactive " + id + "\n"

	for name, c := range map[string]struct {
		write func(path string) error
		want  string // in the error; %s: the file
	}{
		"missing":   {func(string) error { return nil }, "this database was sealed with key " + id + ", but there is no keyring at %s; copy that keyring there"},
		"another":   {other.Write, "this database was sealed with key " + id + ", which the keyring %s does not hold; copy that keyring there"},
		"disguised": {file(disguised, 0o600), "this database was sealed with key " + id + ", which the keyring %s does not hold; copy that keyring there"},
		"empty":     {file("", 0o600), "the keyring %s is damaged: no active key; put back a copy, nothing sealed opens without it"},
		"cut":       {file(string(good)[:len(good)-20], 0o600), "the keyring %s is damaged: "},
		"for all":   {file(string(good), 0o644), "the keyring %s is readable by everybody; chmod 0600 it"},
		"a folder":  {func(path string) error { return os.Mkdir(path, 0o700) }, "reading the keyring"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "keyring")
		if err := c.write(path); err != nil {
			t.Fatal(err)
		}
		before := keyringFiles(t, dir)
		_, err := start(t, gateway.Config{DataDir: dir, DatabaseURL: url, MaxConns: 2})
		if want := strings.ReplaceAll(c.want, "%s", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if after := keyringFiles(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s: got files %q, want %q: a refused start makes nothing", name, after, before)
		}
		if got := sealKeys(t, url); got != 1 {
			t.Errorf("%s: got %d keys, want 1", name, got)
		}
	}
	if got := mustStart(t, gateway.Config{DataDir: home, DatabaseURL: url}).Keyring.Active(); got != id {
		t.Errorf("got key %s with the right keyring, want %s", got, id)
	}
}

// A row that was sealed with a key that is nowhere on disk would be lost with the process: so the file comes first, and
// a crash between the two leaves a keyring that the next start takes.
func TestKeyringIsOnDiskBeforeItsRow(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	url, dir := store.Pool().Config().ConnString(), t.TempDir()
	path := filepath.Join(dir, "keyring")
	if _, err := store.Pool().Exec(t.Context(), `
		CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'crash'; END $$;
		CREATE TRIGGER crash BEFORE INSERT ON seal_key FOR EACH ROW EXECUTE FUNCTION crash()`); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t, gateway.Config{DataDir: dir, DatabaseURL: url}); err == nil || !strings.Contains(err.Error(), "crash") {
		t.Fatalf("got %v, want the crash", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatalf("the row was about to be written, but: %v", err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("got mode %v, want 0600", got)
	}
	left, err := seal.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := sealKeys(t, url); got != 0 {
		t.Fatalf("got %d keys, want none", got)
	}

	if _, err := store.Pool().Exec(t.Context(), "DROP TRIGGER crash ON seal_key"); err != nil {
		t.Fatal(err)
	}
	if got := mustStart(t, gateway.Config{DataDir: dir, DatabaseURL: url}).Keyring.Active(); got != left.Active() {
		t.Errorf("got key %s after the crash, want the one that was on disk, %s", got, left.Active())
	}
	var entries int
	if err := store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM audit_entry WHERE action = 'keyring.establish' AND details->>'key' = $1", left.Active()).Scan(&entries); err != nil || entries != 1 {
		t.Errorf("got %d audit entries, %v; want 1", entries, err)
	}
}

// A keyring cannot be made where nobody can write: nothing may be sealed then.
func TestKeyringCannotBeWritten(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	missing := filepath.Join(t.TempDir(), "no", "such", "directory")
	if _, err := start(t, gateway.Config{DataDir: missing, DatabaseURL: url}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "writing the keyring") {
		t.Errorf("got %v, want that the keyring cannot be written", err)
	}
	if got := sealKeys(t, url); got != 0 {
		t.Errorf("got %d keys, want none", got)
	}
}

func TestKeyringBesideTheDatabase(t *testing.T) {
	t.Parallel()
	url, path := dbtest.URL(t), filepath.Join(t.TempDir(), "elsewhere")
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Write(path); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	core := mustStart(t, gateway.Config{DataDir: dir, DatabaseURL: url, KeyringFile: path})
	if core.Keyring.Active() != ring.Active() {
		t.Errorf("got key %s, want the given one, %s", core.Keyring.Active(), ring.Active())
	}
	if files := keyringFiles(t, dir); len(files) != 1 || filepath.Base(files[0]) != "audit" {
		t.Errorf("got %q in the data directory, want nothing but audit", files)
	}
}

func file(text string, mode fs.FileMode) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return err
		}
		return os.Chmod(path, mode) // whatever the umask says
	}
}

// A server that finds another active key has its clients follow; a verb signs nothing and leaves that to the server.
func TestClientsFollowANewActiveKey(t *testing.T) {
	t.Parallel()
	url, path := dbtest.URL(t), filepath.Join(t.TempDir(), "keyring")
	const keyA, keyB = "key aaaaaaaa YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=\n", "key bbbbbbbb YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=\n"
	cfg := gateway.Config{DataDir: filepath.Dir(path), DatabaseURL: url, MaxConns: 2, KeyringFile: path}
	if err := file(keyA+"active aaaaaaaa\n", 0o600)(path); err != nil {
		t.Fatal(err)
	}
	before := mustStart(t, cfg).Signer
	if err := file(keyA+keyB+"active bbbbbbbb\n", 0o600)(path); err != nil {
		t.Fatal(err)
	}
	verb, err := gateway.Open(t.Context(), cfg, gateway.Verb)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := verb.DB.SigningKeyList(t.Context())
	if err != nil || verb.Signer != nil || len(rows) != 1 {
		t.Errorf("after a verb got %v, signer %v, %v; want what there was", rows, verb.Signer, err)
	}
	if err := verb.Close(t.Context()); err != nil {
		t.Error(err)
	}
	after := mustStart(t, cfg).Signer
	var next api.SigningKey
	if statements := after.Successors(); len(statements) != 1 {
		t.Fatalf("got %d statements, want one", len(statements))
	} else if err := statements[0].Open(api.PurposeSigningKey, before.Key(), &next); err != nil || next != after.Key() || next.KeyID != "bbbbbbbb" {
		t.Errorf("got %v, %v; want %v", next, err, after.Key())
	}
}
