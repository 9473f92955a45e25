package templates

// SettingsPage are the policies of the whole fleet, each card with a form of its own.
type SettingsPage struct {
	Why        string // the role may not decide; "": it may
	Switch     Switch
	SwitchText string
	Quota      QuotaSettings
	Codex      CodexSettings
	Silent     SilentSettings
	Prune      PruneSettings
}

// SettingsCard is what all cards have.
type SettingsCard struct {
	Tag     string // of what is decided; it goes along with the form
	Wrong   string // what became of the last try; "": it was good
	Decided Moment // zero: nobody has, and it stands as it came
}

// QuotaSettings are what becomes of hosts when the quota ends.
type QuotaSettings struct {
	SettingsCard
	Refuse     bool // else hosts are warned
	Text       string
	Limit      int // per cent
	Partitions []Partition
}

// Partition is a way to spread the week's quota.
type Partition struct {
	Label   string
	Value   string
	Of      string  // per cent of the week a day has without a limit, for app.js; "": it is not spread
	Share   float64 // per cent of the week a day has at the limit; 0: it is not spread
	Current bool
}

// CodexSettings are what Codex the fleet is to run.
type CodexSettings struct {
	SettingsCard
	Options []Option
	Other   string // what was typed instead
	Text    string
	Known   string   // what GitHub says
	Notes   []Action // the release notes of the locked and of the newest release
	Checked Moment   // when it said so
	Failed  string   // why it said nothing last; "": it did
}

// SilentSettings is whether cdx says anything unless something is wrong.
type SilentSettings struct {
	SettingsCard
	On bool
}

// PruneSettings are when hosts are removed that are silent.
type PruneSettings struct {
	SettingsCard
	Days int // 0: never
	Text string
}

// days is a window as the slider's label.
func (p PruneSettings) days() string {
	if p.Days == 0 {
		return "Never"
	}
	return Count(int64(p.Days), "day", "days")
}
