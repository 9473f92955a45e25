package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/openapi"
)

// Describe says what the routes of New are, in the words of docs/api.md, and what each needs.
func (s *Surface) Describe() []openapi.Group {
	all := slices.Concat(aboutAdmins, aboutHosts, aboutFleet, aboutCredentials, reading, aboutLibrary, aboutAccess)
	for i := range all {
		// Who was identified may see the description, whose routes are not there yet when it is made.
		if needs := s.needs[all[i].Route()]; needs != "" && needs != access.Self {
			all[i].Who = "an admin with " + string(needs)
		}
	}
	return []openapi.Group{
		{
			Name: "Calls for admins", Who: "an admin", Security: []openapi.Scheme{openapi.AdminCertificate, openapi.AdminBearer, openapi.AdminSession},
			Codes: slices.Concat(always, []string{
				"admin_certificate_refused", "admin_certificate_required", "admin_certificate_revoked", "admin_login_required", "admin_session_invalid",
				"admin_session_over", "admin_tls_required", "admin_token_invalid", "cross_origin", "forbidden_role", "json_required", "too_many_failures",
			}),
			Operations: all,
		},
	}
}

// handleDescription adds the routes of the whole API's description, which is made once, of the routes that are there.
func (s *Surface) handleDescription() {
	described := openapi.Describe(s.cfg.Version, slices.Concat(s.cfg.Hosts, s.Describe())...)
	s.handleFile(api.PathOpenAPI, described.JSON, http.Header{"Content-Type": {"application/json"}})
	s.handleFile(api.PathAPIPage, described.Page, http.Header{
		"Content-Type": {"text/html; charset=utf-8"}, "Content-Security-Policy": {described.PagePolicy},
	})
}

// handleFile adds a route that answers the same to everybody who was identified. It may be kept if it is asked for again.
func (s *Surface) handleFile(path string, content []byte, header http.Header) {
	sum := sha256.Sum256(content)
	header["Etag"] = []string{`"` + hex.EncodeToString(sum[:16]) + `"`}
	header["Cache-Control"] = []string{"no-cache"}
	s.add(call.Ordinary, http.MethodGet, path, access.Self, func(w http.ResponseWriter, r *call.Request, _ door.Visitor) (any, error) {
		maps.Copy(w.Header(), header)
		http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(content))
		return nil, nil
	})
}

// Refusals of the checks before a call.
var always = []string{"body_too_large", "database_unavailable", "internal", "invalid_json", "starting", "too_early"}

// Refusals that many calls have.
var (
	invalid     = []string{"validation_failed"}
	noHost      = []string{"route_not_found", "host_not_found"}
	badHost     = []string{"route_not_found", "host_not_found", "validation_failed"}
	badDecision = []string{"validation_failed", "etag_mismatch"}
	badFilename = []string{"command_not_found", "validation_failed"}
	badProposal = []string{"route_not_found", "proposal_not_found", "validation_failed"}
	// A host is what the caller had read.
	staleHost   = []string{"route_not_found", "host_not_found", "validation_failed", "etag_mismatch"}
	staleNoBody = []string{"route_not_found", "host_not_found", "etag_mismatch"}
)

// Parameters that many calls have.
var (
	ifMatch   = []openapi.Parameter{{Name: "If-Match", Summary: "only if it still has this ETag"}}
	cursor    = openapi.Parameter{Name: "cursor", Summary: "next_cursor of the part before"}
	limit500  = openapi.Parameter{Name: "limit", Summary: "1 to 500; 500 if absent"}
	limit50   = openapi.Parameter{Name: "limit", Summary: "1 to 500; 50 if absent"}
	byHost    = openapi.Parameter{Name: "host_id", Summary: "of this host only"}
	direction = openapi.Parameter{Name: "direction", Summary: "asc or desc"}
	from      = openapi.Parameter{Name: "from", Summary: "a time, or a day: not before it"}
	until     = openapi.Parameter{Name: "until", Summary: "a time, or a day: before it"}
)

var aboutAdmins = []openapi.Operation{
	{Method: http.MethodGet, Path: api.PathWhoAmI, Summary: "How the gateway sees the caller", Response: api.WhoAmI{}},
	{Method: http.MethodGet, Path: api.PathOpenAPI, Summary: "The API in OpenAPI 3.1", Produces: []string{"application/json"}},
	{Method: http.MethodGet, Path: api.PathAPIPage, Summary: "The API on a page", Produces: []string{"text/html"}},
}

