package access_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
)

// Each role may do what the one before it may, and something more; nobody else may do anything.
func TestRoles(t *testing.T) {
	t.Parallel()
	var before []access.Capability
	for _, role := range access.Roles {
		may := role.Capabilities()
		if len(may) <= len(before) {
			t.Errorf("%s may do %v, want more than %v", role, may, before)
		}
		for _, capability := range before {
			if !role.May(capability) {
				t.Errorf("%s may not do %s, which a lesser role may", role, capability)
			}
		}
		for _, capability := range may {
			if !access.Known(capability) {
				t.Errorf("%s may do %s, which nobody knows", role, capability)
			}
		}
		before = may
	}
	for _, role := range []access.Role{"", "root", "Owner", "owner "} {
		if role.May(access.Self) || len(role.Capabilities()) != 0 {
			t.Errorf("%q may do %v, want nothing", role, role.Capabilities())
		}
		if _, err := access.ParseRole(string(role)); !errors.Is(err, access.ErrRole) {
			t.Errorf("%q: got %v, want %v", role, err, access.ErrRole)
		}
	}
	for _, capability := range []access.Capability{"", "-", "host.*", "*"} {
		if access.Owner.May(capability) || access.Known(capability) {
			t.Errorf("an owner may do %q", capability)
		}
	}
	for role, never := range map[access.Role][]access.Capability{
		access.Viewer:   {access.HostEnrol, access.HostWrite, access.SeedWrite, access.CredentialWrite, access.PolicyWrite, access.LibraryWrite},
		access.Operator: {access.CredentialReveal, access.AdminRead, access.AdminWrite, access.HostDeliver},
	} {
		for _, capability := range never {
			if role.May(capability) {
				t.Errorf("%s may do %s", role, capability)
			}
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	scopes, err := access.ParseScopes(" host.write,host.enrol, host.write", access.Operator)
	if err != nil || !slices.Equal(scopes, []access.Capability{access.HostEnrol, access.HostWrite}) {
		t.Errorf("got %v, %v", scopes, err)
	}
	if scopes, err := access.ParseScopes("", access.Viewer); scopes != nil || err != nil {
		t.Errorf("got %v, %v; want no bounds", scopes, err)
	}
	for _, text := range []string{"host.write", "host.read,", ",", " ", "admin.write", "host.*", "Host.Read"} {
		if scopes, err := access.ParseScopes(text, access.Viewer); !errors.Is(err, access.ErrScope) {
			t.Errorf("%q: got %v, %v; want %v", text, scopes, err, access.ErrScope)
		}
	}
	for name, c := range map[string]struct {
		grant access.Grant
		want  int // of the owner's capabilities
	}{
		"nothing":                   {access.Grant{}, 0},
		"a list of nothing":         {access.Grant{Role: access.Owner, Scopes: []access.Capability{}}, 1},
		"one":                       {access.Grant{Role: access.Owner, Scopes: []access.Capability{access.HostRead}}, 2},
		"beyond the role":           {access.Grant{Role: access.Viewer, Scopes: []access.Capability{access.AdminWrite}}, 1},
		"scopes without a role":     {access.Grant{Scopes: []access.Capability{access.HostRead}}, 0},
		"the whole role, unbounded": {access.Grant{Role: access.Owner}, len(access.Owner.Capabilities())},
	} {
		if got := c.grant.Capabilities(); len(got) != c.want {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
}
