package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// The calls that the compatible product does not have do what they say to the host that they name, and are recorded.
func TestOurActsOnHosts(t *testing.T) {
	t.Parallel()
	o, _, host, kiosk := lived(t)
	o.Exec(t, "UPDATE host SET bound_ip = '203.0.113.7' WHERE id = $1", host)
	untouched := o.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = $1", kiosk)
	for _, c := range []struct{ call, body, answer, entry string }{
		{"suspend", `null`, `"fqdn":"atlas.example","status":"disabled"`, `admin.host.update {"fqdn": "atlas.example", "before": {"enabled": true}, "enabled": false}`},
		{"suspend", `{}`, `"fqdn":"atlas.example","status":"disabled"`, `admin.host.update {"fqdn": "atlas.example", "before": {"enabled": false}, "enabled": false}`},
		{"resume", `null`, `"fqdn":"atlas.example","status":"active"`, `admin.host.update {"fqdn": "atlas.example", "before": {"enabled": false}, "enabled": true}`},
		{"unbind", `null`, `"fqdn":"atlas.example","ip":null`, `admin.host.update {"fqdn": "atlas.example", "before": {"ip": "203.0.113.7"}, "unbind": true}`},
		{"rename", `{"fqdn":" Apollo.example "}`, `"fqdn":"apollo.example","previous_fqdns":["atlas.example"]`, `admin.host.rename {"fqdn": "apollo.example", "after": "apollo.example", "before": "atlas.example"}`},
		{"rename", `{"fqdn":"atlas.example"}`, `"fqdn":"atlas.example","previous_fqdns":["apollo.example"]`, `admin.host.rename {"fqdn": "atlas.example", "after": "atlas.example", "before": "apollo.example"}`},
		{
			"labels", `{"labels":{"rack":"7","team":"build","none":null},"note":"second\nshelf"}`, `"labels":{"rack":"7","team":"build"},"note":"second\nshelf"`,
			`admin.host.update {"fqdn": "atlas.example", "note": "second\nshelf", "before": {}, "labels": {"rack": "7", "team": "build"}, "note_before": "", "labels_before": {}}`,
		},
		{
			"labels", `{"labels":{"rack":null,"team":""}}`, `"labels":{},"note":"second\nshelf"`,
			`admin.host.update {"fqdn": "atlas.example", "before": {}, "labels": {}, "labels_before": {"rack": "7", "team": "build"}}`,
		},
		{"labels", `{"labels":null,"note":null}`, `"labels":{},"note":""`, `admin.host.update {"fqdn": "atlas.example", "note": "", "before": {}, "note_before": "second\nshelf"}`},
	} {
		data := string(o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/%s", host, c.call), c.body)))
		if want := fmt.Sprintf(`{"host":{"id":%d,%s}}`, host, c.answer); data != want {
			t.Errorf("%s: got %s, want %s", c.call, data, want)
		}
		if got := o.last(t); got != "alice "+c.entry {
			t.Errorf("%s: got entry\n%s, want\nalice %s", c.call, got, c.entry)
		}
	}
	if after := o.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = $1", kiosk); after != untouched {
		t.Error("got another host changed")
	}
	o.post(t, fmt.Sprintf("/admin/hosts/%d/rename", host), `{"fqdn":"kiosk.example"}`).Refused(t, 409, "host_exists", "A host of this name is already registered")
	o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/labels", host), `{"labels":{"rack":"8"},"note":"n"}`))
	var list api.AdminHosts
	o.get(t, "/admin/hosts?label=rack=8").Decode(t, &list)
	if len(list.Hosts) != 1 || list.Hosts[0].Labels["rack"] != "8" || list.Hosts[0].Note != "n" {
		t.Errorf("got %+v", list)
	}
}

// A host that is suspended is refused with its own key until it is resumed.
func TestSuspendedHostsAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	for _, c := range []struct {
		act  string
		want int
	}{{"suspend", 403}, {"resume", 200}} {
		o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/%s", host.ID, c.act), nil))
		if a := o.Do(t, gatewaytest.Request{Path: "/host/users", Key: host.APIKey, Body: `{"username":"deploy"}`}); a.Status != c.want {
			t.Errorf("%s: got %d %s, want %d", c.act, a.Status, a.Body, c.want)
		}
	}
}

