package openapi_test

import (
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// caller calls a gateway and holds what is said against the description that the gateway itself gives out.
type caller struct {
	*gatewaytest.Gateway
	admin *http.Client
	checker
	answered map[string]bool // :: "METHOD path" → with a success
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: map[string]string{"linux-amd64": "amd", "linux-arm64": "arm"}})
	added, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{Gateway: g, admin: g.AdminClient(t, added.Files.Cert, added.Files.Key), answered: map[string]bool{}}
	value, err := parsed(g.DoAdmin(t, c.admin, gatewaytest.Request{Path: api.PathOpenAPI}).Body)
	if err != nil {
		t.Fatal(err)
	}
	c.checker = checker{value.(map[string]any)}
	return c
}

// call sends a request for a described path, with argument in the place of its parameter, and checks both ways.
func (c *caller) call(t *testing.T, path, argument string, r gatewaytest.Request) *gatewaytest.Answer {
	t.Helper()
	if r.Method == "" {
		r.Method = http.MethodGet
		if r.Body != nil {
			r.Method = http.MethodPost
		}
	}
	plain, query, _ := strings.Cut(path, "?")
	operation, _ := c.resolvePath(plain, r.Method).(map[string]any)
	if operation == nil {
		t.Fatalf("%s %s is not described", r.Method, plain)
	}
	r.Path = placeholder.ReplaceAllString(plain, argument)
	if query != "" {
		r.Path += "?" + query
	}
	var a *gatewaytest.Answer
	if strings.HasPrefix(plain, "/admin/") || strings.HasPrefix(plain, "/dashboard/") {
		a = c.DoAdmin(t, c.admin, r)
	} else {
		a = c.Do(t, r)
	}
	status := "default"
	if a.Status == http.StatusOK {
		status = "200"
		c.answered[r.Method+" "+plain] = true
	}
	content := operation["responses"].(map[string]any)[status].(map[string]any)["content"].(map[string]any)
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	media, is := content[kind].(map[string]any)
	if err != nil || !is {
		t.Fatalf("%s %s: got %d %q, want one of %v", r.Method, r.Path, a.Status, kind, slices.Collect(maps.Keys(content)))
	}
	if schema, is := media["schema"]; is {
		c.conforms(t, r.Method+" "+r.Path, schema, a.Body)
	}
	return a
}

func (c *caller) resolvePath(path, method string) any {
	methods, _ := c.document["paths"].(map[string]any)[path].(map[string]any)
	return methods[strings.ToLower(method)]
}

func (c *caller) conforms(t *testing.T, what string, schema any, text []byte) {
	t.Helper()
	value, err := parsed(text)
	if err != nil {
		t.Errorf("%s: got %s: %v", what, text, err)
	}
	for _, problem := range c.check("", schema, value) {
		t.Errorf("%s: %s\nin %s", what, problem, text)
	}
}

// with is a request with a body that has to be as its operation describes it.
func (c *caller) with(t *testing.T, path, key, body string) gatewaytest.Request {
	t.Helper()
	operation := c.resolvePath(path, http.MethodPost).(map[string]any)
	schema := operation["requestBody"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)["schema"]
	c.conforms(t, "the request for "+path, schema, []byte(body))
	return gatewaytest.Request{Key: key, Body: body}
}

const digits = "0000000000000000000000000000000000000000000000000000000000000000"

