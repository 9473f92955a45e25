package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// shape says which JSON types each member of an object has, as letters: s(tring), n(umber), b(oolean), o(bject), l(ist), null
// as 0. Exactly these members have to be there.
type shape map[string]string

// Members that the compatible product has; those that only we have are in the second table, by the same names.
var (
	hostShape = shape{
		"id": "n", "fqdn": "s", "status": "s", "last_refresh": "s0", "updated_at": "s", "created_at": "s", "client_version": "s0",
		"client_version_override": "s0", "wrapper_version": "s0", "api_calls": "n", "ip": "s0", "allow_roaming_ips": "b", "secure": "b", "vip": "b",
		"insecure_enabled_until": "s0", "insecure_grace_until": "s0", "insecure_window_minutes": "n0", "force_ipv4": "b", "curl_insecure": "b",
		"model_override": "s0", "reasoning_effort_override": "s0", "canonical_digest": "s0", "recent_digests": "l", "authed": "b", "auth_outdated": "b",
		"token_usage": "o0", "users": "l",
	}
	hostShapeOurs = shape{"expires_at": "s0", "last_seen_at": "s0", "allow_from": "l", "may_store": "b", "key_prefix": "s", "labels": "o", "note": "s"}
	lastUsage     = shape{
		"ingest_id": "n", "total": "n0", "input": "n0", "output": "n0", "cached": "n0", "reasoning": "n0", "cost": "n0", "model": "s0", "line": "s0", "created_at": "s",
	}
	userShape     = shape{"username": "s", "hostname": "s0", "first_seen": "s", "last_seen": "s"}
	uploadHost    = hostShapeOf("fqdn", "status", "last_refresh", "updated_at", "client_version", "client_version_override", "wrapper_version", "api_calls", "allow_roaming_ips", "secure", "vip", "insecure_enabled_until", "insecure_grace_until", "insecure_window_minutes", "force_ipv4", "model_override", "reasoning_effort_override", "id").with(shape{"expires_at": "s0"})
	versionsShape = shape{
		"client_version": "s0", "client_version_checked_at": "s0", "client_version_source": "s", "wrapper_version": "s0", "wrapper_sha256": "s0",
		"wrapper_url": "s0", "reported_client_version": "s0", "quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n",
		"cdx_silent": "b", "runner_enabled": "b", "runner_state": "s0", "runner_last_ok": "s0", "runner_last_fail": "s0", "runner_last_check": "s0",
		"installation_id": "s",
	}
	tokensShape   = shape{"total": "n", "input": "n", "output": "n", "cached": "n", "reasoning": "n", "cost": "n0", "events": "n"}
	overviewShape = shape{
		"mtls": "o", "totals": "o", "latest_log_at": "s0", "last_refresh": "s0", "avg_refresh_age_days": "n0", "versions": "o", "has_canonical_auth": "b",
		"seed_required": "b", "seed_reasons": "l", "tokens": "o", "tokens_day": "o", "tokens_week": "o", "tokens_month": "o", "pricing": "o0",
		"pricing_day_cost": "n0", "pricing_week_cost": "n0", "pricing_month_cost": "n0", "subscription_plans": "o0", "chatgpt_usage": "o0",
		"chatgpt_cached": "b0", "chatgpt_next_eligible_at": "s0", "quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n",
		"cdx_silent": "b", "inactivity_window_days": "n", "client_version_lock": "s0", "client_version_lock_updated_at": "s0",
	}
	uploadShape = shape{
		"status": "s", "canonical_last_refresh": "s", "canonical_digest": "s", "api_calls": "n", "token_usage_month": "o0", "versions": "o",
		"quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n", "cdx_silent": "b", "runner_applied": "b",
	}
	usageShape  = lastUsage.with(shape{"id": "n", "host_id": "n0", "fqdn": "s0"})
	ingestShape = shape{
		"id": "n", "host_id": "n0", "fqdn": "s0", "entries": "n", "total": "n0", "input": "n0", "output": "n0", "cached": "n0", "reasoning": "n0",
		"cost": "n0", "client_ip": "s0", "payload": "s0", "created_at": "s",
	}
	listed = shape{"next_cursor": "s0"} // what every list of ours has
)

func hostShapeOf(names ...string) shape {
	all := shape{}
	for _, name := range names {
		all[name] = hostShape[name]
	}
	return all
}

func (s shape) with(more shape) shape {
	all := maps.Clone(s)
	maps.Copy(all, more)
	return all
}