// A rotation hands the new key to nobody but the host; one that revokes answers the command that brings it, once.
func TestRotate(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	path := fmt.Sprintf("/admin/hosts/%d/rotate", host.ID)
	alive := func(key string) bool {
		return o.Do(t, gatewaytest.Request{Path: "/host/users", Key: key, Body: `{"username":"deploy"}`}).Status == http.StatusOK
	}
	if !alive(host.APIKey) {
		t.Fatal("got refused with the first key")
	}
	keyShape := object{"id": "n", "fqdn": "s", "key_prefix": "s", "next_key_prefix": "s0", "key_until": "s0"}

	data := o.data(t, o.post(t, path, `{"revoke_now":null}`))
	rotated := object{"host": "o", "installer": "0"}.check(t, "rotate", data)
	next := keyShape.check(t, "rotate.host", rotated["host"])
	if string(next["key_prefix"]) != `"`+host.APIKey[:8]+`"` || string(next["next_key_prefix"]) == "null" || string(next["key_until"]) == "null" {
		t.Errorf("got %s", data)
	}
	if got := o.last(t); !strings.HasPrefix(got, "alice admin.host.key_rotate ") {
		t.Errorf("got %s", got)
	}
	if !alive(host.APIKey) {
		t.Error("got the old key dead before the new one was used")
	}
	o.post(t, path, nil).Refused(t, 409, "key_pending", "The host has a new API key that it has not used yet")

	data = o.data(t, o.post(t, path, `{"revoke_now":true}`))
	revoked := object{"host": "o", "installer": "o"}.check(t, "revoke", data)
	object{"token": "s", "url": "s", "command": "s", "expires_at": "s"}.check(t, "installer", revoked["installer"])
	if now := keyShape.check(t, "revoke.host", revoked["host"]); string(now["next_key_prefix"]) != "null" || string(now["key_until"]) != "null" {
		t.Errorf("got %s", data)
	}
	if alive(host.APIKey) {
		t.Error("got the revoked key alive")
	}
	var installer api.Installer
	if err := json.Unmarshal(revoked["installer"], &installer); err != nil {
		t.Fatal(err)
	}
	var enrolled api.EnrolResponse
	o.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: "/install/" + installer.Token}).Decode(t, &enrolled)
	if len(enrolled.APIKey) != 64 || !alive(enrolled.APIKey) || strings.Contains(string(data), enrolled.APIKey) {
		t.Errorf("got a key of %d characters, or one that the answer showed: %s", len(enrolled.APIKey), data)
	}
	o.Exec(t, "UPDATE host SET roaming = true")
	o.post(t, path, nil).Refused(t, 409, "host_roams", "The host may call from several addresses: whoever had its API key would be given the new one")
}

// Who may change hosts, but not enrol them, gets no install command, whatever else is wrong, and changes nothing by asking.
func TestRevokingWantsEnrolment(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	if a := o.Do(t, gatewaytest.Request{Path: "/host/users", Key: host.APIKey, Body: `{"username":"deploy"}`}); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	site := o.AdminSite(t, access.Token)
	rotate := func(scope access.Capability, id int64, body string) *gatewaytest.Answer {
		secret := token(t, o.Gateway, access.NewToken{Name: fmt.Sprint("ci-", o.Int(t, "SELECT count(*) FROM admin_token")), Role: access.Operator, Scopes: []access.Capability{scope}})
		return site.Do(t, o.AdminClient(t, "", ""), gatewaytest.Request{
			Path: fmt.Sprintf("/admin/hosts/%d/rotate", id), Body: body, Header: bearer(secret),
		})
	}
	before := o.Int(t, "SELECT hashtext(h::text) FROM host h")
	for _, a := range []*gatewaytest.Answer{
		rotate(access.HostWrite, host.ID, `{"revoke_now":true}`), rotate(access.HostWrite, 999999, `{"revoke_now":"on"}`), rotate(access.HostEnrol, host.ID, `{"revoke_now":true}`),
	} {
		a.Refused(t, 403, "forbidden_role", "your role does not allow this")
	}
	if after := o.Int(t, "SELECT hashtext(h::text) FROM host h"); after != before {
		t.Error("got the host changed")
	}
	if n := o.Int(t, "SELECT count(*) FROM admin_token t, audit_entry e WHERE e.action = 'admin.refused' AND e.actor = 'token ' || t.name"); n != 3 {
		t.Errorf("got %d refusals recorded, want 3", n)
	}
	o.data(t, rotate(access.HostWrite, host.ID, `{}`))
}

