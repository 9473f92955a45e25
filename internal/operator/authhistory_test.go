package operator

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// Going back is asked before it is done, with what it comes to, and is in the history afterwards.
func TestAuthRollback(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	day := func(n int) []byte {
		return authtest.New(authtest.Options{LastRefresh: time.Date(2026, 2, n, 0, 0, 0, 0, time.UTC)})
	}
	d.g.Upload(t, day(1))
	d.g.Upload(t, day(2))
	if err := d.AuthRollback(t.Context(), "1"); !errors.Is(err, ErrDeclined) {
		t.Errorf("without a word: got %v", err)
	}
	_, words := d.said()
	for _, want := range []string{"Generation 2 is the fleet's login now", "! It belongs to another login", "never comes back"} {
		if !strings.Contains(words, want) {
			t.Errorf("got %q, want %q in it", words, want)
		}
	}
	d.Yes = true
	for number, want := range map[string]error{"7": credential.ErrNoGeneration, "2": credential.ErrRollbackCurrent} {
		if err := d.AuthRollback(t.Context(), number); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", number, err, want)
		}
	}
	if err := d.AuthRollback(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if _, words = d.said(); !strings.Contains(words, "✓ the fleet's login is that of generation 1 again, as generation 3") {
		t.Errorf("got %q", words)
	}
	if err := d.AuthHistory(t.Context(), AuthHistoryOptions{Limit: 2}); err != nil {
		t.Fatal(err)
	}
	out, words := d.said()
	if !strings.Contains(out, "current, back to 1") || strings.Count(out, "\n") != 3 || !strings.Contains(words, "newest 2") {
		t.Errorf("got %q, %q", out, words)
	}
	d.JSON = true
	if err := d.AuthHistory(t.Context(), AuthHistoryOptions{Limit: 9}); err != nil {
		t.Fatal(err)
	}
	var list struct{ Generations []listedGeneration }
	out, _ = d.said()
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Generations) != 3 || !list.Generations[0].Current || *list.Generations[0].RolledBackTo != 1 {
		t.Errorf("got %s, %v", out, err)
	}
}

// What a host proposes is listed, decided with what there is to know, and a discard is taken back.
func TestAuthProposals(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.AuthProposals(t.Context(), AuthProposalsOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, words := d.said(); words != "Nothing waits to be decided\n" {
		t.Errorf("got %q", words)
	}
	host := d.g.Register(t, "quiet.example")
	d.g.Exec(t, "UPDATE host SET may_store = false WHERE fqdn = 'quiet.example'")
	d.g.Upload(t, authtest.New(authtest.Options{}))
	login := authtest.New(authtest.Options{LastRefresh: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)})
	d.g.Do(t, gatewaytest.Request{Path: api.PathAuth, Key: host.Key.Reveal(), Body: `{"command":"store","auth":` + string(login) + `}`})
	id := ""
	list := func(opts AuthProposalsOptions, want string) {
		t.Helper()
		if err := d.AuthProposals(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
		out, _ := d.said()
		rows := strings.Split(strings.TrimSpace(out), "\n")
		if len(rows) != 2 || !strings.Contains(rows[1], "quiet.example") || !strings.HasSuffix(strings.TrimSpace(rows[1]), want) {
			t.Fatalf("got %q, want one %s", out, want)
		}
		id = strings.Fields(rows[1])[0]
	}
	list(AuthProposalsOptions{}, "pending")
	for _, step := range []struct {
		what string
		run  func() error
		want error
	}{
		{"adopt, without a word", func() error { return d.AuthAdopt(t.Context(), id) }, ErrDeclined},
		{"discard", func() error { return d.AuthDiscard(t.Context(), id) }, nil},
		{"discard again", func() error { return d.AuthDiscard(t.Context(), id) }, credential.ErrProposalDecided},
		{"reopen", func() error { return d.AuthReopen(t.Context(), id) }, nil},
		{"discard nothing", func() error { return d.AuthDiscard(t.Context(), "7") }, credential.ErrNoProposal},
		{"reopen nothing", func() error { return d.AuthReopen(t.Context(), "019ab3c0-7d7e-7c61-b0a1-5a3e1c1f0f11") }, credential.ErrNoProposal},
	} {
		if err := step.run(); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Errorf("%s: got %v, want %v", step.what, err, step.want)
		}
	}
	_, words := d.said()
	for _, want := range []string{"quiet.example brought this login", "! Its access token has expired", "is discarded; cdxgate auth reopen " + id, "waits to be decided again"} {
		if !strings.Contains(words, want) {
			t.Errorf("got %q, want %q in it", words, want)
		}
	}
	d.Yes = true
	if err := d.AuthAdopt(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, words := d.said(); !strings.Contains(words, "✓ this is the fleet's login now, generation 2") {
		t.Errorf("got %q", words)
	}
	list(AuthProposalsOptions{All: true}, "adopted")
}
