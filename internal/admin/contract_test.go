package admin_test

// What section 2 of the compatible product's admin contract says that each call answers: every route of its index (2.0) but
// the pages, with the members that the newer of the two products has. The order is the contract's.

var (
	versionsShape = object{
		"client_version": "s0", "client_version_checked_at": "s0", "client_version_source": "s", "wrapper_version": "s0", "wrapper_sha256": "s0",
		"wrapper_url": "s0", "reported_client_version": "s0", "quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n",
		"cdx_silent": "b", "runner_enabled": "b", "runner_state": "s0", "runner_last_ok": "s0", "runner_last_fail": "s0", "runner_last_check": "s0",
		"installation_id": "s",
	}
	sumShape     = object{"total": "n", "input": "n", "output": "n", "cached": "n", "reasoning": "n", "cost": "n0", "events": "n"}
	pricingShape = object{
		"id": "n", "model": "s", "currency": "s", "input_price_per_1k": "n", "output_price_per_1k": "n", "cached_price_per_1k": "n", "source_url": "s",
		"raw": "s0", "fetched_at": "s", "created_at": "s",
	}
	snapshotShape = object{ // 4.4
		"id": "n", "host_id": "n0", "status": "s", "plan_type": "s0", "rate_allowed": "b0", "rate_limit_reached": "b0",
		"primary_used_percent": "n0", "primary_limit_seconds": "n0", "primary_reset_after_seconds": "n0", "primary_reset_at": "s0",
		"secondary_used_percent": "n0", "secondary_limit_seconds": "n0", "secondary_reset_after_seconds": "n0", "secondary_reset_at": "s0",
		"has_credits": "b0", "unlimited": "b0", "credit_balance": "s0", "approx_local_messages": "l0", "approx_cloud_messages": "l0",
		"raw": "s0", "error": "s0", "fetched_at": "s", "next_eligible_at": "s0", "created_at": "s",
		ours: object{"source": "s", "fqdn": "s0"},
	}
	quotaShape = object{ // 2.32
		"snapshot": orNull{snapshotShape}, "cached": "b", "next_eligible_at": "s0",
		ours: object{
			"enabled": "b", "checked_at": "s0", "last_error": orNull{object{"code": "s", "message": "s", "http_status": "n0", "at": "s0"}},
			"windows": listOrEmpty{object{
				"label": "s", "used_percent": "n0", "limit_seconds": "n0", "resets_at": "s0", "elapsed_percent": "n0", "pace": "n0", "projected_percent": "n0",
			}},
			"daily_used_percent": "n0", "daily_baseline_at": "s0", "daily_allowance_percent": "n0", "launches_refused": "b", "limit_reason": "s0",
		},
	}
	countsShape = object{"total": "n0", "input": "n0", "output": "n0", "cached": "n0", "reasoning": "n0", "cost": "n0"}
	usageShape  = countsShape.with(object{"ingest_id": "n", "model": "s0", "line": "s0", "created_at": "s"})
	// What a registration says about a host, and so does an upload for one.
	registeredShape = object{
		"fqdn": "s", "status": "s", "last_refresh": "s0", "updated_at": "s", "expires_at": "s0", "client_version": "s0", "client_version_override": "s0",
		"wrapper_version": "s0", "api_calls": "n", "allow_roaming_ips": "b", "secure": "b", "vip": "b", "insecure_enabled_until": "s0",
		"insecure_grace_until": "s0", "insecure_window_minutes": "n0", "force_ipv4": "b", "model_override": "s0", "reasoning_effort_override": "s0", "id": "n",
	}
	namedHost = object{"id": "n", "fqdn": "s", "ip": "s0"} // instead of the whole row with its key
	runShape  = object{
		"id": "n", "created_at": "s", "details": "o0", "status": "s0", "reason": "s0", "digest": "s0", "last_refresh": "s0", "host": orNull{namedHost},
	}
	configShape = object{"status": "s", "sha256?": "s", "updated_at?": "s", "size_bytes?": "n", "content?": "s", "settings?": "o"}
	paged       = object{"next_cursor": "s0"} // what we have in every list
)

