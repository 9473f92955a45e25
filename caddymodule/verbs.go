package caddymodule

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/operator"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "host", Short: "Adds, lists, shows, changes and removes the hosts of the fleet", CobraFunc: hostCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "auth", Short: "Uploads and shows the login that the fleet shares, goes back to an earlier one, decides what hosts propose", CobraFunc: authCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "library", Short: "Keeps the slash commands that the fleet shares, and decides what hosts propose", CobraFunc: libraryCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "policy", Short: "Lists and sets what is decided for the whole fleet", CobraFunc: policyCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "quota", Short: "Shows what is left of the account's quota, and asks ChatGPT", CobraFunc: quotaCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "versions", Short: "Shows and looks for the Codex that hosts are to run", CobraFunc: versionsCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "job", Short: "Lists what the gateway does by itself", CobraFunc: jobCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "limit", Short: "Lets addresses in again that did too much", CobraFunc: limitCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "audit", Short: "Shows, verifies and exports the record of who did what", CobraFunc: auditCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "admin", Short: "Decides who may use the admin surface: certificates, API tokens, login links", CobraFunc: adminCommand,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "doctor", Short: "Examines an installation and says what to do about each fault", CobraFunc: doctorCommand,
	})
}

func hostCommand(cmd *cobra.Command) {
	var add operator.HostAddOptions
	var listing operator.HostListOptions
	var change fleet.Change
	var rotate fleet.RotateOptions
	var minutes int
	addVerbs(cmd, "host add build7.example", []verb{
		{
			use: "add NAME", short: "Registers a host and prints the command that installs it", args: 1,
			long: "Registers a host, mints its API key and prints a single-use command for the machine's shell.\n" +
				"With -o json the answer holds the API key: the only time it is shown.",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&add.Insecure, "insecure", false, "the machine may not keep a login on disk; it may call only inside its window, 30 minutes to begin with")
				cmd.Flags().BoolVar(&add.VIP, "vip", false, "quota never holds it back")
				cmd.Flags().BoolVar(&add.Temporary, "temporary", false, "gone two hours after its last contact")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostAdd(ctx, args[0], add)
			},
		},
		{
			use: "list", short: "Lists the hosts",
			flags: func(cmd *cobra.Command) { listFlags(cmd, &listing) },
			run:   func(ctx context.Context, c *operator.Console, _ []string) error { return c.HostList(ctx, listing) },
		},
		{
			use: "show NAME", short: "Shows one host", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.HostShow(ctx, args[0]) },
		},
		{
			use: "set NAME", short: "Changes what a host may do", args: 1,
			flags: func(cmd *cobra.Command) { changeFlags(cmd, &change) },
			check: func([]string) string {
				if reflect.ValueOf(change).IsZero() {
					return "say what to change"
				}
				return ""
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostSet(ctx, args[0], change)
			},
		},
		{
			use: "rename NAME NEW", short: "Gives a host another name; its key and all else stay", args: 2,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostRename(ctx, args[0], args[1])
			},
		},
		{
			use: "suspend NAME", short: "Refuses a host's calls until it is resumed", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostSuspend(ctx, args[0])
			},
		},
		{
			use: "resume NAME", short: "Serves the calls of a suspended host again", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.HostResume(ctx, args[0]) },
		},
		{
			use: "rotate NAME", short: "Gives a host a new API key with its next call", args: 1,
			long: "Gives a host a new API key with the next start of its cdx, from the address it is bound to. The old key works until\n" +
				"the new one is used, and for 7 days at most. With --revoke-now it is dead at once, and what is printed is a single-use\n" +
				"command for the machine's shell, as by host add.",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&rotate.RevokeNow, "revoke-now", false, "the old key is dead at once; the machine must be installed again")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostRotate(ctx, args[0], rotate)
			},
		},
		{
			use: "open NAME", short: "Lets an insecure host call for some minutes more", args: 1,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().IntVar(&minutes, "minutes", 10, "for how many, 1 to 480")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostOpen(ctx, args[0], minutes)
			},
		},
		{
			use: "close NAME", short: "Ends an insecure host's window", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.HostClose(ctx, args[0]) },
		},
		{
			use: "rm NAME", short: "Removes a host; its API key is dead at once", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.HostRemove(ctx, args[0]) },
		},
		{
			use: "restore NAME", short: "Makes a host that was pruned in the last 7 days one again", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.HostRestore(ctx, args[0])
			},
		},
	})
}

