package cdx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/lease"
	"github.com/cdxgate/cdxgate/internal/cdx/share"
)

// Environment variables by which a user gives Codex a credential of their own.
var ownCredentialEnv = []string{"CODEX_API_KEY", "CODEX_ACCESS_TOKEN"}

// result is what a synchronisation did.
type result string

const (
	resultKept    result = "kept"    // the login on disk stays, whatever the gateway thinks of it
	resultCurrent result = "current" // the login on disk is the gateway's
	resultTaken   result = "taken"   // the gateway's login was written
	resultSentUp  result = "sent up" // this machine's login became the gateway's
)

// session is one machine's dealings with its gateway during one run of cdx.
type session struct {
	app      *app
	client   *client
	home     home
	codex    string // path of Codex; "" if there is none
	state    state
	login    login         // on disk, as last seen
	hint     string        // the canonical digest that the gateway last named
	blocks   blocks        // what the gateway last said beside the login
	commands *share.Result // what became of the slash commands; nil: nothing was done about them
	again    bool          // what the gateway once refused is offered again
	heard    bool          // the gateway has answered
	lease    *lease.Lease  // this run, as a session of the home; nil: it is not counted
	took     time.Duration // the last question to the gateway, answered or not; zero: it was not asked
	result   result        // of the last synchronisation
	offline  *failure      // why the gateway could not be asked, nil if it could
	notices  []notice      // what the user must read
	stored   string        // digest of what was sent up and answered: the same is never sent twice
}

// newSession begins the dealings; codex is the path of Codex, "" if there is none.
func (a *app) newSession(config *Config, codex string) *session {
	// net/http would log on Codex's terminal what a gateway says without being asked.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	surviveReaders() // what is begun here is finished, whoever listens
	return &session{app: a, client: a.newClient(config), home: a.home, codex: codex}
}

// pull makes the login on disk the gateway's, or the gateway's the one on disk when that is newer. When the gateway
// cannot be asked, a usable login on disk is enough.
//
// Errors: *refusal: Codex must not start. The login on disk is untouched then.
func (s *session) pull(ctx context.Context) error {
	return s.orOffline(s.locked(ctx, s.agree))
}

// agree is the exchange of a pull.
func (s *session) agree(ctx context.Context) error {
	s.noticeUsage(s.usage().Begin())
	if err := s.judge(s.sendPending(ctx)); err != nil || s.offline != nil {
		return err
	}
	return s.settle(ctx, s.retrieve)
}

// push sends the login up if it is not the one that before was, which means that Codex renewed it.
//
// Errors: *refusal: the new login is only on this machine.
func (s *session) push(ctx context.Context, before login) error {
	if now, err := readLogin(s.home.authPath()); err == nil && (now.raw == nil || now.same(before)) {
		return nil // the usual end of a run: no lock, no request
	}
	s.result = resultKept
	return s.orOffline(s.locked(ctx, func(ctx context.Context) error {
		first := true
		return s.settle(ctx, func(ctx context.Context) (*credentialAnswer, error) {
			if !s.login.exists() || s.login.digest() == before.digest() {
				return &credentialAnswer{Status: api.StatusUnchanged}, nil
			}
			if first { // no need to ask what Codex's renewal already answers
				first = false
				return &credentialAnswer{Status: api.StatusUploadRequired, CanonicalDigest: s.hint}, nil
			}
			return s.retrieve(ctx)
		})
	}))
}

// retrieve asks the gateway what it thinks of the login on disk, and takes what else it has to say.
func (s *session) retrieve(ctx context.Context) (*credentialAnswer, error) {
	config := s.client.config
	request := api.SyncRequest{ClientVersion: versionOf(s.codex, s.state.Codex), ETags: s.blocks.etags()}
	if request.ETags[api.BlockConfig] = config.configETag(s.app.Now()); request.ETags[api.BlockConfig] == "" {
		delete(request.ETags, api.BlockConfig)
	}
	request.Username, request.Hostname = whoRuns()
	if s.login.exists() {
		request.Credential = &api.SyncHeld{Digest: s.login.digest(), LastRefresh: s.login.lastRefresh()}
	}
	request.Usage = s.report()
	began := time.Now()
	answer, credential, err := s.client.sync(ctx, request)
	s.took = time.Since(began)
	if err != nil {
		return nil, err
	}
	s.heard = true
	s.home.rememberContact(s.app.Now())
	s.reported(request.Usage, answer.Usage)
	if note := s.app.followConfig(config, answer.Config); note != "" {
		s.notice("config", note)
	}
	if note := s.app.takeKey(config, apiKey(answer.APIKey)); note != "" {
		s.notice("key", note)
	}
	merged, changed := s.blocks.merge(answer)
	if s.blocks = merged; changed {
		s.home.saveBlocks(merged)
	}
	return credential, nil
}

