//go:build unix

package hostapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

// Every test runs the script with each of these. Debian's sh is dash; that of small systems is busybox's, whose name for
// itself is ash.
var shells = installedShells()

// installedShells leaves out a shell that has commands of its own and prefers them to those on PATH, as some builds of
// busybox do: to it the stubs are nothing, and a test that root runs would install into the machine itself.
func installedShells() (found []string) {
	dir, err := os.MkdirTemp("", "shells")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "id"), []byte("#!/bin/sh\necho the stub\n"), 0o700); err != nil {
		panic(err)
	}
	for _, name := range []string{"sh", "bash", "dash", "ash"} {
		cmd := exec.Command(program(name), "-c", "id")
		cmd.Args[0], cmd.Env = name, []string{"PATH=" + dir}
		if out, err := cmd.Output(); err == nil && string(out) == "the stub\n" {
			found = append(found, name)
		}
	}
	return found
}

// program is what a command is called on the machine that runs the tests.
func program(name string) string {
	if name == "ash" {
		return "busybox"
	}
	return name
}

const scriptToken = "3f6c0a9e-8d2b-4c1a-9e7f-5a4b3c2d1e0f"

// stubClient stands for cdx: it knows its version, and notes how it was asked to enrol.
const stubClient = `#!/bin/sh
case $1 in
version) echo cdx 1.4.0 ;;
enroll)
	{ echo "$# $*"; cat; env; umask; } >"$HOME/enrolled"
	echo "✓ enrolled"
	exit "${STUB_STATUS:-0}"
	;;
esac
`

// machine is a home, a PATH with nothing on it but what an installer may need, and a gateway.
type machine struct {
	t      *testing.T
	home   string
	bin    string // the whole PATH
	server *httptest.Server
	script []byte
	client []byte // what is served as cdx
	digest string // what is served as its digest; "": its own
	ran    string // names of forbidden commands that were run
}

// platform is this machine's, in the words of the script.
const platform = runtime.GOOS + "-" + runtime.GOARCH

// forbidden are commands that no installer of ours may run.
var forbidden = []string{"sudo", "su", "doas", "pkexec", "apt", "apt-get", "dnf", "yum", "apk", "zypper", "pacman", "brew", "npm", "pip"}

func newMachine(t *testing.T, client []byte, tools ...string) *machine {
	t.Helper()
	if !slices.Contains(shells, "sh") || !slices.Contains(shells, "bash") {
		t.Fatalf("of this machine's shells only %v run what is on PATH", shells)
	}
	dir := t.TempDir()
	m := &machine{t: t, home: filepath.Join(dir, "home with space"), bin: filepath.Join(dir, "bin"), client: client, ran: filepath.Join(dir, "ran")}
	for _, d := range []string{m.home, m.bin} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.tools(shells...)
	m.tools(append([]string{"uname", "mkdir", "rm", "mv", "chmod", "cat", "env"}, tools...)...)
	m.stub("id", "echo 1000")
	for _, name := range forbidden {
		m.stub(name, "echo "+name+" >>'"+m.ran+"'")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /install/{token}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(m.script) })
	mux.HandleFunc("GET /install/bin/cdx-"+platform, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(m.client) })
	mux.HandleFunc("GET /install/bin/cdx-"+platform+".sha256", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, cmp.Or(m.digest, digestOf(m.client)))
	})
	m.server = httptest.NewServer(mux)
	t.Cleanup(m.server.Close)
	m.script = installScript(m.params(client))
	t.Cleanup(func() {
		if text, err := os.ReadFile(m.ran); err == nil {
			t.Errorf("the script ran %s", text)
		}
	})
	return m
}