// listFlags are the flags of host list.
func listFlags(cmd *cobra.Command, list *operator.HostListOptions) {
	flags := cmd.Flags()
	labelFlag(cmd, "only hosts with this `key=value`; again for more of them", &list.Filter.Label)
	flags.StringVar(&list.Filter.State, "state", "", "only hosts in this `state`: "+strings.Join(fleet.States, ", "))
	flags.StringVar(&list.Search, "search", "", "only hosts with this `text` in their name, note or address")
	optional(cmd, "secure", "only hosts that may keep a login on disk; =false: only the others, and so below", &list.Filter.Secure)
	optional(cmd, "roaming", "only hosts that may change their address", &list.Filter.Roaming)
	optional(cmd, "vip", "only hosts that quota never holds back", &list.Filter.VIP)
	optional(cmd, "outdated", "only hosts that last called with another Codex or cdx than they should have", &list.Filter.Outdated)
	optional(cmd, "window-open", "only insecure hosts that may call now", &list.Filter.WindowOpen)
	optional(cmd, "never-seen", "only hosts that have never called", &list.Filter.NeverSeen)
	flags.StringVar(&list.Sort, "sort", fleet.SortName, "the `order`: "+strings.Join(fleet.Sorts, ", "))
	flags.BoolVar(&list.Desc, "desc", false, "the other way round")
	flags.IntVar(&list.Limit, "limit", 100, "how many at most, 1 to "+strconv.Itoa(fleet.MaxPage))
	flags.BoolVar(&list.All, "all", false, "however many there are")
}

// labelFlag is --label, which may be given several times.
func labelFlag(cmd *cobra.Command, usage string, labels *map[string]string) {
	cmd.Flags().Func("label", usage, func(text string) error {
		key, value, err := fleet.ParseLabel(text)
		if err != nil {
			return err
		}
		if *labels == nil {
			*labels = map[string]string{}
		}
		(*labels)[key] = value
		return nil
	})
}

// optional is a flag that says yes or no, or is not given.
func optional(cmd *cobra.Command, name, usage string, at **bool) {
	cmd.Flags().BoolFunc(name, usage, func(text string) error {
		switch text {
		case "on":
			text = "true"
		case "off":
			text = "false"
		}
		value, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("want true or false")
		}
		*at = &value
		return nil
	})
}

// changeFlags are the flags of host set; each that is given changes one thing.
func changeFlags(cmd *cobra.Command, change *fleet.Change) {
	flags := cmd.Flags()
	boolean := func(name, usage string, at **bool) { optional(cmd, name, usage, at) }
	boolean("enabled", "its calls are served; --enabled=false refuses them", &change.Enabled)
	boolean("secure", "it may keep a login on disk; --secure=false: it may call only inside its window", &change.Secure)
	boolean("vip", "quota never holds it back", &change.VIP)
	boolean("roaming", "it may change its address", &change.Roaming)
	boolean("may-store", "its uploads may change the fleet's login", &change.MayStore)
	boolean("ipv4-only", "its cdx connects to nothing by IPv6", &change.ForceIPv4)
	flags.Func("allow-from", "`networks` it may call from, as in 10.1.0.0/16,fd00::/8; none: its one address decides", func(text string) (err error) {
		change.AllowFrom = []netip.Prefix{}
		if text != "none" {
			change.AllowFrom, err = networks("--allow-from", strings.Split(text, ","))
		}
		return err
	})
	flags.Func("window", "`minutes` that each call moves an insecure host's window on, 0 to 480", func(text string) error {
		minutes, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("want a number")
		}
		change.WindowMinutes = &minutes
		return nil
	})
	flags.Func("codex", "the Codex `version` it is to run, or fleet: the same as the others", func(text string) error {
		switch text {
		case "":
			return errors.New("want a version such as 0.63.0, or fleet")
		case "fleet":
			text = ""
		}
		change.ClientVersion = &text
		return nil
	})
	name := func(flag, usage string, at **string) {
		flags.Func(flag, usage, func(text string) error {
			*at = &text
			return nil
		})
	}
	name("model", "the `model` that Codex runs with where its user names none; --model= for Codex's own", &change.Model)
	name("reasoning-effort", "the `effort` likewise; --reasoning-effort= for Codex's own", &change.ReasoningEffort)
	name("note", "what admins want to remember about it, at most 1 KiB of `text`; --note= for nothing", &change.Note)
	labelFlag(cmd, "a `key=value` to find it by, key= to remove one; again for more of them", &change.Labels)
	flags.BoolVar(&change.Unbind, "unbind", false, "bind its key to the address of its next call")
}

