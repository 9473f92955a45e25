package pgembed

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// logLinePrefix makes PostgreSQL put the kind of process and its ID before each message: "checkpointer[4711] LOG:  …".
const logLinePrefix = "%b[%p] "

var logLine = regexp.MustCompile(`^(?:([a-z ]+)\[(\d+)\] )?([A-Z]+[1-5]?):  (.*)$`)

const (
	maxLogLine = 4096 // bytes; the rest of a longer line is dropped
	keptLines  = 20   // for the error of a failed start
	drainTime  = time.Second
)

// logPump carries what PostgreSQL prints to our logger.
//
// It withholds what the sessions of clients cause, except for their end: such messages may quote the values that a client sent
// ("invalid input syntax for type inet: …"), and the client, who is us, gets each as an error and knows better whether it is one.
type logPump struct {
	from    *os.File
	logger  *atomic.Pointer[slog.Logger]
	done    chan struct{}
	serving atomic.Bool // what is normal while it starts and stops is news while it serves

	withheld bool       // the last message was; so are its further lines
	level    slog.Level // of the last message

	mu   sync.Mutex
	kept []string
}

func newLogPump(from *os.File, logger *atomic.Pointer[slog.Logger]) *logPump {
	p := &logPump{from: from, logger: logger, done: make(chan struct{})}
	go p.run()
	return p
}

// run reads to the end, whatever happens: PostgreSQL stands still when the pipe is full.
func (p *logPump) run() {
	defer close(p.done)
	lines := bufio.NewReaderSize(p.from, maxLogLine)
	for {
		line, cut, err := lines.ReadLine()
		if err != nil {
			return
		}
		p.take(strings.ToValidUTF8(string(line), "?"))
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
	}
}

// take logs one line.
func (p *logPump) take(line string) {
	match := logLine.FindStringSubmatch(line)
	text, process, pid := strings.TrimSpace(line), "", ""
	if match != nil {
		process, pid = match[1], match[2]
		if p.judge(process, match[3]) {
			text = match[3] + ": " + match[4]
		}
	}
	if p.withheld || text == "" {
		return
	}
	p.keep(text)
	p.logger.Load().LogAttrs(context.Background(), p.level, "PostgreSQL says",
		slog.String("text", text), slog.String("process", process), slog.String("pid", pid))
}

// judge decides about a message by the kind of process and its severity. It reports false for a word that is no severity;
// lines that belong to the message before them, such as DETAIL, share its fate.
func (p *logPump) judge(process, severity string) bool {
	client := process == "client backend"
	switch severity {
	case "PANIC":
		p.level, p.withheld = slog.LevelError, false
	case "FATAL":
		p.level, p.withheld = slog.LevelError, false
		if client { // a session ended: refused, or cut by a shutdown
			p.level = slog.LevelWarn
			if !p.serving.Load() {
				p.level = slog.LevelDebug
			}
		}
	case "ERROR", "WARNING":
		p.level, p.withheld = slog.LevelWarn, client
	case "LOG":
		p.level, p.withheld = slog.LevelDebug, client
		if process == "postmaster" && p.serving.Load() {
			p.level = slog.LevelInfo // such as a crash of one of its processes
		}
	case "DETAIL", "HINT", "CONTEXT", "QUERY", "STATEMENT", "LOCATION":
		p.withheld = p.withheld || client
	case "INFO", "NOTICE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		p.level, p.withheld = slog.LevelDebug, client
	default:
		return false
	}
	return true
}

func (p *logPump) keep(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, text)
	p.kept = p.kept[max(0, len(p.kept)-keptLines):]
}

// last returns the last lines, the oldest first.
func (p *logPump) last() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

// drain reads what is left after the end of the postmaster, and then lets go: its children may live a little longer.
func (p *logPump) drain() {
	select {
	case <-p.done:
	case <-time.After(drainTime):
	}
	_ = p.from.Close() // ends run
}
