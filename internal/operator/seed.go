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
	c.say("  Run this on the machine that is logged in, before %s; it works once:\n", moment(seed.ExpiresAt))
	return c.print(credential.WireSeed(seed), func(out io.Writer) { _, _ = fmt.Fprintln(out, seed.Command) })
}
