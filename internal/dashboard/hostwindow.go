package dashboard

import (
	"math"
	"strconv"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// windowForm is the form about the window as it was typed, when it has to be shown again.
type windowForm struct{ minutes, problem string }

// setHostWindow opens or closes the window of an insecure host. How many minutes is kept: so far each of its calls moves the
// window on from then.
func (s *Surface) setHostWindow(v *visit) (outcome, error) {
	host, err := s.host(v)
	if err != nil {
		return nil, err
	}
	to := hostURL(host.ID, "#ho-window")
	switch v.post("act") {
	case "close":
		if host, err = s.cfg.Fleet.CloseWindow(v.Context(), host, v.Actor); err != nil {
			return nil, err
		}
		return done{To: to, Say: "The window of " + host.FQDN + " is closed", More: "For an hour it may still bring what it has."}, nil
	case "open":
	default:
		return nil, errs.Field("act", "act must be open or close")
	}
	host, err = s.openHostWindow(v, host)
	if problems := fieldProblems(err); problems != nil {
		facts, err := s.hostFacts(v)
		if err != nil {
			return nil, err
		}
		facts.window = &windowForm{v.post("minutes"), problems["minutes"]}
		return s.hostAgain(facts), nil
	}
	if err != nil {
		return nil, err
	}
	return done{To: to, Say: host.FQDN + " may call until " + templates.Exact(*host.InsecureUntil)}, nil
}

func (s *Surface) openHostWindow(v *visit, host *db.Host) (*db.Host, error) {
	minutes, err := strconv.Atoi(v.post("minutes"))
	if err != nil || minutes < 1 || minutes > longestWindow {
		return nil, errs.Field("minutes", "a window is 1 to 480 minutes long")
	}
	if host.Secure {
		return nil, fleet.ErrSecure
	}
	if host.WindowMinutes == nil || int(*host.WindowMinutes) != minutes {
		if host, err = s.cfg.Fleet.Update(v.Context(), host.ID, fleet.Change{WindowMinutes: &minutes}, v.Actor); err != nil {
			return nil, err
		}
	}
	return s.cfg.Fleet.OpenWindow(v.Context(), host, minutes, v.Actor)
}

// stepOf is where the range of 0 to 1000 stands for so many minutes: short windows have more room than long ones. app.js goes the
// same way, and back.
func stepOf(minutes int) string {
	return strconv.Itoa(int(math.Round(250 * math.Log1p(math.Expm1(4)*float64(minutes)/longestWindow))))
}

// windowCard is how the host's window stands, with what opens and closes it.
func (f *hostFacts) windowCard() templates.HostWindow {
	h, minutes := f.host, usualWindow
	if h.WindowMinutes != nil && *h.WindowMinutes > 0 {
		minutes = int(*h.WindowMinutes)
	}
	w := templates.HostWindow{
		URL: hostURL(h.ID, ""), Post: hostURL(h.ID, "/window"), Open: windowOpen(h, f.now), Minutes: strconv.Itoa(minutes),
		Steps: stepOf(minutes), Why: f.why(access.HostWrite),
	}
	switch {
	case h.Secure:
		w.Mark, w.Text = templates.Mark{Icon: "locked", Text: "Not needed"}, "This host is secure, so it may call at any time. Turn Secure off and it may call only while a window is open."
		if w.Why == "" {
			w.Why = "The host is a secure one: it needs no window."
		}
	case w.Open:
		w.Mark, w.Until, w.Label = templates.Mark{Tone: templates.Warn, Icon: "window", Text: "Open"}, f.moment(h.InsecureUntil), "for another"
		w.Text = "Anyone on this host can use the login until the window closes."
	case h.GraceUntil != nil && h.GraceUntil.After(f.now):
		w.Mark, w.Until, w.Label = templates.Mark{Icon: "locked", Text: "Closed"}, f.moment(h.GraceUntil), "may still bring what it has for"
		w.Text = "This host is insecure: its calls are refused until a window is open."
	default:
		w.Mark, w.Text = templates.Mark{Icon: "locked", Text: "Closed"}, "This host is insecure: its calls are refused until a window is open."
	}
	if f.window != nil {
		w.Minutes, w.Problem = f.window.minutes, f.window.problem
	}
	return w
}
