package dashboard

import (
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/templates"
)

const pathCodex = "/dashboard/codex/{}"

// handleCodex adds what is new in a Codex.
func (s *Surface) handleCodex() { s.page(pathCodex, access.PolicyRead, s.codex) }

// codexAddress is the page of a version; "": it is not N.N.N, as all releases are that GitHub can tell something about.
func codexAddress(version string) string {
	if !github.IsVersion(version) {
		return ""
	}
	return "/dashboard/codex/" + version
}

// codex serves the release notes of a version, as far as the gateway knows them.
func (s *Surface) codex(v *visit) (page, error) {
	if !github.IsVersion(v.Param) {
		return page{}, call.ErrNoRoute
	}
	notes, err := s.cfg.Codex.Notes(v.Context(), v.Param)
	if err != nil {
		return page{}, err
	}
	shown := codexPage(v, &notes)
	return page{
		Title: shown.Title, Path: pathSettings, Crumbs: []templates.Crumb{{Label: "Settings", Path: pathSettings}}, Body: templates.Codex(shown),
	}, nil
}

func codexPage(v *visit, notes *release.Notes) templates.CodexPage {
	p := templates.CodexPage{
		Title: "Codex " + v.Param, GitHub: github.PageOf(v.Param), Notes: notes.Text,
		Published: templates.Moment{At: notes.PublishedAt, Now: v.now}, Checked: templates.Moment{At: notes.CheckedAt, Now: v.now},
	}
	settings := []templates.Action{{Label: "Codex in the settings", Href: pathSettings + "#" + decideCodex.name}}
	switch {
	case notes.Off:
		p.Empty = templates.Empty{
			Title: "GitHub is not asked", Actions: settings,
			Text: "The option github_api is off on this gateway, so that it knows no release notes. GitHub shows those of each release.",
		}
	case notes.CheckedAt.IsZero():
		p.Empty = templates.Empty{
			Title: "Its release notes are not known", Actions: settings,
			Text: "The gateway keeps those of the releases that were the newest when it looked. This one was not, or nobody has looked since. Check now in the settings looks again; GitHub shows the notes of each release.",
		}
	case notes.Text == "":
		p.Empty = templates.Empty{Title: "It has no release notes", Text: "GitHub has this release, and no text about it.", Actions: settings}
	}
	return p
}
