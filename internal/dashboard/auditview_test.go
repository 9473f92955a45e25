package dashboard

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/templates"
)

// changed writes details as "name: before → after; fact=value".
func changed(text string) string {
	d := readDetails(text)
	var all []string
	for _, c := range d.changes {
		all = append(all, c.Name+": "+c.Before+" → "+c.After)
	}
	for _, f := range d.facts {
		all = append(all, f.Name+"="+f.Value)
	}
	return strings.Join(all, "; ")
}

// Whatever way an entry says what was before, it is shown against what is now.
func TestReadDetails(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:       "",
		`no JSON`:  "",
		`null`:     "",
		`[1]`:      "",
		`{"n":41}`: "n=41",
		`{"big":12345678901234567890,"list":["a",1,null,true],"map":{"b":1,"a":[]},"none":null,"no":false}`: `big=12345678901234567890; list=a, 1, , yes; map={"a":[],"b":1}; no=no; none=`,
		`{"name":"api_disabled","value":"true","before":"false"}`:                                           "api_disabled: false → true",
		`{"name":"client_version","value":"0.1","before":""}`:                                               "client_version:  → 0.1",
		`{"fqdn":"new.example","before":"old.example","after":"new.example"}`:                               "fqdn: old.example → new.example",
		`{"secure":true,"vip":false,"unbind":true,"before":{"secure":false,"vip":false,"ip":"192.0.2.1"}}`:  "ip: 192.0.2.1 → ; secure: no → yes; unbind=yes; vip=no",
		`{"to":40,"before":{"digest":"aa"},"after":{"digest":"bb","more":1}}`:                               "digest: aa → bb; more:  → 1; to=40",
		`{"before":7}`:                   "value: 7 → ",
		`{"before":{},"note":"x"}`:       "note=x",
		`{"x":"<script>","y":"\u202ez"}`: "x=<script>; y=\u202ez",
		`{"before":[1],"value":[2]}`:     "value: 1 → 2",
	} {
		got := strings.Split(changed(text), "; ")
		slices.Sort(got)
		expected := strings.Split(want, "; ")
		slices.Sort(expected)
		if !slices.Equal(got, expected) {
			t.Errorf("%s: got %q, want %q", text, got, expected)
		}
	}
}

func TestDetailsSummary(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                    "",
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}`: "a: 1, b: 2, c: 3, d: 4, e: 5, f: 6",
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`:           "a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 …",
		`{"name":"api_disabled","value":"true","before":"off"}`: "api_disabled: off → true",
		`{"name":"quota","value":"5","before":null}`:            "quota: none → 5",
		`{"sha256":"` + strings.Repeat("a1", 32) + `"}`:         "sha256: a1a1a1a1…",
		`{"long":"` + strings.Repeat("ä", 3000) + `"}`:          "long: " + strings.Repeat("ä", maxSummaryRunes-6) + " …",
	} {
		d := readDetails(text)
		if got := d.summary(); got != want {
			t.Errorf("%.60s: got %q, want %q", text, got, want)
		}
	}
	if d := readDetails(`{"long":"` + strings.Repeat("ä", 3000) + `"}`); len([]rune(d.facts[0].Value)) != maxValueRunes+2 {
		t.Errorf("got a value of %d characters", len([]rune(d.facts[0].Value)))
	}
}

func TestParseAuditView(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		size    int64
		kept    string
		problem string
	}{
		"":                              {50, "", ""},
		"q=+x+&kind=&within=":           {50, "q=x", ""},
		"per=200&before=7":              {200, "per=200", ""},
		"per=50&q=x":                    {50, "q=x", ""},
		"per=51":                        {50, "per=51", "A page has"},
		"per=x":                         {50, "per=x", "A page has"},
		"before=0":                      {50, "", "no such place"},
		"after=x":                       {50, "", "no such place"},
		"q=a%00b":                       {50, "", "no control characters"},
		"q=%ff":                         {50, "", "no control characters"},
		"q=" + strings.Repeat("x", 257): {50, "", "256 bytes"},
		"unknown=1":                     {50, "", ""},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		view := parseAuditView(values)
		if view.size != want.size || view.values.Encode() != want.kept || !strings.Contains(view.problem, want.problem) || (view.problem == "") != (want.problem == "") {
			t.Errorf("%.60q: got %d, %q, %q, want %+v", query, view.size, view.values.Encode(), view.problem, want)
		}
	}
}

func TestAuditMoment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T08:00": "2026-01-31T08:00:00Z", "2026-01-31T08:00:59": "2026-01-31T08:00:59Z",
		"2026-01-31T08:00:00+02:00": "2026-01-31T06:00:00Z", "yesterday": "is no time", "2026-02-30": "is no time",
	} {
		view := parseAuditView(url.Values{"from": {text}})
		got := ""
		if at := view.moment("from"); at != nil {
			got = at.Format(time.RFC3339)
		}
		if got+view.problem != want && !strings.Contains(view.problem, want) || got == "" && want != "" && view.problem == "" {
			t.Errorf("%q: got %q, %q, want %q", text, got, view.problem, want)
		}
	}
}

