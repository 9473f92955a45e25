package dashboard_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
	"github.com/cdxgate/cdxgate/internal/policy"
)

const settings = "/dashboard/settings"

// tag is what the form of a card of the settings carries.
func (b *browser) tag(t *testing.T, in http.Header, card string) string {
	t.Helper()
	page := string(b.visit(t, in, settings).Body)
	_, section, _ := strings.Cut(page, `<section class="card" id="`+card+`"`)
	found := regexp.MustCompile(`name="tag" value="([0-9a-f]+)"`).FindStringSubmatch(section)
	if found == nil {
		t.Fatalf("the card %s has no tag: %s", card, page)
	}
	return found[1]
}

func (b *browser) policyNow(t *testing.T) policy.Policy {
	t.Helper()
	now, err := b.Policy.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return *now
}

// Each card is saved by its form alone, as a browser without a script posts it, and what is not changed is not recorded.
func TestSettingsForms(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	want := policy.Default()
	for _, c := range []struct {
		card   string
		fields []string
		change func(*policy.Policy)
	}{
		{"quota", []string{"quota_hard_fail", "false", "quota_limit_percent", "95", "quota_week_partition", "5"}, func(p *policy.Policy) {
			p.QuotaHardFail, p.QuotaLimitPercent, p.QuotaWeekPartition = false, 95, 5
		}},
		{"silent", []string{"cdx_silent", "true"}, func(p *policy.Policy) { p.CdxSilent = true }},
		{"codex", []string{"version", "0.63.0", "other", ""}, func(p *policy.Policy) { p.ClientVersion = "0.63.0" }},
		{"codex", []string{"version", "latest", "other", "0.64.0"}, func(p *policy.Policy) { p.ClientVersion = "0.64.0" }},
		{"codex", []string{"version", "latest", "other", ""}, func(p *policy.Policy) { p.ClientVersion = "" }},
		{"prune", []string{"inactivity_window_days", "0"}, func(p *policy.Policy) { p.InactivityWindowDays = 0 }},
		{"prune", []string{"inactivity_window_days", "60"}, func(p *policy.Policy) { p.InactivityWindowDays = 60 }},
	} {
		c.change(&want)
		a := b.post(t, in, settings+"/"+c.card, append(c.fields, "tag", b.tag(t, in, c.card))...)
		if a.Status != http.StatusSeeOther || a.Header.Get("Location") != settings+"#"+c.card {
			t.Errorf("%s %q: got %d to %q %s", c.card, c.fields, a.Status, a.Header.Get("Location"), a.Body)
		}
		if got := b.policyNow(t); got != want {
			t.Errorf("%s %q: got %+v, want %+v", c.card, c.fields, got, want)
		}
	}
	before := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.policy'")
	if before != 9 {
		t.Errorf("got %d entries, want one for each change", before)
	}
	b.post(t, in, settings+"/quota", "quota_hard_fail", "false", "quota_limit_percent", "90", "quota_week_partition", "5", "tag", b.tag(t, in, "quota"))
	b.post(t, in, settings+"/silent", "cdx_silent", "true", "tag", b.tag(t, in, "silent"))
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.policy'") - before; n != 1 {
		t.Errorf("got %d entries of what is not changed, want that of the limit alone", n)
	}
}

// What is no good is said on the card that it was typed into, and decides nothing.
func TestSettingsRefuse(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	for _, c := range []struct {
		card   string
		fields []string
		says   string
	}{
		{"quota", []string{"quota_hard_fail", "true", "quota_limit_percent", "49", "quota_week_partition", "0"}, "Quota_limit_percent wants a number from 50 to 100."},
		{"quota", []string{"quota_hard_fail", "true", "quota_limit_percent", "101", "quota_week_partition", "0"}, "wants a number from 50 to 100"},
		{"quota", []string{"quota_hard_fail", "true", "quota_limit_percent", evil, "quota_week_partition", "0"}, "wants a number from 50 to 100"},
		{"quota", []string{"quota_hard_fail", "false", "quota_limit_percent", "100", "quota_week_partition", "6"}, "wants 0, 5 or 7"},
		{"quota", nil, "wants"},
		{"silent", []string{"cdx_silent", "perhaps"}, "wants true or false"},
		{"codex", []string{"version", "other", "other", ""}, "has to be a version such as 0.63.0"},
		{"codex", []string{"version", "latest", "other", evil}, "has to be a version such as 0.63.0"},
		{"prune", []string{"inactivity_window_days", "61"}, "wants a number from 0 (never) to 60"},
		{"prune", []string{"inactivity_window_days", "-1"}, "wants a number from 0 (never) to 60"},
		{"prune", []string{"inactivity_window_days", "soon"}, "wants a number from 0 (never) to 60"},
	} {
		a := b.post(t, in, settings+"/"+c.card, append(c.fields, "tag", b.tag(t, in, c.card))...)
		_, section, _ := strings.Cut(string(a.Body), `<section class="card" id="`+c.card+`"`)
		section, _, _ = strings.Cut(section, "<form")
		if a.Status != http.StatusUnprocessableEntity || !strings.Contains(section, c.says) || !strings.Contains(section, `role="alert"`) {
			t.Errorf("%s %q: got %d %s, want %q", c.card, c.fields, a.Status, section, c.says)
		}
		pagetest.Check(t, c.card, a.Body)
	}
	if a := b.post(t, in, settings+"/codex", "version", evil, "tag", b.tag(t, in, "codex")); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("a version that was not to choose: got %d", a.Status)
	}
	if got := b.policyNow(t); got != policy.Default() {
		t.Errorf("got %+v, want what there was", got)
	}
}

