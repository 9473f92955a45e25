package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// desk is a console on a gateway that runs beside it.
type desk struct {
	*Console
	g        *gatewaytest.Gateway
	out, err *bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return newDeskOf(t, nil)
}

// newDeskOf is a desk whose console asks a releases API, if any.
func newDeskOf(t *testing.T, source *github.Client) *desk {
	t.Helper()
	d := &desk{g: gatewaytest.New(t, gatewaytest.Options{}), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	console, err := Open(t.Context(), Config{
		Gateway:   gateway.Config{DataDir: d.g.DataDir, DatabaseURL: d.g.Core.DB.Pool().Config().ConnString(), MaxConns: 2},
		PublicURL: gatewaytest.PublicURL, PublicTLS: func() (publictls.Trust, error) { return publictls.Trust{}, nil },
		Limits: ratelimit.Defaults(), GitHub: source, In: strings.NewReader(""), Out: d.out, Err: d.err,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Console = console
	t.Cleanup(func() {
		if err := console.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// said returns, and forgets, what the last verb wrote to standard output and error.
func (d *desk) said() (out, words string) {
	defer d.out.Reset()
	defer d.err.Reset()
	return d.out.String(), d.err.String()
}

// document returns what the last verb wrote with -o json, which is one document and nothing beside it.
func document[T any](t *testing.T, d *desk) (v T) {
	t.Helper()
	out, words := d.said()
	decoder := json.NewDecoder(strings.NewReader(out))
	if err := decoder.Decode(&v); err != nil || decoder.More() || words != "" {
		t.Errorf("got %q beside %q, %v; want one document", out, words, err)
	}
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestHostAdd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.HostAdd(t.Context(), "Build7.example", HostAddOptions{}))
	out, words := d.said()
	// Standard output is the command alone, so that it can be piped; the key is nowhere.
	if !strings.HasPrefix(out, "curl -fsSL "+gatewaytest.PublicURL+"/install/") || !strings.HasSuffix(out, " | sh\n") || strings.Count(out, "\n") != 1 {
		t.Errorf("got %q", out)
	}
	if !strings.HasPrefix(words, "✓ build7.example is registered, key ") || !strings.Contains(words, "it works once") {
		t.Errorf("got %q", words)
	}

	err := d.HostAdd(t.Context(), "build7.example", HostAddOptions{})
	if !errors.Is(err, ErrDeclined) || !strings.Contains(err.Error(), "stops its present one at once") || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("got %v, want a question that nobody answered", err)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM install_token"); n != 1 {
		t.Errorf("got %d tokens after a declined verb, want 1", n)
	}

	d.Yes, d.JSON = true, true
	must(t, d.HostAdd(t.Context(), "build7.example", HostAddOptions{Insecure: true, VIP: true, Temporary: true}))
	added := document[api.RegisterResponse](t, d)
	if added.Host.Secure || !added.Host.VIP || added.Host.ExpiresAt.IsZero() || added.Installer.Token == "" || added.Host.ID == 0 {
		t.Errorf("got %+v", added)
	}
	if a := d.g.Retrieve(t, added.Host.APIKey, strings.Repeat("0", 64), "2026-01-01T00:00:00Z"); a.Status != 200 {
		t.Errorf("got %d %s with the key", a.Status, a.Body)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'register' AND actor_kind = 'operator' AND ip IS NULL"); n != 2 {
		t.Errorf("got %d entries, want 2 of an operator", n)
	}
	if err := d.HostAdd(t.Context(), "$(reboot)", HostAddOptions{}); err == nil || errs.Of(err).Kind != errs.Invalid {
		t.Errorf("got %v for what is no name", err)
	}
}

func TestHostListAndShow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.HostList(t.Context(), HostListOptions{}))
	if out, words := d.said(); out != "" || words != "No hosts yet. Add one: cdxgate host add NAME\n" {
		t.Errorf("got %q, %q without hosts", out, words)
	}
	d.g.Upload(t, authtest.New(authtest.Options{}))
	used := d.g.Register(t, "used.example")
	d.g.Register(t, "fresh.example")
	d.g.Retrieve(t, used.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")

	must(t, d.HostList(t.Context(), HostListOptions{}))
	out, words := d.said()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 3 || words != "" || strings.Join(strings.Fields(lines[0]), " ") != "NAME STATE SEEN LOGIN CODEX CDX ADDRESS" ||
		strings.Join(strings.Fields(lines[1]), " ") != "fresh.example never seen never none - - -" ||
		strings.Join(strings.Fields(lines[2]), " ") != "used.example can login just now gen 1 unknown unknown "+gatewaytest.DefaultFrom {
		t.Errorf("got\n%s%s", out, words)
	}
	must(t, d.HostShow(t.Context(), "USED.example"))
	out, _ = d.said()
	for _, fact := range []string{
		"host      used.example, secure\n", "state     can login\n", "address   " + gatewaytest.DefaultFrom + ", bound\n",
		"key       " + used.Key.Prefix() + "…\n", "login     gen 1\n", "calls     1\n",
	} {
		if !strings.Contains(out, fact) {
			t.Errorf("got\n%s, want %q in it", out, fact)
		}
	}
	if err := d.HostShow(t.Context(), "nobody.example"); !errors.Is(err, fleet.ErrHostNotFound) {
		t.Errorf("got %v, want %v", err, fleet.ErrHostNotFound)
	}

	d.JSON = true
	must(t, d.HostList(t.Context(), HostListOptions{}))
	all := document[struct{ Hosts []listedHost }](t, d).Hosts
	if len(all) != 2 || all[1].FQDN != "used.example" || all[1].BoundIP != gatewaytest.DefaultFrom || all[1].KeyPrefix != used.Key.Prefix() || all[1].APICalls != 1 {
		t.Errorf("got %+v", all)
	}
	must(t, d.HostShow(t.Context(), "used.example"))
	if shown := document[struct{ Host listedHost }](t, d).Host; shown.ID != used.Host.ID || shown.State != "can login" || shown.Login != "gen 1" {
		t.Errorf("got %+v", shown)
	}
}

func TestHostRemove(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	if err := d.HostRemove(t.Context(), "build7.example"); !errors.Is(err, ErrDeclined) {
		t.Errorf("got %v, want %v", err, ErrDeclined)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM host"); n != 1 {
		t.Fatalf("got %d hosts after a declined verb, want 1", n)
	}
	d.Yes = true
	must(t, d.HostRemove(t.Context(), "build7.example"))
	if out, words := d.said(); out != "" || !strings.HasPrefix(words, "✓ build7.example is removed, its key is dead\n  It may still hold the login") {
		t.Errorf("got %q, %q", out, words)
	}
	d.g.Retrieve(t, host.Key.Reveal(), "", "").Refused(t, 401, "api_key_invalid", "Invalid API key")
	if err := d.HostRemove(t.Context(), "build7.example"); !errors.Is(err, fleet.ErrHostNotFound) {
		t.Errorf("got %v, want %v", err, fleet.ErrHostNotFound)
	}
	d.JSON = true
	again := d.g.Register(t, "build7.example")
	must(t, d.HostRemove(t.Context(), "build7.example"))
	if got := document[map[string]int64](t, d)["deleted"]; got != again.Host.ID {
		t.Errorf("got %d, want %d", got, again.Host.ID)
	}
}

func TestAuthUploadAndShow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.AuthShow(t.Context(), AuthShowOptions{}); !errors.Is(err, credential.ErrNone) {
		t.Errorf("got %v before there is a login, want %v", err, credential.ErrNone)
	}
	options := authtest.Options{RefreshToken: "rt_PLANTED-0123456789abcdef"}
	path := filepath.Join(t.TempDir(), "auth.json")
	must(t, os.WriteFile(path, authtest.New(options), 0o600))

	must(t, d.AuthUpload(t.Context(), path))
	if out, words := d.said(); out != "" || !strings.HasPrefix(words, "✓ this is the fleet's login now, generation 1, valid until Thu 1 Jan 2099 00:00 UTC (") {
		t.Errorf("got %q, %q", out, words)
	}
	d.In = bytes.NewReader(authtest.New(options))
	must(t, d.AuthUpload(t.Context(), "-"))
	if _, words := d.said(); !strings.HasPrefix(words, "✓ this is the fleet's login already, generation 1") {
		t.Errorf("got %q", words)
	}
	host := d.g.Register(t, "build7.example")
	d.g.Register(t, "other.example")
	d.g.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	must(t, d.AuthShow(t.Context(), AuthShowOptions{}))
	out, _ := d.said()
	for _, fact := range []string{
		"login     generation 1\n", "valid     Thu 1 Jan 2099", "account   acct-authtest\n", "refreshed 2026-01-05T10:00:00.123456789Z\n",
		"from      operator, ", "holders   1 of 2 hosts\n",
	} {
		if !strings.Contains(out, fact) {
			t.Errorf("got\n%s, want %q in it", out, fact)
		}
	}
	if strings.Contains(out, "PLANTED") {
		t.Errorf("got %q, which shows a token", out)
	}

	d.JSON = true
	d.In = bytes.NewReader(authtest.New(authtest.Options{LastRefresh: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}))
	must(t, d.AuthUpload(t.Context(), "-"))
	type shown struct {
		Status string
		shownGeneration
		Holders, Hosts int
	}
	if got := document[shown](t, d); got.Status != "updated" || got.Generation != 2 || got.Source != "operator" {
		t.Errorf("got %+v", got)
	}
	must(t, d.AuthShow(t.Context(), AuthShowOptions{}))
	if got := document[shown](t, d); got.Generation != 2 || got.Holders != 0 || got.Hosts != 2 || got.Account != "default" {
		t.Errorf("got %+v", got)
	}
	must(t, d.AuthShow(t.Context(), AuthShowOptions{Reveal: true}))
	if revealed := document[map[string]any](t, d); revealed["tokens"] == nil {
		t.Errorf("got %v, want the auth.json", revealed)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'auth.show'"); n != 1 {
		t.Errorf("got %d entries, want 1 for the one that revealed", n)
	}

	for name, text := range map[string]string{"nothing": "", "no JSON": "PLANTED", "huge": `{"a":"` + strings.Repeat("PLANTED", 60_000) + `"}`, "an empty object": "{}"} {
		d.In = strings.NewReader(text)
		if err := d.AuthUpload(t.Context(), "-"); err == nil || errs.Of(err).Kind == errs.Internal || strings.Contains(err.Error(), "PLANTED") {
			t.Errorf("%s: got %.100v, want a refusal that quotes nothing", name, err)
		}
	}
	if err := d.AuthUpload(t.Context(), filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for a file that is not there", err)
	}
	if gen := d.g.Int(t, "SELECT generation FROM account"); gen != 2 {
		t.Errorf("got generation %d after refused uploads, want 2", gen)
	}
}

func TestAdminCert(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.AdminCertList(t.Context()))
	if _, words := d.said(); words != "No admin certificates yet. Make one: cdxgate admin cert add NAME\n" {
		t.Errorf("got %q", words)
	}
	reloads := 0
	reload := func() (bool, error) { reloads++; return true, nil }
	must(t, d.AdminCertAdd(t.Context(), "alice", AdminCertAddOptions{Reload: reload}))
	out, words := d.said()
	if reloads != 1 || !strings.Contains(words, "✓ the running gateway accepts it now") || !strings.Contains(words, "note it now") {
		t.Errorf("got %d reloads, %q", reloads, words)
	}
	dir := filepath.Join(d.g.DataDir, "admin")
	for _, fact := range []string{"certificate  " + dir + "/alice.crt\n", "key          " + dir + "/alice.key\n", "browser      " + dir + "/alice.p12\n", "password     "} {
		if !strings.Contains(out, fact) {
			t.Errorf("got\n%s, want %q in it", out, fact)
		}
	}
	if err := d.AdminCertAdd(t.Context(), "alice", AdminCertAddOptions{Role: "owner", Reload: reload}); err == nil || errs.Of(err).Kind != errs.Conflict {
		t.Errorf("got %v, want files that are there already", err)
	}
	d.said()

	d.JSON = true
	elsewhere := t.TempDir()
	must(t, d.AdminCertAdd(t.Context(), "bob", AdminCertAddOptions{Role: "owner", Dir: elsewhere, Reload: reload}))
	added := document[map[string]string](t, d)
	if added["name"] != "bob" || added["crt"] != filepath.Join(elsewhere, "bob.crt") || added["p12_password"] == "" || len(added["spki_sha256"]) != 64 || reloads != 1 {
		t.Errorf("got %v after %d reloads", added, reloads)
	}
	client := d.g.AdminClient(t, added["crt"], added["key"])
	if a := d.g.DoAdmin(t, client, gatewaytest.Request{Path: api.PathHostRegister, Body: `{"fqdn":"build7.example"}`}); a.Status != 200 {
		t.Errorf("got %d %s at the door", a.Status, a.Body)
	}
	d.g.Exec(t, "UPDATE admin_cert SET revoked_at = now() WHERE name = 'alice'")
	must(t, d.AdminCertList(t.Context()))
	listed := document[struct {
		Certificates []struct{ Name, State string }
	}](t, d).Certificates
	if len(listed) != 2 || listed[0].Name+listed[0].State+listed[1].Name+listed[1].State != "alicerevokedbobgood" {
		t.Errorf("got %+v", listed)
	}
	if err := d.AdminCertAdd(t.Context(), "../evil", AdminCertAddOptions{Reload: reload}); err == nil || errs.Of(err).Kind != errs.Invalid {
		t.Errorf("got %v for what is no name", err)
	}
}

// A gateway that cannot be told is no reason to lose the certificate: it is made, and the words say what is left to do.
func TestAdminCertWhenTheReloadFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.AdminCertAdd(t.Context(), "alice", AdminCertAddOptions{Reload: func() (bool, error) { return true, errors.New("no answer") }}))
	if out, words := d.said(); !strings.Contains(words, "! the running gateway does not accept it yet: no answer\n  Now: cdxgate reload --force") || !strings.Contains(out, "password") {
		t.Errorf("got %q, %q", out, words)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.Doctor(t.Context(), t.TempDir()); !errors.Is(err, ErrSick) {
		t.Errorf("got %v, want %v", err, ErrSick)
	}
	out, _ := d.said()
	for _, fact := range []string{"! login     there is none yet\n", "! admin     ", "! clients   ", "✓ database  schema ", "✓ policy    hosts are served\n", "✓ limits    no address is blocked\n", "5 in order, 3 to look at, 0 failed\n"} {
		if !strings.Contains(out, fact) {
			t.Errorf("got\n%s, want %q in it", out, fact)
		}
	}
	must(t, d.PolicySet(t.Context(), "api_disabled", "on"))
	d.g.Exec(t, "INSERT INTO rate_limit (bucket, subject, hits, reset_at) VALUES ('auth-fail', '203.0.113.9', 21, now() + interval '1 hour')")
	d.said()
	_ = d.Doctor(t.Context(), t.TempDir())
	out, _ = d.said()
	for _, fact := range []string{"! policy    the kill switch is on\n", "cdxgate policy set api_disabled false\n", "✓ limits    addresses that failed too often: 1\n"} {
		if !strings.Contains(out, fact) {
			t.Errorf("got\n%s, want %q in it", out, fact)
		}
	}
	d.JSON = true
	_ = d.Doctor(t.Context(), t.TempDir())
	if got := document[struct{ Findings []finding }](t, d).Findings; len(got) != 8 {
		t.Errorf("got %d findings, want 8", len(got))
	}
}

// The certificate was made and its password is kept nowhere, so it is shown although the door does not know it yet.
func TestAdminCertWithoutAPlaceForThePool(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, os.MkdirAll(filepath.Join(d.g.DataDir, "admin", "ca.pem", "in the way"), 0o700))
	d.JSON = true
	err := d.AdminCertAdd(t.Context(), "alice", AdminCertAddOptions{})
	if err == nil || !strings.Contains(err.Error(), "writing the admin CA") {
		t.Errorf("got %v, want the reason", err)
	}
	if added := document[map[string]string](t, d); added["p12_password"] == "" {
		t.Errorf("got %v, want the password", added)
	}
}
