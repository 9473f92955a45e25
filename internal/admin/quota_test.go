package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
)

// asking is an office with a login, whose gateway asks a ChatGPT that says that 10 percent of five hours and 86 of a week are used.
func asking(t *testing.T) (*office, *gatewaytest.ChatGPT) {
	t.Helper()
	o, c := besideChatGPT(t)
	o.Upload(t, authtest.New(authtest.Options{}))
	return o, c
}

// besideChatGPT is asking without the login.
func besideChatGPT(t *testing.T) (*office, *gatewaytest.ChatGPT) {
	t.Helper()
	now := time.Now()
	c := gatewaytest.NewChatGPT(t, fmt.Sprintf(`{"plan_type":"pro","rate_limit":{"allowed":true,"limit_reached":false,
		"primary_window":{"used_percent":10,"limit_window_seconds":18000,"reset_at":%d},
		"secondary_window":{"used_percent":86,"limit_window_seconds":604800,"reset_at":%d}},
		"credits":{"has_credits":false,"unlimited":false,"balance":"0","approx_local_messages":[0,0],"approx_cloud_messages":[0,0]},"email":"somebody@example.net"}`,
		now.Add(time.Hour).Unix(), now.Add(48*time.Hour).Unix()))
	g := gatewaytest.New(t, gatewaytest.Options{ChatGPT: c.URL, GitHub: githubtest.New(t, "rust-v0.63.0").URL})
	return &office{g, certified(t, g, "alice")}, c
}

// The answers of the contract's 2.32 to 2.34 have values as in its 4.4, and are the same wherever they are told.
func TestQuotaOfTheContract(t *testing.T) {
	t.Parallel()
	o, _ := asking(t)
	read := func(what string, a *gatewaytest.Answer) map[string]json.RawMessage {
		t.Helper()
		return quotaShape.check(t, what, o.data(t, a))
	}
	if before := read("before", o.get(t, "/admin/chatgpt/usage")); string(before["snapshot"]) != "null" || string(before["cached"]) != "true" || string(before["windows"]) != "[]" {
		t.Errorf("before anybody asked: got %s", before)
	}
	refreshed := read("refresh", o.post(t, "/admin/chatgpt/usage/refresh", nil))
	if string(refreshed["cached"]) != "false" || string(refreshed["last_error"]) != "null" {
		t.Errorf("got %s", refreshed)
	}
	snapshot := snapshotShape.check(t, "snapshot", refreshed["snapshot"])
	for name, want := range map[string]string{
		"host_id": "null", "status": `"ok"`, "plan_type": `"pro"`, "rate_allowed": "true", "rate_limit_reached": "false", "primary_used_percent": "10",
		"primary_limit_seconds": "18000", "secondary_used_percent": "86", "secondary_limit_seconds": "604800", "has_credits": "false", "unlimited": "false",
		"credit_balance": `"0"`, "approx_local_messages": "[0,0]", "approx_cloud_messages": "[0,0]", "raw": "null", "error": "null", "source": `"chatgpt"`, "fqdn": "null",
	} {
		if string(snapshot[name]) != want {
			t.Errorf("snapshot.%s: got %s, want %s", name, snapshot[name], want)
		}
	}
	again := read("again", o.get(t, "/admin/chatgpt/usage?force=0"))
	if string(again["cached"]) != "true" || string(again["snapshot"]) != string(refreshed["snapshot"]) {
		t.Errorf("got %s\nwant %s", again["snapshot"], refreshed["snapshot"])
	}
	var history api.QuotaHistory
	o.get(t, "/admin/chatgpt/usage/history").Decode(t, &history)
	if history.Days != 60 || len(history.Points) != 1 || *history.Points[0].PrimaryUsedPercent != 10 || *history.Points[0].SecondaryLimitSeconds != 604800 || history.Points[0].Source != "chatgpt" {
		t.Errorf("got %+v", history)
	}
	overview := contract["GET /admin/overview"].check(t, "overview", o.data(t, o.get(t, "/admin/overview")))
	if string(overview["chatgpt_usage"]) != string(refreshed["snapshot"]) || string(overview["chatgpt_cached"]) != "true" || string(overview["chatgpt_next_eligible_at"]) != string(refreshed["next_eligible_at"]) {
		t.Errorf("got %s %s %s", overview["chatgpt_usage"], overview["chatgpt_cached"], overview["chatgpt_next_eligible_at"])
	}
}

