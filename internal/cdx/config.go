package cdx

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/download"
)

// Config is what this machine knows about its gateway, and its API key. Where the gateway has signed it, it is what the
// signature is of: see configsigned.go.
type Config struct {
	BaseURL        string // without a trailing slash
	APIKey         apiKey
	FQDN           string
	InstallationID string // of the gateway: another one is refused
	Secure         bool
	IPv4Only       bool   // nothing is connected to by IPv6
	CA             string // PEM: trusted for the gateway beside the system's, because the gateway says so
	AutoUpdate     bool   // cdx may replace itself by itself; never without a signing key
	ReleaseKey     string // minisign public key: without its signature no build of cdx is taken; "": the gateway's suffices
	CodexReleases  string // base URL of the releases API to get Codex from; "": GitHub's

	SigningKey api.SigningKey // whose word counts; zero: nobody's yet, the configuration is not signed

	signed        api.Signed // api.HostConfig, signed with SigningKey: where all the above but API key and release key is from
	formerly      []string   // names this machine had before FQDN
	issued        time.Time  // with expires: the times of signed
	expires       time.Time
	etag          string // under which the gateway gave it; "": not known
	autoUpdateOff bool   // a gateway once said so: AutoUpdate stays false
	ownCA         string // PEM: trusted for the gateway besides, because this machine was told so

	path  string            // of the file
	read  [sha256.Size]byte // SHA-256 of the file as it was read
	roots *x509.CertPool    // the system's authorities, CA and ownCA, once checked; nil: the system's
}

// configFile is the shape of host.json. Members that a newer cdx wrote are ignored.
type configFile struct {
	APIKey           apiKey          `json:"api_key"` // it is in no signed document: those are no secret
	SigningKey       *api.SigningKey `json:"signing_key,omitempty"`
	Config           *api.Signed     `json:"config,omitempty"`
	ConfigETag       string          `json:"config_etag,omitempty"`
	ClientReleaseKey string          `json:"client_release_key,omitempty"`
	AutoUpdateOff    bool            `json:"auto_update_off,omitempty"`
	CA               string          `json:"ca,omitempty"`

	// Without a signed configuration: what an older cdx, or the script that replaces an old wrapper, left here.
	BaseURL        string `json:"base_url,omitempty"`
	FQDN           string `json:"fqdn,omitempty"`
	InstallationID string `json:"installation_id,omitempty"`
	Secure         bool   `json:"secure,omitempty"`
}

// apiKey is a host's API key. It prints as [redacted]; only headers and the configuration file get its text.
type apiKey string

// String implements fmt.Stringer.
func (apiKey) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (apiKey) GoString() string { return "[redacted]" }

// maxConfigBytes bounds what is read of a configuration file.
const maxConfigBytes = 1 << 20

// loadConfig reads this machine's configuration and refuses one that others may read, that was tampered with, or that
// cannot work. One that has expired still counts: see [Config.wantsRefetch].
func loadConfig() (*Config, error) {
	path, err := configPath()
	if err != nil {
		return nil, err
	}
	return readConfig(path)
}

func readConfig(path string) (*Config, error) {
	bad := func(what, next string) error {
		return &refusal{exit: ExitConfig, label: "stopped", what: what, next: next}
	}
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, bad("this machine is not enrolled: there is no "+display(path), newInstallCommand)
	case errors.Is(err, fs.ErrPermission) && path == systemConfig:
		return nil, bad("this user may not read the configuration of this machine: "+path, "either root shares it: "+
			"chgrp "+configGroup+" "+path+" && chmod 640 "+path+", and puts this user into the group "+configGroup+
			"\nor this user becomes a host of their own: cdxgate host add NAME")
	case err != nil:
		return nil, bad("the configuration cannot be read: "+err.Error(), "run cdx as the user who enrolled this machine")
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, bad("the configuration cannot be read: "+err.Error(), "")
	}
	if othersMayRead(info, path == systemConfig) {
		return nil, bad("other users can read the API key in "+display(path), "chmod 600 "+display(path))
	}
	text, err := io.ReadAll(io.LimitReader(file, maxConfigBytes))
	if err != nil {
		return nil, bad("the configuration cannot be read: "+err.Error(), "")
	}
	c, err := parseConfig(text)
	if err != nil {
		return nil, bad("the configuration "+display(path)+" "+err.Error(), newInstallCommand)
	}
	c.path = path
	return c, nil
}

const newInstallCommand = "ask an admin for a new install command: cdxgate host add NAME"

// parseConfig reads the text of a configuration file. Its errors complete a sentence that begins with the file's name.
func parseConfig(text []byte) (*Config, error) {
	var f configFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("is damaged: %w", err)
	}
	c := &Config{APIKey: f.APIKey, ownCA: f.CA, read: sha256.Sum256(text)}
	if f.SigningKey == nil && f.Config == nil {
		c.BaseURL, c.FQDN, c.InstallationID, c.Secure = f.BaseURL, f.FQDN, f.InstallationID, f.Secure
	} else {
		if f.SigningKey == nil || f.Config == nil {
			return nil, errors.New("is damaged: its signature or its signing key is gone")
		}
		c.SigningKey, c.signed, c.etag = *f.SigningKey, *f.Config, f.ConfigETag
		c.ReleaseKey, c.autoUpdateOff = f.ClientReleaseKey, f.AutoUpdateOff
		if _, err := c.open(); err != nil {
			return nil, fmt.Errorf("is not as the gateway signed it: %w", err)
		}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("is unusable: %w", err)
	}
	return c, nil
}

// encode returns the file's bytes. The key's text gets in there: only the printing methods hide it.
func (c *Config) encode() ([]byte, error) {
	f := configFile{APIKey: c.APIKey, CA: c.ownCA}
	if c.isSigned() {
		f.SigningKey, f.Config, f.ConfigETag = &c.SigningKey, &c.signed, c.etag
		f.ClientReleaseKey, f.AutoUpdateOff = c.ReleaseKey, c.autoUpdateOff
	} else {
		f.BaseURL, f.FQDN, f.InstallationID, f.Secure = c.BaseURL, c.FQDN, c.InstallationID, c.Secure
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the signature is of the document's characters as they came
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(f); err != nil {
		return nil, fmt.Errorf("encoding the configuration: %w", err)
	}
	return text.Bytes(), nil
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
	c.roots, err = rootsWith(strings.TrimSpace(c.CA + "\n" + c.ownCA))
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
