package cdx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// proposalPath is a login that the gateway did not take from this machine, for an admin to take.
func (h home) proposalPath() string { return filepath.Join(h.dir, ".cdx", "new-login.json") }

// logIn is cdx login: a new login for the fleet. Codex logs in within a home of its own, so that it finds nothing to
// revoke, and the machines of the fleet go on with what they have until the gateway has taken the new one.
func (a *app) logIn(ctx context.Context) (int, error) {
	s, err := a.sessionWithCodex()
	if err != nil {
		return 0, err
	}
	defer s.leave(ctx)
	made, status, err := s.logInAside()
	if err != nil || !made.exists() {
		return status, err
	}
	return 0, s.propose(ctx, made)
}

// sessionWithCodex begins the dealings of a verb that needs a configuration and a Codex.
func (a *app) sessionWithCodex() (*session, error) {
	config, err := loadConfig()
	if err != nil {
		return nil, err
	}
	bin, err := findCodex()
	if err != nil {
		return nil, err
	}
	return a.newSession(config, bin), nil
}

// logInAside lets Codex log in beside everything. The login is journalled when it returns; it is none when there was no
// login to be had, and status is then Codex's, never 0.
func (s *session) logInAside() (made login, status int, err error) {
	dir := filepath.Join(s.home.dir, ".cdx")
	if err := files.MakeDir(dir); err != nil {
		return login{}, 0, cannotWrite(err)
	}
	private, err := os.MkdirTemp(dir, "login-")
	if err != nil {
		return login{}, 0, cannotWrite(err)
	}
	defer func() {
		if err == nil { // what there was to keep is in the journal
			_ = os.RemoveAll(private)
		}
	}()
	cmd := s.app.codex(s.codex, []string{"-c", `cli_auth_credentials_store="file"`, "login"})
	cmd.Env = append(cmd.Env, envCodexHome+"="+private)
	if status, err = s.app.wait(cmd, (*exec.Cmd).Start); err != nil {
		return login{}, 0, err
	}
	if made, err = readLogin(home{private}.authPath()); err != nil {
		return login{}, 0, cannotWrite(err)
	}
	if !made.exists() || !made.uploadable() {
		return login{}, max(status, 1), nil
	}
	if err = s.journal().Put(made.raw, ""); err != nil {
		return login{}, 0, cannotWrite(fmt.Errorf("the new login is in %s, and nowhere else: %w", display(private), err))
	}
	return made, status, nil
}

// propose offers the gateway a new login, and says who has to do what about it.
func (s *session) propose(ctx context.Context, made login) error {
	var answer *credentialAnswer
	err := s.locked(ctx, func(ctx context.Context) error {
		var err error
		answer, err = s.client.store(ctx, api.AuthRequest{Auth: made.raw, ClientVersion: versionOf(s.codex, s.state.Codex)})
		if err != nil || !takes(answer, made) {
			return err
		}
		s.settled(made)
		s.state.LoggedOut = false
		return s.settle(ctx, s.retrieve)
	})
	s.app.warn(s.notices)
	f := asFailure(err)
	switch {
	case f != nil && f.classify() == standsRejected:
		return s.setProposal(made, "it does not take it: "+field(f.Error()))
	case f != nil && f.classify() == standsDenied:
		return s.client.denial(f)
	case f != nil:
		return s.unsent(field(f.reason()))
	case errors.Is(err, errBusy):
		return s.unsent("was not asked: " + err.Error())
	case err != nil:
		return err
	case !takes(answer, made):
		return s.setProposal(made, "machines may not change the fleet's login")
	}
	text := "the fleet has the new login"
	if s.state.Generation > 0 {
		text += fmt.Sprintf(" as generation %d", s.state.Generation)
	}
	s.app.tell(signGood, text)
	return nil
}

// unsent says that the new login waits in the journal.
func (s *session) unsent(why string) error {
	return &refusal{
		exit: ExitUnavailable, label: "login", what: "the new login was NOT sent up: " + s.client.host() + " " + why,
		next: "it stays on this machine and goes up with the next run\nnow: cdx sync",
	}
}

// setProposal takes a login that the gateway did not want from the journal and keeps it for an admin.
func (s *session) setProposal(made login, why string) error {
	path := s.home.proposalPath()
	if err := files.Write(path, made.raw); err != nil {
		return cannotWrite(err)
	}
	s.app.say(signNotice, "login", "the gateway goes on with the fleet's login: "+why)
	s.app.say(signNeutral, "next", "the new one is kept as "+display(path))
	s.app.say(" ", "", "an admin makes it the fleet's: cdxgate auth upload "+filepath.Base(path))
	return s.journal().Settle(made.digest())
}
