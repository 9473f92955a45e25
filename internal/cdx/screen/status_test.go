package screen

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func status() StatusFacts {
	f := insecure()
	f.Quota.SeenAt = statusNow.Add(-4 * time.Minute)
	return StatusFacts{
		Host: Host{FQDN: "falcon.fra.example.net", Secure: true, Brokered: true},
		Gateway: StatusGateway{
			URL: "https://codex.example.net", RoundTrip: 21 * time.Millisecond,
			CertificateUntil: time.Date(2027, time.February, 14, 12, 0, 0, 0, time.UTC),
		},
		Address: Address{IP: "203.0.113.9", Bound: true},
		Login: &StatusLogin{
			Login: Login{
				Generation: 41, ValidUntil: time.Date(2026, time.December, 1, 8, 14, 0, 0, time.UTC),
				VerifiedAt: statusNow.Add(-18 * time.Minute),
			},
			NextRefresh: local(time.November, 26, 3, 0),
			Digest:      "9be104c70f" + strings.Repeat("0", 50) + "51da",
		},
		Sessions: &Sessions{Running: 1, Since: local(time.November, 23, 13, 58), PID: 48112},
		Codex:    CodexVersion{Installed: "0.169.0", Target: "0.169.0", InstalledBy: "npm"},
		Cdx:      CdxVersion{Installed: "1.4.0", Newest: "1.4.0"},
		Commands: &Commands{Current: 12, Proposals: 1},
		Quota:    f.Quota,
		Policy:   f.Policy,
		Month:    good().Month,
		Waiting:  &Waiting{},
	}
}

// statusNow is when a login whose end is told in UTC is valid for as long as the law says.
var statusNow = insecureNow

func TestStatus(t *testing.T) {
	t.Parallel()
	for name, terminal := range map[string]Terminal{
		"status": {}, "status.40": screenOf(40), "status.80": screenOf(80), "status.200": screenOf(200),
	} {
		got, exit := Status(status(), terminal, statusNow)
		same(t, name, got)
		if exit != 0 {
			t.Errorf("%s: exit %d although all is in order", name, exit)
		}
	}
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*StatusFacts)
		exit   int
		line   string
	}{
		{"offline", func(f *StatusFacts) { f.Gateway.Unreachable = "did not answer" }, 1,
			"gateway   ! https://codex.example.net did not answer"},
		{"old codex", func(f *StatusFacts) { f.Codex.Installed = "0.168.2" }, 1,
			"codex     ! 0.168.2, target 0.169.0, installed by npm"},
		{"no codex", func(f *StatusFacts) { f.Codex = CodexVersion{Target: "0.169.0"} }, 1,
			"codex     ! not installed, target 0.169.0"},
		{"old cdx", func(f *StatusFacts) { f.Cdx.Newest = "1.5.0" }, 0, "cdx       1.4.0, newest is 1.5.0"},
		{"login ran out", func(f *StatusFacts) { f.Login.ValidUntil = statusNow.Add(-time.Hour) }, 1,
			"login     ! generation 41, not valid since Mon 23 Nov 13:32 UTC, next refresh Thu 26 Nov"},
		{"certificate", func(f *StatusFacts) { f.Gateway.CertificateUntil = statusNow.Add(3 * day) }, 1,
			"gateway   ! https://codex.example.net, 21 ms, certificate until 26 Nov 2026"},
		{"stale quota", func(f *StatusFacts) { f.Quota.Stale = true }, 0,
			"quota     unknown, last seen 15:28: 5 hours 38%, week 52%"},
		{"quota near its limit", func(f *StatusFacts) { f.Quota.Windows[1].UsedPercent = 88 }, 1,
			"quota     ! 5 hours 38%, resets in 1 h 48 min; week 88%, resets Thu 26 Nov 09:00; 4 min old"},
		{"usage waits", func(f *StatusFacts) { f.Waiting.Reports = 1 }, 0, "waiting   1 usage report kept"},
		{"login waits", func(f *StatusFacts) { f.Waiting.Login = true }, 1, "waiting   ! new login NOT sent yet"},
		{"sessions", func(f *StatusFacts) { f.Sessions.Running = 3 }, 0,
			"sessions  3 running, the oldest since 13:58 (pid 48112)"},
		{"no session", func(f *StatusFacts) { f.Sessions.Running = 0 }, 0, "sessions  none running"},
		{"denied", func(f *StatusFacts) { f.Refusal = denied().Refusal }, 77,
			"denied    ✗ the gateway refuses all host calls (kill switch, since 14:20 UTC)"},
	} {
		facts := status()
		c.change(&facts)
		out, exit := Status(facts, Terminal{}, statusNow)
		if exit != c.exit || !strings.Contains("\n"+out, "\n"+c.line+"\n") {
			t.Errorf("%s: exit %d, want %d and the line\n%s\ngot\n%s", c.name, exit, c.exit, c.line, out)
		}
		if document := NewStatusJSON(facts, statusNow); document.Exit != c.exit {
			t.Errorf("%s: exit %d in JSON, want %d", c.name, document.Exit, c.exit)
		}
	}
	if out, exit := Status(StatusFacts{}, Terminal{}, now); out != "" || exit != 0 {
		t.Errorf("without facts: %q, exit %d", out, exit)
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	for name, facts := range map[string]StatusFacts{"status.json": status(), "status.unknown.json": {}} {
		document, err := json.MarshalIndent(NewStatusJSON(facts, statusNow), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, string(document)+"\n")
	}
}

func TestStatusJSONCanAlwaysBeEncoded(t *testing.T) {
	t.Parallel()
	facts := status()
	facts.Month.Cost = new(math.Inf(1))
	facts.Quota.Windows[0].UsedPercent = math.NaN()
	facts.Quota.Windows[1] = Window{LimitSeconds: math.MaxInt64, UsedPercent: math.MaxFloat64, ResetsAt: time.Unix(math.MaxInt64/4, 0)}
	facts.Login.ValidUntil = time.Unix(math.MaxInt64/4, 0)
	facts.Login.Generation, facts.Sessions.PID = 0, -1
	facts.Address.IP = "\x1b]0;\u202e"
	document, err := json.Marshal(NewStatusJSON(facts, statusNow))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"cost_usd":null`, `"used_percent":null`, `"valid_until":null`, `"generation":null`, `"oldest_pid":null`,
		`"ip":"�]0;�"`} {
		if !strings.Contains(string(document), want) {
			t.Errorf("no %s in %s", want, document)
		}
	}
}
