package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// A gateway on a given PostgreSQL runs none of its own, and what it keeps there opens only with the keyring.
func TestGivenDatabaseHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	binaries, started := alarm(t)
	g := start(t, options{fresh: true, database: externalURL(t), caddyfile: func(text string) string {
		return configured(t, text, "postgres_binaries "+binaries)
	}})
	uploaded := authtest.Options{RefreshToken: "rt_planted-refresh-token", AccountID: "acct-planted"}
	g.upload(uploaded)
	pending := g.addHost("pending.example")
	claimed := g.addHost("claimed.example")
	if got := g.call("POST", "/install/"+claimed.Installer.Token, nil, `{"platform":"linux-amd64"}`); got.status != 200 {
		t.Fatalf("claiming: %s", got)
	}
	stored := login(7)
	stored.AccountID, stored.RefreshToken = uploaded.AccountID, "rt_planted-stored-token"
	header := []string{"X-API-Key: " + claimed.Host.APIKey}
	if data := g.call("POST", "/auth", header, storeBody(t, stored)).auth(t); data.Status != "updated" {
		t.Fatalf("storing: got %s, want updated", data.Status)
	}
	g.addCert("ops")
	if _, err := os.Stat(filepath.Join(g.data, "pg")); err == nil {
		t.Error("there is an embedded cluster beside the given database")
	}
	if said, err := os.ReadFile(started); err == nil {
		t.Errorf("the gateway has started %s", said)
	}

	dump := g.dump()
	for _, want := range []string{"pending.example", "claimed.example", "sbox:v2:", "acct-planted"} {
		if !strings.Contains(dump, want) {
			t.Errorf("the dump lacks %q: it is not the dump of this gateway", want)
		}
	}
	secrets := map[string]string{
		"access token":         authtest.AccessToken(uploaded),
		"refresh token":        uploaded.RefreshToken,
		"stored access token":  authtest.AccessToken(stored),
		"stored refresh token": stored.RefreshToken,
		"pending API key":      pending.Host.APIKey,
		"claimed API key":      claimed.Host.APIKey,
		"pending token":        pending.Installer.Token,
		"claimed token":        claimed.Installer.Token,
		"private key":          "PRIVATE KEY",
		"e-mail address":       "fleet@authtest.example",
	}
	assertHides(t, "the dump", dump, secrets)
	assertHides(t, "the log", g.readLog(), secrets)

	// Nor does the configuration that the admin socket tells show how to connect.
	password, _ := url.Parse(g.options.database)
	secret, _ := password.User.Password()
	_, config := g.overAdminSocket("/config/")
	if !strings.Contains(config, "{env.DATABASE_URL}") {
		t.Errorf("the running configuration does not hold the placeholder: %s", config)
	}
	assertHides(t, "the configuration", config, map[string]string{"database password": secret})
	assertHides(t, "the log", g.readLog(), map[string]string{"database password": secret})

	// Another gateway without this keyring opens nothing of it.
	stranger := install(t, options{fresh: true, database: g.options.database})
	stranger.run()
	if code := stranger.waitExit(startDeadline); code == 0 || !strings.Contains(stranger.readLog(), "this database was sealed with key") {
		t.Errorf("without the keyring: exit %d\n%s", code, tail(stranger.readLog(), 3))
	}
	if _, err := os.Stat(filepath.Join(stranger.data, "keyring")); err == nil {
		t.Error("the refused gateway has made a keyring")
	}
}

// dump is everything that the gateway's database holds, as text.
func (g *gateway) dump() string {
	g.t.Helper()
	program := "pg_dump"
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"); err == nil && len(found) > 0 {
		program = found[len(found)-1]
	}
	cmd := exec.CommandContext(g.t.Context(), program, "--inserts", "--dbname", g.databaseURL())
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	return string(out)
}
