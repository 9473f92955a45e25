package dashboard_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// act puts an entry into the trail.
func (b *browser) act(t *testing.T, e audit.Entry) {
	t.Helper()
	if e.At.IsZero() {
		e.At = time.Now()
	}
	ctx := audit.WithRequest(t.Context(), "request-of-"+e.Action[:min(len(e.Action), 50)])
	if err := b.Core.DB.WithTx(ctx, func(q *db.Queries) error { return audit.Record(ctx, q, e) }); err != nil {
		t.Fatal(err)
	}
}

// lines are the entries that an address exports, the newest first.
func (b *browser) lines(t *testing.T, query string) (actors []string) {
	t.Helper()
	a := b.visit(t, b.session(t, access.Viewer), "/dashboard/audit.jsonl?"+query)
	if a.Status != 200 {
		t.Fatalf("%s: got %d %s", query, a.Status, a.Body)
	}
	for line := range strings.Lines(string(a.Body)) {
		var entry struct {
			ID     int64
			Actor  string
			Action string
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.ID == 0 {
			t.Fatalf("%s: got the line %s, %v", query, line, err)
		}
		if strings.HasPrefix(entry.Actor, "actor") {
			actors = append(actors, strings.TrimPrefix(entry.Actor, "actor-"))
		}
	}
	return actors
}

// The page and both exports find by search, actor, kind, action or the beginning of one, host or none, and time.
func TestAuditFinds(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	host := b.Register(t, "atlas.example").Host
	old := time.Now().Add(-48 * time.Hour)
	for _, e := range []audit.Entry{
		{Actor: audit.Actor{Kind: audit.KindAdmin, Name: "actor-1"}, Action: audit.ActionHostUpdate, HostID: host.ID, Details: audit.Details{"secure": true, "before": map[string]any{"secure": false}}},
		{Actor: audit.Actor{Kind: audit.KindHost, Name: "actor-2"}, Action: audit.ActionInsecureDenied, HostID: host.ID, Details: audit.Details{"needle": "In a HAYSTACK 100%_"}},
		{Actor: audit.Actor{Kind: audit.KindHost, Name: "actor-3"}, Action: audit.ActionInsecureWindow, HostID: host.ID + 1000, At: old},
		{Actor: audit.Actor{Kind: audit.KindOperator, Name: "actor-4"}, Action: audit.ActionPolicySet, Details: audit.Details{"name": "api_disabled", "value": "true", "before": "false"}},
	} {
		b.act(t, e)
	}
	in := b.session(t, access.Viewer)
	for query, want := range map[string]string{
		"":                                "4 3 2 1",
		"q=haystack+100%25_":              "2",
		"q=haystack+100_":                 "",
		"q=actor-3":                       "3",
		"q=request-of-admin.policy":       "4",
		"actor=actor-4":                   "4",
		"actor=actor":                     "",
		"kind=host":                       "3 2",
		"kind=operator&q=actor":           "4",
		"action=auth.insecure":            "3 2",
		"action=auth.insecure.*":          "3 2",
		"action=auth":                     "3 2",
		"action=auth.insecure.denied":     "2",
		"action=auth.insec":               "",
		"host=atlas.example":              "2 1",
		"host=ATLAS.example":              "2 1",
		fmt.Sprint("host=", host.ID):      "2 1",
		fmt.Sprint("host=", host.ID+1000): "3",
		"host=none":                       "4",
		"within=24h":                      "4 2 1",
		"within=7d&kind=host":             "3 2",
		"until=" + url.QueryEscape(old.Add(time.Hour).UTC().Format("2006-01-02T15:04")):                    "3",
		"from=" + url.QueryEscape(old.Add(time.Hour).UTC().Format(time.RFC3339)) + "&kind=host&within=30d": "2",
	} {
		if got := strings.Join(b.lines(t, query), " "); got != want {
			t.Errorf("%q: exports %q, want %q", query, got, want)
		}
		a := b.visit(t, in, "/dashboard/audit?"+query)
		shown, list := pagetest.Text(t, a.Body), 0
		for i := 1; i <= 4; i++ {
			if strings.Contains(string(a.Body), fmt.Sprintf("<span>actor-%d</span>", i)) {
				list++
			}
		}
		if a.Status != 200 || list != len(strings.Fields(want)) || want == "" && !strings.Contains(shown, "Nothing on record matches") {
			t.Errorf("%q: the page has %d entries, want %d: %s", query, list, len(strings.Fields(want)), shown)
		}
	}
	for query, want := range map[string]string{
		"host=nobody.example": "No host is called “nobody.example”", "kind=robot": "There are no such actors", "within=9y": "no such stretch of time",
		"from=yesterday": "is no time such as", "per=7": "A page has 25", "before=x": "no such place", "q=%00": "no control characters",
	} {
		a := b.visit(t, in, "/dashboard/audit?"+query)
		if a.Status != 422 || !strings.Contains(pagetest.Text(t, a.Body), want) || strings.Contains(string(a.Body), "<tbody>") {
			t.Errorf("%q: got %d %s", query, a.Status, pagetest.Text(t, a.Body))
		}
		pagetest.Check(t, query, a.Body)
		if a := b.visit(t, in, "/dashboard/audit.csv?"+query); a.Status != 422 || strings.Contains(a.Header.Get("Content-Type"), "csv") {
			t.Errorf("%q as CSV: got %d %v", query, a.Status, a.Header)
		}
	}
}

// An entry shows what was before and after, when exactly, from where, and in which call; whatever is in it is text.
func TestAuditShows(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	if a := b.post(t, in, "/dashboard/switch", "disabled", "true", "confirm", "refuse"); a.Status != 303 {
		t.Fatalf("got %d", a.Status)
	}
	b.act(t, audit.Entry{Actor: audit.Actor{Kind: audit.KindHost, Name: evil}, Action: "evil." + evil, Details: audit.Details{evil: evil, "before": map[string]any{"\u202ex": strings.Repeat("ä", 4096)}}})
	a := b.visit(t, in, "/dashboard/audit")
	shown := pagetest.Text(t, a.Body)
	pagetest.Check(t, "audit", a.Body)
	for _, want := range []string{
		"decided api_disabled", "admin.policy", "api_disabled: no → yes", "− api_disabled no", "+ api_disabled yes", "Request ", evil + " evil." + evil, "number 1 of the chain",
		"\u202ex: " + strings.Repeat("ä", 200), "Copy JSON", `"request_id":"request-of-evil.`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page does not show %.80q: %s", want, shown)
		}
	}
	if strings.Contains(string(a.Body), "<script>alert") {
		t.Error("what somebody chose is HTML")
	}
}

