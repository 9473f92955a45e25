package hostapi

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// errInstallation is a host that enrolled with another installation than this one.
var errInstallation = errs.New(errs.Forbidden, "installation_mismatch", "Installation ID mismatch")

// auth serves POST /auth: tells a host what to do with its auth.json, hands out the canonical one, takes newer ones.
func (s *Surface) auth(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	request := readAuthRequest(r.Body, r.URL.Query())
	if request.installationID != "" && request.installationID != s.cfg.InstallationID {
		return nil, errInstallation
	}
	if request.command != api.CommandRetrieve && request.command != api.CommandStore {
		return nil, errs.Field("command", `command must be "retrieve" or "store"`)
	}
	host, err = s.cfg.Fleet.RecordContact(r.Context(), host, r.From, fleet.Contact{
		Command: request.command, ClientVersion: request.clientVersion, WrapperVersion: request.wrapperVersion,
	})
	if err != nil {
		return nil, err
	}
	if request.command == api.CommandStore {
		return s.storeAuth(r, host, request)
	}
	return s.retrieveAuth(r, host, request)
}

func (s *Surface) retrieveAuth(r *call.Request, host *db.Host, request authRequest) (any, error) {
	digest, err := credential.ParseDigest(request.digests...)
	if err != nil {
		return nil, err
	}
	lastRefresh := strings.TrimSpace(request.lastRefresh)
	refreshedAt, err := credential.ParseLastRefresh("last_refresh", lastRefresh, s.cfg.Credentials.Options().Now.Add(credential.RetrieveSlack))
	if err != nil {
		return nil, err
	}
	held := credential.Held{Digest: digest, LastRefresh: lastRefresh, RefreshedAt: refreshedAt}
	outcome, err := s.cfg.Credentials.Retrieve(r.Context(), s.visit(r, host), held)
	if err != nil {
		return nil, err
	}
	return s.answer(r, host, outcome)
}

func (s *Surface) storeAuth(r *call.Request, host *db.Host, request authRequest) (any, error) {
	auth, err := credential.ReadStore(r.Body)
	if err != nil {
		return nil, err
	}
	upload, err := credential.Canonicalise(auth, s.cfg.Credentials.Options())
	if err != nil {
		return nil, err
	}
	// A hint that is no digest is no hint; it never is a reason to refuse.
	hint, err := credential.ParseDigest(request.digests...)
	if err != nil {
		hint = credential.Digest{}
	}
	outcome, err := s.cfg.Credentials.Store(r.Context(), s.visit(r, host), upload, hint)
	if err != nil {
		return nil, err
	}
	answer, err := s.answer(r, host, outcome)
	if err != nil {
		return nil, err
	}
	answer.RunnerApplied = new(false)
	answer.Kept = outcome.Kept && outcome.Verdict == credential.Outdated
	return answer, nil
}

func (s *Surface) visit(r *call.Request, host *db.Host) credential.Visit {
	return credential.Visit{Host: host, From: r.From, Grace: !s.cfg.Fleet.WindowOpen(host)}
}

// answer composes the data of an answer from what the subjects know.
func (s *Surface) answer(r *call.Request, host *db.Host, outcome *credential.Outcome) (*api.AuthResponse, error) {
	month, err := s.cfg.Usage.Month(r.Context(), host.ID)
	if err != nil {
		return nil, err
	}
	known, err := s.cfg.Quota.Read(r.Context(), host.AccountID)
	if err != nil {
		return nil, err
	}
	versions, err := s.hostVersions(r, host)
	if err != nil {
		return nil, err
	}
	wire, decided := fleet.Wire(host), policyOf(r)
	answer := &api.AuthResponse{
		Status: string(outcome.Verdict), Generation: outcome.Current.Number, Action: outcome.Verdict.Action(), Auth: json.RawMessage(outcome.Body),
		Host: &wire, APICalls: host.APICalls, TokenUsageMonth: month,
		Versions:      versions,
		QuotaHardFail: decided.QuotaHardFail && !host.VIP, QuotaLimitPercent: decided.QuotaLimitPercent,
		QuotaWeekPartition: decided.QuotaWeekPartition, CdxSilent: decided.CdxSilent,
		ChatGPTUsage: known.Auth(s.cfg.Credentials.Options().Now),
	}
	if outcome.Current.Number > 0 {
		// Old clients write it into the file they have, which must not pass for what it is not.
		if withheld := outcome.Verdict.CarriesAuth() && outcome.Body == nil; !outcome.Quarantined && !withheld {
			answer.CanonicalLastRefresh = &outcome.Current.LastRefresh
		}
		answer.CanonicalDigest = new(outcome.Current.Digest.String())
	}
	return answer, nil
}

// leave serves DELETE /auth: a host removes itself. With ?force it may do so from an address its key is not bound to.
func (s *Surface) leave(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.identify(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	fqdn, err := s.cfg.Fleet.Leave(r.Context(), host, r.From, fleet.LeaveOptions{Force: forced(r.URL.Query())})
	if err != nil {
		return nil, s.refused(r.Request, host, r.From, err)
	}
	return api.Deleted{Deleted: fqdn}, nil
}

// forced reads ?force: present and empty, or a word for yes. "force=false" does not force.
func forced(query url.Values) bool {
	return query.Has("force") && slices.Contains([]string{"", "1", "true", "yes", "on"}, strings.ToLower(query.Get("force")))
}

func timeOrNull(t *time.Time) api.Time {
	if t == nil {
		return api.Time{}
	}
	return api.Time{Time: *t}
}

func address(from netip.Addr) netip.Addr { return from.Unmap().WithZone("") }

// authRequest is POST /auth as deployed clients send it: members of the wrong type count as absent, some have aliases,
// and versions may stand in the query.
type authRequest struct {
	command        string
	digests        []string // candidates, in order
	lastRefresh    string
	installationID string
	clientVersion  string
	wrapperVersion string
}

func readAuthRequest(body []byte, query url.Values) authRequest {
	members := map[string]json.RawMessage{}
	// A body that is no object counts as an empty one; its syntax was checked before.
	_ = json.Unmarshal(body, &members)
	text := func(name string) string {
		var value string
		_ = json.Unmarshal(members[name], &value) // of another type: absent
		return strings.TrimSpace(value)
	}
	request := authRequest{
		command:        strings.ToLower(text("command")),
		digests:        []string{text("digest"), text("auth_digest"), text("auth_sha")},
		lastRefresh:    text("last_refresh"),
		installationID: text("installation_id"),
		clientVersion:  first(text("client_version"), query.Get("client_version"), query.Get("cdx_version")),
		wrapperVersion: first(text("wrapper_version"), query.Get("wrapper_version")),
	}
	if request.command == "" {
		request.command = api.CommandRetrieve
	}
	return request
}

func first(candidates ...string) string {
	for _, candidate := range candidates {
		if candidate = strings.TrimSpace(candidate); candidate != "" {
			return candidate
		}
	}
	return ""
}
