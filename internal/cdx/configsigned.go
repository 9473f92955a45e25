package cdx

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// configFrom turns the answer to an enrolment into a configuration that is fit to be written, and pins the key that
// signed it. ca is what the gateway's certificate was verified with beside the system's authorities.
//
// A gateway that does not sign yet leaves a configuration without signature, which pins when a gateway first signs.
func configFrom(answer *api.EnrolResponse, ca string, now time.Time) (*Config, error) {
	c := &Config{APIKey: apiKey(answer.APIKey), ownCA: ca}
	if answer.SigningKey == (api.SigningKey{}) && answer.Config.Signature == "" {
		c.BaseURL, c.FQDN = strings.TrimRight(answer.BaseURL, "/"), answer.FQDN
		c.InstallationID, c.Secure = answer.InstallationID, answer.Secure
		if err := c.check(); err != nil {
			return nil, err
		}
		return c, nil
	}
	return c.follow(api.ConfigOffer{Config: answer.Config, SigningKey: answer.SigningKey}, now)
}

// isSigned reports whether a signing key is pinned, and the configuration is signed with it.
func (c *Config) isSigned() bool { return c.SigningKey != (api.SigningKey{}) }

// open verifies the signed document, takes over what holds for every one, and returns it. Nothing is asked of a gateway
// before that.
//
// Errors: api.ErrSignature, or a document of another shape.
func (c *Config) open() (said api.HostConfig, err error) {
	if err := c.signed.Open(api.PurposeHostConfig, c.SigningKey, &said); err != nil {
		return said, err
	}
	c.BaseURL, c.FQDN, c.InstallationID = strings.TrimRight(said.BaseURL, "/"), said.FQDN, said.InstallationID
	c.Secure, c.IPv4Only, c.CA, c.CodexReleases = said.Secure, said.IPv4Only, said.CA, said.CodexReleases
	c.formerly = said.PreviousFQDNs
	c.issued, c.expires = said.IssuedAt.Time, said.ExpiresAt.Time
	c.autoUpdateOff = c.autoUpdateOff || !said.AutoUpdate
	c.AutoUpdate = !c.autoUpdateOff
	return said, nil
}

// network is what to connect by, in the words of package net.
func (c *Config) network() string {
	if c.IPv4Only {
		return "tcp4"
	}
	return "tcp"
}

// wantsRefetch reports whether the gateway should be asked for its configuration whatever its ETag: this machine has
// none that is signed, or the last third of its life has begun. An expired one is good for asking, and for going on
// without an answer.
func (c *Config) wantsRefetch(now time.Time) bool {
	life := max(0, c.expires.Sub(c.issued))
	return !c.isSigned() || !now.Before(c.expires.Add(-life/3))
}

// configETag is what to tell the gateway about the configuration that is here; "": that there is none.
func (c *Config) configETag(now time.Time) string {
	if c.wantsRefetch(now) {
		return ""
	}
	return c.etag
}

// followConfig takes over what a block of an answer to POST /sync says about this machine's configuration: for the next
// run, since this one goes on with c. The note is for the user; "": there is nothing to say.
//
// Where it cannot be written, which is so for most users of a machine's configuration, the next run asks again.
func (a *app) followConfig(c *Config, block api.Block) (note string) {
	if block.Data == nil {
		return ""
	}
	held, err := readConfig(c.path) // another cdx, or an earlier answer to this one, may have got further
	if err != nil || held.APIKey != c.APIKey {
		return "" // enrolled anew meanwhile, or no host any more
	}
	var offer api.ConfigOffer
	if err = json.Unmarshal(block.Data, &offer); err == nil {
		var next *Config
		if next, err = held.follow(offer, a.Now()); err == nil {
			next.etag = block.ETag
			_ = next.keep(held, a.Now())
			return ""
		}
	}
	return "the gateway's new configuration was not taken: " + field(err.Error())
}

