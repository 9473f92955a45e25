package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// browser is a machine with a browser before a site that accepts sessions.
type browser struct {
	*gatewaytest.Gateway
	site   *gatewaytest.AdminSite
	client *http.Client
}

func newBrowser(t *testing.T, opts gatewaytest.Options) *browser {
	t.Helper()
	g := gatewaytest.New(t, opts)
	return &browser{g, g.AdminSite(t, access.Session, access.Token), g.AdminClient(t, "", "")}
}

func (b *browser) link(t *testing.T) string {
	t.Helper()
	link, err := b.Access.NewLink(t.Context(), access.Operator, gatewaytest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	return api.PathLoginLink + link.Secret.Reveal()
}

func (b *browser) get(t *testing.T, path string) *gatewaytest.Answer {
	t.Helper()
	return b.site.Do(t, b.client, gatewaytest.Request{Path: path})
}

// press posts as the button of our own page does.
func (b *browser) press(t *testing.T, path string) *gatewaytest.Answer {
	t.Helper()
	return b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: path, Header: http.Header{
		"Sec-Fetch-Site": {"same-origin"}, "Origin": {b.site.URL}, "Content-Type": {"application/x-www-form-urlencoded"},
	}})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	path := b.link(t)
	for range 3 { // a preview, and another
		page := b.get(t, path)
		policy := page.Header.Get("Content-Security-Policy")
		if page.Status != 200 || !strings.Contains(string(page.Body), `<form method="post"><button>Log in</button></form>`) || !strings.Contains(string(page.Body), "As operator, by a link that gatewaytest made") {
			t.Fatalf("got %d %s", page.Status, page.Body)
		}
		if strings.Contains(string(page.Body), "<script") || strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") ||
			!strings.Contains(policy, "frame-ancestors 'none'") || page.Header.Get("Set-Cookie") != "" || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got policy %q, headers %v", policy, page.Header)
		}
	}
	in := b.press(t, path)
	if in.Status != http.StatusSeeOther || in.Header.Get("Location") != api.PathLogin {
		t.Fatalf("got %d %v %s", in.Status, in.Header, in.Body)
	}
	cookie, err := http.ParseSetCookie(in.Header.Get("Set-Cookie"))
	if err != nil || cookie.Name != admin.CookieName || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" ||
		cookie.Domain != "" || cookie.MaxAge < 11*3600 || cookie.MaxAge > 12*3600 || len(cookie.Value) != 43 {
		t.Fatalf("got cookie %v, %v", cookie, err)
	}
	header := http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
	page := b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathLogin, Header: header})
	if page.Status != 200 || !strings.Contains(string(page.Body), "logged in as operator, session 1 (link 1 by gatewaytest), until ") || !strings.Contains(string(page.Body), "/admin/") {
		t.Errorf("got %d %s", page.Status, page.Body)
	}
	for what, a := range map[string]*gatewaytest.Answer{"a second press": b.press(t, path), "a look at a link that was used": b.get(t, path)} {
		if a.Status != http.StatusGone || !strings.Contains(string(a.Body), "used already") || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got %d %s", what, a.Status, a.Body)
		}
	}
	if a := b.get(t, api.PathLogin); a.Status != 401 || !strings.Contains(string(a.Body), "Not logged in") {
		t.Errorf("without the cookie: got %d %s", a.Status, a.Body)
	}
	if n := b.Int(t, "SELECT count(*) FROM admin_session"); n != 1 {
		t.Errorf("got %d sessions, want 1", n)
	}
	for name, secret := range map[string]string{"link": strings.TrimPrefix(path, api.PathLoginLink), "cookie": cookie.Value} {
		if strings.Contains(b.Logs.String(), secret) {
			t.Errorf("the log shows the %s", name)
		}
	}
}

// Of twenty who press the button at once one is logged in.
func TestOneOfManyPresses(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	path := b.link(t)
	var in atomic.Int32
	start := make(chan struct{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			<-start
			if a := b.press(t, path); a.Status == http.StatusSeeOther && a.Header.Get("Set-Cookie") != "" {
				in.Add(1)
			} else if a.Status != http.StatusGone || a.Header.Get("Set-Cookie") != "" {
				t.Errorf("got %d %v", a.Status, a.Header)
			}
		})
	}
	close(start)
	all.Wait()
	if sessions := b.Int(t, "SELECT count(*) FROM admin_session"); in.Load() != 1 || sessions != 1 {
		t.Errorf("got %d logged in and %d sessions, want 1", in.Load(), sessions)
	}
}

