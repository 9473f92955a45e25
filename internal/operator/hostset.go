package operator

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// host looks a host up by the name that was typed.
func (c *Console) host(ctx context.Context, fqdn string) (*db.Host, error) {
	host, err := c.fleet.ByFQDN(ctx, fqdn)
	return host, advise(err, fleet.ErrHostNotFound, "see cdxgate host list")
}

// HostSet changes a host and says what that means for it.
func (c *Console) HostSet(ctx context.Context, fqdn string, change fleet.Change) error {
	before, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	host, err := c.fleet.Update(ctx, before.ID, change, c.by)
	if err != nil {
		return inFlags(err)
	}
	c.say("✓ %s: %s", host.FQDN, strings.Join(changes(change), ", "))
	for _, words := range meaning(before, host, change) {
		c.say("  %s", words)
	}
	return c.printHost(ctx, host)
}

// inFlags words a validation error in what was typed rather than in the fields of the API.
func inFlags(err error) error {
	refusal := errs.Of(err)
	if refusal == nil || refusal.Kind != errs.Invalid {
		return err
	}
	words := *refusal
	words.Fields = map[string][]string{}
	for field, texts := range refusal.Fields {
		flag := map[string]string{
			"insecure_window_minutes": "--window", "duration_minutes": "--minutes", "allow_from": "--allow-from", "client_version": "--codex",
			"model_override": "--model", "reasoning_effort_override": "--reasoning-effort", "labels": "--label", "note": "--note",
			"search": "--search", "state": "--state", "sort": "--sort", "limit": "--limit",
		}[field]
		if flag == "" || len(texts) == 0 {
			return err
		}
		words.Fields[flag] = []string{strings.TrimSpace(strings.TrimPrefix(texts[0], field))}
	}
	return &words
}

// changes are a change in the words of the command line.
func changes(c fleet.Change) (all []string) {
	flag := func(name string, value *bool) {
		if value != nil {
			all = append(all, fmt.Sprintf("%s=%t", name, *value))
		}
	}
	flag("enabled", c.Enabled)
	flag("secure", c.Secure)
	flag("vip", c.VIP)
	flag("roaming", c.Roaming)
	flag("may-store", c.MayStore)
	flag("ipv4-only", c.ForceIPv4)
	if c.AllowFrom != nil {
		all = append(all, "allow-from="+orWord(networksOf(c.AllowFrom), "none"))
	}
	if c.WindowMinutes != nil {
		all = append(all, fmt.Sprintf("window=%d", *c.WindowMinutes))
	}
	if c.ClientVersion != nil {
		all = append(all, "codex="+orWord(*c.ClientVersion, "fleet"))
	}
	if c.Model != nil {
		all = append(all, "model="+orWord(*c.Model, "none"))
	}
	if c.ReasoningEffort != nil {
		all = append(all, "reasoning-effort="+orWord(*c.ReasoningEffort, "none"))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		all = append(all, "label "+key+"="+orWord(c.Labels[key], "none"))
	}
	if c.Note != nil {
		all = append(all, "note="+orWord(visible(*c.Note, ""), "none"))
	}
	if c.Unbind {
		all = append(all, "unbind")
	}
	return all
}

func orWord(text, word string) string {
	if text == "" {
		return word
	}
	return text
}

// meaning is what an operator should know who has just changed a host so.
func meaning(before, host *db.Host, c fleet.Change) (all []string) {
	if c.Enabled != nil && !*c.Enabled {
		all = append(all, "Its calls are refused from now on. To end that: cdxgate host set "+host.FQDN+" --enabled")
	}
	if c.Secure != nil && !*c.Secure {
		all = append(all, "It gets the login only inside its window. To open that: cdxgate host open "+host.FQDN)
	}
	if c.MayStore != nil && !*c.MayStore {
		all = append(all, "What it uploads changes nothing from now on.")
	}
	if len(c.AllowFrom) > 0 {
		all = append(all, "It may call from anywhere in "+networksOf(c.AllowFrom)+", and from nowhere else.")
	}
	if host.ForceIPv4 && len(host.AllowFrom) > 0 && !slices.ContainsFunc(host.AllowFrom, func(network netip.Prefix) bool { return network.Addr().Is4() }) {
		all = append(all, "It cannot call any more: it is to use IPv4 only, and none of its networks is one of IPv4. To end that: cdxgate host set "+host.FQDN+" --allow-from none")
	}
	if host.NextKeySHA256 != nil && (host.Roaming || len(host.AllowFrom) > 0) {
		all = append(all, "It may call from several addresses, so it is not given the key that waits for it. A new one: cdxgate host rotate "+host.FQDN+" --revoke-now")
	}
	switch {
	case c.Unbind:
		all = append(all, "It is bound to the address of its next call.")
	case before.BoundIP != nil && host.BoundIP == nil:
		all = append(all, "It was bound to "+before.BoundIP.String()+", where it will not come from any more: it is bound to the address of its next call.")
	}
	return all
}

