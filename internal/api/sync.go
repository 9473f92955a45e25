package api

import "encoding/json"

// SyncRequest is everything a host has to say, in one call: what it is, which credential it holds, what it used, and
// which blocks of the last answer it still has.
type SyncRequest struct {
	ClientVersion  string            `json:"client_version,omitempty"`  // of Codex
	WrapperVersion string            `json:"wrapper_version,omitempty"` // of cdx
	InstallationID string            `json:"installation_id,omitempty"` // of the gateway the host enrolled with
	Username       string            `json:"username,omitempty"`        // who runs cdx; "": not to be listed
	Hostname       string            `json:"hostname,omitempty"`
	Credential     *SyncHeld         `json:"credential,omitempty"` // absent: the host holds none
	Usage          *SyncUsage        `json:"usage,omitempty"`      // absent: nothing to report
	ETags          map[string]string `json:"etags,omitempty"`      // block → ETag of the one the host has
}

// SyncHeld is the auth.json that a host holds.
type SyncHeld struct {
	Digest      string `json:"digest"`
	LastRefresh string `json:"last_refresh"`
}

// SyncUsage is a batch of a host's usage journal. A batch that comes again under its key does not count again.
type SyncUsage struct {
	IdempotencyKey string            `json:"idempotency_key"`
	Usages         []json.RawMessage `json:"usages"`                   // entries as POST /usage takes them
	RateLimits     json.RawMessage   `json:"rate_limits,omitempty"`    // the newest that Codex wrote down
	RateLimitsAt   string            `json:"rate_limits_at,omitempty"` // when Codex did, RFC 3339; without it they are not taken
}

// SyncResponse is the data of an answer to POST /sync.
type SyncResponse struct {
	Credential SyncCredential      `json:"credential"`
	APIKey     string              `json:"api_key,omitempty"` // to come after the one the host came with, which ends when this one is used
	Usage      any                 `json:"usage,omitempty"`   // as POST /usage answers; absent: nothing was reported
	Users      []HostUser          `json:"users"`             // everybody who ran cdx on this host
	Errors     map[string][]string `json:"errors,omitempty"`  // field → texts: parts that were not recorded; the rest is as it should be
	Host       Block               `json:"host"`              // Host
	Versions   Block               `json:"versions"`          // Versions
	Policy     Block               `json:"policy"`            // SyncPolicy
	Quota      Block               `json:"quota"`             // ChatGPTUsage, or null: the gateway does not know
	Library    Block               `json:"library"`           // SlashList without texts
	Config     Block               `json:"config"`            // ConfigOffer
	Client     Block               `json:"client"`            // ClientOffer, or null: there is no build for the platform
	Month      Block               `json:"month"`             // TokenUsage of the host in this month, UTC
}

// Names of the blocks, as in SyncRequest.ETags.
const (
	BlockHost     = "host"
	BlockVersions = "versions"
	BlockPolicy   = "policy"
	BlockQuota    = "quota"
	BlockLibrary  = "library"
	BlockConfig   = "config"
	BlockClient   = "client"
	BlockMonth    = "month"
)

// Block is a part of an answer that a host may have already: Data is absent when its ETag is the one the host sent.
type Block struct {
	ETag string          `json:"etag"`
	Data json.RawMessage `json:"data,omitempty"`
}

// SyncCredential says what a host should do with its auth.json, in the words of AuthResponse.
type SyncCredential struct {
	Status               string          `json:"status"`
	Action               string          `json:"action,omitempty"`
	Generation           int64           `json:"generation"` // canonical one; 0: none
	CanonicalLastRefresh *string         `json:"canonical_last_refresh"`
	CanonicalDigest      *string         `json:"canonical_digest"`
	Auth                 json.RawMessage `json:"auth,omitempty"` // the canonical bytes: member order matters
}

// SyncPolicy is what the fleet's admins have decided that a client has to know.
type SyncPolicy struct {
	QuotaHardFail      bool `json:"quota_hard_fail"`
	QuotaLimitPercent  int  `json:"quota_limit_percent"`
	QuotaWeekPartition int  `json:"quota_week_partition"`
	CdxSilent          bool `json:"cdx_silent"`
}
