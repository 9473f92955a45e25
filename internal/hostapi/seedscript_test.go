//go:build unix

package hostapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seeding is a machine with a login, and a gateway that takes it or not.
func seeding(t *testing.T, status int, answer string) (m *machine, got *string) {
	t.Helper()
	m = newMachine(t, nil, "curl", "sed")
	got = new(string)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(gateway.Close)
	m.server = gateway
	m.script = seedScript(gateway.URL, scriptToken, transport{})
	if err := os.Mkdir(filepath.Join(m.home, ".codex"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.writeLogin("{\"tokens\":\n  1}\n")
	return m, got
}

func (m *machine) writeLogin(text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.home, ".codex", "auth.json"), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func TestSeedScript(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		m, got := seeding(t, 200, `{"status":"ok","data":{"status":"updated","generation":12,"canonical_digest":"x"}}`)
		stdout, stderr, status := m.run(shell, "token=exported", "base=exported", "file=exported")
		want := "Uploading ~/.codex/auth.json to " + m.server.URL + "\n✓ this is the fleet's login now, generation 12\n" +
			"  Use Codex on this machine through cdx from now on: a copy that renews itself alone ends the login for all.\n"
		if status != 0 || stdout != want || stderr != "" {
			t.Errorf("%s: got status %d, %q, stdout\n%s\nwant\n%s", shell, status, stderr, stdout, want)
		}
		if want := "POST /seed/auth/" + scriptToken + " application/json {\"tokens\":\n  1}\n"; *got != want {
			t.Errorf("%s: the gateway got %q, want %q", shell, *got, want)
		}
	}
}

func TestSeedScriptOfAnotherHome(t *testing.T) {
	t.Parallel()
	m, got := seeding(t, 200, `{"data":{"generation":1}}`)
	home := filepath.Join(m.home, "my codex")
	if err := os.Rename(filepath.Join(m.home, ".codex"), home); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := m.run("sh", "CODEX_HOME="+home); status != 0 || !strings.HasPrefix(stdout, "Uploading ~/my codex/auth.json") || *got == "" {
		t.Errorf("got status %d, %q, %q", status, stdout, stderr)
	}
}

// What goes wrong is said in words, with a status, and the token is no argument of any command.
func TestSeedScriptFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		answer string
		change func(*machine)
		exit   int
		says   string
	}{
		"refused": {410, `{"status":"error","message":"Seed token already used","code":"seed_token_used"}`, nil, 65, "did not take it: Seed token already used\n"},
		"invalid": {
			422, `{"status":"error","message":"Validation failed","code":"validation_failed","errors":{"auth.auths":["auths must be an object of targets"]}}`,
			nil, 65, "did not take it: auths must be an object of targets\n",
		},
		"no envelope": {502, "<html>Bad gateway</html>", nil, 65, "did not take it: HTTP 502\n"},
		"no gateway":  {200, "", func(m *machine) { m.server.Close() }, 69, "could not be reached, so nothing was uploaded"},
		"no login":    {200, "", func(m *machine) { _ = os.Remove(filepath.Join(m.home, ".codex", "auth.json")) }, 66, "there is no ~/.codex/auth.json"},
		"no curl":     {200, "", func(m *machine) { _ = os.Remove(filepath.Join(m.bin, "curl")) }, 69, "this machine has no curl"},
		"curl tattles": {200, `{"data":{"generation":1}}`, func(m *machine) {
			m.stub("curl", `case "$*" in *`+scriptToken+`*) exit 99 ;; esac; cat >/dev/null; printf '{"generation":1}\n200'`)
		}, 0, ""},
	} {
		for _, shell := range shells {
			m, _ := seeding(t, c.status, c.answer)
			if c.change != nil {
				c.change(m)
			}
			stdout, stderr, status := m.run(shell)
			if status != c.exit || !strings.Contains(stderr, c.says) {
				t.Errorf("%s, %s: got status %d, %q, %q; want %d, %q", name, shell, status, stdout, stderr, c.exit, c.says)
			}
			if strings.Contains(stdout+stderr, scriptToken) {
				t.Errorf("%s, %s: the token is printed", name, shell)
			}
		}
	}
}
