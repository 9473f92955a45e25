package cdx

import (
	"context"
	"errors"
	"fmt"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// act does what an answer demands of the login on disk, s.login.
func (s *session) act(ctx context.Context, answer *credentialAnswer) error {
	if answer.CanonicalDigest != "" {
		s.hint = answer.CanonicalDigest
	}
	switch answer.Status {
	case api.StatusValid:
		s.remember(s.login, answer.Generation)
		s.result = resultCurrent
		return nil
	case api.StatusUnchanged:
		s.result = resultKept
		if s.login.exists() && answer.CanonicalDigest == s.login.digest() {
			s.remember(s.login, answer.Generation)
		}
		return nil
	case api.StatusOutdated, api.StatusUpdated:
		return s.adopt(ctx, answer)
	case api.StatusMissing:
		if !s.login.exists() {
			return s.noLogin()
		}
		return s.upload(ctx)
	case api.StatusUploadRequired:
		return s.upload(ctx)
	default:
		s.result = resultKept
		return s.keep("the gateway answers %q, which this cdx does not know; the login on disk stays", field(answer.Status))
	}
}

// noLogin refuses a start for which there is no login anywhere; a user's own credential does without.
func (s *session) noLogin() error {
	if hasOwnCredential() {
		return nil
	}
	return errNoLogin
}

// errNoLogin means that neither gateway nor machine has a login.
var errNoLogin = &refusal{
	exit: ExitUnavailable, label: "login", what: "no login on the gateway yet, and none on this machine",
	next: "an admin puts one there: cdxgate auth upload ~/.codex/auth.json\nCodex was not started, exit 69.",
}

// keep leaves the login as it is and says why. Without a usable one there is nothing to start Codex with.
func (s *session) keep(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if s.login.usable() || hasOwnCredential() {
		s.notice("login", text)
		return nil
	}
	return &refusal{exit: ExitUnavailable, label: "login", what: text, next: notStarted(ExitUnavailable)}
}

// adopt writes the login that the gateway answered, if the file is still the one the answer is about.
func (s *session) adopt(ctx context.Context, answer *credentialAnswer) error {
	if answer.Auth == nil && answer.Status == api.StatusUpdated {
		s.remember(s.login, answer.Generation)
		s.result = resultSentUp
		return nil
	}
	served := parseLogin(answer.Auth)
	if !served.exists() || s.login.usable() && !served.usable() { // a login must not give way to what is none
		return &failure{err: errors.New("its answer holds no login")}
	}
	switch {
	case s.login.foreignTo(served) && s.login.account() != s.state.Account:
		return s.foreign()
	case s.login.foreignTo(served): // the fleet itself moved to another account
	case s.login.newerThan(served) && !answer.Kept:
		// A clock that is wrong made an older login look newer, or an admin went back to one. Writing it could destroy the
		// only refresh token that still works, so the gateway gets ours first.
		return s.upload(ctx)
	}
	mine := s.login
	if err := s.replace(served, answer.Generation); err != nil {
		return err
	}
	if !mine.foreignTo(served) {
		s.settled(mine) // the gateway has it, or something later
	}
	if answer.Status == api.StatusUpdated {
		s.result = resultSentUp
	} else {
		s.result = resultTaken
	}
	return nil
}

// replace writes served in place of s.login. A file that is no login is kept beside it.
//
// Errors: errChanged when the file is not s.login any more.
func (s *session) replace(served login, generation int64) error {
	path := s.home.authPath()
	now, err := readLogin(path)
	if err != nil {
		return cannotWrite(err)
	}
	if !now.same(s.login) {
		return errChanged
	}
	if now.broken != nil {
		bad := path + ".bad-" + s.app.Now().UTC().Format("20060102T150405Z")
		if err := files.Write(bad, now.raw); err != nil {
			return cannotWrite(err)
		}
		s.notice("login", "the file on disk was no login ("+now.broken.Error()+"); it is kept as "+display(bad))
	}
	err = files.WriteIf(path, served.raw, func() error {
		if now, err = readLogin(path); err == nil && !now.same(s.login) {
			return errChanged
		}
		return err
	})
	switch {
	case errors.Is(err, errChanged):
		return errChanged
	case err != nil:
		return cannotWrite(err)
	}
	s.login = served
	s.remember(served, generation)
	return nil
}

// foreign refuses to mix two people's logins: neither is overwritten, and Codex does not run on the wrong one.
func (s *session) foreign() error {
	path := display(s.home.authPath())
	return &refusal{
		exit: ExitConfig, label: "stopped", what: "this machine is logged in to another account than the fleet",
		cause: path + " was not taken from the gateway and is not replaced",
		next:  "to take the fleet's: mv " + path + " " + path + ".mine, then cdx sync\nto work with yours: codex, without cdx",
	}
}

// upload sends s.login up. It is not repeated when the answer is lost: that is for a later exchange.
func (s *session) upload(ctx context.Context) error {
	switch {
	case !s.login.exists():
		return s.keep("the gateway asks for the login of this machine, which has none")
	case !s.login.uploadable():
		return s.keep("the login on disk has no tokens, so it is not sent up")
	case hasOwnCredential():
		return s.keep("the login on disk is not sent up while %s is set", setOwnCredential())
	case s.stored == s.login.digest():
		return s.keep("the gateway prefers an older login than the one on disk, which stays. Tell an admin")
	}
	sent := s.login
	s.journalled(sent)
	files.Reach("journalled")
	answer, err := s.offer(ctx, sent, s.hint)
	f := asFailure(err)
	rejected := f != nil && f.classify() == standsRejected
	if err != nil && !rejected {
		return err
	}
	s.stored = sent.digest() // it has decided: once more would not change its mind
	if rejected {
		if f.is("account_mismatch", "") {
			s.settled(sent) // it is nothing to the fleet
			return s.foreign()
		}
		s.noticeJournal(s.journal().Reject(sent.digest(), field(f.Error())))
		s.result = resultKept
		return s.keep("the gateway does not want the login of this machine: %s", field(f.Error()))
	}
	if answer.Status == api.StatusUploadRequired || answer.Status == api.StatusMissing {
		return &failure{err: errors.New("it answers a store with " + answer.Status)}
	}
	files.Reach("stored")
	s.conclude(answer, sent)
	return s.act(ctx, answer)
}

// remember records that the gateway has l, as which generation: it need not wait for it any more.
func (s *session) remember(l login, generation int64) {
	s.settled(l)
	s.state.KnownDigest, s.state.Account, s.state.Generation = l.digest(), l.account(), generation
	s.state.LoggedOut = false
}
