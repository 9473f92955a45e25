package screen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// hostile are strings that a gateway, an admin or a host name could bring.
var hostile = []string{
	"", "x", "codex.example.net", "\x1b[2J\x1b]0;title\x07", "a\r\nb", "\u202egnp.exe", "\u009b31m", "日本語のホスト名",
	strings.Repeat("\u0301", 300), "👨‍👩‍👧‍👦👍🏽❤️🇩🇪", strings.Repeat("w", 5000), strings.Repeat("界", 500), "\xff\xfe", "\x00",
	"a\u2028b\u2029c", "\t\v\f", "e\u0301e\u0301", "�", " ", "%s%d%!", "\u200d\u200b\ufeff", "ﷺ", "\u202e\u0600",
}

var hostileNumbers = []int64{0, 1, -1, 59, 3600, 18000, 86400, 604800, 999_999, math.MaxInt64, math.MinInt64}

var hostilePercents = []float64{
	0, 1, 38, 94.9, 100, 146, -5, 1e300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
}

// dice choose facts.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

func (d dice) coin() bool { return d.IntN(2) == 0 }

func (d dice) text() string { return pick(d, hostile) + pick(d, hostile) }

func (d dice) time() time.Time {
	switch d.IntN(6) {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(pick(d, hostileNumbers)/4, 0)
	default:
		return now.Add(time.Duration(d.Int64N(int64(20*day))) - 10*day)
	}
}

func (d dice) duration() time.Duration { return time.Duration(pick(d, hostileNumbers)) }

func (d dice) words() Words { return Words{d.text(), d.text(), pick(d, hostile)} }

func (d dice) cost() *float64 {
	if d.coin() {
		return nil
	}
	return new(pick(d, hostilePercents))
}

func (d dice) quota() *Quota {
	q := &Quota{SeenAt: d.time(), Stale: d.IntN(4) == 0}
	for range d.IntN(12) {
		q.Windows = append(q.Windows, Window{pick(d, hostileNumbers), pick(d, hostilePercents), d.time()})
	}
	return q
}

func (d dice) facts() Facts {
	f := Facts{
		Versions: Versions{d.text(), d.text(), d.text(), d.text()},
		Gateway:  Gateway{d.text(), d.duration(), d.text(), int(pick(d, hostileNumbers)), d.duration()},
		Waiting:  Waiting{d.coin(), int(pick(d, hostileNumbers))},
	}
	if d.coin() {
		f.Window = &HostWindow{d.time(), d.text()}
	}
	if d.coin() {
		f.Login = &Login{pick(d, hostileNumbers), d.time(), d.time(), d.coin(), d.coin()}
	}
	if d.coin() {
		f.Quota = d.quota()
	}
	if d.coin() {
		f.Month = &Month{pick(d, hostileNumbers), d.cost(), d.text()}
	}
	if d.coin() {
		f.Policy = &Policy{pick(d, hostilePercents), d.coin()}
	}
	if d.IntN(5) == 0 {
		f.Refusal = &Refusal{Label: d.text(), What: d.words(), Cause: d.words()}
		for range d.IntN(12) {
			f.Refusal.Next = append(f.Refusal.Next, d.words())
		}
	}
	return f
}

func (d dice) status() StatusFacts {
	f := d.facts()
	s := StatusFacts{
		Host: Host{d.text(), d.coin(), d.coin()}, Gateway: StatusGateway{d.text(), d.duration(), d.time(), d.text()},
		Refusal: f.Refusal, Address: Address{d.text(), d.coin()},
		Sessions: &Sessions{int(pick(d, hostileNumbers)), d.time(), int(pick(d, hostileNumbers))},
		Codex:    CodexVersion{d.text(), d.text(), d.text()}, Cdx: CdxVersion{d.text(), d.text()},
		Commands: &Commands{int(pick(d, hostileNumbers)), int(pick(d, hostileNumbers))},
		Quota:    f.Quota, Policy: f.Policy, Month: f.Month, Waiting: &f.Waiting,
	}
	if f.Login != nil {
		s.Login = &StatusLogin{*f.Login, d.time(), d.text()}
	}
	return s
}

func (d dice) terminal() Terminal {
	return Terminal{
		Interactive: true, Redraws: true, Colour: d.coin(), ASCII: d.IntN(4) == 0,
		Width: pick(d, []int{1, 2, 9, 10, 11, 30, 39, 40, 41, 63, 79, 80, 81, 95, 96, 97, 200, 1 << 30}),
	}
}

// harmless checks what every output keeps to: lines that fit, and nothing that a terminal obeys but our own styles.
func harmless(text string, t Terminal, widest int) error {
	plain := text
	if t.Colour {
		plain = ansi.Strip(text)
	}
	if plain != "" && !strings.HasSuffix(plain, "\n") {
		return fmt.Errorf("the last line has no end: %q", plain)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(plain, "\n"), "\n") {
		if most := min(t.Width, widest); Cells(line) > most || ansi.StringWidth(line) > most {
			return fmt.Errorf("%d cells in a terminal of %d: %q", Cells(line), t.Width, line)
		}
		for _, r := range line {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || t.ASCII && r >= 0x80 {
				return fmt.Errorf("%U in %q", r, line)
			}
		}
	}
	return nil
}

