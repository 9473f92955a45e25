package cdx

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/codexinstall"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
	"github.com/cdxgate/cdxgate/internal/cdx/selfupdate"
)

// backgroundFlag is how cdx starts itself to bring programs up to date while Codex runs. It is no user's word: nobody else
// has options with our name, and a prompt does not begin with a dash.
const backgroundFlag = "--cdx-background-update"

// startUpdates has another process bring cdx and Codex up to date if something may be tried. That process belongs to no
// terminal and to nobody's run: Codex starts now, and this process ends when Codex does. It gets this one's environment and
// nothing else.
func (s *session) startUpdates(chosen codexChoice) {
	client, codex := s.dueUpdates(s.home.loadUpdates(), chosen)
	if !client && !codex {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	cmd := exec.CommandContext(context.Background(), self, backgroundFlag)
	cmd.Dir = s.home.dir // not the user's: a directory that is somebody's cannot be removed on Windows
	cmd.Env = append(os.Environ(), envCodexHome+"="+s.home.dir)
	if path := os.Getenv(envConfigPath); path != "" {
		if path, err = filepath.Abs(path); err != nil {
			return
		}
		cmd.Env = append(cmd.Env, envConfigPath+"="+path)
	}
	detach(cmd)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // its failures are written down by itself
	}
}

// dueUpdates reports which programs the background may try to bring up to date now.
func (s *session) dueUpdates(u updates, chosen codexChoice) (client, codex bool) {
	now := s.app.Now()
	offer := s.blocks.client()
	client = offer != nil && s.client.config.AutoUpdate && s.client.config.isSigned() && u.Client.due(s.wantedBuild(offer), now)
	codex = chosen.Install != "" && u.Codex.due(chosen.Install, now)
	return client, codex
}

// wantedBuild names an offer, on top of the cdx that runs.
func (s *session) wantedBuild(offer *api.ClientOffer) string {
	return s.app.Version + " " + offer.Build.Signature
}

// offeredName is what an offer says it is, for messages: its signature is not verified here.
func offeredName(offer *api.ClientOffer) string {
	var said struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(offer.Build.Document, &said) != nil || said.Version == "" {
		return "the cdx that the gateway offers"
	}
	return "cdx " + field(screen.Clean(said.Version))
}

// checkOffer says what to do about the build that the gateway offers, as [selfupdate.Check] does.
func (s *session) checkOffer(offer *api.ClientOffer, highest string) (*selfupdate.Update, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program.RemoveReplaced(self)
	config := s.client.config
	return selfupdate.Check(*offer,
		selfupdate.Trust{Keys: []api.SigningKey{config.SigningKey}, ReleaseKey: config.ReleaseKey},
		selfupdate.Current{Path: self, Version: s.app.Version, Platform: s.app.platform, Highest: highest, BaseURL: config.BaseURL})
}

// updateInBackground is what [session.startUpdates] starts. It knows what the run before it left on disk, and leaves there
// what came of it.
func (a *app) updateInBackground(ctx context.Context) (int, error) {
	config, err := loadConfig()
	if err != nil {
		return 0, err
	}
	unlock, err := program.TryLock(a.home.updatesLock())
	if err != nil {
		return 0, err // another background of this home is at it
	}
	defer unlock()
	s := a.newSession(config, "")
	s.blocks = a.home.loadBlocks()
	chosen, err := chooseCodex(s.blocks.versions(), a.home.loadState().Codex)
	if err != nil {
		return 0, err
	}
	a.home.amendUpdates(func(u *updates) { u.Highest = selfupdate.Higher(u.Highest, a.Version) })
	client, codex := s.dueUpdates(a.home.loadUpdates(), chosen)
	if client {
		s.tryClient(ctx, s.blocks.client())
	}
	if codex {
		s.tryCodex(ctx, chosen.Install)
	}
	return 0, nil
}

// tryClient replaces cdx by the build that the gateway offers, and writes down what came of it.
func (s *session) tryClient(ctx context.Context, offer *api.ClientOffer) {
	tried := attempt{Wanted: s.wantedBuild(offer), Name: offeredName(offer)}
	update, err := s.checkOffer(offer, s.home.loadUpdates().Highest)
	if update != nil {
		err = update.Apply(ctx, s.client.http, nil)
	}
	if errors.Is(err, program.ErrBusy) {
		return // it is being done
	}
	tried.At, tried.Failed = s.app.Now(), reasonOf(err)
	s.home.amendUpdates(func(u *updates) {
		if u.Client = tried; update != nil && err == nil {
			u.Highest = selfupdate.Higher(u.Highest, update.Version)
		}
	})
}

// tryCodex installs a Codex for this user, and writes down what came of it.
func (s *session) tryCodex(ctx context.Context, version string) {
	err := errNoHome
	if installer := s.codexInstaller(); installer.Root != "" {
		_, err = installer.Install(ctx, version)
	}
	tried := attempt{}
	if err != nil {
		tried = attempt{Wanted: version, Name: "Codex " + version, At: s.app.Now(), Failed: reasonOf(err)}
	}
	s.home.amendUpdates(func(u *updates) { u.Codex = tried })
}

// reasonOf is why something failed, for people; "" when it did not.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	text := field(screen.Clean(err.Error()))
	if _, ok := errors.AsType[*program.NotWritableError](err); ok {
		text += ". Who may: cdx update"
	}
	return text
}

// tellUpdates says, after Codex, what the user has to do about the programs. The same is said once, until it changes.
func (s *session) tellUpdates(ctx context.Context, chosen codexChoice) {
	notices := s.updateNotices(chosen)
	told := ""
	for _, n := range notices {
		told += n.label + " " + n.text + "\n"
	}
	if told == s.home.loadState().Told {
		return
	}
	if !s.silent() {
		s.app.warn(notices)
	}
	_ = s.amendState(ctx, func(st *state) { st.Told = told }) // else it is said again
}

// updateNotices is what keeps the programs from being what the fleet wants.
func (s *session) updateNotices(chosen codexChoice) []notice {
	var notices []notice
	u := s.home.loadUpdates()
	if offer := s.blocks.client(); offer != nil && u.Client.Wanted == s.wantedBuild(offer) && u.Client.Failed != "" {
		notices = append(notices, notice{label: "cdx", text: u.Client.remark()})
	}
	if chosen.Install != "" && u.Codex.Wanted == chosen.Install {
		notices = append(notices, notice{label: "codex", text: u.Codex.remark()})
	}
	if text := chosen.advice(); text != "" {
		notices = append(notices, notice{label: "codex", text: text})
	}
	return notices
}

// advice is what the user has to do about a Codex that is not cdx's to change; "": nothing.
func (c codexChoice) advice() string {
	switch {
	case c.Advice != "":
		return "Codex " + c.Version + " was installed by " + installerName(c.onPath) + ", the fleet wants " + c.target + ": " + c.Advice
	case c.UnknownVersion && c.target != "":
		return "which version " + display(c.Start) + " is, is not known; the fleet wants " + c.target + ". cdx update asks it"
	default:
		return ""
	}
}

// installerName is who installs in a way.
func installerName(kind codexinstall.Kind) string {
	switch kind {
	case codexinstall.NPM:
		return "npm"
	case codexinstall.Brew:
		return "Homebrew"
	case codexinstall.Standalone:
		return "OpenAI's installer"
	default:
		return "somebody else"
	}
}
