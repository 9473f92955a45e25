package hostapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/signing"
)

// configTTL is how long a host may go by a configuration before it asks for a new one.
const configTTL = 30 * 24 * time.Hour

// hostConfig is what a host has to know, without the times of a signature.
func (s *Surface) hostConfig(host *db.Host) api.HostConfig {
	return api.HostConfig{
		BaseURL: s.cfg.PublicURL, FQDN: host.FQDN, InstallationID: s.cfg.InstallationID,
		Secure: host.Secure, IPv4Only: host.ForceIPv4, CA: s.cfg.PublicCA(),
		AutoUpdate: s.cfg.Updates.Auto, ClientReleaseKey: s.cfg.Updates.ReleaseKey, CodexReleases: s.cfg.Updates.CodexReleases,
		PreviousFQDNs: host.PreviousFQDNs,
	}
}

func (s *Surface) signHostConfig(config api.HostConfig) (api.Signed, error) {
	now := s.cfg.Credentials.Options().Now
	config.IssuedAt, config.ExpiresAt = api.Time{Time: now}, api.Time{Time: now.Add(configTTL)}
	return s.cfg.Signer.Sign(api.PurposeHostConfig, config)
}

// configBlock is the block config. Its ETag is of what the configuration says and of who vouches for it, and not of when,
// or a host would never have it already; a host whose configuration is about to expire sends no ETag.
func (s *Surface) configBlock(host *db.Host, have string) (api.Block, error) {
	config, key, successors := s.hostConfig(host), s.cfg.Signer.Key(), s.cfg.Signer.Successors()
	content, err := json.Marshal([]any{config, key, successors})
	if err != nil {
		return api.Block{}, fmt.Errorf("encoding a host's configuration: %w", err)
	}
	block := api.Block{ETag: etagOf(content)}
	if have == block.ETag {
		return block, nil
	}
	signed, err := s.signHostConfig(config)
	if err != nil {
		return api.Block{}, err
	}
	block.Data, err = json.Marshal(api.ConfigOffer{Config: signed, SigningKey: key, Successors: successors})
	return block, err
}

// clientOffer is the build for the platform that a caller names; nil when there is none. What is wrong with a build is no
// reason to keep a host from its login.
func (s *Surface) clientOffer(r *call.Request) *api.ClientOffer {
	client, err := s.cfg.Clients.Get(r.Header.Get(api.HeaderPlatform))
	if errors.Is(err, release.ErrNoClient) {
		return nil
	}
	var offer *api.ClientOffer
	if err == nil {
		offer, err = s.offer(client)
	}
	if err != nil {
		s.cfg.Logger.Error("a build of cdx cannot be offered", "error", err)
		return nil
	}
	return offer
}

func (s *Surface) offer(client release.Client) (*api.ClientOffer, error) {
	name := "cdx-" + client.Platform
	minisig, err := s.cfg.Clients.Minisig(name)
	if err != nil && !errors.Is(err, release.ErrNoMinisig) {
		return nil, err
	}
	signed, err := s.builds.sign(s.cfg.Signer, api.ClientBuild{
		Name: "cdx", Version: s.cfg.Version, Platform: client.Platform,
		SHA256: client.SHA256, SizeBytes: client.Size, Rollback: s.cfg.Updates.Rollback,
	})
	return &api.ClientOffer{Build: signed, URL: api.PathClient + name, Minisig: minisig}, err
}

// signedBuilds remembers the newest signature for each platform. The zero value is empty; it is safe for concurrent use.
type signedBuilds struct {
	mu         sync.Mutex
	byPlatform map[string]signedBuild
}

type signedBuild struct {
	build  api.ClientBuild
	signed api.Signed
}

func (b *signedBuilds) sign(signer *signing.Signer, build api.ClientBuild) (api.Signed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.byPlatform[build.Platform]; ok && known.build == build {
		return known.signed, nil
	}
	signed, err := signer.Sign(api.PurposeClientBuild, build)
	if err != nil {
		return api.Signed{}, err
	}
	if b.byPlatform == nil {
		b.byPlatform = map[string]signedBuild{}
	}
	b.byPlatform[build.Platform] = signedBuild{build: build, signed: signed}
	return signed, nil
}
