package cdx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/journal"
	"github.com/cdxgate/cdxgate/internal/cdx/lease"
)

// asidePath is where the login waits while Codex logs in or out: beside the file, so that a rename suffices.
func (h home) asidePath() (target, aside string, err error) {
	target, err = files.FollowLinks(h.authPath())
	return target, target + ".cdx-aside", err
}

// asideSessionsPath holds the session of a Codex from which the login is hidden: it may outlive its cdx, and then the
// login must stay hidden.
func (h home) asideSessionsPath() string { return filepath.Join(h.dir, ".cdx", "aside") }

// setAside hides the login, if there is one, from Codex.
func (h home) setAside() error {
	target, aside, err := h.asidePath()
	if err != nil {
		return err
	}
	if err := os.Rename(target, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	files.Reach("login set aside")
	return nil
}

// forgetAside removes a login that was set aside.
func (h home) forgetAside() error {
	_, aside, err := h.asidePath()
	if err == nil {
		err = os.Remove(aside)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cannotWrite(fmt.Errorf("removing the login: %w", err))
	}
	files.Reach("login forgotten")
	return nil
}

// endAside ends what a cdx that was killed left set aside. The lock of the home is held.
//
// Errors: errBusy while the Codex that it was hidden from still runs.
func (s *session) endAside() error {
	running, err := lease.Running(s.home.asideSessionsPath())
	switch {
	case err != nil:
		return cannotWrite(err)
	case len(running) > 0:
		return errBusy
	}
	if err := s.home.restoreAside(); err != nil {
		return cannotWrite(err)
	}
	return s.forgetReplaced()
}

// forgetReplaced removes a login that was set aside and did not come back, because Codex made another one. If the
// gateway does not have it, the journal keeps it.
func (s *session) forgetReplaced() error {
	_, aside, err := s.home.asidePath()
	if err != nil {
		return cannotWrite(err)
	}
	old, err := readLogin(aside)
	switch {
	case err != nil:
		return cannotWrite(err)
	case old.raw == nil:
		return nil
	case old.uploadable() && old.digest() != s.state.KnownDigest:
		err := s.journal().Put(old.raw, s.hint)
		if _, damaged := errors.AsType[*journal.DamagedError](err); err != nil && !damaged {
			return cannotWrite(err)
		}
		s.noticeJournal(err)
	}
	return s.home.forgetAside()
}

// restoreAside brings back a login that was set aside, unless there is a newer one in its place.
func (h home) restoreAside() error {
	target, aside, err := h.asidePath()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(target); err == nil {
		return nil
	}
	if err := os.Rename(aside, target); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("bringing back the login: %w", err)
	}
	files.Reach("login brought back")
	return nil
}

// runWithoutLogin starts Codex's own login or logout while the fleet's login is out of its sight. Both begin by
// revoking the refresh token they find in auth.json, which would log out every machine of the fleet. No other cdx may
// bring the file back meanwhile, so the lock is held until Codex has ended.
func (a *app) runWithoutLogin(ctx context.Context, c call) (int, error) {
	s, err := a.sessionWithCodex()
	if err != nil {
		return 0, err
	}
	defer s.leave(ctx)
	status := 0
	err = s.locked(ctx, func(context.Context) error {
		if s.login, err = readLogin(s.home.authPath()); err != nil {
			return cannotWrite(err)
		}
		hidden, err := lease.Take(s.home.asideSessionsPath(), a.Now())
		if err != nil {
			return cannotWrite(err)
		}
		if err := s.home.setAside(); err != nil {
			_ = hidden.End()
			return cannotWrite(fmt.Errorf("setting the login aside: %w", err))
		}
		args := s.keepToFile(c.args)
		a.warn(s.notices)
		status, err = a.wait(a.codex(s.codex, args), hidden.Start)
		_ = hidden.End() // what remains of it is seen to be over
		if err != nil {
			return errors.Join(err, s.home.restoreAside())
		}
		files.Reach("codex ended")
		if c.verb == verbLogoutArgs && status == 0 {
			return s.finishLogout()
		}
		return s.finishLogin()
	})
	if err != nil {
		return 0, err
	}
	if c.verb == verbLoginArgs {
		ctx, stop := signal.NotifyContext(ctx, heeded()...)
		defer stop()
		if lost := s.sendUp(ctx, s.login); lost != nil {
			a.explain(lost.refusal())
		}
	}
	return status, nil
}

// finishLogin brings the login back if Codex made no new one.
func (s *session) finishLogin() error {
	now, err := readLogin(s.home.authPath())
	if err != nil {
		return cannotWrite(err)
	}
	if now.raw != nil {
		s.state.LoggedOut = false
		return s.forgetReplaced()
	}
	if err := s.home.restoreAside(); err != nil {
		return cannotWrite(err)
	}
	return nil
}

// finishLogout removes the login that Codex was to log out, here and nowhere else.
func (s *session) finishLogout() error {
	if !s.removable(s.state) {
		if err := s.home.restoreAside(); err != nil {
			return cannotWrite(err)
		}
		s.app.say(signNotice, "login", "it was kept: the gateway does not have it, so this may be the only copy. cdx sync sends it up")
		return nil
	}
	// Remembered first: a crash in between must not bring the login back.
	s.state.LoggedOut = true
	if err := s.home.saveState(s.state); err != nil {
		return err
	}
	if err := s.home.forgetAside(); err != nil {
		return err
	}
	s.app.tell(signGood, "the login was removed from this machine; the fleet keeps it. `cdx sync` brings it back")
	return nil
}
