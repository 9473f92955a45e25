package templates

// LibraryPage are the slash commands of the fleet.
type LibraryPage struct {
	Actions []Action
	Waiting []Alert // what hosts propose
	Search  string
	State   string // what the list is of, as the form has it
	List    LibraryList
}

// LibraryList are those that were found.
type LibraryList struct {
	Self    string // its address
	States  []LibraryState
	Name    Sort
	Updated Sort
	Rows    []LibraryRow
	Text    string // how many there are
	Empty   Empty
}

// LibraryState is a choice of what the list is of.
type LibraryState struct {
	Label   string
	Href    string
	N       int64
	Current bool
}

// LibraryRow is a command in the list.
type LibraryRow struct {
	Name, Href        string
	Description, Hint string // "": it has none
	Version           int64
	Author            string
	Updated           Moment
	Retired           bool
	Actions           []Action
}

// LibraryCommand is a command in one of its versions.
type LibraryCommand struct {
	Name        string
	Actions     []Action
	Retired     Moment // zero: it is not
	Version     int64  // which is shown
	Newest      int64
	Description string
	Hint        string
	Author      string
	Made        Moment
	Size        string
	SHA256      string
	Text        string
	Diff        *TextDiff // from the version that is shown to the newest; nil: it is the newest
	Restore     Action    // of the version that is shown; the zero value: it is current
	Versions    []LibraryVersion
}

// LibraryVersion is what a command was once.
type LibraryVersion struct {
	Number      int64
	Href        string
	Shown       bool
	Current     bool
	Description string
	Author      string
	Made        Moment
	Size        string
	Restore     Action // the zero value: it is current
}

// LibraryEdit is the form for a command, new or not, with what was typed.
type LibraryEdit struct {
	New                             bool
	Name, Prompt, Description, Hint string
	Base                            string            // which version it was made from; "": from none
	FromText                        [2]string         // description and argument hint that the text says, for who types none
	Problem                         string            // what is wrong with the whole; "": nothing
	Problems                        map[string]string // with a field, by the field's name
	Conflict                        *LibraryConflict  // nil: nobody else has changed it
	Preview                         *LibraryPreview   // nil: it was not asked for
	Save                            Action
	Cancel                          string
}

// LibraryConflict is what somebody else has stored meanwhile.
type LibraryConflict struct {
	Text string
	Diff TextDiff // from that to what was typed
}

// LibraryPreview is what hosts would get.
type LibraryPreview struct {
	Path              string
	Description, Hint string
	Size              string
	Prompt            string
	Diff              *TextDiff // from what they have; nil: they have nothing
}

// LibraryProposals is what hosts would like to change.
type LibraryProposals struct {
	Search string
	State  string
	Self   string
	States []LibraryState
	Rows   []LibraryProposalRow
	Pager  Pager
	Empty  Empty
}

// LibraryProposalRow is a proposal in the list.
type LibraryProposalRow struct {
	Href, Name    string
	Host, HostURL string
	Kind          string // a new command, a change of version 3
	Size          string
	Made          Moment
	State         LibraryDecision
}

// LibraryDecision is what became of a proposal.
type LibraryDecision struct {
	Tone  Tone
	Icon  string
	Label string
	By    string // "": nobody has decided
	At    Moment
}

// LibraryProposal is a proposal.
type LibraryProposal struct {
	Name, NameURL     string // NameURL "": there is no such command yet
	Host, HostURL     string
	Kind              string
	State             LibraryDecision
	Made              Moment
	Description, Hint string
	Size, SHA256      string
	Problem           string // why nothing was done; "": nothing was tried
	Stale             string // what has changed since; "": nothing has
	Diff              TextDiff
	Actions           []Action
}

// TextDiff are the lines that make one text of another.
type TextDiff struct {
	From, To string // what they are called
	Lines    []DiffLine
	Same     bool   // nothing differs
	Cut      string // what is not shown; "": all is
}

// DiffLine is a line of a difference.
type DiffLine struct {
	Kind     DiffKind
	Old, New int // its numbers; 0: it has none
	Text     string
}

// DiffKind says what became of a line.
type DiffKind string

// The kinds. A gap stands for lines that are the same and are left out; its text says how many.
const (
	DiffSame    DiffKind = ""
	DiffAdded   DiffKind = "+"
	DiffRemoved DiffKind = "−"
	DiffGap     DiffKind = "…"
)

func (l DiffLine) class() string {
	switch l.Kind {
	case DiffAdded:
		return "diff-a"
	case DiffRemoved:
		return "diff-r"
	case DiffGap:
		return "diff-g"
	}
	return "diff-k"
}

// said is the line's mark as it is read out.
func (l DiffLine) said() string {
	switch l.Kind {
	case DiffAdded:
		return "added"
	case DiffRemoved:
		return "removed"
	}
	return ""
}
