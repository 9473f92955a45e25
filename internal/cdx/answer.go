package cdx

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// credentialAnswer is what the gateway makes of the login on disk, or of one that was sent up. A member of an unexpected
// type elsewhere in an answer must not keep Codex from starting, so nothing else is looked at here.
type credentialAnswer struct {
	Status          string          `json:"status"`
	Generation      int64           `json:"generation"` // of the canonical login; 0: none, or the gateway does not say
	CanonicalDigest string          `json:"canonical_digest"`
	Auth            json.RawMessage `json:"auth"`
	Kept            bool            `json:"kept"` // what was sent up is not lost if the file is
}

// sync asks what the gateway thinks of the login on disk and for everything else that it has to say. What is sent may be
// sent again: a batch of usage carries its own key.
//
// Errors: *failure; *refusal when another gateway than the one of the enrolment answered.
func (c *client) sync(ctx context.Context, request api.SyncRequest) (*api.SyncResponse, *credentialAnswer, error) {
	request.WrapperVersion, request.InstallationID = c.version, c.config.InstallationID
	var parts map[string]json.RawMessage
	ask := func() error { return c.post(ctx, c.config.BaseURL+api.PathSync, request, &parts) }
	err := ask()
	if f := asFailure(err); f != nil && f.passes(ctx) {
		err = ask()
	}
	if err != nil {
		return nil, nil, err
	}
	answer, credential := readSync(parts)
	if credential == nil {
		return nil, nil, &failure{err: errNotTheGateway}
	}
	return answer, credential, c.checkInstallation(answer.Versions.Data)
}

// readSync takes the data of an answer to POST /sync part by part: what one of them has wrong is no reason to do without
// the others. credential is nil if it is not said.
func readSync(parts map[string]json.RawMessage) (answer *api.SyncResponse, credential *credentialAnswer) {
	credential = &credentialAnswer{}
	if json.Unmarshal(parts["credential"], credential) != nil || credential.Status == "" {
		return nil, nil
	}
	answer = &api.SyncResponse{}
	for name, to := range map[string]any{
		api.BlockHost: &answer.Host, api.BlockVersions: &answer.Versions, api.BlockPolicy: &answer.Policy, api.BlockQuota: &answer.Quota,
		api.BlockLibrary: &answer.Library, api.BlockConfig: &answer.Config, api.BlockClient: &answer.Client,
		"month": &answer.Month, "api_key": &answer.APIKey, "usage": &answer.Usage, "errors": &answer.Errors,
	} {
		_ = json.Unmarshal(parts[name], to) // as good as absent
	}
	return answer, credential
}

// store sends a login up. It is never repeated by itself: the gateway must not get it twice.
//
// Errors: as of sync.
func (c *client) store(ctx context.Context, request api.AuthRequest) (*credentialAnswer, error) {
	request.Command, request.WrapperVersion, request.InstallationID = api.CommandStore, c.version, c.config.InstallationID
	var answer struct {
		credentialAnswer

		Versions json.RawMessage `json:"versions"`
	}
	if err := c.post(ctx, c.config.BaseURL+api.PathAuth, request, &answer); err != nil {
		return nil, err
	}
	return &answer.credentialAnswer, c.checkInstallation(answer.Versions)
}

// checkInstallation refuses another gateway than the one of the enrolment, before anything it says is used.
func (c *client) checkInstallation(versions json.RawMessage) error {
	var said struct {
		InstallationID string `json:"installation_id"`
	}
	_ = json.Unmarshal(versions, &said) // it does not say
	if said.InstallationID == "" || c.config.InstallationID == "" || said.InstallationID == c.config.InstallationID {
		return nil
	}
	return &refusal{
		exit: ExitDenied, label: "denied", what: "another gateway answers at " + c.host() + " than this machine enrolled with",
		cause: "installation " + field(said.InstallationID) + ", expected " + c.config.InstallationID,
		next:  "if that is meant: ask for a new install command\n" + notStarted(ExitDenied),
	}
}

// passes waits as long as the gateway asked to, if that is soon, and reports whether to ask once more.
func (f *failure) passes(ctx context.Context) bool {
	if stands := f.classify(); stands != standsLimited && stands != standsOffline || f.retryAfter <= 0 || f.retryAfter > maxRetryAfter {
		return false
	}
	if until, bounded := ctx.Deadline(); bounded && time.Until(until) <= f.retryAfter {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(f.retryAfter):
		return true
	}
}
