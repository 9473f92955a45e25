package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/templates"
)

const pathSettings = "/dashboard/settings"

// decision is a card of the settings: the policies that it decides. Its name is the last part of its form's path, and its id.
type decision struct {
	name     string
	policies []string
}

var (
	decideQuota  = decision{"quota", []string{"quota_hard_fail", "quota_limit_percent", "quota_week_partition"}}
	decideCodex  = decision{"codex", []string{"client_version"}}
	decideSilent = decision{"silent", []string{"cdx_silent"}}
	decidePrune  = decision{"prune", []string{"inactivity_window_days"}}
)

// failure is what became of the last try of a card. The zero value is none.
type failure struct {
	card, text string
	typed      string // a version that was no good
	status     int
}

// settingsFacts is what the settings are made of.
type settingsFacts struct {
	visit   *visit
	policy  *policy.State
	known   release.Known
	codex   []fleet.VersionCount
	counts  fleet.Counts
	idle    *fleet.Idle
	failure failure
}

// handleSettings adds what is decided for the whole fleet.
func (s *Surface) handleSettings() {
	s.page(pathSettings, access.PolicyRead, func(v *visit) (page, error) { return s.settings(v, failure{}) })
	s.form(pathSettings+"/quota", access.PolicyWrite, s.setQuota)
	s.form(pathSettings+"/codex", access.PolicyWrite, s.setCodex)
	s.form(pathSettings+"/codex/check", access.PolicyWrite, s.checkCodex)
	s.form(pathSettings+"/silent", access.PolicyWrite, s.setSilent)
	s.form(pathSettings+"/prune", access.PolicyWrite, s.setPrune)
}

// settings shows all cards, one of them with what became of its form.
func (s *Surface) settings(v *visit, last failure) (page, error) {
	ctx, f := v.Context(), &settingsFacts{visit: v, failure: last}
	var err error
	if f.policy, err = s.cfg.Policy.Read(ctx); err != nil {
		return page{}, err
	}
	if f.known, err = s.cfg.Codex.Known(ctx); err != nil {
		return page{}, err
	}
	if f.counts, err = s.cfg.Fleet.Counts(ctx, fleet.Versions{Codex: f.policy.ClientVersion, Cdx: s.cfg.Version}); err != nil {
		return page{}, err
	}
	if f.codex, _, err = s.cfg.Fleet.VersionCounts(ctx); err != nil {
		return page{}, err
	}
	if f.idle, err = s.cfg.Fleet.Idle(ctx); err != nil {
		return page{}, err
	}
	return page{Title: "Settings", Path: pathSettings, Body: templates.Settings(settingsPage(f)), Status: last.status}, nil
}

func (s *Surface) setQuota(v *visit) (outcome, error) {
	var edits []policy.Edit
	for _, name := range decideQuota.policies {
		edits = append(edits, policy.Edit{Name: name, Value: v.post(name)})
	}
	return s.decide(v, decideQuota, edits, "Quota policy saved")
}

func (s *Surface) setSilent(v *visit) (outcome, error) {
	say := "cdx is silent"
	if v.post("cdx_silent") == "false" {
		say = "cdx says what it does"
	}
	return s.decide(v, decideSilent, []policy.Edit{{Name: "cdx_silent", Value: v.post("cdx_silent")}}, say)
}

// Words of the choice of a version that are none.
const (
	newestCodex = "latest"
	otherCodex  = "other"
)

// setCodex decides which Codex the fleet runs. What was typed counts before what was chosen.
func (s *Surface) setCodex(v *visit) (outcome, error) {
	version, say := v.post("version"), "The fleet runs the newest Codex"
	if other := v.post("other"); other != "" || version == otherCodex {
		version = other
		if !fleet.IsVersion(version) {
			return s.failed(v, failure{decideCodex.name, "Another release has to be a version such as 0.63.0.", version, http.StatusUnprocessableEntity})
		}
	}
	if version == newestCodex {
		version = ""
	} else {
		if !fleet.IsVersion(version) {
			return nil, errs.Field("version", "version must be latest or a release")
		}
		say = "The fleet runs Codex " + version
	}
	out, err := s.decide(v, decideCodex, []policy.Edit{{Name: "client_version", Value: quoted(version)}}, say)
	if _, saved := out.(done); !saved || err != nil || version != "" {
		return out, err
	}
	// Who decides for the newest wants to know which that is now. It is decided all the same if GitHub does not say.
	if _, err := s.cfg.Codex.Look(v.Context()); err != nil && !errors.Is(err, release.ErrLook) {
		s.cfg.Logger.Error("the newest Codex cannot be looked for", "error", err)
	}
	return out, nil
}

