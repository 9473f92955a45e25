package cdx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Environment variables that cdx reads.
const (
	envConfigPath = "CDX_CONFIG_PATH" // the configuration file
	envCodexBin   = "CDX_CODEX_BIN"   // the Codex to start
	envCodexHome  = "CODEX_HOME"      // where Codex keeps auth.json

	envSyncTimeout = "CDX_SYNC_TIMEOUT" // how long Codex may wait for the gateway
)

// These vary in tests only.
var (
	// systemConfig is the configuration of the machine, for all of its users that have none of their own; "": there is
	// no such place.
	systemConfig = systemConfigPath()

	// configGroup is the group whose members may read it when root gives it to them.
	configGroup = "cdx"
)

// configPath returns where the configuration is: CDX_CONFIG_PATH, else cdx/host.json in the user's configuration
// directory (XDG_CONFIG_HOME or ~/.config, ~/Library/Application Support, %AppData%), else the machine's. When there is
// none anywhere, it is where the user's would be.
func configPath() (string, error) { return findConfig(!missing(systemConfig)) }

// enrolPath returns where an enrolment leaves the configuration: what root enrols is the machine, unless root has a
// configuration that comes before the machine's.
func enrolPath(root bool) (string, error) { return findConfig(root && systemConfig != "") }

func findConfig(orSystem bool) (string, error) {
	if path := os.Getenv(envConfigPath); path != "" {
		return path, nil
	}
	own := ""
	dir, err := os.UserConfigDir()
	if err == nil {
		own = filepath.Join(dir, "cdx", "host.json")
	}
	switch {
	case orSystem && missing(own):
		return systemConfig, nil
	case own == "":
		return "", &refusal{
			exit: ExitConfig, label: "stopped", what: "this user has no configuration directory", cause: err.Error(),
			next: "set HOME, or name the file: " + envConfigPath,
		}
	default:
		return own, nil
	}
}

// missing reports whether there is nothing at path, as far as this user may know; nothing is at "".
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// makeSystemDir makes the directory of the machine's configuration. All may pass through it, whatever the umask of
// who enrols: the file has rights of its own.
func makeSystemDir() error {
	dir := filepath.Dir(systemConfig)
	err := os.Mkdir(dir, 0o755) //nolint:gosec // as all of /etc
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // as all of /etc
}

// keepAccess gives file the group and the rights of the configuration at path that it is to replace, if root has shared
// that with a group. It returns both as text.
func keepAccess(file *os.File, path string) (access string, err error) {
	if path != systemConfig || missing(path) {
		return "0600", nil
	}
	old, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if othersMayRead(old, true) || !othersMayRead(old, false) {
		return "0600", nil // shared with too many, or with nobody
	}
	return fmt.Sprintf("%04o, group %s", old.Mode().Perm(), configGroup), shareAlike(file, old)
}

// display shortens a path below the user's home to ~/…, as people write it.
func display(path string) string {
	userHome, err := os.UserHomeDir()
	if err != nil || userHome == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, userHome+string(filepath.Separator)); ok {
		return filepath.Join("~", rest)
	}
	return path
}
