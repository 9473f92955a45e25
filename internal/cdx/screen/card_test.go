package screen

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Monday 23 November 2026, an hour ahead of UTC, so that a time in the wrong zone shows.
var now = time.Date(2026, time.November, 23, 14, 32, 18, 0, time.FixedZone("CET", 3600))

// local is a moment in the zone of the test.
func local(month time.Month, dayOfMonth, hour, minute int) time.Time {
	return time.Date(2026, month, dayOfMonth, hour, minute, 0, 0, now.Location())
}

// The facts of the law's cards.
func good() Facts {
	return Facts{
		Versions: Versions{Cdx: "1.4.0", Codex: "0.169.0"},
		Gateway:  Gateway{Host: "codex.example.net", RoundTrip: 21*time.Millisecond + 400*time.Microsecond},
		Login: &Login{
			Generation: 41, ValidUntil: local(time.December, 1, 8, 14), VerifiedAt: now.Add(-18*time.Minute - 20*time.Second),
		},
		Quota: &Quota{
			SeenAt: now.Add(-4 * time.Minute),
			Windows: []Window{
				{LimitSeconds: 18000, UsedPercent: 38, ResetsAt: now.Add(108*time.Minute + 5*time.Second)},
				{LimitSeconds: 604800, UsedPercent: 52, ResetsAt: local(time.November, 26, 9, 0)},
			},
		},
		Month:  &Month{Tokens: 10_926_022, Cost: new(26.68), Remark: "12 commands current"},
		Policy: &Policy{LimitPercent: 95, Refuses: true},
	}
}

func near() Facts {
	f := good()
	f.Quota.Windows[1].UsedPercent = 88
	return f
}

func offline() Facts {
	f := good()
	f.Gateway = Gateway{
		Host: "codex.example.net", Unreachable: "did not answer", Tries: 3, Elapsed: 4*time.Second + 300*time.Millisecond,
	}
	f.Login.Cached, f.Login.VerifiedAt = true, time.Time{}
	f.Quota.Stale, f.Quota.SeenAt, f.Quota.Windows[1].UsedPercent = true, local(time.November, 23, 13, 58), 65
	f.Month = nil
	f.Waiting = Waiting{Reports: 2}
	return f
}

// insecureNow is a little before the end of a window, which is told in UTC: an hour later on the clock of the test.
var insecureNow = time.Date(2026, time.November, 23, 14, 32, 18, 0, time.UTC).In(now.Location())

func insecure() Facts {
	f := good()
	f.Quota.Windows[0].ResetsAt = insecureNow.Add(108*time.Minute + 5*time.Second)
	f.Quota.Windows[1].UsedPercent = 52.4
	f.Window = &HostWindow{Until: time.Date(2026, time.November, 23, 14, 40, 0, 0, time.UTC), OpenedBy: "ops@laptop"}
	f.Login = &Login{Generation: 41, ValidUntil: f.Login.ValidUntil, NotKept: true}
	f.Month = nil
	return f
}

func denied() Facts {
	f := good()
	f.Refusal = &Refusal{
		What: Words{
			Long:  "the gateway refuses all host calls (kill switch, since 14:20 UTC)",
			Short: "host calls are refused",
		},
		Cause: Words{
			Long:  "note from ops@laptop: “rotating the login, back by 15:00”",
			Short: "“rotating login”",
		},
		Next: []Words{{
			Long:  "Codex was not started, exit 77. The login on disk is untouched.",
			Short: "Codex not started, exit 77",
		}},
	}
	return f
}

func screenOf(columns int) Terminal {
	return Terminal{Interactive: true, Redraws: true, Width: columns}
}

// same compares with a golden file. Those of the cards are the blocks of the design of the terminal, to the letter.
func same(t *testing.T, name, got string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	if want := string(data); got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestCards(t *testing.T) {
	t.Parallel()
	cards := map[string]func() Facts{
		"good": good, "near": near, "offline": offline, "insecure": insecure, "denied": denied,
	}
	for name, facts := range cards {
		for _, columns := range []int{30, 40, 80, 200} {
			t.Run(name+"."+strconv.Itoa(columns), func(t *testing.T) {
				t.Parallel()
				moment := now
				if name == "insecure" {
					moment = insecureNow
				}
				same(t, name+"."+strconv.Itoa(columns), Card(facts(), screenOf(columns), moment))
			})
		}
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		ascii := screenOf(80)
		ascii.ASCII = true
		same(t, "near.80.ascii", Card(near(), ascii, now))
		same(t, "denied.80.ascii", Card(denied(), ascii, now))
	})
}

// escapes shows escape sequences as text.
func escapes(s string) string { return strings.ReplaceAll(s, "\x1b", "\\e") }

