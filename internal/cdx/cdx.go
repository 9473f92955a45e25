// Package cdx is the client: it brings the fleet's login to this machine, starts the Codex CLI with it, and sends a
// login that Codex renewed back to the gateway. Its main is in cmd/cdx.
//
// What happens to one command line, and where to read about it:
//
//	options.go  our options, which stand before everything else
//	args.go     which of our verbs it is, or that it is Codex's (verbs.go describes them)
//	config.go   which gateway this machine belongs to, and its API key (configpath.go: where it is; configsigned.go: whose word)
//	sync.go     pull: ask the gateway, decide, adopt or upload (client.go talks, answer.go and blocks.go understand)
//	quota.go    whether the fleet's quota lets Codex start
//	codex.go    which Codex to start; getcodex.go where there is none, or not the right one
//	card.go     the boot card, on a terminal
//	arguments.go, hostmodel.go what may be added to Codex's arguments
//	run.go      Codex itself, once
//	background.go meanwhile another process brings cdx and Codex up to date; update.go: the same for a user who waits
//	sync.go     push, if Codex changed the login
//	footer.go   how the run ended, on a terminal
//
// The rules that hold everywhere: standard output belongs to Codex while it runs; the API key is in no argument, no
// environment and no message; the login on disk is never removed because somebody refused us; a login that only this
// machine has is never overwritten.
package cdx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// Invocation is one start of cdx. The zero value of every field but Version means this process's own.
type Invocation struct {
	Version string   // of cdx, as messages and requests carry it
	Args    []string // without the program's name
	Stdin   *os.File
	Stdout  *os.File
	Stderr  io.Writer
	Now     func() time.Time // Default: time.Now
}

// app is an invocation with everything that its verbs share.
type app struct {
	Invocation
	platform string // <os>-<arch> in Go's words
	options  options
	home     home // where Codex keeps its files
	purged   bool // the login was taken from a machine that may not keep it
}

// Run does what the command line asks and returns the exit status of the process: Codex's own when Codex was
// started, else one of [Exit].
func Run(ctx context.Context, inv Invocation) int {
	a := &app{Invocation: inv, platform: runtime.GOOS + "-" + runtime.GOARCH}
	if a.Stdin == nil {
		a.Stdin = os.Stdin
	}
	if a.Stdout == nil {
		a.Stdout = os.Stdout
	}
	if a.Stderr == nil {
		a.Stderr = os.Stderr
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	status, err := a.begin(ctx)
	if err == nil {
		return status
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		refused = &refusal{exit: ExitCannotWrite, label: "stopped", what: err.Error()}
	}
	a.explain(refused)
	return int(refused.exit)
}

// begin takes our options from the command line and does what is left of it.
func (a *app) begin(ctx context.Context) (int, error) {
	var rest []string
	var misuse string
	if a.options, rest, misuse = leadingOptions(a.Args); misuse != "" {
		return a.dispatch(ctx, call{verb: verbMisused, misuse: misuse})
	}
	return a.dispatch(ctx, classify(rest))
}

func (a *app) dispatch(ctx context.Context, c call) (int, error) {
	if err := refuseLoop(); err != nil {
		return 0, err
	}
	// Help, versions and Codex's own help need neither a configuration nor a home.
	switch c.verb {
	case verbHelp:
		return a.print(helpText())
	case verbVersion:
		return a.print("cdx " + a.Version + "\n")
	case verbMisused:
		return 0, &refusal{exit: ExitUsage, label: "usage", what: c.misuse, next: "cdx help"}
	case verbCompletion:
		return a.print(completion(c.shell))
	case verbPass:
		return a.passThrough(ctx, c.args)
	}
	var err error
	if a.home, err = findHome(); err != nil {
		return 0, err
	}
	switch c.verb {
	case verbEnrol:
		return a.enrol(ctx)
	case verbSync:
		return a.syncNow(ctx)
	case verbStatus:
		return a.status(ctx, c)
	case verbDoctor:
		return a.doctor(ctx, c)
	case verbLogout:
		return a.logout(ctx)
	case verbLogin:
		return a.logIn(ctx)
	case verbLoginArgs, verbLogoutArgs:
		return a.runWithoutLogin(ctx, c)
	case verbUpdate:
		return a.update(ctx)
	case verbUninstall:
		return a.uninstall(ctx, c.args)
	case verbBackground:
		return a.updateInBackground(ctx)
	default:
		return a.runWithLogin(ctx, c)
	}
}

// print answers a question on standard output: Codex is not started, so the output is ours.
func (a *app) print(text string) (int, error) {
	if _, err := io.WriteString(a.Stdout, text); err != nil {
		return 0, fmt.Errorf("writing to standard output: %w", err)
	}
	return 0, nil
}

// userAgent names this client to the gateway: cdx/1.4.0 (linux-amd64).
func (a *app) userAgent() string {
	return "cdx/" + a.Version + " (" + a.platform + ")"
}
