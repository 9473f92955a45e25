package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// runner is what is answered about it. Of the runner itself nothing is ever known.
func (o *office) runner(t *testing.T) (known map[string]json.RawMessage) {
	t.Helper()
	known = contract["GET /admin/runner"].check(t, "runner", o.data(t, o.get(t, "/admin/runner")))
	if string(known["enabled"]) != "false" {
		t.Errorf("got %s, want a runner that is not enabled", known)
	}
	for _, name := range []string{"runner_url", "last_daily_check", "last_failure", "last_ok", "state", "boot_id", "base_url", "timeout_seconds"} {
		if string(known[name]) != "null" {
			t.Errorf("%s: got %s, want null", name, known[name])
		}
	}
	return known
}

func membersOf(t *testing.T, raw json.RawMessage) (members map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("got %s: %v", raw, err)
	}
	return members
}

// record adds an entry to the audit trail, as a runner would.
func (o *office) record(t *testing.T, e audit.Entry) {
	t.Helper()
	e.Actor = audit.Gateway
	err := o.Core.DB.WithTx(t.Context(), func(q *db.Queries) error { return audit.Record(t.Context(), q, e) })
	if err != nil {
		t.Fatal(err)
	}
}

// An installation without a runner says so, and all else that there is to say.
func TestNoRunner(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	empty := o.runner(t)
	if string(empty["counts"]) != `{"validations_24h":0,"runner_store_24h":0}` || string(empty["canonical_auth"]) != "null" || string(empty["latest_validation"]) != "null" {
		t.Errorf("got %s", empty)
	}
	run := func() {
		t.Helper()
		a := o.post(t, "/admin/runner/run", `{}`)
		if a.Status != http.StatusServiceUnavailable || a.Envelope.Code != "runner_not_configured" || a.Header.Get("Retry-After") != "3600" {
			t.Errorf("got %d %s %v, want that there is no runner, and not to try again at once", a.Status, a.Body, a.Header)
		}
	}
	run()

	o.Upload(t, authtest.New(authtest.Options{LastRefresh: time.Now().Add(-time.Hour)}))
	run()
	uploaded := o.runner(t)
	if canonical := membersOf(t, uploaded["canonical_auth"]); string(canonical["payload_id"]) != "1" || string(canonical["source_host"]) != "null" || len(canonical["digest"]) != 66 {
		t.Errorf("an admin's: got %s", canonical)
	}

	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	login := authtest.New(authtest.Options{LastRefresh: time.Now().Add(-time.Minute)})
	if a := o.Do(t, gatewaytest.Request{Path: "/auth", Key: host.APIKey, Body: `{"command":"store","auth":` + string(login) + `}`}); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	o.Exec(t, "UPDATE generation SET source_host_id = $1", host.ID)
	for i, at := range []time.Duration{-25 * time.Hour, -time.Hour, -time.Minute} {
		o.record(t, audit.Entry{At: time.Now().Add(at), Action: "auth.validate", HostID: host.ID, Details: audit.Details{
			"status": "fail", "reason": fmt.Sprint("try ", i), "latency_ms": 812, "trigger": "manual",
		}})
	}
	o.record(t, audit.Entry{At: time.Now(), Action: "auth.runner_store", Details: audit.Details{"status": 7, "digest": "aa41"}})
	got := o.runner(t)
	if string(got["counts"]) != `{"validations_24h":2,"runner_store_24h":1}` {
		t.Errorf("got %s, want what is of the last day", got["counts"])
	}
	entry := membersOf(t, got["latest_validation"])
	if string(entry["status"]) != `"fail"` || string(entry["reason"]) != `"try 2"` || string(entry["digest"]) != "null" || !strings.Contains(string(entry["details"]), `"latency_ms"`) {
		t.Errorf("got %s, want the newest", entry)
	}
	canonical := membersOf(t, got["canonical_auth"])
	for name, raw := range map[string]json.RawMessage{"host": entry["host"], "source_host": canonical["source_host"]} {
		if want := fmt.Sprintf(`{"id":%d,"fqdn":"atlas.example","ip":%q}`, host.ID, gatewaytest.DefaultFrom); string(raw) != want {
			t.Errorf("%s: got %s, want %s and nothing more", name, raw, want)
		}
	}
	store := membersOf(t, got["latest_runner_store"])
	if string(store["status"]) != "null" || string(store["digest"]) != `"aa41"` || string(store["host"]) != "null" {
		t.Errorf("got %s", store)
	}
	o.Exec(t, "DELETE FROM host WHERE id = $1", host.ID)
	gone := membersOf(t, o.runner(t)["canonical_auth"])
	if string(gone["source_host_id"]) != "null" || string(gone["source_host"]) != "null" {
		t.Errorf("a host that is gone: got %s", gone)
	}
	run()
}
