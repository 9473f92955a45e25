package cdx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/cdxgate/cdxgate/internal/cdx/lease"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

// Options of cdx uninstall.
const (
	optionYes      = "--yes"
	optionPurge    = "--purge"
	optionAllUsers = "--all-users"
)

// uninstallCall is a call of cdx uninstall, whose options are all that may follow.
func uninstallCall(args []string) call {
	if asksForHelp(args) {
		return call{verb: verbHelp}
	}
	for _, arg := range args[1:] {
		if !slices.Contains([]string{optionYes, optionPurge, optionAllUsers}, arg) {
			return call{verb: verbMisused, misuse: "cdx uninstall takes " + optionYes + ", " + optionPurge + " and " + optionAllUsers + ", nothing else"}
		}
	}
	return call{verb: verbUninstall, args: args[1:]}
}

// uninstall is cdx uninstall: the gateway forgets this machine, and what cdx made here goes, cdx itself last. A login that
// perhaps only this machine has goes up first; if it cannot, nothing is removed at all. When the gateway cannot be told,
// the machine is cleaned nevertheless and stays on the gateway's list.
func (a *app) uninstall(ctx context.Context, options []string) (int, error) {
	u, err := a.planUninstall(options)
	if err != nil {
		return 0, err
	}
	if len(u.removals) == 0 {
		a.tell(signGood, "nothing to do: cdx left nothing here for this user")
		return 0, nil
	}
	u.show()
	if wanted, err := u.confirm(options); !wanted {
		return 0, err
	}
	if err := u.refuseBeside(); err != nil {
		return 0, err
	}
	if err := u.flush(ctx); err != nil {
		return 0, err
	}
	if err := u.takeLogin(); err != nil {
		return 0, err
	}
	exit := u.deregister(ctx)
	return int(firstExit(u.remove(), exit)), nil
}

// show lists what will be done.
func (u *uninstalling) show() {
	a := u.app
	if u.session != nil {
		a.tell(" ", "The gateway "+u.session.client.host()+" forgets this machine, "+field(u.session.client.config.FQDN)+". On it these go:")
	} else {
		a.tell(" ", "This machine is not enrolled. On it these go:")
	}
	for _, r := range u.removals {
		a.tell(" ", "  "+display(r.path)+"  ("+r.what+")")
	}
	for _, line := range u.kept {
		a.tell(signNeutral, line)
	}
}

// confirm asks whether to go on.
//
// Errors: *refusal when there is nobody to ask.
func (u *uninstalling) confirm(options []string) (bool, error) {
	if slices.Contains(options, optionYes) {
		return true, nil
	}
	if !term.IsTerminal(int(u.app.Stdin.Fd())) {
		return false, &refusal{
			exit: ExitUsage, label: "usage", what: "cdx uninstall asks before it removes anything, and there is no terminal to ask on",
			next: "cdx uninstall " + optionYes,
		}
	}
	const maxAnswer = 64
	_, _ = fmt.Fprint(u.app.Stderr, "Remove all this? [y/N] ")
	answer, err := bufio.NewReader(io.LimitReader(u.app.Stdin, maxAnswer)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	if slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return true, nil
	}
	u.app.tell(signNeutral, "nothing was removed")
	return false, nil
}

// refuseBeside refuses while sessions run, which need what is removed, and while a background brings programs up to date: it
// would put back what is removed.
func (u *uninstalling) refuseBeside() error {
	running, err := lease.Running(u.app.home.sessionsPath())
	if err != nil {
		return cannotWrite(err)
	}
	if len(running) > 0 {
		return &refusal{
			exit: ExitTryLater, label: "stopped", what: sessionsRun(running), next: "end Codex, then cdx uninstall again",
		}
	}
	unlock, err := program.TryLock(u.app.home.updatesLock())
	switch {
	case errors.Is(err, program.ErrBusy):
		return &refusal{
			exit: ExitTryLater, label: "stopped", what: "another cdx is bringing cdx or Codex up to date, so nothing was removed",
			next: "try again in a minute",
		}
	case err == nil:
		unlock()
	}
	return nil // where there is no lock to take there is no background
}

// flush brings to the gateway what it has to have before this machine is without it. A login of another account than the
// fleet's turns out here; it stays.
//
// Errors: *refusal: nothing must be removed.
func (u *uninstalling) flush(ctx context.Context) error {
	var err error
	switch {
	case u.session != nil && u.waiting():
		err = u.session.pull(ctx)
		u.app.warn(u.session.notices)
	case u.session != nil && u.hasLogin:
		err = u.session.ensureKnown(ctx)
	}
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case ok && refused.exit == ExitConfig:
		u.forgetLogin()
		u.app.tell(signNeutral, display(u.app.home.authPath())+" stays: it is of another account than the fleet's")
	case err != nil && !ok:
		return err
	}
	if !u.waiting() && (!u.hasLogin || u.session.removable(u.app.home.loadState())) {
		return nil
	}
	cause := "it may be the only copy of a login that the whole fleet needs"
	if ok {
		cause = refused.what
	}
	next := "cdx sync sends it up\nto do without it: rm " + display(u.app.home.authPath())
	if u.waiting() {
		next += " " + display(u.app.anyway().journal().Path)
	}
	return &refusal{
		exit: ExitUnavailable, label: "stopped", what: "the gateway does not have a login of this machine, so nothing was removed",
		cause: cause, next: next + ", then cdx uninstall",
	}
}

// waiting reports whether a login that earlier runs could not send up is still here.
func (u *uninstalling) waiting() bool { return u.app.anyway().waiting() }

// anyway are the dealings of a machine that perhaps has no gateway: for what they know of its disk.
func (a *app) anyway() *session { return &session{app: a, home: a.home} }

// takeLogin removes the login while the machine is still one of the fleet: if it turns out to be new, cdx sync can send it up.
//
// Errors: *refusal: nothing was removed.
func (u *uninstalling) takeLogin() error {
	if !u.hasLogin {
		return nil
	}
	if err := u.removeLogin(); err != nil {
		return &refusal{
			exit: ExitCannotWrite, label: "stopped", what: "the login could not be removed, so nothing was: " + err.Error(),
			next: "try again: cdx uninstall",
		}
	}
	u.forgetLogin()
	return nil
}

// deregister makes the gateway forget this machine.
func (u *uninstalling) deregister(ctx context.Context) Exit {
	if u.session == nil {
		return 0
	}
	a, c := u.app, u.session.client
	err := c.deregister(ctx)
	if err == nil {
		a.tell(signGood, c.host()+" has forgotten this machine")
		return 0
	}
	what := field(err.Error())
	if f := asFailure(err); f != nil {
		what = field(f.reason())
	}
	a.tell(signRefused, c.host()+" "+what+", so it still lists this machine. An admin: cdxgate host rm "+field(c.config.FQDN))
	return ExitUnavailable
}

// remove removes everything in its order and says what is left.
func (u *uninstalling) remove() Exit {
	exit := Exit(0)
	for _, r := range u.removals {
		if err := r.remove(); err != nil {
			u.app.tell(signRefused, display(r.path)+" stays: "+field(err.Error()))
			exit = ExitCannotWrite
		}
	}
	if exit == 0 {
		u.app.tell(signGood, "what cdx made is removed from this machine")
	}
	return exit
}

// removeProgram removes the program that runs. Windows does not, but lets it be called something else.
func removeProgram(path string) error {
	program.RemoveReplaced(path)
	err := os.Remove(path)
	if err != nil && isWindows {
		return os.Rename(path, path+".old")
	}
	return err
}
