package credential_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// A stored login that cannot be read is never “missing”: that would invite any host to replace it.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"cut":                    "UPDATE generation SET body_sealed = left(body_sealed, 100)",
		"empty":                  "UPDATE generation SET body_sealed = ''",
		"plain":                  "UPDATE generation SET body_sealed = '{\"tokens\":{}}'",
		"a changed byte":         "UPDATE generation SET body_sealed = overlay(body_sealed placing (CASE substr(body_sealed, 60, 1) WHEN 'A' THEN 'B' ELSE 'A' END) from 60 for 1)",
		"another generation's":   "UPDATE generation g SET body_sealed = (SELECT o.body_sealed FROM generation o WHERE o.id <> g.id)",
		"an unknown key's":       "UPDATE generation SET body_sealed = overlay(body_sealed placing '00000000' from 9 for 8)",
		"the reference's format": "UPDATE generation SET body_sealed = replace(body_sealed, 'sbox:v2', 'sbox:v1')",
		"another digest":         "UPDATE generation SET digest = decode(repeat('ab', 32), 'hex')",
		"another id":             "UPDATE generation SET id = gen_random_uuid()",
		"newline in the base64":  "UPDATE generation SET body_sealed = overlay(body_sealed placing E'\\n' from 60 for 0)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			host := s.host(t, "a.example")
			s.put(t, host, login(0), credential.Digest{})
			s.put(t, host, login(time.Hour), credential.Digest{})
			s.exec(t, "DELETE FROM delivery")
			s.exec(t, statement)
			entries := value[int](t, s, "SELECT count(*)::int FROM audit_entry")

			_, retrieved := s.Retrieve(t.Context(), credential.Visit{Host: host, From: home}, credential.Held{RefreshedAt: start, LastRefresh: "x"})
			_, stored := s.Store(t.Context(), credential.Visit{Host: host, From: home}, s.document(t, login(time.Minute)), credential.Digest{})
			_, revealed := s.Reveal(t.Context(), host.AccountID, admin)
			for what, err := range map[string]error{"retrieve": retrieved, "store of an older one": stored, "reveal": revealed} {
				if !errors.Is(err, credential.ErrUnreadable) || errs.Of(err).Kind != errs.Unavailable {
					t.Errorf("%s: got %v, want %v", what, err, credential.ErrUnreadable)
				}
				if text := fmt.Sprint(err); strings.Contains(text, "rt_") || strings.Contains(text, "eyJ") {
					t.Errorf("%s: got %q, which holds a token", what, text)
				}
			}
			if n := value[int](t, s, "SELECT count(*)::int FROM delivery"); n != 0 {
				t.Errorf("got %d deliveries of what could not be delivered", n)
			}
			if n := value[int](t, s, "SELECT count(*)::int FROM audit_entry"); n != entries {
				t.Errorf("got %d entries more for acts that did not happen", n-entries)
			}
			if gen := value[int](t, s, "SELECT generation::int FROM account WHERE id = 1"); gen != 2 {
				t.Errorf("got account at %d, want 2", gen)
			}
		})
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	upload := func(file []byte, by audit.Actor) (*credential.Outcome, error) {
		return s.Upload(t.Context(), 1, file, by)
	}

	if _, err := s.Current(t.Context(), 1); !errors.Is(err, credential.ErrNone) {
		t.Errorf("got %v before anything was uploaded, want %v", err, credential.ErrNone)
	}
	if _, err := s.Reveal(t.Context(), 1, admin); !errors.Is(err, credential.ErrNone) {
		t.Errorf("got %v revealed, want %v", err, credential.ErrNone)
	}
	for i, c := range []struct {
		name string
		file []byte
		want credential.Verdict
		gen  int64
	}{
		{"the first", login(time.Hour), credential.Updated, 1},
		{"again", login(time.Hour), credential.Unchanged, 1},
		{"an older one", login(0), credential.Updated, 2},
		{"another account's", authtest.New(authtest.Options{AccountID: "acct-other"}), credential.Updated, 3},
	} {
		got, err := upload(c.file, operator)
		if err != nil || got.Verdict != c.want || got.Current.Number != c.gen || got.Body != nil {
			t.Fatalf("%d %s: got %+v, %v; want %s, generation %d", i, c.name, got, err, c.want, c.gen)
		}
	}
	if n := value[int](t, s, "SELECT count(DISTINCT lineage)::int FROM generation WHERE lineage = id"); n != 3 {
		t.Errorf("got %d lineages, want each upload to begin one", n)
	}
	if n := value[int](t, s, "SELECT count(*)::int FROM generation WHERE source = 'operator' AND source_host_id IS NULL"); n != 3 {
		t.Errorf("got %d generations of the operator, want 3", n)
	}
	if got, err := upload(login(2*time.Hour), admin); err != nil || got.Current.Source != audit.KindAdmin {
		t.Errorf("got %+v, %v; want an admin's", got, err)
	}
	// A host that goes on from here continues the lineage.
	s.put(t, s.host(t, "a.example"), login(3*time.Hour), credential.Digest{})
	if same := value[bool](t, s, "SELECT a.lineage = b.lineage FROM generation a, generation b WHERE a.number = 4 AND b.number = 5"); !same {
		t.Error("a host's refresh began a lineage of its own")
	}

	before := value[int](t, s, "SELECT generation::int FROM account WHERE id = 1")
	for name, file := range map[string]string{
		"no JSON": "nonsense", "cut": string(login(0)[:100]), "a list": "[]", "empty": "", "an empty object": "{}",
		"no last_refresh": `{"tokens":{"access_token":"0123456789abcdefghijklmnop"}}`,
		"a placeholder":   string(authtest.New(authtest.Options{RefreshToken: "cdxp_abc", LastRefresh: start.Add(4 * time.Hour)})),
		"the future":      string(authtest.New(authtest.Options{LastRefresh: s.now.Add(61 * time.Second)})),
		"huge":            `{"a":"` + strings.Repeat("a", 300<<10) + `"}`,
	} {
		if _, err := upload([]byte(file), operator); err == nil || errs.Of(err).Kind == errs.Internal {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if gen := value[int](t, s, "SELECT generation::int FROM account WHERE id = 1"); gen != before {
		t.Errorf("refused uploads moved the account from %d to %d", before, gen)
	}
}

func TestReveal(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	host := s.host(t, "a.example")
	if _, err := s.Upload(t.Context(), 1, login(0), operator); err != nil {
		t.Fatal(err)
	}
	body, err := s.Reveal(t.Context(), 1, admin)
	if err != nil || !bytes.Equal(body, s.document(t, login(0)).Body) {
		t.Errorf("got %d bytes, %v; want the canonical form", len(body), err)
	}
	got := value[string](t, s, "SELECT actor_kind || ' ' || actor || ' ' || details::text FROM audit_entry WHERE action = 'auth.show'")
	if got != `admin alice {"generation": 1}` {
		t.Errorf("got %s on record", got)
	}
	s.exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for records'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if body, err := s.Reveal(t.Context(), 1, admin); err == nil || body != nil {
		t.Errorf("got %d bytes that nobody recorded, %v", len(body), err)
	}
	outcome, err := s.Retrieve(t.Context(), credential.Visit{Host: host, From: home}, credential.Held{RefreshedAt: start.Add(-time.Hour)})
	if err == nil || outcome != nil {
		t.Errorf("got %+v that nobody recorded, %v", outcome, err)
	}
	if _, err := s.Store(t.Context(), credential.Visit{Host: host, From: home}, s.document(t, login(time.Hour)), credential.Digest{}); err == nil {
		t.Error("a store that nobody recorded was accepted")
	}
	if gen := value[int](t, s, "SELECT generation::int FROM account WHERE id = 1"); gen != 1 {
		t.Errorf("got account at %d, want 1", gen)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uploads, old int    // of so many, the first so many are older than 90 days
		canonical    string // generation to roll back to; empty: the newest
		want         int    // left
	}{
		"few and old":             {15, 15, "", 15},
		"exactly twenty":          {20, 20, "", 20},
		"many and young":          {40, 0, "", 40},
		"many and old":            {40, 40, "", 20},
		"some of both":            {40, 10, "", 30},
		"the canonical one stays": {40, 40, "3", 21},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			host := s.host(t, "a.example")
			for i := range c.uploads {
				s.put(t, host, login(time.Duration(i)*time.Minute), credential.Digest{})
			}
			s.exec(t, "UPDATE generation SET created_at = $1 WHERE number <= $2", s.now.Add(-90*24*time.Hour-time.Second), c.old)
			s.exec(t, "UPDATE generation SET created_at = $1 WHERE number > $2", s.now.Add(-90*24*time.Hour), c.old)
			if c.canonical != "" {
				s.exec(t, "UPDATE account SET generation = "+c.canonical)
			}
			current, err := s.Current(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := s.Prune(t.Context()); n != c.uploads-c.want || err != nil {
				t.Errorf("got %d deleted, %v; want %d", n, err, c.uploads-c.want)
			}
			if n, err := s.Prune(t.Context()); n != 0 || err != nil {
				t.Errorf("got %d deleted by a second pass, %v; want none", n, err)
			}
			if newest := value[int](t, s, "SELECT count(*)::int FROM generation WHERE number > $1", c.uploads-20); newest != min(20, c.uploads) {
				t.Errorf("got %d of the newest 20", newest)
			}
			if after, err := s.Current(t.Context(), 1); err != nil || after.ID != current.ID {
				t.Errorf("got canonical generation %d, %v; want %d", after.Number, err, current.Number)
			}
		})
	}
}

