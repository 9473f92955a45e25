package credential_test

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// tokensOf are the tokens of an auth.json.
func tokensOf(t *testing.T, body []byte) (access, refresh string) {
	t.Helper()
	var file struct {
		Tokens struct {
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		} `json:"tokens"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		t.Fatal(err)
	}
	return file.Tokens.AccessToken, file.Tokens.RefreshToken
}

func (s *shelf) canonical(t *testing.T) []byte {
	t.Helper()
	body, err := s.Reveal(t.Context(), 1, operator)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// An earlier access token comes back, a refresh token never does: the newest of the lineage goes along.
func TestRollBack(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a, b := s.host(t, "a.example"), s.host(t, "b.example")
	first, second, third := login(0), login(time.Hour), login(2*time.Hour)
	for _, file := range [][]byte{first, second, third} {
		s.put(t, a, file, credential.Digest{})
	}
	outcome, err := s.RollBack(t.Context(), 1, 1, credential.RollbackOptions{Seen: 3}, admin)
	if err != nil || outcome.Verdict != credential.Updated || outcome.Current.Number != 4 {
		t.Fatalf("got %+v, %v", outcome, err)
	}
	access, _ := tokensOf(t, first)
	_, refresh := tokensOf(t, third)
	if gotAccess, gotRefresh := tokensOf(t, s.canonical(t)); gotAccess != access || gotRefresh != refresh {
		t.Errorf("got the access token of the first: %v, the refresh token of the third: %v", gotAccess == access, gotRefresh == refresh)
	}
	if got := value[string](t, s, `SELECT (lineage = (SELECT lineage FROM generation WHERE number = 1)) || ' ' || rolled_back_to || ' ' || source
		FROM generation WHERE number = 4`); got != "true 1 admin" {
		t.Errorf("got %s", got)
	}

	// Hosts that have what was canonical, or anything before, are given it, and it does not go away by itself.
	for _, host := range []string{"a.example", "b.example"} {
		v := credential.Visit{Host: a, From: home}
		if host == "b.example" {
			v.Host = b
		}
		held := s.document(t, third)
		got, err := s.Retrieve(t.Context(), v, credential.Held{Digest: held.Digest, LastRefresh: held.LastRefresh, RefreshedAt: held.RefreshedAt})
		if err != nil || got.Verdict != credential.Outdated || got.Body == nil {
			t.Errorf("%s: got %+v, %v", host, got, err)
		}
	}
	for name, file := range map[string][]byte{"first": first, "second": second, "third": third} {
		if got := s.put(t, b, file, credential.Digest{}); got.Verdict != credential.Outdated || !got.Kept {
			t.Errorf("%s again: got %+v", name, got)
		}
	}

	// Twice in a row: still the newest refresh token, of whatever the lineage has come to since.
	fourth := login(3*time.Hour + s.now.Sub(start))
	s.now = s.now.Add(4 * time.Hour)
	s.put(t, b, fourth, credential.Digest{})
	if _, err := s.RollBack(t.Context(), 1, 2, credential.RollbackOptions{}, admin); err != nil {
		t.Fatal(err)
	}
	access, _ = tokensOf(t, second)
	_, refresh = tokensOf(t, fourth)
	if gotAccess, gotRefresh := tokensOf(t, s.canonical(t)); gotAccess != access || gotRefresh != refresh {
		t.Errorf("second rollback: access %v, refresh %v", gotAccess == access, gotRefresh == refresh)
	}
	if n := value[int](t, s, "SELECT count(*)::int FROM audit_entry WHERE action = 'admin.credential.rollback' AND actor = 'alice'"); n != 2 {
		t.Errorf("got %d entries", n)
	}
}

// What has consequences is not done without a word, and says which.
func TestRollBackWarnings(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	upload := func(o authtest.Options) {
		t.Helper()
		if _, err := s.Upload(t.Context(), 1, authtest.New(o), operator); err != nil {
			t.Fatal(err)
		}
	}
	upload(authtest.Options{LastRefresh: start, ExpiresAt: s.now})                                     // 1: expired by now
	upload(authtest.Options{LastRefresh: start.Add(time.Hour), AccountID: "acct-other"})               // 2: another account
	upload(authtest.Options{LastRefresh: start.Add(2 * time.Hour)})                                    // 3: another login
	upload(authtest.Options{LastRefresh: start.Add(3 * time.Hour), ExpiresAt: s.now.AddDate(0, 0, 1)}) // 4: current
	for number, want := range map[int64][]credential.Warning{
		1: {credential.WarnExpired, credential.WarnOtherLineage}, 2: {credential.WarnOtherLineage, credential.WarnOtherAccount},
		3: {credential.WarnOtherLineage},
	} {
		plan, err := s.PlanRollback(t.Context(), 1, number)
		if err != nil || !slices.Equal(plan.Warnings, want) || plan.From.Number != 4 || plan.To.Number != number {
			t.Errorf("%d: got %+v, %v, want %v", number, plan, err, want)
		}
		_, err = s.RollBack(t.Context(), 1, number, credential.RollbackOptions{}, admin)
		if !errors.Is(err, credential.ErrRisky) {
			t.Errorf("%d: got %v, want %v", number, err, credential.ErrRisky)
		}
	}
	for name, try := range map[string]struct {
		number int64
		opts   credential.RollbackOptions
		want   error
	}{
		"what is canonical":     {4, credential.RollbackOptions{Confirm: true}, credential.ErrRollbackCurrent},
		"what never was":        {9, credential.RollbackOptions{Confirm: true}, credential.ErrNoGeneration},
		"nothing":               {0, credential.RollbackOptions{Confirm: true}, credential.ErrNoGeneration},
		"less than nothing":     {-1, credential.RollbackOptions{Confirm: true}, credential.ErrNoGeneration},
		"another was canonical": {3, credential.RollbackOptions{Confirm: true, Seen: 3}, credential.ErrMovedOn},
	} {
		if _, err := s.RollBack(t.Context(), 1, try.number, try.opts, admin); !errors.Is(err, try.want) {
			t.Errorf("%s: got %v, want %v", name, err, try.want)
		}
	}
	if n := value[int64](t, s, "SELECT generation FROM account WHERE id = 1"); n != 4 {
		t.Errorf("a refusal changed the login: generation %d", n)
	}
	if _, err := s.RollBack(t.Context(), 1, 2, credential.RollbackOptions{Confirm: true, Seen: 4}, admin); err != nil {
		t.Error(err)
	}
	// Of another login it is that login's own token which goes along.
	_, refresh := tokensOf(t, s.canonical(t))
	if _, want := tokensOf(t, authtest.New(authtest.Options{LastRefresh: start.Add(time.Hour), AccountID: "acct-other"})); refresh != want {
		t.Error("the refresh token is not of the lineage that was gone back to")
	}
}

// Ten admins who saw the same login: one of them gets what he wanted, the others are told.
func TestRollBackRace(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.host(t, "a.example")
	for hours := range 3 {
		s.put(t, a, login(time.Duration(hours)*time.Hour), credential.Digest{})
	}
	var wg sync.WaitGroup
	errsOf := make([]error, 10)
	for i := range errsOf {
		wg.Go(func() {
			_, errsOf[i] = s.RollBack(t.Context(), 1, int64(i%2+1), credential.RollbackOptions{Seen: 3, Confirm: true}, admin)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errsOf {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, credential.ErrMovedOn):
			t.Error(err)
		}
	}
	if n := value[int64](t, s, "SELECT generation FROM account WHERE id = 1"); won != 1 || n != 4 {
		t.Errorf("got %d winners, generation %d", won, n)
	}
}

// The history says who brought what and who has it, in parts, and holds no secret.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a, b := s.host(t, "a.example"), s.host(t, "b.example")
	s.put(t, a, login(0), credential.Digest{})
	s.put(t, b, login(time.Hour), credential.Digest{})
	if _, err := s.Upload(t.Context(), 1, login(2*time.Hour), operator); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"a.example", "b.example"} {
		v := credential.Visit{Host: a, From: home}
		if host == "b.example" {
			v.Host = b
		}
		if _, err := s.Retrieve(t.Context(), v, credential.Held{LastRefresh: "2000-01-01T00:00:00Z"}); err != nil {
			t.Fatal(err)
		}
	}
	page, more, err := s.History(t.Context(), 1, credential.HistoryQuery{Limit: 2})
	if err != nil || !more || len(page) != 2 || page[0].Number != 3 || !page[0].Current || page[0].Holders != 2 || page[1].Holders != 0 {
		t.Fatalf("got %+v, %v, %v", page, more, err)
	}
	page, more, err = s.History(t.Context(), 1, credential.HistoryQuery{After: 2, Limit: 2})
	if err != nil || more || len(page) != 1 || page[0].Number != 1 || *page[0].SourceFQDN != "a.example" {
		t.Errorf("the rest: got %+v, %v, %v", page, more, err)
	}
	lineage := value[string](t, s, "SELECT lineage::text FROM generation WHERE number = 1")
	for name, query := range map[string]credential.HistoryQuery{
		"3": {Source: "operator"}, "2": {HostID: b.ID}, "": {Source: "seed"}, "2 1": {Source: "host"}, "1 2 3": {Ascending: true}, "2 3": {Ascending: true, After: 1}, "1": {Search: "A.EXAMPLE"},
	} {
		query.Limit = 9
		page, _, err := s.History(t.Context(), 1, query)
		if got := numbers(page); err != nil || got != name {
			t.Errorf("%+v: got %q, %v, want %q", query, got, err, name)
		}
	}
	digest := value[string](t, s, "SELECT upper(encode(digest, 'hex')) FROM generation WHERE number = 2")
	for search, want := range map[string]string{digest: "2", digest[3:40]: "2", "%": "", "_": "", ".example": "2 1"} {
		if page, _, err := s.History(t.Context(), 1, credential.HistoryQuery{Search: search, Limit: 9}); err != nil || numbers(page) != want {
			t.Errorf("search for %q: got %q, %v, want %q", search, numbers(page), err, want)
		}
	}
	id := mustUUID(t, lineage)
	if page, _, err := s.History(t.Context(), 1, credential.HistoryQuery{Lineage: &id, Limit: 9}); err != nil || numbers(page) != "2 1" {
		t.Errorf("of a lineage: got %q, %v", numbers(page), err)
	}

	got, more, err := s.Receivers(t.Context(), 1, 3, "", 1)
	if err != nil || !more || len(got) != 1 || got[0].FQDN != "a.example" || !got[0].Holds {
		t.Errorf("receivers: got %+v, %v, %v", got, more, err)
	}
	if got, more, err = s.Receivers(t.Context(), 1, 3, "a.example", 1); err != nil || more || len(got) != 1 || got[0].FQDN != "b.example" {
		t.Errorf("the rest of them: got %+v, %v, %v", got, more, err)
	}
	if past, err := s.Past(t.Context(), 1, 2); err != nil || past.Number != 2 {
		t.Errorf("one: got %+v, %v", past, err)
	}
	for _, number := range []int64{0, 4, -1} {
		if _, err := s.Past(t.Context(), 1, number); !errors.Is(err, credential.ErrNoGeneration) {
			t.Errorf("%d: got %v", number, err)
		}
	}
}
