package dashboard

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// hostQuestion is the page of a question about a host.
func (s *Surface) hostQuestion(h *db.Host, title, text string, question templates.Confirm) page {
	return page{
		Title: title, Path: "/dashboard/hosts", Crumbs: s.hostCrumbs(templates.Crumb{Label: h.FQDN, Path: hostURL(h.ID, "")}),
		Body: templates.Body(templates.Head(title, text), templates.ConfirmPage(question)),
	}
}

// keepHost is the way back from a question about a host.
func keepHost(h *db.Host, label string) templates.Action {
	return templates.Action{Label: label, Href: hostURL(h.ID, "")}
}

// askInstall asks before a host gets a new key and a command that hands it out.
func (s *Surface) askInstall(v *visit) (page, error) {
	host, err := s.host(v)
	if err != nil {
		return page{}, err
	}
	details, err := s.hostDetails(v, host)
	if err != nil {
		return page{}, err
	}
	return s.hostQuestion(host, "Install command", host.FQDN, installQuestion(host, len(details.Users), v.unless(access.HostEnrol))), nil
}

// installQuestion is what stands before a new install command. Of a machine that never came nothing is lost.
func installQuestion(h *db.Host, users int, why string) templates.Confirm {
	question := templates.Confirm{
		ID: "install", Title: "Make an install command for " + h.FQDN + "?", Keep: keepHost(h, "Keep the key"),
		Note: "It is shown once and works once. What the host may do, its labels and its usage stay.",
		Do:   templates.Action{Label: "Make the command", Icon: "terminal", Post: hostURL(h.ID, "/install"), Kind: templates.Primary, Why: why},
	}
	if h.LastSeenAt == nil {
		question.Effects = []string{"A command that was made before for this host is dead at once."}
		return question
	}
	question.Type, question.Do.Kind, question.Do.Label = h.FQDN, templates.DangerNow, "Replace the key"
	question.Effects = []string{
		"Its API key is dead at once: the machine is refused until the command has run there. " + usersLose(users),
		"Its address is asked anew: the first that it calls from afterwards becomes its own.",
	}
	return question
}

// usersLose says for how many Codex does not start on a host.
func usersLose(users int) string {
	switch {
	case users == 0:
		return "No users are known there."
	case users >= fleet.MaxDetailUsers:
		return strconv.Itoa(users) + " users or more cannot start Codex there."
	}
	return templates.Count(int64(users), "user", "users") + " cannot start Codex there."
}

// installHost replaces the key of a host and shows, this once, the command that hands the new one out.
func (s *Surface) installHost(v *visit) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	if host.LastSeenAt != nil {
		if err := v.confirmed(host.FQDN); err != nil {
			return nil, err
		}
	}
	_, enrolment, err := s.cfg.Fleet.Rotate(v.Context(), host.ID, fleet.RotateOptions{RevokeNow: true}, v.Actor)
	if err != nil {
		return nil, err
	}
	return s.enrolled(v, enrolment, "Install "+host.FQDN), nil
}

// askClear asks before it is forgotten which login a host has.
func (s *Surface) askClear(v *visit) (page, error) {
	host, err := s.host(v)
	if err != nil {
		return page{}, err
	}
	question := templates.Confirm{
		ID: "clear", Title: "Clear the login record of " + host.FQDN + "?", Type: host.FQDN, Keep: keepHost(host, "Keep the record"),
		Effects: []string{"The gateway forgets which login the host has and which it was given: the digests on its page are gone."},
		Note:    "With its next call it takes the login afresh. Its key, its address and its users stay, and so does the audit trail.",
		Do:      templates.Action{Label: "Clear the record", Icon: "undo", Post: hostURL(host.ID, "/clear"), Kind: templates.DangerNow, Why: v.unless(access.HostWrite)},
	}
	return s.hostQuestion(host, "Clear login record", host.FQDN, question), nil
}

func (s *Surface) clearHost(v *visit) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	if err := v.confirmed(host.FQDN); err != nil {
		return nil, err
	}
	if _, err := s.cfg.Fleet.Clear(v.Context(), host.ID, v.Actor); err != nil {
		return nil, err
	}
	return done{To: hostURL(host.ID, ""), Say: "The login record of " + host.FQDN + " is cleared", More: "It takes the login afresh with its next call."}, nil
}

// askRemove asks before a host is removed.
func (s *Surface) askRemove(v *visit) (page, error) {
	host, err := s.host(v)
	if err != nil {
		return page{}, err
	}
	details, err := s.hostDetails(v, host)
	if err != nil {
		return page{}, err
	}
	history, err := s.cfg.Usage.HostHistory(v.Context(), host.ID, 0)
	if err != nil {
		return page{}, err
	}
	current, err := s.cfg.Credentials.Current(v.Context(), host.AccountID)
	if err != nil && !errors.Is(err, credential.ErrNone) {
		return page{}, err
	}
	question := removeQuestion(host, len(details.Users), history.Reports, history.Ever, current, v.unless(access.HostWrite))
	return s.hostQuestion(host, "Remove host", host.FQDN, question), nil
}

// removeQuestion is what stands before the removal. current is the login of the host's account, if there is one.
func removeQuestion(h *db.Host, users int, reports, tokens int64, current credential.Generation, why string) templates.Confirm {
	question := templates.Confirm{
		ID: "remove", Title: "Remove " + h.FQDN + "?", Type: h.FQDN, Keep: keepHost(h, "Keep host"),
		Effects: []string{"Its API key is dead at once, on every gateway of this fleet. " + usersLose(users)},
		Note:    "Its entries in the audit trail stay. To come back it needs a new install command.",
		Do:      templates.Action{Label: "Remove host", Icon: "remove", Post: hostURL(h.ID, "/remove"), Kind: templates.DangerNow, Why: why},
	}
	if len(h.AuthDigest) > 0 {
		effect := "The login that is on the machine stays good until it is renewed elsewhere or expires."
		if !current.AccessExpiresAt.IsZero() {
			effect = "An access token that it holds already stays good until " + templates.Exact(current.AccessExpiresAt) + " at the latest."
		}
		question.Effects = append(question.Effects, effect)
	}
	if reports > 0 {
		question.Effects = append(question.Effects, fmt.Sprintf("What it used stays in the fleet's sums without its name: %s in %s.",
			templates.Count(tokens, "token", "tokens"), templates.Count(reports, "report", "reports")))
	}
	return question
}

func (s *Surface) removeHost(v *visit) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	if err := v.confirmed(host.FQDN); err != nil {
		return nil, err
	}
	fqdn, err := s.cfg.Fleet.Delete(v.Context(), host.ID, v.Actor, audit.ActionAdminHostDelete)
	if err != nil {
		return nil, err
	}
	to := home
	if s.has("/dashboard/hosts") {
		to = "/dashboard/hosts"
	}
	return done{To: to, Say: fqdn + " is removed", More: "Its key is dead."}, nil
}