// What goes wrong is beside the last good answer, which stays; what the upstream says about it, and the token, is nowhere.
func TestQuotaThatFails(t *testing.T) {
	t.Parallel()
	o, c := asking(t)
	o.data(t, o.post(t, "/admin/chatgpt/usage/refresh", nil))
	token := authtest.AccessToken(authtest.Options{})
	c.Says(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Sent", r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"detail":"no: %s"}`, r.Header.Get("Authorization"))
	})
	var said api.AdminQuota
	o.Exec(t, "UPDATE quota_state SET held_until = held_until + interval '1 hour'")
	a := o.post(t, "/admin/chatgpt/usage/refresh", nil)
	if a.Decode(t, &said); !said.Cached || said.LastError != nil || c.Asked() != 1 {
		t.Errorf("too early: got %+v, %d questions", said, c.Asked())
	}
	o.Exec(t, "UPDATE quota_state SET held_until = now()")
	a = o.post(t, "/admin/chatgpt/usage/refresh", nil)
	a.Decode(t, &said)
	if a.Status != http.StatusOK || said.Cached || said.LastError == nil || said.LastError.Code != "token_refused" || *said.LastError.HTTPStatus != 401 || said.Snapshot == nil ||
		*said.Snapshot.SecondaryUsedPercent != 86 || said.Snapshot.Status != "error" || *said.Snapshot.Error != said.LastError.Message {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if points := o.data(t, o.get(t, "/admin/chatgpt/usage/history")); strings.Count(string(points), "fetched_at") != 1 {
		t.Errorf("got %s, want no point for a question without an answer", points)
	}
	// 401 is told; nothing is done about it.
	if generations, refused := o.Int(t, "SELECT count(*) FROM generation"), c.Asked(); generations != 1 || refused != 2 {
		t.Errorf("got %d generations, %d questions", generations, refused)
	}
	for _, path := range []string{"/admin/chatgpt/usage", "/admin/chatgpt/usage/history", "/admin/overview", "/admin/logs"} {
		if body := string(o.get(t, path).Body); strings.Contains(body, token[len(token)-20:]) || strings.Contains(body, "Bearer") || strings.Contains(body, "somebody@") {
			t.Errorf("%s has what is not its business: %s", path, body)
		}
	}
	if logs := o.Logs.String(); strings.Contains(logs, token[len(token)-20:]) || strings.Contains(logs, "Bearer ey") || strings.Contains(logs, "somebody@") {
		t.Errorf("the log has what is not its business: %s", logs)
	}
	const entries = `SELECT count(*) FROM audit_entry WHERE action = 'chatgpt.usage' AND actor_kind = 'admin' AND actor = 'alice' AND (details = '{"status":"ok","plan_type":"pro","cached":false}' OR details = '{"status":"error","reason":"token_refused","http_status":401,"cached":false}')`
	if n := o.Int(t, entries); n != 2 || o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'chatgpt.usage'") != 2 {
		t.Errorf("got %d entries that are as they should be, want the 2 of questions that were asked", n)
	}
}

func TestQuotaQueriesThatAreNoGood(t *testing.T) {
	t.Parallel()
	o, c := asking(t)
	const days = "days must be a number from 1 to 180"
	for _, bad := range []struct{ path, field, text string }{
		{"?force=1", "force", "force asks nobody here: POST /admin/chatgpt/usage/refresh does"}, {"?force=true", "force", "force asks nobody here: POST /admin/chatgpt/usage/refresh does"},
		{"?force=", "force", "force asks nobody here: POST /admin/chatgpt/usage/refresh does"},
		{"/history?days=0", "days", days}, {"/history?days=181", "days", days}, {"/history?days=-1", "days", days}, {"/history?days=x", "days", days},
		{"/history?days=", "days", days}, {"/history?days=1&days=2", "days", "days is given more than once"},
	} {
		t.Run(bad.path, func(t *testing.T) { o.get(t, "/admin/chatgpt/usage"+bad.path).Invalid(t, bad.field, bad.text) })
	}
	if a := o.post(t, "/admin/chatgpt/usage/refresh?now=1", nil); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if c.Asked() != 0 {
		t.Errorf("got %d questions by what was refused, or reads", c.Asked())
	}
}