// Every call for hosts answers what it is described to answer, good and bad.
func TestAnswersToHosts(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	host := c.Register(t, "build7.example")
	key, login := host.Key.Reveal(), string(authtest.New(authtest.Options{}))
	post := func(path, body string) *gatewaytest.Answer {
		t.Helper()
		return c.call(t, path, "", c.with(t, path, key, body))
	}
	retrieve := `{"digest":"` + digits + `","last_refresh":"2026-01-01T00:00:00Z"}`
	post(api.PathAuth, retrieve) // missing
	post(api.PathSync, `{}`)
	post(api.PathAuth, `{"command":"store","auth":`+login+`}`)
	post(api.PathAuth, retrieve) // outdated
	post(api.PathSync, `{"username":"ci","credential":`+retrieve+`,"usage":{"idempotency_key":"a","usages":[{"total":5}]}}`)
	post(api.PathUsage, `{"total":1200,"input":900,"line":"so it was"}`)
	post(api.PathUsage, `{"usages":[{"total":12},{"output":3,"model":"gpt"}]}`)
	post(api.PathUsage, `{"usages":[{}]}`) // nothing is recorded
	post(api.PathHostUsers, `{"username":"ci","hostname":"build7"}`)
	c.call(t, api.PathVersions, "", gatewaytest.Request{})
	c.call(t, api.PathLive, "", gatewaytest.Request{})
	c.call(t, api.PathReady, "", gatewaytest.Request{})
	c.call(t, api.PathReady+"?verbose", "", gatewaytest.Request{})

	if err := c.Policy.Set(t.Context(), "host_prompt_push", "on", gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	post(api.PathSlashStore, `{"filename":"triage.md","prompt":"Sort the bugs."}`)
	c.call(t, api.PathSlash, "", gatewaytest.Request{Key: key})
	post(api.PathSlashGet, `{"filename":"triage.md"}`)
	post(api.PathSlashGet, `{"filename":"nothing.md"}`)
	post(api.PathSlashStore, `{"filename":"triage.md","prompt":"No.","base_sha256":"`+digits+`"}`) // 409

	for _, header := range []http.Header{nil, {api.HeaderPlatform: {"linux-amd64"}}, {api.HeaderPlatform: {"plan9-mips"}}} {
		c.call(t, api.PathWrapper, "", gatewaytest.Request{Key: key, Header: header})
		c.call(t, api.PathWrapperFile, "", gatewaytest.Request{Key: key, Header: header})
		c.call(t, api.PathSync, "", gatewaytest.Request{Key: key, Header: header, Body: `{}`})
	}
	for _, name := range []string{"cdx-linux-amd64", "cdx-linux-amd64.sha256", "cdx-linux-amd64.minisig", "cdx-plan9-mips"} {
		c.call(t, api.PathClient+"{name}", name, gatewaytest.Request{})
	}

	c.call(t, api.PathInstall+"{token}", "nonsense", gatewaytest.Request{})
	token := host.Token.Reveal()
	c.call(t, api.PathInstall+"{token}", token, gatewaytest.Request{})
	for range 2 { // the second finds it used
		c.call(t, api.PathInstall+"{token}", token, c.with(t, api.PathInstall+"{token}", "", `{"platform":"linux-amd64"}`))
	}
	var seed api.SeedCommand
	c.call(t, api.PathSeedCommand, "", gatewaytest.Request{Method: http.MethodPost}).Decode(t, &seed)
	c.call(t, api.PathSeed+"{token}", seed.Token, gatewaytest.Request{})
	for range 2 {
		c.call(t, api.PathSeed+"{token}", seed.Token, c.with(t, api.PathSeed+"{token}", "", login))
	}

	for _, body := range []string{`{`, `{"command":"x"}`, `{"command":"store","auth":{}}`} {
		c.call(t, api.PathAuth, "", gatewaytest.Request{Key: key, Body: body})
	}
	for _, key := range []string{"", digits} {
		c.call(t, api.PathSlash, "", gatewaytest.Request{Key: key})
	}
	c.call(t, api.PathAuth, "", gatewaytest.Request{Key: key, Method: http.MethodDelete, From: "203.0.113.77"}) // 403
	c.call(t, api.PathAuth+"?force", "", gatewaytest.Request{Key: key, Method: http.MethodDelete})

	operations(c.document, func(method, path string, o map[string]any) {
		forHosts := o["servers"] != nil
		if forHosts && !c.answered[method+" "+path] {
			t.Errorf("%s %s never answered with a success", method, path)
		}
	})
}

// Whatever is asked in an admin's name, and however little sense it makes, the answer is one that was described.
func TestAnswersToNonsense(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.Register(t, "build7.example")
	operations(c.document, func(method, path string, o map[string]any) {
		if o["servers"] != nil { // not a call for admins
			return
		}
		for _, argument := range []string{"x", "9999", "1"} {
			c.call(t, path, argument, gatewaytest.Request{Method: method})
			c.call(t, path+"?limit=x&nothing=1", argument, gatewaytest.Request{Method: method})
			if method != http.MethodGet {
				for _, body := range []string{`{}`, `[]`, `{`, `{"fqdn":5}`} {
					c.call(t, path, argument, gatewaytest.Request{Method: method, Body: body})
				}
			}
		}
	})
}

// Calls for admins likewise.
func TestAnswersToAdmins(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	var made api.RegisterResponse
	c.call(t, api.PathHostRegister, "", c.with(t, api.PathHostRegister, "", `{"fqdn":"build7.example","secure":"no","vip":1}`)).Decode(t, &made)
	for _, body := range []string{`{}`, `{`, `{"fqdn":"a.example","vip":"maybe"}`} {
		c.call(t, api.PathHostRegister, "", gatewaytest.Request{Body: body})
	}
	for _, id := range []string{"1", "1", "x"} { // the second finds nothing any more
		c.call(t, "/admin/hosts/{id}", id, gatewaytest.Request{Method: http.MethodDelete})
	}
	c.call(t, api.PathSeedCommand, "", gatewaytest.Request{Method: http.MethodPost})
	c.call(t, api.PathSeedCommand, "", gatewaytest.Request{Method: http.MethodPost, Header: http.Header{"Origin": {"https://evil.example"}}})
	c.call(t, api.PathOpenAPI, "", gatewaytest.Request{})
	c.call(t, api.PathAPIPage, "", gatewaytest.Request{})
	c.Exec(t, "UPDATE admin_cert SET revoked_at = now()")
	c.call(t, api.PathOpenAPI, "", gatewaytest.Request{})
}
