package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Deadlines. The machine is slow and busy; nothing here ever takes as long.
const (
	startDeadline = 90 * time.Second
	verbDeadline  = 60 * time.Second
	callDeadline  = 20 * time.Second
	stopDeadline  = 40 * time.Second
)

// identity is a user of the machine. The zero value is whoever runs the tests.
type identity struct {
	name     string
	uid, gid int
}

// identities are the users as whom this machine can run a gateway: root may become another one.
func identities() []identity {
	if os.Geteuid() != 0 {
		return []identity{{name: "ordinary"}}
	}
	return []identity{{name: "root"}, unprivileged()}
}

// unprivileged is a user who owns nothing: not root, in any case.
func unprivileged() identity {
	if os.Geteuid() != 0 {
		return identity{name: "ordinary"}
	}
	return identity{name: "nobody", uid: 65534, gid: 65534}
}

func (u identity) attributes() *syscall.SysProcAttr {
	if u.uid == 0 {
		return &syscall.SysProcAttr{Setpgid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}}
}

// own gives a directory to the user.
func (u identity) own(t *testing.T, path string) {
	t.Helper()
	if u.uid == 0 {
		return
	}
	if err := os.Chown(path, u.uid, u.gid); err != nil {
		t.Fatal(err)
	}
}

// options say how a gateway differs from the shipped one on its defaults.
type options struct {
	user      identity
	fresh     bool                        // no data directory; default: that of a gateway that ran before
	database  string                      // connection string; default: the embedded PostgreSQL
	caddyfile func(shipped string) string // default: as shipped
	env       []string                    // beside what harness sets
}

// gateway is one installation: a directory with a Caddyfile and, most of the time, a process.
type gateway struct {
	t       *testing.T
	dir     string // current directory of the process
	data    string
	config  string
	log     string // both its streams
	env     []string
	user    identity
	options options

	URL, AdminURL, LocalURL, MetricsURL string

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
}

// install makes a gateway that does not run.
func install(t *testing.T, o options) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: tempDir(t, o.user), user: o.user, options: o}
	g.data, g.config, g.log = filepath.Join(g.dir, "data"), filepath.Join(g.dir, "Caddyfile"), filepath.Join(g.dir, "log")
	g.URL = "http://localhost:" + freePort(t)
	g.AdminURL = "https://localhost:" + freePort(t)
	g.LocalURL = "https://localhost:" + freePort(t)
	g.MetricsURL = "http://localhost:" + freePort(t)
	g.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "CDXGATE_DATA_DIR=" + g.data, "CDXGATE_CHATGPT_URL=off", // no test asks the real one
		"CDXGATE_SITE=" + g.URL, "CDXGATE_ADMIN_SITE=" + g.AdminURL, "CDXGATE_LOCAL_SITE=" + g.LocalURL, "CDXGATE_METRICS_SITE=" + g.MetricsURL,
	}, o.env...)
	shipped, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	text := configured(t, string(shipped), "github_api off") // tests ask nobody outside
	if o.database != "" {
		text = replaceOnce(t, text, "# database {env.DATABASE_URL}", "database {env.DATABASE_URL} #")
		g.env = append(g.env, "DATABASE_URL="+o.database)
	}
	if o.caddyfile != nil {
		text = o.caddyfile(text)
	}
	g.writeConfig(text)
	if !o.fresh && o.database == "" {
		g.cloneTemplate()
	}
	t.Cleanup(func() {
		g.stop()
		if t.Failed() {
			t.Logf("log of the gateway in %s:\n%s", g.dir, tail(chatter.ReplaceAllString(g.readLog(), ""), 15))
		}
	})
	return g
}

// chatter is what Caddy always says.
var chatter = regexp.MustCompile(`(?m)^\{"level":"(info|warn)",("ts":[^,]+,"msg"|"ts":[^,]+,"logger":"(tls|http|http\.auto_https|http\.log|admin|pki)[.a-z]*").*\n`)

