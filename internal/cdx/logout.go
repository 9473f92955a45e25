package cdx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cdxgate/cdxgate/internal/cdx/lease"
)

// logout is cdx logout: take the login from this machine, and only from this machine. Codex's own logout revokes it at
// the issuer, which ends it for the whole fleet; neither is asked.
func (a *app) logout(ctx context.Context) (int, error) {
	config, err := loadConfig()
	if err != nil {
		return 0, err
	}
	bin, _ := findCodex() // none is needed
	s := a.newSession(config, bin)
	if err := s.ensureKnown(ctx); err != nil {
		return 0, err
	}
	removed := false
	err = s.locked(ctx, func(context.Context) error {
		if err := s.checkIdle(); err != nil {
			return err
		}
		if err := s.checkRemovable(); err != nil {
			return err
		}
		// Remembered first: a crash in between must not bring the login back.
		s.state.LoggedOut = true
		if err := s.home.saveState(s.state); err != nil {
			return err
		}
		removed = s.login.raw != nil
		s.tellWaiting()
		if err := s.home.removeLogin(); err != nil {
			return cannotWrite(fmt.Errorf("removing the login: %w", err))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if removed {
		a.tell(signGood, "the login was removed from this machine; the fleet keeps it. `cdx sync` brings it back")
	} else {
		a.tell(signGood, "there is no login on this machine. `cdx sync` brings the fleet's")
	}
	return 0, nil
}

// checkIdle refuses to take the login from Codex while it runs: it may be about to write a new one.
func (s *session) checkIdle() error {
	others, err := s.others()
	if err != nil {
		return cannotWrite(err)
	}
	if len(others) == 0 {
		return nil
	}
	return &refusal{
		exit: ExitTryLater, label: "stopped", what: sessionsRun(others), next: "end Codex, then cdx logout again",
	}
}

// sessionsRun says how many sessions there are, and since when the oldest runs.
func sessionsRun(sessions []lease.Info) string {
	first := oldest(sessions)
	noun := "session of Codex runs"
	if len(sessions) > 1 {
		noun = "sessions of Codex run"
	}
	return fmt.Sprintf("%d %s with this login, since %s (cdx is process %d)", len(sessions), noun,
		first.Started.Local().Format("2 Jan 15:04"), first.PID)
}

// oldest returns the session that began first.
func oldest(sessions []lease.Info) lease.Info {
	return slices.MinFunc(sessions, func(a, b lease.Info) int { return a.Started.Compare(b.Started) })
}

// ensureKnown sends up a login that perhaps only this machine has.
func (s *session) ensureKnown(ctx context.Context) error {
	var err error
	if s.login, err = readLogin(s.home.authPath()); err != nil {
		return cannotWrite(err)
	}
	if s.removable(s.home.loadState()) {
		return nil
	}
	err = s.pull(ctx)
	s.app.warn(s.notices)
	return err
}

// checkRemovable refuses to remove a login that the gateway was not seen to have: it may be the only copy of the
// refresh token that still works.
func (s *session) checkRemovable() error {
	var err error
	if s.login, err = readLogin(s.home.authPath()); err != nil {
		return cannotWrite(err)
	}
	if s.removable(s.state) {
		return nil
	}
	return &refusal{
		exit: ExitUnavailable, label: "stopped", what: "the gateway does not have the login of this machine, so it was kept",
		cause: "it may be the only copy of a login that the whole fleet needs",
		next:  "cdx sync sends it up\nto remove it nevertheless: rm " + display(s.home.authPath()),
	}
}

func (s *session) removable(st state) bool {
	return !s.login.exists() || s.login.isOwnAPIKey() || s.login.digest() == st.KnownDigest
}

// errStayLoggedOut means that the user removed the login and this run does without.
var errStayLoggedOut = errors.New("logged out on this machine")

// respectLogout keeps a run from bringing back a login that the user removed.
//
// Errors: errStayLoggedOut when Codex may start without login and gateway; *refusal when it would be of no use.
func (s *session) respectLogout(args []string) error {
	if !s.home.loadState().LoggedOut {
		return nil
	}
	if now, err := readLogin(s.home.authPath()); err == nil && now.raw != nil {
		return nil // logged in again by other means: the gateway should hear of it
	}
	if command, _ := codexCommand(args); command == "login" || hasOwnCredential() {
		return errStayLoggedOut
	}
	return &refusal{
		exit: ExitUnavailable, label: "login", what: "the login was removed from this machine by cdx logout",
		next: "cdx sync brings it back\nCodex was not started, exit 69.",
	}
}
