package dashboard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

const quotaRefresh = "/dashboard/quota/refresh"

// chatGPT says that 12 % of five hours and 34 % of a week are used.
func chatGPT(t *testing.T, plan string) *gatewaytest.ChatGPT {
	t.Helper()
	now := time.Now()
	return gatewaytest.NewChatGPT(t, fmt.Sprintf(`{"plan_type":%q,"rate_limit":{"allowed":true,"limit_reached":false,
		"primary_window":{"used_percent":12,"limit_window_seconds":18000,"reset_at":%d},"secondary_window":{"used_percent":34,"limit_window_seconds":604800,"reset_at":%d}}}`,
		plan, now.Add(time.Hour).Unix(), now.Add(72*time.Hour).Unix()))
}

// quotaPart is what the card says to a script.
func (b *browser) quotaPart(t *testing.T, in http.Header) string {
	t.Helper()
	a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", "ov-quota"), "/dashboard")
	if a.Status != http.StatusOK || !strings.HasPrefix(strings.TrimSpace(string(a.Body)), `<section class="card" id="ov-quota"`) {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return string(a.Body)
}

// An operator has ChatGPT asked with the button; what it says, and what it has against that, stands on the card.
func TestRefreshQuota(t *testing.T) {
	t.Parallel()
	c := chatGPT(t, "plan"+evil[:30])
	b := newBrowser(t, gatewaytest.Options{ChatGPT: c.URL})
	in := b.session(t, access.Operator)
	if a := b.post(t, in, quotaRefresh); a.Status != http.StatusNotFound || c.Asked() != 0 || !strings.Contains(b.quotaPart(t, in), "There is no login to ask with.") {
		t.Errorf("without a login: got %d %s", a.Status, a.Body)
	}
	b.Upload(t, login())
	if card := b.quotaPart(t, in); !strings.Contains(card, "Nothing is known yet") || !strings.Contains(card, `action="/dashboard/quota/refresh"`) || strings.Contains(card, "0\u202f%") {
		t.Errorf("before: got %s", card)
	}
	a := b.post(t, in, quotaRefresh)
	if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/dashboard/" || c.Asked() != 1 {
		t.Fatalf("got %d to %q, %d questions, %s", a.Status, a.Header.Get("Location"), c.Asked(), a.Body)
	}
	page := b.visit(t, in, "/dashboard")
	pagetest.Check(t, "the overview", page.Body)
	text := pagetest.Text(t, page.Body)
	for _, want := range []string{"plan" + evil[:30], "by ChatGPT", "5 hours 12 %", "7 days 34 %", "pace 0.6×", "limit 100 %", "Next check in"} {
		if !strings.Contains(text, want) {
			t.Errorf("the card does not say %q: %s", want, text)
		}
	}
	b.Exec(t, "UPDATE quota_state SET held_until = now() + interval '1 hour'")
	if a := b.post(t, in, quotaRefresh); a.Status != http.StatusConflict || !strings.Contains(string(a.Body), "ChatGPT was asked within the last minute, is being asked, or said to wait.") || c.Asked() != 1 {
		t.Errorf("too early: got %d %s", a.Status, a.Body)
	}
	b.Exec(t, "UPDATE quota_state SET held_until = now()")
	c.Says(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, "no: "+r.Header.Get("Authorization"))
	})
	if a := b.post(t, in, quotaRefresh); a.Status != http.StatusSeeOther || c.Asked() != 2 {
		t.Errorf("a question that fails: got %d %s", a.Status, a.Body)
	}
	card := b.quotaPart(t, in)
	if !strings.Contains(card, "The last question failed: ChatGPT refuses the access token of the login.") || !strings.Contains(card, "34\u202f%") || strings.Contains(card, "Bearer") {
		t.Errorf("got %s, want what failed beside the last good answer", card)
	}
}

