package cdx

import (
	"errors"
	"io/fs"
)

// takeKey puts the API key that the gateway gave this machine in the place of its present one, and lets c go on with it.
// The present one ends when the new one is used, so that comes last; until then both work, whatever happens between. The
// note is for the user; "": there is nothing to say.
func (a *app) takeKey(c *Config, given apiKey) (note string) {
	if given == "" || given == c.APIKey {
		return ""
	}
	var err error
	for range 2 { // another cdx of this machine may have written something else, or this very key, meanwhile
		var held *Config
		if held, err = readConfig(c.path); err != nil || held.APIKey != c.APIKey && held.APIKey != given {
			return "" // enrolled anew meanwhile, or no host any more
		}
		next := *held
		next.APIKey = given
		if err = next.check(); err == nil {
			err = next.keep(held, a.Now())
		}
		if err == nil {
			c.APIKey = given
			return ""
		}
		if !errors.Is(err, errKeptElse) {
			break
		}
	}
	next := "run cdx once as a user who may write " + display(c.path)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errKeptElse) {
		return "the gateway has a new API key for this machine, and the old one ends within days: " + next
	}
	return "the gateway's new API key was not taken: " + field(err.Error())
}

// renewKey makes c go on with the API key that another cdx has written to the file since it was read, if that is of the same
// gateway. It reports whether there is another one.
func (c *Config) renewKey() bool {
	if c == nil || c.path == "" {
		return false
	}
	held, err := readConfig(c.path)
	if err != nil || held.APIKey == c.APIKey || held.BaseURL != c.BaseURL || held.InstallationID != c.InstallationID {
		return false
	}
	c.APIKey = held.APIKey
	return true
}