// The form comes back as it was sent, and folds away what nobody uses.
func TestAuditFilter(t *testing.T) {
	t.Parallel()
	current := func(options []templates.Option) string {
		for _, option := range options {
			if option.Current {
				return option.Value
			}
		}
		return "nothing"
	}
	f := parseAuditView(url.Values{
		"q": {`a "b"`}, "kind": {"host"}, "within": {"7d"}, "per": {"200"}, "action": {"auth"}, "actor": {"ops"}, "host": {"none"},
		"from": {"2026-01-31"}, "until": {"no time"},
	}).filter()
	if f.Search != `a "b"` || current(f.Kinds) != "host" || current(f.Windows) != "7d" || current(f.Sizes) != "200" || f.Action != "auth" || f.Actor != "ops" ||
		f.Host != "none" || f.From != "2026-01-31T00:00:00" || f.Until != "" || !f.More || f.Clear != pathAudit {
		t.Errorf("got %+v", f)
	}
	f = parseAuditView(url.Values{"q": {"x"}}).filter()
	if f.More || f.Clear == "" || current(f.Kinds) != "" || current(f.Sizes) != "50" {
		t.Errorf("a search: got %+v", f)
	}
	if f := parseAuditView(url.Values{"per": {"25"}}).filter(); f.Clear != "" {
		t.Errorf("a size is no filter: got %+v", f)
	}
	for _, want := range []string{"auth", "auth.insecure", "auth.insecure.denied", "admin.host", "register"} {
		if !slices.Contains(f.Actions, want) {
			t.Errorf("%s is not suggested", want)
		}
	}
}

// The list says where it is, and only the one that begins with the newest entry asks for itself again.
func TestAuditList(t *testing.T) {
	t.Parallel()
	rows := func(ids ...int64) []db.AuditPageRow {
		all := make([]db.AuditPageRow, len(ids))
		for i, id := range ids {
			all[i] = db.AuditPageRow{ID: id, Action: audit.ActionHostUpdate, Details: "{}"}
		}
		return all
	}
	for name, c := range map[string]struct {
		query             string
		found             auditFound
		self, prev, next  string
		title, pagerText  string
		rows              int
		exportsWithFilter bool
	}{
		"an empty gateway": {"", auditFound{}, "/dashboard/audit", "", "", "Nothing is on record yet", "", 0, false},
		"nothing matches":  {"q=x", auditFound{}, "/dashboard/audit?q=x", "", "", "Nothing on record matches", "", 0, true},
		"all there is":     {"", auditFound{rows: rows(9, 7)}, "/dashboard/audit", "", "", "", "2 entries, 9 to 7", 2, false},
		"the newest":       {"q=x", auditFound{rows: rows(1009, 7), older: true}, "/dashboard/audit?q=x", "", "/dashboard/audit?before=7&q=x", "", "2 entries, 1,009 to 7", 2, true},
		"in the middle":    {"q=x&before=20", auditFound{rows: rows(9, 7), older: true, newer: true}, "", "/dashboard/audit?after=9&q=x", "/dashboard/audit?before=7&q=x", "", "2 entries, 9 to 7", 2, true},
		"the end":          {"before=20", auditFound{rows: rows(9), newer: true}, "", "/dashboard/audit?after=9", "", "", "1 entry, 9 to 9", 1, false},
		"beyond the end":   {"before=2", auditFound{newer: true}, "", "/dashboard/audit?after=1", "", "Nothing on record matches", "", 0, false},
		"back at the top":  {"after=5", auditFound{rows: rows(9, 7), older: true}, "/dashboard/audit", "", "/dashboard/audit?before=7", "", "2 entries, 9 to 7", 2, false},
	} {
		values, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		list := auditList(parseAuditView(values), &c.found, now, everyPage)
		text := strings.ReplaceAll(list.Pager.Text, "\u00a0", " ")
		if list.Self != c.self || list.Pager.Prev != c.prev || list.Pager.Next != c.next || text != c.pagerText || len(list.Entries) != c.rows || c.title != "" && list.Empty.Title != c.title {
			t.Errorf("%s: got self %q, previous %q, next %q, %q, %q", name, list.Self, list.Pager.Prev, list.Pager.Next, list.Pager.Text, list.Empty.Title)
		}
		for _, export := range list.Exports {
			if got := strings.HasSuffix(export.Href, "?q=x"); got != c.exportsWithFilter {
				t.Errorf("%s: an export is at %q", name, export.Href)
			}
		}
	}
}

