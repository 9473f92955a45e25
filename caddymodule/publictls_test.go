package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

func TestSecureName(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://Codex.example": "codex.example", "https://[::1]:8443/base": "::1", "https://192.0.2.7": "192.0.2.7",
		"http://codex.example": "", "https:": "", "\x7f": "",
	} {
		if got := secureName(url); got != want {
			t.Errorf("%q: got %q, want %q", url, got, want)
		}
	}
}

// The file of public_ca is no concern of a validation: only a start reads it, and says what is wrong with it.
func TestPublicCAIsReadByTheStart(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.pem")
	_, app, err := provision(t, map[string]any{"data_dir": t.TempDir(), "public_ca": missing})
	if err != nil {
		t.Fatalf("without the file, validation says %v", err)
	}
	defer func() { _ = app.Cleanup() }()
	if err := app.Start(); err == nil || !strings.Contains(err.Error(), "option “public_ca”") || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v from a start, want the option and the file", err)
	}
}

// Where nobody ends TLS here, the authority is all that is known; where the URL is not https, there is nothing to know.
func TestPublicTLSWithoutACertificate(t *testing.T) {
	t.Parallel()
	ca, err := adminca.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		app  *App
		want string
	}{
		"plain http":      {&App{PublicURL: "http://codex.example", PublicCA: file}, ""},
		"no public_ca":    {&App{PublicURL: "https://codex.example"}, ""},
		"behind a proxy":  {&App{PublicURL: "https://codex.example", PublicCA: file}, string(ca.CertPEM())},
		"at its address":  {&App{PublicURL: "https://192.0.2.7", PublicCA: file}, string(ca.CertPEM())},
		"in another case": {&App{PublicURL: "https://CODEX.example:8443", PublicCA: file}, string(ca.CertPEM())},
		"under some path": {&App{PublicURL: "https://codex.example/base", PublicCA: file}, string(ca.CertPEM())},
	} {
		c.app.ctx = caddy.Context{}
		if err := c.app.readPublicCA(); err != nil {
			t.Fatal(err)
		}
		if got := c.app.publicTLS(); got.CA != c.want || got.Pins != nil {
			t.Errorf("%s: got %+v, want the authority %q and no pin", name, got, c.want)
		}
		// A verb beside no gateway knows as much.
		asked, err := c.app.askPublicTLS("")
		if unknown := name == "no public_ca"; asked.CA != c.want || (err != nil) != unknown {
			t.Errorf("%s: asking got %+v, %v", name, asked, err)
		}
	}
	broken := &App{PublicURL: "https://codex.example", PublicCA: file + ".none"}
	if got, err := broken.askPublicTLS(""); err == nil || got.CA != "" || got.Pins != nil {
		t.Errorf("without the file got %+v, %v", got, err)
	}
	var trust publictls.Trust
	if trust, err = (&App{PublicURL: "https://codex.example"}).askPublicTLS("unix/" + file + ".sock"); err == nil || trust.CA != "" {
		t.Errorf("at a socket where nobody listens got %+v, %v", trust, err)
	}
}