// orOffline lets an exchange that another cdx stood in the way of count as one that the gateway did not answer.
func (s *session) orOffline(err error) error {
	if !errors.Is(err, errBusy) {
		return err
	}
	if s.login, err = readLogin(s.home.authPath()); err != nil {
		return cannotWrite(err)
	}
	return s.goOffline(&failure{err: errBusy}, standsLimited)
}

// locked runs one exchange as the only cdx of the home, within [syncTimeout].
func (s *session) locked(ctx context.Context, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout())
	defer cancel()
	unlock, err := s.home.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.state, s.blocks = s.home.loadState(), s.home.loadBlocks()
	files.RemoveStale(s.home.authPath(), s.app.Now())
	if err := s.endAside(); err != nil {
		return err
	}
	err = exchange(ctx)
	_ = s.home.saveState(s.state) // without it the next run asks the gateway again, that is all
	return err
}

// maxRounds bounds how often a synchronisation starts over because Codex changed the login meanwhile.
const maxRounds = 3

// errChanged means that the login on disk is no longer the one the exchange was about.
var errChanged = errors.New("the login on disk changed meanwhile")

// settle asks and acts until disk and gateway agree, or cannot.
func (s *session) settle(ctx context.Context, ask func(context.Context) (*credentialAnswer, error)) error {
	for range maxRounds {
		var err error
		if s.login, err = readLogin(s.home.authPath()); err != nil {
			return cannotWrite(err)
		}
		if s.login.isOwnAPIKey() {
			s.result = resultKept
			s.notice("login", "this machine uses its own API key; the fleet's login instead: cdx logout, cdx sync")
			return nil
		}
		answer, err := ask(ctx)
		if err == nil {
			err = s.act(ctx, answer)
		}
		if errors.Is(err, errChanged) {
			continue
		}
		return s.judge(err)
	}
	s.notice("login", "Codex keeps changing the login, so it was left as it is")
	return nil
}

// judge turns the failure of an exchange into what it means for this run.
func (s *session) judge(err error) error {
	f := asFailure(err)
	if f == nil {
		return err
	}
	switch stands := f.classify(); stands {
	case standsDenied:
		return s.client.denial(f)
	default:
		return s.goOffline(f, stands)
	}
}

// goOffline lets Codex start with what is on disk, if the offline rule says that it is enough.
func (s *session) goOffline(f *failure, stands standing) error {
	s.offline = f
	s.result = resultKept
	cause := s.mayGoOn()
	if cause == nil || hasOwnCredential() {
		s.notices = append(s.notices, notice{
			label: "gateway", text: s.client.host() + " " + field(f.reason()) + "; nothing is lost", onCard: true,
		})
		return nil
	}
	exit := ExitUnavailable
	if stands == standsLimited {
		exit = ExitTryLater
	}
	return &refusal{
		exit: exit, label: "gateway", what: s.client.host() + " " + field(f.reason()),
		cause: cause.Error(), next: "try again\n" + notStarted(exit),
	}
}

// asked reports whether the gateway had its say.
func (s *session) asked() bool { return s.offline == nil }

// reason completes a sentence that begins with the gateway's name.
func (f *failure) reason() string {
	switch {
	case errors.Is(f.err, errBusy):
		return "was not asked: " + f.err.Error()
	case f.err != nil:
		return "did not answer (" + f.err.Error() + ")"
	default:
		return fmt.Sprintf("answered %d (%s)", f.status, f.Error())
	}
}

func (s *session) notice(label, text string) {
	s.notices = append(s.notices, notice{label: label, text: text})
}

// hasOwnCredential reports whether the user gave Codex a credential by environment: the fleet's is then not needed,
// and nothing of this machine belongs on the gateway.
func hasOwnCredential() bool { return setOwnCredential() != "" }

func setOwnCredential() string {
	for _, name := range ownCredentialEnv {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}
