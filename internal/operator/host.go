package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// HostAddOptions are the flags of host add.
type HostAddOptions struct {
	Insecure  bool
	VIP       bool
	Temporary bool
}

// HostAdd registers a host and prints the command that turns the machine into it. A name that is registered already
// gets a new key only if the operator says so, since the old one dies at once.
func (c *Console) HostAdd(ctx context.Context, fqdn string, opts HostAddOptions) error {
	registration := fleet.Registration{FQDN: fqdn, Insecure: opts.Insecure, VIP: opts.VIP, Temporary: &opts.Temporary}
	enrolment, err := c.fleet.Register(ctx, registration, c.by)
	if errors.Is(err, fleet.ErrHostExists) {
		question := fqdn + " is registered already. A new key stops its present one at once; the machine must be installed again."
		if err := c.confirm(question); err != nil {
			return err
		}
		registration.Rekey = true
		enrolment, err = c.fleet.Register(ctx, registration, c.by)
	}
	if err != nil {
		return err
	}
	c.say("✓ %s is registered, key %s…", enrolment.Host.FQDN, enrolment.Key.Prefix())
	return c.printEnrolment(enrolment)
}

// HostShow prints one host.
func (c *Console) HostShow(ctx context.Context, fqdn string) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	current, err := c.current(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	l := list(host, current, now)
	return c.print(map[string]any{"host": l}, func(out io.Writer) {
		facts := [][2]string{
			{"host", host.FQDN + ", " + kindOf(host)},
			{"id", fmt.Sprint(host.ID)},
			{"state", l.State},
			{"address", addressOf(host)},
			{"networks", dash(networksOf(host.AllowFrom))},
			{"window", windowOf(host)},
			{"key", keyOf(host, now)},
			{"login", l.Login},
			{"may store", yesOrNo[host.MayStore]},
			{"ipv4 only", yesOrNo[host.ForceIPv4]},
			{"codex", codexOf(host)},
			{"model", orDash(host.ModelOverride)},
			{"effort", orDash(host.ReasoningEffortOverride)},
			{"cdx", orDash(host.WrapperVersion)},
			{"calls", fmt.Sprint(host.APICalls)},
			{"seen", ago(host.LastSeenAt, now)},
			{"created", moment(host.CreatedAt)},
		}
		if host.ExpiresAt != nil {
			facts = append(facts, [2]string{"expires", moment(*host.ExpiresAt)})
		}
		if len(l.Labels) > 0 {
			facts = append(facts, [2]string{"labels", labelsOf(l.Labels)})
		}
		if l.Note != "" {
			facts = append(facts, [2]string{"note", visible(l.Note, "")})
		}
		if len(l.PreviousFQDNs) > 0 {
			facts = append(facts, [2]string{"was", strings.Join(l.PreviousFQDNs, ", ")})
		}
		for _, fact := range facts {
			_, _ = fmt.Fprintf(out, "%-9s %s\n", fact[0], fact[1])
		}
	})
}

// HostRemove removes a host, after asking.
func (c *Console) HostRemove(ctx context.Context, fqdn string) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	if err := c.confirm("Remove " + host.FQDN + "? Its key stops working at once."); err != nil {
		return err
	}
	removed, err := c.fleet.Delete(ctx, host.ID, c.by, audit.ActionAdminHostDelete)
	if err != nil {
		return err
	}
	c.say("✓ %s is removed, its key is dead", removed)
	c.say("  It may still hold the login; to end that, bring a new one: cdxgate auth upload FILE")
	return c.print(map[string]int64{"deleted": host.ID}, func(io.Writer) {})
}

// current is the canonical generation; zero when there is none.
func (c *Console) current(ctx context.Context) (credential.Generation, error) {
	current, err := c.credentials.Current(ctx, c.account.ID)
	if errors.Is(err, credential.ErrNone) {
		return credential.Generation{}, nil
	}
	return current, err
}

// keyOf tells of a host's API keys: the one it has, and the one that is to come.
func keyOf(host *db.Host, now time.Time) string {
	switch {
	case host.NextKeySHA256 == nil:
		return host.KeyPrefix + "…"
	case !host.KeyUntil.After(now):
		return host.KeyPrefix + "… has ended, " + *host.NextKeyPrefix + "… was never used"
	}
	return host.KeyPrefix + "… until " + moment(*host.KeyUntil) + ", or until it has used " + *host.NextKeyPrefix + "…"
}

func labelsOf(labels map[string]string) string {
	texts := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		texts = append(texts, key+"="+labels[key])
	}
	return strings.Join(texts, ", ")
}

func kindOf(host *db.Host) string {
	kind := "secure"
	if !host.Secure {
		kind = "insecure"
	}
	if host.VIP {
		kind += ", vip"
	}
	return kind
}

func addressOf(host *db.Host) string {
	switch {
	case host.BoundIP == nil && host.Roaming:
		return "not bound yet, roaming"
	case host.BoundIP == nil:
		return "not bound yet"
	case len(host.AllowFrom) > 0:
		return host.BoundIP.String() + ", from its networks"
	case host.Roaming:
		return host.BoundIP.String() + ", roaming"
	}
	return host.BoundIP.String() + ", bound"
}

func networksOf(networks []netip.Prefix) string {
	texts := make([]string, 0, len(networks))
	for _, network := range networks {
		texts = append(texts, network.String())
	}
	return strings.Join(texts, ",")
}

// windowOf says how an insecure host's window moves; a secure one needs none.
func windowOf(host *db.Host) string {
	minutes := 10
	if host.WindowMinutes != nil {
		minutes = int(*host.WindowMinutes)
	}
	if host.Secure {
		return "-"
	}
	until := "closed"
	if host.InsecureUntil != nil && host.InsecureUntil.After(time.Now()) {
		until = "open until " + moment(*host.InsecureUntil)
	}
	if minutes == 0 {
		return until + ", not moved on by calls"
	}
	return fmt.Sprintf("%s, moved on %d min by each call", until, minutes)
}

func codexOf(host *db.Host) string {
	if host.ClientVersionPin != nil {
		return orDash(host.ClientVersion) + ", pinned to " + *host.ClientVersionPin
	}
	return orDash(host.ClientVersion)
}

var yesOrNo = map[bool]string{true: "yes", false: "no"}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return dash(*text)
}
