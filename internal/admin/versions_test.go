package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
)

// newObservatory is an office whose gateway asks a GitHub of the test's.
func newObservatory(t *testing.T) (*office, *githubtest.API) {
	t.Helper()
	github := githubtest.New(t, "rust-v0.63.0")
	g := gatewaytest.New(t, gatewaytest.Options{GitHub: github.URL})
	return &office{g, certified(t, g, "alice")}, github
}

func (o *office) checkVersions(t *testing.T) (got api.AdminVersionsCheck) {
	t.Helper()
	data := o.data(t, o.post(t, "/admin/versions/check", `{}`))
	contract["POST /admin/versions/check"].check(t, "check", data)
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func (o *office) overviewVersions(t *testing.T) (versions api.Versions) {
	t.Helper()
	var overview struct{ Versions api.Versions }
	if err := json.Unmarshal(o.data(t, o.get(t, "/admin/overview")), &overview); err != nil {
		t.Fatal(err)
	}
	return overview.Versions
}

// said is version and source of a block.
func said(v api.Versions) string {
	version := "null"
	if v.ClientVersion != nil {
		version = *v.ClientVersion
	}
	return version + " " + v.ClientVersionSource
}

func TestVersionsCheck(t *testing.T) {
	t.Parallel()
	o, github := newObservatory(t)
	github.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	if got := o.checkVersions(t); got.AvailableClient.Version != nil || got.AvailableClient.Source != "unknown" || !strings.Contains(*got.AvailableClient.Reason, "403") || said(got.Versions) != "null unknown" {
		t.Errorf("nothing known: got %+v", got)
	}
	github.Release("rust-v0.63.0")
	got := o.checkVersions(t)
	if *got.AvailableClient.Version != "0.63.0" || got.AvailableClient.Source != "github" || got.AvailableClient.Reason != nil || said(got.Versions) != "0.63.0 github" {
		t.Errorf("got %+v", got)
	}
	if at := got.AvailableClient.UpdatedAt.Time; time.Since(at).Abs() > time.Hour || !at.Equal(got.Versions.ClientVersionCheckedAt.Time) {
		t.Errorf("got %s and %s", at, got.Versions.ClientVersionCheckedAt.Time)
	}
	if got := o.overviewVersions(t); said(got) != "0.63.0 cache" {
		t.Errorf("the overview: got %s", said(got))
	}
	github.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	if got := o.checkVersions(t); *got.AvailableClient.Version != "0.63.0" || got.AvailableClient.Source != "cache_stale" || got.AvailableClient.Reason == nil || said(got.Versions) != "0.63.0 cache_stale" {
		t.Errorf("a failure: got %+v", got)
	}
	o.data(t, o.post(t, "/admin/codex-version", `{"selection":"0.61.0"}`))
	if got := o.checkVersions(t); *got.AvailableClient.Version != "0.63.0" || said(got.Versions) != "0.61.0 locked" || got.Versions.ClientVersionCheckedAt.IsZero() {
		t.Errorf("a decision goes before what is the newest: got %+v", got)
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.versions.check' AND actor = 'alice' AND request_id IS NOT NULL"); n != 4 {
		t.Errorf("got %d entries, want one for each check", n)
	}
}

// Who decides for the newest version has it looked for; a GitHub that does not answer is no reason to refuse.
func TestDecidingForTheNewest(t *testing.T) {
	t.Parallel()
	o, github := newObservatory(t)
	decide := func(selection string) {
		t.Helper()
		contract["POST /admin/codex-version"].check(t, selection, o.data(t, o.post(t, "/admin/codex-version", `{"selection":"`+selection+`"}`)))
	}
	decide("0.61.0")
	if n := len(github.Asked()); n != 0 {
		t.Errorf("GitHub was asked %d times about a decision for another version", n)
	}
	if got := o.overviewVersions(t); said(got) != "0.61.0 locked" || got.ClientVersionCheckedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	decide("latest")
	if got := o.overviewVersions(t); said(got) != "0.63.0 cache" {
		t.Errorf("got %s", said(got))
	}
	github.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	decide("0.61.0")
	decide("auto")
	if got := o.overviewVersions(t); said(got) != "0.63.0 cache" {
		t.Errorf("GitHub does not answer: got %s", said(got))
	}
}

// Hosts are outdated by what the fleet is to run, which is the newest version unless an admin decided.
func TestOutdatedHosts(t *testing.T) {
	t.Parallel()
	o, _ := newObservatory(t)
	for _, fqdn := range []string{"old.example", "new.example", "newer.example"} {
		o.registered(t, `{"fqdn":"`+fqdn+`"}`)
	}
	for fqdn, version := range map[string]string{"old.example": "0.9.0", "new.example": "0.63.0", "newer.example": "0.64.0"} {
		o.Exec(t, "UPDATE host SET client_version = $1 WHERE fqdn = $2", version, fqdn)
	}
	outdated := func() (names string) {
		t.Helper()
		var list api.AdminHosts
		if err := json.Unmarshal(o.data(t, o.get(t, "/admin/hosts?outdated=yes")), &list); err != nil {
			t.Fatal(err)
		}
		for _, host := range list.Hosts {
			names += host.FQDN + " "
		}
		return names
	}
	if got := outdated(); got != "" {
		t.Errorf("nobody knows what is the newest: got %s", got)
	}
	o.checkVersions(t)
	if got := outdated(); got != "old.example " {
		t.Errorf("0.63.0 is the newest: got %s", got)
	}
	o.data(t, o.post(t, "/admin/codex-version", `{"selection":"0.64.0"}`))
	if got := outdated(); got != "new.example old.example " {
		t.Errorf("0.64.0 was decided: got %s", got)
	}
}
