//go:build unix

package cdx

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// check is one finding of cdx doctor -o json.
type check struct {
	Label, State, What string
	Means, Command     *string
}

// examined runs cdx doctor and returns its findings by label.
func (r *rig) examined(env ...string) (found map[string]check, exit int) {
	r.t.Helper()
	stdout, stderr, exit := r.run([]string{"doctor", "-o", "json"}, env...)
	var document struct {
		Exit   int
		Checks []check
	}
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || document.Exit != exit {
		r.t.Fatalf("exit %d: %v: %s%s", exit, err, stdout, stderr)
	}
	found = map[string]check{}
	for _, one := range document.Checks {
		if _, twice := found[one.Label]; twice {
			r.t.Errorf("two checks are called %q", one.Label)
		}
		found[one.Label] = one
	}
	return found, exit
}

// wellRig is a machine on which nothing is wrong.
func wellRig(t *testing.T, gateway http.Handler) *rig {
	t.Helper()
	r := newRig(t, gateway)
	cdx, err := exec.LookPath("cdx")
	if err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "FAKE_VERSION=0.169.0", "CDX_CODEX_BIN=", "PATH="+filepath.Dir(cdx)+string(os.PathListSeparator)+codexDir, "TZ=UTC",
		"TEST_CLOCK="+stopped.Format(time.RFC3339))
	r.put(r.auth, loginSpec{Account: "acct-fleet", Lifetime: time.Until(stopped.Add(240 * time.Hour)), Generation: "1",
		LastRefresh: "2026-11-23T14:19:31Z"}.encode())
	must(files.MakeDir(filepath.Dir(home{filepath.Dir(r.auth)}.contactPath())))
	home{filepath.Dir(r.auth)}.rememberContact(stopped)
	return r
}

func TestDoctorFindsNothing(t *testing.T) {
	t.Parallel()
	r := wellRig(t, usual())
	found, exit := r.examined()
	for label, check := range found {
		if check.State != "ok" {
			t.Errorf("%s: got %s: %s", label, check.State, check.What)
		}
	}
	if exit != 0 || len(found) != 11 {
		t.Errorf("got exit status %d and %d checks", exit, len(found))
	}
}

