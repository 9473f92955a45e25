// Package release knows the software the fleet runs: here, the builds of cdx that this gateway can hand out.
package release

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Platforms are the ones cdx is built for, in Go's words.
var Platforms = []string{
	"darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64", "windows-arm64",
}

// ErrNoClient means that there is no build of cdx for a platform.
var ErrNoClient = errors.New("no client for this platform")

// Client is one build of cdx: a file named cdx-<platform>.
type Client struct {
	Platform   string
	SHA256     string // lower-case hex
	Size       int64  // bytes
	ModifiedAt time.Time

	path string
}

// Clients are the builds in one directory, as they are at the moment of asking: a file that is added or replaced while
// the gateway runs is hashed when it is next asked for. It is safe for concurrent use.
type Clients struct {
	dir string

	mu     sync.Mutex
	hashed map[string]Client // :: platform → what was hashed last
}

// NewClients serves the builds in dir. A missing directory is no error: Missing names every platform then.
func NewClients(dir string) *Clients { return &Clients{dir: dir, hashed: map[string]Client{}} }

// FindClientDir returns the first of dirs that exists, or the last of them.
func FindClientDir(dirs ...string) string {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return dirs[len(dirs)-1]
}

// All returns the builds there are, by platform.
func (c *Clients) All() ([]Client, error) {
	var all []Client
	for _, platform := range Platforms {
		client, err := c.client(platform)
		switch {
		case errors.Is(err, ErrNoClient):
		case err != nil:
			return nil, err
		default:
			all = append(all, client)
		}
	}
	return all, nil
}

// Missing names the platforms without a build.
func (c *Clients) Missing() []string {
	return slices.DeleteFunc(slices.Clone(Platforms), func(platform string) bool {
		_, err := c.client(platform)
		return err == nil
	})
}

// Get returns the build for a platform. Errors: ErrNoClient.
func (c *Clients) Get(platform string) (Client, error) {
	if !slices.Contains(Platforms, platform) {
		return Client{}, ErrNoClient
	}
	return c.client(platform)
}

// Named returns the build named cdx-<platform>. Errors: ErrNoClient.
func (c *Clients) Named(name string) (Client, error) {
	platform, ok := strings.CutPrefix(name, "cdx-")
	if !ok {
		return Client{}, ErrNoClient
	}
	return c.Get(platform)
}

// Open opens the build named cdx-<platform>. Errors: ErrNoClient.
func (c *Clients) Open(name string) (*os.File, Client, error) {
	client, err := c.Named(name)
	if err != nil {
		return nil, Client{}, err
	}
	file, err := os.Open(client.path)
	if err != nil {
		return nil, Client{}, fmt.Errorf("opening the client for %s: %w", client.Platform, err)
	}
	return file, client, nil
}

func (c *Clients) client(platform string) (Client, error) {
	path := filepath.Join(c.dir, "cdx-"+platform)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Client{}, ErrNoClient
	}
	if err != nil {
		return Client{}, fmt.Errorf("reading the client for %s: %w", platform, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.hashed[platform]
	if ok && known.Size == info.Size() && known.ModifiedAt.Equal(info.ModTime()) {
		return known, nil
	}
	client, err := hashFile(path)
	if err != nil {
		return Client{}, fmt.Errorf("reading the client for %s: %w", platform, err)
	}
	client.Platform = platform
	c.hashed[platform] = client
	return client, nil
}

// hashFile takes everything from the one file that it has opened: another may come into its place meanwhile.
func hashFile(path string) (Client, error) {
	file, err := os.Open(path)
	if err != nil {
		return Client{}, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return Client{}, err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return Client{}, err
	}
	return Client{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size, ModifiedAt: info.ModTime(), path: path}, nil
}