func (m *machine) params(client []byte) installScriptParams {
	return installScriptParams{
		BaseURL: m.server.URL, FQDN: "falcon.fra.example.net", Token: scriptToken, Version: "1.4.0",
		Clients: map[string]shellClient{
			platform:    {SHA256: digestOf(client), SizeBytes: int64(len(client))},
			"hurd-m68k": {SHA256: digestOf(nil), SizeBytes: 9_812_345},
		},
	}
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// substitutes do what commands would that not every machine for tests has, with those that each has.
var substitutes = map[string]string{
	"wget": `while [ $# -gt 1 ]; do
	case $1 in
	-O) out=$2; shift ;;
	--ca-certificate=*) ca=${1#*=} ;;
	--pinnedpubkey=*) pin=${1#*=} ;;
	--no-check-certificate) insecure=-k ;;
	esac
	shift
done
[ "$1" = --help ] && exec echo --ca-certificate --pinnedpubkey
exec curl -fsS $insecure ${ca:+--cacert "$ca"} ${pin:+--pinnedpubkey "$pin"} ${out:+-o "$out"} "$1"`,
	"shasum":  `[ "$*" = "-a 256" ] && exec sha256sum`,
	"openssl": `[ "$*" = "dgst -sha256" ] && sum=$(sha256sum) && echo "SHA2-256(stdin)= ${sum%% *}"`,
	"perl":    "exit 1", // shasum is written in it
}

// tools puts real commands on the machine's PATH.
func (m *machine) tools(names ...string) {
	m.t.Helper()
	for _, name := range names {
		path, err := exec.LookPath(program(name))
		if substitute := substitutes[name]; err != nil && substitute != "" {
			m.stub(name, "PATH='"+os.Getenv("PATH")+"'\n"+substitute)
			continue
		}
		if err != nil {
			m.t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(m.bin, name)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// stub puts a command of the test's own on the machine's PATH, in place of a real one.
func (m *machine) stub(name, script string) {
	m.t.Helper()
	path := filepath.Join(m.bin, name)
	if err := os.RemoveAll(path); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// run feeds the script to a shell's standard input, as the printed command does, and returns what it printed.
func (m *machine) run(shell string, env ...string) (stdout, stderr string, status int) {
	m.t.Helper()
	return m.runLine(shell, `exec "$0" <"$SCRIPT"`, env...)
}

func (m *machine) runLine(shell, line string, env ...string) (stdout, stderr string, status int) {
	m.t.Helper()
	file := filepath.Join(filepath.Dir(m.bin), "script")
	if err := os.WriteFile(file, m.script, 0o600); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(m.bin, shell), "-c", line, shell)
	cmd.Env = append([]string{"PATH=" + m.bin, "HOME=" + m.home, "SCRIPT=" + file}, env...)
	cmd.Dir = m.home
	var out, errout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errout
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		m.t.Fatal(err)
	}
	return out.String(), errout.String(), cmd.ProcessState.ExitCode()
}

// wantInstalled checks that dir holds cdx and nothing else of ours.
func (m *machine) wantInstalled(dir string, want []byte) {
	m.t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, "cdx"))
	if want == nil {
		if err == nil {
			m.t.Errorf("%s holds a cdx of %d bytes, want none", dir, len(got))
		}
	} else if err != nil || !bytes.Equal(got, want) {
		m.t.Errorf("%s holds a cdx of %d bytes, %v; want %d", dir, len(got), err, len(want))
	}
	if rest, _ := filepath.Glob(filepath.Join(dir, ".cdx*")); rest != nil {
		m.t.Errorf("left behind: %v", rest)
	}
}

func (m *machine) localBin() string { return filepath.Join(m.home, ".local", "bin") }

func TestInstallScriptInstallsAndEnrols(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		for _, tools := range [][]string{{"curl", "sha256sum"}, {"wget", "sha256sum"}, {"curl", "shasum", "perl"}, {"curl", "openssl"}} {
			t.Run(shell+" "+strings.Join(tools, " "), func(t *testing.T) {
				t.Parallel()
				m := newMachine(t, []byte(stubClient), tools...)
				stdout, stderr, status := m.run(shell, "token=exported", "base=exported", "failed=1")
				want := "cdx installer for falcon.fra.example.net (" + platform + ")\n" +
					"✓ cdx 1.4.0 downloaded, 0.0 MB, digest checked\n" +
					"✓ installed as ~/.local/bin/cdx\n" +
					"! ~/.local/bin is not on your PATH. For this shell:\n" +
					"    export PATH=\"$HOME/.local/bin:$PATH\"\n" +
					"✓ enrolled\n"
				if status != 0 || stdout != want || stderr != "" {
					t.Fatalf("got status %d, stderr %q, stdout\n%s\nwant\n%s", status, stderr, stdout, want)
				}
				m.wantInstalled(m.localBin(), []byte(stubClient))
				m.wantEnrolled()

				// Again: nothing is downloaded, and a directory on PATH needs no advice.
				m.client = []byte("must not be asked for")
				stdout, stderr, status = m.run(shell, "PATH="+m.localBin()+":"+m.bin)
				want = "cdx installer for falcon.fra.example.net (" + platform + ")\n" +
					"✓ cdx 1.4.0 is already there as ~/.local/bin/cdx\n✓ enrolled\n"
				if status != 0 || stdout != want || stderr != "" {
					t.Errorf("again: got status %d, stderr %q, stdout\n%s\nwant\n%s", status, stderr, stdout, want)
				}
				m.wantInstalled(m.localBin(), []byte(stubClient))
			})
		}
	}
}