// TestDoctorFindsFaults breaks one thing after another. Each fault is found under its label, says what it means, and
// names what corrects it.
func TestDoctorFindsFaults(t *testing.T) {
	t.Parallel()
	write := func(path, text string, mode os.FileMode) {
		must(files.MakeDir(filepath.Dir(path)))
		must(os.WriteFile(path, []byte(text), mode))
		must(os.Chmod(path, mode))
	}
	for name, c := range map[string]struct {
		gateway http.Handler
		inject  func(r *rig) (env []string)
		label   string
		state   string
		what    string // part of it
		command string // part of it
	}{
		"config missing":  {nil, func(r *rig) []string { must(os.Remove(r.dir + "/host.json")); return nil }, "config", "failed", "not enrolled", "cdxgate host add"},
		"config readable": {nil, func(r *rig) []string { must(os.Chmod(r.dir+"/host.json", 0o644)); return nil }, "config", "failed", "other users can read the API key", "chmod 600"},
		"config damaged":  {nil, func(r *rig) []string { write(r.dir+"/host.json", "{", 0o600); return nil }, "config", "failed", "damaged", "cdxgate host add"},
		"gateway away":    {nil, func(r *rig) []string { r.pointTo("http://127.0.0.1:1"); return nil }, "gateway", "failed", "did not answer (connection refused)", "curl"},
		"key while away":  {nil, func(r *rig) []string { r.pointTo("http://127.0.0.1:1"); return nil }, "key", "unknown", "not known", ""},
		"another gateway": {nil, func(r *rig) []string {
			server := httptest.NewTLSServer(usual())
			server.Config.ErrorLog = nil
			r.t.Cleanup(server.Close)
			r.pointTo(server.URL)
			return nil
		}, "gateway", "failed", "cannot be verified", "curl"},
		"unknown key": {always(refused(http.StatusUnauthorized, "api_key_invalid", "Invalid API key")), nil, "key", "failed", "does not know this machine's API key", "cdxgate host add build7.example"},
		"other address": {always(fakeAnswer{status: http.StatusForbidden, body: []byte(`{"status":"error","code":"ip_mismatch","details":{"expected_ip":"203.0.113.9","received_ip":"198.51.100.2"}}`)}),
			nil, "key", "failed", "bound to another address", "--unbind"},
		"clock ahead": {nil, func(*rig) []string { return []string{"TEST_CLOCK=" + stopped.Add(10*time.Minute).Format(time.RFC3339)} }, "clock", "attention", "ahead of the gateway's", setClock()},
		"clock behind": {nil, func(*rig) []string {
			return []string{"TEST_CLOCK=" + stopped.Add(-10*time.Minute).Format(time.RFC3339)}
		}, "clock", "attention", "10 min behind the gateway's", setClock()},
		"clock unknown": {nil, func(r *rig) []string { r.pointTo("http://127.0.0.1:1"); return nil }, "clock", "unknown", "not known", ""},
		"login for all": {nil, func(r *rig) []string { must(os.Chmod(r.auth, 0o644)); return nil }, "home", "attention", "other users can read", "chmod 600"},
		"home for all":  {nil, func(r *rig) []string { must(os.Chmod(filepath.Dir(r.auth), 0o777)); return nil }, "home", "attention", "other users can write", "chmod go-w"},
		"no home": {nil, func(r *rig) []string {
			write(r.dir+"/file", "", 0o600)
			return []string{"CODEX_HOME=" + r.dir + "/file"}
		}, "home", "failed", "no", "ls -ld"},
		"login damaged": {nil, func(r *rig) []string { write(r.auth, "{", 0o600); return nil }, "login", "failed", "is no login", "cdx sync"},
		"own key":       {nil, func(r *rig) []string { write(r.auth, `{"OPENAI_API_KEY":"sk-x"}`, 0o600); return nil }, "login", "attention", "API key of its own", "cdx logout"},
		"no login":      {nil, func(r *rig) []string { must(os.Remove(r.auth)); return nil }, "login", "attention", "none on this machine", "cdx sync"},
		"expired":       {nil, func(*rig) []string { return []string{"TEST_CLOCK=" + stopped.Add(1000*time.Hour).Format(time.RFC3339)} }, "login", "attention", "expired 31 d", "cdx sync"},
		"logged out": {nil, func(r *rig) []string {
			must(os.Remove(r.auth))
			write(filepath.Dir(r.auth)+"/.cdx/state.json", `{"logged_out":true}`, 0o600)
			return nil
		}, "login", "attention", "removed by cdx logout", "cdx sync"},
		"no codex":      {nil, func(r *rig) []string { return []string{"PATH=" + r.dir} }, "codex", "failed", "was not found", "npm i -g @openai/codex"},
		"wrong codex":   {nil, func(*rig) []string { return []string{"CDX_CODEX_BIN=/nowhere"} }, "codex", "failed", "no program", "unset CDX_CODEX_BIN"},
		"mute codex":    {nil, func(*rig) []string { return []string{"FAKE_VERSION="} }, "codex", "attention", "does not say its version", "--version"},
		"old codex":     {nil, func(*rig) []string { return []string{"FAKE_VERSION=0.168.2"} }, "codex", "attention", "0.168.2", "cdx update"},
		"two codex":     {nil, func(r *rig) []string { write(r.dir+"/bin/codex", "#!/bin/sh\n", 0o755); return r.alsoOnPath(false) }, "codex", "attention", "another on PATH: ~/bin/codex", "type -a codex"},
		"another cdx":   {nil, func(r *rig) []string { write(r.dir+"/bin/cdx", "#!/bin/sh\n", 0o755); return r.alsoOnPath(true) }, "cdx", "attention", "~/bin/cdx is found before", "type -a cdx"},
		"cdx not found": {nil, func(*rig) []string { return []string{"PATH=" + codexDir} }, "cdx", "attention", "is not on PATH", "export PATH="},
		"keyring": {nil, func(r *rig) []string {
			write(filepath.Dir(r.auth)+"/config.toml", "cli_auth_credentials_store = \"keyring\"\n", 0o600)
			return nil
		}, "store", "attention", "in keyring", "cli_auth_credentials_store"},
		"bad toml":     {nil, func(r *rig) []string { write(filepath.Dir(r.auth)+"/config.toml", "[", 0o600); return nil }, "store", "attention", "not understood", "codex"},
		"own variable": {nil, func(*rig) []string { return []string{"CODEX_ACCESS_TOKEN=" + plantedAccess} }, "environment", "attention", "CODEX_ACCESS_TOKEN is set", "unset CODEX_ACCESS_TOKEN"},
		"never asked":  {nil, func(r *rig) []string { must(os.Remove(filepath.Dir(r.auth) + "/.cdx/contact")); return nil }, "contact", "unknown", "no start of Codex", ""},
		"long ago": {nil, func(r *rig) []string {
			r.pointTo("http://127.0.0.1:1")
			return []string{"TEST_CLOCK=" + stopped.Add(8*24*time.Hour).Format(time.RFC3339)}
		}, "contact", "failed", "last 8 d 0 h ago", "cdx sync"},
		"not sent up": {nil, func(r *rig) []string { write(filepath.Dir(r.auth)+"/.cdx/pending-auth.json", "{}", 0o600); return nil }, "waiting", "attention", "has not reached the gateway", "cdx sync"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := c.gateway
			if gateway == nil {
				gateway = usual()
			}
			r := wellRig(t, gateway)
			var env []string
			if c.inject != nil {
				env = c.inject(r)
			}
			found, exit := r.examined(env...)
			got, there := found[c.label]
			if !there || got.State != c.state || !strings.Contains(got.What, c.what) {
				t.Errorf("got %+v in %+v", got, found)
			}
			if (got.Command == nil) != (c.command == "") || got.Command != nil && !strings.Contains(*got.Command, c.command) {
				t.Errorf("got the command %v, want %q", got.Command, c.command)
			}
			if (exit == 1) != (c.state != "unknown" || name == "key while away" || name == "clock unknown") {
				t.Errorf("got exit status %d", exit)
			}
		})
	}
}

