package api

import "encoding/json"

// AdminRunner is what is known of the runner and of what it verified. Without a runner nothing is known of it.
type AdminRunner struct {
	Enabled           bool                `json:"enabled"`
	RunnerURL         *string             `json:"runner_url"`
	LastDailyCheck    Time                `json:"last_daily_check"`
	LastFailure       Time                `json:"last_failure"`
	LastOK            Time                `json:"last_ok"`
	State             *string             `json:"state"` // ok, fail
	BootID            *string             `json:"boot_id"`
	BaseURL           *string             `json:"base_url"`
	TimeoutSeconds    *int                `json:"timeout_seconds"`
	Counts            AdminRunnerCounts   `json:"counts"`
	LatestValidation  *AdminRunnerEntry   `json:"latest_validation"`
	LatestRunnerStore *AdminRunnerEntry   `json:"latest_runner_store"`
	CanonicalAuth     *AdminCanonicalAuth `json:"canonical_auth"` // null: there is no login yet
}

// AdminRunnerCounts are numbers of entries of the audit trail.
type AdminRunnerCounts struct {
	Validations24h int64 `json:"validations_24h"`
	RunnerStore24h int64 `json:"runner_store_24h"`
}

// AdminRunnerEntry is an entry of the audit trail about a verification. What its details do not say is null.
type AdminRunnerEntry struct {
	ID          int64           `json:"id"`
	CreatedAt   Time            `json:"created_at"`
	Details     json.RawMessage `json:"details"` // an object
	Status      *string         `json:"status"`
	Reason      *string         `json:"reason"`
	Digest      *string         `json:"digest"`
	LastRefresh *string         `json:"last_refresh"`
	Host        *AdminHostRef   `json:"host"`
}

// AdminCanonicalAuth is the fleet's login, which is what a runner verifies.
type AdminCanonicalAuth struct {
	PayloadID    int64         `json:"payload_id"` // its generation
	CreatedAt    Time          `json:"created_at"`
	LastRefresh  string        `json:"last_refresh"`
	Digest       string        `json:"digest"`
	SourceHostID *int64        `json:"source_host_id"` // null: an admin brought it, or the host is gone
	SourceHost   *AdminHostRef `json:"source_host"`
}

// AdminHostRef says which host something is about.
type AdminHostRef struct {
	ID   int64   `json:"id"`
	FQDN string  `json:"fqdn"`
	IP   *string `json:"ip"`
}
