package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// What a body says wrong is named, and changes nothing.
func TestBodiesThatAreNoGood(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	kiosk := o.registered(t, `{"fqdn":"kiosk.example","secure":false}`).Host
	entries := o.Int(t, "SELECT count(*) FROM audit_entry")
	const (
		name     = "must be a name of letters, digits and ._:/@+- that begins with a letter or digit, at most %d characters, or an empty text for none"
		minutes  = "duration_minutes must be a number from 1 to 480"
		versions = "selection must be a version such as 0.63.0, or global, fleet, default"
		objects  = "labels must be an object of texts, or null for a label to remove"
		batch    = "/admin/hosts/batch"
		list     = "ids must be a list of 1 to 500 ids of hosts, none of them twice"
		actions  = "action must be one of labels, resume, roaming, secure, suspend, unbind, vip, insecure_disable, delete"
		fleets   = "selection must be a version such as 0.63.0, or latest, auto"
	)
	some := fmt.Sprintf(`{"ids":[%d,%d]}`, host.ID, kiosk.ID)
	model, effort := "model_override "+fmt.Sprintf(name, 128), "reasoning_effort_override "+fmt.Sprintf(name, 32)
	atlas, window := fmt.Sprintf("/admin/hosts/%d/", host.ID), fmt.Sprintf("/admin/hosts/%d/insecure/enable", kiosk.ID)
	for _, c := range []struct{ path, body, field, text string }{
		{atlas + "model", `{"model_override":5}`, "model_override", "model_override must be a JSON string"},
		{atlas + "model", `{"reasoning_effort_override":["a"]}`, "reasoning_effort_override", "reasoning_effort_override must be a JSON string"},
		{atlas + "model", `{"model_override":"-c evil"}`, "model_override", model},
		{atlas + "model", `{"model_override":"` + strings.Repeat("m", 129) + `"}`, "model_override", model},
		{atlas + "model", `{"reasoning_effort_override":"<b>"}`, "reasoning_effort_override", effort},
		{atlas + "codex-version", `{}`, "selection", "selection is required"},
		{atlas + "codex-version", `"0.61.0"`, "selection", "selection is required"},
		{atlas + "codex-version", `{"selection":61}`, "selection", "selection must be a JSON string"},
		{atlas + "codex-version", `{"selection":"newest"}`, "selection", versions},
		{atlas + "codex-version", `{"selection":"0.61"}`, "selection", versions},
		{atlas + "codex-version", `{"selection":"0.61.0; reboot"}`, "selection", versions},
		{atlas + "codex-version", `{"selection":"0.61.0-alpha"}`, "selection", versions},
		{atlas + "codex-version", `{"client_version_override":"x"}`, "client_version_override", strings.Replace(versions, "selection", "client_version_override", 1)},
		{atlas + "insecure/enable", `{}`, "secure", "the host is a secure one: it needs no window"},
		{window, `{"duration_minutes":0}`, "duration_minutes", minutes}, {window, `{"duration_minutes":481}`, "duration_minutes", minutes},
		{window, `{"duration_minutes":-1}`, "duration_minutes", minutes}, {window, `{"duration_minutes":"60"}`, "duration_minutes", minutes},
		{window, `{"duration_minutes":1.5}`, "duration_minutes", minutes}, {window, `{"duration_minutes":1e99}`, "duration_minutes", minutes},
		{window, `{"duration_minutes":[]}`, "duration_minutes", minutes},
		{atlas + "rotate", `{"revoke_now":"maybe"}`, "revoke_now", "revoke_now must be boolean"},
		{atlas + "rotate", `{"revoke_now":[]}`, "revoke_now", "revoke_now must be boolean"},
		{atlas + "rename", `{}`, "fqdn", "fqdn is required"}, {atlas + "rename", `{"fqdn":7}`, "fqdn", "fqdn must be a JSON string"},
		{atlas + "labels", `{}`, "labels", "labels or note is required"}, {atlas + "labels", `{"labels":null}`, "labels", "labels or note is required"},
		{atlas + "labels", `[]`, "labels", "labels or note is required"},
		{atlas + "labels", `{"labels":"rack"}`, "labels", objects}, {atlas + "labels", `{"labels":["rack"]}`, "labels", objects},
		{atlas + "labels", `{"labels":{"rack":7}}`, "labels", objects},
		{atlas + "labels", `{"labels":{"rack":"7\u0000"}}`, "labels", "labels wants values of at most 64 bytes that can be printed, which that of rack is not"},
		{atlas + "labels", `{"note":7}`, "note", "note must be a JSON string or null"}, {atlas + "labels", `{"note":["x"]}`, "note", "note must be a JSON string or null"},
		{atlas + "labels", `{"note":"` + strings.Repeat("x", 1025) + `"}`, "note", "note wants a text of at most 1024 bytes that can be printed"},
		{batch, `{}`, "ids", list}, {batch, `{"ids":null,"action":"resume"}`, "ids", list}, {batch, `{"ids":[],"action":"resume"}`, "ids", list},
		{batch, `{"ids":7,"action":"resume"}`, "ids", list}, {batch, `{"ids":["7"],"action":"resume"}`, "ids", list},
		{batch, `{"ids":[0],"action":"resume"}`, "ids", list}, {batch, `{"ids":[-1],"action":"resume"}`, "ids", list},
		{batch, `{"ids":[1.5],"action":"resume"}`, "ids", list}, {batch, `{"ids":[null],"action":"resume"}`, "ids", list},
		{batch, `{"ids":[7,8,7],"action":"delete"}`, "ids", list}, {batch, `{"ids":[99999999999999999999],"action":"resume"}`, "ids", list},
		{batch, some, "action", actions}, {batch, some[:len(some)-1] + `,"action":"purge"}`, "action", actions},
		{batch, some[:len(some)-1] + `,"action":7}`, "action", "action must be a JSON string"},
		{batch, some[:len(some)-1] + `,"action":"delete","value":true}`, "value", "this action takes no value"},
		{batch, some[:len(some)-1] + `,"action":"suspend","value":false}`, "value", "this action takes no value"},
		{batch, some[:len(some)-1] + `,"action":"insecure_disable","value":{}}`, "value", "this action takes no value"},
		{batch, some[:len(some)-1] + `,"action":"vip"}`, "value", "value must be boolean"},
		{batch, some[:len(some)-1] + `,"action":"secure","value":null}`, "value", "value must be boolean"},
		{batch, some[:len(some)-1] + `,"action":"roaming","value":"maybe"}`, "value", "value must be boolean"},
		{batch, some[:len(some)-1] + `,"action":"labels"}`, "value", strings.Replace(objects, "labels", "value", 1)},
		{batch, some[:len(some)-1] + `,"action":"labels","value":{"A":"7"}}`, "labels", "labels wants keys of at most 32 characters from a-z, 0-9 and ._- that begin with a letter or digit, got \"A\""},
		{"/admin/quota-mode", `{"limit_percent":90}`, "hard_fail", "hard_fail is required"},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":49}`, "limit_percent", "limit_percent must be a number from 50 to 100"},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":101}`, "limit_percent", "limit_percent must be a number from 50 to 100"},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":"many"}`, "limit_percent", "limit_percent must be a number from 50 to 100"},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":"0x50"}`, "limit_percent", "limit_percent must be a number from 50 to 100"},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":true}`, "limit_percent", "limit_percent must be a number from 50 to 100"},
		{"/admin/quota-mode", `{"hard_fail":true,"week_partition":6}`, "week_partition", "week_partition must be 0, 5, 7 or off"},
		{"/admin/quota-mode", `{"hard_fail":true,"week_partition":{}}`, "week_partition", "week_partition must be 0, 5, 7 or off"},
		{"/admin/quota-mode", `{"hard_fail":true,"week_partition":false}`, "week_partition", "week_partition must be 0, 5, 7 or off"},
		{"/admin/codex-version", `{}`, "selection", "selection is required"},
		{"/admin/codex-version", `{"selection":null}`, "selection", fleets},
		{"/admin/codex-version", `{"selection":""}`, "selection", fleets},
		{"/admin/codex-version", `{"selection":"global"}`, "selection", fleets},
		{"/admin/prune-policy", `{}`, "inactivity_days", "inactivity_days is required"},
		{"/admin/prune-policy", `{"inactivity_days":null}`, "inactivity_days", "inactivity_days is required"},
		{"/admin/prune-policy", `{"inactivity_days":61}`, "inactivity_days", "inactivity_days must be a number from 0 to 60"},
		{"/admin/prune-policy", `{"inactivity_days":-1}`, "inactivity_days", "inactivity_days must be a number from 0 to 60"},
		{"/admin/prune-policy", `{"inactivity_days":"NaN"}`, "inactivity_days", "inactivity_days must be a number from 0 to 60"},
		{"/admin/auth/upload", `{}`, "auth", "auth is required"}, {"/admin/auth/upload", `[]`, "auth", "auth is required"},
		{"/admin/auth/upload", `{"auth":null}`, "auth", "auth is required"},
		{"/admin/auth/upload", `{"auth":5}`, "auth", "Auth payload is required"},
		{"/admin/auth/upload", `{"auth":[]}`, "auth", "Auth payload is required"},
		{"/admin/auth/upload", `{"auth":"not json"}`, "auth", "auth must be the JSON of an auth.json"},
		{"/admin/auth/upload", `{"auth":{},"host_id":"seven"}`, "host_id", "host_id must be the id of a host, or null for the fleet"},
		{"/admin/auth/upload", `{"auth":{},"host_id":-1}`, "host_id", "host_id must be the id of a host, or null for the fleet"},
		{"/admin/auth/upload", `{"auth":{},"host_id":1.5}`, "host_id", "host_id must be the id of a host, or null for the fleet"},
		{"/admin/auth/upload", `{"auth":{},"host_id":99999999999999999999}`, "host_id", "host_id must be the id of a host, or null for the fleet"},
		{"/admin/slash-commands/store", `{}`, "filename", "filename is required"}, {"/admin/slash-commands/store", `7`, "filename", "filename is required"},
		{"/admin/slash-commands/store", `{"filename":5}`, "filename", "filename must be a JSON string"},
		{"/admin/slash-commands/store", `{"filename":"../x"}`, "filename", "filename cannot include path separators"},
		{"/admin/slash-commands/store", `{"filename":"a.md"}`, "prompt", "prompt is required"},
		{"/admin/slash-commands/store", `{"filename":"a.md","prompt":" \n"}`, "prompt", "prompt is required"},
		{"/admin/slash-commands/store", `{"filename":"a.md","prompt":{}}`, "prompt", "prompt must be a JSON string"},
		{"/admin/slash-commands/store", `{"filename":"a.md","prompt":"x","sha256":"ab"}`, "sha256", "sha256 must be 64 hex characters"},
		{"/admin/slash-commands/store", `{"filename":"a.md","prompt":"x","sha256":"` + strings.Repeat("0", 64) + `"}`, "sha256", "sha256 does not match prompt contents"},
		{"/admin/slash-commands/a.md/restore", `{}`, "version", "version must be the number of a version"},
		{"/admin/slash-commands/a.md/restore", `{"version":0}`, "version", "version must be the number of a version"},
		{"/admin/slash-commands/a.md/restore", `{"version":"1"}`, "version", "version must be a JSON int64"},
		{"/admin/slash-commands/..%2Fa.md/restore", `{"version":1}`, "filename", "filename cannot include path separators"},
		{"/admin/slash-command-proposals/1/accept", `{"force":"maybe"}`, "force", "force must be boolean"},
		{"/admin/certificates/revoke", `{}`, "name", "name is required"}, {"/admin/certificates/revoke", `{"name":7}`, "name", "name must be a JSON string"},
		{"/admin/api-tokens", `{"name":"ci","role":"viewer","scopes":[]}`, "scopes", "scopes must name a capability, or be null for all that the role may"},
		{"/admin/api-tokens", `{"name":"ci","role":"viewer","ttl_seconds":0}`, "ttl_seconds", "ttl_seconds must be a number from 1 to 31622400"},
		{"/admin/api-tokens", `{"name":"ci","role":"viewer","ttl_seconds":9223372036854775807}`, "ttl_seconds", "ttl_seconds must be a number from 1 to 31622400"},
		{"/admin/slash-commands/store", `{"filename":"a.md","prompt":"x","description":7}`, "description", "description must be a JSON string"},
	} {
		t.Run(c.path+" "+c.body, func(t *testing.T) { o.post(t, c.path, c.body).Invalid(t, c.field, c.text) })
	}
	flags := map[string]string{
		atlas + "roaming": "allow", atlas + "secure": "secure", atlas + "vip": "vip", atlas + "ipv4": "force", atlas + "curl-insecure": "allow",
		"/admin/api/state": "disabled", "/admin/quota-mode": "hard_fail", "/admin/cdx-silent": "silent",
	}
	for path, field := range flags {
		for _, body := range []any{nil, `{}`, `null`, `[]`, `true`, `"yes"`, `{"` + strings.ToUpper(field) + `":true}`, `{"` + field + `":null}`} {
			o.post(t, path, body).Invalid(t, field, field+" is required")
		}
		for _, value := range []string{`2`, `"maybe"`, `""`, `{}`, `["true"]`, `"null"`} {
			o.post(t, path, `{"`+field+`":`+value+`}`).Invalid(t, field, field+" must be boolean")
		}
		o.post(t, path, `{"`+field).Refused(t, 400, "invalid_json", "Invalid JSON payload")
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry"); n != entries {
		t.Errorf("got %d entries more, want none", n-entries)
	}
	if n := o.Int(t, "SELECT count(*) FROM policy") + o.Int(t, "SELECT count(*) FROM generation") + o.Int(t, "SELECT count(*) FROM library_file"); n != 0 {
		t.Errorf("got %d rows, want none", n)
	}
}

