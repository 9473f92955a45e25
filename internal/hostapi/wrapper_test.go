package hostapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

var builds = map[string]string{"linux-amd64": "a build", "linux-arm64": "another build", "darwin-arm64": "a third one"}

func hexOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func platformHeader(platform string) http.Header { return http.Header{api.HeaderPlatform: {platform}} }

// announced is what POST /auth and POST /sync say about the wrapper: version, digest, URL.
func announced(t *testing.T, g *gatewaytest.Gateway, key string, header http.Header) (auth, sync string) {
	t.Helper()
	say := func(v api.Versions) string {
		if v.WrapperVersion == nil || v.WrapperSHA256 == nil || v.WrapperURL == nil {
			return fmt.Sprint(v.WrapperVersion, v.WrapperSHA256, v.WrapperURL)
		}
		return *v.WrapperVersion + " " + *v.WrapperSHA256 + " " + *v.WrapperURL
	}
	var answer struct{ Versions api.Versions }
	g.Do(t, gatewaytest.Request{Path: "/auth", Key: key, Header: header, Body: retrieving(nil)}).Decode(t, &answer)
	var synced struct{ Versions struct{ Data api.Versions } }
	g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Header: header, Body: "{}"}).Decode(t, &synced)
	return say(answer.Versions), say(synced.Versions.Data)
}

// A client updates itself only to what was announced to it, so all four must speak of the same bytes.
func TestWrapper(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds})
	one, two := g.Register(t, "one.example").Key.Reveal(), g.Register(t, "two.example").Key.Reveal()
	seen := map[string]bool{}
	for _, c := range []struct {
		key, platform string
		contains      []string
	}{
		{one, "", []string{`WRAPPER_VERSION="` + gatewaytest.Version + `"`, one, "one.example", gatewaytest.PublicURL}},
		{two, "", []string{two, "two.example"}},
		{one, "linux-amd64", []string{"a build"}},
		{one, "darwin-arm64", []string{"a third one"}},
	} {
		header := http.Header{}
		if c.platform != "" {
			header = platformHeader(c.platform)
		}
		var said api.Wrapper
		g.Do(t, gatewaytest.Request{Path: "/wrapper", Key: c.key, Header: header}).Decode(t, &said)
		file := g.Do(t, gatewaytest.Request{Path: "/wrapper/download", Key: c.key, Header: header})
		if file.Status != 200 || hexOf(file.Body) != said.SHA256 || int64(len(file.Body)) != said.SizeBytes || said.UpdatedAt.IsZero() {
			t.Errorf("%s: got %d and %d bytes with digest %s, announced as %+v", c.platform, file.Status, len(file.Body), hexOf(file.Body), said)
		}
		want := gatewaytest.Version + " " + hexOf(file.Body) + " /wrapper/download"
		auth, sync := announced(t, g, c.key, header)
		if auth != want || sync != want || said.Version+" "+said.SHA256+" "+said.URL != want {
			t.Errorf("%s: got %q from /auth, %q from /sync, %+v from /wrapper; want %q", c.platform, auth, sync, said, want)
		}
		if file.Header.Get("X-Sha256") != said.SHA256 || file.Header.Get("Etag") != `"`+said.SHA256+`"` {
			t.Errorf("%s: got headers %v", c.platform, file.Header)
		}
		for _, text := range c.contains {
			if !strings.Contains(string(file.Body), text) {
				t.Errorf("%s: the file lacks %q", c.platform, text)
			}
		}
		head := g.Do(t, gatewaytest.Request{Method: "HEAD", Path: "/wrapper/download", Key: c.key, Header: header})
		if head.Status != 200 || head.Header.Get("Content-Length") != fmt.Sprint(len(file.Body)) || len(head.Body) != 0 {
			t.Errorf("HEAD: got %d, %v", head.Status, head.Header)
		}
		if c.platform == "" {
			header := file.Header
			if header.Get("Content-Type") != "text/x-shellscript" || header.Get("Cache-Control") != "no-store" ||
				header.Get("Content-Disposition") != `attachment; filename="cdx-`+gatewaytest.Version+`.sh"` {
				t.Errorf("got headers %v", header)
			}
			seen[said.SHA256] = true
		}
	}
	if len(seen) != 2 {
		t.Errorf("got %d scripts for two hosts", len(seen))
	}
	// The baked key works, and is the caller's own.
	if strings.Contains(string(g.Do(t, gatewaytest.Request{Path: "/wrapper/download", Key: two}).Body), one) {
		t.Error("a host got another host's key")
	}
	// A change of what is baked is a change of the wrapper.
	before, _ := announced(t, g, one, nil)
	g.Exec(t, "UPDATE host SET secure = false, insecure_until = now() + interval '1 hour' WHERE fqdn = 'one.example'")
	if after, _ := announced(t, g, one, nil); after == before {
		t.Error("an insecure host is announced the wrapper of a secure one")
	}
	g.Exec(t, "UPDATE host SET force_ipv4 = true WHERE fqdn = 'two.example'")
	for key, want := range map[string]bool{one: false, two: true} {
		script := string(g.Do(t, gatewaytest.Request{Path: "/wrapper/download", Key: key}).Body)
		if strings.Contains(script, "curl -fsSL -4 ") != want || strings.Contains(script, "wget -q -4 ") != want {
			t.Errorf("got a script for IPv4 only, want %t:\n%s", want, script)
		}
	}
	bearer := g.Do(t, gatewaytest.Request{Path: "/wrapper/download", Header: http.Header{"Authorization": {"Bearer " + two}}})
	if bearer.Status != 200 || !strings.Contains(string(bearer.Body), two) {
		t.Errorf("got %d %s with a bearer token", bearer.Status, bearer.Body)
	}
}

