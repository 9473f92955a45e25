package operator

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
)

// AdminCertAddOptions are the flags of admin cert add.
type AdminCertAddOptions struct {
	Role      string // Default: owner for the first certificate; later ones must say
	Dir       string // Default: admin in the data directory
	Overwrite bool
	// Reload makes a running gateway trust a new authority; it reports whether one was running.
	Reload func() (running bool, err error)
}

// AdminCertAdd issues an admin certificate, writes its files and shows, this once, the password of the .p12.
func (c *Console) AdminCertAdd(ctx context.Context, name string, opts AdminCertAddOptions) error {
	if opts.Role != "" {
		if _, err := access.ParseRole(opts.Role); err != nil {
			return err
		}
	}
	added, poolErr := c.certs.Add(ctx, name, adminca.AddOptions{Role: opts.Role, Dir: opts.Dir, Overwrite: opts.Overwrite}, c.by)
	if added == nil {
		return poolErr
	}
	return errors.Join(c.printCert(added, nil, opts.Reload), poolErr)
}

// printCert makes the running gateway accept a new certificate, if it has to be told, and prints it. old are those that it
// stands in for.
func (c *Console) printCert(added *adminca.Added, old []adminca.Revoked, reload func() (bool, error)) error {
	if added.PoolChanged {
		running, err := reload()
		switch {
		case err != nil:
			c.say("! the running gateway does not accept it yet: %v\n  Now: cdxgate reload --force", err)
		case running:
			c.say("✓ the running gateway accepts it now")
		}
	}
	document := map[string]any{
		"name": added.Identity.Name, "role": added.Identity.Role, "serial": added.Identity.Serial, "spki_sha256": added.Identity.SPKI.String(),
		"not_after": api.Time{Time: added.Identity.NotAfter},
		"crt":       added.Files.Cert, "key": added.Files.Key, "p12": added.Files.P12, "p12_password": added.Files.Password.Reveal(),
	}
	c.say("✓ %s may come in as %s until %s", added.Identity.Name, added.Identity.Role, moment(added.Identity.NotAfter))
	if old != nil {
		document["replaces"] = shownRevoked(old)
		for _, cert := range old {
			c.say("  the one of before (%s) opens nothing from %s on", cert.Serial, moment(cert.At))
		}
	}
	return c.print(document, func(out io.Writer) {
		_, _ = fmt.Fprintf(out, "certificate  %s\nkey          %s\nbrowser      %s\npassword     %s\n",
			added.Files.Cert, added.Files.Key, added.Files.P12, added.Files.Password.Reveal())
		c.say("  The password opens the .p12 and is kept nowhere: note it now.")
	})
}

func shownRevoked(certs []adminca.Revoked) []map[string]any {
	all := make([]map[string]any, 0, len(certs))
	for _, cert := range certs {
		all = append(all, map[string]any{"serial": cert.Serial, "revoked_at": api.Time{Time: cert.At}})
	}
	return all
}

// AdminCertRenewOptions are the flags of admin cert renew.
type AdminCertRenewOptions struct {
	Overlap time.Duration // how long the certificate of before goes on
	Dir     string        // Default: admin in the data directory
	Reload  func() (running bool, err error)
}

// AdminCertRenew issues a certificate for the name and role of one there is, whose files it replaces, and ends that one
// after the overlap.
func (c *Console) AdminCertRenew(ctx context.Context, name string, opts AdminCertRenewOptions) error {
	renewed, poolErr := c.certs.Renew(ctx, name, adminca.RenewOptions{Overlap: opts.Overlap, Dir: opts.Dir, Overwrite: true}, c.by)
	if renewed == nil {
		return poolErr
	}
	return errors.Join(c.printCert(renewed.Added, renewed.Old, opts.Reload), poolErr)
}

// AdminCertTrust lets the holder of a certificate in, which an authority of the operator's own has signed.
func (c *Console) AdminCertTrust(ctx context.Context, name, role, file string) error {
	if role != "" {
		if _, err := access.ParseRole(role); err != nil {
			return err
		}
	}
	trusted, err := c.certs.Trust(ctx, name, role, file, c.by)
	if err != nil {
		return err
	}
	c.say("✓ %s may come in as %s, with any certificate of the same authority and key", trusted.Name, trusted.Role)
	c.say("  This one is good until %s. Its authority must be in admin_ca of the running gateway, too.", moment(trusted.NotAfter))
	return c.print(map[string]any{
		"name": trusted.Name, "role": trusted.Role, "serial": trusted.Serial, "spki_sha256": trusted.SPKI.String(),
		"not_after": api.Time{Time: trusted.NotAfter},
	}, func(io.Writer) {})
}

// AdminCertRevoke ends the certificates of a name, or with a serial that one of them.
func (c *Console) AdminCertRevoke(ctx context.Context, name, serial string) error {
	if err := c.confirm("Revoke the certificates of " + name + "? Whoever uses one is out at once."); err != nil {
		return err
	}
	revoked, err := c.certs.Revoke(ctx, name, serial, c.by)
	if err != nil {
		return err
	}
	for _, cert := range revoked {
		c.say("✓ %s's certificate %s opens nothing any more", name, cert.Serial)
	}
	return c.print(map[string]any{"name": name, "revoked": shownRevoked(revoked)}, func(io.Writer) {})
}

// AdminCertList prints every certificate ever handed out or trusted.
func (c *Console) AdminCertList(ctx context.Context) error {
	certs, err := c.certs.List(ctx)
	if err != nil {
		return err
	}
	type listed struct {
		Name      string   `json:"name"`
		Role      string   `json:"role"`
		Serial    string   `json:"serial"`
		SPKI      string   `json:"spki_sha256"`
		Issuer    string   `json:"issuer_spki_sha256,omitempty"` // of the operator's authority
		State     string   `json:"state"`
		NotAfter  api.Time `json:"not_after"`
		RevokedAt api.Time `json:"revoked_at"`
		CreatedAt api.Time `json:"created_at"`
	}
	all := make([]listed, 0, len(certs))
	t := table{head: []string{"NAME", "ROLE", "STATE", "UNTIL", "SERIAL"}, optional: []string{"SERIAL"}}
	for _, cert := range certs {
		revokedAt := time.Time{}
		if cert.RevokedAt != nil {
			revokedAt = *cert.RevokedAt
		}
		state, until := c.certs.State(cert)
		all = append(all, listed{
			cert.Name, cert.Role, cert.Serial, hex.EncodeToString(cert.SPKISHA256), hex.EncodeToString(cert.IssuerSPKISHA256), state,
			api.Time{Time: cert.NotAfter}, api.Time{Time: revokedAt}, api.Time{Time: cert.CreatedAt},
		})
		t.rows = append(t.rows, []string{cert.Name, cert.Role, state, moment(until), cert.Serial})
	}
	if len(certs) == 0 {
		c.say("No admin certificates yet. Make one: cdxgate admin cert add NAME")
	}
	return c.print(map[string]any{"certificates": all}, func(out io.Writer) { t.write(out, c.Err) })
}