func authCommand(cmd *cobra.Command) {
	var show operator.AuthShowOptions
	var history operator.AuthHistoryOptions
	var proposals operator.AuthProposalsOptions
	addVerbs(cmd, "auth upload ~/.codex/auth.json", []verb{
		{
			use: "upload FILE", short: "Makes an auth.json the fleet's login; - reads standard input", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.AuthUpload(ctx, args[0]) },
		},
		{
			use: "show", short: "Shows which login the fleet has and how long it is good",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&show.Reveal, "reveal", false, "print the auth.json itself; this is recorded")
			},
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AuthShow(ctx, show) },
		},
		{
			use: "seed-command", short: "Prints a command that uploads the login of the machine it is run on",
			long: "Prints a single-use command for the shell of a machine that is logged in: it uploads that machine's auth.json,\n" +
				"which is the fleet's login then. Nothing can be read with it.",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AuthSeedCommand(ctx) },
		},
		{
			use: "history", short: "Lists the logins that the fleet has and had, the newest first",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().IntVar(&history.Limit, "limit", 20, "how many at most")
			},
			check: func([]string) string {
				if history.Limit < 1 || history.Limit > 10000 {
					return "--limit is a number from 1 to 10000"
				}
				return ""
			},
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AuthHistory(ctx, history) },
		},
		{
			use: "rollback GENERATION", short: "Delivers the access token of an earlier login again", args: 1,
			long: "Delivers the access token of an earlier generation again, as a new generation, with the newest refresh token of that\n" +
				"login: a refresh token that was spent never comes back. Says what it comes to and asks; --yes answers.",
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AuthRollback(ctx, args[0])
			},
		},
		{
			use: "proposals", short: "Lists the logins that hosts brought and may not make the fleet's",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&proposals.All, "all", false, "also those that were decided in the last 30 days")
			},
			run: func(ctx context.Context, c *operator.Console, _ []string) error {
				return c.AuthProposals(ctx, proposals)
			},
		},
		{
			use: "adopt ID", short: "Makes a proposed login the fleet's", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.AuthAdopt(ctx, args[0]) },
		},
		{
			use: "discard ID", short: "Closes a proposed login; nothing changes", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.AuthDiscard(ctx, args[0])
			},
		},
		{
			use: "reopen ID", short: "Takes back that a proposed login was discarded", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error { return c.AuthReopen(ctx, args[0]) },
		},
	})
}

func libraryCommand(cmd *cobra.Command) {
	var add operator.LibraryAddOptions
	var accept operator.LibraryAcceptOptions
	addVerbs(cmd, "library add triage.md", []verb{
		{
			use: "list", short: "Lists the commands, retired ones included",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.LibraryList(ctx) },
		},
		{
			use: "show NAME", short: "Prints the text of a command", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryShow(ctx, args[0])
			},
		},
		{
			use: "add FILE", short: "Makes a file a command, or its newest version; - reads standard input", args: 1,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&add.Name, "name", "", "`name` of the command (default: that of the file)")
			},
			check: func(args []string) string {
				if args[0] == "-" && add.Name == "" {
					return "what comes from standard input needs a --name"
				}
				return ""
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryAdd(ctx, args[0], add)
			},
		},
		{
			use: "rm NAME", short: "Retires a command: hosts remove their copies", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryRemove(ctx, args[0])
			},
		},
		{
			use: "versions NAME", short: "Lists what a command has been", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryVersions(ctx, args[0])
			},
		},
		{
			use: "restore NAME VERSION", short: "Makes an older version of a command its newest", args: 2,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryRestore(ctx, args[0], args[1])
			},
		},
		{
			use: "proposals", short: "Lists what hosts have pushed and nobody has decided",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.LibraryProposals(ctx) },
		},
		{
			use: "proposal ID", short: "Prints the text of a proposal and what is known about it", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryProposal(ctx, args[0])
			},
		},
		{
			use: "accept ID", short: "Makes a proposal the text of its command", args: 1,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&accept.Force, "force", false, "although the command has changed since it was proposed")
			},
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryAccept(ctx, args[0], accept)
			},
		},
		{
			use: "discard ID", short: "Closes a proposal and changes nothing", args: 1,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.LibraryDiscard(ctx, args[0])
			},
		},
	})
}

