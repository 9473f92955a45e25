package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

var now = time.Date(2026, 11, 23, 14, 32, 0, 0, time.UTC)

// facts are those of a gateway that nobody has used yet, whose pages are the overview and the kill switch.
func facts(change func(*overviewFacts)) *overviewFacts {
	f := &overviewFacts{
		now: now, version: "1.4.0", policy: &policy.State{Policy: policy.Default(), DecidedAt: map[string]time.Time{}},
		has:     func(address string) bool { return address == home || address == pathSwitch },
		why:     func(access.Capability) string { return "" },
		history: &usage.History{Until: now.Truncate(24 * time.Hour)}, sums: make([]usage.Sum, 3),
	}
	if change != nil {
		change(f)
	}
	return f
}

func everyPage(string) bool { return true }

// withLogin gives the fleet a login that is good for another d.
func withLogin(f *overviewFacts, d time.Duration) {
	f.current = credential.Generation{Number: 3, Source: "host", CreatedAt: now.Add(-24 * time.Hour), AccessExpiresAt: now.Add(d)}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	open := now.Add(8 * time.Minute)
	for name, c := range map[string]struct {
		change func(*overviewFacts)
		want   []string // tone, title, and the way out
	}{
		"a fresh gateway": {nil, nil},
		"a good login":    {func(f *overviewFacts) { withLogin(f, 49*time.Hour) }, nil},
		"a login whose end is unknown": {func(f *overviewFacts) {
			withLogin(f, 0)
			f.current.AccessExpiresAt = time.Time{}
		}, nil},
		"a login that ends": {func(f *overviewFacts) { withLogin(f, 47*time.Hour) }, []string{
			"warn: The fleet's login ends in 2 d. | cdxgate auth upload ~/.codex/auth.json",
		}},
		"a login that has ended": {func(f *overviewFacts) { withLogin(f, -time.Second) }, []string{
			"bad: The fleet's login has expired. | cdxgate auth upload ~/.codex/auth.json",
		}},
		"the same with the page of credentials": {func(f *overviewFacts) {
			withLogin(f, -time.Second)
			f.has = everyPage
		}, []string{"bad: The fleet's login has expired. | Credentials /dashboard/credentials"}},
		"the kill switch": {func(f *overviewFacts) { f.policy.APIDisabled = true }, []string{"bad: Host calls are refused. | Serve hosts… /dashboard/switch"}},
		"the kill switch since": {func(f *overviewFacts) {
			f.policy.APIDisabled, f.policy.DecidedAt = true, map[string]time.Time{"api_disabled": now.Add(-time.Hour)}
		}, []string{"bad: Host calls are refused since Mon 23 Nov 2026, 13:32 UTC. | Serve hosts… /dashboard/switch"}},
		"one window, of a host that is known": {func(f *overviewFacts) {
			f.counts.WindowOpen = 1
			f.hosts = []db.Host{{FQDN: "a.example", Secure: true}, {FQDN: "b.example", InsecureUntil: &open}}
		}, []string{"warn: b.example has an open window. | cdxgate host close b.example"}},
		"one window among many hosts": {func(f *overviewFacts) { f.counts.WindowOpen = 1 }, []string{"warn: 1 host has an open window. | cdxgate host list --window-open"}},
		"windows":                     {func(f *overviewFacts) { f.counts.WindowOpen = 1200 }, []string{"warn: 1,200 hosts have an open window. | cdxgate host list --window-open"}},
		"windows, with the page of hosts": {func(f *overviewFacts) { f.counts.WindowOpen, f.has = 2, everyPage }, []string{
			"warn: 2 hosts have an open window. | Review windows /dashboard/hosts?window_open=yes",
		}},
		"a proposal": {func(f *overviewFacts) { f.waiting = 1 }, []string{"warn: 1 login waits for an admin. | cdxgate auth proposals"}},
		"proposals":  {func(f *overviewFacts) { f.waiting = maxWaiting }, []string{"warn: 20 or more logins wait for an admin. | cdxgate auth proposals"}},
		"old versions": {func(f *overviewFacts) { f.counts.Outdated = 4 }, []string{
			"info: 4 hosts last came with another Codex or cdx than the fleet's. | Nothing to do: cdx brings both up to date when it runs next.",
		}},
		"everything, the worst first": {func(f *overviewFacts) {
			f.policy.APIDisabled, f.waiting, f.counts = true, 2, fleet.Counts{WindowOpen: 2, Outdated: 1}
			withLogin(f, time.Hour)
		}, []string{
			"bad: Host calls are refused. | Serve hosts… /dashboard/switch", "warn: The fleet's login ends in 1 h. | cdxgate auth upload ~/.codex/auth.json",
			"warn: 2 logins wait for an admin. | cdxgate auth proposals", "warn: 2 hosts have an open window. | cdxgate host list --window-open",
			"info: 1 host last came with another Codex or cdx than the fleet's. | Nothing to do: cdx brings both up to date when it runs next.",
		}},
	} {
		var got []string
		for _, alert := range facts(c.change).alerts() {
			way := strings.TrimSpace(alert.Action.Label+" "+alert.Action.Href) + alert.Command
			if way == "" {
				way = alert.Text
			}
			got = append(got, strings.ReplaceAll(fmt.Sprintf("%s: %s | %s", alert.Tone, alert.Title, way), "\u00a0", " "))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func figure(all []templates.Figure, label string) string {
	for _, f := range all {
		if f.Label == label {
			var text []string
			for _, amount := range f.Amounts {
				text = append(text, strings.TrimSpace(amount.Value+" "+amount.Unit))
			}
			return strings.ReplaceAll(strings.Join(text, " ")+", "+f.Note, "\u00a0", " ")
		}
	}
	return ""
}

func TestLoginCard(t *testing.T) {
	t.Parallel()
	host, back := "atlas.example", int64(2)
	for name, c := range map[string]struct {
		change func(*overviewFacts)
		state  string
		want   map[string]string
		next   string
	}{
		"healthy": {func(f *overviewFacts) {
			withLogin(f, 185*time.Hour)
			f.current.RefreshedAt = now.Add(-90 * time.Minute)
			f.counts = fleet.Counts{Hosts: 20, Holding: 19, Behind: 2}
			f.recent = []db.GenerationListRow{{Number: 3, SourceFQDN: &host}}
		}, "ok Healthy", map[string]string{
			"Valid for": "7 d 17 h, until Tue 1 Dec 2026, 07:32 UTC", "Last refresh": "1 h 30 min ago, Mon 23 Nov 2026, 13:02 UTC",
			"Came from": "A host, atlas.example, at Sun 22 Nov 2026, 14:32 UTC", "Delivered": "17 of 20 hosts, 2 behind: they get it at their next call",
		}, "generation 4"},
		"nothing is known but that it is there": {func(f *overviewFacts) {
			withLogin(f, 0)
			f.current.AccessExpiresAt, f.current.Source = time.Time{}, "seed"
		}, "info End unknown", map[string]string{
			"Valid for": "–, its access token does not say", "Last refresh": "–, the file does not say", "Came from": "A seed, at Sun 22 Nov 2026, 14:32 UTC", "Delivered": "0 of 0 hosts, none is behind",
		}, "add a host"},
		"ends soon": {func(f *overviewFacts) { withLogin(f, time.Hour) }, "warn Ends soon", map[string]string{"Valid for": "1 h, until Mon 23 Nov 2026, 15:32 UTC"}, "add a host"},
		"over":      {func(f *overviewFacts) { withLogin(f, -2*time.Hour) }, "bad Expired", map[string]string{"Expired for": "2 h, since Mon 23 Nov 2026, 12:32 UTC"}, "has to be uploaded"},
		"gone back": {func(f *overviewFacts) {
			withLogin(f, 185*time.Hour)
			f.recent = []db.GenerationListRow{{Number: 4}, {Number: 3, RolledBackTo: &back}}
		}, "ok Healthy", map[string]string{"Came from": "Generation 2, brought back at Sun 22 Nov 2026, 14:32 UTC"}, "add a host"},
	} {
		card := facts(c.change).login()
		if got := string(card.Tone) + " " + card.State; got != c.state || card.Empty != nil || !strings.Contains(card.Next, c.next) {
			t.Errorf("%s: got %q, %v, %q, want %q, %q", name, got, card.Empty, card.Next, c.state, c.next)
		}
		for label, want := range c.want {
			if got := figure(card.Figures, label); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, label, got, want)
			}
		}
	}
	if card := facts(nil).login(); card.Empty == nil || card.Command == "" || len(card.Empty.Actions) != 0 {
		t.Errorf("no login: got %+v", card)
	}
	if card := facts(func(f *overviewFacts) { f.has = everyPage }).login(); len(card.Empty.Actions) != 1 {
		t.Errorf("no login, and a page to upload one: got %+v", card)
	}
}

// The picture of generations shows what the database says, and nothing that was stored while the page was made.
func TestRelayOfGenerations(t *testing.T) {
	t.Parallel()
	at := func(days int) time.Time { return now.AddDate(0, 0, days) }
	until := at(4)
	r := facts(func(f *overviewFacts) {
		withLogin(f, 4*24*time.Hour)
		f.recent = []db.GenerationListRow{
			{Number: 4, CreatedAt: now}, {Number: 3, CreatedAt: at(-1), AccessExpiresAt: &until}, {Number: 2, CreatedAt: at(-6)}, {Number: 1, CreatedAt: at(-40)}, {Number: 0, CreatedAt: at(-50)},
		}
	}).relay()
	var numbers []int64
	for _, leg := range r.Legs {
		numbers = append(numbers, leg.Number)
	}
	if !slices.Equal(numbers, []int64{1, 2, 3}) {
		t.Fatalf("got generations %v, want those of the last 14 days", numbers)
	}
	if !r.Legs[2].Until.IsZero() || !r.Legs[1].Until.Equal(at(-1)) || !r.From.Equal(at(-14)) || !r.To.Equal(until.Add(12*time.Hour)) {
		t.Errorf("got %+v", r)
	}
}

func TestFleetCard(t *testing.T) {
	t.Parallel()
	seen := now.Add(-time.Hour)
	digest := credential.Digest{1}
	f := facts(func(f *overviewFacts) {
		withLogin(f, 185*time.Hour)
		f.current.Digest = digest
		f.counts = fleet.Counts{Hosts: 4, SeenLately: 2}
		f.hosts = []db.Host{
			{ID: 1, FQDN: "a", Status: "active", Secure: true, LastSeenAt: &seen, AuthDigest: digest[:]},
			{ID: 2, FQDN: "b", Status: "active", Secure: true, LastSeenAt: &seen, AuthDigest: make([]byte, 32)},
			{ID: 3, FQDN: "c", Status: "disabled"},
			{ID: 4, FQDN: "d", Status: "active", Secure: true},
		}
	})
	card := f.fleet()
	var titles []string
	for _, cell := range card.Cells {
		titles = append(titles, cell.Title+cell.Href)
	}
	if want := []string{"c: Suspended", "b: Behind", "d: Never seen", "a: Can login"}; !slices.Equal(titles, want) {
		t.Errorf("got %q, want the least usual first: %q", titles, want)
	}
	if len(card.Legend) != 4 || card.Legend[0].Label != "Suspended" || card.Legend[0].N != 1 || card.Empty != nil || card.Text != "2 seen in 24 h" {
		t.Errorf("got %+v", card)
	}
	f.has = everyPage
	if card := f.fleet(); card.Cells[3].Href != "/dashboard/hosts/1" || card.Action.Href != "/dashboard/hosts" {
		t.Errorf("with a page of hosts: got %+v", card)
	}
	// Too many to draw: they are counted.
	f.hosts, f.counts = nil, fleet.Counts{Hosts: 10_000, Active: 9_990, Disabled: 10, WindowOpen: 3}
	card = f.fleet()
	if len(card.Cells) != 0 || len(card.Legend) != 3 || card.Legend[1].Href != "/dashboard/hosts?window_open=yes" || card.Legend[2].N != 9_990 {
		t.Errorf("a big fleet: got %+v", card)
	}
	if card := facts(nil).fleet(); card.Empty == nil || !strings.Contains(card.Empty.Text, "cdxgate host add") {
		t.Errorf("no fleet: got %+v", card)
	}
	refused := facts(func(f *overviewFacts) {
		f.has, f.why = everyPage, func(access.Capability) string { return "You are a viewer." }
	}).fleet()
	if refused.Empty.Actions[0].Why == "" {
		t.Errorf("a viewer's way to the first host: got %+v", refused.Empty.Actions)
	}
}

// A day before the first report is a gap, one without a report is zero.
func TestUsageCard(t *testing.T) {
	t.Parallel()
	if card := facts(nil).usage(); card.Empty == nil || len(card.Figures) != 0 {
		t.Errorf("no usage: got %+v", card)
	}
	cost := 1.5
	card := facts(func(f *overviewFacts) {
		f.history.Since = f.history.Until.AddDate(0, 0, -2)
		f.history.Days = []usage.Day{{Total: 10, Input: 1, Cached: 8, Output: 1, Cost: &cost}, {Cost: new(float64)}, {Total: 3, Input: 3}}
		f.sums = []usage.Sum{{Total: 3}, {Total: 13, Cached: 8, Cost: &cost}, {Total: 1_234_567, Cost: &cost}}
	}).usage()
	days := card.Bars.Days
	if len(days) != historyDays || days[26].Known || !days[27].Known || !days[28].Known || !days[29].Known {
		t.Fatalf("got %+v", days)
	}
	for i, want := range map[int]string{
		26: "Fri 20 Nov: nothing is known", 27: "Sat 21 Nov: 10 tokens, input 1, cached 8, output 1, $1.50",
		28: "Sun 22 Nov: 0 tokens, input 0, cached 0, output 0", 29: "Mon 23 Nov: 3 tokens, input 3, cached 0, output 0",
	} {
		if days[i].Title != want {
			t.Errorf("got %q, want %q", days[i].Title, want)
		}
	}
	for label, want := range map[string]string{
		"Today": "3 tokens, 0 cached", "Last 7 days": "13 tokens, $1.50, 8 cached", "November": "1.23\u202fM tokens, $1.50, 0 cached",
	} {
		if got := figure(card.Figures, label); got != want {
			t.Errorf("%s: got %q, want %q", label, got, want)
		}
	}
}

func TestVersionsCard(t *testing.T) {
	t.Parallel()
	counts := []fleet.VersionCount{{Version: "0.169.0", Hosts: 19}, {Version: "0.168.2", Hosts: 3}, {Version: "0.1", Hosts: 1}, {Version: "0.2", Hosts: 1}, {Version: "0.3", Hosts: 1}, {Version: "0.4", Hosts: 1}, {Version: "0.5", Hosts: 1}}
	card := facts(func(f *overviewFacts) { f.codex = counts }).versions()
	if card.Codex.Target != "" || card.Codex.Of != 27 || card.Codex.On != 0 || card.Codex.TargetNote != "the newest; no version is locked" || card.Cdx.Of != 0 || card.Cdx.Target != "1.4.0" {
		t.Errorf("nothing locked: got %+v", card)
	}
	card = facts(func(f *overviewFacts) {
		f.policy.ClientVersion, f.codex = "0.169.0", counts
	}).versions()
	if card.Codex.On != 19 || card.Codex.Others != "0.168.2 on 3, 0.1 on 1, 0.2 on 1, 0.3 on 1, others" || card.Codex.TargetNote != "locked for the fleet" {
		t.Errorf("a version locked: got %+v", card.Codex)
	}
	known := release.Known{Version: "0.169.0", CheckedAt: now.Add(-time.Hour)}
	card = facts(func(f *overviewFacts) { f.known, f.codex, f.has = known, counts, everyPage }).versions()
	if got := card.Codex; got.Target != "0.169.0" || got.On != 19 || got.Checked.At != known.CheckedAt || got.Notes != "/dashboard/codex/0.169.0" {
		t.Errorf("the newest: got %+v", got)
	}
	card = facts(func(f *overviewFacts) { f.known, f.policy.ClientVersion, f.has = known, "0.168.2-alpha.1", everyPage }).versions()
	if got := card.Codex; got.Target != "0.168.2-alpha.1" || !got.Checked.At.IsZero() || got.Notes != "" || card.Cdx.Notes != "" {
		t.Errorf("a version locked that is no release for everybody: got %+v", got)
	}
}

func TestHostState(t *testing.T) {
	t.Parallel()
	past, soon, old := now.Add(-time.Hour), now.Add(time.Hour), now.Add(-21*24*time.Hour)
	ancient, mine, theirs := now.Add(-31*24*time.Hour), []byte{1}, []byte{2}
	for name, c := range map[string]struct {
		host db.Host
		want string
	}{
		"suspended":            {db.Host{Status: "disabled", Secure: true, LastSeenAt: &past}, "suspended Suspended"},
		"expired":              {db.Host{Status: "active", Secure: true, LastSeenAt: &past, ExpiresAt: &past}, "expired Expired"},
		"not expired yet":      {db.Host{Status: "active", Secure: true, LastSeenAt: &past, ExpiresAt: &soon}, "ok Can login"},
		"never seen":           {db.Host{Status: "active", Secure: true}, "never Never seen"},
		"silent":               {db.Host{Status: "active", Secure: true, LastSeenAt: &old}, "pruned Pruned in 9 d"},
		"silent for too long":  {db.Host{Status: "active", Secure: true, LastSeenAt: &ancient}, "pruned Pruned soon"},
		"a window":             {db.Host{Status: "active", LastSeenAt: &past, InsecureUntil: &soon}, "window Window open"},
		"a window of before":   {db.Host{Status: "active", LastSeenAt: &past, InsecureUntil: &past}, "locked Locked"},
		"without a window":     {db.Host{Status: "active", LastSeenAt: &past}, "locked Locked"},
		"another login":        {db.Host{Status: "active", Secure: true, LastSeenAt: &past, AuthDigest: theirs}, "behind Behind"},
		"the fleet's login":    {db.Host{Status: "active", Secure: true, LastSeenAt: &past, AuthDigest: mine}, "ok Can login"},
		"a login, none known":  {db.Host{Status: "active", Secure: true, LastSeenAt: &past}, "ok Can login"},
		"secure with a window": {db.Host{Status: "active", Secure: true, LastSeenAt: &past, InsecureUntil: &soon}, "ok Can login"},
	} {
		state := stateOf(&c.host, mine, 30*24*time.Hour, now)
		if got := state.Key + " " + state.Label; got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if state := stateOf(&db.Host{Status: "active", Secure: true, LastSeenAt: &ancient}, nil, 0, now); state.Key != "ok" {
		t.Errorf("silent where nobody is pruned: got %+v", state)
	}
}
