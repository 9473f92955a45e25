//go:build unix

package cdx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// TestScripts runs the command-line specification: one file per subject below testdata/script.
//
// Each script has a home of its own with a configuration, a fake codex on PATH and a fake gateway. Commands beyond
// testscript's: exits, gateway, requests, sent, login, starts, started-with,
// insecure, mode and inode; those of programs_test.go are about new builds of cdx and Codex.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setUpScript,
		Condition:           scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    cmdExits,
			"gateway":  cmdGateway,
			"requests": cmdRequests,
			"sent":     cmdSent,
			"login":    cmdLogin,
			"starts":   cmdStarts,
			"mode":     cmdMode,
			"inode":    cmdInode,

			"started-with": cmdStartedWith,
			"insecure":     cmdInsecure,

			"block":     cmdBlock,
			"build":     cmdBuild,
			"release":   cmdRelease,
			"serving":   cmdServing,
			"downloads": cmdDownloads,
			"settled":   cmdSettled,
			"held":      cmdHeld,
			"vouch":     cmdVouch,
			"crowd":     cmdCrowd,
		},
	})
}

// scriptCondition is [root].
func scriptCondition(name string) (bool, error) {
	if name != "root" {
		return false, fmt.Errorf("there is no condition %q", name)
	}
	return os.Geteuid() == 0, nil
}

type gatewayKey struct{}

func gatewayOf(ts *testscript.TestScript) *fakeGateway {
	return ts.Value(gatewayKey{}).(*fakeGateway) //nolint:forcetypeassert // setUpScript put it there
}

func setUpScript(env *testscript.Env) error {
	g := newFakeGateway()
	env.Defer(g.close)
	env.Values[gatewayKey{}] = g
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	env.Setenv("CODEX_HOME", filepath.Join(home, ".codex"))
	env.Setenv("PATH", env.Getenv("PATH")+string(os.PathListSeparator)+codexDir)
	env.Setenv("GATEWAY", g.server.URL)
	env.Setenv("GATEWAY_HOST", strings.TrimPrefix(g.server.URL, "http://"))
	env.Setenv("FAKE_LOG", filepath.Join(env.WorkDir, "starts.jsonl"))
	env.Setenv("FAKE_REVOKED", filepath.Join(env.WorkDir, "revoked"))
	env.Setenv("FAKE_VERSION", "0.169.0")
	cdx, err := exec.LookPath("cdx")
	if err != nil {
		return err
	}
	env.Setenv("CDX", cdx)
	env.Setenv("FAKE_CODEX", filepath.Join(codexDir, "codex"))
	if err := os.WriteFile(filepath.Join(env.WorkDir, "url"), []byte(g.server.URL+api.PathInstall+plantedToken+"\n"), 0o600); err != nil {
		return err
	}
	g.files.script = env.WorkDir
	return writePlantedConfig(filepath.Join(home, ".config", "cdx", "host.json"), g.server.URL)
}

func writePlantedConfig(path, base string) error {
	config := Config{BaseURL: base, APIKey: plantedKey, FQDN: "build7.example", InstallationID: plantedInstallation, Secure: true}
	text, err := config.encode()
	if err != nil {
		return err
	}
	return files.Write(path, text)
}

// exits STATUS cdx ARGS… runs cdx, demands that exit status, and searches what it printed for secrets.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("got exit status %d, want %d", got, want)
	}
	if found := leaks(ts.ReadFile("stdout") + ts.ReadFile("stderr")); found != nil {
		ts.Fatalf("the output shows %q", found)
	}
	starts, err := readFakeLog(ts.Getenv("FAKE_LOG"))
	ts.Check(err)
	for _, start := range starts {
		if found := leaks(strings.Join(start.Args, " ") + strings.Join(start.Environ, " ")); found != nil {
			ts.Fatalf("Codex's arguments or environment show %q", found)
		}
	}
}

