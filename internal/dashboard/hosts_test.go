package dashboard

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/templates"
)

// listed are the facts of a list of these hosts, whose account's login is generation 41 with the digest "new".
func listed(address string, hosts ...db.Host) *hostsFacts {
	values, err := url.ParseQuery(address)
	if err != nil {
		panic(err)
	}
	view, err := parseHostsView(values)
	if err != nil {
		panic(err)
	}
	decided := policy.Default()
	decided.ClientVersion = "0.169.0"
	f := &hostsFacts{
		now: now, version: "1.4.0", has: everyPage, why: func(access.Capability) string { return "" }, view: view, policy: &decided,
		page: &fleet.Page{Hosts: hosts, Total: int64(len(hosts))}, counts: fleet.Counts{Hosts: int64(len(hosts)), Active: int64(len(hosts)), Secure: int64(len(hosts))},
		beside: map[int64]*db.HostBesideRow{},
	}
	for i := range hosts {
		f.beside[hosts[i].ID] = &db.HostBesideRow{ID: hosts[i].ID, CanonicalDigest: []byte("new"), Canonical: 41, Held: 41}
	}
	return f
}

// healthy is a host that came an hour ago and wants for nothing.
func healthy(change func(*db.Host)) db.Host {
	seen, address := now.Add(-time.Hour), netip.MustParseAddr("203.0.113.7")
	h := db.Host{
		ID: 7, FQDN: "atlas.fra.example.net", Status: "active", Secure: true, LastSeenAt: &seen, CreatedAt: now.Add(-48 * time.Hour), UpdatedAt: seen,
		AuthDigest: []byte("new"), BoundIP: &address, ClientVersion: new("0.169.0"), WrapperVersion: new("1.4.0"),
	}
	if change != nil {
		change(&h)
	}
	return h
}

func TestHostsViewIsItsAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                                      "",
		"q=+b%C3%B6se+&sort=name&desc=no":       "q=b%C3%B6se",
		"window_open=yes":                       "window_open=yes",
		"state=disabled&secure=no&cursor=abc":   "secure=no&state=disabled",
		"sort=seen&desc=yes&limit=100":          "desc=yes&limit=100&sort=seen",
		"cols=cdx&cols=state.note":              "cols=state.cdx.note",
		"cols=":                                 "",
		"label=team%3Da%3Db":                    "label=team%3Da%3Db",
		"never_seen=yes&behind=yes&outdated=no": "behind=yes&never_seen=yes&outdated=no",
		"unknown=1":                             "",
	} {
		values, _ := url.ParseQuery(address)
		view, err := parseHostsView(values)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		got := view.address()
		again, err := parseHostsView(got)
		if got.Encode() != want || err != nil || again.address().Encode() != want {
			t.Errorf("%s: got %s, then %s, %v; want %s", address, got.Encode(), again.address().Encode(), err, want)
		}
	}
	for _, address := range []string{"desc=1", "vip=maybe", "limit=51", "limit=x", "cols=state.secret", "cols=state&cols=%22"} {
		values, _ := url.ParseQuery(address)
		if view, err := parseHostsView(values); err == nil {
			t.Errorf("%s: got %+v", address, view)
		}
	}
}

