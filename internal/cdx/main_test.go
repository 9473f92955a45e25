//go:build unix

package cdx

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Secrets that must never show: every output and every environment of the tests is searched for them.
const (
	plantedKey     = "5ec7e7a11ce0ffee5ec7e7a11ce0ffee5ec7e7a11ce0ffee5ec7e7a11ce0ffee"
	plantedToken   = "3f6c0a9e-8d2b-4c1a-9e7f-5a4b3c2d1e0f"
	plantedRefresh = "planted-refresh-token"
	plantedAccess  = "cGxhbnRlZC1hY2Nlc3Mtc2lnbmF0dXJl"
)

// leaks returns which of the planted secrets text shows.
func leaks(text string) []string {
	var found []string
	for _, secret := range []string{plantedKey, plantedToken, plantedRefresh, plantedAccess} {
		if strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	return found
}

// codexDir holds the fake codex. It is a copy: testscript links the commands to one file, and cdx rightly takes a link
// to itself for itself.
var codexDir string

// withFakeCodex runs the tests between making and removing codexDir.
type withFakeCodex struct{ *testing.M }

func (m withFakeCodex) Run() int {
	// Under nohup, or a CI that ignores it, a child would inherit that: a signal that is listened to starts afresh there.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	dir, err := copyFakeCodex()
	if err != nil {
		fmt.Fprintln(os.Stderr, "copying the fake codex:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	codexDir = dir
	// A process with the race detector rests a second before it ends, and the tests start some hundred.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}

func TestMain(m *testing.M) {
	systemConfig = os.Getenv("TEST_SYSTEM_CONFIG") // this machine's own is none of our business
	if group := os.Getenv("TEST_CONFIG_GROUP"); group != "" {
		configGroup = group // one that every machine has
	}
	testscript.Main(withFakeCodex{m}, map[string]func(){
		"cdx": func() {
			if often, err := time.ParseDuration(os.Getenv("TEST_PULL_EVERY")); err == nil {
				pullEvery = often
			}
			if often, err := time.ParseDuration(os.Getenv("TEST_WINDOW_POLL")); err == nil {
				windowPoll = often
			}
			ahead, _ := time.ParseDuration(os.Getenv("TEST_CLOCK_AHEAD")) // no such variable: the clock is right
			stopped, err := time.Parse(time.RFC3339, os.Getenv("TEST_CLOCK"))
			accountsFile, homesOfMac = os.Getenv("TEST_ACCOUNTS"), os.Getenv("TEST_ACCOUNTS") // no other users than a test's
			version := cmp.Or(os.Getenv("TEST_VERSION"), "1.4.0")
			os.Exit(Run(context.Background(), Invocation{Version: version, Args: os.Args[1:], Now: func() time.Time {
				if err == nil {
					return stopped.UTC()
				}
				return time.Now().Add(ahead)
			}}))
		},
		"cdx-hurried": func() { // its clock runs past killAfter with every look at it
			now := time.Now()
			os.Exit(Run(context.Background(), Invocation{Version: "1.4.0", Args: os.Args[1:], Now: func() time.Time {
				now = now.Add(killAfter + time.Second)
				return now
			}}))
		},
		"codex": fakeCodex,
	})
}

func copyFakeCodex() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "fake-codex-")
	if err != nil {
		return "", err
	}
	from, err := os.Open(self)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "codex"), os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(to, from); err != nil {
		return "", err
	}
	return dir, to.Close()
}

// loginSpec describes an auth.json of the shape that Codex CLI 0.169 writes.
type loginSpec struct {
	Account     string        // tokens.account_id
	IssuedAt    time.Time     // zero: the access token is no JWT
	Lifetime    time.Duration // from now
	LastRefresh string
	Generation  string // tells logins apart
}

func (s loginSpec) encode() []byte {
	claims := map[string]any{"gen": s.Generation}
	if !s.IssuedAt.IsZero() {
		claims["iat"] = s.IssuedAt.Unix()
	}
	if s.Lifetime != 0 {
		claims["exp"] = time.Now().Add(s.Lifetime).Unix()
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	segment := base64.RawURLEncoding.EncodeToString
	jwt := segment([]byte(`{"alg":"none"}`)) + "." + segment(payload) + "." + plantedAccess
	return fmt.Appendf(nil, `{
  "auth_mode": "chatgpt",
  "OPENAI_API_KEY": null,
  "tokens": {
    "id_token": %q,
    "access_token": %q,
    "refresh_token": %q,
    "account_id": %q
  },
  "last_refresh": %q
}`, jwt, jwt, plantedRefresh+"/"+s.Generation+"/<&>é", s.Account, s.LastRefresh)
}

// parseLoginSpec reads name=value pairs: account, iat (minutes from now), exp (duration from now), last, gen.
func parseLoginSpec(pairs []string) (loginSpec, error) {
	s := loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T15:19:31.503136847Z", Generation: "1", Lifetime: 240*time.Hour + time.Minute}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		var err error
		switch name {
		case "account":
			s.Account = value
		case "iat":
			var minutes int
			minutes, err = strconv.Atoi(value)
			s.IssuedAt = time.Now().Add(time.Duration(minutes) * time.Minute)
		case "exp":
			s.Lifetime, err = time.ParseDuration(value)
		case "last":
			s.LastRefresh = value
		case "gen":
			s.Generation = value
		default:
			err = fmt.Errorf("unknown %q", pair)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}
