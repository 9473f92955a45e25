package caddymodule

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// provision makes a Caddy context whose only app is ours with the given options, which are not started.
func provision(t *testing.T, options map[string]any) (caddy.Context, *App, error) {
	t.Helper()
	raw, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	config := &caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true},
		AppsRaw: caddy.ModuleMap{appName: raw},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {
			BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)},
		}}},
	}
	ctx, err := caddy.ProvisionContext(config)
	if err != nil {
		return ctx, nil, err
	}
	loaded, err := ctx.App(appName)
	if err != nil {
		return ctx, nil, err
	}
	return ctx, loaded.(*App), nil
}

func TestProvisionTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	_, app, err := provision(t, map[string]any{"data_dir": dir, "database": "postgres://nobody:secret@192.0.2.1/none"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("after Provision the data directory is there (%v)", err)
	}
	if err := app.Cleanup(); err != nil {
		t.Error(err)
	}
	if err := app.Cleanup(); err != nil {
		t.Errorf("a second Cleanup: %v", err)
	}
}

func TestProvisionFillsInDefaults(t *testing.T) {
	_, app, err := provision(t, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = app.Cleanup() }()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(here, "data")
	want := gateway.Config{DataDir: data, KeyringFile: filepath.Join(data, "keyring")}
	if got := app.config; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if app.PublicURL != "http://localhost:8488" || app.InstallTokenTTL != caddy.Duration(30*time.Minute) ||
		app.StartTimeout != caddy.Duration(time.Minute) {
		t.Errorf("got %q, %v, %v; want the documented defaults", app.PublicURL, app.InstallTokenTTL, app.StartTimeout)
	}
}

func TestProvisionRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	if err := ring.Write(good); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(good, 0o604); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		options map[string]any
		want    []string
	}{
		"variable that is not set": {map[string]any{"database": "{env.CDXGATE_UNSET}"}, []string{"option “database”", "CDXGATE_UNSET"}},
		"file that is not there":   {map[string]any{"database": "{file." + dir + "/none}"}, []string{"option “database”"}},
		"placeholder nobody knows": {map[string]any{"database": "{sql.url}"}, []string{"option “database”", "sql.url"}},
		"public_url":               {map[string]any{"public_url": "codex.example.net"}, []string{"option “public_url”"}},
		"unknown option":           {map[string]any{"data_dri": "x"}, []string{"data_dri"}},
		"damaged keyring":          {map[string]any{"keyring": write("damaged", "key 0 0\n", 0o600)}, []string{"keyring", dir + "/damaged", "line 1"}},
		"keyring for everybody":    {map[string]any{"keyring": good}, []string{dir + "/good", "chmod 0600"}},
		"keyring is a directory":   {map[string]any{"keyring": dir}, []string{dir}},
		"negative database_max_conns": {
			map[string]any{"database_max_conns": -1}, []string{"option “database_max_conns”"},
		},
		"client_release_key":     {map[string]any{"client_release_key": "RWnonsense"}, []string{"option “client_release_key”", "minisign"}},
		"codex_releases":         {map[string]any{"codex_releases": "http://mirror.example.net"}, []string{"option “codex_releases”", "https"}},
		"github_api":             {map[string]any{"github_api": "http://mirror.example.net"}, []string{"option “github_api”", "neither off", "https"}},
		"admin_ca of none":       {map[string]any{"admin_ca": []string{dir + "/none.pem"}}, []string{"option “admin_ca”", dir + "/none.pem"}},
		"admin_ca of no PEM":     {map[string]any{"admin_ca": []string{write("no.pem", "nonsense", 0o600)}}, []string{"option “admin_ca”", dir + "/no.pem"}},
		"negative start_timeout": {map[string]any{"start_timeout": "-1s"}, []string{"start_timeout"}},
		"negative retention":     {map[string]any{"audit_retention": "-1s"}, []string{"audit_retention"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.options["data_dir"] == nil {
				test.options["data_dir"] = dir
			}
			_, _, err := provision(t, test.options)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want one that says %q", err, want)
				}
			}
		})
	}
}

