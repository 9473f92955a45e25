package access

import (
	"slices"
	"time"
)

// Grant is what somebody who was identified may do. The zero value is nothing.
type Grant struct {
	Role      Role
	Scopes    []Capability // bounds the role further; nil: it does not
	ExpiresAt time.Time
}

// May reports whether the grant covers something. Who he is everybody may know.
func (g Grant) May(capability Capability) bool {
	return g.Role.May(capability) && (g.Scopes == nil || capability == Self || slices.Contains(g.Scopes, capability))
}

// Capabilities are what the grant covers, sorted.
func (g Grant) Capabilities() []Capability {
	return slices.DeleteFunc(g.Role.Capabilities(), func(c Capability) bool { return !g.May(c) })
}

// Kind is a way to be identified. Which of them a listener accepts is the operator's decision.
type Kind string

// The kinds.
const (
	Certificate Kind = "certificate" // a client certificate of ours, in the TLS handshake
	Session     Kind = "session"     // a cookie, got for a login link
	Token       Kind = "token"       // an API token, in Authorization: Bearer
)

// Kinds are all of them.
var Kinds = []Kind{Certificate, Session, Token}
