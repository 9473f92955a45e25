package operator

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestHostRotate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	must(t, d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{}))
	out, words := d.said()
	if out != "" || !strings.HasPrefix(words, "✓ build7.example gets the key ") || !strings.Contains(words, "The old one works until it has used that, and no longer than ") {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.HostShow(t.Context(), "build7.example"))
	if out, _ := d.said(); !strings.Contains(out, "key       "+host.Key.Prefix()+"… until ") || !strings.Contains(out, ", or until it has used ") {
		t.Errorf("got\n%s", out)
	}
	err := d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{})
	if !errors.Is(err, fleet.ErrKeyPending) || !strings.Contains(err.Error(), "cdxgate host rotate build7.example --revoke-now") {
		t.Errorf("got %v for a second one", err)
	}
	var answer api.SyncResponse
	d.g.Do(t, gatewaytest.Request{Path: api.PathSync, Key: host.Key.Reveal(), Body: "{}"}).Decode(t, &answer)
	if len(answer.APIKey) != 64 {
		t.Fatalf("got a key of %d characters", len(answer.APIKey))
	}
	must(t, d.HostSet(t.Context(), "build7.example", fleet.Change{Roaming: new(true)}))
	if _, words := d.said(); !strings.Contains(words, "it is not given the key that waits for it") {
		t.Errorf("got %q", words)
	}

	err = d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{RevokeNow: true})
	if !errors.Is(err, ErrDeclined) || !strings.Contains(err.Error(), "stops working at once") {
		t.Errorf("got %v, want a question that nobody answered", err)
	}
	d.Yes = true
	must(t, d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{RevokeNow: true}))
	out, words = d.said()
	if !strings.HasPrefix(out, "curl -fsSL "+gatewaytest.PublicURL+"/install/") || !strings.Contains(words, "the old one is dead") {
		t.Errorf("got %q, %q", out, words)
	}
	for _, key := range []string{host.Key.Reveal(), answer.APIKey} {
		if a := d.g.Do(t, gatewaytest.Request{Path: api.PathSync, Key: key, Body: "{}"}); a.Status != 401 {
			t.Errorf("got %d for a revoked key", a.Status)
		}
	}
	err = d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{})
	if !errors.Is(err, fleet.ErrHostRoams) || !strings.Contains(err.Error(), "--revoke-now") {
		t.Errorf("got %v for a roaming host", err)
	}
	d.JSON = true
	must(t, d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{RevokeNow: true}))
	if got := document[api.RegisterResponse](t, d); len(got.Host.APIKey) != 64 || got.Installer.Token == "" {
		t.Errorf("got %+v", got.Host.FQDN)
	}
	must(t, d.HostSet(t.Context(), "build7.example", fleet.Change{Roaming: new(false)}))
	d.said()
	must(t, d.HostRotate(t.Context(), "build7.example", fleet.RotateOptions{}))
	if got := document[struct{ Host listedHost }](t, d).Host; got.NextKeyPrefix == nil || got.KeyUntil.IsZero() {
		t.Errorf("got %+v", got)
	}
	if err := d.HostRotate(t.Context(), "none.example", fleet.RotateOptions{}); !errors.Is(err, fleet.ErrHostNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestStateOfAKeyThatEnded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	host := db.Host{Status: "active", Secure: true, LastSeenAt: &now, KeyPrefix: "abababab", NextKeyPrefix: new("cdcdcdcd"), NextKeySHA256: []byte{1}, KeyUntil: &now}
	if got, _ := state(&host, credential.Generation{}, now); got != "key ended" {
		t.Errorf("got %q", got)
	}
	if got := keyOf(&host, now); got != "abababab… has ended, cdcdcdcd… was never used" {
		t.Errorf("got %q", got)
	}
	if got, _ := state(&host, credential.Generation{}, now.Add(-time.Second)); got != "can login" {
		t.Errorf("got %q", got)
	}
}

