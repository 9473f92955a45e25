package cdx

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/download"
)

// Environment variables that cdx reads.
const (
	envConfigPath = "CDX_CONFIG_PATH" // the configuration file
	envCodexBin   = "CDX_CODEX_BIN"   // the Codex to start
	envCodexHome  = "CODEX_HOME"      // where Codex keeps auth.json

	envSyncTimeout = "CDX_SYNC_TIMEOUT" // how long Codex may wait for the gateway
)

// Config is what enrolment left on this machine: which gateway it belongs to, and the API key.
// Members that a newer cdx wrote are ignored.
type Config struct {
	BaseURL        string `json:"base_url"` // without a trailing slash
	APIKey         apiKey `json:"api_key"`
	FQDN           string `json:"fqdn"`
	InstallationID string `json:"installation_id"` // of the gateway: another one is refused
	Secure         bool   `json:"secure"`
	CA             string `json:"ca,omitempty"` // PEM: trusted for the gateway beside the system's

	roots *x509.CertPool // the system's authorities and those of CA, once checked; nil: the system's
}

// apiKey is a host's API key. It prints as [redacted]; only headers and the configuration file get its text.
type apiKey string

// String implements fmt.Stringer.
func (apiKey) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (apiKey) GoString() string { return "[redacted]" }

// configPath returns where the configuration is: CDX_CONFIG_PATH, else cdx/host.json in the user's configuration
// directory (XDG_CONFIG_HOME or ~/.config, ~/Library/Application Support, %AppData%).
func configPath() (string, error) {
	if path := os.Getenv(envConfigPath); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", &refusal{
			exit: ExitConfig, label: "stopped", what: "this user has no configuration directory", cause: err.Error(),
			next: "set HOME, or name the file: " + envConfigPath,
		}
	}
	return filepath.Join(dir, "cdx", "host.json"), nil
}

// loadConfig reads the configuration and refuses one that others may read or that cannot work.
func loadConfig() (*Config, error) {
	path, err := configPath()
	if err != nil {
		return nil, err
	}
	bad := func(what, next string) error {
		return &refusal{exit: ExitConfig, label: "stopped", what: what, next: next}
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bad("this machine is not enrolled: there is no "+display(path),
			"ask an admin for an install command: cdxgate host add NAME")
	}
	if err != nil {
		return nil, bad("the configuration cannot be read: "+err.Error(), "run cdx as the user who enrolled this machine")
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, bad("the configuration cannot be read: "+err.Error(), "")
	}
	if othersMayRead(info) {
		return nil, bad("other users can read the API key in "+display(path), "chmod 600 "+display(path))
	}
	var c Config
	if err := json.NewDecoder(file).Decode(&c); err != nil {
		return nil, bad("the configuration "+display(path)+" is damaged: "+err.Error(),
			"ask an admin for a new install command: cdxgate host add NAME")
	}
	if err := c.check(); err != nil {
		return nil, bad("the configuration "+display(path)+" is unusable: "+err.Error(),
			"ask an admin for a new install command: cdxgate host add NAME")
	}
	return &c, nil
}

// check reports what makes a configuration unusable, without ever quoting the key, and readies one that is fit.
func (c *Config) check() error {
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return errors.New("base_url is not a URL")
	}
	if err := checkTransport(base); err != nil {
		return fmt.Errorf("base_url: %w", err)
	}
	// A key is a header's value: nothing else may get in there.
	if len(c.APIKey) < 32 || strings.ContainsFunc(string(c.APIKey), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("api_key is not an API key")
	}
	c.roots, err = rootsWith(c.CA)
	return err
}

// checkTransport accepts https, and http to this very machine: an API key never crosses a network in the clear.
func checkTransport(u *url.URL) error {
	switch {
	case u.Host == "" || u.User != nil:
		return errors.New("not an address of a gateway")
	case u.Scheme == "https":
		return nil
	case download.IsLocal(u):
		return nil
	default:
		return fmt.Errorf("%s is not https: the API key would cross the network in the clear", u.Scheme+"://"+u.Host)
	}
}

// configFrom turns the answer to an enrolment into a configuration that is fit to be written.
// ca is what its certificate was verified with beside the system's authorities.
func configFrom(answer *api.EnrolResponse, ca string) (*Config, error) {
	c := &Config{
		BaseURL: strings.TrimRight(answer.BaseURL, "/"), APIKey: apiKey(answer.APIKey), FQDN: answer.FQDN,
		InstallationID: answer.InstallationID, Secure: answer.Secure, CA: ca,
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// encode returns the file's bytes. A plain json.Marshal writes the key's text: only the printing methods hide it.
func (c *Config) encode() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration: %w", err)
	}
	return append(text, '\n'), nil
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