func TestDatabasePlaceholderIsExpanded(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://u:planted@192.0.2.1/db")
	_, app, err := provision(t, map[string]any{"data_dir": t.TempDir(), "database": "{env.DATABASE_URL}"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = app.Cleanup() }()
	if got := app.config.DatabaseURL; got != "postgres://u:planted@192.0.2.1/db" {
		t.Errorf("got %q, want the variable's value", got)
	}
	if shown, err := json.Marshal(app); err != nil || strings.Contains(string(shown), "planted") {
		t.Errorf("the configuration shows %s (error %v), want the placeholder", shown, err)
	}
}

func TestMissingKeyringIsSaid(t *testing.T) {
	var logged bytes.Buffer
	app := &App{DataDir: t.TempDir()}
	if err := app.resolve(); err != nil {
		t.Fatal(err)
	}
	app.logger = slog.New(slog.NewTextHandler(&logged, nil))
	app.announceKeyring()
	if got := logged.String(); !strings.Contains(got, "the first start over an empty database makes one") || !strings.Contains(got, app.config.KeyringFile) {
		t.Errorf("got %q, want the file and who makes it", got)
	}
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Write(app.config.KeyringFile); err != nil {
		t.Fatal(err)
	}
	logged.Reset()
	app.announceKeyring()
	if got := logged.String(); got != "" {
		t.Errorf("with a keyring got %q, want silence", got)
	}
}

func TestCleanupOfAnAppThatWasNeverProvisioned(t *testing.T) {
	t.Parallel()
	app := &App{}
	if err := app.Cleanup(); err != nil {
		t.Errorf("Cleanup: %v", err)
	}
	if err := app.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// A core is shared by configurations that mean the same gateway, and by those only.
func TestCoresAreSharedByWhatMakesThemDifferent(t *testing.T) {
	t.Parallel()
	base := gateway.Config{DataDir: "/a", DatabaseURL: "postgres://u:planted@192.0.2.1/db", KeyringFile: "/a/keyring"}
	first, err := claimCore(base)
	if err != nil {
		t.Fatal(err)
	}
	same := base
	same.Logger, same.Binaries = slog.New(slog.DiscardHandler), "/elsewhere"
	second, err := claimCore(same)
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Error("got two cores for one gateway")
	}
	if strings.Contains(first.key, "planted") {
		t.Errorf("the key %q holds the password", first.key)
	}
	for name, change := range map[string]func(*gateway.Config){
		"data_dir":           func(c *gateway.Config) { c.DataDir = "/b" },
		"database":           func(c *gateway.Config) { c.DatabaseURL += "2" },
		"keyring":            func(c *gateway.Config) { c.KeyringFile = "/b" },
		"database_max_conns": func(c *gateway.Config) { c.MaxConns = 3 },
	} {
		other := base
		change(&other)
		core, err := claimCore(other)
		if err != nil {
			t.Fatal(err)
		}
		if core == first {
			t.Errorf("another %s shares the core", name)
		}
		if err := core.release(); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if references, there := cores.References(first.key); !there || references == 0 {
			t.Error("the core is gone while somebody holds it")
		}
		if err := first.release(); err != nil {
			t.Error(err)
		}
	}
	if _, there := cores.References(first.key); there {
		t.Error("the core is in the pool after the last one let go")
	}
}

// A core waits for its requests before it closes.
func TestCoreClosesAfterItsLastRequest(t *testing.T) {
	t.Parallel()
	core := &pooledCore{}
	leaveFirst, leaveSecond := core.enter(), core.enter()
	closed := make(chan error, 1)
	go func() { closed <- core.close(time.Minute) }()
	leaveFirst()
	// It has begun to wait when it has left word where to tell it; there is one request yet.
	waiting := func() bool {
		core.mu.Lock()
		defer core.mu.Unlock()
		return core.idle != nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !waiting() {
		select {
		case err := <-closed:
			t.Fatalf("closed (%v) with a request in flight", err)
		case <-ctx.Done():
			t.Fatal("it never began to close")
		case <-time.After(time.Millisecond):
		}
	}
	leaveSecond()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("it does not close after the last request")
	}
}

// crypto/tls takes a nil pool for the system's authorities: every public one would open the admin door.
func TestCAPoolIsNeverNil(t *testing.T) {
	if pool := new(CAPool).CertPool(); pool == nil || !pool.Equal(x509.NewCertPool()) {
		t.Errorf("without Provision got %v, want an empty pool", pool)
	}
	dir := t.TempDir()
	ctx, app, err := provision(t, map[string]any{"data_dir": dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = app.Cleanup() }()
	load := func() (*x509.CertPool, error) {
		module, err := ctx.LoadModuleByID("tls.ca_pool.source.cdxgate", nil)
		if err != nil {
			return nil, err
		}
		return module.(*CAPool).CertPool(), nil
	}
	ca, err := adminca.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca.CertPEM())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	trusts := func(pool *x509.CertPool) error {
		_, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err
	}

	pool, err := load()
	if err != nil || pool == nil {
		t.Fatalf("without a file got %v and error %v, want an empty pool", pool, err)
	}
	if !pool.Equal(x509.NewCertPool()) || trusts(pool) == nil {
		t.Error("without a file the pool trusts somebody")
	}
	if _, err := adminca.WritePool(adminca.PoolFile(dir), ca.CertPEM()); err != nil {
		t.Fatal(err)
	}
	if pool, err = load(); err != nil {
		t.Fatal(err)
	}
	if err := trusts(pool); err != nil {
		t.Errorf("with the file: %v", err)
	}
	if err := os.WriteFile(adminca.PoolFile(dir), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), adminca.PoolFile(dir)) {
		t.Errorf("with a damaged file got error %v, want one that names it", err)
	}
}

// The operator's authorities are trusted beside ours, or without it; a configuration that is loaded anew reads them anew.
func TestCAPoolTrustsTheOperatorsAuthorities(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "people.pem")
	pems, certs := make([][]byte, 3), make([]*x509.Certificate, 3)
	for i := range pems {
		ca, err := adminca.NewCA(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pems[i] = ca.CertPEM()
		block, _ := pem.Decode(pems[i])
		if certs[i], err = x509.ParseCertificate(block.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	// trusted tells which of the three the pool of a new configuration trusts.
	trusted := func() (got [3]bool) {
		t.Helper()
		ctx, app, err := provision(t, map[string]any{"data_dir": dir, "admin_ca": []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = app.Cleanup() }()
		module, err := ctx.LoadModuleByID("tls.ca_pool.source.cdxgate", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, cert := range certs {
			_, err := cert.Verify(x509.VerifyOptions{Roots: module.(*CAPool).CertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			got[i] = err == nil
		}
		return got
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(pems[0])
	if got := trusted(); got != [3]bool{true, false, false} {
		t.Errorf("without one of ours got %v, want the operator's", got)
	}
	if _, err := adminca.WritePool(adminca.PoolFile(dir), pems[2]); err != nil {
		t.Fatal(err)
	}
	if got := trusted(); got != [3]bool{true, false, true} {
		t.Errorf("beside ours got %v, want both", got)
	}
	write(pems[1])
	if got := trusted(); got != [3]bool{false, true, true} {
		t.Errorf("after a change of the file got %v, want the new one and ours", got)
	}
}
