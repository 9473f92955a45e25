package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The first start needs nothing: no data directory, no HOME, no XDG directories, no rights.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	for _, user := range identities() {
		t.Run(user.name, func(t *testing.T) {
			t.Parallel()
			g := install(t, options{fresh: true, user: user})
			elsewhere := tempDir(t, user)
			g.dir = elsewhere
			g.run()
			g.waitReady()
			if got := files(t, elsewhere); len(got) != 0 {
				t.Errorf("the current directory holds %v, want nothing", got)
			}
			for path, want := range map[string]os.FileMode{"": 0o711, "run": 0o700, "keyring": 0o600, "pg": 0o711} {
				info, err := os.Stat(filepath.Join(g.data, path))
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Mode().Perm(); got != want {
					t.Errorf("data/%s has mode %o, want %o", path, got, want)
				}
			}
			g.stop()
			if !strings.Contains(g.readLog(), `"exit_code":0`) {
				t.Errorf("it did not stop in order")
			}

			// The second start finds everything, and a HOME makes no difference.
			home := tempDir(t, user)
			g.env = append(g.env, "HOME="+home)
			g.run()
			g.waitReady()
			g.stop()
			for _, dir := range []string{elsewhere, home} {
				if got := files(t, dir); len(got) != 0 {
					t.Errorf("%s holds %v, want nothing", dir, got)
				}
			}
		})
	}
}

// blackHole accepts connections and never says a word.
func blackHole(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			held = append(held, conn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range held {
			_ = conn.Close()
		}
	})
	return listener.Addr().String()
}

// While a start takes its time, the gateway says so, once a second, and whoever asks is told to come back.
func TestReadyGate(t *testing.T) {
	t.Parallel()
	g := install(t, options{fresh: true, database: "postgres://u:planted-password@" + blackHole(t) + "/db"})
	progress := regexp.MustCompile(`(?m)^cdxgate: .+ \((\d+) s\)$`)

	// Apps start in random order: in half of the starts the listener is there before us. Take one of those.
	for attempt := 0; ; attempt++ {
		if attempt == 30 {
			t.Fatal("in 30 starts the listener never came first")
		}
		g.run()
		early := false
		g.eventually(startDeadline, "the start has got somewhere", func() bool {
			g.mustRun()
			_, err := g.try("GET", g.URL+"/livez", nil, "")
			early = err == nil
			return early || progress.MatchString(g.readLog())
		})
		if early {
			break
		}
		g.kill()
		if err := os.Truncate(g.log, 0); err != nil {
			t.Fatal(err)
		}
	}

	if got := g.call("GET", "/livez", nil, ""); got.status != 200 || got.envelope(t).Status != "ok" {
		t.Errorf("GET /livez: got %s, want 200", got)
	}
	for _, path := range []string{"/readyz", "/versions", "/auth", "/install/" + exampleToken, "/install/bin/" + rig.client} {
		got := g.call("GET", path, nil, "")
		if e := got.envelope(t); got.status != 503 || got.header.Get("Retry-After") != "1" || e.Code != "starting" || e.Status != "error" {
			t.Errorf("GET %s: got %s, want 503, Retry-After: 1 and the code starting", path, got)
		}
	}
	g.eventually(startDeadline, "three seconds of progress are on stderr", func() bool {
		g.mustRun()
		return len(progress.FindAllString(g.readLog(), -1)) >= 3
	})
	var seconds []string
	for _, line := range progress.FindAllStringSubmatch(g.readLog(), -1) {
		seconds = append(seconds, line[1])
	}
	if want := []string{"1", "2", "3"}; !slices.Equal(seconds[:3], want) {
		t.Errorf("progress comes after %v seconds, want %v", seconds, want)
	}
	if strings.Contains(g.readLog(), "planted-password") {
		t.Error("the log shows the password")
	}
	// Whoever has enough of waiting may stop it.
	begun := time.Now()
	g.stop()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("stopping it took %s", took)
	}
}

// exampleToken looks like an install token and is none.
const exampleToken = "00000000-0000-4000-8000-000000000000"

