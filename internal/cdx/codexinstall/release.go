package codexinstall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/cdxgate/cdxgate/internal/cdx/download"
)

// GitHub is where Codex is released.
const GitHub = "https://api.github.com/repos/openai/codex/releases"

// Reasons why an installation failed, beside those of [download.Get].
var (
	ErrVersion      = errors.New("that is not a version of Codex")
	ErrPlatform     = errors.New("there is no Codex for this platform")
	ErrUnsafe       = errors.New("the address is neither HTTPS nor the release server's own")
	ErrMetadata     = errors.New("what the release server says about the release is not to be understood")
	ErrNoAsset      = errors.New("the release has no archive for this platform")
	ErrNoDigest     = errors.New("the release server says no SHA-256 digest of the archive, so it is not taken")
	ErrTampered     = errors.New("the downloaded archive is not the one that was released")
	ErrArchive      = errors.New("the archive holds something else than Codex")
	ErrWrongProgram = errors.New("the program in the archive says that it is another version")
)

// Sizes in bytes.
const (
	maxMetadata = 8 << 20
	maxArchive  = 512 << 20
	maxProgram  = 1 << 30 // all that is unpacked
)

// asset is one archive of one release.
type asset struct {
	version string
	target  string // x86_64-unknown-linux-musl
	url     string
	digest  string // SHA-256, lower-case hex
	size    int64  // bytes; 0: not known
}

// targetOf is what Rust calls a platform. On Linux it is the one that needs no C library.
func targetOf(goos, goarch string) (string, error) {
	system := map[string]string{"linux": "unknown-linux-musl", "darwin": "apple-darwin", "windows": "pc-windows-msvc"}[goos]
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[goarch]
	if system == "" || machine == "" {
		return "", ErrPlatform
	}
	return machine + "-" + system, nil
}

func archiveName(goos, target string) string {
	if goos == "windows" {
		return "codex-" + target + ".exe.zip"
	}
	return "codex-" + target + ".tar.gz"
}

var sha256Digest = regexp.MustCompile(`^sha256:([0-9a-f]{64})$`)

// lookUp asks the release server, once, for the archive of a version or of [Latest].
func (i *Installer) lookUp(ctx context.Context, version string) (asset, error) {
	target, err := targetOf(i.GOOS, i.GOARCH)
	if err != nil {
		return asset{}, err
	}
	releases, err := url.Parse(firstNonEmpty(i.Releases, GitHub))
	if err != nil || releases.User != nil || releases.Scheme != "https" && !download.IsLocal(releases) {
		return asset{}, ErrUnsafe
	}
	place := releases.JoinPath("tags", "rust-v"+version)
	if version == Latest {
		place = releases.JoinPath("latest")
	}
	var text bytes.Buffer
	if _, err := download.Get(ctx, download.Following(i.Client), download.Request{
		URL: place.String(), Accept: "application/vnd.github+json", UserAgent: i.UserAgent, Limit: maxMetadata,
	}, &text); err != nil {
		return asset{}, fmt.Errorf("asking %s about Codex %s: %w", releases.Host, version, err)
	}
	var release struct {
		Tag    string `json:"tag_name"`
		Assets []struct {
			Name   string `json:"name"`
			URL    string `json:"browser_download_url"`
			Digest string `json:"digest"`
			Size   int64  `json:"size"`
		} `json:"assets"`
	}
	if err := json.Unmarshal(text.Bytes(), &release); err != nil {
		return asset{}, ErrMetadata
	}
	found, ok := strings.CutPrefix(release.Tag, "rust-v")
	if !ok || !isVersion(found) || version != Latest && found != version {
		return asset{}, ErrMetadata
	}
	for _, a := range release.Assets {
		if a.Name != archiveName(i.GOOS, target) {
			continue
		}
		digest := sha256Digest.FindStringSubmatch(a.Digest)
		if digest == nil {
			return asset{}, ErrNoDigest
		}
		at, err := url.Parse(a.URL)
		if err != nil || at.User != nil || at.Scheme != "https" && (!download.IsLocal(at) || at.Host != releases.Host) {
			return asset{}, ErrUnsafe
		}
		return asset{version: found, target: target, url: a.URL, digest: digest[1], size: max(0, a.Size)}, nil
	}
	return asset{}, ErrNoAsset
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