// Whoever pages through the trail sees every entry once, there and back, however it grows meanwhile.
func TestAuditPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	for i := range 60 {
		b.act(t, audit.Entry{Actor: audit.Actor{Kind: audit.KindHost, Name: fmt.Sprintf("actor-%d", i)}, Action: "paged"})
	}
	in := b.session(t, access.Viewer)
	read := func(address string) (ids []int64, next, prev string, live bool) {
		t.Helper()
		body := string(b.visit(t, in, address).Body)
		for _, part := range strings.Split(body, `id="au-d-`)[1:] {
			var id int64
			if _, err := fmt.Sscanf(part, "%d", &id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		link := func(rel string) string {
			before, _, found := strings.Cut(body, `" rel="`+rel+`"`)
			if !found {
				return ""
			}
			return strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
		}
		return ids, link("next"), link("prev"), strings.Contains(body, `id="au-list" aria-label="Entries" hx-get`)
	}
	var seen []int64
	address, pages := "/dashboard/audit?action=paged&per=25", []string{}
	for address != "" {
		ids, next, _, live := read(address)
		if live != (len(pages) == 0) {
			t.Errorf("%s: asks for itself again: %t", address, live)
		}
		pages, seen = append(pages, address), append(seen, ids...)
		address = next
		b.act(t, audit.Entry{Actor: audit.Actor{Kind: audit.KindHost, Name: "late"}, Action: "paged"})
	}
	if len(pages) != 3 || len(seen) != 60 {
		t.Fatalf("got %d pages with %d entries, want 3 with 60", len(pages), len(seen))
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] >= seen[i-1] {
			t.Fatalf("got %v, want each once, the newest first", seen)
		}
	}
	_, _, prev, _ := read(pages[2])
	back, _, prev, _ := read(prev)
	if len(back) != 25 || back[0] != seen[25] || back[24] != seen[49] {
		t.Errorf("one page back: got %v, want %v", back, seen[25:50])
	}
	if back, _, _, _ = read(prev); len(back) != 25 || back[0] != seen[0] {
		t.Errorf("two pages back: got %v, want %v", back, seen[:25])
	}
}