var aboutHosts = []openapi.Operation{
	{
		Method: http.MethodPost, Path: api.PathHostRegister, Summary: "Registers a host, or gives an existing one a new key",
		Request: api.RegisterRequest{}, Response: api.RegisterResponse{}, Codes: invalid,
	},
	{Method: http.MethodDelete, Path: "/admin/hosts/{id}", Summary: "Removes a host", Response: deletedHost{}, Codes: noHost},
	{
		Method: http.MethodGet, Path: "/admin/hosts", Summary: "The hosts, by name unless sort says otherwise", Response: api.AdminHosts{}, Codes: invalid,
		Query: []openapi.Parameter{
			limit500, cursor,
			{Name: "search", Summary: "a text in the name, the note or the address"},
			{Name: "sort", Summary: "name, seen, created, calls or window"},
			{Name: "desc", Summary: "yes: the other way round"},
			{Name: "state", Summary: "active, disabled or expired"},
			{Name: "secure", Summary: "yes or no"},
			{Name: "roaming", Summary: "yes or no"},
			{Name: "vip", Summary: "yes or no"},
			{Name: "outdated", Summary: "yes or no: it last called with another Codex or cdx than it should have"},
			{Name: "window_open", Summary: "yes or no: an insecure host that may call now"},
			{Name: "never_seen", Summary: "yes or no"},
			{Name: "label", Summary: "key=value"},
		},
	},
	{
		Method: http.MethodGet, Path: "/admin/hosts/insecure", Summary: "The hosts that may call only inside a window, the open ones first",
		Query: []openapi.Parameter{
			limit500, cursor,
			{Name: "search", Summary: "a text in the name, the note or the address"},
			{Name: "sort", Summary: "window, name, seen, created or calls"},
			{Name: "desc", Summary: "yes: the other way round"},
			{Name: "active", Summary: "yes or no: it may call now"},
		},
		Response: api.AdminInsecureHosts{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/hosts/{id}/auth", Summary: "Which login a host has and is to have; to see that itself wants credential.reveal",
		Query:    []openapi.Parameter{{Name: "include_body", Summary: "yes: the login itself, which is recorded"}},
		Response: api.AdminHostAuth{}, Codes: []string{"route_not_found", "host_not_found", "validation_failed", "credential_unreadable"},
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/clear", Summary: "Forgets which logins a host has",
		Response: changed[api.HostCleared]{}, Codes: noHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/roaming", Summary: "Decides whether a host may change its address", Headers: ifMatch,
		Request: allowRequest{}, Response: changed[api.HostRoaming]{}, Codes: staleHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/secure", Summary: "Decides whether a host may keep a login on disk", Headers: ifMatch,
		Request: secureRequest{}, Response: changed[api.HostSecure]{}, Codes: staleHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/insecure/enable", Summary: "Lets an insecure host call for some minutes more",
		Request: windowRequest{}, Response: changed[api.HostWindow]{}, Codes: badHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/insecure/disable", Summary: "Closes the window of an insecure host",
		Response: changed[api.HostWindow]{}, Codes: noHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/vip", Summary: "Decides whether quota never holds a host back", Headers: ifMatch,
		Request: vipRequest{}, Response: changed[api.HostVIP]{}, Codes: staleHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/ipv4", Summary: "Decides whether a host uses IPv4 only, and ends its binding", Headers: ifMatch,
		Request: forceRequest{}, Response: changed[api.HostIPv4]{}, Codes: staleHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/curl-insecure", Summary: "Does nothing: no client of ours skips the check of a certificate",
		Request: allowRequest{}, Response: changed[api.HostCurlInsecure]{}, Codes: badHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/model", Summary: "Sets what Codex runs with on a host where its user names nothing", Headers: ifMatch,
		Request: modelRequest{}, Response: changed[api.HostModel]{}, Codes: staleHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/codex-version", Summary: "Sets the Codex version that a host is to run; null: the fleet's", Headers: ifMatch,
		Request: hostVersionRequest{}, Response: changed[api.HostVersion]{}, Codes: staleHost,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/suspend", Summary: "Suspends a host", Headers: ifMatch,
		Response: changed[api.HostStatus]{}, Codes: staleNoBody,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/resume", Summary: "Lets a suspended host call again", Headers: ifMatch,
		Response: changed[api.HostStatus]{}, Codes: staleNoBody,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/unbind", Summary: "Ends a host's binding to an address", Headers: ifMatch,
		Response: changed[api.HostBinding]{}, Codes: staleNoBody,
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/rotate", Summary: "Gives a host another API key; at once wants host.enrol as well",
		Request: rotateRequest{}, Response: api.AdminHostRotated{}, Codes: append([]string{"key_pending", "host_roams"}, badHost...),
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/rename", Summary: "Gives a host another name", Headers: ifMatch,
		Request: renameRequest{}, Response: changed[api.HostName]{}, Codes: append([]string{"host_exists"}, staleHost...),
	},
	{Method: http.MethodGet, Path: "/admin/hosts/{id}/labels", Summary: "A host's labels and note", Response: changed[api.HostLabels]{}, Codes: noHost},
	{
		Method: http.MethodPost, Path: "/admin/hosts/{id}/labels", Summary: "Sets and removes labels, and the note", Headers: ifMatch,
		Request: labelsRequest{}, Response: changed[api.HostLabels]{}, Codes: append([]string{"etag_mismatch"}, badHost...),
	},
	{
		Method: http.MethodPost, Path: "/admin/hosts/batch", Summary: "Does one thing to up to 500 hosts, each by itself",
		Request: batchRequest{}, Response: api.AdminBatch{}, Codes: invalid,
	},
}

var aboutFleet = []openapi.Operation{
	{Method: http.MethodPost, Path: api.PathSeedCommand, Summary: "A command that uploads the login of the machine it is run on", Response: api.SeedCommand{}},
	{
		Method: http.MethodPost, Path: "/admin/auth/upload", Summary: "Makes a file the login of the fleet, or of a host's account",
		Request: uploadBody{}, Response: api.AdminUpload{}, Codes: []string{"host_not_found", "validation_failed", "placeholder_token", "store_contended"},
		Form: []openapi.Parameter{
			{Name: "file", Summary: "the auth.json"}, {Name: "auth", Summary: "likewise, if there is no file"}, {Name: "host_id", Summary: "absent: the fleet's"},
		},
	},
	{Method: http.MethodGet, Path: "/admin/api/state", Summary: "The kill switch", Response: api.KillSwitch{}, Codes: invalid},
	{
		Method: http.MethodPost, Path: "/admin/api/state", Summary: "Decides whether calls of hosts are refused", Headers: ifMatch,
		Request: api.KillSwitch{}, Response: api.KillSwitch{}, Codes: badDecision,
	},
	{Method: http.MethodGet, Path: "/admin/quota-mode", Summary: "What an exhausted quota means", Response: api.QuotaMode{}, Codes: invalid},
	{
		Method: http.MethodPost, Path: "/admin/quota-mode", Summary: "Decides what an exhausted quota means", Headers: ifMatch,
		Request: quotaRequest{}, Response: api.QuotaMode{}, Codes: badDecision,
	},
	{
		Method: http.MethodGet, Path: "/admin/cdx-silent", Summary: "Whether cdx shows nothing unless something is wrong",
		Response: api.CdxSilent{}, Codes: invalid,
	},
	{
		Method: http.MethodPost, Path: "/admin/cdx-silent", Summary: "Decides whether cdx shows nothing unless something is wrong", Headers: ifMatch,
		Request: api.CdxSilent{}, Response: api.CdxSilent{}, Codes: badDecision,
	},
	{
		Method: http.MethodPost, Path: "/admin/codex-version", Summary: "Decides the Codex version that the fleet is to run; latest: the newest", Headers: ifMatch,
		Request: versionRequest{}, Response: api.LockedVersion{}, Codes: badDecision,
	},
	{
		Method: http.MethodPost, Path: "/admin/chatgpt/usage/refresh", Summary: "Has ChatGPT asked now what is left of the fleet's quota", Response: api.AdminQuota{},
		Codes: []string{"quota_off", "validation_failed"},
	},
	{
		Method: http.MethodPost, Path: "/admin/versions/check", Summary: "Looks for the newest Codex, in some seconds; that it is not found is said in the answer",
		Response: api.AdminVersionsCheck{},
	},
	{
		Method: http.MethodPost, Path: "/admin/prune-policy", Summary: "Decides after how many days of silence hosts are pruned; 0: never", Headers: ifMatch,
		Request: pruneRequest{}, Response: api.PrunePolicy{}, Codes: badDecision,
	},
	{
		Method: http.MethodGet, Path: "/admin/runner", Summary: "What was verified of the login, and what there is to verify",
		Response: api.AdminRunner{}, Codes: invalid,
	},
	{
		Method: http.MethodPost, Path: "/admin/runner/run", Summary: "Has the login verified by the runner, which an installation need not have",
		Response: runnerRun{}, Codes: []string{"runner_not_configured"},
	},
}

var decidedProposal = []string{"route_not_found", "proposal_not_found", "proposal_decided"}

var aboutCredentials = []openapi.Operation{
	{
		Method: http.MethodGet, Path: "/admin/auth/generations", Summary: "The logins that the fleet has and had, the newest first, without secrets",
		Query: []openapi.Parameter{
			limit50, cursor, direction, {Name: "source", Summary: "host, admin, operator or seed: who brought them"},
			{Name: "host_id", Summary: "that this host brought"}, {Name: "lineage", Summary: "that came out of one login"},
			{Name: "q", Summary: "a text in the digest, the ChatGPT account or the host's name"},
		},
		Response: api.AdminGenerations{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/auth/generations/{number}", Summary: "One of them: who was given it, and what going back to it would come to",
		Query: []openapi.Parameter{limit500, cursor}, Response: api.AdminGenerationShown{}, Codes: []string{"route_not_found", "generation_not_found", "validation_failed"},
	},
	{
		Method: http.MethodPost, Path: "/admin/auth/rollback", Summary: "Delivers an earlier access token again, with the newest refresh token of its login",
		Request: api.AdminRollbackRequest{}, Response: api.AdminLoginChanged{}, Codes: []string{
			"validation_failed", "no_credential", "generation_not_found", "generation_current", "login_moved_on", "confirmation_required",
			"credential_unreadable", "store_contended",
		},
	},
	{
		Method: http.MethodPost, Path: "/admin/auth/reveal", Summary: "The login itself; who saw it is recorded",
		Response: api.AdminRevealed{}, Codes: []string{"no_credential", "credential_unreadable"},
	},
	{
		Method: http.MethodGet, Path: "/admin/auth/proposals", Summary: "The logins that hosts brought and may not make the fleet's, the newest first, without secrets",
		Query: []openapi.Parameter{
			limit50, cursor, direction, byHost, {Name: "state", Summary: "pending, adopted, discarded or all; pending if absent"},
			{Name: "q", Summary: "a text in the digest, the ChatGPT account or the host's name"},
		},
		Response: api.AdminProposals{}, Codes: invalid,
	},
	{
		Method: http.MethodPost, Path: "/admin/auth/proposals/{id}/adopt", Summary: "Makes a proposal the fleet's login", Request: api.AdminConfirm{},
		Response: api.AdminLoginChanged{}, Codes: append([]string{"proposal_spent", "confirmation_required", "credential_unreadable", "store_contended"}, decidedProposal...),
	},
	{
		Method: http.MethodPost, Path: "/admin/auth/proposals/{id}/discard", Summary: "Closes a proposal; nothing changes",
		Response: api.AdminProposalDecided{}, Codes: decidedProposal,
	},
	{
		Method: http.MethodPost, Path: "/admin/auth/proposals/{id}/reopen", Summary: "Takes back that a proposal was discarded, within 30 days",
		Response: api.AdminProposalDecided{}, Codes: decidedProposal,
	},
}

var reading = []openapi.Operation{
	{Method: http.MethodGet, Path: "/admin/overview", Summary: "What the gateway knows about itself and the fleet", Response: api.AdminOverview{}, Codes: invalid},
	{
		Method: http.MethodGet, Path: "/admin/logs", Summary: "The audit trail, the newest first", Response: api.AdminLogs{}, Codes: invalid,
		Query: []openapi.Parameter{
			limit50, cursor, direction, byHost, from, until,
			{Name: "actor", Summary: "of this actor only"},
			{Name: "actor_kind", Summary: "host, admin, operator, gateway, installer or seed"},
			{Name: "ip", Summary: "from this address or network only"},
			{Name: "action", Summary: "one, or a group: admin.host is everything that begins with admin.host."},
			{Name: "q", Summary: "a text in action, actor or details"},
		},
	},
	{
		Method: http.MethodGet, Path: "/admin/usage", Summary: "What hosts said they used, the newest first",
		Query: []openapi.Parameter{
			limit50, cursor, direction, byHost, from, until,
			{Name: "sort", Summary: "created_at, total, input, output, cached, reasoning, cost or host"},
			{Name: "model", Summary: "with this model only"},
			{Name: "q", Summary: "a text in the line"},
		},
		Response: api.AdminUsages{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/usage/ingests", Summary: "The reports of hosts, by page", Response: api.AdminIngests{}, Codes: invalid,
		Query: []openapi.Parameter{
			{Name: "page", Summary: "from 1"}, {Name: "per_page", Summary: "1 to 200; 50 if absent"}, {Name: "cursor", Summary: "next_cursor of the part before, instead of page"},
			byHost, from, until,
			{Name: "q", Summary: "a text in the host's name or the address; a number is also the id of a report or a host"},
			{Name: "sort", Summary: "created_at, entries, total, input, output, cached, reasoning, cost, host, client_ip or id"},
			direction,
		},
	},
	{
		Method: http.MethodGet, Path: "/admin/usage/cost-history", Summary: "Usage and cost, day by day",
		Query: []openapi.Parameter{{Name: "days", Summary: "1 to 180; 60 if absent"}}, Response: api.CostHistory{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/tokens", Summary: "Usage by the lines that hosts reported, the most first",
		Query: []openapi.Parameter{
			{Name: "limit", Summary: "1 to 200; 50 if absent"}, cursor, direction,
			{Name: "sort", Summary: "total, input, output, cached, reasoning, cost or events"},
			{Name: "q", Summary: "a text in the line"},
		},
		Response: api.AdminTokens{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/chatgpt/usage", Summary: "What ChatGPT last said is left of the fleet's quota",
		Query: []openapi.Parameter{{Name: "force", Summary: "0, and nothing else: to have ChatGPT asked, POST /admin/chatgpt/usage/refresh"}}, Response: api.AdminQuota{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/chatgpt/usage/history", Summary: "What ChatGPT said before, the oldest first",
		Query: []openapi.Parameter{{Name: "days", Summary: "1 to 180; 60 if absent"}}, Response: api.QuotaHistory{}, Codes: invalid,
	},
}

var aboutLibrary = []openapi.Operation{
	{
		Method: http.MethodGet, Path: "/admin/slash-commands", Summary: "The slash commands that hosts have, without texts",
		Query: []openapi.Parameter{
			limit500, cursor, direction,
			{Name: "sort", Summary: "filename or updated_at"},
			{Name: "state", Summary: "active, retired or all; active if absent"},
			{Name: "q", Summary: "a text in the name, the description or the argument hint"},
		},
		Response: api.AdminSlashList{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/slash-commands/{filename}", Summary: "A slash command with its text",
		Response: api.AdminSlash{}, Codes: badFilename,
	},
	{
		Method: http.MethodDelete, Path: "/admin/slash-commands/{filename}", Summary: "Retires a slash command: hosts remove their copies", Headers: ifMatch,
		Response: deletedFile{}, Codes: []string{"command_not_found", "validation_failed", "etag_mismatch", "store_contended"},
	},
	{
		Method: http.MethodPost, Path: "/admin/slash-commands/store", Summary: "Stores a slash command", Headers: ifMatch,
		Request: api.AdminSlashRequest{}, Response: api.AdminSlashStored{}, Codes: []string{"validation_failed", "etag_mismatch", "store_contended"},
	},
	{
		Method: http.MethodGet, Path: "/admin/slash-commands/{filename}/versions", Summary: "What a slash command has been, the newest first",
		Query:    []openapi.Parameter{limit500, cursor, direction, {Name: "version", Summary: "this one only, with its text"}},
		Response: api.AdminSlashVersions{}, Codes: badFilename,
	},
	{
		Method: http.MethodPost, Path: "/admin/slash-commands/{filename}/restore", Summary: "Makes an older version the newest", Headers: ifMatch,
		Request: restoreRequest{}, Response: api.AdminSlashStored{}, Codes: []string{"command_not_found", "validation_failed", "etag_mismatch", "store_contended"},
	},
	{
		Method: http.MethodGet, Path: "/admin/slash-command-proposals", Summary: "What hosts would like a slash command to be",
		Query: []openapi.Parameter{
			limit50, cursor, direction, byHost,
			{Name: "state", Summary: "pending, accepted, discarded or all; pending if absent"},
			{Name: "q", Summary: "a text in the name of the command or the host"},
		},
		Response: api.AdminSlashProposals{}, Codes: invalid,
	},
	{
		Method: http.MethodGet, Path: "/admin/slash-command-proposals/{id}", Summary: "A proposal with its text",
		Response: api.AdminSlashProposal{}, Codes: badProposal,
	},
	{
		Method: http.MethodPost, Path: "/admin/slash-command-proposals/{id}/accept", Summary: "Gives all hosts what was proposed",
		Request: acceptRequest{}, Response: api.AdminSlashDecided{}, Codes: append([]string{"proposal_decided", "proposal_stale", "store_contended"}, badProposal...),
	},
	{
		Method: http.MethodPost, Path: "/admin/slash-command-proposals/{id}/discard", Summary: "Closes a proposal and changes nothing",
		Response: api.AdminSlashDecided{}, Codes: []string{"route_not_found", "proposal_not_found", "proposal_decided"},
	},
}

var aboutAccess = []openapi.Operation{
	{
		Method: http.MethodGet, Path: "/admin/certificates", Summary: "The client certificates of admins, by name",
		Query: []openapi.Parameter{
			limit500, cursor, direction,
			{Name: "sort", Summary: "name, created_at or not_after"},
			{Name: "state", Summary: "good, renewed, trusted, no authority, expired or revoked"},
			{Name: "q", Summary: "a text in the name or the serial"},
		},
		Response: api.AdminCertificates{}, Codes: invalid,
	},
	{
		Method: http.MethodPost, Path: "/admin/certificates/revoke", Summary: "Ends the certificates of a name, or one of them",
		Request: api.AdminCertificateRevocation{}, Response: api.AdminCertificatesRevoked{}, Codes: []string{"validation_failed", "admin_certificate_not_found"},
	},
	{
		Method: http.MethodGet, Path: "/admin/api-tokens", Summary: "The API tokens, by name, without the tokens",
		Query: []openapi.Parameter{
			limit500, cursor, direction,
			{Name: "sort", Summary: "name, created_at, expires_at or last_used_at"},
			{Name: "state", Summary: "good, expired or revoked"},
			{Name: "q", Summary: "a text in the name, the first characters of the token, or who made it"},
		},
		Response: api.AdminTokenList{}, Codes: invalid,
	},
	{
		Method: http.MethodPost, Path: "/admin/api-tokens", Summary: "Makes an API token, which is shown this once",
		Request: api.AdminTokenRequest{}, Response: api.AdminTokenMade{}, Codes: []string{
			"validation_failed", "admin_token_name_invalid", "admin_token_ttl_invalid", "admin_role_invalid", "admin_scope_invalid", "admin_grant_exceeded", "admin_token_exists",
		},
	},
	{
		Method: http.MethodDelete, Path: "/admin/api-tokens/{name}", Summary: "Revokes an API token",
		Response: api.AdminTokenRevoked{}, Codes: []string{"admin_token_not_found"},
	},
	{
		Method: http.MethodGet, Path: "/admin/sessions", Summary: "The sessions of the last month, the newest first",
		Query: []openapi.Parameter{
			limit500, cursor, direction,
			{Name: "state", Summary: "open, over or revoked"},
			{Name: "q", Summary: "a text in who made the link, or the address"},
		},
		Response: api.AdminSessions{}, Codes: invalid,
	},
	{
		Method: http.MethodDelete, Path: "/admin/sessions/{id}", Summary: "Ends a session",
		Response: api.AdminSessionRevoked{}, Codes: []string{"route_not_found", "admin_session_not_found"},
	},
}
