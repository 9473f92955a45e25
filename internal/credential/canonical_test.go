package credential

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/errs"
)

var testNow = time.Date(2026, 11, 23, 15, 20, 0, 0, time.UTC)

func canonicalise(text string) (*Document, error) {
	auth, err := Read([]byte(text))
	if err != nil {
		return nil, err
	}
	return Canonicalise(auth, Options{Now: testNow})
}

func mustCanonicalise(t *testing.T, text string) *Document {
	t.Helper()
	d, err := canonicalise(text)
	if err != nil {
		t.Fatalf("canonicalising %.200s: %v", text, err)
	}
	return d
}

// wantField asserts that err is one validation error: text about field.
func wantField(t *testing.T, name string, err error, field, text string) {
	t.Helper()
	refused, ok := errors.AsType[*errs.Error](err)
	if !ok || refused.Kind != errs.Invalid || len(refused.Fields) != 1 || len(refused.Fields[field]) != 1 || refused.Fields[field][0] != text {
		t.Errorf("%s: got %v, want %q about %s", name, err, text, field)
	}
}

// The vectors pin the wire: deployed clients compute these digests.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ name, in, canonical, digest string }{
		{
			"V1 auths made from the access token",
			`{"OPENAI_API_KEY":null,"tokens":{"id_token":"idtok","access_token":"  sk-demo-0123456789abcdefXYZ ","refresh_token":"rt/1","account_id":"acct_1"},"last_refresh":"2025-11-20T09:27:43.373506211Z"}`,
			`{"OPENAI_API_KEY":null,"tokens":{"id_token":"idtok","access_token":"  sk-demo-0123456789abcdefXYZ ","refresh_token":"rt/1","account_id":"acct_1"},"last_refresh":"2025-11-20T09:27:43.373506211Z","auths":{"api.openai.com":{"token":"sk-demo-0123456789abcdefXYZ","token_type":"bearer"}}}`,
			"45300d84ef88d5bc23e1293260aea0ae180372f2e230d8a69343ffc5b3c87097",
		}, {
			"V2 aliases, meta, sorting, an empty object",
			`{"last_refresh":"2025-11-21T00:00:00Z","auths":{"z.example":{"type":"api_key","token":"tok-ABCDEFGHIJKLMNOPQRSTUV"},"api.openai.com":{"token":"tok-1234567890abcdef-XYZ987654","org":"org-1","default_project":"prj","base_url":"https://api.openai.com/v1","note":"blå/x","flag":true,"none":null,"nested":{"a":1},"n":3}},"tokens":{"access_token":"x","extra":{}}}`,
			`{"last_refresh":"2025-11-21T00:00:00Z","auths":{"api.openai.com":{"api_base":"https://api.openai.com/v1","flag":true,"n":3,"none":null,"note":"blå/x","organization":"org-1","project":"prj","token":"tok-1234567890abcdef-XYZ987654","token_type":"bearer"},"z.example":{"token":"tok-ABCDEFGHIJKLMNOPQRSTUV","token_type":"api_key"}},"tokens":{"access_token":"x","extra":{}}}`,
			"5ec98ebccd0e2446adf8c16791b9d543ff8607c4f291dd239754dcb72f5d1630",
		}, {
			"V3 empty auths keep their place",
			`{"auths":{},"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","last_refresh":"2025-11-21T00:00:00+01:00"}`,
			`{"auths":{"api.openai.com":{"token":"sk-0123456789abcdefghijKLMN","token_type":"bearer"}},"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","last_refresh":"2025-11-21T00:00:00+01:00"}`,
			"fd2e6b1df55567b3c7ca4ed340b6c3b43a86e5062819631f7839363810458218",
		}, {
			"V4 an empty alias shadows later ones",
			`{"last_refresh":"2025-11-21T00:00:00Z","auths":{"api.openai.com":{"token":"tok-1234567890abcdef-XYZ987654","organization":"","org":"org-2","token_type":""}}}`,
			`{"last_refresh":"2025-11-21T00:00:00Z","auths":{"api.openai.com":{"token":"tok-1234567890abcdef-XYZ987654","token_type":"bearer"}}}`,
			"7a5e2ca5eade00e99ae305bb315b9fb6402075080bb7f466007722cf32dfedc3",
		}, {
			"V5 auths made from the API key",
			`{"tokens":{"access_token":""},"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","last_refresh":"2025-11-21T00:00:00Z"}`,
			`{"tokens":{"access_token":""},"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","last_refresh":"2025-11-21T00:00:00Z","auths":{"api.openai.com":{"token":"sk-0123456789abcdefghijKLMN","token_type":"bearer"}}}`,
			"8e16505970d22acfe1e55d198060c244b35412b90cc345fd4a7f878fd1d3e5fd",
		},
	} {
		d, err := canonicalise(v.in)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if string(d.Body) != v.canonical || d.Digest.String() != v.digest {
			t.Errorf("%s: got %s %s\nwant %s %s", v.name, d.Digest, []byte(d.Body), v.digest, v.canonical)
		}
	}
	// V6 is what a client without a file reports; it must not be storable.
	_, err := canonicalise(`{"last_refresh":"2000-01-01T00:00:00Z","auths":{}}`)
	wantField(t, "V6", err, "auth.auths", "auths must be an object of targets")
}

