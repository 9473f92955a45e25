package usage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// gateway records reports, and nothing twice under one key.
type gateway struct {
	recorded map[string]string // key → report
	sum      Tokens
}

func (g *gateway) take(t *testing.T, report *api.SyncUsage) {
	t.Helper()
	text := asText(t, report.Usages)
	if before, known := g.recorded[report.IdempotencyKey]; known {
		if before != text {
			t.Fatalf("got another report under the same key:\n%s\n%s", before, text)
		}
		return
	}
	g.recorded[report.IdempotencyKey] = text
	for _, e := range entriesOf(t, report) {
		g.sum = g.sum.plus(e.Tokens)
	}
}

// killed is how a test ends a process.
type killed struct{ at string }

// TestKilledAtEveryStep plays random histories in which Codex works, cdx is killed at any step and answers are lost. In
// the end the gateway has recorded what was used, no more and no less. It is not parallel: files.Step belongs to the process.
func TestKilledAtEveryStep(t *testing.T) { //nolint:paralleltest // see above
	t.Cleanup(func() { files.Step = nil })
	for seed := range uint64(60) {
		playHistory(t, seed)
	}
}

func playHistory(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 4))
	r, g := begun(t), &gateway{recorded: map[string]string{}}
	var threads []*session
	var used Tokens
	var log []string
	for range 40 {
		r.pass(time.Duration(1+random.IntN(int(2*time.Hour/time.Millisecond))) * time.Millisecond)
		switch n := random.IntN(10); {
		case n == 0 || len(threads) == 0:
			threads = append(threads, r.start(len(threads), ""))
			log = append(log, "start")
		case n < 5:
			f := threads[random.IntN(len(threads))]
			f.turn(string(rune('a' + random.IntN(3))))
			input, output := count(random.IntN(1000)), count(random.IntN(100))
			f.answer(input, input/2, output, output/2)
			used = used.plus(counters{input, input / 2, output, output / 2}.tokens())
			log = append(log, "answer")
		default:
			log = append(log, r.process(random, g))
		}
	}
	files.Step = nil
	r.pass(time.Second)
	r.collect(noon)
	for report := r.next(); report != nil; report = r.next() {
		g.take(t, report)
		r.must(r.Acknowledge(report.IdempotencyKey))
	}
	if g.sum != used {
		t.Fatalf("seed %d: the gateway has %+v, want %+v:\n%s", seed, g.sum, used, strings.Join(log, "\n"))
	}
}

// process is one cdx: it collects and reports, and may be killed at a random step.
func (r *rig) process(random *rand.Rand, g *gateway) (said string) {
	r.t.Helper()
	steps := random.IntN(14)
	files.Step = func(what string) {
		if steps == 0 {
			panic(killed{what})
		}
		steps--
	}
	defer func() {
		files.Step = nil
		if died := recover(); died != nil {
			at, ok := died.(killed)
			if !ok {
				panic(died)
			}
			said = fmt.Sprintf("killed at %s", at.at)
		}
	}()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	if random.IntN(8) == 0 {
		cancel()
	}
	_, err := r.Collect(ctx, r.clock)
	r.must(err)
	for report := r.next(); report != nil; report = r.next() {
		g.take(r.t, report)
		files.Reach("recorded")
		if random.IntN(3) == 0 {
			return "the answer was lost"
		}
		r.must(r.Acknowledge(report.IdempotencyKey))
	}
	return "reported"
}
