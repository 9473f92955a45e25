package cdx

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/codexinstall"
)

// codexVersion is a Codex that was asked for its version. The zero value is none.
type codexVersion struct {
	Path      string `json:"path"` // of the program itself, behind all links
	SizeBytes int64  `json:"size_bytes"`
	Modified  int64  `json:"modified"` // Unix nanoseconds; a file that is another one has to be asked anew
	Version   string `json:"version"`  // 0.169.0; "" when it did not say
}

// errNoCodex means that the Codex CLI is not on this machine.
var errNoCodex = &refusal{
	exit: ExitNoCodex, label: "codex", what: "Codex was not found on this machine",
	next: "cdx update installs it\nnpm i -g @openai/codex does too; another one is named by " + envCodexBin,
}

// codexChoice is which Codex to start, and what should be done about it.
type codexChoice struct {
	codexinstall.Decision

	target string            // the version that the gateway wants; "": it does not say
	onPath codexinstall.Kind // how the one that PATH leads to was installed; "": there is none
	named  bool              // by CDX_CODEX_BIN: it is the user's choice, and nothing is done about it
}

// chooseCodex picks the Codex to start, without starting any: CDX_CODEX_BIN, else what the gateway's versions make of the
// one on PATH and cdx's own copies. remembered is what one that does not say its version was last asked for. Start is ""
// when there is none.
func chooseCodex(versions api.Versions, remembered codexVersion) (codexChoice, error) {
	if path := os.Getenv(envCodexBin); path != "" {
		if !isExecutable(path) {
			return codexChoice{}, &refusal{
				exit: ExitNoCodex, label: "codex", what: envCodexBin + " names " + path + ", which is no program",
				next: "correct or unset " + envCodexBin,
			}
		}
		return codexChoice{Decision: codexinstall.Decision{Start: path, Version: versionOf(path, remembered)}, named: true}, nil
	}
	places := codexPlaces()
	s := codexinstall.Situation{Locked: versions.ClientVersionSource == sourceLocked}
	if versions.ClientVersion != nil {
		s.Target = *versions.ClientVersion
	}
	if places.Root != "" {
		s.Private = codexinstall.Copies(places.Root, runtime.GOOS)
	}
	if path := codexOnPath(); path != "" {
		s.OnPath = codexinstall.Local{Path: path, Version: versionOf(path, remembered), Origin: codexinstall.OriginOf(path, places)}
	}
	return codexChoice{
		Decision: codexinstall.Decide(s), target: codexinstall.Normalize(s.Target), onPath: s.OnPath.Origin.Kind,
	}, nil
}

// sourceLocked says of the gateway's version of Codex that it is exactly that one, up or down.
const sourceLocked = "locked"

// findCodex returns the path of the Codex to start by what the gateway last said.
func findCodex() (string, error) {
	var versions api.Versions
	var remembered codexVersion
	if h, err := findHome(); err == nil {
		versions, remembered = h.loadBlocks().versions(), h.loadState().Codex
	}
	chosen, err := chooseCodex(versions, remembered)
	if err == nil && chosen.Start == "" {
		err = errNoCodex
	}
	return chosen.Start, err
}

// codexPlaces are the directories by which a Codex is recognised. A user without a home has none of them.
func codexPlaces() codexinstall.Places {
	var places codexinstall.Places
	if h, err := findHome(); err == nil {
		places.CodexHome = h.dir
	}
	places.Root, _ = codexinstall.Root(runtime.GOOS, os.Getenv)
	return places
}

// codexOnPath returns the first codex on PATH that is not this very program, since cdx may have been installed under
// Codex's name; "" if there is none.
func codexOnPath() string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue // what a directory happens to hold must not get the fleet's login
		}
		for _, name := range executables("codex") {
			if path := filepath.Join(dir, name); isExecutable(path) && !isOurselves(path) {
				return path
			}
		}
	}
	return ""
}

// isOurselves reports whether path leads to the running program, by whatever links.
func isOurselves(path string) bool {
	self, err := os.Executable()
	if err != nil {
		return false
	}
	ours, err := os.Stat(self)
	if err != nil {
		return false
	}
	theirs, err := os.Stat(path)
	return err == nil && os.SameFile(ours, theirs)
}

// versionTimeout is how long a Codex may take to say its version.
const versionTimeout = 5 * time.Second

var versionInText = regexp.MustCompile(`\d+\.\d+\.\d+[0-9A-Za-z.+-]*`)

// lookAtCodex finds Codex and asks it for its version. The result is zero when there is no Codex.
func (a *app) lookAtCodex(ctx context.Context) codexVersion {
	path, err := findCodex()
	if err != nil {
		return codexVersion{}
	}
	found := identify(path)
	if origin := codexinstall.OriginOf(path, codexPlaces()); origin.Kind == codexinstall.Private {
		found.Version = origin.Version // it was asked when it was installed
		return found
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second // a child of it may hold the pipe
	out, err := cmd.Output()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		found.Version = versionInText.FindString(string(out))
	}
	return found
}

// identify tells one Codex from another without starting it; the version is empty.
func identify(path string) codexVersion {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		resolved = path
	}
	found := codexVersion{Path: resolved}
	if info, err := os.Stat(resolved); err == nil {
		found.SizeBytes, found.Modified = info.Size(), info.ModTime().UnixNano()
	}
	return found
}

// versionOf returns the version of the Codex at path without starting it, which would cost more than all the rest of
// cdx: as its installer recorded it, else as remembered from [app.lookAtCodex]. It is "" when neither says.
func versionOf(path string, remembered codexVersion) string {
	if path == "" {
		return ""
	}
	if origin := codexinstall.OriginOf(path, codexPlaces()); origin.Version != "" {
		return origin.Version
	}
	found := identify(path)
	found.Version = remembered.Version
	if found != remembered {
		return ""
	}
	return remembered.Version
}
