package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/templates"
)

const day = 24 * time.Hour

// window is one of which used per cent are gone, and that is reset in left.
func window(used int, length, left time.Duration) quota.Window {
	return quota.Window{UsedPercent: &used, Length: length, ResetsAt: now.Add(left)}
}

// asked gives a gateway with a login what ChatGPT said four minutes ago.
func asked(short, long quota.Window, change func(*overviewFacts)) *overviewFacts {
	return facts(func(f *overviewFacts) {
		withLogin(f, 185*time.Hour)
		f.quota = &quota.Known{
			On: true, NextEligibleAt: now.Add(11 * time.Minute),
			Snapshot: &quota.Snapshot{FetchedAt: now.Add(-4 * time.Minute), Plan: "pro", Short: short, Long: long},
		}
		if change != nil {
			change(f)
		}
	})
}

func percent(n *int) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

// A window is shown with what is known of it. What is not is a gap, never zero.
func TestQuotaWindows(t *testing.T) {
	t.Parallel()
	used, zero := 40, 0
	for name, c := range map[string]struct {
		window quota.Window
		said   time.Duration // ago
		want   string        // title: used of elapsed, projected, pace, tone and state, reset, note
	}{
		"far ahead":          {window(38, 5*time.Hour, 108*time.Minute), 0, "5 hours: 38 of 64, 59, 0.6×, ok On pace, 1 h 48 min, "},
		"ahead by 15 points": {window(35, 10*time.Hour, 5*time.Hour), 0, "10 hours: 35 of 50, 70, 0.7×, ok On pace, 5 h, "},
		"ahead by less":      {window(36, 10*time.Hour, 5*time.Hour), 0, "10 hours: 36 of 50, 72, 0.7×, warn Close to pace, 5 h, "},
		"just on pace":       {window(50, 10*time.Hour, 5*time.Hour), 0, "10 hours: 50 of 50, 100, 1.0×, warn Close to pace, 5 h, "},
		"over pace":          {window(51, 10*time.Hour, 5*time.Hour), 0, "10 hours: 51 of 50, 102, 1.0×, bad Over pace, 5 h, "},
		"more than there is": {window(150, 7*day, 3*day+time.Hour), 0, "7 days: 150 of 57, 265, 2.7×, bad Over pace, 3 d, Thursday, "},
		"nothing is used":    {quota.Window{UsedPercent: &zero, Length: 10 * time.Hour, ResetsAt: now.Add(5 * time.Hour)}, 0, "10 hours: 0 of 50, 0, 0.0×, ok On pace, 5 h, "},
		"too early to tell":  {window(1, 7*day, 7*day-time.Hour), 0, "7 days: 1 of 1, ?, , , 6 d, Monday, "},
		// The pace is that of when it was said: time alone makes nothing better.
		"said a while ago":     {window(60, 10*time.Hour, 5*time.Hour), 2 * time.Hour, "10 hours: 60 of 50, 200, 2.0×, bad Over pace, 5 h, "},
		"a reset in a day":     {window(90, 7*day, 27*time.Hour), 0, "7 days: 90 of 84, 107, 1.1×, bad Over pace, 1 d 3 h, "},
		"a reset in minutes":   {window(10, 5*time.Hour, 6*time.Minute), 0, "5 hours: 10 of 98, 10, 0.1×, ok On pace, 6 min, "},
		"a reset in seconds":   {window(10, 5*time.Hour, 12*time.Second), 0, "5 hours: 10 of 100, 10, 0.1×, ok On pace, 12 s, "},
		"was reset since":      {window(97, 5*time.Hour, -time.Second), time.Hour, "5 hours: ? of ?, ?, , , , It was reset since; what was used since is not known."},
		"use is unknown":       {quota.Window{Length: 5 * time.Hour, ResetsAt: now.Add(time.Hour)}, 0, "5 hours: ? of 80, ?, , , 1 h, "},
		"reset is unknown":     {quota.Window{UsedPercent: &used, Length: 5 * time.Hour}, 0, "5 hours: 40 of ?, ?, , , , "},
		"length is unknown":    {quota.Window{UsedPercent: &used, ResetsAt: now.Add(time.Hour)}, 0, "Hours: 40 of ?, ?, , , 1 h, "},
		"of minutes":           {window(10, 90*time.Minute, 45*time.Minute), 0, "90 min: 10 of 50, 20, 0.2×, ok On pace, 45 min, "},
		"nothing was said":     {quota.Window{}, 0, "Hours: ? of ?, ?, , , , Nothing was said about it."},
		"a window of one hour": {window(10, time.Hour, time.Minute), 0, "1 hour: 10 of 98, 10, 0.1×, ok On pace, 1 min, "},
	} {
		f := asked(c.window, quota.Window{}, nil)
		w := f.quotaWindow(c.window, &quota.Snapshot{FetchedAt: now.Add(-c.said)}, "Hours")
		got := fmt.Sprintf("%s: %s of %s, %s, %s, %s, %s, %s", strings.ReplaceAll(w.Title, "\u00a0", " "), percent(w.Used), percent(w.Elapsed), percent(w.Projected), w.Pace,
			strings.TrimSpace(string(w.Tone)+" "+w.State), w.ResetsIn, w.Note)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if (w.ResetsIn == "") != w.ResetsAt.IsZero() {
			t.Errorf("%s: got a reset in %q at %s", name, w.ResetsIn, w.ResetsAt)
		}
	}
}