// An export has everything that is found, a part at a time, and no cell of it is a formula.
func TestAuditExports(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	const many = 2345
	b.Exec(t, "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_linked") // as entries were before there were chains
	b.Exec(t, "INSERT INTO audit_entry (at, actor_kind, actor, action) SELECT now(), 'host', 'actor-' || n, 'bulk' FROM generate_series(1, $1) n", many)
	b.act(t, audit.Entry{Actor: audit.Actor{Kind: audit.KindHost, Name: `=HYPERLINK("https://evil.example","x")`}, Action: "@bulk", Details: audit.Details{"a": "b,\"c\"\nd"}})
	if got := b.lines(t, "action=bulk"); len(got) != many || got[0] != fmt.Sprint(many) || got[many-1] != "1" {
		t.Errorf("got %d lines, from %s to %s", len(got), got[0], got[len(got)-1])
	}
	in := b.session(t, access.Viewer)
	a := b.visit(t, in, "/dashboard/audit.csv?action=bulk&per=25&before=7")
	rows, err := csv.NewReader(bytes.NewReader(a.Body)).ReadAll()
	if err != nil || len(rows) != many+1 || rows[0][3] != "actor" || rows[1][3] != fmt.Sprint("actor-", many) {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
	if got := a.Header.Get("Content-Disposition"); !strings.HasPrefix(got, `attachment; filename="cdxgate-audit-2`) || !strings.HasSuffix(got, `.csv"`) || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %v", a.Header)
	}
	rows, err = csv.NewReader(bytes.NewReader(b.visit(t, in, "/dashboard/audit.csv?action=@bulk").Body)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][3] != `'=HYPERLINK("https://evil.example","x")` || rows[1][4] != "'@bulk" || !strings.Contains(rows[1][11], `b,\"c\"\nd`) || rows[1][8] != "request-of-@bulk" {
		t.Errorf("got %q, %v", rows, err)
	}
	rows, err = csv.NewReader(bytes.NewReader(b.visit(t, in, "/dashboard/audit.csv?action=nothing").Body)).ReadAll()
	if err != nil || len(rows) != 1 {
		t.Errorf("nothing found: got %q, %v", rows, err)
	}
	for _, path := range []string{"/dashboard/audit.csv", "/dashboard/audit.jsonl"} {
		if a := b.get(t, path); a.Status != 401 {
			t.Errorf("%s for nobody: got %d", path, a.Status)
		}
	}
}

// The page says how far the trail is signed, and that it is not what was recorded once it is not.
func TestAuditChainState(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Viewer)
	state := func() string {
		t.Helper()
		a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", "au-chains"), "/dashboard/audit")
		if a.Status != 200 || !strings.HasPrefix(strings.TrimSpace(string(a.Body)), `<div id="au-chains"`) {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
		return string(a.Body)
	}
	if got := state(); !strings.Contains(got, "Nothing is signed yet") {
		t.Errorf("before: got %s", got)
	}
	if _, err := b.Core.Audit.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(); !strings.Contains(got, "chain-ok") || !strings.Contains(got, "Signed until ") || !strings.Contains(got, "cdxgate audit verify") {
		t.Errorf("signed: got %s", got)
	}
	b.Exec(t, "ALTER TABLE audit_checkpoint DISABLE TRIGGER USER")
	b.Exec(t, "UPDATE audit_checkpoint SET at = at - interval '1 second'")
	if got := state(); !strings.Contains(got, "chain-bad") || !strings.Contains(got, "not signed by this installation") {
		t.Errorf("bent: got %s", got)
	}
}
