package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/templates"
)

// typedCommand is what the form for a command was sent with.
type typedCommand struct {
	isNew                           bool
	name, prompt, description, hint string
	base                            string
}

// typed reads the form. Browsers end lines with CR and LF whatever the text had; here they end with LF.
func (v *visit) typed() typedCommand {
	return typedCommand{
		isNew: v.post("new") != "", name: v.post("name"), description: v.post("description"), hint: v.post("hint"), base: v.post("base"),
		prompt: strings.ReplaceAll(v.posted().Get("prompt"), "\r\n", "\n"),
	}
}

// draft is what is to be stored. What is left empty is what the text says itself.
func (t *typedCommand) draft() library.Draft {
	d := library.Draft{Name: t.name, Content: t.prompt, Base: stillBase(t.base)}
	if t.description != "" {
		d.Description = &t.description
	}
	if t.hint != "" {
		d.ArgumentHint = &t.hint
	}
	return d
}

// like has the text end its lines as another does, so that nobody changes what he has not touched.
func (t *typedCommand) like(current *db.LibraryGetRow) {
	if current != nil && strings.Contains(current.LibraryVersion.Content, "\r\n") {
		t.prompt = strings.ReplaceAll(t.prompt, "\n", "\r\n")
	}
}

// editCommand serves the form, empty, or with the command that the address names.
func (s *Surface) editCommand(v *visit) (page, error) {
	name := v.query("name")
	if name == "" {
		return s.editPage(v, typedCommand{isNew: true}, templates.LibraryEdit{}), nil
	}
	current, err := s.cfg.Library.Get(v.Context(), name)
	if err != nil {
		return page{}, err
	}
	text := &current.LibraryVersion
	typed := typedCommand{name: current.LibraryFile.Name, prompt: text.Content, base: baseOf(current)}
	description, hint := library.FrontMatter(text.Content)
	if textOf(text.Description) != textOf(description) {
		typed.description = textOf(text.Description)
	}
	if textOf(text.ArgumentHint) != textOf(hint) {
		typed.hint = textOf(text.ArgumentHint)
	}
	return s.editPage(v, typed, templates.LibraryEdit{}), nil
}

// editPage is the form with what was typed. said is what came of it.
func (s *Surface) editPage(v *visit, typed typedCommand, said templates.LibraryEdit) page {
	said.New, said.Name, said.Prompt, said.Description, said.Hint, said.Base = typed.isNew, typed.name, typed.prompt, typed.description, typed.hint, typed.base
	description, hint := library.FrontMatter(typed.prompt)
	said.FromText = [2]string{textOf(description), textOf(hint)}
	said.Cancel = pathLibrary
	title := "New command"
	crumbs := []templates.Crumb{{Label: "Slash commands", Path: pathLibrary}}
	if !typed.isNew {
		title, said.Cancel = "Edit", pathCommand+url.PathEscape(typed.name)
		crumbs = append(crumbs, templates.Crumb{Label: typed.name, Path: said.Cancel})
	}
	said.Save = templates.Action{Label: "Save for all hosts", Kind: templates.Primary, Why: v.unless(access.LibraryWrite)}
	if said.Conflict != nil {
		said.Save.Label = "Save over it"
	}
	return page{Title: title, Path: pathLibrary, Crumbs: crumbs, Body: templates.LibraryEditPage(said)}
}

// storeCommand stores what was typed, or shows what hosts would get. Whatever is wrong, the form comes back with all of it.
func (s *Surface) storeCommand(v *visit) (outcome, error) {
	typed := v.typed()
	current, err := s.cfg.Library.Get(v.Context(), typed.name)
	if errors.Is(err, library.ErrNotFound) {
		current, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if v.post("do") == "preview" {
		return s.editPage(v, typed, templates.LibraryEdit{Preview: previewOf(&typed, current)}), nil
	}
	as := typed
	as.like(current)
	came, stored, err := s.cfg.Library.Store(v.Context(), as.draft(), library.Author{Actor: v.Actor})
	switch {
	case errors.Is(err, library.ErrBaseMismatch):
		return s.conflict(v, typed)
	case err != nil:
		return s.editAgain(v, typed, err)
	}
	to := pathCommand + url.PathEscape(stored.LibraryFile.Name)
	if came == library.Unchanged {
		return done{To: to, Say: stored.LibraryFile.Name + " is that already: nothing was stored"}, nil
	}
	return done{To: to, Say: stored.LibraryFile.Name + " is stored as " + versionText(stored.LibraryFile.Version), More: "Hosts get it with their next sync."}, nil
}

// editAgain is the form with what is wrong; err, if that is no fault of the form.
func (s *Surface) editAgain(v *visit, typed typedCommand, err error) (outcome, error) {
	refused := errs.Of(err)
	said := templates.LibraryEdit{Problems: map[string]string{}}
	switch refused.Kind {
	case errs.Invalid:
		for name, texts := range refused.Fields {
			said.Problems[name] = sentence(strings.Join(texts, "; "))
		}
		said.Problem = "Nothing was stored: see below."
		if typed.isNew || said.Problems["filename"] == "" {
			break
		}
		said.Problem = "Nothing was stored. " + said.Problems["filename"]
	case errs.Unavailable, errs.Conflict:
		said.Problem = sentence(refused.Message)
	default:
		return nil, err
	}
	again := s.editPage(v, typed, said)
	again.Status = http.StatusUnprocessableEntity
	return again, nil
}

// conflict is the form after somebody else was faster: what he has stored, and a button that saves over exactly that.
func (s *Surface) conflict(v *visit, typed typedCommand) (outcome, error) {
	current, err := s.cfg.Library.Get(v.Context(), typed.name)
	if err != nil {
		return s.editAgain(v, typed, err) // nobody has removed the file: versions stay
	}
	file, text := &current.LibraryFile, &current.LibraryVersion
	said := templates.LibraryEdit{Conflict: &templates.LibraryConflict{
		Text: "Nothing was stored. " + text.Author + " stored " + versionText(file.Version) + " of " + file.Name + ", " + templates.Exact(text.CreatedAt) + ".",
		Diff: textDiff(versionText(file.Version), text.Content, "what you typed", typed.prompt),
	}}
	if file.DeletedAt != nil {
		said.Conflict.Text = "Nothing was stored: " + file.Name + " was retired, " + templates.Exact(*file.DeletedAt) + ". Saving brings it back."
	}
	typed.base, typed.isNew = baseOf(current), false
	again := s.editPage(v, typed, said)
	again.Status = http.StatusConflict
	return again, nil
}

// previewOf is what hosts would get.
func previewOf(typed *typedCommand, current *db.LibraryGetRow) *templates.LibraryPreview {
	description, hint := library.FrontMatter(typed.prompt)
	p := &templates.LibraryPreview{
		Path: "prompts/" + typed.name, Description: textOf(description), Hint: textOf(hint), Size: bytesText(int64(len(typed.prompt))), Prompt: typed.prompt,
	}
	if typed.description != "" {
		p.Description = typed.description
	}
	if typed.hint != "" {
		p.Hint = typed.hint
	}
	if current != nil && current.LibraryFile.DeletedAt == nil {
		as := *typed
		as.like(current)
		p.Diff = new(textDiff(versionText(current.LibraryFile.Version), current.LibraryVersion.Content, "what you typed", as.prompt))
	}
	return p
}
