package cdx

import "github.com/cdxgate/cdxgate/internal/api"

// signedValues are what a signed configuration says.
var signedValues struct {
	SigningKey    api.SigningKey
	ReleaseKey    string
	AutoUpdate    bool
	CodexReleases string
}

// SigningKey is the key whose word counts.
func (c *Config) SigningKey() api.SigningKey { return signedValues.SigningKey }

// ReleaseKey is the operator's.
func (c *Config) ReleaseKey() string { return signedValues.ReleaseKey }

// AutoUpdate reports whether cdx may replace itself.
func (c *Config) AutoUpdate() bool { return signedValues.AutoUpdate }

// CodexReleases is where Codex is released.
func (c *Config) CodexReleases() string { return signedValues.CodexReleases }
