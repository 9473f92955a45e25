package caddymodule

import (
	"context"
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/operator"
)

func adminCommand(cmd *cobra.Command) {
	cmd.AddCommand(adminCertCommand(), adminTokenCommand(), adminSessionCommand())
	role := string(access.Owner)
	addVerbs(cmd, "admin cert add ops@laptop", []verb{{
		use: "link", short: "Prints a link that logs a browser in, once, in the next 5 minutes",
		long: "Prints a link to the site of the configuration that accepts sessions. Opening it changes nothing; its button logs\n" +
			"the browser in for 12 hours.",
		flags: func(cmd *cobra.Command) { roleFlag(cmd, &role, "what the browser may do: viewer, operator or owner") },
		run:   func(ctx context.Context, c *operator.Console, _ []string) error { return c.AdminLink(ctx, role) },
	}})
}

func roleFlag(cmd *cobra.Command, role *string, usage string) {
	cmd.Flags().StringVar(role, "role", *role, usage)
}

func adminCertCommand() *cobra.Command {
	var add operator.AdminCertAddOptions
	var serial, trustRole string
	renew := operator.AdminCertRenewOptions{Overlap: adminca.DefaultOverlap}
	cert := &cobra.Command{Use: "cert", Short: "Makes, trusts, lists, renews and revokes the certificates that open the admin door"}
	addVerbs(cert, "admin cert add ops@laptop --role operator", []verb{
		{
			use: "add NAME", short: "Makes a certificate: NAME.crt, NAME.key, and NAME.p12 for a browser", args: 1,
			long: "Makes a client certificate and prints where its files are and, this once, the password of the .p12.\n" +
				"The first one makes the authority that signs them, and is an owner's unless you say otherwise; a running gateway is\n" +
				"told to trust it. Later ones must say their role.",
			flags: func(cmd *cobra.Command) {
				roleFlag(cmd, &add.Role, "what its holder may do: viewer, operator or owner")
				cmd.Flags().StringVar(&add.Dir, "out", "", "directory for the files (default: admin in the data directory)")
				cmd.Flags().BoolVar(&add.Overwrite, "overwrite", false, "replace files of the same name")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminCertAdd(ctx, args[0], add)
			},
		},
		{
			use: "trust NAME FILE.crt", short: "Lets the holder of a certificate of your own authority (admin_ca) in", args: 2,
			long: "Lists the key of a certificate that an authority of the option admin_ca has signed. Whatever that authority signs for\n" +
				"the same key opens the door, until admin cert revoke. Certificates in between may follow in the file.\n" +
				"For the same name and key once more it changes the role.",
			flags: func(cmd *cobra.Command) {
				roleFlag(cmd, &trustRole, "what its holder may do: viewer, operator or owner")
			},
			check: func([]string) string {
				if trustRole == "" {
					return "say what this admin may do: --role viewer, operator or owner"
				}
				return ""
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminCertTrust(ctx, args[0], trustRole, args[1])
			},
		},
		{
			use: "list", short: "Lists the certificates ever made or trusted",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AdminCertList(ctx) },
		},
		{
			use: "renew NAME", short: "Makes a new certificate for the same name and role, and ends the old one after a while", args: 1,
			long: "Makes a new certificate with files of the same names, which it replaces, and ends the old one after the overlap.",
			flags: func(cmd *cobra.Command) {
				durationFlag(cmd, "overlap", "how long the old one goes on, 0 to 30d (default 7d)", &renew.Overlap)
				cmd.Flags().StringVar(&renew.Dir, "out", "", "directory for the files (default: admin in the data directory)")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminCertRenew(ctx, args[0], renew)
			},
		},
		{
			use: "revoke NAME", short: "Ends the certificates of a name, also on connections that are open", args: 1,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&serial, "serial", "", "only the one with this serial number, as cert list shows it")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminCertRevoke(ctx, args[0], serial)
			},
		},
	})
	// Which gateway to reload is known when the configuration is; the command's flags say where that is.
	cert.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		add.Reload = func() (bool, error) { return reloadRunning(cmd) }
		renew.Reload = add.Reload
	}
	return cert
}

func adminTokenCommand() *cobra.Command {
	add := operator.AdminTokenAddOptions{TTL: access.DefaultTokenTTL}
	token := &cobra.Command{Use: "token", Short: "Makes, lists and revokes the API tokens of scripts"}
	addVerbs(token, "admin token add ci --role operator --scope host.enrol --expires 30d", []verb{
		{
			use: "add NAME", short: "Makes an API token and prints it, this once", args: 1,
			long: "Makes an API token for a script, which sends it as Authorization: Bearer to a site that accepts tokens.",
			flags: func(cmd *cobra.Command) {
				roleFlag(cmd, &add.Role, "what it may do: viewer, operator or owner")
				cmd.Flags().StringVar(&add.Scope, "scope", "", "only these `capabilities` of the role, between commas")
				durationFlag(cmd, "expires", "how long it is good, 1m to 366d (default 90d)", &add.TTL)
			},
			check: func([]string) string {
				if add.Role == "" {
					return "say what it may do: --role viewer, operator or owner"
				}
				return ""
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminTokenAdd(ctx, args[0], add)
			},
		},
		{
			use: "list", short: "Lists the API tokens ever made",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AdminTokenList(ctx) },
		},
		{
			use: "revoke NAME", short: "Ends an API token at once", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminTokenRevoke(ctx, args[0])
			},
		},
	})
	return token
}

func adminSessionCommand() *cobra.Command {
	session := &cobra.Command{Use: "session", Short: "Lists and ends the sessions that login links opened"}
	addVerbs(session, "admin session revoke 7", []verb{
		{
			use: "list", short: "Lists the sessions of the last 30 days",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AdminSessionList(ctx) },
		},
		{
			use: "revoke ID", short: "Ends a session at once", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AdminSessionRevoke(ctx, args[0])
			},
		},
	})
	return session
}

// durationFlag is a flag whose value may count days, as options in the Caddyfile may.
func durationFlag(cmd *cobra.Command, name, usage string, at *time.Duration) {
	cmd.Flags().Func(name, usage, func(text string) (err error) {
		if *at, err = caddy.ParseDuration(text); err != nil {
			return errors.New("want a duration such as 12h or 90d")
		}
		return nil
	})
}