// errNotTrusted means that an offered configuration does not open with the key that this machine trusts.
var errNotTrusted = errors.New("it is not signed with the key that this machine trusts, nor with a successor of that")

// follow returns the configuration after an offer. A pinned key is replaced only by a successor that it has signed
// itself; without one the offer's is pinned, and with it the key of the operator's releases.
//
// Errors: why the offer must not be taken; c stays.
func (c *Config) follow(offer api.ConfigOffer, now time.Time) (*Config, error) {
	next := *c
	if !c.isSigned() {
		next.SigningKey = offer.SigningKey
	} else {
		for _, statement := range offer.Successors {
			var successor api.SigningKey
			if statement.Open(api.PurposeSigningKey, next.SigningKey, &successor) == nil {
				next.SigningKey = successor
			}
		}
	}
	next.signed, next.etag = offer.Config, ""
	said, err := next.open()
	if errors.Is(err, api.ErrSignature) {
		return nil, errNotTrusted
	}
	if err != nil {
		return nil, err
	}
	if !c.isSigned() {
		next.ReleaseKey = said.ClientReleaseKey
		if sameLines(next.ownCA, next.CA) {
			next.ownCA = "" // the gateway's, and it may exchange it
		}
	}
	if err := c.allows(&next, now); err != nil {
		return nil, err
	}
	if err := next.check(); err != nil {
		return nil, err
	}
	return &next, nil
}

// allows reports why next must not come after c although a trusted key has signed it.
func (c *Config) allows(next *Config, now time.Time) error {
	switch {
	case c.InstallationID != "" && next.InstallationID != c.InstallationID:
		return fmt.Errorf("it is of installation %s, and this machine belongs to %s", field(next.InstallationID), c.InstallationID)
	case c.FQDN != "" && !next.isOf(c.FQDN):
		return fmt.Errorf("it is for %s, and this machine is %s", field(next.FQDN), c.FQDN)
	case isHTTPS(c.BaseURL) && !isHTTPS(next.BaseURL):
		return errors.New("it gives up https")
	case next.issued.Before(c.issued) && !c.issued.After(now):
		// One from the future, of a gateway whose clock was wrong, must not outrank all that come.
		return fmt.Errorf("it is of %s, and older than the one that is here", next.issued.UTC().Format(time.DateTime))
	default:
		return nil
	}
}

// isOf reports whether c is the configuration of the host of this name, or of the host that once had it.
func (c *Config) isOf(fqdn string) bool {
	return strings.EqualFold(c.FQDN, fqdn) ||
		slices.ContainsFunc(c.formerly, func(former string) bool { return strings.EqualFold(former, fqdn) })
}

func isHTTPS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https"
}

// sameLines compares two texts that may have been through another system's line ends.
func sameLines(a, b string) bool {
	plain := func(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }
	return plain(a) == plain(b)
}

// errKeptElse means that the file is no longer the one that was read, or is somebody else's.
var errKeptElse = errors.New("the configuration was written by somebody else")

// keep writes c in place of held, with the same owner, group and rights, if it says something else. A file that was
// changed since held was read stays.
func (c *Config) keep(held *Config, now time.Time) error {
	text, err := c.encode()
	if err != nil || sha256.Sum256(text) == held.read {
		return err
	}
	info, err := os.Stat(held.path)
	if err != nil {
		return err
	}
	if isAnothers(info) {
		return errKeptElse // whose file it would not be any more, should the directory allow it
	}
	files.RemoveStale(held.path, now)
	file, err := files.Prepare(held.path)
	if err != nil {
		return err
	}
	if _, err := keepAccess(file.File(), held.path); err != nil {
		return errors.Join(err, file.Discard())
	}
	return file.CommitIf(text, func() error {
		if current, err := files.ReadBounded(held.path, maxConfigBytes); err != nil || sha256.Sum256(current) != held.read {
			return errKeptElse
		}
		return nil
	})
}