func TestColours(t *testing.T) {
	t.Parallel()
	colour := screenOf(80)
	colour.Colour = true
	for name, facts := range map[string]Facts{"near": near(), "offline": offline(), "denied": denied()} {
		same(t, name+".80.colour", escapes(Card(facts, colour, now)))
	}
	for line := range strings.SplitSeq(strings.TrimSpace(escapes(Card(good(), colour, now))), "\n") {
		rest, found := strings.CutPrefix(line, `\e[32m✓\e[m `)
		if !found {
			t.Errorf("no green symbol: %s", line)
		}
		if strings.Contains(rest, `\e[3`) || strings.Contains(rest, `;3`) {
			t.Errorf("a line that is in order has colour behind its symbol: %s", line)
		}
	}
}

// lineOf is the card of facts that make one line.
func lineOf(f Facts, columns int) string {
	return strings.TrimSuffix(Card(f, screenOf(columns), now), "\n")
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		facts         Facts
		wide, columns string // at 80 and at 40 columns
	}{
		{"nothing is known", Facts{}, "", ""},
		{"Codex alone", Facts{Versions: Versions{Codex: "0.169.0"}}, "✓ cdx     Codex 0.169.0", "✓ cdx     Codex 0.169.0"},
		{
			"something newer to take", Facts{Versions: Versions{Cdx: "1.4.0", Codex: "0.168.2", Offer: "Codex 0.169.0", Type: "cdx update"}},
			"! cdx     1.4.0, Codex 0.168.2; Codex 0.169.0 is out. Now: cdx update",
			"! cdx     Codex 0.169.0: cdx update",
		},
		{
			"something newer that comes by itself", Facts{Versions: Versions{Cdx: "1.4.0", Codex: "0.169.0", Offer: "cdx 1.5.0"}},
			"✓ cdx     1.4.0, Codex 0.169.0; cdx 1.5.0 with the next run",
			"✓ cdx     1.4.0, Codex 0.169.0",
		},
		{
			"the gateway alone", Facts{Gateway: Gateway{Host: "codex.example.net", RoundTrip: 1300 * time.Millisecond}},
			"✓ gateway codex.example.net, 1.3 s", "✓ gateway codex.example.net, 1.3 s",
		},
		{
			"one try", Facts{Gateway: Gateway{Host: "codex.example.net", Unreachable: "did not answer", Tries: 1}},
			"! gateway codex.example.net did not answer (1 try); nothing is lost", "! gateway unreachable, 1 try",
		},
		{
			"a window that is closed", Facts{Window: &HostWindow{Until: now.Add(-time.Minute), OpenedBy: "ops@laptop"}},
			"! window  closed since 13:31 UTC", "! window  closed since 13:31 UTC",
		},
		{
			"a window of days", Facts{Window: &HostWindow{Until: now.Add(50 * time.Hour)}},
			"! window  open for 2 d 2 h more, until Wed 25 Nov 15:32 UTC", "! window  open 2 d 2 h",
		},
		{"a login, no more is known", Facts{Login: &Login{}}, "✓ login   present", "✓ login   present"},
		{
			"a login that ran out", Facts{Login: &Login{Generation: 41, ValidUntil: now}},
			"! login   generation 41, not valid since Mon 23 Nov 14:32", "! login   gen 41, not valid any more",
		},
		{
			"no price", Facts{Month: &Month{Tokens: 812}},
			"✓ month   812 tokens on this host", "✓ month   812 tokens on this host",
		},
		{
			"a report waits", Facts{Waiting: Waiting{Reports: 1}},
			"○ waiting 1 usage report kept, sent on the next contact", "○ waiting 1 upload kept",
		},
		{
			"login and reports wait", Facts{Waiting: Waiting{Login: true, Reports: 2}},
			"! waiting new login and 2 usage reports NOT sent yet, kept for the next contact",
			"! waiting new login NOT sent, 2 uploads…",
		},
		{
			"a login waits", Facts{Waiting: Waiting{Login: true}},
			"! waiting new login NOT sent yet, kept for the next contact", "! waiting new login NOT sent",
		},
	} {
		if got := lineOf(c.facts, 80); got != c.wide {
			t.Errorf("%s, 80 columns: got %q, want %q", c.name, got, c.wide)
		}
		if got := lineOf(c.facts, 40); got != c.columns {
			t.Errorf("%s, 40 columns: got %q, want %q", c.name, got, c.columns)
		}
	}
}

func TestRefusalOnAPipeIsWhole(t *testing.T) {
	t.Parallel()
	cause := strings.Repeat("because ", 40) + "of that"
	f := Facts{Refusal: &Refusal{
		Label: "login", What: Words{Long: "there is no login", Short: "no login"}, Cause: Words{Long: cause},
		Next: []Words{{Long: "ask an admin:", Type: "cdxgate login import"}, {Long: "Codex was not started, exit 69."}},
	}}
	want := "✗ login   there is no login\n○ cause   " + cause + "\n" +
		"○ next    ask an admin: cdxgate login import\n          Codex was not started, exit 69.\n"
	if got := Card(f, Terminal{Width: 80}, now); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	colour := screenOf(80)
	colour.Colour = true
	if got := Card(f, colour, now); !strings.Contains(got, "\x1b[1mcdxgate login import\x1b[m") {
		t.Errorf("what there is to type is not bold: %q", got)
	}
}
