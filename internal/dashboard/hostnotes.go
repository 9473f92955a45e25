package dashboard

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// hostForm is the page of a form about a host.
func (s *Surface) hostForm(h *db.Host, form templates.HostForm) page {
	form.Keep = keepHost(h, "Cancel")
	shown := page{
		Title: form.Title, Path: "/dashboard/hosts", Crumbs: s.hostCrumbs(templates.Crumb{Label: h.FQDN, Path: hostURL(h.ID, "")}),
		Body: templates.HostFormPage(form),
	}
	wrong := form.Problem != ""
	for _, field := range form.Fields {
		wrong = wrong || field.Problem != ""
	}
	if wrong {
		shown.Status = http.StatusUnprocessableEntity
	}
	return shown
}

// askRename asks for another name.
func (s *Surface) askRename(v *visit) (page, error) {
	host, err := s.host(v)
	if err != nil {
		return page{}, err
	}
	return s.hostForm(host, renameForm(host, host.FQDN, "", v.unless(access.HostWrite))), nil
}

// nameTag is the same as long as the name is.
func nameTag(h *db.Host) string { return tagOf(h.FQDN) }

func renameForm(h *db.Host, typed, problem, why string) templates.HostForm {
	return templates.HostForm{
		Title: "Rename " + h.FQDN, Text: "Its key and all else stay; the machine follows with its next call.", Post: hostURL(h.ID, "/rename"), Base: nameTag(h),
		Fields: []templates.HostField{{Name: "fqdn", Label: "New name", Value: typed, Hint: "A fully qualified name that no other host has.", Problem: problem, Mono: true}},
		Do:     templates.Action{Label: "Rename", Why: why},
	}
}

// renameHost gives a host another name, if it still has the one that the form showed.
func (s *Surface) renameHost(v *visit) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	typed := v.post("fqdn")
	var problem string
	renamed, err := s.cfg.Fleet.Rename(v.Context(), host.ID, typed, unlessStale(v, nameTag), v.Actor)
	switch problems := fieldProblems(err); {
	case errors.Is(err, call.ErrStale):
		return s.renameStale(v, typed)
	case errors.Is(err, fleet.ErrHostExists):
		problem = "Another host has this name, or had it and was pruned lately."
	case problems != nil:
		problem = problems["fqdn"]
	case err != nil:
		return nil, err
	default:
		return done{To: hostURL(host.ID, ""), Say: host.FQDN + " is now " + renamed.FQDN, More: "The machine follows with its next call."}, nil
	}
	return s.hostForm(host, renameForm(host, typed, problem, "")), nil
}

// renameStale shows what was typed beside the name that somebody else has given the host meanwhile.
func (s *Surface) renameStale(v *visit, typed string) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	form := renameForm(host, typed, "", "")
	form.Problem = "Somebody else gave it this name meanwhile. What you typed is still here."
	return s.hostForm(host, form), nil
}

// askNotes asks for labels and a note.
func (s *Surface) askNotes(v *visit) (page, error) {
	host, err := s.host(v)
	if err != nil {
		return page{}, err
	}
	return s.hostForm(host, notesForm(host, labelLines(host), host.Note, nil, v.unless(access.HostWrite))), nil
}

func notesForm(h *db.Host, labels, note string, problems map[string]string, why string) templates.HostForm {
	return templates.HostForm{
		Title: "Labels and note", Text: "Admins find " + h.FQDN + " by them. The host is not told.", Post: hostURL(h.ID, "/notes"), Base: notesTag(h),
		Fields: []templates.HostField{
			{Name: "labels", Label: "Labels", Value: labels, Lines: 6, Problem: problems["labels"], Hint: "One key=value a line, at most 16."},
			{Name: "note", Label: "Note", Value: note, Lines: 4, Problem: problems["note"], Hint: "At most 1,024 bytes."},
		},
		Do: templates.Action{Label: "Save", Why: why},
	}
}

// notesTag is the same as long as labels and note are.
func notesTag(h *db.Host) string { return tagOf(labelLines(h), h.Note) }

// labelLines are a host's labels as one types them.
func labelLines(h *db.Host) string {
	labels := fleet.Labels(h)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&text, "%s=%s\n", key, labels[key])
	}
	return text.String()
}

// readLabelLines reads what labels are to be as a change of what they are: those that are not there any more go.
// Errors: kind Invalid on field labels.
func readLabelLines(text string, before map[string]string) (map[string]string, error) {
	change := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, err := fleet.ParseLabel(line)
		if err != nil {
			return nil, err
		}
		if _, twice := change[key]; twice {
			return nil, errs.Field("labels", "labels has "+key+" twice")
		}
		change[key] = value
	}
	for key := range before {
		if _, stays := change[key]; !stays {
			change[key] = ""
		}
	}
	return change, nil
}

// noteHost sets labels and note, if they are still what the form showed.
func (s *Surface) noteHost(v *visit) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	typed := v.posted().Get("labels")
	note := strings.TrimSpace(strings.ReplaceAll(v.posted().Get("note"), "\r\n", "\n"))
	labels, err := readLabelLines(typed, fleet.Labels(host))
	if err == nil {
		_, err = s.cfg.Fleet.Update(v.Context(), host.ID, fleet.Change{Labels: labels, Note: &note, Base: unlessStale(v, notesTag)}, v.Actor)
	}
	switch problems := fieldProblems(err); {
	case problems != nil:
		form := notesForm(host, typed, note, problems, "")
		form.Base = v.post("base") // what was typed is about what was shown
		return s.hostForm(host, form), nil
	case errors.Is(err, call.ErrStale):
		return s.notesStale(v, typed, note)
	case err != nil:
		return nil, err
	}
	return done{To: hostURL(host.ID, ""), Say: "Saved labels and note of " + host.FQDN}, nil
}

// notesStale shows what was typed beside what somebody else has made of it meanwhile.
func (s *Surface) notesStale(v *visit, labels, note string) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	form := notesForm(host, labels, note, nil, "")
	now := strings.TrimSpace(strings.ReplaceAll(labelLines(host), "\n", ", "))
	form.Problem = fmt.Sprintf("Somebody else changed this meanwhile. Labels now: %s Note now: %s What you typed is still here; save it again to replace that.",
		orNone(strings.TrimSuffix(now, ",")), orNone(host.Note))
	return s.hostForm(host, form), nil
}

func orNone(text string) string {
	if text == "" {
		return "none."
	}
	return text + "."
}
