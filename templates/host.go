package templates

// HostPage is one host: how it is, what it used, what happened to it, and what can be done about it.
type HostPage struct {
	URL      string // of the page
	Top      HostTop
	Usage    HostUsage
	Trail    []Event
	TrailURL string // of the whole trail; "": there is no page of it
	Identity HostIdentity
	Switches []HostSwitch
	Runs     HostRuns
	Window   HostWindow
	Danger   []HostAct
}

// Mark is a state in a word.
type Mark struct {
	Tone Tone
	Icon string
	Text string
}

// HostTop is what matters most about a host.
type HostTop struct {
	Name, Domain string // the first label of its name and what follows
	Marks        []Mark
	Text         string
	Labels       []string
	Actions      []Action
	Alerts       []Alert
	Figures      []Figure
}

// HostUsage is what a host used.
type HostUsage struct {
	Empty  *Empty // it never reported anything
	URL    string // of the page with these days
	Text   string
	Ranges []Option // Value is an address
	Bars   Bars
	Parts  []HostPart
	Last   string // report, in words
	LastAt Moment
	Action Action // to all of its reports
}

// HostPart is a kind of tokens.
type HostPart struct {
	Label       string
	Fill, Class string
	Width       string // of its bar, in per cent
	Value       string
	Note        string
}

// HostIdentity is what a host is known by.
type HostIdentity struct {
	Key      string
	KeyNote  string
	Address  string // "": it has none
	Roams    bool
	Unbind   Action
	AddrNote string
	Users    []HostUser
	MoreText string // there are more users than these
	Digest   string // "": it is known to have no login
	DigestIs Mark
	Before   []string // digests
	Delivery string
	Labels   []Field
	Note     string
	Edit     Action
	More     []HostFact
}

// HostUser is a system user of a host.
type HostUser struct {
	Name, Title string
}

// HostFact is something to know, in a word and a smaller line.
type HostFact struct {
	Name, Value, Note string
	When              Moment // the zero value: none
}

// HostAct is something that one does seldom.
type HostAct struct {
	Title, Text string
	Do          Action
}

// shortDigest is enough of a digest to tell it from another.
func shortDigest(digest string) string {
	if len(digest) <= 8 {
		return digest
	}
	return digest[:8] + "…"
}
