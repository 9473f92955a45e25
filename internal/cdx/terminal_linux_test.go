//go:build linux

package cdx

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

var update = flag.Bool("update", false, "write testdata/screen/*.golden instead of comparing")

// onTerminals is one subject of the golden files.
type onTerminals struct {
	gateway http.Handler
	args    []string // exec x unless set
	env     []string // $DIR stands for the machine's directory
	exit    int
	down    bool // the gateway is not there any more
}

// TestTerminal compares what a terminal of 40, 80 and 200 columns shows of a whole run with testdata/screen, one file for
// each subject. The gateway's address and the time it took are masked, since they differ in every run.
func TestTerminal(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[2J\x1b]0;x\a\u202eevil\r\n"
	renewed := loginSpec{Account: "acct-fleet", IssuedAt: stopped, Lifetime: time.Until(stopped.Add(240 * time.Hour)), Generation: "2",
		LastRefresh: "2026-11-23T15:19:31Z"}.encode()
	newLogin := filepath.Join(t.TempDir(), "new.json")
	if err := os.WriteFile(newLogin, renewed, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]onTerminals{
		"good":    {gateway: usual()},
		"failed":  {gateway: usual(), env: []string{"FAKE_RC=3"}, exit: 3},
		"near":    {gateway: usual().with(api.BlockQuota, quotaSaid("ok", 38, "88"))},
		"stale":   {gateway: usual().with(api.BlockQuota, told(quotaSaid("ok", 96, 97)).with("fetched_at", stopped.Add(-34*time.Minute)))},
		"nothing": {gateway: told{}},
		"unknown": {gateway: usual().with(api.BlockQuota, quotaSaid("ok", nil, []int{1}))},
		"over":    {gateway: usual().with(api.BlockQuota, quotaSaid("ok", 38, 96)), exit: 76},
		"warned":  {gateway: usual().with(api.BlockQuota, quotaSaid("ok", 38, 96)).with(api.BlockPolicy, map[string]any{"quota_limit_percent": 95})},
		"offline": {gateway: usual(), down: true},
		"renewed": {gateway: usual(), env: []string{"FAKE_NEW_AUTH=" + newLogin}},
		"lost":    {gateway: refusesStore{usual()}, env: []string{"FAKE_NEW_AUTH=" + newLogin}},
		"denied":  {gateway: always(refused(http.StatusServiceUnavailable, "api_disabled", "rotating the login, back by 15:00")), exit: 77},
		"address": {gateway: always(refused(http.StatusForbidden, "ip_mismatch", "API key not allowed from this IP")), exit: 77},
		"silent":  {gateway: usual().with(api.BlockPolicy, map[string]any{"cdx_silent": true})},
		"nested":  {gateway: always(fakeAnswer{status: http.StatusTeapot}), env: []string{"CDX_ACTIVE=$DIR/codex"}},
		"quiet":   {gateway: usual().with(api.BlockQuota, quotaSaid("ok", 38, "88")), args: []string{"--silent", "exec", "x"}},
		"usage":   {gateway: usual(), args: []string{"status", "-o", "yaml"}, exit: 2},
		"ownkey":  {gateway: usual().with(api.BlockQuota, quotaSaid("ok", 38, 96)), env: []string{"CODEX_API_KEY=mine"}},
		"clock":   {gateway: usual(), env: []string{"TEST_CLOCK=" + stopped.Add(-11*time.Minute).Format(time.RFC3339)}},
		"daily": {gateway: usual().with(api.BlockQuota, told(quotaSaid("ok", 1, 20)).with("daily_used_percent", 13)).
			with(api.BlockPolicy, map[string]any{"quota_hard_fail": true, "quota_limit_percent": 95, "quota_week_partition": 7})},
		"nocolour": {gateway: usual(), env: []string{"NO_COLOR=1"}},
		"dumb":     {gateway: usual(), env: []string{"TERM=dumb"}},
		"ascii":    {gateway: usual(), env: []string{"LC_ALL=C"}},
		"insecure": {gateway: usual().with(api.BlockHost, map[string]any{"fqdn": "build7.example", "insecure_enabled_until": stopped.Add(462 * time.Second)})},
		"hostile": {gateway: usual().with(api.BlockHost, map[string]any{"fqdn": hostile, "model_override": hostile, "secure": true}).
			with(api.BlockQuota, told(quotaSaid("ok", 38, 52)).with("plan_type", hostile))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			for _, columns := range []int{40, 80, 200} {
				fmt.Fprintf(&got, "-- %d --\n%s", columns, c.shown(t, columns))
			}
			golden := filepath.Join("testdata", "screen", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", &got, want)
			}
		})
	}
}

// refusesStore has no place for a new login.
type refusesStore struct{ told }

