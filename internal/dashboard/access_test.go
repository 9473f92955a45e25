package dashboard

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/templates"
)

// owner is somebody who came with the certificate of ops.
func owner() *visit {
	return &visit{now: now, Visitor: door.Visitor{By: access.Certificate, Actor: audit.Actor{Name: "ops"}, Grant: access.Grant{Role: access.Owner}}}
}

func cert(name string, role access.Role, state string, left time.Duration) certFacts {
	return certFacts{db.AdminCert{Name: name, Role: string(role), Serial: "serial-of-" + name + "-" + state}, state, templates.Moment{At: now.Add(left), Now: now}}
}

// rows are a list's, as name, state, and what can be done about it.
func rows(l templates.AccessList) (all []string) {
	for _, row := range l.Rows {
		you := ""
		if row.You {
			you = " (you)"
		}
		all = append(all, row.Name+you+": "+row.State+" "+row.Act.Label)
	}
	return all
}

// What opens the door is shown, or everything; what is over cannot be revoked.
func TestAccessLists(t *testing.T) {
	t.Parallel()
	before := now.Add(-time.Hour)
	f := &accessFacts{
		visit: owner(),
		certs: []certFacts{
			cert("ops", access.Owner, adminca.StateGood, 200*24*time.Hour), cert("desk", access.Operator, adminca.StateGood, 9*24*time.Hour),
			cert("desk", access.Operator, adminca.StateRevoked, -time.Hour), cert("old", access.Viewer, adminca.StateExpired, -time.Hour),
			cert("corp", access.Viewer, adminca.StateTrusted, time.Hour), cert("lost", access.Viewer, adminca.StateNoAuthority, time.Hour), cert("next", access.Viewer, adminca.StateRenewed, time.Hour),
		},
		tokens: []db.AdminTokenListRow{
			{Name: "bot", ExpiresAt: now.Add(99 * 24 * time.Hour)}, {Name: "ends", ExpiresAt: now.Add(time.Hour)},
			{Name: "expired", ExpiresAt: before, Expired: true}, {Name: "revoked", ExpiresAt: now, RevokedAt: &before},
		},
		sessions: []db.AdminSessionListRow{{ID: 1, Expired: true}, {ID: 2, RevokedAt: &before}, {ID: 3}, {ID: 4}},
		links:    []db.AdminLinkListRow{{ID: 9}},
	}
	check := func(name string, list templates.AccessList, want ...string) {
		t.Helper()
		if got := rows(list); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	p := accessPage(f)
	check("certificates in use", p.Certificates, "ops (you): Good Revoke…", "desk: Ends soon Revoke…", "corp: Trusted Revoke…", "lost: No authority Revoke…", "next: Renewed Revoke…")
	check("tokens in use", p.Tokens, "bot: Good Revoke…", "ends: Ends soon Revoke…")
	check("sessions in use", p.Sessions, "Login link 9: Not used yet Revoke", "Session 4: Open End", "Session 3: Open End")
	f.all = true
	f.visit.By, f.visit.Name = access.Session, "session 3 (link 7 by root)"
	p = accessPage(f)
	check("all certificates", p.Certificates, "ops: Good Revoke…", "desk: Ends soon Revoke…", "desk: Revoked ", "old: Expired ", "corp: Trusted Revoke…", "lost: No authority Revoke…", "next: Renewed Revoke…")
	check("all tokens", p.Tokens, "bot: Good Revoke…", "ends: Ends soon Revoke…", "expired: Expired Revoke…", "revoked: Revoked ")
	check("all sessions", p.Sessions, "Login link 9: Not used yet Revoke", "Session 4: Open End", "Session 3 (you): Open End", "Session 2: Ended ", "Session 1: Over ")
	f.query = "DESK"
	p = accessPage(f)
	check("search", p.Certificates, "desk: Ends soon Revoke…", "desk: Revoked ")
	check("search of none", p.Tokens)
	if p.Tokens.Empty.Title != "Nothing here is called “DESK”" || p.ShowCurrent != "/dashboard/access?q=DESK" || p.ShowAll != "/dashboard/access?q=DESK&show=all" {
		t.Errorf("got %+v, %q, %q", p.Tokens.Empty, p.ShowCurrent, p.ShowAll)
	}
	if empty := accessPage(&accessFacts{visit: owner()}); len(empty.Tokens.Empty.Actions) != 1 || empty.Certificates.Empty.Title == "" || empty.ShowCurrent != pathAccess {
		t.Errorf("nothing: got %+v", empty)
	}
}

// A list is bounded, and says so.
func TestManyTokens(t *testing.T) {
	t.Parallel()
	f := &accessFacts{visit: owner()}
	for i := range 1204 {
		f.tokens = append(f.tokens, db.AdminTokenListRow{Name: "t" + strconv.Itoa(i), ExpiresAt: now.Add(time.Hour)})
	}
	if l := accessPage(f).Tokens; len(l.Rows) != maxAccess || l.Foot != "100 of 1,204. The search finds the others." {
		t.Errorf("got %d rows, %q", len(l.Rows), l.Foot)
	}
}

// The question about a certificate says who is out: oneself, the last owner.
func TestCertQuestion(t *testing.T) {
	t.Parallel()
	ops, desk := cert("ops", access.Owner, adminca.StateGood, time.Hour), cert("desk", access.Operator, adminca.StateGood, time.Hour)
	for name, c := range map[string]struct {
		certs []certFacts
		which int
		own   bool
		last  bool
		note  string
	}{
		"another's":                  {[]certFacts{ops, desk}, 1, false, false, "Of this name 0\u00a0other certificates go on."},
		"mine, the last owner's":     {[]certFacts{ops, desk}, 0, true, true, "Of this name 0\u00a0other"},
		"mine, and there is another": {[]certFacts{ops, cert("ops", access.Owner, adminca.StateRenewed, time.Hour)}, 0, true, false, "Of this name 1\u00a0other certificate goes on."},
		"the others open nothing": {[]certFacts{
			ops, cert("a", access.Owner, adminca.StateExpired, 0), cert("b", access.Owner, adminca.StateRevoked, 0), cert("c", access.Owner, adminca.StateNoAuthority, 0),
		}, 0, true, true, "Of this name 0\u00a0other"},
	} {
		q := certQuestion(owner(), c.certs, c.which)
		said := strings.Join(q.Effects, " ")
		if strings.Contains(said, "You came as ops.") != c.own || strings.Contains(said, "No other owner's certificate") != c.last || !strings.HasPrefix(q.Note, c.note) || q.Type != c.certs[c.which].Name {
			t.Errorf("%s: got %+v", name, q)
		}
	}
}

// The form of a token keeps what was said, and says beside the field what is wrong with it.
func TestNewTokenPage(t *testing.T) {
	t.Parallel()
	form := newTokenForm{name: "bot", role: "viewer", life: "7", bound: true, scopes: []string{"host.read", "admin.write"}}
	for name, c := range map[string]struct {
		wrong        *errs.Error
		field, wants string
	}{
		"nothing":      {nil, "", ""},
		"the name":     {access.ErrTokenExists, "name", "There is an API token of this name; revoke it first."},
		"a scope":      {access.ErrScope.With("scope", "admin.write"), "scopes", "The role viewer does not have all that is ticked."},
		"no scope":     {errNoScope, "scopes", "Tick what the token may do, or let it do all that its role may."},
		"the life":     {errLife, "life", "Choose how long the token is good for."},
		"all too much": {access.ErrGrantExceeded, "", "Nobody gives away more than he may himself."},
	} {
		p := newTokenPage(form, c.wrong, "")
		said := p.Wrong
		if c.field != "" {
			said = p.Unfit[c.field]
		}
		if said != c.wants || p.Name != "bot" || !p.Bound {
			t.Errorf("%s: got %+v, want %q", name, p, c.wants)
		}
		var chosen []string
		for _, options := range [][]templates.Option{p.Roles, p.Lives, p.Scopes[0].Scopes, p.Scopes[1].Scopes, p.Scopes[2].Scopes} {
			for _, option := range options {
				if option.Current {
					chosen = append(chosen, option.Value)
				}
			}
		}
		if want := []string{"viewer", "7", "host.read", "admin.write"}; !slices.Equal(chosen, want) {
			t.Errorf("%s: got %q, want %q", name, chosen, want)
		}
	}
	offered := map[string]bool{}
	for _, group := range newTokenPage(form, nil, "").Scopes {
		for _, scope := range group.Scopes {
			if offered[scope.Value] {
				t.Errorf("%s is there twice", scope.Value)
			}
			offered[scope.Value] = true
		}
	}
	if want := len(access.Owner.Capabilities()) - 1; len(offered) != want { // who am I everybody may ask
		t.Errorf("got %d scopes, want %d", len(offered), want)
	}
}

func TestAccessAddress(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"/dashboard/access": accessAddress("", ""), "/dashboard/access?show=all": accessAddress("", showAll),
		"/dashboard/access?q=" + url.QueryEscape(`a&"b`): accessAddress(`a&"b`, ""),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
