package operator

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/credential"
)

func TestTableNarrows(t *testing.T) {
	t.Parallel()
	wide := &table{
		head: []string{"NAME", "STATE", "CDX", "ADDRESS"}, optional: []string{"ADDRESS", "CDX"},
		rows: [][]string{{"build7.example", "ok", "1.0", "203.0.113.9"}, {"ä", "änderung", "-", "-"}},
	}
	for width, want := range map[int]string{
		0: "", 1000: "", 42: "", 41: "ADDRESS", 29: "ADDRESS", 28: "ADDRESS CDX", 24: "ADDRESS CDX",
		1: "ADDRESS CDX", // what is not optional stays, however narrow
	} {
		var hidden []string
		columns := wide.fit(width)
		for _, name := range wide.optional {
			for i, head := range wide.head {
				if head == name && columns[i] {
					hidden = append(hidden, name)
				}
			}
		}
		if got := strings.Join(hidden, " "); got != want || len(columns) != len(hidden) {
			t.Errorf("%d wide: got %q hidden, want %q", width, got, want)
		}
		if got := wide.width(columns); width >= 24 && got > width {
			t.Errorf("%d wide: got a table of %d", width, got)
		}
	}
	var out, notes bytes.Buffer
	wide.write(&out, &notes)
	want := "NAME            STATE     CDX  ADDRESS\nbuild7.example  ok        1.0  203.0.113.9\nä               änderung  -    -\n"
	if out.String() != want || notes.Len() != 0 {
		t.Errorf("got\n%s%s\nwant\n%s", out.String(), notes.String(), want)
	}
	out.Reset()
	(&table{head: []string{"NAME"}}).write(&out, &notes)
	if out.Len() != 0 {
		t.Errorf("got %q for no rows, want nothing", out.String())
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	for answer, yes := range map[string]bool{
		"yes\n": true, "YES\n": true, " yes \r\n": true, "yes": true,
		"y\n": false, "no\n": false, "\n": false, "": false, "yes please\n": false, "no\nyes\n": false, strings.Repeat(" ", 100) + "yes\n": false,
	} {
		var words bytes.Buffer
		c := &Console{Config: Config{In: strings.NewReader(answer), Err: &words}}
		err := c.ask("Remove it?")
		if yes && err != nil || !yes && !errors.Is(err, ErrDeclined) {
			t.Errorf("%q: got %v, want yes %t", answer, err, yes)
		}
		if words.String() != "Remove it? Type yes: " {
			t.Errorf("got %q", words.String())
		}
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	in := func(d time.Duration) *time.Time { return new(now.Add(d)) }
	current := credential.Generation{Number: 3, Version: credential.Version{Digest: credential.Digest{1}}}
	held, old := current.Digest[:], make([]byte, 32)
	old[0] = 2
	for name, c := range map[string]struct {
		host         db.Host
		state, login string
	}{
		"fresh":                       {db.Host{Status: "active", Secure: true}, "never seen", "none"},
		"in order":                    {db.Host{Status: "active", Secure: true, LastSeenAt: in(0), AuthDigest: held}, "can login", "gen 3"},
		"behind":                      {db.Host{Status: "active", Secure: true, LastSeenAt: in(0), AuthDigest: old}, "can login", "behind"},
		"disabled":                    {db.Host{Status: "disabled", Secure: true, LastSeenAt: in(0), ExpiresAt: in(-time.Hour)}, "disabled", "none"},
		"expired":                     {db.Host{Status: "active", Secure: true, LastSeenAt: in(0), ExpiresAt: in(0)}, "expired", "none"},
		"expires":                     {db.Host{Status: "active", Secure: true, LastSeenAt: in(0), ExpiresAt: in(time.Second)}, "can login", "none"},
		"insecure, no window":         {db.Host{Status: "active", LastSeenAt: in(0)}, "locked", "none"},
		"insecure, window closed":     {db.Host{Status: "active", LastSeenAt: in(0), InsecureUntil: in(-time.Second)}, "locked", "none"},
		"insecure, window open":       {db.Host{Status: "active", LastSeenAt: in(0), InsecureUntil: in(9*time.Minute + 5*time.Second)}, "window 9:05", "none"},
		"insecure, window open long":  {db.Host{Status: "active", LastSeenAt: in(0), InsecureUntil: in(2 * time.Hour)}, "window 120:00", "none"},
		"secure, a window left over":  {db.Host{Status: "active", Secure: true, LastSeenAt: in(0), InsecureUntil: in(-time.Hour)}, "can login", "none"},
		"insecure, never seen so far": {db.Host{Status: "active", InsecureUntil: in(time.Hour)}, "never seen", "none"},
	} {
		if gotState, gotLogin := state(&c.host, current, now); gotState != c.state || gotLogin != c.login {
			t.Errorf("%s: got %q, %q; want %q, %q", name, gotState, gotLogin, c.state, c.login)
		}
	}
}

func TestWordsForTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	if got := ago(nil, now); got != "never" {
		t.Errorf("got %q for no moment", got)
	}
	for d, want := range map[time.Duration][2]string{ // ago, left
		0: {"just now", "expired"}, 59 * time.Second: {"just now", "0 min"}, time.Minute: {"1 min ago", "1 min"}, 59 * time.Minute: {"59 min ago", "59 min"},
		time.Hour: {"1 h ago", "1 h 0 min"}, 23*time.Hour + 59*time.Minute: {"23 h ago", "23 h 59 min"}, 24 * time.Hour: {"1 d ago", "1 d 0 h"},
		185 * time.Hour: {"7 d ago", "7 d 17 h"}, -time.Hour: {"just now", "expired"},
	} {
		if gotAgo, gotLeft := ago(new(now.Add(-d)), now), left(now.Add(d), now); gotAgo != want[0] || gotLeft != want[1] {
			t.Errorf("%v: got %q, %q; want %q, %q", d, gotAgo, gotLeft, want[0], want[1])
		}
	}
	if got := moment(now.In(time.FixedZone("CET", 3600))); got != "Mon 5 Jan 2026 10:00 UTC" {
		t.Errorf("got %q", got)
	}
}
