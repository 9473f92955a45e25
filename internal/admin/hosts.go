package admin

import (
	"cmp"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// host is the host that a path names.
func (s *Surface) host(r *call.Request) (*db.Host, error) {
	if strings.Trim(r.Param, "0123456789") != "" {
		return nil, call.ErrNoRoute
	}
	id, err := strconv.ParseInt(r.Param, 10, 64)
	if err != nil {
		return nil, call.ErrNoRoute
	}
	return s.cfg.Fleet.ByID(r.Context(), id)
}

// hosts serves GET /admin/hosts.
func (s *Surface) hosts(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor")
	limit, after := q.number("limit", maxPage, maxPage), q.cursor()
	if q.err != nil {
		return nil, q.err
	}
	all, err := s.cfg.Fleet.List(r.Context())
	if err != nil {
		return nil, err
	}
	page, next := part(all, func(h *db.Host) string { return h.FQDN }, after, int(limit))
	details, err := s.cfg.Fleet.Details(r.Context(), page)
	if err != nil {
		return nil, err
	}
	answer := api.AdminHosts{Hosts: make([]api.AdminHost, 0, len(page)), Total: len(all), NextCursor: next}
	for i := range page {
		known := details[page[i].ID]
		if known == nil { // it was removed since it was listed
			continue
		}
		answer.Hosts = append(answer.Hosts, wireHost(&page[i], known))
	}
	return answer, nil
}

func wireHost(h *db.Host, known *fleet.Details) api.AdminHost {
	host := api.AdminHost{
		ID: h.ID, Host: fleet.Wire(h), CreatedAt: api.Time{Time: h.CreatedAt}, LastSeenAt: timeOrNull(h.LastSeenAt), IP: addressOf(h),
		AllowFrom: []string{}, MayStore: h.MayStore, KeyPrefix: h.KeyPrefix, CanonicalDigest: digestOf(h), RecentDigests: known.RecentDigests,
		Authed: len(h.AuthDigest) > 0, Users: known.Users,
	}
	for _, network := range h.AllowFrom {
		host.AllowFrom = append(host.AllowFrom, network.String())
	}
	host.AuthOutdated = host.Authed && known.CanonicalDigest != "" && *host.CanonicalDigest != known.CanonicalDigest
	if last := known.LastUsage; last != nil {
		host.TokenUsage = new(wireUsage(last))
	}
	return host
}

// insecureHosts serves GET /admin/hosts/insecure: those that may call now come first.
func (s *Surface) insecureHosts(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor")
	limit, after := q.number("limit", maxPage, maxPage), q.cursor()
	if q.err != nil {
		return nil, q.err
	}
	hosts, err := s.cfg.Fleet.List(r.Context())
	if err != nil {
		return nil, err
	}
	now, answer := s.cfg.Now(), api.AdminInsecureHosts{}
	all := []api.AdminInsecureHost{}
	for i := range hosts {
		h := &hosts[i]
		if h.Secure {
			continue
		}
		open := h.InsecureUntil != nil && !h.InsecureUntil.Before(now)
		if open {
			answer.Active++
		}
		all = append(all, api.AdminInsecureHost{ID: h.ID, FQDN: h.FQDN, Active: open, InsecureEnabledUntil: timeOrNull(h.InsecureUntil)})
	}
	answer.Count = len(all)
	answer.Hosts, answer.NextCursor = part(all, func(h *api.AdminInsecureHost) string {
		if h.Active {
			return "0 " + h.FQDN
		}
		return "1 " + h.FQDN
	}, after, int(limit))
	return answer, nil
}

// hostAuth serves GET /admin/hosts/{id}/auth: what the host has and is to have. The login itself only those see who may,
// and that they did is recorded first.
func (s *Surface) hostAuth(r *call.Request, v visitor) (any, error) {
	q := readQuery(r, "include_body")
	reveal := q.flag("include_body")
	if reveal && !v.May(access.CredentialReveal) {
		return nil, s.forbid(r, v, access.CredentialReveal)
	}
	host, err := s.host(r)
	switch {
	case err != nil:
		return nil, err
	case q.err != nil:
		return nil, q.err
	}
	details, err := s.cfg.Fleet.Details(r.Context(), []db.Host{*host})
	if err != nil {
		return nil, err
	}
	known := details[host.ID]
	if known == nil {
		return nil, fleet.ErrHostNotFound
	}
	answer := api.AdminHostAuth{
		Host: api.AdminAuthHost{
			ID: host.ID, FQDN: host.FQDN, Status: host.Status, LastRefresh: host.LastRefresh, UpdatedAt: api.Time{Time: host.UpdatedAt},
			ClientVersion: host.ClientVersion, WrapperVersion: host.WrapperVersion, IP: addressOf(host), AllowRoamingIPs: host.Roaming, Secure: host.Secure,
		},
		RecentDigests: known.RecentDigests, APICalls: host.APICalls,
	}
	if answer.CanonicalLastRefresh, answer.CanonicalDigest, err = s.canonical(r, host.AccountID); err != nil || answer.CanonicalDigest == nil || !reveal {
		return answer, err
	}
	body, err := s.cfg.Credentials.Reveal(r.Context(), host.AccountID, v.Actor)
	if err != nil {
		return nil, err
	}
	answer.Auth = []byte(body)
	return answer, nil
}

func digestOf(h *db.Host) *string {
	if len(h.AuthDigest) == 0 {
		return nil
	}
	return new(hex.EncodeToString(h.AuthDigest))
}

func addressOf(h *db.Host) *string {
	if h.BoundIP == nil {
		return nil
	}
	return new(h.BoundIP.String())
}

func timeOrNull(t *time.Time) api.Time {
	return api.Time{Time: *cmp.Or(t, &time.Time{})}
}