// A host that is not there is told before anything that is wrong with the body.
func TestHostsThatAreNotThere(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	pruned := o.registered(t, `{"fqdn":"gone.example"}`).Host.ID
	o.Exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive'")
	for _, route := range o.Admin.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(path, "/admin/hosts/{}/") {
			continue
		}
		call := func(id string) *gatewaytest.Answer {
			request := gatewaytest.Request{Method: method, Path: strings.Replace(path, "{}", id, 1) + "?include_body=maybe"}
			if method != http.MethodGet {
				request.Body = `{"allow":"maybe","duration_minutes":[]}`
			}
			return o.DoAdmin(t, o.admin, request)
		}
		for _, id := range []string{"0", "999999", "9223372036854775807", fmt.Sprint(pruned)} {
			call(id).Refused(t, 404, "host_not_found", "Host not found")
		}
		for _, id := range []string{"x", "-1", "+1", "1x", "1.0", "0x1", "%31", "%20" + "1", "9223372036854775808", "gone.example"} {
			call(id).Refused(t, 404, "route_not_found", "Route not found")
		}
	}
	o.post(t, "/admin/auth/upload", `{"auth":5,"host_id":999999}`).Refused(t, 404, "host_not_found", "Host not found")
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		call := func(name string) *gatewaytest.Answer {
			return o.DoAdmin(t, o.admin, gatewaytest.Request{Method: method, Path: "/admin/slash-commands/" + name})
		}
		call("absent.md").Refused(t, 404, "command_not_found", "There is no such command")
		call("a%2Fb.md").Invalid(t, "filename", "filename cannot include path separators")
		call("%2e%2e").Invalid(t, "filename", "filename cannot include path separators")
		call("%00").Invalid(t, "filename", "filename may only contain letters, numbers, dots, underscores, and hyphens")
	}
}