var contract = map[string]object{
	// 2.1
	"GET /admin/overview": {
		"mtls": object{"required": "b", "present": "b", "enforced": "b", "fingerprint": "s", "subject": "s", "issuer": "s"}, "totals": object{"hosts": "n"},
		"latest_log_at": "s0", "last_refresh": "s0", "avg_refresh_age_days": "n0", "versions": versionsShape,
		"has_canonical_auth": "b", "seed_required": "b", "seed_reasons": "l",
		"tokens":     sumShape.with(object{"top_host": orNull{object{"host_id": "n", "fqdn": "s", "total": "n"}}}),
		"tokens_day": sumShape, "tokens_week": sumShape, "tokens_month": sumShape,
		"pricing": orNull{pricingShape}, "pricing_day_cost": "n0", "pricing_week_cost": "n0", "pricing_month_cost": "n0",
		"subscription_plans": orNull{object{"currency": "s", "plus_cost": "n", "pro_cost": "n"}},
		"chatgpt_usage":      orNull{snapshotShape}, "chatgpt_cached": "b", "chatgpt_next_eligible_at": "s0",
		"quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n", "cdx_silent": "b", "inactivity_window_days": "n",
		"client_version_lock": "s0", "client_version_lock_updated_at": "s0",
	},
	// 2.2
	"GET /admin/hosts": {
		"hosts": list{object{
			"id": "n", "fqdn": "s", "status": "s", "last_refresh": "s0", "updated_at": "s", "created_at": "s", "client_version": "s0",
			"client_version_override": "s0", "wrapper_version": "s0", "api_calls": "n", "ip": "s0", "allow_roaming_ips": "b", "secure": "b", "vip": "b",
			"insecure_enabled_until": "s0", "insecure_grace_until": "s0", "insecure_window_minutes": "n0", "force_ipv4": "b", "curl_insecure": "b",
			"model_override": "s0", "reasoning_effort_override": "s0", "canonical_digest": "s0", "recent_digests": listOrEmpty{"s"}, "authed": "b", "auth_outdated": "b",
			"token_usage": orNull{usageShape},
			"users":       listOrEmpty{object{"username": "s", "hostname": "s0", "first_seen": "s", "last_seen": "s"}},
			ours:          object{"expires_at": "s0", "last_seen_at": "s0", "allow_from": "l", "may_store": "b", "key_prefix": "s", "labels": "o", "note": "s", "etag": "s"},
		}},
		ours: paged.with(object{"total": "n"}),
	},
	// 2.3
	"GET /admin/hosts/insecure": {
		"count": "n", "active": "n",
		"hosts": list{object{"id": "n", "fqdn": "s", "active": "b", "insecure_enabled_until": "s0", "secure": "b"}},
		ours:    paged,
	},
	// 2.4
	"POST /admin/hosts/register": {
		"host":      registeredShape.with(object{"api_key": "s"}),
		"installer": object{"token": "s", "url": "s", "command": "s", "expires_at": "s", ours: object{"ca?": "s"}},
	},
	// 2.5
	"GET /admin/hosts/{}/auth": {
		"host": object{
			"id": "n", "fqdn": "s", "status": "s", "last_refresh": "s0", "updated_at": "s", "client_version": "s0", "wrapper_version": "s0", "ip": "s0",
			"allow_roaming_ips": "b", "secure": "b",
		},
		"canonical_last_refresh": "s0", "canonical_digest": "s0", "recent_digests": list{"s"}, "auth": "o0", "api_calls": "n",
	},
	"DELETE /admin/hosts/{}":                {"deleted": "n"},                                                                                                          // 2.6
	"POST /admin/hosts/{}/clear":            {"host": object{"id": "n", "fqdn": "s", "status": "s"}},                                                                   // 2.7
	"POST /admin/hosts/{}/roaming":          {"host": object{"id": "n", "fqdn": "s", "allow_roaming_ips": "b"}},                                                        // 2.8
	"POST /admin/hosts/{}/secure":           {"host": object{"id": "n", "fqdn": "s", "secure": "b"}},                                                                   // 2.9
	"POST /admin/hosts/{}/insecure/enable":  {"host": object{"id": "n", "insecure_enabled_until": "s", "insecure_grace_until": "0", "insecure_window_minutes": "n0"}},  // 2.10
	"POST /admin/hosts/{}/insecure/disable": {"host": object{"id": "n", "insecure_enabled_until": "0", "insecure_grace_until": "s0", "insecure_window_minutes": "n0"}}, // 2.11
	"POST /admin/hosts/{}/vip":              {"host": object{"id": "n", "fqdn": "s", "vip": "b"}},                                                                      // 2.12
	"POST /admin/hosts/{}/ipv4":             {"host": object{"id": "n", "force_ipv4": "b", "ip": "0"}},                                                                 // 2.13
	"POST /admin/hosts/{}/curl-insecure":    {"host": object{"id": "n", "curl_insecure": "b"}},                                                                         // 2.14
	"POST /admin/hosts/{}/model":            {"host": object{"id": "n", "model_override": "s0", "reasoning_effort_override": "s0"}},                                    // 2.15
	"POST /admin/hosts/{}/codex-version":    {"host": object{"id": "n", "client_version_override": "s0"}},                                                              // 2.16
	// 2.17; the login is not repeated (15.S3)
	"POST /admin/auth/upload": {
		"status": "s", "canonical_last_refresh": "s", "canonical_digest": "s", "api_calls": "n", "token_usage_month": "o0", "versions": versionsShape,
		"quota_hard_fail": "b", "quota_limit_percent": "n", "quota_week_partition": "n", "cdx_silent": "b", "runner_applied": "b", "host?": registeredShape,
		withheld: object{"auth": "o"}, ours: object{"generation": "n"},
	},
	"POST /admin/auth/seed-command": {"command": "s", "expires_at": "s", ours: object{"token": "s", "url": "s", "ca?": "s"}}, // 2.18
	"GET /admin/api/state":          {"disabled": "b"},                                                                       // 2.19
	"POST /admin/api/state":         {"disabled": "b"},                                                                       // 2.19
	"GET /admin/quota-mode":         {"hard_fail": "b", "limit_percent": "n", "week_partition": "n"},                         // 2.20
	"POST /admin/quota-mode":        {"hard_fail": "b", "limit_percent": "n", "week_partition": "n"},                         // 2.20
	"GET /admin/cdx-silent":         {"silent": "b"},                                                                         // 2.21
	"POST /admin/cdx-silent":        {"silent": "b"},                                                                         // 2.21
	"POST /admin/codex-version":     {"locked_version": "s0", "locked_at": "s0"},                                             // 2.22
	"POST /admin/prune-policy":      {"inactivity_window_days": "n"},                                                         // 2.23
	"POST /admin/versions/check": { // 2.24
		"available_client": object{"version": "s0", "updated_at": "s0", "source": "s", ours: object{"reason": "s0"}}, "versions": versionsShape,
	},
	// 2.25; null where there is no runner, which the other product says of its timeout, too
	"GET /admin/runner": {
		"enabled": "b", "runner_url": "s0", "last_daily_check": "s0", "last_failure": "s0", "last_ok": "s0", "state": "s0", "boot_id": "s0", "base_url": "s0",
		"timeout_seconds": "n0", "counts": object{"validations_24h": "n", "runner_store_24h": "n"},
		"latest_validation": orNull{runShape}, "latest_runner_store": orNull{runShape},
		"canonical_auth": orNull{object{
			"payload_id": "n", "created_at": "s", "last_refresh": "s", "digest": "s", "source_host_id": "n0", "source_host": orNull{namedHost},
		}},
	},
	// 2.26
	"POST /admin/runner/run": {
		"applied": "b", "canonical_digest": "s", "canonical_last_refresh": "s", "runner_last_check": "s0", "runner_last_fail": "s0", "runner_last_ok": "s0",
		"runner_state": "s0", "runner_boot_id": "s0",
	},
	// 2.27; who did it is ours
	"GET /admin/logs": {
		"logs": list{object{
			"id": "n", "host_id": "n0", "action": "s", "details": "s0", "created_at": "s", ours: object{"actor_kind": "s", "actor": "s", "ip": "s0"},
		}},
		ours: paged,
	},
	"GET /admin/usage": {"usages": list{usageShape.with(object{"id": "n", "host_id": "n0", "fqdn": "s0"})}, ours: paged}, // 2.28
	// 2.29
	"GET /admin/usage/ingests": {
		"items": list{countsShape.with(object{
			"id": "n", "host_id": "n0", "fqdn": "s0", "entries": "n", "client_ip": "s0", "payload": "s0", "created_at": "s",
		})},
		"total": "n", "page": "n", "per_page": "n", "pages": "n", "currency": "s0",
		ours: paged,
	},
	// 2.30
	"GET /admin/usage/cost-history": {
		"days": "n", "since": "s0", "until": "s", "currency": "s0", "pricing": orNull{pricingShape}, "has_pricing": "b",
		"points": list{object{
			"date": "s", "tokens": object{"input": "n", "output": "n", "cached": "n", "total": "n"},
			"costs": object{"input": "n0", "output": "n0", "cached": "n0", "total": "n0"},
		}},
	},
	"GET /admin/tokens":                 {"tokens": list{sumShape.with(object{"line": "s0"})}, ours: paged}, // 2.31
	"GET /admin/chatgpt/usage":          quotaShape,                                                         // 2.32
	"POST /admin/chatgpt/usage/refresh": quotaShape,                                                         // 2.34
	// 2.33
	"GET /admin/chatgpt/usage/history": {
		"days": "n", "since": "s",
		"points": list{object{
			"fetched_at": "s", "primary_used_percent": "n0", "secondary_used_percent": "n0", "primary_limit_seconds": "n0", "secondary_limit_seconds": "n0",
			ours: object{"source": "s"},
		}},
	},
	// 2.35
	"GET /admin/slash-commands": {
		"commands": list{object{"id": "n", "filename": "s", "sha256": "s", "description": "s0", "argument_hint": "s0", "updated_at": "s", "deleted_at": "0"}},
		ours:       paged,
	},
	"GET /admin/slash-commands/{}":     {"filename": "s", "sha256": "s", "description": "s0", "argument_hint": "s0", "prompt": "s", "updated_at": "s"},
	"DELETE /admin/slash-commands/{}":  {"deleted": "s"},
	"POST /admin/slash-commands/store": {"status": "s", "filename": "s", "sha256": "s", "updated_at": "s"},
	// 2.36
	"GET /admin/skills": {
		"skills": list{object{"id": "n", "slug": "s", "sha256": "s", "display_name": "s0", "description": "s0", "updated_at": "s", "deleted_at": "0"}},
		ours:     paged,
	},
	"GET /admin/skills/{}":     {"slug": "s", "sha256": "s", "display_name": "s0", "description": "s0", "manifest": "s", "updated_at": "s"},
	"DELETE /admin/skills/{}":  {"deleted": "s"},
	"POST /admin/skills/store": {"status": "s", "slug": "s", "sha256": "s", "updated_at": "s"},
	// 2.37
	"GET /admin/agents":        {"status": "s", "sha256?": "s", "updated_at?": "s", "size_bytes?": "n", "content?": "s"},
	"POST /admin/agents/store": {"status": "s", "sha256": "s", "updated_at": "s", "size_bytes": "n"},
	// 2.38
	"GET /admin/config":         configShape,
	"POST /admin/config/render": {"content": "s", "sha256": "s", "size_bytes": "n", "settings": "o"},
	"POST /admin/config/store":  {"status": "s", "sha256": "s", "updated_at": "s", "size_bytes": "n", "content": "s", "settings": "o"},
	// 2.39
	"GET /admin/mcp/memories": {
		"status": "s", "query": "s", "host_id": "n0", "limit": "n", "count": "n",
		"matches": list{object{
			"id": "s", "record_id": "n", "host_id": "n0", "host": "s0", "content": "s", "metadata": "o0", "tags": "l", "created_at": "s", "updated_at": "s", "score": "n0",
		}},
		ours: paged,
	},
	"DELETE /admin/mcp/memories/{}": {"deleted": "n"},
	// 2.40
	"GET /admin/mcp/logs": {
		"logs": list{object{
			"id": "n", "host_id": "n0", "host_fqdn": "s0", "client_ip": "s0", "method": "s", "name": "s0", "success": "n", "error_code": "s0", "error_message": "s0",
			"created_at": "s",
		}},
		ours: paged,
	},
}

