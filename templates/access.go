package templates

// AccessPage is who may come to the pages and the API for admins, and by what.
type AccessPage struct {
	Query        string
	All          bool // also what opens nothing any more
	ShowCurrent  string
	ShowAll      string // addresses of both
	Actions      []Action
	Certificates AccessList
	Tokens       AccessList
	Sessions     AccessList
}

// AccessList is one way in.
type AccessList struct {
	ID, Title, Text string
	Last            string // heading of the column of AccessRow.Last
	Rows            []AccessRow
	Empty           Empty
	Foot            string // how many more there are; "": none
	Command         string // that makes one on the console; "": none does
	CommandText     string
}

// AccessRow is a certificate, a token, a session, a login link.
type AccessRow struct {
	Name, Note string
	You        bool // the visitor came by it
	Role       string
	Scopes     string // "": whatever the role may
	Tone       Tone   // of State
	Icon       string
	State      string
	Ends, Last Moment
	LastNote   string
	Act        Action // the zero value: nothing can be done
}

// NewTokenPage is the form that makes an API token.
type NewTokenPage struct {
	Name   string
	Roles  []Option
	Lives  []Option
	Bound  bool // to the scopes that are ticked
	Scopes []ScopeGroup
	Wrong  string            // "": nothing
	Unfit  map[string]string // :: field → what is wrong with it
	Why    string
}

// ScopeGroup are the capabilities that a role adds.
type ScopeGroup struct {
	Title  string
	Scopes []Option
}

// MadeTokenPage shows an API token, this once.
type MadeTokenPage struct {
	Name, Token, Role, Scopes string
	Ends                      Moment
}
