package hostapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// neverRefreshed stands in for the last_refresh of a file that a host does not have.
const neverRefreshed = "2000-01-01T00:00:00Z"

// sync serves POST /sync: all that cdx asks and tells at a start, in one call. Each part is what the call of its own
// does; the usage is recorded first, so that nothing a host reports depends on the state of the login.
func (s *Surface) sync(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	var request api.SyncRequest
	decodeErr := r.Decode(&request)
	if request.InstallationID != "" && request.InstallationID != s.cfg.InstallationID {
		return nil, errInstallation
	}
	// Whether the host may call now comes before what is wrong with its call, as everywhere.
	host, err = s.cfg.Fleet.RecordContact(r.Context(), host, r.From, fleet.Contact{
		Command: api.CommandRetrieve, ClientVersion: request.ClientVersion, WrapperVersion: request.WrapperVersion,
	})
	if err != nil {
		return nil, err
	}
	if decodeErr != nil {
		return nil, decodeErr
	}
	held, err := s.held(request.Credential)
	if err != nil {
		return nil, err
	}
	var answer api.SyncResponse
	if err := s.take(r, host, &request, &answer); err != nil {
		return nil, err
	}
	outcome, err := s.cfg.Credentials.Retrieve(r.Context(), s.visit(r, host), held)
	if err != nil {
		return nil, err
	}
	answer.Credential = syncCredential(outcome)
	if err := s.takeLimits(r, host, &request, outcome, &answer); err != nil {
		return nil, err
	}
	if err := s.fillBlocks(r, host, request.ETags, &answer); err != nil {
		return nil, err
	}
	if key, ok, err := s.cfg.Fleet.HandOverKey(r.Context(), host, r.From); err != nil {
		s.cfg.Logger.Error("a key cannot be handed over", "error", err) // no reason to keep a host from its login
	} else if ok {
		answer.APIKey = key.Reveal()
	}
	return &answer, nil
}

// held reads what a host says about its file, which it may not have.
func (s *Surface) held(said *api.SyncHeld) (credential.Held, error) {
	if said == nil {
		said = &api.SyncHeld{Digest: credential.Digest{}.String(), LastRefresh: neverRefreshed}
	}
	digest, err := credential.ParseDigest(said.Digest)
	if err != nil {
		return credential.Held{}, err
	}
	refreshedAt, err := credential.ParseLastRefresh("last_refresh", said.LastRefresh, s.cfg.Credentials.Options().Now.Add(credential.RetrieveSlack))
	return credential.Held{Digest: digest, LastRefresh: said.LastRefresh, RefreshedAt: refreshedAt}, err
}

// take records what the host reports: its user and its usage. A journal must not be lost over one bad entry in it, so
// the usage needs a key under which it can come again.
func (s *Surface) take(r *call.Request, host *db.Host, request *api.SyncRequest, answer *api.SyncResponse) error {
	users, err := s.cfg.Fleet.SeeUser(r.Context(), host, r.From, request.Username, request.Hostname)
	if refusal := errs.Of(err); refusal != nil && refusal.Kind == errs.Invalid {
		// A name that cannot be kept is no reason to keep the host from its login.
		answer.Errors = refusal.Fields
		users, err = s.cfg.Fleet.SeeUser(r.Context(), host, r.From, "", "")
	}
	if err != nil {
		return err
	}
	answer.Users = wireUsers(users)
	if request.Usage == nil {
		return nil
	}
	if request.Usage.IdempotencyKey == "" {
		return errs.Field("usage.idempotency_key", "usage.idempotency_key is required")
	}
	entries, err := usage.ReadAll(request.Usage.Usages)
	if err == nil {
		answer.Usage, err = s.cfg.Usage.Record(r.Context(), host, usage.Report{
			Entries: entries, Key: request.Usage.IdempotencyKey, From: r.From,
		})
	}
	if err != nil {
		answer.Usage, err = usageRefused(err)
	}
	return err
}

// takeLimits takes the rate limits that a host found in what its Codex wrote down. They are the fleet's only if the host
// holds the fleet's login.
func (s *Surface) takeLimits(r *call.Request, host *db.Host, request *api.SyncRequest, outcome *credential.Outcome, answer *api.SyncResponse) error {
	reported := request.Usage
	if reported == nil || len(reported.RateLimits) == 0 || reported.RateLimitsAt == "" || outcome.Verdict != credential.Valid {
		return nil
	}
	_, err := s.cfg.Quota.Report(r.Context(), host, reported.RateLimits, reported.RateLimitsAt)
	if refusal := errs.Of(err); refusal != nil && refusal.Kind == errs.Invalid {
		// No reason to keep a host from its login.
		if answer.Errors == nil {
			answer.Errors = map[string][]string{}
		}
		maps.Copy(answer.Errors, refusal.Fields)
		return nil
	}
	return err
}

func syncCredential(outcome *credential.Outcome) api.SyncCredential {
	c := api.SyncCredential{
		Status: string(outcome.Verdict), Action: outcome.Verdict.Action(), Generation: outcome.Current.Number,
		Auth: json.RawMessage(outcome.Body),
	}
	if outcome.Current.Number > 0 {
		c.CanonicalLastRefresh, c.CanonicalDigest = &outcome.Current.LastRefresh, new(outcome.Current.Digest.String())
	}
	return c
}

// fillBlocks adds what changes seldom; of a block that the host has, only the ETag.
func (s *Surface) fillBlocks(r *call.Request, host *db.Host, have map[string]string, answer *api.SyncResponse) error {
	commands, err := s.commands(r.Context())
	if err != nil {
		return err
	}
	month, err := s.cfg.Usage.Month(r.Context(), host.ID)
	if err != nil {
		return err
	}
	config, err := s.configBlock(host, have[api.BlockConfig])
	if err != nil {
		return err
	}
	answer.Config = config
	known, err := s.cfg.Quota.Read(r.Context(), host.AccountID)
	if err != nil {
		return err
	}
	versions, err := s.hostVersions(r, host)
	if err != nil {
		return err
	}
	decided := policyOf(r)
	facts := fleet.Wire(host)
	facts.APICalls, facts.UpdatedAt = 0, api.Time{} // every call changes them: the block would never be the same
	for _, part := range []struct {
		name string
		to   *api.Block
		data any
	}{
		{api.BlockHost, &answer.Host, facts},
		{api.BlockVersions, &answer.Versions, versions},
		{api.BlockPolicy, &answer.Policy, api.SyncPolicy{
			QuotaHardFail: decided.QuotaHardFail && !host.VIP, QuotaLimitPercent: decided.QuotaLimitPercent,
			QuotaWeekPartition: decided.QuotaWeekPartition, CdxSilent: decided.CdxSilent,
		}},
		{api.BlockQuota, &answer.Quota, known.Sync(s.cfg.Credentials.Options().Now)},
		{api.BlockLibrary, &answer.Library, commands},
		{api.BlockClient, &answer.Client, s.clientOffer(r)},
		{api.BlockMonth, &answer.Month, month},
	} {
		block, err := makeBlock(part.data, have[part.name])
		if err != nil {
			return fmt.Errorf("encoding the block %s: %w", part.name, err)
		}
		*part.to = block
	}
	return nil
}

const etagBytes = 16

func makeBlock(data any, have string) (api.Block, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return api.Block{}, err
	}
	block := api.Block{ETag: etagOf(text)}
	if have != block.ETag {
		block.Data = text
	}
	return block, nil
}

func etagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:etagBytes])
}
