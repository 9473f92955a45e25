package templates

// StartPage is the way from an empty gateway to the first host that has the login. What is done is known from facts: one may
// leave and come back.
type StartPage struct {
	Done  bool // nothing is left to do
	Who   string
	Admin Action // the way to more admins; the zero value: there is none
	Login StartLogin
	Check StartCheck
	Host  StartHost
	Skip  Action
	Open  Action // the overview
	Facts []LoginFact
	Live  StartLive
}

// StartStep is how far a step is.
type StartStep string

// The steps' states. The zero value is a step to come.
const (
	StepLater StartStep = ""
	StepNow   StartStep = "step-now"
	StepDone  StartStep = "step-done"
)

// StartLogin is the step that brings the fleet's login.
type StartLogin struct {
	Step   StartStep
	Text   string
	Upload UploadForm
	Seed   SeedCard
}

// StartCheck is what the gateway found out about the login.
type StartCheck struct {
	Step  StartStep
	Text  string
	Wrong string // why it is no good; "": it is
}

// StartHost is the step that makes a machine a host.
type StartHost struct {
	Step    StartStep
	Text    string
	Name    string // in the form
	Wrong   string // with the name; "": nothing
	Command string // "": none was made just now
	Expires Moment
	Trust   string // what else the machine needs; "": nothing
	Again   Action // makes a new command for the host that is waited for; the zero value: there is none
	Why     string
}

// StartLive is what the page waits for: a part that asks for itself again, and for the whole page when it has come.
type StartLive struct {
	Address string
	Topics  []string
	Moved   bool // the page is behind: it is further than what was waited for
	Title   string
	Text    string
	Marks   []StartMark
}

// StartMark is something on the way that has happened, or has not yet.
type StartMark struct {
	Done bool
	Text string
	More string // a smaller word behind it
	When Moment // zero: it has not happened
	Next string // of what has not: next, then
}
