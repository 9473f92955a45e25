package dashboard

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

func startOf(change func(*startFacts)) *startFacts {
	f := &startFacts{overviewFacts: facts(nil), who: "ops@laptop, owner, certificate verified.", publicURL: "https://codex.example"}
	if change != nil {
		change(f)
	}
	return f
}

func pending(f *startFacts) {
	withLogin(f.overviewFacts, 100*time.Hour)
	f.current.RefreshSHA256 = []byte{1}
	f.counts = fleet.Counts{Hosts: 1, NeverSeen: 1}
	f.waiting = &db.Host{ID: 7, FQDN: "atlas.example"}
}

// What is done is what the facts say, whoever did it and in whatever order.
func TestStartSteps(t *testing.T) {
	t.Parallel()
	ago := now.Add(-3 * time.Minute)
	for name, c := range map[string]struct {
		change func(*startFacts)
		want   [3]templates.StartStep // login, check, host
		done   bool
		waits  string // what the page waits for
		says   string // the check
	}{
		"a fresh gateway": {nil, [3]templates.StartStep{templates.StepNow, "", ""}, false, "login", "Its form, its account and until when it is good. OpenAI is not asked."},
		"a host before a login": {func(f *startFacts) {
			f.counts, f.seen = fleet.Counts{Hosts: 1}, &db.Host{FQDN: "a.example", LastSeenAt: &ago}
		}, [3]templates.StartStep{templates.StepNow, "", templates.StepDone}, false, "login", "Its form, its account and until when it is good. OpenAI is not asked."},
		"a login": {func(f *startFacts) {
			pending(f)
			f.waiting, f.counts = nil, fleet.Counts{}
		}, [3]templates.StartStep{templates.StepDone, templates.StepDone, templates.StepNow}, false, "name", "It is an auth.json with a refresh token, good until Fri 27 Nov 2026, 18:32 UTC."},
		"a login that cannot be renewed": {func(f *startFacts) {
			pending(f)
			f.current.RefreshSHA256, f.current.AccessExpiresAt = nil, time.Time{}
		}, [3]templates.StartStep{templates.StepDone, templates.StepDone, templates.StepNow}, false, "host",
			"It is an auth.json without a refresh token: it ends with its access token; it does not say until when it is good."},
		"a login that has ended": {func(f *startFacts) {
			pending(f)
			f.current.AccessExpiresAt = ago
		}, [3]templates.StartStep{templates.StepDone, "", templates.StepNow}, false, "host", "It is an auth.json."},
		"a host that is awaited": {pending, [3]templates.StartStep{templates.StepDone, templates.StepDone, templates.StepNow}, false, "host", "It is an auth.json with a refresh token, good until Fri 27 Nov 2026, 18:32 UTC."},
		"a host that has come": {func(f *startFacts) {
			pending(f)
			f.waiting, f.seen, f.counts = nil, &db.Host{FQDN: "atlas.example", LastSeenAt: &ago}, fleet.Counts{Hosts: 1}
		}, [3]templates.StartStep{templates.StepDone, templates.StepDone, templates.StepDone}, true, "nothing", "It is an auth.json with a refresh token, good until Fri 27 Nov 2026, 18:32 UTC."},
	} {
		f := startOf(c.change)
		p := startPage(f)
		if got := [3]templates.StartStep{p.Login.Step, p.Check.Step, p.Host.Step}; got != c.want || p.Done != c.done || p.Live.Address != pathStart+"?for="+c.waits || p.Check.Text != c.says {
			t.Errorf("%s: got %q, done %v, waiting %q, %q", name, got, p.Done, p.Live.Address, p.Check.Text)
		}
		if expired := name == "a login that has ended"; expired != (p.Check.Wrong != "") {
			t.Errorf("%s: got %q as what is wrong", name, p.Check.Wrong)
		}
		if awaited := c.waits == "host"; awaited != (p.Host.Again.Label != "") {
			t.Errorf("%s: got %+v", name, p.Host.Again)
		}
		for _, asked := range []string{"", "login", "name", "host", "nothing"} {
			f.asked = asked
			if got := startPage(f).Live.Moved; got != (asked != "" && asked != c.waits) {
				t.Errorf("%s: a browser that waits for %q: got moved %v", name, asked, got)
			}
		}
	}
}

func TestStartMarks(t *testing.T) {
	t.Parallel()
	entry := func(action, details string, ago time.Duration) db.AuditPageRow {
		return db.AuditPageRow{Action: action, Details: details, At: now.Add(-ago), IP: "203.0.113.7"}
	}
	made := entry(audit.ActionInstallCreate, `{"expires_at":"2026-11-23T15:00:00Z"}`, 2*time.Minute)
	taken := entry(audit.ActionInstallConsume, `{}`, time.Minute)
	for name, c := range map[string]struct {
		trail []db.AuditPageRow // the newest first
		done  [3]bool
		more  [2]string
	}{
		"nothing on record": {nil, [3]bool{}, [2]string{}},
		"made":              {[]db.AuditPageRow{made}, [3]bool{true}, [2]string{"works until Mon 23 Nov 2026, 15:00 UTC"}},
		"expired":           {[]db.AuditPageRow{entry(audit.ActionInstallCreate, `{"expires_at":"2026-11-23T14:00:00Z"}`, 0)}, [3]bool{true}, [2]string{"expired: make a new one"}},
		"run":               {[]db.AuditPageRow{taken, made}, [3]bool{true, true}, [2]string{"", "from 203.0.113.7"}},
		"made anew":         {[]db.AuditPageRow{made, taken, made}, [3]bool{true}, [2]string{"works until Mon 23 Nov 2026, 15:00 UTC"}},
		"odd details":       {[]db.AuditPageRow{entry(audit.ActionInstallCreate, `[1]`, 0)}, [3]bool{true}, [2]string{}},
	} {
		marks := startMarks(c.trail, now)
		for i := range marks {
			if marks[i].Done != c.done[i] || i < 2 && marks[i].More != c.more[i] {
				t.Errorf("%s: got %+v", name, marks[i])
			}
		}
	}
}

// Whoever opens the overview of an empty fleet is led to the first host: who can take the steps, and has not declined.
func TestLeadsToStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role   access.Role
		header map[string]string
		change func(*startFacts)
		want   bool
	}{
		"an owner":            {access.Owner, nil, nil, true},
		"an operator":         {access.Operator, nil, nil, true},
		"a viewer":            {access.Viewer, nil, nil, false},
		"a script":            {access.Owner, map[string]string{"Sec-Fetch-Dest": "empty"}, nil, false},
		"who declined":        {access.Owner, map[string]string{"Cookie": skipCookie + "=skipped"}, nil, false},
		"with a login":        {access.Owner, nil, func(f *startFacts) { withLogin(f.overviewFacts, time.Hour) }, true},
		"with a host to be":   {access.Owner, nil, pending, true},
		"with a host":         {access.Owner, nil, func(f *startFacts) { pending(f); f.counts.NeverSeen = 0 }, false},
		"a host and no login": {access.Owner, nil, func(f *startFacts) { f.counts.Hosts = 1 }, true},
	} {
		r := httptest.NewRequest(http.MethodGet, home, http.NoBody)
		r.Header.Set("Sec-Fetch-Dest", "document")
		for key, value := range c.header {
			r.Header.Set(key, value)
		}
		v := &visit{Request: &call.Request{Request: r}}
		v.Role = c.role
		if got := leadsToStart(v, startOf(c.change).overviewFacts); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
