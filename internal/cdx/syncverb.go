package cdx

import (
	"context"
	"errors"
)

// syncNow is cdx sync: ask now, undo a logout, and say what came of it.
func (a *app) syncNow(ctx context.Context) (int, error) {
	config, err := loadConfig()
	if err != nil {
		return 0, err
	}
	codex := a.lookAtCodex(ctx) // cdx sync is of use without one
	s := a.newSession(config, codex.Path)
	defer s.leave(ctx)
	if err := s.syncHere(ctx, codex); err != nil {
		return 0, err
	}
	if !s.asked() {
		return int(ExitUnavailable), nil
	}
	return 0, nil
}

// syncHere pulls for a user who asked for it and prints the result. The gateway learns which Codex is here.
func (s *session) syncHere(ctx context.Context, codex codexVersion) error {
	if err := s.amendState(ctx, func(st *state) { st.LoggedOut, st.Codex = false, codex }); err != nil {
		return err
	}
	s.again = true
	err := s.pull(ctx)
	s.app.warn(s.notices)
	if err != nil {
		return err
	}
	validity := s.login.validity(s.app.Now())
	if validity != "" {
		validity = ", " + validity
	}
	switch s.result {
	case resultTaken:
		s.app.tell(signGood, "login taken"+validity)
	case resultCurrent:
		s.app.tell(signGood, "login is current"+validity)
	case resultSentUp:
		s.app.tell(signGood, "the login of this machine was sent up, the fleet has it now"+validity)
	}
	return nil
}

// amendState changes what is remembered about the home.
func (s *session) amendState(ctx context.Context, change func(*state)) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout())
	defer cancel()
	unlock, err := s.home.lock(ctx)
	if errors.Is(err, errBusy) {
		return &refusal{exit: ExitTryLater, label: "stopped", what: err.Error(), next: "try again"}
	}
	if err != nil {
		return err
	}
	defer unlock()
	st := s.home.loadState()
	change(&st)
	return s.home.saveState(st)
}
