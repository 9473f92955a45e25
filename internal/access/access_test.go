package access_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var (
	console = audit.Actor{Kind: audit.KindOperator, Name: "ops"}
	laptop  = netip.MustParseAddr("::ffff:198.51.100.7")
)

func newService(t *testing.T) (*access.Service, *db.Store) {
	t.Helper()
	store := dbtest.New(t)
	return access.New(store), store
}

func count(t *testing.T, store *db.Store, from string, args ...any) (n int) {
	t.Helper()
	if err := store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+from, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func exec(t *testing.T, store *db.Store, statement string) {
	t.Helper()
	if _, err := store.Pool().Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	made, err := s.AddToken(t.Context(), access.NewToken{Name: "ci", Role: access.Operator, Scopes: []access.Capability{access.HostEnrol}}, console)
	if err != nil {
		t.Fatal(err)
	}
	text := made.Secret.Reveal()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "cdxa_"))
	if err != nil || len(raw) != 32 || !strings.HasPrefix(text, made.Prefix) || len(made.Prefix) != 13 {
		t.Errorf("got %d bytes behind the mark, %v, prefix %q", len(raw), err, made.Prefix)
	}
	if left := time.Until(made.ExpiresAt); left < 89*24*time.Hour || left > access.DefaultTokenTTL+time.Minute {
		t.Errorf("got %v left, want 90 days", left)
	}
	who, err := s.ByToken(t.Context(), text)
	if err != nil || who.Name != "token ci" || !who.May(access.HostEnrol) || who.May(access.HostWrite) {
		t.Errorf("got %+v, %v", who, err)
	}
	for name, shown := range map[string]string{
		"nothing": "", "the mark": "cdxa_", "another": "cdxa_" + strings.Repeat("A", 43), "without the mark": strings.TrimPrefix(text, "cdxa_"),
		"one letter less": text[:len(text)-1], "one more": text + "A", "padded": text + "=", "a line feed in it": text[:20] + "\n" + text[20:],
		"in capitals": strings.ToUpper(text), "its prefix": made.Prefix,
	} {
		if who, err := s.ByToken(t.Context(), shown); !errors.Is(err, access.ErrToken) || who.Name != "" {
			t.Errorf("%s: got %+v, %v; want %v", name, who, err, access.ErrToken)
		}
	}
	if n := count(t, store, "audit_entry WHERE action = 'admin.token.create' AND actor = 'ops' AND details->>'name' = 'ci' AND details->>'token' = $1", made.Prefix+"…"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
	for _, table := range []string{"admin_token", "audit_entry"} {
		if n := count(t, store, table+" AS r WHERE r::text LIKE '%' || $1 || '%'", text[13:]); n != 0 {
			t.Errorf("%s holds the token", table)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	good := access.NewToken{Name: "ci", Role: access.Viewer}
	for name, c := range map[string]struct {
		change func(*access.NewToken)
		want   error
	}{
		"no name":                {func(n *access.NewToken) { n.Name = "" }, access.ErrTokenName},
		"a path":                 {func(n *access.NewToken) { n.Name = "../ci" }, access.ErrTokenName},
		"a long name":            {func(n *access.NewToken) { n.Name = strings.Repeat("a", 65) }, access.ErrTokenName},
		"no role":                {func(n *access.NewToken) { n.Role = "" }, access.ErrRole},
		"an unknown role":        {func(n *access.NewToken) { n.Role = "root" }, access.ErrRole},
		"more than the role":     {func(n *access.NewToken) { n.Scopes = []access.Capability{access.HostRead, access.AdminWrite} }, access.ErrScope},
		"an unknown scope":       {func(n *access.NewToken) { n.Scopes = []access.Capability{"everything"} }, access.ErrScope},
		"a second":               {func(n *access.NewToken) { n.TTL = time.Second }, access.ErrTokenTTL},
		"for ever":               {func(n *access.NewToken) { n.TTL = 367 * 24 * time.Hour }, access.ErrTokenTTL},
		"expired from its birth": {func(n *access.NewToken) { n.TTL = -time.Hour }, access.ErrTokenTTL},
	} {
		wanted := good
		c.change(&wanted)
		if _, err := s.AddToken(t.Context(), wanted, console); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if n := count(t, store, "admin_token"); n != 0 {
		t.Errorf("got %d tokens, want none", n)
	}
}

// A name stands for one token at a time; revoked is revoked at once.
func TestTokenNames(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	first, err := s.AddToken(t.Context(), access.NewToken{Name: "ci", Role: access.Viewer}, console)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddToken(t.Context(), access.NewToken{Name: "ci", Role: access.Owner}, console); !errors.Is(err, access.ErrTokenExists) {
		t.Errorf("got %v, want %v", err, access.ErrTokenExists)
	}
	if err := s.RevokeToken(t.Context(), "ci", console); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), "ci", console); !errors.Is(err, access.ErrTokenUnknown) {
		t.Errorf("got %v, want %v", err, access.ErrTokenUnknown)
	}
	if _, err := s.ByToken(t.Context(), first.Secret.Reveal()); !errors.Is(err, access.ErrToken) {
		t.Errorf("got %v for a revoked token", err)
	}
	second, err := s.AddToken(t.Context(), access.NewToken{Name: "ci", Role: access.Viewer, TTL: time.Hour}, console)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, store, "UPDATE admin_token SET expires_at = now() WHERE revoked_at IS NULL")
	if _, err := s.ByToken(t.Context(), second.Secret.Reveal()); !errors.Is(err, access.ErrToken) {
		t.Errorf("got %v for an expired token", err)
	}
	tokens, err := s.ListTokens(t.Context())
	if err != nil || len(tokens) != 2 || tokens[0].RevokedAt == nil || !tokens[1].Expired {
		t.Errorf("got %+v, %v", tokens, err)
	}
	if n := count(t, store, "audit_entry WHERE action = 'admin.token.revoke' AND details->>'token' = $1", first.Prefix+"…"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
}

// Use is written once a minute at most, however many calls there are.
func TestLastUsed(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	made, err := s.AddToken(t.Context(), access.NewToken{Name: "ci", Role: access.Viewer}, console)
	if err != nil {
		t.Fatal(err)
	}
	use := func() {
		t.Helper()
		if _, err := s.ByToken(t.Context(), made.Secret.Reveal()); err != nil {
			t.Error(err)
		}
	}
	if n := count(t, store, "admin_token WHERE last_used_at IS NULL"); n != 1 {
		t.Error("a token that nobody used was used")
	}
	use()
	exec(t, store, "UPDATE admin_token SET last_used_at = last_used_at - interval '30 seconds'")
	before := count(t, store, "admin_token WHERE last_used_at < now() - interval '29 seconds'")
	use()
	if after := count(t, store, "admin_token WHERE last_used_at < now() - interval '29 seconds'"); before != 1 || after != 1 {
		t.Errorf("got %d and %d rows, want the use not written again within a minute", before, after)
	}
	exec(t, store, "UPDATE admin_token SET last_used_at = last_used_at - interval '60 seconds'")
	use()
	if n := count(t, store, "admin_token WHERE last_used_at > now() - interval '29 seconds'"); n != 1 {
		t.Error("a use after a minute is not written")
	}
}

// However many open a link at once, one session comes of it; looking at it costs nothing.
func TestLinkWorksOnce(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	link, err := s.NewLink(t.Context(), access.Operator, console)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(link.ExpiresAt); left < 4*time.Minute || left > 6*time.Minute {
		t.Errorf("got %v left, want 5 minutes", left)
	}
	secret := link.Secret.Reveal()
	for range 3 {
		if state, err := s.LookUpLink(t.Context(), secret); err != nil || state.Role != access.Operator || state.CreatedBy != "ops" {
			t.Errorf("got %+v, %v", state, err)
		}
	}
	const many = 20
	var winners atomic.Int32
	var cookie access.Secret
	start := make(chan struct{})
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			<-start
			got, who, err := s.UseLink(t.Context(), secret, laptop)
			switch {
			case err == nil:
				winners.Add(1)
				cookie = got
				if who.Role != access.Operator || !strings.HasSuffix(who.Name, "(link 1 by ops)") {
					t.Errorf("got %+v", who)
				}
			case !errors.Is(err, access.ErrLinkUsed):
				t.Errorf("got %v, want %v", err, access.ErrLinkUsed)
			}
		})
	}
	close(start)
	all.Wait()
	if n := count(t, store, "admin_session"); winners.Load() != 1 || n != 1 {
		t.Fatalf("got %d winners and %d sessions, want 1", winners.Load(), n)
	}
	if n := count(t, store, "audit_entry WHERE action = 'admin.link.use' AND host(ip) = '198.51.100.7' AND details->>'created_by' = 'ops'"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
	who, err := s.BySession(t.Context(), cookie.Reveal())
	if err != nil || who.Role != access.Operator || time.Until(who.ExpiresAt) < 11*time.Hour {
		t.Errorf("got %+v, %v", who, err)
	}
	for _, table := range []string{"admin_link", "admin_session", "audit_entry"} {
		for name, secret := range map[string]string{"link": secret, "cookie": cookie.Reveal()} {
			if n := count(t, store, table+" AS r WHERE r::text LIKE '%' || $1 || '%'", secret[8:]); n != 0 {
				t.Errorf("%s holds the %s", table, name)
			}
		}
	}
}

