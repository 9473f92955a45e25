package admin

import (
	"maps"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
)

// What each route needs. Whoever adds one decides that here, too.
func TestEveryRouteSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	want := map[string]access.Capability{
		"GET /admin/whoami":             access.Self,
		"POST /admin/hosts/register":    access.HostEnrol,
		"DELETE /admin/hosts/{}":        access.HostWrite,
		"POST /admin/auth/seed-command": access.SeedWrite,
		"GET /dashboard/login":          openToAll,
		"GET /dashboard/login/{}":       openToAll,
		"POST /dashboard/login/{}":      openToAll,
	}
	s := New(Config{})
	if got := s.Capabilities(); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for _, route := range s.Routes() {
		if s.needs[route] == "" {
			t.Errorf("%s needs nothing", route)
		}
	}
}

func TestARouteWithoutACapabilityStopsTheStart(t *testing.T) {
	t.Parallel()
	serve := func(*call.Request, audit.Actor) (any, error) { return nil, nil }
	for name, add := range map[string]func(*Surface){
		"none":            func(s *Surface) { s.handle("GET", "/admin/new", "", serve) },
		"nobody's":        func(s *Surface) { s.handle("GET", "/admin/new", "host.destroy", serve) },
		"the pages' mark": func(s *Surface) { s.handle("GET", "/admin/new", openToAll, serve) },
		"around handle":   func(s *Surface) { s.Handle("GET", "/admin/new", nil); s.demandCapabilities() },
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