func TestHostRename(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.g.Register(t, "build7.example")
	d.g.Register(t, "taken.example")
	must(t, d.HostRename(t.Context(), "build7.example", "Build8.example"))
	if out, words := d.said(); out != "" || !strings.HasPrefix(words, "✓ build7.example is build8.example from now on; its key stays\n") {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.HostRename(t.Context(), "build8.example", "build8.example"))
	if _, words := d.said(); words != "✓ build8.example has that name already\n" {
		t.Errorf("got %q", words)
	}
	must(t, d.HostShow(t.Context(), "build8.example"))
	if out, _ := d.said(); !strings.Contains(out, "was       build7.example\n") {
		t.Errorf("got\n%s", out)
	}
	if err := d.HostRename(t.Context(), "build8.example", "taken.example"); !errors.Is(err, fleet.ErrHostExists) || !strings.Contains(err.Error(), "pruned") {
		t.Errorf("got %v", err)
	}
	if err := d.HostRename(t.Context(), "build7.example", "x.example"); !errors.Is(err, fleet.ErrHostNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestHostSuspendAndResume(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	call := func() int {
		return d.g.Do(t, gatewaytest.Request{Path: api.PathSync, Key: host.Key.Reveal(), Body: "{}"}).Status
	}
	for name, verb := range map[string]error{"suspend": d.HostSuspend(t.Context(), "build7.example"), "resume": d.HostResume(t.Context(), "build7.example")} {
		if !errors.Is(verb, ErrDeclined) {
			t.Errorf("%s: got %v, want a question that nobody answered", name, verb)
		}
	}
	if got := call(); got != 200 {
		t.Errorf("got %d after declined verbs", got)
	}
	d.Yes = true
	must(t, d.HostSuspend(t.Context(), "build7.example"))
	if out, words := d.said(); out != "" || words != "✓ build7.example is suspended: its calls are refused. To end that: cdxgate host resume build7.example\n" {
		t.Errorf("got %q, %q", out, words)
	}
	if got := call(); got != 403 {
		t.Errorf("got %d for a suspended host", got)
	}
	d.JSON = true
	must(t, d.HostResume(t.Context(), "build7.example"))
	if got := document[struct{ Host listedHost }](t, d).Host; got.Status != "active" {
		t.Errorf("got %+v", got)
	}
	if got := call(); got != 200 {
		t.Errorf("got %d for a resumed host", got)
	}
	for _, err := range []error{d.HostSuspend(t.Context(), "none.example"), d.HostResume(t.Context(), "none.example")} {
		if !errors.Is(err, fleet.ErrHostNotFound) {
			t.Errorf("got %v", err)
		}
	}
}

func TestHostListFilters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range []string{"a", "b", "c"} {
		d.g.Register(t, name+".example")
	}
	must(t, d.HostSet(t.Context(), "b.example", fleet.Change{Labels: map[string]string{"team": "x", "gone": ""}, Note: new("under\nthe desk")}))
	if _, words := d.said(); words != `✓ b.example: label gone=none, label team=x, note=under\u000athe desk`+"\n" {
		t.Errorf("got %q", words)
	}
	must(t, d.HostShow(t.Context(), "b.example"))
	if out, _ := d.said(); !strings.Contains(out, "labels    team=x\n") || !strings.Contains(out, `note      under\u000athe desk`+"\n") {
		t.Errorf("got\n%s", out)
	}
	must(t, d.HostList(t.Context(), HostListOptions{Query: fleet.Query{Search: "nothing"}}))
	if out, words := d.said(); out != "" || words != "No host is like that.\n" {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.HostList(t.Context(), HostListOptions{Query: fleet.Query{Limit: 2, Desc: true}}))
	if out, words := d.said(); strings.Count(out, "\n") != 3 || !strings.Contains(out, "\nc.example") || words != "2 of 3 hosts. The others as well: --all\n" {
		t.Errorf("got %q, %q", out, words)
	}
	d.JSON = true
	for query, want := range map[*HostListOptions]string{
		{Query: fleet.Query{Filter: fleet.Filter{Label: map[string]string{"team": "x"}}}}: "b.example 1",
		{Query: fleet.Query{Limit: 1}}:                                       "a.example 3",
		{Query: fleet.Query{Limit: 1}, All: true}:                            "a.example b.example c.example 3",
		{Query: fleet.Query{Filter: fleet.Filter{Outdated: new(true)}}}:      " 0",
		{Query: fleet.Query{Filter: fleet.Filter{State: fleet.StateActive}}}: "a.example b.example c.example 3",
	} {
		must(t, d.HostList(t.Context(), *query))
		var names []string
		got := document[struct {
			Hosts []listedHost
			Total json.Number
		}](t, d)
		for _, host := range got.Hosts {
			names = append(names, host.FQDN)
			if host.Labels == nil || host.FQDN == "b.example" && (host.Labels["team"] != "x" || host.Note != "under\nthe desk") {
				t.Errorf("got %+v", host)
			}
		}
		if text := strings.Join(names, " ") + " " + got.Total.String(); text != want {
			t.Errorf("%+v: got %q, want %q", query, text, want)
		}
	}
	for flag, query := range map[string]fleet.Query{"--sort": {Sort: "x"}, "--limit": {Limit: 501}, "--state": {Filter: fleet.Filter{State: "x"}}} {
		err := d.HostList(t.Context(), HostListOptions{Query: query})
		if errs.Of(err).Kind != errs.Invalid || !strings.HasPrefix(err.Error(), "Validation failed: "+flag+": must be ") {
			t.Errorf("%s: got %v", flag, err)
		}
	}
}
