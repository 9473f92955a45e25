package hostapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func usageCall(key, body string, header http.Header) gatewaytest.Request {
	return gatewaytest.Request{Path: "/usage", Key: key, Body: body, Header: header}
}

func withKey(key string) http.Header { return http.Header{"Idempotency-Key": {key}} }

func TestUsage(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	key := host.Key.Reveal()
	rows := func() string {
		return fmt.Sprint(g.Int(t, "SELECT count(*) FROM usage_ingest"), g.Int(t, "SELECT count(*) FROM usage_entry"),
			g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'token.usage'"))
	}

	one := g.Do(t, usageCall(key, `{"line":"\u001b[1mToken usage: total=10,000 input=9,000 output=1,000","total":"10,000","input":9000,"output":1000}`, nil))
	var single map[string]any
	one.Decode(t, &single)
	for name, want := range map[string]any{
		"host_id": float64(host.Host.ID), "recorded": 1.0, "line": "Token usage: total=10,000 input=9,000 output=1,000",
		"total": 10000.0, "input": 9000.0, "output": 1000.0, "cached": nil, "reasoning": nil, "model": nil, "cost": nil,
	} {
		if got, there := single[name]; !there || got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if entries, ok := single["usages"].([]any); !ok || len(entries) != 1 || single["ingest_id"] == 0.0 || single["recorded_at"] == nil {
		t.Errorf("got %s", one.Body)
	}
	many := g.Do(t, usageCall(key, `{"usages":[{"total":1,"model":"m"},{"input":2},"skipped"]}`, nil))
	var several api.UsageResponse
	many.Decode(t, &several)
	if several.Recorded != 2 || len(several.Usages) != 2 || *several.Usages[0].Model != "m" || strings.Contains(string(many.Body), `"line":"`) {
		t.Errorf("got %s", many.Body)
	}
	if got := rows(); got != "2 3 2" {
		t.Errorf("got %s ingests, entries, audit entries; want 2 3 2", got)
	}
	if from := g.Int(t, "SELECT count(*) FROM usage_ingest WHERE ip = $1::inet", gatewaytest.DefaultFrom); from != 2 {
		t.Errorf("got %d reports with the client's address, want 2", from)
	}
	// One bad entry: nothing of the report is recorded, and the answer says which it was.
	for body, field := range map[string]string{
		`{"usages":[{"total":1},{"total":-1}]}`: "usages.1.total", `{}`: "line", `{"usages":[]}`: "usages",
	} {
		var refused api.UsageRefused
		a := g.Do(t, usageCall(key, body, nil))
		a.Decode(t, &refused)
		if a.Status != 200 || refused.Recorded || refused.Reason != "usage ingestion failed" || len(refused.Errors[field]) != 1 {
			t.Errorf("%s: got %d %s", body, a.Status, a.Body)
		}
	}
	if a := g.Do(t, usageCall(key, `{"total":1}`, withKey("with blanks"))); !strings.Contains(string(a.Body), "idempotency_key") {
		t.Errorf("got %s", a.Body)
	}
	if got := rows(); got != "2 3 2" {
		t.Errorf("got %s after refused reports, want 2 3 2", got)
	}
	g.Do(t, usageCall("", `{"total":1}`, nil)).Refused(t, 401, "api_key_missing", "API key missing")

	var auth api.AuthResponse
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z").Decode(t, &auth)
	if want := (api.TokenUsage{Total: 10001, Input: 9002, Output: 1000, Events: 3}); auth.TokenUsageMonth != want {
		t.Errorf("got %+v of the month, want %+v", auth.TokenUsageMonth, want)
	}
	g.Exec(t, "UPDATE usage_entry SET at = date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 second' WHERE input = 2")
	g.Retrieve(t, key, noDigest, "2025-11-21T00:00:00Z").Decode(t, &auth)
	if auth.TokenUsageMonth.Events != 2 {
		t.Errorf("got %d events, want none of last month's", auth.TokenUsageMonth.Events)
	}
}

// A retry must not count twice, whether its client sends a key or, as old ones do, only the same numbers without the line.
func TestUsageRetries(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	key, other := g.Register(t, "a.example").Key.Reveal(), g.Register(t, "b.example").Key.Reveal()
	entries := func() int64 { return g.Int(t, "SELECT count(*) FROM usage_entry") }
	expect := func(name string, want int64) {
		t.Helper()
		if got := entries(); got != want {
			t.Errorf("%s: got %d entries, want %d", name, got, want)
		}
	}
	send := func(key, body string, header http.Header) *gatewaytest.Answer {
		return g.Do(t, usageCall(key, body, header))
	}

	send(key, `{"line":"Token usage: total=7","total":7,"model":"m"}`, nil)
	if a := send(key, `{"total":7,"model":"m"}`, nil); !strings.Contains(string(a.Body), `"duplicates":1`) || !strings.Contains(string(a.Body), `"recorded":1`) {
		t.Errorf("got %s", a.Body)
	}
	expect("the same without its line", 1)
	send(key, `{"total":7}`, nil)
	expect("another model", 2)
	send(other, `{"total":7,"model":"m"}`, nil)
	expect("another host", 3)
	send(key, `{"line":"a"}`, nil)
	send(key, `{"line":"b"}`, nil)
	send(key, `{"line":"b"}`, nil)
	expect("lines alone", 5)
	send(key, `{"usages":[{"total":9},{"total":9}]}`, nil)
	expect("two equal sessions in one report", 7)
	send(key, `{"usages":[{"total":9},{"total":9},{"total":9}]}`, nil)
	expect("a third beside the two", 8)
	now = now.Add(31 * time.Second)
	send(key, `{"total":7,"model":"m"}`, nil)
	expect("31 seconds later", 9)

	first := send(key, `{"usages":[{"total":1},{"total":1}]}`, withKey("k1"))
	again := send(key, `{"usages":[{"total":"1"},{"total":1.0}]}`, withKey("k1"))
	if string(first.Body) != string(again.Body) {
		t.Errorf("got %s, want what the first answered: %s", again.Body, first.Body)
	}
	expect("the same key", 11)
	if a := send(key, `{"total":2}`, withKey("k1")); !strings.Contains(string(a.Body), "was used for another report") {
		t.Errorf("got %s", a.Body)
	}
	send(key, `{"usages":[{"total":1},{"total":1}]}`, withKey("k2"))
	expect("another key", 13)
	send(other, `{"usages":[{"total":1},{"total":1}]}`, withKey("k1"))
	expect("another host's key", 15)

	for name, header := range map[string]http.Header{"without a key": nil, "with a key": withKey("race")} {
		before := entries()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { send(key, `{"total":4242,"model":"`+name+`"}`, header) })
		}
		all.Wait()
		expect("20 at once "+name, before+1)
	}
}