// checkCodex asks GitHub now, in a few seconds at most.
func (s *Surface) checkCodex(v *visit) (outcome, error) {
	newest, err := s.cfg.Codex.Check(v.Context(), v.Actor)
	if err != nil {
		return nil, err
	}
	if newest.Reason != "" {
		return s.failed(v, failure{card: decideCodex.name, text: "GitHub did not say which Codex is the newest: " + newest.Reason + "."})
	}
	return done{To: pathSettings + "#" + decideCodex.name, Say: "The newest Codex is " + newest.Version}, nil
}

// setPrune decides when silent hosts are removed. If some would be at once, that has to be typed first.
func (s *Surface) setPrune(v *visit) (outcome, error) {
	text := v.post("inactivity_window_days")
	edits := []policy.Edit{{Name: "inactivity_window_days", Value: text}}
	before, err := s.cfg.Policy.Read(v.Context())
	if err != nil {
		return nil, err
	}
	days, err := strconv.Atoi(text)
	if err != nil || before.Tag(decidePrune.policies...) != v.post("tag") || days == before.InactivityWindowDays {
		return s.decide(v, decidePrune, edits, "") // which says what is wrong
	}
	idle, err := s.cfg.Fleet.Idle(v.Context())
	if err != nil {
		return nil, err
	}
	if due := idle.Due(days); due > 0 {
		if v.post("confirm") == "" {
			return page{
				Title: "Remove idle hosts", Path: pathSettings, Crumbs: []templates.Crumb{{Label: "Settings", Path: pathSettings}},
				Body: templates.Question("Remove idle hosts", pruneQuestion(days, due, v.post("tag"))),
			}, nil
		}
		if err := v.confirmed(pruneWord(due)); err != nil {
			return nil, err
		}
	}
	say := "Idle hosts are removed after " + templates.Count(int64(days), "day", "days")
	if days == 0 {
		say = "Idle hosts stay"
	}
	return s.decide(v, decidePrune, edits, say)
}

// pruneWord is what one types to remove so many hosts: who types it has read the number.
func pruneWord(due int64) string {
	if due == 1 {
		return "remove 1 host"
	}
	return fmt.Sprintf("remove %d hosts", due)
}

func pruneQuestion(days int, due int64, tag string) templates.Confirm {
	window := templates.Count(int64(days), "day", "days")
	return templates.Confirm{
		ID: "prune", Title: "Remove hosts that are silent for " + window + "?", Type: pruneWord(due),
		Effects: []string{
			fmt.Sprintf("%s silent for longer than that: removed within five minutes, and refused from then on.", templates.Count(due, "host is", "hosts are")),
			"Every other host goes as soon as it has been silent for " + window + ".",
		},
		Note: "A removed host can be brought back, with its key, for 7 days.",
		Keep: templates.Action{Label: "Keep them", Href: pathSettings},
		Do: templates.Action{
			Label: "Remove idle hosts", Icon: "remove", Kind: templates.DangerNow, Post: pathSettings + "/prune",
			Fields: []templates.Field{{Name: "inactivity_window_days", Value: strconv.Itoa(days)}, {Name: "tag", Value: tag}},
		},
	}
}

// decide saves a card, if what it decides still is what the visitor saw, and records what it changes. What is wrong is said on
// the card.
func (s *Surface) decide(v *visit, d decision, edits []policy.Edit, say string) (outcome, error) {
	seen := v.post("tag")
	before, err := s.cfg.Policy.Read(v.Context())
	if err != nil {
		return nil, err
	}
	if before.Tag(d.policies...) != seen {
		return s.failed(v, stale(d))
	}
	values, changed := before.Values(), []policy.Edit{}
	for _, edit := range edits {
		if string(values[edit.Name]) != edit.Value {
			changed = append(changed, edit)
		}
	}
	if len(changed) == 0 {
		return done{To: pathSettings + "#" + d.name, Say: "Nothing has changed"}, nil
	}
	_, err = s.cfg.Policy.Apply(v.Context(), changed, func(now *policy.State) error {
		if now.Tag(d.policies...) != seen {
			return call.ErrStale
		}
		return nil
	}, v.Actor)
	switch refused := errs.Of(err); {
	case err == nil:
		return done{To: pathSettings + "#" + d.name, Say: say}, nil
	case refused.Kind == errs.Stale:
		return s.failed(v, stale(d))
	case refused.Kind == errs.Invalid:
		return s.failed(v, failure{card: d.name, text: sentence(fieldTexts(refused)), status: http.StatusUnprocessableEntity})
	}
	return nil, err
}

func stale(d decision) failure {
	return failure{
		card: d.name, status: http.StatusPreconditionFailed,
		text: "Somebody else has decided this since you opened the page. Nothing of yours is saved; what is decided now is below.",
	}
}

// failed shows the settings again with what became of a form.
func (s *Surface) failed(v *visit, last failure) (outcome, error) { return s.settings(v, last) }

// quoted is a text as a policy has it.
func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(fmt.Sprintf("encoding a policy: %v", err)) // texts always encode
	}
	return string(raw)
}
