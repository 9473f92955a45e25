package admin

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
	ErrCrossOrigin = errs.New(errs.Forbidden, "cross_origin", "cross-origin request refused")
)

// Headers are what every answer of the surface has: none of them is ever a page that runs, loads or frames anything, and
// none is what its first bytes look like.
func Headers() http.Header {
	return http.Header{
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Referrer-Policy":              {"same-origin"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
	}
}

// defend refuses requests that change something and may be another site's idea. by is how the caller was identified.
func (s *Surface) defend(r *call.Request, by access.Kind) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := err == nil && kind == "application/json"
	if !isSafe(r.Method) {
		if err := s.origin.Check(r.Request); err != nil {
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

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
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
