package api

// SlashRequest is what hosts say about a slash command: its name, and, to retrieve, the digest of what they have or, to
// store, the whole text.
type SlashRequest struct {
	Filename     string  `json:"filename"`
	SHA256       string  `json:"sha256,omitempty"`        // lower-case hex, of the prompt's bytes
	Prompt       string  `json:"prompt,omitempty"`        // store; "content" is as good
	Description  *string `json:"description,omitempty"`   // null: what the prompt's front matter says
	ArgumentHint *string `json:"argument_hint,omitempty"` // likewise
	BaseSHA256   string  `json:"base_sha256,omitempty"`   // store only if this is still the current text
}

// SlashList is the data of an answer to GET /slash-commands.
type SlashList struct {
	Commands []SlashCommand `json:"commands"`
}

// SlashCommand is a slash command without its text. DeletedAt not null: hosts remove their copy.
type SlashCommand struct {
	ID           int64   `json:"id"`
	Filename     string  `json:"filename"`
	SHA256       string  `json:"sha256"`
	Description  *string `json:"description"`
	ArgumentHint *string `json:"argument_hint"`
	UpdatedAt    Time    `json:"updated_at"`
	DeletedAt    Time    `json:"deleted_at"`
}

// Statuses of a slash command, beside those of AuthResponse.
const (
	StatusCreated = "created"
	StatusDeleted = "deleted"
)

// SlashRetrieved is the data of an answer to POST /slash-commands/retrieve for a command that there is: Prompt is absent
// when the host has it already.
type SlashRetrieved struct {
	Status       string  `json:"status"` // updated or unchanged
	Filename     string  `json:"filename"`
	SHA256       string  `json:"sha256"`
	Description  *string `json:"description"`
	ArgumentHint *string `json:"argument_hint"`
	UpdatedAt    Time    `json:"updated_at"`
	Prompt       *string `json:"prompt,omitempty"`
}

// SlashGone is the data of an answer to POST /slash-commands/retrieve for a command that there is not (any more).
type SlashGone struct {
	Status    string `json:"status"` // missing or deleted
	Filename  string `json:"filename"`
	DeletedAt *Time  `json:"deleted_at,omitempty"`
}

// SlashStored is the data of an answer to POST /slash-commands/store. SHA256 and UpdatedAt are of the current text, null
// when there is none yet.
type SlashStored struct {
	Status    string  `json:"status"` // created, updated or unchanged
	Filename  string  `json:"filename"`
	SHA256    *string `json:"sha256"`
	UpdatedAt Time    `json:"updated_at"`
	Proposed  bool    `json:"proposed,omitempty"` // an admin decides about it
}