// HostRename gives a host another name.
func (c *Console) HostRename(ctx context.Context, fqdn, to string) error {
	before, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	host, err := c.fleet.Rename(ctx, before.ID, to, nil, c.by)
	if err != nil {
		return advise(err, fleet.ErrHostExists, "a host that was pruned has its name for 7 days more")
	}
	if host.FQDN == before.FQDN {
		c.say("✓ %s has that name already", host.FQDN)
		return c.printHost(ctx, host)
	}
	c.say("✓ %s is %s from now on; its key stays", before.FQDN, host.FQDN)
	c.say("  The machine learns of it with the next start of its cdx.")
	return c.printHost(ctx, host)
}

// HostSuspend switches a host off, after asking.
func (c *Console) HostSuspend(ctx context.Context, fqdn string) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	if err := c.confirm("Suspend " + host.FQDN + "? Its calls are refused from then on."); err != nil {
		return err
	}
	if host, err = c.fleet.Update(ctx, host.ID, fleet.Change{Enabled: new(false)}, c.by); err != nil {
		return err
	}
	c.say("✓ %s is suspended: its calls are refused. To end that: cdxgate host resume %s", host.FQDN, host.FQDN)
	return c.printHost(ctx, host)
}

// HostResume switches a host on again, after asking: it gets the login with its next call.
func (c *Console) HostResume(ctx context.Context, fqdn string) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	if err := c.confirm("Resume " + host.FQDN + "? Its key gets the login again."); err != nil {
		return err
	}
	if host, err = c.fleet.Update(ctx, host.ID, fleet.Change{Enabled: new(true)}, c.by); err != nil {
		return err
	}
	c.say("✓ %s is a host like the others again", host.FQDN)
	return c.printHost(ctx, host)
}

// HostOpen lets an insecure host call for so many minutes more.
func (c *Console) HostOpen(ctx context.Context, fqdn string, minutes int) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	if host, err = c.fleet.OpenWindow(ctx, host, minutes, c.by); err != nil {
		return inFlags(advise(err, fleet.ErrSecure, "cdxgate host set %s --secure=false makes it insecure", fqdn))
	}
	c.say("✓ %s may call until %s", host.FQDN, moment(*host.InsecureUntil))
	return c.printHost(ctx, host)
}

// HostClose ends an insecure host's window.
func (c *Console) HostClose(ctx context.Context, fqdn string) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	if host, err = c.fleet.CloseWindow(ctx, host, c.by); err != nil {
		return advise(err, fleet.ErrSecure, "cdxgate host set %s --enabled=false locks it out", fqdn)
	}
	c.say("✓ the window of %s is closed: it gets no login any more", host.FQDN)
	if until := host.GraceUntil; until != nil && until.After(time.Now()) {
		c.say("  Until %s it may still bring one, and start Codex with the one it has.", moment(*until))
		c.say("  To lock it out now: cdxgate host set %s --enabled=false", host.FQDN)
	}
	return c.printHost(ctx, host)
}

// HostRestore makes a pruned host one again.
func (c *Console) HostRestore(ctx context.Context, fqdn string) error {
	if host, err := c.fleet.ByFQDN(ctx, fqdn); err == nil {
		c.say("✓ %s is a host; there is nothing to restore", host.FQDN)
		return c.printHost(ctx, host)
	}
	host, err := c.fleet.Restore(ctx, fqdn, c.by)
	if err != nil {
		return advise(err, fleet.ErrHostNotFound, "only hosts that were pruned in the last 7 days can be restored")
	}
	c.say("✓ %s is a host again, with the key it had", host.FQDN)
	return c.printHost(ctx, host)
}

// printHost prints a host for programs; who reads words was told already.
func (c *Console) printHost(ctx context.Context, host *db.Host) error {
	current, err := c.current(ctx)
	if err != nil {
		return err
	}
	return c.print(map[string]any{"host": list(host, current, time.Now())}, func(io.Writer) {})
}
