// Package codexinstall knows where a machine has its Codex from, decides which one to start, and keeps copies of its own
// in a private directory. It never writes to a Codex that somebody else installed.
package codexinstall

import (
	"cmp"
	"errors"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// Copy is a Codex that cdx installed.
type Copy struct {
	Version string // 0.169.0
	Path    string // of the program
}

// Root is the directory where cdx keeps its copies on goos, as <version>/codex: a place for data of this user. It need
// not exist.
func Root(goos string, getenv func(string) string) (string, error) {
	var data string
	switch home := getenv("HOME"); {
	case goos == "windows" && getenv("LOCALAPPDATA") != "":
		data = getenv("LOCALAPPDATA")
	case goos == "windows" && getenv("USERPROFILE") != "":
		data = filepath.Join(getenv("USERPROFILE"), "AppData", "Local")
	case goos == "windows":
	case goos == "darwin" && home != "":
		data = filepath.Join(home, "Library", "Application Support")
	case goos == "darwin":
	case path.IsAbs(getenv("XDG_DATA_HOME")):
		data = getenv("XDG_DATA_HOME")
	case home != "":
		data = filepath.Join(home, ".local", "share")
	}
	if data == "" {
		return "", errors.New("this user has no home directory, so there is no place for Codex")
	}
	return filepath.Join(data, "cdx", "codex"), nil
}

// Copies returns what is installed below root, the highest version first. No directory means no copies.
func Copies(root, goos string) []Copy {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil // as good as empty: whoever installs will say what is wrong with it
	}
	var copies []Copy
	for _, entry := range entries {
		version, program := entry.Name(), filepath.Join(root, entry.Name(), programName(goos))
		if info, err := os.Stat(program); isVersion(version) && err == nil && info.Mode().IsRegular() {
			copies = append(copies, Copy{Version: version, Path: program})
		}
	}
	slices.SortFunc(copies, func(a, b Copy) int {
		return cmp.Or(compare(b.Version, a.Version), cmp.Compare(a.Version, b.Version))
	})
	return copies
}

// programName is what a copy is called in its directory.
func programName(goos string) string {
	if goos == "windows" {
		return "codex.exe"
	}
	return "codex"
}

func find(copies []Copy, version string) (Copy, bool) {
	i := slices.IndexFunc(copies, func(c Copy) bool { return c.Version == version })
	if i < 0 {
		return Copy{}, false
	}
	return copies[i], true
}

var plainVersion = regexp.MustCompile(`^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}(-[0-9A-Za-z.-]{1,32})?$`)

// isVersion says yes to 0.169.0 and 0.170.0-alpha.3, and to nothing that would be more than the name of a directory.
func isVersion(text string) bool { return plainVersion.MatchString(text) && semver.IsValid("v"+text) }

// Normalize returns the bare version in what Codex, its tags and gateways call one: codex-cli 0.169.0, rust-v0.169.0.
// It is "" when there is none.
func Normalize(text string) string {
	text = strings.TrimSpace(text)
	for _, prefix := range []string{"codex-cli ", "codex ", "rust-", "v"} {
		text = strings.TrimPrefix(text, prefix)
	}
	if !isVersion(text) {
		return ""
	}
	return text
}

func compare(a, b string) int { return semver.Compare("v"+a, "v"+b) }

// How many copies stay besides running ones, and how long a copy stays in any case: a session may have just started it.
const (
	keptCopies = 3
	minimumAge = time.Hour
)

// removedMark begins the name of a copy that is on its way out.
const removedMark = ".removed-"

// prune removes the copies that were installed longest ago. Those that Windows does not let go still run.
func prune(root, goos string, now time.Time) {
	type dated struct {
		Copy
		installed time.Time
	}
	var copies []dated
	for _, c := range Copies(root, goos) {
		if info, err := os.Stat(c.Path); err == nil {
			copies = append(copies, dated{c, info.ModTime()})
		}
	}
	slices.SortStableFunc(copies, func(a, b dated) int { return b.installed.Compare(a.installed) })
	for i, c := range copies {
		if i >= keptCopies && now.Sub(c.installed) > minimumAge {
			out := filepath.Join(root, removedMark+c.Version)
			if os.Rename(filepath.Join(root, c.Version), out) == nil {
				_ = os.RemoveAll(out) // the next run tries again
			}
		}
	}
}

// removeUnfinished removes what killed runs left below root. The caller holds the lock.
func removeUnfinished(root, goos string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	whole := Copies(root, goos)
	for _, entry := range entries {
		_, installed := find(whole, entry.Name())
		if strings.HasPrefix(entry.Name(), removedMark) || isVersion(entry.Name()) && !installed {
			_ = os.RemoveAll(filepath.Join(root, entry.Name())) // the next run tries again
		}
	}
}
