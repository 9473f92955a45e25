package hostapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// seen are the rate limits that a host found a moment ago: so much of a week.
func seen(used any, at time.Time) body {
	return body{
		"idempotency_key": fmt.Sprint(at.UnixNano()), "usages": []body{{"total": 1}}, "rate_limits_at": at.UTC().Format(time.RFC3339),
		"rate_limits": body{"limit_id": "codex", "primary": body{"used_percent": used, "window_minutes": 10080, "resets_at": at.Add(48 * time.Hour).Unix()}, "plan_type": "plus"},
	}
}

// What hosts find in what their Codex wrote down is told to all of them, and is null as long as nobody knows.
func TestSyncTakesRateLimits(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key, now := host.Key.Reveal(), time.Now().Truncate(time.Second)
	first := syncing(t, g, key, body{"usage": seen(42, now.Add(-time.Minute))}) // without the login: whose limits these are nobody knows
	if string(first.Quota.Data) != "null" || len(first.Errors) != 0 || g.Int(t, "SELECT count(*) FROM quota_snapshot") != 0 {
		t.Errorf("got quota %s, errors %v of a host without the login", first.Quota.Data, first.Errors)
	}
	held := body{"digest": *first.Credential.CanonicalDigest, "last_refresh": *first.Credential.CanonicalLastRefresh}
	taken := syncing(t, g, key, body{"credential": held, "usage": seen(42, now)})
	var usage api.ChatGPTUsage
	if err := json.Unmarshal(taken.Quota.Data, &usage); err != nil || usage.Status != "ok" || *usage.SecondaryWindow.UsedPercent != 42 || *usage.SecondaryWindow.LimitSeconds != 604800 ||
		usage.PrimaryWindow.UsedPercent != nil || usage.PrimaryWindow.LimitSeconds != nil || *usage.PlanType != "plus" || !usage.FetchedAt.Equal(now) || usage.RateAllowed != nil {
		t.Errorf("got quota %s, %v", taken.Quota.Data, err)
	}
	chatgptShape.check(t, "quota", taken.Quota.Data)
	// The block stays the same until something else is known; a report that comes again, or is older, is none.
	for name, again := range map[string]body{"again": seen(42, now), "older": seen(99, now.Add(-time.Hour)), "with another number": seen(99, now)} {
		if answer := syncing(t, g, key, body{"credential": held, "etags": etags(&taken), "usage": again}); answer.Quota.Data != nil || len(answer.Errors) != 0 {
			t.Errorf("%s: got quota %s, errors %v", name, answer.Quota.Data, answer.Errors)
		}
	}
	// Everybody is told, old clients in their way.
	other := g.Register(t, "other.example")
	data := answerShape.with(shape{"auth": "o"}).check(t, "auth", g.Retrieve(t, other.Key.Reveal(), noDigest, "2026-01-01T00:00:00Z").Envelope.Data)
	chatgpt := chatgptShape.check(t, "chatgpt_usage", data["chatgpt_usage"])
	long := windowShape.check(t, "secondary_window", chatgpt["secondary_window"])
	short := windowShape.check(t, "primary_window", chatgpt["primary_window"])
	if string(long["used_percent"]) != "42" || string(short["used_percent"]) != "0" || string(short["limit_seconds"]) != "18000" || string(chatgpt["status"]) != `"ok"` {
		t.Errorf("got %s", data["chatgpt_usage"])
	}
}

// Limits that make no sense are said so, and keep the host from nothing.
func TestSyncWithRateLimitsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key, now := host.Key.Reveal(), time.Now()
	first := syncing(t, g, key, body{})
	held := body{"digest": *first.Credential.CanonicalDigest, "last_refresh": *first.Credential.CanonicalLastRefresh}
	huge := seen(5, now)
	huge["rate_limits"].(body)["note"] = strings.Repeat("x", 5000)
	ahead, timeless := seen(5, now.Add(time.Hour)), seen(5, now)
	delete(timeless, "rate_limits_at")
	for name, c := range map[string]struct {
		usage body
		field string // "": nothing is said
	}{
		"below nothing": {seen(-1, now), "usage.rate_limits"}, "far above all": {seen(1e9, now), "usage.rate_limits"}, "text": {seen("all", now), "usage.rate_limits"},
		"a list": {seen([]int{1}, now), "usage.rate_limits"}, "huge": {huge, "usage.rate_limits"}, "in an hour": {ahead, "usage.rate_limits_at"},
		"an old cdx": {timeless, ""},
	} {
		c.usage["idempotency_key"] = strings.ReplaceAll(name, " ", "-")
		answer := syncing(t, g, key, body{"credential": held, "username": "a/b", "usage": c.usage})
		want := 1
		if c.field == "" {
			want = 0
		}
		if n := len(answer.Errors) - 1; n != want || len(answer.Errors["username"]) != 1 || c.field != "" && len(answer.Errors[c.field]) != 1 || answer.Credential.Status != "valid" || string(answer.Quota.Data) != "null" {
			t.Errorf("%s: got errors %v, credential %s, quota %s", name, answer.Errors, answer.Credential.Status, answer.Quota.Data)
		}
	}
	if n := g.Int(t, "SELECT count(*) FROM quota_snapshot"); n != 0 {
		t.Errorf("got %d snapshots", n)
	}
	if n := g.Int(t, "SELECT count(*) FROM usage_entry"); n != 7 {
		t.Errorf("got %d usage entries, want those of all reports", n)
	}
}

// No call of a host has ChatGPT asked, however much it would like to know.
func TestHostsHaveNobodyAsked(t *testing.T) {
	t.Parallel()
	c := gatewaytest.NewChatGPT(t, `{"plan_type":"pro","rate_limit":{"limit_reached":true,"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_after_seconds":600}}}`)
	g := gatewaytest.New(t, gatewaytest.Options{ChatGPT: c.URL})
	g.Upload(t, authtest.New(authtest.Options{}))
	key := g.Register(t, "build7.example").Key.Reveal()
	syncing(t, g, key, body{})
	g.Retrieve(t, key, noDigest, "2026-01-01T00:00:00Z")
	if c.Asked() != 0 {
		t.Errorf("got %d questions by calls of a host", c.Asked())
	}
	if _, err := g.Quota.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What ChatGPT says goes on to hosts, as it is.
	var usage api.ChatGPTUsage
	answer := syncing(t, g, key, body{})
	if err := json.Unmarshal(answer.Quota.Data, &usage); err != nil || usage.Status != "limit_reached" || *usage.PrimaryWindow.UsedPercent != 100 || usage.SecondaryWindow.UsedPercent != nil {
		t.Errorf("got quota %s, %v", answer.Quota.Data, err)
	}
	// What goes wrong after that takes nothing away.
	c.Says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	g.Exec(t, "UPDATE quota_state SET next_eligible_at = now(), held_until = now()")
	if _, err := g.Quota.Poll(t.Context()); err != nil || c.Asked() != 2 {
		t.Fatalf("got %v, %d questions", err, c.Asked())
	}
	after := syncing(t, g, key, body{})
	if err := json.Unmarshal(after.Quota.Data, &usage); err != nil || usage.Status != "limit_reached" || *usage.PrimaryWindow.UsedPercent != 100 {
		t.Errorf("got quota %s, %v after a failure", after.Quota.Data, err)
	}
}
