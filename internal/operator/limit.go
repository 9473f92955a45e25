package operator

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// LimitClear lets an address in again, whatever it did.
func (c *Console) LimitClear(ctx context.Context, text string) error {
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return errs.Field("address", fmt.Sprintf("want an address such as 203.0.113.9 or 2001:db8::1, got %q", text))
	}
	cleared, err := c.limits.Clear(ctx, address, c.by)
	if err != nil {
		return err
	}
	subject := ratelimit.Subject(address)
	if cleared {
		c.say("✓ %s is let in again; it is counted from the beginning", subject)
	} else {
		c.say("Nothing is held against %s", subject)
	}
	return c.print(map[string]any{"address": subject, "cleared": cleared}, func(io.Writer) {})
}
