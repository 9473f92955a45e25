package api

import "encoding/json"

// AdminGenerations is the data of an answer to GET /admin/auth/generations.
type AdminGenerations struct {
	Generations []AdminGeneration `json:"generations"` // the newest first
	NextCursor  *string           `json:"next_cursor"` // of the part after this one, which is older; null: this is the last
}

// AdminGeneration is a login that is canonical or was, without its secrets.
type AdminGeneration struct {
	Generation       int64    `json:"generation"`
	Current          bool     `json:"current"` // it is canonical
	Lineage          string   `json:"lineage"` // the same for all that came out of one login
	Digest           string   `json:"digest"`
	ChatGPTAccountID *string  `json:"chatgpt_account_id"` // null: the file does not say
	LastRefresh      string   `json:"last_refresh"`
	AccessIssuedAt   Time     `json:"access_issued_at"` // null: the access token does not say, and so below
	AccessExpiresAt  Time     `json:"access_expires_at"`
	HasRefreshToken  bool     `json:"has_refresh_token"`
	Source           string   `json:"source"`      // host, admin, operator or seed
	SourceHost       *HostRef `json:"source_host"` // that brought it; null: none, or it is gone
	RolledBackTo     *int64   `json:"rolled_back_to"`
	Holders          int64    `json:"holders"` // hosts that are known to have it
	CreatedAt        Time     `json:"created_at"`
}

// HostRef is a host by name.
type HostRef struct {
	ID   int64  `json:"id"`
	FQDN string `json:"fqdn"`
}

// AdminGenerationShown is the data of an answer to GET /admin/auth/generations/{number}.
type AdminGenerationShown struct {
	AdminGeneration
	Rollback   *AdminRollbackPlan `json:"rollback"`    // what going back to it would come to; null: it is canonical
	Receivers  []AdminReceiver    `json:"receivers"`   // hosts that were given it, by name
	NextCursor *string            `json:"next_cursor"` // of the receivers after these; null: these are the last
}

// AdminReceiver is a host that was given a generation.
type AdminReceiver struct {
	HostRef
	DeliveredAt Time `json:"delivered_at"` // last
	Holds       bool `json:"holds"`        // it is known to have it still
}

// AdminRollbackPlan is what a rollback would come to.
type AdminRollbackPlan struct {
	From       int64          `json:"from"`        // canonical now
	WorksUntil Time           `json:"works_until"` // null: the access token does not say
	Warnings   []AdminWarning `json:"warnings"`
}

// AdminWarning is a consequence that is to be confirmed.
type AdminWarning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// AdminRollbackRequest asks for a rollback.
type AdminRollbackRequest struct {
	Generation int64 `json:"generation"`        // to go back to
	Current    int64 `json:"current,omitempty"` // only if this one is canonical
	Confirm    bool  `json:"confirm,omitempty"` // the warnings are accepted
}

// AdminLoginChanged is the data of an answer to whoever changed the fleet's login.
type AdminLoginChanged struct {
	Status          string `json:"status"` // updated or unchanged
	Generation      int64  `json:"generation"`
	Digest          string `json:"digest"`
	LastRefresh     string `json:"last_refresh"`
	AccessExpiresAt Time   `json:"access_expires_at"`
}

// AdminProposals is the data of an answer to GET /admin/auth/proposals.
type AdminProposals struct {
	Proposals  []AdminProposal `json:"proposals"` // the newest first
	NextCursor *string         `json:"next_cursor"`
}

// AdminProposal is a login that a host brought and may not make canonical, without its secrets.
type AdminProposal struct {
	ID               string         `json:"id"`
	State            string         `json:"state"`   // pending, adopted or discarded
	HostID           *int64         `json:"host_id"` // null: it is gone
	FQDN             string         `json:"fqdn"`    // when it brought it
	Digest           string         `json:"digest"`
	ChatGPTAccountID *string        `json:"chatgpt_account_id"`
	LastRefresh      string         `json:"last_refresh"`
	AccessIssuedAt   Time           `json:"access_issued_at"`
	AccessExpiresAt  Time           `json:"access_expires_at"`
	HasRefreshToken  bool           `json:"has_refresh_token"`
	BaseGeneration   int64          `json:"base_generation"` // canonical when it was brought; 0: there was none
	CreatedAt        Time           `json:"created_at"`
	DecidedAt        Time           `json:"decided_at"`
	DecidedBy        *string        `json:"decided_by"`
	Warnings         []AdminWarning `json:"warnings"` // what to know before it is adopted; empty once it was decided
}

// AdminConfirm is the body of a request that may have consequences.
type AdminConfirm struct {
	Confirm bool `json:"confirm,omitempty"`
}

// AdminProposalDecided is the data of an answer to whoever discarded a proposal, or took that back.
type AdminProposalDecided struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// AdminRevealed is the data of an answer to POST /admin/auth/reveal: the login itself.
type AdminRevealed struct {
	Auth json.RawMessage `json:"auth"`
}
