package operator

import (
	"context"
	"fmt"
	"io"

	"github.com/cdxgate/cdxgate/internal/fleet"
)

// HostRotate gives a host a new API key: with its next call, or by an install command when the old one is to die at once,
// after asking.
func (c *Console) HostRotate(ctx context.Context, fqdn string, opts fleet.RotateOptions) error {
	host, err := c.host(ctx, fqdn)
	if err != nil {
		return err
	}
	if opts.RevokeNow {
		if err := c.confirm("The present key of " + host.FQDN + " stops working at once; the machine must be installed again."); err != nil {
			return err
		}
	}
	host, enrolment, err := c.fleet.Rotate(ctx, host.ID, opts, c.by)
	if err != nil {
		err = advise(err, fleet.ErrKeyPending, "if its key must end now: cdxgate host rotate %s --revoke-now", fqdn)
		return advise(err, fleet.ErrHostRoams, "a new key by an install command: cdxgate host rotate %s --revoke-now", fqdn)
	}
	if enrolment == nil {
		c.say("✓ %s gets the key %s… with the next start of its cdx", host.FQDN, *host.NextKeyPrefix)
		c.say("  The old one works until it has used that, and no longer than %s.", moment(*host.KeyUntil))
		c.say("  A machine that does not call by then, or has no cdx, must be installed again.")
		return c.printHost(ctx, host)
	}
	c.say("✓ %s has a new key, %s…; the old one is dead", host.FQDN, enrolment.Key.Prefix())
	return c.printEnrolment(enrolment)
}

// printEnrolment prints the command that turns a machine into its host.
func (c *Console) printEnrolment(enrolment *fleet.Enrolment) error {
	answer := fleet.WireEnrolment(enrolment, c.publicTLS())
	c.say("  Run this on it before %s; it works once:\n", moment(enrolment.ExpiresAt))
	return c.print(answer, func(out io.Writer) { _, _ = fmt.Fprintln(out, answer.Installer.Command) })
}
