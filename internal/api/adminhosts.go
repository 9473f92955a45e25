package api

import "encoding/json"

// AdminHosts is the data of an answer to GET /admin/hosts.
type AdminHosts struct {
	Hosts      []AdminHost `json:"hosts"`       // by name
	Total      int         `json:"total"`       // hosts there are
	NextCursor *string     `json:"next_cursor"` // of the part after this one; null: this is the last
}

// AdminHost is a host as admins see it. Of the users it has those that were seen last.
type AdminHost struct {
	ID int64 `json:"id"`
	Host
	CreatedAt       Time              `json:"created_at"`
	LastSeenAt      Time              `json:"last_seen_at"`
	IP              *string           `json:"ip"`         // that it is bound to
	AllowFrom       []string          `json:"allow_from"` // networks; empty: its binding decides
	MayStore        bool              `json:"may_store"`
	KeyPrefix       string            `json:"key_prefix"`
	CurlInsecure    bool              `json:"curl_insecure"`    // always false: nothing of ours skips the check of a certificate
	CanonicalDigest *string           `json:"canonical_digest"` // of the login that it is known to have
	RecentDigests   []string          `json:"recent_digests"`   // at most three, the newest first
	Authed          bool              `json:"authed"`
	AuthOutdated    bool              `json:"auth_outdated"`
	TokenUsage      *AdminHostUsage   `json:"token_usage"` // the last that it reported
	Users           []HostUser        `json:"users"`
	Labels          map[string]string `json:"labels"`
	Note            string            `json:"note"` // "": none
	ETag            string            `json:"etag"` // for If-Match: of what admins decide about it, but for labels and note
}

// AdminHostUsage is what a host reported in one entry. A number that it did not report is null.
type AdminHostUsage struct {
	IngestID int64 `json:"ingest_id"`
	TokenCounts
	Model     *string `json:"model"`
	Line      *string `json:"line"`
	CreatedAt Time    `json:"created_at"`
}

// TokenCounts are numbers of tokens. Null: nobody said.
type TokenCounts struct {
	Total     *int64   `json:"total"`
	Input     *int64   `json:"input"`
	Output    *int64   `json:"output"`
	Cached    *int64   `json:"cached"`
	Reasoning *int64   `json:"reasoning"`
	Cost      *float64 `json:"cost"` // null: no price was known
}

// AdminInsecureHosts is the data of an answer to GET /admin/hosts/insecure: those whose window is open first.
type AdminInsecureHosts struct {
	Count      int                 `json:"count"`
	Active     int                 `json:"active"`
	Hosts      []AdminInsecureHost `json:"hosts"`
	NextCursor *string             `json:"next_cursor"`
}

// AdminInsecureHost is a host that may call only inside its window.
type AdminInsecureHost struct {
	ID                   int64  `json:"id"`
	FQDN                 string `json:"fqdn"`
	Active               bool   `json:"active"` // the window is open
	InsecureEnabledUntil Time   `json:"insecure_enabled_until"`
	Secure               bool   `json:"secure"` // false
}

// AdminHostAuth is the data of an answer to GET /admin/hosts/{id}/auth.
type AdminHostAuth struct {
	Host                 AdminAuthHost   `json:"host"`
	CanonicalLastRefresh *string         `json:"canonical_last_refresh"` // of the login that the host is to have
	CanonicalDigest      *string         `json:"canonical_digest"`
	RecentDigests        []string        `json:"recent_digests"`
	Auth                 json.RawMessage `json:"auth"` // null unless it was asked for by somebody who may see it
	APICalls             int64           `json:"api_calls"`
}

// AdminAuthHost is the host of AdminHostAuth.
type AdminAuthHost struct {
	ID              int64   `json:"id"`
	FQDN            string  `json:"fqdn"`
	Status          string  `json:"status"`
	LastRefresh     *string `json:"last_refresh"`
	UpdatedAt       Time    `json:"updated_at"`
	ClientVersion   *string `json:"client_version"`
	WrapperVersion  *string `json:"wrapper_version"`
	IP              *string `json:"ip"`
	AllowRoamingIPs bool    `json:"allow_roaming_ips"`
	Secure          bool    `json:"secure"`
}

// AdminHostChanged is the data of an answer to a call that changed something about one host: what it is now.
type AdminHostChanged struct {
	Host any `json:"host"`
}

// What AdminHostChanged says, by call.
type (
	// HostCleared is about POST /admin/hosts/{id}/clear.
	HostCleared struct {
		ID     int64  `json:"id"`
		FQDN   string `json:"fqdn"`
		Status string `json:"status"`
	}
	// HostRoaming is about POST /admin/hosts/{id}/roaming.
	HostRoaming struct {
		ID              int64  `json:"id"`
		FQDN            string `json:"fqdn"`
		AllowRoamingIPs bool   `json:"allow_roaming_ips"`
	}
	// HostSecure is about POST /admin/hosts/{id}/secure.
	HostSecure struct {
		ID     int64  `json:"id"`
		FQDN   string `json:"fqdn"`
		Secure bool   `json:"secure"`
	}
	// HostWindow is about POST /admin/hosts/{id}/insecure/enable and …/disable.
	HostWindow struct {
		ID                    int64 `json:"id"`
		InsecureEnabledUntil  Time  `json:"insecure_enabled_until"`
		InsecureGraceUntil    Time  `json:"insecure_grace_until"`
		InsecureWindowMinutes *int  `json:"insecure_window_minutes"`
	}
	// HostVIP is about POST /admin/hosts/{id}/vip.
	HostVIP struct {
		ID   int64  `json:"id"`
		FQDN string `json:"fqdn"`
		VIP  bool   `json:"vip"`
	}
	// HostIPv4 is about POST /admin/hosts/{id}/ipv4.
	HostIPv4 struct {
		ID        int64   `json:"id"`
		ForceIPv4 bool    `json:"force_ipv4"`
		IP        *string `json:"ip"` // null: its binding has ended
	}
	// HostCurlInsecure is about POST /admin/hosts/{id}/curl-insecure.
	HostCurlInsecure struct {
		ID           int64 `json:"id"`
		CurlInsecure bool  `json:"curl_insecure"` // false
	}
	// HostModel is about POST /admin/hosts/{id}/model.
	HostModel struct {
		ID                      int64   `json:"id"`
		ModelOverride           *string `json:"model_override"`
		ReasoningEffortOverride *string `json:"reasoning_effort_override"`
	}
	// HostVersion is about POST /admin/hosts/{id}/codex-version.
	HostVersion struct {
		ID                    int64   `json:"id"`
		ClientVersionOverride *string `json:"client_version_override"`
	}
)
