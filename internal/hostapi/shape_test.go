package hostapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// JSON types that a member may have, as letters: s(tring), n(umber), b(oolean), o(bject), null as 0.
type shape map[string]string

var (
	answerShape = shape{
		"status": "s", "generation": "n", "canonical_last_refresh": "s0", "canonical_digest": "s0", "host": "o", "api_calls": "n", "token_usage_month": "o",
		"versions": "o", "quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n", "cdx_silent": "b", "chatgpt_usage": "o",
	}
	hostShape = shape{
		"fqdn": "s", "status": "s", "last_refresh": "s0", "updated_at": "s", "expires_at": "s0", "client_version": "s0", "client_version_override": "s0",
		"wrapper_version": "s0", "api_calls": "n", "allow_roaming_ips": "b", "secure": "b", "vip": "b", "insecure_enabled_until": "s0",
		"insecure_grace_until": "s0", "insecure_window_minutes": "n0", "force_ipv4": "b", "model_override": "s0", "reasoning_effort_override": "s0",
	}
	usageShape    = shape{"total": "n", "input": "n", "output": "n", "cached": "n", "reasoning": "n", "events": "n", "cost": "n"}
	versionsShape = shape{
		"client_version": "s0", "client_version_checked_at": "s0", "client_version_source": "s", "wrapper_version": "s0", "wrapper_sha256": "s0",
		"wrapper_url": "s0", "reported_client_version": "s0", "quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n",
		"cdx_silent": "b", "runner_enabled": "b", "runner_state": "s0", "runner_last_ok": "s0", "runner_last_fail": "s0", "runner_last_check": "s0",
		"installation_id": "s0",
	}
	chatgptShape = shape{
		"status": "s", "plan_type": "s0", "rate_allowed": "b0", "rate_limit_reached": "b0", "fetched_at": "s0", "next_eligible_at": "s0",
		"primary_window": "o", "secondary_window": "o", "daily_used_percent": "n0", "daily_baseline_at": "s0",
	}
	// Reference clients die without these two numbers.
	windowShape = shape{"used_percent": "n", "limit_seconds": "n", "reset_after_seconds": "n0", "reset_at": "s0"}
)

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

func (s shape) with(more shape) shape {
	all := maps.Clone(s)
	maps.Copy(all, more)
	return all
}