// gateway queues one answer:
//
//	gateway STATUS [AUTHFILE] [replace=FILE] [touch=FILE] [id=INSTALLATION] [usage=JSON] [block:NAME=FILE] [kept=yes]   an answer about the login
//	gateway error HTTP CODE MESSAGE [touch=FILE] [HEADER=VALUE]  CODE "-": none, as old gateways
//	gateway file FILE                                            the data of an answer to POST /sync
//	gateway raw HTTP TEXT | redirect URL | drop | hang
//	gateway enrolled [BASEURL]                                   the answer to an enrolment
//	gateway times N STATUS …                                     so many answers about the login
//	gateway signed [badly]                                       the same, signed; badly: with a key that is not the one told
//
// replace=FILE: while the answer is on its way, Codex replaces auth.json by FILE. touch=FILE:
// FILE appears then. block:NAME=FILE is the data of a block of
// POST /sync; $NAME in it is an environment variable.
func cmdGateway(ts *testscript.TestScript, _ bool, args []string) {
	g := gatewayOf(ts)
	switch args[0] {
	case "error":
		status, err := strconv.Atoi(args[1])
		ts.Check(err)
		answer := refused(status, strings.Trim(args[2], "-"), args[3])
		for _, option := range args[4:] {
			name, value, _ := strings.Cut(option, "=")
			if name == "touch" {
				answer.before = touch(ts, value)
				continue
			}
			answer.header = http.Header{name: {value}}
		}
		g.expect(answer)
	case "raw":
		status, err := strconv.Atoi(args[1])
		ts.Check(err)
		g.expect(fakeAnswer{status: status, body: []byte(args[2])})
	case "file":
		g.expect(fakeAnswer{status: http.StatusOK, body: []byte(`{"status":"ok","data":` + ts.ReadFile(args[1]) + `}`)})
	case "redirect":
		g.expect(fakeAnswer{status: http.StatusTemporaryRedirect, header: http.Header{"Location": args[1:]}})
	case "drop":
		g.expect(fakeAnswer{drop: true})
	case "hang":
		g.expect(fakeAnswer{})
	case "enrolled":
		base := g.server.URL
		if len(args) > 1 {
			base = args[1]
		}
		body, err := json.Marshal(api.Envelope{Status: "ok", Data: api.EnrolResponse{
			BaseURL: base, APIKey: plantedKey, FQDN: "build7.example", InstallationID: plantedInstallation, Secure: true,
		}})
		ts.Check(err)
		g.expect(fakeAnswer{status: http.StatusOK, body: body})
	case "times":
		count, err := strconv.Atoi(args[1])
		ts.Check(err)
		for range count {
			g.expect(authAnswerOf(ts, args[2:]))
		}
	case "signed":
		answer := signedEnrolment(g.server.URL, "")
		if len(args) > 1 {
			answer.body = bytes.Replace(answer.body, []byte(signerA.key().PublicKey), []byte(signerB.key().PublicKey), 1)
		}
		g.expect(answer)
	default:
		g.expect(authAnswerOf(ts, args))
	}
}

func authAnswerOf(ts *testscript.TestScript, args []string) fakeAnswer {
	var auth []byte
	var answer fakeAnswer
	digest := ""
	rest := args[1:]
	if len(rest) > 0 && !strings.Contains(rest[0], "=") {
		auth = []byte(ts.ReadFile(rest[0]))
		digest = parseLogin(auth).digest()
		rest = rest[1:]
	}
	answer = about(args[0], digest, auth)
	for _, option := range rest {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "replace":
			text, target := []byte(ts.ReadFile(value)), filepath.Join(ts.Getenv("CODEX_HOME"), "auth.json")
			answer.before = func() {
				must(os.MkdirAll(filepath.Dir(target), 0o700))
				must(os.WriteFile(target+".codex", text, 0o600))
				must(os.Rename(target+".codex", target))
			}
		case "touch":
			answer.before = touch(ts, value)
		case "id":
			answer.word.installation = value
		case "kept":
			answer.word.kept = true
		default:
			if name == "usage" {
				answer.word.usage = value
				continue
			}
			block, ok := strings.CutPrefix(name, "block:")
			if !ok {
				ts.Fatalf("unknown option %q", option)
			}
			if answer.word.blocks == nil {
				answer.word.blocks = map[string]string{}
			}
			answer.word.blocks[block] = strings.TrimSpace(os.Expand(ts.ReadFile(value), ts.Getenv))
		}
	}
	return answer
}