func TestLinkRefusals(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	if _, err := s.NewLink(t.Context(), "root", console); !errors.Is(err, access.ErrRole) {
		t.Errorf("got %v, want %v", err, access.ErrRole)
	}
	expired, err := s.NewLink(t.Context(), access.Owner, console)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, store, "UPDATE admin_link SET expires_at = now()")
	for shown, want := range map[string]error{
		expired.Secret.Reveal(): access.ErrLinkExpired, strings.Repeat("A", 43): access.ErrLinkUnknown, "": access.ErrLinkUnknown,
		strings.Repeat("A", 42) + "B": access.ErrLinkUnknown, "%00": access.ErrLinkUnknown,
	} {
		if _, err := s.LookUpLink(t.Context(), shown); !errors.Is(err, want) {
			t.Errorf("looking at %q: got %v, want %v", shown, err, want)
		}
		if _, _, err := s.UseLink(t.Context(), shown, laptop); !errors.Is(err, want) {
			t.Errorf("using %q: got %v, want %v", shown, err, want)
		}
	}
	if n := count(t, store, "admin_session"); n != 0 {
		t.Errorf("got %d sessions, want none", n)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	open := func() string {
		t.Helper()
		link, err := s.NewLink(t.Context(), access.Viewer, console)
		if err != nil {
			t.Fatal(err)
		}
		cookie, _, err := s.UseLink(t.Context(), link.Secret.Reveal(), netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		return cookie.Reveal()
	}
	revoked, other := open(), open()
	if err := s.RevokeSession(t.Context(), 1, console); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{1, 0, -1, 99} {
		if err := s.RevokeSession(t.Context(), id, console); !errors.Is(err, access.ErrSessionUnknown) {
			t.Errorf("session %d: got %v, want %v", id, err, access.ErrSessionUnknown)
		}
	}
	if _, err := s.BySession(t.Context(), revoked); !errors.Is(err, access.ErrSessionOver) {
		t.Errorf("got %v, want %v", err, access.ErrSessionOver)
	}
	if _, err := s.BySession(t.Context(), other); err != nil {
		t.Errorf("the other session: got %v", err)
	}
	sessions, err := s.ListSessions(t.Context())
	if err != nil || len(sessions) != 2 || sessions[0].RevokedAt == nil || sessions[1].RevokedAt != nil || sessions[1].CreatedBy != "ops" {
		t.Errorf("got %+v, %v", sessions, err)
	}
	if n := count(t, store, "audit_entry WHERE action = 'admin.session.revoke' AND details->>'session' = '1'"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
	exec(t, store, "UPDATE admin_session SET expires_at = now() - interval '31 days' WHERE id = 1; UPDATE admin_link SET expires_at = now() - interval '31 days'")
	for _, want := range []int{2, 0} { // the session and its link; the other link has a session that is open
		if n, err := s.Prune(t.Context()); n != want || err != nil {
			t.Errorf("got %d pruned, %v; want %d", n, err, want)
		}
	}
	if _, err := s.BySession(t.Context(), other); err != nil {
		t.Errorf("after pruning: got %v", err)
	}
}

// Whoever logs out ends his own session, once; somebody else's cookie, or none, ends nothing.
func TestEndSession(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	link, err := s.NewLink(t.Context(), access.Viewer, console)
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, err := s.UseLink(t.Context(), link.Secret.Reveal(), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"", "x", strings.Repeat("A", 43)} {
		if err := s.EndSession(t.Context(), other, console); !errors.Is(err, access.ErrSession) {
			t.Errorf("%q: got %v, want %v", other, err, access.ErrSession)
		}
	}
	for range 2 {
		if err := s.EndSession(t.Context(), cookie.Reveal(), console); err != nil {
			t.Errorf("got %v", err)
		}
	}
	if _, err := s.BySession(t.Context(), cookie.Reveal()); !errors.Is(err, access.ErrSessionOver) {
		t.Errorf("got %v, want %v", err, access.ErrSessionOver)
	}
	if n := count(t, store, "audit_entry WHERE action = 'admin.session.revoke'"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
}

func TestSecretsPrintAsRedacted(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	made, err := s.AddToken(t.Context(), access.NewToken{Name: "ci", Role: access.Viewer}, console)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprint(made.Secret) + fmt.Sprintf("%v %+v %#v %s %q %x %d", made, made, made.Secret, made.Secret, made.Secret, made.Secret, made.Secret) + string(encoded)
	if strings.Contains(printed, made.Secret.Reveal()[13:]) || strings.Count(printed, "[redacted]") < 6 {
		t.Errorf("got %s", printed)
	}
}

// A link that is revoked logs nobody in; once it is used there is nothing left to revoke.
func TestRevokeLink(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	revoked, err := s.NewLink(t.Context(), access.Viewer, console)
	if err != nil {
		t.Fatal(err)
	}
	used, err := s.NewLink(t.Context(), access.Owner, console)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.UseLink(t.Context(), used.Secret.Reveal(), laptop); err != nil {
		t.Fatal(err)
	}
	links, err := s.ListLinks(t.Context())
	if err != nil || len(links) != 1 || links[0].ID != revoked.ID || links[0].Role != "viewer" || links[0].CreatedBy != "ops" {
		t.Errorf("got %+v, %v, want the link that nobody used", links, err)
	}
	if err := s.RevokeLink(t.Context(), revoked.ID, console); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{revoked.ID, used.ID, 0, -1, 99} {
		if err := s.RevokeLink(t.Context(), id, console); !errors.Is(err, access.ErrLinkGone) {
			t.Errorf("link %d: got %v, want %v", id, err, access.ErrLinkGone)
		}
	}
	if _, _, err := s.UseLink(t.Context(), revoked.Secret.Reveal(), laptop); !errors.Is(err, access.ErrLinkExpired) {
		t.Errorf("got %v, want %v", err, access.ErrLinkExpired)
	}
	if n := count(t, store, "audit_entry WHERE action = 'admin.link.revoke' AND details->>'role' = 'viewer'"); n != 1 {
		t.Errorf("got %d entries, want 1", n)
	}
}

// Of those who use a link and those who revoke it at the same time, one has it.
func TestUseOrRevokeLink(t *testing.T) {
	t.Parallel()
	s, store := newService(t)
	for round := range 20 {
		link, err := s.NewLink(t.Context(), access.Viewer, console)
		if err != nil {
			t.Fatal(err)
		}
		var won atomic.Int64
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, _, err := s.UseLink(t.Context(), link.Secret.Reveal(), laptop); err == nil {
					won.Add(1)
				}
			})
			all.Go(func() {
				if err := s.RevokeLink(t.Context(), link.ID, console); err == nil {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("round %d: %d had the link, want 1", round, won.Load())
		}
	}
	if n := count(t, store, "admin_session") + count(t, store, "audit_entry WHERE action = 'admin.link.revoke'"); n != 20 {
		t.Errorf("got %d sessions and revocations, want 20", n)
	}
}
