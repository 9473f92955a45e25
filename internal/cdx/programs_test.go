//go:build unix

package cdx

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aead.dev/minisign"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// fakeFiles is what the fake gateway gives to GET: builds of cdx, and, as a release server, Codex.
type fakeFiles struct {
	script string // directory of the script: what the programs of the tests write down is there

	mu     sync.Mutex
	bodies map[string][]byte // :: path → file
	got    []string          // paths of the files that were asked for, descriptions of releases aside
	status int               // of every answer; 0: as should be
	held   chan struct{}     // closed when files may go on their way; nil: at once
}

// pathReleases is where the fake gateway is a release server.
const pathReleases = "/releases"

func (f *fakeFiles) put(path string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bodies == nil {
		f.bodies = map[string][]byte{}
	}
	f.bodies[path] = body
}

func (f *fakeFiles) serve(w http.ResponseWriter, r *http.Request, gone <-chan struct{}) {
	f.mu.Lock()
	if !strings.HasPrefix(r.URL.Path, pathReleases+"/tags/") {
		f.got = append(f.got, r.URL.Path)
	}
	held := f.held
	f.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-gone:
			return
		case <-r.Context().Done():
			return
		}
	}
	f.mu.Lock()
	body, found := f.bodies[r.URL.Path]
	status := f.status
	f.mu.Unlock()
	switch {
	case r.Header.Get(api.HeaderAPIKey) != "" || r.Header.Get("Authorization") != "":
		w.WriteHeader(http.StatusTeapot) // a key has no business here
	case status != 0:
		w.WriteHeader(status)
	case !found:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = w.Write(body)
	}
}

// vouch [auto_update=off] [release_key=fresh] [key=none] makes the machine's configuration say that. A fresh release key has
// signed nothing.
func cmdVouch(ts *testscript.TestScript, _ bool, args []string) {
	options := pairs(args)
	if options["release_key"] == "fresh" {
		public, _, err := minisign.GenerateKey(nil)
		ts.Check(err)
		options["release_key"] = public.String()
	}
	path, base := filepath.Join(ts.Getenv("HOME"), ".config", "cdx", "host.json"), gatewayOf(ts).server.URL
	if options["key"] == "none" {
		ts.Check(writePlantedConfig(path, base))
		return
	}
	ts.Check(writeSignedConfig(path, base, options))
}

// writeSignedConfig writes the configuration of a machine that enrolled with a gateway that signs.
func writeSignedConfig(path, base string, options map[string]string) error {
	now := time.Now().UTC()
	said := api.HostConfig{
		BaseURL: base, FQDN: "build7.example", InstallationID: plantedInstallation, Secure: true,
		AutoUpdate: options["auto_update"] != "off", ClientReleaseKey: options["release_key"], CodexReleases: base + pathReleases,
		IssuedAt: api.Time{Time: now}, ExpiresAt: api.Time{Time: now.AddDate(0, 0, 30)},
	}
	config, err := configFrom(&api.EnrolResponse{
		APIKey: plantedKey, SigningKey: signerA.key(), Config: signerA.sign(api.PurposeHostConfig, said),
	}, "", now)
	if err != nil {
		return err
	}
	text, err := config.encode()
	if err != nil {
		return err
	}
	return files.Write(path, text)
}

// pairs reads NAME=VALUE.
func pairs(args []string) map[string]string {
	values := map[string]string{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		values[name] = value
	}
	return values
}

// block NAME JSON makes every answer to POST /sync say that from now on. versions takes TARGET [locked] instead.
func cmdBlock(ts *testscript.TestScript, _ bool, args []string) {
	text := args[1]
	if args[0] == api.BlockVersions {
		source := "fleet"
		if len(args) > 2 {
			source = args[2]
		}
		text = fmt.Sprintf(`{"client_version":%q,"client_version_source":%q,"installation_id":%q}`, args[1], source, plantedInstallation)
	}
	gatewayOf(ts).setBlock(args[0], text)
}

func (g *fakeGateway) setBlock(name string, data string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocks[name] = data
}

// programOf is a program that says its version to who asks for it with the argument ask, and else writes down that it ran,
// in runs.log, with what it was given, and goes on with the shell commands in then.
func programOf(dir, name, version, ask, then string) []byte {
	return fmt.Appendf(nil, `#!/bin/sh
if [ "$1" = %s ]; then echo %s %s; exit; fi
echo %s %s "$*" "$CDX_RESTARTED" >>%s/runs.log
%s
exit
# %s
`, ask, name, version, name, version, dir, then, strings.Repeat("x", 100_000))
}

// asAnother makes a build of cdx go on as a cdx of version $THEN, if that is set. It cannot come back here.
const asAnother = `if [ -n "$THEN" ]; then export TEST_VERSION=$THEN; unset THEN; exec $CDX "$@"; fi`

// build VERSION [says=VERSION] [sha256=HEX] [platform=P] [key=other] [signature=none] [rollback=true] [url=PATH] makes the
// gateway offer a build of cdx. A cdx that it is goes on as another cdx, of version $THEN, if that is set.
func cmdBuild(ts *testscript.TestScript, _ bool, args []string) {
	g, options := gatewayOf(ts), pairs(args[1:])
	says := args[0]
	if options["says"] != "" {
		says = options["says"]
	}
	body := programOf(g.files.script, "cdx", says, "version", asAnother)
	sum := sha256.Sum256(body)
	described := api.ClientBuild{
		Name: "cdx", Version: args[0], Platform: runtime.GOOS + "-" + runtime.GOARCH,
		SHA256: hex.EncodeToString(sum[:]), SizeBytes: int64(len(body)), Rollback: options["rollback"] == "true",
	}
	if options["sha256"] != "" {
		described.SHA256 = options["sha256"]
	}
	if options["platform"] != "" {
		described.Platform = options["platform"]
	}
	signed := signerA.sign(api.PurposeClientBuild, described)
	if options["key"] == "other" {
		signed = signer{id: signerA.id, private: signerB.private}.sign(api.PurposeClientBuild, described)
	}
	if options["signature"] == "none" {
		signed.Signature = ""
	}
	offer := api.ClientOffer{Build: signed, URL: "/install/client/" + args[0]}
	g.files.put(offer.URL, body)
	text, err := json.Marshal(offer)
	ts.Check(err)
	g.setBlock(api.BlockClient, string(text))
}

