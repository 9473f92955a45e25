package codexinstall

// Latest asks [Installer.Install] for the newest release.
const Latest = "latest"

// Local is the Codex that PATH leads to. The zero value is none.
type Local struct {
	Path    string
	Version string // "": not known
	Origin  Origin
}

// Situation is what is known before Codex starts.
type Situation struct {
	Target  string // the version that the gateway wants; "" or nonsense: it does not say
	Locked  bool   // exactly that one, up or down
	OnPath  Local
	Private []Copy // see [Copies]
}

// Decision is what to do.
type Decision struct {
	Start          string // the program to start now; "": there is none, so that Install comes first
	Version        string // of Start; "": not known
	Install        string // a version, or Latest: to install privately, in the background if there is something to start
	Advice         string // how to bring PATH's Codex, which is older than the target, up to it
	UnknownVersion bool   // Start does not say its version, so nobody can tell whether it is the right one
}

// Decide picks the Codex to start.
//
// A locked target is obeyed exactly: PATH's Codex if it is that version, else the private copy; until there is one,
// whatever is there starts. Without a lock PATH's Codex starts as it is, and only where there is none cdx keeps a
// private copy up to the target, which it never takes back.
func Decide(s Situation) Decision {
	target, onPath := Normalize(s.Target), s.OnPath
	onPath.Version = Normalize(onPath.Version)
	if onPath.Origin.Kind == Private {
		onPath = Local{} // it is among the copies
	}
	d := Decision{}
	switch {
	case onPath.Path != "":
		d.Start, d.Version = onPath.Path, onPath.Version
	case len(s.Private) > 0:
		d.Start, d.Version = s.Private[0].Path, s.Private[0].Version
	}
	switch {
	case target != "" && s.Locked:
		if d.Version == target {
			break
		}
		if pinned, ok := find(s.Private, target); ok {
			d.Start, d.Version = pinned.Path, pinned.Version
			break
		}
		d.Install = target
	case onPath.Path != "":
		if target != "" && onPath.Version != "" && compare(onPath.Version, target) < 0 {
			d.Advice = onPath.Origin.Advice(target)
		}
	case d.Start == "" && target == "":
		d.Install = Latest
	case target != "" && compare(d.Version, target) < 0: // also when there is none
		d.Install = target
	}
	d.UnknownVersion = d.Start != "" && d.Version == ""
	return d
}
