package dashboard_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// reportUsage has a host report a session through /sync, as cdx does for a user.
func (b *browser) reportUsage(t *testing.T, key, user, id, entry string) {
	t.Helper()
	a := b.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Body: map[string]any{
		"username": user, "usage": map[string]any{"idempotency_key": id, "usages": []any{rawJSON(entry)}},
	}})
	if a.Status != 200 || !strings.Contains(string(a.Body), `"recorded":1`) {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// oneMoment is a clock that stands still: no test ends on another day than it began.
func oneMoment() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

// formula is what a host could call a model to have a spreadsheet run it.
const formula = `=HYPERLINK("https://evil.example","x")`

// fillUsage has two hosts report as two users and none, with a hostile model among them.
func (b *browser) fillUsage(t *testing.T) (atlas, nova int64) {
	t.Helper()
	b.Upload(t, login())
	first, second := b.Register(t, "atlas.example"), b.Register(t, "nova.example")
	b.reportUsage(t, first.Key.Reveal(), "ann", "1", `{"total":1110,"input":1000,"output":110,"cached":4000,"reasoning":40,"model":"gpt-5-codex"}`)
	b.reportUsage(t, first.Key.Reveal(), "", "2", `{"line":"Token usage: who knows"}`)
	b.reportUsage(t, second.Key.Reveal(), "-root", "3", fmt.Sprintf(`{"total":20,"input":20,"line":"=cmd()","model":%q}`, formula))
	return first.Host.ID, second.Host.ID
}

func (b *browser) shows(t *testing.T, in http.Header, path string, want ...string) string {
	t.Helper()
	a := b.visit(t, in, path)
	pagetest.Check(t, path, a.Body)
	shown := pagetest.Text(t, a.Body)
	if a.Status != 200 {
		t.Fatalf("%s: got %d %s", path, a.Status, shown)
	}
	for _, text := range want {
		if !strings.Contains(shown, text) {
			t.Errorf("%s does not show %q: %s", path, text, shown)
		}
	}
	return shown
}

// Every role may see what was used, by whom and of what; a price that is not known is not zero.
func TestUsagePages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Now: oneMoment()})
	atlas, nova := b.fillUsage(t)
	in := b.session(t, access.Viewer)
	shown := b.shows(t, in, "/dashboard/usage", "No price is known for these sessions", "gpt-5-codex 1,000 4,000 110 40 1,110 1 –", formula+" 20 0 0 0 20 1 –", "not reported – – – – – 1 –",
		"Today 1,020 4,000 110 40 1,130 3 –", "Cached input 79.7 %")
	if strings.Contains(shown, "$") {
		t.Errorf("a cost is shown: %s", shown)
	}
	b.shows(t, in, "/dashboard/usage?by=host", "atlas.example 1,000 4,000 110 40 1,110 2 –", "nova.example 20 0 0 0 20 1 –")
	b.shows(t, in, "/dashboard/usage?by=user", "ann 1,000 4,000 110 40 1,110 1 –", "-root 20", "not reported – – – – – 1 –")
	b.shows(t, in, fmt.Sprintf("/dashboard/usage?host=%d", nova), "Host nova.example", formula+" 20", "Sessions 1 ")
	b.shows(t, in, "/dashboard/usage?by=host&user=ann", "User ann", "atlas.example 1,000")
	b.shows(t, in, "/dashboard/usage?by=host&model="+url.QueryEscape(formula), "Model "+formula, "nova.example 20")
	b.shows(t, in, "/dashboard/usage?host=999999", "removed hosts", "Nothing was used in these days", "Whole fleet")

	// A price that comes later is that of the session, whatever it is then.
	b.Exec(t, "UPDATE usage_entry SET cost = 2.5 WHERE model = 'gpt-5-codex'")
	b.Exec(t, "UPDATE usage_ingest SET cost = 2.5 WHERE total = 1110")
	b.shows(t, in, "/dashboard/usage?table=yes&show=cost", "Cost $2.50 of 1 of 3", "2 of 3 sessions have no price: the cost is that of the others,", "1,110 1 $2.50", "$2.50 1 of 3 priced", "Cost per day")

	if a := b.visit(t, in, "/dashboard/usage?days=31"); a.Status != 422 || !strings.Contains(pagetest.Text(t, a.Body), "Days must be 1, 7, 30, 90 or 180.") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	for _, part := range []string{"us-figures", "us-chart"} {
		a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", part), "/dashboard/usage?days=7")
		begin, _, _ := strings.Cut(strings.TrimSpace(string(a.Body)), ">")
		if a.Status != 200 || !strings.Contains(begin, `id="`+part+`"`) || !strings.Contains(begin, `hx-get="/dashboard/usage?days=7"`) || !strings.Contains(begin, "cdx:usage") {
			t.Errorf("%s: got %d %s", part, a.Status, begin)
		}
	}

	if _, err := b.Fleet.Delete(t.Context(), atlas, gatewaytest.Operator, "admin.host.delete"); err != nil {
		t.Fatal(err)
	}
	b.shows(t, in, "/dashboard/usage?by=host", "removed hosts 1,000 4,000 110 40 1,110 2 $2.50", "nova.example 20")
}

