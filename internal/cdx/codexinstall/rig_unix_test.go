//go:build unix

package codexinstall

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

// job is what the test binary does as another process: one installation, killed before step KillAt if that is not 0.
type job struct {
	Releases, Root, Version string
	KillAt                  int
}

const envJob = "TEST_JOB"

func TestMain(m *testing.M) {
	if text := os.Getenv(envJob); text != "" {
		var j job
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			fmt.Println(err)
			return
		}
		step := 0
		files.Step = func(string) {
			if step++; step == j.KillAt {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		fmt.Println(j.installer().Install(context.Background(), j.Version))
		return
	}
	// A process with the race detector rests a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func (j job) installer() *Installer {
	return &Installer{Client: &http.Client{Transport: &http.Transport{}}, Releases: j.Releases, Root: j.Root, GOOS: "linux", GOARCH: "amd64"}
}

func (j job) start(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envJob+"="+string(text))
	return cmd
}

const (
	linuxTarget   = "x86_64-unknown-linux-musl"
	windowsTarget = "aarch64-pc-windows-msvc"
)

// codex is a program that says version.
func codex(version string) string {
	return "#!/bin/sh\necho WARNING: no aliases >&2\n[ \"$1\" = --version ] && echo codex-cli " + version + "\n# " + strings.Repeat(version, 3_000) + "\n"
}

// member is one thing in an archive.
type member struct {
	name, text string
	kind       byte // of tar; 0: a regular file
	link       string
}

func tarball(members ...member) []byte {
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	to := tar.NewWriter(zipped)
	for _, m := range members {
		header := &tar.Header{Name: m.name, Typeflag: m.kind, Linkname: m.link, Mode: 0o755, Size: int64(len(m.text))}
		if m.kind == 0 {
			header.Typeflag = tar.TypeReg
		}
		if err := to.WriteHeader(header); err != nil {
			panic(err)
		}
		_, _ = to.Write([]byte(m.text))
	}
	_ = to.Close()
	_ = zipped.Close()
	return packed.Bytes()
}

func zipfile(members ...member) []byte {
	var packed bytes.Buffer
	to := zip.NewWriter(&packed)
	for _, m := range members {
		header := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		header.SetMode(0o755)
		if m.kind == tar.TypeSymlink {
			header.SetMode(os.ModeSymlink | 0o777)
		}
		w, err := to.CreateHeader(header)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write([]byte(m.text))
	}
	_ = to.Close()
	return packed.Bytes()
}

// released is what the release server has of one version.
type released struct {
	Name   string `json:"name"`
	URL    string `json:"browser_download_url"`
	Digest string `json:"digest,omitempty"`
	Size   int64  `json:"size"`

	archive []byte
}

// rig is a machine without Codex, and a release server.
type rig struct {
	t         *testing.T
	server    *httptest.Server
	root      string
	installer *Installer
	override  atomic.Pointer[http.HandlerFunc]

	asked, downloads atomic.Int32

	mu     sync.Mutex          // other processes ask while the test goes on
	assets map[string]released // :: version → archive
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, root: filepath.Join(t.TempDir(), "share", "cdx", "codex"), assets: map[string]released{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	r.installer = job{Releases: r.server.URL + "/repos/openai/codex/releases", Root: r.root}.installer()
	for _, version := range []string{"0.160.0", "0.168.0", "0.169.0", "0.170.0-alpha.1"} {
		r.release(version, tarball(member{name: "codex-" + linuxTarget, text: codex(version)}))
	}
	return r
}

func (r *rig) job(version string) job {
	return job{Releases: r.installer.Releases, Root: r.root, Version: version}
}

// release puts an archive on the server.
func (r *rig) release(version string, archive []byte) {
	target, err := targetOf(r.installer.GOOS, r.installer.GOARCH)
	if err != nil {
		r.t.Fatal(err)
	}
	name := archiveName(r.installer.GOOS, target)
	sum := sha256.Sum256(archive)
	r.edit(version, func(a *released) {
		*a = released{
			Name: name, URL: r.server.URL + "/download/rust-v" + version + "/" + name,
			Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(archive)), archive: archive,
		}
	})
}

// edit changes what the server says about a version.
func (r *rig) edit(version string, change func(*released)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.assets[version]
	change(&a)
	r.assets[version] = a
}

// asset is what the server has of a version; without a name it has nothing.
func (r *rig) asset(version string) released {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.assets[version]
}

func (r *rig) serve(w http.ResponseWriter, q *http.Request) {
	if q.Header.Get("Authorization") != "" || q.Header.Get("X-API-Key") != "" || q.Header.Get("Cookie") != "" {
		r.t.Error("a secret was sent")
	}
	path := strings.Split(q.URL.Path, "/") // "", download, rust-v…, name or "", repos, openai, codex, releases, …
	isDownload := path[1] == "download"
	if isDownload {
		r.downloads.Add(1)
	} else {
		r.asked.Add(1)
	}
	if override := r.override.Load(); override != nil {
		(*override)(w, q)
		return
	}
	if isDownload {
		_, _ = w.Write(r.asset(strings.TrimPrefix(path[2], "rust-v")).archive)
		return
	}
	version := "0.169.0" // the latest
	if path[5] == "tags" {
		version = strings.TrimPrefix(path[6], "rust-v")
	}
	if r.asset(version).Name == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r.describe(w, "rust-v"+version, released{Name: "codex-x86_64-apple-darwin.tar.gz", URL: "https://example.test"}, r.asset(version))
}

func (r *rig) describe(w http.ResponseWriter, tag string, assets ...released) {
	_ = json.NewEncoder(w).Encode(map[string]any{"tag_name": tag, "assets": assets})
}

// answers makes the server answer something else; whatever it leaves alone is answered as usual.
func (r *rig) answers(handler http.HandlerFunc) { r.override.Store(&handler) }

// wantCopies looks what is installed, that it runs, and that nothing else is there.
func (r *rig) wantCopies(versions ...string) {
	r.t.Helper()
	var got []string
	for _, c := range Copies(r.root, "linux") {
		got = append(got, c.Version)
		if said, err := program.Ask(r.t.Context(), c.Path, "--version", time.Minute); said != "codex-cli "+c.Version {
			r.t.Errorf("%s says %q, %v", c.Path, said, err)
		}
		if info, err := os.Stat(c.Path); err != nil || info.Mode().Perm() != 0o700 {
			r.t.Errorf("%s: got mode %v, %v", c.Path, info.Mode(), err)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(versions) {
		r.t.Errorf("got the copies %v, want %v", got, versions)
	}
	r.wantFiles(len(versions))
}

// wantFiles counts what is below the private directory, hidden things included.
func (r *rig) wantFiles(want int) {
	r.t.Helper()
	var found []string
	_ = filepath.WalkDir(r.root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	entries, _ := os.ReadDir(r.root)
	if len(found) != want || len(entries) > want {
		r.t.Errorf("got %v in %v, want %d files", found, entries, want)
	}
}