// attack draws everything for one seed.
func attack(seed uint64) error {
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	terminal, facts := d.terminal(), d.facts()
	card := Card(facts, terminal, now)
	if err := harmless(card, terminal, layoutWidth); err != nil {
		return fmt.Errorf("card: %w", err)
	}
	if lines := strings.Count(card, "\n"); lines > maxLines {
		return fmt.Errorf("card of %d lines", lines)
	}
	ending := Ending{
		int(pick(d, hostileNumbers)), d.duration(),
		&Tokens{pick(d, hostileNumbers), pick(d, hostileNumbers), pick(d, hostileNumbers), pick(d, hostileNumbers), d.cost()},
		Sending(d.IntN(6) - 1), Renewal(d.IntN(6) - 1), pick(d, hostileNumbers), d.text(), d.text(),
	}
	footer := Footer(ending, terminal)
	if err := harmless(footer, terminal, math.MaxInt); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	if lines := strings.Count(footer, "\n"); lines > 2 {
		return fmt.Errorf("footer of %d lines", lines)
	}
	text, _ := Status(d.status(), terminal, now)
	if err := harmless(text, terminal, layoutWidth); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	var out strings.Builder
	c := &clock{now}
	p := NewProgress(&out, terminal, d.text(), pick(d, hostileNumbers), c.now)
	for range 5 {
		c.at = c.at.Add(d.duration())
		_, _ = p.Write(make([]byte, d.IntN(1000)))
	}
	p.End(State(d.IntN(6)-1), d.text())
	for drawing := range strings.SplitSeq(out.String(), "\r") {
		if err := harmless(strings.TrimSuffix(drawing, "\n")+"\n", terminal, layoutWidth); err != nil {
			return fmt.Errorf("progress: %w", err)
		}
	}
	return nil
}

func TestNothingBreaksTheScreen(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1500) {
		if err := attack(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func FuzzScreen(f *testing.F) {
	f.Add("codex.example.net", "\x1b[31m", 80, 38.0, int64(18000), int64(108))
	f.Add("\u202e", strings.Repeat("界", 60), 40, math.NaN(), int64(-1), int64(math.MinInt64))
	f.Add("👨‍👩‍👧‍👦", "e\u0301", 1, math.Inf(1), int64(math.MaxInt64), int64(0))
	f.Fuzz(func(t *testing.T, host, note string, columns int, percent float64, length, reset int64) {
		terminal := screenOf(min(max(columns, 1), 1<<20))
		resets := time.Unix(reset, 0)
		facts := Facts{
			Versions: Versions{Cdx: note, Codex: host, Offer: note, Type: host},
			Gateway:  Gateway{Host: host, Unreachable: note, Tries: columns, Elapsed: time.Duration(length)},
			Window:   &HostWindow{Until: resets, OpenedBy: note},
			Login:    &Login{Generation: length, ValidUntil: resets, VerifiedAt: resets},
			Quota:    &Quota{SeenAt: resets, Windows: []Window{{length, percent, resets}, {length, percent, now.Add(time.Duration(length))}}},
			Month:    &Month{Tokens: reset, Cost: &percent, Remark: note},
			Policy:   &Policy{LimitPercent: percent, Refuses: columns%2 == 0},
			Waiting:  Waiting{Reports: columns},
		}
		if err := harmless(Card(facts, terminal, now), terminal, layoutWidth); err != nil {
			t.Error(err)
		}
		facts.Refusal = &Refusal{Label: host, What: Words{Long: note}, Cause: Words{Long: host, Short: note}, Next: []Words{{Type: note}}}
		for _, ascii := range []bool{false, true} {
			terminal.ASCII = ascii
			if err := harmless(Card(facts, terminal, now), terminal, layoutWidth); err != nil {
				t.Error(err)
			}
		}
		if cells := min(max(columns, 0), 500); Cells(Cut(Clean(note), cells)) > cells {
			t.Errorf("%q cut to %d cells is %q", note, cells, Cut(Clean(note), cells))
		}
	})
}

func TestCardDropsWhatIsInOrderFirst(t *testing.T) {
	t.Parallel()
	f := near()
	f.Gateway.Unreachable = "did not answer"
	f.Window = insecure().Window
	f.Quota.Windows = append(f.Quota.Windows, Window{LimitSeconds: 86400, UsedPercent: 20}, Window{LimitSeconds: 2592000, UsedPercent: 99})
	f.Waiting = Waiting{Reports: 2}
	var labels []string
	for line := range strings.Lines(Card(f, screenOf(80), now)) {
		labels = append(labels, strings.TrimSpace(string([]rune(line)[:labelWidth])))
	}
	got := strings.Join(labels, ", ")
	if want := "! gateway, ! window, ✓ login, ✓ 5 hours, ! week, ✗ 30 days, ✗ policy, ○ waiting"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for range 9 {
		f.Quota.Windows = append(f.Quota.Windows, Window{LimitSeconds: 604800, UsedPercent: 99})
	}
	if card := Card(f, screenOf(80), now); strings.ContainsAny(card, "✓○") || strings.Count(card, "\n") != maxLines {
		t.Errorf("nine windows near their limits leave\n%s", card)
	}
}
