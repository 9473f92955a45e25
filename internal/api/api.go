// Package api is what travels between hosts, admins and the gateway: paths, codes, messages. It uses the standard
// library only, since the client cdx is built from it and from internal/cdx alone.
//
// The names are those of contract/host-api.md and contract/admin-api.md; a field that a later release fills is
// documented as such and is null or constant until then.
package api

import (
	"encoding/json"
	"time"
)

// Paths that hosts and admins call.
const (
	PathAuth         = "/auth"
	PathSync         = "/sync"
	PathHostUsers    = "/host/users"
	PathUsage        = "/usage"
	PathSlash        = "/slash-commands"
	PathSlashGet     = "/slash-commands/retrieve"
	PathSlashStore   = "/slash-commands/store"
	PathWrapper      = "/wrapper"
	PathWrapperFile  = "/wrapper/download"
	PathSeed         = "/seed/auth/"   // + seed token
	PathInstall      = "/install/"     // + install token
	PathClient       = "/install/bin/" // + cdx-<os>-<arch>
	PathVersions     = "/versions"
	PathLive         = "/livez"
	PathReady        = "/readyz"
	PathHostRegister = "/admin/hosts/register"
	PathSeedCommand  = "/admin/auth/seed-command"
	PathWhoAmI       = "/admin/whoami"
	PathLogin        = "/dashboard/login"  // who is logged in
	PathLoginLink    = "/dashboard/login/" // + login link's secret
	PathOpenAPI      = "/admin/openapi.json"
	PathAPIPage      = "/dashboard/api"
)

// Headers of ours.
const (
	HeaderAPIKey          = "X-Api-Key"          // a host's API key; Authorization: Bearer is as good
	HeaderRequestID       = "X-Request-Id"       // on every answer; quoted in the log
	HeaderSHA256          = "X-Sha256"           // of the body, lower-case hex
	HeaderPlatform        = "X-Wrapper-Platform" // <os>-<arch>: asks for the binary of that platform
	HeaderIdempotencyKey  = "Idempotency-Key"    // the same report again does not count again
	HeaderInstallerStatus = "X-Installer-Status" // ready, used, expired, unknown, limited
	HeaderInstallerExpiry = "X-Installer-Expires-At"
	HeaderSeedStatus      = "X-Seed-Status" // likewise, and worn_out
	HeaderSeedExpiry      = "X-Seed-Expires-At"
)

// Limits of the wire.
const (
	MaxBodyBytes = 256 << 10 // a request body
	MaxJSONDepth = 512
)

// TimeFormat is how every time that the gateway makes is written: UTC, seconds, numeric offset (contract/host-api.md 1.12).
const TimeFormat = "2006-01-02T15:04:05-07:00"

// Time is a moment in TimeFormat. The zero value is written as null.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(TimeFormat) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler; it reads any RFC 3339 time and null.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		t.Time = time.Time{}
		return nil
	}
	return json.Unmarshal(b, &t.Time)
}

// Envelope is every answer's outer object: status "ok" with data, or status "error" with an Error's members.
type Envelope struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

// Error is the answer to a refused call. Clients act on Code, never on the HTTP status alone; Message keeps the
// literal texts that old clients match on (contract/host-api.md 1.4).
type Error struct {
	Status  string              `json:"status"` // always "error"
	Message string              `json:"message"`
	Code    string              `json:"code"`
	Details map[string]any      `json:"details,omitempty"`
	Data    map[string]any      `json:"data,omitempty"`   // 429: the details once more, where old clients look
	Errors  map[string][]string `json:"errors,omitempty"` // field → texts
}