// Each of these ends soon, with one line that says what to do.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	shortly := func(t *testing.T, text string) string { return configured(t, text, "start_timeout 3s") }
	for _, test := range []struct {
		name  string
		setUp func(t *testing.T) *gateway
		want  []string // in the line
		never string
	}{
		{
			name: "port in use",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{fresh: true})
				occupy(t, g.URL)
				return g
			},
			want: []string{"is in use by another program", "CDXGATE_SITE"},
		},
		{
			name: "admin port in use",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{fresh: true})
				occupy(t, g.AdminURL)
				return g
			},
			want: []string{"is in use by another program", "CDXGATE_ADMIN_SITE"},
		},
		{
			name: "second gateway",
			setUp: func(t *testing.T) *gateway {
				g := start(t, options{})
				return g.sibling()
			},
			want: []string{"a gateway is running already", "admin.sock", "cdxgate reload"},
		},
		{
			name: "second gateway with another admin endpoint",
			setUp: func(t *testing.T) *gateway {
				second := start(t, options{}).sibling()
				text := replaceOnce(t, second.readConfig(), "admin unix/{$CDXGATE_DATA_DIR:./data}/run/admin.sock", "admin off")
				second.writeConfig(shortly(t, text))
				return second
			},
			want: []string{"waiting for the embedded database", "start_timeout (3s)"},
		},
		{
			name: "unreadable keyring",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{user: unprivileged()})
				if err := os.Chmod(filepath.Join(g.data, "keyring"), 0); err != nil {
					t.Fatal(err)
				}
				return g
			},
			want: []string{"reading the keyring", "permission denied", "readable by the user that runs cdxgate"},
		},
		{
			name: "keyring for everybody",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{})
				if err := os.Chmod(filepath.Join(g.data, "keyring"), 0o644); err != nil {
					t.Fatal(err)
				}
				return g
			},
			want: []string{"readable by everybody", "chmod 0600"},
		},
		{
			name: "damaged keyring",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{})
				if err := os.WriteFile(filepath.Join(g.data, "keyring"), []byte("key 01234567 AAAA\nactive 01234567\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return g
			},
			want: []string{"damaged", "line 1", "put back a copy"},
		},
		{
			name: "lost keyring",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{})
				if err := os.Remove(filepath.Join(g.data, "keyring")); err != nil {
					t.Fatal(err)
				}
				return g
			},
			want: []string{"this database was sealed with key", "there is no keyring at", "copy that keyring there"},
		},
		{
			name: "another keyring",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{})
				other := "key 01234567 MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\nactive 01234567\n"
				if err := os.WriteFile(filepath.Join(g.data, "keyring"), []byte(other), 0o600); err != nil {
					t.Fatal(err)
				}
				return g
			},
			want: []string{"this database was sealed with key", "does not hold", "copy that keyring there"},
		},
		{
			name: "unreachable database",
			setUp: func(t *testing.T) *gateway {
				return install(t, options{
					fresh: true, database: "postgres://u:planted-password@127.0.0.1:" + freePort(t) + "/db",
					caddyfile: func(text string) string { return shortly(t, text) },
				})
			},
			want:  []string{"connection refused", "start PostgreSQL, or check the option “database”"},
			never: "planted-password",
		},
		{
			name: "silent database",
			setUp: func(t *testing.T) *gateway {
				return install(t, options{
					fresh: true, database: "postgres://u:planted-password@" + blackHole(t) + "/db",
					caddyfile: func(text string) string { return shortly(t, text) },
				})
			},
			want:  []string{"start PostgreSQL, or check the option “database”"},
			never: "planted-password",
		},
		{
			name: "wrong password",
			setUp: func(t *testing.T) *gateway {
				url := regexp.MustCompile(`:[^:@/]+@`).ReplaceAllString(externalURL(t), ":planted-password@")
				return install(t, options{fresh: true, database: url})
			},
			want:  []string{"password authentication failed", "check the option “database”"},
			never: "planted-password",
		},
		{
			name: "no connection string",
			setUp: func(t *testing.T) *gateway {
				return install(t, options{fresh: true, database: "postgres://u:planted-password@h:port/db"})
			},
			want:  []string{"reading the database URL", "check the option “database”"},
			never: "planted-password",
		},
		{
			name: "database variable that is not set",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{fresh: true, database: "x"})
				g.env = slices.DeleteFunc(g.env, func(entry string) bool { return strings.HasPrefix(entry, "DATABASE_URL=") })
				return g
			},
			want: []string{"option “database”", "DATABASE_URL", "remove the option to use the embedded PostgreSQL"},
		},
		{
			name: "cluster of another version",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{})
				if err := os.WriteFile(filepath.Join(g.data, "pg/data/PG_VERSION"), []byte("11\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return g
			},
			want: []string{"another version of PostgreSQL", "11"},
		},
		{
			name: "no PostgreSQL on this machine",
			setUp: func(t *testing.T) *gateway {
				nothing := tempDir(t, identity{})
				return install(t, options{fresh: true, caddyfile: func(text string) string {
					return configured(t, text, "postgres_binaries "+nothing)
				}})
			},
			want: []string{"PostgreSQL was not found", "apt-get install postgresql", "database"},
		},
		{
			name: "socket path too long",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{fresh: true})
				g.data = filepath.Join(g.dir, strings.Repeat("d", 100))
				g.env = append(g.env, "CDXGATE_DATA_DIR="+g.data)
				return g
			},
			want: []string{"the path of the admin socket is", "shorten CDXGATE_DATA_DIR"},
		},
		{
			name: "data directory that may not be made",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{fresh: true, user: unprivileged()})
				g.env = append(g.env, "CDXGATE_DATA_DIR=/proc/data")
				return g
			},
			want: []string{"making the data directory", "CDXGATE_DATA_DIR"},
		},
		{
			name: "environment file",
			setUp: func(t *testing.T) *gateway {
				g := install(t, options{fresh: true})
				g.config = filepath.Join(g.dir, "Caddyfile")
				return g
			},
			want: []string{"--envfile is not supported", "EnvironmentFile="},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := test.setUp(t)
			begun := time.Now()
			if test.name == "environment file" {
				g.run("--envfile", "/dev/null")
			} else {
				g.run()
			}
			if code := g.waitExit(startDeadline); code == 0 {
				t.Errorf("exit code 0 after %s", time.Since(begun))
			}
			lines := strings.Split(strings.TrimRight(g.readLog(), "\n"), "\n")
			var said []string
			for _, line := range lines {
				if strings.Contains(line, test.want[0]) && !progressLine.MatchString(line) {
					said = append(said, line)
				}
			}
			if len(said) != 1 {
				t.Fatalf("%d lines say %q, want one:\n%s", len(said), test.want[0], tail(g.readLog(), 30))
			}
			for _, want := range test.want {
				if !strings.Contains(said[0], want) {
					t.Errorf("got the line\n%s\nwant it to say %q", said[0], want)
				}
			}
			if strings.Contains(said[0], `\n`) {
				t.Errorf("the message has several lines: %s", said[0])
			}
			if test.never != "" && strings.Contains(g.readLog(), test.never) {
				t.Errorf("the log shows %s", test.never)
			}
		})
	}
}