func TestHostUsers(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	see := func(body string) *gatewaytest.Answer {
		return g.Do(t, gatewaytest.Request{Path: "/host/users", Key: host.Key.Reveal(), Body: body})
	}
	names := func(a *gatewaytest.Answer) string {
		var users api.HostUsers
		a.Decode(t, &users)
		var all []string
		for _, user := range users.Users {
			name := user.Username
			if user.Hostname != nil {
				name += "@" + *user.Hostname
			}
			all = append(all, name)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ body, want string }{
		{`{}`, ""}, {`{"username":"  "}`, ""}, {`[]`, ""},
		{`{"username":" root "}`, "root"},
		{`{"username":"ci","hostname":"build7"}`, "ci@build7 root"},
		{`{"username":"ci","hostname":" "}`, "ci root"},
		{`{"username":"CI"}`, "CI ci root"},
		{`{"username":1000,"hostname":true}`, "1000@true CI ci root"},
		{`{"username":["x"]}`, "1000@true CI ci root"},
		{`{}`, "1000@true CI ci root"},
	} {
		if got := names(see(c.body)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.body, got, c.want)
		}
	}
	for _, name := range []string{"..", ".", "a/b", `a\u0000b`, `a\nb`, `a\u202eb`} {
		see(`{"username":"`+name+`"}`).Invalid(t, "username", "username must be the name of a system user: no slashes, no control characters")
	}
	long := names(see(`{"username":"z` + strings.Repeat("é", 300) + `"}`))
	if !strings.HasSuffix(long, " z"+strings.Repeat("é", 127)) {
		t.Errorf("got %q, want it cut between characters", long)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'host.user'"); n != 5 {
		t.Errorf("got %d audit entries, want one for each new user", n)
	}
	var all sync.WaitGroup
	for i := range 220 {
		all.Go(func() { see(fmt.Sprintf(`{"username":"user%d"}`, i)) })
	}
	all.Wait()
	if n := g.Int(t, "SELECT count(*) FROM host_user"); n != 200 {
		t.Errorf("got %d users, want 200 at most", n)
	}
	see(`{"username":"one-more"}`).Invalid(t, "username", "this host has 200 users already; an admin can remove it and register it anew")
	if a := see(`{"username":"root"}`); a.Status != 200 {
		t.Errorf("got %d for a known user", a.Status)
	}
}

func TestUsagePrune(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	key := g.Register(t, "a.example").Key.Reveal()
	g.Do(t, usageCall(key, `{"total":1}`, nil))
	now = now.Add(401 * 24 * time.Hour)
	g.Do(t, usageCall(key, `{"total":2}`, nil))
	if n, err := g.Usage.Prune(t.Context()); n != 1 || err != nil {
		t.Errorf("got %d, %v; want 1 pruned", n, err)
	}
	if n := g.Int(t, "SELECT sum(total) FROM usage_entry"); n != 2 {
		t.Errorf("got a sum of %d, want that of the new one", n)
	}
}

func TestUsageRecordShape(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(api.UsageSingle{})
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"host_id", "recorded", "ingest_id", "cost", "usages", "recorded_at", "line", "total", "input", "output", "cached", "reasoning", "model"} {
		if !strings.Contains(string(text), `"`+member+`":`) {
			t.Errorf("got %s without %s", text, member)
		}
	}
}
