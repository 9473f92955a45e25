package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/operator"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

// Exit codes of the verbs, after sysexits.h.
const (
	exitFault       = 1  // a fault of ours or of the system
	exitUsage       = 2  // the command line is wrong
	exitInvalid     = 65 // the input is wrong
	exitNotFound    = 66 // no such host, no login yet
	exitUnavailable = 69 // the database cannot be reached
	exitExists      = 73 // it is there already, or the question was not answered with yes
	exitRefused     = 77 // not allowed
)

const exitCodes = `
Exit codes: 0 done · 1 fault · 2 wrong command line · 65 wrong input · 66 not found · 69 database unreachable ·
73 exists already, or not confirmed · 77 refused`

const consoleHelp = `
It works on the database directly, with the keyring of the configuration: beside a running gateway or without one.` + exitCodes

// verb is one command that works on the database.
type verb struct {
	use, short string
	long       string
	args       int
	flags      func(*cobra.Command)
	check      func(args []string) string // what is wrong with the command line; may be nil
	run        func(ctx context.Context, c *operator.Console, args []string) error
}

func addVerbs(parent *cobra.Command, example string, verbs []verb) {
	for _, v := range verbs {
		cmd := &cobra.Command{
			Use: v.use, Short: v.short, Long: strings.TrimSpace(orDefault(v.long, v.short+".") + "\n" + consoleHelp),
		}
		configFlags(cmd)
		if v.flags != nil {
			v.flags(cmd)
		}
		cmd.Run = func(cmd *cobra.Command, args []string) {
			if len(args) != v.args {
				_, _ = fmt.Fprintf(os.Stderr, "cdxgate: want %s\nUsage: %s\n", arguments(v.args), cmd.UseLine())
				exit(exitUsage)
			}
			if v.check != nil {
				if wrong := v.check(args); wrong != "" {
					_, _ = fmt.Fprintf(os.Stderr, "cdxgate: %s\n%s", wrong, cmd.UsageString())
					exit(exitUsage)
				}
			}
			exit(runConsole(cmd, func(ctx context.Context, c *operator.Console) error { return v.run(ctx, c, args) }))
		}
		parent.AddCommand(cmd)
	}
	parent.Run = func(cmd *cobra.Command, args []string) {
		if len(args) == 0 {
			_ = cmd.Help()
			return
		}
		_, _ = fmt.Fprintf(os.Stderr, "cdxgate: there is no %q under %s\n%s", args[0], cmd.CommandPath(), cmd.UsageString())
		exit(exitUsage)
	}
	parent.Example = "  cdxgate " + example
	parent.Long = parent.Short + ".\n" + consoleHelp
}

func arguments(n int) string { return []string{"no arguments", "one argument", "two arguments"}[n] }

func configFlags(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		_, _ = fmt.Fprintf(os.Stderr, "cdxgate: %v\nUsage: %s\n", err, cmd.UseLine())
		exit(exitUsage)
		return err
	})
	cmd.Flags().StringP("config", "c", "./Caddyfile", "configuration file")
	cmd.Flags().StringP("adapter", "a", "", "adapter of a configuration that is no Caddyfile")
	cmd.Flags().StringP("output", "o", "text", "text or json")
	cmd.Flags().Bool("yes", false, "answer every question with yes")
}

// exit ends the process with a verb's exit code. Returned as errors, Caddy would log them as its own, and lose 1.
func exit(code int) {
	if code != 0 {
		os.Exit(code) //nolint:revive // see above
	}
}

// runConsole opens the console of the configuration that the flags name, runs one act on it and returns the exit code.
func runConsole(cmd *cobra.Command, act func(context.Context, *operator.Console) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() error {
		cfg, startTimeout, err := consoleConfig(cmd)
		if err != nil {
			return err
		}
		waiting := startProgress()
		defer waiting.stop()
		cfg.Gateway.Progress = waiting.say
		openCtx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		console, err := operator.Open(openCtx, cfg)
		if err != nil {
			return err
		}
		waiting.stop()
		return errors.Join(console.Explain(act(ctx, console)), console.Close())
	}()
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(os.Stderr, "cdxgate: "+err.Error())
	return exitCode(err)
}