// touch makes a file appear, for which Codex waits, while an answer is on its way.
func touch(ts *testscript.TestScript, name string) func() {
	path := ts.MkAbs(name)
	return func() { must(os.WriteFile(path, nil, 0o600)) }
}

// requests NAME… demands exactly these requests since the last time, and that every queued answer was used.
func cmdRequests(ts *testscript.TestScript, _ bool, args []string) {
	g := gatewayOf(ts)
	if got := g.asked(); !slices.Equal(got, args) {
		ts.Fatalf("got requests %q, want %q", got, args)
	}
	ts.Check(g.open())
}

// sent MEMBER REGEXP | sent auth FILE | sent header NAME REGEXP looks at the last request.
func cmdSent(ts *testscript.TestScript, neg bool, args []string) {
	request, ok := gatewayOf(ts).last()
	if !ok {
		ts.Fatalf("there was no request")
	}
	if args[0] == "auth" {
		got, want := parseLogin(request.Body["auth"]), parseLogin([]byte(ts.ReadFile(args[1])))
		if got.digest() != want.digest() {
			ts.Fatalf("another login was sent than %s", args[1])
		}
		return
	}
	name, value, pattern := args[0], string(request.Body[args[0]]), args[len(args)-1]
	if name == "header" {
		name, value = args[1], request.Header.Get(args[1])
	}
	if regexp.MustCompile("^"+pattern+"$").MatchString(value) == neg {
		ts.Fatalf("%s is %s, against %s", name, value, pattern)
	}
}

// login FILE [account=A] [iat=MINUTES] [exp=DURATION] [last=TIME] [gen=N] writes an auth.json of Codex's shape.
func cmdLogin(ts *testscript.TestScript, _ bool, args []string) {
	spec, err := parseLoginSpec(args[1:])
	ts.Check(err)
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, spec.encode(), 0o600))
}

// starts N [ARG…] demands N starts of Codex in all, the last with exactly these arguments.
func cmdStarts(ts *testscript.TestScript, _ bool, args []string) {
	starts, err := readFakeLog(ts.Getenv("FAKE_LOG"))
	ts.Check(err)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if len(starts) != want {
		ts.Fatalf("got %d starts of Codex, want %d: %+v", len(starts), want, starts)
	}
	if want == 0 || len(args) == 1 {
		return
	}
	quoted := []string{}
	for _, arg := range args[1:] {
		quoted = append(quoted, strconv.QuoteToASCII(arg))
	}
	if got := starts[want-1].Args; !slices.Equal(got, quoted) {
		ts.Fatalf("got arguments %v, want %v", got, quoted)
	}
}

// started-with NAME=VALUE demands that of the environment of Codex's last start.
func cmdStartedWith(ts *testscript.TestScript, _ bool, args []string) {
	starts, err := readFakeLog(ts.Getenv("FAKE_LOG"))
	ts.Check(err)
	if len(starts) == 0 || !slices.Contains(starts[len(starts)-1].Environ, args[0]) {
		ts.Fatalf("the last start of Codex was not with %s", args[0])
	}
}

// insecure makes the machine an insecure host.
func cmdInsecure(ts *testscript.TestScript, _ bool, _ []string) {
	path := filepath.Join(ts.Getenv("HOME"), ".config", "cdx", "host.json")
	ts.Check(files.Write(path, []byte(strings.Replace(ts.ReadFile(path), `"secure": true`, `"secure": false`, 1))))
}

// mode FILE MODE demands the permissions of a file.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("got mode %s, want %s", got, args[1])
	}
}

// inode FILE VARIABLE keeps which file it is and when it was written; [!] inode FILE VARIABLE compares when it is set.
func cmdInode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	now := fmt.Sprintf("%v %d", inodeOf(info), info.ModTime().UnixNano())
	was := ts.Getenv(args[1])
	ts.Setenv(args[1], now)
	if was != "" && (was == now) == neg {
		ts.Fatalf("the file was %s and is %s", was, now)
	}
}
