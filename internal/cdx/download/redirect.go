package download

import (
	"errors"
	"net"
	"net/http"
	"net/url"
)

// maxRedirects is how often a release server may send on: GitHub does it once.
const maxRedirects = 10

// ErrRedirect means that a server sends on to a place where a download must not go.
var ErrRedirect = errors.New("it redirects to an address that is not safe")

// Following returns client with redirects followed from HTTPS to HTTPS. Where it all began on this machine without TLS,
// it may go on there. No cookies are kept.
func Following(client *http.Client) *http.Client {
	following := *client
	following.Jar = nil
	following.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		if len(before) >= maxRedirects || !mayFollow(before[0].URL, next.URL) {
			return ErrRedirect
		}
		next.Header.Del("Referer") // it may carry a passing signature
		return nil
	}
	return &following
}

func mayFollow(from, to *url.URL) bool {
	switch {
	case to.User != nil:
		return false
	case to.Scheme == "https":
		return true
	default:
		return IsLocal(from) && IsLocal(to)
	}
}

// IsLocal reports whether u is a plain HTTP address of this very machine.
func IsLocal(u *url.URL) bool {
	if u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
