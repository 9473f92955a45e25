package api

// AdminCertificates is the data of an answer to GET /admin/certificates.
type AdminCertificates struct {
	Certificates []AdminCertificate `json:"certificates"` // by name
	NextCursor   *string            `json:"next_cursor"`
}

// AdminCertificate is a client certificate of an admin's.
type AdminCertificate struct {
	ID        int64   `json:"id"`
	Name      string  `json:"name"`
	Role      string  `json:"role"`
	State     string  `json:"state"` // good, renewed, trusted, no authority, expired or revoked
	Serial    string  `json:"serial"`
	SPKI      string  `json:"spki_sha256"`
	Issuer    *string `json:"issuer_spki_sha256"` // null: the gateway's own authority
	NotAfter  Time    `json:"not_after"`
	RevokedAt Time    `json:"revoked_at"` // may lie ahead; null: nobody decided
	CreatedAt Time    `json:"created_at"`
}

// AdminCertificateRevocation is what POST /admin/certificates/revoke takes.
type AdminCertificateRevocation struct {
	Name   string `json:"name"`
	Serial string `json:"serial,omitempty"` // "": all of the name
}

// AdminCertificatesRevoked is the data of an answer to POST /admin/certificates/revoke.
type AdminCertificatesRevoked struct {
	Name    string         `json:"name"`
	Revoked []AdminRevoked `json:"revoked"`
}

// AdminRevoked is a certificate that opens nothing any more.
type AdminRevoked struct {
	Serial    string `json:"serial"`
	RevokedAt Time   `json:"revoked_at"`
}

// AdminTokenList is the data of an answer to GET /admin/api-tokens.
type AdminTokenList struct {
	Tokens     []AdminToken `json:"tokens"` // by name
	NextCursor *string      `json:"next_cursor"`
}

// AdminToken is an API token, without the token.
type AdminToken struct {
	ID         int64     `json:"id"`
	Name       string    `json:"name"`
	Prefix     string    `json:"token_prefix"`
	Role       string    `json:"role"`
	Scopes     *[]string `json:"scopes"` // null: whatever the role may
	State      string    `json:"state"`  // good, expired or revoked
	CreatedBy  string    `json:"created_by"`
	CreatedAt  Time      `json:"created_at"`
	ExpiresAt  Time      `json:"expires_at"`
	LastUsedAt Time      `json:"last_used_at"`
	RevokedAt  Time      `json:"revoked_at"`
}

// AdminTokenRequest is what POST /admin/api-tokens takes.
type AdminTokenRequest struct {
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	Scopes     *[]string `json:"scopes"`      // null: whatever the role may
	TTLSeconds *int64    `json:"ttl_seconds"` // null: 90 days
}

// AdminTokenMade is the data of an answer to POST /admin/api-tokens. The token is shown this once.
type AdminTokenMade struct {
	Name      string    `json:"name"`
	Token     string    `json:"token"`
	Prefix    string    `json:"token_prefix"`
	Role      string    `json:"role"`
	Scopes    *[]string `json:"scopes"` // null: whatever the role may
	ExpiresAt Time      `json:"expires_at"`
}

// AdminTokenRevoked is the data of an answer to DELETE /admin/api-tokens/{name}.
type AdminTokenRevoked struct {
	Revoked string `json:"revoked"`
}

// AdminSessions is the data of an answer to GET /admin/sessions.
type AdminSessions struct {
	Sessions   []AdminSession `json:"sessions"` // the newest first
	NextCursor *string        `json:"next_cursor"`
}

// AdminSession is a browser that logged in by a link.
type AdminSession struct {
	ID        int64   `json:"id"`
	Link      int64   `json:"link"`
	Role      string  `json:"role"`
	State     string  `json:"state"`      // open, over or revoked
	CreatedBy string  `json:"created_by"` // who made the link
	From      *string `json:"from"`       // where it was used; null: nobody knows
	CreatedAt Time    `json:"created_at"`
	ExpiresAt Time    `json:"expires_at"`
	RevokedAt Time    `json:"revoked_at"`
}

// AdminSessionRevoked is the data of an answer to DELETE /admin/sessions/{id}.
type AdminSessionRevoked struct {
	Revoked int64 `json:"revoked"`
}
