package cdx

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestDigestIsThatOfThePythonForm(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, digest string }{
		{"no file", "", "8c6e3b5b78b9558813d537edaa7f641a9a03e0bce80b4bf991dc573ab0a334da"},
		{"V6", noLogin, "8c6e3b5b78b9558813d537edaa7f641a9a03e0bce80b4bf991dc573ab0a334da"},
		{"spaces do not count", "{ \"a\" : [ 1 , {} ] ,\n\"é\":\"\\u00e9\\/<&>\" }", sha256Hex([]byte(`{"a":[1,{}],"é":"é/<&>"}`))},
		{"order counts, numbers stay", `{"z":123456789012345678901234567890,"a":1e5,"b":-0}`, sha256Hex([]byte(`{"z":123456789012345678901234567890,"a":100000.0,"b":0}`))},
	}
	for _, c := range cases {
		l := login{}
		if c.text != "" {
			l = parseLogin([]byte(c.text))
		}
		if got := l.digest(); got != c.digest {
			t.Errorf("%s: got %s, want %s", c.name, got, c.digest)
		}
	}
}

func TestLoginShapes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text                        string
		exists, usable, uploadable, ownIs bool
	}{
		{"ChatGPT", `{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"access_token":"a"},"last_refresh":"2026-11-23T00:00:00Z"}`, true, true, true, false},
		{"without last_refresh", `{"tokens":{"access_token":"a"}}`, true, true, true, false},
		{"Codex's API key", `{"auth_mode":"apikey","OPENAI_API_KEY":"sk-1"}`, true, true, false, true},
		{"the fleet's API key", `{"OPENAI_API_KEY":"sk-1","last_refresh":"2026-11-23T00:00:00Z","auths":{}}`, true, true, false, false},
		{"reference, auths only", `{"last_refresh":"2026-11-23T00:00:00Z","auths":{"api.openai.com":{"token":"x"}}}`, true, false, false, false},
		{"empty tokens", `{"tokens":{"access_token":""},"last_refresh":"x"}`, true, false, false, false},
		{"odd types", `{"tokens":[1],"OPENAI_API_KEY":7,"last_refresh":false}`, true, false, false, false},
		{"empty object", `{}`, true, false, false, false},
		{"not an object", `[]`, false, false, false, false},
		{"cut off", `{"tokens":{"access_token":"a"`, false, false, false, false},
		{"empty file", ``, false, false, false, false},
	}
	for _, c := range cases {
		l := parseLogin([]byte(c.text))
		if l.exists() != c.exists || l.usable() != c.usable || l.uploadable() != c.uploadable || l.isOwnAPIKey() != c.ownIs {
			t.Errorf("%s: got exists %t usable %t uploadable %t own %t", c.name, l.exists(), l.usable(), l.uploadable(), l.isOwnAPIKey())
		}
		if got := fmt.Sprintf("%v %+v %#v %s", l, l, l, l); strings.Contains(got, "sk-1") || strings.Contains(got, "token") {
			t.Errorf("%s: prints as %s", c.name, got)
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	token := func(payload string) login {
		jwt := "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".sig"
		return parseLogin(fmt.Appendf(nil, `{"tokens":{"access_token":%q}}`, jwt))
	}
	cases := []struct{ payload, validity string }{
		{`{"exp":1800666001}`, "valid for 7 d 17 h"},
		{`{"exp":1800018721.5}`, "valid for 5 h 12 min"},
		{`{"exp":1800000725}`, "valid for 12 min"},
		{`{"exp":1800000040}`, "valid for 40 s"},
		{`{"exp":1799996400}`, "expired 1 h 0 min ago"},
		{`{"exp":"soon"}`, ""}, {`{"exp":1e300}`, ""}, {`{"exp":-1}`, ""}, {`{}`, ""}, {`[]`, ""}, {`nonsense`, ""},
	}
	for _, c := range cases {
		if got := token(c.payload).validity(now); got != c.validity {
			t.Errorf("%s: got %q, want %q", c.payload, got, c.validity)
		}
	}
	older, newer, mute := token(`{"iat":100}`), token(`{"iat":101}`), token(`{}`)
	if !newer.newerThan(older) || older.newerThan(newer) || newer.newerThan(newer) || newer.newerThan(mute) || mute.newerThan(older) {
		t.Error("newerThan does not follow iat")
	}
	for _, opaque := range []string{"at-opaque", "a.b", "a.!.c", "a.b.c.d"} {
		if l := parseLogin(fmt.Appendf(nil, `{"tokens":{"access_token":%q}}`, opaque)); l.claims() != (claims{}) {
			t.Errorf("%s: got claims %v", opaque, l.claims())
		}
	}
}

// A writer that works in place leaves half a file for a moment: it is waited for.
func TestReadLoginWaitsForAWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(path, []byte(`{"tokens":`), 0o600); err != nil {
		t.Fatal(err)
	}
	finished := make(chan error, 1)
	go func() { finished <- os.WriteFile(path, []byte(`{"tokens":{"access_token":"a"}}`), 0o600) }()
	l, err := readLogin(path)
	if err != nil || !l.usable() {
		t.Errorf("got %v, broken %v", err, l.broken)
	}
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := readLogin(path); err != nil || l.broken == nil {
		t.Errorf("a file that is too long: got %v, broken %v", err, l.broken)
	}
	if l, err := readLogin(path + ".none"); err != nil || l.raw != nil || l.broken != nil {
		t.Errorf("no file: got %v", err)
	}
}
