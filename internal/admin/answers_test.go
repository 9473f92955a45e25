package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

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
func lived(t *testing.T) (o *office, c *gatewaytest.ChatGPT, host, kiosk int64) {
	t.Helper()
	o, c = besideChatGPT(t)
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
	return o, c, registered.ID, o.registered(t, `{"fqdn":"kiosk.example","secure":false}`).Host.ID
}

// past makes more of what answers tell: versions that a host named, an address, reports that say everything, and what they
// cost; a quota that a host brought, of which too much is used, and a question after that which failed; a login that a host
// brought, and what a runner would have said of it.
func past(t *testing.T, o *office, c *gatewaytest.ChatGPT, host int64) {
	t.Helper()
	o.Exec(t, "UPDATE host SET client_version = '0.60.0', wrapper_version = '0.1.0', bound_ip = '203.0.113.7', expires_at = now() + interval '1 hour' WHERE id = $1", host)
	o.Exec(t, `INSERT INTO usage_ingest (host_id, at, ip, entries, total, input, output, cached, reasoning, body_sha256)
		SELECT host_id, at, ip, entries, total, input, output, cached, reasoning, body_sha256 FROM usage_ingest`)
	o.Exec(t, "UPDATE usage_ingest SET cost = 0.5")
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		if status != http.StatusOK {
			c.Says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			o.Exec(t, "UPDATE quota_state SET held_until = now()")
		}
		if _, asked, err := o.Quota.Refresh(t.Context(), o.Int(t, "SELECT id FROM account"), gatewaytest.Operator); err != nil || !asked {
			t.Fatalf("%d: got asked %v, %v", status, asked, err)
		}
	}
	// An hour from now: whatever the time is, that is today, and young enough.
	o.Exec(t, "UPDATE quota_snapshot SET source = 'host', host_id = $1, secondary_used_percent = 96, fetched_at = now() + interval '1 hour'", host)
	o.Exec(t, "UPDATE quota_state SET held_until = now() + interval '1 hour'")
	o.Exec(t, "UPDATE generation SET source_host_id = $1", host)
	for _, action := range []string{"auth.validate", "auth.runner_store"} {
		o.record(t, audit.Entry{At: time.Now(), Action: action, HostID: host, Details: audit.Details{"status": "fail", "reason": "r", "digest": "d", "last_refresh": "l"}})
	}
	o.Exec(t, "UPDATE usage_entry SET line = 'line ' || id, input = 1, output = 2, cached = 3, reasoning = 4, model = 'm', cost = 0.5")
}