// The presence matrix: which answer has which members, and what those are.
func TestAnswerShapes(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	key := host.Key.Reveal()
	older, current := authtest.New(authtest.Options{LastRefresh: lastRefresh.AddDate(0, 0, -1)}), authtest.New(authtest.Options{LastRefresh: lastRefresh})
	var digest string
	action, applied, auth := shape{"action": "s"}, shape{"runner_applied": "b"}, shape{"auth": "o"}
	for i, c := range []struct {
		status string
		ask    func() *gatewaytest.Answer
		more   shape
	}{
		{"missing", func() *gatewaytest.Answer { return g.Retrieve(t, key, noDigest, "2026-01-01T00:00:00Z") }, action},
		{"updated", func() *gatewaytest.Answer { return g.Store(t, key, current, "") }, applied.with(auth)},
		{"unchanged", func() *gatewaytest.Answer { return g.Store(t, key, current, "") }, applied},
		{"outdated", func() *gatewaytest.Answer { return g.Store(t, key, older, "") }, applied.with(auth)},
		{"outdated", func() *gatewaytest.Answer { return g.Retrieve(t, key, noDigest, "2026-01-01T00:00:00Z") }, auth},
		{"upload_required", func() *gatewaytest.Answer { return g.Retrieve(t, key, noDigest, "2026-02-01T00:00:00Z") }, action},
		{"valid", func() *gatewaytest.Answer { return g.Retrieve(t, key, digest, "2026-02-01T00:00:00Z") }, shape{}},
	} {
		a := c.ask()
		what := fmt.Sprintf("%d %s", i, c.status)
		if a.Status != http.StatusOK || a.Envelope.Status != "ok" || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: got %d %v %s", what, a.Status, a.Header, a.Body)
		}
		data := answerShape.with(c.more).check(t, what, a.Envelope.Data)
		hostShape.check(t, what+".host", data["host"])
		usageShape.check(t, what+".token_usage_month", data["token_usage_month"])
		versions := versionsShape.check(t, what+".versions", data["versions"])
		chatgpt := chatgptShape.check(t, what+".chatgpt_usage", data["chatgpt_usage"])
		windowShape.check(t, what+".primary_window", chatgpt["primary_window"])
		windowShape.check(t, what+".secondary_window", chatgpt["secondary_window"])

		if got := string(data["status"]); got != `"`+c.status+`"` {
			t.Errorf("%s: got status %s", what, got)
		}
		if got, want := string(data["api_calls"]), fmt.Sprint(i+1); got != want {
			t.Errorf("%s: got %s calls, want %s", what, got, want)
		}
		if got := string(data["canonical_digest"]); (got == "null") != (c.status == "missing") {
			t.Errorf("%s: got digest %s", what, got)
		}
		if _, ok := c.more["action"]; ok && string(data["action"]) != `"store"` {
			t.Errorf("%s: got action %s", what, data["action"])
		}
		if string(versions["installation_id"]) != `"`+g.Core.InstallationID.String()+`"` || string(chatgpt["status"]) != `"disabled"` {
			t.Errorf("%s: got installation %s, usage %s", what, versions["installation_id"], chatgpt["status"])
		}
		digest = strings.Trim(string(data["canonical_digest"]), `"`)
	}
	if got := g.Int(t, "SELECT count(*) FROM generation"); got != 1 {
		t.Errorf("got %d generations, want 1", got)
	}
}

// Some clients send the auth.json itself as the body: what belongs to the envelope is not kept as if Codex had written it.
func TestTopLevelStore(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	const file = `"tokens":{"access_token":"tok-1234567890abcdef-XYZ987654"},"last_refresh":"2026-01-05T10:00:00Z","mine":1`
	a := g.Do(t, gatewaytest.Request{
		Path: "/auth", Key: host.Key.Reveal(),
		Body: `{"command":"store","client_version":"0.1","wrapper_version":"9","installation_id":"` + g.Core.InstallationID.String() + `","digest":"` + noDigest + `",` + file + `}`,
	})
	var data struct {
		Status string
		Auth   map[string]any
	}
	a.Decode(t, &data)
	if got := slices.Sorted(maps.Keys(data.Auth)); data.Status != "updated" || !slices.Equal(got, []string{"auths", "last_refresh", "mine", "tokens"}) {
		t.Errorf("got %s with members %q in %s", data.Status, got, a.Body)
	}
}

func TestVIPIsNotHeldBack(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	for _, vip := range []bool{false, true} {
		g.Exec(t, "UPDATE host SET vip = $1", vip)
		var data struct {
			QuotaHardFail bool `json:"quota_hard_fail"`
			Versions      struct {
				QuotaHardFail bool `json:"quota_hard_fail"`
			}
		}
		g.Retrieve(t, host.Key.Reveal(), noDigest, "2026-01-01T00:00:00Z").Decode(t, &data)
		if data.QuotaHardFail == vip || !data.Versions.QuotaHardFail {
			t.Errorf("vip %t: got hard fail %t, fleet-wide %t", vip, data.QuotaHardFail, data.Versions.QuotaHardFail)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	for _, key := range []string{"", "nonsense", host.Key.Reveal()} {
		a := g.Do(t, gatewaytest.Request{Path: "/versions", Key: key})
		data := versionsShape.check(t, "versions", a.Envelope.Data)
		if a.Status != 200 || string(data["installation_id"]) != "null" {
			t.Errorf("got %d %s: a caller without a key must not learn the installation", a.Status, a.Body)
		}
	}
}
