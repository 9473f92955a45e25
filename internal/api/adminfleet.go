package api

// AdminUpload is the data of an answer to POST /admin/auth/upload. It never repeats the login.
type AdminUpload struct {
	Status               string      `json:"status"` // updated or unchanged
	CanonicalLastRefresh *string     `json:"canonical_last_refresh"`
	CanonicalDigest      *string     `json:"canonical_digest"`
	Generation           int64       `json:"generation"`
	Host                 *UploadHost `json:"host,omitempty"` // if the upload named one
	APICalls             int64       `json:"api_calls"`      // of that host
	TokenUsageMonth      *TokenUsage `json:"token_usage_month"`
	Versions             Versions    `json:"versions"`
	QuotaHardFail        bool        `json:"quota_hard_fail"`
	QuotaLimitPercent    int         `json:"quota_limit_percent"`
	QuotaWeekPartition   int         `json:"quota_week_partition"`
	CdxSilent            bool        `json:"cdx_silent"`
	RunnerApplied        bool        `json:"runner_applied"` // false: an admin's word is enough
}

// UploadHost is a host with its id.
type UploadHost struct {
	Host
	ID int64 `json:"id"`
}

// KillSwitch is the data of an answer to GET and POST /admin/api/state.
type KillSwitch struct {
	Disabled bool `json:"disabled"` // the kill switch is on
}

// QuotaMode is the data of an answer to GET and POST /admin/quota-mode.
type QuotaMode struct {
	HardFail      bool `json:"hard_fail"`
	LimitPercent  int  `json:"limit_percent"`
	WeekPartition int  `json:"week_partition"` // days; 0: the week is not divided
}

// CdxSilent is the data of an answer to GET and POST /admin/cdx-silent.
type CdxSilent struct {
	Silent bool `json:"silent"`
}

// LockedVersion is the data of an answer to POST /admin/codex-version.
type LockedVersion struct {
	LockedVersion *string `json:"locked_version"` // null: the newest
	LockedAt      Time    `json:"locked_at"`
}

// PrunePolicy is the data of an answer to POST /admin/prune-policy.
type PrunePolicy struct {
	InactivityWindowDays int `json:"inactivity_window_days"` // 0: nobody is pruned for silence
}

// AdminLogs is the data of an answer to GET /admin/logs.
type AdminLogs struct {
	Logs       []AdminLog `json:"logs"`        // the newest first
	NextCursor *string    `json:"next_cursor"` // of the part after this one, which is older; null: this is the last
}

// AdminLog is one entry of the audit trail.
type AdminLog struct {
	ID        int64   `json:"id"`
	HostID    *int64  `json:"host_id"`
	Action    string  `json:"action"`
	Details   *string `json:"details"` // JSON
	CreatedAt Time    `json:"created_at"`
	ActorKind string  `json:"actor_kind"`
	Actor     string  `json:"actor"`
	IP        *string `json:"ip"`
}

// AdminOverview is the data of an answer to GET /admin/overview: what the gateway knows without asking anybody. What it does
// not know (yet) is null, never zero.
type AdminOverview struct {
	MTLS                       AdminMTLS      `json:"mtls"`
	Totals                     OverviewTotals `json:"totals"`
	LatestLogAt                Time           `json:"latest_log_at"`
	LastRefresh                *string        `json:"last_refresh"`         // of the newest login that a host is known to have
	AvgRefreshAgeDays          *float64       `json:"avg_refresh_age_days"` // of the logins that hosts are known to have
	Versions                   Versions       `json:"versions"`
	HasCanonicalAuth           bool           `json:"has_canonical_auth"`
	SeedRequired               bool           `json:"seed_required"`
	SeedReasons                []string       `json:"seed_reasons"` // missing_auth
	Tokens                     TotalTokens    `json:"tokens"`
	TokensDay                  Tokens         `json:"tokens_day"`
	TokensWeek                 Tokens         `json:"tokens_week"` // since ChatGPT's week began if that is known, else since midnight six days ago
	TokensMonth                Tokens         `json:"tokens_month"`
	Pricing                    *Unknown       `json:"pricing"`
	PricingDayCost             *float64       `json:"pricing_day_cost"`
	PricingWeekCost            *float64       `json:"pricing_week_cost"`
	PricingMonthCost           *float64       `json:"pricing_month_cost"`
	SubscriptionPlans          *Unknown       `json:"subscription_plans"`
	ChatGPTUsage               *QuotaSnapshot `json:"chatgpt_usage"`
	ChatGPTCached              bool           `json:"chatgpt_cached"` // always: nobody is asked for this answer
	ChatGPTNextEligibleAt      Time           `json:"chatgpt_next_eligible_at"`
	QuotaHardFail              bool           `json:"quota_hard_fail"`
	QuotaLimitPercent          int            `json:"quota_limit_percent"`
	QuotaWeekPartition         int            `json:"quota_week_partition"`
	CdxSilent                  bool           `json:"cdx_silent"`
	InactivityWindowDays       int            `json:"inactivity_window_days"`
	ClientVersionLock          *string        `json:"client_version_lock"`
	ClientVersionLockUpdatedAt Time           `json:"client_version_lock_updated_at"`
}

// AdminVersionsCheck is the answer to a look for the newest Codex.
type AdminVersionsCheck struct {
	AvailableClient AvailableClient `json:"available_client"`
	Versions        Versions        `json:"versions"`
}

// AvailableClient is the newest Codex that the gateway knows of.
type AvailableClient struct {
	Version   *string `json:"version"`
	UpdatedAt Time    `json:"updated_at"` // when it was last found to be the newest
	Source    string  `json:"source"`     // github, cache_stale, unknown
	Reason    *string `json:"reason"`     // why it could not be found out now
}

// Unknown is what a later release says something about; it is null until then.
type Unknown struct{}

// AdminMTLS says how the caller's connection was made.
type AdminMTLS struct {
	Required    bool    `json:"required"` // nobody gets here without a certificate
	Present     bool    `json:"present"`
	Enforced    bool    `json:"enforced"` // both
	Fingerprint *string `json:"fingerprint,omitempty"`
	Subject     *string `json:"subject,omitempty"`
	Issuer      *string `json:"issuer,omitempty"`
}

// OverviewTotals are numbers of things.
type OverviewTotals struct {
	Hosts int64 `json:"hosts"`
}
