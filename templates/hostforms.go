package templates

// HostSwitch is something that is on or off. It is a form with one button, so that it works without script.
type HostSwitch struct {
	ID, Label, Hint string
	Name            string // of what it switches
	On              bool
	Post            string
	Why             string // why it cannot be switched; "": it can
}

func (s HostSwitch) opposite() string {
	if s.On {
		return "false"
	}
	return "true"
}

func (s HostSwitch) state() string {
	if s.On {
		return "true"
	}
	return "false"
}

// HostRuns is what Codex runs as on a host: a form.
type HostRuns struct {
	Post    string
	Base    string // of what is shown: somebody else's change in the meantime is not overwritten
	Version HostChoice
	Model   HostChoice
	Effort  HostChoice
	Problem string // "": none
	Why     string
}

// HostChoice is one field of a form with values to choose from, where others can be typed.
type HostChoice struct {
	Value, Placeholder, Hint string
	Offered                  []Option
	Problem                  string // what is wrong with the value; "": nothing
}

// HostWindow is the time in which an insecure host may call: how it stands, and forms that open and close it.
type HostWindow struct {
	URL     string // of the page
	Post    string
	Mark    Mark
	Text    string
	Open    bool
	Until   Moment // of the window that is open, or of the hour of grace after one
	Label   string // of Until
	Minutes string // as typed, or the proposal
	Steps   string // where the range stands: 0 to 1000
	Problem string
	Why     string // why it cannot be opened
}

// lengthID is another one when the length cannot be changed: what is typed is kept from one such card to the next only.
func (w HostWindow) lengthID() string {
	if w.Why != "" {
		return "ho-length-off"
	}
	return "ho-length"
}

// HostForm is a form about a host on a page of its own.
type HostForm struct {
	Title, Text string
	Post, Base  string
	Problem     string // with the whole; "": none
	Fields      []HostField
	Keep, Do    Action
}

// HostField is a field of such a form.
type HostField struct {
	Name, Label, Value, Hint string
	Problem                  string
	Lines                    int // 0, 1: a single line
	Mono                     bool
}
