// Package codexconfig reads of Codex's own configuration what cdx has to know, and never writes it.
package codexconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/BurntSushi/toml"
	"golang.org/x/mod/semver"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// Where Codex keeps a login, as cli_auth_credentials_store says. Codex takes "" for StoreFile.
const (
	StoreFile      = "file"      // auth.json
	StoreKeyring   = "keyring"   // the system's
	StoreAuto      = "auto"      // the keyring if there is one, else the file
	StoreEphemeral = "ephemeral" // the memory of one process
)

// Config is what cdx needs of Codex's configuration. The zero value is that of a machine without any.
type Config struct {
	CredentialsStore string   // one of the constants above, or what a newer Codex may know; "": not set
	Profiles         []string // names of [profiles.NAME], sorted
}

// HasProfile reports whether there is a [profiles.NAME].
func (c *Config) HasProfile(name string) bool {
	_, found := slices.BinarySearch(c.Profiles, name)
	return found
}

// maxBytes is far more than people write by hand, trust entries for every project included.
const maxBytes = 1 << 20

// Paths are the files that Codex reads for every command, the least important first.
func Paths(home string) []string { return append(systemPaths(), filepath.Join(home, "config.toml")) }

// Read reads configuration files; what a later one sets counts. A file that is not there is as good as empty.
//
// Errors: files that cannot be read or understood, each with its name. The result holds what the others say.
func Read(paths ...string) (Config, error) {
	var (
		config   Config
		problems []error
	)
	profiles := map[string]bool{}
	for _, path := range paths {
		file, err := read(path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if file.CredentialsStore != "" {
			config.CredentialsStore = file.CredentialsStore
		}
		for name := range file.Profiles {
			profiles[name] = true
		}
	}
	config.Profiles = slices.Sorted(maps.Keys(profiles))
	return config, errors.Join(problems...)
}

// document is the part of a file that is looked at.
type document struct {
	CredentialsStore string                    `toml:"cli_auth_credentials_store"`
	Profiles         map[string]toml.Primitive `toml:"profiles"`
}

func read(path string) (document, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return document{}, nil
	case err != nil:
		return document{}, err
	case !info.Mode().IsRegular():
		return document{}, fmt.Errorf("%s is no file", path)
	}
	text, err := files.ReadBounded(path, maxBytes)
	switch {
	case err != nil:
		return document{}, err
	case len(text) > maxBytes:
		return document{}, fmt.Errorf("%s is larger than %d KiB", path, maxBytes>>10)
	}
	var file document
	if _, err := toml.Decode(string(text), &file); err != nil {
		return document{}, fmt.Errorf("%s is not understood: %w", path, err)
	}
	return file, nil
}

// profileName is what Codex allows as the name of a profile.
var profileName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// HasProfileFile reports whether there is a file of a profile, $CODEX_HOME/NAME.config.toml.
func HasProfileFile(home, name string) bool {
	if !profileName.MatchString(name) {
		return false
	}
	info, err := os.Stat(filepath.Join(home, name+".config.toml"))
	return err == nil && info.Mode().IsRegular()
}

// firstWithFiles is the first Codex that refuses to start with a profile of config.toml.
const firstWithFiles = "v0.134"

// IsProfile reports whether name, as the first argument of cdx, is short for --profile name: it is none of Codex's own
// words, and there is such a profile in the form that this Codex takes. A version that is not known ("") takes files
// only. Whatever is wrong with config.toml, Codex will say.
func IsProfile(home, name, codexVersion string) bool {
	switch {
	case !profileName.MatchString(name) || IsSubcommand(name):
		return false
	case HasProfileFile(home, name):
		return true
	case !takesTables(codexVersion):
		return false
	}
	config, _ := Read(Paths(home)...)
	return config.HasProfile(name)
}

// takesTables reports whether a Codex of that version takes [profiles.NAME]. A pre-release counts as its release.
func takesTables(version string) bool {
	minor := semver.MajorMinor("v" + version)
	return minor != "" && semver.Compare(minor, firstWithFiles) < 0
}

// firstWithoutPrompts is the first Codex that does not read slash commands of its users' any more (openai/codex, 0.117).
const firstWithoutPrompts = "v0.117"

// TakesPrompts reports whether a Codex of that version reads the slash commands in its directory prompts. One whose version
// is not known ("") may.
func TakesPrompts(version string) bool {
	minor := semver.MajorMinor("v" + version)
	return minor == "" || semver.Compare(minor, firstWithoutPrompts) < 0
}
