package dashboard

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// pathEvents is the stream of changes: Server-Sent Events.
const pathEvents = "/dashboard/events"

// ErrTooManyStreams is one more page that wants to be told than the gateway tells at once.
var ErrTooManyStreams = errs.New(errs.Unavailable, "too_many_streams", "Too many pages are open; this one shows what was true when it was loaded").Later(30 * time.Second)

// LiveConfig bounds the streams. The zero value is ready for production.
type LiveConfig struct {
	Every   time.Duration // how often the database is asked what has changed, while anybody wants to know. Default: 1 s
	Beat    time.Duration // how often a stream says that it is there. Default: 10 s
	Recheck time.Duration // how often its visitor is identified again. Default: 5 s
	Streams int           // at once. Default: 256
}

func (c LiveConfig) orDefaults() LiveConfig {
	or := func(d *time.Duration, fallback time.Duration) {
		if *d == 0 {
			*d = fallback
		}
	}
	or(&c.Every, time.Second)
	or(&c.Beat, 10*time.Second)
	or(&c.Recheck, 5*time.Second)
	if c.Streams == 0 {
		c.Streams = 256
	}
	return c
}

// topics are what a stream tells of, in the order of an event's id. Pages name them: hx-trigger="cdx:hosts from:body".
var topics = [...]string{"audit", "hosts", "usage", "policy", "credential", "library", "quota"}

// marks say how things stand, by topic: a number that is another one after a change. The zero value is not known.
type marks [len(topics)]int64

// String is the id of an event after which things stand like this.
func (m marks) String() string {
	texts := make([]string, 0, len(m))
	for _, mark := range m {
		texts = append(texts, strconv.FormatInt(mark, 36))
	}
	return strings.Join(texts, ".")
}

// parseMarks reads an id; false: it is none of this gateway's.
func parseMarks(id string) (m marks, ok bool) {
	texts := strings.Split(id, ".")
	if len(texts) != len(m) {
		return m, false
	}
	for i, text := range texts {
		mark, err := strconv.ParseInt(text, 36, 64)
		if err != nil {
			return marks{}, false
		}
		m[i] = mark
	}
	return m, true
}

// since lists the topics that have changed.
func (m marks) since(before marks) (changed []string) {
	for i, topic := range topics {
		if m[i] != before[i] {
			changed = append(changed, topic)
		}
	}
	return changed
}

// live tells all streams what has changed. It asks the database for all of them at once, and only while there are any.
type live struct {
	cfg    LiveConfig
	read   func(context.Context) (marks, error)
	logger *slog.Logger

	mu      sync.Mutex
	closed  chan struct{} // when no stream is to go on
	streams int
	stop    context.CancelFunc // of the poll; nil: nobody looks
	now     marks
	changed chan struct{} // closed, and replaced, when now changes; nil until the first answer
}

func newLive(cfg LiveConfig, read func(context.Context) (marks, error), logger *slog.Logger) *live {
	return &live{cfg: cfg.orDefaults(), read: read, logger: logger, closed: make(chan struct{}), changed: make(chan struct{})}
}

// join counts a stream in; leave must be called. Errors: ErrTooManyStreams.
func (l *live) join() (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams >= l.cfg.Streams {
		return nil, ErrTooManyStreams
	}
	l.streams++
	if l.streams == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		l.stop = cancel
		go l.poll(ctx)
	}
	return l.leave, nil
}

func (l *live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams--; l.streams == 0 {
		l.stop()
	}
}

// close ends all streams, those to come included.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
}

// state is how things stand, and what is closed when they stand otherwise.
func (l *live) state() (marks, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

// poll asks until ctx ends. A database that does not answer changes nothing: pages say how old they are.
func (l *live) poll(ctx context.Context) {
	ticker := time.NewTicker(l.cfg.Every)
	defer ticker.Stop()
	for failed := false; ; {
		asked, cancel := call.Bound(ctx)
		now, err := l.read(asked)
		cancel()
		switch {
		case err == nil:
			l.set(now)
		case !failed:
			l.logger.Warn("pages are not told what changes until the database answers", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l *live) set(now marks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now != l.now {
		l.now = now
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// readMarks asks the database.
func (s *Surface) readMarks(ctx context.Context) (marks, error) {
	row, err := s.cfg.Store.LiveMarks(ctx)
	if err != nil {
		return marks{}, fmt.Errorf("asking what has changed: %w", err)
	}
	return marks{row.Audit, row.Hosts, row.Usage, row.Policy, row.Credential, row.Library, row.Quota}, nil
}

// events serves the stream. Each change is an event named by its topic, whose id says how things stand, so that a browser that
// comes back is told what it has missed. The stream ends with the visitor's session or certificate, and when the gateway stops or
// is configured anew; a browser then comes back by itself after a second.
func (s *Surface) events(w http.ResponseWriter, r *call.Request) (any, error) {
	if _, err := s.cfg.Door.AdmitBrowser(r, s.needs[http.MethodGet+" "+pathEvents]); err != nil {
		return nil, err
	}
	leave, err := s.live.join()
	if err != nil {
		return nil, err
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead { // nothing would be told
		return nil, nil
	}
	w.Header().Set("Cache-Control", "no-store, no-transform") // the second has encode leave it alone
	w.Header().Set("X-Accel-Buffering", "no")                 // and a proxy pass on what there is
	st := stream{w: w, control: http.NewResponseController(w)}
	if !st.send("retry: 1000\n\n") {
		return nil, nil
	}
	s.follow(r, &st)
	return nil, nil
}

// follow tells a stream what changes until it ends.
func (s *Surface) follow(r *call.Request, st *stream) {
	beat, recheck := time.NewTicker(s.live.cfg.Beat), time.NewTicker(s.live.cfg.Recheck)
	defer beat.Stop()
	defer recheck.Stop()
	told, knows := parseMarks(r.Header.Get("Last-Event-Id"))
	for {
		now, changed := s.live.state()
		if now != (marks{}) { // it has been asked at least once
			if !knows {
				told, knows = now, true
				if !st.event("hello", now) {
					return
				}
			}
			for _, topic := range now.since(told) {
				if !st.event(topic, now) {
					return
				}
			}
			told = now
		}
		select {
		case <-changed:
		case <-beat.C:
			if !st.event("beat", told) {
				return
			}
		case <-recheck.C:
			if s.cfg.Door.Recheck(r) != nil {
				return
			}
		case <-s.live.closed:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stream is one browser that is told.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// sendTimeout bounds a write to a browser that does not read.
const sendTimeout = 10 * time.Second

func (st *stream) event(name string, now marks) bool {
	return st.send("event: " + name + "\nid: " + now.String() + "\ndata: " + now.String() + "\n\n")
}

// send reports whether the browser is still there.
func (st *stream) send(text string) bool {
	_ = st.control.SetWriteDeadline(time.Now().Add(sendTimeout)) // a writer without deadlines is somebody else's to bound
	// HTTP/2 resets a stream when its deadline passes, whether anything is being written or not.
	defer func() { _ = st.control.SetWriteDeadline(time.Time{}) }()
	if _, err := st.w.Write([]byte(text)); err != nil {
		return false
	}
	return st.control.Flush() == nil
}
