package api

// AdminSlashList is the data of an answer to GET /admin/slash-commands, without those that are retired.
type AdminSlashList struct {
	Commands   []SlashCommand `json:"commands"` // by name
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
