package ratelimit

import (
	"net/netip"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// Download names what a Flow bounds, on the wire.
const Download Bucket = "download"

// DownloadBytes is how many bytes one address may have in flight by default: dozens of client builds, so that a fleet
// behind one address updates itself in a moment, and nobody keeps a gateway's connections busy with the largest answer
// it has.
const DownloadBytes = 512 << 20

// flowRetry is when to come back: a build takes seconds.
const flowRetry = 5 * time.Second

// Flow bounds the bytes that are being sent to each address. Unlike a Service it counts in this process, through which
// they go. It is safe for concurrent use.
type Flow struct {
	limit int64

	mu       sync.Mutex
	inFlight map[string]int64 // :: subject → bytes
}

// NewFlow bounds each address to so many bytes at a time.
func NewFlow(limitBytes int64) *Flow { return &Flow{limit: limitBytes, inFlight: map[string]int64{}} }

// Enter counts an answer of so many bytes until leave is called. An answer that is larger than the limit is let through
// alone. Errors: ErrLimited.
func (f *Flow) Enter(from netip.Addr, bytes int64) (leave func(), err error) {
	subject := Subject(from)
	f.mu.Lock()
	defer f.mu.Unlock()
	if busy := f.inFlight[subject]; busy > 0 && busy+bytes > f.limit {
		return nil, ErrLimited.With("bucket", string(Download)).With("limit", f.limit).
			With("reset_at", time.Now().Add(flowRetry).UTC().Format(api.TimeFormat)).Later(flowRetry)
	}
	f.inFlight[subject] += bytes
	return sync.OnceFunc(func() { f.leave(subject, bytes) }), nil
}

func (f *Flow) leave(subject string, bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inFlight[subject] -= bytes; f.inFlight[subject] <= 0 {
		delete(f.inFlight, subject)
	}
}
