package operator

import (
	"context"
	"fmt"
	"io"

	"github.com/cdxgate/cdxgate/internal/credential"
)

// AuthSeedCommand prints the command that uploads the login of the machine it is run on.
func (c *Console) AuthSeedCommand(ctx context.Context) error {
	seed, err := c.credentials.NewSeed(ctx, c.account.Name, c.by)
	if err != nil {
		return err
	}
	answer := credential.WireSeed(seed, c.publicTLS())
	c.say("  Run this on the machine that is logged in, before %s; it works once:\n", moment(seed.ExpiresAt))
	return c.print(answer, func(out io.Writer) { _, _ = fmt.Fprintln(out, answer.Command) })
}
