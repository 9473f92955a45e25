package dashboard

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// runsForm is the form about Codex as it was typed, when it has to be shown again.
type runsForm struct {
	version, model, effort string
	problems               map[string]string
	stale                  bool
}

func runsTag(h *db.Host) string {
	return tagOf(textOf(h.ClientVersionPin), textOf(h.ModelOverride), textOf(h.ReasoningEffortOverride))
}

// setHostRuns sets what Codex runs as on a host, if that is still what the form showed.
func (s *Surface) setHostRuns(v *visit) (outcome, error) {
	id, err := hostID(v)
	if err != nil {
		return nil, err
	}
	typed := runsForm{version: v.post("client_version"), model: v.post("model_override"), effort: v.post("reasoning_effort_override")}
	host, err := s.cfg.Fleet.Update(v.Context(), id, fleet.Change{
		ClientVersion: &typed.version, Model: &typed.model, ReasoningEffort: &typed.effort, Base: unlessStale(v, runsTag),
	}, v.Actor)
	typed.problems, typed.stale = fieldProblems(err), errors.Is(err, call.ErrStale)
	if typed.problems == nil && !typed.stale {
		if err != nil {
			return nil, err
		}
		return done{To: hostURL(id, "#ho-runs"), Say: "Saved what Codex runs as on " + host.FQDN, More: "cdx follows with its next synchronisation."}, nil
	}
	facts, err := s.hostFacts(v)
	if err != nil {
		return nil, err
	}
	facts.runs = &typed
	return s.hostAgain(facts), nil
}

// hostAgain shows the page once more with what is wrong.
func (s *Surface) hostAgain(f *hostFacts) page {
	again := s.hostShown(f)
	again.Status = http.StatusUnprocessableEntity
	return again
}

// Names that are offered; every other may be typed.
var (
	offeredModels  = []string{"gpt-5.2-codex", "gpt-5.2", "gpt-5.1-codex-max", "gpt-5.1-codex", "gpt-5.1-codex-mini", "gpt-5.1"}
	offeredEfforts = []string{"low", "medium", "high", "xhigh"}
)

// maxOffered bounds the versions that are offered.
const maxOffered = 12

// runsCard is the form about Codex.
func (f *hostFacts) runsCard() templates.HostRuns {
	h := f.host
	r := templates.HostRuns{Post: hostURL(h.ID, "/runs"), Base: runsTag(h), Why: f.why(access.HostWrite)}
	fleetRuns := "the fleet follows the newest"
	if f.policy.ClientVersion != "" {
		fleetRuns = "the fleet runs " + f.policy.ClientVersion
	}
	r.Version = templates.HostChoice{Value: textOf(h.ClientVersionPin), Placeholder: "As the fleet", Hint: "Empty: " + fleetRuns + ". A version pins this host.", Offered: f.offeredVersions()}
	r.Model = templates.HostChoice{Value: textOf(h.ModelOverride), Placeholder: "No override", Hint: "Empty: Codex's own.", Offered: offered(offeredModels)}
	r.Effort = templates.HostChoice{Value: textOf(h.ReasoningEffortOverride), Placeholder: "No override", Hint: "Empty: Codex's own.", Offered: offered(offeredEfforts)}
	if f.runs == nil {
		return r
	}
	if f.runs.stale {
		r.Problem = "Somebody else changed this meanwhile. It is now: " + runsNow(h) + ". What you typed is still here; save it again to replace that."
	}
	for name, choice := range map[string]struct {
		to    *templates.HostChoice
		typed string
	}{"client_version": {&r.Version, f.runs.version}, "model_override": {&r.Model, f.runs.model}, "reasoning_effort_override": {&r.Effort, f.runs.effort}} {
		choice.to.Value, choice.to.Problem = choice.typed, f.runs.problems[name]
	}
	return r
}

func runsNow(h *db.Host) string {
	or := func(text *string, none string) string {
		if text == nil {
			return none
		}
		return *text
	}
	return "version " + or(h.ClientVersionPin, "of the fleet") + ", model " + or(h.ModelOverride, "of Codex") + ", effort " + or(h.ReasoningEffortOverride, "of Codex")
}

// offeredVersions are those in use, each with what it is.
func (f *hostFacts) offeredVersions() []templates.Option {
	words := map[string][]string{}
	var order []string
	add := func(version, word string) {
		if version == "" || len(order) == maxOffered && words[version] == nil {
			return
		}
		if words[version] == nil {
			order = append(order, version)
		}
		words[version] = append(words[version], word)
	}
	add(f.policy.ClientVersion, "the fleet's target")
	add(textOf(f.host.ClientVersionPin), "pinned")
	add(textOf(f.host.ClientVersion), "reported by this host")
	for _, version := range f.suggested {
		add(version, "in the fleet")
	}
	options := make([]templates.Option, 0, len(order))
	for _, version := range order {
		options = append(options, templates.Option{Value: version, Label: version + ", " + strings.Join(words[version], ", ")})
	}
	return options
}

func offered(names []string) []templates.Option {
	options := make([]templates.Option, 0, len(names))
	for _, name := range names {
		options = append(options, templates.Option{Value: name, Label: name})
	}
	return options
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
