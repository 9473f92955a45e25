package operator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// listedHost is a host as host list -o json shows it.
type listedHost struct {
	ID int64 `json:"id"`
	api.Host
	KeyPrefix     string            `json:"key_prefix"`
	NextKeyPrefix *string           `json:"next_key_prefix"` // of the key that ends the present one when it is first used
	KeyUntil      api.Time          `json:"key_until"`       // when the present one ends without that
	BoundIP       string            `json:"ip"`
	AllowFrom     []netip.Prefix    `json:"allow_from"` // empty: its binding decides
	MayStore      bool              `json:"may_store"`
	LastSeenAt    api.Time          `json:"last_seen_at"`
	CreatedAt     api.Time          `json:"created_at"`
	Labels        map[string]string `json:"labels"`
	Note          string            `json:"note"`
	PreviousFQDNs []string          `json:"previous_fqdns"` // names it had, oldest first
	State         string            `json:"state"`
	Login         string            `json:"login"`
}

// HostListOptions are the flags of host list.
type HostListOptions struct {
	fleet.Query
	All bool // every host that matches, not only the first Limit
}

// HostList prints hosts.
func (c *Console) HostList(ctx context.Context, opts HostListOptions) error {
	page, err := c.hosts(ctx, opts)
	if err != nil {
		return inFlags(err)
	}
	current, err := c.current(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	listed := make([]listedHost, 0, len(page.Hosts))
	t := table{head: []string{"NAME", "STATE", "SEEN", "LOGIN", "CODEX", "CDX", "ADDRESS"}, optional: []string{"ADDRESS", "CDX", "LOGIN", "CODEX"}}
	for i := range page.Hosts {
		host := &page.Hosts[i]
		l := list(host, current, now)
		listed = append(listed, l)
		t.rows = append(t.rows, []string{
			l.FQDN, l.State, ago(host.LastSeenAt, now), l.Login, orDash(l.ClientVersion), orDash(l.WrapperVersion), dash(l.BoundIP),
		})
	}
	if page.Total == 0 {
		c.sayNoHosts(opts.Query)
	}
	document := struct {
		Hosts []listedHost `json:"hosts"`
		Total int64        `json:"total"` // hosts that match, listed or not
	}{listed, page.Total}
	err = c.print(document, func(out io.Writer) { t.write(out, c.Err) })
	if page.Next != "" {
		c.say("%d of %d hosts. The others as well: --all", len(listed), page.Total)
	}
	return err
}

// hosts gets the first hosts of a list, or all, part by part.
func (c *Console) hosts(ctx context.Context, opts HostListOptions) (*fleet.Page, error) {
	query := opts.Query
	query.Versions.Cdx = c.Version
	if query.Filter.Outdated != nil {
		decided, err := c.policies.Load(ctx)
		if err != nil {
			return nil, err
		}
		newest, err := c.codex.Known(ctx)
		if err != nil {
			return nil, err
		}
		query.Versions.Codex, query.Versions.Newest = decided.ClientVersion, newest.Version
	}
	if !opts.All {
		return c.fleet.List(ctx, query)
	}
	query.Limit = fleet.MaxPage
	page, err := c.fleet.List(ctx, query)
	for err == nil && page.Next != "" {
		var more *fleet.Page
		query.Cursor = page.Next
		if more, err = c.fleet.List(ctx, query); err == nil {
			page.Hosts, page.Next = append(page.Hosts, more.Hosts...), more.Next
		}
	}
	return page, err
}

func (c *Console) sayNoHosts(query fleet.Query) {
	if query.Search == "" && reflect.ValueOf(query.Filter).IsZero() {
		c.say("No hosts yet. Add one: cdxgate host add NAME")
		return
	}
	c.say("No host is like that.")
}

func list(host *db.Host, current credential.Generation, now time.Time) listedHost {
	l := listedHost{
		ID: host.ID, Host: fleet.Wire(host), KeyPrefix: host.KeyPrefix, CreatedAt: api.Time{Time: host.CreatedAt},
		AllowFrom: host.AllowFrom, MayStore: host.MayStore, NextKeyPrefix: host.NextKeyPrefix,
		Labels: fleet.Labels(host), Note: host.Note, PreviousFQDNs: host.PreviousFQDNs,
	}
	if host.BoundIP != nil {
		l.BoundIP = host.BoundIP.String()
	}
	if host.KeyUntil != nil {
		l.KeyUntil = api.Time{Time: *host.KeyUntil}
	}
	if host.LastSeenAt != nil {
		l.LastSeenAt = api.Time{Time: *host.LastSeenAt}
	}
	l.State, l.Login = state(host, current, now)
	return l
}

// state puts a host's situation into two words: may it log in, and does it have the login.
func state(host *db.Host, current credential.Generation, now time.Time) (state, login string) {
	login = "behind"
	switch {
	case host.AuthDigest == nil:
		login = "none"
	case bytes.Equal(host.AuthDigest, current.Digest[:]):
		login = fmt.Sprintf("gen %d", current.Number)
	}
	switch {
	case host.Status != "active":
		return host.Status, login
	case host.ExpiresAt != nil && !host.ExpiresAt.After(now):
		return "expired", login
	case host.KeyUntil != nil && !host.KeyUntil.After(now):
		return "key ended", login
	case host.LastSeenAt == nil:
		return "never seen", login
	case !host.Secure && (host.InsecureUntil == nil || host.InsecureUntil.Before(now)):
		return "locked", login
	case !host.Secure:
		open := host.InsecureUntil.Sub(now)
		return fmt.Sprintf("window %d:%02d", int(open.Minutes()), int(open.Seconds())%60), login
	}
	return "can login", login
}