// Who decides by a page that is old decides nothing, and sees what is decided now.
func TestSettingsOfTwoAdmins(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	tags := map[string]string{}
	forms := map[string][]string{
		"quota": {"quota_hard_fail", "true", "quota_limit_percent", "60", "quota_week_partition", "0"}, "silent": {"cdx_silent", "true"},
		"codex": {"version", "0.60.0"}, "prune": {"inactivity_window_days", "9"},
	}
	for card := range forms {
		tags[card] = b.tag(t, in, card)
	}
	for name, value := range map[string]string{"quota_limit_percent": "70", "cdx_silent": "false", "client_version": "0.70.0", "inactivity_window_days": "7"} {
		if err := b.Policy.Set(t.Context(), name, value, gatewaytest.Operator); err != nil {
			t.Fatal(err)
		}
	}
	want := b.policyNow(t)
	for card, fields := range forms {
		for _, tag := range []string{tags[card], "", "x"} {
			a := b.post(t, in, settings+"/"+card, append(fields, "tag", tag)...)
			if a.Status != http.StatusPreconditionFailed || !strings.Contains(string(a.Body), "Somebody else has decided this since you opened the page.") {
				t.Errorf("%s with %q: got %d %s", card, tag, a.Status, a.Body)
			}
		}
	}
	if got := b.policyNow(t); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Of two who decide by the same page at once, one does: both have seen that the page was true, and wait to decide.
func TestSettingsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	tag := b.tag(t, in, "quota")
	another, err := b.Core.DB.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = another.Rollback(context.Background()) }()
	if err := db.New(another).PolicyLock(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var saved, stale atomic.Int64
	for _, limit := range []string{"60", "70"} {
		all.Go(func() {
			switch b.post(t, in, settings+"/quota", "quota_hard_fail", "true", "quota_limit_percent", limit, "quota_week_partition", "7", "tag", tag).Status {
			case http.StatusSeeOther:
				saved.Add(1)
			case http.StatusPreconditionFailed:
				stale.Add(1)
			}
		})
	}
	for waiting := int64(0); waiting < 2 && saved.Load()+stale.Load() == 0; {
		waiting = b.Int(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	}
	if err := another.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if saved.Load() != 1 || stale.Load() != 1 {
		t.Errorf("got %d saved and %d stale, want one each", saved.Load(), stale.Load())
	}
	if n := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.policy'"); n != 2 {
		t.Errorf("got %d entries, want those of one", n)
	}
}