// Not a refusal yet: what a start is waiting for.
var progressLine = regexp.MustCompile(`^cdxgate: .* \(\d+ s\)$`)

// sibling is a second gateway with the same data directory and ports of its own, which does not run.
func (g *gateway) sibling() *gateway {
	g.t.Helper()
	second := install(g.t, options{fresh: true})
	second.data = g.data
	second.env = append(second.env, "CDXGATE_DATA_DIR="+g.data)
	return second
}

// occupy makes somebody else listen where a site would.
func occupy(t *testing.T, url string) {
	t.Helper()
	port := url[strings.LastIndex(url, ":")+1:]
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
}

// A wrong password is no reason to wait, unlike a database that is not up yet.
func TestStartWaitsForADatabaseThatComesLater(t *testing.T) {
	t.Parallel()
	url := externalURL(t)
	port := freePort(t)
	socket := regexp.MustCompile(`host=([^&]+)`).FindStringSubmatch(url)[1]
	overTCP := regexp.MustCompile(`@/(\w+)\?.*$`).ReplaceAllString(url, "@127.0.0.1:"+port+"/$1?sslmode=disable")
	g := install(t, options{fresh: true, database: overTCP})
	g.run()
	g.eventually(startDeadline, "the gateway says that it waits", func() bool {
		g.mustRun()
		return strings.Contains(g.readLog(), "cdxgate: waiting for the database: ")
	})
	forward(t, "127.0.0.1:"+port, filepath.Join(socket, ".s.PGSQL.5432"))
	g.waitReady()
}

// forward joins connections to a TCP address to a Unix socket.
func forward(t *testing.T, address, socket string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", socket)
			if err != nil {
				_ = near.Close()
				continue
			}
			for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
				go func() {
					_, _ = io.Copy(to, from)
					_ = to.Close()
				}()
			}
		}
	}()
}
