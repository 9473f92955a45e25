package templates

import "time"

// OverviewPage is what there is to say about the fleet at once. What the gateway does not know is not on it.
type OverviewPage struct {
	Now      time.Time
	Alerts   []Alert
	Login    LoginCard
	Quota    QuotaCard
	Fleet    FleetCard
	Usage    UsageCard
	Events   []Event
	AuditURL string // of the whole trail; "": there is no page of it
	Versions VersionsCard
	Actions  []Action
}

// LoginCard is the login that the fleet shares.
type LoginCard struct {
	Empty   *Empty // there is none: what to do
	Command string // that uploads one, beside Empty
	Tone    Tone
	State   string // Healthy
	Account string
	Figures []Figure
	Relay   Relay
	Next    string // what happens to it next
	Actions []Action
}

// FleetCard are the hosts.
type FleetCard struct {
	Title, Text string
	Empty       *Empty
	Cells       []HostCell // one for each host; nil: there are too many to draw
	Legend      []LegendItem
	Action      Action
}

// HostCell is a host in a picture of all.
type HostCell struct {
	Icon, Title, Href string
	Tone              Tone
	Off               bool // nothing to see yet, or any more
}

func (c HostCell) class() string {
	if c.Off {
		return "cell cell-off"
	}
	if c.Tone == OK {
		return "cell"
	}
	return class("cell", c.Tone)
}

// LegendItem is a state and how many are in it.
type LegendItem struct {
	Icon, Label, Href string
	Tone              Tone
	N                 int64
}

// UsageCard are tokens and what they cost.
type UsageCard struct {
	Empty   *Empty
	Text    string
	Bars    Bars
	Figures []Figure
	Action  Action
}

// Event is an entry of the audit trail in a line.
type Event struct {
	Icon   string
	Actor  string
	Text   string // did what
	Object string // to what; "": nothing
	When   Moment
}

// VersionsCard is what the fleet runs.
type VersionsCard struct {
	Codex, Cdx ProgramVersions
	Gateway    string
}

// ProgramVersions is what the fleet runs of one program.
type ProgramVersions struct {
	Target     string // "": nobody set one
	TargetNote string
	Checked    Moment // when GitHub said that it is the newest; zero: nobody did
	Notes      string // where its release notes are; "": nowhere
	On, Of     int64  // hosts on the target, hosts that said
	Others     string
}

func (v ProgramVersions) share() float64 {
	if v.Of == 0 {
		return 0
	}
	return float64(v.On) / float64(v.Of)
}
