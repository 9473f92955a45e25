package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// change is what a route changes about a host: how that is read from a body, and what is answered.
type change struct {
	action string
	read   func(*call.Request) (fleet.Change, error)
	answer func(*db.Host) any
}

// changeHost serves a route that changes one thing about the host that its path names, if what admins decide about it is still
// what the caller read.
func (s *Surface) changeHost(c change) actorFunc {
	return func(r *call.Request, by audit.Actor) (any, error) {
		host, err := s.host(r)
		if err != nil {
			return nil, err
		}
		wanted, err := c.read(r)
		if err != nil {
			return nil, err
		}
		wanted.Action, wanted.Base = c.action, unchangedHost(r)
		if host, err = s.cfg.Fleet.Update(r.Context(), host.ID, wanted, by); err != nil {
			return nil, err
		}
		return changedHost(host, c.answer(host)), nil
	}
}

// hostTag is an entity tag of what admins decide about a host, but for labels and note, which have their own: not of what the
// host does.
func hostTag(h *db.Host) string {
	return tagged([]any{
		h.ID, h.FQDN, h.Status, h.Secure, h.VIP, h.Roaming, h.ForceIPv4, h.MayStore, h.AllowFrom, h.WindowMinutes, h.ClientVersionPin,
		h.ModelOverride, h.ReasoningEffortOverride,
	}).ETag
}

// unchangedHost asks whether a host is what the caller says he had read.
func unchangedHost(r *call.Request) func(*db.Host) error {
	return func(before *db.Host) error {
		if !r.Still(hostTag(before)) {
			return call.ErrStale
		}
		return nil
	}
}

func changedHost(h *db.Host, answer any) call.Tagged {
	return call.Tagged{ETag: hostTag(h), Data: api.AdminHostChanged{Host: answer}}
}

var roaming = change{
	audit.ActionHostRoaming,
	func(r *call.Request) (c fleet.Change, err error) { c.Roaming, err = flag(r, "allow"); return c, err },
	func(h *db.Host) any { return api.HostRoaming{ID: h.ID, FQDN: h.FQDN, AllowRoamingIPs: h.Roaming} },
}

var secure = change{
	audit.ActionHostSecure,
	func(r *call.Request) (c fleet.Change, err error) { c.Secure, err = flag(r, "secure"); return c, err },
	func(h *db.Host) any { return api.HostSecure{ID: h.ID, FQDN: h.FQDN, Secure: h.Secure} },
}

var vip = change{
	audit.ActionHostVIP,
	func(r *call.Request) (c fleet.Change, err error) { c.VIP, err = flag(r, "vip"); return c, err },
	func(h *db.Host) any { return api.HostVIP{ID: h.ID, FQDN: h.FQDN, VIP: h.VIP} },
}

// ipv4 also ends the binding, either way: who is to come by another family comes from another address.
var ipv4 = change{
	audit.ActionHostForceIPv4,
	func(r *call.Request) (c fleet.Change, err error) {
		c.ForceIPv4, err = flag(r, "force")
		c.Unbind = true
		return c, err
	},
	func(h *db.Host) any { return api.HostIPv4{ID: h.ID, ForceIPv4: h.ForceIPv4, IP: addressOf(h)} },
}

// model sets both names at once: the one that is not there is none.
var model = change{
	audit.ActionHostModel,
	func(r *call.Request) (fleet.Change, error) {
		var names struct {
			Model  string `json:"model_override"`
			Effort string `json:"reasoning_effort_override"`
		}
		err := r.Decode(&names)
		return fleet.Change{Model: new(strings.TrimSpace(names.Model)), ReasoningEffort: new(strings.TrimSpace(names.Effort))}, err
	},
	func(h *db.Host) any {
		return api.HostModel{ID: h.ID, ModelOverride: h.ModelOverride, ReasoningEffortOverride: h.ReasoningEffortOverride}
	},
}

var hostVersion = change{
	audit.ActionHostVersion,
	func(r *call.Request) (fleet.Change, error) {
		version, err := selection(r, []string{"", "global", "fleet", "default"}, "selection", "client_version_override")
		return fleet.Change{ClientVersion: &version}, err
	},
	func(h *db.Host) any { return api.HostVersion{ID: h.ID, ClientVersionOverride: h.ClientVersionPin} },
}

// clearHost serves POST /admin/hosts/{id}/clear.
func (s *Surface) clearHost(r *call.Request, by audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	if host, err = s.cfg.Fleet.Clear(r.Context(), host.ID, by); err != nil {
		return nil, err
	}
	return api.AdminHostChanged{Host: api.HostCleared{ID: host.ID, FQDN: host.FQDN, Status: host.Status}}, nil
}

