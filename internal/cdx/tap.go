package cdx

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// tap listens to the exchanges with the gateway for what answers say beside their content, and for --debug. It never
// looks at a header of ours or at a body: the key and the login are there.
type tap struct {
	next http.RoundTripper
	app  *app

	mu               sync.Mutex
	date             time.Time // the gateway's clock, at heard; zero: no answer said
	heard            time.Time
	certificateUntil time.Time // zero: no TLS, or no answer
}

// RoundTrip implements http.RoundTripper.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	response, err := t.next.RoundTrip(r)
	took := time.Since(began)
	if err != nil {
		t.app.debug("%s %s: %v, %d ms", r.Method, r.URL.Path, withoutURL(err), took.Milliseconds())
		return nil, err
	}
	t.app.debug("%s %s: %d, %d ms", r.Method, r.URL.Path, response.StatusCode, took.Milliseconds())
	t.learn(response, took)
	return response, nil
}

func (t *tap) learn(response *http.Response, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tls := response.TLS; tls != nil && len(tls.PeerCertificates) > 0 {
		t.certificateUntil = tls.PeerCertificates[0].NotAfter
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		// The answer was dated somewhere on its way, cut off to the second.
		t.date, t.heard = date.Add(time.Second/2), time.Now().Add(-took/2)
	}
}

// clockSkew is how far this machine's clock, now, is ahead of the gateway's, to about a second; false: no answer said.
func (t *tap) clockSkew(now time.Time) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Sub(t.date.Add(time.Since(t.heard))), !t.date.IsZero()
}

// maxSkew is how wrong a clock may be before somebody is told: logins are compared by times in them.
const maxSkew = time.Minute

// skewWords says how wrong this machine's clock is: "11 min ahead of the gateway's".
func skewWords(skew time.Duration) string {
	if skew < 0 {
		return screen.Span(-skew) + " behind the gateway's"
	}
	return screen.Span(skew) + " ahead of the gateway's"
}

// debug says on standard error what cdx does, if somebody asked for it. Nothing secret may be given to it.
func (a *app) debug(format string, args ...any) {
	if a.options.debug {
		_, _ = fmt.Fprintln(a.Stderr, "cdx:", screen.Clean(fmt.Sprintf(format, args...)))
	}
}

// certificate is until when the gateway's certificate is valid; zero: not known.
func (t *tap) certificate() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.certificateUntil
}