// A query that is misspelt or misunderstood would tell another thing than was asked for.
func TestQueriesThatAreNoGood(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID
	long := strings.Repeat("x", 257)
	const (
		networks = "ip must be an address such as 203.0.113.7, or a network such as 203.0.113.0/24"
		moments  = " must be a time such as 2026-01-31T08:00:00Z, or a day such as 2026-01-31"
	)
	for _, c := range []struct{ path, field, text string }{
		{"/admin/hosts?limit=0", "limit", "limit must be a number from 1 to 500"},
		{"/admin/hosts?limit=501", "limit", "limit must be a number from 1 to 500"},
		{"/admin/hosts?limit=", "limit", "limit must be a number from 1 to 500"},
		{"/admin/hosts?limit=+5", "limit", "limit must be a number from 1 to 500"},
		{"/admin/hosts?limit=05", "limit", "limit must be a number from 1 to 500"},
		{"/admin/hosts?limit=5&limit=6", "limit", "limit is given more than once"},
		{"/admin/hosts?limt=5", "query", `there is no parameter "limt"; want limit, cursor, search, sort, desc, state, secure, roaming, vip, outdated, window_open, never_seen, label`},
		{"/admin/hosts?limit=%zz", "query", "the query is not well-formed"},
		{"/admin/hosts?cursor=", "cursor", "cursor is none of this list"},
		{"/admin/hosts?cursor=%21", "cursor", "cursor is none of this list"},
		{"/admin/hosts?cursor=AA", "cursor", "cursor is none of this list"},
		{"/admin/hosts/insecure?limit=x", "limit", "limit must be a number from 1 to 500"},
		{fmt.Sprintf("/admin/hosts/%d/auth?include_body=maybe", id), "include_body", "include_body must be boolean"},
		{fmt.Sprintf("/admin/hosts/%d/auth?body=1", id), "query", `there is no parameter "body"; want include_body`},
		{"/admin/overview?force=1", "query", `there is no parameter "force"; want none`},
		{"/admin/api/state?disabled=1", "query", `there is no parameter "disabled"; want none`},
		{"/admin/logs?limit=-1", "limit", "limit must be a number from 1 to 500"},
		{"/admin/logs?cursor=YWJj", "cursor", "cursor is none of this list"},
		{"/admin/logs?host_id=atlas", "host_id", "host_id must be a number from 1 to 4611686018427387904"},
		{"/admin/logs?q=" + long, "q", "q must be a text of at most 256 bytes without control characters"},
		{"/admin/logs?q=%00", "q", "q must be a text of at most 256 bytes without control characters"},
		{"/admin/logs?actor=%ff", "actor", "actor must be a text of at most 256 bytes without control characters"},
		{"/admin/usage?limit=1e3", "limit", "limit must be a number from 1 to 500"},
		{"/admin/usage/ingests?page=0", "page", "page must be a number from 1 to 100000"},
		{"/admin/usage/ingests?page=100001", "page", "page must be a number from 1 to 100000"},
		{"/admin/usage/ingests?per_page=201", "per_page", "per_page must be a number from 1 to 200"},
		{"/admin/usage/ingests?sort=secret", "sort", "sort must be one of created_at, entries, total, input, output, cached, reasoning, cost, host, client_ip, id"},
		{"/admin/usage/ingests?direction=up", "direction", "direction must be one of asc, desc"},
		{"/admin/usage/cost-history?days=181", "days", "days must be a number from 1 to 180"},
		{"/admin/tokens?limit=201", "limit", "limit must be a number from 1 to 200"},
		{"/admin/slash-commands?offset=1", "query", `there is no parameter "offset"; want limit, cursor, sort, direction, state, q`},
		{"/admin/hosts/insecure?sort=ip", "sort", "sort must be one of name, seen, created, calls, window"},
		{"/admin/hosts/insecure?active=maybe", "active", "active must be boolean"},
		{"/admin/logs?direction=down", "direction", "direction must be one of asc, desc"},
		{"/admin/logs?sort=actor", "query", `there is no parameter "sort"; want limit, cursor, direction, host_id, action, actor, actor_kind, ip, from, until, q`},
		{"/admin/logs?actor_kind=robot", "actor_kind", "actor_kind must be one of host, admin, operator, gateway, installer, seed"},
		{"/admin/logs?ip=", "ip", networks}, {"/admin/logs?ip=localhost", "ip", networks}, {"/admin/logs?ip=10.0.0.1/8", "ip", networks},
		{"/admin/logs?ip=fe80::1%25eth0", "ip", networks}, {"/admin/logs?ip=10.0.0.0/33", "ip", networks}, {"/admin/logs?ip=::ffff:10.0.0.0/104", "ip", networks},
		{"/admin/logs?from=", "from", "from" + moments}, {"/admin/logs?from=yesterday", "from", "from" + moments}, {"/admin/logs?until=2026-02-30", "until", "until" + moments},
		{"/admin/logs?until=2026-01-01T00:00:00", "until", "until" + moments}, {"/admin/usage?from=infinity", "from", "from" + moments},
		{"/admin/usage?sort=line", "sort", "sort must be one of created_at, total, input, output, cached, reasoning, cost, host"},
		{"/admin/usage?model=%00", "model", "model must be a text of at most 256 bytes without control characters"},
		{"/admin/tokens?sort=line", "sort", "sort must be one of total, input, output, cached, reasoning, cost, events"},
		{"/admin/slash-commands?state=deleted", "state", "state must be one of active, retired, all"},
		{"/admin/slash-commands/a.md/versions?version=0", "version", "version must be a number from 1 to 4611686018427387904"},
		{"/admin/slash-command-proposals?state=waiting", "state", "state must be one of pending, accepted, discarded, all"},
		{"/admin/certificates?state=bad", "state", "state must be one of good, renewed, trusted, no authority, expired, revoked"},
		{"/admin/api-tokens?sort=token", "sort", "sort must be one of name, created_at, expires_at, last_used_at"},
		{"/admin/sessions?state=good", "state", "state must be one of open, over, revoked"},
	} {
		t.Run(c.path, func(t *testing.T) { o.get(t, c.path).Invalid(t, c.field, c.text) })
	}
}

// Reading changes nothing, whatever is read, but for the record of who saw the login.
func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	o, _, host, _ := lived(t)
	proposal := o.proposed(t, "build7.example", "commit.md", "Commit all.")
	var before [8]int64
	count := func() (n [8]int64) {
		for i, table := range []string{"audit_entry", "host", "policy", "generation", "usage_entry", "usage_ingest", "library_file", "delivery"} {
			n[i] = o.Int(t, "SELECT coalesce(sum(hashtext(t::text)::bigint), 0) FROM "+table+" t")
		}
		return n
	}
	before = count()
	for _, route := range o.Admin.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if method != http.MethodGet || strings.HasPrefix(path, "/dashboard") {
			continue
		}
		parameter := map[bool]string{true: "commit.md", false: fmt.Sprint(host)}[strings.Contains(path, "slash")]
		if strings.Contains(path, "proposals") {
			parameter = fmt.Sprint(proposal)
		}
		if a := o.get(t, strings.Replace(path, "{}", parameter, 1)); path != api.PathOpenAPI { // which has no envelope
			o.data(t, a)
		}
		if after := count(); after != before {
			t.Errorf("%s: got %v, want %v", route, after, before)
		}
	}
}
