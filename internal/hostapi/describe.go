package hostapi

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/openapi"
)

// Describe says what the routes of New are, in the words of docs/api.md. url is where hosts reach them.
func Describe(url string) []openapi.Group {
	return []openapi.Group{
		{
			Name: "Calls for hosts", URL: url, Who: "a host", Security: []openapi.Scheme{openapi.HostKey, openapi.HostBearer},
			Codes:      slices.Concat(always, checked, []string{"api_key_missing", "api_key_invalid", "host_disabled", "ip_mismatch"}),
			Operations: forHosts,
		},
		{Name: "Machines that become hosts", URL: url, Who: "anybody", Codes: slices.Concat(always, checked), Operations: forMachines},
		{Name: "Health", URL: url, Who: "anybody, whatever is switched off", Codes: always, Operations: forProbes},
	}
}

// Refusals of the checks before a call.
var (
	always  = []string{"database_unavailable", "internal", "starting", "too_early"}
	checked = []string{"api_disabled", "body_too_large", "invalid_json", "rate_limited", "too_many_failures"}
)

var forHosts = []openapi.Operation{
	{
		Method: http.MethodPost, Path: api.PathAuth, Summary: "Asks what to do with the host's auth.json and gets the canonical one, or stores a newer one",
		Request: api.AuthRequest{}, Response: api.AuthResponse{}, Headers: forPlatform,
		Codes: []string{
			"installation_mismatch", "insecure_api_disabled", "validation_failed", "credential_unreadable", "account_mismatch", "placeholder_token", "store_contended",
		},
	},
	{
		Method: http.MethodDelete, Path: api.PathAuth, Summary: "Removes the host itself", Response: api.Deleted{},
		Query: []openapi.Parameter{{Name: "force", Summary: "empty, 1, true, yes or on: from any address"}},
	},
	{
		Method: http.MethodPost, Path: api.PathSync, Summary: "All that cdx asks and tells at a start, in one call",
		Request: api.SyncRequest{}, Response: syncResponse{}, Headers: forPlatform,
		Codes: []string{"installation_mismatch", "insecure_api_disabled", "validation_failed", "credential_unreadable"},
	},
	{
		Method: http.MethodPost, Path: api.PathUsage, Summary: "Reports tokens that the host used",
		Request: openapi.AnyOf{usageReport{}, usageEntry{}}, Response: openapi.AnyOf{api.UsageSingle{}, api.UsageResponse{}, api.UsageRefused{}},
		Headers: []openapi.Parameter{{Name: api.HeaderIdempotencyKey, Summary: "the same report under the same key counts once"}},
	},
	{
		Method: http.MethodPost, Path: api.PathHostUsers, Summary: "Reports who runs cdx on the host, and answers who did so far",
		Request: usersRequest{}, Response: api.HostUsers{}, Codes: []string{"validation_failed"},
	},
	{Method: http.MethodGet, Path: api.PathSlash, Summary: "The fleet's slash commands, without texts", Response: api.SlashList{}},
	{
		Method: http.MethodPost, Path: api.PathSlashGet, Summary: "The text of a slash command, unless the host has it",
		Request: api.SlashRequest{}, Response: openapi.AnyOf{api.SlashRetrieved{}, api.SlashGone{}}, Codes: []string{"validation_failed"},
	},
	{
		Method: http.MethodPost, Path: api.PathSlashStore, Summary: "Proposes a text, or stores it, as the policy says",
		Request: api.SlashRequest{}, Response: api.SlashStored{},
		Codes: []string{"validation_failed", "insecure_api_disabled", "prompt_push_off", "base_mismatch", "store_contended"},
	},
	{
		Method: http.MethodGet, Path: api.PathWrapper, Summary: "What the host's client is to be replaced by", Response: api.Wrapper{}, Headers: forPlatform,
		Codes: []string{"wrapper_not_available", "client_not_found"},
	},
	{
		Method: http.MethodGet, Path: api.PathWrapperFile, Summary: "That client", Produces: []string{shellScript, anyBytes}, Headers: forPlatform,
		Codes: []string{"wrapper_not_available", "client_not_found"},
	},
}

var forMachines = []openapi.Operation{
	{
		Method: http.MethodGet, Path: api.PathInstall + "{token}", Summary: "The installer, or a script that says why there is none", Who: "whoever has the install token",
		Produces: []string{shellScript}, Codes: []string{"route_not_found"},
	},
	{
		Method: http.MethodPost, Path: api.PathInstall + "{token}", Summary: "Turns the machine into the host", Who: "whoever has the install token, once",
		Request: api.EnrolRequest{}, Response: api.EnrolResponse{},
		Codes: []string{"route_not_found", "install_token_unknown", "install_token_used", "install_token_expired", "validation_failed"},
	},
	{
		Method: http.MethodGet, Path: api.PathSeed + "{token}", Summary: "The script that uploads a login, or one that says why there is none", Who: "whoever has the seed token",
		Produces: []string{shellScript}, Codes: []string{"route_not_found"},
	},
	{
		Method: http.MethodPost, Path: api.PathSeed + "{token}", Summary: "Makes an auth.json, or {\"auth\": auth.json}, the fleet's login", Who: "whoever has the seed token, once",
		Request: json.RawMessage{}, Response: api.SeedResponse{},
		Codes: []string{
			"route_not_found", "seed_token_unknown", "seed_token_used", "seed_token_expired", "seed_token_worn_out", "validation_failed", "placeholder_token", "store_contended",
		},
	},
	{
		Method: http.MethodGet, Path: api.PathClient + "{name}", Summary: "A build of cdx, cdx-<os>-<arch>; with .sha256 its digest, with .minisig its signature",
		Produces: []string{anyBytes, "text/plain"}, Codes: []string{"client_not_found", "signature_not_found"},
	},
	{Method: http.MethodGet, Path: api.PathVersions, Summary: "What the fleet should run", Response: api.Versions{}},
}

var forProbes = []openapi.Operation{
	{Method: http.MethodGet, Path: api.PathLive, Summary: "The process runs", Response: live{}},
	{
		Method: http.MethodGet, Path: api.PathReady, Summary: "The database answers", Response: ready{},
		Query: []openapi.Parameter{{Name: "verbose", Summary: "there at all: version, database, missing builds of cdx"}},
	},
}

const (
	shellScript = "text/x-shellscript"
	anyBytes    = "application/octet-stream"
)

var forPlatform = []openapi.Parameter{{Name: api.HeaderPlatform, Summary: "<os>-<arch>: what is said about the client is about this one"}}