// check requires exactly the members of the shape, each of a type that it allows.
func (s shape) check(t *testing.T, what string, raw json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("%s: got %s: %v", what, raw, err)
	}
	if got, want := slices.Sorted(maps.Keys(members)), slices.Sorted(maps.Keys(s)); !slices.Equal(got, want) {
		t.Errorf("%s: got members\n%q\nwant\n%q", what, got, want)
	}
	for name, types := range s {
		letter := map[byte]string{'"': "s", 't': "b", 'f': "b", '{': "o", '[': "l", 'n': "0"}[append(members[name], 'x')[0]]
		if letter == "" {
			letter = "n"
		}
		if !strings.Contains(types, letter) {
			t.Errorf("%s.%s: got %s, want one of %q", what, name, members[name], types)
		}
	}
	return members
}

// each checks the elements of a list that is not empty.
func (s shape) each(t *testing.T, what string, raw json.RawMessage) (first map[string]json.RawMessage) {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: got %s, %v", what, raw, err)
	}
	for i, item := range slices.Backward(list) {
		first = s.check(t, fmt.Sprintf("%s[%d]", what, i), item)
	}
	return first
}

func (o *office) get(t *testing.T, path string) *gatewaytest.Answer {
	t.Helper()
	return o.DoAdmin(t, o.admin, gatewaytest.Request{Path: path})
}

func (o *office) post(t *testing.T, path string, body any) *gatewaytest.Answer {
	t.Helper()
	return o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodPost, Path: path, Body: body})
}

// data is the data of an answer that has to be a success.
func (o *office) data(t *testing.T, a *gatewaytest.Answer) json.RawMessage {
	t.Helper()
	if a.Status != http.StatusOK || a.Envelope.Status != "ok" || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	return a.Envelope.Data
}

