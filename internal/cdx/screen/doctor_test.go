package screen

import (
	"encoding/json"
	"strings"
	"testing"
)

// findings are those of the design of the terminal.
var findings = []Finding{
	{Label: "config", What: "Caddyfile is valid, 2 sites"},
	{State: Attention, Label: "keyring", What: "never backed up", Means: "Without it no secret opens again.", Type: "cdxgate key export --to age1…"},
	{State: Refused, Label: "runner", What: "http://runner:8490 refused the connection, last good 3 h ago",
		Means: "New logins wait as proposals.", Type: "systemctl status cdxgate-runner"},
	{State: Unknown, Label: "clock", What: "not known, the issuer did not say the time"},
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{40, 80} {
		out, exit := Doctor(findings, Terminal{Interactive: true, Width: columns})
		if exit != 1 {
			t.Errorf("got exit status %d", exit)
		}
		want := `✓ config      Caddyfile is valid, 2 sites
! keyring     never backed up
              Without it no secret opens again.    cdxgate key export --to age1…
✗ runner      http://runner:8490 refused the connection, last good 3 h ago
              New logins wait as proposals.    systemctl status cdxgate-runner
○ clock       not known, the issuer did not say the time
1 in order, 1 not known, 1 needs attention, 1 failed                      exit 1
`
		if columns == 40 {
			want = `✓ config      Caddyfile is valid, 2
              sites
! keyring     never backed up
              Without it no secret opens
              again.
              cdxgate key export --to
              age1…
✗ runner      http://runner:8490 refused
              the connection, last good
              3 h ago
              New logins wait as
              proposals.
              systemctl status
              cdxgate-runner
○ clock       not known, the issuer did
              not say the time
1 in order, 1 not known,
1 needs attention, 1 failed, exit 1
`
		}
		if out != want {
			t.Errorf("%d columns: got\n%s\nwant\n%s", columns, out, want)
		}
	}
	out, exit := Doctor(findings[:1], Terminal{})
	if want := "✓ config      Caddyfile is valid, 2 sites\n1 in order" + strings.Repeat(" ", 64) + "exit 0\n"; out != want || exit != 0 {
		t.Errorf("got %d and\n%s\nwant\n%s", exit, out, want)
	}
	out, _ = Doctor([]Finding{findings[1], findings[1], findings[2]}, Terminal{})
	if !strings.Contains(out, "0 in order, 2 need attention, 1 failed") {
		t.Errorf("got\n%s", out)
	}
}

// TestDoctorStandsHostility: whatever the words say, no line is wider than the terminal, and none is made by them.
func TestDoctorStandsHostility(t *testing.T) {
	t.Parallel()
	for _, words := range hostile {
		for _, columns := range []int{1, 10, 14, 15, 40, 80, 200} {
			terminal := Terminal{Interactive: true, Width: columns}
			out, _ := Doctor([]Finding{{Attention, words, words, words, words}, {State: 99}, {State: -1}}, terminal)
			for line := range strings.Lines(out) {
				line = strings.TrimSuffix(line, "\n")
				if line != Clean(line) || Cells(line) > columns {
					t.Fatalf("%q in %d columns: got %q", words, columns, line)
				}
			}
		}
		document := NewDoctorJSON([]Finding{{Attention, words, words, words, words}})
		if text, err := json.Marshal(document); err != nil || document.Exit != 1 || string(text) != Clean(string(text)) {
			t.Errorf("got %s, %v", text, err)
		}
	}
}

func TestLongRefusalGoesOn(t *testing.T) {
	t.Parallel()
	f := Facts{Refusal: &Refusal{
		What: Words{Long: "this machine's API key may not be used from here; it is bound to another address or to networks"},
		Next: []Words{{Long: "ask an admin:", Type: "cdxgate host set atlas.fra.example.net --unbind, or --allow-from NETWORK"}},
	}}
	want := `✗ denied  this machine's API key may not be used from here; it is bound to
          another address or to networks
○ next    cdxgate host set atlas.fra.example.net --unbind, or --allow-from
          NETWORK
`
	if got := Card(f, Terminal{Interactive: true, Width: 80}, now); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, words := range hostile {
		f.Refusal = &Refusal{words, Words{Long: words}, Words{Long: words}, []Words{{Long: words}, {Type: words}}}
		for _, columns := range []int{1, 39, 40, 80} {
			out := Card(f, Terminal{Interactive: true, Width: columns}, now)
			if strings.Count(out, "\n") > maxLines {
				t.Errorf("%q in %d columns: got\n%s", words, columns, out)
			}
			for line := range strings.Lines(out) {
				line = strings.TrimSuffix(line, "\n")
				if line != Clean(line) || Cells(line) > columns {
					t.Fatalf("%q in %d columns: got %q", words, columns, line)
				}
			}
		}
	}
}
