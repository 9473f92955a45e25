package api

// UsageResponse is the data of an answer to POST /usage. It is 200 whether the report was recorded or not, since old
// clients try again at anything else.
type UsageResponse struct {
	HostID     int64         `json:"host_id"`
	Recorded   int           `json:"recorded"`             // entries, those of an earlier attempt included
	Duplicates int           `json:"duplicates,omitempty"` // entries that an earlier report had recorded already
	IngestID   int64         `json:"ingest_id"`            // 0: everything was a duplicate
	Cost       *float64      `json:"cost"`                 // null: no price is known
	Usages     []UsageRecord `json:"usages"`
}

// UsageSingle is UsageResponse for a report of one entry, whose record stands beside it as well.
type UsageSingle struct {
	UsageResponse
	UsageFacts
}

// UsageRecord is one recorded entry.
type UsageRecord struct {
	UsageFacts
	Cost *float64 `json:"cost"`
}

// UsageFacts are what a host reported in one entry. A number that it did not report is null.
type UsageFacts struct {
	RecordedAt Time    `json:"recorded_at"`
	Line       *string `json:"line"`
	Total      *int64  `json:"total"`
	Input      *int64  `json:"input"`
	Output     *int64  `json:"output"`
	Cached     *int64  `json:"cached"`
	Reasoning  *int64  `json:"reasoning"`
	Model      *string `json:"model"`
}

// UsageRefused is the data of an answer to POST /usage when nothing was recorded, which is a success on the wire.
type UsageRefused struct {
	Recorded bool                `json:"recorded"` // false
	Reason   string              `json:"reason"`
	Errors   map[string][]string `json:"errors"` // field → texts
}

// HostUsers is the data of an answer to POST /host/users.
type HostUsers struct {
	Users []HostUser `json:"users"`
}

// HostUser is a system user that cdx ran as.
type HostUser struct {
	Username  string  `json:"username"`
	Hostname  *string `json:"hostname"`
	FirstSeen Time    `json:"first_seen"`
	LastSeen  Time    `json:"last_seen"`
}