// lived is an office whose fleet has a past: a host with a login, usage and a user, an insecure host, a command.
func lived(t *testing.T) (o *office, host, kiosk int64) {
	t.Helper()
	o = newOffice(t)
	o.Upload(t, authtest.New(authtest.Options{LastRefresh: time.Now().Add(-36 * time.Hour)}))
	registered := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	if a := o.Retrieve(t, registered.APIKey, strings.Repeat("0", 64), "2020-01-01T00:00:00Z"); a.Envelope.Status != "ok" {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for path, body := range map[string]string{
		"/usage":      `{"usages":[{"line":"Token usage: total=7","total":7,"input":5,"output":2,"cached":1,"reasoning":1,"model":"gpt-5.1"},{"total":3}]}`,
		"/host/users": `{"username":"deploy","hostname":"atlas"}`,
	} {
		if a := o.Do(t, gatewaytest.Request{Path: path, Key: registered.APIKey, Body: body}); a.Status != http.StatusOK {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
	}
	o.data(t, o.post(t, "/admin/slash-commands/store", `{"filename":"commit.md","prompt":"Commit.","description":"d"}`))
	return o, registered.ID, o.registered(t, `{"fqdn":"kiosk.example","secure":false}`).Host.ID
}

// Every answer has the members of the contract's section 2, of the types that it has there.
func TestAnswersOfTheContract(t *testing.T) {
	t.Parallel()
	o, host, kiosk := lived(t)
	at := func(format string, id int64) string { return fmt.Sprintf(format, id) }

	list := shape{"hosts": "l", "total": "n"}.with(listed).check(t, "hosts", o.data(t, o.get(t, "/admin/hosts")))
	atlas := hostShape.with(hostShapeOurs).each(t, "hosts", list["hosts"])
	lastUsage.check(t, "token_usage", atlas["token_usage"])
	userShape.each(t, "users", atlas["users"])
	insecure := shape{"count": "n", "active": "n", "hosts": "l"}.with(listed).check(t, "insecure", o.data(t, o.get(t, "/admin/hosts/insecure")))
	shape{"id": "n", "fqdn": "s", "active": "b", "insecure_enabled_until": "s0", "secure": "b"}.each(t, "insecure", insecure["hosts"])

	for _, query := range []string{"", "?include_body=1"} {
		types := map[string]string{"": "0", "?include_body=1": "o"}[query]
		auth := shape{
			"host": "o", "canonical_last_refresh": "s", "canonical_digest": "s", "recent_digests": "l", "auth": types, "api_calls": "n",
		}.check(t, "auth", o.data(t, o.get(t, at("/admin/hosts/%d/auth", host)+query)))
		hostShapeOf("id", "fqdn", "status", "last_refresh", "updated_at", "client_version", "wrapper_version", "ip", "allow_roaming_ips", "secure").check(t, "auth.host", auth["host"])
	}

	for _, c := range []struct {
		call, body string
		id         int64
		want       shape
	}{
		{"clear", `null`, host, shape{"id": "n", "fqdn": "s", "status": "s"}},
		{"roaming", `{"allow":true}`, host, shape{"id": "n", "fqdn": "s", "allow_roaming_ips": "b"}},
		{"secure", `{"secure":true}`, host, shape{"id": "n", "fqdn": "s", "secure": "b"}},
		{"vip", `{"vip":true}`, host, shape{"id": "n", "fqdn": "s", "vip": "b"}},
		{"ipv4", `{"force":true}`, host, shape{"id": "n", "force_ipv4": "b", "ip": "0"}},
		{"curl-insecure", `{"allow":true}`, host, shape{"id": "n", "curl_insecure": "b"}},
		{"model", `{"model_override":"m"}`, host, shape{"id": "n", "model_override": "s", "reasoning_effort_override": "0"}},
		{"codex-version", `{"selection":"0.61.0"}`, host, shape{"id": "n", "client_version_override": "s"}},
		{"codex-version", `{"selection":null}`, host, shape{"id": "n", "client_version_override": "0"}},
		{"insecure/enable", `{"duration_minutes":60}`, kiosk, shape{"id": "n", "insecure_enabled_until": "s", "insecure_grace_until": "0", "insecure_window_minutes": "n"}},
		{"insecure/disable", `null`, kiosk, shape{"id": "n", "insecure_enabled_until": "0", "insecure_grace_until": "s0", "insecure_window_minutes": "n"}},
		{"insecure/disable", `null`, host, shape{"id": "n", "insecure_enabled_until": "0", "insecure_grace_until": "0", "insecure_window_minutes": "0"}},
	} {
		data := shape{"host": "o"}.check(t, c.call, o.data(t, o.post(t, at("/admin/hosts/%d/", c.id)+c.call, c.body)))
		changed := c.want.check(t, c.call, data["host"])
		if string(changed["id"]) != fmt.Sprint(c.id) {
			t.Errorf("%s: got host %s, want %d", c.call, changed["id"], c.id)
		}
	}

	file, err := json.Marshal(map[string]any{"auth": json.RawMessage(authtest.New(authtest.Options{SessionID: "other"})), "host_id": host})
	if err != nil {
		t.Fatal(err)
	}
	upload := uploadShape.with(shape{"host": "o", "generation": "n"}).check(t, "upload", o.data(t, o.post(t, "/admin/auth/upload", file)))
	uploadHost.check(t, "upload.host", upload["host"])
	versionsShape.check(t, "upload.versions", upload["versions"])

	for path, want := range map[string]shape{
		"GET /admin/api/state": {"disabled": "b"}, `POST /admin/api/state {"disabled":false}`: {"disabled": "b"},
		"GET /admin/quota-mode":                     {"hard_fail": "b", "limit_percent": "n", "week_partition": "n"},
		`POST /admin/quota-mode {"hard_fail":true}`: {"hard_fail": "b", "limit_percent": "n", "week_partition": "n"},
		"GET /admin/cdx-silent":                     {"silent": "b"}, `POST /admin/cdx-silent {"silent":true}`: {"silent": "b"},
		`POST /admin/codex-version {"selection":"v0.61.0"}`: {"locked_version": "s0", "locked_at": "s0"},
		`POST /admin/codex-version {"selection":"latest"}`:  {"locked_version": "s0", "locked_at": "s0"},
		`POST /admin/prune-policy {"inactivity_days":30}`:   {"inactivity_window_days": "n"},
		`POST /admin/prune-policy {"inactivity_days":"0"}`:  {"inactivity_window_days": "n"},
		"GET /admin/tokens":                   {"tokens": "l"},
		"GET /admin/slash-commands/commit.md": {"filename": "s", "sha256": "s", "description": "s0", "argument_hint": "s0", "prompt": "s", "updated_at": "s"},
		`POST /admin/slash-commands/store {"filename":"commit.md","content":"x"}`: {"status": "s", "filename": "s", "sha256": "s", "updated_at": "s"},
	} {
		parts := strings.SplitN(path, " ", 3)
		request := gatewaytest.Request{Method: parts[0], Path: parts[1]}
		if len(parts) == 3 {
			request.Body = parts[2]
		}
		want.check(t, path, o.data(t, o.DoAdmin(t, o.admin, request)))
	}

	overview := overviewShape.check(t, "overview", o.data(t, o.get(t, "/admin/overview")))
	shape{"required": "b", "present": "b", "enforced": "b", "fingerprint": "s", "subject": "s", "issuer": "s"}.check(t, "mtls", overview["mtls"])
	shape{"hosts": "n"}.check(t, "totals", overview["totals"])
	versionsShape.check(t, "versions", overview["versions"])
	top := tokensShape.with(shape{"top_host": "o0"}).check(t, "tokens", overview["tokens"])
	shape{"host_id": "n", "fqdn": "s", "total": "n"}.check(t, "top_host", top["top_host"])
	for _, name := range []string{"tokens_day", "tokens_week", "tokens_month"} {
		tokensShape.check(t, name, overview[name])
	}

	logs := shape{"logs": "l"}.with(listed).check(t, "logs", o.data(t, o.get(t, "/admin/logs")))
	shape{"id": "n", "host_id": "n0", "action": "s", "details": "s0", "created_at": "s", "actor_kind": "s", "actor": "s", "ip": "s0"}.each(t, "logs", logs["logs"])
	usages := shape{"usages": "l"}.with(listed).check(t, "usage", o.data(t, o.get(t, "/admin/usage")))
	usageShape.each(t, "usages", usages["usages"])
	ingests := shape{"items": "l", "total": "n", "page": "n", "per_page": "n", "pages": "n", "currency": "s0"}.check(t, "ingests", o.data(t, o.get(t, "/admin/usage/ingests")))
	ingestShape.each(t, "items", ingests["items"])
	history := shape{
		"days": "n", "since": "s", "until": "s", "currency": "s0", "pricing": "o0", "has_pricing": "b", "points": "l",
	}.check(t, "history", o.data(t, o.get(t, "/admin/usage/cost-history")))
	point := shape{"date": "s", "tokens": "o", "costs": "o"}.each(t, "points", history["points"])
	shape{"input": "n", "output": "n", "cached": "n", "total": "n"}.check(t, "point.tokens", point["tokens"])
	shape{"input": "n0", "output": "n0", "cached": "n0", "total": "n0"}.check(t, "point.costs", point["costs"])
	tokens := shape{"tokens": "l"}.check(t, "tokens", o.data(t, o.get(t, "/admin/tokens")))
	tokensShape.with(shape{"line": "s0"}).each(t, "tokens", tokens["tokens"])
	commands := shape{"commands": "l"}.with(listed).check(t, "commands", o.data(t, o.get(t, "/admin/slash-commands")))
	shape{"id": "n", "filename": "s", "sha256": "s", "description": "s0", "argument_hint": "s0", "updated_at": "s", "deleted_at": "0"}.each(t, "commands", commands["commands"])
	deleted := o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/slash-commands/commit.md"})
	shape{"deleted": "s"}.check(t, "delete", o.data(t, deleted))
}

// On a fleet without a past nothing is missing, and no number is made up.
func TestAnswersOfAnEmptyFleet(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	overview := overviewShape.check(t, "overview", o.data(t, o.get(t, "/admin/overview")))
	for _, name := range []string{"last_refresh", "avg_refresh_age_days", "pricing_month_cost", "client_version_lock", "client_version_lock_updated_at", "chatgpt_usage"} {
		if string(overview[name]) != "null" {
			t.Errorf("%s: got %s, want null", name, overview[name])
		}
	}
	if string(overview["seed_reasons"]) != `["missing_auth"]` || string(overview["seed_required"]) != "true" {
		t.Errorf("got %s, %s", overview["seed_reasons"], overview["seed_required"])
	}
	for path, want := range map[string]string{
		"/admin/hosts":              `{"hosts":[],"total":0,"next_cursor":null}`,
		"/admin/hosts/insecure":     `{"count":0,"active":0,"hosts":[],"next_cursor":null}`,
		"/admin/usage":              `{"usages":[],"next_cursor":null}`,
		"/admin/usage/ingests":      `{"items":[],"total":0,"page":1,"per_page":50,"pages":1,"currency":null}`,
		"/admin/tokens":             `{"tokens":[]}`,
		"/admin/slash-commands":     `{"commands":[],"next_cursor":null}`,
		"/admin/logs?action=absent": `{"logs":[],"next_cursor":null}`,
	} {
		if got := string(o.data(t, o.get(t, path))); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	history := o.data(t, o.get(t, "/admin/usage/cost-history"))
	if !strings.Contains(string(history), `"since":null`) || !strings.Contains(string(history), `"points":[]`) {
		t.Errorf("got %s", history)
	}
}