// A batch does each host by itself: what is refused for one is said, and keeps none of the others.
func TestBatch(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	atlas, kiosk := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID, o.registered(t, `{"fqdn":"kiosk.example","secure":false}`).Host.ID
	bystander := o.registered(t, `{"fqdn":"other.example"}`).Host.ID
	full := o.registered(t, `{"fqdn":"full.example"}`).Host.ID
	o.Exec(t, `UPDATE host SET labels = (SELECT jsonb_object_agg('k' || i, 'v') FROM generate_series(1, 16) i) WHERE id = $1`, full)
	o.Exec(t, "UPDATE host SET bound_ip = '203.0.113.7'")
	untouched := o.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = $1", bystander)
	both := "SELECT count(*) FROM host WHERE fqdn IN ('atlas.example', 'kiosk.example') AND "
	for _, c := range []struct{ action, value, holds, entry string }{
		{"suspend", "null", "status = 'disabled'", "admin.host.update"},
		{"resume", "null", "status = 'active'", "admin.host.update"},
		{"unbind", "null", "bound_ip IS NULL", "admin.host.update"},
		{"vip", "true", "vip", "admin.host.vip"},
		{"vip", `"off"`, "NOT vip", "admin.host.vip"},
		{"roaming", "1", "roaming", "admin.host.roaming"},
		{"labels", `{"rack":"7","team":null}`, `labels = '{"rack": "7"}'`, "admin.host.update"},
		{"secure", "false", "NOT secure", "admin.host.secure"},
		{"insecure_disable", "null", "insecure_until IS NULL", "admin.host.insecure_disable"},
		{"secure", "true", "secure", "admin.host.secure"},
	} {
		entries := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor = 'alice'", c.entry)
		body := fmt.Sprintf(`{"ids":[%d,999999,%d],"action":"%s","value":%s}`, kiosk, atlas, c.action, c.value)
		data := string(o.data(t, o.post(t, "/admin/hosts/batch", body)))
		want := fmt.Sprintf(`{"results":[{"id":%d,"ok":true,"code":null},{"id":999999,"ok":false,"code":"host_not_found"},{"id":%d,"ok":true,"code":null}]}`, kiosk, atlas)
		if data != want {
			t.Errorf("%s: got %s, want %s", c.action, data, want)
		}
		if n := o.Int(t, both+c.holds); n != 2 {
			t.Errorf("%s: got %d hosts of which %s holds, want 2", c.action, n, c.holds)
		}
		if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = $1 AND actor = 'alice'", c.entry); n != entries+2 {
			t.Errorf("%s: got %d entries %s more, want 2", c.action, n-entries, c.entry)
		}
	}
	results := func(body string) (batch api.AdminBatch) {
		t.Helper()
		if err := json.Unmarshal(o.data(t, o.post(t, "/admin/hosts/batch", body)), &batch); err != nil {
			t.Fatal(err)
		}
		return batch
	}
	labels := results(fmt.Sprintf(`{"ids":[%d,%d],"action":"labels","value":{"more":"1"}}`, full, atlas)).Results
	if labels[0].OK || *labels[0].Code != "validation_failed" || !labels[1].OK || labels[1].Code != nil {
		t.Errorf("got %+v", labels)
	}
	// A secure host has no window, which is what was asked for.
	if closed := results(fmt.Sprintf(`{"ids":[%d],"action":"insecure_disable"}`, atlas)).Results; !closed[0].OK {
		t.Errorf("got %+v", closed)
	}
	deletion := fmt.Sprintf(`{"ids":[%d,%d,%d],"action":"delete"}`, full, atlas, kiosk)
	for _, ok := range []bool{true, false} {
		if slices.ContainsFunc(results(deletion).Results, func(r api.AdminBatchResult) bool { return r.OK != ok }) {
			t.Errorf("got one of the hosts deleted with ok other than %t", ok)
		}
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.host.delete' AND actor = 'alice'"); n != 3 {
		t.Errorf("got %d entries, want 3", n)
	}
	if after := o.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = $1", bystander); after != untouched || o.Int(t, "SELECT count(*) FROM host") != 1 {
		t.Error("got another host changed")
	}
}

// A fault of ours with one host is said by its code alone, logged in full, and keeps none of the others.
func TestBatchesWithFaults(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var ids []string
	for _, name := range []string{"broken", "busy", "good"} {
		ids = append(ids, fmt.Sprint(o.registered(t, `{"fqdn":"`+name+`.example"}`).Host.ID))
	}
	o.Exec(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.fqdn = 'broken.example' THEN RAISE 'a secret of the database'; END IF;
		IF NEW.fqdn = 'busy.example' THEN RAISE 'too long' USING ERRCODE = '57014'; END IF;
		RETURN NEW; END $$`)
	o.Exec(t, "CREATE TRIGGER fail BEFORE UPDATE ON host FOR EACH ROW EXECUTE FUNCTION fail()")
	a := o.post(t, "/admin/hosts/batch", `{"ids":[`+strings.Join(ids, ",")+`],"action":"suspend"}`)
	want := fmt.Sprintf(`{"results":[{"id":%s,"ok":false,"code":"internal"},{"id":%s,"ok":false,"code":"database_unavailable"},{"id":%s,"ok":true,"code":null}]}`, ids[0], ids[1], ids[2])
	if data := string(o.data(t, a)); data != want {
		t.Errorf("got %s, want %s", data, want)
	}
	if !strings.Contains(o.Logs.String(), "a secret of the database") {
		t.Error("got no fault in the log")
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.host.update'"); n != 1 {
		t.Errorf("got %d entries, want that of the host that was done", n)
	}
}

// The longest batch is done whole; one that is longer is refused before anything is.
func TestLongBatches(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID
	var ids []int64
	for i := range int64(500) {
		ids = append(ids, host+i)
	}
	text := func() string {
		raw, err := json.Marshal(map[string]any{"ids": ids, "action": "vip", "value": true})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	var batch api.AdminBatch
	o.post(t, "/admin/hosts/batch", text()).Decode(t, &batch)
	if len(batch.Results) != 500 || !batch.Results[0].OK || batch.Results[499].OK {
		t.Errorf("got %d results", len(batch.Results))
	}
	o.Exec(t, "UPDATE host SET vip = false")
	ids = append(ids, host+500)
	o.post(t, "/admin/hosts/batch", text()).Invalid(t, "ids", "ids must be a list of 1 to 500 ids of hosts, none of them twice")
	if n := o.Int(t, "SELECT count(*) FROM host WHERE vip"); n != 0 {
		t.Error("got a host changed by a batch that was refused")
	}
}
