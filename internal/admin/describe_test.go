package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// A route without a description, or a description without a route, is a line missing in New or in describe.go.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	var described []string
	s := admin.New(admin.Config{})
	for _, group := range s.Describe() {
		for _, o := range group.Operations {
			described = append(described, o.Route())
			needs := s.Capabilities()[o.Route()]
			if wants := needs != access.Self && needs != "-"; wants != (o.Who == "an admin with "+string(needs)) || (needs == "-") != (len(group.Security) == 0) {
				t.Errorf("%s: it is described to be for %q with %q; it needs %s", o.Route(), o.Who, group.Security, needs)
			}
		}
	}
	slices.Sort(described)
	if routes := s.Routes(); !slices.Equal(described, routes) {
		t.Errorf("described are\n%s\nserved are\n%s", strings.Join(described, "\n"), strings.Join(routes, "\n"))
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	site := o.AdminSite(t, access.Kinds...)
	for path, kind := range map[string]string{api.PathOpenAPI: "application/json", api.PathAPIPage: "text/html; charset=utf-8"} {
		a := o.DoAdmin(t, o.admin, gatewaytest.Request{Path: path})
		etag := a.Header.Get("Etag")
		if a.Status != 200 || a.Header.Get("Content-Type") != kind || a.Header.Get("Cache-Control") != "no-cache" || len(etag) != 34 {
			t.Fatalf("%s: got %d %v", path, a.Status, a.Header)
		}
		for _, part := range []string{gatewaytest.PublicURL, gatewaytest.Version, api.PathAuth, api.PathHostRegister, string(access.HostEnrol)} {
			if !strings.Contains(string(a.Body), part) {
				t.Errorf("%s has no %s", path, part)
			}
		}
		again := o.DoAdmin(t, o.admin, gatewaytest.Request{Path: path, Header: http.Header{"If-None-Match": {etag}}})
		if again.Status != http.StatusNotModified || len(again.Body) != 0 {
			t.Errorf("%s: got %d and %d bytes for what the caller has", path, again.Status, len(again.Body))
		}
		head := o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodHead, Path: path})
		if head.Status != 200 || len(head.Body) != 0 || head.Header.Get("Etag") != etag {
			t.Errorf("%s: got %d %v for HEAD", path, head.Status, head.Header)
		}
		o.DoAdmin(t, o.admin, gatewaytest.Request{Path: path, Body: `{}`}).Refused(t, 405, "method_not_allowed", "Method not allowed")
		site.Do(t, o.AdminClient(t, "", ""), gatewaytest.Request{Path: path}).Refused(t, 403, "admin_certificate_required", "mTLS client certificate required")
	}
}

// The page runs nothing and loads nothing; its policy allows its one style and would allow no other.
func TestThePageIsInert(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.DoAdmin(t, o.admin, gatewaytest.Request{Path: api.PathAPIPage})
	for header, values := range admin.Headers() {
		if header != "Content-Security-Policy" && a.Header.Get(header) != values[0] {
			t.Errorf("got %s %q, want %q", header, a.Header.Get(header), values[0])
		}
	}
	page := string(a.Body)
	_, style, _ := strings.Cut(page, "<style>")
	style, _, found := strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
	if got := a.Header.Get("Content-Security-Policy"); !found || got != policy {
		t.Errorf("got policy\n%s\nwant\n%s", got, policy)
	}
	for _, part := range []string{"<script", "<link", "<img", "<iframe", "<form", "style=", "onload", "javascript:", "url(", "@import"} {
		if strings.Contains(page, part) {
			t.Errorf("the page has %s", part)
		}
	}
}
