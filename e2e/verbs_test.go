package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// The verbs work beside a running gateway and without one, and say in their exit code how it went.
func TestVerbs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		running bool
	}{{"beside a gateway", true}, {"without a gateway", false}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := install(t, options{})
			if test.running {
				g.run()
				g.waitReady()
			}
			playVerbs(t, g)
			if running := g.postgresPID() != 0; running != test.running {
				t.Errorf("afterwards PostgreSQL runs: %v, want %v", running, test.running)
			}
		})
	}
}

func playVerbs(t *testing.T, g *gateway) {
	t.Helper()
	file := filepath.Join(g.dir, "auth.json")
	if err := os.WriteFile(file, authtest.New(login(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		arguments []string
		input     string
		code      int
		out, err  string // what they say, among other things
	}{
		{arguments: []string{"auth", "show"}, code: 66, err: "cdxgate auth upload"},
		{arguments: []string{"host", "list"}, err: "No hosts yet"},
		{arguments: []string{"auth", "upload", "-"}, input: `{"tokens":{}}`, code: 65, err: "cdxgate: "},
		{arguments: []string{"auth", "upload", "-"}, input: "{", code: 65, err: "cdxgate: "},
		{arguments: []string{"auth", "upload", file + ".none"}, code: 66, err: "no such file"},
		{arguments: []string{"auth", "upload", file}, err: "generation 1"},
		{arguments: []string{"auth", "upload", file}, err: "already"},
		{arguments: []string{"auth", "show"}, out: "generation 1"},
		{arguments: []string{"auth", "show", "--reveal"}, out: `"refresh_token"`},
		{arguments: []string{"host", "add", "build7.example"}, out: "curl -fsSL " + g.URL + "/install/"},
		{arguments: []string{"host", "add", "build7.example"}, code: 73, err: "--yes"},
		{arguments: []string{"host", "add", "build7.example", "--yes"}, out: "curl -fsSL "},
		{arguments: []string{"host", "add", "-leading.example"}, code: 2},
		{arguments: []string{"host", "add", "under_score.example/x"}, code: 65},
		{arguments: []string{"host", "add"}, code: 2, err: "want one argument"},
		{arguments: []string{"host", "add", "a.example", "b.example"}, code: 2, err: "want one argument"},
		{arguments: []string{"host", "add", "a.example", "--vipp"}, code: 2},
		{arguments: []string{"host", "list"}, out: "build7.example"},
		{arguments: []string{"host", "list", "-o", "yaml"}, code: 2, err: "text or json"},
		{arguments: []string{"host", "show", "build7.example"}, out: "never seen"},
		{arguments: []string{"host", "show", "none.example"}, code: 66},
		{arguments: []string{"host", "set", "build7.example"}, code: 2, err: "say what to change"},
		{arguments: []string{"host", "set", "build7.example", "--vip=perhaps"}, code: 2, err: "true or false"},
		{arguments: []string{"host", "set", "build7.example", "--allow-from", "10.0.0.1/8"}, code: 2, err: "want networks"},
		{arguments: []string{"host", "set", "build7.example", "--vip", "--secure=false", "--allow-from", "10.0.0.0/8,fd00::/8"}, err: "vip=true"},
		{arguments: []string{"host", "show", "build7.example"}, out: "10.0.0.0/8,fd00::/8"},
		{arguments: []string{"host", "set", "build7.example", "--ipv4-only=perhaps"}, code: 2, err: "true or false"},
		{arguments: []string{"host", "set", "build7.example", "--model", "-c"}, code: 65, err: "--model: must be a name"},
		{arguments: []string{"host", "set", "build7.example", "--ipv4-only", "--model", "o3", "--reasoning-effort="}, err: "ipv4-only=true, model=o3, reasoning-effort=none"},
		{arguments: []string{"host", "show", "build7.example", "-o", "json"}, out: `"model_override": "o3"`},
		{arguments: []string{"host", "rm", "build7.example"}, code: 73, err: "--yes"},
		{arguments: []string{"host", "rm", "build7.example", "--yes"}, err: "is removed"},
		{arguments: []string{"host", "rm", "build7.example", "--yes"}, code: 66},
		{arguments: []string{"host", "nonsense"}, code: 2},
		{arguments: []string{"policy", "set", "host_prompt_push"}, code: 2, err: "want two arguments"},
		{arguments: []string{"policy", "set", "host_prompt_push", "off"}, err: "host_prompt_push is off"},
		{arguments: []string{"versions", "show"}, out: "Codex for hosts"},
		{arguments: []string{"versions", "check"}, code: 69, err: "github_api is off"},
		{arguments: []string{"job", "list"}},
		{arguments: []string{"limit", "clear", "203.0.113.9"}, err: "Nothing is held"},
		{arguments: []string{"library", "add", "-"}, input: "one", code: 2, err: "--name"},
		{arguments: []string{"library", "add", "-", "--name", "triage.md"}, input: "one", err: "is a command now"},
		{arguments: []string{"library", "show", "triage.md"}, out: "one"},
		{arguments: []string{"library", "restore", "triage.md", "1"}, err: "that already"},
		{arguments: []string{"library", "accept", "1"}, code: 66, err: "cdxgate library proposals"},
		{arguments: []string{"admin", "cert", "list"}, err: "No admin certificates yet"},
		{arguments: []string{"admin", "cert", "add", "Not A Name"}, code: 65},
		{arguments: []string{"admin", "cert", "add", "ops"}, out: "password"},
		{arguments: []string{"admin", "cert", "add", "ops"}, code: 65, err: "--role"},
		{arguments: []string{"admin", "cert", "add", "ops", "--role", "root"}, code: 65, err: "viewer, operator or owner"},
		{arguments: []string{"admin", "cert", "add", "ops", "--role", "viewer"}, code: 73},
		{arguments: []string{"admin", "cert", "list"}, out: "owner"},
		{arguments: []string{"admin", "cert", "renew", "ops", "--overlap", "31d"}, code: 65},
		{arguments: []string{"admin", "cert", "renew", "ops", "--overlap", "1d"}, out: "password", err: "opens nothing from"},
		{arguments: []string{"admin", "cert", "list"}, out: "renewed"},
		{arguments: []string{"admin", "cert", "revoke", "nobody", "--yes"}, code: 66},
		{arguments: []string{"admin", "cert", "revoke", "ops"}, code: 73, err: "--yes"},
		{arguments: []string{"admin", "cert", "revoke", "ops", "--yes"}, err: "opens nothing any more"},
		{arguments: []string{"admin", "token", "add", "ci"}, code: 2, err: "--role"},
		{arguments: []string{"admin", "token", "add", "ci", "--role", "viewer", "--scope", "host.write"}, code: 65, err: "host.read"},
		{arguments: []string{"admin", "token", "add", "ci", "--role", "viewer", "--expires", "0"}, code: 65},
		{arguments: []string{"admin", "token", "add", "ci", "--role", "viewer", "--expires", "soon"}, code: 2, err: "90d"},
		{arguments: []string{"admin", "token", "add", "ci", "--role", "operator", "--scope", "host.enrol", "--expires", "30d"}, out: "cdxa_"},
		{arguments: []string{"admin", "token", "add", "ci", "--role", "viewer"}, code: 73},
		{arguments: []string{"admin", "token", "list"}, out: "host.enrol"},
		{arguments: []string{"admin", "token", "revoke", "ci", "--yes"}, err: "opens nothing any more"},
		{arguments: []string{"admin", "token", "revoke", "ci", "--yes"}, code: 66},
		{arguments: []string{"admin", "link", "--role", "viewer"}, out: g.LocalURL + "/dashboard/login/", err: "as viewer"},
		{arguments: []string{"admin", "session", "list"}, err: "No sessions"},
		{arguments: []string{"admin", "session", "revoke", "1"}, code: 66},
		{arguments: []string{"host", "list", "--config", "/nonexistent"}, code: 66, err: "--config"},
	} {
		r := g.cdxgateWith(step.input, step.arguments...)
		if r.code != step.code || !strings.Contains(r.out, step.out) || !strings.Contains(r.err, step.err) {
			t.Errorf("cdxgate %s: exit %d, want %d, out with %q, err with %q; got\n%s%s",
				strings.Join(step.arguments, " "), r.code, step.code, step.out, step.err, r.out, r.err)
		}
		if r.code != 0 && r.out != "" {
			t.Errorf("cdxgate %s: exit %d with something on standard output: %s", strings.Join(step.arguments, " "), r.code, r.out)
		}
	}
	for _, verb := range [][]string{{"auth", "upload", file}, {"auth", "show"}, {"host", "list"}, {"admin", "cert", "list"}, {"admin", "token", "list"}, {"admin", "link"}, {"admin", "session", "list"}, {"host", "add", "json.example"}, {"host", "show", "json.example"}, {"doctor"}, {"policy", "list"}, {"library", "list"}, {"library", "proposals"}, {"versions", "show"}, {"job", "list"}} {
		r := g.cdxgate(append(verb, "-o", "json")...)
		if !json.Valid([]byte(r.out)) || strings.Contains(r.out, "\x1b") {
			t.Errorf("cdxgate %s -o json prints\n%s", strings.Join(verb, " "), r.out)
		}
	}
	for name, want := range map[string]os.FileMode{"ops.crt": 0o600, "ops.key": 0o600, "ops.p12": 0o600} {
		info, err := os.Stat(filepath.Join(g.data, "admin", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestVerbsWithoutADatabase(t *testing.T) {
	t.Parallel()
	g := install(t, options{
		fresh: true, database: "postgres://u:planted-password@127.0.0.1:" + freePort(t) + "/db",
		caddyfile: func(text string) string { return configured(t, text, "start_timeout 2s") },
	})
	r := g.cdxgate("host", "list")
	if r.code != 69 || !strings.Contains(r.err, "check the option “database”") || strings.Contains(r.out+r.err, "planted-password") {
		t.Errorf("exit %d, want 69 and a hint without the password\n%s%s", r.code, r.out, r.err)
	}
}

// shape is what a JSON document looks like without its values.
func shape(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = shape(member)
		}
		return out
	case []any:
		return "array"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// What `host add -o json` prints is what the admin API answers to a registration.
func TestHostAddPrintsWhatRegisterAnswers(t *testing.T) {
	t.Parallel()
	g := start(t, options{})
	admin := g.adminClient(g.addCert("ops"))
	var printed, answered any
	if err := json.Unmarshal([]byte(g.must("host", "add", "a.example", "-o", "json").out), &printed); err != nil {
		t.Fatal(err)
	}
	got, err := callWith(admin, "POST", g.AdminURL+"/admin/hosts/register", []string{"Content-Type: application/json"}, `{"fqdn":"b.example"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got.envelope(t).Data, &answered); err != nil {
		t.Fatal(err)
	}
	if a, b := shape(printed), shape(answered); !reflect.DeepEqual(a, b) {
		t.Errorf("the verb prints\n%v\nthe call answers\n%v", a, b)
	}
}

// A server that starts, and one that stops, in the middle of verbs: each verb works or says in one line why not.
func TestServerComesAndGoesWhileVerbsRun(t *testing.T) {
	t.Parallel()
	g := install(t, options{})
	g.must("host", "add", "build7.example")
	ctx, cancel := context.WithCancel(context.Background())
	var operators sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{} // :: exit code → times
	for range 2 {
		operators.Go(func() {
			for ctx.Err() == nil {
				r := command{dir: g.dir, env: g.env}.run(t, rig.cdxgate, "host", "show", "build7.example")
				mu.Lock()
				codes[r.code]++
				mu.Unlock()
				said := slices.DeleteFunc(strings.Split(strings.TrimSpace(r.err), "\n"), progressLine.MatchString)
				switch {
				case r.code == 0 && !strings.Contains(r.out, "build7.example"):
					t.Errorf("exit 0 with\n%s%s", r.out, r.err)
				case r.code != 0 && (r.code != 69 || len(said) != 1 || !strings.Contains(said[0], "the embedded database")):
					t.Errorf("exit %d with\n%s%s\nwant 69 and one line about the embedded database", r.code, r.out, r.err)
				}
			}
		})
	}
	for range 5 {
		g.run()
		g.waitReady()
		// It serves while verbs come and go.
		for range 3 {
			g.call("GET", "/readyz", nil, "")
		}
		g.stop()
	}
	cancel()
	operators.Wait()
	if codes[0] < 5 {
		t.Errorf("the verbs ended with %v, want many that worked", codes)
	}
	t.Logf("exit codes: %v", codes)
}