func policyCommand(cmd *cobra.Command) {
	addVerbs(cmd, "policy set host_prompt_push off", []verb{
		{
			use: "list", short: "Lists the policies, with what they are and what they would be by default",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.PolicyList(ctx) },
		},
		{
			use: "set NAME VALUE", short: "Sets a policy; running gateways follow at once", args: 2,
			run: func(ctx context.Context, c *operator.Console, args []string) error {
				return c.PolicySet(ctx, args[0], args[1])
			},
		},
	})
}

func quotaCommand(cmd *cobra.Command) {
	addVerbs(cmd, "quota show", []verb{
		{
			use: "show", short: "Shows what ChatGPT last said is left, and what the policy makes of it",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.QuotaShow(ctx) },
		},
		{
			use: "refresh", short: "Asks ChatGPT now, and shows that",
			long: "Asks ChatGPT now, although it is not due, and shows what is known then. Nobody is asked twice within a minute, nor\n" +
				"before ChatGPT said that it may be.",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.QuotaRefresh(ctx) },
		},
	})
}

func versionsCommand(cmd *cobra.Command) {
	addVerbs(cmd, "versions show", []verb{
		{
			use: "show", short: "Shows which Codex hosts are told to run, and why",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.VersionsShow(ctx) },
		},
		{
			use: "check", short: "Asks GitHub for the newest Codex now",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.VersionsCheck(ctx) },
		},
	})
}

func jobCommand(cmd *cobra.Command) {
	addVerbs(cmd, "job list", []verb{{
		use: "list", short: "Lists the jobs that all gateways share, and what came of them",
		run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.JobList(ctx) },
	}})
}

func limitCommand(cmd *cobra.Command) {
	addVerbs(cmd, "limit clear 203.0.113.9", []verb{{
		use: "clear ADDRESS", short: "Forgets what was counted of an address, so that it is let in again", args: 1,
		run: func(ctx context.Context, c *operator.Console, args []string) error { return c.LimitClear(ctx, args[0]) },
	}})
}

func auditCommand(cmd *cobra.Command) {
	var tail operator.AuditTailOptions
	var export operator.AuditExportOptions
	addVerbs(cmd, "audit verify", []verb{
		{
			use: "tail", short: "Prints the newest entries",
			long: "Prints the newest entries, oldest first; with -o json one JSON object a line.",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().IntVarP(&tail.Number, "lines", "n", 20, "how `many`, 0 to 10000")
				cmd.Flags().BoolVarP(&tail.Follow, "follow", "f", false, "and those that come, until interrupted")
			},
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AuditTail(ctx, tail) },
		},
		{
			use: "verify", short: "Reads the whole trail and names the first entry that is not what was recorded",
			long: "Reads the whole trail and says of each chain whether it is what was recorded and signed, in the database and in\n" +
				"the audit directory of this data directory. A broken chain is exit code 65.",
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AuditVerify(ctx) },
		},
		{
			use: "export", short: "Prints every entry there is",
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&export.Format, "format", "jsonl", "jsonl (JSON Lines) or syslog (RFC 5424)")
			},
			run: func(ctx context.Context, c *operator.Console, _ []string) error { return c.AuditExport(ctx, export) },
		},
	})
}

func doctorCommand(cmd *cobra.Command) {
	configFlags(cmd)
	cmd.Args = cobra.NoArgs
	cmd.Run = func(cmd *cobra.Command, _ []string) {
		exit(runConsole(cmd, func(ctx context.Context, c *operator.Console) error {
			app, _, err := loadApp(cmd)
			if err != nil {
				return err
			}
			return c.Doctor(ctx, app.clientDir())
		}))
	}
}