func TestWrapperRefusals(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": "a build"}})
	key := g.Register(t, "one.example").Key.Reveal()
	for _, path := range []string{"/wrapper", "/wrapper/download"} {
		get := func(key string, header http.Header) *gatewaytest.Answer {
			return g.Do(t, gatewaytest.Request{Path: path, Key: key, Header: header})
		}
		get("", nil).Refused(t, 401, "api_key_missing", "API key missing")
		get(noDigest, nil).Refused(t, 401, "api_key_invalid", "Invalid API key")
		// One of the two platforms that wrappers run on lacks, and nobody knows which one the caller's is.
		a := get(key, nil)
		a.Refused(t, 404, "wrapper_not_available", "Wrapper not available")
		if missing := fmt.Sprint(a.Envelope.Details["missing"]); missing != "[linux-arm64]" {
			t.Errorf("got %s missing", missing)
		}
		if ok := get(key, platformHeader("linux-amd64")); ok.Status != 200 {
			t.Errorf("got %d %s for a build that there is", ok.Status, ok.Body)
		}
		for _, platform := range []string{"linux-arm64", "plan9-mips", "../../keyring", "linux-amd64/", ""} {
			if platform != "" {
				get(key, platformHeader(platform)).Refused(t, 404, "client_not_found", "This gateway has no cdx for that platform")
			}
		}
		if a, named := get(key, http.Header{"Accept": {"application/octet-stream"}}), get(key, platformHeader("linux-amd64")); string(a.Body) != string(named.Body) {
			t.Errorf("got %d %s for any build, want %s", a.Status, a.Body, named.Body)
		}
		g.Do(t, gatewaytest.Request{Method: "POST", Path: path, Key: key, Body: "{}"}).Refused(t, 405, "method_not_allowed", "Method not allowed")
	}
	const none = "<nil> <nil> <nil>"
	if auth, sync := announced(t, g, key, nil); auth != none || sync != none {
		t.Errorf("got %q and %q announced, want nothing", auth, sync)
	}
	if strings.Contains(g.Logs.String(), key) {
		t.Error("the log has the key")
	}
}
