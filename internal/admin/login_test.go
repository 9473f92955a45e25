package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/door"
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

// press posts as the button of our own page does.
func (b *browser) press(t *testing.T, path string) *gatewaytest.Answer {
	t.Helper()
	return b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: path, Header: http.Header{
		"Sec-Fetch-Site": {"same-origin"}, "Origin": {b.site.URL}, "Content-Type": {"application/x-www-form-urlencoded"},
	}})
}

// Without TLS, and not on the machine itself, a token is not even looked at.
func TestPlaintext(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	good := token(t, g, access.NewToken{Name: "ci", Role: access.Viewer})
	r := httptest.NewRequest(http.MethodGet, api.PathWhoAmI, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+good)
	w := httptest.NewRecorder()
	g.Admin.ServeHTTP(w, r.WithContext(door.Accepting(r.Context(), access.Kinds)))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "admin_tls_required") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Admin.ServeHTTP(w, r.WithContext(door.Accepting(r.Context(), access.Kinds)))
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
		"sessions": {Path: api.PathWhoAmI, Header: from("same-origin", door.CookieName+"="+unknown)},
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
	b.site.Do(t, b.client, gatewaytest.Request{Path: api.PathWhoAmI, Header: from("cross-site", door.CookieName+"="+strings.TrimPrefix(good, "cdxa_"))})
	logs := b.Logs.String()
	if !strings.Contains(logs, "forbidden_role") || !strings.Contains(logs, "admin_token_invalid") {
		t.Fatalf("the log lacks the refusals:\n%s", logs)
	}
	if strings.Contains(logs, strings.TrimPrefix(good, "cdxa_")) {
		t.Error("the log shows the token")
	}
}
