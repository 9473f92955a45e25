// Package selfupdate replaces the running cdx by the build that its gateway vouches for, and by nothing else.
package selfupdate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"aead.dev/minisign"

	"github.com/cdxgate/cdxgate/internal/api"
)

// maxBuild is the largest build that is taken, in bytes.
const maxBuild = 200 << 20

// maxMinisig is the largest signature file that is looked at, in bytes.
const maxMinisig = 4 << 10

// Reasons why an offer is not taken, beside [api.ErrSignature].
var (
	ErrNotOurs       = errors.New("the offered build is not one of cdx for this platform")
	ErrDowngrade     = errors.New("the offered build is older than one that ran here before, and is not marked as a rollback")
	ErrNoRelease     = errors.New("the offered build has no valid signature of the release key, which this machine asks for")
	ErrReleaseKey    = errors.New("the release key that this machine asks for is not a minisign public key, so no build is taken")
	ErrOtherAddress  = errors.New("the offered build is not at the gateway's address")
	errUnfitting     = errors.New("the downloaded file is not the build that the gateway signed")
	errChangedBeside = errors.New("cdx was replaced by something else meanwhile, so it is left as it is")
)

// Trust is whom this machine believes.
type Trust struct {
	Keys       []api.SigningKey // of the gateway: pinned at enrolment, and their successors
	ReleaseKey string           // minisign public key of the operator; "": the gateway's word suffices
}

// Current is the cdx that runs.
type Current struct {
	Path     string // of the executable, links and all
	Version  string // 1.4.0; builds from somebody's desk have others, such as dev
	Platform string // <os>-<arch>
	Highest  string // the highest version that ever ran here; "": not known
	BaseURL  string // of the gateway
}

// Update is a build that may replace the current one.
type Update struct {
	Version  string
	Rollback bool // older than what ran before, on purpose

	build   api.ClientBuild
	address string
	minisig []byte // nil: not asked for
	release minisign.PublicKey
	current Current
	before  string // SHA-256 of the executable when it was compared
}

// Check says what to do about an offer: an update; nil and nil when there is nothing to do; nil and the reason when the
// offer must not be taken.
//
// Errors: api.ErrSignature and the reasons of this package; the executable cannot be read.
func Check(offer api.ClientOffer, trust Trust, current Current) (*Update, error) {
	build, err := open(offer.Build, trust.Keys)
	if err != nil {
		return nil, err
	}
	u := &Update{Version: build.Version, Rollback: build.Rollback, build: build, current: current}
	if !isOurs(build, current.Platform) {
		return nil, ErrNotOurs
	}
	if u.address, err = addressOf(current.BaseURL, offer.URL); err != nil {
		return nil, err
	}
	if isSame(build.Version, current.Version) {
		return nil, nil
	}
	if u.before, err = digestOf(current.Path); err != nil {
		return nil, fmt.Errorf("reading cdx: %w", err)
	}
	if build.SHA256 == u.before {
		return nil, nil
	}
	if !build.Rollback && (compare(build.Version, current.Version) < 0 || compare(build.Version, current.Highest) < 0) {
		return nil, ErrDowngrade
	}
	if trust.ReleaseKey != "" {
		if err := u.askFor(trust.ReleaseKey, offer.Minisig); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func open(signed api.Signed, keys []api.SigningKey) (build api.ClientBuild, err error) {
	err = api.ErrSignature
	for _, key := range keys {
		if err = signed.Open(api.PurposeClientBuild, key, &build); !errors.Is(err, api.ErrSignature) {
			break
		}
	}
	return build, err
}

var (
	plainVersion = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$`)
	plainDigest  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func isOurs(build api.ClientBuild, platform string) bool {
	return build.Name == "cdx" && build.Platform == platform && plainVersion.MatchString(build.Version) &&
		plainDigest.MatchString(build.SHA256) && build.SizeBytes > 0 && build.SizeBytes <= maxBuild
}

// addressOf is where the build is: below the gateway's address, whatever the offer says.
func addressOf(base, path string) (string, error) {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return "", ErrOtherAddress
	}
	gateway, err := url.Parse(base)
	if err != nil {
		return "", ErrOtherAddress
	}
	address, err := url.Parse(base + path)
	if err != nil || address.Scheme != gateway.Scheme || address.Host != gateway.Host || address.User != nil {
		return "", ErrOtherAddress
	}
	return address.String(), nil
}

// askFor makes the operator's signature a condition. Whether it is of the file shows when the file is here.
func (u *Update) askFor(releaseKey, minisig string) error {
	if err := u.release.UnmarshalText([]byte(releaseKey)); err != nil {
		return ErrReleaseKey
	}
	u.minisig = []byte(minisig)
	var signature minisign.Signature
	if len(minisig) > maxMinisig || signature.UnmarshalText(u.minisig) != nil || signature.KeyID != u.release.ID() ||
		signature.Algorithm != minisign.HashEdDSA || // the older kind would need the file in memory
		signature.TrustedComment != fmt.Sprintf("cdx %s %s", u.build.Version, u.build.Platform) {
		return ErrNoRelease
	}
	return nil
}

func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
