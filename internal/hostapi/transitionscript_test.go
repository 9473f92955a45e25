//go:build unix

package hostapi

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

const oldKey = "0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c"

// stubStarted stands for cdx, and says what it was started with.
const stubStarted = `#!/bin/sh
case ${1:-} in
version | -W) echo cdx 1.4.0; exit 0 ;;
esac
printf '<%s>' "$@"
cat
env >"$HOME/environment"
exit 42
`

// migrating is a machine whose wrapper has just replaced itself by the transition script.
func migrating(t *testing.T, client string, tools ...string) (m *machine, wrapper string) {
	t.Helper()
	m = newMachine(t, []byte(client), append([]string{"ls"}, tools...)...)
	system := shellQuote(filepath.Join(m.home, "etc", "cdx", "host.json")) // not this machine's
	m.script = []byte(strings.Replace(string(transitionScript(m.transition())), "/etc/cdx/host.json", system, 1))
	wrapper = filepath.Join(m.home, "opt", "cdx")
	if err := os.MkdirAll(filepath.Dir(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	m.place(wrapper)
	return m, wrapper
}

func (m *machine) transition() transitionParams {
	p := m.params(m.client)
	return transitionParams{
		BaseURL: p.BaseURL, APIKey: oldKey, FQDN: p.FQDN, Secure: true, InstallationID: scriptToken, Version: p.Version,
	}
}

func (m *machine) place(wrapper string) {
	m.t.Helper()
	if err := os.WriteFile(wrapper, m.script, 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) configPath() string { return filepath.Join(m.home, ".config", "cdx", "host.json") }

// start runs a file as a user does, with something on its standard input.
func (m *machine) start(shell, file, line string, env ...string) (stdout, stderr string, status int) {
	m.t.Helper()
	return m.runLine(shell, `printf input | `+shell+` '`+file+`' `+line, env...)
}

// The next run after the self-update is Codex's already, with everything the user gave it; from then on the wrapper is cdx.
func TestTransition(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		for _, tools := range [][]string{{"curl", "sha256sum"}, {"wget", "sha256sum"}, {"curl", "openssl"}} {
			t.Run(shell+" "+strings.Join(tools, " "), func(t *testing.T) {
				t.Parallel()
				m, wrapper := migrating(t, stubStarted, tools...)
				stdout, stderr, status := m.start(shell, wrapper, `exec 'a b' '' "new
line" -- --x`, "CODEX_SYNC_API_KEY_DEFAULT=exported", "base=exported", "dir=exported")
				if want := "<exec><a b><><new\nline><--><--x>input"; status != 42 || stdout != want {
					t.Errorf("got status %d, stdout %q, stderr %q; want 42, %q", status, stdout, stderr, want)
				}
				want := "✓ the old wrapper's API key is now in " + m.configPath() + " (0600)\n" +
					"✓ cdx 1.4.0 downloaded, digest checked\n✓ installed as ~/opt/cdx\n"
				if stderr != want {
					t.Errorf("got stderr\n%s\nwant\n%s", stderr, want)
				}
				m.wantInstalled(filepath.Dir(wrapper), []byte(stubStarted))
				m.wantConfig(m.configPath())
				if environment, _ := os.ReadFile(filepath.Join(m.home, "environment")); strings.Contains(string(environment), oldKey) {
					t.Errorf("the key is in Codex's environment: %s", environment)
				}
			})
		}
	}
}

func (m *machine) wantConfig(path string) {
	m.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	var got api.EnrolResponse
	if err := json.Unmarshal(text, &got); err != nil {
		m.t.Errorf("got %s: %v", text, err)
	}
	want := api.EnrolResponse{BaseURL: m.server.URL, APIKey: oldKey, FQDN: "falcon.fra.example.net", InstallationID: scriptToken, Secure: true}
	if !reflect.DeepEqual(got, want) {
		m.t.Errorf("got %+v, want %+v", got, want)
	}
	for file, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(file); err != nil || info.Mode() != mode {
			m.t.Errorf("%s: got %v, %v; want %v", file, info.Mode(), err, mode)
		}
	}
}

// The script is run when its user comes by, which may be after the gateway was upgraded.
func TestTransitionAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	m.client = []byte(stubStarted + "# newer\n")
	if stdout, stderr, status := m.start("sh", wrapper, "x"); status != 42 || stdout != "<x>input" {
		t.Errorf("got status %d, %q, %q", status, stdout, stderr)
	}
	m.wantInstalled(filepath.Dir(wrapper), m.client)
}

