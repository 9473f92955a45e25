package dashboard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/templates"
)

// A new action gets a sentence, or it is shown by its name.
func TestEveryActionHasAPhrase(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../audit/audit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is || !strings.HasPrefix(spec.Names[0].Name, "Action") || len(spec.Values) != 1 {
			return true
		}
		literal, is := spec.Values[0].(*ast.BasicLit)
		if !is {
			return true
		}
		found++
		action, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		if p, has := phrases[action]; !has || p.icon == "" || p.text == "" {
			t.Errorf("%s (%s) has no phrase", spec.Names[0].Name, action)
		}
		return true
	})
	if found < 50 {
		t.Errorf("got %d actions, want all of them", found)
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	host, gone, names := int64(7), int64(8), map[int64]string{7: "atlas.example"}
	for want, row := range map[string]db.AuditPageRow{
		"ops changed atlas.example":         {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionHostUpdate, HostID: &host},
		"ops changed ":                      {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionHostUpdate},
		"atlas.example was installed ":      {Actor: "atlas.example", ActorKind: audit.KindHost, Action: audit.ActionInstallConsume, HostID: &host},
		"ops changed host 8":                {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionHostUpdate, HostID: &gone},
		"ops removed old.example":           {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionAdminHostDelete, Details: `{"fqdn":"old.example"}`},
		"ops went back to generation 1,041": {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionCredentialRollback, Details: `{"to":1041}`},
		"ops decided api_disabled: true":    {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionPolicySet, Details: `{"name":"api_disabled","value":true,"before":"false"}`},
		"ops decided client_version: 0.1":   {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionPolicySet, Details: `{"name":"client_version","value":"0.1"}`},
		"ops decided ":                      {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionPolicySet, Details: `{"name":["x"]}`},
		"ops decided  ":                     {Actor: "ops", ActorKind: audit.KindAdmin, Action: audit.ActionPolicySet, Details: `no JSON`},
		"<b> something.of.another.gateway ": {Actor: "<b>", ActorKind: audit.KindAdmin, Action: "something.of.another.gateway"},
	} {
		row.At = now.Add(-time.Hour)
		e := event(&row, names, now)
		if got := e.Actor + " " + e.Text + " " + e.Object; strings.TrimSpace(got) != strings.TrimSpace(want) || e.Icon == "" || !e.When.At.Equal(row.At) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestJumpPage(t *testing.T) {
	t.Parallel()
	menu := []templates.MenuGroup{{Entries: []templates.MenuEntry{
		{Label: "Overview", Path: home, Icon: "overview", Key: "o"}, {Label: "Access", Path: "/dashboard/access", Icon: "verified", Why: "You are a viewer."},
	}}}
	hosts := []db.Host{{ID: 7, FQDN: "over.example"}, {ID: 8, FQDN: "by-its-note.example"}}
	for query, want := range map[string]string{
		"":     "|Overview|, |Kill switch|",
		"OVER": "|Over|view /dashboard/, |over|.example /dashboard/hosts/7, by-its-note.example /dashboard/hosts/8",
		"kill": "|Kill| switch /dashboard/switch",
		"acc":  "",
		"\xff": "",
		"İ":    "Overv|i|ew /dashboard/, K|i|ll switch /dashboard/switch", // shorter in small letters
	} {
		var found []string
		some := hosts
		if query != "OVER" {
			some = nil
		}
		for _, item := range jumpPage(query, menu, some).Found {
			text := item.Before + item.After
			if item.Match != "" || query == "" {
				text = item.Before + "|" + item.Match + "|" + item.After
			}
			if query == "" {
				text = "|" + item.Before + item.Match + item.After + "|"
			} else {
				text += " " + item.Path
			}
			found = append(found, text)
		}
		if got := strings.Join(found, ", "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

func TestRefusalPage(t *testing.T) {
	t.Parallel()
	request := func(method string, in bool) *call.Request {
		r := &call.Request{Request: httptest.NewRequest(method, "/dashboard/x?q=1", http.NoBody), ID: "01K9"}
		if in {
			new(Surface{cfg: Config{Now: func() time.Time { return now }}}).enter(r, door.Visitor{By: access.Certificate})
		}
		return r
	}
	for name, c := range map[string]struct {
		err     *errs.Error
		request *call.Request
		title   string
		has     string
		actions string
	}{
		"not allowed":            {door.ErrForbiddenRole.With("capability", "host.write").With("role", "viewer"), request("POST", true), "Not allowed", "This takes host.write, which the role viewer does not have.", "Overview"},
		"another site":           {door.ErrCrossOrigin, request("POST", true), "Not done", "from another site", "Overview"},
		"nobody":                 {door.ErrNobody, request("GET", false), "Log in", "It works once.", ""},
		"a session that is over": {access.ErrSessionOver, request("GET", false), "Log in", "Your session is over.", ""},
		"no certificate":         {adminca.ErrNoCertificate, request("GET", false), "No certificate", "client certificate", ""},
		"a fault":                {errs.New(errs.Internal, "internal", "secret detail"), request("GET", true), "Something went wrong", "Its log says why", "Try again, Overview"},
		"a fault of a form":      {errs.New(errs.Internal, "internal", "x"), request("POST", true), "Something went wrong", "Its log says why", "Overview"},
		"a fault, to nobody":     {errs.New(errs.Internal, "internal", "x"), request("GET", false), "Something went wrong", "Its log says why", "Try again"},
		"no database":            {call.ErrDatabase, request("GET", true), "Not now", "The gateway cannot reach its database", "Try again"},
		"nothing there":          {errs.New(errs.NotFound, "x", "no such host"), request("GET", true), "Not there", "No such host.", "Overview"},
		"wrong fields":           {errs.Field("b", "b is bad"), request("POST", true), "Not done", "B is bad.", "Overview"},
		"no message":             {errs.New(errs.Conflict, "x", ""), request("POST", true), "Not done", "", "Overview"},
	} {
		page := refusalPage(c.err, c.request)
		var labels []string
		for _, action := range page.Actions {
			labels = append(labels, action.Label)
		}
		if page.Title != c.title || !strings.Contains(page.Text, c.has) || strings.Contains(page.Text, "secret") || strings.Join(labels, ", ") != c.actions {
			t.Errorf("%s: got %+v, want %q, %q, %q", name, page, c.title, c.has, c.actions)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	before := marks{1, 2, 3, 4, 5, 1 << 62, 7}
	after := marks{1, 7, 3, 4, -5, 1 << 62, 7}
	if got := after.since(before); !slices.Equal(got, []string{"hosts", "credential"}) {
		t.Errorf("got %q", got)
	}
	if got, ok := parseMarks(after.String()); !ok || got != after {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, id := range []string{"", "1", "1.2.3.4.5.6", "1.2.3.4.5.6.7.8", "1.2.3.4.5.6.!", strings.Repeat("z", 400) + ".1.1.1.1.1.1", "\n.1.1.1.1.1.1"} {
		if got, ok := parseMarks(id); ok {
			t.Errorf("%q: got %v", id, got)
		}
	}
}

// patient is a browser's connection that remembers how long it was given.
type patient struct {
	*httptest.ResponseRecorder
	until, written time.Time
}

func (p *patient) SetWriteDeadline(until time.Time) error {
	p.until = until
	return nil
}

func (p *patient) Write(text []byte) (int, error) {
	p.written = p.until
	return p.ResponseRecorder.Write(text)
}

// What is sent has a deadline, and the silence after it none: over HTTP/2 a stream would end with it.
func TestSendingHasADeadlineAndSilenceHasNone(t *testing.T) {
	t.Parallel()
	w := &patient{ResponseRecorder: httptest.NewRecorder()}
	st := stream{w: w, control: http.NewResponseController(w)}
	if !st.event("beat", marks{1}) || w.written.IsZero() || !w.until.IsZero() || w.Body.String() != "event: beat\nid: 1.0.0.0.0.0.0\ndata: 1.0.0.0.0.0.0\n\n" {
		t.Errorf("got %q, sent with the deadline %s, then %s", w.Body, w.written, w.until)
	}
}

// The menu shows pages that there are, in its order, and says why a role may not see one.
func TestMenu(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.needs = map[string]access.Capability{"GET /dashboard": access.HostRead}
	s.page("/dashboard/access", access.AdminRead, nil)
	s.page("/dashboard/hosts", access.HostRead, nil)
	visitor := &visit{Visitor: door.Visitor{By: access.Session, Grant: access.Grant{Role: access.Viewer}}}
	var got []string
	for _, group := range s.menu(visitor) {
		for _, entry := range group.Entries {
			got = append(got, group.Label+"/"+entry.Label+entry.Why)
		}
	}
	if want := []string{"Fleet/Overview", "Fleet/Hosts", "Trust/AccessYour role is viewer; this takes an owner."}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	visitor.Role = access.Owner
	if why := visitor.unless(access.AdminRead); why != "" {
		t.Errorf("an owner: got %q", why)
	}
	keys := map[string]string{}
	for _, entry := range menu {
		if keys[entry.key] != "" {
			t.Errorf("g %s leads to %s and to %s", entry.key, keys[entry.key], entry.label)
		}
		keys[entry.key] = entry.label
	}
}

// A role is bounded by what the certificate or token may at all; whoever may not, and whose role could, is told less.
func TestUnless(t *testing.T) {
	t.Parallel()
	for role, want := range map[access.Role]string{access.Viewer: "Your role is viewer; this takes an operator.", access.Operator: "", access.Owner: ""} {
		v := &visit{Visitor: door.Visitor{Grant: access.Grant{Role: role}}}
		if got := v.unless(access.PolicyWrite); got != want {
			t.Errorf("%s: got %q, want %q", role, got, want)
		}
	}
	scoped := &visit{Visitor: door.Visitor{Grant: access.Grant{Role: access.Owner, Scopes: []access.Capability{access.HostRead}}}}
	if got := scoped.unless(access.PolicyWrite); got != "You may not do this." {
		t.Errorf("a scope: got %q", got)
	}
}

// Nobody is sent to another site, whatever a browser says where it was.
func TestCameFrom(t *testing.T) {
	t.Parallel()
	for referer, want := range map[string]string{
		"": home,
		"https://gate.example/dashboard/hosts?q=1":  "/dashboard/hosts?q=1",
		"https://evil.example/dashboard/hosts":      home,
		"https://gate.example/elsewhere":            home,
		"https://gate.example//evil.example":        home,
		"https://gate.example/dashboard/../../evil": "/dashboard/../../evil",
		"javascript:alert(1)":                       home,
		"%zz":                                       home,
	} {
		r := httptest.NewRequest(http.MethodPost, "https://gate.example/dashboard/theme", http.NoBody)
		r.Header.Set("Referer", referer)
		if got := cameFrom(r); got != want {
			t.Errorf("%q: got %q, want %q", referer, got, want)
		}
	}
}

// What an act has come to is said once, and nothing else that a cookie may hold.
func TestRecall(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	remember(w, templates.Toast{Tone: templates.OK, Text: "Done <b>", More: "so"})
	good := w.Result().Cookies()[0]
	for value, want := range map[string]int{good.Value: 1, "": 0, "!": 0, "bm8ganNvbg": 0, "eyJUb25lIjoieCIsIlRleHQiOiJ5In0": 0, "e30": 0} {
		r := httptest.NewRequest(http.MethodGet, home, http.NoBody)
		r.AddCookie(&http.Cookie{Name: good.Name, Value: value})
		w := httptest.NewRecorder()
		if got := recall(w, r); len(got) != want || want == 1 && got[0].Text != "Done <b>" {
			t.Errorf("%q: got %v", value, got)
		}
		if gone := w.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || !gone[0].Secure || !gone[0].HttpOnly {
			t.Errorf("%q: got cookies %v, want it gone", value, gone)
		}
	}
	if got := recall(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, home, http.NoBody)); got != nil {
		t.Errorf("without a cookie: got %v", got)
	}
}

// Who may come where is decided here once more, by hand: a change of it shows.
func TestEveryRouteSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	want := map[string]access.Capability{
		"GET /": openToAll, "GET /admin": openToAll, "GET /dashboard/{}": openToAll,
		"GET /dashboard": access.HostRead, "GET /dashboard/jump": access.HostRead, "GET /dashboard/events": access.Self,
		"GET /dashboard/switch": access.PolicyRead, "POST /dashboard/switch": access.PolicyWrite, "POST /dashboard/quota/refresh": access.QuotaRefresh,
		"GET /dashboard/hosts": access.HostRead, "GET /dashboard/hosts.csv": access.HostRead, "POST /dashboard/hosts/batch": access.HostWrite,
		"GET /dashboard/hosts/window": access.HostRead, "POST /dashboard/hosts/window": access.HostWrite,
		"GET /dashboard/usage": access.UsageRead, "GET /dashboard/usage.csv": access.UsageRead, "GET /dashboard/usage/days.csv": access.UsageRead,
		"GET /dashboard/usage/ingests": access.UsageRead, "GET /dashboard/usage/ingests/{}": access.UsageRead, "GET /dashboard/usage/ingests.csv": access.UsageRead,
		"GET /dashboard/settings": access.PolicyRead, "POST /dashboard/settings/quota": access.PolicyWrite, "POST /dashboard/settings/codex": access.PolicyWrite,
		"POST /dashboard/settings/codex/check": access.PolicyWrite, "POST /dashboard/settings/silent": access.PolicyWrite, "POST /dashboard/settings/prune": access.PolicyWrite,
		"GET /dashboard/codex/{}": access.PolicyRead,
		"GET /dashboard/access":   access.AdminRead, "GET /dashboard/access/certificates/revoke": access.AdminWrite, "POST /dashboard/access/certificates/revoke": access.AdminWrite,
		"GET /dashboard/access/tokens/new": access.AdminWrite, "POST /dashboard/access/tokens": access.AdminWrite,
		"GET /dashboard/access/tokens/revoke": access.AdminWrite, "POST /dashboard/access/tokens/revoke": access.AdminWrite,
		"POST /dashboard/access/sessions/revoke": access.AdminWrite, "POST /dashboard/access/links/revoke": access.AdminWrite,
		"POST /dashboard/theme": openToAll, "POST /dashboard/logout": access.Self,
		"GET /dashboard/audit": access.AuditRead, "GET /dashboard/audit.csv": access.AuditRead, "GET /dashboard/audit.jsonl": access.AuditRead,
		"GET /dashboard/library": access.LibraryRead, "GET /dashboard/library/edit": access.LibraryRead, "POST /dashboard/library/edit": access.LibraryWrite,
		"GET /dashboard/library/command/{}": access.LibraryRead, "POST /dashboard/library/restore/{}": access.LibraryWrite,
		"GET /dashboard/library/retire/{}": access.LibraryRead, "POST /dashboard/library/retire/{}": access.LibraryWrite,
		"GET /dashboard/library/proposals": access.LibraryRead, "GET /dashboard/library/proposal/{}": access.LibraryRead,
		"POST /dashboard/library/accept/{}": access.LibraryWrite, "POST /dashboard/library/discard/{}": access.LibraryWrite,
		"GET /dashboard/login": openToAll, "GET /dashboard/login/{}": openToAll, "POST /dashboard/login/{}": openToAll,

		"GET /dashboard/hosts/new": access.HostRead, "POST /dashboard/hosts/new": access.HostEnrol, "GET /dashboard/hosts/{}": access.HostRead,
		"POST /dashboard/hosts/{}/set": access.HostWrite, "POST /dashboard/hosts/{}/unbind": access.HostWrite, "POST /dashboard/hosts/{}/runs": access.HostWrite,
		"POST /dashboard/hosts/{}/window": access.HostWrite, "POST /dashboard/hosts/{}/rotate": access.HostWrite,
		"GET /dashboard/hosts/{}/install": access.HostRead, "POST /dashboard/hosts/{}/install": access.HostEnrol,
		"GET /dashboard/hosts/{}/clear": access.HostRead, "POST /dashboard/hosts/{}/clear": access.HostWrite,
		"GET /dashboard/hosts/{}/remove": access.HostRead, "POST /dashboard/hosts/{}/remove": access.HostWrite,
		"GET /dashboard/hosts/{}/rename": access.HostRead, "POST /dashboard/hosts/{}/rename": access.HostWrite,
		"GET /dashboard/hosts/{}/notes": access.HostRead, "POST /dashboard/hosts/{}/notes": access.HostWrite,

		"GET /dashboard/credentials": access.CredentialRead, "POST /dashboard/credentials": access.CredentialWrite, "POST /dashboard/credentials/seed": access.SeedWrite,
		"GET /dashboard/credentials/reveal": access.CredentialRead, "POST /dashboard/credentials/reveal": access.CredentialReveal,
		"GET /dashboard/credentials/{}": access.CredentialRead, "GET /dashboard/credentials/{}/rollback": access.CredentialRead, "POST /dashboard/credentials/{}/rollback": access.CredentialWrite,
		"GET /dashboard/credentials/proposals/{}": access.CredentialRead, "POST /dashboard/credentials/proposals/{}/adopt": access.CredentialWrite,
		"POST /dashboard/credentials/proposals/{}/discard": access.CredentialWrite, "POST /dashboard/credentials/proposals/{}/reopen": access.CredentialWrite,

		"GET /dashboard/start": access.HostRead, "POST /dashboard/start": access.CredentialWrite, "POST /dashboard/start/seed": access.SeedWrite,
		"POST /dashboard/start/host": access.HostEnrol, "POST /dashboard/start/skip": access.Self,
	}
	s := New(Config{})
	for route, needs := range s.Capabilities() {
		if strings.HasPrefix(route, "GET "+templates.StaticBase) {
			want[route] = openToAll
		}
		if needs != want[route] {
			t.Errorf("%s needs %q, want %q", route, needs, want[route])
		}
	}
	if got := s.Routes(); len(got) != len(want) {
		t.Errorf("got %d routes, want %d: %q", len(got), len(want), got)
	}
}

func TestARouteWithoutACapabilityStopsTheStart(t *testing.T) {
	t.Parallel()
	for name, add := range map[string]func(*Surface){
		"none":            func(s *Surface) { s.page("/dashboard/new", "", nil) },
		"nobody's":        func(s *Surface) { s.form("/dashboard/new", "host.destroy", nil) },
		"the mark":        func(s *Surface) { s.file("/dashboard/new", openToAll, nil) },
		"around all that": func(s *Surface) { s.Handle("GET", "/dashboard/new", nil); s.demandCapabilities() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("the surface was made")
				}
			}()
			add(New(Config{}))
		})
	}
}
