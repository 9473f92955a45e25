//go:build unix

package selfupdate

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"aead.dev/minisign"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

// job is what the test binary does as another process: one update, killed before step KillAt if that is not 0.
type job struct {
	Offer   api.ClientOffer
	Trust   Trust
	Current Current
	KillAt  int
}

const envJob = "TEST_JOB"

func TestMain(m *testing.M) {
	if text := os.Getenv(envJob); text != "" {
		var j job
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(j.run())
		return
	}
	// A process with the race detector rests a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func (j job) run() string {
	step := 0
	files.Step = func(string) {
		if step++; step == j.KillAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	u, err := Check(j.Offer, j.Trust, j.Current)
	if u == nil {
		return fmt.Sprint("nothing to do: ", err)
	}
	err = u.Apply(context.Background(), newClient(), nil)
	refused, notWritable := errors.AsType[*program.NotWritableError](err)
	switch {
	case err == nil:
		return "updated"
	case errors.Is(err, program.ErrBusy):
		return "busy"
	case notWritable:
		return "not writable: " + refused.Path
	}
	return err.Error()
}

// start starts a job as another process.
func (j job) start(t *testing.T, binary string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), envJob+"="+string(text))
	return cmd
}

func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// rig is a machine with an old cdx, and a gateway with a new one.
type rig struct {
	t         *testing.T
	path      string // of the executable
	server    *httptest.Server
	answer    atomic.Pointer[http.HandlerFunc] // nil: the new build
	downloads atomic.Int32
	body      []byte // the new build
	signing   ed25519.PrivateKey
	release   minisign.PrivateKey
	job       job
}

// build is an executable that says version.
func build(version string) []byte {
	return []byte("#!/bin/sh\n[ \"$1\" = version ] && echo cdx " + version + "\n# " + strings.Repeat(version, 50_000) + "\n")
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "cdx"), body: build("1.4.0")}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.downloads.Add(1)
		if got := q.Header.Get(api.HeaderAPIKey) + q.Header.Get("Authorization"); got != "" {
			t.Errorf("a key was sent: %q", got)
		}
		if answer := r.answer.Load(); answer != nil {
			(*answer)(w, q)
			return
		}
		if q.URL.Path != "/install/client/cdx-linux-amd64" {
			t.Errorf("asked for %s", q.URL.Path)
		}
		_, _ = w.Write(r.body)
	}))
	t.Cleanup(r.server.Close)
	if err := os.WriteFile(r.path, build("1.3.0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.path, 0o751); err != nil { // whatever the umask
		t.Fatal(err)
	}
	public, signing, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, r.release, err = minisign.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	r.signing = signing
	r.job = job{
		Trust:   Trust{Keys: []api.SigningKey{{KeyID: "k1", PublicKey: base64.StdEncoding.EncodeToString(public)}}},
		Current: Current{Path: r.path, Version: "1.3.0", Platform: "linux-amd64", Highest: "1.3.0", BaseURL: r.server.URL},
	}
	r.offer(nil)
	return r
}

// answers makes the gateway answer otherwise than with the new build.
func (r *rig) answers(answer http.HandlerFunc) { r.answer.Store(&answer) }

// offer makes the gateway vouch for what edit makes of the description of the new build.
func (r *rig) offer(edit func(*api.ClientBuild)) {
	r.t.Helper()
	sum := sha256.Sum256(r.body)
	described := api.ClientBuild{
		Name: "cdx", Version: "1.4.0", Platform: "linux-amd64", SHA256: hex.EncodeToString(sum[:]), SizeBytes: int64(len(r.body)),
	}
	if edit != nil {
		edit(&described)
	}
	r.job.Offer = api.ClientOffer{Build: r.sign(api.PurposeClientBuild, described), URL: "/install/client/cdx-linux-amd64"}
}

func (r *rig) sign(purpose string, document any) api.Signed {
	r.t.Helper()
	signed, err := api.Sign(purpose, "k1", r.signing, document)
	if err != nil {
		r.t.Fatal(err)
	}
	return signed
}

// pin makes the machine ask for the operator's signature.
func (r *rig) pin() {
	public := r.release.Public().(minisign.PublicKey) //nolint:forcetypeassert // what it is
	r.job.Trust.ReleaseKey = public.String()
}

// minisig signs as the operator does.
func minisig(key minisign.PrivateKey, body []byte, comment string) string {
	reader := minisign.NewReader(bytes.NewReader(body))
	if _, err := (&bytes.Buffer{}).ReadFrom(reader); err != nil {
		panic(err)
	}
	return string(reader.SignWithComments(key, comment, "untrusted"))
}

func (r *rig) check() (*Update, error) {
	return Check(r.job.Offer, r.job.Trust, r.job.Current)
}

// apply checks and applies; an offer that is not taken is an error here.
func (r *rig) apply() error {
	u, err := r.check()
	if u == nil {
		return errors.Join(errors.New("no update"), err)
	}
	return u.Apply(r.t.Context(), newClient(), nil)
}

// wantRunning asks the executable for its version, and looks for anything left beside it.
func (r *rig) wantRunning(versions ...string) {
	r.t.Helper()
	said, err := program.Ask(r.t.Context(), r.path, "version", askTimeout*10)
	fits := false
	for _, version := range versions {
		fits = fits || said == "cdx "+version
	}
	if err != nil || !fits {
		r.t.Errorf("the executable says %q, %v, want %v", said, err, versions)
	}
	if info, err := os.Stat(r.path); err != nil || info.Mode().Perm() != 0o751 {
		r.t.Errorf("got mode %v, %v, want 751", info.Mode(), err)
	}
}

func (r *rig) wantNothingBeside() {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(r.path))
	if err != nil || len(entries) != 1 {
		r.t.Errorf("got %v, %v, want the executable alone", entries, err)
	}
}

func (r *rig) wantDownloads(want int32) {
	r.t.Helper()
	if got := r.downloads.Load(); got != want {
		r.t.Errorf("got %s downloads, want %d", strconv.Itoa(int(got)), want)
	}
}
