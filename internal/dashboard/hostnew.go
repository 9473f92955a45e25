package dashboard

import (
	"errors"
	"net/http"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// newHost asks for a host to be registered.
func (s *Surface) newHost(v *visit) (page, error) {
	q := &addressQuery{v: v}
	return s.newHostPage(templates.HostNew{
		Name: q.text("fqdn"), Switches: newHostTicks(map[string]bool{"secure": true}), Why: v.unless(access.HostEnrol),
	}), q.err
}

func (s *Surface) newHostPage(shown templates.HostNew) page {
	shown.Keep, shown.ByHand = templates.Action{Label: "Cancel", Href: home}, s.cfg.PublicTLS().ByHand()
	if s.has("/dashboard/hosts") {
		shown.Keep.Href = "/dashboard/hosts"
	}
	return page{Title: "Add host", Path: "/dashboard/hosts", Crumbs: s.hostCrumbs(), Body: templates.HostNewPage(shown)}
}

// newHostTicks are the choices about a new host.
func newHostTicks(on map[string]bool) []templates.HostTick {
	ticks := []templates.HostTick{
		{Name: "secure", Label: "Secure", Hint: "Off: the login is deleted after each run, and the host may call only while a window is open; the first lasts 30 minutes."},
		{Name: "temporary", Label: "Temporary", Hint: "Removed 2 hours after its last call."},
		{Name: "vip", Label: "VIP", Hint: "Not held back by quota."},
		{Name: "force_ipv4", Label: "IPv4 only", Hint: "The command, and cdx afterwards, connect over IPv4."},
	}
	for i := range ticks {
		ticks[i].On = on[ticks[i].Name]
	}
	return ticks
}

// registerHost registers a host and shows, this once, the command that makes the machine it. A host that is there already is left
// alone: its key would die.
func (s *Surface) registerHost(v *visit) (outcome, error) {
	on := map[string]bool{}
	for _, tick := range newHostTicks(nil) {
		on[tick.Name] = v.post(tick.Name) == "true"
	}
	typed := v.post("fqdn")
	registration := fleet.Registration{FQDN: typed, Insecure: !on["secure"], VIP: on["vip"]}
	if on["temporary"] {
		registration.Temporary = new(true)
	}
	if on["force_ipv4"] {
		registration.ForceIPv4 = new(true)
	}
	enrolment, err := s.cfg.Fleet.Register(v.Context(), registration, v.Actor)
	if err == nil {
		return s.enrolled(v, enrolment, "Add "+enrolment.Host.FQDN), nil
	}
	shown := templates.HostNew{Name: typed, Switches: newHostTicks(on)}
	problems := fieldProblems(err)
	switch {
	case problems != nil:
		shown.Problem = problems["fqdn"]
	case errors.Is(err, fleet.ErrHostExists):
		shown.Problem = "A host of this name is registered already. Its page makes an install command for it."
		if host, err := s.cfg.Fleet.ByFQDN(v.Context(), typed); err == nil {
			shown.Exists = templates.Action{Label: "Open " + host.FQDN, Icon: "open", Href: hostURL(host.ID, ""), Kind: templates.Small}
		}
	default:
		return nil, err
	}
	again := s.newHostPage(shown)
	again.Status = http.StatusUnprocessableEntity
	return again, nil
}

// enrolled is the page that shows an install command, this once: the answer to the form itself, so that no address ever has it.
func (s *Surface) enrolled(v *visit, e *fleet.Enrolment, title string) page {
	h, trust := &e.Host, s.cfg.PublicTLS()
	facts := &hostFacts{now: v.now, host: h, standing: fleet.Standing{Token: fleet.TokenStanding{ExpiresAt: e.ExpiresAt, Ready: true}}}
	shown := templates.HostEnrolled{
		Title: title, Name: h.FQDN, Command: e.Command(trust), Expires: templates.Moment{At: e.ExpiresAt, Now: v.now}, Contact: facts.contact(),
		Again: templates.Action{Label: "Add another host", Icon: "add", Href: pathHostNew, Kind: templates.Small},
	}
	if trust.ByHand() {
		shown.CA = trust.CA
	}
	return page{
		Title: title, Path: "/dashboard/hosts", Crumbs: s.hostCrumbs(templates.Crumb{Label: h.FQDN, Path: hostURL(h.ID, "")}),
		Body: templates.HostEnrolledPage(shown),
	}
}

// contact is how far the machine has come that the newest install command is for. A key that was never used has no address.
func (f *hostFacts) contact() templates.HostContact {
	h, token := f.host, f.standing.Token
	called := h.BoundIP != nil && h.LastSeenAt != nil
	has := called && len(h.AuthDigest) > 0
	c := templates.HostContact{URL: hostURL(h.ID, ""), Next: templates.Action{Label: "Open " + h.FQDN, Icon: "open", Href: hostURL(h.ID, "")}}
	used := templates.HostStep{Done: called || !token.UsedAt.IsZero(), Text: "Command used"}
	if !token.UsedAt.IsZero() {
		used.When = f.moment(&token.UsedAt)
		if token.UsedFrom != "" {
			used.Note = "from " + token.UsedFrom
		}
	}
	first := templates.HostStep{Done: called, Text: "First contact"}
	if called {
		first.Note, first.When = "from "+h.BoundIP.String(), f.moment(h.LastSeenAt)
	}
	login := templates.HostStep{Done: has, Text: "Login taken"}
	if f.standing.Has != 0 && has {
		login.Note = "generation " + templates.Grouped(f.standing.Has)
	}
	c.Steps = []templates.HostStep{{Done: true, Text: "Command made"}, used, first, login}
	switch {
	case has:
		c.Tone, c.Title, c.Text = templates.OK, h.FQDN+" is in the fleet.", "It has called and has the login."
	case called && f.current.Number == 0:
		c.Tone, c.Title, c.Text = templates.OK, h.FQDN+" has called.", "The fleet has no login yet; it takes it with its first call afterwards."
	case called:
		c.Wait, c.Title, c.Text = true, h.FQDN+" has called.", "The page ticks once more when it has the login."
	case !token.UsedAt.IsZero():
		c.Wait, c.Title, c.Text = true, "The command was used.", "The page ticks as soon as "+h.FQDN+" calls."
	case token.Ready:
		c.Wait, c.Title, c.Text = true, "Listening for "+h.FQDN+".", "The page ticks as soon as it calls."
	default:
		c.Tone, c.Title, c.Text = templates.Warn, "The command has expired.", "Nobody used it in time. Make another on the host's page."
	}
	return c
}
