package api

// States of an install or seed token, as X-Installer-Status and X-Seed-Status.
const (
	InstallReady   = "ready"
	InstallUsed    = "used"
	InstallExpired = "expired"
	InstallUnknown = "unknown"
	InstallLimited = "limited"  // nobody looked: the caller's address has failed too often
	SeedWornOut    = "worn_out" // too many uploads under it were no good
)

// EnrolRequest claims an install token: POST /install/{token}.
type EnrolRequest struct {
	Platform       string `json:"platform,omitempty"`        // <os>-<arch> in Go's words: linux-amd64
	WrapperVersion string `json:"wrapper_version,omitempty"` // of cdx
}

// EnrolResponse is a host's whole configuration. It is answered once: the token is spent and nothing reversible is kept.
type EnrolResponse struct {
	BaseURL        string `json:"base_url"` // without a trailing slash
	APIKey         string `json:"api_key"`
	FQDN           string `json:"fqdn"`
	InstallationID string `json:"installation_id"`
	Secure         bool   `json:"secure"`

	SigningKey SigningKey `json:"signing_key"` // to be pinned
	Config     Signed     `json:"config"`      // HostConfig: the same, and more, signed with that key
}

// RegisterRequest asks for a new host: POST /admin/hosts/register. An absent member leaves the stored value alone,
// except that vip defaults to false and secure to true.
type RegisterRequest struct {
	FQDN      string   `json:"fqdn"`
	Secure    FlexBool `json:"secure"`
	VIP       FlexBool `json:"vip"`
	Temporary FlexBool `json:"temporary"` // null clears it
}

// RegisterResponse is what a registration answers: the only time the API key is shown.
type RegisterResponse struct {
	Host      RegisteredHost `json:"host"`
	Installer Installer      `json:"installer"`
}

// RegisteredHost is a host with its id and, this once, its API key.
type RegisteredHost struct {
	Host
	APIKey string `json:"api_key"`
	ID     int64  `json:"id"`
}

// Installer is a pending install token and the command that uses it.
type Installer struct {
	Token     string `json:"token"`
	URL       string `json:"url"`
	Command   string `json:"command"`
	CA        string `json:"ca,omitempty"` // PEM of the private authority that signed the gateway's certificate
	ExpiresAt Time   `json:"expires_at"`
}

// Wrapper is the data of an answer to GET /wrapper: what the calling host's client is to be replaced by.
type Wrapper struct {
	Version   string `json:"version"`
	SHA256    string `json:"sha256"` // lower-case hex, of what URL serves to this host
	SizeBytes int64  `json:"size_bytes"`
	UpdatedAt Time   `json:"updated_at"`
	URL       string `json:"url"` // relative to the gateway's base URL
}

// SeedCommand is the data of an answer to POST /admin/auth/seed-command: the only time the token is shown.
type SeedCommand struct {
	Token     string `json:"token"`
	URL       string `json:"url"`
	Command   string `json:"command"`
	CA        string `json:"ca,omitempty"` // PEM of the private authority that signed the gateway's certificate
	ExpiresAt Time   `json:"expires_at"`
}

// SeedResponse is the data of an answer to POST /seed/auth/{token}. It holds nothing that the uploader did not have.
type SeedResponse struct {
	Status               string `json:"status"` // updated, or unchanged when it was the fleet's login already
	Generation           int64  `json:"generation"`
	CanonicalLastRefresh string `json:"canonical_last_refresh"`
	CanonicalDigest      string `json:"canonical_digest"`
}
