package github

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A proxy's password is told to nobody, not even when its address cannot be read.
func TestProxyStaysUnsaid(t *testing.T) {
	t.Parallel()
	client := New("http://192.0.2.1")
	client.http.Transport.(*http.Transport).Proxy = quietly(func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://user:planted@a b"`)
	})
	if _, err := client.Latest(t.Context(), ""); err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("got %v", err)
	}
	via := &url.URL{Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("user", "planted")}
	client.http.Transport.(*http.Transport).Proxy = quietly(http.ProxyURL(via))
	if _, err := client.Latest(t.Context(), ""); err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v, want that the proxy was asked, which is not there", err)
	}
}
