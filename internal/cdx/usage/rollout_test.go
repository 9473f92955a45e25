package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestHostileLines(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat(`"token_count" `, 10<<20/14)
	tests := map[string]struct {
		write func(f *session)
		want  Tokens
	}{
		"tail being written": {func(f *session) { f.raw(f.answerText(5, 0, 5, 0)) }, Tokens{}},
		"tail written later": {func(f *session) {
			text := f.answerText(5, 0, 5, 0)
			f.raw(text[:20])
			f.r.collect(noon)
			f.raw(text[20:] + "\n")
		}, Tokens{5, 0, 5, 0}},
		"huge line":      {func(f *session) { f.line("response_item", huge) }, Tokens{}},
		"huge count":     {func(f *session) { f.line("event_msg", map[string]any{"type": "token_count", "info": huge}) }, Tokens{}},
		"huge lines all": {func(f *session) { f.raw(huge + "\n" + huge + "\n") }, Tokens{}},
		"garbage":        {func(f *session) { f.raw("\x00\xff\n{\"type\":\n[]\nnull\n\n\"token_count\"\n") }, Tokens{}},
		"odd counts": {func(f *session) {
			for _, total := range []string{`-1`, `1.5`, `"7"`, `1e99`, `99999999999999999999`, `{}`, `[]`, `true`} {
				f.line("event_msg", json.RawMessage(`{"type":"token_count","info":{"total_token_usage":{"input_tokens":`+total+`}}}`))
			}
			f.line("event_msg", json.RawMessage(`{"type":"token_count","info":null}`))
			f.line("event_msg", json.RawMessage(`{"type":"token_count","info":{"total_token_usage":null}}`))
			f.line("event_msg", json.RawMessage(`{"type":"token_count"}`))
		}, Tokens{}},
		"more cached than input": {func(f *session) { f.answer(5, 9, 2, 7) }, Tokens{0, 5, 2, 2}},
		"words that look like a count": {func(f *session) {
			f.line("response_item", map[string]any{"content": f.answerText(9, 0, 9, 0), "type": "token_count"})
			f.total = counters{}
		}, Tokens{}},
		"deep": {func(f *session) { f.raw(`{"type":"token_count","x":` + strings.Repeat("[", 1<<20) + "\n") }, Tokens{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begun(t)
			r.pass(time.Second)
			f := r.start(1, "")
			f.turn("m")
			test.write(f)
			r.collect(noon)
			if got := r.drain()["m"]; got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if strings.HasPrefix(name, "tail") {
				return
			}
			f.raw("\n")
			f.answer(3, 0, 1, 0) // what follows counts
			r.collect(noon)
			if got := r.drain()["m"]; got.Input != 3 || got.Output != 1 {
				t.Errorf("then got %+v", got)
			}
		})
	}
}

// TestManyModels: a thread that changes its model all the time does not fill the ledger.
func TestManyModels(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	f := r.start(1, "")
	for n := range 100 {
		f.turn("m" + string(rune('A'+n/26)) + string(rune('A'+n%26)))
		f.answer(1, 0, 1, 0)
	}
	r.collect(noon)
	sums := r.drain()
	var sum Tokens
	for _, tokens := range sums {
		sum = sum.plus(tokens)
	}
	if len(sums) != maxModels+1 || sum != (Tokens{100, 0, 100, 0}) {
		t.Errorf("got %d models, %+v", len(sums), sum)
	}
}

// TestStrangeFiles: nothing is read but plain rollout files where Codex puts them.
func TestStrangeFiles(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	outside := &rig{t: t, clock: r.clock, Journal: &Journal{home: t.TempDir(), now: r.now}}
	target := outside.start(1, "")
	target.answer(1000, 0, 1000, 0)
	inside := r.start(2, "")
	inside.answer(5, 0, 5, 0)
	day := filepath.Dir(inside.path)
	text, err := os.ReadFile(target.path)
	r.must(err)
	name := func(n int) string { return "rollout-2026-11-25T12-00-01-" + uuid(r.clock, n) + ".jsonl" }
	r.must(os.Symlink(target.path, filepath.Join(day, name(3))))
	r.must(os.Symlink(filepath.Dir(target.path), filepath.Join(r.home, "sessions", "2025")))
	r.must(os.MkdirAll(filepath.Join(day, "deep", "er"), 0o700))
	r.must(os.Mkdir(filepath.Join(day, name(4)), 0o700))
	for _, path := range []string{"deep/" + name(5), name(6) + ".bak", "notes.jsonl", "rollout-x.jsonl"} {
		r.put(filepath.Join(day, filepath.FromSlash(path)), text)
	}
	if got := r.collect(noon); got != (Tokens{5, 0, 5, 0}) {
		t.Errorf("got %+v", got)
	}
}

// TestCopies: a thread that is there twice, or was cut off and written anew, counts once.
func TestCopies(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	f := r.start(1, "")
	f.answer(5, 0, 5, 0)
	older, err := os.ReadFile(f.path)
	r.must(err)
	f.answer(5, 0, 5, 0)
	r.must(os.MkdirAll(filepath.Join(r.home, "archived_sessions"), 0o700))
	r.put(filepath.Join(r.home, "archived_sessions", filepath.Base(f.path)), older)
	whole, err := os.ReadFile(f.path)
	r.must(err)
	for _, text := range [][]byte{whole, older, whole, nil, whole} {
		r.put(f.path, text)
		r.pass(time.Second)
		r.collect(noon)
	}
	if got := r.drain()[""]; got != (Tokens{10, 0, 10, 0}) {
		t.Errorf("got %+v", got)
	}
}

