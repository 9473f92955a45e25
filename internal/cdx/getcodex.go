package cdx

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"runtime"

	"github.com/cdxgate/cdxgate/internal/cdx/codexinstall"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// readyCodex makes s.codex the Codex that the gateway wants, as far as it is on this machine. Where there is none at all
// it is installed first, in sight of the user: there is nothing else to do.
//
// Errors: *refusal: there is none, and none could be got.
func (s *session) readyCodex(ctx context.Context) (codexChoice, error) {
	chosen, err := chooseCodex(s.blocks.versions(), s.home.loadState().Codex)
	if err != nil {
		return codexChoice{}, err
	}
	if chosen.Start == "" {
		installed, err := s.installCodex(ctx, chosen.Install)
		if err != nil {
			return codexChoice{}, &refusal{
				exit: ExitNoCodex, label: "codex", what: "there is no Codex on this machine, and it could not be installed",
				next: errNoCodex.next,
			}
		}
		chosen.Decision = codexinstall.Decision{Start: installed.Path, Version: installed.Version}
	}
	s.codex = chosen.Start
	return chosen, nil
}

// codexInstaller brings copies of Codex from where the fleet has them from. It trusts whom the gateway is trusted by: a mirror
// may have its certificate from the same private authority, and who names the mirror is the gateway.
func (s *session) codexInstaller() *codexinstall.Installer {
	return &codexinstall.Installer{
		Client: s.client.http, Releases: s.client.config.CodexReleases, Root: codexPlaces().Root,
		GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, UserAgent: s.app.userAgent(),
	}
}

// errNoHome means that there is no private directory to install into.
var errNoHome = errors.New("this user has no home directory, so there is no place for it")

// installCodex installs a version, or codexinstall.Latest, for this user, and says so. Ctrl-C ends it in good order.
func (s *session) installCodex(ctx context.Context, version string) (codexinstall.Copy, error) {
	ctx, stop := signal.NotifyContext(ctx, heeded()...)
	defer stop()
	installer := s.codexInstaller()
	if installer.Root == "" {
		return codexinstall.Copy{}, errNoHome
	}
	name := "Codex"
	if version != codexinstall.Latest {
		name += " " + version
	}
	transfer := s.app.newTransfer(name)
	installer.Progress = transfer.Reach
	installed, err := installer.Install(ctx, version)
	if ctx.Err() != nil {
		err = errors.New("it was interrupted")
	}
	if err != nil {
		transfer.End(screen.Refused, name+" was not installed: "+reasonOf(err))
		return codexinstall.Copy{}, err
	}
	s.home.amendUpdates(func(u *updates) { u.Codex = attempt{} })
	if !transfer.begun {
		transfer.End(screen.Good, "Codex "+installed.Version+" is installed for you")
		return installed, nil
	}
	transfer.End(screen.Good, fmt.Sprintf("Codex %s installed for you, %s, digest and version checked", installed.Version, transfer.Measure()))
	return installed, nil
}

// transfer is a download that a user waits for.
type transfer struct {
	*screen.Progress

	begun bool // something came
}

// newTransfer begins a download of what name names. It is shown on a terminal only; its end is told anywhere.
func (a *app) newTransfer(name string) *transfer {
	var terminal screen.Terminal
	if t := a.terminal(); t.Interactive {
		terminal = t
	}
	return &transfer{Progress: screen.NewProgress(a.Stderr, terminal, name, 0, a.Now)}
}

// Reach is told how many bytes have come, and of how many.
func (t *transfer) Reach(done, total int64) {
	t.begun = true
	t.Progress.Reach(done, total)
}
