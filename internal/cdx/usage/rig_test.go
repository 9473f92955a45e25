package usage

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// noon is when the tests begin.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// rig is a Codex home with a clock of its own.
type rig struct {
	t     *testing.T
	clock time.Time
	*Journal
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clock: noon}
	r.Journal = &Journal{home: t.TempDir(), now: func() time.Time { return r.clock }}
	return r
}

// begun is a home that cdx met at noon.
func begun(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.must(r.Begin())
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) pass(d time.Duration) { r.clock = r.clock.Add(d) }

func (r *rig) collect(since time.Time) Tokens {
	r.t.Helper()
	used, err := r.Collect(r.t.Context(), since)
	r.must(err)
	return used
}

func (r *rig) next() *api.SyncUsage {
	r.t.Helper()
	next, err := r.Next()
	r.must(err)
	return next
}

// put writes a file now.
func (r *rig) put(path string, text []byte) {
	r.t.Helper()
	r.must(os.WriteFile(path, text, 0o600))
	r.must(os.Chtimes(path, r.clock, r.clock))
}

// reported is an entry as it is sent.
type reported struct {
	Total int64 `json:"total"`
	Tokens
	Model string `json:"model"`
}

func entriesOf(t *testing.T, report *api.SyncUsage) []reported {
	t.Helper()
	if report == nil {
		return nil
	}
	var all []reported
	for _, text := range report.Usages {
		var e reported
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		if e.Total != e.Input+e.Output {
			t.Errorf("got the total %d of %+v", e.Total, e.Tokens)
		}
		all = append(all, e)
	}
	return all
}

// drain reports everything and returns what was used of each model.
func (r *rig) drain() map[string]Tokens {
	r.t.Helper()
	sums := map[string]Tokens{}
	for {
		report := r.next()
		if report == nil {
			return sums
		}
		for _, e := range entriesOf(r.t, report) {
			sums[e.Model] = sums[e.Model].plus(e.Tokens)
		}
		r.must(r.Acknowledge(report.IdempotencyKey))
	}
}

// session is a rollout file that is being written.
type session struct {
	r     *rig
	path  string
	total counters
}

// uuid is an ID as Codex makes them.
func uuid(at time.Time, n int) string {
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	return fmt.Sprintf("%s-%s-7000-8000-%012x", ms[:8], ms[8:], n)
}

// start begins a thread; fork may be the ID of another.
func (r *rig) start(n int, fork string) *session {
	r.t.Helper()
	id := uuid(r.clock, n)
	f := &session{r: r, path: filepath.Join(r.home, "sessions", r.clock.Format("2006/01/02"), "rollout-"+r.clock.Format("2006-01-02T15-04-05")+"-"+id+".jsonl")}
	r.must(os.MkdirAll(filepath.Dir(f.path), 0o700))
	meta := map[string]any{"id": id}
	if fork != "" {
		meta["forked_from_id"] = fork
	}
	f.line("session_meta", meta)
	return f
}

func (f *session) raw(text string) {
	f.r.t.Helper()
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	f.r.must(err)
	_, err = file.WriteString(text)
	f.r.must(err)
	f.r.must(file.Close())
	f.r.must(os.Chtimes(f.path, f.r.clock, f.r.clock))
}

func (f *session) line(kind string, payload any) {
	f.r.t.Helper()
	f.raw(f.text(kind, payload) + "\n")
}

func (f *session) text(kind string, payload any) string {
	f.r.t.Helper()
	text, err := json.Marshal(payload)
	f.r.must(err)
	return fmt.Sprintf(`{"timestamp":%q,"type":%q,"payload":%s}`, f.r.clock.Format("2006-01-02T15:04:05.000Z"), kind, text)
}

func (f *session) turn(model string) {
	f.r.t.Helper()
	f.line("turn_context", map[string]any{"turn_id": uuid(f.r.clock, 1), "model": model})
}

// answer is one answer of the model.
func (f *session) answer(input, cached, output, reasoning count) {
	f.r.t.Helper()
	f.raw(f.answerText(input, cached, output, reasoning) + "\n")
}

func (f *session) answerText(input, cached, output, reasoning count) string {
	f.r.t.Helper()
	last := counters{input, cached, output, reasoning}
	f.total = counters{f.total.Input + input, f.total.Cached + cached, f.total.Output + output, f.total.Reasoning + reasoning}
	return f.text("event_msg", json.RawMessage(`{"type":"token_count",`+strings.TrimPrefix(asText(f.r.t, map[string]any{
		"info": map[string]any{"total_token_usage": f.total, "last_token_usage": last},
	}), "{")))
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