// Reports are found, sorted and turned page by page; each shows what it says of its sessions.
func TestUsageReportPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Now: oneMoment()})
	_, nova := b.fillUsage(t)
	in := b.session(t, access.Viewer)
	order := func(shown string) string {
		at := map[string]int{"atlas": strings.Index(shown, "atlas.example 2001"), "nova": strings.Index(shown, "nova.example")}
		if at["atlas"] < 0 {
			at["atlas"] = strings.Index(shown, "atlas.example")
		}
		if at["atlas"] < at["nova"] {
			return "atlas nova"
		}
		return "nova atlas"
	}
	const path = "/dashboard/usage/ingests"
	if got := order(b.shows(t, in, path, "1 to 3 of 3", "1,000 4,000 110 40 1,110 –", "– – – – – –")); got != "nova atlas" {
		t.Errorf("got %s, want the newest first", got)
	}
	if got := order(b.shows(t, in, path+"?sort=host&dir=asc")); got != "atlas nova" {
		t.Errorf("by host: got %s", got)
	}
	if shown := b.shows(t, in, path+"?q=NOVA", "nova.example", "1 to 1 of 1"); strings.Contains(shown, "atlas.example") {
		t.Errorf("a search for nova finds %s", shown)
	}
	b.shows(t, in, path+fmt.Sprintf("?host=%d", nova), "Host nova.example", "1 to 1 of 1")
	b.shows(t, in, path+"?q="+url.QueryEscape(evil), "No report is like that", "All reports")
	b.shows(t, in, path+"/1", "Report 1", "gpt-5-codex ann 1,000 4,000 110 40 1,110 –", "atlas.example", "no price is known")
	b.shows(t, in, path+"/3", formula+" -root 20 – – – 20 – =cmd()")
	b.shows(t, in, path+"/2", "not reported not reported – – – – – – Token usage: who knows")
	for _, missing := range []string{"/99", "/x", "/-1", "/9223372036854775808"} {
		if a := b.visit(t, in, path+missing); a.Status != 404 || !strings.Contains(string(a.Body), "There is no such usage report") {
			t.Errorf("%s: got %d %s", missing, a.Status, a.Body)
		}
	}
}

// Files have what the pages show, all of it, and nothing that a spreadsheet would run.
func TestUsageFiles(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{Now: oneMoment()})
	b.fillUsage(t)
	b.Exec(t, "UPDATE usage_entry SET cost = 0.125 WHERE model = 'gpt-5-codex'")
	in := b.session(t, access.Viewer)
	read := func(path, name string) [][]string {
		t.Helper()
		a := b.visit(t, in, path)
		if a.Status != 200 || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), `attachment; filename="`+name) || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s: got %d %v", path, a.Status, a.Header)
		}
		records, err := csv.NewReader(strings.NewReader(string(a.Body))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, record := range records {
			for _, cell := range record {
				if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("%s: got cell %q, want no formula", path, cell)
				}
			}
		}
		return records
	}
	models := read("/dashboard/usage.csv", "usage-by-model-")
	if len(models) != 4 || strings.Join(models[0], ",") != "since,until,model,sessions,sessions_with_tokens,sessions_with_price,total,input,cached,output,reasoning,cost_usd,total_before,cost_usd_before" ||
		!slices.Equal(models[1][2:], []string{"gpt-5-codex", "1", "1", "1", "1110", "1000", "4000", "110", "40", "0.125", "0", ""}) ||
		!slices.Equal(models[2][2:12], []string{"'" + formula, "1", "1", "0", "20", "20", "0", "0", "0", ""}) || !slices.Equal(models[3][2:12], []string{"", "1", "0", "0", "", "", "", "", "", ""}) {
		t.Errorf("got %q", models)
	}
	if users := read("/dashboard/usage.csv?by=user&sort=name&dir=asc&compare=no", "usage-by-user-"); len(users) != 4 || users[2][2] != "'-root" || users[3][2] != "ann" || users[3][12] != "" {
		t.Errorf("got %q", users)
	}
	if hosts := read("/dashboard/usage.csv?by=host&user=ann", "usage-by-host-"); len(hosts) != 2 || hosts[1][2] != "atlas.example" {
		t.Errorf("got %q", hosts)
	}
	if days := read("/dashboard/usage/days.csv?days=7", "usage-by-day-"); len(days) != 2 || !slices.Equal(days[1][1:], []string{"3", "2", "1", "1130", "1020", "4000", "110", "40", "0.125"}) {
		t.Errorf("got %q, want the days from the first report on", days)
	}
	b.Exec(t, `INSERT INTO usage_ingest (host_id, at, entries, total, body_sha256) SELECT host_id, at - i * interval '1 second', 1, i, sha256('x')
		FROM usage_ingest, generate_series(1, 1200) i WHERE usage_ingest.id = 1`)
	if reports := read("/dashboard/usage/ingests.csv?q=atlas&sort=cost", "usage-reports-"); len(reports) != 1+2+1200 || reports[1][3] != "atlas.example" || reports[1][7] != "" || reports[3][6] != "1" || reports[1202][6] != "1200" {
		t.Errorf("got %d reports", len(reports)-1)
	}
	if none := read("/dashboard/usage/ingests.csv?q=nobody", "usage-reports-"); len(none) != 1 {
		t.Errorf("got %q, want the names of the columns", none)
	}
	for _, path := range []string{"/dashboard/usage.csv", "/dashboard/usage/days.csv", "/dashboard/usage/ingests.csv"} {
		if a := b.visit(t, http.Header{}, path); a.Status != 401 {
			t.Errorf("%s of nobody: got %d", path, a.Status)
		}
		if a := b.visit(t, in, path+"?sort=secret"); a.Status != 422 || a.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: got %d, want a refusal and no file", path, a.Status)
		}
		if a := b.post(t, in, path); a.Status != 405 {
			t.Errorf("posting to %s: got %d", path, a.Status)
		}
	}
}
