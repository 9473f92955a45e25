package screen

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// transfer has received so many bytes in so long, in one piece.
func transfer(t Terminal, total int64, received int, in time.Duration) (*Progress, *bytes.Buffer, *clock) {
	var out bytes.Buffer
	c := &clock{now}
	p := NewProgress(&out, t, "Codex 0.169.0", total, c.now)
	c.at = c.at.Add(in)
	_, _ = p.Write(make([]byte, received))
	return p, &out, c
}

func TestProgress(t *testing.T) {
	t.Parallel()
	const total, received, in = 45_900_000, 31_240_000, 3720 * time.Millisecond
	ascii, asciiNarrow := screenOf(80), screenOf(40)
	ascii.ASCII, asciiNarrow.ASCII = true, true
	for _, c := range []struct {
		name     string
		terminal Terminal
		total    int64
		want     string
	}{
		{"80", screenOf(80), total, "  Codex 0.169.0  ████████████████░░░░░░░░  68%  31.2 of 45.9 MB  8.4 MB/s  2 s"},
		{"ascii", ascii, total, "  Codex 0.169.0  [################........]  68%  31.2 of 45.9 MB  8.4 MB/s  2 s"},
		{"40", screenOf(40), total, "  Codex ███████████░░░░░ 68% 31 of 46 MB"},
		{"40 ascii", asciiNarrow, total, "  Codex [##########....] 68% 31 of 46 MB"},
		{"30", screenOf(30), total, "  Codex 68% 31 of 46 MB"},
		{"12", screenOf(12), total, "  Codex 68%…"},
		{"unknown", screenOf(80), 0, "  Codex 0.169.0  31.2 MB  8.4 MB/s"},
		{"unknown 20", screenOf(20), -1, "  Codex 31.2 MB"},
		{"more than was said", screenOf(80), 1000, "  Codex 0.169.0  31.2 MB  8.4 MB/s"},
	} {
		_, out, _ := transfer(c.terminal, c.total, received, in)
		if got := strings.TrimPrefix(out.String(), "\r"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if cells := Cells(c.want); cells > c.terminal.Width {
			t.Errorf("%s: %d cells", c.name, cells)
		}
	}
}

func TestProgressOfWhoCountsThemselves(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &clock{now}
	p := NewProgress(&out, screenOf(80), "Codex 0.169.0", 0, c.now)
	c.at = c.at.Add(3720 * time.Millisecond)
	p.Reach(31_240_000, 45_900_000)
	const want = "\r  Codex 0.169.0  ████████████████░░░░░░░░  68%  31.2 of 45.9 MB  8.4 MB/s  2 s"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	c.at = now.Add(6 * time.Second)
	p.Reach(45_900_000, 45_900_000)
	if got := p.Measure(); got != "45.9 MB in 6 s" {
		t.Errorf("measured %s", got)
	}
}

func TestProgressIsReplacedByItsResult(t *testing.T) {
	t.Parallel()
	const words = "Codex 0.169.0 installed for you, 45.9 MB in 6 s, digest and version checked"
	p, out, c := transfer(screenOf(80), 45_900_000, 31_240_000, 3720*time.Millisecond)
	c.at = now.Add(6 * time.Second)
	_, _ = p.Write(make([]byte, 14_660_000))
	if got := p.Measure(); got != "45.9 MB in 6 s" {
		t.Errorf("measured %s", got)
	}
	p.End(Good, words)
	if got, want := onScreen(out.String()), "✓ "+words+"\n"; got != want {
		t.Errorf("in the end the terminal shows %q, want %q", got, want)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("an escape sequence without colours: %q", out)
	}
}

func TestProgressOnAPipeIsItsResult(t *testing.T) {
	t.Parallel()
	for name, terminal := range map[string]Terminal{"pipe": {}, "dumb": {Interactive: true, Width: 80}} {
		p, out, _ := transfer(terminal, 100, 50, time.Minute)
		p.End(Refused, "the download of Codex ended early")
		if got, want := out.String(), "✗ the download of Codex ended early\n"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestProgressIsRareAndLate(t *testing.T) {
	t.Parallel()
	_, out, _ := transfer(screenOf(80), 100, 50, 499*time.Millisecond)
	if out.Len() > 0 {
		t.Errorf("drawn before half a second: %q", out)
	}
	p, out, c := transfer(screenOf(80), 1_000_000, 0, 0)
	for range 3000 { // a write each millisecond
		c.at = c.at.Add(time.Millisecond)
		_, _ = p.Write(make([]byte, 10))
	}
	if drawn := strings.Count(out.String(), "\r"); drawn < 20 || drawn > 26 {
		t.Errorf("drawn %d times in the 2.5 s after the first half", drawn)
	}
}

func TestProgressNeverSaysDoneBeforeItIs(t *testing.T) {
	t.Parallel()
	_, out, _ := transfer(screenOf(80), 1_000_000, 999_999, time.Second)
	if !strings.Contains(out.String(), " 99%") {
		t.Errorf("got %q", out)
	}
	_, out, _ = transfer(screenOf(80), 0, 0, time.Second)
	if got, want := out.String(), "\r  Codex 0.169.0  0.0 MB"; got != want {
		t.Errorf("nothing came: %q, want %q", got, want)
	}
}

func TestAsking(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		terminal Terminal
		wait     time.Duration
		want     string
	}{
		{"quick", screenOf(80), 399 * time.Millisecond, ""},
		{"slow", screenOf(80), 401 * time.Millisecond, "… asking codex.example.net"},
		{"narrow", screenOf(12), time.Second, "… asking co…"},
		{"pipe", Terminal{}, time.Second, ""},
		{"dumb", Terminal{Interactive: true, Width: 80}, time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			asking := Ask(&out, c.terminal, "codex.example.net")
			<-time.After(c.wait)
			synctest.Wait()
			if got := out.String(); got != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
			asking.Answered()
			asking.Answered()
			<-time.After(time.Second)
			synctest.Wait()
			if got := onScreen(out.String() + "card"); got != "card" {
				t.Errorf("%s: the card is behind %q", c.name, got)
			}
		})
	}
}

// onScreen is what a terminal without escape sequences shows after out: a carriage return begins to write over the
// line.
func onScreen(out string) string {
	var screen, line []rune
	column := 0
	for _, r := range out {
		switch r {
		case '\r':
			column = 0
		case '\n':
			screen = append(screen, []rune(strings.TrimRight(string(line), " ")+"\n")...)
			line, column = nil, 0
		default:
			if column == len(line) {
				line = append(line, r)
			} else {
				line[column] = r
			}
			column++
		}
	}
	return string(screen) + strings.TrimRight(string(line), " ")
}