// calls are a call, or several, of each route of the contract that there is. In the end the gateway has told all that it knows.
var calls = []string{
	`GET /admin/runner`,
	`POST /admin/hosts/register {"fqdn":"new.example","temporary":true,"vip":true}`,
	`POST /admin/hosts/register {"fqdn":"insecure.example","secure":false}`,
	`POST /admin/hosts/{atlas}/roaming {"allow":true}`,
	`POST /admin/hosts/{atlas}/secure {"secure":true}`,
	`POST /admin/hosts/{atlas}/vip {"vip":true}`,
	`POST /admin/hosts/{atlas}/curl-insecure {"allow":true}`,
	`POST /admin/hosts/{atlas}/model {"model_override":"m","reasoning_effort_override":"high"}`,
	`POST /admin/hosts/{kiosk}/model {"model_override":null}`,
	`POST /admin/hosts/{atlas}/codex-version {"selection":"0.61.0"}`,
	`POST /admin/hosts/{kiosk}/codex-version {"selection":null}`,
	`POST /admin/hosts/{atlas}/insecure/disable null`,
	`POST /admin/hosts/{kiosk}/insecure/enable {"duration_minutes":60}`,
	`POST /admin/hosts/{kiosk}/insecure/disable null`,
	`GET /admin/hosts`, `POST /admin/auth/upload {login of kiosk}`, // in the grace
	`POST /admin/hosts/{kiosk}/insecure/enable {"duration_minutes":60}`,
	`POST /admin/api/state {"disabled":false}`,
	`POST /admin/quota-mode {"hard_fail":true,"limit_percent":95,"week_partition":7}`,
	`POST /admin/cdx-silent {"silent":true}`,
	`POST /admin/codex-version {"selection":"latest"}`,
	`POST /admin/codex-version {"selection":"v0.61.0"}`,
	`POST /admin/prune-policy {"inactivity_days":"0"}`,
	`POST /admin/prune-policy {"inactivity_days":30}`,
	`POST /admin/auth/seed-command null`,
	`POST /admin/slash-commands/store {"filename":"commit.md","prompt":"Commit again.","description":"d","argument_hint":"[MSG]"}`,
	`POST /admin/versions/check null`,
	`GET /admin/api/state`, `GET /admin/quota-mode`, `GET /admin/cdx-silent`,
	`GET /admin/hosts`, `GET /admin/hosts?limit=1`, `GET /admin/hosts/insecure`, `GET /admin/hosts/insecure?limit=1`,
	`GET /admin/hosts/{atlas}/auth`, `GET /admin/hosts/{atlas}/auth?include_body=1`,
	`GET /admin/usage`, `GET /admin/usage?limit=1`, `GET /admin/usage/ingests`, `GET /admin/usage/ingests?per_page=1`, `GET /admin/usage/cost-history`,
	`GET /admin/tokens`, `GET /admin/tokens?limit=1`,
	`POST /admin/slash-commands/store {"filename":"zzz.md","prompt":"x"}`,
	`GET /admin/slash-commands`, `GET /admin/slash-commands?limit=1`, `GET /admin/slash-commands/{command}`,
	`POST /admin/chatgpt/usage/refresh null`, `GET /admin/chatgpt/usage`, `GET /admin/chatgpt/usage/history`,
	`GET /admin/overview`, `GET /admin/logs`, `GET /admin/logs?limit=1`,
	`POST /admin/auth/upload {login}`, `POST /admin/auth/upload {login of atlas}`, `POST /admin/auth/upload {login of kiosk}`,
	`POST /admin/hosts/register {"fqdn":"atlas.example"}`, `POST /admin/hosts/register {"fqdn":"kiosk.example","secure":false}`,
	`POST /admin/hosts/{atlas}/ipv4 {"force":true}`,
	`POST /admin/hosts/{atlas}/clear null`,
	`DELETE /admin/slash-commands/{command}`,
	`DELETE /admin/hosts/{kiosk}`,
}

var placeholder = regexp.MustCompile(`\{[a-z ]*\}`)

// Every answer has the members of the contract's section 2, of the types that it has there, and no others but those that are
// listed as ours.
func TestAnswersOfTheContract(t *testing.T) {
	t.Parallel()
	o, chatgpt, host, kiosk := lived(t)
	past(t, o, chatgpt, host)
	login := func(session, more string) string {
		return fmt.Sprintf(`{"auth":%s%s}`, authtest.New(authtest.Options{SessionID: session}), more)
	}
	of := func(id int64) string { return fmt.Sprintf(`,"host_id":%d`, id) }
	arguments := map[string]string{
		"{atlas}": fmt.Sprint(host), "{kiosk}": fmt.Sprint(kiosk), "{command}": "commit.md",
		"{login}": login("other", ""), "{login of atlas}": login("third", of(host)), "{login of kiosk}": login("fourth", of(kiosk)),
	}
	c := comparison{told: map[string]bool{}}
	called := map[string]bool{}
	for _, call := range calls {
		parts := strings.SplitN(call, " ", 3)
		path, _, _ := strings.Cut(parts[1], "?")
		route := parts[0] + " " + placeholder.ReplaceAllString(path, "{}")
		fill := func(text string) string {
			return placeholder.ReplaceAllStringFunc(text, func(name string) string { return arguments[name] })
		}
		request := gatewaytest.Request{Method: parts[0], Path: fill(parts[1])}
		if len(parts) == 3 {
			request.Body = fill(parts[2])
		}
		called[route] = true
		var data any
		if err := json.Unmarshal(o.data(t, o.DoAdmin(t, o.admin, request)), &data); err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		c.value(route, contract[route], data)
	}
	for _, problem := range c.problems {
		t.Error(problem)
	}
	var silent []string
	for member, told := range c.told {
		if !told {
			silent = append(silent, member)
		}
	}
	if slices.Sort(silent); !slices.Equal(silent, slices.Sorted(slices.Values(untold))) {
		t.Errorf("nothing was compared with these members, since they were never told:\n%q\nwant\n%q", silent, untold)
	}
	for _, route := range o.Admin.Routes() {
		if contract[route] != nil && !called[route] && !slices.Contains(neverAnswered, route) {
			t.Errorf("%s is in the contract and is not called here", route)
		}
	}
}