func TestHostsRow(t *testing.T) {
	t.Parallel()
	// text is what a row says: due or added, state, seen, login, versions, address, window.
	text := func(r templates.HostRow) string {
		version := func(v templates.HostRowVersion) string {
			return strings.Join(slices.DeleteFunc([]string{v.Text, v.Older, v.Newer, v.Pinned}, func(s string) bool { return s == "" }), "/")
		}
		parts := []string{r.Due, r.State.Label, r.Login.Text + r.Login.Behind, version(r.Codex), version(r.Cdx), r.Address.Icon + " " + r.Address.Text}
		if r.Window.There {
			parts = append(parts, fmt.Sprintf("window %v %v", !r.Window.Open.At.IsZero(), !r.Window.Grace.At.IsZero()))
		}
		return strings.Join(parts, "; ")
	}
	soon, over := now.Add(8*time.Minute), now.Add(-time.Minute)
	for want, change := range map[string]func(*db.Host){
		"; Can login; gen 41; 0.169.0; 1.4.0; locked 203.0.113.7":                                     nil,
		"; Suspended; gen 41; 0.169.0; 1.4.0; locked 203.0.113.7":                                     func(h *db.Host) { h.Status = "disabled" },
		"; Behind; gen 41The fleet's is generation 41; 0.169.0; 1.4.0; locked 203.0.113.7":            func(h *db.Host) { h.AuthDigest = []byte("old") },
		"; Can login; none; 0.169.0; 1.4.0; locked 203.0.113.7":                                       func(h *db.Host) { h.AuthDigest = nil },
		"; Locked; not kept; 0.169.0; 1.4.0; locked 203.0.113.7; window false false":                  func(h *db.Host) { h.Secure, h.AuthDigest, h.InsecureUntil = false, nil, &over },
		"; Locked; gen 41; 0.169.0; 1.4.0; locked 203.0.113.7; window false true":                     func(h *db.Host) { h.Secure, h.GraceUntil = false, &soon },
		"; Window open; gen 41; 0.169.0; 1.4.0; locked 203.0.113.7; window true false":                func(h *db.Host) { h.Secure, h.InsecureUntil, h.GraceUntil = false, &soon, &soon },
		"; Can login; gen 41; 0.9.10/Older than 0.169.0; 1.10.0/Newer than 1.4.0; locked 203.0.113.7": func(h *db.Host) { h.ClientVersion, h.WrapperVersion = new("0.9.10"), new("1.10.0") },
		"; Can login; gen 41; own build/Should be 0.169.0; –; locked 203.0.113.7":                     func(h *db.Host) { h.ClientVersion, h.WrapperVersion = new("own build"), new("unknown") },
		"; Can login; gen 41; 0.166.1/Pinned to 0.166.1; –; locked 203.0.113.7": func(h *db.Host) {
			h.ClientVersion, h.ClientVersionPin, h.WrapperVersion = new("0.166.1"), new("0.166.1"), nil
		},
		"; Can login; gen 41; 0.169.0; 1.4.0; roaming 203.0.113.7": func(h *db.Host) { h.Roaming = true },
		"; Can login; gen 41; 0.169.0; 1.4.0;  –":                  func(h *db.Host) { h.BoundIP = nil },
		"; Can login; gen 41; 0.169.0; 1.4.0; roaming 10.0.0.0/8 +1": func(h *db.Host) {
			h.AllowFrom = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
		},
		"removed in 20 min; Never seen; none; –; –;  –": fresh(-10 * time.Minute),
		"removed soon; Never seen; none; –; –;  –":      fresh(-31 * time.Minute),
	} {
		f := listed("", healthy(change))
		if got := text(f.row(&f.page.Hosts[0])); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	// What stands beside a host that has never come.
	for want, beside := range map[string]db.HostBesideRow{
		"installed, has not run yet":     {Installed: true, InstallUntil: now.Add(time.Hour)},
		"install command ends in 18 min": {InstallUntil: now.Add(18 * time.Minute)},
		"removed in 20 min":              {},
	} {
		f := listed("", healthy(fresh(-10*time.Minute)))
		f.beside[7] = &beside
		if got := f.row(&f.page.Hosts[0]).Due; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f := listed("", healthy(func(h *db.Host) { h.FQDN, h.Labels = "one", []byte(`{"d":"4","b":"2","a":"<b>","c":"3"}`) }))
	f.has = func(string) bool { return false }
	f.beside = nil // it went between two queries
	row := f.row(&f.page.Hosts[0])
	if fmt.Sprint(row.Tags) != "[{a=<b>} {b=2} {+2}]" || row.Name != "one" || row.Domain != "" || row.Href != "" {
		t.Errorf("got %+v", row)
	}
}

// fresh makes a host one that was added then and has never come.
func fresh(added time.Duration) func(*db.Host) {
	return func(h *db.Host) {
		*h = db.Host{ID: 7, FQDN: "new.example", Status: "active", Secure: true, CreatedAt: now.Add(added), UpdatedAt: now.Add(added)}
	}
}

func TestHostsColumns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		address string
		hosts   []db.Host
		want    string
	}{
		"the usual ones":        {"", []db.Host{healthy(nil)}, "Host↑sort=name? State Last seen Login Codex cdx Address"},
		"with an insecure host": {"", []db.Host{healthy(nil), healthy(func(h *db.Host) { h.Secure = false })}, "Host State Last seen Login Codex cdx Address Window"},
		"chosen ones":           {"cols=note.cdx.window", []db.Host{healthy(nil)}, "Host cdx Note Window"},
	} {
		table := listed(c.address, c.hosts...).table()
		got := []string{table.Name.Label}
		for _, column := range table.Columns {
			got = append(got, column.Label)
		}
		want := strings.Replace(c.want, "↑sort=name?", "", 1)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	// The first click sorts names up and contacts down, the second the other way round; the rest of the address stays.
	for address, want := range map[string]string{
		"":                       "ascending ?desc=yes,  ?desc=yes&sort=seen,  ?sort=codex",
		"desc=yes":               "descending ?,  ?desc=yes&sort=seen,  ?sort=codex",
		"sort=seen&desc=yes&q=x": " ?q=x, descending ?q=x&sort=seen,  ?q=x&sort=codex",
		"sort=seen&cursor=a":     " ?, ascending ?desc=yes&sort=seen,  ?sort=codex",
		"sort=codex&vip=yes":     " ?vip=yes,  ?desc=yes&sort=seen&vip=yes, ascending ?desc=yes&sort=codex&vip=yes",
	} {
		table := listed(address, healthy(nil)).table()
		var got []string
		for _, sort := range []templates.Sort{table.Name, table.Columns[1].Sort, table.Columns[3].Sort} {
			got = append(got, sort.Order+" "+sort.Href)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func TestHostsFacets(t *testing.T) {
	t.Parallel()
	counts := fleet.Counts{Hosts: 1204, Active: 1190, Expired: 4, Secure: 1200, Roaming: 3, VIP: 2, WindowOpen: 1, Behind: 7, Outdated: 4}
	for address, want := range map[string]string{
		"":                               "*All 1,204 ?, Secure 1,200 ?secure=yes, Insecure 4 ?secure=no, Window open 1 ?window_open=yes, Roaming 3 ?roaming=yes, VIP 2 ?vip=yes, Outdated login 7 ?behind=yes, Version drift 4 ?outdated=yes, Suspended 10 ?state=disabled, Expired 4 ?state=expired",
		"vip=yes&q=x&sort=seen&cursor=c": "All 1,204 ?sort=seen, Secure 1,200 ?q=x&secure=yes&sort=seen&vip=yes, Insecure 4 ?q=x&secure=no&sort=seen&vip=yes, Window open 1 ?q=x&sort=seen&vip=yes&window_open=yes, Roaming 3 ?q=x&roaming=yes&sort=seen&vip=yes, *VIP 2 ?q=x&sort=seen, Outdated login 7 ?behind=yes&q=x&sort=seen&vip=yes, Version drift 4 ?outdated=yes&q=x&sort=seen&vip=yes, Suspended 10 ?q=x&sort=seen&state=disabled&vip=yes, Expired 4 ?q=x&sort=seen&state=expired&vip=yes",
	} {
		f := listed(address)
		f.counts = counts
		var got []string
		for _, facet := range f.facets() {
			got = append(got, strings.Replace(fmt.Sprintf("%v%s %s %s", facet.Current, facet.Label, facet.Count, facet.Href), "true", "*", 1))
		}
		if text := strings.ReplaceAll(strings.Join(got, ", "), "false", ""); text != want {
			t.Errorf("%s: got  %s\nwant %s", address, text, want)
		}
	}
	// What only an address asks for can be taken away, and so can a filter that finds nobody.
	f := listed("roaming=no&label=team%3Dx&never_seen=yes&state=active")
	var got []string
	for _, facet := range f.facets() {
		if facet.Current {
			got = append(got, facet.Label+" "+facet.Href)
		}
	}
	if want := []string{
		"Active ?label=team%3Dx&never_seen=yes&roaming=no", "Never seen ?label=team%3Dx&roaming=no&state=active",
		"team=x ?never_seen=yes&roaming=no&state=active", "roaming: no ?label=team%3Dx&never_seen=yes&state=active",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostsPaging(t *testing.T) {
	t.Parallel()
	f := listed("q=x&limit=25&cursor=c", healthy(nil))
	f.page.Total, f.page.Next, f.page.Prev = 10000, "n", "p"
	pager := f.table().Pager
	if pager.Text != "1 of 10,000\u00a0hosts" || pager.Next != "?cursor=n&limit=25&q=x" || pager.Prev != "?cursor=p&limit=25&q=x" || pager.First != "?limit=25&q=x" {
		t.Errorf("got %+v", pager)
	}
	if address := f.table().Address; address != "/dashboard/hosts?cursor=c&limit=25&q=x" {
		t.Errorf("the part asks for itself at %s", address)
	}
	for want, c := range map[string]struct {
		address string
		hosts   int64
		has     func(string) bool
	}{
		"No hosts yet: Add host":                {"", 0, everyPage},
		"No hosts yet: ":                        {"", 0, func(string) bool { return false }},
		"No host is like that: Show all hosts":  {"q=x", 3, everyPage},
		"Nothing here any more: Show all hosts": {"cursor=x", 3, everyPage},
	} {
		f := listed(c.address)
		f.counts.Hosts, f.has = c.hosts, c.has
		empty := f.table().Empty
		label := ""
		if len(empty.Actions) > 0 {
			label = empty.Actions[0].Label
		}
		if got := empty.Title + ": " + label; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The positions that the contract names, and the way back.
func TestWindowScale(t *testing.T) {
	t.Parallel()
	for position, want := range map[int]int{0: 1, 1: 1, 25: 15, 50: 57, 75: 171, 90: 319, 100: 480} {
		if got := windowAt(position); got != want {
			t.Errorf("%d: got %d minutes, want %d", position, got, want)
		}
	}
	if got := positionOf(usualWindow); got != 19 {
		t.Errorf("ten minutes: got position %d, want 19", got)
	}
	for position := 1; position <= 100; position++ {
		if windowAt(position) < windowAt(position-1) {
			t.Errorf("%d stands for less than %d", position, position-1)
		}
		if back := positionOf(windowAt(position)); windowAt(back) != windowAt(position) {
			t.Errorf("%d minutes: got position %d, which is %d", windowAt(position), back, windowAt(back))
		}
	}
}

// Where a form may send a browser: to the list, whatever was posted.
func TestListAddress(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": pathHosts, "?": pathHosts, "q=x&vip=yes": pathHosts + "?q=x&vip=yes", "https://evil.example/": pathHosts + "?https%3A%2F%2Fevil.example%2F=",
		"//evil.example": pathHosts + "?%2F%2Fevil.example=", "q=a%0d%0aSet-Cookie:x": pathHosts + "?q=a%0D%0ASet-Cookie%3Ax", "%zz": pathHosts, strings.Repeat("q=x&", 1025): pathHosts,
	} {
		if got := listAddress(query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

func TestHostsQuestions(t *testing.T) {
	t.Parallel()
	hosts := make([]db.Host, 0, 9)
	for i := range 9 {
		hosts = append(hosts, healthy(func(h *db.Host) { h.ID, h.FQDN = int64(i+1), fmt.Sprintf("h%d.example", i) }))
	}
	hosts[8].LastSeenAt, hosts[8].BoundIP = nil, nil
	about := chosenSums(hosts, map[int64]*db.HostBesideRow{1: {Users: 3}, 2: {Users: 2}}, now)
	if about.n() != 9 || about.seen != 8 || about.bound != 8 || about.users != 5 {
		t.Fatalf("got %+v", about)
	}
	for name, want := range map[string][]string{
		"delete":  {"Remove 9 hosts?", "remove 9", "The API keys of 9 hosts stop working on every gateway at once. 5 users lose Codex there.", "8 of them have called in the last 24 hours.", "h0.example, h1.example, h2.example, h3.example, h4.example, h5.example and 3 more."},
		"suspend": {"Suspend 9 hosts?", "", "The API keys of 9 hosts are refused from the next call on", "8 of them have called"},
		"unbind":  {"End the binding of 9 hosts?", "", "8 hosts are bound to an address now."},
	} {
		act := hostsActs[slices.IndexFunc(hostsActs, func(a hostsAct) bool { return a.name == name })]
		q := act.question(about, act.fields([]int64{1, 2}, pathHosts+"?q=x"), pathHosts+"?q=x")
		text := strings.ReplaceAll(q.Title+"\n"+strings.Join(q.Effects, "\n")+"\n"+q.Note, "\u00a0", " ")
		if q.Type != want[1] || !strings.HasPrefix(text, want[0]+"\n") {
			t.Errorf("%s: got %q, %q", name, q.Type, text)
		}
		for _, part := range want[2:] {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q lacks %q", name, text, part)
			}
		}
		if fields := fmt.Sprint(q.Do.Fields); fields != fmt.Sprintf("[{action %s} {back q=x} {id 1} {id 2} {sure yes}]", name) {
			t.Errorf("%s: got %s", name, fields)
		}
	}
	if word := chosenSums(hosts[:1], nil, now).word(); word != "h0.example" {
		t.Errorf("one host: got %q to type", word)
	}
}

func TestHarmless(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "a=b": "a=b", "0.169.0": "0.169.0", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t'=1", "\r=1": "'\r'=1",
		"\n=1": "'\n'=1", "\tx": "'\tx", "|calc": "'|calc", "%x": "'%x", "＝1": "'＝1", "＠x": "'＠x", "日本": "日本", `{"a":1}`: `{"a":1}`, "--x": "'--x",
		"x;=1+1": "x;'=1+1", `x; "=1+1"`: `x; "'=1+1"`, "x\n=1+1": "x\n'=1+1", "x\r\n@x": "x\r\n'@x", "x\t-1": "x\t'-1", "a; b=1; c": "a; b=1; c", " =1": " =1", "a\xff;=": "a\xff;'=", "\xff": "\xff", "ä=": "ä=",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
