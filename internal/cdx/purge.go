package cdx

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/lease"
)

func (h home) sessionsPath() string { return filepath.Join(h.dir, ".cdx", "sessions") }

// isSecure reports whether this machine may keep the login between runs.
func (s *session) isSecure() bool {
	if host := s.blocks.host(); host != nil {
		return host.Secure
	}
	return s.client.config.Secure
}

// enter counts this run among the sessions of the home. On a machine that may not keep the login a run that is not
// counted would lose it to whoever ends first, so there it does not start.
func (s *session) enter() error {
	taken, err := lease.Take(s.home.sessionsPath(), s.app.Now())
	if err != nil && !s.isSecure() {
		return cannotWrite(err)
	}
	s.lease = taken // none on an error: it is then not counted, that is all
	return nil
}

// leave ends what enter began, and whatever run this is, takes the login from a machine that may not keep it: when no
// other session runs, and only a login that the gateway has. The last of several sessions does it, by itself or, if it
// was killed, the next run of cdx.
func (s *session) leave(ctx context.Context) {
	if s.lease == nil && s.isSecure() {
		return
	}
	// Ctrl-C at the end of a run must not leave the login behind.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, heeded()...)
	defer signal.Stop(signals)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), syncTimeout())
	defer cancel()
	unlock, err := s.home.lock(ctx)
	if err == nil {
		defer unlock()
		if !s.isSecure() {
			err = s.purge()
		}
	}
	if s.lease != nil {
		_ = s.lease.End() // what remains of it is seen to be over
		s.lease = nil
	}
	if err != nil {
		s.app.say(signNotice, "login", "it was not removed from this machine: "+err.Error())
	}
}

// purge removes the login unless somebody needs it. The lock of the home is held.
func (s *session) purge() error {
	others, err := s.others()
	if err != nil || len(others) > 0 {
		return err
	}
	if s.login, err = readLogin(s.home.authPath()); err != nil {
		return err
	}
	s.tellWaiting()
	switch {
	case s.login.raw == nil, s.login.isOwnAPIKey():
		return nil
	case s.login.exists() && s.removable(s.home.loadState()):
		s.app.purged = true
		return s.home.removeLogin()
	}
	s.app.say(signNotice, "login", "it stays on this machine, which may not keep it: the gateway does not have it. cdx sync sends it up")
	return nil
}

// others returns the sessions of the home that run beside this one.
func (s *session) others() ([]lease.Info, error) {
	if s.lease != nil {
		return s.lease.Others()
	}
	return lease.Running(s.home.sessionsPath())
}

// removeLogin removes auth.json, where it is a link what it leads to.
func (h home) removeLogin() error {
	target, err := files.FollowLinks(h.authPath())
	if err != nil {
		return err
	}
	files.Reach("purge login")
	return files.Remove(target)
}
