package caddymodule

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// Limit bounds what is counted in one bucket.
type Limit struct {
	// No limit.
	Off bool `json:"off,omitempty"`

	// Hits that are allowed in a window.
	Limit int32 `json:"limit,omitempty"`

	// How long a window is.
	Window caddy.Duration `json:"window,omitempty"`

	// How long nothing is allowed after a window overflowed. Default: until the window ends.
	Block caddy.Duration `json:"block,omitempty"`
}

// parseLimit reads one line about one bucket:
//
//	limit <bucket> <hits> <window> [<block>]
//	limit <bucket> off
func (a *App) parseLimit(d *caddyfile.Dispenser, values []string) error {
	if len(values) < 2 || len(values) > 4 {
		return d.Errf("option “limit” wants a bucket, a number, a window and maybe a block, as in “limit auth-fail 20 10m 30m”, or a bucket and “off”")
	}
	bucket, values := values[0], values[1:]
	if _, twice := a.Limits[bucket]; twice {
		return d.Errf("option “limit %s” stands twice", bucket)
	}
	if a.Limits == nil {
		a.Limits = map[string]Limit{}
	}
	if len(values) == 1 && values[0] == "off" {
		a.Limits[bucket] = Limit{Off: true}
		return nil
	}
	hits, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil || len(values) == 1 {
		return d.Errf("option “limit %s” wants a number and a window, as in “limit %s 120 1m”", bucket, bucket)
	}
	limit, durations := Limit{Limit: int32(hits)}, []*caddy.Duration{}
	durations = append(durations, &limit.Window, &limit.Block)
	for i, text := range values[1:] {
		parsed, err := caddy.ParseDuration(text)
		if err != nil {
			return d.Errf("option “limit %s” wants a duration such as 10m, got %q", bucket, text)
		}
		*durations[i] = caddy.Duration(parsed)
	}
	a.Limits[bucket] = limit
	return nil
}

// rateLimits are the defaults with what was configured.
func (a *App) rateLimits() (ratelimit.Rules, error) {
	rules := ratelimit.Defaults()
	for _, name := range slices.Sorted(maps.Keys(a.Limits)) {
		limit, bucket := a.Limits[name], ratelimit.Bucket(name)
		rule := ratelimit.Rule{Limit: limit.Limit, Window: time.Duration(limit.Window), Block: time.Duration(limit.Block)}
		switch {
		case !slices.Contains(ratelimit.Buckets, bucket):
			return nil, fmt.Errorf("option “limit”: there is no bucket %q; there are %v", name, ratelimit.Buckets)
		case limit.Off:
			delete(rules, bucket)
		case rule.Limit < 1 || rule.Window < time.Second || rule.Block < 0:
			return nil, fmt.Errorf("option “limit %s”: want at least 1 hit, a window of at least 1s, no negative block; to lift it, write “off”", name)
		default:
			rules[bucket] = rule
		}
	}
	return rules, nil
}

// networks parses CIDRs strictly: what is no network, or names one with bits beyond its length, is refused rather than
// read as a larger one.
func networks(option string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || !fleet.IsNetwork(prefix) {
			return nil, fmt.Errorf("option “%s”: want networks such as 172.28.0.0/16 or fd00::/8, got %q", option, text)
		}
		all = append(all, prefix)
	}
	return all, nil
}
