package openapi_test

import (
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// caller calls a gateway and holds what is said against the description that the gateway itself gives out.
type caller struct {
	*gatewaytest.Gateway
	admin  *http.Client
	GitHub *githubtest.API
	site   *gatewaytest.AdminSite // accepts whatever there is
	checker
	answered map[string]bool // :: "METHOD path" → with a success
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	github := githubtest.New(t, "rust-v0.63.0")
	g := gatewaytest.New(t, gatewaytest.Options{
		Clients: map[string]string{"linux-amd64": "amd", "linux-arm64": "arm"}, GitHub: github.URL,
		ChatGPT: gatewaytest.NewChatGPT(t, `{"plan_type":"pro","rate_limit":{"primary_window":{"used_percent":10,"limit_window_seconds":18000,"reset_after_seconds":600}}}`).URL,
	})
	added, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{}, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{Gateway: g, GitHub: github, admin: g.AdminClient(t, added.Files.Cert, added.Files.Key), site: g.AdminSite(t, access.Kinds...), answered: map[string]bool{}}
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
		r.JSON = !isForm(r)
		a = c.site.Do(t, c.admin, r)
	} else {
		a = c.Do(t, r)
	}
	status := "default"
	if a.Status < http.StatusBadRequest {
		status = strconv.Itoa(a.Status)
		c.answered[r.Method+" "+plain] = true
	}
	response, is := operation["responses"].(map[string]any)[status].(map[string]any)
	if !is {
		t.Fatalf("%s %s: got %d, which is not described", r.Method, r.Path, a.Status)
	}
	if a.Status == http.StatusSeeOther {
		return a
	}
	content := response["content"].(map[string]any)
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

func isForm(r gatewaytest.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/")
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
	post(api.PathSync, `{"usage":{"idempotency_key":"b","usages":[],"rate_limits":{"primary":null},"rate_limits_at":"2026-01-01T00:00:00Z"}}`)
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

	c.allAnswered(t, true)
}

// allAnswered demands that every operation for hosts, or every other, answered with a success.
func (c *caller) allAnswered(t *testing.T, forHosts bool) {
	t.Helper()
	operations(c.document, func(method, path string, o map[string]any) {
		// There is no runner that could succeed.
		if (o["servers"] != nil) == forHosts && !c.answered[method+" "+path] && path != "/admin/runner/run" {
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
	c.live(t)
	c.act(t)
	c.decide(t)
	c.decideCommands(t)
	c.read(t)
	c.logIn(t)
	c.let(t)
	for _, id := range []string{"1", "1", "x"} { // the second finds nothing any more
		c.call(t, "/admin/hosts/{id}", id, gatewaytest.Request{Method: http.MethodDelete})
	}
	c.call(t, api.PathSeedCommand, "", gatewaytest.Request{Method: http.MethodPost})
	c.call(t, api.PathSeedCommand, "", gatewaytest.Request{Method: http.MethodPost, Header: http.Header{"Origin": {"https://evil.example"}}})
	for _, path := range []string{api.PathWhoAmI, api.PathOpenAPI, api.PathAPIPage} {
		c.call(t, path, "", gatewaytest.Request{})
		c.call(t, path, "", gatewaytest.Request{Header: http.Header{"Authorization": {"Bearer cdxa_nobody"}}})
	}
	c.allAnswered(t, false)
	c.Exec(t, "UPDATE admin_cert SET revoked_at = now()")
	c.call(t, api.PathOpenAPI, "", gatewaytest.Request{})
}

// live makes a host do what admins can read about.
func (c *caller) live(t *testing.T) {
	t.Helper()
	host := c.Register(t, "build8.example")
	c.Upload(t, authtest.New(authtest.Options{}))
	c.Do(t, gatewaytest.Request{Path: api.PathAuth, Key: host.Key.Reveal(), Body: `{"command":"retrieve","digest":"` + digits + `","last_refresh":"2026-01-01T00:00:00Z"}`})
	c.Do(t, gatewaytest.Request{Path: api.PathHostUsers, Key: host.Key.Reveal(), Body: `{"username":"ci","hostname":"build8"}`})
	c.Do(t, gatewaytest.Request{Path: api.PathUsage, Key: host.Key.Reveal(), Body: `{"usages":[{"total":12,"line":"so it was"},{"output":3,"model":"gpt"}]}`})
	for _, name := range []string{"one", "two", "three"} {
		c.Do(t, gatewaytest.Request{Path: api.PathSlashStore, Key: host.Key.Reveal(), Body: `{"filename":"` + name + `.md","prompt":"Sort the bugs."}`})
	}
}

// act makes each change that admins can make, to the first host where it is about one.
func (c *caller) act(t *testing.T) {
	t.Helper()
	login := string(authtest.New(authtest.Options{}))
	for _, act := range []struct{ path, body string }{
		{"/admin/hosts/{id}/roaming", `{"allow":true}`},
		{"/admin/hosts/{id}/secure", `{"secure":false}`},
		{"/admin/hosts/{id}/insecure/enable", `{"duration_minutes":30}`},
		{"/admin/hosts/{id}/insecure/enable", `{}`},
		{"/admin/hosts/{id}/vip", `{"vip":true}`},
		{"/admin/hosts/{id}/ipv4", `{"force":true}`},
		{"/admin/hosts/{id}/curl-insecure", `{"allow":true}`},
		{"/admin/hosts/{id}/model", `{"model_override":"gpt-5.1","reasoning_effort_override":null}`},
		{"/admin/hosts/{id}/codex-version", `{"selection":"0.63.0"}`},
		{"/admin/hosts/{id}/codex-version", `{"client_version_override":null}`},
		{"/admin/hosts/{id}/labels", `{"labels":{"rack":"7","old":null},"note":"under the desk"}`},
		{"/admin/hosts/{id}/rename", `{"fqdn":"build9.example"}`},
		{"/admin/hosts/batch", `{"ids":[1,9999],"action":"vip","value":true}`},
		{"/admin/auth/upload", `{"auth":` + login + `}`},
		{"/admin/auth/upload", `{"auth":` + login + `,"host_id":1}`},
		{"/admin/api/state", `{"disabled":false}`},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":94.6,"week_partition":7}`},
		{"/admin/cdx-silent", `{"silent":true}`},
		{"/admin/codex-version", `{"selection":"0.63.0"}`},
		{"/admin/prune-policy", `{"inactivity_days":30}`},
		{"/admin/slash-commands/store", `{"filename":"commit.md","prompt":"Commit what is staged."}`},
	} {
		request := c.with(t, act.path, "", act.body)
		if a := c.call(t, act.path, "1", request); a.Status != http.StatusOK {
			t.Errorf("%s %s: got %d %s", act.path, act.body, a.Status, a.Body)
		}
		request.Header = http.Header{"If-Match": {`"another"`}}
		c.call(t, act.path, "1", request) // 412 where that counts
		c.call(t, act.path, "9999", request)
	}
	c.GitHub.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c.call(t, "/admin/versions/check", "", gatewaytest.Request{Method: http.MethodPost})
	for _, body := range []string{`{}`, `{}`, `{"revoke_now":true}`} { // the second is one too many
		c.call(t, "/admin/hosts/{id}/rotate", "2", gatewaytest.Request{Body: body})
	}
	for _, path := range []string{
		"/admin/versions/check", "/admin/runner/run", "/admin/hosts/{id}/insecure/disable", "/admin/hosts/{id}/clear", "/admin/hosts/{id}/suspend", "/admin/hosts/{id}/resume", "/admin/hosts/{id}/unbind",
	} {
		c.call(t, path, "1", gatewaytest.Request{Method: http.MethodPost})
	}
	for range 2 { // nobody is asked a second time
		c.call(t, "/admin/chatgpt/usage/refresh", "", gatewaytest.Request{Method: http.MethodPost})
	}
	c.call(t, "/admin/auth/upload", "", gatewaytest.Request{
		Header: http.Header{"Content-Type": {"multipart/form-data; boundary=x"}, "Sec-Fetch-Site": {"same-origin"}},
		Body:   "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"auth.json\"\r\n\r\n" + login + "\r\n--x--\r\n",
	})
}

// decideCommands makes each decision about slash commands and what hosts propose, and again when it is made.
func (c *caller) decideCommands(t *testing.T) {
	t.Helper()
	const proposals = "/admin/slash-command-proposals/{id}"
	for range 2 {
		c.call(t, proposals+"/accept", "1", c.with(t, proposals+"/accept", "", `{"force":true}`))
		c.call(t, proposals+"/discard", "3", gatewaytest.Request{Method: http.MethodPost})
	}
	const restore = "/admin/slash-commands/{filename}/restore"
	request := c.with(t, restore, "", `{"version":1}`)
	c.call(t, restore, "commit.md", request)
	request.Header = http.Header{"If-Match": {`"another"`}}
	c.call(t, restore, "commit.md", request)
	c.call(t, "/admin/slash-commands/{filename}/versions?version=1", "commit.md", gatewaytest.Request{})
}

// let lets others in and out again.
func (c *caller) let(t *testing.T) {
	t.Helper()
	const tokens, revoke = "/admin/api-tokens", "/admin/certificates/revoke"
	for _, body := range []string{`{"name":"ci","role":"viewer","scopes":null,"ttl_seconds":3600}`, `{"name":"ci","role":"owner"}`, `{"name":"cd","role":"operator","scopes":["host.enrol"]}`} {
		c.call(t, tokens, "", c.with(t, tokens, "", body)) // the second finds the name taken
	}
	for _, body := range []string{`{"name":"CI","role":"viewer"}`, `{"name":"x","role":"king"}`, `{"name":"x","role":"viewer","scopes":["admin.write"]}`, `{"name":"x","role":"viewer","ttl_seconds":1}`} {
		c.call(t, tokens, "", gatewaytest.Request{Body: body})
	}
	if _, err := c.Certs.Add(t.Context(), "bob", adminca.AddOptions{Role: "viewer"}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing any more
		c.call(t, revoke, "", c.with(t, revoke, "", `{"name":"bob"}`))
		c.call(t, tokens+"/{name}", "ci", gatewaytest.Request{Method: http.MethodDelete})
		c.call(t, "/admin/sessions/{id}", "1", gatewaytest.Request{Method: http.MethodDelete})
	}
	for _, path := range []string{tokens, "/admin/certificates", "/admin/sessions"} {
		c.call(t, path, "", gatewaytest.Request{})
	}
}

// decide goes back to an earlier login, and decides what a host proposes.
func (c *caller) decide(t *testing.T) {
	t.Helper()
	quiet := c.Register(t, "quiet.example")
	c.Exec(t, "UPDATE host SET may_store = false WHERE fqdn = 'quiet.example'")
	for day := range 2 {
		later := string(authtest.New(authtest.Options{LastRefresh: time.Date(2026, 2, 1+day, 0, 0, 0, 0, time.UTC)}))
		c.Upload(t, []byte(later))
		propose := strings.ReplaceAll(`{"command":"store","auth":LOGIN}`, "LOGIN", string(authtest.New(authtest.Options{LastRefresh: time.Date(2026, 3, 1+day, 0, 0, 0, 0, time.UTC)})))
		c.Do(t, gatewaytest.Request{Path: api.PathAuth, Key: quiet.Key.Reveal(), Body: propose})
	}
	post := func(path, argument, body string) {
		t.Helper()
		c.call(t, path, argument, c.with(t, path, "", body))
	}
	post("/admin/auth/rollback", "", `{"generation":1}`)
	post("/admin/auth/rollback", "", `{"generation":1,"current":1,"confirm":true}`)
	post("/admin/auth/rollback", "", `{"generation":1,"confirm":true}`)
	post("/admin/auth/rollback", "", `{"generation":99}`)
	c.call(t, "/admin/auth/reveal", "", gatewaytest.Request{Method: http.MethodPost})
	c.call(t, "/admin/auth/generations/{number}", "1", gatewaytest.Request{})
	var waiting api.AdminProposals
	c.call(t, "/admin/auth/proposals", "", gatewaytest.Request{}).Decode(t, &waiting)
	if len(waiting.Proposals) != 2 {
		t.Fatalf("got %d proposals, want 2", len(waiting.Proposals))
	}
	for _, act := range []string{"discard", "discard", "reopen", "reopen"} {
		c.call(t, "/admin/auth/proposals/{id}/"+act, waiting.Proposals[0].ID, gatewaytest.Request{Method: http.MethodPost})
	}
	for _, body := range []string{`{}`, `{"confirm":true}`, `{"confirm":true}`} {
		post("/admin/auth/proposals/{id}/adopt", waiting.Proposals[0].ID, body)
	}
}

// read asks for all that admins can read, and in every way that is described.
func (c *caller) read(t *testing.T) {
	t.Helper()
	operations(c.document, func(method, path string, o map[string]any) {
		if method != http.MethodGet || !strings.HasPrefix(path, "/admin/") {
			return
		}
		argument := map[bool]string{true: "commit.md", false: "2"}[strings.Contains(path, "{filename}")]
		c.call(t, path, argument, gatewaytest.Request{})
		for _, p := range list(o["parameters"]) {
			parameter := p.(map[string]any)
			name := parameter["name"].(string)
			if parameter["in"] != "query" {
				continue
			}
			for _, value := range []string{"1", "yes", "a=b", "active", "seen", "total", "asc", "%00"} {
				a := c.call(t, path+"?"+name+"="+value, argument, gatewaytest.Request{})
				if len(a.Envelope.Errors["query"]) > 0 {
					t.Errorf("%s: got %s", path, a.Body)
				}
			}
		}
	})
	c.call(t, "/admin/slash-commands/{filename}", "commit.md", gatewaytest.Request{Method: http.MethodDelete})
	c.call(t, "/admin/slash-commands/{filename}", "commit.md", gatewaytest.Request{})
}

// logIn calls as a browser that was logged in, that was not, and that shows a wrong cookie.
func (c *caller) logIn(t *testing.T) {
	t.Helper()
	link, err := c.Access.NewLink(t.Context(), access.Viewer, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := c.Access.UseLink(t.Context(), link.Secret.Reveal(), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	cookie := door.CookieName + "=" + secret.Reveal()
	for _, cookies := range [][]string{{cookie}, nil, {cookie + "x"}} {
		c.call(t, "/admin/hosts/{id}/clear", "1", gatewaytest.Request{Method: http.MethodPost, Header: http.Header{"Cookie": cookies, "Sec-Fetch-Site": {"same-origin"}}})
	}
}
