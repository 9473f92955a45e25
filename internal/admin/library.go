package admin

import (
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/library"
)

// States of a slash command to list, and what a list is sorted by.
const (
	slashActive  = "active"
	slashRetired = "retired"
	slashAll     = "all"
	byFilename   = "filename"
	byUpdate     = "updated_at"
)

// slashList serves GET /admin/slash-commands: those that hosts have, unless the caller wants others.
func (s *Surface) slashList(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "sort", "direction", "state", "q")
	limit, o := q.number("limit", maxPage, maxPage), q.order("slash-commands", ascending, rankNumbers, byFilename, byUpdate)
	state, search := q.word("state", slashActive, slashActive, slashRetired, slashAll), q.text("q")
	if q.err != nil {
		return nil, q.err
	}
	files, err := s.cfg.Library.List(r.Context())
	if err != nil {
		return nil, err
	}
	all := []api.SlashCommand{}
	for _, f := range files {
		if state != slashAll && (state == slashRetired) != (f.DeletedAt != nil) {
			continue
		}
		if command := wireSlash(&f); has(search, f.Name, textOf(f.Description), textOf(f.ArgumentHint)) {
			all = append(all, command)
		}
	}
	answer := api.AdminSlashList{}
	answer.Commands, answer.NextCursor = part(all, o, limit, func(c *api.SlashCommand) rank {
		if o.sort == byUpdate {
			return rank{c.UpdatedAt.UnixMicro(), c.Filename, c.ID}
		}
		return rank{0, c.Filename, c.ID}
	})
	return answer, nil
}

func wireSlash(f *db.LibraryListRow) api.SlashCommand {
	return api.SlashCommand{
		ID: f.ID, Filename: f.Name, SHA256: hex.EncodeToString(f.SHA256), Description: f.Description, ArgumentHint: f.ArgumentHint,
		UpdatedAt: api.Time{Time: f.UpdatedAt}, DeletedAt: timeOrNull(f.DeletedAt),
	}
}

// textOf is a text that may not be there; "": it is not.
func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// slashGet serves GET /admin/slash-commands/{filename}. What is retired is not there; its versions are.
func (s *Surface) slashGet(r *call.Request, _ audit.Actor) (any, error) {
	name, err := filename(r)
	if err != nil {
		return nil, err
	}
	row, err := s.cfg.Library.Get(r.Context(), name)
	switch {
	case err != nil:
		return nil, err
	case row.LibraryFile.DeletedAt != nil:
		return nil, library.ErrNotFound.With("filename", name)
	}
	v := row.LibraryVersion
	return call.Tagged{ETag: slashTag(row), Data: api.AdminSlash{
		Filename: row.LibraryFile.Name, SHA256: hex.EncodeToString(v.SHA256), Description: v.Description, ArgumentHint: v.ArgumentHint,
		Prompt: v.Content, UpdatedAt: api.Time{Time: row.LibraryFile.UpdatedAt},
	}}, nil
}

// slashDelete serves DELETE /admin/slash-commands/{filename}: hosts remove their copies, if it is still what the caller read.
func (s *Surface) slashDelete(r *call.Request, by audit.Actor) (any, error) {
	name, err := filename(r)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Library.Delete(r.Context(), name, unchangedSlash(r), library.Author{Actor: by}); err != nil {
		return nil, staleSlash(err)
	}
	return deletedFile{name}, nil
}

// unchangedSlash asks whether a command is what the caller says he had read.
func unchangedSlash(r *call.Request) library.Base {
	return func(current *db.LibraryGetRow) bool { return r.Still(slashTag(current)) }
}

// staleSlash is what to answer when that was asked and denied.
func staleSlash(err error) error {
	if errors.Is(err, library.ErrBaseMismatch) {
		return call.ErrStale
	}
	return err
}

// slashStore serves POST /admin/slash-commands/store. Whatever is stored runs on every host: of two admins who changed the
// same text, the second is told, if it says what it had read.
func (s *Surface) slashStore(r *call.Request, by audit.Actor) (any, error) {
	var request api.AdminSlashRequest
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	if request.Prompt == nil {
		request.Prompt = request.Content
	}
	if request.Prompt == nil {
		request.Prompt = new("") // which is refused, after the name
	}
	outcome, current, err := s.cfg.Library.Store(r.Context(), library.Draft{
		Name: request.Filename, Content: *request.Prompt, Description: request.Description, ArgumentHint: request.ArgumentHint, SHA256: request.SHA256,
		Base: unchangedSlash(r),
	}, library.Author{Actor: by})
	if err != nil {
		return nil, staleSlash(err)
	}
	return storedSlash(outcome, current), nil
}

func storedSlash(outcome library.Outcome, current *db.LibraryGetRow) call.Tagged {
	return call.Tagged{ETag: slashTag(current), Data: api.AdminSlashStored{
		Status: string(outcome), Filename: current.LibraryFile.Name, SHA256: hex.EncodeToString(current.LibraryVersion.SHA256),
		UpdatedAt: api.Time{Time: current.LibraryFile.UpdatedAt},
	}}
}

// slashTag is the entity tag of a command as it is; "": there is none.
func slashTag(row *db.LibraryGetRow) string {
	if row == nil {
		return ""
	}
	return `"` + strconv.FormatInt(row.LibraryFile.ID, 10) + "." + strconv.FormatInt(row.LibraryFile.Version, 10) + `"`
}

// filename is the name that a path names.
func filename(r *call.Request) (string, error) {
	name, err := url.PathUnescape(r.Param)
	if err != nil {
		return "", errs.Field("filename", "filename is not well-formed")
	}
	return library.ParseName(name)
}