// A link from the one place to the other must not make the script start itself for ever.
func TestTransitionThroughALink(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	elsewhere := filepath.Join(m.home, "opt", "cdx-wrapper")
	if err := os.Rename(wrapper, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(m.localBin(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(m.localBin(), "cdx")); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := m.start("sh", elsewhere, "x"); status != 42 || stdout != "<x>input" {
		t.Errorf("got status %d, %q, %q", status, stdout, stderr)
	}
	m.wantInstalled(m.localBin(), []byte(stubStarted))
}

// Root who runs it with the home of somebody else, as sudo does, leaves nothing there that its owner cannot use.
func TestTransitionByRootInAnotherHome(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	const somebody = 65534
	m.stub("id", "echo 0")
	m.stub("chown", `echo "$@" >>"$HOME/../chowned"`)
	m.stub("ls", fmt.Sprintf("echo drwx 2 %d %d 4096 x", somebody, somebody))
	if _, stderr, status := m.start("sh", wrapper, "x"); status != 42 {
		t.Fatalf("got status %d, %q", status, stderr)
	}
	config := filepath.Join(m.home, ".config")
	want := ""
	for _, path := range []string{config, filepath.Join(config, "cdx"), m.configPath()} {
		want += fmt.Sprintf("%d:%d %s\n", somebody, somebody, path)
	}
	if got, err := os.ReadFile(filepath.Join(m.home, "..", "chowned")); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// An old wrapper in the place where cdx goes is no cdx.
func TestTransitionOverAnOldWrapper(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	elsewhere := filepath.Join(m.home, "opt", "cdx-wrapper")
	if err := os.Rename(wrapper, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(m.localBin(), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, old := range map[string]string{"a wrapper": "echo cdx wrapper 2025.11.29-06", "another program": "echo cd extended 1.0", "a broken one": "exit 1"} {
		if err := os.WriteFile(filepath.Join(m.localBin(), "cdx"), []byte("#!/bin/sh\n"+old+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, status := m.start("sh", elsewhere, "x"); status != 42 || stdout != "<x>input" {
			t.Errorf("%s: got status %d, %q, %q", name, status, stdout, stderr)
		}
		m.wantInstalled(m.localBin(), []byte(stubStarted))
	}
}

// A configuration may be named by its bare name.
func TestTransitionConfigHere(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	if _, stderr, status := m.start("sh", wrapper, "", "CDX_CONFIG_PATH=own.json"); status != 42 {
		t.Errorf("got status %d, %q", status, stderr)
	}
	if text, err := os.ReadFile(filepath.Join(m.home, "own.json")); err != nil || !strings.Contains(string(text), oldKey) {
		t.Errorf("got %q, %v", text, err)
	}
}

// What the reference's own test looks for in a wrapper, and what its installer runs.
func TestTransitionLooksLikeAWrapper(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted)
	for _, pattern := range []string{
		`CODEX_SYNC_BASE_URL_DEFAULT=.*` + regexp.QuoteMeta(m.server.URL), `CODEX_SYNC_API_KEY.*` + oldKey,
		`CODEX_SYNC_FQDN.*falcon\.fra\.example\.net`, `WRAPPER_VERSION=.*1\.4\.0`, `WRAPPER_VERSION="1\.4\.0"`,
	} {
		if !regexp.MustCompile(`(?m)` + pattern).Match(m.script) {
			t.Errorf("the script has no line like %s", pattern)
		}
	}
	for _, flag := range []string{"--wrapper-version", "-W"} {
		stdout, stderr, status := m.start("sh", wrapper, flag)
		if stdout != "cdx wrapper 1.4.0\n" || stderr != "" || status != 0 {
			t.Errorf("%s: got status %d, %q, %q", flag, status, stdout, stderr)
		}
	}
	if got, _ := os.ReadFile(wrapper); string(got) != string(m.script) {
		t.Error("asking for the version replaced the wrapper")
	}
	insecure := m.transition()
	insecure.Secure = false
	if !strings.Contains(string(transitionScript(insecure)), "CODEX_HOST_SECURE='0'") {
		t.Error("an insecure host is told to be a secure one")
	}
}

// A wrapper that this user may not replace goes on standing for cdx, which lives where an installer would put it.
func TestTransitionWithoutRights(t *testing.T) {
	t.Parallel()
	m, _ := migrating(t, stubStarted, "curl", "sha256sum")
	// Not by a mode: this test may run as root. A wrapper of another name is as little the place for cdx.
	elsewhere := filepath.Join(m.home, "opt", "cdx-wrapper")
	m.place(elsewhere)
	for range 2 {
		if stdout, stderr, status := m.start("sh", elsewhere, "x"); status != 42 || stdout != "<x>input" {
			t.Errorf("got status %d, %q, %q", status, stdout, stderr)
		}
		m.server.Close() // a cdx that is there needs no gateway to be started
	}
	m.wantInstalled(m.localBin(), []byte(stubStarted))
	if got, _ := os.ReadFile(elsewhere); string(got) != string(m.script) {
		t.Error("the wrapper was replaced")
	}
}

// A configuration that is there is that of a machine that has enrolled since: an older key must not take its place.
func TestTransitionKeepsAConfiguration(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	own := filepath.Join(m.home, "own.json")
	if err := os.WriteFile(own, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := m.start("sh", wrapper, "", "CDX_CONFIG_PATH="+own); status != 42 || strings.Contains(stderr, "API key") {
		t.Errorf("got status %d, %q", status, stderr)
	}
	if text, _ := os.ReadFile(own); string(text) != "{}" {
		t.Errorf("got %s", text)
	}
	if _, err := os.Stat(m.configPath()); err == nil {
		t.Error("another configuration was written")
	}
}

// So is the one of the machine, which cdx would find last.
func TestTransitionKeepsTheMachinesConfiguration(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	system := filepath.Join(m.home, "etc", "cdx", "host.json")
	if err := os.MkdirAll(filepath.Dir(system), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(system, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := m.start("sh", wrapper, ""); status != 42 || strings.Contains(stderr, "API key") {
		t.Errorf("got status %d, %q", status, stderr)
	}
	if _, err := os.Stat(m.configPath()); err == nil {
		t.Error("a configuration that comes before the machine's was written")
	}
	own := filepath.Join(m.home, "own.json")
	m.place(wrapper)
	if _, stderr, status := m.start("sh", wrapper, "", "CDX_CONFIG_PATH="+own); status != 42 || !strings.Contains(stderr, "API key is now in "+own) {
		t.Errorf("asked for another place: got status %d, %q", status, stderr)
	}
}

// Whatever fails leaves the script in its place, so that the next run tries again.
func TestTransitionFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tools  []string
		change func(m *machine, wrapper string)
		status int
		stderr string
	}{
		"damaged download":   {[]string{"curl", "sha256sum"}, func(m *machine, _ string) { m.digest = digestOf(nil) }, 75, "does not match its digest"},
		"no digest":          {[]string{"curl", "sha256sum"}, func(m *machine, _ string) { m.digest = "<html>" }, 75, "is none, so nothing was installed"},
		"gateway gone":       {[]string{"curl", "sha256sum"}, func(m *machine, _ string) { m.server.Close() }, 69, "cannot be reached"},
		"gateway gone, wget": {[]string{"wget", "sha256sum"}, func(m *machine, _ string) { m.server.Close() }, 69, "cannot be reached"},
		"no downloader":      {[]string{"sha256sum"}, nil, 69, "neither curl nor wget"},
		"other platform": {[]string{"curl"}, func(m *machine, _ string) { m.stub("uname", `[ "$1" = -s ] && echo Plan9 || echo mips`) }, 69,
			"has no cdx for Plan9-mips"},
		"no room for the configuration": {[]string{"curl", "sha256sum"}, func(m *machine, _ string) {
			_ = os.WriteFile(filepath.Join(m.home, ".config"), nil, 0o600)
		}, 73, "cannot be written, so nothing was installed"},
	} {
		for _, shell := range shells {
			m, wrapper := migrating(t, stubStarted, c.tools...)
			if c.change != nil {
				c.change(m, wrapper)
			}
			stdout, stderr, status := m.start(shell, wrapper, "x")
			if status != c.status || stdout != "" || !strings.Contains(stderr, c.stderr) {
				t.Errorf("%s, %s: got status %d, %q, %q; want %d, %q", name, shell, status, stdout, stderr, c.status, c.stderr)
			}
			if got, _ := os.ReadFile(wrapper); string(got) != string(m.script) {
				t.Errorf("%s, %s: the wrapper is another one", name, shell)
			}
			if rest, _ := filepath.Glob(filepath.Join(filepath.Dir(wrapper), ".cdx*")); rest != nil {
				t.Errorf("%s, %s: left behind: %v", name, shell, rest)
			}
		}
	}
}

// A host whose shells and cron jobs all start the new wrapper at the same moment.
func TestTransitionAtOnce(t *testing.T) {
	t.Parallel()
	m, wrapper := migrating(t, stubStarted, "curl", "sha256sum")
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), wrapper, "x")
			cmd.Env = []string{"PATH=" + m.bin, "HOME=" + m.home}
			out, err := cmd.Output()
			if cmd.ProcessState.ExitCode() != 42 || string(out) != "<x>" {
				t.Errorf("got %q, %v", out, err)
			}
		})
	}
	all.Wait()
	m.wantInstalled(filepath.Dir(wrapper), []byte(stubStarted))
	m.wantConfig(m.configPath())
	if rest, _ := filepath.Glob(m.configPath() + ".*"); rest != nil {
		t.Errorf("left behind: %v", rest)
	}
}

// No value of a host or of the configuration gets to mean something to the shell.
func TestTransitionQuotes(t *testing.T) {
	t.Parallel()
	m := newMachine(t, []byte(stubStarted))
	p := m.transition()
	p.BaseURL, p.FQDN, p.InstallationID = `http://x'; touch "$HOME/broken"; '`, "$(touch $HOME/broken)", "`touch $HOME/broken`"
	m.script = transitionScript(p)
	for _, shell := range shells {
		if _, stderr, status := m.run(shell); status == 0 {
			t.Errorf("got status 0, %q", stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(m.home, "broken")); err == nil {
		t.Error("a value was run")
	}
}

// A host must not be given a cdx that would then refuse to talk to its gateway.
func TestKeepsKeysSecret(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"https://codex.example": true, "https://10.0.0.1:8488/x": true, "http://localhost:8488": true, "http://127.0.0.9": true, "http://[::1]:1": true,
		"http://codex.example": false, "http://10.0.0.1:8488": false, "http://127.evil.example": false, "http://localhost.evil.example": false, "": false,
	} {
		if got := keepsKeysSecret(url); got != want {
			t.Errorf("%s: got %t, want %t", url, got, want)
		}
	}
}