// Claims are whatever the uploader wrote into the token; nothing in them may break a store.
func TestHostileClaims(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	host := s.host(t, "a.example")
	for i, claims := range []string{
		`{"iat":1e300,"exp":-1e300}`, `{"iat":253402300799,"exp":253402300800}`, `{"iat":-1,"exp":0}`, `{"iat":0.5,"exp":1.5}`, `{"iat":"x","exp":[]}`,
		`{"iat":9223372036854775808,"exp":99999999999999999999999999}`, `[]`, `null`, `"x"`, `{"session_id":"` + strings.Repeat("a", 5000) + `"}`,
		`{"session_id":"\u0000"}`, strings.Repeat("[", 600), `{`,
	} {
		token := "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".unsigned"
		file, err := json.Marshal(map[string]any{
			"last_refresh": start.Add(time.Duration(i) * time.Minute), "OPENAI_API_KEY": nil,
			"tokens": map[string]any{"access_token": token, "refresh_token": fmt.Sprintf("rt_%d", i), "account_id": "acct"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.put(t, host, file, credential.Digest{}); got.Verdict != credential.Updated {
			t.Errorf("%s: got %s, want updated", claims[:min(len(claims), 60)], got.Verdict)
		}
	}
}

// A host that was removed, or whose key was replaced, while its call was under way gets no credential and no fault.
func TestHostGoneMidCall(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"removed": "DELETE FROM host", "new key": "UPDATE host SET key_sha256 = decode(repeat('ab', 32), 'hex')",
	} {
		s := newShelf(t)
		host := s.host(t, "a.example")
		s.put(t, host, login(time.Hour), credential.Digest{})
		s.exec(t, statement)
		outcome, err := s.Retrieve(t.Context(), credential.Visit{Host: host, From: home}, credential.Held{RefreshedAt: start})
		if outcome != nil || !errors.Is(err, fleet.ErrKeyInvalid) {
			t.Errorf("%s: retrieve: got %+v, %v; want %v", name, outcome, err, fleet.ErrKeyInvalid)
		}
		outcome, err = s.Store(t.Context(), credential.Visit{Host: host, From: home}, s.document(t, login(2*time.Hour)), credential.Digest{})
		if outcome != nil || !errors.Is(err, fleet.ErrKeyInvalid) {
			t.Errorf("%s: store: got %+v, %v; want %v", name, outcome, err, fleet.ErrKeyInvalid)
		}
		if gen := value[int](t, s, "SELECT generation::int FROM account WHERE id = 1"); gen != 1 {
			t.Errorf("%s: a host that is gone moved the account to %d", name, gen)
		}
	}
}
