package e2e

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files lists what is below a directory, without the directories themselves.
func files(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// What Caddy's `tls internal` makes when it is provisioned, and all that validating may leave.
var madeByCaddy = []string{
	"data/caddy/pki/authorities/local/intermediate.crt",
	"data/caddy/pki/authorities/local/intermediate.key",
	"data/caddy/pki/authorities/local/root.crt",
	"data/caddy/pki/authorities/local/root.key",
}

// alarm is a directory with a postgres and an initdb that leave a file when they are started.
func alarm(t *testing.T) (dir, mark string) {
	t.Helper()
	dir = tempDir(t, identity{})
	mark = filepath.Join(dir, "started")
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho $0 >>"+mark+"\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, mark
}

func TestValidateTouchesNothing(t *testing.T) {
	t.Parallel()
	binaries, started := alarm(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	connected := make(chan struct{}, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			connected <- struct{}{}
		}
	}()

	for name, o := range map[string]options{
		"embedded PostgreSQL": {fresh: true, caddyfile: func(text string) string {
			return configured(t, text, "postgres_binaries "+binaries)
		}},
		"given PostgreSQL": {fresh: true, database: "postgres://u:p@" + listener.Addr().String() + "/db"},
	} {
		g := install(t, o)
		for range 2 {
			r := g.cdxgate("validate", "--config", g.config)
			if r.code != 0 || !strings.Contains(r.out+r.err, "Valid configuration") {
				t.Fatalf("%s: exit %d\n%s%s", name, r.code, r.out, r.err)
			}
			if !strings.Contains(r.err, "there is no keyring yet") {
				t.Errorf("%s: validate does not say that the keyring will be made:\n%s", name, r.err)
			}
			want := append([]string{"Caddyfile"}, madeByCaddy...)
			if got := files(t, g.dir); !slices.Equal(got, want) {
				t.Errorf("%s: validate left %v, want %v", name, got, want)
			}
		}
	}
	if said, err := os.ReadFile(started); err == nil {
		t.Errorf("validate has started %s", said)
	}
	select {
	case <-connected:
		t.Error("validate has connected to the database")
	default:
	}
}

func TestValidateReadsAKeyringThatIsThere(t *testing.T) {
	t.Parallel()
	g := install(t, options{})
	before := files(t, g.data)
	r := g.cdxgate("validate", "--config", g.config)
	if r.code != 0 || strings.Contains(r.err, "no keyring") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if got := files(t, g.data); !slices.Equal(got, before) {
		t.Errorf("validate leaves %v, want what was there: %v", got, before)
	}
	if err := os.WriteFile(filepath.Join(g.data, "keyring"), []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = g.cdxgate("validate", "--config", g.config)
	if r.code == 0 || !strings.Contains(r.out+r.err, filepath.Join(g.data, "keyring")) {
		t.Errorf("with a damaged keyring: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

// A directory that validating made is as good as none.
func TestRunAfterValidate(t *testing.T) {
	t.Parallel()
	g := install(t, options{fresh: true})
	g.must("validate", "--config", g.config)
	g.run()
	g.waitReady()
}

func TestTypoIsAnErrorThatNamesTheOption(t *testing.T) {
	t.Parallel()
	g := install(t, options{fresh: true, caddyfile: func(text string) string { return configured(t, text, "database_max_cons 3") }})
	line := 1 + strings.Count(strings.Split(g.readConfig(), "database_max_cons")[0], "\n")
	for _, verb := range []string{"validate", "adapt", "run"} {
		r := g.cdxgate(verb, "--config", g.config)
		want := `unknown option "database_max_cons" of cdxgate, at ` + g.config + ":" + itoa(line)
		if said := r.out + r.err; r.code == 0 || !strings.Contains(strings.ReplaceAll(said, `\"`, `"`), want) {
			t.Errorf("%s: exit %d and\n%s\nwant %s", verb, r.code, said, want)
		}
	}
	if got := files(t, g.dir); !slices.Equal(got, []string{"Caddyfile"}) {
		t.Errorf("a refused configuration leaves %v", got)
	}
}

func TestFormatAndAdapt(t *testing.T) {
	t.Parallel()
	g := install(t, options{fresh: true})
	if r := g.cdxgate("fmt", g.config); r.code != 0 || r.out != g.readConfig() {
		t.Errorf("fmt of the shipped Caddyfile: exit %d\n%s", r.code, r.out)
	}
	adapted := g.must("adapt", "--config", g.config).out
	for _, want := range []string{`"public_url":"` + g.URL + `"`, `"data_dir":"` + g.data + `"`, `"handler":"cdxgate_auth"`, `"provider":"cdxgate"`} {
		if !strings.Contains(adapted, want) {
			t.Errorf("adapt does not print %s:\n%s", want, adapted)
		}
	}
	g.writeConfig(strings.Replace(g.readConfig(), "\tcdxgate_api\n", "cdxgate_api\n", 1))
	if r := g.cdxgate("fmt", g.config); r.code == 0 || !strings.Contains(r.out, "\tcdxgate_api\n") {
		t.Errorf("fmt of a badly indented one: exit %d\n%s", r.code, r.out)
	}
	if got := files(t, g.dir); !slices.Equal(got, []string{"Caddyfile"}) {
		t.Errorf("fmt and adapt leave %v", got)
	}
}
