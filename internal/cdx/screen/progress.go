package screen

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

const (
	progressAfter = 500 * time.Millisecond // what is done sooner needs no progress
	redrawEvery   = 100 * time.Millisecond
)

// Progress is one line about a long transfer, drawn over and over. Bytes are counted as they are written to it, by one
// goroutine: io.TeeReader(body, progress). On a pipe only the result is told.
type Progress struct {
	out     io.Writer
	t       Terminal
	name    string
	total   int64 // bytes; 0 if unknown
	now     func() time.Time
	started time.Time

	done  int64
	drawn time.Time // of the last drawing
	cells int       // of the line on the terminal
}

// NewProgress begins a transfer of total bytes (0 if nobody knows) of what name names: "Codex 0.169.0".
func NewProgress(out io.Writer, t Terminal, name string, total int64, now func() time.Time) *Progress {
	return &Progress{out: out, t: t, name: field(name, nameCells), total: total, now: now, started: now()}
}

// Write counts. It never fails: a transfer does not end because it cannot be watched.
func (p *Progress) Write(data []byte) (int, error) {
	p.reach(p.done + int64(len(data)))
	return len(data), nil
}

// Reach is Write for transfers that count themselves: so many bytes have come, of total; 0 if nobody knows.
func (p *Progress) Reach(done, total int64) {
	p.total = total
	p.reach(done)
}

func (p *Progress) reach(done int64) {
	p.done = done
	now := p.now()
	if p.t.Redraws && now.Sub(p.started) >= progressAfter && now.Sub(p.drawn) >= redrawEvery {
		p.drawn = now
		p.draw(now)
	}
}

// Measure says what came in what time: 45.9 MB in 6 s.
func (p *Progress) Measure() string {
	return megabytes(p.done) + " MB in " + Span(p.now().Sub(p.started))
}

// End replaces the line by one that stays.
func (p *Progress) End(state State, words string) {
	erase(p.out, p.cells)
	p.cells = 0
	line := p.t.ready([]span{{mark, p.t.sign(state)}, {blank, " "}, {plain, words}})
	line = p.t.cutSpans(line, p.t.limit(min(p.t.columns(), layoutWidth)))
	_, _ = fmt.Fprintln(p.out, p.t.paint(state, line))
}

// draw draws the longest form that fits over the line before it.
func (p *Progress) draw(now time.Time) {
	columns := min(p.t.columns(), layoutWidth)
	var line []span
	for _, form := range p.forms(now.Sub(p.started)) {
		line = p.t.ready(form)
		if width(line) <= columns {
			break
		}
	}
	line = p.t.cutSpans(line, columns)
	cells := width(line)
	leftover := strings.Repeat(" ", max(0, p.cells-cells))
	_, _ = fmt.Fprint(p.out, "\r"+p.t.paint(Good, line)+leftover)
	p.cells = cells
}

// forms are the line from its longest form to its shortest.
func (p *Progress) forms(elapsed time.Duration) [][]span {
	short, _, _ := strings.Cut(p.name, " ")
	speed := float64(p.done) / elapsed.Seconds() // bytes a second
	rate := ""
	if speed > 0 && !math.IsInf(speed, 0) {
		rate = fmt.Sprintf("%.1f MB/s", speed/1e6)
	}
	head, brief := span{plain, "  " + p.name + "  "}, span{plain, "  " + short + " "}
	// A server that says less than it sends has not said how much it sends.
	if p.total <= 0 || p.done > p.total {
		size := megabytes(p.done) + " MB"
		return [][]span{{head, {plain, list("  ", size, rate)}}, {brief, {plain, size}}}
	}
	share := float64(p.done) / float64(p.total) * 100
	done := fmt.Sprintf("%.0f%%", math.Floor(share)) // 100% is when everything is there
	left := ""
	if rate != "" {
		const longest = 99 * day
		seconds := math.Ceil(float64(p.total-p.done) / speed)
		left = Span(time.Duration(min(seconds, longest.Seconds())) * time.Second)
	}
	size := megabytes(p.done) + " of " + megabytes(p.total) + " MB"
	long := append([]span{head}, p.bar(24, 24, share)...)
	long = append(long, span{plain, list("  ", fmt.Sprintf(" %4s", done), size, rate, left)})
	small := fmt.Sprintf("%s %.0f of %.0f MB", done, math.Floor(float64(p.done)/1e6), math.Ceil(float64(p.total)/1e6))
	narrow := append([]span{brief}, p.bar(16, 14, share)...)
	narrow = append(narrow, span{plain, " " + small})
	return [][]span{long, narrow, {brief, {plain, small}}}
}

// bar draws the share that has come; without UTF-8 in brackets, with cells of its own.
func (p *Progress) bar(cells, asciiCells int, share float64) []span {
	if !p.t.ASCII {
		return bar(cells, share, 0)
	}
	return append(append([]span{{plain, "["}}, bar(asciiCells, share, 0)...), span{plain, "]"})
}

// megabytes writes bytes as millions of them.
func megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }
