package cdx

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
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
	next: "npm i -g @openai/codex   or name it: " + envCodexBin,
}

// findCodex returns the path of the Codex to start: CDX_CODEX_BIN, else the first codex on PATH that is not this very
// program, since cdx may have been installed under Codex's name.
func findCodex() (string, error) {
	if path := os.Getenv(envCodexBin); path != "" {
		if !isExecutable(path) {
			return "", &refusal{
				exit: ExitNoCodex, label: "codex", what: envCodexBin + " names " + path + ", which is no program",
				next: "correct or unset " + envCodexBin,
			}
		}
		return path, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue // what a directory happens to hold must not get the fleet's login
		}
		for _, name := range executables("codex") {
			if path := filepath.Join(dir, name); isExecutable(path) && !isOurselves(path) {
				return path, nil
			}
		}
	}
	return "", errNoCodex
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
// cdx: from its npm package, whose launcher looks alike in every version, else as remembered from [app.lookAtCodex].
// It is "" when neither says.
func versionOf(path string, remembered codexVersion) string {
	if path == "" {
		return ""
	}
	found := identify(path)
	var manifest struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(found.Path), "..", "package.json"))
	if err == nil && json.Unmarshal(text, &manifest) == nil && manifest.Name == "@openai/codex" {
		return manifest.Version
	}
	found.Version = remembered.Version
	if found != remembered {
		return ""
	}
	return remembered.Version
}
