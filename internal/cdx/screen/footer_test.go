package screen

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// The three endings of the law.
var endings = []Ending{
	{
		Duration: 21*time.Minute + 9*time.Second, Sending: UsageSent, Login: LoginUnchanged,
		Usage: &Tokens{Total: 155_866, Input: 142_405, Cached: 569_620, Output: 13_461, Cost: new(0.38)},
	},
	{
		Duration: 4 * time.Minute, Sending: UsageSent, Login: LoginSent, Generation: 42,
		Usage: &Tokens{Total: 18_204, Cost: new(0.05)},
	},
	{
		Duration: 4 * time.Minute, Sending: UsageKept, Login: LoginNotSent, NotSent: "the gateway did not answer",
		Usage: &Tokens{Total: 18_204, Cost: new(0.05)},
	},
}

func TestFooter(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{40, 80, 200} {
		footers := make([]string, 0, len(endings))
		for _, e := range endings {
			footers = append(footers, Footer(e, screenOf(columns)))
		}
		same(t, "footer."+strconv.Itoa(columns), strings.Join(footers, "\n"))
	}
	colour := screenOf(80)
	colour.Colour = true
	same(t, "footer.80.colour", escapes(Footer(endings[2], colour)))
}

func TestFooterKeepsTheBadNews(t *testing.T) {
	t.Parallel()
	if got := Footer(endings[0], screenOf(30)); got != "" {
		t.Errorf("30 columns: a normal end says %q, want nothing", got)
	}
	if got, want := Footer(endings[2], screenOf(24)), "✗ new login NOT sent, k…\n  now: cdx sync\n"; got != want {
		t.Errorf("24 columns: got %q, want %q", got, want)
	}
	pipe := Footer(endings[2], Terminal{})
	if strings.Count(pipe, "\n") != 1 || !strings.HasSuffix(pipe, "To try now: cdx sync\n") {
		t.Errorf("a pipe does not get the whole sentence: %q", pipe)
	}
	failed := Ending{ExitCode: 130, Duration: 3 * time.Second, Login: LoginNotSent, NotSent: "its key is revoked", Type: "cdx doctor"}
	got := Footer(failed, screenOf(200))
	want := "✗ Codex ended with 130 after 3 s. Its new login was NOT sent: its key is revoked. " +
		"It is kept on this machine and goes up with the next run. To try now: cdx doctor\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFooterWithoutFacts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ending  Ending
		columns int
		want    string
	}{
		{Ending{}, 80, "✓ Codex ended with 0 after 0 s\n"},
		{Ending{ExitCode: 1}, 80, "! Codex ended with 1 after 0 s\n"},
		{Ending{Sending: UsageKept}, 80, "✓ Codex ended with 0 after 0 s: usage kept for the next contact\n"},
		{Ending{Login: LoginSent}, 40, "✓ Codex ended with 0 after 0 s\n✓ new login sent up\n"},
		{Ending{Login: LoginUnchanged}, 80, "✓ Codex ended with 0 after 0 s: login unchanged\n"},
	} {
		if got := Footer(c.ending, screenOf(c.columns)); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.ending, got, c.want)
		}
	}
}
