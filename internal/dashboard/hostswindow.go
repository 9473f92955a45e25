package dashboard

import (
	"cmp"
	"context"
	"math"
	"strconv"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// How long the window of a host is at most, and if nobody has decided, in minutes.
const (
	longestWindow = 480
	usualWindow   = 10
)

// windowAt is how many minutes a position of the slider stands for, 0 to 100: short windows have more room than long ones
// (25 → 15, 50 → 57, 75 → 171, 90 → 319). None is shorter than a minute.
func windowAt(position int) int {
	share := math.Expm1(4*float64(position)/100) / math.Expm1(4)
	return max(1, int(math.Round(share*longestWindow)))
}

// positionOf is the slider's position that comes closest to so many minutes.
func positionOf(minutes int) (closest int) {
	off := func(position int) int { return max(windowAt(position)-minutes, minutes-windowAt(position)) }
	for position := range 101 {
		if off(position) < off(closest) {
			closest = position
		}
	}
	return closest
}

// showListWindow serves the question of how long a window is to be open: as a page, or for the list as a dialog.
func (s *Surface) showListWindow(v *visit) (page, error) {
	if v.query("id") == "" {
		return page{Title: "Window", Path: pathHosts, Crumbs: hostsCrumb(pathHosts), Body: templates.Body(templates.Head("Window", ""), templates.EmptyState(templates.Empty{
			Title: "Which host?", Text: "A window belongs to one insecure host. Choose it in the list.",
			Actions: []templates.Action{{Label: "Insecure hosts", Href: pathHosts + "?secure=no"}},
		}))}, nil
	}
	id, err := listedID(v.query("id"))
	if err != nil {
		return page{}, err
	}
	host, err := s.cfg.Fleet.ByID(v.Context(), id)
	if err != nil {
		return page{}, err
	}
	if host.Secure {
		return page{}, fleet.ErrSecure
	}
	query := cameFromList(v)
	shown := listWindowPage(host, query, v)
	return page{
		Title: "Window of " + host.FQDN, Path: pathHosts, Crumbs: hostsCrumb(listAddress(query)), Body: templates.HostsWindowPage(shown),
		Parts: map[string]templ.Component{"window": templates.HostsWindowDialog(shown)},
	}, nil
}

// listedID reads the id of a host.
func listedID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, errs.Field("id", "id must be that of a host")
	}
	return id, nil
}

func listWindowPage(host *db.Host, query string, v *visit) templates.HostsWindowAsk {
	minutes := usualWindow
	if host.WindowMinutes != nil && *host.WindowMinutes > 0 {
		minutes = int(*host.WindowMinutes)
	}
	ask := templates.HostsWindowAsk{
		ID: host.ID, FQDN: host.FQDN, Post: pathHostsWindow, Back: listAddress(query), Query: query, Position: positionOf(minutes), Now: v.now, Why: v.unless(access.HostWrite),
	}
	for position := range 101 {
		ask.Minutes = append(ask.Minutes, windowAt(position))
	}
	if windowOpen(host, v.now) {
		ask.Until = *host.InsecureUntil
	}
	return ask
}

// setListWindow opens a window, moves an open one on, or closes that of the host that close names. How many minutes it was is kept: so far each call of the
// host moves it on from then.
func (s *Surface) setListWindow(v *visit) (outcome, error) {
	id, err := listedID(cmp.Or(v.post("close"), v.post("id")))
	if err != nil {
		return nil, err
	}
	to := listAddress(v.post("back"))
	if !v.posted().Has("back") {
		to = listAddress(cameFromList(v))
	}
	if v.post("close") != "" {
		if err := s.closeListWindow(v.Context(), id, v.Actor); err != nil {
			return nil, err
		}
		return done{To: to, Say: "The window is closed", More: "For an hour the host may still bring what it has."}, nil
	}
	minutes, err := wantedMinutes(v)
	if err != nil {
		return nil, err
	}
	host, err := s.cfg.Fleet.ByID(v.Context(), id)
	if err != nil {
		return nil, err
	}
	if host.Secure {
		return nil, fleet.ErrSecure
	}
	if host.WindowMinutes == nil || int(*host.WindowMinutes) != minutes {
		if host, err = s.cfg.Fleet.Update(v.Context(), id, fleet.Change{WindowMinutes: &minutes}, v.Actor); err != nil {
			return nil, err
		}
	}
	if host, err = s.cfg.Fleet.OpenWindow(v.Context(), host, minutes, v.Actor); err != nil {
		return nil, err
	}
	return done{To: to, Say: "The window of " + host.FQDN + " is open", More: "Until " + templates.Exact(*host.InsecureUntil) + "."}, nil
}

// wantedMinutes is what a button says, else where the slider stands.
func wantedMinutes(v *visit) (int, error) {
	if text := v.post("minutes"); text != "" {
		minutes, err := strconv.Atoi(text)
		if err != nil || minutes < 1 || minutes > longestWindow {
			return 0, errs.Field("minutes", "minutes must be a number from 1 to 480")
		}
		return minutes, nil
	}
	position, err := strconv.Atoi(v.post("position"))
	if err != nil || position < 0 || position > 100 {
		return 0, errs.Field("position", "position must be a number from 0 to 100")
	}
	return windowAt(position), nil
}

// closeListWindow closes a host's window. A secure host has none, which is what was asked for.
func (s *Surface) closeListWindow(ctx context.Context, id int64, by audit.Actor) error {
	host, err := s.cfg.Fleet.ByID(ctx, id)
	if err != nil || host.Secure {
		return err
	}
	_, err = s.cfg.Fleet.CloseWindow(ctx, host, by)
	return err
}
