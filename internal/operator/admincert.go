package operator

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
)

// AdminCertAddOptions are the flags of admin cert add.
type AdminCertAddOptions struct {
	Dir       string // Default: admin in the data directory
	Overwrite bool
	// Reload makes a running gateway trust a new authority; it reports whether one was running.
	Reload func() (running bool, err error)
}

// AdminCertAdd issues an admin certificate, writes its files and shows, this once, the password of the .p12.
func (c *Console) AdminCertAdd(ctx context.Context, name string, opts AdminCertAddOptions) error {
	added, poolErr := c.certs.Add(ctx, name, adminca.AddOptions{Dir: opts.Dir, Overwrite: opts.Overwrite}, c.by)
	if added == nil {
		return poolErr
	}
	if added.PoolChanged {
		running, err := opts.Reload()
		switch {
		case err != nil:
			c.say("! the running gateway does not accept it yet: %v\n  Now: cdxgate reload --force", err)
		case running:
			c.say("✓ the running gateway accepts it now")
		}
	}
	document := map[string]any{
		"name": added.Identity.Name, "serial": added.Identity.Serial, "spki_sha256": added.Identity.SPKI.String(),
		"not_after": api.Time{Time: added.Identity.NotAfter},
		"crt":       added.Files.Cert, "key": added.Files.Key, "p12": added.Files.P12, "p12_password": added.Files.Password.Reveal(),
	}
	c.say("✓ %s may come in until %s", added.Identity.Name, moment(added.Identity.NotAfter))
	printErr := c.print(document, func(out io.Writer) {
		_, _ = fmt.Fprintf(out, "certificate  %s\nkey          %s\nbrowser      %s\npassword     %s\n",
			added.Files.Cert, added.Files.Key, added.Files.P12, added.Files.Password.Reveal())
		c.say("  The password opens the .p12 and is kept nowhere: note it now.")
	})
	return errors.Join(printErr, poolErr)
}

// AdminCertList prints every certificate ever handed out.
func (c *Console) AdminCertList(ctx context.Context) error {
	certs, err := c.certs.List(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	type listed struct {
		Name      string   `json:"name"`
		Serial    string   `json:"serial"`
		SPKI      string   `json:"spki_sha256"`
		State     string   `json:"state"`
		NotAfter  api.Time `json:"not_after"`
		CreatedAt api.Time `json:"created_at"`
	}
	all := make([]listed, 0, len(certs))
	t := table{head: []string{"NAME", "STATE", "UNTIL", "SERIAL"}, optional: []string{"SERIAL"}}
	for _, cert := range certs {
		state := "good"
		switch {
		case cert.RevokedAt != nil:
			state = "revoked"
		case !cert.NotAfter.After(now):
			state = "expired"
		}
		all = append(all, listed{
			cert.Name, cert.Serial, hex.EncodeToString(cert.SPKISHA256), state, api.Time{Time: cert.NotAfter}, api.Time{Time: cert.CreatedAt},
		})
		t.rows = append(t.rows, []string{cert.Name, state, moment(cert.NotAfter), cert.Serial})
	}
	if len(certs) == 0 {
		c.say("No admin certificates yet. Make one: cdxgate admin cert add NAME")
	}
	return c.print(map[string]any{"certificates": all}, func(out io.Writer) { t.write(out, c.Err) })
}