// wantEnrolled checks how the stub was called: the URL on standard input, no secret anywhere else.
func (m *machine) wantEnrolled() {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.home, "enrolled"))
	if err != nil {
		m.t.Fatal(err)
	}
	want := "1 enroll\n" + m.server.URL + api.PathInstall + scriptToken + "\n"
	rest, ok := strings.CutPrefix(string(text), want)
	if !ok {
		m.t.Errorf("cdx got %q, want %q", text, want)
	}
	if strings.Contains(rest, scriptToken) {
		m.t.Errorf("the token is in cdx's environment: %s", rest)
	}
	if !strings.HasSuffix(strings.TrimSpace(rest), "0077") {
		m.t.Errorf("cdx ran with another umask than 077: %s", rest)
	}
}

// The printed command itself, with the script arriving by pipe.
func TestInstallScriptThroughAPipe(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		m := newMachine(t, []byte(stubClient), "curl", "sha256sum")
		line := "curl -fsSL " + m.server.URL + api.PathInstall + scriptToken + " | " + shell
		if stdout, stderr, status := m.runLine(shell, line); status != 0 || !strings.HasSuffix(stdout, "✓ enrolled\n") {
			t.Errorf("%s: got status %d, stdout %q, stderr %q", shell, status, stdout, stderr)
		}
		m.wantEnrolled()
	}
}

func TestInstallScriptReportsAFailedEnrolment(t *testing.T) {
	t.Parallel()
	m := newMachine(t, []byte(stubClient), "curl", "sha256sum")
	if _, _, status := m.run("sh", "STUB_STATUS=77"); status != 77 {
		t.Errorf("got status %d, want cdx's 77", status)
	}
}

func TestInstallScriptRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		tools  []string
		change func(*machine)
		env    string
		status int
		stderr string // contained
	}{
		{"damaged download", []string{"curl", "sha256sum"}, func(m *machine) { m.client = append([]byte(stubClient), '#') }, "", 75,
			"✗ the downloaded cdx does not match its digest, so it was thrown away\n  Try again"},
		{"damaged download, wget and openssl", []string{"wget", "openssl"}, func(m *machine) { m.client = nil }, "", 75, "does not match its digest"},
		{"gateway gone", []string{"curl", "sha256sum"}, func(m *machine) { m.server.Close() }, "", 69, "✗ cdx could not be downloaded from http://"},
		{"gateway gone, wget", []string{"wget", "sha256sum"}, func(m *machine) { m.server.Close() }, "", 69, "could not be downloaded"},
		{"no downloader", []string{"sha256sum"}, nil, "", 69, "✗ this machine has neither curl nor wget"},
		{"no digest tool", []string{"curl"}, nil, "", 69, "✗ this machine has none of sha256sum, shasum, openssl"},
		{"other platform", nil, func(m *machine) { m.stub("uname", `[ "$1" = -s ] && echo Plan9 || echo mips`) }, "", 69,
			"✗ this gateway has no cdx for Plan9-mips, so nothing was installed\n  It has: hurd-m68k, " + platform + "."},
		{"no builds at all", nil, func(m *machine) { m.script = installScript(installScriptParams{FQDN: "x"}) }, "", 69, "It has: none."},
		{"a build that does not start", []string{"curl", "sha256sum"}, func(m *machine) {
			m.client = []byte("#!/bin/sh\nexit 3\n")
			m.script = installScript(m.params(m.client))
		}, "", 73, "✗ cdx does not start from ~/.local/bin"},
		{"a directory in the way", []string{"curl", "sha256sum"}, func(m *machine) { _ = os.MkdirAll(filepath.Join(m.localBin(), "cdx"), 0o700) }, "", 73,
			"✗ ~/.local/bin/cdx is a directory"},
		{"a file in the way", []string{"curl", "sha256sum"}, func(m *machine) { _ = os.WriteFile(filepath.Join(m.home, ".local"), nil, 0o600) }, "", 73,
			"✗ the directory ~/.local/bin cannot be made"},
		{"root's place", nil, func(m *machine) {
			m.stub("id", "echo 0")
			m.stub("mkdir", "exit 1") // not really: this test may run as root
		}, "", 73, "✗ the directory /usr/local/bin cannot be made"},
	}
	for _, c := range cases {
		for _, shell := range shells {
			t.Run(c.name+" "+shell, func(t *testing.T) {
				t.Parallel()
				m := newMachine(t, []byte(stubClient), c.tools...)
				if c.change != nil {
					c.change(m)
				}
				stdout, stderr, status := m.run(shell)
				if status != c.status || !strings.Contains(stderr, c.stderr) {
					t.Errorf("got status %d, stderr %q, stdout %q; want %d, %q", status, stderr, stdout, c.status, c.stderr)
				}
				if info, err := os.Stat(filepath.Join(m.localBin(), "cdx")); err != nil || !info.IsDir() {
					m.wantInstalled(m.localBin(), nil)
				}
				if _, err := os.Stat(filepath.Join(m.home, "enrolled")); err == nil {
					t.Error("the machine was enrolled")
				}
			})
		}
	}
}

func TestInstallScriptKeepsTheOldClientUntilTheNewOneIsGood(t *testing.T) {
	t.Parallel()
	m := newMachine(t, []byte(stubClient), "curl", "sha256sum")
	old := []byte("#!/bin/sh\necho old\n")
	if err := os.MkdirAll(m.localBin(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.localBin(), "cdx"), old, 0o700); err != nil {
		t.Fatal(err)
	}
	m.client = []byte("damaged")
	if _, _, status := m.run("sh"); status != 75 {
		t.Errorf("got status %d, want 75", status)
	}
	m.wantInstalled(m.localBin(), old)
	m.client = []byte(stubClient)
	if _, stderr, status := m.run("sh"); status != 0 {
		t.Errorf("got status %d, stderr %q", status, stderr)
	}
	m.wantInstalled(m.localBin(), []byte(stubClient))
}

func TestInstallScriptNamesWhatShadowsCdx(t *testing.T) {
	t.Parallel()
	m := newMachine(t, []byte(stubClient), "curl", "sha256sum")
	m.stub("cdx", "exit 1")
	dir := filepath.Join(m.home, "own place")
	stdout, stderr, status := m.run("sh", "PATH="+m.bin+":"+dir, "CDX_INSTALL_DIR="+dir)
	if status != 0 || !strings.Contains(stdout, "✓ installed as ~/own place/cdx\n! another cdx comes first on your PATH: "+m.bin+"/cdx\n") {
		t.Errorf("got status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	m.wantInstalled(dir, []byte(stubClient))
	m.wantInstalled(m.localBin(), nil)
}

// A download that was cut off anywhere does nothing at all.
func TestCutInstallScriptDoesNothing(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, []byte(stubClient))
			for _, name := range []string{"uname", "mkdir", "rm", "mv", "chmod", "cat", "env", "id", "curl", "wget", "sha256sum", "install", "cdx"} {
				m.stub(name, "echo "+name+" >>'"+m.ran+"'")
			}
			whole := m.script
			call := len("_cdx_installer\n")
			for cut := 0; cut <= len(whole)-2; cut++ {
				if cut%9 != 0 && whole[cut] != '\n' && cut < len(whole)-call-20 {
					continue // each line's end, each position of the last lines, every ninth of the rest
				}
				m.script = whole[:cut]
				m.run(shell)
				entries, err := os.ReadDir(m.home)
				if _, ran := os.Stat(m.ran); err != nil || len(entries) > 0 || ran == nil {
					t.Fatalf("cut after byte %d of %d: %v, %v", cut, len(whole), entries, err)
				}
			}
		})
	}
}