func exitCode(err error) int {
	var usage usageError
	switch e := errs.Of(err); {
	case errors.As(err, &usage):
		return exitUsage
	case e.Kind == errs.Invalid, e.Kind == errs.Malformed, e.Kind == errs.TooLarge:
		return exitInvalid
	case e.Kind == errs.NotFound:
		return exitNotFound
	case e.Kind == errs.Conflict:
		return exitExists
	case e.Kind == errs.Forbidden:
		return exitRefused
	case e.Kind == errs.Unavailable, db.IsUnavailable(err):
		return exitUnavailable
	case errors.Is(err, os.ErrNotExist):
		return exitNotFound
	}
	return exitFault
}

type usageError string

func (e usageError) Error() string { return string(e) }

func consoleConfig(cmd *cobra.Command) (operator.Config, time.Duration, error) {
	app, config, err := loadApp(cmd)
	if err != nil {
		return operator.Config{}, 0, err
	}
	adminAddress := config.adminListen()
	output, _ := cmd.Flags().GetString("output")
	if output != "text" && output != "json" {
		return operator.Config{}, 0, usageError("--output is text or json")
	}
	yes, _ := cmd.Flags().GetBool("yes")
	if err := os.MkdirAll(app.config.DataDir, dataDirMode); err != nil {
		return operator.Config{}, 0, fmt.Errorf("making the data directory: %w; set data_dir to a place this user may write to", err)
	}
	return operator.Config{
		Gateway: app.config, PublicURL: app.PublicURL, Version: Version, InstallTTL: time.Duration(app.InstallTokenTTL), SeedTTL: time.Duration(app.SeedTokenTTL), Limits: app.rules,
		PublicTLS: func() (publictls.Trust, error) { return app.askPublicTLS(adminAddress) },
		AdminCA:   app.adminCA, GitHub: app.github(), LoginSite: config.loginSite(), ChatGPTURL: askedAt(app.ChatGPTURL),
		JSON: output == "json", Yes: yes, In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
	}, time.Duration(app.StartTimeout), nil
}

// loadApp reads the configuration that the flags name, and of it what is ours.
func loadApp(cmd *cobra.Command) (*App, *config, error) {
	path, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	config, err := adapt(path, adapter)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; name the configuration with --config", err)
	}
	app := &App{}
	if raw := config.Apps[appName]; raw != nil {
		if err := caddy.StrictUnmarshalJSON(raw, app); err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	if err := app.resolve(); err != nil {
		return nil, nil, err
	}
	if err := app.Validate(); err != nil {
		return nil, nil, err
	}
	return app, config, nil
}

// config is the part of a configuration in Caddy's native form that we look at ourselves.
type config struct {
	Admin struct {
		Listen   string `json:"listen"`
		Disabled bool   `json:"disabled"`
	} `json:"admin"`
	Apps map[string]json.RawMessage `json:"apps"`
}

func (c *config) adminListen() string {
	if c.Admin.Disabled {
		return ""
	}
	return orDefault(c.Admin.Listen, caddy.DefaultAdminListen)
}

// adapt reads a configuration file without running any of it.
func adapt(path, adapter string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if adapter == "" && !strings.HasSuffix(path, ".json") {
		adapter = "caddyfile"
	}
	if adapter != "" {
		a := caddyconfig.GetAdapter(adapter)
		if a == nil {
			return nil, fmt.Errorf("there is no configuration adapter %q", adapter)
		}
		if text, _, err = a.Adapt(text, map[string]any{"filename": path}); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	parsed := &config{}
	if err := json.Unmarshal(text, parsed); err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	return parsed, nil
}

// reloadRunning makes the gateway that runs this configuration, if one does, load it again.
func reloadRunning(cmd *cobra.Command) (running bool, err error) {
	_, config, err := loadApp(cmd)
	if err != nil {
		return false, err
	}
	address := config.adminListen()
	if address == "" || !listens(address) {
		return false, nil
	}
	return true, forceReload(address)
}

// listens reports whether somebody answers at an admin address.
func listens(address string) bool {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return false
	}
	host := parsed.JoinHostPort(0)
	if parsed.IsUnixNetwork() {
		host, _, _ = strings.Cut(parsed.Host, "|") // permission bits may follow
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, parsed.Network, host)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
