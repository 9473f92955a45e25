package api

import "encoding/json"

// Commands of POST /auth.
const (
	CommandRetrieve = "retrieve"
	CommandStore    = "store"
)

// Statuses of an answer to POST /auth (contract/host-api.md 2.3, 2.4).
const (
	StatusMissing        = "missing"         // no canonical credential: store one
	StatusValid          = "valid"           // the host has it
	StatusUploadRequired = "upload_required" // the host's looks newer: store it
	StatusOutdated       = "outdated"        // the answer carries a newer one
	StatusUpdated        = "updated"         // the upload became canonical
	StatusUnchanged      = "unchanged"       // the upload changed nothing
)

// AuthRequest asks for the canonical credential or offers a newer one.
type AuthRequest struct {
	Command        string          `json:"command,omitempty"`         // retrieve (default) or store
	Digest         string          `json:"digest,omitempty"`          // retrieve: of the host's file; store: the canonical digest it last saw
	LastRefresh    string          `json:"last_refresh,omitempty"`    // retrieve: of the host's file, RFC 3339
	Auth           json.RawMessage `json:"auth,omitempty"`            // store: the whole auth.json
	ClientVersion  string          `json:"client_version,omitempty"`  // of Codex
	WrapperVersion string          `json:"wrapper_version,omitempty"` // of cdx
	InstallationID string          `json:"installation_id,omitempty"` // of the gateway the host enrolled with
}

// AuthResponse is the data of an answer to POST /auth.
type AuthResponse struct {
	Status               string          `json:"status"`
	Generation           int64           `json:"generation"` // canonical one; 0: none
	CanonicalLastRefresh *string         `json:"canonical_last_refresh"`
	CanonicalDigest      *string         `json:"canonical_digest"`
	Host                 *Host           `json:"host"`
	Auth                 json.RawMessage `json:"auth,omitempty"` // the canonical bytes: member order matters
	Action               string          `json:"action,omitempty"`
	APICalls             int64           `json:"api_calls"`
	TokenUsageMonth      TokenUsage      `json:"token_usage_month"`
	Versions             Versions        `json:"versions"`
	QuotaHardFail        bool            `json:"quota_hard_fail"`
	QuotaLimitPercent    int             `json:"quota_limit_percent"`
	QuotaWeekPartition   int             `json:"quota_week_partition"`
	CdxSilent            bool            `json:"cdx_silent"`
	RunnerApplied        *bool           `json:"runner_applied,omitempty"` // store only; false until the runner exists
	Kept                 bool            `json:"kept,omitempty"`           // store, answered outdated: the gateway has the login that was uploaded, too
	ChatGPTUsage         ChatGPTUsage    `json:"chatgpt_usage"`            // always an object: old clients die without it
}

// Host is a host as it may see itself.
type Host struct {
	FQDN                    string  `json:"fqdn"`
	Status                  string  `json:"status"`
	LastRefresh             *string `json:"last_refresh"`
	UpdatedAt               Time    `json:"updated_at"`
	ExpiresAt               Time    `json:"expires_at"`
	ClientVersion           *string `json:"client_version"`
	ClientVersionOverride   *string `json:"client_version_override"` // null until version pins exist
	WrapperVersion          *string `json:"wrapper_version"`
	APICalls                int64   `json:"api_calls"`
	AllowRoamingIPs         bool    `json:"allow_roaming_ips"`
	Secure                  bool    `json:"secure"`
	VIP                     bool    `json:"vip"`
	InsecureEnabledUntil    Time    `json:"insecure_enabled_until"`
	InsecureGraceUntil      Time    `json:"insecure_grace_until"`
	InsecureWindowMinutes   *int    `json:"insecure_window_minutes"`
	ForceIPv4               bool    `json:"force_ipv4"`
	ModelOverride           *string `json:"model_override"`
	ReasoningEffortOverride *string `json:"reasoning_effort_override"`
}

// TokenUsage sums a host's reported token counts over the current month. All zero until usage is reported.
type TokenUsage struct {
	Total     int64   `json:"total"`
	Input     int64   `json:"input"`
	Output    int64   `json:"output"`
	Cached    int64   `json:"cached"`
	Reasoning int64   `json:"reasoning"`
	Events    int64   `json:"events"`
	Cost      float64 `json:"cost"`
}

// Versions tells what the fleet should run (contract/host-api.md 2.6.2). InstallationID is null for callers without a key.
type Versions struct {
	ClientVersion          *string `json:"client_version"`
	ClientVersionCheckedAt Time    `json:"client_version_checked_at"`
	ClientVersionSource    string  `json:"client_version_source"`
	WrapperVersion         *string `json:"wrapper_version"`
	WrapperSHA256          *string `json:"wrapper_sha256"`
	WrapperURL             *string `json:"wrapper_url"`
	ReportedClientVersion  *string `json:"reported_client_version"`
	QuotaHardFail          bool    `json:"quota_hard_fail"`
	QuotaLimitPercent      int     `json:"quota_limit_percent"`
	QuotaWeekPartition     int     `json:"quota_week_partition"`
	CdxSilent              bool    `json:"cdx_silent"`
	RunnerEnabled          bool    `json:"runner_enabled"`
	RunnerState            *string `json:"runner_state"`
	RunnerLastOK           Time    `json:"runner_last_ok"`
	RunnerLastFail         Time    `json:"runner_last_fail"`
	RunnerLastCheck        Time    `json:"runner_last_check"`
	InstallationID         *string `json:"installation_id"`
}

// Statuses of a ChatGPTUsage.
const (
	UsageOK           = "ok"
	UsageLimitReached = "limit_reached" // ChatGPT says so: clients refuse to start Codex where the policy is to
	UsageError        = "error"         // nothing is known, and the last question had no answer
	UsageDisabled     = "disabled"      // nothing is known
)

// ChatGPTUsage is the account's quota as ChatGPT reports it: the last good answer, of the moment FetchedAt. In an answer to
// POST /auth a number that is not known is 0, and the length of a window its real one, since reference clients exit without
// numbers; in one to POST /sync it is null.
type ChatGPTUsage struct {
	Status           string      `json:"status"`
	PlanType         *string     `json:"plan_type"`
	RateAllowed      *bool       `json:"rate_allowed"`
	RateLimitReached *bool       `json:"rate_limit_reached"`
	FetchedAt        Time        `json:"fetched_at"`
	NextEligibleAt   Time        `json:"next_eligible_at"`
	PrimaryWindow    UsageWindow `json:"primary_window"`
	SecondaryWindow  UsageWindow `json:"secondary_window"`
	DailyUsedPercent *int        `json:"daily_used_percent"`
	DailyBaselineAt  Time        `json:"daily_baseline_at"`
}

// UsageWindow is one rate-limit window of an account.
type UsageWindow struct {
	UsedPercent       *int    `json:"used_percent"`
	LimitSeconds      *int    `json:"limit_seconds"`
	ResetAfterSeconds *int    `json:"reset_after_seconds"` // POST /auth: from now; POST /sync: from FetchedAt
	ResetAt           *string `json:"reset_at"`            // Unix seconds, as text
}

// Deleted is the data of an answer to DELETE /auth.
type Deleted struct {
	Deleted string `json:"deleted"` // the host's FQDN
}
