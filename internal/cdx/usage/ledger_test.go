package usage

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestNext is about the report that stays the same while the next one grows.
func TestNext(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	f := r.start(1, "")
	f.answer(1, 0, 1, 0)
	r.collect(noon)
	first := r.next()
	for range 3 {
		f.answer(1, 0, 1, 0)
		r.pass(time.Second)
		r.collect(noon)
		if got := r.next(); asText(t, got) != asText(t, first) {
			t.Fatalf("got %s, want %s", asText(t, got), asText(t, first))
		}
	}
	r.must(r.Acknowledge("another"))
	if n, err := r.Pending(); n != 4 || err != nil {
		t.Errorf("got %d pending, %v", n, err)
	}
	r.must(r.Acknowledge(first.IdempotencyKey))
	second := r.next()
	if got := entriesOf(t, second); len(got) != 3 || second.IdempotencyKey == first.IdempotencyKey {
		t.Errorf("got %+v", got)
	}
	r.must(r.Acknowledge(second.IdempotencyKey))
	if got := r.next(); got != nil {
		t.Errorf("got %+v", got)
	}
}

// TestLongWithoutGateway: a report never grows beyond what the gateway takes, and no token is lost.
func TestLongWithoutGateway(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	for n := range 5*maxEntries + 10 {
		f := r.start(n, "")
		f.turn(strings.Repeat("m", maxModelBytes-1) + string(rune('a'+n%3)))
		f.answer(maxCount/10_000, 0, maxCount/10_000, 0)
		if n%maxEntries == 3 {
			r.collect(noon)
		}
	}
	r.collect(noon)
	var sum Tokens
	for report := r.next(); report != nil; report = r.next() {
		if len(report.Usages) > maxEntries || len(asText(t, report.Usages)) > 64<<10 {
			t.Errorf("got a report of %d entries and %d bytes", len(report.Usages), len(asText(t, report.Usages)))
		}
		for _, e := range entriesOf(t, report) {
			sum = sum.plus(e.Tokens)
		}
		r.must(r.Acknowledge(report.IdempotencyKey))
	}
	if want := int64(5*maxEntries+10) * (maxCount / 10_000); sum.Input != want || sum.Output != want {
		t.Errorf("got %+v, want %d", sum, want)
	}
}

func TestForgotten(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	var all []*session
	for n := range keepThreads + 20 {
		r.pass(time.Second)
		f := r.start(n, "")
		f.answer(10, 0, 1, 0)
		all = append(all, f)
	}
	r.collect(noon)
	r.drain()
	check := func(want int) {
		t.Helper()
		book, err := r.peek()
		r.must(err)
		if len(book.Threads) != want {
			t.Errorf("got %d threads, want %d", len(book.Threads), want)
		}
		r.collect(r.clock)
		if got := r.drain(); len(got) != 0 {
			t.Errorf("got %+v again", got)
		}
	}
	check(keepThreads + 20) // they were used just now
	r.pass(2 * time.Hour)
	r.collect(r.clock)
	check(keepThreads)
	all[0].answer(3, 0, 2, 0)
	r.collect(r.clock)
	if got := r.drain()[""]; got != (Tokens{3, 0, 2, 0}) {
		t.Errorf("a forgotten thread used %+v", got)
	}
	r.pass(keepFor + time.Hour)
	r.collect(r.clock)
	check(0)
	for _, f := range all {
		f.raw("\n") // touched, but not used
	}
	r.collect(r.clock)
	check(keepThreads + 20)
	all[5].answer(4, 0, 2, 0)
	r.collect(r.clock)
	if got := r.drain()[""]; got != (Tokens{4, 0, 2, 0}) {
		t.Errorf("a forgotten thread used %+v", got)
	}
}

func TestDamagedLedger(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"cut off": `{"floor":17`, "empty": "", "a list": "[]", "no batch": `{"floor":1,"sending":{"key":"x","entries":[]}}`,
		"negative": `{"floor":1,"threads":{"a":{"models":{"m":{"input":-1}}}}}`, "too long": strings.Repeat(" ", maxLedgerBytes+1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begun(t)
			r.pass(time.Second)
			f := r.start(1, "")
			f.answer(100, 0, 10, 0)
			r.collect(noon)
			r.must(os.WriteFile(r.path(), []byte(damage), 0o600))
			r.pass(time.Second)
			if _, err := r.Pending(); err == nil {
				t.Error("the damage is not told")
			}
			used, err := r.Collect(t.Context(), noon)
			if told, ok := errors.AsType[*Damaged](err); !ok || told.Aside != r.path()+".damaged" {
				t.Fatalf("got %v", err)
			}
			if used != (Tokens{100, 0, 10, 0}) {
				t.Errorf("the run used %+v", used)
			}
			if got := r.drain(); len(got) != 0 {
				t.Errorf("counted again: %+v", got)
			}
			r.pass(time.Second)
			f.answer(7, 0, 3, 0)
			r.collect(noon)
			if got := r.drain()[""]; got != (Tokens{7, 0, 3, 0}) {
				t.Errorf("got %+v", got)
			}
			if text, err := os.ReadFile(r.path() + ".damaged"); err != nil || string(text) != damage {
				t.Errorf("got %d bytes aside, %v", len(text), err)
			}
		})
	}
}

// TestRestoredHome: what the gateway has recorded is recognised by its key when a home is set back to an earlier state.
func TestRestoredHome(t *testing.T) {
	t.Parallel()
	r := begun(t)
	before, err := os.ReadFile(r.path())
	r.must(err)
	r.pass(time.Second)
	r.start(1, "").answer(100, 0, 10, 0)
	r.start(2, "").answer(100, 0, 10, 0)
	r.collect(noon)
	first := r.next()
	r.must(os.WriteFile(r.path(), before, 0o600))
	r.pass(time.Hour)
	r.collect(noon)
	if got := r.next(); asText(t, got) != asText(t, first) {
		t.Errorf("got %s, want %s", asText(t, got), asText(t, first))
	}
}

// TestKeys: the key of a report says everything that is in it.
func TestKeys(t *testing.T) {
	t.Parallel()
	a, b := share{"a", 1, Tokens{}, entry{"m", Tokens{1, 0, 1, 0}}}, share{"b", 1, Tokens{}, entry{"m", Tokens{1, 0, 1, 0}}}
	other := a
	other.from = 2
	keys := map[string]bool{}
	for _, parts := range [][][]share{{{a}}, {{b}}, {{other}}, {{a, b}}, {{a}, {b}}, {{b}, {a}}} {
		var one batch
		for _, part := range parts {
			one.add(part)
		}
		keys[one.Key] = true
	}
	if len(keys) != 6 {
		t.Errorf("got %d keys, want 6", len(keys))
	}
}
