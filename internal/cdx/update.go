package cdx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"

	"github.com/cdxgate/cdxgate/internal/cdx/download"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
	"github.com/cdxgate/cdxgate/internal/cdx/selfupdate"
)

// envRestarted says to a cdx that the one before it has just replaced itself, so that it does not do the same.
const envRestarted = "CDX_RESTARTED"

// update is cdx update: the gateway's word, cdx itself, then Codex by the cdx that is there then. It is what a user wants
// now, so auto_update off does not keep it from anything; signatures and the release key do.
func (a *app) update(ctx context.Context) (int, error) {
	config, err := loadConfig()
	if err != nil {
		return 0, err
	}
	codex := a.lookAtCodex(ctx)
	s := a.newSession(config, codex.Path)
	exit := Exit(0)
	restarted := os.Getenv(envRestarted) != ""
	if restarted {
		s.blocks = a.home.loadBlocks() // the cdx before has just asked
	} else if exit, err = s.syncForUpdate(ctx, codex); err != nil {
		return 0, err
	}
	replaced, failed := s.updateClient(ctx, restarted)
	if replaced {
		self, err := os.Executable()
		if err != nil {
			return 0, err
		}
		return restart(self, a.Args, append(os.Environ(), envRestarted+"=1"))
	}
	exit = firstExit(exit, failed)
	return int(firstExit(exit, s.updateCodex(ctx))), nil
}

// firstExit is the first of two statuses that is not 0.
func firstExit(a, b Exit) Exit {
	if a != 0 {
		return a
	}
	return b
}

// syncForUpdate asks the gateway as cdx sync does. A machine that was logged out stays so, and one without a login can
// have its programs brought up to date nevertheless.
func (s *session) syncForUpdate(ctx context.Context, codex codexVersion) (Exit, error) {
	s.blocks = s.home.loadBlocks()
	if now, err := readLogin(s.home.authPath()); err == nil && now.raw == nil && s.home.loadState().LoggedOut {
		s.app.say(signNotice, "login", "logged out on this machine, so the gateway was not asked; what it said last counts")
		return 0, nil
	}
	defer s.leave(ctx)
	err := s.syncHere(ctx, codex)
	switch refused, ok := errors.AsType[*refusal](err); {
	case err == nil && !s.asked():
		return ExitUnavailable, nil
	case ok && refused.exit == ExitUnavailable && s.asked():
		s.app.say(signNotice, refused.label, refused.what)
		return ExitUnavailable, nil
	}
	return 0, err
}

// updateClient replaces cdx by the build that the gateway offers, unless that was just done.
func (s *session) updateClient(ctx context.Context, restarted bool) (replaced bool, exit Exit) {
	a := s.app
	offer := s.blocks.client()
	switch {
	case offer == nil:
		a.tell(signNeutral, "cdx "+a.Version+" stays: the gateway has no build for this machine")
		return false, 0
	case !s.client.config.isSigned():
		a.tell(signNotice, "cdx "+a.Version+" stays: this machine knows no key of its gateway to verify a build with")
		return false, 0
	}
	update, err := s.checkOffer(offer, selfupdate.Higher(s.home.loadUpdates().Highest, a.Version))
	switch {
	case errors.Is(err, selfupdate.ErrDowngrade):
		a.tell(signNotice, "cdx "+a.Version+" stays: "+offeredName(offer)+" is offered, but "+err.Error())
		return false, 0
	case err != nil:
		a.tell(signRefused, "cdx "+a.Version+" stays, "+offeredName(offer)+" is not taken: "+reasonOf(err))
		return false, ExitNotUpdated
	case update == nil:
		a.tell(signGood, "cdx "+a.Version+" is current")
		return false, 0
	case restarted:
		a.tell(signNotice, "cdx "+update.Version+" was installed, but what runs is "+a.Version+". Tell an admin")
		return false, 0
	}
	return s.applyUpdate(ctx, update, s.wantedBuild(offer))
}

// applyUpdate downloads and places a build in sight of the user. Ctrl-C ends it in good order.
func (s *session) applyUpdate(ctx context.Context, update *selfupdate.Update, wanted string) (replaced bool, exit Exit) {
	ctx, stop := signal.NotifyContext(ctx, heeded()...)
	defer stop()
	name := "cdx " + update.Version
	transfer := s.app.newTransfer(name)
	err := update.Apply(ctx, s.client.http, transfer.Reach)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("it was interrupted")
		}
		transfer.End(screen.Refused, name+" was not installed: "+reasonOf(err))
		return false, exitOf(err)
	}
	s.home.amendUpdates(func(u *updates) {
		u.Client = attempt{Wanted: wanted, Name: name, At: s.app.Now()}
		u.Highest = selfupdate.Higher(u.Highest, update.Version)
	})
	transfer.End(screen.Good, fmt.Sprintf("%s installed, %s, signature, digest and version checked", name, transfer.Measure()))
	return true, 0
}

// exitOf is the status for an installation that failed.
func exitOf(err error) Exit {
	if _, ok := errors.AsType[*program.NotWritableError](err); ok {
		return ExitCannotWrite
	}
	if status, ok := errors.AsType[*download.StatusError](err); ok && (status.Status == http.StatusForbidden || status.Status == http.StatusTooManyRequests) ||
		errors.Is(err, program.ErrBusy) {
		return ExitTryLater
	}
	return ExitNotUpdated
}

// updateCodex brings Codex to what the fleet wants, or says who has to.
func (s *session) updateCodex(ctx context.Context) Exit {
	a := s.app
	chosen, err := chooseCodex(s.blocks.versions(), s.home.loadState().Codex)
	if err != nil {
		a.tell(signRefused, err.Error())
		return ExitNoCodex
	}
	switch {
	case chosen.Install != "":
		if _, err := s.installCodex(ctx, chosen.Install); err != nil {
			return exitOf(err)
		}
	case chosen.named:
		a.tell(signNeutral, "Codex is what "+envCodexBin+" names, and left alone: "+display(chosen.Start))
	case chosen.Advice != "":
		a.tell(signNotice, chosen.advice())
	case chosen.UnknownVersion:
		a.tell(signNotice, "Codex does not tell its version, so it is left alone: "+display(chosen.Start))
	default:
		a.tell(signGood, "Codex "+chosen.Version+" is current")
	}
	return 0
}