func TestQuotaCard(t *testing.T) {
	t.Parallel()
	good, spent := window(38, 5*time.Hour, 108*time.Minute), window(97, 7*day, 3*day)
	failed := func(code, text string) func(*overviewFacts) {
		return func(f *overviewFacts) {
			f.quota.Failure = &quota.Failure{Code: code, Text: text, At: now.Add(-time.Minute)}
		}
	}
	for name, c := range map[string]struct {
		facts *overviewFacts
		want  []string // what the card says, in the order below
	}{
		"all is well": {asked(good, window(10, 7*day, 3*day), nil), []string{"plan ok pro", "ChatGPT", "38", "10"}},
		"a host said so": {asked(good, quota.Window{}, func(f *overviewFacts) {
			f.quota.Snapshot.FromHost, f.quota.Snapshot.HostFQDN, f.quota.Snapshot.Plan = true, "atlas.example", "plus"
		}), []string{"plan  plus", "atlas.example", "38", "?"}},
		"a host said so that is gone": {asked(good, quota.Window{}, func(f *overviewFacts) {
			f.quota.Snapshot.FromHost, f.quota.Snapshot.Plan = true, ""
		}), []string{"a host that was removed", "38", "?"}},
		"launches are refused": {asked(good, spent, func(f *overviewFacts) { f.policy.QuotaLimitPercent = 95 }), []string{
			"plan ok pro", "reached", "ChatGPT", "bad Launches are refused, but on VIP hosts: the 7 d window is at 97%, the limit is 95%.", "38", "97",
		}},
		"hosts are warned": {asked(good, spent, func(f *overviewFacts) { f.policy.QuotaLimitPercent, f.policy.QuotaHardFail = 95, false }), []string{
			"plan ok pro", "reached", "ChatGPT", "warn Hosts are warned, and launch: the 7 d window is at 97%, the limit is 95%.", "38", "97",
		}},
		"ChatGPT said so long ago": {asked(good, spent, func(f *overviewFacts) {
			f.quota.Snapshot.Reached, f.quota.Snapshot.FetchedAt = new(true), now.Add(-2*time.Hour)
		}), []string{"plan ok pro", "reached", "ChatGPT", "38", "97"}},
		"the last question failed": {asked(good, spent, failed(quota.CodeRefused, "ChatGPT refuses the access token of the login")), []string{
			"plan ok pro", "ChatGPT", "failure The last question failed: ChatGPT refuses the access token of the login.", "38", "97",
		}},
		"no limits": {asked(quota.Window{}, quota.Window{}, nil), []string{"plan ok pro", "ChatGPT", "empty No windows"}},
		"off, and a host said something": {asked(good, spent, func(f *overviewFacts) {
			f.quota.On, f.quota.Snapshot.FromHost, f.quota.Snapshot.HostFQDN = false, true, "a"
		}), []string{
			"plan ok pro", "a", "info The option chatgpt_url is off: the gateway asks nobody, and knows what hosts report.", "38", "97", "why The option chatgpt_url is off: nobody is asked.",
		}},
		"off":       {asked(good, spent, func(f *overviewFacts) { f.quota = &quota.Known{} }), []string{"empty ChatGPT is not asked", "why The option chatgpt_url is off: nobody is asked."}},
		"not asked": {asked(good, spent, func(f *overviewFacts) { f.quota.Snapshot = nil }), []string{"empty Nothing is known yet"}},
		"failed, and nothing is known": {asked(good, spent, func(f *overviewFacts) {
			failed(quota.CodeUpstream, "ChatGPT has a fault: HTTP 500")(f)
			f.quota.Snapshot = nil
		}), []string{"failure The last question failed: ChatGPT has a fault: HTTP 500.", "empty Nothing is known"}},
		"an API key": {asked(good, spent, func(f *overviewFacts) {
			failed(quota.CodeNoTokens, "the login is an API key")(f)
			f.quota.Snapshot, f.has = nil, everyPage
		}), []string{"empty No quota Upload a login"}},
		"no login": {facts(func(f *overviewFacts) {
			f.quota, f.has = &quota.Known{On: true, Failure: &quota.Failure{Code: quota.CodeNoLogin, Text: "none"}}, everyPage
		}), []string{"empty No quota yet Upload a login", "why There is no login to ask with."}},
		"no login, and no page to bring one": {facts(func(f *overviewFacts) {
			f.quota = &quota.Known{On: true, Failure: &quota.Failure{Code: quota.CodeNoLogin, Text: "none"}}
		}), []string{"empty No quota yet", "why There is no login to ask with."}},
		"of a viewer": {asked(good, quota.Window{}, func(f *overviewFacts) {
			f.why = func(access.Capability) string { return "Your role is viewer." }
		}), []string{"plan ok pro", "ChatGPT", "38", "?", "why Your role is viewer."}},
		"not wanted": {facts(nil), nil},
	} {
		card := c.facts.quotaCard()
		if got := quotaWords(&card); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if card.Empty == nil && name != "not wanted" && (len(card.Windows) != 2 || card.Limit != c.facts.policy.QuotaLimitPercent) {
			t.Errorf("%s: got %+v", name, card)
		}
	}
}

// quotaWords are what a card says.
func quotaWords(card *templates.QuotaCard) (words []string) {
	add := func(what, text string) {
		if text != "" {
			words = append(words, strings.TrimSpace(what+text))
		}
	}
	if card.Plan != "" {
		add("plan ", string(card.PlanTone)+" "+card.Plan)
	}
	if card.Reached {
		add("", "reached")
	}
	add("", card.By)
	add("failure ", card.Failure)
	for _, note := range card.Notes {
		add("", string(note.Tone)+" "+note.Text)
	}
	for _, w := range card.Windows {
		add("", percent(w.Used))
	}
	if e := card.Empty; e != nil {
		next := ""
		for _, action := range e.Actions {
			next = " " + action.Label
		}
		add("empty ", e.Title+next)
		if e.Text == "" {
			add("", "an empty state without a next step")
		}
	}
	add("why ", card.Refresh.Why)
	return words
}
