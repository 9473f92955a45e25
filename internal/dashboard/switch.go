package dashboard

import (
	"fmt"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/templates"
)

const pathSwitch = "/dashboard/switch"

// refuseWord is what one types to refuse all host calls.
const refuseWord = "refuse"

// showSwitch shows the kill switch, and to htmx its state in the bar.
func (s *Surface) showSwitch(v *visit) (page, error) {
	decided, err := s.cfg.Policy.Read(v.Context())
	if err != nil {
		return page{}, err
	}
	active, err := s.activeHosts(v)
	if err != nil {
		return page{}, err
	}
	state := templates.Switch{Known: true, Off: decided.APIDisabled, Why: v.unless(access.PolicyWrite)}
	return page{
		Title: "Kill switch",
		Body:  templates.SwitchPage(state, switchQuestion(state, active, decided.DecidedAt["api_disabled"])),
		Parts: map[string]templ.Component{"switch": templates.SwitchState(state)},
	}, nil
}

// activeHosts is how many hosts what is decided for all of them concerns.
func (s *Surface) activeHosts(v *visit) (int64, error) {
	listed, err := s.cfg.Fleet.List(v.Context(), fleet.Query{Limit: 1, Filter: fleet.Filter{State: fleet.StateActive}})
	if err != nil {
		return 0, err
	}
	return listed.Total, nil
}

// switchQuestion is what stands before the turn. Whoever serves hosts again is asked nothing that has to be typed.
func switchQuestion(state templates.Switch, hosts int64, since time.Time) templates.Confirm {
	if state.Off {
		question := templates.Confirm{
			ID: "serve", Title: "Serve hosts again?", Keep: templates.Action{Label: "Keep refusing", Href: home},
			Note: fmt.Sprintf("%s can sync and start Codex again at their next call.", templates.Count(hosts, "active host", "active hosts")),
			Do: templates.Action{
				Label: "Serve hosts", Icon: "power", Post: pathSwitch, Kind: templates.Primary, Why: state.Why,
				Fields: []templates.Field{{Name: "disabled", Value: "false"}},
			},
		}
		if !since.IsZero() {
			question.Note = "They are refused since " + templates.Exact(since) + ". " + question.Note
		}
		return question
	}
	return templates.Confirm{
		ID: "refuse", Title: "Refuse all host calls?", Type: refuseWord, Keep: templates.Action{Label: "Keep serving", Href: home},
		Effects: []string{
			fmt.Sprintf("%s get no login, no sync and no updates from the next call on. cdx starts no Codex there.", templates.Count(hosts, "active host", "active hosts")),
			"Codex that is running goes on until its access token expires.",
		},
		Note: "The dashboard, the API for admins and the gateway's own jobs go on. You can serve hosts again at any time.",
		Do: templates.Action{
			Label: "Refuse host calls", Icon: "power", Post: pathSwitch, Kind: templates.DangerNow, Why: state.Why,
			Fields: []templates.Field{{Name: "disabled", Value: "true"}},
		},
	}
}

// turnSwitch turns the kill switch.
func (s *Surface) turnSwitch(v *visit) (outcome, error) {
	var say string
	value := v.post("disabled")
	switch value {
	case "true":
		if err := v.confirmed(refuseWord); err != nil {
			return nil, err
		}
		say = "Host calls are refused"
	case "false":
		say = "Hosts are served again"
	default:
		return nil, errs.Field("disabled", "disabled must be true or false")
	}
	if _, err := s.cfg.Policy.Apply(v.Context(), []policy.Edit{{Name: "api_disabled", Value: value}}, nil, v.Actor); err != nil {
		return nil, err
	}
	return done{To: home, Say: say}, nil
}