// Nobody is logged in by another site, by a preview, over a line that others read, or where sessions are not accepted; and
// none of that spends the link.
func TestWhatSpendsNoLink(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	path := b.link(t)
	for name, c := range map[string]struct {
		method string
		header http.Header
		status int
	}{
		"HEAD":                 {http.MethodHead, nil, 200},
		"OPTIONS":              {http.MethodOptions, nil, 204},
		"PUT":                  {http.MethodPut, nil, 405},
		"nobody's browser":     {http.MethodPost, nil, 403},
		"another site":         {http.MethodPost, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"a neighbour":          {http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		"another origin":       {http.MethodPost, http.Header{"Origin": {"https://evil.example"}}, 403},
		"the same without TLS": {http.MethodPost, http.Header{"Origin": {strings.Replace(b.site.URL, "https", "http", 1)}}, 403},
	} {
		a := b.site.Do(t, b.client, gatewaytest.Request{Method: c.method, Path: path, Header: c.header})
		if a.Status != c.status || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got %d %v", name, a.Status, a.Header)
		}
	}
	for _, kinds := range [][]access.Kind{{access.Certificate}, {access.Token}} {
		elsewhere := b.AdminSite(t, kinds...)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := elsewhere.Do(t, b.client, gatewaytest.Request{Method: method, Path: path, Header: http.Header{"Sec-Fetch-Site": {"same-origin"}}})
			a.Refused(t, 404, "route_not_found", "Route not found")
		}
	}
	plain := httptest.NewRequest(http.MethodPost, path, http.NoBody)
	plain.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	b.Admin.ServeHTTP(w, plain.WithContext(admin.Accepting(plain.Context(), access.Kinds)))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "over TLS") {
		t.Errorf("without TLS: got %d %s", w.Code, w.Body)
	}
	if a := b.press(t, path); a.Status != http.StatusSeeOther {
		t.Errorf("after all that: got %d %s, want the link to be good still", a.Status, a.Body)
	}
}

// Without TLS, and not on the machine itself, a token is not even looked at.
func TestPlaintext(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	good := token(t, g, access.NewToken{Name: "ci", Role: access.Viewer})
	r := httptest.NewRequest(http.MethodGet, api.PathWhoAmI, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+good)
	w := httptest.NewRecorder()
	g.Admin.ServeHTTP(w, r.WithContext(admin.Accepting(r.Context(), access.Kinds)))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "admin_tls_required") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Admin.ServeHTTP(w, r.WithContext(admin.Accepting(r.Context(), access.Kinds)))
	}))
	defer local.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, local.URL+api.PathWhoAmI, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "bearer "+good)
	response, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("on the machine itself: got %d", response.StatusCode)
	}
}

// Guessing ends in a block, whatever is guessed; what was good once is no guess.
func TestGuessesAreLimited(t *testing.T) {
	t.Parallel()
	rules := ratelimit.Rules{ratelimit.AdminFail: {Limit: 3, Window: time.Hour, Block: time.Hour}}
	unknown := strings.Repeat("A", 43)
	for name, request := range map[string]gatewaytest.Request{
		"tokens":   {Path: api.PathWhoAmI, Header: bearer("cdxa_" + unknown)},
		"sessions": {Path: api.PathWhoAmI, Header: from("same-origin", admin.CookieName+"="+unknown)},
		"links":    {Path: api.PathLoginLink + unknown},
		"presses":  {Method: http.MethodPost, Path: api.PathLoginLink + url.PathEscape("' OR 1=1"), Header: http.Header{"Sec-Fetch-Site": {"same-origin"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t, gatewaytest.Options{Limits: rules})
			good := b.link(t)
			for range 3 {
				if a := b.site.Do(t, b.client, request); a.Status != 401 && a.Status != 404 {
					t.Errorf("got %d %s", a.Status, a.Body)
				}
			}
			for what, a := range map[string]*gatewaytest.Answer{"one more": b.site.Do(t, b.client, request), "a good link": b.press(t, good)} {
				if a.Status != 429 {
					t.Errorf("%s: got %d %s", what, a.Status, a.Body)
				}
			}
			elsewhere := gatewaytest.Request{Path: good, From: "203.0.113.77"}
			if a := b.site.Do(t, b.client, elsewhere); a.Status != 200 {
				t.Errorf("from elsewhere: got %d %s", a.Status, a.Body)
			}
		})
	}
	b := newBrowser(t, gatewaytest.Options{Limits: rules})
	path := b.link(t)
	cookie := session(t, b.Gateway, access.Viewer)
	b.press(t, path)
	b.Exec(t, "UPDATE admin_session SET revoked_at = now()")
	for range 10 {
		if a := b.press(t, path); a.Status != http.StatusGone {
			t.Fatalf("a link that was used: got %d %s", a.Status, a.Body)
		}
		if a := b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathWhoAmI, Header: from("same-origin", cookie)}); a.Envelope.Code != "admin_session_over" {
			t.Fatalf("a session that is over: got %d %s", a.Status, a.Body)
		}
	}
}

// Whatever becomes of a token, the log does not have it.
func TestLogsHideTokens(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	good := token(t, b.Gateway, access.NewToken{Name: "planted", Role: access.Viewer})
	b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathWhoAmI, Header: bearer(good)})
	b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathHostRegister, Body: `{`, Header: bearer(good)})
	b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathHostRegister, Body: `{}`, Header: bearer(good)})
	b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathWhoAmI, Header: bearer(good + "x")})
	b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathWhoAmI, Header: from("cross-site", admin.CookieName+"="+strings.TrimPrefix(good, "cdxa_"))})
	logs := b.Logs.String()
	if !strings.Contains(logs, "forbidden_role") || !strings.Contains(logs, "admin_token_invalid") {
		t.Fatalf("the log lacks the refusals:\n%s", logs)
	}
	if strings.Contains(logs, strings.TrimPrefix(good, "cdxa_")) {
		t.Error("the log shows the token")
	}
}
