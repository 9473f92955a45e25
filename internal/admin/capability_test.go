package admin

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
)

// What each route needs. Whoever adds one decides that here, too.
func TestEveryRouteSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	want := map[string]access.Capability{
		"POST /admin/hosts/register":            access.HostEnrol,
		"DELETE /admin/hosts/{}":                access.HostWrite,
		"POST /admin/auth/seed-command":         access.SeedWrite,
		"GET /admin/overview":                   access.HostRead,
		"GET /admin/hosts":                      access.HostRead,
		"GET /admin/hosts/insecure":             access.HostRead,
		"GET /admin/hosts/{}/auth":              access.HostRead,
		"POST /admin/hosts/{}/clear":            access.HostWrite,
		"POST /admin/hosts/{}/roaming":          access.HostWrite,
		"POST /admin/hosts/{}/secure":           access.HostWrite,
		"POST /admin/hosts/{}/insecure/enable":  access.HostWrite,
		"POST /admin/hosts/{}/insecure/disable": access.HostWrite,
		"POST /admin/hosts/{}/vip":              access.HostWrite,
		"POST /admin/hosts/{}/ipv4":             access.HostWrite,
		"POST /admin/hosts/{}/curl-insecure":    access.HostWrite,
		"POST /admin/hosts/{}/model":            access.HostWrite,
		"POST /admin/hosts/{}/codex-version":    access.HostWrite,
		"POST /admin/auth/upload":               access.CredentialWrite,
		"GET /admin/api/state":                  access.PolicyRead,
		"POST /admin/api/state":                 access.PolicyWrite,
		"GET /admin/quota-mode":                 access.PolicyRead,
		"POST /admin/quota-mode":                access.PolicyWrite,
		"GET /admin/cdx-silent":                 access.PolicyRead,
		"POST /admin/cdx-silent":                access.PolicyWrite,
		"POST /admin/codex-version":             access.PolicyWrite,
		"POST /admin/prune-policy":              access.PolicyWrite,
		"GET /admin/logs":                       access.AuditRead,
		"GET /admin/usage":                      access.UsageRead,
		"GET /admin/usage/ingests":              access.UsageRead,
		"GET /admin/usage/cost-history":         access.UsageRead,
		"GET /admin/tokens":                     access.UsageRead,
		"GET /admin/slash-commands":             access.LibraryRead,
		"GET /admin/slash-commands/{}":          access.LibraryRead,
		"DELETE /admin/slash-commands/{}":       access.LibraryWrite,
		"POST /admin/slash-commands/store":      access.LibraryWrite,
	}
	s := New(Config{})
	if got := s.Capabilities(); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if routes := s.Routes(); !slices.Equal(routes, slices.Sorted(maps.Keys(want))) {
		t.Errorf("got routes %q, want those that need something", routes)
	}
	for route, needs := range want {
		if !access.Known(needs) {
			t.Errorf("%s needs %s, which nobody has", route, needs)
		}
	}
}

// What a host is to have, viewers and operators may know; the login itself only owners see. This is decided before anything is
// looked up.
func TestOnlyOwnersSeeTheLogin(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for _, role := range []access.Role{"", access.Viewer, access.Operator, "admin"} {
		for _, value := range []string{"1", "true", "yes", "ON"} {
			var v visitor
			v.Role = role
			r := &call.Request{Request: httptest.NewRequest(http.MethodGet, "/admin/hosts/1/auth?include_body="+value, nil), Param: "1"}
			if answer, err := s.hostAuth(r, v); answer != nil || !errors.Is(err, ErrForbiddenRole) {
				t.Errorf("%q, %s: got %v, %v", role, value, answer, err)
			}
		}
	}
}
