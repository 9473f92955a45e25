package hostapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/release"
)

// errNoWrapper is a gateway that could only break the hosts that would take its wrapper.
var errNoWrapper = errs.New(errs.NotFound, "wrapper_not_available", "Wrapper not available")

// wrapperPlatforms are those the reference's wrapper runs on. A host that replaces it by a script for which there is no
// build would be left with nothing, and the gateway does not know which platform a host of the reference is.
var wrapperPlatforms = []string{"linux-amd64", "linux-arm64"}

// wrapper is what a host should replace its client by: to a cdx that names its platform the build for it, to a wrapper of
// the reference the script that brings cdx.
type wrapper struct {
	sha256   string // lower-case hex
	size     int64
	modified time.Time
	platform string // of the build; "": it is the script
	script   []byte
}

// wrapper serves GET /wrapper.
func (s *Surface) wrapper(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	w, err := s.wrapperFor(r, host)
	if err != nil {
		return nil, err
	}
	return api.Wrapper{
		Version: s.cfg.Version, SHA256: w.sha256, SizeBytes: w.size, UpdatedAt: api.Time{Time: w.modified}, URL: api.PathWrapperFile,
	}, nil
}

// wrapperFile serves GET /wrapper/download. The script holds the key that the caller has just shown, and no other.
func (s *Surface) wrapperFile(w http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	found, err := s.wrapperFor(r, host)
	if err != nil {
		return nil, err
	}
	if found.platform != "" {
		return nil, s.serveClient(w, r, "cdx-"+found.platform)
	}
	header := w.Header()
	header["Content-Type"] = []string{"text/x-shellscript"}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "cdx-"+s.cfg.Version+".sh"))
	header.Set("Content-Length", fmt.Sprint(len(found.script)))
	header.Set("Etag", `"`+found.sha256+`"`)
	header.Set(api.HeaderSHA256, found.sha256)
	_, _ = w.Write(found.script) // the client is gone: nobody to tell
	return nil, nil
}

// wrapperFor finds or makes what a host's client is to be replaced by.
//
// Errors: errNoWrapper, errNoClient.
func (s *Surface) wrapperFor(r *call.Request, host *db.Host) (*wrapper, error) {
	platform := r.Header.Get(api.HeaderPlatform)
	if platform == "" && strings.HasPrefix(r.Header.Get("Accept"), "application/octet-stream") {
		platform = wrapperPlatforms[0] // a cdx for another one names it
	}
	if platform != "" {
		client, err := s.cfg.Clients.Get(platform)
		if err != nil {
			return nil, s.noClient(err)
		}
		return &wrapper{sha256: client.SHA256, size: client.Size, modified: client.ModifiedAt, platform: platform}, nil
	}
	return s.transition(r, host)
}

func (s *Surface) transition(r *call.Request, host *db.Host) (*wrapper, error) {
	key, ok := keyOf(r.Request)
	if !ok || !s.keepsKeys {
		return nil, errNoWrapper
	}
	made := &wrapper{}
	var missing []string
	for _, platform := range wrapperPlatforms {
		client, err := s.cfg.Clients.Get(platform)
		switch {
		case errors.Is(err, release.ErrNoClient):
			missing = append(missing, platform)
		case err != nil:
			return nil, err
		case client.ModifiedAt.After(made.modified):
			made.modified = client.ModifiedAt
		}
	}
	if len(missing) > 0 {
		return nil, errNoWrapper.With("missing", missing)
	}
	made.script = transitionScript(transitionParams{
		BaseURL: s.cfg.PublicURL, APIKey: key.Reveal(), FQDN: host.FQDN, Secure: host.Secure,
		InstallationID: s.cfg.InstallationID, Version: s.cfg.Version,
		Reach: transport{CA: s.cfg.PublicCA(), IPv4Only: host.ForceIPv4},
	})
	sum := sha256.Sum256(made.script)
	made.sha256, made.size = hex.EncodeToString(sum[:]), int64(len(made.script))
	return made, nil
}

// keepsKeysSecret reports whether cdx would send a key to a base URL: by https, or to the very machine. Hosts whose
// fleet does without stay with their wrapper, which does not mind.
func keepsKeysSecret(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || (err == nil && addr.IsLoopback())
}