func TestAuditEntry(t *testing.T) {
	t.Parallel()
	host := int64(7)
	view := parseAuditView(url.Values{"q": {"x"}})
	row := db.AuditPageRow{
		ID: 1041, At: now.Add(-90 * time.Second), ActorKind: audit.KindAdmin, Actor: "ops@laptop", Action: audit.ActionHostUpdate, HostID: &host, FQDN: "atlas.example",
		IP: "192.0.2.1", RequestID: "0199", Chain: "gw", Seq: 1000, Details: `{"secure":true,"before":{"secure":false}}`,
	}
	e := auditEntry(&row, view, now, everyPage)
	if e.Event.Text != "changed" || e.Event.Object != "atlas.example" || e.ActorIcon != "user" || e.ActorURL != "/dashboard/audit?actor=ops%40laptop&q=x" ||
		e.ActionURL != "/dashboard/audit?action=admin.host.update&q=x" || e.HostURL != "/dashboard/hosts/7" || e.Exact != "Mon 23 Nov 2026, 14:30:30 UTC" ||
		e.Place != "number 1,000 of the chain gw" || e.Request != "0199" || len(e.Changes) != 1 {
		t.Errorf("got %+v", e)
	}
	want := `{"id":1041,"created_at":"2026-11-23T14:30:30.000000Z","actor_kind":"admin","actor":"ops@laptop","action":"admin.host.update","host_id":7,"host":"atlas.example",` +
		`"ip":"192.0.2.1","request_id":"0199","chain":"gw","seq":1000,"details":{"secure":true,"before":{"secure":false}}}`
	if e.JSON != want {
		t.Errorf("got %s, want %s", e.JSON, want)
	}
	row.FQDN, row.Chain, row.Details, row.ActorKind = "", "", "no JSON", "nobody we know"
	e = auditEntry(&row, view, now, everyPage)
	if e.Host != "host 7, gone" || e.HostURL != "" || e.Place != "" || e.ActorIcon != "user" || !strings.HasSuffix(e.JSON, `"details":null}`) {
		t.Errorf("of a host that is gone: got %+v", e)
	}
}

func TestAuditChains(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	good := audit.Head{Chain: "gw", Seq: 1203, Signed: 1200, SignedAt: ago(5 * time.Second), UnsignedAt: ago(2 * time.Second)}
	for name, c := range map[string]struct {
		heads []audit.Head
		tone  templates.Tone
		title string
		text  string
	}{
		"no chain":               {nil, templates.Info, "Nothing is signed yet", "within seconds"},
		"empty chains":           {[]audit.Head{{Chain: "console"}}, templates.Info, "Nothing is signed yet", "within seconds"},
		"signed":                 {[]audit.Head{{Chain: "console"}, good}, templates.OK, "Signed until Mon 23 Nov 2026, 14:31:55 UTC", "1,200 entries in 1 chain; what was signed last is there"},
		"two of them":            {[]audit.Head{{Chain: "console", Seq: 1, Signed: 1, SignedAt: ago(time.Hour)}, good}, templates.OK, "Signed until Mon 23 Nov 2026, 14:31:55 UTC", "1,201 entries in 2 chains"},
		"one waits":              {[]audit.Head{good, {Chain: "old", Seq: 9, Signed: 7, SignedAt: ago(48 * time.Hour), UnsignedAt: ago(2 * time.Hour)}}, templates.Warn, "Not signed since Mon 23 Nov 2026, 12:32:00 UTC", "2 entries of the chain old wait"},
		"one never was":          {[]audit.Head{{Chain: "new", Seq: 9, UnsignedAt: ago(2 * time.Minute)}}, templates.Warn, "Not signed since", "9 entries of the chain new"},
		"one is bent":            {[]audit.Head{good, {Chain: "old", Seq: 9, Signed: 9, Fault: &audit.Fault{Seq: 1007, What: "it is not what was signed"}}}, templates.Bad, "The trail is not what was recorded", "Chain old, entry 1,007: it is not what was signed."},
		"one that waits is bent": {[]audit.Head{{Chain: "a", Seq: 9, UnsignedAt: ago(time.Hour)}, {Chain: "b", Fault: &audit.Fault{What: "the file is damaged"}}}, templates.Bad, "The trail is not", "Chain b, entry 0: the file is damaged."},
	} {
		got := auditChains(c.heads, now)
		text := strings.ReplaceAll(got.Text, "\u00a0", " ")
		if got.Tone != c.tone || !strings.HasPrefix(got.Title, c.title) || !strings.Contains(text, c.text) || got.Command != "cdxgate audit verify" {
			t.Errorf("%s: got %+v, want %s %q %q", name, got, c.tone, c.title, c.text)
		}
	}
}