// Which routes of the contract there are is no accident.
func TestRoutesOfTheContract(t *testing.T) {
	t.Parallel()
	routes := newOffice(t).Admin.Routes()
	var missing []string
	for route := range contract {
		if !slices.Contains(routes, route) {
			missing = append(missing, route)
		}
	}
	slices.Sort(missing)
	if want := slices.Sorted(slices.Values(notThereYet)); !slices.Equal(missing, want) {
		t.Errorf("these routes of the contract are missing:\n%q\nwant\n%q", missing, want)
	}
}

// What a comparison is for: it fails for each way in which an answer can differ.
func TestComparisonFinds(t *testing.T) {
	t.Parallel()
	shape := object{
		"n": "n0", "list": list{object{"s": "s"}}, "any": listOrEmpty{"s"}, "part": orNull{object{"b": "b"}}, "may?": "s",
		ours: object{"more": "b"}, withheld: object{"secret": "s"},
	}
	const good = `{"n":1,"list":[{"s":"x"}],"any":["x"],"part":{"b":true},"may":"x","more":true}`
	for body, want := range map[string]string{
		good: "",
		`{"n":null,"list":[{"s":"x"}],"any":[],"part":null,"more":true}`:  "",
		strings.Replace(good, `"n":1`, `"n":"1"`, 1):                      `a.n: got 1, want one of "n0"`,
		strings.Replace(good, `"n":1,`, ``, 1):                            "a: got no n",
		strings.Replace(good, `"n":1`, `"n":1,"o":2`, 1):                  "a: got o, which is not in the contract",
		strings.Replace(good, `"n":1`, `"n":1,"secret":"x"`, 1):           "a: got secret, which is to be told nobody",
		strings.Replace(good, `[{"s":"x"}]`, `[]`, 1):                     "a.list: got no element to compare",
		strings.Replace(good, `[{"s":"x"}]`, `[{"s":"x"},{"s":null}]`, 1): `a.list[].s: got <nil>, want one of "s"`,
		strings.Replace(good, `["x"]`, `[1]`, 1):                          `a.any[]: got 1, want one of "s"`,
		strings.Replace(good, `{"b":true}`, `[]`, 1):                      `a.part: got [], want one of "o"`,
		strings.Replace(good, `{"b":true}`, `{"b":true,"c":1}`, 1):        "a.part: got c, which is not in the contract",
		strings.Replace(good, `,"more":true`, ``, 1):                      "a: got no more",
	} {
		var got any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		c := comparison{told: map[string]bool{}}
		c.value("a", shape, got)
		if problems := strings.Join(c.problems, "; "); problems != want {
			t.Errorf("%s: got %q, want %q", body, problems, want)
		}
	}
}

// On a fleet without a past nothing is missing, and no number is made up.
func TestAnswersOfAnEmptyFleet(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	overview := contract["GET /admin/overview"].check(t, "overview", o.data(t, o.get(t, "/admin/overview")))
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
		"/admin/usage/ingests":      `{"items":[],"total":0,"page":1,"per_page":50,"pages":1,"currency":null,"next_cursor":null}`,
		"/admin/tokens":             `{"tokens":[],"next_cursor":null}`,
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
