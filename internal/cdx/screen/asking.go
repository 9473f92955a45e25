package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// askAfter is how long the gateway may take before the user is told for what we wait.
const askAfter = 400 * time.Millisecond

// Asking is the line that says which gateway is being asked. It stands until the answer is there.
type Asking struct {
	out   io.Writer
	t     Terminal
	timer *time.Timer

	mu    sync.Mutex
	cells int  // of the line on the terminal
	over  bool // the answer is there
}

// Ask starts to wait for host. After 400 ms a line says so, on terminals that can take it back.
func Ask(out io.Writer, t Terminal, host string) *Asking {
	a := &Asking{out: out, t: t}
	if t.Redraws {
		a.timer = time.AfterFunc(askAfter, func() { a.show("… asking " + field(host, hostCells)) })
	}
	return a
}

func (a *Asking) show(words string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return
	}
	line := a.t.cutSpans(a.t.ready([]span{{quiet, words}}), min(a.t.columns(), layoutWidth))
	a.cells = width(line)
	_, _ = fmt.Fprint(a.out, a.t.paint(Good, line))
}

// Answered takes the line away; what is printed next stands in its place. More than once does nothing more.
func (a *Asking) Answered() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	erase(a.out, a.cells)
	a.cells = 0
}

// erase goes back to the start of a line of so many cells and blanks it. Spaces do that on terminals without escape
// sequences too.
func erase(out io.Writer, cells int) {
	if cells > 0 {
		_, _ = fmt.Fprint(out, "\r"+strings.Repeat(" ", cells)+"\r")
	}
}
