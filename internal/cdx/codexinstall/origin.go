package codexinstall

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// Kind is how a Codex came to a machine.
type Kind string

// The ways that are told apart.
const (
	Private    Kind = "private"    // by cdx, in its own directory
	NPM        Kind = "npm"        // the package @openai/codex; also by pnpm and bun
	Brew       Kind = "brew"       // Homebrew, as formula or cask
	Standalone Kind = "standalone" // OpenAI's installer, below the Codex home
	Other      Kind = "other"      // a file that says nothing about it
)

// Origin is where a Codex is from. The zero value is nowhere.
type Origin struct {
	Kind    Kind
	Version string // as its installer recorded it; "": only the program itself can say
	manager string // npm: npm, pnpm, bun; standalone: powershell, or "" for sh
}

// Places are the directories that an origin is recognised by.
type Places struct {
	Root      string // see [Root]
	CodexHome string
}

// maxManifest is the largest package.json that is looked at, in bytes.
const maxManifest = 1 << 20

// OriginOf finds out where the Codex at path is from, without starting it.
func OriginOf(path string, places Places) Origin {
	program := resolve(path)
	if below, ok := relative(program, places.Root); ok {
		return Origin{Kind: Private, Version: Normalize(below[0])}
	}
	if below, ok := relative(program, filepath.Join(places.CodexHome, "packages", "standalone")); ok {
		origin := Origin{Kind: Standalone, Version: versionIn(below)}
		if strings.EqualFold(filepath.Ext(program), ".exe") {
			origin.manager = "powershell"
		}
		return origin
	}
	if origin, ok := fromNPM(path, program); ok {
		return origin
	}
	parts := strings.Split(filepath.ToSlash(program), "/")
	for _, cellar := range []string{"Cellar", "Caskroom"} {
		if i := slices.Index(parts, cellar); i >= 0 && i+2 < len(parts) && parts[i+1] == "codex" {
			return Origin{Kind: Brew, Version: versionIn(parts[i+2 : i+3])}
		}
	}
	return Origin{Kind: Other}
}

func resolve(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// relative returns the names that lead from dir to path, if it is below.
func relative(path, dir string) ([]string, bool) {
	below, err := filepath.Rel(resolve(dir), path)
	if dir == "" || err != nil || below == "." || !filepath.IsLocal(below) {
		return nil, false
	}
	return strings.Split(filepath.ToSlash(below), "/"), true
}

// fromNPM recognises the package by its manifest: above the launcher that a link leads to, or beside the script that
// npm writes on Windows, which is no link.
func fromNPM(path, program string) (Origin, bool) {
	dirs := []string{}
	for dir := filepath.Dir(program); len(dirs) < 16 && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(filepath.Dir(dir)) == "@openai" {
			dirs = append(dirs, dir)
		}
	}
	if extension := strings.ToLower(filepath.Ext(path)); extension == ".cmd" || extension == ".ps1" {
		dirs = append(dirs, filepath.Join(filepath.Dir(path), "node_modules", "@openai", "codex"))
	}
	for _, dir := range dirs {
		text, err := files.ReadBounded(filepath.Join(dir, "package.json"), maxManifest)
		var manifest struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		}
		if err == nil && json.Unmarshal(text, &manifest) == nil && manifest.Name == "@openai/codex" && filepath.Base(dir) == "codex" {
			return Origin{Kind: NPM, Version: Normalize(manifest.Version), manager: managerOf(dir)}, true
		}
	}
	return Origin{}, false
}

// managerOf tells by its directories which program installed an npm package.
func managerOf(dir string) string {
	switch names := strings.Split(filepath.ToSlash(dir), "/"); {
	case slices.Contains(names, ".pnpm"), slices.Contains(names, "pnpm"):
		return "pnpm"
	case slices.Contains(names, ".bun"):
		return "bun"
	default:
		return "npm"
	}
}

var versionInName = regexp.MustCompile(`^v?([0-9]+\.[0-9]+\.[0-9]+(?:-(?:alpha|beta|rc)(?:\.[0-9]+)?)?)(?:[-_].*)?$`)

// versionIn returns the version that one of the directories is named after: 0.169.0, 0.169.0-x86_64-unknown-linux-musl.
func versionIn(names []string) string {
	for _, name := range names {
		if found := versionInName.FindStringSubmatch(name); found != nil {
			return Normalize(found[1])
		}
	}
	return ""
}

// Advice is what a person can type to bring a Codex of this origin to version, or a sentence when nobody can know.
func (o Origin) Advice(version string) string {
	switch {
	case o.Kind == NPM && o.manager == "pnpm":
		return "pnpm add -g @openai/codex@" + version
	case o.Kind == NPM && o.manager == "bun":
		return "bun install -g @openai/codex@" + version
	case o.Kind == NPM:
		return "npm install -g @openai/codex@" + version
	case o.Kind == Brew:
		return "brew upgrade codex"
	case o.Kind == Standalone && o.manager == "powershell":
		return "irm https://chatgpt.com/codex/install.ps1 | iex"
	case o.Kind == Standalone:
		return "curl -fsSL https://chatgpt.com/codex/install.sh | sh"
	case o.Kind == Private:
		return "cdx update"
	default:
		return "update it to " + version + " the way it was installed"
	}
}
