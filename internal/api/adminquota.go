package api

// AdminQuota is the data of an answer to GET /admin/chatgpt/usage and POST /admin/chatgpt/usage/refresh: the last good answer
// of ChatGPT's about the fleet's account, and beside it what went wrong since.
type AdminQuota struct {
	Snapshot              *QuotaSnapshot `json:"snapshot"`         // null: there is none about the present login
	Cached                bool           `json:"cached"`           // nobody was asked for this answer
	NextEligibleAt        Time           `json:"next_eligible_at"` // null: nobody will ask
	Enabled               bool           `json:"enabled"`          // the gateway asks ChatGPT
	CheckedAt             Time           `json:"checked_at"`       // the last question; null: there was none
	LastError             *QuotaError    `json:"last_error"`       // of the last question; null: it was answered
	Windows               []QuotaWindow  `json:"windows"`          // those that are known, the shorter first
	DailyUsedPercent      *int           `json:"daily_used_percent"`
	DailyBaselineAt       Time           `json:"daily_baseline_at"`
	DailyAllowancePercent *int           `json:"daily_allowance_percent"` // null: the week is not spread over days
	LaunchesRefused       bool           `json:"launches_refused"`        // hosts that are no VIPs start no Codex now
	LimitReason           *string        `json:"limit_reason"`            // which limit is reached; null: none, or what is known is too old
}

// QuotaSnapshot is what was said about an account's limits at a moment. Null: it was not said. A number of percent, or of
// seconds until a reset, is that of fetched_at.
type QuotaSnapshot struct {
	ID                         int64    `json:"id"`
	Source                     string   `json:"source"` // chatgpt, or host
	HostID                     *int64   `json:"host_id"`
	FQDN                       *string  `json:"fqdn"`
	Status                     string   `json:"status"` // ok, or error when a later question had no good answer
	PlanType                   *string  `json:"plan_type"`
	RateAllowed                *bool    `json:"rate_allowed"`
	RateLimitReached           *bool    `json:"rate_limit_reached"`
	PrimaryUsedPercent         *int     `json:"primary_used_percent"`
	PrimaryLimitSeconds        *int     `json:"primary_limit_seconds"`
	PrimaryResetAfterSeconds   *int     `json:"primary_reset_after_seconds"`
	PrimaryResetAt             *string  `json:"primary_reset_at"` // Unix seconds
	SecondaryUsedPercent       *int     `json:"secondary_used_percent"`
	SecondaryLimitSeconds      *int     `json:"secondary_limit_seconds"`
	SecondaryResetAfterSeconds *int     `json:"secondary_reset_after_seconds"`
	SecondaryResetAt           *string  `json:"secondary_reset_at"`
	HasCredits                 *bool    `json:"has_credits"`
	Unlimited                  *bool    `json:"unlimited"`
	CreditBalance              *string  `json:"credit_balance"`
	ApproxLocalMessages        *[]int32 `json:"approx_local_messages"`
	ApproxCloudMessages        *[]int32 `json:"approx_cloud_messages"`
	Raw                        *string  `json:"raw"`   // always null: the body itself is not kept
	Error                      *string  `json:"error"` // of that question
	FetchedAt                  Time     `json:"fetched_at"`
	NextEligibleAt             Time     `json:"next_eligible_at"`
	CreatedAt                  Time     `json:"created_at"`
}

// QuotaError is why a question had no good answer.
type QuotaError struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	HTTPStatus *int   `json:"http_status"` // null: there was no answer
	At         Time   `json:"at"`          // null: nothing was tried
}

// QuotaWindow is one limit as it stands now. Null: unknown.
type QuotaWindow struct {
	Label            string   `json:"label"` // by its length: 5 h, 7 d
	UsedPercent      *int     `json:"used_percent"`
	LimitSeconds     *int     `json:"limit_seconds"`
	ResetsAt         Time     `json:"resets_at"`
	ElapsedPercent   *float64 `json:"elapsed_percent"`   // of the window
	Pace             *float64 `json:"pace"`              // 1: used up exactly at the reset
	ProjectedPercent *float64 `json:"projected_percent"` // used at the reset, if it goes on like that
}

// QuotaHistory is the data of an answer to GET /admin/chatgpt/usage/history.
type QuotaHistory struct {
	Days   int          `json:"days"`
	Since  Time         `json:"since"`
	Points []QuotaPoint `json:"points"` // good answers only, the oldest first; less dense the older they are
}

// QuotaPoint is what was said at a moment of the past. Null: it was not said.
type QuotaPoint struct {
	FetchedAt             Time   `json:"fetched_at"`
	Source                string `json:"source"`
	PrimaryUsedPercent    *int   `json:"primary_used_percent"`
	SecondaryUsedPercent  *int   `json:"secondary_used_percent"`
	PrimaryLimitSeconds   *int   `json:"primary_limit_seconds"`
	SecondaryLimitSeconds *int   `json:"secondary_limit_seconds"`
}
