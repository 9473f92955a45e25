package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// The other way to bring the first login: a line for the machine that has it, which works once and shows nothing.
func TestSeedCommand(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	m := newMachine(t, "")
	login := authtest.Options{RefreshToken: "rt_planted_in_the_seed"}
	file := filepath.Join(m.home, ".codex", "auth.json")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, authtest.New(login), 0o600); err != nil {
		t.Fatal(err)
	}
	m.user.own(t, filepath.Dir(file))
	m.user.own(t, file)

	line := strings.TrimSpace(g.must("auth", "seed-command").out)
	_, token, found := strings.Cut(strings.TrimSuffix(line, " | sh"), g.URL+"/seed/auth/")
	if !found || len(token) != 36 {
		t.Fatalf("got %q, want a line for the shell", line)
	}
	seeded := m.sh(line)
	if seeded.code != 0 || !strings.Contains(seeded.out, "✓ this is the fleet's login now, generation 1\n") {
		t.Fatalf("exit %d\n%s%s", seeded.code, seeded.out, seeded.err)
	}
	if shown := g.must("auth", "show", "-o", "json").out; !strings.Contains(shown, `"source": "seed"`) {
		t.Errorf("got %s", shown)
	}
	again := m.sh(line)
	if again.code == 0 || !strings.Contains(again.err, "✗ this seed command was used on") || !strings.Contains(again.err, "cdxgate auth seed-command") {
		t.Errorf("again: exit %d\n%s%s", again.code, again.out, again.err)
	}
	secrets := map[string]string{"seed token": token, "refresh token": login.RefreshToken, "access token": authtest.AccessToken(login)}
	assertHides(t, "the machine's output", seeded.out+seeded.err+again.out+again.err, secrets)
	assertHides(t, "the gateway's log", g.readLog(), secrets)
	assertHides(t, "a dump", g.dump(), secrets)
}
