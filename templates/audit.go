package templates

import "strconv"

// AuditPage is the audit trail: what its chains have come to, what is looked for, and a part of what was found.
type AuditPage struct {
	Chains AuditChains
	Filter AuditFilter
	List   AuditList
}

// AuditChains is how far the trail is signed.
type AuditChains struct {
	Tone    Tone
	Title   string
	Text    string
	Command string // that reads every entry
}

// AuditFilter is what the form says. Texts are as they were typed.
type AuditFilter struct {
	Search, Actor, Action, Host string
	From, Until                 string
	Kinds, Windows, Sizes       []Option
	Actions                     []string // to choose from
	More                        bool     // something is said in the part that is folded
	Clear                       string   // the address without a filter; "": nothing is looked for
}

// AuditList is a part of the trail, the newest entry first.
type AuditList struct {
	Self    string // its address, if it begins with the newest entry and so grows; "": it stays as it is
	Problem string // why nothing was looked for; "": something was
	Empty   Empty
	Entries []AuditEntry
	Pager   Pager
	Exports []Action
}

// AuditEntry is an entry of the trail.
type AuditEntry struct {
	ID        int64
	Event     Event
	ActorIcon string
	ActorURL  string // what else the actor did
	Action    string
	ActionURL string
	Host      string // "": no host is concerned
	HostURL   string
	Summary   string // its details in a line; "": it has none
	Changes   []AuditChange
	Facts     []Field
	Exact     string // to the second
	From      string // an address; "": not over the network
	Request   string // "": not in a call
	Place     string // in its chain; "": from before there were chains
	JSON      string // all of it
}

// AuditChange is what was before and what is now, as texts. Empty ones are nothing.
type AuditChange struct{ Name, Before, After string }

func (e *AuditEntry) id(part string) string { return "au-" + part + strconv.FormatInt(e.ID, 10) }

func orNothing(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