// curlInsecure serves POST /admin/hosts/{id}/curl-insecure. No client of ours skips the check of a certificate, so there is
// nothing to store and the answer is no; that this is asked for is no reason to break a script.
func (s *Surface) curlInsecure(r *call.Request, _ audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	if _, err := flag(r, "allow"); err != nil {
		return nil, err
	}
	return api.AdminHostChanged{Host: api.HostCurlInsecure{ID: host.ID}}, nil
}

const (
	defaultWindow = 10 // minutes
	maxWindow     = 480
)

// openWindow serves POST /admin/hosts/{id}/insecure/enable: an insecure host may call for so many minutes more. How many is
// kept: so far each of its calls moves the window on from then.
func (s *Surface) openWindow(r *call.Request, by audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	var request struct {
		Minutes *json.RawMessage `json:"duration_minutes"`
	}
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	minutes := defaultWindow
	if host.WindowMinutes != nil && *host.WindowMinutes > 0 {
		minutes = int(*host.WindowMinutes)
	}
	if request.Minutes != nil {
		if err := json.Unmarshal(*request.Minutes, &minutes); err != nil || minutes < 1 || minutes > maxWindow {
			return nil, errs.Field("duration_minutes", fmt.Sprintf("duration_minutes must be a number from 1 to %d", maxWindow))
		}
	}
	if host.Secure {
		return nil, errs.Field("secure", "the host is a secure one: it needs no window")
	}
	if request.Minutes != nil && (host.WindowMinutes == nil || int(*host.WindowMinutes) != minutes) {
		if host, err = s.cfg.Fleet.Update(r.Context(), host.ID, fleet.Change{WindowMinutes: &minutes}, by); err != nil {
			return nil, err
		}
	}
	if host, err = s.cfg.Fleet.OpenWindow(r.Context(), host, minutes, by); err != nil {
		return nil, err
	}
	return wireWindow(host), nil
}

// closeWindow serves POST /admin/hosts/{id}/insecure/disable. A secure host has no window, which is what was asked for.
func (s *Surface) closeWindow(r *call.Request, by audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	if host, err = s.windowClosed(r.Context(), host, by); err != nil {
		return nil, err
	}
	return wireWindow(host), nil
}

func (s *Surface) windowClosed(ctx context.Context, host *db.Host, by audit.Actor) (*db.Host, error) {
	if host.Secure {
		return host, nil
	}
	return s.cfg.Fleet.CloseWindow(ctx, host, by)
}

func wireWindow(h *db.Host) api.AdminHostChanged {
	wire := fleet.Wire(h)
	return api.AdminHostChanged{Host: api.HostWindow{
		ID: h.ID, InsecureEnabledUntil: wire.InsecureEnabledUntil, InsecureGraceUntil: wire.InsecureGraceUntil, InsecureWindowMinutes: wire.InsecureWindowMinutes,
	}}
}

// flag reads a member of the body that must be there and be yes or no.
func flag(r *call.Request, name string) (*bool, error) {
	flags := map[string]api.FlexBool{}
	if err := r.Decode(&flags); err != nil {
		return nil, err
	}
	switch value := flags[name]; {
	case value.Invalid:
		return nil, errs.Field(name, name+" must be boolean")
	case !value.Set:
		return nil, errs.Field(name, name+" is required")
	default:
		return &value.Value, nil
	}
}

// versionText is a version as people write it.
var versionText = regexp.MustCompile(`^(?i:codex-cli|codex|rust-)?\s*[vV]?(\d{1,9}\.\d{1,9}\.\d{1,9})$`)

// selection reads a version from the first of some members that is there; "": one of the words that mean none, or null.
func selection(r *call.Request, none []string, members ...string) (string, error) {
	body := map[string]json.RawMessage{}
	if err := r.Decode(&body); err != nil {
		return "", err
	}
	for _, name := range members {
		raw, given := body[name]
		if !given {
			continue
		}
		var text *string
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", errs.Field(name, name+" must be a JSON string")
		}
		if text == nil {
			text = new("")
		}
		if slices.Contains(none, strings.ToLower(strings.TrimSpace(*text))) {
			return "", nil
		}
		if version := versionText.FindStringSubmatch(strings.TrimSpace(*text)); version != nil {
			return version[1], nil
		}
		return "", errs.Field(name, name+" must be a version such as 0.63.0, or "+strings.Join(slices.DeleteFunc(slices.Clone(none), func(w string) bool { return w == "" }), ", "))
	}
	return "", errs.Field(members[0], members[0]+" is required")
}