func TestShellQuoteSurvivesEveryShell(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", "plain", "'", "''", `'\''`, `"`, `\`, `\\'`, "$(touch x)", "`touch x`", "$HOME", "${IFS}", "!!", "*", "~", "#", "-n", "-e", "--",
		"a\nb", "\r\n", "\t", "; exit 1", "&& false", "| cat", "> x", "é漢\u202e", "\x7f", "\x01\x01'\x01", "\x80\x81\x82\x88'\xff", "\\", "'\n'", "%s%n\\0",
	}
	const special = "'\"\\$`\n!*"
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		text := make([]byte, random.IntN(24))
		for i := range text {
			if random.IntN(3) == 0 {
				text[i] = special[random.IntN(len(special))]
			} else {
				text[i] = byte(1 + random.IntN(255))
			}
		}
		texts = append(texts, string(text))
	}
	var script bytes.Buffer
	for _, text := range texts {
		fmt.Fprintf(&script, "value=%s\nprintf '%%s\\0' \"$value\" %s\n", shellQuote(text), shellQuote(text))
	}
	for _, shell := range shells {
		for _, locale := range []string{"C", "C.UTF-8"} {
			cmd := exec.Command(program(shell))
			cmd.Args[0] = shell
			cmd.Env = append(os.Environ(), "LC_ALL="+locale)
			cmd.Stdin = bytes.NewReader(script.Bytes())
			cmd.Dir = t.TempDir()
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v", shell, err)
			}
			got := strings.Split(string(out), "\x00")
			for i, text := range texts {
				if 2*i+1 >= len(got) || got[2*i] != text || got[2*i+1] != text {
					t.Fatalf("%s in %s: %q did not survive", shell, locale, text)
				}
			}
		}
	}
	if got := shellQuote("a\x00b"); got != "'ab'" {
		t.Errorf("got %q for a NUL byte", got)
	}
}

// Even parameters that nobody checked cannot make the script do anything of their own.
func TestHostileParametersStayText(t *testing.T) {
	t.Parallel()
	evil := "'; touch pwned; '$(touch pwned)`touch pwned`\n touch pwned\n#\\"
	for _, shell := range shells {
		m := newMachine(t, []byte(stubClient), "touch", "curl", "sha256sum")
		m.script = installScript(installScriptParams{BaseURL: evil, FQDN: evil, Token: evil, Version: evil, Clients: map[string]shellClient{
			platform: {SHA256: digestOf([]byte(stubClient))}, "*": {SHA256: digestOf(nil)}, "x) touch pwned;; y": {SHA256: digestOf(nil)}, "plan9-mips": {SHA256: "*"},
		}})
		stdout, stderr, status := m.run(shell)
		if status != 69 || !strings.HasPrefix(stdout, "cdx installer for "+evil) || !strings.Contains(stderr, "could not be downloaded from "+evil) {
			t.Errorf("%s: got status %d, stdout %q, stderr %q", shell, status, stdout, stderr)
		}
		m.script = refusalScript(evil, evil, evil)
		stdout, stderr, status = m.run(shell)
		if want := "✗ " + evil + "\n  " + evil + "\n"; status != 1 || stdout != "" || stderr != want {
			t.Errorf("%s: got status %d, stdout %q, stderr %q, want %q", shell, status, stdout, stderr, want)
		}
		if _, err := os.Stat(filepath.Join(m.home, "pwned")); err == nil {
			t.Errorf("%s: a parameter was run", shell)
		}
	}
}