// alsoOnPath puts the bin directory of the rig before everything else on PATH, or behind it.
func (r *rig) alsoOnPath(first bool) []string {
	path := ""
	for _, variable := range r.env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
		}
	}
	if first {
		return []string{"PATH=" + r.dir + "/bin" + string(os.PathListSeparator) + path}
	}
	return []string{"PATH=" + path + string(os.PathListSeparator) + r.dir + "/bin"}
}

// TestHostileGatewayInReports lets a gateway say what it can into status and doctor.
func TestHostileGatewayInReports(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[2J\x1b]0;x\a\u202eevil\r\nexit 0"
	for _, gateway := range []http.Handler{
		usual().with(api.BlockHost, map[string]any{"fqdn": hostile, "client_version_override": hostile, "secure": true}).
			with(api.BlockVersions, map[string]any{"client_version": hostile, "wrapper_version": hostile}),
		always(refused(http.StatusForbidden, "x", hostile)),
	} {
		r := wellRig(t, gateway)
		for _, args := range [][]string{{"status"}, {"doctor"}, {"status", "-o", "json"}, {"doctor", "-o", "json"}} {
			stdout, stderr, _ := r.run(args, "LC_ALL=C.UTF-8")
			if text := stdout + stderr; text != screen.Clean(text) && strings.ReplaceAll(text, "\n", "") != screen.Clean(strings.ReplaceAll(text, "\n", "")) ||
				strings.Contains(text, "\nexit 0") {
				t.Errorf("%q: got %q", args, text)
			}
		}
	}
}
