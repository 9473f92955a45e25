package cdx

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/codexconfig"
	"github.com/cdxgate/cdxgate/internal/cdx/share"
)

// shareCommands brings the slash commands of this machine in step with the fleet's. The lock of the home is held. What
// goes wrong is a notice, and the next run tries again: Codex starts in any case. done is nil when there was nothing to do
// them for: a gateway without a library, or a Codex that has no slash commands of its users' any more.
func (s *session) shareCommands(ctx context.Context) (done *share.Result) {
	list := s.blocks.library()
	if !s.heard || list == nil || !codexconfig.TakesPrompts(versionOf(s.codex, s.state.Codex)) {
		return nil
	}
	set := s.commandSet()
	plan, err := set.Plan(items(list))
	if err != nil {
		s.notice("library", "the slash commands were left as they are: "+err.Error())
		return nil
	}
	done = set.Apply(ctx, plan)
	for _, line := range done.Lines {
		s.notice("library", line)
	}
	return done
}

// commandSet is where slash commands are, and how they come and go.
func (s *session) commandSet() *share.Set {
	return &share.Set{
		Place:    share.Place{Dir: filepath.Join(s.home.dir, "prompts")},
		Baseline: filepath.Join(s.home.dir, ".cdx", "library.json"),
		MayPush:  func(string) bool { return true }, // whether the fleet takes it is the gateway's to decide
		Fetch:    s.client.fetchCommand,
		Push:     s.client.pushCommand,
	}
}

func items(list *api.SlashList) []share.Item {
	all := make([]share.Item, 0, len(list.Commands))
	for i := range list.Commands {
		c := &list.Commands[i]
		all = append(all, share.Item{Name: c.Filename, SHA256: c.SHA256, Retired: !c.DeletedAt.IsZero()})
	}
	return all
}

// fetchCommand gets the text of a slash command.
//
// Errors: *failure.
func (c *client) fetchCommand(ctx context.Context, name string) ([]byte, error) {
	var answer api.SlashRetrieved
	if err := c.post(ctx, c.config.BaseURL+api.PathSlashGet, api.SlashRequest{Filename: name}, &answer); err != nil {
		return nil, err
	}
	if answer.Prompt == nil {
		return nil, fmt.Errorf("the gateway answers %q instead of its text", field(answer.Status))
	}
	return []byte(*answer.Prompt), nil
}

// pushCommand offers the fleet a text.
//
// Errors: *failure.
func (c *client) pushCommand(ctx context.Context, name string, text []byte, base string) (share.Answer, error) {
	var answer api.SlashStored
	err := c.post(ctx, c.config.BaseURL+api.PathSlashStore, api.SlashRequest{
		Filename: name, Prompt: string(text), SHA256: share.Digest(text), BaseSHA256: base,
	}, &answer)
	if f := asFailure(err); f != nil && f.status == http.StatusForbidden && f.is("prompt_push_off", "") {
		return share.Declined, nil
	}
	switch {
	case err != nil:
		return "", err
	case answer.Proposed:
		return share.Proposed, nil
	case answer.SHA256 != nil && *answer.SHA256 == share.Digest(text):
		return share.Stored, nil
	default:
		return "", fmt.Errorf("the gateway answers %q and keeps another text", field(answer.Status))
	}
}
