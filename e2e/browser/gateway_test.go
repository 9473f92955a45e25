package browser

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Deadlines. The machine is slow and busy; nothing here ever takes as long.
const (
	startDeadline = 120 * time.Second
	verbDeadline  = 60 * time.Second
	stopDeadline  = 40 * time.Second
)

// gateway is an installation on its defaults, which runs.
type gateway struct {
	dir, data         string
	env               []string
	URL, Admin, Local string // what hosts, browsers with a certificate, and browsers with a session reach it by
	cmd               *exec.Cmd
	exited            chan struct{}
	log               *os.File
}

// startGateway starts a gateway with an empty database in a directory of its own. It ends with the tests.
func startGateway(name string) (*gateway, error) {
	g := &gateway{dir: filepath.Join(rig.dir, name), exited: make(chan struct{})}
	g.data = filepath.Join(g.dir, "data")
	if err := os.MkdirAll(g.dir, 0o711); err != nil {
		return nil, err
	}
	var metrics string
	for address, scheme := range map[*string]string{&g.URL: "http", &g.Admin: "https", &g.Local: "https", &metrics: "http"} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		*address = scheme + "://localhost:" + port
	}
	shipped, err := os.ReadFile("../../Caddyfile")
	if err != nil {
		return nil, err
	}
	// No test asks anybody outside.
	config := strings.Replace(string(shipped), "\tcdxgate {\n", "\tcdxgate {\n\t\tgithub_api off\n", 1)
	if err := os.WriteFile(filepath.Join(g.dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	g.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "CDXGATE_DATA_DIR=" + g.data, "CDXGATE_SITE=" + g.URL, "CDXGATE_ADMIN_SITE=" + g.Admin,
		"CDXGATE_LOCAL_SITE=" + g.Local, "CDXGATE_METRICS_SITE=" + metrics,
		"CDXGATE_CHATGPT_URL=off",
	}
	if g.log, err = os.Create(filepath.Join(g.dir, "log")); err != nil {
		return nil, err
	}
	g.cmd = exec.Command(rig.cdxgate, "run", "--config", "Caddyfile")
	g.cmd.Dir, g.cmd.Env, g.cmd.Stdout, g.cmd.Stderr = g.dir, g.env, g.log, g.log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = g.cmd.Wait()
		close(g.exited)
	}()
	atEnd = append(atEnd, g.stop)
	return g, g.waitReady()
}

// impatient asks whether somebody is there already.
var impatient = &http.Client{Timeout: 5 * time.Second}

func (g *gateway) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	for {
		answer, err := impatient.Get(g.URL + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway is not ready after %s:\n%s", startDeadline, g.readLog())
		case <-g.exited:
			return fmt.Errorf("the gateway has ended, %v:\n%s", g.cmd.ProcessState, g.readLog())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(stopDeadline):
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
	_ = g.log.Close()
}

func (g *gateway) readLog() string {
	text, _ := os.ReadFile(g.log.Name())
	return string(text[max(0, len(text)-4000):])
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// verb runs another command of the program, which has to succeed, and returns what it printed.
func (g *gateway) verb(input string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), verbDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, rig.cdxgate, arguments...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = g.dir, g.env, strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cdxgate %s: %w\n%s%s", strings.Join(arguments, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

func (g *gateway) must(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := g.verb("", arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var linkPattern = regexp.MustCompile(`https://\S+/dashboard/login/\S+`)

// link makes a login link.
func (g *gateway) link(t *testing.T, role string) string {
	t.Helper()
	link := linkPattern.FindString(g.must(t, "admin", "link", "--role", role))
	if link == "" {
		t.Fatal("the console printed no link")
	}
	return link
}

// exec changes the database beside the gateway.
func (g *gateway) exec(statement string, arguments ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), verbDeadline)
	defer cancel()
	password, err := os.ReadFile(filepath.Join(g.data, "pg/pw"))
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://cdxgate:%s@/cdxgate?host=%s&sslmode=disable", strings.TrimSpace(string(password)), filepath.Join(g.data, "pg/run")))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if len(arguments) == 0 {
		_, err = conn.PgConn().Exec(ctx, statement).ReadAll() // several statements
	} else {
		_, err = conn.Exec(ctx, statement, arguments...)
	}
	return err
}