// TestMemory reads a line that is larger than the memory it may cost. It is not parallel: it measures the process.
func TestMemory(t *testing.T) { //nolint:paralleltest // see above
	line := io.MultiReader(strings.NewReader(`{"type":"token_count","x":"`), io.LimitReader(endless{}, 256<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := readRollout(t.Context(), line, noon, noon); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("got %d MiB allocated", used>>20)
	}
}

// endless is a line without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken disk")
	if _, err := readRollout(t.Context(), iotest.ErrReader(broken), noon, noon); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	at := time.Unix(1790000000, 0)
	tests := map[string]struct {
		raw  string
		want []Window
		plan string
	}{
		"both": {
			`{"primary":{"used_percent":11.5,"window_minutes":300,"resets_at":1790000000},"secondary":{"used_percent":87,"window_minutes":10080,"resets_at":null},"plan_type":"pro"}`,
			[]Window{{11.5, 5 * time.Hour, at}, {87, 7 * 24 * time.Hour, time.Time{}}}, "pro",
		},
		"strings":       {`{"primary":{"used_percent":"11","window_minutes":"300","resets_at":"1790000000"}}`, []Window{{11, 5 * time.Hour, at}}, ""},
		"secondary":     {`{"primary":null,"secondary":{"used_percent":0,"window_minutes":10080}}`, []Window{{0, 7 * 24 * time.Hour, time.Time{}}}, ""},
		"nulls":         {`{"primary":{"used_percent":null,"window_minutes":null,"resets_at":null},"plan_type":null}`, nil, ""},
		"no percentage": {`{"primary":{"window_minutes":300}}`, []Window{{math.NaN(), 5 * time.Hour, time.Time{}}}, ""},
		"odd":           {`{"primary":{"used_percent":-1,"window_minutes":1e300,"resets_at":1e300},"secondary":[],"plan_type":"a\u001b[31m"}`, nil, ""},
		"null":          {`null`, nil, ""},
		"nothing":       {``, nil, ""},
		"a list":        {`[1]`, nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ParseLimits(json.RawMessage(test.raw))
			same := len(got.Windows) == len(test.want) && got.Plan == test.plan
			for i := 0; same && i < len(test.want); i++ {
				a, b := got.Windows[i], test.want[i]
				same = (a.UsedPercent == b.UsedPercent || math.IsNaN(a.UsedPercent) && math.IsNaN(b.UsedPercent)) &&
					a.Length == b.Length && a.ResetsAt.Equal(b.ResetsAt)
			}
			if !same {
				t.Errorf("got %+v, want %+v, %q", got, test.want, test.plan)
			}
		})
	}
}

func TestNewestLimits(t *testing.T) {
	t.Parallel()
	r := begun(t)
	r.pass(time.Second)
	f, g := r.start(1, ""), r.start(2, "")
	say := func(f *session, limits string) {
		f.line("event_msg", json.RawMessage(`{"type":"token_count","info":null,"rate_limits":`+limits+`}`))
	}
	say(f, `{"limit_id":"codex","primary":{"used_percent":10}}`)
	r.pass(time.Second)
	say(g, `{ "limit_id": "codex", "primary": {"used_percent": 12}, "note": "<&>" }`)
	seen := r.clock
	r.pass(time.Second)
	say(f, `{"limit_id":"another","primary":{"used_percent":99}}`)
	say(f, `{"limit_id":"codex","primary":null,"secondary":null}`)
	say(f, `{"limit_id":"codex","primary":{"used_percent":98},"words":"`+strings.Repeat("<", maxLimitsBytes/2)+`"}`)
	say(f, `null`)
	r.collect(noon)
	got, err := r.Limits()
	r.must(err)
	if len(got.Windows) != 1 || got.Windows[0].UsedPercent != 12 || !got.SeenAt.Equal(seen) {
		t.Errorf("got %+v", got)
	}
	f.answer(1, 0, 1, 0)
	r.collect(noon)
	if report := r.next(); !bytes.Contains(report.RateLimits, []byte(`"used_percent":12`)) || report.RateLimitsAt != seen.UTC().Format(time.RFC3339) {
		t.Errorf("sent %s of %s", report.RateLimits, report.RateLimitsAt)
	}
}

func FuzzRollout(f *testing.F) {
	for _, name := range []string{"resumed", "old_forked", "subagent2"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			if matters(line) {
				f.Add(line)
			}
		}
	}
	f.Add([]byte(`{"timestamp":"9999-12-31T23:59:59Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":9007199254740992}}}}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		from := time.Unix(0, 0)
		r, err := readRollout(t.Context(), bytes.NewReader(append(text, text...)), from, from)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.models) > maxModels+1 || !r.run.sound() || !r.limits.sound() {
			t.Errorf("got %+v", r)
		}
		book := newLedger(noon)
		book.report(book.count("a", facts{}, r))
		book.Limits = newer(book.Limits, r.limits, noon)
		again, err := json.Marshal(book)
		if err != nil {
			t.Fatal(err)
		}
		var back ledger
		if json.Unmarshal(again, &back) != nil || back.Threads == nil || !back.sound() {
			t.Errorf("wrote what it cannot read: %s", again)
		}
		ParseLimits(text)
	})
}