// notThereYet are the routes of the contract that the gateway does not have. Whoever adds one takes it off this list, and adds
// a call of it to TestAnswersOfTheContract.
var notThereYet = []string{
	"GET /admin/skills", "GET /admin/skills/{}", "DELETE /admin/skills/{}", "POST /admin/skills/store",
	"GET /admin/agents", "POST /admin/agents/store",
	"GET /admin/config", "POST /admin/config/render", "POST /admin/config/store",
	"GET /admin/mcp/memories", "DELETE /admin/mcp/memories/{}", "GET /admin/mcp/logs",
}

// neverAnswered are routes that there are, and that cannot succeed: this gateway has no runner (TestNoRunner).
var neverAnswered = []string{"POST /admin/runner/run"}

// untold are members that may be null, or absent, and always are here. One that gets a value is taken off this list, so that
// its type is compared from then on.
var untold = []string{
	// What ChatGPT sends is not kept as it came.
	"GET /admin/overview.chatgpt_usage.raw", "GET /admin/chatgpt/usage.snapshot.raw", "POST /admin/chatgpt/usage/refresh.snapshot.raw",
	// Prices and the runner are not there yet.
	"GET /admin/overview.pricing", "GET /admin/overview.subscription_plans",
	"GET /admin/usage/cost-history.currency", "GET /admin/usage/cost-history.pricing", "GET /admin/usage/cost-history.points[].costs.cached",
	"GET /admin/usage/cost-history.points[].costs.input", "GET /admin/usage/cost-history.points[].costs.output", "GET /admin/usage/ingests.currency",
	"GET /admin/runner.base_url", "GET /admin/runner.boot_id", "GET /admin/runner.last_daily_check", "GET /admin/runner.last_failure",
	"GET /admin/runner.last_ok", "GET /admin/runner.runner_url", "GET /admin/runner.state", "GET /admin/runner.timeout_seconds",
	"GET /admin/overview.versions.runner_last_check", "POST /admin/auth/upload.versions.runner_last_check", "POST /admin/versions/check.versions.runner_last_check",
	"GET /admin/overview.versions.runner_last_fail", "POST /admin/auth/upload.versions.runner_last_fail", "POST /admin/versions/check.versions.runner_last_fail",
	"GET /admin/overview.versions.runner_last_ok", "POST /admin/auth/upload.versions.runner_last_ok", "POST /admin/versions/check.versions.runner_last_ok",
	"GET /admin/overview.versions.runner_state", "POST /admin/auth/upload.versions.runner_state", "POST /admin/versions/check.versions.runner_state",
	// GitHub answers here; what is said when it does not is in TestVersionsCheck.
	"POST /admin/versions/check.available_client.reason",
	// Each host's client is made for it, so there is no digest of one; what hosts report is counted by the overview only.
	"GET /admin/overview.versions.wrapper_sha256", "POST /admin/auth/upload.versions.wrapper_sha256", "POST /admin/versions/check.versions.wrapper_sha256",
	"POST /admin/auth/upload.versions.reported_client_version", "POST /admin/versions/check.versions.reported_client_version", "POST /admin/auth/upload.token_usage_month",
	// A report is kept as its entries.
	"GET /admin/usage/ingests.items[].payload",
	// The gateways of these tests have no private authority, and whom a registration lets in needs no grace.
	"POST /admin/auth/seed-command.ca", "POST /admin/hosts/register.installer.ca", "POST /admin/hosts/register.host.insecure_grace_until",
}
