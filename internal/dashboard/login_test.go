package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
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
		if page.Status != 200 || !strings.Contains(string(page.Body), `<form method="post" class="row"><button class="btn btn-p">Log in</button></form>`) || !strings.Contains(string(page.Body), "As operator, by a link that gatewaytest made") {
			t.Fatalf("got %d %s", page.Status, page.Body)
		}
		if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'self'; script-src 'self'; style-src 'self'; ") ||
			!strings.Contains(policy, "frame-ancestors 'none'") || page.Header.Get("Set-Cookie") != "" || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got policy %q, headers %v", policy, page.Header)
		}
	}
	in := b.press(t, path)
	if in.Status != http.StatusSeeOther || in.Header.Get("Location") != "/dashboard/" {
		t.Fatalf("got %d %v %s", in.Status, in.Header, in.Body)
	}
	cookie, err := http.ParseSetCookie(in.Header.Get("Set-Cookie"))
	if err != nil || cookie.Name != door.CookieName || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" ||
		cookie.Domain != "" || cookie.MaxAge < 11*3600 || cookie.MaxAge > 12*3600 || len(cookie.Value) != 43 {
		t.Fatalf("got cookie %v, %v", cookie, err)
	}
	header := http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
	page := b.site.Do(t, b.client, gatewaytest.Request{Path: "/dashboard/", Header: header})
	if page.Status != 200 || !strings.Contains(string(page.Body), "session 1 (link 1 by gatewaytest), operator, session until ") {
		t.Errorf("got %d %s", page.Status, page.Body)
	}
	for what, a := range map[string]*gatewaytest.Answer{"a second press": b.press(t, path), "a look at a link that was used": b.get(t, path)} {
		if a.Status != http.StatusGone || !strings.Contains(string(a.Body), "used already") || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got %d %s", what, a.Status, a.Body)
		}
	}
	if a := b.get(t, api.PathLogin); a.Status != 401 || !strings.Contains(string(a.Body), "cdxgate admin link") {
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
			if a.Status != 404 || !strings.Contains(string(a.Body), "Route not found") {
				t.Errorf("%s where %s opens: got %d %s", method, kinds, a.Status, a.Body)
			}
		}
	}
	plain := httptest.NewRequest(http.MethodPost, path, http.NoBody)
	plain.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	b.Dashboard.ServeHTTP(w, plain.WithContext(door.Accepting(plain.Context(), access.Kinds)))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "over TLS") {
		t.Errorf("without TLS: got %d %s", w.Code, w.Body)
	}
	if a := b.press(t, path); a.Status != http.StatusSeeOther {
		t.Errorf("after all that: got %d %s, want the link to be good still", a.Status, a.Body)
	}
}
