package dashboard

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/templates"
)

// command serves a command with its history, as it is or as it was in the version that the address names.
func (s *Surface) command(v *visit) (page, error) {
	name, err := commandName(v)
	if err != nil {
		return page{}, err
	}
	current, err := s.cfg.Library.Get(v.Context(), name)
	if err != nil {
		return page{}, err
	}
	versions, err := s.cfg.Library.Versions(v.Context(), name)
	if err != nil {
		return page{}, err
	}
	shown := &current.LibraryVersion
	if number := v.query("version"); number != "" {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 {
			return page{}, library.ErrNotFound.With("filename", name)
		}
		if shown, err = s.cfg.Library.Version(v.Context(), name, n); err != nil {
			return page{}, err
		}
	}
	return page{
		Title: name, Path: pathLibrary, Crumbs: []templates.Crumb{{Label: "Slash commands", Path: pathLibrary}},
		Body: templates.LibraryCommandPage(commandPage(current, shown, versions, v.now, v.unless(access.LibraryWrite))),
	}, nil
}

// commandPage makes the page of a command, with one of its versions.
func commandPage(current *db.LibraryGetRow, shown *db.LibraryVersion, versions []db.LibraryVersionsRow, now time.Time, why string) templates.LibraryCommand {
	file := &current.LibraryFile
	at, moment := url.PathEscape(file.Name), func(at time.Time) templates.Moment { return templates.Moment{At: at, Now: now} }
	c := templates.LibraryCommand{
		Name: file.Name, Version: shown.Number, Newest: file.Version, Description: textOf(shown.Description), Hint: textOf(shown.ArgumentHint),
		Author: shown.Author, Made: moment(shown.CreatedAt), Size: bytesText(int64(len(shown.Content))), SHA256: hex.EncodeToString(shown.SHA256), Text: shown.Content,
	}
	retired := file.DeletedAt != nil
	restore := func(number int64) templates.Action {
		if number == file.Version && !retired {
			return templates.Action{}
		}
		return templates.Action{
			Label: "Restore", Icon: "undo", Post: pathRestore + at, Kind: templates.Small, Why: why,
			Fields: []templates.Field{{Name: "version", Value: strconv.FormatInt(number, 10)}, {Name: "base", Value: baseOf(current)}},
		}
	}
	if retired {
		c.Retired = moment(*file.DeletedAt)
	} else {
		c.Actions = []templates.Action{
			{Label: "Retire…", Href: pathRetire + at, Kind: templates.Danger, Why: why},
			{Label: "Edit", Icon: "edit", Href: pathEdit + "?name=" + url.QueryEscape(file.Name), Kind: templates.Primary, Why: why},
		}
	}
	c.Restore = restore(shown.Number)
	if shown.Number != file.Version {
		c.Diff = new(textDiff(versionText(shown.Number), shown.Content, versionText(file.Version), current.LibraryVersion.Content))
	}
	for i := range versions {
		old := &versions[i]
		row := templates.LibraryVersion{
			Number: old.Number, Href: pathCommand + at + "?version=" + strconv.FormatInt(old.Number, 10), Shown: old.Number == shown.Number,
			Current: old.Number == file.Version && !retired, Description: textOf(old.Description), Author: old.Author, Made: moment(old.CreatedAt),
			Size: bytesText(int64(old.SizeBytes)), Restore: restore(old.Number),
		}
		if old.Number == file.Version {
			row.Href = pathCommand + at
		}
		c.Versions = append(c.Versions, row)
	}
	return c
}

func versionText(number int64) string { return "version " + templates.Grouped(number) }

// hostsThatGet words how many hosts a change of the library reaches.
func (s *Surface) hostsThatGet(v *visit) (string, error) {
	active, err := s.activeHosts(v)
	if err != nil {
		return "", err
	}
	return templates.Count(active, "active host", "active hosts"), nil
}

// askRetire asks before a command is retired.
func (s *Surface) askRetire(v *visit) (page, error) {
	name, err := commandName(v)
	if err != nil {
		return page{}, err
	}
	current, err := s.cfg.Library.Get(v.Context(), name)
	if err != nil {
		return page{}, err
	}
	if current.LibraryFile.DeletedAt != nil {
		return page{}, library.ErrNotFound.With("filename", name)
	}
	hosts, err := s.hostsThatGet(v)
	if err != nil {
		return page{}, err
	}
	at := url.PathEscape(name)
	question := templates.Confirm{
		ID: "retire", Title: "Retire " + name + "?", Keep: templates.Action{Label: "Keep it", Href: pathCommand + at},
		Effects: []string{hosts + " remove it with their next sync. Whoever has Codex open keeps it until then."},
		Note:    "Its versions stay here. Any of them can be restored.",
		Do: templates.Action{
			Label: "Retire", Icon: "remove", Post: pathRetire + at, Kind: templates.DangerNow, Why: v.unless(access.LibraryWrite),
			Fields: []templates.Field{{Name: "base", Value: baseOf(current)}},
		},
	}
	return page{
		Title: "Retire", Path: pathLibrary, Crumbs: []templates.Crumb{{Label: "Slash commands", Path: pathLibrary}, {Label: name, Path: pathCommand + at}},
		Body: templates.Body(templates.Head("Retire "+name, "Hosts remove it; nothing of it is lost."), templates.ConfirmPage(question)),
	}, nil
}

// retireCommand retires a command, if it is still what the visitor saw.
func (s *Surface) retireCommand(v *visit) (outcome, error) {
	name, err := commandName(v)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Library.Delete(v.Context(), name, stillBase(v.post("base")), library.Author{Actor: v.Actor}); err != nil {
		return nil, err
	}
	return done{To: pathLibrary, Say: name + " is retired", More: "Hosts remove it with their next sync."}, nil
}

// restoreCommand makes an older version the newest, if the command is still what the visitor saw.
func (s *Surface) restoreCommand(v *visit) (outcome, error) {
	name, err := commandName(v)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseInt(v.post("version"), 10, 64)
	if err != nil || number < 1 {
		return nil, errs.Field("version", "version must be the number of a version")
	}
	came, current, err := s.cfg.Library.Restore(v.Context(), name, number, stillBase(v.post("base")), library.Author{Actor: v.Actor})
	if err != nil {
		return nil, err
	}
	say := fmt.Sprintf("Version %d of %s is back, as version %d", number, name, current.LibraryFile.Version)
	if came == library.Unchanged {
		say = name + " is what it was in version " + strconv.FormatInt(number, 10) + " already"
	}
	return done{To: pathCommand + url.PathEscape(name), Say: say, More: "Hosts get it with their next sync."}, nil
}
