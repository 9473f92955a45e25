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

	"github.com/cdxgate/cdxgate/internal/cdx/files"
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
	// No signal ends this run where it stands: it gives up what can be given up, and leaves.
	signal.Notify(make(chan os.Signal, 1), heeded()...)
	s := a.newSession(config, chosen.Start)
	s.blocks = kept
	defer s.leave(ctx)
	args := s.keepToFile(s.expandProfile(c))
	if err := s.respectLogout(args); err != nil {
		if !errors.Is(err, errStayLoggedOut) {
			return 0, err
		}
		if _, err := s.readyCodex(ctx); err != nil {
			return 0, err
		}
		return a.wait(a.codex(s.codex, args), (*exec.Cmd).Start)
	}
	if err = s.beginWhenOpen(ctx); err == nil {
		err = s.mayStart(args)
	}
	if err != nil {
		a.warn(s.notices)
		return 0, err
	}
	if chosen, err = s.readyCodex(ctx); err != nil {
		return 0, err
	}
	args = s.preferHostModel(args)
	s.showCard(s.machine())
	if s.asked() {
		s.startUpdates(chosen)
	}
	run := outcome{before: s.login}
	s.result = resultKept
	keeper, began := s.keepUp(ctx), a.Now()
	run.status, err = a.wait(a.codex(s.codex, args), s.start)
	files.Reach("codex ended")
	// Who presses Ctrl-C now wants to go: what is left is given up in good order.
	ctx, stop := signal.NotifyContext(ctx, heeded()...)
	defer stop()
	keeper.end(ctx, s)
	if err != nil {
		return 0, err
	}
	run.took = a.Now().Sub(began)
	a.warn(keeper.notices)
	run.lost = s.sendUp(ctx, keeper.before)
	if keeper.sent && s.result != resultSentUp {
		s.result, s.state = resultSentUp, keeper.s.state
	}
	s.notices = nil
	run.usage, run.sending = s.countUsage(ctx, began)
	a.warn(slices.DeleteFunc(s.notices, func(n notice) bool { return n.label != "usage" })) // the rest was said
	s.showFooter(run)
	s.tellUpdates(ctx, chosen)
	return run.status, nil
}

// begin is the pull of a run, which from then on counts as a session: another one that ends leaves the login to it.
func (s *session) begin(ctx context.Context) error {
	err := s.orOffline(s.locked(ctx, func(ctx context.Context) error {
		if err := s.agree(ctx); err != nil {
			return err
		}
		s.commands = s.shareCommands(ctx)
		return s.enter()
	}))
	switch {
	case err != nil || s.lease != nil:
		return err
	case !s.isSecure(): // another cdx was busy all the time: perhaps with removing the login
		return &refusal{exit: ExitTryLater, label: "stopped", what: errBusy.Error(), next: "try again\n" + notStarted(ExitTryLater)}
	}
	_ = s.enter() // not counted at worst
	return nil
}

// windowPoll is how often a run looks whether the window of its machine is open.
var windowPoll = 5 * time.Second

// beginWhenOpen begins, and where somebody watches waits for the window of an insecure host to be opened. Ctrl-C gives up,
// and what was begun is left in good order.
func (s *session) beginWhenOpen(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, heeded()...)
	defer stop()
	asking := s.ask()
	err := s.begin(ctx)
	asking.Answered()
	if windowClosed(err) && s.app.watched() {
		s.app.say(signNotice, "window", "the window of this machine is closed. Waiting until an admin opens it: cdxgate host open "+
			s.client.config.FQDN+" (Ctrl-C gives up)")
		for windowClosed(err) {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(windowPoll):
				closed := err
				err = s.begin(ctx)
				if ctx.Err() != nil {
					return closed // whatever the cut-off question came to
				}
			}
		}
	}
	if ctx.Err() != nil && !windowClosed(err) {
		s.notices = nil // that the gateway was not waited for is no news
		return errInterrupted
	}
	return err
}

// errInterrupted means that a signal came before Codex was started: the user does not want it any more.
var errInterrupted = &refusal{
	exit: ExitInterrupted, label: "stopped", what: "interrupted", next: notStarted(ExitInterrupted),
}

func windowClosed(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.opens
}

// watched reports whether somebody sees what is said and can press a key.
func (a *app) watched() bool {
	stderr, ok := a.Stderr.(*os.File)
	return ok && term.IsTerminal(int(stderr.Fd())) && term.IsTerminal(int(a.Stdin.Fd()))
}

// onTerminal reports whether a Ctrl-C comes from a terminal, which tells Codex too. One standard stream that is left to it
// suffices: the others may be pipes.
func (a *app) onTerminal() bool {
	stderr, _ := a.Stderr.(*os.File)
	return slices.ContainsFunc([]*os.File{a.Stdin, a.Stdout, stderr}, func(file *os.File) bool {
		return file != nil && term.IsTerminal(int(file.Fd()))
	})
}

// start starts Codex as what this run's session is about.
func (s *session) start(cmd *exec.Cmd) error {
	if s.lease == nil {
		return cmd.Start()
	}
	return s.lease.Start(cmd)
}

// sendUp pushes after Codex has ended. Whatever happens, the exit status stays Codex's. It returns what to tell the user
// if the login stays here only.
func (s *session) sendUp(ctx context.Context, before login) *loss {
	s.notices, s.offline, s.result = nil, nil, resultKept
	err := s.push(ctx, before)
	if err == nil && s.asked() {
		s.app.warn(s.notices)
		return nil
	}
	switch refused, ok := errors.AsType[*refusal](err); {
	case ok && refused.exit == ExitConfig:
		return &loss{reason: refused.what, next: refused.next} // time does not heal this one
	case ok:
		return &loss{reason: refused.what}
	case err != nil:
		return &loss{reason: err.Error()}
	default:
		return &loss{reason: s.client.host() + " " + field(s.offline.reason())}
	}
}

// passThrough starts Codex for something that needs neither login nor gateway.
func (a *app) passThrough(_ context.Context, args []string) (int, error) {
	bin, err := findCodex()
	if err != nil {
		return 0, err
	}
	return a.wait(a.codex(bin, args), (*exec.Cmd).Start)
}

// codex is Codex as it is to be started: with exactly these arguments, this process's standard streams, and its environment
// with one mark more.
func (a *app) codex(bin string, args []string) *exec.Cmd {
	cmd := exec.Command(bin, args...) //nolint:noctx // running the user's Codex is what cdx is for; only signals end it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.Stdin, a.Stdout, a.Stderr
	cmd.Env = a.environ()
	return cmd
}

// wait starts Codex, in the way of start, and runs it to its end. It returns Codex's exit status. Signals that would end
// cdx are passed on, so that nothing outlives it and nothing is left undone.
func (a *app) wait(cmd *exec.Cmd, start func(*exec.Cmd) error) (int, error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, heeded()...)
	defer signal.Stop(signals)
	if err := start(cmd); err != nil {
		return 0, &refusal{
			exit: ExitNoCodex, label: "codex", what: "Codex cannot be started: " + err.Error(),
			next: "install another one: npm i -g @openai/codex\nor name one: " + envCodexBin,
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	onTerminal := a.onTerminal()
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
