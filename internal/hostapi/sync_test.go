package hostapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func syncing(t *testing.T, g *gatewaytest.Gateway, key string, b any) (answer api.SyncResponse) {
	t.Helper()
	a := g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: b})
	a.Decode(t, &answer)
	if a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	return answer
}

func etags(answer *api.SyncResponse) map[string]string {
	return map[string]string{
		"host": answer.Host.ETag, "versions": answer.Versions.ETag, "policy": answer.Policy.ETag, "quota": answer.Quota.ETag, "library": answer.Library.ETag,
		"config": answer.Config.ETag, "client": answer.Client.ETag, "month": answer.Month.ETag,
	}
}

// One call says and brings what five would.
func TestSync(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	decide(t, g, "host_prompt_push", "on")
	g.Do(t, gatewaytest.Request{Path: "/slash-commands/store", Key: key, Body: `{"filename":"triage.md","prompt":"Sort bugs"}`})
	answer := syncing(t, g, key, body{
		"client_version": "codex-cli 0.63.0", "wrapper_version": "1.2.3", "installation_id": g.Core.InstallationID.String(),
		"username": "ci", "hostname": "build7",
		"usage": body{"idempotency_key": "k1", "usages": []body{{"total": 7}, {"total": 8}}},
	})
	if c := answer.Credential; c.Status != "outdated" || c.Generation != 1 || len(c.Auth) == 0 || c.CanonicalDigest == nil {
		t.Errorf("got credential %+v for a host without a file", c)
	}
	if len(answer.Users) != 1 || answer.Users[0].Username != "ci" || *answer.Users[0].Hostname != "build7" || len(answer.Errors) != 0 {
		t.Errorf("got users %+v, errors %v", answer.Users, answer.Errors)
	}
	if reported, ok := answer.Usage.(map[string]any); !ok || reported["recorded"] != 2.0 {
		t.Errorf("got usage %v", answer.Usage)
	}
	// Each block is what the call of its own answers.
	var list, versions json.RawMessage
	g.Do(t, gatewaytest.Request{Path: "/slash-commands", Key: key}).Decode(t, &list)
	var auth struct {
		Host     api.Host
		Versions json.RawMessage
	}
	g.Retrieve(t, key, noDigest, "2000-01-01T00:00:00Z").Decode(t, &auth)
	versions = auth.Versions
	if string(answer.Library.Data) != string(list) || string(answer.Versions.Data) != string(versions) {
		t.Errorf("got library %s, versions %s\nwant %s, %s", answer.Library.Data, answer.Versions.Data, list, versions)
	}
	var facts api.Host
	if err := json.Unmarshal(answer.Host.Data, &facts); err != nil || facts.FQDN != "build7.example" || *facts.ClientVersion != "0.63.0" || *facts.WrapperVersion != "1.2.3" {
		t.Errorf("got host %s, %v", answer.Host.Data, err)
	}
	if string(answer.Quota.Data) != "null" || string(answer.Policy.Data) != `{"quota_hard_fail":true,"quota_limit_percent":100,"quota_week_partition":0,"cdx_silent":false}` {
		t.Errorf("got quota %s, policy %s", answer.Quota.Data, answer.Policy.Data)
	}
	var month api.TokenUsage
	if err := json.Unmarshal(answer.Month.Data, &month); err != nil || month.Total != 15 || month.Events != 2 {
		t.Errorf("got month %s, %v", answer.Month.Data, err)
	}
	if n := g.Int(t, "SELECT api_calls FROM host"); n != 2 {
		t.Errorf("got %d calls, want one for the sync and one for the retrieve", n)
	}

	// What the host has does not come again, until it changes; a report that comes again does not count again.
	held := body{"digest": *answer.Credential.CanonicalDigest, "last_refresh": *answer.Credential.CanonicalLastRefresh}
	again := body{"credential": held, "etags": etags(&answer), "wrapper_version": "1.2.3", "client_version": "0.63.0", "usage": body{"idempotency_key": "k1", "usages": []body{{"total": 7}, {"total": 8}}}}
	second := syncing(t, g, key, again)
	if second.Credential.Status != "valid" || second.Credential.Auth != nil {
		t.Errorf("got credential %+v", second.Credential)
	}
	settled := syncing(t, g, key, body{"credential": held, "etags": etags(&second), "wrapper_version": "1.2.3", "client_version": "0.63.0"})
	for name, block := range map[string]api.Block{"host": settled.Host, "versions": settled.Versions, "policy": settled.Policy, "quota": settled.Quota, "library": settled.Library, "config": settled.Config, "client": settled.Client, "month": settled.Month} {
		if block.Data != nil || block.ETag == "" {
			t.Errorf("%s came again: %s", name, block.Data)
		}
	}
	if n := g.Int(t, "SELECT count(*) FROM usage_entry"); n != 2 {
		t.Errorf("got %d entries after a repetition, want 2", n)
	}
	decide(t, g, "cdx_silent", "on")
	changed := syncing(t, g, key, body{"credential": held, "etags": etags(&settled), "wrapper_version": "1.2.3", "client_version": "0.63.0"})
	if changed.Policy.Data == nil || changed.Versions.Data == nil || changed.Library.Data != nil {
		t.Errorf("after a change of policy: got %s, %s, %s", changed.Policy.Data, changed.Versions.Data, changed.Library.Data)
	}
}

