package browser

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// oneAtATime: the browser shows whichever certificate it has, so it has one.
var oneAtATime sync.Mutex

// certificate gives the browser a client certificate, as one does with the .p12 that the console made.
func (g *gateway) certificate(t *testing.T, name, role string) {
	t.Helper()
	oneAtATime.Lock()
	t.Cleanup(oneAtATime.Unlock)
	chromium.Do(startChromium)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	var made struct {
		P12      string `json:"p12"`
		Password string `json:"p12_password"`
	}
	if err := json.Unmarshal([]byte(g.must(t, "admin", "cert", "add", name, "--role", role, "--yes", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(made.P12) {
		made.P12 = filepath.Join(g.dir, made.P12)
	}
	for _, store := range certificateStores(filepath.Join(rig.dir, "home")) {
		if out, err := exec.Command("pk12util", "-i", made.P12, "-d", "sql:"+store, "-W", made.Password, "-K", "").CombinedOutput(); err != nil {
			t.Fatalf("pk12util: %v: %s", err, out)
		}
	}
}

// An admin with a certificate in the browser sees the dashboard without logging in; when it is revoked, not any more, and the
// open page is told.
func TestCertificate(t *testing.T) {
	g := ownGateway(t, "certificate")
	g.certificate(t, "ops", "operator")
	b := newTab(t, g.Admin, views[0])
	b.open("/")
	b.arrives("/dashboard/")
	b.shows(".me", "certificate verified")
	b.shows("#live", "Live")
	g.must(t, "admin", "cert", "revoke", "ops", "--yes")
	b.until(`!document.querySelector("#live").innerText.includes("Live")`)
	b.open("/dashboard/")
	b.shows("main", "revoked")
	b.forgive("403")
}
