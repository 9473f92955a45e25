package hostapi

import "github.com/cdxgate/cdxgate/internal/api"

// Messages that have no type of their own, because their reading is more forgiving than a type or their parts are made
// apart: what they look like when they are as they should be, for the description only.
type (
	// usageReport is the body of POST /usage; a single entry is as good.
	usageReport struct {
		Usages []usageEntry `json:"usages"`
	}
	usageEntry struct {
		Line      string `json:"line,omitempty"`
		Total     int64  `json:"total,omitempty"`
		Input     int64  `json:"input,omitempty"`
		Output    int64  `json:"output,omitempty"`
		Cached    int64  `json:"cached,omitempty"`
		Reasoning int64  `json:"reasoning,omitempty"`
		Model     string `json:"model,omitempty"`
	}
	usersRequest struct {
		Username string `json:"username,omitempty"`
		Hostname string `json:"hostname,omitempty"`
	}
	// syncResponse is api.SyncResponse with what its blocks hold.
	syncResponse struct {
		api.SyncResponse
		Host     block[api.Host]         `json:"host"`
		Versions block[api.Versions]     `json:"versions"`
		Policy   block[api.SyncPolicy]   `json:"policy"`
		Quota    block[api.ChatGPTUsage] `json:"quota"`
		Library  block[api.SlashList]    `json:"library"`
		Config   block[api.ConfigOffer]  `json:"config"`
		Client   block[api.ClientOffer]  `json:"client"`
		Month    block[api.TokenUsage]   `json:"month"`
	}
	block[T any] struct {
		ETag string `json:"etag"`
		Data *T     `json:"data,omitempty"`
	}
	live struct {
		Live string `json:"live"`
	}
	ready struct {
		Ready          string   `json:"ready"`
		Version        string   `json:"version,omitempty"`
		Database       string   `json:"database,omitempty"`
		ClientsMissing []string `json:"clients_missing,omitempty"`
	}
)