// ServeHTTP implements http.Handler.
func (g refusesStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == api.PathAuth {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	g.told.ServeHTTP(w, r)
}

// masked is what differs from run to run.
var masked = regexp.MustCompile(` *127\.0\.0\.1:\d+(, \d+ ms)?`)

// shown runs cdx on a terminal of so many columns and returns what is to be seen on it.
func (c onTerminals) shown(t *testing.T, columns int) string {
	t.Helper()
	first, ok := c.gateway.(told)
	if !ok {
		first = usual()
	}
	r := newRig(t, first)
	r.env = append(r.env, "TEST_CLOCK="+stopped.Format(time.RFC3339), "FAKE_VERSION=0.169.0", "TZ=UTC", "LC_ALL=C.UTF-8", "NO_COLOR=", "CLICOLOR_FORCE=")
	login := loginSpec{Account: "acct-fleet", Lifetime: time.Until(time.Date(2026, 12, 1, 8, 14, 30, 0, time.UTC)), Generation: "1",
		LastRefresh: "2026-11-23T14:19:31Z"}.encode()
	r.put(r.auth, login)
	if _, stderr, status := r.run([]string{"sync"}); status != 0 { // cdx sees this Codex, and the gateway for the first time
		t.Fatal(stderr)
	}
	r.put(r.auth, login) // an insecure host has not kept it
	if c.down {
		r.pointTo("http://127.0.0.1:1")
	} else {
		server := newServer(t, c.gateway)
		r.pointTo(server)
	}
	args := c.args
	if args == nil {
		args = []string{"exec", "x"}
	}
	var env []string
	for _, variable := range c.env {
		env = append(env, strings.ReplaceAll(variable, "$DIR", r.dir))
	}
	text, exit := r.onTerminal(columns, args, env...)
	if exit != c.exit {
		t.Errorf("%d columns: got exit status %d, want %d", columns, exit, c.exit)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if cells := screen.Cells(line); columns >= 80 && strings.HasSuffix(line, " ms") && cells != min(columns, 96) {
			t.Errorf("%d columns: the remark ends in column %d: %s", columns, cells, line)
		}
	}
	if found := leaks(text); found != nil {
		t.Errorf("the terminal shows %q", found)
	}
	return masked.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasSuffix(match, " ms") {
			return " … GATEWAY, N ms"
		}
		return strings.Repeat(" ", len(match)-len(strings.TrimLeft(match, " "))) + "GATEWAY"
	})
}

// onTerminal runs cdx on a terminal and returns what is on it in the end, and the exit status.
func (r *rig) onTerminal(columns int, args []string, env ...string) (text string, exit int) {
	r.t.Helper()
	cdx, err := exec.LookPath("cdx")
	if err != nil {
		r.t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "tmux") // the name of a socket may not be long
	if err != nil {
		r.t.Fatal(err)
	}
	tmux := func(ctx context.Context, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "tmux", append([]string{"-u", "-S", filepath.Join(dir, "s"), "-f", os.DevNull}, args...)...)
		cmd.Env = r.env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r.t.Cleanup(func() {
		cancel()
		_, _ = tmux(context.Background(), "kill-server")
		_ = os.RemoveAll(dir)
	})
	done := filepath.Join(dir, "done")
	script := `"$@"; echo $? >"$0.new"; mv "$0.new" "$0"; exec tail -f /dev/null`
	command := append([]string{"new-session", "-d", "-x", fmt.Sprint(columns), "-y", "40", "sh", "-c", script, done, "env"}, env...)
	if out, err := tmux(ctx, append(append(command, cdx), args...)...); err != nil {
		r.t.Fatal(err, out)
	}
	await(r.t, "the end of cdx", func() bool { return exists(done) })
	if _, err := fmt.Sscan(string(r.read(done)), &exit); err != nil {
		r.t.Fatal(err)
	}
	text, err = tmux(ctx, "capture-pane", "-p")
	if err != nil {
		r.t.Fatal(err, text)
	}
	if text = strings.TrimRight(text, "\n"); text != "" {
		text += "\n"
	}
	return text, exit
}

// TestColourOnTerminal shows that there is colour where it is wanted, and no escape where it is not.
func TestColourOnTerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   []string
		env    string
		colour bool
	}{
		{nil, "X=", true},
		{nil, "NO_COLOR=1", false},
		{nil, "TERM=dumb", false},
		{[]string{"--color=never"}, "X=", false},
		{[]string{"--color", "always"}, "NO_COLOR=1", true},
	} {
		r := newRig(t, usual())
		r.env = append(r.env, "TEST_CLOCK="+stopped.Format(time.RFC3339), "LC_ALL=C.UTF-8", "NO_COLOR=", "CLICOLOR_FORCE=", "TERM=xterm")
		log := filepath.Join(r.dir, "typescript")
		// script(1) writes down every byte that a terminal gets.
		cdx, err := exec.LookPath("cdx")
		if err != nil {
			t.Fatal(err)
		}
		cmd := r.command("script", []string{"-qec", cdx + " " + strings.Join(c.args, " "), log}, c.env)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		if text := r.read(log); !bytes.Contains(text, []byte("\x1b[32m✓")) == c.colour || !c.colour && bytes.Contains(text, []byte("\x1b[3")) {
			t.Errorf("%q %s: got %q", c.args, c.env, text)
		}
	}
}

// TestAskingOnTerminal shows that a slow gateway is named while it is asked, and that the line goes away.
func TestAskingOnTerminal(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		close(asked)
		<-answer
		usual().ServeHTTP(w, q)
	}))
	r.env = append(r.env, "LC_ALL=C.UTF-8", "TERM=xterm")
	cdx, err := exec.LookPath("cdx")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(r.dir, "typescript")
	cmd := r.command("script", []string{"-qefc", cdx, log})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	await(t, "the line", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && bytes.Contains(text, []byte("… asking 127.0.0.1:"))
	})
	close(answer)
	if err := cmd.Wait(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			t.Fatal(err)
		}
	}
	if text := string(r.read(log)); !regexp.MustCompile(`asking 127[^\r]*\r +\r.*✓.*cdx`).MatchString(text) {
		t.Errorf("the line stays: %q", text)
	}
}
