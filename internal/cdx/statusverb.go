package cdx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/codexinstall"
	"github.com/cdxgate/cdxgate/internal/cdx/lease"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// status is cdx status: ask the gateway, and tell how things stand here. It writes nothing; a login that a killed run left
// on a machine that may not keep it goes.
func (a *app) status(ctx context.Context, c call) (int, error) {
	config, err := loadConfig()
	if err != nil {
		return 0, err
	}
	codex := a.lookAtCodex(ctx)
	s := a.newSession(config, codex.Path)
	defer s.leave(ctx)
	denied, err := s.look(ctx, codex.Version)
	if err != nil {
		return 0, err
	}
	facts := s.statusFacts(codex, denied, s.atRest(ctx))
	if c.output == "json" {
		document := screen.NewStatusJSON(facts, a.Now())
		return a.printJSON(document, document.Exit)
	}
	text, exit := screen.Status(facts, screen.Detect(a.Stdout, os.Getenv, firstNonEmpty(c.colour, a.options.colour)), a.Now())
	if _, err := a.print(text); err != nil {
		return 0, err
	}
	return exit, nil
}

// printJSON prints a report for programs.
func (a *app) printJSON(document any, exit int) (int, error) {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return 0, fmt.Errorf("encoding the report: %w", err)
	}
	if _, err := a.print(string(text) + "\n"); err != nil {
		return 0, err
	}
	return exit, nil
}

// look asks the gateway as a start of Codex would, and writes nothing: neither a login that the gateway has nor what
// else it says is kept. s.offline is why it could not be asked; denied is why it refuses this machine.
//
// Errors: what is on disk cannot be read.
func (s *session) look(ctx context.Context, codexVersion string) (denied *failure, err error) {
	s.state, s.blocks = s.home.loadState(), s.home.loadBlocks()
	if s.login, err = readLogin(s.home.authPath()); err != nil {
		return nil, cannotRead(err)
	}
	request := api.SyncRequest{ClientVersion: codexVersion, ETags: s.blocks.etags()}
	if s.login.exists() && !s.login.isOwnAPIKey() {
		request.Credential = &api.SyncHeld{Digest: s.login.digest(), LastRefresh: s.login.lastRefresh()}
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout())
	defer cancel()
	began := time.Now()
	answer, credential, err := s.client.sync(ctx, request)
	s.took = time.Since(began)
	if another, ok := errors.AsType[*refusal](err); ok {
		return &failure{err: another}, nil
	}
	if f := asFailure(err); f != nil {
		if f.classify() == standsDenied {
			return f, nil
		}
		s.offline = f
		return nil, nil //nolint:nilnil // it could not be asked: s.offline says so
	}
	s.blocks, _ = s.blocks.merge(answer)
	if credential.Status == api.StatusValid && s.login.exists() {
		s.state.KnownDigest, s.state.Generation = s.login.digest(), credential.Generation
	}
	return nil, nil //nolint:nilnil // nothing stands in the way
}

// cannotRead words that a report cannot be made.
func cannotRead(err error) *refusal {
	return &refusal{exit: ExitCannotWrite, label: "stopped", what: err.Error(), next: "run cdx as the user whose Codex home this is"}
}

// refusalOf words what look found denied.
func (s *session) refusalOf(denied *failure) *refusal {
	if another, ok := errors.AsType[*refusal](denied.err); ok {
		return another
	}
	return s.client.denial(denied)
}

// atRest is what cdx status tells of this machine while no run of its own goes on. Sessions are only counted when no
// other cdx is busy.
func (s *session) atRest(ctx context.Context) local {
	m := s.machine()
	if m.waiting == nil {
		m.waiting = &screen.Waiting{}
	}
	if missing(s.home.sessionsPath()) {
		m.sessions = &screen.Sessions{}
		return m
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	unlock, err := s.home.lock(ctx)
	if err != nil {
		return m
	}
	defer unlock()
	running, err := lease.Running(s.home.sessionsPath())
	if err != nil {
		return m
	}
	m.sessions = &screen.Sessions{Running: len(running)}
	if len(running) > 0 {
		first := oldest(running)
		m.sessions.Since, m.sessions.PID = first.Started, first.PID
	}
	return m
}

// statusFacts are what cdx status tells.
func (s *session) statusFacts(codex codexVersion, denied *failure, machine local) screen.StatusFacts {
	config, host, versions := s.client.config, s.blocks.host(), s.blocks.versions()
	f := screen.StatusFacts{
		Host: screen.Host{FQDN: config.FQDN, Secure: config.Secure, Brokered: s.login.isBrokered()},
		Gateway: screen.StatusGateway{
			URL: config.BaseURL, RoundTrip: s.took, CertificateUntil: s.client.tap.certificate(),
		},
		Sessions: machine.sessions,
		Codex:    screen.CodexVersion{Installed: codex.Version, Target: codexTarget(host, versions), InstalledBy: s.installer(codex)},
		Cdx:      screen.CdxVersion{Installed: s.app.Version},
		Commands: machine.commands,
		Month:    s.month(nil),
		Waiting:  machine.waiting,
	}
	if host != nil {
		f.Host.FQDN, f.Host.Secure = firstNonEmpty(host.FQDN, config.FQDN), host.Secure
	}
	if versions.WrapperVersion != nil {
		f.Cdx.Newest = *versions.WrapperVersion
	}
	switch {
	case denied != nil:
		refused := s.refusalOf(denied).onScreen()
		refused.Next = withoutCodex(refused.Next)
		f.Refusal, f.Address.IP = refused, denied.receivedIP
	case s.offline != nil:
		f.Gateway.Unreachable, f.Gateway.RoundTrip = s.offline.reason(), 0
	}
	if s.usesOwnCredential() {
		return f
	}
	f.Quota, f.Policy = s.quotaOnScreen(), s.policyOnScreen()
	if l := s.loginOnScreen(machine.notKept); l != nil {
		l.Cached = f.Gateway.Unreachable != ""
		f.Login = &screen.StatusLogin{Login: *l, Digest: s.login.digest()}
	}
	return f
}

// withoutCodex drops from what to do that Codex was not started: nobody wanted to.
func withoutCodex(next []screen.Words) []screen.Words {
	kept := next[:0:0]
	for _, words := range next {
		if !strings.HasPrefix(words.Long, "Codex was not started") {
			kept = append(kept, words)
		}
	}
	return kept
}

// isBrokered reports whether the real refresh token of the login is kept by the gateway.
func (l login) isBrokered() bool {
	return strings.HasPrefix(l.doc.Object("tokens").Text("refresh_token"), placeholderPrefix)
}

// installer names what installed a Codex, "" if its place does not say.
func (s *session) installer(codex codexVersion) string {
	if codex.Path == "" {
		return ""
	}
	switch kind := codexinstall.OriginOf(codex.Path, codexPlaces()).Kind; kind {
	case codexinstall.Private:
		return "cdx"
	case codexinstall.Other:
		return ""
	default:
		return installerName(kind)
	}
}
