package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

func TestParseDigest(t *testing.T) {
	t.Parallel()
	hexDigest := strings.Repeat("0123456789abcdef", 4)
	for _, candidates := range [][]string{{hexDigest}, {" " + strings.ToUpper(hexDigest) + "\n"}, {"", " ", hexDigest}, {hexDigest, "nonsense"}} {
		if d, err := ParseDigest(candidates...); err != nil || d.String() != hexDigest {
			t.Errorf("%q: got %s, %v, want %s", candidates, d, err, hexDigest)
		}
	}
	const format = "digest must be a 64-character hex sha256 value"
	for _, c := range []struct {
		candidate, text string
	}{
		{"", "digest is required"},
		{" \t", "digest is required"},
		{hexDigest[1:], format},
		{hexDigest[2:], format},
		{hexDigest + "00", format},
		{"g" + hexDigest[1:], format},
		{"0x" + hexDigest[2:], format},
	} {
		d, err := ParseDigest("", c.candidate)
		wantField(t, c.candidate, err, "digest", c.text)
		if !d.IsZero() {
			t.Errorf("%q: got %s, want no digest", c.candidate, d)
		}
	}
	if d, err := ParseDigest("nonsense", hexDigest); err == nil {
		t.Errorf("a first candidate that is wrong: got %s, want an error", d)
	}
}

func TestReadStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"member auth", `{"command":"store","auth":{"last_refresh":"x","digest":1},"last_refresh":"y"}`, `{"last_refresh":"x","digest":1}`},
		{"a list is an empty object", `{"auth":[],"last_refresh":"y"}`, `{}`},
		{"whole body", `{"command":"store","client_version":"1","tokens":{},"wrapper_version":"2","cdx_version":"2","digest":"d","auth_digest":"d",` +
			`"auth_sha":"d","installation_id":"i","auth":null,"last_refresh":"x","auths":{}}`, `{"tokens":{},"last_refresh":"x","auths":{}}`},
	} {
		auth, err := ReadStore([]byte(c.body))
		if err != nil || string(jsondoc.Encode(auth)) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, jsondoc.Encode(auth), err, c.want)
		}
	}
	for _, body := range []string{`{}`, `[]`, `null`, `5`, `{"auth":null}`, `{"auth":"{}"}`, `{"auth":7,"last_refresh":null}`} {
		_, err := ReadStore([]byte(body))
		wantField(t, body, err, "auth", "Auth payload is required")
	}
	if _, err := ReadStore([]byte(`{"auth":`)); !errors.Is(err, ErrNotJSON) {
		t.Errorf("syntax: got %v, want ErrNotJSON", err)
	}
	if _, err := ReadStore(bytes.Repeat([]byte(" "), jsondoc.MaxBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("size: got %v, want ErrTooLarge", err)
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	token := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	full := Claims{
		IssuedAt: time.Unix(1764458100, 0).UTC(), ExpiresAt: time.Unix(1764544500, 0).UTC(), AuthTime: time.Unix(1764000000, 0).UTC(),
		SessionID: "s-1", SID: "s-2",
	}
	for _, c := range []struct {
		name, token string
		want        Claims
	}{
		{"all", token(`{"iat":1764458100,"exp":1764544500.75,"auth_time":1764e6,"session_id":"s-1","sid":"s-2"}`), full},
		{"padded", "e30." + base64.URLEncoding.EncodeToString([]byte(`{"sid":"s"}`)) + ".c2ln", Claims{SID: "s"}},
		{"no claims", token(`{}`), Claims{}},
		{"exact names only", token(`{"IAT":1764458100,"Sid":"s"}`), Claims{}},
		{"wrong types", token(`{"iat":"1764458100","exp":null,"auth_time":{},"session_id":7,"sid":["s"]}`), Claims{}},
		{"absurd times", token(`{"iat":-1,"exp":1e300,"auth_time":` + strings.Repeat("9", 999) + `}`), Claims{}},
		{"absurd ids", token(`{"session_id":"` + strings.Repeat("s", 257) + `","sid":"\u0000"}`), Claims{}},
		{"no object", token(`[]`), Claims{}},
		{"no JSON", token(`{`), Claims{}},
		{"no base64", "e30.!!!.c2ln", Claims{}},
		{"two parts", "e30.e30", Claims{}},
		{"four parts", token(`{"sid":"s"}`) + ".x", Claims{}},
		{"opaque", "at-0123456789", Claims{}},
		{"none", "", Claims{}},
		{"far too long", token(`{"sid":"s","x":"` + strings.Repeat("x", maxJWTBytes) + `"}`), Claims{}},
	} {
		if got := readClaims(c.token); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestNoTokenHasNoHash(t *testing.T) {
	t.Parallel()
	d := mustCanonicalise(t, goodHead+`{"t":{"token":"`+goodToken+`"}},"tokens":{"access_token":"","refresh_token":null,"account_id":null}}`)
	if d.AccessSHA256 != nil || d.RefreshSHA256 != nil || d.ChatGPTAccountID != "" || d.Access != (Claims{}) {
		t.Errorf("got %x, %x, %q, %+v, want nothing", d.AccessSHA256, d.RefreshSHA256, d.ChatGPTAccountID, d.Access)
	}
}

func TestDocumentsDoNotPrint(t *testing.T) {
	t.Parallel()
	d := mustCanonicalise(t, string(authtest.New(authtest.Options{RefreshToken: "planted-secret"})))
	var log bytes.Buffer
	for _, logger := range []*slog.Logger{slog.New(slog.NewJSONHandler(&log, nil)), slog.New(slog.NewTextHandler(&log, nil))} {
		logger.Info("x", "document", d, "value", *d, "body", d.Body)
	}
	marshalled, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %v %s %x %q %d", d, d, d, *d, d.Body, d.Body, d.Body, []Body{d.Body})
	for name, got := range map[string]string{"log": log.String(), "JSON": string(marshalled), "fmt": printed} {
		for _, secret := range []string{"planted", fmt.Sprintf("%x", "planted"), base64.StdEncoding.EncodeToString(d.Body)[:40]} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: got a secret in %q", name, got)
			}
		}
		if !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: got %q, want [redacted]", name, got)
		}
	}
}

func TestErrorsQuoteNoToken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		goodHead + `{"t":{"token":"planted secret"}}}`, goodHead + `{"t":"planted"}}`, goodHead + `{"t":{"token":"planted"}}}`,
		`{"planted":1e999}`, `{"planted":"\ud800"}`, `{"planted":tru}`, `"planted`,
	} {
		if _, err := canonicalise(text); err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: got %v, want an error without the token", text, err)
		}
	}
}
