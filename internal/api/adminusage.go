package api

// Tokens is what was used in some time.
type Tokens struct {
	Total     int64    `json:"total"`
	Input     int64    `json:"input"`
	Output    int64    `json:"output"`
	Cached    int64    `json:"cached"`
	Reasoning int64    `json:"reasoning"`
	Cost      *float64 `json:"cost"` // null: no price was known
	Events    int64    `json:"events"`
}

// TotalTokens is what was used ever, as far as it is kept.
type TotalTokens struct {
	Tokens
	TopHost *TopHost `json:"top_host"` // null: no usage of a host that is still there
}

// TopHost is the host that used most.
type TopHost struct {
	HostID int64  `json:"host_id"`
	FQDN   string `json:"fqdn"`
	Total  int64  `json:"total"`
}

// AdminUsages is the data of an answer to GET /admin/usage.
type AdminUsages struct {
	Usages     []AdminUsage `json:"usages"` // the newest first
	NextCursor *string      `json:"next_cursor"`
}

// AdminUsage is one entry of a report. FQDN is null when the host is gone.
type AdminUsage struct {
	ID     int64   `json:"id"`
	HostID *int64  `json:"host_id"`
	FQDN   *string `json:"fqdn"`
	AdminHostUsage
}

// AdminIngests is the data of an answer to GET /admin/usage/ingests.
type AdminIngests struct {
	Items      []AdminIngest `json:"items"`
	Total      int64         `json:"total"`
	Page       int           `json:"page"` // from 1
	PerPage    int           `json:"per_page"`
	Pages      int64         `json:"pages"`    // at least 1
	Currency   *string       `json:"currency"` // null: no price is known
	NextCursor *string       `json:"next_cursor"`
}

// AdminIngest is one report. Payload is null: of what a host sent, its entries are kept.
type AdminIngest struct {
	ID      int64   `json:"id"`
	HostID  *int64  `json:"host_id"`
	FQDN    *string `json:"fqdn"`
	Entries int32   `json:"entries"`
	TokenCounts
	ClientIP  *string `json:"client_ip"`
	Payload   *string `json:"payload"`
	CreatedAt Time    `json:"created_at"`
}

// CostHistory is the data of an answer to GET /admin/usage/cost-history.
type CostHistory struct {
	Days       int         `json:"days"`
	Since      Time        `json:"since"` // null: there is no usage at all
	Until      Time        `json:"until"`
	Currency   *string     `json:"currency"` // null: no price is known
	Pricing    *Unknown    `json:"pricing"`
	HasPricing bool        `json:"has_pricing"`
	Points     []CostPoint `json:"points"` // one a day
}

// CostPoint is what one day, UTC, used and cost.
type CostPoint struct {
	Date   string     `json:"date"`
	Tokens DayTokens  `json:"tokens"`
	Costs  TokenCosts `json:"costs"`
}

// DayTokens is what one day used.
type DayTokens struct {
	Input  int64 `json:"input"`
	Output int64 `json:"output"`
	Cached int64 `json:"cached"`
	Total  int64 `json:"total"` // without what was cached, as everywhere
}

// TokenCosts is what tokens cost when they were used. Null: nobody knows.
type TokenCosts struct {
	Input  *float64 `json:"input"`
	Output *float64 `json:"output"`
	Cached *float64 `json:"cached"`
	Total  *float64 `json:"total"`
}

// AdminTokens is the data of an answer to GET /admin/tokens.
type AdminTokens struct {
	Tokens     []LineTokens `json:"tokens"` // the most first
	NextCursor *string      `json:"next_cursor"`
}

// LineTokens is what was used under one line.
type LineTokens struct {
	Line *string `json:"line"`
	Tokens
}
