package door

import (
	"mime"
	"net/http"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals of what a browser sends that was tricked into it.
var (
	ErrContentType = errs.New(errs.Unsupported, "json_required", "Content-Type must be application/json")
	ErrFormWanted  = errs.New(errs.Unsupported, "form_required", "this address takes what a form of the dashboard posts")
	ErrCrossOrigin = errs.New(errs.Forbidden, "cross_origin", "cross-origin request refused")
)

// CookieName is the session's cookie. Its prefix makes browsers take it over TLS only, from this very host, for all paths.
const CookieName = "__Host-cdxgate"

// defendCall refuses calls that change something and may be another site's idea. by is how the caller was identified.
func (d *Door) defendCall(r *call.Request, by access.Kind) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := err == nil && kind == "application/json"
	if !isSafe(r.Method) {
		if err := d.origin.Check(r.Request); err != nil {
			return ErrCrossOrigin.WithCause(err)
		}
		if by == access.Session && !fromItself(r.Request) {
			return ErrCrossOrigin
		}
	}
	if len(r.Body) > 0 && !isJSON && !r.IsForm {
		return ErrContentType
	}
	// A browser that does not say where a request comes from can be made to post a form; other methods, and this type, it
	// sends to its own site only. A certificate goes along by itself, an API token does not.
	says := r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
	if r.Method == http.MethodPost && !says && !isJSON && by != access.Token {
		return ErrContentType
	}
	return nil
}

// defendPage refuses what a form posts unless a browser says that the form is one of our own pages, however the caller was
// identified: no script has business with forms, so silence is no. It takes forms only. A page it refuses to another site that does
// not lead to it but loads it, which a certificate goes along with as well: whoever can have it loaded can have the fleet counted
// and exported over and over, and learns from the time that takes what is in there.
func (d *Door) defendPage(r *call.Request, _ access.Kind) error {
	if isSafe(r.Method) {
		if isEmbedded(r.Request) {
			return ErrCrossOrigin
		}
		return nil
	}
	if !d.FromOwnPage(r.Request) {
		return ErrCrossOrigin
	}
	if len(r.Body) > 0 && !r.IsForm {
		return ErrFormWanted
	}
	return nil
}

// FromOwnPage reports whether a browser says that a request which changes something comes from a page of the same origin.
func (d *Door) FromOwnPage(r *http.Request) bool { return d.origin.Check(r) == nil && fromItself(r) }

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isEmbedded reports whether a browser says that a page of another origin loads this for itself: as a script, an image, a frame.
func isEmbedded(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// fromItself reports whether a browser says that a request comes from a page of the same origin, or from the user
// himself. Silence is no.
func fromItself(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return r.Header.Get("Origin") == scheme+"://"+r.Host
}
