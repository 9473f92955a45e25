package cdx

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/term"
)

// killAfter is how long after a first request to end Codex a second one ends it by force.
const killAfter = 10 * time.Second

// runWithLogin is an ordinary run: pull, Codex, push.
func (a *app) runWithLogin(ctx context.Context, c call) (int, error) {
	if a.isNested() {
		return a.passThrough(ctx, c.args)
	}
	config, err := loadConfig()
	if err != nil {
		return 0, err
	}
	kept := a.home.loadBlocks()
	chosen, err := chooseCodex(kept.versions(), a.home.loadState().Codex)
	if err != nil {
		return 0, err
	}
	s := a.newSession(config, chosen.Start)
	s.blocks = kept
	args := s.keepToFile(s.expandProfile(c))
	if err := s.respectLogout(args); err != nil {
		if !errors.Is(err, errStayLoggedOut) {
			return 0, err
		}
		if _, err := s.readyCodex(ctx); err != nil {
			return 0, err
		}
		return a.startCodex(s.codex, args)
	}
	err = s.pull(ctx)
	a.warn(s.notices)
	if err != nil {
		return 0, err
	}
	if chosen, err = s.readyCodex(ctx); err != nil {
		return 0, err
	}
	if s.asked() {
		s.startUpdates(chosen)
	}
	before := s.login
	status, err := a.startCodex(s.codex, args)
	if err != nil {
		return 0, err
	}
	s.sendUp(ctx, before)
	s.tellUpdates(ctx, chosen)
	return status, nil
}

// sendUp pushes after Codex has ended. Whatever happens, the exit status stays Codex's.
func (s *session) sendUp(ctx context.Context, before login) {
	// Who presses Ctrl-C now wants to go: the exchange is given up in good order.
	ctx, stop := signal.NotifyContext(ctx, heeded()...)
	defer stop()
	s.notices, s.offline = nil, nil
	err := s.push(ctx, before)
	if err == nil && s.asked() {
		s.app.warn(s.notices)
		return
	}
	next := "it stays on this machine and goes up with the next run\nnow: cdx sync"
	var lost string
	switch refused, ok := errors.AsType[*refusal](err); {
	case ok:
		lost = refused.what
		if refused.exit == ExitConfig {
			next = refused.next // time does not heal this one
		}
	case err != nil:
		lost = err.Error()
	default:
		lost = s.client.host() + " " + field(s.offline.reason())
	}
	s.app.explain(&refusal{label: "login", what: "the new login was NOT sent up: " + lost, next: next})
}

// passThrough starts Codex for something that needs neither login nor gateway.
func (a *app) passThrough(_ context.Context, args []string) (int, error) {
	bin, err := findCodex()
	if err != nil {
		return 0, err
	}
	return a.startCodex(bin, args)
}

// startCodex runs Codex to its end: this process's standard streams, its
// environment with one mark more, exactly these arguments. It
// returns Codex's exit status. Signals that would end cdx are passed on, so that nothing outlives it and nothing is
// left undone.
func (a *app) startCodex(bin string, args []string) (int, error) {
	cmd := exec.Command(bin, args...) //nolint:noctx // running the user's Codex is what cdx is for; only signals end it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.Stdin, a.Stdout, a.Stderr
	cmd.Env = a.environ()

	signals := make(chan os.Signal, 16)
	signal.Notify(signals, heeded()...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, &refusal{
			exit: ExitNoCodex, label: "codex", what: "Codex cannot be started: " + err.Error(),
			next: "install another one: npm i -g @openai/codex\nor name one: " + envCodexBin,
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	onTerminal := term.IsTerminal(int(a.Stdin.Fd()))
	var firstAsked time.Time
	for {
		select {
		case err := <-ended:
			if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
				return 0, &refusal{exit: ExitNoCodex, label: "codex", what: "Codex was lost: " + err.Error()}
			}
			return exitStatus(cmd.ProcessState), nil
		case sig := <-signals:
			if sig == interrupt && onTerminal {
				continue // the terminal has told the whole foreground group, Codex included
			}
			if firstAsked.IsZero() {
				firstAsked = a.Now()
			} else if a.Now().Sub(firstAsked) > killAfter {
				sig = os.Kill
			}
			_ = cmd.Process.Signal(sig) // it may have ended this moment
		}
	}
}

// heeded are the signals to pass on, without those that whoever started cdx wants ignored: handling one would take
// that wish from Codex too, and nohup cdx would die with its terminal. It is never empty: for os/signal that means all.
func heeded() []os.Signal {
	wanted := slices.DeleteFunc(slices.Clone(forwarded), signal.Ignored)
	if len(wanted) == 0 {
		return forwarded
	}
	return wanted
}
