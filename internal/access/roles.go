// Package access is who may use the admin surface besides holders of certificates, and what each may do: roles and their
// capabilities, API tokens for scripts, one-time login links from the console and the sessions they open.
//
// How somebody is asked who he is, is the surface's business ([internal/admin]); what is found out here is final: an
// unknown role may do nothing, an unknown capability belongs to nobody.
package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// Role is what an admin is. The zero value, like every word that is none of the constants, may do nothing.
type Role string

// The roles, each of which may do what the one before it may.
const (
	Viewer   Role = "viewer"   // sees everything that is no secret
	Operator Role = "operator" // runs the fleet: hosts, its login, library, policies
	Owner    Role = "owner"    // also decides who else may, and sees secrets
)

// Roles are all of them, the least first.
var Roles = []Role{Viewer, Operator, Owner}

// Capability is one thing that an admin may be allowed to do. Every route of the surface needs one.
type Capability string

// The capabilities.
const (
	Self             Capability = "self.read"         // who am I; everybody who was identified
	HostRead         Capability = "host.read"         // hosts, their users and deliveries
	HostEnrol        Capability = "host.enrol"        // make a machine a host, give it a new key
	HostWrite        Capability = "host.write"        // change, suspend and remove hosts
	HostDeliver      Capability = "host.deliver"      // decide that a host gets the whole auth.json
	CredentialRead   Capability = "credential.read"   // what the login is, never the login
	CredentialWrite  Capability = "credential.write"  // replace the login, decide proposals of one
	CredentialReveal Capability = "credential.reveal" // see the login itself
	SeedWrite        Capability = "seed.write"        // make a command that uploads a login
	LibraryRead      Capability = "library.read"
	LibraryWrite     Capability = "library.write"
	PolicyRead       Capability = "policy.read"
	PolicyWrite      Capability = "policy.write" // the kill switch among them
	UsageRead        Capability = "usage.read"
	QuotaRefresh     Capability = "quota.refresh" // have ChatGPT asked what is left, now
	AuditRead        Capability = "audit.read"
	AdminRead        Capability = "admin.read"  // who else may do what
	AdminWrite       Capability = "admin.write" // decide that
)

// grants is the one table of who may do what: what each role may beyond the role before it.
var grants = map[Role][]Capability{
	Viewer:   {Self, HostRead, CredentialRead, LibraryRead, PolicyRead, UsageRead, AuditRead},
	Operator: {HostEnrol, HostWrite, CredentialWrite, SeedWrite, LibraryWrite, PolicyWrite, QuotaRefresh},
	Owner:    {HostDeliver, CredentialReveal, AdminRead, AdminWrite},
}

var granted = accumulate()

func accumulate() map[Role]map[Capability]bool {
	all, so := map[Role]map[Capability]bool{}, map[Capability]bool{}
	for _, role := range Roles {
		for _, capability := range grants[role] {
			so[capability] = true
		}
		all[role] = maps.Clone(so)
	}
	return all
}

// Refusals of words.
var (
	// ErrRole is a word that is no role.
	ErrRole = errs.New(errs.Invalid, "admin_role_invalid", "a role is viewer, operator or owner")
	// ErrScope is a scope that is no capability, or one that the token's role does not have; Details name it.
	ErrScope = errs.New(errs.Invalid, "admin_scope_invalid", "a scope is a capability that the role has")
)

// ParseRole reads a role. Errors: ErrRole.
func ParseRole(text string) (Role, error) {
	if role := Role(text); slices.Contains(Roles, role) {
		return role, nil
	}
	return "", ErrRole
}

// May reports whether the role may do something.
func (r Role) May(capability Capability) bool { return granted[r][capability] }

// Capabilities are what the role may do, sorted.
func (r Role) Capabilities() []Capability { return slices.Sorted(maps.Keys(granted[r])) }

// Known reports whether a word is a capability, which is to say that at least an owner has it.
func Known(capability Capability) bool { return Owner.May(capability) }

// ParseScopes reads capabilities between commas, each of which the role must have. An empty text means no bounds beside
// the role's, and is nil. Errors: ErrScope.
func ParseScopes(text string, role Role) ([]Capability, error) {
	if text == "" {
		return nil, nil
	}
	var scopes []Capability
	for word := range strings.SplitSeq(text, ",") {
		scope := Capability(strings.TrimSpace(word))
		if !role.May(scope) {
			return nil, ErrScope.With("scope", string(scope)).With("role", string(role))
		}
		scopes = append(scopes, scope)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}
