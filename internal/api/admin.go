package api

// WhoAmI is the answer to an admin who asks how the gateway sees him.
type WhoAmI struct {
	Name         string   `json:"name"`         // as in the audit trail
	Access       string   `json:"access"`       // certificate, session, token
	Role         string   `json:"role"`         // viewer, operator, owner
	Capabilities []string `json:"capabilities"` // list of texts, sorted
	ExpiresAt    Time     `json:"expires_at"`   // of what he came with
}
