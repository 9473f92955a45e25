package admin

import (
	"maps"
	"slices"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
)

// What each route needs. Whoever adds one decides that here, too.
func TestEveryRouteSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	want := map[string]access.Capability{
		"POST /admin/hosts/register":                     access.HostEnrol,
		"DELETE /admin/hosts/{}":                         access.HostWrite,
		"POST /admin/auth/seed-command":                  access.SeedWrite,
		"GET /admin/overview":                            access.HostRead,
		"GET /admin/hosts":                               access.HostRead,
		"GET /admin/hosts/insecure":                      access.HostRead,
		"GET /admin/hosts/{}/auth":                       access.HostRead,
		"POST /admin/hosts/{}/clear":                     access.HostWrite,
		"POST /admin/hosts/{}/roaming":                   access.HostWrite,
		"POST /admin/hosts/{}/secure":                    access.HostWrite,
		"POST /admin/hosts/{}/insecure/enable":           access.HostWrite,
		"POST /admin/hosts/{}/insecure/disable":          access.HostWrite,
		"POST /admin/hosts/{}/vip":                       access.HostWrite,
		"POST /admin/hosts/{}/ipv4":                      access.HostWrite,
		"POST /admin/hosts/{}/curl-insecure":             access.HostWrite,
		"POST /admin/hosts/{}/model":                     access.HostWrite,
		"POST /admin/hosts/{}/codex-version":             access.HostWrite,
		"POST /admin/hosts/{}/suspend":                   access.HostWrite,
		"POST /admin/hosts/{}/resume":                    access.HostWrite,
		"POST /admin/hosts/{}/unbind":                    access.HostWrite,
		"POST /admin/hosts/{}/rotate":                    access.HostWrite,
		"POST /admin/hosts/{}/rename":                    access.HostWrite,
		"GET /admin/hosts/{}/labels":                     access.HostRead,
		"POST /admin/hosts/{}/labels":                    access.HostWrite,
		"POST /admin/hosts/batch":                        access.HostWrite,
		"POST /admin/auth/upload":                        access.CredentialWrite,
		"GET /admin/auth/generations":                    access.CredentialRead,
		"GET /admin/auth/generations/{}":                 access.CredentialRead,
		"POST /admin/auth/rollback":                      access.CredentialWrite,
		"POST /admin/auth/reveal":                        access.CredentialReveal,
		"GET /admin/auth/proposals":                      access.CredentialRead,
		"POST /admin/auth/proposals/{}/adopt":            access.CredentialWrite,
		"POST /admin/auth/proposals/{}/discard":          access.CredentialWrite,
		"POST /admin/auth/proposals/{}/reopen":           access.CredentialWrite,
		"GET /admin/api/state":                           access.PolicyRead,
		"POST /admin/api/state":                          access.PolicyWrite,
		"GET /admin/quota-mode":                          access.PolicyRead,
		"POST /admin/quota-mode":                         access.PolicyWrite,
		"GET /admin/cdx-silent":                          access.PolicyRead,
		"POST /admin/cdx-silent":                         access.PolicyWrite,
		"POST /admin/codex-version":                      access.PolicyWrite,
		"POST /admin/prune-policy":                       access.PolicyWrite,
		"POST /admin/versions/check":                     access.PolicyWrite,
		"GET /admin/runner":                              access.CredentialRead,
		"POST /admin/runner/run":                         access.CredentialWrite,
		"GET /admin/logs":                                access.AuditRead,
		"GET /admin/usage":                               access.UsageRead,
		"GET /admin/usage/ingests":                       access.UsageRead,
		"GET /admin/usage/cost-history":                  access.UsageRead,
		"GET /admin/tokens":                              access.UsageRead,
		"GET /admin/chatgpt/usage":                       access.UsageRead,
		"GET /admin/chatgpt/usage/history":               access.UsageRead,
		"POST /admin/chatgpt/usage/refresh":              access.QuotaRefresh,
		"GET /admin/slash-commands":                      access.LibraryRead,
		"GET /admin/slash-commands/{}":                   access.LibraryRead,
		"DELETE /admin/slash-commands/{}":                access.LibraryWrite,
		"POST /admin/slash-commands/store":               access.LibraryWrite,
		"GET /admin/slash-commands/{}/versions":          access.LibraryRead,
		"POST /admin/slash-commands/{}/restore":          access.LibraryWrite,
		"GET /admin/slash-command-proposals":             access.LibraryRead,
		"GET /admin/slash-command-proposals/{}":          access.LibraryRead,
		"POST /admin/slash-command-proposals/{}/accept":  access.LibraryWrite,
		"POST /admin/slash-command-proposals/{}/discard": access.LibraryWrite,
		"GET /admin/certificates":                        access.AdminRead,
		"POST /admin/certificates/revoke":                access.AdminWrite,
		"GET /admin/api-tokens":                          access.AdminRead,
		"POST /admin/api-tokens":                         access.AdminWrite,
		"DELETE /admin/api-tokens/{}":                    access.AdminWrite,
		"GET /admin/sessions":                            access.AdminRead,
		"DELETE /admin/sessions/{}":                      access.AdminWrite,
		"GET /admin/whoami":                              access.Self,
		"GET /admin/openapi.json":                        access.Self,
		"GET /dashboard/api":                             access.Self,
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

func TestARouteWithoutACapabilityStopsTheStart(t *testing.T) {
	t.Parallel()
	serve := func(*call.Request, audit.Actor) (any, error) { return nil, nil }
	for name, add := range map[string]func(*Surface){
		"none":          func(s *Surface) { s.handle("GET", "/admin/new", "", serve) },
		"nobody's":      func(s *Surface) { s.handle("GET", "/admin/new", "host.destroy", serve) },
		"around handle": func(s *Surface) { s.Handle("GET", "/admin/new", nil); s.demandCapabilities() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Config{})
			defer func() {
				if recover() == nil {
					t.Error("got a surface, want none")
				}
			}()
			add(s)
		})
	}
}
