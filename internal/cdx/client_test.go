package cdx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

func TestCheckTransport(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"https://codex.example.net":        true,
		"https://codex.example.net:8488/p": true,
		"http://localhost:8488":            true,
		"http://127.0.0.1":                 true,
		"http://127.8.9.10:1":              true,
		"http://[::1]:8488":                true,
		"http://codex.example.net":         false,
		"http://10.0.0.1":                  false,
		"http://localhost.example.net":     false,
		"http://0.0.0.0":                   false,
		"http://127.0.0.1.example.net":     false,
		"http://127.0.0.1@evil.example":    false,
		"https://user:pass@example.net":    false,
		"ftp://localhost":                  false,
		"/relative":                        false,
		"":                                 false,
	}
	for address, want := range cases {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkTransport(u); (err == nil) != want {
			t.Errorf("%s: got %v, want accepted %t", address, err, want)
		}
	}
}

func TestRedirectsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("%d: another origin was asked, with key %q", status, r.Header.Get(api.HeaderAPIKey))
		}))
		t.Cleanup(elsewhere.Close)
		here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		t.Cleanup(here.Close)
		c := testClient(here.URL)
		_, _, err := c.sync(t.Context(), api.SyncRequest{})
		if f := asFailure(err); f == nil || f.classify() != standsOffline {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestAGatewayThatHangsCostsTheDeadlineOnly(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := testClient(server.URL).sync(ctx, api.SyncRequest{})
	f := asFailure(err)
	if f == nil || f.classify() != standsOffline || f.Error() != "no answer in time" {
		t.Errorf("got %v", err)
	}
}

func TestErrorsCarryNoSecrets(t *testing.T) {
	t.Parallel()
	c := testClient("http://127.0.0.1:1")
	c.config.APIKey = "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e7"
	err := c.post(t.Context(), "http://127.0.0.1:1/install/5ec7e75ec7e75ec7e7", api.EnrolRequest{}, nil)
	refusals := fmt.Sprint(refuseEnrolment("gateway", asFailure(err)), c.denial(asFailure(err)))
	if text := fmt.Sprintf("%v %+v %s %v %+v %#v", err, err, refusals, c.config, *c.config, c.config); strings.Contains(text, "5ec7e7") {
		t.Errorf("a secret shows: %s", text)
	}
	if text, err := c.config.encode(); err != nil || !strings.Contains(string(text), `"api_key": "5ec7e7`) {
		t.Errorf("the file has no key: %v", err)
	}
}

func TestDenialsAreNeverOffline(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status        int
		code, message string
		want          standing
	}{
		{401, "", "", standsDenied},
		{401, "api_key_invalid", "Invalid API key", standsDenied},
		{403, "anything", "", standsDenied},
		{503, "api_disabled", "", standsDenied},
		{503, "", "API Disabled by administrator", standsDenied},
		{500, "api_disabled", "", standsDenied}, // the code outranks the status
		{503, "starting", "the word disabled is not enough beside a code", standsOffline},
		{503, "", "Auth runner required", standsOffline},
		{500, "", "", standsOffline},
		{404, "route_not_found", "", standsOffline},
		{400, "", "", standsOffline},
		{413, "body_too_large", "", standsOffline},
		{422, "validation_failed", "", standsRejected},
		{429, "", "Rate limit exceeded", standsLimited},
	}
	for _, c := range cases {
		f := &failure{status: c.status, code: c.code, message: c.message}
		if got := f.classify(); got != c.want {
			t.Errorf("%d %q %q: got %s, want %s", c.status, c.code, c.message, got, c.want)
		}
	}
	if got := (&failure{status: 403, err: errors.New("cut off")}).classify(); got != standsDenied {
		t.Errorf("a refusal whose body was lost: got %s", got)
	}
}

// FuzzAnswer feeds hostile answers: nothing panics, and nothing but a login is ever taken for one.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"status":"ok","data":{"status":"outdated","auth":{"tokens":{}},"versions":{"installation_id":7}}}`,
		`{"status":"ok","data":{"status":"valid","versions":null,"chatgpt_usage":"x"}}`,
		`{"status":"ok","data":{"credential":{"status":"valid","auth":{}},"versions":{"etag":1,"data":7},"policy":{"etag":"p","data":[]},"quota":{"data":{"primary_window":"x"}}}}`,
		`{"status":"error","code":7,"errors":{"a":["b"]},"details":[]}`,
		`{"status":"ok","data":null}`, `[]`, `nul`, strings.Repeat("[", 20_000), "\xff", "",
	} {
		f.Add(200, []byte(seed))
		f.Add(403, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		var answer credentialAnswer
		var parts map[string]json.RawMessage
		if decode(&http.Response{StatusCode: status}, text, &parts) == nil {
			if said, credential := readSync(parts); credential != nil {
				kept, _ := blocks(nil).merge(said)
				_, _, _, _, _ = kept.host(), kept.versions(), kept.policy(), kept.quota(), kept.month()
				_, _, _ = kept.library(), kept.client(), testClient("https://x").checkInstallation(said.Versions.Data)
			}
		}
		err := decode(&http.Response{StatusCode: status}, text, &answer)
		if failed := asFailure(err); failed != nil {
			_ = failed.classify()
			_ = testClient("https://x").denial(failed)
			if strings.ContainsAny(screen.Clean(failed.Error()), "\x1b\n\r\x07") {
				t.Errorf("control characters get through: %q", failed.Error())
			}
			return
		}
		if served := parseLogin(answer.Auth); served.exists() && !json.Valid(answer.Auth) {
			t.Errorf("taken for a login: %q", answer.Auth)
		}
	})
}

func testClient(base string) *client {
	a := &app{Invocation: Invocation{Version: "1.4.0", Stderr: os.Stderr}, platform: "linux-amd64"}
	return a.newClient(&Config{BaseURL: base, APIKey: "0123456789abcdef0123456789abcdef", FQDN: "build7.example"})
}

func TestClean(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"plain, é, 漢":                         "plain, é, 漢",
		"\x1b[2J\x07\x00\r\n\t\x7f\u009b":     "�[2J�������",
		"a\u202eb\u2066c\u200fd\u061ce\u2028": "a�b�c�d�e�",
		"\xff\xfe":                            "��",
	}
	for text, want := range cases {
		if got := screen.Clean(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := []rune(field(strings.Repeat("é", 500))); len(got) != 160 || got[159] != '…' {
		t.Errorf("got %d runes ending in %q", len(got), got[len(got)-1])
	}
}
