//go:build unix

package cdx

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// rig is one enrolled machine: a home, the real cdx as a process, the fake codex, and a gateway of the test's choice.
type rig struct {
	t       *testing.T
	gateway string // its address
	dir     string
	env     []string
	auth    string // path of auth.json
	log     string // of the fake codex
}

func newRig(t *testing.T, gateway http.Handler) *rig {
	t.Helper()
	return newRigAt(t, newServer(t, gateway))
}

// newServer serves until the test ends and returns where.
func newServer(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func newRigAt(t *testing.T, baseURL string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, gateway: baseURL, dir: dir, auth: filepath.Join(dir, "codex", "auth.json"), log: filepath.Join(dir, "starts.jsonl")}
	config := filepath.Join(dir, "host.json")
	if err := writePlantedConfig(config, baseURL); err != nil {
		t.Fatal(err)
	}
	r.env = append(os.Environ(), "HOME="+dir, "CODEX_HOME="+filepath.Dir(r.auth), "CDX_CONFIG_PATH="+config,
		"CDX_CODEX_BIN="+filepath.Join(codexDir, "codex"), "FAKE_LOG="+r.log, "FAKE_REVOKED="+filepath.Join(dir, "revoked"))
	return r
}

// pointTo makes this the address of the machine's gateway.
func (r *rig) pointTo(base string) {
	r.t.Helper()
	if err := writePlantedConfig(filepath.Join(r.dir, "host.json"), base); err != nil {
		r.t.Fatal(err)
	}
}

// put writes an auth.json.
func (r *rig) put(path string, data []byte) {
	r.t.Helper()
	if err := files.Write(path, data); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(path string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// command prepares one run of cdx, or of program if it is named, with more environment.
func (r *rig) command(program string, args []string, env ...string) *exec.Cmd {
	r.t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a hanging cdx must fail, not hang the tests
	r.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(append([]string{}, r.env...), env...)
	cmd.Dir = r.dir
	return cmd
}

// run runs cdx to its end and returns what it printed and its exit status.
func (r *rig) run(args []string, env ...string) (stdout, stderr string, status int) {
	r.t.Helper()
	return r.finish(r.command("cdx", args, env...))
}

func (r *rig) finish(cmd *exec.Cmd) (stdout, stderr string, status int) {
	r.t.Helper()
	var out, errout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errout
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		r.t.Fatal(err)
	}
	if found := leaks(out.String() + errout.String()); found != nil {
		r.t.Errorf("the output shows %q", found)
	}
	return out.String(), errout.String(), cmd.ProcessState.ExitCode()
}

// starts returns what the fake codex logged.
func (r *rig) starts() []fakeStart {
	r.t.Helper()
	starts, err := readFakeLog(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	return starts
}

// always answers every request alike.
func always(answer fakeAnswer) http.HandlerFunc {
	return answer.write
}

// await polls a condition that another process brings about.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