const (
	goodToken = "tok-1234567890abcdef-XYZ987654"
	goodHead  = `{"last_refresh":"2025-11-21T00:00:00Z","auths":`
)

func TestCanonicalAuths(t *testing.T) {
	t.Parallel()
	entry := func(members string) string { return `{"token":"` + goodToken + `"` + members + `}` }
	want := `{"token":"` + goodToken + `","token_type":"bearer"}`
	for _, c := range []struct{ name, in, want string }{
		{"targets are trimmed and sorted by byte", `{" b ":` + entry("") + `,"a\t":` + entry("") + `,"Z":` + entry("") + `,"é":` + entry("") + `}`,
			`{"Z":` + want + `,"a":` + want + `,"b":` + want + `,"é":` + want + `}`},
		{"names of digits go first, by number", `{"t":` + entry(`,"10":1,"9":2,"A":3,"!":4,"007":5,"":6`) + `}`,
			`{"t":{"007":5,"9":2,"10":1,"":6,"!":4,"A":3,"token":"` + goodToken + `","token_type":"bearer"}}`},
		{"first non-null alias counts", `{"t":` + entry(`,"organization":null,"org":" o ","default_org":"x","project":false,"default_project":"p","base_url":"\u00a0"`) + `}`,
			`{"t":{"api_base":"` + "\u00a0" + `","organization":"o","token":"` + goodToken + `","token_type":"bearer"}}`},
		{"the type is kept as it is", `{"t":` + entry(`,"token_type":null,"type":" Basic "`) + `}`,
			`{"t":{"token":"` + goodToken + `","token_type":" Basic "}}`},
		{"a type that is no text", `{"t":` + entry(`,"token_type":7,"type":"basic"`) + `}`, `{"t":` + want + `}`},
		{"the token is trimmed", `{"t":{"token":" \u0000` + goodToken + `\n"}}`, `{"t":` + want + `}`},
		{"meta keeps scalars only", `{"t":` + entry(`,"a":1e2,"b":[],"c":{},"d":null,"e":"","f":false`) + `}`,
			`{"t":{"a":100.0,"d":null,"e":"","f":false,"token":"` + goodToken + `","token_type":"bearer"}}`},
	} {
		d, err := canonicalise(goodHead + c.in + `}`)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := string(d.Body); got != goodHead+c.want+`}` {
			t.Errorf("%s: got %s\nwant %s", c.name, got, goodHead+c.want+`}`)
		}
	}
}