func TestRefusalScript(t *testing.T) {
	t.Parallel()
	for _, state := range []string{api.InstallUsed, api.InstallExpired, api.InstallUnknown} {
		m := newMachine(t, nil)
		m.script = refusalScript(state, "this install command was used on 23 Nov 14:02 UTC from 203.0.113.9",
			"It works once. Ask an admin for a new one: cdxgate host add falcon.fra")
		_, stderr, status := m.run("sh")
		want := "✗ this install command was used on 23 Nov 14:02 UTC from 203.0.113.9\n" +
			"  It works once. Ask an admin for a new one: cdxgate host add falcon.fra\n"
		if status != 1 || stderr != want || !bytes.Contains(m.script, []byte("# "+state+"\n")) {
			t.Errorf("%s: got status %d, stderr %q", state, status, stderr)
		}
	}
}

// The whole way with the real client: script, download, enrolment, login.
func TestInstallScriptWithTheRealClient(t *testing.T) {
	t.Parallel()
	const key = "5ec7e7a11ce0ffee5ec7e7a11ce0ffee5ec7e7a11ce0ffee5ec7e7a11ce0ffee"
	const login = `{"OPENAI_API_KEY":null,"tokens":{"access_token":"opaque"},"last_refresh":"2026-11-23T15:19:31.503136847Z"}`
	path := filepath.Join(t.TempDir(), "cdx")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=1.4.0", "-o", path, "github.com/cdxgate/cdxgate/cmd/cdx")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building cdx: %v\n%s", err, out)
	}
	client, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, client, "curl", "sha256sum")
	m.stub("codex", `[ "$*" = --version ] && echo codex-cli 0.169.0`)
	mux := http.NewServeMux()
	mux.Handle("GET /", m.server.Config.Handler)
	claims := 0
	mux.HandleFunc("POST /install/"+scriptToken, func(w http.ResponseWriter, r *http.Request) {
		claims++
		var request api.EnrolRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.Platform != platform || request.WrapperVersion != "1.4.0" {
			t.Errorf("got claim %+v, %v", request, err)
		}
		_ = json.NewEncoder(w).Encode(api.Envelope{Status: "ok", Data: api.EnrolResponse{
			BaseURL: m.server.URL, APIKey: key, FQDN: "falcon.fra.example.net", InstallationID: "i", Secure: true,
		}})
	})
	mux.HandleFunc("POST /sync", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get(api.HeaderAPIKey); got != key {
			t.Errorf("got API key %q", got)
		}
		_, _ = w.Write([]byte(`{"status":"ok","data":{"credential":{"status":"outdated","auth":` + login + `}}}`))
	})
	m.server.Config.Handler = mux
	config := filepath.Join(m.home, ".config", "cdx", "host.json") // whoever runs the tests: root's would be the machine's
	stdout, stderr, status := m.run("sh", "PATH="+m.localBin()+":"+m.bin, "CDX_CONFIG_PATH="+config)
	wantOut := fmt.Sprintf("cdx installer for falcon.fra.example.net (%s)\n✓ cdx 1.4.0 downloaded, %.1f MB, digest checked\n✓ installed as ~/.local/bin/cdx\n",
		platform, float64(len(client))/1e6)
	wantErr := "✓ enrolled, key stored in ~/.config/cdx/host.json (0600)\n✓ login taken\n✓ Codex 0.169.0 found\n\nReady. Type: cdx\n"
	if status != 0 || stdout != wantOut || stderr != wantErr {
		t.Errorf("got status %d, stdout\n%s\nstderr\n%s", status, stdout, stderr)
	}
	if got, err := os.ReadFile(filepath.Join(m.home, ".codex", "auth.json")); err != nil || string(got) != login {
		t.Errorf("got login %q, %v", got, err)
	}
	if claims != 1 {
		t.Errorf("got %d claims, want 1", claims)
	}
	if slices.Contains([]bool{bytes.Contains(m.script, []byte(key)), strings.Contains(stdout+stderr, key), strings.Contains(stdout+stderr, scriptToken)}, true) {
		t.Error("a secret shows")
	}
}
