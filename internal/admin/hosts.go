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
	"github.com/cdxgate/cdxgate/internal/door"
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
	q := readQuery(r, "limit", "cursor", "search", "sort", "desc", "state", "secure", "roaming", "vip", "outdated", "window_open", "never_seen", "behind", "label")
	query := fleet.Query{
		Search: q.values.Get("search"), Sort: q.values.Get("sort"), Desc: q.flag("desc"), Cursor: q.cursor(),
		Limit: int(q.number("limit", fleet.MaxPage, fleet.MaxPage)),
		Filter: fleet.Filter{
			State: q.values.Get("state"), Secure: q.flagIfGiven("secure"), Roaming: q.flagIfGiven("roaming"), VIP: q.flagIfGiven("vip"),
			Outdated: q.flagIfGiven("outdated"), WindowOpen: q.flagIfGiven("window_open"), NeverSeen: q.flagIfGiven("never_seen"),
			Behind: q.flagIfGiven("behind"),
		},
	}
	if label := q.values.Get("label"); label != "" {
		key, value, _ := strings.Cut(label, "=")
		query.Filter.Label = map[string]string{key: value}
	}
	if q.err != nil {
		return nil, q.err
	}
	if query.Filter.Outdated != nil {
		decided, err := s.cfg.Policy.Load(r.Context())
		if err != nil {
			return nil, err
		}
		newest, err := s.cfg.Codex.Known(r.Context())
		if err != nil {
			return nil, err
		}
		query.Versions = fleet.Versions{Codex: decided.ClientVersion, Newest: newest.Version, Cdx: s.cfg.Version}
	}
	page, err := s.cfg.Fleet.List(r.Context(), query)
	if err != nil {
		return nil, err
	}
	details, err := s.cfg.Fleet.Details(r.Context(), page.Hosts)
	if err != nil {
		return nil, err
	}
	answer := api.AdminHosts{Hosts: make([]api.AdminHost, 0, len(page.Hosts)), Total: int(page.Total), NextCursor: textOrNull(page.Next)}
	for i := range page.Hosts {
		known := details[page.Hosts[i].ID]
		if known == nil { // it was removed since it was listed
			continue
		}
		answer.Hosts = append(answer.Hosts, wireHost(&page.Hosts[i], known))
	}
	return answer, nil
}

func wireHost(h *db.Host, known *fleet.Details) api.AdminHost {
	host := api.AdminHost{
		ID: h.ID, Host: fleet.Wire(h), CreatedAt: api.Time{Time: h.CreatedAt}, LastSeenAt: timeOrNull(h.LastSeenAt), IP: addressOf(h),
		AllowFrom: []string{}, MayStore: h.MayStore, KeyPrefix: h.KeyPrefix, CanonicalDigest: digestOf(h), RecentDigests: known.RecentDigests,
		Authed: len(h.AuthDigest) > 0, Users: known.Users, Labels: fleet.Labels(h), Note: h.Note, ETag: hostTag(h),
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
	q := readQuery(r, "limit", "cursor", "search", "sort", "desc", "active")
	query := fleet.Query{
		Search: q.values.Get("search"), Filter: fleet.Filter{Secure: new(false), WindowOpen: q.flagIfGiven("active")},
		Sort: q.word("sort", fleet.SortWindow, fleet.Sorts...), Desc: q.flag("desc"), Cursor: q.cursor(), Limit: int(q.number("limit", fleet.MaxPage, fleet.MaxPage)),
	}
	if q.err != nil {
		return nil, q.err
	}
	page, err := s.cfg.Fleet.List(r.Context(), query)
	if err != nil {
		return nil, err
	}
	open, err := s.cfg.Fleet.List(r.Context(), fleet.Query{Search: query.Search, Filter: fleet.Filter{WindowOpen: new(true)}, Limit: 1})
	if err != nil {
		return nil, err
	}
	now, answer := s.cfg.Now(), api.AdminInsecureHosts{
		Count: int(page.Total), Active: int(open.Total), Hosts: make([]api.AdminInsecureHost, 0, len(page.Hosts)), NextCursor: textOrNull(page.Next),
	}
	for i := range page.Hosts {
		h := &page.Hosts[i]
		answer.Hosts = append(answer.Hosts, api.AdminInsecureHost{
			ID: h.ID, FQDN: h.FQDN, Active: h.InsecureUntil != nil && !h.InsecureUntil.Before(now), InsecureEnabledUntil: timeOrNull(h.InsecureUntil),
		})
	}
	return answer, nil
}

// hostAuth serves GET /admin/hosts/{id}/auth: what the host has and is to have. The login itself only those see who may,
// and that they did is recorded first.
func (s *Surface) hostAuth(r *call.Request, v door.Visitor) (any, error) {
	q := readQuery(r, "include_body")
	reveal := q.flag("include_body")
	if reveal && !v.May(access.CredentialReveal) {
		return nil, s.cfg.Door.Forbid(r, v, access.CredentialReveal)
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

// textOrNull is null for an empty text.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func timeOrNull(t *time.Time) api.Time {
	return api.Time{Time: *cmp.Or(t, &time.Time{})}
}
