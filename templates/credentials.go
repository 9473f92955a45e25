package templates

// CredentialsPage is the login that the fleet shares: what it is, what it was, what hosts offer, and how another one comes.
type CredentialsPage struct {
	Address     string // of the page as it is shown, for its parts to ask for themselves
	Text        string
	Actions     []Action
	Login       LoginCard
	Offers      OffersCard
	Generations GenerationsCard
	Upload      UploadForm
	Seed        SeedCard
	Reveal      Action
}

// OffersCard are logins that hosts brought and may not make the fleet's by themselves.
type OffersCard struct {
	Shown  bool // false: there never was one
	Text   string
	States []Option // what can be shown; Value is the address
	Offers []OfferRow
	Empty  Empty  // when there are none in that state
	Newest string // address; "": they are shown
	Older  string // address; "": there are none
}

// OfferRow is one of them.
type OfferRow struct {
	Host     string
	Href     string // of its page
	Brought  Moment
	Until    Moment // its access token is good; zero: it does not say
	Account  string
	State    Tone
	Icon     string
	Word     string // Waiting, Adopted, Discarded
	By       string // who decided; "": nobody yet
	Warnings []string
	Actions  []Action
}

// GenerationsCard are the logins that the fleet had, the newest first.
type GenerationsCard struct {
	Text    string   // "": there never was one
	Sources []Option // which are shown; Value is the address
	Rows    []GenerationRow
	Empty   Empty
	Place   string // generations 41 to 22
	Newest  string // address; "": they are shown
	Older   string // address; "": there are none
}

// GenerationRow is one of them.
type GenerationRow struct {
	Name, Href string
	Current    bool
	Lineage    bool // another login begins here
	Icon       string
	Source     string
	From       string // the host that brought it, or what it went back to; "": neither
	Digest     string
	Since      Moment
	Until      Moment // zero: its access token does not say
	Expired    bool
	Held       int64
	Action     Action
}

// UploadForm takes a login as a file or as a text. What was given never comes back.
type UploadForm struct {
	ID    string
	Post  string
	Wrong string // what was wrong with what was uploaded; "": nothing was
	Hint  string // what becomes of it
	Limit int    // bytes that a form may have
	Why   string // why the visitor may not; "": he may
}

// SeedCard makes a command that uploads the login of another machine, and shows it once.
type SeedCard struct {
	ID      string
	Post    string
	Command string // "": none was made just now
	Expires Moment
	Trust   string // what else a machine needs to recognise the gateway; "": nothing
	Why     string
}

// GenerationPage is one generation: what is known about it and who got it.
type GenerationPage struct {
	Title, Text string
	Actions     []Action
	Current     bool
	Facts       []LoginFact
	Receivers   ReceiversCard
}

// LoginFact is something that is known about a login.
type LoginFact struct {
	Label string
	Value string
	Code  bool   // to be compared letter by letter
	When  Moment // instead of Value
	Hint  string
}

// ReceiversCard are the hosts that were given a generation.
type ReceiversCard struct {
	ID, Address string
	Text        string
	Rows        []ReceiverRow
	First, More string // addresses; "": this is the first, the last part
}

// ReceiverRow is one of them.
type ReceiverRow struct {
	Host, Href string
	At         Moment
	Holds      bool
}

// LoginQuestion is a decision about the fleet's login: what changes, and the question before it.
type LoginQuestion struct {
	Title, Text string
	DiffTitle   string
	Diff        []DiffRow
	Note        string // what else has to be known; "": nothing
	Ask         *Confirm
	Others      []Action // what can be done instead
	Facts       []LoginFact
}

// DiffRow is what is known about the login of now and about the one that would take its place.
type DiffRow struct{ Label, Before, After string }

// RevealedPage is the login itself.
type RevealedPage struct {
	Text string
	Auth string
}