// A shorter window that removes hosts at once has to be typed, with their number.
func TestPruningIsTyped(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	for _, name := range []string{"a.example", "b.example", "c.example"} {
		b.Register(t, name)
	}
	b.Exec(t, "DELETE FROM install_token")
	b.Exec(t, "UPDATE host SET last_seen_at = now(), updated_at = now() - interval '20 days'")
	b.Exec(t, "UPDATE host SET last_seen_at = now() - interval '12 days' WHERE fqdn <> 'c.example'")
	if page := string(b.visit(t, in, settings).Body); !strings.Contains(page, "0\u00a0hosts at 30 days, 0 at 14 days, 2 at 7 days, 2 at 1 day.") {
		t.Errorf("the card does not say what would follow: %s", page)
	}
	post := func(more ...string) *gatewaytest.Answer {
		t.Helper()
		return b.post(t, in, settings+"/prune", append([]string{"inactivity_window_days", "7", "tag", b.tag(t, in, "prune")}, more...)...)
	}
	asked := post()
	shown := string(asked.Body)
	if asked.Status != 200 || !strings.Contains(shown, `data-confirm="remove 2 hosts"`) || !strings.Contains(shown, "2\u00a0hosts are silent for longer") || !strings.Contains(shown, `name="inactivity_window_days" value="7"`) {
		t.Errorf("got %d %s", asked.Status, shown)
	}
	pagetest.Check(t, "the question", asked.Body)
	for _, typed := range []string{"remove 1 host", "remove", "Remove 2 hosts"} {
		if a := post("confirm", typed); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: got %d", typed, a.Status)
		}
	}
	b.Exec(t, "UPDATE host SET last_seen_at = now() WHERE fqdn = 'b.example'") // it comes meanwhile: the number is another one
	if a := post("confirm", "remove 2 hosts"); a.Status != http.StatusUnprocessableEntity || b.policyNow(t).InactivityWindowDays != 30 {
		t.Errorf("a number that is old: got %d", a.Status)
	}
	if a := post("confirm", "remove 1 host"); a.Status != http.StatusSeeOther || b.policyNow(t).InactivityWindowDays != 7 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// What GitHub says is asked on demand, and that it says nothing is said.
func TestCheckCodex(t *testing.T) {
	t.Parallel()
	github := githubtest.New(t, "rust-v0.63.0")
	b := newBrowser(t, gatewaytest.Options{GitHub: github.URL})
	in := b.session(t, access.Operator)
	if page := string(b.visit(t, in, settings).Body); !strings.Contains(page, "Which Codex is the newest is not known.") {
		t.Errorf("got %s", page)
	}
	if a := b.post(t, in, settings+"/codex/check"); a.Status != http.StatusSeeOther {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if page := string(b.visit(t, in, settings).Body); !strings.Contains(page, "The newest Codex is 0.63.0.") || !strings.Contains(page, "Latest, now 0.63.0") {
		t.Errorf("got %s", page)
	}
	github.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	a := b.post(t, in, settings+"/codex/check")
	if shown := string(a.Body); a.Status != 200 || !strings.Contains(shown, "GitHub did not say which Codex is the newest") || !strings.Contains(shown, "The newest Codex is 0.63.0.") {
		t.Errorf("in vain: got %d %s", a.Status, shown)
	}
	// Who follows the newest again is not kept waiting by what GitHub says.
	b.post(t, in, settings+"/codex", "version", "0.60.0", "tag", b.tag(t, in, "codex"))
	if a := b.post(t, in, settings+"/codex", "version", "latest", "tag", b.tag(t, in, "codex")); a.Status != http.StatusSeeOther || b.policyNow(t).ClientVersion != "" {
		t.Errorf("latest: got %d", a.Status)
	}
}

// A viewer sees the settings with why nothing can be done; whoever may not, or comes from elsewhere, decides nothing.
func TestWhoDecides(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	viewer, owner := b.session(t, access.Viewer), b.session(t, access.Owner)
	page := string(b.visit(t, viewer, settings).Body)
	if !strings.Contains(page, "Your role is viewer; this takes an operator.") || strings.Contains(page, `<button class="btn">Save`) || strings.Contains(page, `type="range" min="50" max="100" step="1" value="100" data-unit="`+"\u202f"+`%">`) {
		t.Errorf("a viewer's settings: got %s", page)
	}
	forms := map[string][]string{
		"quota": {"quota_hard_fail", "false", "quota_limit_percent", "60", "quota_week_partition", "0"}, "silent": {"cdx_silent", "true"},
		"codex": {"version", "0.60.0"}, "prune": {"inactivity_window_days", "9"}, "codex/check": nil,
	}
	for card, fields := range forms {
		fields = append(fields, "tag", b.tag(t, owner, strings.TrimSuffix(card, "/check")))
		if a := b.post(t, viewer, settings+"/"+card, fields...); a.Status != http.StatusForbidden {
			t.Errorf("%s of a viewer: got %d", card, a.Status)
		}
		if a := b.post(t, owner, settings+"/"+card, fields...); a.Status != http.StatusSeeOther && card != "codex/check" {
			t.Errorf("%s of an owner: got %d", card, a.Status)
		}
	}
	for card := range forms {
		a := b.site.Do(t, b.client, gatewaytest.Request{
			Method: http.MethodPost, Path: settings + "/" + card, Body: "cdx_silent=false",
			Header: with(owner, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"),
		})
		if a.Status != http.StatusForbidden {
			t.Errorf("%s from another site: got %d", card, a.Status)
		}
	}
}