// To have ChatGPT asked is an operator's; to read is a viewer's.
func TestQuotaIsAskedByOperators(t *testing.T) {
	t.Parallel()
	o, c := asking(t)
	site := o.AdminSite(t, access.Kinds...)
	nobody := o.AdminClient(t, "", "")
	for _, caller := range []struct {
		role      access.Role
		refreshes int
	}{{access.Viewer, http.StatusForbidden}, {access.Operator, http.StatusOK}} {
		header := bearer(token(t, o.Gateway, access.NewToken{Name: string(caller.role), Role: caller.role}))
		for path, want := range map[string]int{"/admin/chatgpt/usage": 200, "/admin/chatgpt/usage/history": 200} {
			if a := site.Do(t, nobody, gatewaytest.Request{Path: path, Header: header}); a.Status != want {
				t.Errorf("%s, %s: got %d %s", caller.role, path, a.Status, a.Body)
			}
		}
		asked := c.Asked()
		a := site.Do(t, nobody, gatewaytest.Request{Method: http.MethodPost, Path: "/admin/chatgpt/usage/refresh", JSON: true, Header: header})
		if a.Status != caller.refreshes || (c.Asked() > asked) != (caller.refreshes == http.StatusOK) {
			t.Errorf("%s: got %d %s, %d questions", caller.role, a.Status, a.Body, c.Asked()-asked)
		}
	}
}

func TestQuotaThatIsOff(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.post(t, "/admin/chatgpt/usage/refresh", nil).Refused(t, http.StatusConflict, "quota_off", "The gateway does not ask ChatGPT: its option chatgpt_url is off")
	var said api.AdminQuota
	o.get(t, "/admin/chatgpt/usage").Decode(t, &said)
	if said.Enabled || said.Snapshot != nil || !said.NextEligibleAt.IsZero() || said.LastError == nil || said.LastError.Code != "no_login" {
		t.Errorf("got %+v", said)
	}
}

// The overview's week is ChatGPT's, as long as that is known.
func TestTheWeekOfTheOverview(t *testing.T) {
	t.Parallel()
	o, _ := asking(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host
	if a := o.Do(t, gatewaytest.Request{Path: "/usage", Key: host.APIKey, Body: `{"usages":[{"total":7}]}`}); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	week := func() int64 {
		t.Helper()
		var overview api.AdminOverview
		o.get(t, "/admin/overview").Decode(t, &overview)
		return overview.TokensWeek.Total
	}
	at := func(age time.Duration) {
		o.Exec(t, "UPDATE usage_entry SET at = $1", time.Now().Add(-age))
		o.Exec(t, "UPDATE usage_ingest SET at = $1", time.Now().Add(-age))
	}
	at(5*24*time.Hour + time.Hour) // ChatGPT's week began five days ago
	if got := week(); got != 7 {
		t.Errorf("before ChatGPT was asked: got %d in the week, want 7", got)
	}
	o.data(t, o.post(t, "/admin/chatgpt/usage/refresh", nil))
	if got := week(); got != 0 {
		t.Errorf("got %d in ChatGPT's week, want 0", got)
	}
	at(4 * 24 * time.Hour)
	if got := week(); got != 7 {
		t.Errorf("got %d in ChatGPT's week, want 7", got)
	}
	o.Exec(t, "UPDATE quota_snapshot SET secondary_resets_at = now() - interval '1 second'")
	at(5*24*time.Hour + time.Hour)
	if got := week(); got != 7 {
		t.Errorf("after its reset: got %d, want the 7 of seven days", got)
	}
}
