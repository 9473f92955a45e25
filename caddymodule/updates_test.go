package caddymodule

import (
	"bytes"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/cdxgate/cdxgate/internal/github/githubtest"
	"github.com/cdxgate/cdxgate/internal/hostapi"
	"github.com/cdxgate/cdxgate/internal/release"
)

func TestUpdatesFollowTheOptions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		app  *App
		want hostapi.Updates
	}{
		"nothing said": {&App{}, hostapi.Updates{Auto: true}},
		"on":           {&App{AutoUpdate: new(true)}, hostapi.Updates{Auto: true}},
		"off":          {&App{AutoUpdate: new(false)}, hostapi.Updates{}},
		"the others": {
			&App{ClientReleaseKey: "RW", ClientRollback: true, CodexReleases: "https://a.example"},
			hostapi.Updates{Auto: true, ReleaseKey: "RW", Rollback: true, CodexReleases: "https://a.example"},
		},
	} {
		if got := c.app.updates(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// Without the option GitHub is asked, which no test does; off means nobody, a URL that one.
func TestWhoIsAskedForTheNewestCodex(t *testing.T) {
	t.Parallel()
	api := githubtest.New(t, "rust-v0.63.0")
	if found, err := (&App{GitHubAPI: api.URL}).github().Latest(t.Context(), ""); err != nil || found.Version != "0.63.0" {
		t.Errorf("got %+v, %v", found, err)
	}
	if (&App{}).github() == nil {
		t.Error("without the option nobody is asked")
	}
	if (&App{GitHubAPI: "off"}).github() != nil {
		t.Error("with off somebody is asked")
	}
}

func TestBuildsThatNobodyWouldTakeAreSaid(t *testing.T) {
	t.Parallel()
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(key string) string {
		var logged bytes.Buffer
		app := &App{DataDir: t.TempDir(), ClientReleaseKey: key}
		if err := app.resolve(); err != nil {
			t.Fatal(err)
		}
		app.logger = slog.New(slog.NewTextHandler(&logged, nil))
		app.checkBuilds(release.NewClients(dir))
		return logged.String()
	}
	write("cdx-linux-amd64", []byte("a build"))
	write("cdx-linux-arm64", []byte("another"))
	hashed := minisign.NewReader(strings.NewReader("a build"))
	if _, err := io.Copy(io.Discard, hashed); err != nil {
		t.Fatal(err)
	}
	write("cdx-linux-amd64.minisig", hashed.SignWithComments(private, "cdx "+Version+" linux-amd64", ""))
	if got := check(""); got != "" {
		t.Errorf("without a key got %s", got)
	}
	got := check(public.String())
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, filepath.Join(dir, "cdx-linux-arm64.minisig")) {
		t.Errorf("got %s, want one warning that names the file", got)
	}
}
