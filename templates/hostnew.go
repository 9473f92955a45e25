package templates

import "github.com/a-h/templ"

// HostNew asks for a host to be registered.
type HostNew struct {
	Name     string // as typed
	Problem  string // with the name
	Exists   Action // to the host that has the name already; the zero value: none has
	Switches []HostTick
	Why      string // why the visitor may not; "": it may
	ByHand   bool   // a machine must be given the gateway's authority before the command works
	Keep     Action
}

// HostTick is a choice that is made or not.
type HostTick struct {
	Name, Label, Hint string
	On                bool
}

// HostEnrolled is the one time that a command is shown which makes a machine the host.
type HostEnrolled struct {
	Title, Name string
	Command     string
	Expires     Moment
	CA          string // that the machine must be given first, PEM; "": none
	Contact     HostContact
	Again       Action
}

// HostContact is how far the machine has come. It is shown live.
type HostContact struct {
	URL   string // of the host's page
	Tone  Tone
	Title string
	Text  string
	Wait  bool // something is to come
	Steps []HostStep
	Next  Action
}

// live has the card ask for itself again as long as something is to come.
func (c HostContact) live() templ.Attributes {
	if !c.Wait {
		return nil
	}
	return Live(c.URL, "hosts", "audit")
}

// HostStep is one step on a machine's way into the fleet.
type HostStep struct {
	Done bool
	Text string
	Note string
	When Moment // zero: not yet, or unknown
}

func (s HostStep) icon() string {
	if s.Done {
		return "ok"
	}
	return "never"
}
