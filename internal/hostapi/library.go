package hostapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/policy"
)

// errPushOff is a host that wants to change what the fleet runs, which is for admins alone.
var errPushOff = errs.New(errs.Forbidden, "prompt_push_off", "Admins keep the fleet's commands; hosts may not change them")

// Listing and retrieving are not audited: hosts do both at every start.

// slashList serves GET /slash-commands: retired ones too, so that hosts remove them.
func (s *Surface) slashList(_ http.ResponseWriter, r *call.Request) (any, error) {
	if _, err := s.authenticate(r.Request, r.From); err != nil {
		return nil, err
	}
	return s.commands(r.Context())
}

func (s *Surface) commands(ctx context.Context) (*api.SlashList, error) {
	files, err := s.cfg.Library.List(ctx)
	if err != nil {
		return nil, err
	}
	list := &api.SlashList{Commands: make([]api.SlashCommand, 0, len(files))}
	for _, f := range files {
		list.Commands = append(list.Commands, api.SlashCommand{
			ID: f.ID, Filename: f.Name, SHA256: hex.EncodeToString(f.SHA256), Description: f.Description,
			ArgumentHint: f.ArgumentHint, UpdatedAt: api.Time{Time: f.UpdatedAt}, DeletedAt: timeOrNull(f.DeletedAt),
		})
	}
	return list, nil
}

// slashRetrieve serves POST /slash-commands/retrieve: the text of a command, unless the host has it.
func (s *Surface) slashRetrieve(_ http.ResponseWriter, r *call.Request) (any, error) {
	if _, err := s.authenticate(r.Request, r.From); err != nil {
		return nil, err
	}
	request := readSlashRequest(r.Body)
	name, err := library.ParseName(request.Filename)
	if err != nil {
		return nil, err
	}
	have, err := library.ParseSHA256("sha256", request.SHA256)
	if err != nil {
		return nil, err
	}
	row, err := s.cfg.Library.Get(r.Context(), name)
	switch {
	case errors.Is(err, library.ErrNotFound):
		return api.SlashGone{Status: api.StatusMissing, Filename: name}, nil
	case err != nil:
		return nil, err
	case row.LibraryFile.DeletedAt != nil:
		return api.SlashGone{Status: api.StatusDeleted, Filename: name, DeletedAt: &api.Time{Time: *row.LibraryFile.DeletedAt}}, nil
	}
	v := row.LibraryVersion
	answer := api.SlashRetrieved{
		Status: api.StatusUnchanged, Filename: name, SHA256: hex.EncodeToString(v.SHA256), Description: v.Description,
		ArgumentHint: v.ArgumentHint, UpdatedAt: api.Time{Time: row.LibraryFile.UpdatedAt},
	}
	if !bytes.Equal(have, v.SHA256) {
		answer.Status, answer.Prompt = api.StatusUpdated, &v.Content
	}
	return answer, nil
}

// slashStore serves POST /slash-commands/store. Whatever a host pushes runs on all the others, so policy decides what
// becomes of it.
func (s *Surface) slashStore(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	// What an insecure host pushes may run on every other: outside its window it is not trusted with that either.
	if !s.cfg.Fleet.WindowOpen(host) {
		return nil, fleet.ErrWindowClosed
	}
	push := policyOf(r).HostPromptPush
	if push == policy.PushOff {
		return nil, errPushOff
	}
	request := readSlashRequest(r.Body)
	draft := library.Draft{
		Name: request.Filename, Content: request.Prompt, Description: request.Description,
		ArgumentHint: request.ArgumentHint, SHA256: request.SHA256, BaseSHA256: request.BaseSHA256,
	}
	by := library.Author{Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: address(r.From)}, Host: host}
	if push == policy.PushOn {
		outcome, current, err := s.cfg.Library.Store(r.Context(), draft, by)
		if err != nil {
			return nil, err
		}
		return slashStored(string(outcome), current.LibraryFile.Name, current, false), nil
	}
	proposed, current, err := s.cfg.Library.Propose(r.Context(), draft, by)
	if err != nil {
		return nil, err
	}
	name, _ := library.ParseName(request.Filename) // which Propose has checked
	return slashStored(api.StatusUnchanged, name, current, proposed), nil
}

func slashStored(status, name string, current *db.LibraryGetRow, proposed bool) api.SlashStored {
	answer := api.SlashStored{Status: status, Filename: name, Proposed: proposed}
	if current != nil && current.LibraryFile.DeletedAt == nil {
		answer.SHA256 = new(hex.EncodeToString(current.LibraryVersion.SHA256))
		answer.UpdatedAt = api.Time{Time: current.LibraryFile.UpdatedAt}
	}
	return answer
}

// readSlashRequest reads a request as deployed clients send it: members of the wrong type count as absent.
func readSlashRequest(body []byte) (request api.SlashRequest) {
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(body, &members) // no object: an empty one
	text := func(name string) *string {
		var value *string
		if json.Unmarshal(members[name], &value) != nil {
			return nil
		}
		return value
	}
	orEmpty := func(value *string) string {
		if value == nil {
			return ""
		}
		return *value
	}
	prompt := text("prompt")
	if prompt == nil {
		prompt = text("content")
	}
	return api.SlashRequest{
		Filename: orEmpty(text("filename")), SHA256: orEmpty(text("sha256")), Prompt: orEmpty(prompt),
		Description: text("description"), ArgumentHint: text("argument_hint"), BaseSHA256: orEmpty(text("base_sha256")),
	}
}