// What admins set for a host is in its block, which then comes again.
func TestSyncSettingsOfAHost(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	first := syncing(t, g, key, body{"wrapper_version": "1.2.3"})
	have := etags(&first)
	for _, c := range []struct{ set, want string }{
		{"force_ipv4 = true, model_override = 'o3', reasoning_effort_override = 'high'", `"force_ipv4":true,"model_override":"o3","reasoning_effort_override":"high"`},
		{"force_ipv4 = false, model_override = NULL", `"force_ipv4":false,"model_override":null,"reasoning_effort_override":"high"`},
	} {
		g.Exec(t, "UPDATE host SET "+c.set)
		answer := syncing(t, g, key, body{"wrapper_version": "1.2.3", "etags": have})
		if !strings.Contains(string(answer.Host.Data), c.want) || answer.Versions.Data != nil {
			t.Errorf("%s: got host %s, versions %s", c.set, answer.Host.Data, answer.Versions.Data)
		}
		have = etags(&answer)
	}
}

// One part that is no good does not keep the host from the others.
func TestSyncPartly(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	answer := syncing(t, g, key, body{"username": "a/b", "usage": body{"idempotency_key": "k", "usages": []body{{"total": -1}}}})
	if len(answer.Errors["username"]) != 1 || answer.Credential.Status != "outdated" || len(answer.Users) != 0 {
		t.Errorf("got errors %v, credential %s, users %v", answer.Errors, answer.Credential.Status, answer.Users)
	}
	if refused := fmt.Sprint(answer.Usage); !strings.Contains(refused, "recorded:false") || !strings.Contains(refused, "usages.0.total") {
		t.Errorf("got usage %s", refused)
	}
	// The usage is safe when the credential is not.
	g.Exec(t, "UPDATE generation SET body_sealed = 'sbox:v2:x:AAAA'")
	broken := g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: body{"usage": body{"idempotency_key": "k2", "usages": []body{{"total": 1}}}}})
	broken.Refused(t, 503, "credential_unreadable", "The stored login cannot be read; an operator must look at the gateway's log")
	if n := g.Int(t, "SELECT count(*) FROM usage_entry"); n != 1 {
		t.Errorf("got %d entries, want the one that was reported", n)
	}
}

func TestSyncRefusals(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	key := host.Key.Reveal()
	call := func(key string, b any) *gatewaytest.Answer {
		return g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: b})
	}
	call("", "{}").Refused(t, 401, "api_key_missing", "API key missing")
	call(key, body{"installation_id": "another"}).Refused(t, 403, "installation_mismatch", "Installation ID mismatch")
	call(key, body{"credential": body{"digest": "x", "last_refresh": "2026-01-05T10:00:00Z"}}).Invalid(t, "digest", "digest must be a 64-character hex sha256 value")
	call(key, body{"credential": body{"digest": noDigest, "last_refresh": "now"}}).Invalid(t, "last_refresh", "must be an RFC3339 timestamp")
	call(key, body{"usage": body{"usages": []body{{"total": 1}}}}).Invalid(t, "usage.idempotency_key", "usage.idempotency_key is required")
	call(key, `{"etags":5}`).Invalid(t, "etags", "etags must be a JSON map")
	g.Do(t, gatewaytest.Request{Path: "/sync", Key: key}).Refused(t, 405, "method_not_allowed", "Method not allowed")
	g.Exec(t, "UPDATE host SET secure = false")
	call(key, `{"etags":5}`).Refused(t, 403, "insecure_api_disabled", "Insecure host API access disabled") // before what is wrong with the call
	if n := g.Int(t, "SELECT count(*) FROM delivery"); n != 0 {
		t.Errorf("got %d deliveries by refused calls", n)
	}
}

// Usage counts as that of the user who ran cdx, if it is a name that can be kept and he is to be listed.
func TestSyncTellsWhoUsed(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	key := g.Register(t, "a.example").Key.Reveal()
	for i, c := range []struct{ said, want string }{{" ann ", "ann"}, {"", ""}, {"../etc", ""}, {strings.Repeat("a", 300), ""}, {"Ann", "Ann"}} {
		syncing(t, g, key, body{"username": c.said, "usage": body{"idempotency_key": fmt.Sprint(i), "usages": []body{{"total": i + 1}}}})
		if n := g.Int(t, "SELECT count(*) FROM usage_entry WHERE total = $1 AND coalesce(username, '') = $2", i+1, c.want); n != 1 {
			t.Errorf("%q: the usage is not that of %q", c.said, c.want)
		}
	}
}
