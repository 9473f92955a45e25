package admin

import (
	"encoding/json"

	"github.com/cdxgate/cdxgate/internal/api"
)

// What an act answers that says no more than whom it was about.
type (
	deletedHost struct {
		Deleted int64 `json:"deleted"`
	}
	deletedFile struct {
		Deleted string `json:"deleted"`
	}
)

// Messages that have no type of their own, because their reading is more forgiving than a type: what they look like when
// they are as they should be, for the description only.
type (
	// changed is an api.AdminHostChanged about one thing.
	changed[T any] struct {
		Host T `json:"host"`
	}
	allowRequest struct {
		Allow bool `json:"allow"`
	}
	secureRequest struct {
		Secure bool `json:"secure"`
	}
	vipRequest struct {
		VIP bool `json:"vip"`
	}
	forceRequest struct {
		Force bool `json:"force"`
	}
	windowRequest struct {
		DurationMinutes *int `json:"duration_minutes"`
	}
	modelRequest struct {
		ModelOverride           *string `json:"model_override"`
		ReasoningEffortOverride *string `json:"reasoning_effort_override"`
	}
	hostVersionRequest struct {
		Selection             *string `json:"selection"`
		ClientVersionOverride *string `json:"client_version_override"` // is as good as selection
	}
	rotateRequest struct {
		RevokeNow *bool `json:"revoke_now"` // the old key is dead at once
	}
	renameRequest struct {
		FQDN string `json:"fqdn"`
	}
	labelsRequest struct {
		Labels map[string]*string `json:"labels,omitempty"` // null: without this one
		Note   *string            `json:"note"`
	}
	batchRequest struct {
		IDs    []int64         `json:"ids"`
		Action string          `json:"action"`
		Value  json.RawMessage `json:"value,omitempty"`
	}
	restoreRequest struct {
		Version int64 `json:"version"`
	}
	acceptRequest struct {
		Force *bool `json:"force"` // although the command has changed since
	}
	versionRequest struct {
		Selection string `json:"selection"`
	}
	quotaRequest struct {
		HardFail      bool     `json:"hard_fail"`
		LimitPercent  *float64 `json:"limit_percent"`
		WeekPartition *int     `json:"week_partition"`
	}
	pruneRequest struct {
		InactivityDays float64 `json:"inactivity_days"`
	}
	// runnerRun is what a run answers where there is a runner.
	runnerRun struct {
		Applied              bool     `json:"applied"`
		CanonicalDigest      string   `json:"canonical_digest"`
		CanonicalLastRefresh string   `json:"canonical_last_refresh"`
		RunnerLastCheck      api.Time `json:"runner_last_check"`
		RunnerLastFail       api.Time `json:"runner_last_fail"`
		RunnerLastOK         api.Time `json:"runner_last_ok"`
		RunnerState          *string  `json:"runner_state"`
		RunnerBootID         *string  `json:"runner_boot_id"`
	}
	uploadBody struct {
		Auth   json.RawMessage `json:"auth"`
		HostID *int64          `json:"host_id"`
	}
)
