package admin

import (
	"encoding/json"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

var suspend = change{
	audit.ActionHostUpdate,
	func(*call.Request) (fleet.Change, error) { return fleet.Change{Enabled: new(false)}, nil },
	wireStatus,
}

var resume = change{
	audit.ActionHostUpdate,
	func(*call.Request) (fleet.Change, error) { return fleet.Change{Enabled: new(true)}, nil },
	wireStatus,
}

func wireStatus(h *db.Host) any { return api.HostStatus{ID: h.ID, FQDN: h.FQDN, Status: h.Status} }

var unbind = change{
	audit.ActionHostUpdate,
	func(*call.Request) (fleet.Change, error) { return fleet.Change{Unbind: true}, nil },
	func(h *db.Host) any { return api.HostBinding{ID: h.ID, FQDN: h.FQDN, IP: addressOf(h)} },
}

// rotateKey serves POST /admin/hosts/{id}/rotate. Whoever has the install command that a revoked key makes necessary can make
// any machine the host: it wants the capability that a registration wants.
func (s *Surface) rotateKey(r *call.Request, v door.Visitor) (any, error) {
	var request struct {
		RevokeNow api.FlexBool `json:"revoke_now"`
	}
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	opts := fleet.RotateOptions{RevokeNow: request.RevokeNow.Or(false)}
	if opts.RevokeNow && !v.May(access.HostEnrol) {
		return nil, s.cfg.Door.Forbid(r, v, access.HostEnrol)
	}
	host, err := s.host(r)
	switch {
	case err != nil:
		return nil, err
	case request.RevokeNow.Invalid:
		return nil, errs.Field("revoke_now", "revoke_now must be boolean")
	}
	host, enrolment, err := s.cfg.Fleet.Rotate(r.Context(), host.ID, opts, v.Actor)
	if err != nil {
		return nil, err
	}
	answer := api.AdminHostRotated{Host: api.HostKey{
		ID: host.ID, FQDN: host.FQDN, KeyPrefix: host.KeyPrefix, NextKeyPrefix: host.NextKeyPrefix, KeyUntil: timeOrNull(host.KeyUntil),
	}}
	if enrolment != nil {
		answer.Installer = &fleet.WireEnrolment(enrolment, s.cfg.PublicTLS()).Installer
	}
	return answer, nil
}

// renameHost serves POST /admin/hosts/{id}/rename, if what admins decide about the host is still what the caller read.
func (s *Surface) renameHost(r *call.Request, by audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	var request struct {
		FQDN string `json:"fqdn"`
	}
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	if host, err = s.cfg.Fleet.Rename(r.Context(), host.ID, request.FQDN, unchangedHost(r), by); err != nil {
		return nil, err
	}
	return changedHost(host, api.HostName{ID: host.ID, FQDN: host.FQDN, PreviousFQDNs: append([]string{}, host.PreviousFQDNs...)}), nil
}

// hostLabels serves GET /admin/hosts/{id}/labels.
func (s *Surface) hostLabels(r *call.Request, _ audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	if q := readQuery(r); q.err != nil {
		return nil, q.err
	}
	return taggedLabels(host), nil
}

// labelHost serves POST /admin/hosts/{id}/labels, if labels and note are still what the caller read.
func (s *Surface) labelHost(r *call.Request, by audit.Actor) (any, error) {
	host, err := s.host(r)
	if err != nil {
		return nil, err
	}
	wanted, err := readLabels(r)
	if err != nil {
		return nil, err
	}
	wanted.Base = func(before *db.Host) error {
		if !r.Still(taggedLabels(before).ETag) {
			return call.ErrStale
		}
		return nil
	}
	if host, err = s.cfg.Fleet.Update(r.Context(), host.ID, wanted, by); err != nil {
		return nil, err
	}
	return taggedLabels(host), nil
}

func taggedLabels(h *db.Host) call.Tagged {
	return tagged(api.AdminHostChanged{Host: api.HostLabels{ID: h.ID, Labels: fleet.Labels(h), Note: h.Note}})
}

// readLabels reads what is to be different about labels and note; what is not there stays. A note that is null is none.
func readLabels(r *call.Request) (c fleet.Change, err error) {
	members := map[string]json.RawMessage{}
	if err := r.Decode(&members); err != nil {
		return c, err
	}
	if raw, given := members["labels"]; given && string(raw) != "null" {
		if c.Labels, err = labelsOf("labels", raw); err != nil {
			return c, err
		}
	}
	if raw, given := members["note"]; given {
		c.Note = new("")
		if err := json.Unmarshal(raw, c.Note); err != nil {
			return c, errs.Field("note", "note must be a JSON string or null")
		}
	}
	if c.Labels == nil && c.Note == nil {
		return c, errs.Field("labels", "labels or note is required")
	}
	return c, nil
}

// labelsOf reads labels from a member of a body; null stands for no such label.
func labelsOf(name string, raw json.RawMessage) (map[string]string, error) {
	var texts map[string]*string
	if err := json.Unmarshal(raw, &texts); err != nil || texts == nil {
		return nil, errs.Field(name, name+" must be an object of texts, or null for a label to remove")
	}
	labels := make(map[string]string, len(texts))
	for key, text := range texts {
		labels[key] = ""
		if text != nil {
			labels[key] = *text
		}
	}
	return labels, fleet.CheckLabels(labels)
}