// Whoever may not have ChatGPT asked, or comes from elsewhere, has nobody asked, and is told why.
func TestWhoRefreshesTheQuota(t *testing.T) {
	t.Parallel()
	c := chatGPT(t, "pro")
	b := newBrowser(t, gatewaytest.Options{ChatGPT: c.URL})
	b.Upload(t, login())
	viewer, owner := b.session(t, access.Viewer), b.session(t, access.Owner)
	if card := b.quotaPart(t, viewer); !strings.Contains(card, "Your role is viewer; this takes an operator.") || strings.Contains(card, "<form") {
		t.Errorf("a viewer's card: got %s", card)
	}
	if a := b.post(t, viewer, quotaRefresh); a.Status != http.StatusForbidden {
		t.Errorf("a viewer: got %d", a.Status)
	}
	for _, from := range []string{"cross-site", "same-site"} {
		a := b.site.Do(t, b.client, gatewaytest.Request{
			Method: http.MethodPost, Path: quotaRefresh, Header: with(owner, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", from),
		})
		if a.Status != http.StatusForbidden {
			t.Errorf("from %s: got %d", from, a.Status)
		}
	}
	if c.Asked() != 0 {
		t.Errorf("got %d questions, want none", c.Asked())
	}
	if a := b.post(t, owner, quotaRefresh); a.Status != http.StatusSeeOther || c.Asked() != 1 {
		t.Errorf("an owner: got %d, %d questions", a.Status, c.Asked())
	}
	if card := b.quotaPart(t, viewer); !strings.Contains(card, "34\u202f%") {
		t.Errorf("a viewer's card: got %s", card)
	}
}

func TestQuotaThatIsOff(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.Upload(t, login())
	in := b.session(t, access.Owner)
	if card := b.quotaPart(t, in); !strings.Contains(card, "The gateway&#39;s option chatgpt_url is off.") || !strings.Contains(card, `aria-disabled="true"`) {
		t.Errorf("got %s", card)
	}
	if a := b.post(t, in, quotaRefresh); a.Status != http.StatusConflict || !strings.Contains(string(a.Body), "its option chatgpt_url is off") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// Pages are told when ChatGPT has said something, and when it has not.
func TestStreamTellsOfTheQuota(t *testing.T) {
	t.Parallel()
	c := chatGPT(t, "pro")
	b := newBrowser(t, gatewaytest.Options{ChatGPT: c.URL, Live: quick})
	b.Upload(t, login())
	in := b.session(t, access.Operator)
	s := open(t, b.client, b.site.URL, in, "")
	s.hello()
	b.post(t, in, quotaRefresh)
	s.topics("quota")
}

// However much there is, the overview makes a fixed number of queries, and its cards alone make fewer.
func TestQueriesOfTheOverview(t *testing.T) {
	t.Parallel()
	c := chatGPT(t, "pro")
	b := newBrowser(t, gatewaytest.Options{ChatGPT: c.URL})
	queries := &asked{DBTX: b.Core.DB.Pool()}
	b.Core.DB.Queries = db.New(queries)
	in := b.session(t, access.Operator)
	b.fill(t)
	b.post(t, in, quotaRefresh)
	b.Exec(t, `INSERT INTO quota_snapshot (account_id, source, chatgpt_account, fetched_at, secondary_used_percent)
		SELECT q.account_id, 'chatgpt', q.chatgpt_account, now() - n * interval '15 minutes', n % 100 FROM quota_snapshot q, generate_series(1, 5000) n`)
	for part, most := range map[string]int{"": 16, "ov-quota": 10, "ov-usage": 12} {
		header := in
		if part != "" {
			header = with(in, "Hx-Request", "true", "Hx-Target", part)
		}
		queries.taken()
		a := b.visit(t, header, "/dashboard")
		names := queries.taken()
		reads := 0
		for _, name := range names {
			if name == "QuotaRead" {
				reads++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[part == "ov-usage"]; a.Status != 200 || len(names) > most || reads != want {
			t.Errorf("%q: got %d, %d queries %q, want at most %d, %d about the quota", part, a.Status, len(names), names, most, want)
		}
	}
}