func TestAuthsAreMadeFromTheLogin(t *testing.T) {
	t.Parallel()
	made := `{"api.openai.com":{"token":"` + goodToken + `","token_type":"bearer"}}`
	const when = `"last_refresh":"2025-11-21T00:00:00Z"`
	for _, c := range []struct{ in, want string }{
		{`{"auths":"x","OPENAI_API_KEY":"` + goodToken + `",` + when + `}`, `{"auths":` + made + `,"OPENAI_API_KEY":"` + goodToken + `",` + when + `}`},
		{`{"auths":[],"OPENAI_API_KEY":"` + goodToken + `",` + when + `}`, `{"auths":` + made + `,"OPENAI_API_KEY":"` + goodToken + `",` + when + `}`},
		{`{"auths":null,"OPENAI_API_KEY":"` + goodToken + `",` + when + `}`, `{"auths":` + made + `,"OPENAI_API_KEY":"` + goodToken + `",` + when + `}`},
		{`{"tokens":{"access_token":" "},"OPENAI_API_KEY":" ` + goodToken + `",` + when + `}`,
			`{"tokens":{"access_token":" "},"OPENAI_API_KEY":" ` + goodToken + `",` + when + `,"auths":` + made + `}`},
		{`{"tokens":{"access_token":"` + goodToken + `"},"OPENAI_API_KEY":"sk-other",` + when + `}`,
			`{"tokens":{"access_token":"` + goodToken + `"},"OPENAI_API_KEY":"sk-other",` + when + `,"auths":` + made + `}`},
	} {
		if got := string(mustCanonicalise(t, c.in).Body); got != c.want {
			t.Errorf("%s: got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestValidationErrors(t *testing.T) {
	t.Parallel()
	const (
		keys    = "auths keys must be non-empty strings"
		objects = "auths must be an object of targets"
	)
	good := `{"token":"` + goodToken + `"}`
	for _, c := range []struct{ in, field, text string }{
		{`{}`, "auth.last_refresh", "last_refresh is required"},
		{`{"last_refresh":7,"auths":{"t":` + good + `}}`, "auth.last_refresh", "last_refresh is required"},
		{`{"last_refresh":" ","auths":{"t":` + good + `}}`, "auth.last_refresh", "last_refresh is required"},
		{`{"last_refresh":" 2025-11-21T00:00:00Z","auths":{"t":` + good + `}}`, "auth.last_refresh", "must be an RFC3339 timestamp"},
		{`{"last_refresh":"2026-11-23T15:21:00.000001Z","auths":{"t":` + good + `}}`, "auth.last_refresh", "timestamp is in the future"},
		{goodHead + `{}}`, "auth.auths", objects},
		{goodHead + `{},"tokens":[],"OPENAI_API_KEY":7}`, "auth.auths", objects},
		{goodHead + `{},"tokens":{"access_token":"\t"}}`, "auth.auths", objects},
		{goodHead + `{},"OPENAI_API_KEY":"sk-short"}`, "auth.auths.api.openai.com.token", "token too short (min 24 characters)"},
		{goodHead + `[` + good + `]}`, "auth.auths", keys},
		{goodHead + `{"":` + good + `}}`, "auth.auths", keys},
		{goodHead + `{" \n":` + good + `}}`, "auth.auths", keys},
		{goodHead + `{"123":` + good + `}}`, "auth.auths", keys},
		{goodHead + `{" -7":` + good + `}}`, "auth.auths", keys},
		{goodHead + `{"t":null}}`, "auth.auths.t", "entry must be an object"},
		{goodHead + `{"t":"` + goodToken + `"}}`, "auth.auths.t", "entry must be an object"},
		{goodHead + `{"t":["` + goodToken + `"]}}`, "auth.auths.t.token", "token is required"},
		{goodHead + `{"t":{}}}`, "auth.auths.t.token", "token is required"},
		{goodHead + `{"t":{"token":7}}}`, "auth.auths.t.token", "token is required"},
		{goodHead + `{"t":{"token":" \t"}}}`, "auth.auths.t.token", "token is required"},
		{goodHead + `{" t ":{"token":"a b"}}}`, "auth.auths.t.token", "token may not contain whitespace or newlines"},
		{goodHead + `{"b":` + good + `,"t":{},"u":{}}}`, "auth.auths.t.token", "token is required"},
		{goodHead + `{"t":` + good + `," t":` + good + `}}`, "auth.auths.t", "target appears twice, apart from case and surrounding blanks"},
		{goodHead + `{"a.example":` + good + `,"A.Example":` + good + `}}`, "auth.auths.A.Example", "target appears twice, apart from case and surrounding blanks"},
		{goodHead + `{"t":` + good + `},"tokens":{"account_id":"a\u0000b"}}`, "auth.tokens.account_id", "account_id must be at most 256 printable characters"},
		{goodHead + `{"t":` + good + `},"tokens":{"account_id":"` + strings.Repeat("a", 257) + `"}}`, "auth.tokens.account_id", "account_id must be at most 256 printable characters"},
		{goodHead + `{"t":` + good + `},"x":"` + strings.Repeat("x", MaxBytes) + `"}`, "auth", "auth may be at most 196608 bytes long"},
		{`[]`, "auth", "Auth payload is required"},
		{`null`, "auth", "Auth payload is required"},
		{goodHead + `{"t":` + good + `},"n":1e999}`, "auth", "JSON without a canonical form: a number beyond the range of a double at byte 105"},
	} {
		_, err := canonicalise(c.in)
		wantField(t, fmt.Sprintf("%.120s", c.in), err, c.field, c.text)
	}
}

func TestAgentIdentityIsRemoved(t *testing.T) {
	t.Parallel()
	with := mustCanonicalise(t, `{"agent_identity":{"agent_private_key":"planted"},"tokens":{"agent_identity":1},`+goodHead[1:]+`{"t":{"token":"`+goodToken+`"}}}`)
	without := mustCanonicalise(t, `{"tokens":{"agent_identity":1},`+goodHead[1:]+`{"t":{"token":"`+goodToken+`"}}}`)
	if with.Digest != without.Digest || strings.Contains(string(with.Body), "planted") {
		t.Errorf("got %s, want %s", []byte(with.Body), []byte(without.Body))
	}
}

// Codex drops "auths" when it writes the file. What a host then uploads must be the same credential again.
func TestCodexFile(t *testing.T) {
	t.Parallel()
	options := authtest.Options{RefreshToken: "rt-1", LastRefresh: time.Date(2026, 11, 23, 15, 19, 31, 503136847, time.UTC)}
	file := authtest.New(options)
	d := mustCanonicalise(t, string(file))
	access := authtest.AccessToken(options)
	if d.LastRefresh != "2026-11-23T15:19:31.503136847Z" || !d.RefreshedAt.Equal(options.LastRefresh.Truncate(time.Microsecond)) {
		t.Errorf("last_refresh: got %s, %s, want it verbatim and in microseconds", d.LastRefresh, d.RefreshedAt)
	}
	if d.ChatGPTAccountID != "acct-authtest" || d.Placeholder {
		t.Errorf("got account %q, placeholder %v, want acct-authtest, false", d.ChatGPTAccountID, d.Placeholder)
	}
	if sum := sha256.Sum256([]byte(access)); string(d.AccessSHA256) != string(sum[:]) {
		t.Errorf("access token: got %x, want %x", d.AccessSHA256, sum)
	}
	if sum := sha256.Sum256([]byte("rt-1")); string(d.RefreshSHA256) != string(sum[:]) {
		t.Errorf("refresh token: got %x, want %x", d.RefreshSHA256, sum)
	}
	wantClaims := Claims{
		IssuedAt: options.LastRefresh.Truncate(time.Second), ExpiresAt: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		AuthTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), SessionID: "sess-authtest",
	}
	if d.Access != wantClaims {
		t.Errorf("claims: got %+v, want %+v", d.Access, wantClaims)
	}
	if d.Digest != Digest(sha256.Sum256(d.Body)) {
		t.Error("the digest is not the SHA-256 of the body")
	}
	v, err := jsondoc.Parse(d.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := jsondoc.DigestOf(v); got != d.Digest {
		t.Errorf("digest that a client computes of what it received: got %s, want %s", got, d.Digest)
	}
	v.(*jsondoc.Object).Delete("auths")
	if again := mustCanonicalise(t, string(jsondoc.Encode(v))); again.Digest != d.Digest {
		t.Errorf("after Codex dropped auths: got %s, want %s", again.Digest, d.Digest)
	}
}

func TestPlaceholderIsRecognised(t *testing.T) {
	t.Parallel()
	d := mustCanonicalise(t, string(authtest.New(authtest.Options{RefreshToken: "cdxp_c2VjcmV0"})))
	if !d.Placeholder {
		t.Error("got no placeholder, want one")
	}
}
