package api

// AdminSlashList is the data of an answer to GET /admin/slash-commands.
type AdminSlashList struct {
	Commands   []SlashCommand `json:"commands"`
	NextCursor *string        `json:"next_cursor"`
}

// AdminSlash is the data of an answer to GET /admin/slash-commands/{filename}.
type AdminSlash struct {
	Filename     string  `json:"filename"`
	SHA256       string  `json:"sha256"`
	Description  *string `json:"description"`
	ArgumentHint *string `json:"argument_hint"`
	Prompt       string  `json:"prompt"`
	UpdatedAt    Time    `json:"updated_at"`
}

// AdminSlashRequest is what POST /admin/slash-commands/store takes.
type AdminSlashRequest struct {
	Filename     string  `json:"filename"`
	Prompt       *string `json:"prompt"`
	Content      *string `json:"content"`          // is as good as prompt
	Description  *string `json:"description"`      // null: what the prompt's front matter says
	ArgumentHint *string `json:"argument_hint"`    // likewise
	SHA256       string  `json:"sha256,omitempty"` // of the prompt; "": the caller does not say
}

// AdminSlashStored is the data of an answer to POST /admin/slash-commands/store.
type AdminSlashStored struct {
	Status    string `json:"status"` // created, updated or unchanged
	Filename  string `json:"filename"`
	SHA256    string `json:"sha256"`
	UpdatedAt Time   `json:"updated_at"`
}

// AdminSlashVersions is the data of an answer to GET /admin/slash-commands/{filename}/versions.
type AdminSlashVersions struct {
	Filename   string              `json:"filename"`
	Versions   []AdminSlashVersion `json:"versions"` // the newest first
	NextCursor *string             `json:"next_cursor"`
}

// AdminSlashVersion is what a slash command was.
type AdminSlashVersion struct {
	Version      int64   `json:"version"`
	SHA256       string  `json:"sha256"`
	Description  *string `json:"description"`
	ArgumentHint *string `json:"argument_hint"`
	Author       string  `json:"author"`
	CreatedAt    Time    `json:"created_at"`
	SizeBytes    int     `json:"size_bytes"`
	Prompt       *string `json:"prompt"` // null unless this version was asked for
}

// AdminSlashProposals is the data of an answer to GET /admin/slash-command-proposals.
type AdminSlashProposals struct {
	Proposals  []AdminSlashProposal `json:"proposals"` // the oldest first
	NextCursor *string              `json:"next_cursor"`
}

// AdminSlashProposal is a slash command as a host would like it to be.
type AdminSlashProposal struct {
	ID           int64   `json:"id"`
	State        string  `json:"state"` // pending, accepted or discarded
	Filename     string  `json:"filename"`
	HostID       int64   `json:"host_id"`
	FQDN         string  `json:"fqdn"`
	SHA256       string  `json:"sha256"`
	Description  *string `json:"description"`
	ArgumentHint *string `json:"argument_hint"`
	BaseVersion  int64   `json:"base_version"` // that was current when it was made; 0: there was no such command
	SizeBytes    int     `json:"size_bytes"`
	CreatedAt    Time    `json:"created_at"`
	DecidedAt    Time    `json:"decided_at"`
	DecidedBy    *string `json:"decided_by"`
	Prompt       *string `json:"prompt"` // null in a list
}

// AdminSlashDecided is the data of an answer to who accepts or discards a proposal.
type AdminSlashDecided struct {
	ID       int64  `json:"id"`
	State    string `json:"state"`
	Filename string `json:"filename"`
}