// release VERSION [says=VERSION] [digest=SHA256] [latest=true] puts a Codex on the release server.
func cmdRelease(ts *testscript.TestScript, _ bool, args []string) {
	g, options := gatewayOf(ts), pairs(args[1:])
	version, says := args[0], args[0]
	if options["says"] != "" {
		says = options["says"]
	}
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	target := machine + map[string]string{"linux": "-unknown-linux-musl", "darwin": "-apple-darwin"}[runtime.GOOS]
	archive := tarball(ts, "codex-"+target, programOf(g.files.script, "codex-cli", says, "--version", ""))
	sum := sha256.Sum256(archive)
	digest := hex.EncodeToString(sum[:])
	if options["digest"] != "" {
		digest = options["digest"]
	}
	path := pathReleases + "/download/" + version
	text, err := json.Marshal(map[string]any{"tag_name": "rust-v" + version, "assets": []any{map[string]any{
		"name": "codex-" + target + ".tar.gz", "browser_download_url": g.server.URL + path,
		"digest": "sha256:" + digest, "size": len(archive),
	}}})
	ts.Check(err)
	g.files.put(path, archive)
	g.files.put(pathReleases+"/tags/rust-v"+version, text)
	if options["latest"] == "true" {
		g.files.put(pathReleases+"/latest", text)
	}
}

func tarball(ts *testscript.TestScript, name string, text []byte) []byte {
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	to := tar.NewWriter(zipped)
	ts.Check(to.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}))
	_, err := to.Write(text)
	ts.Check(err)
	ts.Check(to.Close())
	ts.Check(zipped.Close())
	return packed.Bytes()
}

// serving hold | files | STATUS makes the server of files keep every answer back; or give, those that it kept back included;
// or answer with an HTTP status.
func cmdServing(ts *testscript.TestScript, _ bool, args []string) {
	f := &gatewayOf(ts).files
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = 0
	if args[0] == "hold" {
		f.held = make(chan struct{})
		return
	}
	if f.held != nil {
		close(f.held)
		f.held = nil
	}
	if args[0] != "files" {
		var err error
		f.status, err = strconv.Atoi(args[0])
		ts.Check(err)
	}
}

// downloads NAME… demands that exactly these files were asked for since the last time, each by its last name.
func cmdDownloads(ts *testscript.TestScript, _ bool, args []string) {
	f := &gatewayOf(ts).files
	f.mu.Lock()
	defer f.mu.Unlock()
	got := []string{}
	for _, path := range f.got {
		got = append(got, path[strings.LastIndex(path, "/")+1:])
	}
	f.got = nil
	slices.Sort(got)
	if !slices.Equal(got, args) {
		ts.Fatalf("got downloads %q, want %q", got, args)
	}
}

// settled REGEXP | settled file PATH waits for the background to have written that down, or to have made that file, and to have
// ended.
func cmdSettled(ts *testscript.TestScript, _ bool, args []string) {
	h := home{ts.Getenv("CODEX_HOME")}
	pattern := regexp.MustCompile(args[0])
	awaitIn(ts, func() (bool, string) {
		text, _ := os.ReadFile(h.updatesPath())
		done := pattern.Match(text)
		if args[0] == "file" {
			done = exists(ts.MkAbs(args[1]))
		}
		return done && !exists(h.updatesLock()), "the background has written down " + string(text)
	})
}

// held waits for a background to be at work. Who tried its lock could keep it from that.
func cmdHeld(ts *testscript.TestScript, _ bool, _ []string) {
	h := home{ts.Getenv("CODEX_HOME")}
	awaitIn(ts, func() (bool, string) { return exists(h.updatesLock()), "there is no background" })
}

// awaitIn polls a condition that another process brings about.
func awaitIn(ts *testscript.TestScript, condition func() (done bool, instead string)) {
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, instead := condition()
		if done {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("waited in vain: %s", instead)
		case <-tick.C:
		}
	}
}

// crowd N PROGRAM ARG… runs so many at once and demands that all of them end with 0.
func cmdCrowd(ts *testscript.TestScript, _ bool, args []string) {
	count, err := strconv.Atoi(args[0])
	ts.Check(err)
	var wait sync.WaitGroup
	outputs := make([]string, count)
	for i := range count {
		cmd := exec.Command("/bin/sh", append([]string{"-c", `exec "$0" "$@"`}, args[1:]...)...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = []string{}
		for _, name := range []string{"PATH", "HOME", "CODEX_HOME", "FAKE_LOG", "TEST_ACCOUNTS", "CDX", "THEN"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		wait.Go(func() {
			if text, err := cmd.CombinedOutput(); err != nil {
				outputs[i] = err.Error() + ": " + string(text)
			}
		})
	}
	wait.Wait()
	for i, output := range outputs {
		if output != "" {
			ts.Fatalf("number %d: %s", i, output)
		}
	}
}
