package cdx

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/journal"
)

// journal holds the logins of the home that the gateway has not acknowledged.
func (s *session) journal() journal.Journal {
	return journal.Journal{Path: filepath.Join(s.home.dir, ".cdx", "pending-auth.json"), Now: s.app.Now}
}

// journalled keeps l until the gateway has it. That it cannot be kept is no reason not to send it: it is on disk too.
func (s *session) journalled(l login) {
	s.noticeJournal(s.journal().Put(l.raw, s.hint))
}

// settled forgets l, which the gateway has, or has something later than.
func (s *session) settled(l login) {
	s.noticeJournal(s.journal().Settle(l.digest()))
}

func (s *session) noticeJournal(err error) {
	if err != nil {
		s.notice("login", err.Error())
	}
}

// sendPending sends up what earlier runs could not, the newest first, but for what is on disk, which the rest of the
// exchange is about. The lock of the home is held.
//
// Errors: *failure, *refusal: what is left stays for the next run. That the gateway cannot take one of them is no error: it
// must not keep the machine from everything else.
func (s *session) sendPending(ctx context.Context) error {
	entries, err := s.journal().Read()
	s.noticeJournal(err)
	if s.login, err = readLogin(s.home.authPath()); err != nil {
		return cannotWrite(err)
	}
	for _, entry := range entries {
		l := parseLogin(entry.Auth)
		if entry.Rejected != "" && !s.again || hasOwnCredential() || l.digest() == s.login.digest() || l.foreignTo(s.login) {
			continue
		}
		err := s.sendOne(ctx, l, entry.Base)
		if f := asFailure(err); f != nil && f.status != 0 && f.classify() == standsOffline {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendOne sends up a login that is not on disk.
func (s *session) sendOne(ctx context.Context, l login, base string) error {
	answer, err := s.offer(ctx, l, base)
	if f := asFailure(err); f != nil && f.classify() == standsRejected {
		s.noticeJournal(s.journal().Reject(l.digest(), field(f.Error())))
		return nil
	}
	if err != nil {
		return err
	}
	files.Reach("stored")
	s.conclude(answer, l)
	return nil
}

// offer sends l up; hint is the canonical digest that the gateway last named.
//
// Errors: as of store.
func (s *session) offer(ctx context.Context, l login, hint string) (*credentialAnswer, error) {
	request := api.AuthRequest{Auth: l.raw, Digest: hint, ClientVersion: versionOf(s.codex, s.state.Codex)}
	answer, err := s.client.store(ctx, request)
	if err != nil || answer.Status != api.StatusUnchanged || answer.CanonicalDigest == "" ||
		answer.CanonicalDigest == hint || answer.CanonicalDigest == l.digest() {
		return answer, err
	}
	// Either the gateway has l already, in its own form and under the digest of that, because an earlier answer was lost; or
	// this machine may change nothing there. Who names what is canonical now is given it in the first case.
	request.Digest = answer.CanonicalDigest
	return s.client.store(ctx, request)
}

// conclude forgets a login that the gateway took. One that it answered without taking it is kept, but not sent again,
// unless the answer withholds what it would have to be compared with: a machine whose window is closed gets no login.
func (s *session) conclude(answer *credentialAnswer, sent login) {
	switch {
	case takes(answer, sent):
		s.settled(sent)
		return
	case answer.Status == api.StatusOutdated && !parseLogin(answer.Auth).exists():
		return
	}
	s.noticeJournal(s.journal().Reject(sent.digest(), "the gateway keeps another login; an admin decides"))
}

// takes reports whether an answer to a store means that the gateway has l, or something later than l.
func takes(answer *credentialAnswer, l login) bool {
	if answer.Kept {
		return true
	}
	switch answer.Status {
	case api.StatusUpdated, api.StatusValid:
		return true
	case api.StatusOutdated:
		served := parseLogin(answer.Auth)
		return served.exists() && !l.newerThan(served)
	default:
		return answer.CanonicalDigest == l.digest()
	}
}

// tellWaiting tells of logins that outlast the one on disk, s.login, which is to be removed.
func (s *session) tellWaiting() {
	entries, err := s.journal().Read()
	if err != nil {
		s.app.say(signNotice, "login", err.Error())
	}
	if slices.ContainsFunc(entries, func(e journal.Entry) bool { return e.Digest != s.login.digest() }) {
		s.app.say(signNotice, "login", "what the gateway did not take stays on this machine: "+display(s.journal().Path))
	}
}

// waiting reports whether a login of this machine has not reached the gateway.
func (s *session) waiting() bool {
	entries, err := s.journal().Read()
	return journal.Next(entries) != nil || errors.As(err, new(*journal.DamagedError))
}
