//go:build unix

package cdx

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

// A gateway whose certificate is from a private authority is believed by who was given that authority, and by nobody else.
func TestPrivateCA(t *testing.T) {
	t.Parallel()
	login := loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31Z", Generation: "1"}.encode()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.PathInstall) {
			_ = json.NewEncoder(w).Encode(api.Envelope{Status: "ok", Data: api.EnrolResponse{
				BaseURL: server.URL, APIKey: plantedKey, FQDN: "build7.example", InstallationID: plantedInstallation, Secure: true,
			}})
			return
		}
		about("outdated", parseLogin(login).digest(), login).write(w, r)
	}))
	t.Cleanup(server.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	invitation := server.URL + api.PathInstall + plantedToken + "\n"

	for name, c := range map[string]struct {
		stdin  string
		status int
		says   string
	}{
		"nothing given":      {invitation, int(ExitDenied), "certificate of"},
		"not a certificate":  {invitation + "what is this\n", int(ExitUsage), "no certificate authority"},
		"a key":              {invitation + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", int(ExitUsage), "no certificate authority"},
		"text around":        {invitation + authority + "and more\n", int(ExitUsage), "no certificate authority"},
		"the authority":      {invitation + authority, 0, "enrolled"},
		"the authority, CRs": {strings.ReplaceAll(invitation+authority, "\n", "\r\n"), 0, "enrolled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRigAt(t, server.URL)
			config := filepath.Join(r.dir, "host.json")
			if err := os.Remove(config); err != nil {
				t.Fatal(err)
			}
			cmd := r.command("cdx", []string{"enroll"})
			cmd.Stdin = strings.NewReader(c.stdin)
			_, stderr, status := r.finish(cmd)
			if status != c.status || !strings.Contains(stderr, c.says) {
				t.Fatalf("got %d, %s\nwant %d and %q", status, stderr, c.status, c.says)
			}
			if enrolled := exists(config); enrolled != (status == 0) {
				t.Errorf("a configuration is there: %v", enrolled)
			}
			if status == 0 && !parseLogin(r.read(r.auth)).same(parseLogin(login)) {
				t.Error("the login was not taken")
			}
		})
	}
}

// A configuration with an unusable authority trusts nobody; it does not fall back to the system's.
func TestUnusableCA(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, "https://127.0.0.1:1")
	config := filepath.Join(r.dir, "host.json")
	r.put(config, []byte(strings.Replace(string(r.read(config)), "{", `{"ca":"nonsense",`, 1)))
	if _, stderr, status := r.run(nil); status != int(ExitConfig) || !strings.Contains(stderr, "ca is not PEM") {
		t.Errorf("got %d, %s", status, stderr)
	}
	if starts := r.starts(); len(starts) != 0 {
		t.Errorf("Codex was started: %v", starts)
	}
}