// start makes a gateway that is ready.
func start(t *testing.T, o options) *gateway {
	t.Helper()
	g := install(t, o)
	g.run()
	g.waitReady()
	return g
}

func (g *gateway) writeConfig(text string) {
	g.t.Helper()
	if err := os.WriteFile(g.config, []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) readConfig() string {
	g.t.Helper()
	text, err := os.ReadFile(g.config)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// configured puts a line into the block of our global option.
func configured(t *testing.T, text, line string) string {
	t.Helper()
	return replaceOnce(t, text, "\tcdxgate {\n", "\tcdxgate {\n\t\t"+line+"\n")
}

// unlimited is the shipped configuration for a test that calls more often than hosts may.
func unlimited(t *testing.T) func(shipped string) string {
	return func(shipped string) string {
		for _, bucket := range []string{"host", "global", "auth-fail"} {
			shipped = configured(t, shipped, "limit "+bucket+" off")
		}
		return shipped
	}
}

func replaceOnce(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("the Caddyfile has %q %d times, want once:\n%s", old, strings.Count(text, old), text)
	}
	return strings.Replace(text, old, replacement, 1)
}

// cloneTemplate gives the gateway the data directory of one that ran before, which saves making a cluster.
func (g *gateway) cloneTemplate() {
	g.t.Helper()
	template := filepath.Join(rig.dir, "template")
	rig.template.Do(func() {
		first := install(g.t, options{fresh: true})
		first.run()
		first.waitReady()
		first.stop()
		out, err := exec.Command("cp", "-a", first.data, template).CombinedOutput()
		if err != nil {
			rig.template.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if rig.template.err != nil {
		g.t.Fatalf("making the template: %v", rig.template.err)
	}
	if out, err := exec.Command("cp", "-a", template, g.data).CombinedOutput(); err != nil {
		g.t.Fatalf("copying the template: %v: %s", err, out)
	}
	if g.user.uid != 0 {
		owner := fmt.Sprintf("%d:%d", g.user.uid, g.user.gid)
		if out, err := exec.Command("chown", "-R", owner, g.data).CombinedOutput(); err != nil {
			g.t.Fatalf("chown: %v: %s", err, out)
		}
	}
}

// run starts the process.
func (g *gateway) run(arguments ...string) {
	g.t.Helper()
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	g.cmd = exec.Command(rig.cdxgate, append([]string{"run", "--config", g.config}, arguments...)...)
	g.cmd.Dir, g.cmd.Env, g.cmd.SysProcAttr = g.dir, g.env, g.user.attributes()
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // ProcessState says it all
	}(g.cmd, g.exited)
}

// waitReady returns when the gateway serves.
func (g *gateway) waitReady() {
	g.t.Helper()
	g.eventually(startDeadline, "the gateway is ready", func() bool {
		g.mustRun()
		answer, err := g.try("GET", g.URL+"/readyz", nil, "")
		return err == nil && answer.status == 200
	})
}

func (g *gateway) mustRun() {
	g.t.Helper()
	select {
	case <-g.exited:
		g.t.Fatalf("the gateway has ended: %s", g.cmd.ProcessState)
	default:
	}
}

// waitExit returns the exit code of a gateway that is expected to end by itself.
func (g *gateway) waitExit(deadline time.Duration) int {
	g.t.Helper()
	select {
	case <-g.exited:
	case <-time.After(deadline):
		g.t.Fatalf("the gateway still runs after %s", deadline)
	}
	return g.cmd.ProcessState.ExitCode()
}

// stop ends the process as an operator does, and its PostgreSQL with it. It may be called more than once.
func (g *gateway) stop() { g.end(syscall.SIGTERM) }

// kill ends the process as a power cut does.
func (g *gateway) kill() { g.end(syscall.SIGKILL) }

func (g *gateway) end(signal syscall.Signal) {
	g.t.Helper()
	if g.cmd == nil {
		return
	}
	postgres := 0
	select {
	case <-g.exited: // whatever PostgreSQL runs in its directory now is somebody else's
	default:
		postgres = g.postgresPID()
	}
	_ = g.cmd.Process.Signal(signal)
	select {
	case <-g.exited:
	case <-time.After(stopDeadline):
		g.t.Errorf("the gateway does not end on %s", signal)
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
	g.cmd = nil
	if postgres != 0 {
		g.eventually(stopDeadline, "PostgreSQL has ended with its gateway", func() bool { return !alive(postgres) })
	}
}

// postgresPID is the process of the embedded PostgreSQL; 0 when there is none.
func (g *gateway) postgresPID() int {
	text, err := os.ReadFile(filepath.Join(g.data, "pg/data/postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

func alive(pid int) bool {
	// A zombie has ended; who its parent is is not our concern.
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}

// databaseURL connects to the gateway's database.
func (g *gateway) databaseURL() string {
	g.t.Helper()
	if g.options.database != "" {
		return g.options.database
	}
	password, err := os.ReadFile(filepath.Join(g.data, "pg/pw"))
	if err != nil {
		g.t.Fatal(err)
	}
	return fmt.Sprintf("postgres://cdxgate:%s@/cdxgate?host=%s&sslmode=disable",
		strings.TrimSpace(string(password)), filepath.Join(g.data, "pg/run"))
}

func (g *gateway) sql(statement string, arguments ...any) []string {
	g.t.Helper()
	return sql(g.t, g.databaseURL(), statement, arguments...)
}

func (g *gateway) readLog() string {
	text, err := os.ReadFile(g.log)
	if err != nil {
		return ""
	}
	return string(text)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually polls a condition.
func (g *gateway) eventually(deadline time.Duration, what string, holds func() bool) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			g.t.Fatalf("after %s it is still not so that %s", deadline, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// result is what a command said.
type result struct {
	out, err string
	code     int
}

// cdxgate runs another command of the program, with the gateway's configuration in its place.
func (g *gateway) cdxgate(arguments ...string) result { return g.cdxgateWith("", arguments...) }

func (g *gateway) cdxgateWith(input string, arguments ...string) result {
	g.t.Helper()
	return command{dir: g.dir, env: g.env, user: g.user, input: input}.run(g.t, rig.cdxgate, arguments...)
}

// must is cdxgate for what has to succeed.
func (g *gateway) must(arguments ...string) result {
	g.t.Helper()
	r := g.cdxgate(arguments...)
	if r.code != 0 {
		g.t.Fatalf("cdxgate %s: exit %d\n%s%s", strings.Join(arguments, " "), r.code, r.out, r.err)
	}
	return r
}

type command struct {
	dir   string
	env   []string
	user  identity
	input string
}

func (c command) run(t *testing.T, program string, arguments ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), verbDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, arguments...)
	var out, err bytes.Buffer
	cmd.Dir, cmd.Env, cmd.SysProcAttr = c.dir, c.env, c.user.attributes()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.input), &out, &err
	cmd.WaitDelay = 5 * time.Second
	failure := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](failure); failure != nil && (!exited || ctx.Err() != nil) {
		t.Fatalf("%s %s: %v (%v)\n%s%s", program, strings.Join(arguments, " "), failure, ctx.Err(), out.String(), err.String())
	}
	return result{out: out.String(), err: err.String(), code: cmd.ProcessState.ExitCode()}
}

// tempDir makes a directory that belongs to the user, through which others may pass, and whose path is short: a socket's
// may have 107 bytes.
func tempDir(t *testing.T, user identity) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "cx-") //nolint:usetesting // its paths are too long for sockets, and root's alone
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	user.own(t, dir)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Ports come from below those that the kernel gives to outgoing connections, and no two tests of a run try the same.
var nextPort atomic.Int32

func freePort(t *testing.T) string {
	t.Helper()
	const first, count = 20000, 12000
	nextPort.CompareAndSwap(0, rand.Int32N(count)+1)
	for range 500 {
		port := strconv.Itoa(first + int(nextPort.Add(1))%count)
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		_ = listener.Close()
		return port
	}
	t.Fatal("no free port")
	return ""
}
