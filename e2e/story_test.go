package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// machine is somebody's account on a machine that is about to become a host: a home of its own, an ordinary user.
type machine struct {
	t    *testing.T
	user identity
	home string
	path string // PATH
}

func newMachine(t *testing.T, codexDir string) *machine {
	t.Helper()
	m := &machine{t: t, user: unprivileged()}
	m.home = tempDir(t, m.user)
	m.path = strings.Join([]string{filepath.Join(m.home, ".local/bin"), codexDir, "/usr/bin", "/bin"}, ":")
	return m
}

// sh runs one line in the machine's shell. Nothing it starts reaches beyond this machine.
func (m *machine) sh(line string, env ...string) result {
	m.t.Helper()
	return command{dir: m.home, user: m.user, env: append([]string{
		"HOME=" + m.home, "PATH=" + m.path, "LANG=C.UTF-8", "HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=localhost,127.0.0.1",
	}, env...)}.run(m.t, "/bin/sh", "-c", line)
}

func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.home, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// theCodex is a directory that holds the real Codex CLI, where every user may run it.
func theCodex(t *testing.T) string {
	t.Helper()
	codex := os.Getenv("CDXGATE_TEST_CODEX")
	if codex == "" {
		t.Fatal("CDXGATE_TEST_CODEX does not name the Codex CLI; make test-blackbox sets it")
	}
	script, err := filepath.EvalSymlinks(codex)
	if err != nil {
		t.Fatalf("the Codex CLI: %v", err)
	}
	// The package, from .../node_modules/@openai/codex/bin/codex.js: the place it was installed to may be root's alone.
	modules := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(script))))
	dir := tempDir(t, identity{})
	for _, line := range []string{
		fmt.Sprintf("cp -al %q %q || cp -a %q %q", modules, filepath.Join(dir, "modules"), modules, filepath.Join(dir, "modules")),
		fmt.Sprintf("chmod -R a+rX %q; mkdir -m 755 %q; ln -s ../modules/@openai/codex/bin/codex.js %q",
			filepath.Join(dir, "modules"), filepath.Join(dir, "bin"), filepath.Join(dir, "bin/codex")),
	} {
		if r := (command{dir: dir, env: os.Environ()}).run(t, "/bin/sh", "-c", line); r.code != 0 {
			t.Fatalf("%s: %s%s", line, r.out, r.err)
		}
	}
	return filepath.Join(dir, "bin")
}

// codexVersion is what the package says that it is.
func codexVersion(t *testing.T, codexDir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(codexDir, "../modules/@openai/codex/package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil || manifest.Version == "" {
		t.Fatalf("the package of the Codex CLI names no version (%v)", err)
	}
	return manifest.Version
}

// The story of the README, word for word, with the real Codex CLI.
func TestStory(t *testing.T) {
	t.Parallel()
	codexDir := theCodex(t)
	g := start(t, options{fresh: true})
	m := newMachine(t, codexDir)

	first := authtest.Options{}
	file := filepath.Join(g.dir, "auth.json")
	if err := os.WriteFile(file, authtest.New(first), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := g.must("auth", "upload", file); !strings.Contains(r.err, "generation 1") {
		t.Errorf("auth upload: got %q, want generation 1", r.err)
	}
	line := strings.TrimSpace(g.must("host", "add", "build7.example").out)
	if want := "curl -fsSL " + g.URL + "/install/"; !strings.HasPrefix(line, want) || !strings.HasSuffix(line, " | sh") {
		t.Fatalf("host add: got %q, want one line %q… | sh", line, want)
	}
	if r := m.sh(line); r.code != 0 || !strings.Contains(r.out+r.err, "✓ enrolled") {
		t.Fatalf("installing: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := m.sh("cdx login status"); r.code != 0 || !strings.Contains(r.out+r.err, "Logged in using ChatGPT") {
		t.Errorf("cdx login status: exit %d, want “Logged in using ChatGPT”\n%s%s", r.code, r.out, r.err)
	}
	if r := m.sh("cdx --version"); r.code != 0 || !strings.HasPrefix(r.out, "codex-cli "+codexVersion(t, codexDir)) {
		t.Errorf("cdx --version: exit %d, out %q, want Codex's own answer", r.code, r.out)
	}
	for _, name := range []string{".codex/auth.json", ".config/cdx/host.json"} {
		if info, err := os.Stat(filepath.Join(m.home, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", name, info, err)
		}
	}
	if r := m.sh(line); r.code != 1 || !strings.Contains(r.err, "this install command was used on") {
		t.Errorf("the same line again: exit %d, %q; want 1 and the reason", r.code, r.err)
	}

	m.path = strings.Join([]string{filepath.Join(m.home, ".local/bin"), "/usr/bin", "/bin"}, ":")
	if r := m.sh("cdx login status"); r.code != 127 || !strings.Contains(r.err, "npm i -g @openai/codex") {
		t.Errorf("without Codex: exit %d, %q; want 127 and how to get it", r.code, r.err)
	}
	renewsTheLogin(t, g, m)

	key := strings.Split(strings.SplitAfter(m.read(".config/cdx/host.json"), `"api_key"`)[1], `"`)[1]
	_, token, _ := strings.Cut(strings.TrimSuffix(line, " | sh"), "/install/")
	assertHides(t, "the gateway's log", g.readLog(), map[string]string{
		"API key": key, "install token": token, "access token": authtest.AccessToken(first),
	})
}

// renewsTheLogin lets Codex write a newer login, as its refresh does: the gateway has it when cdx has ended.
func renewsTheLogin(t *testing.T, g *gateway, m *machine) {
	t.Helper()
	renewed := authtest.New(authtest.Options{LastRefresh: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)})
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"renewed.json": {string(renewed), 0o600},
		"codex-renews": {"#!/bin/sh\ncp \"$HOME/renewed.json\" \"$HOME/.codex/auth.json\"\nexit 3\n", 0o755},
	} {
		path := filepath.Join(m.home, name)
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
		m.user.own(t, path)
	}
	if r := m.sh("cdx exec hello", "CDX_CODEX_BIN="+filepath.Join(m.home, "codex-renews")); r.code != 3 {
		t.Errorf("cdx exec: got exit %d, want Codex's 3\n%s%s", r.code, r.out, r.err)
	}
	if got := g.sql("SELECT generation FROM account"); got[0] != "2" {
		t.Errorf("after Codex renewed its login: got generation %s, want 2", got[0])
	}
}
